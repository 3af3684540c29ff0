"""Puts right what can be put right without inventing energy; all of it can be undone.

    lump      the load stood still for at most an hour and the energy followed in one lump: both are
              spread evenly over their slots, the sum as it was. So is any other flow of the house
              that stopped with the load and came back in a lump: its meter was not read either,
              and what followed holds the energy of both. Marks of a standstill are taken off a
              channel that shows nothing in the hour after it: its zeros are true. PV goes to slots
              in which the sun is up
    spike     more than a channel can carry (``values``): NULL; its energy is reported, not spread.
              One that the import took out stays NULL, as repaired: the day is then judged by what
              is missing alone
    balance   one channel of the house's balance missing, all others known in the same resolution:
              what the balance leaves for it, if that can be; PV is zero, or stays NULL, at night;
              not before the first number ever of a channel

A longer gap, or one without the others, stays NULL. Repairs are a function of what the sources gave
(the originals of repaired slots included), so that repairing again changes nothing. Only days that
have ended are touched: what is repaired takes no later reading, until it is undone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channel_slots import runs
from telemetry.channels import Channel, Quality
from telemetry.home import Home
from telemetry.limits import Limits
from telemetry.observations import UNKNOWN
from telemetry.quality.balance import INTO, OUT_OF, house_channels, residual
from telemetry.quality.missing import standstill
from telemetry.quality.values import spikes
from telemetry.quality.window import PER_HOUR, Window, read_window, whole_days, zone_of
from telemetry.repairs_table import Original, Repair
from telemetry.slots import SLOT_SECONDS, from_epoch, local_day, zone_info
from telemetry.sun import is_night

if TYPE_CHECKING:
    from telemetry.store import Store

LUMP, SPIKE, BALANCE = "lump", "spike", "balance"
_NOISE_KWH = 0.02
_LENGTH = int(Quality.RESAMPLED | Quality.HOURLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What a repair did.

    Attributes:
        slots: slots put right now, by rule.
        already: slots that a repair before had put right.
        unassigned_kwh: energy of spikes that no slot has any more, by channel.
        left: slots that are still missing, by channel.
    """

    slots: dict[str, int] = field(default_factory=dict)
    already: int = 0
    unassigned_kwh: dict[str, float] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)


def repair(
    store: Store,
    home: Home,
    *,
    channels: Sequence[Channel],
    limits: Limits,
    first: date,
    last: date,
    now: datetime,
) -> RepairReport:
    """Put right the local days from ``first`` to ``last`` that have ended.

    Args:
        store: open for writing; it has the home.
        home: with its zone.
        channels: those that are configured.
        limits: what they can carry.
        first: local day.
        last: local day, included.
        now: the moment.

    Raises:
        HomeError: the zone of the home is unknown.
        MissingExtraError: pvlib is not installed, and a home with PV is filled by the balance.
        StoreError: the store cannot be read or written.
    """
    days = whole_days(home, first, last, now)
    if not days:
        return RepairReport()
    with store.transaction():
        window = _originals(store, read_window(store, home, channels, limits, days))
        span = slice(window.day(days[0]).low, window.day(days[-1]).high)
        stalled = _stalled(window, days)
        repairs = {(one.channel, one.slot_start): one for one in _lumps(window, stalled, span)}
        _apply(window, repairs.values())
        above = list(_spikes(window, span))
        lost = _energy(window, [one for one in above if not _is_repaired(window, one)])
        _apply(window, above)
        derived = list(_from_balance(window, span))
        _apply(window, derived)
        repairs |= {(one.channel, one.slot_start): one for one in (*above, *derived)}
        new = [one for one in repairs.values() if not _is_repaired(window, one)]
        store.put_repairs(home.home_id, new, repaired_at=now)
    return RepairReport(
        slots=dict(sorted(Counter(one.rule for one in new).items())),
        already=len(repairs) - len(new),
        unassigned_kwh=lost,
        left=_left(window, span),
    )


def repaired_days(store: Store, home: Home) -> tuple[date, date] | None:
    """First and last local day on which a slot is repaired; ``None`` where none is.

    Raises:
        HomeError: the zone of the home is unknown.
        StoreError: the store cannot be read.
    """
    zone, found = zone_info(zone_of(home)), store.repaired_span(home.home_id)
    return None if found is None else (_date(found[0], zone), _date(found[1], zone))


