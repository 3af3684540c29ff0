"""PV forecast: clear sky of the roof, times what the sky has been, times what the weather says.

Units: kWh per slot of 15 min. With c the clear-sky energy (``forecast.roof``), E_k the clear-sky
indices of the experts (``forecast.pv_recent``) and w_k their weights for a lead,

    forecast = clip(c * sum_k w_k(lead) * E_k, 0, min(1.2 max(H, 1) c, limit))      (PV1)

H is the index of bright days, above 1 where the planes are not quite the roof's. There are two
forecasts: the mean, to plan with, and the median, which errs least in absolute terms. Where the
sky is mostly clear the median lies above the mean. The weights are those of ``forecast.pv_blend``.
Where an issue says something of the weather, its physical forecast (``forecast.pv_weather``) joins
the experts. Only what was usable at an issue is read. What must not teach (``teaching``) is left
out where models are fitted; at an issue, readings flagged doubtful.
"""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from forecast.errors import SeriesError, TrainingError
from forecast.inputs import NEVER, HomeHistory, Measured
from forecast.pv_blend import Blends, Rows, fit_blends, fixed_blends, lead_rows
from forecast.pv_learn import Learned, Lesson, correction_kwh, fit_learned
from forecast.pv_recent import RING, WINDOW_DAYS, envelope, experts, window_of
from forecast.pv_weather import holds_hours, outlook
from forecast.roof import Roof, fit_roof, roof_from_state, roof_state, smear
from forecast.trees import Trees
from telemetry.arrays import F64, I64, Bool
from telemetry.slots import SLOT_SECONDS

__all__ = ["PvForecast", "PvModel", "fit_pv"]

