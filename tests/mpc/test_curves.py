"""Convex curves: convolution, reserve, cut and best change against brute force."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.arrays import F64
from mpc.curves import (
    Curve,
    Whole,
    best_change,
    cost_at,
    earlier,
    slopes_at,
    with_reserve,
    within,
)
from mpc.jit import compiled
from mpc.pieces import Pieces
from tests.mpc.instances import floats

ROOM = 40
SLOPES = st.one_of(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0]), floats(-3.0, 3.0))
LENGTHS = st.one_of(st.sampled_from([0.25, 1.0]), floats(0.01, 2.0))


@st.composite
def runs(draw: st.DrawFn, most: int = 6, least: int = 1) -> tuple[F64, F64]:
    """Ascending slopes, some equal, and their lengths."""
    size = draw(st.integers(least, most))
    slope = sorted(draw(st.lists(SLOPES, min_size=size, max_size=size)))
    return np.array(slope), np.array(draw(st.lists(LENGTHS, min_size=size, max_size=size)))


def placed(run: tuple[F64, F64]) -> tuple[F64, F64]:
    """The run at the head of arrays with room behind."""
    slope, length = np.full(ROOM, np.nan), np.full(ROOM, np.nan)
    slope[: run[0].size], length[: run[1].size] = run
    return slope, length


def values(x: F64, start: float, cost: float, slope: F64, length: F64) -> F64:
    """A piecewise-linear function, infinite outside its range."""
    edges = start + np.concatenate([[0.0], np.cumsum(length)])
    level = cost + np.concatenate([[0.0], np.cumsum(slope * length)])
    inside = (x >= edges[0] - 1e-9) & (x <= edges[-1] + 1e-9)
    return np.where(inside, np.interp(x, edges, level), np.inf)


def convolve(
    step: Callable[..., Whole],
    after: tuple[F64, F64],
    start: float,
    window: tuple[float, float],
    slot: tuple[F64, F64],
    change: float,
) -> tuple[Whole, F64, F64]:
    slope, length = placed(after)
    size = after[0].size
    whole = Whole(0, size, start, start + float(after[1].sum()), 1.5)
    pieces = Pieces(slot[0].size, change, 0.25, 0)
    result = step(whole, *window, slope, length, pieces, slot[0].copy(), slot[1].copy())
    return result, slope[result.first : result.last], length[result.first : result.last]


@given(
    after=runs(),
    start=floats(-2.0, 1.0),
    slot=runs(most=4),
    low=floats(-1.0, 2.0),
    width=floats(0.1, 4.0),
    change=floats(-2.0, 0.0),
)
def test_the_curve_before_a_slot_is_the_cheapest_way_through_it(
    after: tuple[F64, F64],
    start: float,
    slot: tuple[F64, F64],
    low: float,
    width: float,
    change: float,
) -> None:
    """V(s) = min over d of g(d) + W(s + d), tried at every kink of g and of W (D1)."""
    end = start + float(after[1].sum())
    low = min(max(low, start), end)
    high = min(low + width, end)
    whole, slope, length = convolve(earlier, after, start, (low, high), slot, change)
    assert np.all(np.diff(slope) >= 0.0)
    assert whole.end_kwh == pytest.approx(whole.start_kwh + float(length.sum()), abs=1e-9)
    kinks = change + np.concatenate([[0.0], np.cumsum(slot[1])])
    edges = start + np.concatenate([[0.0], np.cumsum(after[1])])
    edges = np.append(np.clip(edges, low, high), [low, high])
    for s in np.linspace(whole.start_kwh, whole.end_kwh, 23):
        tried = np.concatenate([kinks, edges - s])
        there = np.clip(s + tried, low, high)
        there = np.where(np.abs(there - (s + tried)) < 1e-9, there, np.nan)
        cost = values(tried, change, 0.25, *slot) + values(there, start, 1.5, *after)
        got = values(np.array([s]), whole.start_kwh, whole.cost, slope, length)[0]
        assert got == pytest.approx(np.nanmin(cost), abs=1e-8)


@given(after=runs(), slot=runs(most=4), low=floats(0.0, 2.0), high=floats(0.0, 4.0))
def test_compiled_equals_python_to_the_bit(
    after: tuple[F64, F64], slot: tuple[F64, F64], low: float, high: float
) -> None:
    window = (min(low, high), max(low, high))
    plain = convolve(earlier, after, 0.0, window, slot, -0.7)
    fast = convolve(compiled(earlier), after, 0.0, window, slot, -0.7)
    assert tuple(fast[0]) == tuple(plain[0])
    np.testing.assert_array_equal(fast[1], plain[1])
    np.testing.assert_array_equal(fast[2], plain[2])


def test_pieces_of_equal_slope_become_one() -> None:
    """W has slopes -1 and 0, g turned round -1 and -0.5: three pieces, in order."""
    whole, slope, length = convolve(
        earlier,
        (np.array([-1.0, 0.0]), np.array([2.0, 1.0])),
        0.0,
        (0.0, 3.0),
        (np.array([0.5, 1.0]), np.array([4.0, 0.5])),
        0.0,
    )
    np.testing.assert_array_equal(slope, [-1.0, -0.5, 0.0])
    np.testing.assert_array_equal(length, [2.5, 4.0, 1.0])
    # charging 4.5 kWh first costs 4 * 0.5 + 0.5 * 1.0, and reaches the curve's start
    assert whole.start_kwh == -4.5
    assert whole.cost == 1.5 + 0.25 + 2.5


@given(after=runs(), start=floats(-1.0, 1.0), reserve=floats(-2.0, 8.0))
def test_a_missing_reserve_is_priced_on_top(
    after: tuple[F64, F64], start: float, reserve: float
) -> None:
    slope, length = placed(after)
    end = start + float(after[1].sum())
    whole = with_reserve(Whole(0, after[0].size, start, end, 1.5), reserve, 0.3, slope, length)
    run = slice(whole.first, whole.last)
    assert np.all(np.diff(slope[run]) >= 0.0)
    x = np.linspace(start, end, 31)
    got = values(x, whole.start_kwh, whole.cost, slope[run], length[run])
    want = values(x, start, 1.5, *after) + 0.3 * np.maximum(reserve - x, 0.0)
    np.testing.assert_allclose(got, want, atol=1e-9)


@given(run=runs(), low=floats(-1.0, 4.0), width=floats(0.0, 4.0))
def test_a_cut_curve_costs_what_the_whole_one_costs(
    run: tuple[F64, F64], low: float, width: float
) -> None:
    slope, length = run
    end = float(length.sum())
    low = min(max(low, 0.0), end)
    high = min(low + width, end)
    whole = Curve(0, slope.size, 0.0, 1.5, 0.0, 0.0)
    cut = within(whole, slope, length, low, high)
    for s in np.linspace(low, high, 9):
        want = values(np.array([s]), 0.0, 1.5, slope, length)[0]
        assert cost_at(cut, slope, length, float(s)) == pytest.approx(want, abs=1e-9)
        assert cost_at(whole, slope, length, float(s)) == pytest.approx(want, abs=1e-9)


@given(after=runs(), slot=runs(most=4), share=floats(0.0, 1.0), change=floats(-2.0, 0.0))
def test_best_changes_are_the_cheapest_and_no_others(
    after: tuple[F64, F64], slot: tuple[F64, F64], share: float, change: float
) -> None:
    """Every change in [least, most] costs the minimum; a little outside costs more."""
    end, range_kwh = float(after[1].sum()), float(slot[1].sum())
    first, last = -change - range_kwh, end - change  # states from which the curve can be reached
    stored = first + share * (last - first)
    pieces = Pieces(slot[0].size, change, 0.0, 0)
    curve = Curve(0, after[0].size, 0.0, 0.0, 0.0, 0.0)
    least, most = best_change(curve, *after, pieces, *slot, stored)

    def cost(d: F64) -> F64:
        return values(d, change, 0.0, *slot) + values(stored + d, 0.0, 0.0, *after)

    kinks = change + np.concatenate([[0.0], np.cumsum(slot[1])])
    edges = np.concatenate([[0.0], np.cumsum(after[1])]) - stored
    cheapest = np.min(cost(np.concatenate([kinks, edges])))
    assert least <= most
    np.testing.assert_allclose(cost(np.linspace(least, most, 5)), cheapest, atol=1e-8)
    outside = cost(np.array([least - 1e-3, most + 1e-3]))
    assert np.all(outside > cheapest - 1e-12)
    tied = np.isclose(outside, cheapest, rtol=0.0, atol=1e-12)
    steep = np.min(np.abs(after[0][:, None] + slot[0]))  # no two slopes almost cancel
    assert not tied.any() or steep < 1e-6


def test_slopes_at_kinks_ends_and_of_a_point() -> None:
    slope, length = np.array([-2.0, -1.0]), np.array([3.0, 2.0])
    curve = Curve(0, 2, 1.0, 0.0, 0.0, 0.0)
    assert slopes_at(curve, slope, length, 4.0) == (-2.0, -1.0)
    assert slopes_at(curve, slope, length, 2.0) == (-2.0, -2.0)
    assert slopes_at(curve, slope, length, 1.0) == (-2.0, -2.0)
    assert slopes_at(curve, slope, length, 6.0) == (-1.0, -1.0)
    assert slopes_at(Curve(1, 1, 4.0, 0.0, 0.0, 0.0), slope, length, 4.0) == (0.0, 0.0)
