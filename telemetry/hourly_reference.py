"""Home Assistant's own hours, for comparing the store with.

The values are Home Assistant's hourly sums as they come, not what the ETL made of them. Which of
them can be trusted follows from the same rules: an hour that is part of a gap, carries one
(catch-up), cannot be true (spike, standstill) or was the first value ever is not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.channel_slots import ChannelSlots, balance_rest
from telemetry.channels import Channel, Quality
from telemetry.homeassistant.types import Peer, StatisticMeta, Statistics
from telemetry.limits import Limits
from telemetry.quality.reference import HourlyReference
from telemetry.sensors import Part, Sensors, Source
from telemetry.slots import from_epoch, to_epoch
from telemetry.statistics_slots import (
    channel_slots,
    known_side,
    statistic_kinds,
    statistic_rows,
)

_HOUR = 3600
_PARTS = 4
_DOUBTED = int(Quality.GAP | Quality.SPREAD | Quality.SPIKE | Quality.SUSPECT)


def hourly_reference(
    peer: Peer,
    sensors: Sensors,
    limits: Limits,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
) -> HourlyReference:
    """Home Assistant's hours within [start, end) that have ended at ``now``.

    Raises:
        SensorError: an entity has no statistics, or measures neither energy nor power.
        PeerError: Home Assistant does not answer.
    """
    first = -(-to_epoch(start) // _HOUR) * _HOUR
    last = max(first, min(to_epoch(end), to_epoch(now)) // _HOUR * _HOUR)
    kinds, _ = statistic_kinds(peer, sensors)
    span = (from_epoch(first), from_epoch(last))
    rows = statistic_rows(peer, sensors, kinds, span, "hour", now)
    slots = channel_slots(rows, sensors, limits, kinds, span=span, period="hour")
    hours = np.arange(first, last, _HOUR, dtype=np.int64)
    energy: dict[Channel, F64] = {
        channel: np.sum(
            [one.sign * _hours(rows[one.entity_id], one, kinds, hours) for one in sources], axis=0
        )
        for channel, sources in sensors.energy.items()
    }
    if sensors.derived_load:
        energy[Channel.LOAD_KWH] = balance_rest(energy)
    channels = tuple(channel for channel in Channel if channel in energy)
    shape = (len(channels), hours.size)
    values = np.array([energy[channel] for channel in channels]).reshape(shape)
    why = np.array([_untrusted(slots[channel]) for channel in channels], dtype=np.int64)
    why = why.reshape(shape)
    return HourlyReference(
        hour_start=hours,
        channels=channels,
        energy_kwh=np.where(why != 0, np.nan, values),
        why=np.where(np.isnan(values), 0, why),
    )


def _hours(rows: Statistics, source: Source, kinds: Mapping[str, StatisticMeta], hours: I64) -> F64:
    """Energy of one entity in each hour, kWh; NaN where Home Assistant has no row."""
    power = kinds[source.entity_id].unit_class == "power"
    # The mean power of an hour is its energy.
    energy = known_side(rows, source, _HOUR) if power else rows.change
    if source.part is not Part.ALL:
        energy = np.maximum(energy if source.part is Part.POSITIVE else -energy, 0.0)
    found = np.full(hours.size, np.nan)
    here = np.isin(rows.start, hours)
    found[np.searchsorted(hours, rows.start[here])] = energy[here]
    return found


def _untrusted(slots: ChannelSlots) -> I64:
    """Why each hour cannot be trusted (H,); 0 where it can."""
    bits = np.bitwise_or.reduce(slots.quality.reshape(-1, _PARTS), axis=1)
    missing = np.isnan(slots.values).reshape(-1, _PARTS).any(axis=1)
    told = bits & (_DOUBTED | int(Quality.STUCK))
    untold = np.where(told == 0, int(Quality.GAP), told)
    found: I64 = np.where(missing, untold, bits & _DOUBTED)
    return found
