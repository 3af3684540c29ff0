"""Prices a home pays, by hand, on both days that the clock changes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc import PriceEntry, Tariff, TariffError
from tests.mpc.instances import floats

ZONE = "Europe/Stockholm"
SWEDEN = Tariff(
    zone=ZONE,
    transfer_fee=0.2456,
    energy_tax=0.439,
    vat=0.25,
    tax_credit=[
        PriceEntry(value=0.60, valid_from=date(2015, 1, 1)),
        PriceEntry(value=0.0, valid_from=date(2026, 1, 1)),
    ],
)
NOON = datetime(2025, 6, 2, 10, tzinfo=UTC)


def test_vat_applies_to_a_negative_spot_too() -> None:
    imports, exports = SWEDEN.prices(NOON, 60, [-1.0, 0.0, 1.0])
    want = [(s + 0.2456 + 0.439) * 1.25 for s in (-1.0, 0.0, 1.0)]
    np.testing.assert_allclose(imports, want)
    np.testing.assert_allclose(exports, [-1.0 + 0.6, 0.6, 1.6])


def test_the_tax_credit_ends_at_local_midnight() -> None:
    """23:45 on New Year's Eve in Stockholm is 22:45 UTC."""
    start = datetime(2025, 12, 31, 22, 45, tzinfo=UTC)
    assert SWEDEN.prices(start, 15, [0.0, 0.0])[1].tolist() == [0.6, 0.0]


def test_hours_weekdays_and_months_are_local() -> None:
    """High tariff Mon-Fri 06-22 in Nov-Mar; else low. Friday 2025-01-10 21:00, 22:00 local."""
    fee = [
        PriceEntry(value=0.1),
        PriceEntry(
            value=0.8,
            hours=tuple(range(6, 22)),
            weekdays=(0, 1, 2, 3, 4),
            months=(11, 12, 1, 2, 3),
        ),
    ]
    tariff = Tariff(zone=ZONE, transfer_fee=fee)
    friday = tariff.prices(datetime(2025, 1, 10, 20, tzinfo=UTC), 60, [0.0, 0.0])[0]
    assert friday.tolist() == [0.8, 0.1]
    saturday = tariff.prices(datetime(2025, 1, 11, 11, tzinfo=UTC), 60, [0.0])[0]
    summer = tariff.prices(datetime(2025, 7, 10, 10, tzinfo=UTC), 60, [0.0])[0]
    assert (saturday.tolist(), summer.tolist()) == ([0.1], [0.1])


def test_a_later_entry_without_hours_replaces_everything() -> None:
    fee = [
        PriceEntry(value=0.8, hours=(12,), valid_from=date(2024, 1, 1)),
        PriceEntry(value=0.1, valid_from=date(2024, 1, 1)),
        PriceEntry(value=0.3, valid_from=date(2025, 1, 1)),
    ]
    tariff = Tariff(zone=ZONE, transfer_fee=[fee[1], fee[0], fee[2]])
    before = tariff.prices(datetime(2024, 6, 3, 9, tzinfo=UTC), 60, [0.0, 0.0])[0]
    assert before.tolist() == [0.1, 0.8]
    assert tariff.prices(NOON, 60, [0.0])[0].tolist() == [0.3]


def test_settlement_averages_before_billing() -> None:
    """Quarters 0, 1, 2, 3 settle at 1.5 by the hour, at 0.5 and 2.5 by the half hour."""
    spot = [0.0, 1.0, 2.0, 3.0]
    hour = Tariff(import_settlement_minutes=60, export_settlement_minutes=30)
    imports, exports = hour.prices(NOON, 15, spot)
    assert imports.tolist() == [1.5] * 4
    assert exports.tolist() == [0.5, 0.5, 2.5, 2.5]
    month = Tariff(export_settlement_minutes="month").prices(NOON, 15, spot)[1]
    assert month.tolist() == [1.5] * 4


def test_the_doubled_hour_settles_as_two_hours() -> None:
    """02:00 to 03:00 comes twice on 2025-10-26; each is an hour of its own."""
    start = datetime(2025, 10, 26, 0, tzinfo=UTC)
    tariff = Tariff(zone=ZONE, import_settlement_minutes=60)
    imports, _ = tariff.prices(start, 15, [0.0] * 4 + [1.0] * 4 + [2.0] * 4)
    assert imports.tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 4


@pytest.mark.parametrize("day", [date(2025, 3, 30), date(2025, 10, 26)])
def test_hours_follow_the_wall_clock_on_days_of_23_and_25_hours(day: date) -> None:
    """A fee from 03 to 04 local applies to the hour that the wall clock calls 03."""
    tariff = Tariff(zone=ZONE, transfer_fee=[PriceEntry(value=0), PriceEntry(value=1, hours=(3,))])
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=2)
    imports, _ = tariff.prices(midnight, 15, np.zeros(26 * 4))
    starts = [midnight + timedelta(minutes=15 * k) for k in range(26 * 4)]
    # 03 local is 01 UTC in summer time and 02 UTC in winter time
    hour = 1 if day.month == 3 else 2
    want = [1.0 if (s.date(), s.hour) == (day, hour) else 0.0 for s in starts]
    assert imports.tolist() == want


