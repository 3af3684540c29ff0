"""A month of savings: days left out with their reasons, and stretches between them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mpc import PriceEntry, Tariff
from sim.errors import ReplayError
from sim.savings import Course
from sim.savings_month import savings_of
from telemetry.quality_table import DayClass, DayQuality
from telemetry.store import Store
from tests.sim.test_metered import put
from tests.sim.test_planning import (
    QUARTER,
    STOCKHOLM,
    VILLA,
    fill,
    load_of,
    make_model,
    midnight,
    new_store,
    put_days,
    put_prices,
    pv_of,
)

MODEL = make_model(tariff=Tariff(zone=STOCKHOLM, transfer_fee=0.25, energy_tax=0.5, vat=0.25))
NOT_FOLLOWED = "the 24 h after it, which value what is left in the battery, are not all known"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        yield store


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """15 October to 2 November 2025 of the villa; the clock goes back on the 26th."""
    path = new_store(tmp_path_factory.mktemp("autumn") / "facts.sqlite")
    with Store.open(path, system_id="test") as store:
        with store.transaction():
            fill(store, VILLA, date(2025, 10, 15), date(2025, 11, 3))
        yield store


def verdict(day: date, kind: DayClass) -> DayQuality:
    """Return a verdict on a day."""
    return DayQuality(
        local_date=day,
        day_start=midnight(day),
        day_class=kind,
        reference="none",
        slots=96,
        counts={},
        reasons=(),
        checked_at=datetime(2025, 12, 1, tzinfo=UTC),
    )


def test_a_month_is_one_stretch_where_nothing_is_missing(autumn: Store) -> None:
    judged = {date(2025, 10, day): DayClass.CLEAN for day in range(1, 32)}
    found = savings_of(autumn, MODEL, date(2025, 10, 1), date(2025, 10, 31), judged=judged)
    (stretch,) = found.stretches
    assert (stretch.run.first, stretch.run.last) == (date(2025, 10, 16), date(2025, 10, 31))
    assert found.days == found.unjudged == 16
    reasons = {day.reason for day in found.left_out if day.local_date < date(2025, 10, 15)}
    assert reasons == {"load_kwh is not known throughout"}
    assert found.left_out[-1].local_date == date(2025, 10, 15)
    assert found.left_out[-1].reason == "too little load_kwh was known before it"
    assert (found.meters, found.totals, found.gaps) == (None, None, ())
    assert [account.course for account in found.accounts] == [
        Course.NO_BATTERY,
        Course.SELF_USE,
        Course.DARKSTAR,
        Course.ORACLE,
    ]
    none, self_use, darkstar, oracle = (account.cost for account in found.accounts)
    assert oracle <= darkstar + 1e-9 <= none
    assert oracle <= self_use + 1e-9
    # 25 hours of the 26th: its load is 24 hours and the doubled one.
    day = found.accounts[0].days[10]
    assert day.local_date == date(2025, 10, 26)
    used = sum(load_of(q) - pv_of(q) for q in [*range(96), *range(8, 12)])
    assert day.import_kwh - day.export_kwh == pytest.approx(used)


def test_days_are_left_out_for_what_is_missing(empty: Store) -> None:
    with empty.transaction():
        fill(empty, VILLA, date(2025, 6, 1), date(2025, 6, 21))
        begin, end = midnight(date(2025, 6, 8)), midnight(date(2025, 6, 20))
        hole = midnight(date(2025, 6, 13)) + 20 * QUARTER
        put(empty, "export_kwh", begin, end, 0.5)
        put(empty, "import_kwh", begin, hole, 0.5)
        put(empty, "import_kwh", hole + 3 * QUARTER, end, 0.5)
        empty.put_day_quality(
            "villa",
            [
                verdict(date(2025, 6, 10), DayClass.EXCLUDE),
                verdict(date(2025, 6, 16), DayClass.MASK_BATTERY),
                verdict(date(2025, 6, 17), DayClass.CLEAN),
            ],
        )
    judged = dict.fromkeys((date(2025, 6, 8), date(2025, 6, 9)), DayClass.CLEAN)
    judged[date(2025, 6, 11)] = DayClass.EXCLUDE
    found = savings_of(empty, MODEL, date(2025, 6, 7), date(2025, 6, 20), judged=judged)
    runs = [(stretch.run.first.day, stretch.run.last.day) for stretch in found.stretches]
    left_out = {day.local_date.day: day.reason for day in found.left_out}
    assert left_out[13] == "import_kwh has no reading in 3 of 96 slots"
    assert left_out[7] == "import_kwh has no reading in 96 of 96 slots"
    assert left_out[10] == "judged exclude"
    assert left_out[16].startswith("judged mask_battery")
    assert left_out[20] == "import_kwh has no reading in 96 of 96 slots"
    assert left_out[11] == "judged exclude"
    assert runs == [(8, 9), (12, 12), (14, 15), (17, 19)]
    assert found.days == 8
    assert found.unjudged == 2
    days = [day.local_date.day for day in found.accounts[0].days]
    assert days == [8, 9, 12, 14, 15, 17, 18, 19]
    assert [day.day for day in found.ledger.days] == days
    paid = found.accounts[0]
    assert paid.course is Course.PAID
    assert paid.cost == pytest.approx(sum(day.cost for day in paid.days), abs=1e-9)
    totals = found.totals
    assert totals is not None
    assert (totals.slots, totals.counted) == (14 * 96, 12 * 96 - 3)
    (before, inside, after) = (gap for gap in found.gaps if gap.channel == "import_kwh")
    assert (inside.start, inside.end) == (hole, hole + 3 * QUARTER)
    assert (before.end, after.start) == (begin, end)


def test_every_course_begins_with_what_the_battery_held(empty: Store) -> None:
    """0.05 of 10 kWh lie below the window of 1 to 10 kWh: the courses begin at its edge."""
    with empty.transaction():
        fill(empty, VILLA, date(2025, 6, 1), date(2025, 6, 12))
        for day, ratio in ((9, 0.05), (10, 0.7), (11, 0.4)):
            at = midnight(date(2025, 6, day))
            put(empty, "soc_end", at - QUARTER, at, ratio)
        for channel in ("import_kwh", "export_kwh", "discharge_kwh"):
            put(empty, channel, midnight(date(2025, 6, 9)), midnight(date(2025, 6, 11)), 0.1)
    found = savings_of(empty, MODEL, date(2025, 6, 9), date(2025, 6, 10), judged={})
    (stretch,) = found.stretches
    assert stretch.start.soc_kwh == pytest.approx(0.5)
    assert stretch.soc_start_kwh == pytest.approx(1.0)
    paid, none = found.accounts[0], found.accounts[1]
    assert none.total("stored_gained") == 0.0
    assert paid.total("stored_gained") > 0.0
    assert paid.total("wear") == pytest.approx(2 * 96 * 0.2 * 0.1)


def test_a_month_whose_meters_have_a_gap_on_every_day_is_one_without(empty: Store) -> None:
    with empty.transaction():
        fill(empty, VILLA, date(2025, 6, 1), date(2025, 6, 12))
        at = midnight(date(2025, 6, 9))
        for channel in ("import_kwh", "export_kwh"):
            put(empty, channel, at, at + 8 * QUARTER, 0.1)
    found = savings_of(empty, MODEL, date(2025, 6, 8), date(2025, 6, 10), judged={})
    assert not found.metered
    assert (found.days, found.left_out) == (3, ())
    assert found.accounts[0].course is Course.NO_BATTERY
    assert found.totals is not None
    assert found.totals.counted == 8, "what was read is told all the same"


def test_the_last_day_needs_the_day_after_it(empty: Store) -> None:
    with empty.transaction():
        fill(empty, VILLA, date(2025, 6, 1), date(2025, 6, 12))
    found = savings_of(empty, MODEL, date(2025, 6, 5), date(2025, 6, 11), judged={})
    (last,) = found.left_out
    assert (last.local_date, last.reason) == (date(2025, 6, 11), NOT_FOLLOWED)


def test_a_slot_that_no_oracle_can_plan_costs_its_day(empty: Store) -> None:
    """A tax credit so high that feeding in pays more than taking costs: it holds on one day."""
    credit = (
        PriceEntry(value=0.0),
        PriceEntry(value=9.0, valid_from=date(2025, 6, 9)),
        PriceEntry(value=0.0, valid_from=date(2025, 6, 10)),
    )
    model = make_model(tariff=Tariff(zone=STOCKHOLM, transfer_fee=0.5, tax_credit=credit))
    with empty.transaction():
        fill(empty, VILLA, date(2025, 6, 1), date(2025, 6, 16))
    found = savings_of(empty, model, date(2025, 6, 5), date(2025, 6, 14), judged={})
    left_out = {day.local_date.day: day.reason for day in found.left_out}
    assert 9 in left_out
    assert "cannot plan" in left_out[9]
    assert found.days + len(left_out) == 10
    assert found.days >= 5


def test_a_month_of_which_nothing_can_be_compared_is_refused(autumn: Store) -> None:
    told = (
        r"home villa: no day from 2025-09-01 to 2025-09-30 can be compared \(2025-09-01 and 29 "
        r"more: load_kwh is not known throughout\); choose another month"
    )
    with pytest.raises(ReplayError, match=told):
        savings_of(autumn, MODEL, date(2025, 9, 1), date(2025, 9, 30), judged={})


def test_a_home_whose_load_begins_today_is_refused(empty: Store) -> None:
    empty.put_home(VILLA)
    with empty.transaction():
        put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 9), date(2025, 6, 10)))
        put_days(empty, VILLA, "pv_kwh", pv_of, (date(2025, 6, 9), date(2025, 6, 10)))
        put_prices(empty, date(2025, 6, 8), date(2025, 6, 12))
    with pytest.raises(ReplayError, match="too little load_kwh was known before it"):
        savings_of(empty, MODEL, date(2025, 6, 9), date(2025, 6, 9), judged={})


def test_a_short_gap_of_pv_is_bridged_where_asked(empty: Store) -> None:
    """The gap reaches over a midnight: it is bridged at the edge of a stretch as well."""
    hole = midnight(date(2025, 6, 10)) - 2 * QUARTER
    with empty.transaction():
        empty.put_home(VILLA)
        put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 1), date(2025, 6, 14)))
        put_prices(empty, date(2025, 6, 1), date(2025, 6, 14))
        put(empty, "pv_kwh", midnight(date(2025, 6, 1)), hole, 0.25)
        put(empty, "pv_kwh", hole + 5 * QUARTER, midnight(date(2025, 6, 14)), 0.25)
    days = (date(2025, 6, 9), date(2025, 6, 11))
    shut = savings_of(empty, MODEL, *days, judged={})
    assert {day.local_date.day: day.reason for day in shut.left_out} == {
        9: "pv_kwh is not known throughout",
        10: "pv_kwh is not known throughout",
    }
    assert (shut.days, shut.bridged) == (1, 0)
    assert savings_of(empty, MODEL, *days, judged={}, bridge_hours=1.0).days == 1
    found = savings_of(empty, MODEL, *days, judged={}, bridge_hours=1.25)
    assert (found.days, found.left_out, found.bridged) == (3, (), 5)
    judged = {date(2025, 6, 9): DayClass.EXCLUDE}
    part = savings_of(empty, MODEL, *days, judged=judged, bridge_hours=1.25)
    assert (part.days, part.bridged) == (2, 3)  # of the 10th: the gap's beginning is not in it
