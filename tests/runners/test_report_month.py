"""A month in words, from accounts made by hand: money that is paid, earned, or cannot be."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from runners.report_month import MonthReport, brief, money, percent
from sim.day_runs import run_of
from sim.metered import Meters, MeterTotals
from sim.regret import Ledger
from sim.savings import Account, Course, DayAccount, Stretch
from sim.savings_month import Savings
from sim.simulation_days import StartSoc

DAY = date(2025, 8, 1)
START = datetime(2025, 7, 31, 22, tzinfo=UTC)


def account(course: Course, bill: float, wear: float = 0.0, penalty: float = 0.0) -> Account:
    """One day of one course."""
    day = DayAccount(
        local_date=DAY,
        import_kwh=1.0,
        export_kwh=1.0,
        discharge_kwh=1.0,
        bill=bill,
        wear=wear,
        stored_gained=0.0,
        penalty=penalty,
    )
    return Account(course=course, days=(day,))


def report(
    *accounts: Account, regret: float = 1.0, known: bool = True, soc_kwh: float = 5.0
) -> MonthReport:
    """A month of one day, without a battery 100, self-consumption 60, the oracle 40."""
    parts = np.array([regret])
    ledger = Ledger(
        days=(DAY,),
        total=parts,
        dispatch=0.0 * parts,
        load=parts,
        pv=0.0 * parts,
        remainder=0.0 * parts,
        orders=1,
    )
    others = (
        account(Course.NO_BATTERY, 100.0),
        account(Course.SELF_USE, 60.0),
        account(Course.ORACLE, 40.0),
    )
    stretch = Stretch(
        run=run_of(DAY, DAY, "Europe/Stockholm"),
        start=StartSoc(soc_kwh=soc_kwh, source="recorded"),
        soc_start_kwh=5.0,
        accounts=(*accounts, *others),
        ledger=ledger,
    )
    nothing = np.zeros(96)
    meters = Meters(
        start=START,
        import_kwh=nothing,
        export_kwh=nothing,
        discharge_kwh=nothing,
        stored_kwh=np.zeros(97),
        wear_known=known,
        stored_known=known,
    )
    totals = MeterTotals(slots=96, counted=90, import_kwh=1.0, export_kwh=1.0, bill=1.0)
    metered = any(one.course is Course.PAID for one in accounts)
    return MonthReport(
        home_id="h",
        name="House",
        zone="Europe/Stockholm",
        currency="SEK",
        price_area="SE4",
        price_pairing=None,
        battery="10 kWh",
        month=DAY,
        savings=Savings(
            first=DAY,
            last=DAY,
            stretches=(stretch,),
            left_out=(),
            meters=meters if metered else None,
            totals=totals if metered else None,
            unjudged=0,
        ),
    )


DARKSTAR = account(Course.DARKSTAR, 45.0)


def test_what_was_paid_and_what_others_would_have() -> None:
    told = report(account(Course.PAID, 50.0, wear=5.0), DARKSTAR).headline
    assert told == (
        "50.00 SEK were paid for the grid in 1 day. With wear and stored energy the cost is 55.00 "
        "SEK, 45.00 less than without a battery and 5.00 less than on plain self-consumption. Who "
        "had known everything would have paid 15.00 SEK less."
    )


def test_a_battery_that_costs_money_and_a_bill_that_earns() -> None:
    told = report(account(Course.PAID, -10.0, wear=120.0), DARKSTAR).headline
    assert told.startswith("10.00 SEK were earned from the grid in 1 day.")
    assert "10.00 more than without a battery and 50.00 more than on plain" in told


def test_a_house_that_beats_the_oracle_is_not_believed() -> None:
    told = report(account(Course.PAID, 30.0), DARKSTAR).headline
    assert "10.00 SEK below the least that the configured battery can do" in told


def test_without_meters_darkstar_is_the_subject() -> None:
    found = report(DARKSTAR)
    assert not found.metered
    assert found.headline.startswith("What was paid is not known: there are no readings of the")
    assert "On Darkstar's own plans 45.00 SEK would have been paid for the grid" in found.headline
    assert list(found.notes()) == []


def test_shares_are_of_what_the_oracle_saves() -> None:
    found = report(account(Course.PAID, 55.0), DARKSTAR)
    assert found.saved(Course.PAID) == 45.0
    assert found.share(Course.PAID) == pytest.approx(45.0 / 60.0)
    assert found.share(Course.ORACLE) == 1.0


def test_notes_say_what_is_left_out() -> None:
    broken = account(Course.DARKSTAR, 45.0, penalty=7.0)
    found = report(account(Course.PAID, 55.0), broken, regret=12.0, known=False, soc_kwh=0.4)
    text = " ".join(found.notes())
    for said in (
        "leaves out 6 of 96 slots",
        "told without wear",
        "told without the worth of stored energy",
        "the battery held 0.40 kWh, outside its configured window; the others begin with 5.00 kWh",
        "7.00 SEK of the regret are the price of limits",
    ):
        assert said in text, said
    assert dict(found.causes())["of it money"] == pytest.approx(5.0)


def test_numbers_have_no_sign_before_a_zero() -> None:
    assert (money(-0.001), money(1234.5), money(-1.005)) == ("0.00", "1,234.50", "-1.00")
    assert (brief(999.994), brief(-1234.5)) == ("999.99", "-1,234")
    assert (percent(float("nan")), percent(-0.0001), percent(0.5)) == ("-", "0.0", "50.0")
