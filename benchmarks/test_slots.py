"""The slot kernel: a million slots of self-use, of wishes, and of the same code without numba."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import SITE, START_SOC_KWH, demo_horizon
from mpc.arrays import F64
from mpc.jit import compiled
from mpc.rules import rules_of, slot_limits
from sim.dispatch import HOLD, SELF_USE
from sim.slots import COLUMNS, run_policy, run_wishes

SLOTS = 1_000_000
FEW = 2_000
RULES = rules_of(SITE, 300.0)


def _inputs(slots: int) -> tuple[F64, F64, F64]:
    """Two days of the demo home over and over: series (T, 4), limits (T, 9), rows (T, 9)."""
    horizon = demo_horizon()
    columns = (horizon.load_kwh, horizon.pv_kwh, horizon.import_price, horizon.export_price)
    days = np.stack([np.asarray(values, dtype=np.float64) for values in columns], axis=1)
    series = np.resize(days, (slots, days.shape[1]))
    return series, slot_limits(SITE, np.full(slots, 0.25)), np.empty((slots, len(COLUMNS)))


@pytest.mark.parametrize("code", [SELF_USE, HOLD], ids=["self_use", "hold"])
def test_policy(benchmark: BenchmarkFixture, code: int) -> None:
    series, table, out = _inputs(SLOTS)
    kernel = compiled(run_policy)
    kernel(code, START_SOC_KWH, series[:1], table, RULES, out)
    end = benchmark(lambda: kernel(code, START_SOC_KWH, series, table, RULES, out))
    benchmark.extra_info["slots"] = SLOTS
    assert end == out[-1, COLUMNS.index("soc_kwh")]


def test_wishes(benchmark: BenchmarkFixture) -> None:
    series, table, out = _inputs(SLOTS)
    wish = np.random.default_rng(0).uniform(-1.5, 1.5, SLOTS)
    kernel = compiled(run_wishes)
    kernel(START_SOC_KWH, wish[:1], series, table, RULES, out)
    end = benchmark(lambda: kernel(START_SOC_KWH, wish, series, table, RULES, out))
    benchmark.extra_info["slots"] = SLOTS
    assert end == out[-1, COLUMNS.index("soc_kwh")]


def test_policy_plain_python(benchmark: BenchmarkFixture) -> None:
    """The same functions as they stand: what compiling is worth."""
    series, table, out = _inputs(FEW)
    benchmark(lambda: run_policy(SELF_USE, START_SOC_KWH, series, table, RULES, out))
    benchmark.extra_info["slots"] = FEW
