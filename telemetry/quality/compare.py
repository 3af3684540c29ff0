"""Hourly sums of the store against Home Assistant's.

    |sum of the hour's four slots - Home Assistant's hour| <= 0.2 kWh

Exactly 0.2 kWh passes (1e-9 kWh are left for the rounding of sums). Any hour beyond it lowers the
class of the day it starts in. An hour that Home Assistant has no trusted value of is not compared,
and counted. Slots that a repair put right are compared as one run of hours, since a repair moves
energy between them and keeps their sum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from telemetry.arrays import F64, Bool
from telemetry.channel_slots import runs
from telemetry.channels import Channel
from telemetry.quality.findings import Check, Finding
from telemetry.quality.reference import HourlyReference
from telemetry.quality.window import PER_HOUR, Day
from telemetry.slots import SLOT_SECONDS

TOLERANCE_KWH = 0.2
_ROUNDING_KWH = 1e-9
_MARGIN = 96


def check_reference(day: Day, reference: HourlyReference) -> Iterator[Finding]:
    """Compare every channel that both sides have."""
    for row, channel in enumerate(reference.channels):
        if channel.is_energy and day.has(channel):
            yield from _channel(day, reference, row, channel)


def _channel(day: Day, reference: HourlyReference, row: int, channel: Channel) -> Iterator[Finding]:
    window = day.window
    at = (reference.hour_start - int(window.slot_start[0])) // SLOT_SECONDS
    # A repaired run may begin the day before, or end the day after.
    here = (at >= max(day.low - _MARGIN, 0)) & (at < day.high + _MARGIN)
    here &= at + PER_HOUR <= window.slot_start.size
    slots = at[here][:, None] + np.arange(PER_HOUR)
    ours = window.values[window.channels.index(channel), slots].sum(axis=1)
    repaired = window.repaired[window.channels.index(channel), slots].any(axis=1)
    theirs = reference.energy_kwh[row, here]
    moved = repaired & ~_changed(ours, theirs, repaired)
    today = (at[here] >= day.low) & (at[here] < day.high)
    yield from _told(day, channel, ours[today], theirs[today], moved[today])


def _told(day: Day, channel: Channel, ours: F64, theirs: F64, moved: Bool) -> Iterator[Finding]:
    """Compare the hours of the day (H,); ``moved``: energy was moved between hours, none lost."""
    off = np.abs(ours - theirs)
    wrong = (off > TOLERANCE_KWH + _ROUNDING_KWH) & ~moved
    if wrong.any():
        hours, most = int(wrong.sum()), float(off[wrong].max())
        sentence = f"{channel}: {hours} h off Home Assistant by up to {most:.3g} kWh"
        severity = day.severity(channel)
        yield Finding(check=Check.REFERENCE, count=hours, severity=severity, sentence=sentence)
    untrusted = int(np.isnan(theirs).sum())
    if untrusted:
        yield Finding(check=Check.UNTRUSTED, count=untrusted)
    lacking = int((~np.isnan(theirs) & np.isnan(ours)).sum())
    if lacking:
        sentence = f"{channel}: {lacking} h that Home Assistant has are missing; backfill them"
        yield Finding(check=Check.NOT_STORED, count=lacking, sentence=sentence)


def _changed(ours: F64, theirs: F64, repaired: Bool) -> Bool:
    """Repaired hours (H,) whose run has another sum than Home Assistant's."""
    found = np.zeros_like(repaired)
    for start, stop in runs(repaired):
        off = abs(float(ours[start:stop].sum() - theirs[start:stop].sum()))
        found[start:stop] = off > TOLERANCE_KWH + _ROUNDING_KWH
    return found
