"""The scalar physics: conservation, and the least cost by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc import physics
from mpc.rules import Limits, Slot, rules_of, slot_limits
from tests.mpc.instances import floats, make_battery, make_site

PRICE = st.one_of(st.sampled_from([0.0, -0.5, 1.0]), floats(-2.0, 2.0))


@given(stored=floats(0, 10), wish=floats(-8, 8), charge=floats(0.5, 1), discharge=floats(0.5, 1))
def test_a_battery_stays_inside_its_window(
    stored: float, wish: float, charge: float, discharge: float
) -> None:
    low, high = physics.battery_range(stored, 1.0, 9.0, 5.0, 5.0, charge, discharge)
    moved = physics.clip(wish, low, high)
    after = physics.battery_step(stored, max(moved, 0.0), max(-moved, 0.0), charge, discharge)
    assert min(stored, 1.0) - 1e-12 <= after <= max(stored, 9.0) + 1e-12
    inner = moved * charge if moved >= 0.0 else moved / discharge
    assert after - stored == pytest.approx(inner, abs=1e-12)


def test_below_the_minimum_a_battery_gives_nothing() -> None:
    assert physics.battery_range(0.5, 1.0, 9.0, 5.0, 5.0, 1.0, 1.0) == (0.0, 5.0)
    assert physics.battery_range(9.5, 1.0, 9.0, 5.0, 5.0, 1.0, 1.0) == (-5.0, 0.0)


@given(
    net=floats(-6, 6),
    pv=floats(0, 6),
    buy=PRICE,
    sell=PRICE,
    most_in=floats(0, 8),
    most_out=floats(0, 8),
)
def test_settling_conserves_energy_and_no_curtailment_is_cheaper(
    net: float, pv: float, buy: float, sell: float, most_in: float, most_out: float
) -> None:
    net = max(net, -pv)  # without a battery the house cannot export more than its PV
    imports, exports, curtail = physics.settle(net, pv, buy, sell, most_in, most_out)
    assert imports - exports == pytest.approx(net + curtail, abs=1e-12)
    assert min(imports, exports) == 0.0
    assert 0.0 <= curtail <= pv
    penalty = 1000.0

    def cost(curtailed: float) -> float:
        grid = net + curtailed
        bought, sold = max(grid, 0.0), max(-grid, 0.0)
        over = max(bought - most_in, 0.0) + max(sold - most_out, 0.0)
        return physics.slot_cost(bought, sold, 0.0, buy, sell, 0.0) + penalty * over

    tried = min(cost(float(k)) for k in np.linspace(0.0, pv, 201))
    assert cost(curtail) <= tried + 1e-9


def test_what_cannot_be_curtailed_is_exported_whatever_it_costs() -> None:
    assert physics.settle(-3.0, 0.0, 1.0, -0.5, 11.0, 1.0) == (0.0, 3.0, 0.0)


def test_zero_export_price_curtails_nothing() -> None:
    assert physics.settle(-3.0, 3.0, 1.0, 0.0, 11.0, 10.0) == (0.0, 3.0, 0.0)


@pytest.mark.parametrize(
    ("charge", "price", "allowed", "want"),
    [
        pytest.param(0.0, -0.1, True, 2.0, id="the soft limit costs more than the price pays"),
        pytest.param(0.0, -1.0, True, 5.0, id="the price pays more than the soft limit costs"),
        pytest.param(1.0, -1.0, False, 0.0, id="charging, and not from the grid"),
        pytest.param(0.0, -1.0, False, 5.0, id="not charging"),
    ],
)
def test_negative_prices_are_worth_importing_up_to_a_limit(
    charge: float,
    price: float,
    allowed: bool,  # noqa: FBT001 - a case
    want: float,
) -> None:
    assert physics.paid_import_limit(charge, price, 2.0, 0.7, 5.0, allowed) == want


def test_slot_cost_is_bill_plus_wear() -> None:
    # 2 kWh bought at 1.5, 1 sold at 0.4, 3 discharged at 0.2 wear
    assert physics.slot_cost(2.0, 1.0, 3.0, 1.5, 0.4, 0.2) == pytest.approx(3.0 - 0.4 + 0.6)


def test_an_emptied_battery_is_empty_to_the_bit() -> None:
    """0.2375 - (0.2375 * 0.95) / 0.95 is -2.8e-17 in floating point."""
    site = make_site(make_battery(min_soc_kwh=0.0))
    limits = Limits(*slot_limits(site, np.ones(1))[0].tolist())
    slot, rules = Slot(1.0, 0.0, 1.0, 0.5), rules_of(site, 0.0)
    stored, moved, *_ = physics.slot_step(0.2375, -9.0, slot, limits, rules)
    assert stored == 0.0
    assert moved == pytest.approx(-0.2375 * 0.95)
