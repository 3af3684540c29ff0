"""Small homes, windows and forecasts for the tests of replay, oracle and regret."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from mpc import Site, Tariff, TerminalCurve
from mpc.arrays import F64
from sim.asof import KnownForecasts
from sim.history import Realised
from sim.planning import HomeModel
from sim.window import DAY_AFTER_SLOTS, ReplayWindow, replay_window
from telemetry.home import Home
from tests.mpc.instances import make_site, prices, sites

START = datetime(2025, 6, 1, 22, tzinfo=UTC)
"""Midnight in Stockholm."""
ZONE = "Europe/Stockholm"


@dataclass(frozen=True, kw_only=True)
class ArrayForecasts:
    """Forecasts given as (N, A) arrays."""

    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    name: str = "arrays"
    start: datetime = START

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return some rows."""
        rows = slice(first, first + count)
        return KnownForecasts(
            load_kwh=self.load_kwh[rows],
            pv_kwh=self.pv_kwh[rows],
            import_price=self.import_price[rows],
            export_price=self.export_price[rows],
        )

    def changed(self, change: Callable[[F64], F64]) -> "ArrayForecasts":
        """The same with every array passed through ``change``."""
        return replace(
            self,
            load_kwh=change(self.load_kwh),
            pv_kwh=change(self.pv_kwh),
            import_price=change(self.import_price),
            export_price=change(self.export_price),
        )


def make_home(site: Site | None = None, *, horizon_hours: int = 48) -> HomeModel:
    """A home in Skane."""
    home = Home(home_id="h", name="h", zone=ZONE, area="SE4", currency="SEK")
    return HomeModel(
        home=home,
        site=site or make_site(),
        tariff=Tariff(zone=ZONE),
        price_area="SE4",
        exchange_rates={},
        horizon_hours=horizon_hours,
    )


def make_realised(
    slots: int,
    load_kwh: Any,
    pv_kwh: Any,
    import_price: Any,
    export_price: Any,
    *,
    start: datetime = START,
) -> Realised:
    """What happened: numbers stand for every slot, arrays (M,) reach beyond the window."""
    series = np.broadcast_arrays(load_kwh, pv_kwh, import_price, export_price)
    load, pv, buy, sell = (np.array(np.atleast_1d(s), dtype=np.float64) for s in series)
    return Realised(
        home_id="h",
        start=start,
        slots=slots,
        load_kwh=load,
        pv_kwh=pv,
        import_price=buy,
        export_price=sell,
        spot=sell,
    )


def random_days(
    slots: int, seed: int = 0, start: datetime = START, site: Site | None = None
) -> tuple[ReplayWindow, ArrayForecasts]:
    """A window of a home with sun, evenings and a price curve, and forecasts that are wrong."""
    rng = np.random.default_rng(seed)
    many = slots + 192 + 2 * DAY_AFTER_SLOTS
    hour = np.arange(many) / 4.0 % 24.0
    load = 0.1 + 0.2 * rng.random(many) + 0.4 * ((hour > 17.0) & (hour < 22.0))
    pv = np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0) * rng.random(many) * 1.5
    spot = np.round(
        0.5 - 0.3 * np.cos(hour / 12.0 * np.pi) + 0.3 * rng.random(many // 4 + 1).repeat(4)[:many],
        2,
    )
    buy, sell = 1.25 * (spot + 0.68), spot
    real = make_realised(
        slots, *(v[: slots + DAY_AFTER_SLOTS] for v in (load, pv, buy, sell)), start=start
    )
    window = replay_window(make_home(site), real, soc_start_kwh=5.0)
    ahead = np.arange(slots)[:, None] + np.arange(192 + DAY_AFTER_SLOTS)
    load_error, pv_error = rng.uniform(0.5, 1.5, ahead.shape), rng.uniform(0.3, 1.7, ahead.shape)
    known = ArrayForecasts(
        load_kwh=load[ahead] * load_error,
        pv_kwh=pv[ahead] * pv_error,
        import_price=buy[ahead],
        export_price=sell[ahead],
        start=start,
    )
    return window, known


class LoopCase(NamedTuple):
    """A window and what was known in it, told briefly: Hypothesis refuses long representations."""

    window: ReplayWindow
    known: ArrayForecasts

    def __repr__(self) -> str:
        window = self.window
        return f"{window.site}, from {window.soc_start_kwh} kWh, {window.actual.tolist()}"


@st.composite
def loops(draw: st.DrawFn) -> LoopCase:
    """Random homes, an hour or two of random slots, and forecasts that have nothing to do with it.

    Prices have ties and zeros, export never pays more than import, and PV that cannot be curtailed
    meets no export limit (else burning it pays): the engine plans every slot.
    """
    site, slots = draw(sites()), draw(st.integers(1, 8))
    if not site.pv_curtailable:
        site = replace(site, grid=replace(site.grid, max_export_kw=np.inf))
    hours = draw(st.integers(1, 2))
    levels = draw(st.lists(prices(0.0, 3.0), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    energies = np.array([0.0, 0.25, 0.5, 1.0, 2.0])

    def energy(shape: tuple[int, ...]) -> F64:
        return np.asarray(rng.choice(energies, shape) * rng.choice([1.0, 0.37], shape))

    def price(shape: tuple[int, ...]) -> tuple[F64, F64]:
        buy, sell = rng.choice(levels, shape), rng.choice(levels, shape)
        return buy, np.minimum(buy, sell)

    real = make_realised(slots, energy((slots,)), energy((slots,)), *price((slots,)))
    battery = site.battery
    low, high = (
        float(np.min(battery.min_soc_kwh)),
        float(np.max(np.asarray(battery.max_soc_kwh, dtype=float))),
    )
    start = low + draw(st.sampled_from([0.0, 0.3, 1.0])) * (high - low)
    # No price is above 3: with it the price of a broken limit (Q4) is the same in every plan.
    terminal = TerminalCurve.of([(0.0, 3.0), (0.01, 1.0), (4.0, 0.4)])
    window = replay_window(
        make_home(site, horizon_hours=hours), real, soc_start_kwh=start, terminal=terminal
    )
    shape = (slots, window.slots_ahead)
    buy, sell = price(shape)
    buy[:, 0], sell[:, 0] = real.import_price, real.export_price  # the slot's own price is known
    known = ArrayForecasts(
        load_kwh=energy(shape), pv_kwh=energy(shape), import_price=buy, export_price=sell
    )
    return LoopCase(window, known)