def _date(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def undo(store: Store, home: Home, *, first: date, last: date) -> int:
    """Bring back what the sources gave for the local days from ``first`` to ``last``.

    Returns:
        how many slots were brought back; those of a group that begins or ends outside included.

    Raises:
        HomeError: the zone of the home is unknown.
        StoreError: the store cannot be written.
    """
    zone = zone_of(home)
    return store.undo_repairs(home.home_id, local_day(first, zone)[0], local_day(last, zone)[1])


def _originals(store: Store, window: Window) -> Window:
    """The window as the sources gave it: repaired slots hold what stood there before."""
    start = from_epoch(int(window.slot_start[0]))
    end = from_epoch(int(window.slot_start[-1]) + SLOT_SECONDS)
    for original in store.repairs(window.home.home_id, start, end):
        if original.channel in window.channels:
            at = _place(window, original)
            window.values[at] = original.value
            window.quality[at] = original.quality
            window.known_at[at] = UNKNOWN if original.known_at is None else original.known_at
    return window


def _place(window: Window, slot: Original | Repair) -> tuple[int, int]:
    """Row and column of a slot."""
    column = (slot.slot_start - int(window.slot_start[0])) // SLOT_SECONDS
    return window.channels.index(slot.channel), column


def _is_repaired(window: Window, one: Repair) -> bool:
    """Whether a repair before this one put the slot right."""
    return bool(window.repaired[_place(window, one)])


def _apply(window: Window, repairs: Iterable[Repair]) -> None:
    """Let the next rule see what this one made."""
    for one in repairs:
        at = _place(window, one)
        window.values[at], window.quality[at] = one.value, one.quality
        window.known_at[at] = one.known_at


def _stalled(window: Window, days: Sequence[date]) -> Bool:
    """Slots (N,) in which the load stood still and its energy followed."""
    found = np.zeros(window.slot_start.size, dtype=np.bool_)
    if Channel.LOAD_KWH not in window.channels:
        return found
    for local_date in days:
        day = window.day(local_date)
        found[day.low : day.high] = standstill(day, Channel.LOAD_KWH)[1]
    return found


def _lumps(window: Window, stalled: Bool, span: slice) -> Iterator[Repair]:
    """Spread a stalled hour and the lump after it over both."""
    if not stalled.any():
        return
    row = window.channels.index(Channel.LOAD_KWH)
    for start, stop in runs(stalled):
        group = _group(window, row, start, stop, span)
        if group is None or group.stop == stop:
            continue
        yield from _spread(window, row, group)
        for other, channel in enumerate(window.channels):
            if other == row or not channel.is_energy:
                continue
            group = _group(window, other, start, stop, span)
            if group is not None and _stood_with(window, other, start, stop, group):
                yield from _spread(window, other, group)


def _stood_with(window: Window, row: int, start: int, stop: int, group: slice) -> bool:
    """Whether a channel stood still from ``start`` to ``stop`` because the load's meter did."""
    if group.stop == stop:
        return bool((window.quality[row, start:stop] & int(Quality.STUCK) != 0).all())
    if window.channels[row] not in (*INTO, *OUT_OF):
        return False  # a car or a heater may pause by itself
    values = window.values[row]
    moved = float(values[max(start - PER_HOUR, 0) : start].sum()) > 0.0
    return moved and bool((values[start:stop] == 0.0).all())


def _group(window: Window, row: int, start: int, stop: int, span: slice) -> slice | None:
    """A standstill [start, stop) and the lump after it; alone where nothing follows for an hour.

    ``None`` where that is not known, or the energy is more than the channel can carry.
    """
    values, bits = window.values[row], window.quality[row]
    lump = (bits & int(Quality.LUMP)) != 0
    first = stop
    while first < min(stop + PER_HOUR, bits.size) and not lump[first] and values[first] == 0.0:
        first += 1
    end = first
    while end < min(first + PER_HOUR, bits.size) and lump[end]:
        end += 1
    if end == first:
        if first < stop + PER_HOUR:
            return None
        end = stop
    known = values[start:end]
    wrong = np.isnan(known).any() or spikes(known, window.limits.of(window.channels[row])).any()
    return None if wrong or start < span.start or end > span.stop else slice(start, end)


def _spread(window: Window, row: int, group: slice) -> Iterator[Repair]:
    """Spread the energy of some slots evenly over them; the last takes what rounding leaves."""
    energy = window.values[row, group]
    lit = _lit(window, row, group)
    total, count = math.fsum(energy.tolist()), int(lit.sum())
    parts = np.where(lit, total / count, 0.0)
    last = int(np.flatnonzero(lit)[-1])
    parts[last] = 0.0
    parts[last] = total - math.fsum(parts.tolist())
    length = int(np.bitwise_or.reduce(window.quality[row, group])) & _LENGTH
    starts = window.slot_start[group].tolist()
    for start, value in zip(starts, parts.tolist(), strict=True):
        yield Repair(
            channel=window.channels[row],
            slot_start=start,
            value=value,
            quality=length | int(Quality.SPREAD),
            known_at=int(window.known_at[row, group].max()),
            rule=LUMP,
            group_start=starts[0],
        )


def _lit(window: Window, row: int, group: slice) -> Bool:
    """Slots of a group over which its energy is spread: of PV those that are not night."""
    count = group.stop - group.start
    if window.channels[row] is not Channel.PV_KWH:
        return np.ones(count, dtype=np.bool_)
    lit: Bool = ~_dark(window, np.arange(group.start, group.stop))
    return lit if lit.any() else ~lit


def _spikes(window: Window, span: slice) -> Iterator[Repair]:
    """Take out what no channel can carry, and adopt what the import took out."""
    for row, channel in enumerate(window.channels):
        if not channel.is_energy:
            continue
        values, bits = window.values[row], window.quality[row]
        found = spikes(values, window.limits.of(channel)) | ((bits & int(Quality.SPIKE)) != 0)
        for column in (span.start + np.flatnonzero(found[span])).tolist():
            bit = int(bits[column]) | int(Quality.SPIKE)
            known_at = int(window.known_at[row, column])
            yield _single(window, (row, column), math.nan, bit, known_at, SPIKE)


def _single(
    window: Window, at: tuple[int, int], value: float, quality: int, known_at: int, rule: str
) -> Repair:
    """The repair of one slot by itself."""
    start = int(window.slot_start[at[1]])
    return Repair(
        channel=window.channels[at[0]],
        slot_start=start,
        value=value,
        quality=quality,
        known_at=known_at,
        rule=rule,
        group_start=start,
    )


def _energy(window: Window, repairs: Iterable[Repair]) -> dict[str, float]:
    """Energy that slots hold which are about to be repaired, kWh by channel."""
    found: dict[str, float] = {}
    for one in repairs:
        held = float(window.values[_place(window, one)])
        if not math.isnan(held):
            found[one.channel.value] = found.get(one.channel.value, 0.0) + held
    return found


def _from_balance(window: Window, span: slice) -> Iterator[Repair]:
    """Fill the one channel that is missing in a slot from all others."""
    house = house_channels(window.channels, window.limits)
    if house is None:
        return
    rows = [window.channels.index(channel) for channel in house]
    values, bits = window.values[rows, span], window.quality[rows, span]
    missing = np.isnan(values)
    alone = np.flatnonzero(missing.sum(axis=0) == 1)
    dark = _dark(window, span.start + alone).tolist()
    for place, night in zip(alone.tolist(), dark, strict=True):
        gone = int(np.argmax(missing[:, place]))
        others = {c: values[k, place] for k, c in enumerate(house) if k != gone}
        value = _rest(house[gone], others, window.limits)
        if night and house[gone] is Channel.PV_KWH:
            value = None if value is None or value > _NOISE_KWH else 0.0
        lengths = {int(bits[k, place]) & _LENGTH for k in range(len(house)) if k != gone}
        derived = any(bits[k, place] & int(Quality.DERIVED) for k in range(len(house)) if k != gone)
        column = span.start + place
        begun = int(window.slot_start[column]) >= window.begins.get(house[gone], 0)
        if value is None or len(lengths) != 1 or derived or not begun:
            continue
        known_at = int(max(window.known_at[row, column] for row in rows))
        quality = lengths.pop() | int(Quality.DERIVED)
        yield _single(window, (rows[gone], column), value, quality, known_at, BALANCE)


def _dark(window: Window, columns: I64) -> Bool:
    """In which slots (K,) the sun is known to be down throughout."""
    position = window.home.position
    if position is None or Channel.PV_KWH not in window.channels or not columns.size:
        return np.zeros(columns.size, dtype=np.bool_)
    length = np.full(columns.size, SLOT_SECONDS, dtype=np.int64)
    return is_night(window.slot_start[columns], length, *position)


def _rest(channel: Channel, others: Mapping[Channel, F64], limits: Limits) -> float | None:
    """What the balance leaves for a channel, kWh; ``None`` where that cannot be."""
    rest = float(residual(others))
    value = rest if channel in INTO else -rest
    if value < -_NOISE_KWH or bool(spikes(np.array([value]), limits.of(channel)).any()):
        return None
    return max(value, 0.0)


def _left(window: Window, span: slice) -> dict[str, int]:
    """Slots that are still missing, by energy channel; none before its first number ever."""
    starts, begins = window.slot_start[span], window.begins
    found = {
        channel.value: int(
            (np.isnan(window.values[row, span]) & (starts >= begins.get(channel, 0))).sum()
        )
        for row, channel in enumerate(window.channels)
        if channel.is_energy
    }
    return {name: count for name, count in found.items() if count}
