"""Bands around a forecast: 10 and 90 % quantiles by conformal calibration, and how far to trust it.

With the median m, the scale s of a slot (how far the last days lay from their mean there) and the
truth y, all averaged over the interval the meter itself reports, the score of a target is

    r = (y - m) / s                                                                          (C1)
    low = m + s * min(Q10, 0),  high = m + s * max(Q90, 0)                                   (C2)

with Q10, Q90 the empirical quantiles of r among the targets of the lead group that were forecast in
the trailing 42 days and had happened by then, each moved outward by one rank as the finite sample
asks for. So bands never cross, and a house that was easier to tell gets narrower ones within
weeks. ``trust`` compares the mean forecast with the deviations that scenarios are made of:

    trust = min(rms(y - mean) / rms(deviation of the last 14 days), 1.2)                     (C3)

Profiles of past weeks trail a house whose use rises or falls with the season. By how much the mean
forecast missed the sum of the trailing 28 days corrects it, by a share of 0.35:

    level = 1 + 0.35 * (sum y / sum mean - 1), within 0.8 and 1.25                            (C4)

Source: split conformal prediction, H. Papadopoulos et al., Inductive Confidence Machines for
Regression, ECML 2002; scaled scores: J. Lei et al., Distribution-Free Predictive Inference for
Regression, JASA 113, 2018.
"""

from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool

__all__ = [
    "BAND_GROUPS",
    "TRAILING_DAYS",
    "WIDE",
    "Bands",
    "Scores",
    "band_of_lead",
    "calibrated",
    "coarse",
]

BAND_GROUPS = (0, 4, 12, 24, 48, 96)
"""First lead, in slots, of each group: 0-1, 1-3, 3-6, 6-12, 12-24 h, and beyond."""
TRAILING_DAYS = 42
_LAST_LEAD = 192
_DAY = 86_400
_LOW, _HIGH = 0.1, 0.9
_LEAST_SCORES = 30
_MOST_TRUST = 1.2
_LEVEL_DAYS, _LEVEL_SHARE, _LEVEL_RANGE = 30, 0.35, (0.8, 1.25)  # 28 days, and two to be known
_WIDE_LOW, _WIDE_HIGH = -1.6, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Multiples of the scale, by lead group.

    Attributes:
        low: (G,) at most 0 (C2).
        high: (G,) at least 0.
        trust: (G,) by which deviations of past days are multiplied to make scenarios (C3).
        level: (G,) by which the mean forecast is multiplied (C4).
        days: how many days they were calibrated on; 0: none, the bands are a wide guess.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    trust: tuple[float, ...]
    level: tuple[float, ...]
    days: int

    def around(self, median_kwh: F64, scale_kwh: F64, leads: I64) -> tuple[F64, F64]:
        """Return (low, high) quantiles (C2), never below 0; arrays are (..., L)."""
        group = band_of_lead(leads)
        low = median_kwh + scale_kwh * np.asarray(self.low)[group]
        high = median_kwh + scale_kwh * np.asarray(self.high)[group]
        return np.maximum(low, 0.0), np.maximum(high, 0.0)

    def trust_at(self, leads: I64) -> F64:
        """Return (L,) the trust of each lead, without a jump where groups meet."""
        return _between(self.trust, leads)

    def level_at(self, leads: I64) -> F64:
        """Return (L,) the level of each lead, without a jump where groups meet."""
        return _between(self.level, leads)


def _between(of_groups: tuple[float, ...], leads: I64) -> F64:
    """Return (L,) values on the lines between the middles of the groups."""
    edges = np.array([*BAND_GROUPS, _LAST_LEAD], dtype=np.float64)
    middle = 0.5 * (edges[1:] + edges[:-1])
    found: F64 = np.interp(leads, middle, np.asarray(of_groups))
    return found


