"""The replay tables: every cell by hand."""

from datetime import UTC, date, datetime

import pytest

from runners.results_homes import Period, ReferenceHome
from runners.results_replay import Case, Course, Line, Paid, Split
from runners.results_tables import HEADLINE_HEAD, headline_rows, replay_tables
from sim.history import Gap
from tests.sim.test_planning import make_model, midnight

HOME = ReferenceHome(model=make_model(), prices="SE4, its own")
MONEY = {
    Course.NO_BATTERY: 40.0,
    Course.SELF_USE: 20.0,
    Course.SETPOINT: 24.0,
    Course.WINDOWS: 16.0,
    Course.VALUE: 4.0,
    Course.MODES: 6.0,
    Course.ROLLING: 1.0,
    Course.ORACLE: -0.004,
}


def line_of(broken: int = 0) -> Line:
    """Two days; HiGHS was left out."""
    paid = {course: Paid(money=money) for course, money in MONEY.items()}
    paid[Course.SETPOINT] = Paid(money=24.0, broken_slots=broken)
    return Line(
        home_id="villa",
        battery="A",
        readings="half-hourly",
        days=2.0,
        paid=paid,
        split=Split(total=6.0, dispatch=-0.5, load=2.5, pv=3.0, remainder=1.0),
    )


def case_of(*gaps: Gap) -> Case:
    windows = tuple(
        Period(start=midnight(date(2025, 6, first)), end=midnight(date(2025, 6, end)))
        for first, end in ((10, 11), (20, 21))
    )
    return Case(home=HOME, windows=windows, readings="half-hourly", bridged=(3, 4), gaps=gaps)


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the cells below the head of the first table of each heading."""
    found = {}
    for part in text.split("### ")[1:]:
        rows = [row for row in part.splitlines() if row.startswith("|")]
        found[part.partition("\n")[0]] = [
            [cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]
        ]
    return found


def test_cells_by_hand() -> None:
    found = tables(replay_tables([case_of()], [line_of()]))
    # Two days: half of each sum; -0.002 is no negative zero.
    money = ["20.00", "10.00", "12.00", "8.00", "-", "2.00", "-", "3.00", "0.50", "0.00"]
    assert found["Money, SEK a day"] == [["villa", "A", *money]]
    # 40.004 could be saved; 20, 16, 24, 36, 34 and 39 were.
    flat = ["villa", "half-hourly, held flat", "A"]
    shares = ["50.0 %", "40.0 %", "60.0 %", "-", "90.0 %", "-", "85.0 %", "97.5 %"]
    assert found["Share of the gain of the oracle"] == [[*flat, *shares]]
    # 39 could be saved with 48 h of foresight: 20 / 39 and so on.
    rolling = ["51.3 %", "41.0 %", "61.5 %", "-", "92.3 %", "-", "87.2 %"]
    of_rolling = found["Share of the gain of the rolling oracle, which sees 48 h"]
    assert of_rolling == [[*flat, *rolling]]
    regret = found["Where mode dispatch (engine) loses against the oracle, SEK a day"]
    assert regret == [["villa", "A", "3.00", "-0.25", "1.25", "1.50", "0.50"]]
    days = "2025-06-10 to 2025-06-10, 2025-06-20 to 2025-06-20"
    prices = "SE4, its own"
    want = [["villa", prices, "half-hourly, held flat", days, "2", "7"]]
    assert found["What was replayed"] == want
    assert len(found) == 5


def test_beside_every_share_stands_that_readings_are_flat() -> None:
    text = replay_tables([case_of()], [line_of()])
    for part in text.split("### ")[1:]:
        if "%" in part:
            assert "held flat over their quarters" in part
            assert "half-hourly, held flat" in part
    assert "15 min" not in text


def test_what_is_missing_is_listed() -> None:
    gap = Gap(
        start=datetime(2025, 6, 12, 9, 30, tzinfo=UTC),
        end=datetime(2025, 6, 12, 17, tzinfo=UTC),
        channel="pv_kwh",
    )
    text = replay_tables([case_of(gap)], [line_of()])
    assert "| villa | 2025-06-12 09:30 | 2025-06-12 17:00 | pv_kwh |" in text
    assert "<summary>1 gaps</summary>" in text


@pytest.mark.parametrize("broken", [0, 7])
def test_broken_limits_are_counted(broken: int) -> None:
    found = tables(replay_tables([case_of()], [line_of(broken)]))
    want = [["villa", "A", "7"]] if broken else None
    assert found.get("Slots in which a grid limit was broken") == want


def test_every_row_is_as_wide_as_its_head() -> None:
    text = HEADLINE_HEAD + headline_rows([line_of()]) + replay_tables([case_of()], [line_of(1)])
    width = 0
    for row in text.splitlines():
        if row.startswith("|"):
            width = width or row.count("|")
            assert row.count("|") == width
        else:
            width = 0


def test_the_headline_by_hand() -> None:
    # 36 of 40.004 saved.
    want = "| villa | half-hourly, held flat | A | 20.00 | 10.00 | 2.00 | 90.0 % | 0.00 |\n"
    assert headline_rows([line_of()]) == want
