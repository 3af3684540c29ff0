"""Where the battery serves the house in all peaks: by hand, and beside the planner's own search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Block, ExportTarget, Horizon, Planner, Requests, Site, TerminalCurve
from mpc.problem import make_problem
from sim.lab_serve import plan_serving
from tests.mpc.instances import START
from tests.sim.lab_cases import site_of

PEAKS = np.array([False, False, True, True])


def horizon(load: list[float], curve: TerminalCurve | None = None) -> Horizon:
    """Four hours: 0.1 and 0.2 to buy, then two at 1.0 to sell and 1.5 to buy."""
    return Horizon(
        start=START,
        slot_minutes=60,
        import_price=[0.1, 0.2, 1.5, 1.5],
        export_price=[0.1, 0.1, 1.0, 1.0],
        load_kwh=load,
        pv_kwh=[0.0] * 4,
        terminal_value=TerminalCurve.of(0.0) if curve is None else curve,
    )


def asked(kwh: float, *blocks: Block) -> Requests:
    return Requests(blocks=blocks, export_target=ExportTarget(energy_kwh=kwh, slots=PEAKS))


def test_the_house_is_served_and_the_target_exported_on_top() -> None:
    """6 kWh wanted and 2 x 1 kWh used, 8 out of the store: 5 kWh bought at 0.1, 3 at 0.2.

    More brings 1.0 and costs 0.95 + 0.2.
    """
    there, site = horizon([0.0, 0.0, 1.0, 1.0]), site_of(wear=0.95)
    plan = plan_serving(site, there, 0.0, asked(6.0))
    assert plan.charge_kwh == pytest.approx([5.0, 3.0, 0.0, 0.0])
    assert plan.discharge_kwh.sum() == pytest.approx(8.0)
    assert plan.import_kwh == pytest.approx([5.0, 3.0, 0.0, 0.0])
    assert plan.export_kwh.sum() == pytest.approx(6.0)
    assert plan.soc_kwh[-1] == pytest.approx(0.0)
    assert plan.bill == pytest.approx(0.1 * 5.0 + 0.2 * 3.0 - 1.0 * 6.0)
    assert plan.wear == pytest.approx(0.95 * 8.0)
    assert plan.objective == pytest.approx(plan.bill + plan.wear)
    assert plan.load_kwh.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert plan.requests is not None
    assert plan.violations == ()


def test_what_is_left_is_worth_what_it_was() -> None:
    """Of 10 kWh 1 is sold and 2 are used; the others are kept, worth 2.0 up to 4 kWh and 1.9."""
    curve = TerminalCurve.of([(0.0, 2.0), (4.0, 1.9)])
    plan = plan_serving(site_of(), horizon([0.0, 0.0, 1.0, 1.0], curve), 10.0, asked(1.0))
    assert plan.soc_kwh[-1] == pytest.approx(7.0)
    assert plan.terminal == pytest.approx(2.0 * 4.0 + 1.9 * 3.0)
    assert plan.terminal_curve == ((0.0, 2.0), (4.0, 1.9))


def test_what_is_kept_is_what_is_worth_keeping() -> None:
    """A kWh left is worth 2.0 up to 4 kWh and nothing beyond: 4 stay, bought at 0.1 and 0.2."""
    curve = TerminalCurve.of([(0.0, 2.0), (4.0, 0.0)])
    plan = plan_serving(site_of(2.0), horizon([0.0, 0.0, 1.0, 1.0], curve), 0.0, asked(1.0))
    assert plan.soc_kwh[-1] == pytest.approx(4.0)
    assert plan.charge_kwh == pytest.approx([5.0, 2.0, 0.0, 0.0])


def test_targets_of_blocks_are_met_in_the_houses_own_energy() -> None:
    block = Block(kind="charge", first=0, stop=2, target_soc_kwh=9.0)
    plan = plan_serving(site_of(0.95), horizon([0.0, 0.0, 1.0, 1.0]), 0.0, asked(3.0, block))
    assert plan.soc_kwh[1] == pytest.approx(9.0)
    late = Block(kind="export", first=2, stop=4, target_soc_kwh=2.5)
    plan = plan_serving(site_of(2.0), horizon([0.0, 0.0, 1.0, 1.0]), 10.0, asked(3.0, late))
    assert plan.soc_kwh[3] == pytest.approx(2.5)


def test_a_reserve_is_kept_in_the_houses_own_energy() -> None:
    site = Site(
        battery=site_of().battery,
        grid=site_of().grid,
        reserve_soc_kwh=3.0,
        reserve_price_per_kwh=1.5,
    )
    plan = plan_serving(site, horizon([0.0, 0.0, 1.0, 1.0]), 10.0, asked(4.0))
    assert plan.soc_kwh[-1] == pytest.approx(3.0)  # one less would cost 1.5 and bring 1.0


def test_without_a_target_it_is_the_planner() -> None:
    there, wish = horizon([1.0] * 4), Requests(blocks=(Block(kind="hold", first=1, stop=3),))
    ours = plan_serving(site_of(), there, 5.0, wish)
    assert ours.to_json() == Planner(site_of()).plan(there, 5.0, requests=wish).to_json()


def test_a_horizon_without_a_curve_has_the_planners_own() -> None:
    there = Horizon(
        start=START,
        slot_minutes=60,
        import_price=[0.1, 0.2, 1.5, 1.5],
        export_price=[0.1, 0.1, 1.0, 1.0],
        load_kwh=[0.5] * 4,
        pv_kwh=[0.0] * 4,
    )
    plan = plan_serving(site_of(), there, 5.0, asked(1.0))
    want = make_problem(site_of(), there, 5.0).terminal.pairs()
    assert plan.terminal_curve == want


energy = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=8, max_size=8)


@settings(max_examples=40)
@given(
    load=energy,
    pv=energy,
    price=st.lists(st.sampled_from([0.1, 0.3, 0.7, 1.0]), min_size=8, max_size=8),
    peaks=st.integers(1, 3),
    kwh=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_no_plan_of_the_search_is_much_cheaper(
    load: list[float], pv: list[float], price: list[float], peaks: int, kwh: float
) -> None:
    """The search may leave the house to the grid in a peak, and store PV there.

    So it never costs more, and what it saves is worth at most 2.0 for each such kWh.
    """
    sell = np.array(price)
    there = Horizon(
        start=START,
        slot_minutes=60,
        import_price=1.25 * sell + 0.5,
        export_price=sell,
        load_kwh=load,
        pv_kwh=pv,
        terminal_value=0.2,
    )
    site = site_of(wear=0.1, charge_efficiency=0.95, discharge_efficiency=0.95)
    mask = np.isin(np.arange(8), np.argsort(-sell, kind="stable")[:peaks])
    wish = Requests(export_target=ExportTarget(energy_kwh=kwh, slots=mask))
    ours = plan_serving(site, there, 8.0, wish)
    best = Planner(site).plan(there, 8.0, requests=wish)
    assert ours.objective >= best.objective - best.gap - 1e-6
    if not ours.violations and not best.violations:
        house = float(np.abs(there.net_load_kwh)[mask].sum())
        assert ours.objective <= best.objective + 2.0 * house + 1e-6
