"""How far forecasts lay from what came: by lead, and against the plain rule that did best.

Energies are kWh per slot, averaged over the interval that the meter itself reports. With y what
came, f the mean forecast and f_q the quantile q, over the targets of a lead group,

    MAE      = mean |y - f_50|,  RMSE = root mean (y - f)**2                             (FM1)
    bias     = sum(f - y) / sum y                                                        (FM2)
    pinball  = mean of max(q (y - f_q), (q - 1) (y - f_q)) over q = 10, 50, 90 %         (FM3)
    coverage = share of y in [f_10, f_90]                                                (FM4)
    skill    = 1 - MAE / MAE of the naive forecast that turned out best                  (FM5)

The naive ones are the day before, the week before and the means of the same slot on the last 3, 7
and 14 days, as known at the issue; where a day is not known, the next older one takes its place.
The best is picked in hindsight, for every group anew: nobody could have known it. PV counts only
where the sun is up: where the clear sky, the truth or a forecast is above 0. A target counts where
truth and every forecast are known. Pinball: R. Koenker and G. Bassett, Econometrica 46, 1978.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Protocol

import numpy as np

from forecast.aurora import Forecast, Issued
from forecast.bands import coarse
from forecast.inputs import HomeHistory, Measured
from forecast.recent import newest_mean, recent_cells, target_places
from forecast.rolling import Chain
from forecast.roof import Roof
from telemetry.arrays import F64, I64, Bool
from telemetry.slots import SLOT_SECONDS

__all__ = [
    "GROUPS",
    "LEAD_HOURS",
    "NAIVES",
    "Speaker",
    "Sums",
    "Verdict",
    "backtest",
    "naive_forecasts",
    "pooled",
    "speaker_of",
    "tally",
    "verdicts",
]

LEAD_HOURS = 48
"""How far ahead targets are scored."""
NAIVES = ("day before", "week before", "3-day mean", "7-day mean", "14-day mean")
"""The yardsticks, in the order of every axis that runs over them."""
_EDGES = (0, 1, 3, 6, 12, 24, 48)
GROUPS = tuple(f"{a}-{b} h" for a, b in pairwise(_EDGES))
"""Lead groups, hours from the issue to the start of the target."""
_QUANTILES = (0.1, 0.5, 0.9)
_DAYS, _WEEK = 29, 7
_SLOTS_AN_HOUR = 4
_BATCH = 96
_TOLERANCE_KWH = 1e-9


class Speaker(Protocol):
    """Whatever forecasts load and PV at many issues."""

    def __call__(self, history: HomeHistory, issues: I64, ahead: int) -> Issued:
        """Return the forecasts at (N,) issues, ``ahead`` slots each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Sums over targets by lead hour, (48,) each, and so over homes and periods: they add up.

    Attributes:
        count: targets.
        actual_kwh: what came.
        absolute_kwh: distance of the median from it.
        square: squared distance of the mean, kWh**2.
        excess_kwh: mean forecast less what came.
        median_excess_kwh: median less what came.
        pinball_kwh: (3, 48) pinball losses of 10, 50 and 90 %.
        inside: targets in the band.
        naive_kwh: (5, 48) distance of each naive forecast.
    """

    count: F64
    actual_kwh: F64
    absolute_kwh: F64
    square: F64
    excess_kwh: F64
    median_excess_kwh: F64
    pinball_kwh: F64
    inside: F64
    naive_kwh: F64

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums over both."""
        names = [field.name for field in fields(self)]
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @classmethod
    def nothing(cls) -> "Sums":
        """Return the sums over no target."""
        wide = {"pinball_kwh": len(_QUANTILES), "naive_kwh": len(NAIVES)}
        return cls(
            **{
                field.name: np.zeros(
                    (wide[field.name], LEAD_HOURS) if field.name in wide else LEAD_HOURS
                )
                for field in fields(cls)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One lead group of one target; NaN where nothing was scored.

    Attributes:
        group: e.g. ``3-6 h``, or ``all``.
        count: targets.
        mae_kwh: of the median (FM1).
        rmse_kwh: of the mean (FM1).
        bias: of the mean, a ratio (FM2).
        median_bias: of the median, a ratio.
        pinball_kwh: mean of the three (FM3).
        pinball_by_quantile_kwh: of 10, 50 and 90 %.
        coverage: of the 10-90 % band, a ratio (FM4).
        best_naive: the yardstick that did best here.
        naive_mae_kwh: its MAE.
        skill: against it, a ratio (FM5).
    """

    group: str
    count: int
    mae_kwh: float
    rmse_kwh: float
    bias: float
    median_bias: float
    pinball_kwh: float
    pinball_by_quantile_kwh: tuple[float, ...]
    coverage: float
    best_naive: str
    naive_mae_kwh: float
    skill: float


def verdicts(sums: Sums) -> tuple[Verdict, ...]:
    """Return a verdict for every lead group, and one over all of them at the end."""
    spans = list(zip(GROUPS, _EDGES[:-1], _EDGES[1:], strict=True))
    return tuple(
        _verdict(sums, name, slice(low, high)) for name, low, high in (*spans, ("all", 0, None))
    )


def pooled(parts: Iterable[Sums]) -> Sums:
    """Return the sums over several homes or periods; each target weighs the same."""
    return sum(parts, start=Sums.nothing())


def _verdict(sums: Sums, group: str, hours: slice) -> Verdict:
    """Return the verdict on some lead hours."""
    count = float(sums.count[hours].sum())
    actual = float(sums.actual_kwh[hours].sum())
    naive = sums.naive_kwh[:, hours].sum(axis=1)
    best = int(naive.argmin())
    absolute = float(sums.absolute_kwh[hours].sum())
    pinballs = sums.pinball_kwh[:, hours].sum(axis=1)
    return Verdict(
        group=group,
        count=round(count),
        mae_kwh=_ratio(absolute, count),
        rmse_kwh=float(np.sqrt(_ratio(float(sums.square[hours].sum()), count))),
        bias=_ratio(float(sums.excess_kwh[hours].sum()), actual),
        median_bias=_ratio(float(sums.median_excess_kwh[hours].sum()), actual),
        pinball_kwh=_ratio(float(pinballs.mean()), count),
        pinball_by_quantile_kwh=tuple(_ratio(part, count) for part in pinballs.tolist()),
        coverage=_ratio(float(sums.inside[hours].sum()), count),
        best_naive=NAIVES[best] if count else "",
        naive_mae_kwh=_ratio(float(naive[best]), count),
        skill=1.0 - _ratio(absolute, float(naive[best])),
    )


def _ratio(part: float, whole: float) -> float:
    """Return part of whole; NaN where there is no whole."""
    return part / whole if whole > 0.0 else np.nan


def backtest(
    history: HomeHistory,
    speakers: Mapping[str, Speaker],
    issues: I64,
    *,
    roof: Roof | None = None,
) -> dict[str, tuple[Sums, Sums | None]]:
    """Return (load, PV) of every speaker over the same targets of (N,) ascending issues.

    Args:
        history: of the home.
        speakers: whatever forecasts, by name.
        issues: epoch seconds; where the meter's interval is longer than a slot, at its starts.
        roof: whose clear sky says where the sun is up; None: truth and forecasts alone say it.
    """
    loads = dict.fromkeys(speakers, Sums.nothing())
    pvs = dict.fromkeys(speakers, Sums.nothing())
    load, ahead = history.whole_load, LEAD_HOURS * _SLOTS_AN_HOUR
    for first in range(0, issues.size, _BATCH):
        some = issues[first : first + _BATCH]
        said = {name: speak(history, some, ahead) for name, speak in speakers.items()}
        of_load = {name: issued.load for name, issued in said.items()}
        for name, sums in _score(history, load, some, of_load).items():
            loads[name] += sums
        if history.pv is not None:
            of_pv = {name: issued.pv for name, issued in said.items()}
            sun = _sunny(roof, some, history.source_slots)
            for name, sums in _score(history, history.pv, some, of_pv, sun).items():
                pvs[name] += sums
    there = history.pv is not None
    return {name: (loads[name], pvs[name] if there else None) for name in speakers}


def _sunny(roof: Roof | None, issues: I64, parts: int) -> Bool:
    """Return (N, C) where the clear sky of a roof is above 0; nowhere without a roof."""
    slots = _slots_ahead(issues)
    clear = np.zeros(slots.shape)
    if roof is not None and roof.has_sky:
        clear = roof.clear_kwh(slots.ravel()).reshape(slots.shape)
    return coarse(clear, parts) > 0.0


def _slots_ahead(issues: I64) -> I64:
    """Return the (N, A) slots after the issues."""
    leads = np.arange(LEAD_HOURS * _SLOTS_AN_HOUR, dtype=np.int64)
    slots: I64 = issues[:, None] + SLOT_SECONDS * leads
    return slots


def _score(
    history: HomeHistory,
    truth: Measured,
    issues: I64,
    said: Mapping[str, Forecast],
    sunny: Bool | None = None,
) -> dict[str, Sums]:
    """Return the sums of one target; given where it is ``sunny``, only there or above 0."""
    parts, slots = history.source_slots, _slots_ahead(issues)
    actual = coarse(truth.at(slots), parts)
    naive = naive_forecasts(truth, history.zone, issues, slots.shape[1])
    naives = np.stack([coarse(one, parts) for one in naive])
    spoken = {name: _coarse(one, parts) for name, one in said.items()}
    where = ~np.isnan(actual) & ~np.isnan(naives).any(axis=0)
    for one in spoken.values():
        where &= ~np.isnan(one.mean_kwh + one.low_kwh + one.median_kwh + one.high_kwh)
    if sunny is not None:
        bright = sunny | (actual > 0.0)
        for one in spoken.values():
            bright |= (one.mean_kwh > 0.0) | (one.high_kwh > 0.0)
        where &= bright
    return {name: tally(actual, one, naives, where) for name, one in spoken.items()}


def _coarse(said: Forecast, parts: int) -> Forecast:
    """Return a forecast on the meter's own intervals."""
    return Forecast(
        **{field.name: coarse(getattr(said, field.name), parts) for field in fields(said)}
    )


def tally(actual: F64, said: Forecast, naives: F64, where: Bool) -> Sums:
    """Return the sums over the targets of N issues.

    Args:
        actual: (N, C) what came in C intervals ahead, which fill 48 h.
        said: (N, C) each.
        naives: (5, N, C).
        where: (N, C) which targets count; there nothing is NaN.
    """
    miss = actual - said.median_kwh
    quantiles = zip(_QUANTILES, (said.low_kwh, said.median_kwh, said.high_kwh), strict=True)
    inside = (actual >= said.low_kwh - _TOLERANCE_KWH) & (actual <= said.high_kwh + _TOLERANCE_KWH)

    def by_hour(values: F64) -> F64:
        columns = np.where(where, values, 0.0).sum(axis=-2)
        hours: F64 = columns.reshape(*columns.shape[:-1], LEAD_HOURS, -1).sum(axis=-1)
        return hours

    return Sums(
        count=by_hour(np.ones(actual.shape)),
        actual_kwh=by_hour(actual),
        absolute_kwh=by_hour(np.abs(miss)),
        square=by_hour((actual - said.mean_kwh) ** 2),
        excess_kwh=by_hour(said.mean_kwh - actual),
        median_excess_kwh=by_hour(-miss),
        pinball_kwh=np.stack([by_hour(_pinball(actual - f, q)) for q, f in quantiles]),
        inside=by_hour(inside.astype(np.float64)),
        naive_kwh=by_hour(np.abs(actual - naives)),
    )


def _pinball(miss: F64, quantile: float) -> F64:
    """Return the pinball loss of truth less quantile (FM3)."""
    loss: F64 = np.maximum(quantile * miss, (quantile - 1.0) * miss)
    return loss


def naive_forecasts(measured: Measured, zone: str, issues: I64, ahead: int) -> F64:
    """Return the (5, N, A) naive forecasts as known at each issue, in the order of ``NAIVES``.

    NaN only where 29 days have no value at the target's wall-clock slot.
    """
    cells = recent_cells(measured, zone, issues, _DAYS)
    offset, clock = target_places(issues, np.arange(ahead, dtype=np.int64), zone)
    n = np.arange(issues.size)[:, None]
    last, *means = (newest_mean(cells, days)[n, clock.quarter] for days in (1, 3, 7, 14))
    week = np.full(offset.shape, np.nan)
    for age in range(_WEEK, _DAYS, _WEEK):
        day = age - offset
        there = np.isnan(week) & (day >= 0)
        week = np.where(there, cells[n, np.where(there, day, 0), clock.quarter], week)
    return np.stack([last, np.where(np.isnan(week), last, week), *means])


def speaker_of(chain: Chain) -> Speaker:
    """Return what forecasts with the models of a chain, each while it was in force."""

    def speak(history: HomeHistory, issues: I64, ahead: int) -> Issued:
        parts = [model.issue(history, issues[part], ahead) for model, part in chain.parts(issues)]
        return Issued(
            load=_joined([part.load for part in parts]),
            pv=_joined([part.pv for part in parts]),
            load_scenarios=None,
            pv_scenarios=None,
        )

    return speak


def _joined(parts: Sequence[Forecast]) -> Forecast:
    """Return the forecasts of consecutive issues as one."""
    names = [field.name for field in fields(Forecast)]
    return Forecast(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
