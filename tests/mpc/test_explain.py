"""Sentences that are true: each case is one that a simpler text would get wrong."""

import re

import pytest
from hypothesis import given

from mpc import Grid, Horizon, Planner, Site
from tests.mpc.instances import floats, horizons, make_battery, make_horizon, make_site, sites


def sentence(site: Site, horizon: Horizon, soc: float) -> str:
    """What the first slot says, behind its time."""
    return Planner(site).plan(horizon, soc).explain()[0][15:]


def test_curtailment_names_its_reason() -> None:
    site = make_site(grid=Grid(max_import_kw=11.0, max_export_kw=1.0))
    limit = sentence(site, make_horizon([1.0], 0.5, 0.0, 3.0), 10.0)
    assert "the battery is full; curtail 2.000 kWh of PV: no more may be exported." in limit
    negative = sentence(make_site(), make_horizon([1.0], -0.5, 0.0, 3.0), 10.0)
    assert "curtail 3.000 kWh of PV: exporting would cost 0.500." in negative
    paid = sentence(make_site(), make_horizon([-1.0], 0.2, 1.0, 3.0), 10.0)
    assert "curtail 3.000 kWh of PV: importing pays 1.000." in paid


def test_charge_tells_pv_and_grid_apart() -> None:
    """5 kWh charged, 4 of them PV: only the last one comes from the grid."""
    text = sentence(make_site(), make_horizon([0.3, 3.0], 0.1, [0.0, 5.0], [4.0, 0.0]), 1.0)
    assert "charge 5.000 kWh (4.000 of it PV), 1.000 from the grid at 0.300" in text


def test_discharge_tells_house_and_grid_apart() -> None:
    text = sentence(make_site(), make_horizon([3.0], 2.0, 4.0), 10.0)
    assert "discharge 5.000 kWh (4.000 of it to the house), 1.000 to the grid at 2.0" in text


def test_what_a_limit_decides_is_not_explained_by_prices() -> None:
    """At 0.1 discharging loses money; the soft limit of 2 kW at 5.0 makes it right."""
    site = make_site(planning_import_kw=2.0, planning_import_price_per_kwh=5.0)
    text = sentence(site, make_horizon([0.1, 0.1], 0.0, [4.0, 0.0]), 6.0)
    assert "discharge 2.000 kWh" in text
    assert "a limit decides" in text


def test_an_empty_and_a_full_battery_are_called_so() -> None:
    assert "the battery is empty" in sentence(make_site(), make_horizon([2.0], 0.0, 1.0), 1.0)
    assert "the battery is full" in sentence(make_site(), make_horizon([2.0], 0.1, 0.0, 1.0), 10.0)


def test_a_battery_that_may_not_move_is_called_so() -> None:
    still = make_site(make_battery(max_discharge_kw=0.0, max_charge_kw=0.0))
    horizon = make_horizon([2.0], 0.1, 1.0)
    assert "the battery may not give more" in sentence(still, horizon, 5.0)


@pytest.mark.parametrize("text", ["brings", "costs"])
@given(site=sites(), horizon=horizons(low=-2.0), share=floats(0.0, 1.0))
def test_comparisons_always_speak_for_what_is_done(
    text: str, site: Site, horizon: Horizon, share: float
) -> None:
    """Whatever the sentence compares, the plan does the better of the two."""
    plan = Planner(site).plan(horizon, share * site.battery.capacity_kwh)
    for line in plan.explain():
        if text == "brings" and (found := re.search(r"brings (\S+) now and (\S+) later", line)):
            assert float(found[1]) >= float(found[2]) - 0.0021
        if text == "costs" and (found := re.search(r"costs (\S+) and is worth (\S+) a", line)):
            assert float(found[1]) <= float(found[2]) + 0.0021
