"""Closed loop over the demo year: a plan of 48 h at every slot, value dispatch.

``extra_info["slots"]`` says how many slots a round replays; a year has 35,040. The forecasts stand
in arrays before the clock starts: load and PV of the day before, prices known a day ahead.
"""

from functools import lru_cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import EUR_TO_SEK, SITE, START_SOC_KWH, TARIFF
from mpc.arrays import F64
from sim.asof import Forecasts, KnownForecasts
from sim.demo import DEMO_HOME, make_demo_year
from sim.history import Realised
from sim.oracle import make_oracle
from sim.planning import HomeModel
from sim.replay import Dispatch, Policy, replay
from sim.window import DAY_AFTER_SLOTS, ReplayWindow, replay_window
from telemetry.slots import SLOT_MINUTES, from_epoch

DAY = 96
YEAR = 364 * DAY  # the last day of the year values the end
HOME = HomeModel(
    home=DEMO_HOME, site=SITE, tariff=TARIFF, price_area="DEMO", exchange_rates={"EUR": EUR_TO_SEK}
)


class DayBefore:
    """At slot n, slot n + k is expected as slot n - 96 + k % 96 was; prices are known for a day."""

    name = "day_before"

    def __init__(self, realised: Realised, ahead: int) -> None:
        self._ahead = np.arange(ahead)
        self._real = realised
        self.start = realised.start

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at some slots."""
        issues, real = np.arange(first, first + count)[:, None], self._real
        before = np.maximum(issues - DAY, 0) + self._ahead % DAY
        prices = np.where(self._ahead < DAY, issues + self._ahead, before)
        return KnownForecasts(
            load_kwh=real.load_kwh[before],
            pv_kwh=real.pv_kwh[before],
            import_price=real.import_price[prices],
            export_price=real.export_price[prices],
        )


class Held:
    """Forecasts that were made before: whole chunks of a day in arrays."""

    name = "held"

    def __init__(self, forecasts: Forecasts, slots: int) -> None:
        self._chunks = {
            first: forecasts.known(first, min(DAY, slots - first)) for first in range(0, slots, DAY)
        }
        self.start = forecasts.start

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return a chunk."""
        assert count <= DAY
        return self._chunks[first]


@lru_cache(maxsize=1)
def _series() -> tuple[F64, F64, F64, F64, F64]:
    """Load, PV, prices and spot of the demo year."""
    year = make_demo_year(seed=0)
    spot = year.spot_eur_per_kwh * EUR_TO_SEK
    start = from_epoch(int(year.slot_start[0]))
    return year.load_kwh, year.pv_kwh, *TARIFF.prices(start, SLOT_MINUTES, spot), spot


@lru_cache(maxsize=4)
def _case(slots: int) -> tuple[ReplayWindow, Held]:
    """The first slots of the demo year, and what was known at each."""
    load, pv, buy, sell, spot = (values[: slots + DAY_AFTER_SLOTS] for values in _series())
    real = Realised(
        home_id="demo",
        start=from_epoch(int(make_demo_year(seed=0).slot_start[0])),
        slots=slots,
        load_kwh=load,
        pv_kwh=pv,
        import_price=buy,
        export_price=sell,
        spot=spot,
    )
    window = replay_window(HOME, real, soc_start_kwh=START_SOC_KWH)
    return window, Held(DayBefore(real, window.slots_ahead), slots)


@pytest.mark.parametrize("dispatch", list(Dispatch))
def test_closed_loop_with_the_storage_engine(
    benchmark: BenchmarkFixture, dispatch: Dispatch
) -> None:
    window, known = _case(30 * DAY)
    replay(_case(DAY)[0], Policy.STORAGE, _case(DAY)[1], dispatch)  # compiled here
    result = benchmark(lambda: replay(window, Policy.STORAGE, known, dispatch))
    benchmark.extra_info["slots"] = len(window)
    assert np.isfinite(result.cost)


def test_closed_loop_of_a_year_with_the_storage_engine(benchmark: BenchmarkFixture) -> None:
    window, known = _case(YEAR)
    run = lambda: replay(window, Policy.STORAGE, known, Dispatch.VALUE)  # noqa: E731
    result = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["slots"] = len(window)
    assert np.isfinite(result.cost)


def test_closed_loop_with_highs(benchmark: BenchmarkFixture) -> None:
    window, known = _case(2 * DAY)
    run = lambda: replay(window, Policy.PLAN, known, Dispatch.VALUE)  # noqa: E731
    result = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["slots"] = len(window)
    assert np.isfinite(result.cost)


def test_oracle_of_a_year(benchmark: BenchmarkFixture) -> None:
    window, _ = _case(YEAR)
    oracle = benchmark.pedantic(lambda: make_oracle(window), rounds=3, warmup_rounds=1)
    benchmark.extra_info["slots"] = len(window)
    assert np.isfinite(oracle.cost)
