"""Times as people give them: on the wall clock of a home, or with a UTC offset.

    2025-08-01T02:00         on the home's wall clock
    2025-08-01T02:00+02:00   anywhere; Z is UTC
    02:00                    the next time that the home's clock shows it

Twice a year a wall clock shows an hour twice, and jumps over another one. Neither names a moment:
they are refused, with what to write instead.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runners.errors import EX_USAGE, ConfigError, Problem

__all__ = ["moment_of", "on_the_clock"]

_YEARS = range(1970, 2201)
_FORMS = "write e.g. 2025-08-01T02:00, 02:00, or with an offset 2025-08-01T02:00+02:00"
_DAY = timedelta(days=1)


def moment_of(text: str, zone: str, option: str, *, after: datetime) -> datetime:
    """Return the moment a text names, UTC.

    Args:
        text: in one of the three forms.
        zone: IANA name of the home's.
        option: where it was given, for messages.
        after: a time of day alone is the first one that is not before this.

    Raises:
        ConfigError: it is no time, or one that the home's clock does not show exactly once.
    """
    clock = time_of_day(text)
    if clock is not None:
        return _next(clock, zone, option, after)
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(option, f"{text!r} is no time; {_FORMS}") from None
    if given.year not in _YEARS:
        raise _wrong(option, f"{text!r} is no year from {_YEARS[0]} to {_YEARS[-1]}; correct it")
    if "T" not in text.upper() and " " not in text.strip():
        raise _wrong(option, f"{text!r} has no time of day; {_FORMS}")
    return on_the_clock(given, zone, option) if given.tzinfo is None else given.astimezone(UTC)


def time_of_day(text: str) -> time | None:
    """Return a time of day that stands alone, None where a text is something else."""
    try:
        found = time.fromisoformat(text) if ":" in text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is None else None


def _next(clock: time, zone: str, option: str, after: datetime) -> datetime:
    """Return the first moment from ``after`` on at which the home's clock shows a time."""
    day: date = after.astimezone(ZoneInfo(zone)).date()
    while True:
        naive = datetime.combine(day, clock)
        # Of a day on which the time has gone by nobody asks whether it was shown once.
        if naive.replace(tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC) >= after:
            found = on_the_clock(naive, zone, option)
            if found >= after:
                return found
        day += _DAY


def on_the_clock(naive: datetime, zone: str, option: str) -> datetime:
    """Return when a wall clock shows a time, UTC; refuse one that it shows twice or never."""
    here = ZoneInfo(zone)
    first, second = (naive.replace(tzinfo=here, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    shown = f"{naive:%Y-%m-%dT%H:%M}"
    if first.astimezone(UTC).astimezone(here).replace(tzinfo=None) != naive:
        later = first.astimezone(UTC).astimezone(here)
        raise _wrong(
            option,
            f"{shown} does not exist in {zone}: the clock jumps over it; give "
            f"{later:%Y-%m-%dT%H:%M}, or a time with its offset: {later.isoformat('T', 'minutes')}",
        )
    both = " or ".join(moment.isoformat("T", "minutes") for moment in (first, second))
    raise _wrong(option, f"{shown} comes twice in {zone}, as the clock is put back; give {both}")


def _wrong(option: str, message: str) -> ConfigError:
    """Return the error of an option."""
    return ConfigError(option, [Problem("", "", message)], exit_code=EX_USAGE)
