"""State of charge at edges: exact where it rises or falls through both intervals."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from telemetry.soc import edge_states

HOUR = 3600


def edges(curve: list[float], *, ranges: bool = True) -> tuple[list[int], list[float]]:
    """Edge estimates for a state that runs straight between full hours."""
    points = np.array(curve)
    start = np.arange(points.size - 1, dtype=np.int64) * HOUR
    both = np.stack([points[:-1], points[1:]])
    blank = np.full(start.size, np.nan)
    low, high = (both.min(axis=0), both.max(axis=0)) if ranges else (blank, blank)
    at, found = edge_states(start, both.mean(axis=0), low, high, seconds=HOUR)
    return at.tolist(), found.tolist()


def test_charging_then_rest_is_exact() -> None:
    # The means alone would say (0.25 + 0.5) / 2 = 0.375 where the battery stood at 0.5.
    assert edges([0.0, 0.5, 0.5, 0.5]) == ([HOUR, 2 * HOUR], [0.5, 0.5])
    assert edges([0.0, 0.5, 0.5, 0.5], ranges=False)[1] == [0.375, 0.5]


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=8))
def test_a_state_that_runs_straight_between_hours_comes_back(curve: list[float]) -> None:
    # A peak or a valley is told by what the two hours share, to half a percent. Two hours that
    # share both ends (0, 1, 0) do not say which of them the edge was.
    triples = zip(curve, curve[1:], curve[2:], strict=False)
    assume(all(abs(a - c) > 0.0051 or abs(a - b) <= 0.005 for a, b, c in triples))
    assert edges(curve)[1] == pytest.approx(curve[1:-1], abs=0.00501)


def test_no_edge_beside_an_absent_hour() -> None:
    start = np.array([0, HOUR, 3 * HOUR], dtype=np.int64)
    mean = np.array([0.5, 0.6, 0.9])
    blank = np.full(3, np.nan)
    at, found = edge_states(start, mean, blank, blank, seconds=HOUR)
    assert at.tolist() == [HOUR]
    assert found == pytest.approx([0.55])


def test_the_mean_stays_inside_both_ranges() -> None:
    start = np.array([0, HOUR], dtype=np.int64)
    low, high = np.array([0.1, 0.4]), np.array([0.5, 0.9])
    _, found = edge_states(start, np.array([0.15, 0.45]), low, high, seconds=HOUR)
    assert found == pytest.approx([0.4])  # (0.15 + 0.45) / 2 = 0.3 lies below the second's least


def test_ranges_that_do_not_meet_are_whole_percents_apart() -> None:
    start = np.array([0, HOUR], dtype=np.int64)
    still = np.array([0.49, 0.50])
    _, found = edge_states(start, still, still, still, seconds=HOUR)
    assert found == pytest.approx([0.495])
