"""A tariff of one year on days of another: prices by hand."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from mpc import PriceEntry, Tariff
from sim.errors import ScenarioError
from sim.tariff_year import later_changes, tariff_of_year

ZONE = "Europe/Stockholm"
CREDIT = (
    PriceEntry(value=0.6, valid_from=date(2015, 1, 1)),
    PriceEntry(value=0.0, valid_from=date(2026, 1, 1)),
)
FEE = (
    PriceEntry(value=0.10),
    PriceEntry(value=0.30, hours=(17, 18, 19)),
    PriceEntry(value=0.20, valid_from=date(2025, 1, 1)),
    PriceEntry(value=0.50, valid_from=date(2025, 7, 1), weekdays=(0, 1, 2, 3, 4)),
    PriceEntry(value=0.90, valid_from=date(2026, 1, 1)),
)


def export(tariff: Tariff, day: date, hour: int = 11) -> float:
    """Return the export price of a spot of 1."""
    start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    return float(tariff.prices(start, 15, np.ones(1))[1][0])


def imported(tariff: Tariff, day: date, hour: int = 11) -> float:
    """Return the import price of a spot of 1."""
    start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    return float(tariff.prices(start, 15, np.ones(1))[0][0])


def test_the_tax_credit_that_ended_with_2025() -> None:
    tariff = Tariff(zone=ZONE, tax_credit=CREDIT)
    today = tariff_of_year(tariff, 2026, (2025,))
    assert export(tariff, date(2025, 8, 1)) == pytest.approx(1.6)
    assert export(today, date(2025, 8, 1)) == pytest.approx(1.0)
    assert export(tariff_of_year(tariff, 2025, (2026,)), date(2026, 8, 1)) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("day", "hour", "want"),
    [
        pytest.param(date(2026, 3, 4), 11, 1.2, id="of 2025 since January"),
        pytest.param(date(2026, 3, 4), 16, 1.2, id="the later date counts, not the hour (17:00)"),
        pytest.param(date(2026, 7, 1), 11, 1.5, id="a Wednesday from July on"),
        pytest.param(date(2026, 7, 4), 11, 1.2, id="a Saturday of that year: its own weekday"),
        pytest.param(date(2027, 2, 3), 11, 1.2, id="in January the year begins anew"),
    ],
)
def test_entries_of_the_year_hold_from_their_day_in_each(day: date, hour: int, want: float) -> None:
    tariff = tariff_of_year(Tariff(zone=ZONE, transfer_fee=FEE), 2025, (2027, 2026))
    assert imported(tariff, day, hour) == pytest.approx(want)


def test_what_held_before_the_year_keeps_its_order() -> None:
    tariff = tariff_of_year(Tariff(zone=ZONE, transfer_fee=FEE[:2]), 2025, (2026,))
    assert imported(tariff, date(2026, 1, 7), 11) == pytest.approx(1.1)
    assert imported(tariff, date(2026, 1, 7), 16) == pytest.approx(1.3)


def test_a_leap_day_and_plain_numbers() -> None:
    leap = (PriceEntry(value=0.1), PriceEntry(value=0.2, valid_from=date(2024, 2, 29)))
    tariff = tariff_of_year(Tariff(zone=ZONE, transfer_fee=leap, vat=0.25), 2024, (2025,))
    assert imported(tariff, date(2025, 2, 28)) == pytest.approx(1.25 * 1.1)
    assert imported(tariff, date(2025, 3, 1)) == pytest.approx(1.25 * 1.2)


def test_its_own_year_changes_nothing() -> None:
    tariff = Tariff(zone=ZONE, transfer_fee=FEE, tax_credit=CREDIT, vat=0.25)
    start, spot = datetime(2024, 12, 31, 23, tzinfo=UTC), np.linspace(0.1, 2.0, 365 * 96)
    same = tariff_of_year(tariff, 2025, (2025,))
    for want, got in zip(tariff.prices(start, 15, spot), same.prices(start, 15, spot), strict=True):
        np.testing.assert_array_equal(got, want)


def test_later_changes_are_told_in_order() -> None:
    tariff = Tariff(zone=ZONE, transfer_fee=FEE, tax_credit=CREDIT, energy_tax=0.4)
    assert later_changes(tariff, date(2025, 6, 30)) == (
        ("transfer_fee", date(2025, 7, 1)),
        ("tax_credit", date(2026, 1, 1)),
        ("transfer_fee", date(2026, 1, 1)),
    )
    assert later_changes(tariff, date(2026, 1, 1)) == ()


@pytest.mark.parametrize(
    ("year", "first", "want"),
    [
        pytest.param(2010, date(2015, 1, 1), "2015 or later: tariff.tax_credit", id="before"),
        pytest.param(2025, date(2025, 6, 1), "2026 or later: tariff.tax_credit", id="mid-year"),
    ],
)
def test_a_year_in_which_a_component_had_not_begun(year: int, first: date, want: str) -> None:
    tariff = Tariff(zone=ZONE, tax_credit=(PriceEntry(value=0.6, valid_from=first),))
    with pytest.raises(ScenarioError, match=f"tariff_year is {year}, want {want} begins with"):
        tariff_of_year(tariff, year, (2025,))
    assert export(tariff_of_year(tariff, 2026, (2025,)), date(2025, 3, 1)) == pytest.approx(1.6)
