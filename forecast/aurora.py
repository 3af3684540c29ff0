"""Aurora: load and PV of a house with bands and scenarios, as known at very many issues.

    history ──rows──> load trees, profiles ──> mean, median ──bands──> 10, 50, 90 %
            ──clear sky, weather──> PV mean, median ──────────────────> 10, 50, 90 %
            ──the last 14 days' deviations──> 14 scenarios of load and PV together

A model is a pure function of (history, until, seed), a forecast one of (model, history, issue), and
nothing usable after ``until``, or after the issue, is looked at. The mean is for plans, the median
errs least. Arrays are (N, A): N issues, A slots from each issue's own; kWh per slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecast.bands import WIDE, Bands, Scores, calibrated, coarse
from forecast.errors import SeriesError, TrainingError
from forecast.inputs import NEVER, HomeHistory, Measured
from forecast.load import LoadModel, fit_load, fit_mix, naive_load
from forecast.pv import PvForecast, PvModel, fit_pv
from forecast.recent import QUARTERS, Clock, newest_mean, target_places
from forecast.scenarios import SCENARIOS, deviation_rms, load_scenarios, past_days, pv_scenarios
from forecast.sky import make_sky
from forecast.teaching import pv_teaches
from forecast.trees import Trees
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS

__all__ = ["LEAST_DAYS", "MOST_AHEAD", "Aurora", "Forecast", "Issued", "score", "train"]

LEAST_DAYS = 60
"""With fewer days of load no trees are fitted: the plain profiles stay."""
MOST_AHEAD = 672
"""Slots that an issue looks ahead at most: a week, as same-weekday features reach."""
_DAY = 86_400
_HELD_DAYS, _HELD_SHARE = 42, 4
_SCORED_LEADS = 192
_SCORE_STEP = 3600
_BATCH = 96
_PV_SCALE_SHARE = 0.15
_PLAIN_DAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """One target; (N, A) each, NaN where nothing was known.

    Attributes:
        mean_kwh: for plans.
        low_kwh: 10 % quantile.
        median_kwh: 50 % quantile.
        high_kwh: 90 % quantile.
    """

    mean_kwh: F64
    low_kwh: F64
    median_kwh: F64
    high_kwh: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Issued:
    """What Aurora says at N issues.

    Attributes:
        load: of the house, flexible loads included.
        pv: zero for a house without panels.
        load_scenarios: (N, 14, A), or None where not asked for.
        pv_scenarios: (N, 14, A) of the same days, or None.
    """

    load: Forecast
    pv: Forecast
    load_scenarios: F64 | None
    pv_scenarios: F64 | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aurora:
    """A trained model of one house.

    Attributes:
        load: of the load.
        pv: of the roof; None for a house without panels, or whose panels taught nothing yet: then
            the newest three days foretell them.
        load_bands: of the load.
        pv_bands: of the PV.
        trained_until: epoch second; nothing usable later was looked at.
    """

    load: LoadModel
    pv: PvModel | None
    load_bands: Bands
    pv_bands: Bands
    trained_until: int

    @property
    def is_naive(self) -> bool:
        """Whether the load comes from plain profiles, for lack of history."""
        return self.load.median is None

    def issue(
        self, history: HomeHistory, issues: I64, ahead: int, *, scenarios: bool = False
    ) -> Issued:
        """Return the forecasts at (N,) issues, ``ahead`` slots each.

        Memory grows by some arrays of (N, 43, A): ask for a day of issues, or a few.

        Args:
            history: of the house.
            issues: epoch seconds of slot starts.
            ahead: A.
            scenarios: whether to make scenarios too.

        Raises:
            SeriesError: an issue is no slot start, or more than 168 h ahead are asked for.
        """
        if (issues % SLOT_SECONDS).any():
            raise SeriesError("issues", "off the grid", "slot starts: multiples of 900 s")
        if not 1 <= ahead <= MOST_AHEAD:
            raise SeriesError("ahead", ahead, f"1 to {MOST_AHEAD} slots: a week")
        leads = np.arange(ahead, dtype=np.int64)
        load, _ = self.load_at(history, issues, leads)
        place = target_places(issues, leads, history.zone)
        pv, pv_days, pv_most = self.pv_at(history, issues, place)
        load_ways = pv_ways = None
        if scenarios:
            load_days = past_days(history.whole_load, history.zone, issues)
            load_ways = load_scenarios(
                load_days, load.mean_kwh, place, self.load_bands.trust_at(leads)
            )
            pv_ways = pv_scenarios(
                pv_days, pv.mean_kwh, pv_most, place, self.pv_bands.trust_at(leads)
            )
        return Issued(load=load, pv=pv, load_scenarios=load_ways, pv_scenarios=pv_ways)

    def load_at(self, history: HomeHistory, issues: I64, leads: I64) -> tuple[Forecast, F64]:
        """Return the load of (N,) issues at (L,) leads, and the scale of its band (C1)."""
        made = self.load.forecast(history, issues, leads)
        low, high = self.load_bands.around(made.median_kwh, made.spread_kwh, leads)
        mean = made.mean_kwh * self.load_bands.level_at(leads)
        forecast = Forecast(mean_kwh=mean, low_kwh=low, median_kwh=made.median_kwh, high_kwh=high)
        return forecast, made.spread_kwh

    def pv_at(
        self, history: HomeHistory, issues: I64, place: tuple[I64, Clock]
    ) -> tuple[Forecast, F64, F64]:
        """Return the PV at the targets of ``place``, the last days of it, and its most.

        Returns:
            The forecast; (N, 14, 96) of ``past_days``; (N, A) what the roof can give at all.
        """
        shape, leads = place[0].shape, np.arange(place[0].shape[1], dtype=np.int64)
        if history.pv is None:
            none = np.zeros(shape)
            return _flat(none), np.zeros((issues.size, SCENARIOS, QUARTERS)), none
        days = past_days(history.pv, history.zone, issues)
        if self.pv is None:
            made = _plain_pv(days, place)
        else:
            made = self.pv.forecast(history, issues, shape[1])
        scale = pv_scale(days, made.median_kwh, place)
        low, high = self.pv_bands.around(made.median_kwh, scale, leads)
        mean = np.minimum(made.mean_kwh * self.pv_bands.level_at(leads), made.most_kwh)
        forecast = Forecast(mean_kwh=mean, low_kwh=low, median_kwh=made.median_kwh, high_kwh=high)
        return forecast, days, made.most_kwh

    def to_state(self) -> dict[str, Any]:
        """Return the model as numbers, texts and arrays."""
        median, mean = self.load.median, self.load.mean
        return {
            "trained_until": self.trained_until,
            "load": {
                "median": None if median is None else median.text,
                "mean": None if mean is None else mean.text,
                "mix": [list(row) for row in self.load.mix],
            },
            "pv": None if self.pv is None else self.pv.to_state(),
            "load_bands": _band_state(self.load_bands),
            "pv_bands": _band_state(self.pv_bands),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Aurora":
        """Return the model of a state."""
        load = state["load"]
        return cls(
            load=LoadModel(
                median=None if load["median"] is None else Trees(load["median"]),
                mean=None if load["mean"] is None else Trees(load["mean"]),
                mix=tuple(tuple(row) for row in load["mix"]),
            ),
            pv=None if state["pv"] is None else PvModel.from_state(state["pv"]),
            load_bands=_bands_of(state["load_bands"]),
            pv_bands=_bands_of(state["pv_bands"]),
            trained_until=int(state["trained_until"]),
        )


def train(
    history: HomeHistory, until: int, *, seed: int = 0
) -> tuple[Aurora, tuple[Scores, Scores]]:
    """Train on what was usable at ``until``.

    The mix of experts and the bands come from the last 42 days (a quarter of a shorter history),
    forecast by trees that had not seen them; the model returned is fitted on everything.

    Returns:
        The model, and the scores of load and PV on the days held back.

    Raises:
        TrainingError: the load never changes.
        MissingExtraError: LightGBM or pvlib is not installed.
    """
    days = known_days(history.load, until)
    held = min(_HELD_DAYS, int(days) // _HELD_SHARE)
    split = until - held * _DAY
    trees = days >= LEAST_DAYS
    earlier = fit_load(history, split, seed=seed) if trees else naive_load()
    mix = fit_mix(earlier, history, split, until) if trees else None
    if mix is not None:
        earlier = replace(earlier, mix=tuple(map(tuple, mix.tolist())))
    judged = Aurora(
        load=earlier,
        pv=_roof(history, split),
        load_bands=WIDE,
        pv_bands=WIDE,
        trained_until=split,
    )
    first = -(-split // 3600) * 3600
    issues = np.arange(first, until, _SCORE_STEP, dtype=np.int64)
    scores = score(judged, history, issues)
    final = Aurora(
        load=fit_load(history, until, mix, seed=seed) if trees else earlier,
        pv=_roof(history, until),
        load_bands=calibrated(scores[0], until),
        pv_bands=calibrated(scores[1], until),
        trained_until=until,
    )
    return final, scores


def _roof(history: HomeHistory, until: int) -> PvModel | None:
    """Return the model of the PV that was usable at ``until``; None where nothing teaches.

    What teaches is judged on what was usable then, so that nobody learns from days to come.
    """
    pv = history.pv
    if pv is None or not (pv.usable_from <= until).any():
        return None
    seen = Measured(start=pv.start, values=pv.as_of(until), usable_from=pv.usable_from)
    sky, temp = None, None
    if history.latitude is not None and history.longitude is not None:
        sky = make_sky(history.latitude, history.longitude, history.elevation_m)
    if history.weather is not None:
        temp = history.weather.as_of("temp_c", pv.slots, 1)[:, 0]
        temp = np.where(pv.slots <= until, temp, np.nan)
    good = pv_teaches(seen, sky=sky, temp_c=temp, may_be_curtailed=history.pv_may_curtail)
    if history.pv_teaches is not None:
        good &= history.pv_teaches
    try:
        return fit_pv(replace(history, pv_teaches=good), until)
    except TrainingError:
        return None


def known_days(load: Measured, until: int) -> float:
    """Return how many days of load were usable at a moment, as slots over 96."""
    return float((load.usable_from <= until).sum()) / (_DAY // SLOT_SECONDS)


def score(model: Aurora, history: HomeHistory, issues: I64) -> tuple[Scores, Scores]:
    """Return the scores of load and PV at (N,) issues on whole intervals of the meter (C1).

    Targets whose truth is unknown are left out, and so are slots of PV in the dark.
    """
    found: tuple[list[Scores], list[Scores]] = ([], [])
    model = replace(model, load_bands=WIDE, pv_bands=WIDE)  # as if nothing was calibrated
    leads = np.arange(_SCORED_LEADS, dtype=np.int64)
    for begin in range(0, issues.size, _BATCH):
        some = issues[begin : begin + _BATCH]
        place = target_places(some, leads, history.zone)
        load, scale = model.load_at(history, some, leads)
        whole = history.whole_load
        deviation = deviation_rms(past_days(whole, history.zone, some), place)
        found[0].append(_scores(whole, some, load, (scale, deviation), history.source_slots))
        if history.pv is not None and model.pv is not None:
            pv, days, _ = model.pv_at(history, some, place)
            scale, deviation = pv_scale(days, pv.median_kwh, place), deviation_rms(days, place)
            found[1].append(_scores(history.pv, some, pv, (scale, deviation), history.pv_slots))
    return Scores.joined(found[0]), Scores.joined(found[1])


def _scores(
    truth: Measured, issues: I64, said: Forecast, sizes: tuple[F64, F64], parts: int
) -> Scores:
    """Return the scores of one target; ``sizes`` are the scale and the deviation of past days."""
    targets = issues[:, None] + SLOT_SECONDS * np.arange(said.mean_kwh.shape[1], dtype=np.int64)
    actual = coarse(truth.at(targets), parts)
    usable = np.where(np.isnan(truth.values), NEVER, truth.usable_from)
    each = replace(truth, values=usable.astype(np.float64)).at(targets)
    known = each.reshape(issues.size, -1, parts).max(axis=2)  # the last part to come
    scale = coarse(sizes[0], parts)
    there = ~np.isnan(coarse(said.mean_kwh + sizes[1], parts))
    ok = ~np.isnan(actual) & (scale > 0.0) & there
    ratio = np.divide(
        actual - coarse(said.median_kwh, parts), scale, out=np.zeros_like(scale), where=ok
    )
    rows, columns = np.nonzero(ok)
    return Scores(
        issue=issues[rows],
        known=known[ok].astype(np.int64),
        lead=columns * parts,
        ratio=ratio[ok],
        error_kwh=(actual - coarse(said.mean_kwh, parts))[ok],
        mean_kwh=coarse(said.mean_kwh, parts)[ok],
        deviation_kwh=coarse(sizes[1], parts)[ok],
    )


def _plain_pv(days: F64, place: tuple[I64, Clock]) -> PvForecast:
    """Return PV of panels that no model knows yet: the mean of the newest three days known.

    0 where no day is known at a quarter: then nothing was ever seen of them there.
    """
    mean = np.nan_to_num(newest_mean(days, _PLAIN_DAYS))
    n = np.arange(days.shape[0])[:, None]
    said, most = mean[n, place[1].quarter], np.nan_to_num(days).max(axis=(1, 2))
    return PvForecast(
        mean_kwh=said, median_kwh=said, most_kwh=np.broadcast_to(most[:, None], said.shape)
    )


def pv_scale(days: F64, median_kwh: F64, place: tuple[I64, Clock]) -> F64:
    """Return (N, A) how far PV may lie from its median: the last days' spread, a share of it.

    Where too few days are known to tell a spread, as far as the median itself.
    """
    spread = deviation_rms(days, place)
    spread = np.where(np.isnan(spread), median_kwh, spread)
    scale: F64 = np.sqrt(spread**2 + (_PV_SCALE_SHARE * median_kwh) ** 2)
    return scale


def _flat(values: F64) -> Forecast:
    """Return a forecast without doubt."""
    return Forecast(mean_kwh=values, low_kwh=values, median_kwh=values, high_kwh=values)


def _band_state(bands: Bands) -> dict[str, Any]:
    """Return bands as lists."""
    return {
        "low": list(bands.low),
        "high": list(bands.high),
        "trust": list(bands.trust),
        "level": list(bands.level),
        "days": bands.days,
    }


def _bands_of(state: Mapping[str, Any]) -> Bands:
    """Return the bands of a state."""
    return Bands(
        low=tuple(state["low"]),
        high=tuple(state["high"]),
        trust=tuple(state["trust"]),
        level=tuple(state["level"]),
        days=int(state["days"]),
    )
