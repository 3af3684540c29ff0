"""Random houses and horizons for property tests, and small hand-made ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from mpc import Battery, Grid, Horizon, Plan, Site

Values = Sequence[float] | NDArray[np.float64]
START = datetime(2025, 8, 1, tzinfo=UTC)


def make_battery(**changes: Any) -> Battery:
    """A 10 kWh battery, 10 to 100 %, 5 kW, 0.95 each way, wear 0.2."""
    facts: dict[str, Any] = {
        "capacity_kwh": 10.0,
        "min_soc_kwh": 1.0,
        "max_soc_kwh": 10.0,
        "max_charge_kw": 5.0,
        "max_discharge_kw": 5.0,
        "charge_efficiency": 0.95,
        "discharge_efficiency": 0.95,
        "wear_cost_per_kwh": 0.2,
    }
    return Battery(**(facts | changes))


def make_site(battery: Battery | None = None, grid: Grid | None = None, **options: Any) -> Site:
    """The battery above behind a fuse of 11 kW in and 10 kW out."""
    return Site(
        battery=battery or make_battery(),
        grid=grid or Grid(max_import_kw=11.0, max_export_kw=10.0),
        **options,
    )


def make_horizon(
    import_price: Values,
    export_price: Values | float = 0.0,
    load_kwh: Values | float = 0.0,
    pv_kwh: Values | float = 0.0,
    **changes: Any,
) -> Horizon:
    """A horizon of hours, terminal value 0; a number stands for the same value in every slot."""
    spread = {"export_price": export_price, "load_kwh": load_kwh, "pv_kwh": pv_kwh}
    facts: dict[str, Any] = {
        "start": START,
        "slot_minutes": 60,
        "import_price": import_price,
        **{k: [v] * len(import_price) if isinstance(v, float) else v for k, v in spread.items()},
        "terminal_value": 0.0,
    }
    return Horizon(**(facts | changes))


ROUND = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])
"""Round numbers make ties, which floats alone never hit."""


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats without subnormal noise: kWh and money have no 300 decimals."""
    return st.floats(low, high).map(lambda x: round(x, 4))


def prices(low: float, high: float) -> st.SearchStrategy[float]:
    """Prices with many ties and zeros."""
    return st.one_of(ROUND, floats(low, high)).map(lambda x: max(min(x, high), low))


@st.composite
def horizons(draw: st.DrawFn, *, low: float = -1.0, sane: bool = False, most: int = 12) -> Horizon:
    """Horizons of up to ``most`` slots; ``sane`` keeps export below import and above nothing."""
    slots = draw(st.integers(1, most))

    def lists(element: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
        return st.lists(element, min_size=slots, max_size=slots)

    buy = np.array(draw(lists(prices(0.0 if sane else low, 3.0))))
    sell = np.array(draw(lists(prices(low, 3.0))))
    if sane:
        sell = np.clip(sell, 0.0, buy)
    minutes = draw(st.one_of(st.just([15.0] * slots), lists(st.sampled_from([5.0, 15.0, 60.0]))))
    curve = draw(
        st.one_of(
            st.just(0.0),
            floats(0.0, 2.0),
            st.tuples(floats(0.0, 3.0), floats(0.0, 1.0)).map(
                lambda p: [(0.0, max(p)), (4.0, min(p))]
            ),
        )
    )
    return Horizon(
        start=START,
        slot_minutes=minutes,
        import_price=buy,
        export_price=sell,
        load_kwh=draw(lists(st.one_of(ROUND, floats(0.0, 4.0)))),
        pv_kwh=draw(lists(st.one_of(ROUND, floats(0.0, 4.0)))),
        terminal_value=curve,
    )


@st.composite
def sites(draw: st.DrawFn, *, options: bool = True) -> Site:
    """Houses with small and large batteries, tight fuses and every option."""
    capacity = draw(st.sampled_from([0.0, 1.0, 5.0, 10.0]))
    low, high = sorted(
        (capacity * draw(st.sampled_from([0.0, 0.1, 0.5])), capacity * draw(floats(0.5, 1.0)))
    )
    efficiency = st.sampled_from([1.0, 0.95, 0.9, 0.5])
    battery = make_battery(
        capacity_kwh=capacity,
        min_soc_kwh=low,
        max_soc_kwh=high,
        max_charge_kw=draw(st.sampled_from([0.0, 2.0, 5.0])),
        max_discharge_kw=draw(st.sampled_from([0.0, 2.0, 5.0])),
        charge_efficiency=draw(efficiency),
        discharge_efficiency=draw(efficiency),
        wear_cost_per_kwh=draw(st.sampled_from([0.0, 0.2])),
    )
    grid = Grid(
        max_import_kw=draw(st.sampled_from([0.0, 1.0, 4.0, 11.0])),
        max_export_kw=draw(st.sampled_from([0.0, 1.0, 10.0])),
    )
    if not options:
        return make_site(battery, grid)
    soft = draw(st.sampled_from([None, 2.0]))
    reserve = draw(st.sampled_from([0.0, 0.6])) * capacity
    return make_site(
        battery,
        grid,
        pv_curtailable=draw(st.booleans()),
        allow_grid_charge=draw(st.booleans()),
        allow_battery_export=draw(st.booleans()),
        export_margin_per_kwh=draw(st.sampled_from([0.0, 0.1])),
        planning_import_kw=soft,
        planning_import_price_per_kwh=0.0 if soft is None else 0.7,
        reserve_soc_kwh=reserve,
        reserve_price_per_kwh=0.3 if reserve else 0.0,
        recovery_price_per_kwh=draw(st.sampled_from([0.0, 0.5])),
        fuse_headroom_kw=draw(st.sampled_from([0.0, 1.0])),
    )


def penalty_of(plan: Plan, site: Site) -> float:
    """The documented penalty (Q4), from what the plan itself says."""
    curve = [price for _, price in plan.terminal_curve]
    numbers = np.concatenate([plan.import_price, plan.export_price, curve])
    base = max(
        float(np.abs(numbers).max()),
        site.battery.wear_cost_per_kwh,
        site.planning_import_price_per_kwh,
        site.export_margin_per_kwh,
        site.reserve_price_per_kwh,
        site.recovery_price_per_kwh,
        0.1,
    )
    return max(100.0 * base, 2.0 * len(plan) * site.reserve_price_per_kwh)


def money_scale(plan: Plan) -> float:
    """1 + sum |price * energy|, penalties counted at the energy they price."""
    price = np.maximum(np.abs(plan.import_price), np.abs(plan.export_price))
    energy = plan.import_kwh + plan.export_kwh + plan.charge_kwh + plan.discharge_kwh
    return 1.0 + float(price @ energy) + abs(plan.penalty) + abs(plan.terminal)
