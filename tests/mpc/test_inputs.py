"""Every refusal says what was given, where, and what is wanted."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from mpc import (
    Battery,
    Grid,
    HorizonError,
    InputError,
    Planner,
    SiteError,
    StateError,
    TerminalCurve,
)
from tests.mpc.instances import START, make_battery, make_horizon, make_site


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity_kwh": -1.0}, r"battery.capacity_kwh is -1.0, want a finite number, 0 or more"),
        ({"capacity_kwh": float("nan")}, r"battery.capacity_kwh is nan"),
        ({"capacity_kwh": "10"}, r"battery.capacity_kwh is '10', want a finite number"),
        (
            {"charge_efficiency": 95},
            r"charge_efficiency is 95, want a ratio in \(0, 1\], not a perc",
        ),
        ({"discharge_efficiency": 1.01}, r"discharge_efficiency is 1.01, want a ratio"),
        ({"charge_efficiency": 0.0}, r"charge_efficiency is 0.0, want a ratio"),
        ({"wear_cost_per_kwh": -0.1}, r"battery.wear_cost_per_kwh is -0.1"),
        (
            {"max_charge_kw": -5.0},
            r"battery.max_charge_kw is -5.0, want a finite number, 0 or more",
        ),
        ({"max_charge_kw": float("inf")}, r"battery.max_charge_kw is inf"),
        ({"max_discharge_kw": [5.0, -1.0]}, r"max_discharge_kw\[1\] is -1.0, want 0 or more"),
        ({"max_discharge_kw": True}, r"battery.max_discharge_kw is True, want a number"),
        ({"min_soc_kwh": 6.0, "max_soc_kwh": 5.0}, r"min_soc_kwh is 6.0, want at most max_soc_kwh"),
        ({"max_soc_kwh": 11.0}, r"max_soc_kwh is 11.0, want at most capacity_kwh = 10.0"),
        ({"min_soc_kwh": [1.0, np.nan]}, r"battery.min_soc_kwh\[1\] is nan, want a finite number"),
        ({"min_soc_kwh": [1.0, 2.0], "max_soc_kwh": [9.0] * 3}, r"min_soc_kwh is 2 values, want 3"),
    ],
)
def test_battery_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SiteError, match=message):
        make_battery(**changes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"export_margin_per_kwh": -0.1}, r"site.export_margin_per_kwh is -0.1"),
        ({"allow_grid_charge": 1}, r"site.allow_grid_charge is 1, want True or False"),
        ({"planning_import_kw": 4.0}, r"planning_import_price_per_kwh is 0.0, want above 0 where"),
        ({"reserve_soc_kwh": 4.0}, r"reserve_price_per_kwh is 0.0, want above 0 where reserve"),
        ({"fuse_headroom_kw": float("inf")}, r"site.fuse_headroom_kw is inf"),
    ],
)
def test_site_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SiteError, match=message):
        make_site(**options)


def test_grid_refuses_a_negative_limit_and_takes_no_limit() -> None:
    with pytest.raises(SiteError, match=r"grid.max_import_kw is -1, want 0 or more"):
        Grid(max_import_kw=-1, max_export_kw=10)
    site = make_site(grid=Grid(max_import_kw=float("inf"), max_export_kw=float("inf")))
    plan = Planner(site).plan(make_horizon([0.1, 0.5], load_kwh=[0.0, 2.0]), soc_kwh=1.0)
    assert plan.status == "optimal"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": datetime(2025, 8, 1)}, r"start is 2025-08-01T00:00:00 without a time zone"),  # noqa: DTZ001
        ({"start": "2025-08-01"}, r"start is '2025-08-01', want a timezone-aware datetime"),
        (
            {"load_kwh": [1.0, np.nan]},
            r"load_kwh\[1\] is nan, want a finite number; fill or forecas",
        ),
        ({"pv_kwh": [np.inf, 0.0]}, r"pv_kwh\[0\] is inf"),
        ({"export_price": [0.1]}, r"export_price is an array of shape \(1,\), want shape \(2,\)"),
        ({"load_kwh": [[1.0, 2.0]]}, r"load_kwh is an array of shape \(1, 2\), want shape \(T,\)"),
        ({"load_kwh": ["a", "b"]}, r"load_kwh is \['a', 'b'\], want one number per slot"),
        (
            {"load_kwh": [1.0, -0.1]},
            r"load_kwh\[1\] is -0.1, want 0 or more; give load and PV apart",
        ),
        ({"slot_minutes": True}, r"slot_minutes is \[True, True\], want one number per slot"),
        ({"load_kwh": ["1", "2"]}, r"load_kwh is \['1', '2'\], want one number per slot"),
        ({"pv_kwh": [True, False]}, r"pv_kwh is \[True, False\], want one number per slot"),
        ({"terminal_value": True}, r"terminal_value is True, want a price"),
        ({"slot_minutes": 0}, r"slot_minutes is 0.0, want above 0"),
        ({"slot_minutes": [15.0]}, r"slot_minutes is an array of shape \(1,\), want shape \(2,\)"),
        (
            {"terminal_value": [(0.0, 1.0), (5.0, 2.0)]},
            r"non-increasing: the curve must be concave",
        ),
        ({"terminal_value": [(5.0, 1.0), (0.0, 0.5)]}, r"terminal_value soc_kwh is \[5.0, 0.0\]"),
        ({"terminal_value": [1.0, 2.0]}, r"want a price, or \(soc_kwh, marginal price\) pairs"),
        ({"terminal_value": float("nan")}, r"terminal_value is nan, want finite numbers"),
        ({"terminal_value": "dear"}, r"terminal_value is 'dear', want a price"),
    ],
)
def test_horizon_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        make_horizon([0.1, 0.5], **changes)


def test_horizon_refuses_no_slots() -> None:
    with pytest.raises(HorizonError, match=r"import_price is an array of shape \(0,\)"):
        make_horizon([])


@pytest.mark.parametrize("soc", [-0.1, 55.0, float("nan")])
def test_planner_refuses_a_state_no_battery_holds(soc: float) -> None:
    with pytest.raises(StateError, match=r"want stored energy in kWh between 0 and capacity_kwh"):
        Planner(make_site()).plan(make_horizon([0.1, 0.5]), soc_kwh=soc)


@pytest.mark.parametrize("soc", [True, "5", None])
def test_planner_refuses_a_state_that_is_no_number(soc: Any) -> None:
    with pytest.raises(StateError, match=r"soc_kwh is .*, want stored energy in kWh"):
        Planner(make_site()).plan(make_horizon([0.1]), soc_kwh=soc)


def test_rounding_below_zero_is_an_empty_battery() -> None:
    site = make_site(make_battery(min_soc_kwh=0.0))
    assert Planner(site).plan(make_horizon([0.1]), soc_kwh=-1e-17).soc_start_kwh == 0.0


def test_numpy_numbers_are_numbers() -> None:
    for minutes in (np.int64(60), np.float32(60)):
        horizon = make_horizon([0.1, 0.2], slot_minutes=minutes)
        assert horizon.slot_hours.tolist() == [1.0, 1.0]
    assert Planner(make_site()).plan(horizon, soc_kwh=np.float64(5.0)).status == "optimal"


def test_no_limit_may_be_said_for_one_slot() -> None:
    grid = Grid(max_import_kw=[np.inf, 11.0], max_export_kw=10.0)
    plan = Planner(make_site(grid=grid)).plan(make_horizon([0.1, 0.2], 0.0, 20.0), soc_kwh=1.0)
    assert {v.slot for v in plan.violations} == {1}
    with pytest.raises(SiteError, match=r"max_charge_kw\[0\] is inf"):
        make_battery(max_charge_kw=[np.inf, 5.0])


@pytest.mark.parametrize("nodes", [-1, True, 1.5, None])
def test_planner_refuses_node_limits_that_are_none(nodes: Any) -> None:
    with pytest.raises(SiteError, match=r"max_nodes is .*, want a whole number, 0 or more"):
        Planner(make_site(), max_nodes=nodes)


def test_planner_refuses_what_is_no_plan_or_horizon() -> None:
    with pytest.raises(StateError, match=r"previous is 'x', want an earlier mpc.Plan"):
        Planner(make_site()).plan(make_horizon([0.1]), 5.0, previous="x")  # type: ignore[arg-type]
    with pytest.raises(HorizonError, match=r"horizon is \[1.0\], want an mpc.Horizon"):
        Planner(make_site()).plan([1.0], 5.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"zone is 'Nowhere/X', want an IANA zone"):
        Planner(make_site()).plan(make_horizon([0.1]), 5.0).explain("Nowhere/X")


def test_planner_refuses_limits_of_another_length() -> None:
    site = make_site(battery=make_battery(max_charge_kw=[5.0, 5.0, 5.0]))
    with pytest.raises(
        SiteError, match=r"max_charge_kw is an array of 3 values, want one value, or"
    ):
        Planner(site).plan(make_horizon([0.1, 0.5]), soc_kwh=5.0)


def test_planner_refuses_what_is_no_site() -> None:
    with pytest.raises(SiteError, match=r"want an mpc.Site"):
        Planner(make_battery())  # type: ignore[arg-type]


def test_errors_keep_their_facts_and_are_value_errors() -> None:
    with pytest.raises(InputError, match="capacity") as caught:
        make_battery(capacity_kwh=-3.0)
    assert (caught.value.name, caught.value.got) == ("battery.capacity_kwh", -3.0)
    assert isinstance(caught.value, ValueError)


def test_inputs_are_frozen_copies() -> None:
    load = np.array([1.0, 2.0])
    horizon = make_horizon([0.1, 0.5], load_kwh=load)
    load[0] = 99.0
    assert np.asarray(horizon.load_kwh)[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(horizon.load_kwh)[0] = 5.0
    with pytest.raises(AttributeError, match="cannot assign"):
        make_battery().capacity_kwh = 3.0  # type: ignore[misc]


def test_start_is_kept_in_utc() -> None:
    summer = timezone(timedelta(hours=2))
    horizon = make_horizon([0.1], start=datetime(2025, 8, 1, 2, tzinfo=summer))
    assert horizon.start == START
    assert horizon.start.tzinfo is UTC
    assert horizon.end - horizon.start == timedelta(hours=1)


def test_the_full_capacity_is_the_default_maximum() -> None:
    battery = Battery(capacity_kwh=7.0, max_charge_kw=3, max_discharge_kw=3)
    assert battery.max_soc_kwh == 7.0


def test_terminal_curve_value_is_the_integral_of_its_marginal() -> None:
    # 2.0 down to 0 and up to 4 kWh, then 0.5: 4 * 2.0 + 3 * 0.5
    curve = TerminalCurve.of([(1.0, 2.0), (4.0, 0.5)])
    assert curve.value(7.0) == pytest.approx(9.5)
    assert curve.value(0.0) == 0.0
    assert curve.marginal(4.0) == (0.5, 2.0)
    assert curve.marginal(3.0) == (2.0, 2.0)
    assert curve.pairs() == ((1.0, 2.0), (4.0, 0.5))
