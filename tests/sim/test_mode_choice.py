"""What a plan tells in a slot, and what keeping to another command would cost there."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from mpc import Battery, Grid, Horizon, Plan, Planner, Site
from sim.mode_choice import SlotChoice, from_slot, slot_choice, stop_kwh
from sim.modes import (
    EXPORT,
    GRID_CHARGE,
    HOLD,
    MODE_NAMES,
    SELF_USE,
    SERVE_LOAD,
    STORE_SURPLUS,
    ModeCommand,
)

SITE = Site(
    battery=Battery(
        capacity_kwh=10.0,
        max_charge_kw=4.0,
        max_discharge_kw=4.0,
        charge_efficiency=0.9,
        discharge_efficiency=0.9,
    ),
    grid=Grid(max_import_kw=11.0, max_export_kw=11.0),
)


def plan(
    prices: list[float],
    *,
    load: float = 0.5,
    pv: float = 0.0,
    soc: float = 5.0,
    sell: float = 0.5,
    left: float = 0.0,
) -> Plan:
    """Plan slots of a quarter: one load and PV, exports paid a share, what is left its worth."""
    slots = len(prices)
    horizon = Horizon(
        start=datetime(2025, 6, 12, tzinfo=UTC),
        slot_minutes=15.0,
        import_price=prices,
        export_price=[sell * price for price in prices],
        load_kwh=np.full(slots, load),
        pv_kwh=np.full(slots, pv),
        terminal_value=left,
    )
    return Planner(SITE).plan(horizon, soc)


def command(mode: int, low: float = 0.0, high: float = 10.0) -> ModeCommand:
    return ModeCommand(mode, low, high, 1.0, pv_export=True)


def test_a_cheap_slot_charges_from_the_grid() -> None:
    # 1 kWh at 0.1 gives 0.81 kWh at 2.0: charge at full power.
    cheap = plan([0.1, 2.0, 2.0, 2.0], soc=0.0)
    found = slot_choice(SITE, cheap, 0)
    assert MODE_NAMES[found.command.mode] == "grid_charge"
    # One quarter at 4 kW is 1 kWh, of which 0.9 are stored.
    assert found.command.stop_low_kwh == pytest.approx(0.9)
    assert stop_kwh(found.command, 0.0) == pytest.approx(0.9)
    # Resting instead loses 0.9 * 0.9 * 2.0 and keeps 0.1.
    assert found.gain_over(command(HOLD)) == pytest.approx(0.9 * 0.9 * 2.0 - 0.1)
    assert found.gain_over(found.command) == 0.0


def test_a_dear_slot_serves_the_load() -> None:
    dear = plan([2.0, 0.1, 0.1, 0.1], sell=0.01, left=0.05)
    found = slot_choice(SITE, dear, 0)
    assert found.command.mode in (SELF_USE, SERVE_LOAD)
    # Half a kWh served saves 1.0 and costs 0.5 / 0.9 kWh stored, at the value of the last one.
    assert found.energy_value == pytest.approx(float(dear.energy_value[0]))
    lost = 0.5 * 2.0 - 0.5 / 0.9 * float(dear.energy_value_down[0])
    assert found.gain_over(command(HOLD)) == pytest.approx(lost)


def test_a_stop_reaches_no_further_than_the_plan() -> None:
    """Two cheap quarters fill 1.8 kWh; a command of the first that is kept for hours ends there."""
    cheap = plan([0.1, 0.1, 2.0, 2.0, 2.0, 2.0], soc=0.0)
    found = slot_choice(SITE, cheap, 0).command
    assert MODE_NAMES[found.mode] == "grid_charge"
    assert found.stop_low_kwh == pytest.approx(1.8)
    sold = plan([3.0, 3.0, 0.1, 0.1], load=0.0, soc=10.0, sell=0.9, left=0.2)
    found = slot_choice(SITE, sold, 0).command
    assert MODE_NAMES[found.mode] == "export"
    # Two quarters at 4 kW: 2 kWh out are 2.22 less stored.
    assert found.stop_high_kwh == pytest.approx(10.0 - 2.0 / 0.9)


def test_later_slots_start_where_the_plan_expects_to_be() -> None:
    later = plan([2.0, 0.1, 2.0, 2.0], soc=5.0)
    found = slot_choice(SITE, later, 1)
    assert found.stored_kwh == pytest.approx(float(later.soc_kwh[0]))
    assert found.hours == 0.25
    rest = from_slot(later, 1)
    assert (rest.start, len(rest)) == (later.starts[1], 3)
    assert rest.soc_start_kwh == later.soc_kwh[0]
    np.testing.assert_array_equal(rest.charge_kwh, later.charge_kwh[1:])
    assert from_slot(later, 0) is later


@pytest.mark.parametrize(
    ("mode", "want"),
    [
        (GRID_CHARGE, 2.0),
        (SELF_USE, 2.0),
        (SERVE_LOAD, 2.0),
        (STORE_SURPLUS, 8.0),
        (EXPORT, 8.0),
        (HOLD, 3.0),
    ],
)
def test_where_a_mode_ends(mode: int, want: float) -> None:
    assert stop_kwh(command(mode, 2.0, 8.0), 3.0) == want


@pytest.mark.parametrize("soc", [0.0, 3.0, 10.0])
@pytest.mark.parametrize("pv", [0.0, 0.4, 1.5])
def test_no_command_costs_less_than_the_plans_own(soc: float, pv: float) -> None:
    made = plan([1.0, 0.2, 0.2, 3.0, 1.0, 2.0, 0.5, 0.5], pv=pv, soc=soc)
    for slot in range(len(made)):
        found = slot_choice(SITE, made, slot)
        for mode in range(len(MODE_NAMES)):
            for low in (0.0, found.stored_kwh, 10.0):
                other = command(mode, low, max(low, 5.0))
                assert found.gain_over(other) >= -1e-6, (slot, MODE_NAMES[mode], low)


def test_a_broken_limit_is_priced_as_the_plan_has_it() -> None:
    tight = replace(SITE, grid=Grid(max_import_kw=1.0, max_export_kw=11.0))
    horizon = Horizon(
        start=datetime(2025, 6, 12, tzinfo=UTC),
        slot_minutes=15.0,
        import_price=[1.0] * 4,
        export_price=[0.5] * 4,
        load_kwh=[0.5] * 4,
        pv_kwh=[0.0] * 4,
        terminal_value=0.0,
    )
    made = Planner(tight).plan(horizon, 0.1)
    assert made.violations
    found: SlotChoice = slot_choice(tight, made, 0)
    # The battery serves what the fuse cannot, at once or later: resting is no better.
    assert found.gain_over(command(HOLD)) >= -1e-6
