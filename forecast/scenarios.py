"""Ways the next days may turn out: the mean forecast plus what whole past days did differently.

With x[k, q] the value of local day D - k at quarter q as known at the issue (H2), k = 1..14, and
x[q] their mean, the scenario k of a target j local days after the issue's takes the day

    c = (k - 1 - j) mod 14 + 1                                                               (S1)

so that its days follow each other as they did, and errors keep their correlation over hours, across
midnight and between load and PV, which take the same days. With the mean forecast f and the trust g
of the lead (C3),

    load[k] = f + g * (x[c, q] - x[q])                                                       (S2)
    pv[k]   = f * (1 + g * (x[c, q] / x[q] - 1))                                             (S3)

bounded below by 0 and then scaled so that the scenarios' mean is f again. A day not known at q
contributes no deviation. Energies are kWh per slot.
"""

import numpy as np

from forecast.inputs import Measured
from forecast.recent import Clock, recent_cells
from telemetry.arrays import F64, I64

__all__ = ["SCENARIOS", "deviation_rms", "load_scenarios", "past_days", "pv_scenarios"]

SCENARIOS = 14
_MOST_RATIO = 4.0
_LEAST_DAYS = 3


def past_days(measured: Measured, zone: str, issues: I64) -> F64:
    """Return (N, 14, 96) the last whole local days as known at each issue, yesterday first."""
    return recent_cells(measured, zone, issues, SCENARIOS + 1)[:, 1:]


def load_scenarios(days: F64, mean_kwh: F64, place: tuple[I64, Clock], trust: F64) -> F64:
    """Return (N, 14, L) scenarios of load (S2).

    Args:
        days: (N, 14, 96) of ``past_days``.
        mean_kwh: (N, L) mean forecast.
        place: local days from the issue's and clock of the targets, (N, L).
        trust: (L,) of the leads.
    """
    usual = _mean_of_days(days)
    deviation = np.where(np.isnan(days), 0.0, days - usual[:, None])
    raw = mean_kwh[:, None] + trust * _of_targets(deviation, place)
    return _recentred(np.maximum(raw, 0.0), mean_kwh)


def pv_scenarios(
    days: F64, mean_kwh: F64, most_kwh: F64, place: tuple[I64, Clock], trust: F64
) -> F64:
    """Return (N, 14, L) scenarios of PV (S3), at most ``most_kwh`` (N, L) before recentring.

    Other arguments as in ``load_scenarios``.
    """
    usual = _mean_of_days(days)[:, None]
    known = ~np.isnan(days) & (usual > 0.0)
    ratio = np.where(known, np.divide(days, usual, out=np.ones_like(days), where=known), 1.0)
    change = np.minimum(_of_targets(ratio, place), _MOST_RATIO) - 1.0
    raw = mean_kwh[:, None] * (1.0 + trust * change)
    return _recentred(np.clip(raw, 0.0, most_kwh[:, None]), mean_kwh)


def deviation_rms(days: F64, place: tuple[I64, Clock]) -> F64:
    """Return (N, L) root mean square deviation of the last days from their mean at the targets.

    NaN where fewer than three days are known: they tell no deviation.
    """
    usual = _mean_of_days(days)
    known = ~np.isnan(days)
    square = np.where(known, days - usual[:, None], 0.0) ** 2
    count = known.sum(axis=1)
    rms = np.sqrt(square.sum(axis=1) / np.maximum(count, 1))
    rms[count < _LEAST_DAYS] = np.nan
    n = np.arange(days.shape[0])[:, None]
    found: F64 = rms[n, place[1].quarter]
    return found


def _mean_of_days(days: F64) -> F64:
    """Return (N, 96) the mean of the days known at each quarter, 0 without any."""
    known = ~np.isnan(days)
    mean: F64 = np.where(known, days, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def _of_targets(days: F64, place: tuple[I64, Clock]) -> F64:
    """Return (N, 14, L) what each scenario's day says at the targets (S1)."""
    offset, clock = place
    n = np.arange(days.shape[0])[:, None, None]
    k = np.arange(SCENARIOS)[None, :, None]
    found: F64 = days[n, (k - offset[:, None]) % SCENARIOS, clock.quarter[:, None]]
    return found


def _recentred(raw: F64, mean_kwh: F64) -> F64:
    """Return scenarios scaled to the mean forecast; where all are 0, the mean itself."""
    now = raw.mean(axis=1)
    some = now > 0.0
    factor = np.divide(mean_kwh, now, out=np.ones_like(now), where=some)
    return np.where(some[:, None], raw * factor[:, None], mean_kwh[:, None])