def test_a_local_start_means_the_same_slots_as_its_utc_time() -> None:
    """Hours added to a local midnight would count on the wall clock, one off after the change."""
    tariff = Tariff(zone=ZONE, transfer_fee=[PriceEntry(value=0), PriceEntry(value=1, hours=(3,))])
    for day in (date(2025, 3, 30), date(2025, 10, 26)):
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE))
        here, there = (tariff.prices(s, 60, np.zeros(8))[0] for s in (local, local.astimezone(UTC)))
        assert here.tolist() == there.tolist()


def test_settlement_averages_spot_and_leaves_fees_their_hours() -> None:
    """Spot 0 and 2 settle at 1 by the month; the fee of 12 o'clock stays where it is."""
    fee = [PriceEntry(value=0.1), PriceEntry(value=0.8, hours=(12,))]
    tariff = Tariff(zone=ZONE, transfer_fee=fee, import_settlement_minutes="month")
    assert tariff.prices(NOON, 60, [0.0, 2.0])[0].tolist() == [1.8, 1.1]


def test_hourly_settlement_follows_the_local_clock_of_half_hour_zones() -> None:
    """10:00 UTC is 15:30 in Kolkata: its quarters settle with 15:45, not with 16:15."""
    tariff = Tariff(zone="Asia/Kolkata", import_settlement_minutes=60)
    assert tariff.prices(NOON, 15, [0.0, 1.0, 2.0, 3.0])[0].tolist() == [0.5, 0.5, 2.5, 2.5]


@given(spot=st.lists(floats(-2.0, 5.0), min_size=1, max_size=30))
def test_settlement_keeps_the_mean(spot: list[float]) -> None:
    plain, _ = Tariff().prices(NOON, 15, spot)
    settled, _ = Tariff(import_settlement_minutes=60).prices(NOON, 15, spot)
    assert settled.mean() == pytest.approx(plain.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Tariff(zone="Stockholm"), r"tariff.zone is 'Stockholm', want an IANA zone"),
        (lambda: Tariff(vat=25.0), r"tariff.vat is \[25.0\], want a ratio: 0.25 for 25 %"),
        (
            lambda: Tariff(transfer_fee="dear"),  # type: ignore[arg-type]
            r"tariff.transfer_fee is 'dear', want a number or",
        ),
        (lambda: Tariff(transfer_fee=[]), r"tariff.transfer_fee is \[\], want a number or PriceE"),
        (lambda: Tariff(transfer_fee=float("nan")), r"tariff.transfer_fee is nan, want finite"),
        (lambda: Tariff(import_settlement_minutes=10), r"want 15, 30, 60 or 'month'"),
        (lambda: PriceEntry(value=1.0, hours=(24,)), r"entry.hours is \(24,\), want numbers 0..23"),
        (lambda: PriceEntry(value="0.6"), r"entry.value is '0.6', want a finite number"),  # type: ignore[arg-type]
        (lambda: PriceEntry(value=1.0, hours=5), r"entry.hours is 5, want numbers 0..23"),  # type: ignore[arg-type]
        (lambda: PriceEntry(value=1.0, hours=(6.5,)), r"entry.hours is \(6.5,\)"),  # type: ignore[arg-type]
        (lambda: PriceEntry(value=1.0, valid_from="2020-01-01"), r"want a date without time"),  # type: ignore[arg-type]
        (lambda: PriceEntry(value=1.0, valid_from=NOON), r"want a date without time, or None"),
        (lambda: Tariff().prices(NOON, [15, 15], [1.0]), r"slot_minutes is 2 values, want 1"),
        (lambda: Tariff().prices(NOON, 0, [1.0]), r"slot_minutes is 0.0, want above 0"),
        (lambda: PriceEntry(value=1.0, months=()), r"entry.months is \(\), want numbers 1..12"),
        (lambda: PriceEntry(value=float("inf")), r"entry.value is inf, want a finite number"),
        (lambda: Tariff().prices(NOON, 15, [np.nan]), r"spot\[0\] is nan, want a finite number"),
        (lambda: Tariff().prices(NOON.replace(tzinfo=None), 15, [1.0]), r"start .* without a time"),
    ],
)
def test_tariff_refuses(build: object, message: str) -> None:
    assert callable(build)
    with pytest.raises(TariffError, match=message):
        build()


def test_a_time_without_an_entry_in_force_is_refused_by_name() -> None:
    tariff = Tariff(energy_tax=[PriceEntry(value=0.4, valid_from=date(2026, 1, 1))])
    with pytest.raises(TariffError, match=r"energy_tax is without an entry in force at 2025"):
        tariff.prices(NOON, 15, [1.0])
