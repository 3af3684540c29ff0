"""Another world is read where the facts are read, and the home's own store stays as it is."""

from datetime import timedelta

import numpy as np
import pytest

from mpc import Tariff
from sim.errors import ScenarioError
from sim.lab_case import WhatIf
from sim.lab_world import changed_facts, changed_model
from sim.planning import HomeModel
from telemetry.slots import local_day
from tests.sim.lab_cases import DAY, HOME, ZONE, make_facts, same, site_of

START, END = local_day(DAY, ZONE)


def model(**changes: object) -> HomeModel:
    facts: dict[str, object] = {
        "home": HOME,
        "site": site_of(wear=0.2, min_soc_kwh=1.0, max_soc_kwh=9.0),
        "tariff": Tariff(zone=ZONE),
        "price_area": "SE4",
        "exchange_rates": {"EUR": 10.0},
    }
    return HomeModel(**(facts | changes))  # type: ignore[arg-type]


def test_load_pv_and_prices_are_changed_where_they_are_read() -> None:
    facts = make_facts(same(0.5), same(0.25))
    case = WhatIf(load_scale=2.0, pv_scale=0.5, price_scale=3.0, price_shift_per_kwh=0.2)
    other = changed_facts(facts, model(), case)
    seen = other.observations("h", ["load_kwh", "pv_kwh"], START, END)
    assert seen.of("load_kwh") == pytest.approx(np.full(96, 1.0))
    assert seen.of("pv_kwh") == pytest.approx(np.full(96, 0.125))
    spot = facts.prices("SE4", START, END).values
    assert other.prices("SE4", START, END).values == pytest.approx(3.0 * spot + 0.2)
    newest = other.latest("h", "load_kwh", as_of=END, not_before=START)
    assert newest is not None
    assert newest.value == pytest.approx(1.0)
    assert other.latest("h", "soc_end", as_of=END, not_before=START) is None
    assert other.coverage("h", "load_kwh") == facts.coverage("h", "load_kwh")
    assert other.price_currencies("SE4", START, END) == ("SEK",)
    assert other.day_quality("h", DAY, DAY) == facts.day_quality("h", DAY, DAY)
    assert other.weather_issues("h", START, END) == ()
    assert other.weather("h", START, END, as_of=END).variables == ()


def test_a_shift_is_in_the_homes_currency() -> None:
    """0.20 SEK are 0.02 EUR; where nobody knows the rate, no plan uses the price either."""
    facts = make_facts()
    facts._currency = "EUR"
    case = WhatIf(price_shift_per_kwh=0.2)
    spot = facts.prices("SE4", START, END).values
    known = changed_facts(facts, model(), case).prices("SE4", START, END)
    assert known.values == pytest.approx(spot + 0.02)
    unknown = changed_facts(facts, model(exchange_rates={}), case).prices("SE4", START, END)
    assert unknown.values == pytest.approx(spot)
    outside = END + timedelta(days=30)
    assert np.isnan(
        changed_facts(facts, model(), case).prices("SE4", outside, outside + (END - START)).values
    ).all()


def test_without_a_change_they_are_the_same() -> None:
    facts, home = make_facts(), model()
    assert changed_facts(facts, home, WhatIf(battery_kwh=5.0)) is facts
    same = changed_model(home, WhatIf(load_scale=2.0))
    assert same.site is home.site
    assert same.tariff is home.tariff


def test_a_larger_battery_keeps_the_share_of_its_window() -> None:
    battery = changed_model(model(), WhatIf(battery_kwh=20.0)).site.battery
    assert (battery.capacity_kwh, battery.min_soc_kwh, battery.max_soc_kwh) == (20.0, 2.0, 18.0)
    assert (battery.max_charge_kw, battery.wear_cost_per_kwh) == (5.0, 0.2)
    none = changed_model(model(), WhatIf(battery_kwh=0.0)).site.battery
    assert (none.capacity_kwh, none.min_soc_kwh, none.max_soc_kwh) == (0.0, 0.0, 0.0)


def test_power_tariff_and_export() -> None:
    tariff = Tariff(zone=ZONE, tax_credit=0.6)
    other = changed_model(model(), WhatIf(battery_kw=8.0, battery_export=False, tariff=tariff))
    assert other.site.battery.max_charge_kw == other.site.battery.max_discharge_kw == 8.0
    assert not other.site.allow_battery_export
    assert other.tariff is tariff


def test_limits_by_slot_are_scaled_too() -> None:
    site = site_of(min_soc_kwh=np.array([1.0, 2.0]), max_soc_kwh=np.array([9.0, 10.0]))
    battery = changed_model(model(site=site), WhatIf(battery_kwh=5.0)).site.battery
    assert np.asarray(battery.min_soc_kwh).tolist() == [0.5, 1.0]
    assert np.asarray(battery.max_soc_kwh, dtype=float).tolist() == [4.5, 5.0]


def test_a_first_battery_needs_its_power() -> None:
    bare = model(site=site_of(capacity_kwh=0.0, max_charge_kw=0.0, max_discharge_kw=0.0))
    with pytest.raises(ScenarioError, match="a power in kW along with it"):
        changed_model(bare, WhatIf(battery_kwh=10.0))
    battery = changed_model(bare, WhatIf(battery_kwh=10.0, battery_kw=5.0)).site.battery
    assert (battery.capacity_kwh, battery.max_soc_kwh, battery.max_charge_kw) == (10.0, 10.0, 5.0)
