"""A plan carried out slot by slot with ``mpc.physics``, under its own forecast."""

import math

import numpy as np

from mpc import Plan, Site, physics


def simulate(plan: Plan, site: Site) -> tuple[float, list[float]]:
    """Return (bill plus wear, stored energy at each slot's end) of the plan's battery energy.

    Grid flows and curtailment are not taken from the plan: ``physics.settle`` finds them anew.
    """
    battery, grid = site.battery, site.grid
    hours = plan.slot_minutes / 60.0
    soft = site.planning_import_kw
    stored, cost, states = plan.soc_start_kwh, 0.0, []
    for t in range(len(plan)):
        charge, discharge = float(plan.charge_kwh[t]), float(plan.discharge_kwh[t])
        stored = physics.battery_step(
            stored, charge, discharge, battery.charge_efficiency, battery.discharge_efficiency
        )
        paid = physics.paid_import_limit(
            charge,
            float(plan.import_price[t]),
            math.inf if soft is None else float(np.asarray(soft)) * hours[t],
            site.planning_import_price_per_kwh,
            float(np.asarray(grid.max_import_kw)) * hours[t],
            site.allow_grid_charge,
        )
        imports, exports, _ = physics.settle(
            float(plan.load_kwh[t] - plan.pv_kwh[t]) + charge - discharge,
            float(plan.pv_kwh[t]) if site.pv_curtailable else 0.0,
            float(plan.import_price[t]),
            float(plan.export_price[t]),
            paid,
            float(np.asarray(grid.max_export_kw)) * hours[t],
        )
        cost += physics.slot_cost(
            imports,
            exports,
            discharge,
            float(plan.import_price[t]),
            float(plan.export_price[t]),
            battery.wear_cost_per_kwh,
        )
        states.append(stored)
    return cost, states


def assert_physical(plan: Plan, site: Site) -> None:
    """Energy balances, bounds hold, and nothing happens in two directions at once."""
    battery, hours = site.battery, plan.slot_minutes / 60.0
    balance = (
        plan.import_kwh + plan.pv_kwh + plan.discharge_kwh
        - plan.load_kwh - plan.charge_kwh - plan.export_kwh - plan.curtail_kwh
    )  # fmt: skip
    np.testing.assert_allclose(balance, 0.0, atol=1e-8)
    before = np.concatenate([[plan.soc_start_kwh], plan.soc_kwh[:-1]])
    step = battery.charge_efficiency * plan.charge_kwh
    step = step - plan.discharge_kwh / battery.discharge_efficiency
    np.testing.assert_allclose(plan.soc_kwh, before + step, atol=1e-7)
    for flow in (plan.charge_kwh, plan.discharge_kwh, plan.import_kwh, plan.export_kwh):
        assert flow.min() >= 0.0
    assert np.all(np.minimum(plan.charge_kwh, plan.discharge_kwh) == 0.0)
    assert np.all(np.minimum(plan.import_kwh, plan.export_kwh) == 0.0)
    assert np.all(plan.curtail_kwh >= 0.0)
    assert np.all(plan.curtail_kwh <= plan.pv_kwh)
    assert np.all(plan.charge_kwh <= np.asarray(battery.max_charge_kw) * hours)
    assert np.all(plan.discharge_kwh <= np.asarray(battery.max_discharge_kw) * hours)
    low = np.minimum(np.asarray(battery.min_soc_kwh, dtype=float), plan.soc_start_kwh)
    high = np.maximum(np.asarray(battery.max_soc_kwh, dtype=float), plan.soc_start_kwh)
    assert np.all(plan.soc_kwh >= low)
    assert np.all(plan.soc_kwh <= high)
    if not site.allow_grid_charge:
        assert np.all(np.minimum(plan.charge_kwh, plan.import_kwh) <= 1e-9)
    if not site.allow_battery_export:
        assert np.all(np.minimum(plan.discharge_kwh, plan.export_kwh) <= 1e-9)
    if not site.pv_curtailable:
        assert np.all(plan.curtail_kwh == 0.0)
