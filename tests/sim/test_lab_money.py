"""Lines of money: by hand, against the plan's own costs and the replay's, and summed exactly."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Block, Grid, Horizon, Planner, Requests, Site, TerminalCurve
from sim.asof import perfect
from sim.lab_money import Course, Money, course_of_plan, course_of_replay, money_of
from sim.replay import Dispatch, Policy, replay
from tests.mpc.instances import (
    horizons,
    make_battery,
    make_horizon,
    make_site,
    money_scale,
    sites,
)
from tests.sim.replay_cases import random_days

START = datetime(2025, 6, 12, tzinfo=UTC)


def course() -> Course:
    """Two slots: buy 2 kWh at 0.5 and store it, then sell 3 at 1.0 and serve 1."""
    return Course(
        start=START,
        soc_start_kwh=4.0,
        load_kwh=np.array([0.0, 1.0]),
        pv_kwh=np.array([0.0, 0.5]),
        import_price=np.array([0.5, 2.0]),
        export_price=np.array([0.1, 1.0]),
        charge_kwh=np.array([2.0, 0.0]),
        discharge_kwh=np.array([0.0, 3.5]),
        import_kwh=np.array([2.0, 0.0]),
        export_kwh=np.array([0.0, 3.0]),
        curtail_kwh=np.zeros(2),
        soc_kwh=np.array([6.0, 2.5]),
        energy_value=np.array([0.9, 0.7]),
        penalty=np.array([0.0, 0.25]),
        wear_cost_per_kwh=0.2,
        terminal=TerminalCurve.of([(0.0, 0.8), (2.0, 0.4)]),
    )


def test_lines_by_hand() -> None:
    money = money_of(course())
    assert money == Money(
        import_cost=0.5 * 2.0,
        export_revenue=1.0 * 3.0,
        wear=0.2 * 3.5,
        penalty=0.25,
        stored=0.8 * 2.0 + 0.4 * 0.5,
    )
    assert money.total == pytest.approx(1.0 - 3.0 + 0.7 + 0.25 - 1.8)
    assert dict(money.items())["total"] == money.total


def test_a_part_is_valued_at_one_price() -> None:
    money = money_of(course(), 1, 0.9)
    assert (money.import_cost, money.export_revenue, money.wear) == (1.0, 0.0, 0.0)
    assert money.stored == pytest.approx(0.9 * 6.0)


def test_only_discharge_beyond_the_net_load_is_battery_export() -> None:
    """3.5 discharged, 0.5 of net load: 3.0 sold."""
    assert course().battery_export_kwh == pytest.approx([0.0, 3.0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=10, max_size=10))
def test_deltas_of_lines_sum_to_that_of_the_total(values: list[float]) -> None:
    names = ("import_cost", "export_revenue", "wear", "penalty", "stored")
    one, two = (Money(**dict(zip(names, part, strict=True))) for part in (values[:5], values[5:]))
    delta = one - two
    by_line = delta.import_cost - delta.export_revenue + delta.wear + delta.penalty - delta.stored
    assert delta.total == pytest.approx(by_line, abs=1e-9)
    assert delta.total == pytest.approx(one.total - two.total, rel=1e-12, abs=1e-9)
    assert (two + delta).total == pytest.approx(one.total, rel=1e-12, abs=1e-9)


@settings(max_examples=40)
@given(sites(), horizons())
def test_a_plan_costs_what_the_planner_says(site: Site, horizon: Horizon) -> None:
    plan = Planner(site).plan(horizon, float(np.max(np.asarray(site.battery.min_soc_kwh))))
    found = course_of_plan(plan, site, horizon)
    money, scale = money_of(found), money_scale(plan) + plan.penalty
    steering = site.export_margin_per_kwh * found.battery_export_kwh.sum()
    assert money.import_cost - money.export_revenue == pytest.approx(plan.bill, abs=1e-9 * scale)
    assert money.wear == pytest.approx(plan.wear, abs=1e-9 * scale)
    assert money.penalty == pytest.approx(plan.penalty - steering, abs=1e-7 * scale)
    assert money.total == pytest.approx(plan.objective - steering, abs=1e-7 * scale)


def test_a_broken_fuse_costs_the_same_with_and_without_a_wish() -> None:
    """5 kWh of load behind 3 kW and an empty battery: 2 kWh over, at 100 times the price of 1.0.

    A wish raises that price ten times in planning (RQ5); as money it is the same.
    """
    site = make_site(make_battery(), Grid(max_import_kw=3.0, max_export_kw=3.0))
    horizon = make_horizon([1.0], 1.0, [5.0])
    for wish in (None, Requests(blocks=(Block(kind="hold", first=0, stop=1),))):
        plan = Planner(site).plan(horizon, 1.0, requests=wish)
        penalty = money_of(course_of_plan(plan, site, horizon)).penalty
        assert penalty == pytest.approx(2.0 * 100.0)
    assert plan.penalty == pytest.approx(10.0 * 2.0 * 100.0)


def test_a_replay_costs_what_it_says() -> None:
    window, known = random_days(96, site=make_site(export_margin_per_kwh=0.1))
    run = replay(window, Policy.STORAGE, perfect(known, window.realised), Dispatch.VALUE)
    found = course_of_replay(run, window.site)
    money = money_of(found)
    assert money.import_cost - money.export_revenue == pytest.approx(run.bill.sum())
    assert money.wear == pytest.approx(run.wear.sum())
    steering = 0.1 * found.battery_export_kwh.sum()
    assert money.penalty == pytest.approx(run.penalty.sum() - steering, abs=1e-9)
    assert money.stored == run.terminal.value(run.soc_end_kwh)


def test_a_course_as_a_frame() -> None:
    pd = pytest.importorskip("pandas")
    frame = course().frame()
    assert frame.index[1] == pd.Timestamp("2025-06-12T00:15Z")
    assert frame["battery_export_kwh"].tolist() == [0.0, 3.0]
    assert frame["penalty"].sum() == 0.25
