"""The Lab on the demo home: 10 days x 4 targets x normal and relaxed, and a day's closed loop.

A round begins with a new Lab: it reads the facts and makes the baselines, too.
"""

from datetime import date, timedelta
from functools import lru_cache

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sim.array_facts import ArrayFacts
from sim.demo_house import demo_facts, demo_model
from sim.lab import Lab, LabResult, Relaxed, View, WhatIf

DAYS = [date(2025, 1, 20) + timedelta(days=35) * k for k in range(10)]
TARGETS_KWH = (2.0, 4.0, 6.0, 10.0)
BOUNDS = (None, Relaxed(wear_cost_per_kwh=0.0))


@lru_cache(maxsize=1)
def facts() -> ArrayFacts:
    return demo_facts()


def run_all() -> list[LabResult]:
    lab = Lab.of(facts(), demo_model())
    return [
        lab.run(day, WhatIf(export_kwh=kwh, relaxed=bounds), soc_kwh=5.0)
        for day in DAYS
        for kwh in TARGETS_KWH
        for bounds in BOUNDS
    ]


def test_lab_targets(benchmark: BenchmarkFixture) -> None:
    facts()
    results = benchmark.pedantic(run_all, rounds=3, warmup_rounds=1)
    assert len(results) == 80
    benchmark.extra_info["plans"] = len(results)
    for result in results:
        assert result.target is not None
        assert result.target.reached == (result.target.limit == "")


@pytest.mark.parametrize("kwh", [None, 4.0], ids=["baseline", "export 4 kWh"])
def test_closed_loop(benchmark: BenchmarkFixture, kwh: float | None) -> None:
    """A day: without wishes by the storage engine, with them 96 plans of HiGHS."""

    def live() -> None:
        lab = Lab.of(facts(), demo_model())
        if kwh is None:
            lab.baseline(DAYS[5], replay=True, soc_kwh=5.0)
        else:
            lab.run(DAYS[5], WhatIf(export_kwh=kwh), View.REPLAY, soc_kwh=5.0)

    benchmark.pedantic(live, rounds=2, warmup_rounds=1)