_CHUNK = 128
_DAY_SECONDS = 86_400
_TYPICAL = 0.6  # of a clear sky, where nothing was ever measured
_TEACHING_DAYS, _LEAST_TEACHING_DAYS = 370, 14
_WEATHER_STEP_SECONDS, _RECENT_STEP_SECONDS = 3 * 3600, 3600
_WEATHER_AHEAD, _RECENT_AHEAD = 192, 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PvForecast:
    """What the roof will give at N issues in the next A slots, (N, A) each, never NaN.

    Attributes:
        mean_kwh: expected energy, to plan with.
        median_kwh: as often above as below, the least absolute error.
        most_kwh: what the roof can give at all.
    """

    mean_kwh: F64
    median_kwh: F64
    most_kwh: F64


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PvModel:
    """A fitted roof.

    Attributes:
        roof: planes, sky and limit.
        parts: slots per interval of the source.
        typical: clear-sky index where nothing is known.
        hourly_weather: whether weather issues hold hours flat.
        recent: weights without weather.
        weather: weights with weather.
        learned: trees on top of them, None where there was too little to learn from.
    """

    roof: Roof
    parts: int
    typical: float
    hourly_weather: bool
    recent: Blends
    weather: Blends
    learned: Learned | None = None

    def forecast(self, history: HomeHistory, issues: I64, ahead: int) -> PvForecast:
        """Return the forecasts of the ``ahead`` slots after each of the (N,) issues.

        Raises:
            SeriesError: an issue is no slot start, or the house has no PV.
        """
        pv = _taught(history, NEVER)
        if (issues % SLOT_SECONDS).any():
            raise SeriesError("issues", "off the grid", "slot starts: multiples of 900 s")
        chunks = [
            self._chunk(pv, history, issues[n : n + _CHUNK], ahead)
            for n in range(0, issues.size, _CHUNK)
        ]
        empty = np.empty((0, ahead))
        mean = np.concatenate([chunk.mean_kwh for chunk in chunks] or [empty])
        median = np.concatenate([chunk.median_kwh for chunk in chunks] or [empty])
        most = np.concatenate([chunk.most_kwh for chunk in chunks] or [empty])
        return PvForecast(mean_kwh=mean, median_kwh=median, most_kwh=most)

    def to_state(self) -> dict[str, Any]:
        """Return the model as numbers, strings and arrays."""
        return {
            "roof": roof_state(self.roof),
            "parts": self.parts,
            "typical": self.typical,
            "hourly_weather": self.hourly_weather,
            "recent": {"mean": self.recent.mean, "median": self.recent.median},
            "weather": {"mean": self.weather.mean, "median": self.weather.median},
            "learned": None if self.learned is None else [trees.text for trees in self.learned],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "PvModel":
        """Return the model of a state."""
        return cls(
            roof=roof_from_state(state["roof"]),
            parts=int(state["parts"]),
            typical=float(state["typical"]),
            hourly_weather=bool(state["hourly_weather"]),
            recent=Blends(**state["recent"]),
            weather=Blends(**state["weather"]),
            learned=Learned(*map(Trees, state["learned"])) if state["learned"] else None,
        )

    def _chunk(self, pv: Measured, history: HomeHistory, issues: I64, ahead: int) -> PvForecast:
        """Return the forecasts of not too many issues (PV1)."""
        rows = self.rows(pv, history, issues, ahead)
        most = self.roof.most_kwh(rows.clear_kwh, rows.bright[:, np.arange(ahead) % RING])
        row = lead_rows(ahead)

        told = rows.told()

        def bounded(recent: F64, weather: F64, trees: Trees | None) -> F64:
            kwh = rows.energy(recent[row])
            if told.any():
                kwh = np.where(told, rows.energy_with_weather(weather[row]), kwh)
                if trees is not None:
                    kwh += correction_kwh(trees, rows, told)
            return np.clip(kwh, 0.0, most)

        learned = self.learned
        return PvForecast(
            mean_kwh=bounded(
                self.recent.mean, self.weather.mean, learned.mean if learned else None
            ),
            median_kwh=bounded(
                self.recent.median, self.weather.median, learned.median if learned else None
            ),
            most_kwh=most,
        )

    def rows(self, pv: Measured, history: HomeHistory, issues: I64, ahead: int) -> Rows:
        """Return what is known at issues about the slots after them; ``pv`` holds what teaches."""
        first = int(issues.min()) - WINDOW_DAYS * _DAY_SECONDS
        last = int(issues.max()) + ahead * SLOT_SECONDS
        slots = np.arange(first, last, SLOT_SECONDS, dtype=np.int64)
        lead = np.arange(ahead)
        if self.roof.has_sky:
            clear = self.roof.clear_kwh(slots)
            window = window_of(pv, issues, smear(clear, first, self.parts), first)
            target = clear[((issues - first) // SLOT_SECONDS)[:, None] + lead]
        else:
            window = window_of(pv, issues, np.ones(slots.size), first)
            window, profile = envelope(window, self.parts)
            target = profile[:, lead % profile.shape[1]]
        recent = experts(window, self.typical, self.parts)
        weather = None
        if history.weather is not None:
            weather = outlook(history.weather, self.roof, issues, ahead, hourly=self.hourly_weather)
        return Rows(recent.index, target, recent.bright, weather)


def fit_pv(history: HomeHistory, until: int) -> PvModel:
    """Fit the PV of a house to what was usable at ``until``.

    Raises:
        SeriesError: the house has no PV.
        TrainingError: nothing was ever measured, and planes or position are unknown.
        MissingExtraError: the position is known and pvlib is not installed, or there is weather
            and LightGBM is not.
    """
    pv = _taught(history, until)
    parts = history.pv_slots
    begin = -(pv.start // SLOT_SECONDS) % parts
    known = history.latitude is not None and history.longitude is not None
    roof = fit_roof(
        pv.values[begin:],
        pv.start + begin * SLOT_SECONDS,
        position=(history.latitude, history.longitude) if known else None,  # type: ignore[arg-type]
        elevation_m=history.elevation_m,
        planes=history.planes,
        parts=parts,
    )
    clear = smear(roof.clear_kwh(pv.slots), pv.start, parts)
    told = ~np.isnan(pv.values)
    if not told.any() and not roof.has_sky:
        raise TrainingError(
            "pv_kwh",
            "no value may be learnt from, and the planes are unknown",
            "import PV history, or configure position and planes",
        )
    total = float(clear[told].sum())
    model = PvModel(
        roof=roof,
        parts=parts,
        typical=float(pv.values[told].sum()) / total if total > 0.0 else _TYPICAL,
        hourly_weather=history.weather is not None and holds_hours(history.weather, until),
        recent=fixed_blends(weather=False),
        weather=fixed_blends(weather=True),
    )
    return _learn(model, pv, history, until)


def _learn(model: PvModel, pv: Measured, history: HomeHistory, until: int) -> PvModel:
    """Return the model with weights of its own where the history is long enough."""
    told = np.flatnonzero(~np.isnan(pv.values))
    if not told.size or told.size < _LEAST_TEACHING_DAYS * 96:
        return model
    first = max(int(pv.slots[told[0]]) + 7 * _DAY_SECONDS, until - _TEACHING_DAYS * _DAY_SECONDS)
    first = -(-first // 3600) * 3600
    alone, hourly = replace(history, weather=None), (first, until, _RECENT_STEP_SECONDS)
    recent = fit_blends(
        *_lessons(model, pv, alone, hourly, _RECENT_AHEAD), model.parts, weather=False
    )
    model = replace(model, recent=recent)
    if history.weather is None or not model.roof.has_sky:
        return model
    rows, came = _lessons(model, pv, history, (first, until, _WEATHER_STEP_SECONDS), _WEATHER_AHEAD)
    model = replace(model, weather=fit_blends(rows, came, model.parts, weather=True))
    row, most = lead_rows(_WEATHER_AHEAD), np.inf
    lessons = [
        Lesson(
            known,
            np.clip(known.energy_with_weather(model.weather.mean[row]), 0.0, most),
            np.clip(known.energy_with_weather(model.weather.median[row]), 0.0, most),
            truth,
        )
        for known, truth in zip(rows, came, strict=True)
    ]
    return replace(model, learned=fit_learned(lessons, model.parts))


def _lessons(
    model: PvModel, pv: Measured, history: HomeHistory, span: tuple[int, int, int], ahead: int
) -> tuple[list[Rows], list[F64]]:
    """Return what was known and what came at the issues of a span (first, end, step in seconds)."""
    issues = np.arange(span[0], span[1] - ahead * SLOT_SECONDS + 1, span[2], dtype=np.int64)
    rows, came = [], []
    for n in range(0, issues.size, _CHUNK):
        some = issues[n : n + _CHUNK]
        rows.append(model.rows(pv, history, some, ahead))
        came.append(pv.at(some[:, None] + SLOT_SECONDS * np.arange(ahead, dtype=np.int64)))
    return rows, came


def _taught(history: HomeHistory, until: int) -> Measured:
    """Return the PV that may be learnt from and was usable at ``until``."""
    if history.pv is None:
        raise SeriesError("pv", None, "measured PV: this house has none to forecast")
    late: Bool = history.pv.usable_from > until
    if history.pv_teaches is not None:
        late = late | ~history.pv_teaches
    return history.pv.without(late)
