"""Which days of a year count, and what was known on them."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from sim.battery_days import stretches_of, year_days
from sim.battery_sizes import run_sizes, sized
from telemetry.quality_table import DayClass
from telemetry.store import Store
from tests.sim.test_planning import VILLA, fill, make_model, midnight, new_store

CLEAN = frozenset({DayClass.CLEAN})
FIRST, LAST = date(2025, 6, 1), date(2025, 6, 20)


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """1 to 20 June of the villa."""
    path = new_store(tmp_path_factory.mktemp("june") / "facts.sqlite")
    with Store.open(path, system_id="test") as store:
        with store.transaction():
            fill(store, VILLA, FIRST, date(2025, 6, 21))
        yield store


def judged(*dirty: int, kind: DayClass = DayClass.EXCLUDE) -> dict[date, DayClass]:
    """Return verdicts: all clean but some days of June."""
    days = [FIRST + timedelta(days=n) for n in range(20)]
    return {day: kind if day.day in dirty else DayClass.CLEAN for day in days}


def test_clean_days_count_to_the_last_that_is_followed(june: Store) -> None:
    found = year_days(june, make_model(), FIRST, LAST, classes=CLEAN, judged=judged())
    (run,) = found.runs
    assert (run.first, run.last) == (date(2025, 6, 2), date(2025, 6, 19))
    assert (found.count, found.unjudged, len(found.days)) == (18, 20, 20)
    assert found.left_out() == {
        "too little load_kwh was known before it": 1,
        "it lies behind the last day whose next 24 h are known, which value what is left": 1,
    }


def test_only_the_end_of_the_year_needs_what_follows(june: Store) -> None:
    """Day 8 is doubtful and the energy is carried across it, so that day 7 is not cut off."""
    found = year_days(june, make_model(), FIRST, LAST, classes=CLEAN, judged=judged(8, 15))
    assert [(run.first.day, run.last.day) for run in found.runs] == [(2, 7), (9, 14), (16, 19)]
    assert found.left_out()["verdict exclude"] == 2


def test_days_without_a_verdict_do_not_count_unless_all_do(june: Store) -> None:
    none = year_days(june, make_model(), FIRST, LAST, classes=CLEAN, judged={})
    assert (none.runs, none.count, none.left_out()) == ((), 0, {"no verdict": 20})
    every = year_days(june, make_model(), FIRST, LAST, classes=None, judged={})
    assert every.count == 18


def test_wider_verdicts(june: Store) -> None:
    doubtful = judged(8, kind=DayClass.MASK_BATTERY)
    wider = CLEAN | {DayClass.MASK_BATTERY}
    assert year_days(june, make_model(), FIRST, LAST, classes=CLEAN, judged=doubtful).count == 17
    assert year_days(june, make_model(), FIRST, LAST, classes=wider, judged=doubtful).count == 18


def test_stretches_hold_what_happened_and_what_was_known(june: Store) -> None:
    model = make_model()
    found = year_days(june, model, FIRST, LAST, classes=CLEAN, judged=judged(8))
    stretches = stretches_of(june, model, found.runs)
    assert [(real.slots, real.after) for real, _ in stretches] == [(6 * 96, 0), (11 * 96, 96)]
    assert [known.start for _, known in stretches] == [
        midnight(date(2025, 6, 2)),
        midnight(date(2025, 6, 9)),
    ]
    none, small = run_sizes([sized(model, kwh) for kwh in (0.0, 5.0)], stretches, workers=1)
    assert none.days == small.days == found.count == 17
    assert small.net_bill(small.planned) < none.net_bill(none.planned)
