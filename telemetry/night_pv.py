"""Inverters that fall silent at night: zero PV while the sun is down, not a gap.

Where PV is missing because its meter told nothing, some other meter of the house did, and the sun
is below the horizon throughout the slot, PV is zero (``NIGHT_ZERO``, provenance ``night``). The
night is then no part of the gap: what is left of it, dusk and dawn and the interval that brought
the advance, gets that advance evenly if it is no longer than any gap that is spread (an hour and
the interval after it), else stays missing with it.

What a rule took out (spike, standstill) stays missing, as does a gap in which all were silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from telemetry.arrays import F64, Bool
from telemetry.channel_slots import ChannelSlots, runs
from telemetry.channels import Channel, Quality
from telemetry.slots import SLOT_SECONDS
from telemetry.sun import is_night

_PER_HOUR = 4
_TAKEN_OUT = int(Quality.SPIKE | Quality.STUCK | Quality.SUSPECT)
_NOISE_KWH = 0.02


def night_zeros(
    channels: Mapping[Channel, ChannelSlots],
    position: tuple[float, float] | None,
    *,
    interval_seconds: int = SLOT_SECONDS,
) -> dict[Channel, ChannelSlots]:
    """All channels, PV with its nights.

    Args:
        channels: measured energies over the same slots.
        position: latitude and longitude of the home, degrees; ``None``: nothing is done.
        interval_seconds: length of the source's intervals.

    Raises:
        MissingExtraError: there is something to be done, and pvlib is not installed.
    """
    found = dict(channels)
    pv = channels.get(Channel.PV_KWH)
    if pv is None or position is None:
        return found
    others = [one for channel, one in channels.items() if channel is not Channel.PV_KWH]
    silent = np.isnan(pv.values) & ((pv.quality & _TAKEN_OUT) == 0)
    heard = np.any([~np.isnan(one.values) for one in others], axis=0) if others else ~silent
    asleep = silent & heard
    if not asleep.any():
        return found
    length = np.full(int(asleep.sum()), SLOT_SECONDS, dtype=np.int64)
    asleep[asleep] = is_night(pv.slot_start[asleep], length, *position)
    if asleep.any():
        found[Channel.PV_KWH] = _with_nights(pv, silent, asleep, interval_seconds)
    return found


def _with_nights(
    pv: ChannelSlots, silent: Bool, asleep: Bool, interval_seconds: int
) -> ChannelSlots:
    values, quality = pv.values.copy(), pv.quality.copy()
    lost = np.zeros(values.size) if pv.lost_kwh is None else pv.lost_kwh.copy()
    most = _PER_HOUR + max(1, interval_seconds // SLOT_SECONDS)
    for start, stop in runs(silent):
        night, rest = asleep[start:stop], ~asleep[start:stop]
        advance = float(lost[start:stop].sum())
        if not night.any() or (not rest.any() and advance > _NOISE_KWH):
            continue  # energy, and no daylight that could have made it: nobody knows
        values[start:stop][night] = 0.0
        quality[start:stop][night] = int(Quality.NIGHT_ZERO)
        lost[start:stop] = 0.0
        ended = bool((quality[start:stop][rest] & int(Quality.GAP)).any())
        if ended and int(rest.sum()) <= most:
            values[start:stop][rest] = advance / max(int(rest.sum()), 1)
            quality[start:stop][rest] &= ~int(Quality.GAP)
            quality[start:stop][rest] |= int(Quality.SPREAD)
        elif rest.any():
            lost[start:stop][rest] = advance / int(rest.sum())
    return replace(pv, values=values, quality=quality, lost_kwh=_none_if_zero(lost))


def _none_if_zero(lost_kwh: F64) -> F64 | None:
    return lost_kwh if lost_kwh.any() else None
