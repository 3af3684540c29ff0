"""What ``make results`` replays: windows, sums over them, the processes that share the work."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from runners.results_homes import BATTERIES, Period, ReferenceHome
from runners.results_replay import (
    Case,
    Course,
    Line,
    Paid,
    Split,
    find_case,
    replay_cases,
)
from sim.errors import ReplayError
from telemetry.store import Store
from tests.sim.test_planning import (
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

HOME = ReferenceHome(model=make_model(), prices="its own")
DAYS = tuple(
    Period(start=midnight(date(2025, 10, day)), end=midnight(date(2025, 10, day + 1)))
    for day in (24, 28)
)


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 October to 4 November 2025 of the villa; the clock goes back on the 26th."""
    path = new_store(tmp_path_factory.mktemp("autumn") / "facts.sqlite")
    with Store.open(path, system_id="test") as store, store.transaction():
        fill(store, VILLA, date(2025, 10, 15), date(2025, 11, 5))
    return path


@pytest.fixture
def facts(autumn: Path) -> Iterator[Store]:
    with Store.open(autumn, system_id="test") as store:
        yield store


def case_of(*windows: Period) -> Case:
    return Case(home=HOME, windows=windows, readings="15 min", bridged=(0,) * len(windows), gaps=())


def replayed(path: Path, *windows: Period, highs: bool = False, workers: int = 0) -> list[Line]:
    said: list[str] = []
    found = replay_cases(path, [case_of(*windows)], highs=highs, say=said.append, workers=workers)
    assert len(said) == len(windows) * len(BATTERIES) * (3 if highs else 1)
    assert "villa A 2025-10-" in "".join(said)
    return found


@pytest.fixture(scope="module")
def two_days(autumn: Path) -> list[Line]:
    return replayed(autumn, *DAYS)


def test_a_window_ends_a_day_before_its_stretch(facts: Store) -> None:
    case = find_case(facts, HOME)
    # 23 October is 8 days after the first reading; the 4th of November says what is left is worth.
    want = Period(start=midnight(date(2025, 10, 23)), end=midnight(date(2025, 11, 4)))
    assert case.windows == (want,)
    assert want.days == pytest.approx(12.0 + 1.0 / 24.0)
    assert (case.readings, case.bridged, case.gaps) == ("15 min", (0,), ())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = new_store(tmp_path / "facts.sqlite")
    with Store.open(path, system_id="test") as store:
        fill(store, VILLA, date(2025, 10, 15), date(2025, 10, 27))
        put_days(store, VILLA, "load_kwh", load_of, (date(2025, 10, 28), date(2025, 11, 5)))
        put_days(store, VILLA, "pv_kwh", pv_of, (date(2025, 10, 27), date(2025, 11, 5)))
        put_prices(store, date(2025, 10, 27), date(2025, 11, 5))
        case = find_case(store, HOME, least_days=3)
    (gap,) = case.gaps
    assert (gap.start, gap.end) == (midnight(date(2025, 10, 27)), midnight(date(2025, 10, 28)))
    assert gap.channel == "load_kwh"
    # 23 to 26 October and 28 October to 4 November, each less its last 24 h; the 26th has 25 hours.
    assert [w.days for w in case.windows] == pytest.approx([3.0 + 1.0 / 24.0, 7.0])


def test_costs_of_windows_add_up(autumn: Path, two_days: list[Line]) -> None:
    alone = [replayed(autumn, day) for day in DAYS]
    for place, line in enumerate(two_days):
        assert (line.home_id, line.battery, line.days) == ("villa", "AB"[place], 2.0)
        assert set(line.paid) == set(Course) - {Course.VALUE_HIGHS, Course.MODES_HIGHS}
        parts = [one[place] for one in alone]
        for course, paid in line.paid.items():
            assert paid.money == pytest.approx(sum(one.paid[course].money for one in parts))
        assert line.split.total == pytest.approx(sum(one.split.total for one in parts))


def test_nobody_beats_the_oracle(two_days: list[Line]) -> None:
    for line in two_days:
        none, best = line.paid[Course.NO_BATTERY], line.paid[Course.ORACLE]
        assert best.money < none.money
        # Set-points carried out blindly may break a limit, which costs no money.
        kept = [paid for paid in line.paid.values() if paid.broken_slots == 0]
        assert all(paid.money >= best.money - 1e-6 for paid in kept)
        assert line.paid[Course.MODES].broken_slots == 0
        regret = line.paid[Course.MODES].money - best.money
        assert line.split.total == pytest.approx(regret, abs=1e-6)
        parts = line.split.dispatch + line.split.load + line.split.pv + line.split.remainder
        assert parts == pytest.approx(line.split.total, abs=1e-9)


def test_highs_fills_its_columns(autumn: Path) -> None:
    morning = Period(start=DAYS[0].start, end=DAYS[0].start + timedelta(hours=6))
    for line in replayed(autumn, morning, highs=True):
        assert set(line.paid) == set(Course)
        best = line.paid[Course.ORACLE].money
        assert line.paid[Course.VALUE_HIGHS].money >= best - 1e-6
        assert line.paid[Course.MODES_HIGHS].money >= best - 1e-6


@pytest.mark.integration
def test_processes_change_nothing(autumn: Path, two_days: list[Line]) -> None:
    assert replayed(autumn, *DAYS, workers=2) == two_days


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.integration)])
def test_a_window_that_cannot_be_replayed_is_named(autumn: Path, workers: int) -> None:
    late = Period(start=midnight(date(2025, 11, 4)), end=midnight(date(2025, 11, 5)))
    with pytest.raises(ReplayError, match="home villa: load_kwh of 2025-11-04T23:00:00"):
        replay_cases(autumn, [case_of(late)], highs=False, say=str, workers=workers)


def test_a_home_without_windows_has_no_line(autumn: Path) -> None:
    assert replay_cases(autumn, [case_of()], highs=True, say=str, workers=0) == []


def test_money_a_day_and_shares_by_hand() -> None:
    paid = {Course.NO_BATTERY: 60.0, Course.SELF_USE: 45.0, Course.ORACLE: 20.0, Course.ROLLING: 24}
    line = Line(
        home_id="h",
        battery="A",
        readings="hourly",
        days=4.0,
        paid={course: Paid(money=money) for course, money in paid.items()},
        split=Split(),
    )
    assert line.per_day(Course.SELF_USE) == 45.0 / 4.0
    # Saved 15 of the 40 that could be saved, or of the 36 with 48 h of foresight.
    assert line.share(Course.SELF_USE, Course.ORACLE) == 15.0 / 40.0
    assert line.share(Course.SELF_USE, Course.ROLLING) == 15.0 / 36.0
    assert line.share(Course.NO_BATTERY, Course.ORACLE) == 0.0
    assert line.per_day(Course.VALUE) is None
    assert line.share(Course.VALUE, Course.ORACLE) is None
