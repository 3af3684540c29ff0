"""Batteries of other sizes: the same loop as a replay, energy conserved, payback by hand."""

from dataclasses import replace
from datetime import timedelta
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc import Battery, Grid, Site
from sim.battery_sizes import SizeYear, payback_years, run_sizes, sized
from sim.errors import ScenarioError
from sim.history import Realised
from sim.replay import Dispatch, Policy, replay
from sim.window import DAY_AFTER_SLOTS, replay_window
from tests.sim.replay_cases import START, ArrayForecasts, make_home, random_days

DAY = 96
SITE = Site(
    battery=Battery(
        capacity_kwh=10.0,
        min_soc_kwh=1.0,
        max_soc_kwh=9.0,
        max_charge_kw=5.0,
        max_discharge_kw=4.0,
        wear_cost_per_kwh=0.2,
    ),
    grid=Grid(max_import_kw=11.0, max_export_kw=10.0),
)
HOME = make_home(SITE)


def test_a_size_keeps_c_rate_window_efficiency_and_wear() -> None:
    battery = sized(HOME, 25.0).site.battery
    assert battery.capacity_kwh == 25.0
    assert (battery.max_charge_kw, battery.max_discharge_kw) == (12.5, 10.0)
    assert (battery.min_soc_kwh, battery.max_soc_kwh) == (2.5, 22.5)
    assert (battery.charge_efficiency, battery.wear_cost_per_kwh) == (0.95, 0.2)
    given_kw = sized(HOME, 25.0, 3.0).site.battery
    assert (given_kw.max_charge_kw, given_kw.max_discharge_kw) == (3.0, 3.0)
    none = sized(HOME, 0.0, 3.0).site.battery
    assert (none.capacity_kwh, none.max_charge_kw, none.max_soc_kwh) == (0.0, 0.0, 0.0)


def test_a_home_without_a_battery_needs_a_power() -> None:
    nothing = Battery(capacity_kwh=0.0, max_charge_kw=0.0, max_discharge_kw=0.0)
    bare = replace(HOME, site=replace(SITE, battery=nothing))
    with pytest.raises(ScenarioError, match="want a power in kW along with it"):
        sized(bare, 10.0)
    battery = sized(bare, 10.0, 5.0).site.battery
    assert (battery.capacity_kwh, battery.max_charge_kw) == (10.0, 5.0)
    assert (battery.min_soc_kwh, battery.max_soc_kwh) == (0.0, 10.0)


def one_stretch(days: int = 3) -> tuple[Realised, ArrayForecasts]:
    """Days of a home, and forecasts that are wrong."""
    window, known = random_days(days * DAY, site=SITE)
    return window.realised, known


def cut(real: Realised, known: ArrayForecasts, day: int) -> tuple[Realised, ArrayForecasts]:
    """Return what follows after some days."""
    low, start = day * DAY, real.start + timedelta(days=day)
    names = ("load_kwh", "pv_kwh", "import_price", "export_price", "spot")
    rest = replace(
        real,
        start=start,
        slots=real.slots - low,
        **{name: getattr(real, name)[low:] for name in names},
    )
    return rest, replace(known.changed(lambda values: values[low:]), start=start)


def run(*capacities_kwh: float, workers: int = 1) -> tuple[SizeYear, ...]:
    """Go through three days with each capacity."""
    homes = [sized(HOME, kwh) for kwh in capacities_kwh]
    return run_sizes(homes, [one_stretch()], workers=workers)


def test_a_size_does_what_a_replay_of_it_does() -> None:
    real, known = one_stretch()
    (year,) = run(20.0)
    window = replay_window(sized(HOME, 20.0), real, soc_start_kwh=10.0)
    for course, result in (
        (year.planned, replay(window, Policy.STORAGE, known, Dispatch.VALUE)),
        (year.self_use, replay(window, Policy.SELF_USE)),
    ):
        assert course.soc_kwh == result.soc_end_kwh
        for name in ("bill", "wear", "charge_kwh", "discharge_kwh", "import_kwh"):
            want = float(getattr(result, name).sum())
            assert course.total(name) == pytest.approx(want, abs=1e-9), name
        want = float(result.bill.sum()) - result.stored_value_gained
        assert year.net_bill(course) == pytest.approx(want, abs=1e-9)
    assert year.days == 3


def test_no_battery_is_the_house_as_it_is() -> None:
    real, _ = one_stretch()
    (none,) = run(0.0)
    net = (real.load_kwh - real.pv_kwh)[: real.slots]
    buy, sell = real.import_price[: real.slots], real.export_price[: real.slots]
    bill = float((np.maximum(net, 0.0) * buy - np.maximum(-net, 0.0) * sell).sum())
    assert none.planned.total("bill") == pytest.approx(bill, abs=1e-9)
    assert none.net_bill(none.self_use) == pytest.approx(bill, abs=1e-9)
    assert (none.cycles, none.planned.total("discharge_kwh")) == (0.0, 0.0)


