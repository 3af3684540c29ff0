"""Slots without a number, and readings that stood still.

    missing     NULL in the store; the state of charge by the hour: sources give it at hours' edges.
                What is missing all day is told in one sentence for all channels
    still       the reading did not move when it should have, and its energy is lost
    stalled     the same for at most an hour, and the energy came right after it (LUMP or SPREAD)
    asleep      PV is NULL beside a load that is not, and the sun stands below 5 degrees in the
                middle of the slot: inverters fall silent at night and in twilight, and hardly any
                energy is lost. It is only counted, on days that have a number of PV at all

One hour a day may be lost without lowering the day's class: 4 slots, or one hour of the state of
charge. A stalled hour only moves energy to the next one, so that it never lowers the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from telemetry.arrays import Bool
from telemetry.channel_slots import runs, typical_kw
from telemetry.channels import Channel, Quality
from telemetry.etl import frozen
from telemetry.quality.findings import Check, Finding
from telemetry.quality.soc import has_soc
from telemetry.quality.window import CONTEXT_DAYS, PER_HOUR, SLOT_HOURS, Day, meter_step_kwh
from telemetry.quality_table import DayClass

LOST_SLOTS = PER_HOUR
_MARGIN = 96
_LEAST_STEP_KWH = 0.1
_LOW_SUN_DEG = 5.0
_SOC = (Channel.SOC_START, Channel.SOC_END)
_FOLLOWS = int(Quality.LUMP | Quality.SPREAD)


def check_missing(day: Day) -> Iterator[Finding]:
    """Find lost slots of every energy channel, and lost hours of the state of charge.

    Raises:
        MissingExtraError: pvlib is not installed, PV is missing and the home has a position.
    """
    if _is_empty(day):
        yield Finding(
            check=Check.EMPTY, count=1, severity=DayClass.EXCLUDE, sentence="nothing is recorded"
        )
        return
    gone = [channel for channel in day.channels if bool(np.isnan(day.values(channel)).all())]
    yield from _all_day(day, gone)
    for channel in day.channels:
        if channel.is_energy and channel not in gone:
            yield from _energy(day, channel)
    if has_soc(day) and not set(_SOC) <= set(gone):
        yield from _soc(day)


def _is_empty(day: Day) -> bool:
    found = [day.values(channel) for channel in day.channels]
    return all(bool(np.isnan(values).all()) for values in found)


def _all_day(day: Day, gone: Sequence[Channel]) -> Iterator[Finding]:
    """Tell channels without any number in one sentence."""
    energy = [channel for channel in gone if channel.is_energy]
    names, count = [channel.value for channel in energy], len(energy) * day.slots
    severities = [day.severity(channel) for channel in energy]
    if has_soc(day) and set(_SOC) <= set(gone):
        names.append("state of charge")
        count += day.slots // PER_HOUR
        severities.append(DayClass.MASK_BATTERY)
    if names:
        yield Finding(
            check=Check.MISSING,
            count=count,
            severity=max(severities, key=lambda found: found.rank),
            sentence=f"missing all day: {', '.join(names)}",
        )


def _energy(day: Day, channel: Channel) -> Iterator[Finding]:
    """Tell what is missing and what stood still; both together decide on the class."""
    gone = np.isnan(day.values(channel))
    asleep = _asleep(day, gone) if channel is Channel.PV_KWH else np.zeros_like(gone)
    if asleep.any():
        yield Finding(check=Check.ASLEEP, count=int(asleep.sum()))
    missing = gone & ~asleep
    still, stalled = standstill(day, channel)
    lost = int((missing | still).sum())
    severity = day.severity(channel) if lost > LOST_SLOTS else DayClass.CLEAN
    for check, which, words, grave in (
        (Check.MISSING, missing, "missing", severity),
        (Check.STUCK, still & ~missing, "stood still", severity),
        (Check.STALLED, stalled, "stood still and caught up", DayClass.CLEAN),
    ):
        count = int(which.sum())
        if count:
            sentence = f"{channel}: {count * SLOT_HOURS:g} h {words}, {_when(day, which)}"
            yield Finding(check=check, count=count, severity=grave, sentence=sentence)


def _asleep(day: Day, gone: Bool) -> Bool:
    """Which slots (n,) miss PV alone, with the sun so low that an inverter may be asleep."""
    alone = gone & ~np.isnan(day.values(Channel.LOAD_KWH)) if day.has(Channel.LOAD_KWH) else gone
    if not alone.any() or gone.all():
        return np.zeros_like(gone)
    return alone & (day.sun_deg < _LOW_SUN_DEG)


def _when(day: Day, which: Bool) -> str:
    """Say when: the only run, or the first of several."""
    found = runs(which)
    first = f"{day.clock(found[0][0])} to {day.clock(found[0][1])}"
    return first if len(found) == 1 else f"first {first}"


def standstill(day: Day, channel: Channel) -> tuple[Bool, Bool]:
    """Which slots (n,) of a channel stood still: their energy lost, or caught up right after."""
    values, bits = day.values(channel, _MARGIN), day.bits(channel, _MARGIN)
    stood = ((bits & int(Quality.STUCK)) != 0) & ~np.isnan(values)
    if channel is Channel.LOAD_KWH:
        stood |= _frozen_load(day)
    stalled = np.zeros_like(stood)
    for start, stop in runs(stood):
        follows = stop < bits.size and bool(bits[stop] & _FOLLOWS)
        stalled[start:stop] = follows and stop - start <= LOST_SLOTS
    inner = day.inner(_MARGIN)
    return (stood & ~stalled)[inner], stalled[inner]


def _frozen_load(day: Day) -> Bool:
    """Zero runs of the load, with a day around, that are too long to be true."""
    around = CONTEXT_DAYS * _MARGIN
    values, wide = day.values(Channel.LOAD_KWH, _MARGIN), day.values(Channel.LOAD_KWH, around)
    typical = typical_kw(wide)
    if typical is None:
        return np.zeros(values.size, dtype=np.bool_)
    hours = wide[: wide.size // PER_HOUR * PER_HOUR].reshape(-1, PER_HOUR).sum(axis=1)
    step = max(meter_step_kwh(hours), _LEAST_STEP_KWH)
    return frozen(values, slot_hours=SLOT_HOURS, typical_kw=typical, resolution_kwh=step)


def _soc(day: Day) -> Iterator[Finding]:
    """Tell hours in which the state of charge is not known at any edge of a slot."""
    known = ~np.isnan(day.values(Channel.SOC_START)) | ~np.isnan(day.values(Channel.SOC_END))
    whole = known.size // PER_HOUR * PER_HOUR
    hours = ~known[:whole].reshape(-1, PER_HOUR).any(axis=1)
    lost = int(hours.sum())
    if lost:
        severity = DayClass.MASK_BATTERY if lost > 1 else DayClass.CLEAN
        when = _when(day, np.repeat(hours, PER_HOUR))
        sentence = f"state of charge: {lost} h missing, {when}"
        yield Finding(check=Check.MISSING, count=lost, severity=severity, sentence=sentence)


def check_bits(day: Day) -> Iterator[Finding]:
    """Count what sources said of their own numbers; none of it lowers a class."""
    for check, bit in (
        (Check.LUMP, Quality.LUMP),
        (Check.RESET, Quality.RESET),
        (Check.SUSPECT, Quality.SUSPECT),
    ):
        count = sum(int(day.marked(channel, bit).sum()) for channel in day.channels)
        if count:
            yield Finding(check=check, count=count)
    repaired = int(day.window.repaired[:, day.low : day.high].sum())
    if repaired:
        yield Finding(check=Check.REPAIRED, count=repaired)
