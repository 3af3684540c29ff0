"""Public holidays by local day, from the package itself."""

import sys
from datetime import date

import numpy as np
import pytest

from forecast import holiday
from forecast.holiday import holidays_of
from telemetry.arrays import F64, I64
from telemetry.errors import MissingExtraError


def days(*given: date) -> I64:
    return np.array([day.toordinal() for day in given], dtype=np.int64)


@pytest.mark.parametrize(
    ("day", "free"),
    [
        (date(2025, 6, 6), 1.0),  # the national day, a Friday
        (date(2025, 6, 5), 0.0),
        (date(2025, 12, 25), 1.0),
        (date(2025, 12, 29), 0.0),
        (date(2025, 4, 18), 1.0),  # Good Friday moves with Easter
        (date(2024, 3, 29), 1.0),
        (date(2025, 3, 28), 0.0),
        (date(2025, 1, 6), 1.0),  # Epiphany
        (date(2025, 2, 12), 0.0),
    ],
)
def test_swedish_holidays(day: date, free: float) -> None:
    assert holidays_of("SE", days(day)).tolist() == [free]


def test_countries_differ() -> None:
    fourth_of_july = days(date(2025, 7, 4))
    assert holidays_of("US", fourth_of_july).tolist() == [1.0]
    assert holidays_of("SE", fourth_of_july).tolist() == [0.0]


def test_days_of_any_shape_over_the_turn_of_a_year() -> None:
    """New Year's Day of 2025 is known although the range begins in 2024."""
    table = days(date(2024, 12, 30), date(2025, 1, 1), date(2025, 1, 2), date(2026, 1, 1))
    found: F64 = holidays_of("SE", table.reshape(2, 2))
    assert found.tolist() == [[0.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize("country", [None, "XX"])
def test_a_country_unknown_is_nan_and_not_a_workday(country: str | None) -> None:
    found = holidays_of(country, days(date(2025, 12, 25), date(2025, 12, 29)))
    assert found.shape == (2,)
    assert np.isnan(found).all()


def test_no_days_no_holidays() -> None:
    assert holidays_of("SE", np.empty((0, 3), dtype=np.int64)).shape == (0, 3)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    holiday._of_year.cache_clear()
    with pytest.raises(MissingExtraError, match=r"holidays.*forecast"):
        holidays_of("SE", days(date(2025, 6, 6)))
    # Who has no country needs no package.
    assert np.isnan(holidays_of(None, days(date(2025, 6, 6)))).all()
