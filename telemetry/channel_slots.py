"""From the meters of a house to its channels: sums, the derived load, readings that stood still.

    SlotEnergy of each source --signed sum--> ChannelSlots --load stood still?--> ChannelSlots

Units: kWh per slot, kW. A channel is never negative: a sum below zero by less than what its meters
resolve is zero, a lower one is missing. What was counted in a missing slot stays with it, as lost.

A load never rests. Where it stands still for longer than its meter's resolution explains, its
meter was not read. For up to an hour the readings stay, marked STUCK; for longer they are not
trusted: load, and every other channel that stood still as long, are missing with STUCK, and so are
the advance that follows, which holds the energy of that time, and the slot in which it began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Provenance, Quality
from telemetry.etl import SlotEnergy, Unassigned, frozen
from telemetry.etl_counter import FLOAT_NOISE_KWH
from telemetry.slots import SLOT_SECONDS
from telemetry.sql import WriteCounts
from telemetry.store import Store

SLOT_HOURS = SLOT_SECONDS / 3600
STILL_HOURS = 3 * SLOT_HOURS  # an hour at rest holds so much in whole slots, wherever it begins
_PER_HOUR = 4
_PER_DAY = 96
_DIGITS = 10  # sums of meters differ beyond them, depending on where they begin
_LENGTH_BITS = int(Quality.RESAMPLED | Quality.HOURLY)
_REASONS = (Quality.STUCK, Quality.SPIKE, Quality.SUSPECT, Quality.GAP)
_JUDGED = int(Quality.STUCK | Quality.SPIKE | Quality.SUSPECT)
_RESTART = int(Quality.RESET | Quality.GAP)
_NOISE_KWH = 0.02  # the least noise of a sum of meters that tick at different moments
_INTO = (Channel.PV_KWH, Channel.IMPORT_KWH, Channel.DISCHARGE_KWH)
_OUT_OF = (Channel.EXPORT_KWH, Channel.CHARGE_KWH)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSlots:
    """One channel over consecutive slots; S slots.

    Attributes:
        slot_start: epoch seconds (S,).
        values: kWh per slot, or a ratio (S,); NaN where missing.
        quality: bits of ``Quality`` (S,).
        lost_kwh: what the meters counted in missing slots (S,); ``None``: nothing.
    """

    slot_start: I64
    values: F64
    quality: I64
    lost_kwh: F64 | None = None

    def without(self, which: Bool, why: Quality) -> ChannelSlots:
        """These slots missing for a reason."""
        return replace(
            self,
            values=np.where(which, np.nan, self.values),
            quality=np.where(which, self.quality | int(why), self.quality),
            lost_kwh=self._lost() + np.where(which, np.nan_to_num(self.values), 0.0),
        )

    def marked(self, which: Bool, why: Quality) -> ChannelSlots:
        """These slots marked, their values kept."""
        return replace(self, quality=np.where(which, self.quality | int(why), self.quality))

    def only(self, which: Bool) -> ChannelSlots:
        """Some of the slots."""
        return replace(
            self,
            slot_start=self.slot_start[which],
            values=self.values[which],
            quality=self.quality[which],
            lost_kwh=self._lost()[which],
        )

    @property
    def newest(self) -> float | None:
        """Value of the last slot; None where it is missing."""
        last = self.values[-1] if self.values.size else np.nan
        return None if np.isnan(last) else float(last)

    @property
    def unassigned(self) -> tuple[Unassigned, ...]:
        """What the meters counted and no slot got, neighbours of one reason together."""
        lost, start = self._lost(), self.slot_start
        bits = [(self.quality & int(reason)) != 0 for reason in _REASONS]
        # In a sum, a meter that told nothing: its silence has no bit.
        why = np.select(bits, [int(reason) for reason in _REASONS], int(Quality.GAP))
        return tuple(
            Unassigned(
                start=float(start[first]),
                end=float(start[last - 1] + SLOT_SECONDS),
                energy_kwh=float(lost[first:last].sum()),
                why=int(reason),
            )
            for reason in np.unique(why)
            for first, last in runs((why == reason) & (lost != 0.0))
        )

    def _lost(self) -> F64:
        return np.zeros(self.values.size) if self.lost_kwh is None else self.lost_kwh

    def told(self) -> Bool:
        """Slots with a number, or with a reason why there is none (S,)."""
        found: Bool = ~np.isnan(self.values) | ((self.quality & ~_LENGTH_BITS) != 0)
        return found

    def known_at(self, interval_seconds: int) -> I64:
        """When each slot was known (S,): at the end of its source's interval, epoch seconds.

        What was spread over a gap was known when the gap's last interval ended.
        """
        end = self.slot_start + SLOT_SECONDS
        known = -(-end // interval_seconds) * interval_seconds
        for start, stop in runs((self.quality & int(Quality.SPREAD)) != 0):
            known[start:stop] = known[stop - 1]
        return known

    def lumps(self) -> Bool:
        """Slots of the first advance after an hour or more without one (S,)."""
        found: Bool = (self.quality & int(Quality.LUMP)) != 0
        return found


def put_slots(
    store: Store,
    home_id: str,
    channel: Channel,
    found: ChannelSlots,
    *,
    origin: Provenance,
    known_at: I64,
) -> WriteCounts:
    """Write one channel.

    What a rule took out revokes an earlier number of the same origin: so do the zeros of a restart
    that took long. A gap alone does not: a history that is gone says nothing against what was read
    while it was there. What was spread over a gap has the provenance ``spread``, a night's zero
    ``night``, so that anything better replaces it.
    """
    night = (found.quality & int(Quality.NIGHT_ZERO)) != 0
    spread = (found.quality & int(Quality.SPREAD)) != 0
    ruled = ((found.quality & _JUDGED) != 0) | ((found.quality & _RESTART) == _RESTART)
    judged = np.isnan(found.values) & ruled
    counts = WriteCounts()
    for which, provenance, revokes in (
        (judged, origin, origin),
        (~judged & ~spread & ~night, origin, None),
        (~judged & spread, Provenance.SPREAD, None),
        (night, Provenance.NIGHT, None),
    ):
        if which.any():
            counts += store.put_observations(
                home_id,
                channel,
                found.slot_start[which],
                np.round(found.values[which], _DIGITS),
                known_at=known_at[which],
                provenance=provenance,
                quality=found.quality[which],
                revokes=revokes,
            )
    return counts


def summed(
    parts: Sequence[tuple[int, SlotEnergy]], *, limit_kw: float | None, noise_kwh: float = 0.0
) -> ChannelSlots:
    """Signed sum of the sources of one channel: (sign, energy of the source) each, one or more.

    Missing where one source is; what the channel cannot carry, or would carry backwards by more
    than ``noise_kwh`` in a slot, is missing and marked.
    """
    first = parts[0][1]
    total = np.sum([sign * part.energy_kwh for sign, part in parts], axis=0)
    counted = [sign * (np.nan_to_num(part.energy_kwh) + part.lost_kwh) for sign, part in parts]
    quality = np.bitwise_or.reduce([part.quality for _, part in parts])
    found = ChannelSlots(
        slot_start=first.slot_start,
        values=total,
        quality=quality,
        lost_kwh=np.where(np.isnan(total), np.sum(counted, axis=0), 0.0),
    )
    if len(parts) == 1 and parts[0][0] == 1:
        return found
    noise_kwh = max(noise_kwh, _NOISE_KWH)
    found = _not_negative(found, noise_kwh)
    if limit_kw is None:
        return found
    above = found.values > limit_kw * SLOT_HOURS + noise_kwh
    return found.without(above, Quality.SPIKE)


def _not_negative(found: ChannelSlots, noise_kwh: float) -> ChannelSlots:
    """Zero for less than noise below zero, missing for more."""
    # A hair more: 0.6 - 0.7 is below -0.1.
    noise = (found.values < 0.0) & (found.values >= -noise_kwh - FLOAT_NOISE_KWH)
    found = replace(found, values=np.where(noise, 0.0, found.values))
    return found.without(found.values < 0.0, Quality.SUSPECT)


def derived_load(
    measured: Mapping[Channel, ChannelSlots], *, noise_kwh: float = 0.0
) -> ChannelSlots:
    """Load as the rest of the energy balance: PV + import + discharge - export - charge.

    Missing where one of the channels that the house has is missing, and where the rest is below
    zero by more than ``noise_kwh``: what their meters resolve in a slot.
    """
    parts = {name: measured[name] for name in (*_INTO, *_OUT_OF) if name in measured}
    total = balance_rest({channel: found.values for channel, found in parts.items()})
    quality = np.bitwise_or.reduce([found.quality for found in parts.values()])
    return _not_negative(
        ChannelSlots(
            slot_start=measured[Channel.IMPORT_KWH].slot_start,
            values=total,
            quality=quality | int(Quality.DERIVED),
        ),
        max(noise_kwh, _NOISE_KWH),
    )


def balance_rest(energy_kwh: Mapping[Channel, F64]) -> F64:
    """PV + import + discharge - export - charge of those channels that are given."""
    flows = [energy_kwh[channel] for channel in _INTO if channel in energy_kwh]
    flows += [-energy_kwh[channel] for channel in _OUT_OF if channel in energy_kwh]
    total: F64 = np.sum(flows, axis=0)
    return total


def typical_kw(values_kwh: F64) -> float | None:
    """Median power of a load over its whole hours (S,), kW; ``None`` with less than a day of them.

    Hours without any advance count (a cottage stands still most of the time), but not stretches
    of a day or longer of them: those are the fault that is looked for.
    """
    whole = values_kwh.size // _PER_HOUR * _PER_HOUR
    hours = values_kwh[:whole].reshape(-1, _PER_HOUR).sum(axis=1)
    zero = hours == 0.0
    counted = ~np.isnan(hours) & ~_long_runs(zero, _PER_DAY // _PER_HOUR)
    if int(counted.sum()) < _PER_DAY // _PER_HOUR:
        return None
    return float(np.median(hours[counted]))


def _long_runs(which: Bool, least: int) -> Bool:
    """Those of ``which`` that stand in runs of at least ``least``."""
    found = np.zeros_like(which)
    for start, stop in runs(which):
        found[start:stop] = stop - start >= least
    return found


def runs(which: Bool) -> list[tuple[int, int]]:
    """Half-open index ranges in which ``which`` (S,) holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], which, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def judge_standstill(
    channels: Mapping[Channel, ChannelSlots],
    *,
    resolution_kwh: float,
    load_kw: float | None = None,
) -> dict[Channel, ChannelSlots]:
    """Mark, or take out, what was not read while the load stood still; see the module.

    Args:
        channels: all of them over the same slots.
        resolution_kwh: the coarsest step of the meters behind the load.
        load_kw: the typical load; default: that of these slots.
    """
    judged = dict(channels)
    load = channels.get(Channel.LOAD_KWH)
    if load is None:
        return judged
    typical = typical_kw(load.values) if load_kw is None else load_kw
    if typical is None:
        return judged
    still = frozen(
        load.values,
        slot_hours=SLOT_HOURS,
        typical_kw=typical,
        resolution_kwh=resolution_kwh,
        at_least_hours=STILL_HOURS,
    )
    for start, stop in runs(still):
        timed = _is_timed(load, start, stop)
        if stop - start < _PER_HOUR and not timed:
            continue
        for channel, found in judged.items():
            if channel.is_energy and bool((channels[channel].values[start:stop] == 0.0).all()):
                judged[channel] = _judged_run(found, start, stop, timed=timed)
    return judged


def _is_timed(load: ChannelSlots, start: int, stop: int) -> bool:
    """Whether a run [start, stop) is known to be longer than an hour in time, by its readings.

    They are closer than an hour, and tell that a lump follows, or fill more than an hour of slots:
    the standstill began within the slot before.
    """
    hourly = bool((load.quality[start : stop + 1] & int(Quality.HOURLY)).any())
    return not hourly and (stop - start > _PER_HOUR or bool(load.lumps()[stop : stop + 1].any()))


def _judged_run(found: ChannelSlots, start: int, stop: int, *, timed: bool) -> ChannelSlots:
    """One channel after one run [start, stop) of slots in which it stood still."""
    run = np.zeros(found.values.size, dtype=np.bool_)
    run[start:stop] = True
    if stop - start <= _PER_HOUR and not timed:
        return found.marked(run, Quality.STUCK)
    lumps, after = found.lumps(), stop
    while after < lumps.size and lumps[after]:
        after += 1
    run[max(start - timed, 0) : after] = True
    return found.without(run, Quality.STUCK)