def test_energy_is_conserved_in_every_size() -> None:
    for year in run(5.0, 10.0, 30.0):
        course = year.planned
        grid = course.total("import_kwh") - course.total("export_kwh")
        moved = course.total("charge_kwh") - course.total("discharge_kwh")
        used = course.total("load_kwh") - course.total("pv_kwh") + course.total("curtail_kwh")
        assert grid == pytest.approx(used + moved, abs=1e-9)
        stored = 0.95 * course.total("charge_kwh") - course.total("discharge_kwh") / 0.95
        assert course.soc_kwh - course.soc_start_kwh == pytest.approx(stored, abs=1e-9)
        cycles = course.total("discharge_kwh") / 0.95 / year.battery.capacity_kwh
        assert year.cycles == pytest.approx(cycles)


def test_threads_change_nothing() -> None:
    alone, together = run(5.0, 10.0, 15.0), run(5.0, 10.0, 15.0, workers=3)
    for one, other in zip(alone, together, strict=True):
        assert one.planned.total("bill") == other.planned.total("bill")
        assert one.planned.soc_kwh == other.planned.soc_kwh


def test_energy_is_carried_from_stretch_to_stretch() -> None:
    """Two stretches that happen to touch are one."""
    real, known = one_stretch()
    first = replace(real, slots=DAY)
    (whole,), (parts,) = (
        run_sizes([HOME], stretches, workers=1)
        for stretches in ([(real, known)], [(first, known), cut(real, known, 1)])
    )
    assert parts.days == whole.days == 3
    assert parts.planned.soc_kwh == whole.planned.soc_kwh
    assert parts.net_bill(parts.planned) == pytest.approx(whole.net_bill(whole.planned), abs=1e-9)


def test_days_that_the_engine_cannot_plan_are_planned_by_highs() -> None:
    """Export pays more than import: what a slot costs is not convex, and HiGHS searches."""
    slots, hours = 8, 2
    home = make_home(SITE, horizon_hours=hours)
    ahead = hours * 4 + DAY_AFTER_SLOTS
    many = slots + DAY_AFTER_SLOTS
    real = Realised(
        home_id="h",
        start=START,
        slots=slots,
        load_kwh=np.full(many, 0.5),
        pv_kwh=np.zeros(many),
        import_price=np.full(many, 1.0),
        export_price=np.full(many, 1.5),
        spot=np.full(many, 1.0),
    )
    shape = (slots, ahead)
    known = ArrayForecasts(
        load_kwh=np.full(shape, 0.5),
        pv_kwh=np.zeros(shape),
        import_price=np.full(shape, 1.0),
        export_price=np.full(shape, 1.5),
    )
    (year,) = run_sizes([home], [(real, known)], workers=1)
    assert year.planned.highs_days == 1
    assert year.self_use.highs_days == 0


def test_slots_beyond_the_grid_connection_are_counted() -> None:
    real, known = one_stretch()
    load = real.load_kwh.copy()
    load[[3, 50]] = 4.0  # 16 kW: the connection carries 11, a battery of 0.5 kW no more
    (year,) = run_sizes([sized(HOME, 0.0)], [(replace(real, load_kwh=load), known)], workers=1)
    assert year.planned.broken_slots == 2


@pytest.mark.parametrize(
    ("cost", "saving", "fade", "want"),
    [
        pytest.param(50_000.0, 5_000.0, 0.0, 10.0, id="cost over saving"),
        pytest.param(0.0, 0.0, 0.0, 0.0, id="what costs nothing has paid itself"),
        pytest.param(1.0, 0.0, 0.0, inf, id="nothing is saved"),
        pytest.param(1.0, -10.0, 0.0, inf, id="less than nothing is saved"),
        pytest.param(
            72.2, 100.0, 0.5, 1.0010, id="half of it lost a year: 100 * 0.5 / ln 2 = 72.1"
        ),
        pytest.param(144.3, 100.0, 0.5, inf, id="no more than 100 / ln 2 = 144.27 is ever saved"),
    ],
)
def test_payback_by_hand(cost: float, saving: float, fade: float, want: float) -> None:
    assert payback_years(cost, saving, fade) == pytest.approx(want, abs=1e-3)


@given(cost=st.floats(1.0, 1e6), saving=st.floats(1.0, 1e5), fade=st.floats(1e-4, 0.3))
def test_savings_until_payback_sum_to_the_cost(cost: float, saving: float, fade: float) -> None:
    years = payback_years(cost, saving, fade)
    assert years >= (1.0 - 1e-9) * cost / saving
    if years < 200.0:
        edges = np.linspace(0.0, years, 20_001)
        middle = 0.5 * (edges[1:] + edges[:-1])
        total = float((saving * (1.0 - fade) ** middle * np.diff(edges)).sum())
        assert total == pytest.approx(cost, rel=1e-5)


@pytest.mark.parametrize("fade", [-0.1, 1.0, 2.0])
def test_a_fade_is_a_ratio(fade: float) -> None:
    with pytest.raises(ScenarioError, match=r"fade is .*, want a ratio in \[0, 1\)"):
        payback_years(1.0, 1.0, fade)
