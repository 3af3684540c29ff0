"""Numbers that cannot be true by themselves: spikes, slips of unit, PV at night, a dark day.

spike      value > limit * 0.25 h + 0.1 kWh: a meter that shows tenths may book one too late
unit       the day's sum is over 300 times, or under 1/300 of, the median of the days around
night PV   more than 0.01 kWh in a slot with the sun down from an hour before to an hour after
           (an hourly reading is spread over its quarters); above 0.25 kWh it is no PV
dark day   no PV at all between days of more than 2 kWh; it is only told
dark hours PV of zero for 2 h or more with the sun above 15 degrees, between two hours of the same
           day that give 0.2 kWh or more, and twice the step of the meter; it is only told, and only
           where no energy balance can: a stuck sensor, curtailment and snow look the same
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from telemetry.arrays import F64, Bool
from telemetry.channel_slots import runs
from telemetry.channels import Channel, Quality
from telemetry.quality.balance import house_channels, residual
from telemetry.quality.findings import Check, Finding
from telemetry.quality.window import CONTEXT_DAYS, PER_HOUR, SLOT_HOURS, Day, meter_step_kwh
from telemetry.quality_table import DayClass
from telemetry.slots import SLOT_SECONDS
from telemetry.sun import HORIZON_DEG, is_night

SPIKE_TOLERANCE_KWH = 0.1
_OVERLOAD = 1.1
_UNIT_FACTOR = 300.0
_LEAST_TYPICAL_KWH = 1.0
_LEAST_LOAD_KWH = 3.0
_FEWEST_DAYS = 3
_NIGHT_TOLD_KWH, _NIGHT_GRAVE_KWH = 0.01, 0.25
_HOUR = 3600
_BRIGHT_KWH = 2.0
_PER_DAY = 96
_HIGH_SUN_DEG, _DARK_SLOTS, _BRIGHT_HOUR_KWH, _STEPS = 15.0, 8, 0.2, 2.0


def spikes(values_kwh: F64, limit_kw: float | None) -> Bool:
    """Slots (N,) above what a channel can carry; none where the limit is unknown."""
    if limit_kw is None:
        return np.zeros(values_kwh.shape, dtype=np.bool_)
    found: Bool = values_kwh > _OVERLOAD * limit_kw * SLOT_HOURS + SPIKE_TOLERANCE_KWH
    return found


def check_spikes(day: Day) -> Iterator[Finding]:
    """Find numbers above the limit of their channel, and those a source marked as spikes."""
    for channel in day.channels:
        if not channel.is_energy:
            continue
        values = day.values(channel)
        # Also where the import took the number out: that meter is not to be trusted on this day,
        # until somebody had it repaired.
        marked = day.marked(channel, Quality.SPIKE) & ~day.repaired(channel)
        found = spikes(values, day.window.limits.of(channel)) | marked
        if found.any():
            yield _spike_finding(day, channel, values, found)


def _spike_finding(day: Day, channel: Channel, values: F64, found: Bool) -> Finding:
    """Tell spikes; where most of the day is one, the unit is to blame."""
    count, topic = int(found.sum()), ""
    told = values[found & ~np.isnan(values)]
    if not told.size:
        sentence = f"{channel}: {count * SLOT_HOURS:g} h taken out, more than it can carry"
    elif 2 * count > int((values > 0.0).sum()):
        sentence = f"{channel} looks like Wh: {np.median(told):.4g} in a typical slot"
        topic = f"{channel} Wh"
    else:
        sentence = f"{channel}: {told.max():.4g} kWh in a slot is more than it can carry"
    severity = day.severity(channel)
    return Finding(
        check=Check.SPIKE, count=count, severity=severity, sentence=sentence, topic=topic
    )


def check_units(day: Day) -> Iterator[Finding]:
    """Find days whose sum is a thousand times, or a thousandth of, that of the days around."""
    for channel in day.channels:
        if not channel.is_energy:
            continue
        typical = _typical_day(day, channel)
        total = float(np.nansum(day.values(channel)))
        if typical is None or typical < _LEAST_TYPICAL_KWH:
            continue
        unit = None
        if total > _UNIT_FACTOR * typical:
            unit = "Wh"
        elif channel is Channel.LOAD_KWH and typical > _LEAST_LOAD_KWH:
            unit = "MWh" if 0.0 < total < typical / _UNIT_FACTOR else None
        if unit is not None:
            sentence = f"{channel} looks like {unit}: {total:.4g} on this day, {typical:.4g} around"
            severity = day.severity(channel)
            yield Finding(
                check=Check.UNIT,
                count=1,
                severity=severity,
                sentence=sentence,
                topic=f"{channel} {unit}",
            )


def _typical_day(day: Day, channel: Channel) -> float | None:
    """Median energy of the days around that are known, kWh; ``None`` with less than three."""
    margin = CONTEXT_DAYS * _PER_DAY
    values, inner = day.values(channel, margin), day.inner(margin)
    sides = (values[: inner.start][::-1], values[inner.stop :])
    rows = [side[: side.size // _PER_DAY * _PER_DAY].reshape(-1, _PER_DAY) for side in sides]
    sums = np.concatenate(rows).sum(axis=1)
    known = sums[~np.isnan(sums)]
    return float(np.median(known)) if known.size >= _FEWEST_DAYS else None


def check_night(day: Day) -> Iterator[Finding]:
    """Find PV in the night.

    Raises:
        MissingExtraError: pvlib is not installed, and the home has PV and a position.
    """
    position = day.window.home.position
    if position is None or not day.has(Channel.PV_KWH):
        return
    values = day.values(Channel.PV_KWH)
    odd = np.flatnonzero(values > _NIGHT_TOLD_KWH)
    if odd.size:  # few are dark even in the middle: the hours around those alone are looked at
        odd = odd[day.sun_deg[odd] < HORIZON_DEG]
    start = day.slot_start[odd] - _HOUR
    length = np.full(odd.size, 2 * _HOUR + SLOT_SECONDS, dtype=np.int64)
    odd = odd[is_night(start, length, *position)] if odd.size else odd
    if odd.size:
        most = float(values[odd].max())
        severity = DayClass.EXCLUDE if most > _NIGHT_GRAVE_KWH else DayClass.CLEAN
        sentence = f"pv_kwh: {most:.3g} kWh in a slot at night, {day.clock(int(odd[0]))}"
        yield Finding(
            check=Check.NIGHT_PV, count=int(odd.size), severity=severity, sentence=sentence
        )


def check_dark_day(day: Day) -> Iterator[Finding]:
    """Tell a day without any PV between bright ones."""
    if not day.has(Channel.PV_KWH):
        return
    typical = _typical_day(day, Channel.PV_KWH)
    dark = bool((day.values(Channel.PV_KWH) == 0.0).all())
    if dark and typical is not None and typical > _BRIGHT_KWH:
        sentence = f"pv_kwh: none all day, {typical:.3g} kWh on the days around"
        yield Finding(check=Check.DARK_DAY, count=1, sentence=sentence)


def check_dark_hours(day: Day) -> Iterator[Finding]:
    """Tell hours of zero PV under a high sun between bright ones, where no balance can judge them.

    Raises:
        MissingExtraError: pvlib is not installed, and the home has PV and a position.
    """
    if not day.has(Channel.PV_KWH):
        return
    values = day.values(Channel.PV_KWH)
    least = max(_BRIGHT_HOUR_KWH, _STEPS * meter_step_kwh(day.hours(Channel.PV_KWH)))
    for start, stop in runs((values == 0.0) & ~_balanced(day)):
        around = (values[max(start - PER_HOUR, 0) : start], values[stop : stop + PER_HOUR])
        if stop - start < _DARK_SLOTS or not all(float(one.sum()) >= least for one in around):
            continue
        high = day.sun_deg[start:stop] > _HIGH_SUN_DEG
        if int(high.sum()) >= _DARK_SLOTS:
            sentence = (
                f"pv_kwh: none for {(stop - start) * SLOT_HOURS:g} h under a high sun, "
                f"{day.clock(start)} to {day.clock(stop)}: stuck or curtailed"
            )
            yield Finding(check=Check.DARK_HOURS, count=stop - start, sentence=sentence)


def _balanced(day: Day) -> Bool:
    """Slots (n,) that the energy balance of the house judges."""
    house = house_channels(day.channels, day.window.limits)
    if house is None:
        return np.zeros(day.slots, dtype=np.bool_)
    known: Bool = ~np.isnan(residual({channel: day.values(channel) for channel in house}))
    return known
