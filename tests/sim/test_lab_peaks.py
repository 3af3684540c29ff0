"""Price peaks of a target: the dearest slots, energy, economics; what is promised is planned."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Horizon, Planner, Requests, Site, TerminalCurve
from sim.errors import ScenarioError
from sim.lab_case import Relaxed, WhatIf
from sim.lab_money import course_of_plan
from sim.lab_peaks import REACHED_KWH, Before, Economics, Peaks, find_peaks
from sim.lab_serve import plan_serving
from telemetry.arrays import F64
from tests.mpc.instances import START
from tests.sim.lab_cases import DAY as LAB_DAY
from tests.sim.lab_cases import EVENING, MORNING, make_lab, site_of, spot_of, with_limits

DAY = 96


def horizon(
    spot: F64 | None = None, load: F64 | float = 0.0, pv: F64 | float = 0.0, days: int = 1
) -> Horizon:
    """Days of quarters; export and import price are spot, nothing is worth anything at the end."""
    price = np.tile(spot_of(np.arange(DAY, dtype=np.float64)), days) if spot is None else spot
    return Horizon(
        start=START,
        slot_minutes=15,
        import_price=price,
        export_price=price,
        load_kwh=np.zeros(price.size) + load,
        pv_kwh=np.zeros(price.size) + pv,
        terminal_value=0.0,
    )


def before(soc: float = 0.0, sold: F64 | None = None, end_value: float = np.nan) -> Before:
    return Before(
        sold_kwh=np.zeros(DAY) if sold is None else sold, soc_kwh=soc, end_value=end_value
    )


def peaks_of(site: Site, kwh: float, **given: Any) -> Peaks:
    changes = {name: given.pop(name) for name in ("relaxed", "at_any_cost") if name in given}
    there = given.pop("before", before())
    return find_peaks(site, horizon(**given), there, WhatIf(export_kwh=kwh, **changes))


def slots(peaks: Peaks) -> list[int]:
    return np.flatnonzero(peaks.slots).tolist()


@pytest.mark.parametrize(
    ("kwh", "want"),
    [
        pytest.param(1.0, EVENING[:1], id="one slot at 1.25 kWh, the earliest of the dearest"),
        pytest.param(1.25, EVENING[:1], id="just full"),
        pytest.param(2.0, EVENING[:2], id="1.25 + 0.75"),
        pytest.param(6.0, (*MORNING[:1], *EVENING), id="4 * 1.25 = 5 in the evening, 1 before"),
        pytest.param(0.0, (), id="nothing wanted"),
    ],
)
def test_the_dearest_slots_as_few_as_will_do(kwh: float, want: tuple[int, ...]) -> None:
    assert tuple(slots(peaks_of(site_of(), kwh))) == want


def test_the_house_leaves_less_room() -> None:
    """1.25 - 0.5 of load = 0.75 a slot: 2 kWh take three."""
    assert tuple(slots(peaks_of(site_of(), 2.0, load=0.5))) == EVENING[:3]


def test_the_grid_connection_leaves_less_room() -> None:
    """2 kW take 0.5 a slot, PV of 0.25 half of it: 0.25."""
    peaks = peaks_of(with_limits(site_of(), max_export_kw=2.0), 0.5, pv=0.25)
    assert tuple(slots(peaks)) == EVENING[:2]


def test_what_the_baseline_sells_comes_first() -> None:
    sold = np.zeros(DAY)
    sold[list(EVENING[:2])] = 1.25, 0.5
    peaks = peaks_of(site_of(), 1.0, before=before(sold=sold))
    assert slots(peaks) == [EVENING[1], EVENING[2]]
    assert peaks.sold_before_kwh == 0.5
    target = peaks.request
    assert target is not None
    assert target.energy_kwh == pytest.approx(0.5 + 1.0)


def test_a_slot_without_energy_is_no_peak() -> None:
    """2 kW fill 0.5 kWh a slot: 7 slots before 07:45 give 3.5, the eighth charges for the rest."""
    spot = np.full(DAY, 0.1)
    spot[4:8] = 1.0
    site = site_of(max_charge_kw=2.0)
    peaks = peaks_of(site, 3.0, spot=spot)
    assert slots(peaks)[:2] == [4, 5]
    assert not peaks.slots[6]  # 4 * 0.5 kWh were stored: 1.25 + 0.75
    assert peaks.limit == ""


def test_no_target_beyond_what_a_day_gives() -> None:
    """Every other slot 1.25 in and out: 48 * 1.25 = 60 kWh at most, and never 200."""
    peaks = peaks_of(site_of(), 200.0, spot=np.full(DAY, 0.1))
    assert peaks.limit == "max_discharge_kw"
    assert peaks_of(site_of(), 119.0, spot=np.full(DAY, 0.1)).limit == "energy"
    tight = with_limits(site_of(), max_export_kw=1.0)
    assert peaks_of(tight, 30.0).limit == "max_export_kw"


def test_no_battery_and_no_export() -> None:
    none = site_of(capacity_kwh=0.0)
    assert peaks_of(none, 1.0).limit == "capacity_kwh"
    assert peaks_of(none, 1.0).request is None
    silent = Site(battery=site_of().battery, grid=site_of().grid, allow_battery_export=False)
    assert peaks_of(silent, 1.0).limit == "allow_battery_export"


def test_a_home_sells_nothing_below_its_margin() -> None:
    """The evening brings 1.0 - wear - 0.1: at a wear of 0.85 just 0.05, at 0.95 a loss of 0.05."""
    assert tuple(slots(peaks_of(site_of(wear=0.85), 1.0))) == EVENING[:1]
    peaks = peaks_of(site_of(wear=0.95), 1.0)
    assert (peaks.limit, slots(peaks)) == ("economics", [])
    assert peaks.short_per_kwh == pytest.approx(0.05)
    margin = peaks_of(site_of(wear=0.85, margin=0.15), 1.0)
    assert margin.limit == "economics"
    assert margin.short_per_kwh == pytest.approx(0.15 - 0.05)


def test_losses_are_part_of_the_gain() -> None:
    """A kWh sold took 1 / 0.9 out of the store and 1 / 0.81 of the grid: 0.1 / 0.81 = 0.123."""
    lossy = {"charge_efficiency": 0.9, "discharge_efficiency": 0.9}
    peaks = peaks_of(site_of(wear=0.95, **lossy), 1.0)
    assert peaks.short_per_kwh == pytest.approx(0.95 + 0.1 / 0.81 - 1.0)


def test_the_cheapest_kwh_may_be_pv_or_be_left_over() -> None:
    """Surplus PV at noon costs what its export would have brought: nothing at a price of 0."""
    spot, pv = spot_of(np.arange(DAY, dtype=np.float64)), np.zeros(DAY)
    spot[48], pv[48] = 0.05, 1.0
    assert peaks_of(site_of(wear=0.97), 1.0, spot=spot, pv=pv).short_per_kwh == pytest.approx(0.02)
    left = before(end_value=0.01)
    assert peaks_of(site_of(wear=0.97), 1.0, before=left).limit == ""


def test_what_only_was_stored_before_cost_nothing() -> None:
    """The grid may not charge and no sun shines: the evening brings 1.0 less the wear."""
    shut = Site(battery=site_of(wear=0.9).battery, grid=site_of().grid, allow_grid_charge=False)
    assert slots(peaks_of(shut, 1.0, before=before(soc=5.0))) == [EVENING[0]]
    worn = Site(battery=site_of(wear=1.1).battery, grid=site_of().grid, allow_grid_charge=False)
    peaks = peaks_of(worn, 1.0, before=before(soc=5.0))
    assert peaks.limit == "economics"
    assert peaks.short_per_kwh == pytest.approx(0.1)


def test_at_any_cost_no_economics_hold() -> None:
    peaks = peaks_of(site_of(wear=5.0), 1.0, at_any_cost=True)
    assert (peaks.limit, tuple(slots(peaks))) == ("", EVENING[:1])


def test_the_least_relaxation_margin_first() -> None:
    """The evening lacks 0.30: 0.25 of the margin, which is no money, and 0.05 of the wear."""
    site = site_of(wear=0.95, margin=0.25)
    down = Relaxed(wear_cost_per_kwh=0.0, export_margin_per_kwh=0.0)
    peaks = peaks_of(site, 1.0, relaxed=down)
    assert (peaks.limit, tuple(slots(peaks))) == ("", EVENING[:1])
    assert peaks.economics == Economics(
        wear_cost_per_kwh=pytest.approx(0.90),  # type: ignore[arg-type]
        export_margin_per_kwh=pytest.approx(0.0),  # type: ignore[arg-type]
    )
    held = peaks_of(site, 1.0, relaxed=Relaxed(wear_cost_per_kwh=0.93, export_margin_per_kwh=0.0))
    assert held.limit == "economics"
    assert held.short_per_kwh == pytest.approx(0.30 - 0.25 - 0.02)


def test_bounds_above_the_homes_own_are_refused() -> None:
    bounds = Relaxed(wear_cost_per_kwh=0.5)
    with pytest.raises(ScenarioError, match=r"relaxed\.wear_cost_per_kwh is 0\.5, want at most 0"):
        peaks_of(site_of(), 1.0, relaxed=bounds)
    with pytest.raises(ScenarioError, match="that of the home: relaxing lowers it"):
        make_lab().run(LAB_DAY, WhatIf(export_kwh=1.0, relaxed=bounds), soc_kwh=0.0)


def test_the_baselines_end_counts_only_where_something_is_left() -> None:
    site = site_of()
    there = horizon(days=1)
    for soc, end in ((0.0, 0.0), (4.0, 4.0)):
        plan = Planner(site_of(wear=2.0)).plan(there, soc)
        found = Before.of(course_of_plan(plan, site, there), DAY, site)
        assert found.soc_kwh == soc
        assert np.isnan(found.end_value) == (end == 0.0)


wall = st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.9, 1.3]), min_size=24, max_size=24)


@settings(max_examples=25)
@given(
    price=wall,
    load=wall,
    pv=wall,
    soc=st.floats(1.0, 10.0),
    kwh=st.sampled_from([0.5, 2.0, 4.0, 6.0, 10.0, 14.0]),
)
def test_what_peaks_promise_is_planned(
    price: list[float], load: list[float], pv: list[float], soc: float, kwh: float
) -> None:
    """LP and energy model agree: a target that nothing limits is reached, by a plan that is one."""
    site = site_of(wear=0.2, min_soc_kwh=1.0, charge_efficiency=0.95, discharge_efficiency=0.9)
    sell = np.repeat(price, 4)
    there = Horizon(
        start=START,
        slot_minutes=15,
        import_price=1.25 * sell + 0.5,
        export_price=sell,
        load_kwh=np.repeat(load, 4),
        pv_kwh=np.repeat(pv, 4),
        terminal_value=TerminalCurve.of(0.3),
    )
    baseline = course_of_plan(Planner(site).plan(there, soc), site, there)
    case = WhatIf(export_kwh=kwh, at_any_cost=True)
    peaks = find_peaks(site, there, Before.of(baseline, DAY, site), case)
    if peaks.request is None:
        return
    plan = plan_serving(site, there, soc, Requests(export_target=peaks.request))
    course = course_of_plan(plan, site, there)
    realised = peaks.counted_kwh(course) - peaks.sold_before_kwh
    assert (realised >= kwh - REACHED_KWH) == (peaks.limit == "")
    net = course.load_kwh - course.pv_kwh + course.curtail_kwh
    bus = net + course.charge_kwh - course.discharge_kwh
    assert course.import_kwh - course.export_kwh == pytest.approx(bus, abs=1e-6)
    stored = soc + np.cumsum(0.95 * course.charge_kwh - course.discharge_kwh / 0.9)
    assert course.soc_kwh == pytest.approx(stored, abs=1e-6)
    assert course.soc_kwh.min() >= 1.0 - 1e-6
    assert course.soc_kwh.max() <= 10.0 + 1e-6
