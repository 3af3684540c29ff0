"""Requests change plans, are reported where they cannot be met, and cost what the referee says."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc import (
    Battery,
    Block,
    ExportTarget,
    Grid,
    Plan,
    Planner,
    RequestError,
    Requests,
    Scenarios,
    SchemaError,
)
from tests.mpc.instances import (
    make_battery,
    make_horizon,
    make_site,
)
from tests.mpc.simulate import assert_physical

LOSSLESS = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_cost_per_kwh": 0.0}


def lossless(**changes: Any) -> Battery:
    """10 kWh, 1 to 10, 5 kW, no losses, no wear: every number can be added up by hand."""
    return make_battery(**(LOSSLESS | changes))


def blocks(*given: Block) -> Requests:
    """Requests of blocks alone."""
    return Requests(blocks=given)


def export_of(energy_kwh: float, slots: list[bool]) -> Requests:
    """Requests of an export target alone."""
    return Requests(export_target=ExportTarget(energy_kwh=energy_kwh, slots=slots))


def told(plan: Plan) -> list[tuple[str, int, float]]:
    """What was not met: name, slot, amount."""
    return [(v.limit, v.slot, round(v.amount_kwh, 6)) for v in plan.violations]


def test_a_charge_block_buys_what_no_price_would() -> None:
    """Energy is worth nothing later: without the block nothing is bought; with it 8 - 2 = 6 kWh.

    The cheap hour of the block gives 5 kWh at 1.0, the next one 1 kWh at 2.0: 7.0.
    """
    horizon, planner = make_horizon([1.0, 2.0, 9.0]), Planner(make_site(lossless()))
    free = planner.plan(horizon, 2.0)
    assert free.charge_kwh.sum() == 0.0
    plan = planner.plan(
        horizon,
        2.0,
        requests=blocks(Block(kind="charge", first=0, stop=2, target_soc_kwh=8.0)),
    )
    np.testing.assert_allclose(plan.charge_kwh, [5.0, 1.0, 0.0])
    assert plan.soc_kwh[1] == 8.0
    assert plan.bill == pytest.approx(7.0)
    assert (plan.penalty, plan.violations, plan.engine) == (0.0, (), "highs")


def test_a_charge_block_does_not_serve_the_load_from_the_battery() -> None:
    """Import at 3 would be avoided; within the block the battery gives nothing."""
    horizon = make_horizon([3.0, 3.0, 3.0], load_kwh=[1.0, 1.0, 1.0])
    planner = Planner(make_site(lossless()))
    np.testing.assert_allclose(planner.plan(horizon, 4.0).discharge_kwh, [1.0, 1.0, 1.0])
    block = Block(kind="charge", first=0, stop=2, target_soc_kwh=4.0)
    plan = planner.plan(horizon, 4.0, requests=blocks(block))
    np.testing.assert_allclose(plan.discharge_kwh, [0.0, 0.0, 1.0])
    assert plan.bill == pytest.approx(6.0)


def test_an_export_block_empties_the_battery_against_its_worth() -> None:
    """A kWh is worth 2.0 at the end and earns 0.1 now: only the block sells 5 + 2 of 9 kWh."""
    horizon = make_horizon([2.0, 2.0, 2.0], export_price=0.1, terminal_value=2.0)
    planner = Planner(make_site(lossless()))
    assert planner.plan(horizon, 9.0).discharge_kwh.sum() == 0.0
    block = Block(kind="export", first=0, stop=2, target_soc_kwh=2.0)
    plan = planner.plan(horizon, 9.0, requests=blocks(block))
    assert plan.soc_kwh[1] == 2.0
    assert plan.export_kwh[:2].sum() == pytest.approx(7.0)
    assert plan.violations == ()


def test_an_export_block_takes_nothing_in() -> None:
    """4 kWh of PV would be stored for the evening; within the block they go to the grid."""
    horizon = make_horizon([3.0, 3.0], export_price=0.1, pv_kwh=[4.0, 0.0], load_kwh=[0.0, 4.0])
    planner = Planner(make_site(lossless()))
    assert planner.plan(horizon, 1.0).charge_kwh[0] == pytest.approx(4.0)
    block = Block(kind="export", first=0, stop=1, target_soc_kwh=1.0)
    plan = planner.plan(horizon, 1.0, requests=blocks(block))
    assert (plan.charge_kwh[0], plan.export_kwh[0]) == (0.0, 4.0)


def test_a_hold_rests_the_battery_where_moving_pays() -> None:
    """5 kWh stored, load 1 kWh at 9.0 in the middle hour: hold imports it."""
    horizon = make_horizon([1.0, 9.0, 1.0], load_kwh=[0.0, 1.0, 0.0], terminal_value=0.5)
    planner = Planner(make_site(lossless()))
    assert planner.plan(horizon, 5.0).bill == 0.0
    plan = planner.plan(horizon, 5.0, requests=blocks(Block(kind="hold", first=1, stop=2)))
    assert plan.soc_kwh.tolist() == [5.0, 5.0, 5.0]
    assert plan.bill == pytest.approx(9.0)


def test_what_cannot_be_charged_is_reported_at_the_block_s_end() -> None:
    """From 2 kWh one hour at 5 kW reaches 7 of 10: 3 are missing, at 100 times the dearest price.

    The hour before the block charges along, to 7; then the block would reach 10.
    """
    block = Block(kind="charge", first=0, stop=1, target_soc_kwh=10.0)
    planner = Planner(make_site(lossless()))
    plan = planner.plan(make_horizon([2.0, 2.0]), 2.0, requests=blocks(block))
    assert told(plan) == [("manual_charge", 0, 3.0)]
    assert plan.penalty == pytest.approx(3.0 * 200.0)
    assert plan.violations[0].cost == plan.penalty
    assert plan.objective == pytest.approx(plan.bill + plan.wear + plan.penalty - plan.terminal)
    later = replace(block, first=1, stop=2)
    assert planner.plan(make_horizon([2.0, 2.0]), 2.0, requests=blocks(later)).violations == ()


def test_a_fuse_comes_before_a_wish() -> None:
    """A load of 4 kWh behind a fuse of 3: within a hold the battery still gives the one kWh.

    And a charge block takes 3 - 1 = 2 kWh beside a load of 1, not its 5.
    """
    site = make_site(lossless(), Grid(max_import_kw=3.0, max_export_kw=3.0))
    hold = Block(kind="hold", first=0, stop=1)
    plan = Planner(site).plan(make_horizon([1.0], load_kwh=4.0), 5.0, requests=blocks(hold))
    assert told(plan) == [("manual_hold", 0, 1.0)]
    charge = Block(kind="charge", first=0, stop=1, target_soc_kwh=10.0)
    plan = Planner(site).plan(make_horizon([1.0], load_kwh=1.0), 5.0, requests=blocks(charge))
    assert told(plan) == [("manual_charge", 0, 3.0)]
    assert plan.import_kwh[0] == 3.0


def test_the_window_of_the_battery_is_never_left() -> None:
    """Down to 0 kWh is asked for, 1 kWh is kept: the block is 1 kWh short."""
    block = Block(kind="export", first=0, stop=2, target_soc_kwh=0.0)
    plan = Planner(make_site(lossless())).plan(
        make_horizon([1.0, 1.0], export_price=0.5), 6.0, requests=blocks(block)
    )
    assert plan.soc_kwh[1] == 1.0
    assert told(plan) == [("manual_export", 1, 1.0)]


def test_blocks_against_each_other_are_met_as_far_as_power_reaches() -> None:
    """Full by hour 2, and at 2 kWh an hour later: 5 kW take off 5 of 8; 3 kWh are missing."""
    pair = (
        Block(kind="charge", first=0, stop=2, target_soc_kwh=10.0),
        Block(kind="export", first=2, stop=3, target_soc_kwh=2.0),
    )
    horizon = make_horizon([1.0, 1.0, 1.0], export_price=0.1)
    plan = Planner(make_site(lossless())).plan(horizon, 5.0, requests=blocks(*pair))
    assert sum(v.amount_kwh for v in plan.violations) == pytest.approx(3.0)
    assert {v.limit for v in plan.violations} <= {"manual_charge", "manual_export"}


def test_an_export_target_serves_the_house_before_it_counts() -> None:
    """2 kWh beside a load of 1: the battery gives 3. A looser program would give 2 and import 1.

    Bill: the load is served, 2 kWh are sold at 0.5; later 3 kWh less are worth 1.0 each.
    """
    horizon = make_horizon([1.0, 1.0], export_price=0.5, load_kwh=[1.0, 0.0], terminal_value=1.0)
    planner = Planner(make_site(lossless()))
    assert planner.plan(horizon, 8.0).export_kwh.sum() == 0.0
    plan = planner.plan(horizon, 8.0, requests=export_of(2.0, [True, False]))
    assert plan.discharge_kwh.tolist() == [3.0, 0.0]
    assert plan.export_kwh.tolist() == [2.0, 0.0]
    assert plan.objective == pytest.approx(-1.0 - 5.0)
    assert (plan.status, plan.violations) == ("optimal", ())


def test_an_export_target_picks_the_slots_where_serving_costs_least() -> None:
    """Of two equal prices the slot without load exports: nothing need be served first."""
    horizon = make_horizon([0.2] * 3, export_price=0.1, load_kwh=[3.0, 0.0, 3.0],
                           terminal_value=1.0)  # fmt: skip
    plan = Planner(make_site(lossless())).plan(
        horizon, 9.0, requests=export_of(4.0, [True, True, True])
    )
    assert plan.discharge_kwh.tolist() == [0.0, 4.0, 0.0]


def test_pv_neither_counts_nor_makes_room() -> None:
    """3 kWh of PV fill the limit of 3: no battery energy counts, whatever is curtailed.

    Of a limit of 4 one kWh is left for the battery: one is met, one is missing.
    """
    horizon = make_horizon([1.0], export_price=0.5, pv_kwh=3.0, terminal_value=1.0)
    for limit, counted in ((3.0, 0.0), (4.0, 1.0)):
        site = make_site(lossless(), Grid(max_import_kw=11.0, max_export_kw=limit))
        plan = Planner(site).plan(horizon, 8.0, requests=export_of(2.0, [True]))
        assert plan.discharge_kwh[0] == counted
        assert plan.curtail_kwh[0] == 0.0
        assert told(plan) == [("export_target", 0, 2.0 - counted)]


def test_energy_that_goes_around_in_the_battery_does_not_count() -> None:
    """Nothing stored above the minimum, one slot: no export, though 5 in and 5 out would fit."""
    plan = Planner(make_site()).plan(
        make_horizon([0.1], export_price=0.05), 1.0, requests=export_of(3.0, [True])
    )
    assert (plan.charge_kwh[0], plan.discharge_kwh[0]) == (0.0, 0.0)
    assert told(plan) == [("export_target", 0, 3.0)]


def test_a_target_worth_burning_for_is_not_burned_for() -> None:
    """An export limit of 0 and no load: down to 2 kWh could only be burned, which no battery can.

    With losses a linear program would charge and discharge at once before the block.
    """
    site = make_site(grid=Grid(max_import_kw=11.0, max_export_kw=0.0), pv_curtailable=False)
    block = Block(kind="export", first=1, stop=2, target_soc_kwh=2.0)
    plan = Planner(site).plan(make_horizon([1.0, 1.0]), 6.0, requests=blocks(block))
    assert_physical(plan, site)
    assert ("manual_export", 1, 4.0) in told(plan)


def test_a_plan_with_requests_is_saved_and_read_back() -> None:
    requests = Requests(
        blocks=(
            Block(kind="hold", first=2, stop=3),
            Block(kind="charge", first=0, stop=1, target_soc_kwh=10.0),
        ),
        export_target=ExportTarget(energy_kwh=1.5, slots=[False, True, True]),
    )
    plan = Planner(make_site()).plan(make_horizon([1.0] * 3), 2.0, requests=requests)
    saved = json.loads(plan.to_json())
    assert saved["requests"] == {
        "blocks": [
            {"kind": "charge", "first": 0, "stop": 1, "target_soc_kwh": 10.0},
            {"kind": "hold", "first": 2, "stop": 3, "target_soc_kwh": None},
        ],
        "export_target": {"energy_kwh": 1.5, "slots": [1, 2]},
    }
    back = Plan.from_json(plan.to_json())
    assert back.to_json() == plan.to_json()
    assert back.violations == plan.violations
    assert "requests" not in json.loads(Planner(make_site()).plan(make_horizon([1.0]), 2).to_json())


@pytest.mark.parametrize(
    "requests",
    [
        {"blocks": [{"kind": "hold", "first": 0, "stop": 9}]},
        {"blocks": [{"kind": "dance", "first": 0, "stop": 1}]},
        {"blocks": [], "export_target": {"energy_kwh": 1.0, "slots": [7]}},
        {},
    ],
)
def test_damaged_requests_are_refused(requests: dict[str, Any]) -> None:
    plan = Planner(make_site()).plan(
        make_horizon([1.0]), 2.0, requests=blocks(Block(kind="hold", first=0, stop=1))
    )
    saved = json.loads(plan.to_json()) | {"requests": requests}
    with pytest.raises(SchemaError, match="damaged"):
        Plan.from_json(json.dumps(saved))


def test_explain_says_what_was_asked() -> None:
    block = Block(kind="charge", first=0, stop=1, target_soc_kwh=10.0)
    plan = Planner(make_site(lossless())).plan(
        make_horizon([1.0, 1.0]), 2.0, requests=blocks(block)
    )
    first, second = plan.explain()
    assert "Asked for: charge to 10.000 kWh by Fri 01:00+0000." in first
    assert "Breaks manual_charge by 3.000 kWh" in first
    assert "Asked" not in second


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "empty"}, r"block.kind is 'empty', want one of charge, export, hold"),
        ({"first": 2, "stop": 2}, r"0 <= first < stop"),
        ({"first": -1}, r"0 <= first < stop"),
        ({"first": 0.5}, r"block.first is 0.5, want a slot's index"),
        ({"target_soc_kwh": None}, r"stored kWh at the charge block's end"),
        ({"target_soc_kwh": -1.0}, r"stored kWh at the charge block's end"),
        ({"target_soc_kwh": True}, r"stored kWh at the charge block's end"),
        ({"kind": "hold"}, r"None: a hold has no target"),
    ],
)
def test_refuses_what_is_no_block(facts: dict[str, Any], message: str) -> None:
    given_: dict[str, Any] = {"kind": "charge", "first": 0, "stop": 2, "target_soc_kwh": 5.0}
    with pytest.raises(RequestError, match=message):
        Block(**(given_ | facts))


def test_refuses_blocks_over_each_other_and_names_both() -> None:
    with pytest.raises(
        RequestError,
        match=r"charge to 5 kWh in slots \[0, 4\) and hold in slots \[3, 6\), want blocks that do",
    ):
        blocks(
            Block(kind="hold", first=3, stop=6),
            Block(kind="charge", first=0, stop=4, target_soc_kwh=5.0),
        )


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        (blocks(Block(kind="hold", first=1, stop=3)), r"at most 2, the slots of the horizon"),
        (
            blocks(Block(kind="charge", first=0, stop=1, target_soc_kwh=80.0)),
            r"at most capacity_kwh = 10, in kWh, not a percent",
        ),
        (export_of(1.0, [True]), r"1 values, want 2, one per slot"),
        ("hold", r"mpc.Requests, or None"),
    ],
)
def test_refuses_requests_that_do_not_fit(requests: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Planner(make_site()).plan(make_horizon([1.0, 2.0]), 5.0, requests=requests)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"energy_kwh": -1.0}, "kWh, 0 or more"),
        ({"energy_kwh": True}, "kWh, 0 or more"),
        ({"slots": [1, 0]}, "truth values"),
        ({"slots": [False, False]}, "some of them true"),
    ],
)
def test_refuses_what_is_no_export_target(facts: dict[str, Any], message: str) -> None:
    given_: dict[str, Any] = {"energy_kwh": 1.0, "slots": [True, False]}
    with pytest.raises(RequestError, match=message):
        ExportTarget(**(given_ | facts))


def test_an_export_target_is_refused_on_scenarios() -> None:
    scenarios = Scenarios(load_kwh=np.zeros((2, 2)), pv_kwh=np.zeros((2, 2)))
    with pytest.raises(RequestError, match="a plan without scenarios"):
        Planner(make_site()).plan(
            make_horizon([1.0, 2.0]), 5.0, scenarios=scenarios,
            requests=export_of(1.0, [True, False]),
        )  # fmt: skip
