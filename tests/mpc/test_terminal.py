"""The default terminal curve, by hand."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpc import Horizon, Planner, Site, terminal_curve
from mpc.terminal import refill_cap
from tests.mpc.instances import (
    START,
    floats,
    horizons,
    make_battery,
    make_horizon,
    make_site,
    sites,
)


def test_night_load_first_then_export() -> None:
    """Net load 2 kWh at 1.0 and 1 kWh at 2.0, export at 0.5; no refill is cheaper than that.

    Values: 0.95 * (2.0 - 0.2) = 1.71 for 1 / 0.95 kWh, 0.95 * 0.8 = 0.76 for 2 / 0.95 kWh, then
    0.95 * (0.5 - 0.2) = 0.285 up to the 9 usable kWh, beginning at the minimum of 1 kWh.
    """
    day = make_horizon([2.0, 1.0], 0.5, load_kwh=[1.0, 2.0])
    pairs = terminal_curve(make_site(), day).pairs()
    want = [(1.0, 1.71), (1.0 + 1 / 0.95, 0.76), (1.0 + 3 / 0.95, 0.285)]
    np.testing.assert_allclose(pairs, want)


def test_no_kwh_is_worth_more_than_refilling_before_its_use() -> None:
    """Three cheap hours at 0.2 can store all 9 usable kWh: the evening's 3.0 counts as 0.2."""
    day = make_horizon([0.2, 0.2, 0.2, 3.0], 0.0, load_kwh=[0.0, 0.0, 0.0, 4.0])
    assert terminal_curve(make_site(), day).pairs()[0][1] == pytest.approx(0.2 / 0.95)
    early = make_horizon([3.0, 0.2, 0.2, 0.2], 0.0, load_kwh=[4.0, 0.0, 0.0, 0.0])
    assert terminal_curve(make_site(), early).pairs()[0][1] == pytest.approx(0.95 * 2.8)


def test_an_export_price_after_a_cheap_night_is_worth_no_more_than_the_night() -> None:
    """Three hours at 0.2 refill the battery before the evening that pays 3.0 for export."""
    day = make_horizon([0.2, 0.2, 0.2, 4.0], [0.0, 0.0, 0.0, 3.0])
    np.testing.assert_allclose(terminal_curve(make_site(), day).pairs(), [(1.0, 0.2 / 0.95)])
    # At once, before anything could refill it, what is stored earns 0.95 * (3.0 - 0.2).
    early = make_horizon([4.0, 0.2, 0.2, 0.2], [3.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(terminal_curve(make_site(), early).pairs(), [(1.0, 0.95 * 2.8)])


def test_only_the_last_24_hours_of_a_horizon_count() -> None:
    first_day, second_day = [9.0] * 24, [1.0] * 24
    both = make_horizon(first_day + second_day, 0.0, 0.5)
    tail = make_horizon(second_day, 0.0, 0.5, start=START + timedelta(days=1))
    site = make_site()
    assert terminal_curve(site, both).pairs() == terminal_curve(site, tail).pairs()


def test_no_battery_has_a_terminal_value_of_zero() -> None:
    empty = make_site(make_battery(capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0))
    plan = Planner(empty).plan(make_horizon([1.0], 0.5, 1.0, terminal_value=None), soc_kwh=0.0)
    assert plan.terminal == 0.0
    assert plan.bill == pytest.approx(1.0)


def test_export_that_is_forbidden_has_no_value() -> None:
    day = make_horizon([1.0], export_price=5.0)
    assert terminal_curve(make_site(allow_battery_export=False), day).value(10.0) == 0.0


@settings(max_examples=200)
@given(site=sites(), day=horizons(low=-2.0))
def test_the_curve_is_concave_and_never_negative(site: Site, day: Horizon) -> None:
    curve = terminal_curve(site, day)
    assert curve.price.min() >= 0.0
    assert np.all(np.diff(curve.price) <= 0.0)
    assert np.all(np.diff(curve.soc_kwh) > 0.0)


@given(
    slots=st.lists(st.tuples(floats(-2.0, 3.0), floats(0.0, 2.0)), min_size=1, max_size=30),
    usable=st.floats(0.01, 20.0),
)
def testrefill_cap_is_the_dearest_of_the_cheapest_slots_that_fill_the_battery(
    slots: list[tuple[float, float]], usable: float
) -> None:
    price, energy = (np.array(column) for column in zip(*slots, strict=True))
    assume(np.all(np.abs(np.cumsum(np.sort(energy)) - usable) > 1e-9))
    got = refill_cap(price, energy, usable)
    for slot in range(price.size):
        want, filled = np.inf, 0.0
        for k in sorted(range(slot), key=lambda k: price[k]):
            filled += energy[k]
            if filled >= usable:
                want = price[k]
                break
        assert got[slot] == want
