"""Public holidays of a country by local day, from the package ``holidays``, loaded when asked."""

from datetime import date
from functools import lru_cache

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.errors import MissingExtraError

__all__ = ["holidays_of"]


def holidays_of(country: str | None, day: I64) -> F64:
    """Return 1.0 where a local day (ordinals, any shape) is a public holiday, else 0.0.

    NaN everywhere where the country is unknown, or not among those the package knows.

    Args:
        country: ISO 3166 code, e.g. ``SE``.
        day: ordinals of local days.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if country is None or not day.size:
        return np.full(day.shape, np.nan)
    first, last = int(day.min()), int(day.max())
    years = range(date.fromordinal(first).year, date.fromordinal(last).year + 1)
    free = [days for year in years if (days := _of_year(country, year)) is not None]
    if len(free) < len(years):
        return np.full(day.shape, np.nan)
    found: F64 = np.isin(day, np.concatenate(free)).astype(np.float64)
    return found


@lru_cache(maxsize=64)
def _of_year(country: str, year: int) -> I64 | None:
    """Return the ordinals of a year's holidays; None for a country nobody wrote down."""
    try:
        import holidays  # noqa: PLC0415 - needed where a home has a country
    except ImportError as err:
        raise MissingExtraError("holidays", "forecast", "knowing holidays") from err
    try:
        found = holidays.country_holidays(country, years=year)
    except NotImplementedError:
        return None
    return np.array(sorted(day.toordinal() for day in found), dtype=np.int64)
