"""Time: UTC in the core, local wall clocks and market days at the edge.

A slot is the half-open interval [start, start + 15 min), keyed by its UTC start. Arrays of times
are int64 UTC epoch seconds; single times are aware datetimes. A local day has 92, 96 or 100 slots.
The day-ahead market's day is the CET/CEST day, whatever the zone of the house. Times outside the
years 1970 to 2199 are refused (TimeError).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from telemetry.arrays import I64
from telemetry.errors import TimeError

SLOT_SECONDS = 900
SLOT_MINUTES = 15
MARKET_ZONE = "Europe/Brussels"
_DAY_SECONDS = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_ISSUE_TIME = time(13, 15)
# Facts of houses lie in these years; a date outside them is a mistake of whoever wrote it.
FIRST_SECOND = 0
END_SECOND = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND
_MARGIN_SECONDS = 2 * _DAY_SECONDS  # days and issues of the first and the last year reach beyond
_WANT_YEARS = "a time in the years 1970 to 2199"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCalendar:
    """What the wall clock and the calendar of a zone show at given instants; each (N,) int64.

    Attributes:
        day: proleptic ordinal of the local date (``date.fromordinal``).
        minute: minute of the local day on the wall clock, 0..1439.
        weekday: 0 = Monday.
        hour: 0..23.
        month: 1..12.
    """

    day: I64
    minute: I64
    weekday: I64
    hour: I64
    month: I64


def to_epoch(moment: datetime) -> int:
    """UTC epoch seconds of an aware datetime; fractions of a second are dropped.

    Raises:
        TimeError: the datetime has no UTC offset, or lies outside the years 1970 to 2199.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise TimeError("time", moment.isoformat(), "an aware datetime; add its zone, e.g. UTC")
    seconds = (moment - _EPOCH) // _SECOND
    _check_years(seconds, seconds)
    return seconds


def from_epoch(seconds: int) -> datetime:
    """Aware UTC datetime of epoch seconds.

    Raises:
        TimeError: outside the years 1970 to 2199.
    """
    _check_years(int(seconds), int(seconds))
    return _EPOCH + timedelta(seconds=int(seconds))


def _check_years(first: int, last: int) -> None:
    for seconds in (first, last):
        if not FIRST_SECOND - _MARGIN_SECONDS <= seconds <= END_SECOND + _MARGIN_SECONDS:
            raise TimeError("time", f"{seconds} s after 1970", _WANT_YEARS)


def _check_date(day: date) -> None:
    seconds = (day.toordinal() - _EPOCH_ORDINAL) * _DAY_SECONDS
    if not FIRST_SECOND - _MARGIN_SECONDS <= seconds <= END_SECOND + _MARGIN_SECONDS:
        raise TimeError("date", day.isoformat(), _WANT_YEARS)


def whole_seconds(moment: datetime) -> datetime:
    """The moment as the store keeps it: UTC, without fractions of a second."""
    return from_epoch(to_epoch(moment))


def slot_of(moment: datetime) -> datetime:
    """Start of the slot that holds ``moment``."""
    return from_epoch(to_epoch(moment) // SLOT_SECONDS * SLOT_SECONDS)


def slot_start(moment: datetime) -> int:
    """Epoch seconds of a moment that must be the start of a slot.

    Raises:
        TimeError: the moment is naive or off the 15-minute grid.
    """
    seconds = to_epoch(moment)
    if seconds % SLOT_SECONDS or moment.microsecond:
        raise TimeError("time", moment.isoformat(), "a slot start: a whole quarter of an hour")
    return seconds


def slot_range(start: datetime, end: datetime) -> I64:
    """Starts of the slots in [start, end), epoch seconds (N,).

    Raises:
        TimeError: a bound is naive or off the grid, or the end lies before the start.
    """
    first, last = slot_start(start), slot_start(end)
    if last < first:
        raise TimeError("end", end.isoformat(), f"a time not before the start {start.isoformat()}")
    return np.arange(first, last, SLOT_SECONDS, dtype=np.int64)


@lru_cache(maxsize=64)
def zone_info(zone: str) -> ZoneInfo:
    """The zone by its IANA name.

    Raises:
        TimeError: there is no such zone.
    """
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as err:
        want = "an IANA name such as Europe/Stockholm"
        raise TimeError("zone", repr(zone), want) from err


def local_day(day: date, zone: str) -> tuple[datetime, datetime]:
    """UTC bounds [start, end) of a local day: 23, 24 or 25 hours apart.

    Where midnight does not exist the day starts at the jump; where it occurs twice, at the first.
    """
    _check_date(day)
    tz = zone_info(zone)
    start = datetime.combine(day, time.min, tz).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time.min, tz).astimezone(UTC)
    return start, end


def local_calendar(epochs: I64, zone: str) -> LocalCalendar:
    """Local calendar of epoch seconds (N,), vectorised: a year of slots takes milliseconds."""
    seconds = np.asarray(epochs, dtype=np.int64)
    if seconds.size:
        _check_years(int(seconds.min()), int(seconds.max()))
    local = seconds + _utc_offsets(seconds, zone_info(zone))
    since_epoch = local // _DAY_SECONDS
    minute = local % _DAY_SECONDS // 60
    ordinal = since_epoch + _EPOCH_ORDINAL
    months = since_epoch.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return LocalCalendar(
        day=ordinal,
        minute=minute,
        weekday=(ordinal + 6) % 7,
        hour=minute // 60,
        month=months % 12 + 1,
    )


def _utc_offsets(seconds: I64, tz: ZoneInfo) -> I64:
    """UTC offset in seconds at each instant.

    One look-up per UTC day; only on a day whose two ends differ, one per distinct instant.
    """
    days, where = np.unique(seconds // _DAY_SECONDS, return_inverse=True)
    at_start = _offsets_at(days * _DAY_SECONDS, tz)
    at_end = _offsets_at((days + 1) * _DAY_SECONDS, tz)
    offsets = at_start[where]
    changing = (at_start != at_end)[where]
    instants, which = np.unique(seconds[changing], return_inverse=True)
    offsets[changing] = _offsets_at(instants, tz)[which]
    return offsets


def _offsets_at(seconds: I64, tz: ZoneInfo) -> I64:
    found = [datetime.fromtimestamp(s, tz).utcoffset() or timedelta() for s in seconds.tolist()]
    return np.array([offset // _SECOND for offset in found], dtype=np.int64)


def assumed_issue_time(delivery_day: date) -> datetime:
    """When the prices of a delivery day are taken to be published: 13:15 market time, day before.

    The auction's results come between 12:45 and 13:15 CET; the late end never leaks the future.
    """
    _check_date(delivery_day)
    local = datetime.combine(delivery_day - timedelta(days=1), _ISSUE_TIME, zone_info(MARKET_ZONE))
    return local.astimezone(UTC)
