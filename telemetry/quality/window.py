"""The facts that checks look at: a window of slots, and single local days of it.

The window reaches a week beyond the days that are judged, on both sides, so that the verdict on a
day does not depend on which other days were asked for.

A channel is not judged on days before its first number ever in the store: there it counts as not
configured, so that a new sensor leaves the verdicts on older days as they were. Load and PV, which
a day is for, are judged from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Quality
from telemetry.errors import HomeError
from telemetry.home import Home
from telemetry.limits import Limits
from telemetry.quality_table import DayClass
from telemetry.slots import SLOT_SECONDS, from_epoch, local_day, to_epoch, zone_info
from telemetry.sun import solar_elevation_deg

if TYPE_CHECKING:
    from telemetry.store import Store

SLOT_HOURS = SLOT_SECONDS / 3600
PER_HOUR = 4
CONTEXT_DAYS = 7
_STEPS_KWH = (1.0, 0.1, 0.01)
_ROUNDING, _MOST = 1e-6, 0.99
_TOLD_ONLY = frozenset(
    {Channel.EV_KWH, Channel.WATER_HEATER_KWH, Channel.VACATION, Channel.ALARM_ARMED}
)
_FLOWS = frozenset({Channel.CHARGE_KWH, Channel.DISCHARGE_KWH})
_FROM_THE_START = frozenset({Channel.LOAD_KWH, Channel.PV_KWH})
_SOC = (Channel.SOC_START, Channel.SOC_END)
NEVER = 2**62


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: what is cached needs a place
class Window:
    """Observations of a home over consecutive slots; C configured channels, N slots.

    Attributes:
        home: with its zone.
        limits: what the channels can carry.
        channels: names of the C rows.
        slot_start: epoch seconds (N,).
        values: (C, N) kWh or ratio, NaN where missing.
        quality: (C, N) bits of ``Quality``.
        known_at: (C, N) epoch seconds, -1 where there is no row.
        repaired: (C, N) put right by a repair.
        begins: first slot ever with a number, epoch seconds, of channels that are not judged
            before it; ``NEVER`` where there is none.
    """

    home: Home
    limits: Limits
    channels: tuple[Channel, ...]
    slot_start: I64
    values: F64
    quality: I64
    known_at: I64
    repaired: Bool
    begins: Mapping[Channel, int] = field(default_factory=dict)

    @cached_property
    def sun_deg(self) -> F64:
        """Elevation of the sun in the middle of every slot (N,), degrees; for all days at once.

        NaN where the home's position is unknown.

        Raises:
            MissingExtraError: pvlib is not installed, and the home has a position.
        """
        if self.home.position is None:
            return np.full(self.slot_start.shape, np.nan)
        return solar_elevation_deg(self.slot_start + SLOT_SECONDS // 2, *self.home.position)

    def day(self, local_date: date) -> Day:
        """One local day."""
        start, end = (to_epoch(bound) for bound in local_day(local_date, zone_of(self.home)))
        first = int(self.slot_start[0])
        return Day(
            window=self,
            local_date=local_date,
            low=(start - first) // SLOT_SECONDS,
            high=(end - first) // SLOT_SECONDS,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Day:
    """One local day: slots [low, high) of its window; n = 92, 96 or 100 of them."""

    window: Window
    local_date: date
    low: int
    high: int

    @property
    def slots(self) -> int:
        """Length of the local day."""
        return self.high - self.low

    @property
    def start(self) -> int:
        """Epoch seconds."""
        return int(self.window.slot_start[self.low])

    @property
    def slot_start(self) -> I64:
        """Epoch seconds (n,)."""
        return self.window.slot_start[self.low : self.high]

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that are configured and have begun by the day's end."""
        end, begins = self.start + self.slots * SLOT_SECONDS, self.window.begins
        return tuple(c for c in self.window.channels if begins.get(c, 0) < end)

    @property
    def sun_deg(self) -> F64:
        """Elevation of the sun in the middle of every slot (n,), as ``Window.sun_deg``."""
        return self.window.sun_deg[self.low : self.high]

    def has(self, *channels: Channel) -> bool:
        """Whether all of these are among ``channels``."""
        return set(channels) <= set(self.channels)

    def values(self, channel: Channel, margin: int = 0) -> F64:
        """Values of the day, and of ``margin`` slots before and after it as far as there are."""
        return self.window.values[self._row(channel), self._span(margin)]

    def bits(self, channel: Channel, margin: int = 0) -> I64:
        """Bits of ``Quality``, for the same slots as ``values``."""
        return self.window.quality[self._row(channel), self._span(margin)]

    def marked(self, channel: Channel, bit: Quality, margin: int = 0) -> Bool:
        """Slots that carry a bit."""
        found: Bool = (self.bits(channel, margin) & int(bit)) != 0
        return found

    def repaired(self, channel: Channel) -> Bool:
        """Slots of the day (n,) that a repair put right."""
        return self.window.repaired[self._row(channel), self.low : self.high]

    def inner(self, margin: int) -> slice:
        """Where the day lies in what ``values`` returns for a margin."""
        before = min(margin, self.low)
        return slice(before, before + self.slots)

    def hours(self, channel: Channel) -> F64:
        """Sums of four slots each from the day's start (n/4,), kWh; NaN where one is missing.

        The last half hour of a day of 98 slots (Lord Howe moves its clock by half an hour) is left.
        """
        values = self.values(channel)
        sums: F64 = values[: values.size // PER_HOUR * PER_HOUR].reshape(-1, PER_HOUR).sum(axis=1)
        return sums

    def clock(self, slot: int) -> str:
        """Local time at which a slot of the day starts; ``slots`` is the day's end."""
        if slot >= self.slots:
            return "24:00"
        moment = from_epoch(self.start + slot * SLOT_SECONDS)
        return f"{moment.astimezone(zone_info(zone_of(self.window.home))):%H:%M}"

    def severity(self, channel: Channel) -> DayClass:
        """What a fault of a channel makes of the day.

        A load derived from the balance is as wrong as the battery's flows in it.
        """
        if channel in _TOLD_ONLY:
            return DayClass.CLEAN
        if not channel.is_battery:
            return DayClass.EXCLUDE
        derived = self.has(Channel.LOAD_KWH) and bool(
            self.marked(Channel.LOAD_KWH, Quality.DERIVED).any()
        )
        return DayClass.EXCLUDE if derived and channel in _FLOWS else DayClass.MASK_BATTERY

    def _row(self, channel: Channel) -> int:
        return self.window.channels.index(channel)

    def _span(self, margin: int) -> slice:
        return slice(max(self.low - margin, 0), self.high + margin)


def meter_step_kwh(hours_kwh: F64) -> float:
    """Step of the meter behind hourly sums (H,): the largest that divides 99 % of them; else 0.

    ``etl.resolution_of`` looks at single rises, which in an hourly sum are many steps at once.
    """
    known = hours_kwh[hours_kwh > 0.0]
    for step in _STEPS_KWH if known.size else ():
        if np.mean(np.abs(known / step - np.round(known / step)) < _ROUNDING) >= _MOST:
            return step
    return 0.0


def zone_of(home: Home) -> str:
    """The zone by which its days are cut.

    Raises:
        HomeError: it is unknown.
    """
    if home.zone is None:
        raise HomeError("zone", None, "an IANA name: days are those of the home's own clock")
    return home.zone


def whole_days(home: Home, first: date, last: date, now: datetime) -> tuple[date, ...]:
    """Local days from ``first`` to ``last`` that have ended at ``now``.

    Raises:
        HomeError: the zone of the home is unknown.
    """
    zone = zone_of(home)
    count = (last - first).days + 1
    days = (first + timedelta(days=place) for place in range(max(count, 0)))
    return tuple(day for day in days if local_day(day, zone)[1] <= now)


def context(home: Home, days: Sequence[date]) -> tuple[datetime, datetime]:
    """Bounds of the window around some days, one or more, UTC."""
    reach, zone = timedelta(days=CONTEXT_DAYS), zone_of(home)
    return local_day(days[0] - reach, zone)[0], local_day(days[-1] + reach, zone)[1]


def begins_of(store: Store, home: Home, channels: Iterable[Channel]) -> dict[Channel, int]:
    """First slot ever with a number, epoch seconds, of channels that are not judged before it.

    ``NEVER`` where there is none. The state of charge begins with either of its channels.
    """
    found = {}
    for channel in set(channels) - _FROM_THE_START:
        reach = store.coverage(home.home_id, channel)
        found[channel] = NEVER if reach is None else to_epoch(reach.first)
    soc = [channel for channel in _SOC if channel in found]
    return found | dict.fromkeys(soc, min((found[channel] for channel in soc), default=NEVER))


def read_window(
    store: Store, home: Home, channels: Sequence[Channel], limits: Limits, days: Sequence[date]
) -> Window:
    """Read what the store has around some days, one or more."""
    start, end = context(home, days)
    names = tuple(channel for channel in Channel if channel in channels)
    seen = store.observations(home.home_id, names, start, end)
    repaired = np.zeros(seen.values.shape, dtype=np.bool_)
    for original in store.repairs(home.home_id, start, end):
        if original.channel in names:
            place = (original.slot_start - to_epoch(start)) // SLOT_SECONDS
            repaired[names.index(original.channel), place] = True
    return Window(
        home=home,
        limits=limits,
        channels=names,
        slot_start=seen.slot_start,
        values=seen.values,
        quality=seen.quality,
        known_at=seen.known_at,
        repaired=repaired,
        begins=begins_of(store, home, names),
    )
