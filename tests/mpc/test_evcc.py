"""Cases of the evcc optimizer (MIT, andig): schedules another project calls best, to be matched.

Read from ``../shared/evcc`` beside the repository. Cases with one battery and no goals are planned;
what they ask beyond (several batteries, goals, minimum power) no planner here claims yet. Money is
recomputed from both schedules, -import + export + gained storage, and ours must not be worse.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc import Battery, Grid, Horizon, Planner, Site
from tests.mpc.instances import START
from tests.mpc.simulate import assert_physical

WH = 1000.0
DEFAULT_EFFICIENCY = 0.95


def expressible(request: dict[str, Any]) -> bool:
    """Whether one battery without goals, demands and minimum power describes the case."""
    if len(request["batteries"]) != 1 or "prc_p_exc_imp" in (request.get("grid") or {}):
        return False
    battery = request["batteries"][0]
    goals = any(battery.get("s_goal") or []) or any(battery.get("p_demand") or [])
    return not goals and not battery.get("c_min")


def site_of(request: dict[str, Any]) -> Site:
    """Map battery and grid: Wh and W to kWh and kW."""
    given, grid = request["batteries"][0], request.get("grid") or {}
    top = max(given["s_max"], given["s_initial"], given.get("s_capacity") or 0.0)
    battery = Battery(
        capacity_kwh=top / WH,
        min_soc_kwh=given["s_min"] / WH,
        max_soc_kwh=given["s_max"] / WH,
        max_charge_kw=given["c_max"] / WH,
        max_discharge_kw=given["d_max"] / WH,
        charge_efficiency=request.get("eta_c") or DEFAULT_EFFICIENCY,
        discharge_efficiency=request.get("eta_d") or DEFAULT_EFFICIENCY,
    )
    return Site(
        battery=battery,
        grid=Grid(
            max_import_kw=grid.get("p_max_imp", np.inf) / WH,
            max_export_kw=grid.get("p_max_exp", np.inf) / WH,
        ),
        pv_curtailable=False,
        allow_grid_charge=bool(given.get("charge_from_grid")),
        allow_battery_export=bool(given.get("discharge_to_grid")),
    )


def horizon_of(request: dict[str, Any]) -> Horizon:
    """Map the series: seconds to minutes, Wh to kWh, money per Wh to money per kWh."""
    series = request["time_series"]
    return Horizon(
        start=START,
        slot_minutes=np.array(series["dt"]) / 60.0,
        import_price=np.array(series["p_N"]) * WH,
        export_price=np.array(series["p_E"]) * WH,
        load_kwh=np.array(series["gt"]) / WH,
        pv_kwh=np.array(series["ft"]) / WH,
        terminal_value=request["batteries"][0]["p_a"] * WH,
    )


def money(
    horizon: Horizon,
    imports: NDArray[np.float64],
    exports: NDArray[np.float64],
    gained_kwh: float,
    value: float,
) -> float:
    """What a schedule earns: the comparison of the cases' README."""
    sold = np.asarray(horizon.export_price) @ exports
    return float(sold - np.asarray(horizon.import_price) @ imports + gained_kwh * value)


def test_plans_are_not_worse_than_the_schedules_of_another_project(real_data: Path) -> None:
    planned = 0
    for path in sorted((real_data.parent / "evcc").glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        request, theirs = case["request"], case["expected_response"]
        if not expressible(request):
            continue
        planned += 1
        site, horizon = site_of(request), horizon_of(request)
        start = request["batteries"][0]["s_initial"] / WH
        plan = Planner(site).plan(horizon, start)
        assert_physical(plan, site)
        value = request["batteries"][0]["p_a"] * WH
        end = theirs["batteries"][0]["state_of_charge"][-1] / WH
        bought, sold = np.array(theirs["grid_import"]) / WH, np.array(theirs["grid_export"]) / WH
        ours = money(
            horizon, plan.import_kwh, plan.export_kwh, float(plan.soc_kwh[-1]) - start, value
        )
        best = money(horizon, bought, sold, end - start, value)
        assert ours >= best - 1e-4 * abs(best), path.name
        hours = horizon.slot_hours
        for name, flow, other, limit in (
            ("import", plan.import_kwh, bought, site.grid.max_import_kw),
            ("export", plan.export_kwh, sold, site.grid.max_export_kw),
        ):
            over, their_over = (
                np.maximum(f - np.asarray(limit) * hours, 0.0).sum() for f in (flow, other)
            )
            assert over <= their_over + 1e-6, f"{path.name}: more {name} above the limit"
    assert planned, "no case could be planned"
