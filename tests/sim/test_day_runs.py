"""Runs of whole days: by hand, over gaps, days that do not follow, and clocks that change."""

from datetime import UTC, date, datetime, timedelta

import pytest

from sim.day_runs import day_runs, followed, run_of
from sim.simulation_days import ChosenDay

ZONE = "Europe/Stockholm"
FIRST = date(2025, 3, 27)
"""A Thursday; the clocks go forward on Sunday the 30th."""


def days(kinds: str, first: date = FIRST) -> list[ChosenDay]:
    """Return a day a letter: ``x`` is gone through, ``k`` known but skipped, ``.`` not known."""
    return [
        ChosenDay(
            local_day=first + timedelta(days=n),
            quality_class="",
            skipped="" if kind == "x" else "why not",
            complete=kind != ".",
        )
        for n, kind in enumerate(kinds)
    ]


def told(found: tuple[ChosenDay, ...]) -> str:
    """Return the letters again."""
    return "".join("x" if not d.skipped else "k" if d.complete else "." for d in found)


@pytest.mark.parametrize(
    ("kinds", "want"),
    [
        ("", []),
        ("...", []),
        ("xxx", [(0, 2)]),
        (".x.", [(1, 1)]),
        ("xx.x", [(0, 1), (3, 3)]),
        ("kxxkx", [(1, 2), (4, 4)]),
    ],
)
def test_runs_end_where_a_day_is_skipped(kinds: str, want: list[tuple[int, int]]) -> None:
    found = [((r.first - FIRST).days, (r.last - FIRST).days) for r in day_runs(days(kinds), ZONE)]
    assert found == want


def test_a_run_reaches_from_midnight_to_midnight() -> None:
    run = run_of(date(2025, 3, 29), date(2025, 3, 30), ZONE)
    assert run.start == datetime(2025, 3, 28, 23, tzinfo=UTC)
    assert run.end == datetime(2025, 3, 30, 22, tzinfo=UTC), "the second day has 23 hours"
    assert run.days == 2


@pytest.mark.parametrize(
    ("kinds", "want"),
    [
        pytest.param("xxx", "xxk", id="nothing is known behind the last day"),
        pytest.param("xxk", "xxk", id="a day that is skipped may follow"),
        pytest.param("xx.", "xk.", id="one that is not known may not, but the day it ends may"),
        pytest.param("x.xk", "k.xk", id="every run ends so"),
        pytest.param("x.x.", "k.k.", id="a single day is gone"),
        pytest.param("...", "...", id="nothing"),
    ],
)
def test_a_run_ends_where_the_next_24_hours_are_known(kinds: str, want: str) -> None:
    assert told(followed(days(kinds, date(2025, 6, 1)), ZONE)) == want


def test_a_day_of_23_hours_does_not_hold_the_next_24() -> None:
    """After Saturday the 29th come 23 hours of Sunday, and one of Monday."""
    assert told(followed(days("xxxk."), ZONE)) == "xxkk."
    assert told(followed(days("xxxkk"), ZONE)) == "xxxkk"
