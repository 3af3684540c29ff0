"""Local days with forecasts of the longest periods for which they can be made.

Units: UTC.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from forecast.errors import ForecastError, MissingHistoryError
from sim.errors import KnownInputsError, ReplayError
from sim.simulation_days import ChosenDay
from telemetry.slots import local_day

__all__ = ["TooLittleKnown", "days_with_forecasts", "reason_of"]

TooLittleKnown = ForecastError | KnownInputsError
_Made = TypeVar("_Made")


def days_with_forecasts(
    make: Callable[[datetime, datetime], _Made],
    days: Sequence[ChosenDay],
    zone: str,
    *,
    beyond: timedelta = timedelta(0),
) -> Iterator[tuple[ChosenDay, _Made | TooLittleKnown]]:
    """Yield complete days with the forecasts of a period they lie in, or why there are none.

    A period at some slot of which too little was known is halved until single days are left.

    Args:
        make: forecasts of a period, from its start and its end.
        days: one after the other.
        zone: of the home.
        beyond: how far forecasts reach beyond the last midnight of a period.
    """
    there = [n for n, day in enumerate(days) if day.complete]
    if not there:
        return
    days = days[there[0] : there[-1] + 1]
    start, end = local_day(days[0].local_day, zone)[0], local_day(days[-1].local_day, zone)[1]
    found: _Made | TooLittleKnown
    try:
        found = make(start, end + beyond)
    except (ForecastError, KnownInputsError) as err:
        found = err
    failed = isinstance(found, ForecastError | KnownInputsError)
    if not failed or len(days) == 1:
        yield from ((day, found) for day in days if day.complete)
        return
    half = len(days) // 2
    yield from days_with_forecasts(make, days[:half], zone, beyond=beyond)
    yield from days_with_forecasts(make, days[half:], zone, beyond=beyond)


def reason_of(err: ForecastError | KnownInputsError | ReplayError) -> str:
    """Return in words why a day cannot be replayed, the same for days of the same kind."""
    if isinstance(err, MissingHistoryError):
        return f"too little {err.series} was known before it"
    if isinstance(err, KnownInputsError):
        return "too few prices were known before it"
    return err.what if isinstance(err, ReplayError) else str(err)