_COUNT = len(BAND_GROUPS)
WIDE = Bands(
    low=(_WIDE_LOW,) * _COUNT,
    high=(_WIDE_HIGH,) * _COUNT,
    trust=(1.0,) * _COUNT,
    level=(1.0,) * _COUNT,
    days=0,
)
"""Bands of a house that was never forecast: wider than those of any house we measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """What became of some forecasts, per interval of the meter; all (R,).

    Attributes:
        issue: epoch second of the issue.
        known: epoch second from which the truth could be used.
        lead: slots from issue to target.
        ratio: r of (C1).
        error_kwh: truth less the mean forecast, level not applied.
        mean_kwh: the mean forecast, level not applied.
        deviation_kwh: root mean square of the last days' deviations at the target.
    """

    issue: I64
    known: I64
    lead: I64
    ratio: F64
    error_kwh: F64
    mean_kwh: F64
    deviation_kwh: F64

    def chosen(self, which: Bool) -> "Scores":
        """Return some of the scores, by an (R,) mask."""
        return Scores(
            issue=self.issue[which],
            known=self.known[which],
            lead=self.lead[which],
            ratio=self.ratio[which],
            error_kwh=self.error_kwh[which],
            mean_kwh=self.mean_kwh[which],
            deviation_kwh=self.deviation_kwh[which],
        )

    @classmethod
    def joined(cls, parts: "list[Scores]") -> "Scores":
        """Return all scores of some parts, none without any."""
        whole, real = np.empty(0, dtype=np.int64), np.empty(0)
        return cls(
            issue=np.concatenate([whole, *(p.issue for p in parts)]),
            known=np.concatenate([whole, *(p.known for p in parts)]),
            lead=np.concatenate([whole, *(p.lead for p in parts)]),
            ratio=np.concatenate([real, *(p.ratio for p in parts)]),
            error_kwh=np.concatenate([real, *(p.error_kwh for p in parts)]),
            mean_kwh=np.concatenate([real, *(p.mean_kwh for p in parts)]),
            deviation_kwh=np.concatenate([real, *(p.deviation_kwh for p in parts)]),
        )


def calibrated(scores: Scores, at: int, days: int = TRAILING_DAYS) -> Bands:
    """Return the bands that the forecasts of the trailing days ask for at a moment (C1) to (C4).

    A group with fewer than 30 scores takes the wide guess.

    Args:
        scores: any, also later ones, which are not looked at.
        at: epoch second; what was known later does not count.
        days: how far back issues count.
    """
    usable = (scores.known <= at) & (scores.issue >= at - days * _DAY)
    seen = scores.chosen(usable)
    group = band_of_lead(seen.lead)
    found = [_band(seen.chosen(group == number), number) for number in range(_COUNT)]
    low, high, trust = (tuple(part) for part in zip(*found, strict=True))
    late = seen.issue >= at - _LEVEL_DAYS * _DAY
    level = tuple(_level(seen.chosen(late & (group == number))) for number in range(_COUNT))
    days = int(np.unique(seen.issue // _DAY).size)
    return Bands(low=low, high=high, trust=trust, level=level, days=days)


def _level(scores: Scores) -> float:
    """Return the level of one lead group (C4); 1 where little was seen."""
    said = float(scores.mean_kwh.sum())
    if scores.mean_kwh.size < _LEAST_SCORES or said <= 0.0:
        return 1.0
    level = 1.0 + _LEVEL_SHARE * float(scores.error_kwh.sum()) / said
    return min(max(level, _LEVEL_RANGE[0]), _LEVEL_RANGE[1])


def _band(scores: Scores, group: int) -> tuple[float, float, float]:
    """Return (low, high, trust) of one lead group."""
    ratio = np.sort(scores.ratio)
    count = ratio.size
    if count < _LEAST_SCORES:
        return WIDE.low[group], WIDE.high[group], WIDE.trust[group]
    low = ratio[max(int(np.floor(_LOW * (count + 1))) - 1, 0)]
    high = ratio[min(int(np.ceil(_HIGH * (count + 1))) - 1, count - 1)]
    spread = float(np.sqrt(np.mean(scores.deviation_kwh**2)))
    error = float(np.sqrt(np.mean(scores.error_kwh**2)))
    trust = min(error / spread, _MOST_TRUST) if spread > 0.0 else 1.0
    return min(float(low), 0.0), max(float(high), 0.0), trust


def band_of_lead(leads: I64) -> I64:
    """Return the lead group of each lead, in slots."""
    group: I64 = np.searchsorted(np.array(BAND_GROUPS), leads, side="right") - 1
    return group


def coarse(values: F64, parts: int) -> F64:
    """Return (N, L / parts) means over the meter's own interval; L is a multiple of ``parts``."""
    mean: F64 = values.reshape(values.shape[0], -1, parts).mean(axis=2)
    return mean
