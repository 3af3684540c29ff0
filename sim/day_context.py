"""What was known beside the forecasts at every slot of a day: the last 24 h, the house, the sky.

Units: kWh per slot, ratios, degC, UTC. Missing is NaN.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mpc.arrays import F64
from sim.episode_schema import OBSERVED_SLOTS
from sim.facts import Facts
from sim.planning import HomeModel
from telemetry.arrays import I64
from telemetry.channels import Channel
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, to_epoch

__all__ = ["Before", "DayContext", "context_of", "elapsed", "seen_before"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
_CHANNELS = (Channel.LOAD_KWH, Channel.PV_KWH, Channel.VACATION, Channel.ALARM_ARMED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayContext:
    """What else was known at each of the n slots of a day; (n,), NaN where it was not.

    Attributes:
        vacation: share of the newest known slot that nobody lived there, 0 to 1.
        alarm: likewise, that the alarm was armed.
        cloud_volatility: standard deviation of the cloud cover over the horizon, a ratio, as it
            was forecast at the day's start.
        temp_volatility: likewise of the temperature, degC.
    """

    vacation: F64
    alarm: F64
    cloud_volatility: F64
    temp_volatility: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Before:
    """Slots from 24 h before a day of n slots to its end; M = 96 + n.

    Attributes:
        values: (4, M) load, PV, vacation and alarm, as known today.
        known_at: (4, M) epoch second at which each became known; -1 where nothing was.
    """

    values: F64
    known_at: I64


def seen_before(facts: Facts, model: HomeModel, start: datetime, slots: int) -> Before:
    """Read what a day's plans could have seen of the last 24 h."""
    first, end = start - OBSERVED_SLOTS * _SLOT, start + slots * _SLOT
    seen = facts.observations(model.home.home_id, _CHANNELS, first, end)
    return Before(values=seen.values, known_at=seen.known_at)


def elapsed(values: F64, known_at: I64, n: int, now: int) -> F64:
    """Return the (C, 96) slots before slot ``n`` of a day as known at epoch second ``now``.

    Args:
        values: (C, M) from 24 h before the day, as known today.
        known_at: (C, M) epoch second at which each became known.
        n: slot of the day.
        now: NaN stands for what became known later.
    """
    before = slice(n, n + OBSERVED_SLOTS)
    return np.where(known_at[:, before] <= now, values[:, before], np.nan)


def context_of(
    facts: Facts, model: HomeModel, before: Before, start: datetime, slots: int
) -> DayContext:
    """Return the context of a day of n slots."""
    horizon = model.horizon_hours * 60 // SLOT_MINUTES
    end = start + (slots + horizon - 1) * _SLOT
    sky = facts.weather(model.home.home_id, start, end, as_of=start)
    issues = to_epoch(start) + SLOT_SECONDS * np.arange(slots, dtype=np.int64)
    spreads = [
        _spread(sky.of(name), horizon) if name in sky.variables else np.full(slots, np.nan)
        for name in ("cloud_cover", "temp_c")
    ]
    vacation, alarm = (_newest(before.values[k], before.known_at[k], issues) for k in (2, 3))
    return DayContext(
        vacation=vacation, alarm=alarm, cloud_volatility=spreads[0], temp_volatility=spreads[1]
    )


def _newest(values: F64, known_at: I64, issues: I64) -> F64:
    """Return the newest number among the 96 slots before each of (n,) issues known at it."""
    seen = sliding_window_view(values, OBSERVED_SLOTS)[: issues.size]
    when = sliding_window_view(known_at, OBSERVED_SLOTS)[: issues.size]
    usable = ~np.isnan(seen) & (when <= issues[:, None])
    last = OBSERVED_SLOTS - 1 - np.argmax(usable[:, ::-1], axis=1)
    newest = seen[np.arange(issues.size), last]
    return np.where(usable.any(axis=1), newest, np.nan)


def _spread(values: F64, horizon: int) -> F64:
    """Return the standard deviation of what is known in every run of ``horizon`` slots."""
    runs = sliding_window_view(values, horizon)
    known = ~np.isnan(runs)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, runs, 0.0).sum(axis=1) / count
    error = np.where(known, runs - mean[:, None], 0.0)
    spread: F64 = np.sqrt((error**2).sum(axis=1) / count)
    return np.where(known.any(axis=1), spread, np.nan)
