"""Wishes for a day: targets that are reached or name their limit, relaxed economics, blocks.

The house and its days are those of ``tests.sim.lab_cases``: buying costs 0.1 and the evening pays
1.0, so a kWh more in the evening costs 0.1 - 1.0 + wear, whatever the plan was made with.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from mpc import Site
from sim.errors import ScenarioError
from sim.lab import Relaxed, TimedBlock, View, WhatIf
from telemetry.slots import local_day
from tests.sim.lab_cases import (
    DAY,
    EVENING,
    MORNING,
    ZONE,
    make_facts,
    make_lab,
    site_of,
    with_limits,
)
from tests.sim.test_lab import reconciled


@pytest.mark.parametrize(
    ("view", "kwh"),
    [
        *((view, kwh) for view in (View.KNOWN, View.HINDSIGHT) for kwh in (2.0, 4.0, 6.0, 10.0)),
        (View.REPLAY, 6.0),
    ],
)
def test_a_target_costs_what_its_energy_costs(view: View, kwh: float) -> None:
    """A kWh of the evening costs 0.1 - 1.0 + wear of 0.95 = 0.05, of the morning 0.4 more.

    The evening takes 4 * 1.25 = 5. The home would not sell at such a loss: it is asked for at any
    cost.
    """
    lab = make_lab(site_of(wear=0.95))
    case = WhatIf(export_kwh=kwh, at_any_cost=True)
    result = lab.run(DAY, case, view, soc_kwh=0.0)
    target = result.target
    assert target is not None
    assert target.reached
    assert target.realised_kwh == pytest.approx(kwh, abs=1e-6)
    assert (target.limit, target.baseline_kwh) == ("", 0.0)
    evening = min(kwh, 5.0)
    assert result.delta.total == pytest.approx(0.05 * evening + 0.45 * (kwh - evening), abs=1e-6)
    assert result.day_delta.total == pytest.approx(result.delta.total, abs=1e-6)
    assert result.delta.wear == pytest.approx(0.95 * kwh, abs=1e-6)
    reconciled(result)


def test_a_target_comes_on_top_of_what_the_baseline_sells() -> None:
    """Without wear the baseline sells 5 kWh in the evening and 5 in the morning: 1.25 a slot.

    Two more go at 0.1, the price they cost: 0.
    """
    result = make_lab().run(DAY, WhatIf(export_kwh=2.0), soc_kwh=0.0)
    target = result.target
    assert target is not None
    slots = set(np.flatnonzero(target.slots).tolist())
    assert not slots & {*MORNING, *EVENING}
    assert target.realised_kwh == pytest.approx(2.0, abs=1e-6)
    sold = result.baseline.course.battery_export_kwh
    assert sold[[*MORNING, *EVENING]] == pytest.approx(np.full(8, 1.25))
    assert result.delta.total == pytest.approx(0.0, abs=1e-6)


def test_a_target_is_reached_only_after_relaxing() -> None:
    """The evening brings 1.0 - 0.1 before wear; a wear of 0.95 and a margin of 0.2 lack 0.25.

    The margin goes first, then 0.05 of the wear; settled is what it truly costs: 0.05 a kWh.
    """
    lab, wish = make_lab(site_of(wear=0.95, margin=0.2)), WhatIf(export_kwh=2.0)
    plain = lab.run(DAY, wish, soc_kwh=0.0).target
    assert plain is not None
    assert (plain.reached, plain.limit, plain.relaxed) == (False, "economics", False)
    assert plain.realised_kwh == 0.0
    assert "bring up to 0.250 per kWh less than wear and margin ask for" in plain.reason
    bounds = Relaxed(wear_cost_per_kwh=0.5, export_margin_per_kwh=0.0)
    result = lab.run(DAY, wish & WhatIf(export_kwh=2.0, relaxed=bounds), soc_kwh=0.0)
    target = result.target
    assert target is not None
    assert (target.reached, target.limit, target.relaxed) == (True, "", True)
    assert target.economics.export_margin_per_kwh == 0.0
    assert target.economics.wear_cost_per_kwh == pytest.approx(0.9)
    assert result.delta.wear == pytest.approx(0.95 * 2.0)
    assert result.delta.penalty == 0.0
    assert result.delta.total == pytest.approx(2.0 * 0.05)
    reconciled(result)


def test_nothing_is_relaxed_where_nothing_needs_it() -> None:
    lab = make_lab(site_of(wear=0.5))
    wish = WhatIf(export_kwh=7.0)
    relaxed = replace(wish, relaxed=Relaxed(wear_cost_per_kwh=0.0))
    plain, eased = (lab.run(DAY, case, soc_kwh=0.0) for case in (wish, relaxed))
    assert plain.target is not None
    assert plain.target.limit == "economics"  # 5 in the evening; the morning loses 0.1 + 0.5 - 0.6
    assert eased.target is not None
    assert eased.target.relaxed
    small = replace(relaxed, export_kwh=4.0)
    other = lab.run(DAY, small, soc_kwh=0.0)
    assert other.case == small
    assert other.target is not None
    assert not other.target.relaxed
    assert other.scenario is lab.run(DAY, replace(small, relaxed=None), soc_kwh=0.0).scenario


@pytest.mark.parametrize(
    ("site", "limit", "realised"),
    [
        pytest.param(site_of(2.0, capacity_kwh=0.0), "capacity_kwh", 0.0, id="no battery"),
        pytest.param(
            replace(site_of(2.0), allow_battery_export=False), "allow_battery_export", 0.0, id="off"
        ),
        pytest.param(
            site_of(2.0, max_discharge_kw=0.5), "max_discharge_kw", 96 * 0.125, id="0.5 kW for 24 h"
        ),
        pytest.param(
            with_limits(site_of(2.0), max_export_kw=0.4), "max_export_kw", 96 * 0.1, id="0.4 kW"
        ),
        pytest.param(
            site_of(2.0, max_charge_kw=0.4), "max_charge_kw", None, id="24 h of 0.4 kW in"
        ),
    ],
)
def test_what_cannot_be_reached_names_its_limit(
    site: Site, limit: str, realised: float | None
) -> None:
    """20 kWh at any cost; 10 stored at the start but for the home without a battery and the last.

    Where power alone would do, energy does not: 24 h of charging are not in the battery at once.
    """
    soc = 0.0 if limit in ("capacity_kwh", "max_charge_kw") else 10.0
    result = make_lab(site).run(DAY, WhatIf(export_kwh=20.0, at_any_cost=True), soc_kwh=soc)
    target = result.target
    assert target is not None
    assert (target.reached, target.limit) == (False, limit)
    assert target.reason
    assert target.realised_kwh <= 20.0 - 0.1
    if realised is not None:
        assert target.realised_kwh <= realised + 1e-6
    reconciled(result)


def test_a_battery_that_is_full_is_the_limit() -> None:
    """1 kWh of room: every peak gives what one slot charges, and 96 slots never give 90."""
    lab = make_lab(site_of(2.0, capacity_kwh=1.0))
    target = lab.run(DAY, WhatIf(export_kwh=90.0, at_any_cost=True), soc_kwh=0.0).target
    assert target is not None
    assert target.limit == "max_soc_kwh"
    assert target.realised_kwh == pytest.approx(48.0, abs=1.5)  # in and out, slot by slot


def moment(quarter: int) -> datetime:
    return local_day(DAY, ZONE)[0] + quarter * timedelta(minutes=15)


def test_blocks_are_carried_out() -> None:
    """Charge to 6 kWh by 02:00, hold until 04:00, sell down to 2 by 05:00; else nothing pays."""
    blocks = (
        TimedBlock(kind="charge", start=moment(4), end=moment(8), target_soc_kwh=6.0),
        TimedBlock(kind="hold", start=moment(8), end=moment(16)),
        TimedBlock(kind="export", start=moment(16), end=moment(20), target_soc_kwh=2.0),
    )
    for view in View:
        result = make_lab(site_of(5.0)).run(DAY, WhatIf(blocks=blocks), view, soc_kwh=1.0)
        soc = result.scenario.course.soc_kwh
        assert soc[7] == pytest.approx(6.0)
        assert soc[15] == pytest.approx(6.0)
        assert soc[19] == pytest.approx(2.0)
        assert result.delta.import_cost == pytest.approx(0.1 * 5.0)
        assert result.delta.export_revenue == pytest.approx(0.1 * 4.0)
        assert result.target is None
        reconciled(result)


def test_a_block_without_a_target_fills_or_empties() -> None:
    blocks = (
        TimedBlock(kind="charge", start=moment(0), end=moment(12)),
        TimedBlock(kind="export", start=moment(12), end=moment(24)),
    )
    site = site_of(5.0, min_soc_kwh=1.0, max_soc_kwh=9.0)
    soc = make_lab(site).run(DAY, WhatIf(blocks=blocks), soc_kwh=2.0).scenario.course.soc_kwh
    assert (soc[11], soc[23]) == (pytest.approx(9.0), pytest.approx(1.0))


def test_blocks_that_cannot_be_are_refused() -> None:
    lab = make_lab()
    late = TimedBlock(kind="hold", start=moment(0), end=moment(300))
    with pytest.raises(ScenarioError, match="where the plan ends"):
        lab.run(DAY, WhatIf(blocks=(late,)), soc_kwh=0.0)
    high = TimedBlock(kind="charge", start=moment(0), end=moment(8), target_soc_kwh=11.0)
    with pytest.raises(ScenarioError, match=r"block.target_soc_kwh is 11.0, want 0 to 10 kWh"):
        lab.run(DAY, WhatIf(blocks=(high,)), soc_kwh=0.0)


def test_blocks_keep_a_battery_from_its_target() -> None:
    block = TimedBlock(kind="hold", start=moment(0), end=moment(96))
    case = WhatIf(blocks=(block,), export_kwh=2.0, at_any_cost=True)
    target = make_lab(site_of(2.0)).run(DAY, case, soc_kwh=5.0).target
    assert target is not None
    assert (target.reached, target.limit) == (False, "blocks")


def test_the_closed_loop_meets_a_target_that_was_planned_on_less_load() -> None:
    """From this day on 0.3 kWh a slot are used, and nobody knew: still 2 kWh on top are sold."""
    facts = make_facts(change=lambda load: load + 0.3)
    lab = make_lab(site_of(2.0), facts)
    result = lab.run(DAY, WhatIf(export_kwh=2.0, at_any_cost=True), View.REPLAY, soc_kwh=3.0)
    course, target = result.scenario.course, result.target
    assert target is not None
    assert target.reached
    evening = course.battery_export_kwh[list(EVENING)]
    assert evening.max() == pytest.approx(1.25 - 0.3)
    known = lab.run(DAY, WhatIf(export_kwh=2.0, at_any_cost=True), soc_kwh=3.0)
    assert known.scenario.course.battery_export_kwh.max() == pytest.approx(1.25)


def test_the_closed_loop_counts_by_the_pv_that_came() -> None:
    """The connection takes 2 kW, 0.5 a slot; PV of 0.4 comes at dusk that nobody foresaw.

    What the battery pushes off the connection is no battery export: 0.1 a slot is left to it.
    """
    facts = make_facts(change_pv=lambda quarter: np.where(np.isin(quarter, EVENING), 0.4, 0.0))
    site = with_limits(site_of(2.0), max_export_kw=2.0)
    result = make_lab(site, facts).run(
        DAY, WhatIf(export_kwh=2.0, at_any_cost=True), View.REPLAY, soc_kwh=5.0
    )
    course, target = result.scenario.course, result.target
    net = course.load_kwh - course.pv_kwh
    beyond = np.maximum(course.discharge_kwh - np.maximum(net, 0.0), 0.0)
    counted = np.minimum(beyond, np.maximum(0.5 - np.maximum(-net, 0.0), 0.0))
    assert target is not None
    assert target.realised_kwh == pytest.approx(counted.sum(), abs=1e-9)
    assert beyond[list(EVENING)].max() == pytest.approx(0.1)
    assert target.reached


def test_what_a_smaller_battery_cannot_hold_is_not_lost() -> None:
    """Half full or full, the house without a battery pays the same; what rests is told."""
    lab = make_lab(site_of(2.0))
    for soc in (1.0, 10.0):
        result = lab.run(DAY, WhatIf(battery_kwh=0.0), View.HINDSIGHT, soc_kwh=soc)
        base, other = result.baseline.course, result.scenario.course
        assert (other.soc_start_kwh, other.rests_kwh) == (0.0, soc)
        assert result.scenario.money.stored == pytest.approx(base.terminal.value(soc))
        assert f"{soc:.2f} kWh stored at the start are more than the battery holds" in result.note
        assert result.delta.total == pytest.approx(0.0, abs=1e-9)  # at a wear of 2 it rests, too
        reconciled(result)
    half = lab.run(DAY, WhatIf(battery_kwh=4.0), soc_kwh=10.0)
    assert half.scenario.course.rests_kwh == pytest.approx(6.0)
    assert lab.run(DAY, WhatIf(battery_kwh=20.0), soc_kwh=10.0).note == ""


def test_a_battery_that_starts_below_its_window() -> None:
    """1 of 20 kWh, and 2 are the least: 4 kWh more are exported after charging at 0.1."""
    site = site_of(2.0, min_soc_kwh=1.0)
    case = WhatIf(battery_kwh=20.0, export_kwh=4.0, at_any_cost=True)
    result = make_lab(site).run(DAY, case, soc_kwh=1.0)
    course, target = result.scenario.course, result.target
    assert course.soc_start_kwh == 1.0
    assert target is not None
    assert target.realised_kwh == pytest.approx(4.0, abs=1e-6)
    reconciled(result)
