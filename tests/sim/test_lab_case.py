"""What can be asked of the Lab, how changes add up, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc import Tariff
from sim.errors import ScenarioError
from sim.lab_case import Relaxed, TimedBlock, WhatIf

NOON = datetime(2025, 6, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def block(first: float = 0.0, hours: float = 1.0, **changes: Any) -> TimedBlock:
    start = NOON + first * HOUR
    given: dict[str, Any] = {"kind": "hold", "start": start, "end": start + hours * HOUR}
    return TimedBlock(**(given | changes))


def test_changes_of_prices_follow_one_another() -> None:
    both = WhatIf(price_scale=2.0, price_shift_per_kwh=0.1) & WhatIf(
        price_scale=3.0, price_shift_per_kwh=-0.2
    )
    assert both.price_scale == 2.0 * 3.0
    assert both.price_shift_per_kwh == pytest.approx(0.1 * 3.0 - 0.2)


@given(*[st.floats(0.0, 4.0) for _ in range(7)])
def test_composed_prices_are_those_of_one_change_after_the_other(
    price: float, s1: float, h1: float, s2: float, h2: float, load: float, pv: float
) -> None:
    one = WhatIf(price_scale=s1, price_shift_per_kwh=h1, load_scale=load, pv_scale=pv)
    two = WhatIf(price_scale=s2, price_shift_per_kwh=h2, load_scale=pv)
    both = one & two
    after = s2 * (s1 * price + h1) + h2
    assert both.price_scale * price + both.price_shift_per_kwh == pytest.approx(after, abs=1e-12)
    assert (both.load_scale, both.pv_scale) == (load * pv, pv)


def test_what_is_given_once_is_kept_and_twice_refused() -> None:
    both = WhatIf(battery_kwh=20.0) & WhatIf(export_kwh=4.0, at_any_cost=True)
    assert (both.battery_kwh, both.export_kwh, both.at_any_cost) == (20.0, 4.0, True)
    assert (WhatIf(battery_kwh=20.0) & WhatIf(battery_kwh=20.0)).battery_kwh == 20.0
    with pytest.raises(ScenarioError, match=r"battery_kwh is given twice: 20\.0 and 10\.0"):
        WhatIf(battery_kwh=20.0) & WhatIf(battery_kwh=10.0)


def test_blocks_are_put_in_order() -> None:
    both = WhatIf(blocks=(block(2.0),)) & WhatIf(blocks=(block(0.0),))
    assert [one.start for one in both.blocks] == [NOON, NOON + 2 * HOUR]


def test_overlapping_blocks_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"blocks is hold 12:00 to 14:00 and hold 13:00"):
        WhatIf(blocks=(block(0.0, 2.0), block(1.0)))
    WhatIf(blocks=(block(0.0), block(1.0)))  # one after the other


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"export_kwh": -1.0}, "export_kwh is -1"),
        ({"export_kwh": float("nan")}, "export_kwh is nan"),
        ({"load_scale": -0.5}, "load_scale is -0.5"),
        ({"price_shift_per_kwh": float("inf")}, "price_shift_per_kwh is inf"),
        ({"relaxed": Relaxed(wear_cost_per_kwh=0.0)}, "export_kwh along with it"),
        ({"at_any_cost": True}, "export_kwh along with it"),
        (
            {"export_kwh": 1.0, "at_any_cost": True, "relaxed": Relaxed(wear_cost_per_kwh=0.0)},
            "one of the two",
        ),
    ],
)
def test_what_no_home_has_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ScenarioError, match=match):
        WhatIf(**changes)


@pytest.mark.parametrize("name", ["wear_cost_per_kwh", "export_margin_per_kwh"])
def test_economics_below_zero_are_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match=rf"relaxed\.{name} is -0\.1, want 0 or more"):
        Relaxed(**{name: -0.1})


def test_relaxing_nothing_is_refused() -> None:
    with pytest.raises(ScenarioError, match="without a bound"):
        Relaxed()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"kind": "sell"}, "one of charge, export, hold"),
        ({"start": datetime(2025, 6, 12, 12)}, "an aware quarter-hour"),  # noqa: DTZ001
        ({"end": NOON + timedelta(minutes=50)}, "an aware quarter-hour"),
        ({"end": NOON}, "an end after its start"),
        ({"target_soc_kwh": 5.0}, "none for hold"),
    ],
)
def test_a_block_that_is_none_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ScenarioError, match=match):
        block(**changes)


def test_world_wishes_conditions_and_choices() -> None:
    tariff = Tariff(tax_credit=0.6)
    case = WhatIf(
        export_kwh=4.0,
        relaxed=Relaxed(wear_cost_per_kwh=0.0),
        blocks=(block(),),
        battery_kwh=20.0,
        tariff=tariff,
        load_scale=2.0,
    )
    assert case.has_wishes
    assert case.world == WhatIf(battery_kwh=20.0, tariff=tariff, load_scale=2.0)
    assert not case.world.has_wishes
    assert case.conditions == WhatIf(tariff=tariff, load_scale=2.0)
    assert (case.conditions & case.choices) == case


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (WhatIf(), "as it is"),
        (WhatIf(export_kwh=4.0, at_any_cost=True), "export 4 kWh more, at any cost"),
        (WhatIf(export_kwh=0.0, battery_kwh=0.0), "export 0 kWh more, battery 0 kWh"),
        (WhatIf(battery_kwh=20.0, battery_kw=8.0), "battery 20 kWh, battery 8 kW"),
        (WhatIf(battery_export=False, tariff=Tariff()), "no battery export, other tariff"),
        (WhatIf(price_scale=2.0, price_shift_per_kwh=-0.1), "spot x 2, spot -0.1"),
        (WhatIf(load_scale=1.1, pv_scale=0.5), "load x 1.1, PV x 0.5"),
        (
            WhatIf(blocks=(block(kind="charge", target_soc_kwh=8.0),)),
            "charge 12:00 to 13:00 to 8 kWh",
        ),
    ],
)
def test_a_case_tells_what_it_changes(case: WhatIf, told: str) -> None:
    assert str(case) == told
