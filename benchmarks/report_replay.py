"""The lines of the storage engine and of replay in docs/benchmarks.md.

The demo home with battery A; what a line says is timed, nothing is scaled up. "In arrays" means
that every day's forecasts were made before the clock started.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.probe import BATCH
from benchmarks.report_line import Line
from runners.results_homes import ReferenceHome, demo_home, known_span
from sim.asof import BaselineForecasts
from sim.history import realised
from sim.planning import zone_of
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from telemetry.slots import local_day, zone_info
from telemetry.store import Store

__all__ = ["replay_lines"]

_MILLION = 1e6
_SLOTS_OF_YEAR = 364 * 96


def replay_lines(median: dict[str, float], folder: Path) -> list[Line]:
    """Return all lines.

    Args:
        median: seconds of the benchmarks by name.
        folder: to write into.
    """
    return [
        *_engine_lines(median),
        *_batch_lines(folder),
        *_kernel_lines(median),
        *_loop_lines(median),
        *_year_lines(folder),
        *_first_use_lines(folder),
    ]


def _engine_lines(median: dict[str, float]) -> list[Line]:
    """Return what plans of 192 slots take against cold plans by HiGHS."""
    cold, raw = median["plan_cold"], median["raw_highspy"]
    rows = (
        ("engine, 192 slots: value function of the first slot", "engine_replan", ">= 150 x"),
        ("engine: value functions of all slots", "engine_value_functions", ""),
        ("engine: Planner.plan, whole", "engine_plan", ""),
    )
    return [
        Line(
            what=what,
            measured=f"{_MILLION * median[name]:.0f} us",
            ratio=f"{cold / median[name]:.0f} x faster than cold HiGHS, "
            f"{raw / median[name]:.0f} x than raw highspy",
            target=target,
        )
        for what, name, target in rows
    ]


def _batch_lines(folder: Path) -> list[Line]:
    """Return what plans of many homes take on one core and on all."""
    cores = os.cpu_count() or 1
    alone, together = (_probe("batch", folder / "batch", threads=n) for n in (1, cores))
    return [
        Line(
            what=f"engine: {BATCH} plans in a batch, 1 core",
            measured=f"{1e3 * alone:.1f} ms",
            ratio=f"{_MILLION * alone / BATCH:.0f} us a plan",
        ),
        Line(
            what=f"the same, {cores} cores",
            measured=f"{1e3 * together:.1f} ms",
            ratio=f"{alone / together:.2f} x faster than 1 core",
        ),
    ]


def _kernel_lines(median: dict[str, float]) -> list[Line]:
    """Return the slot kernel."""
    rows = (
        ("slot kernel, self-consumption", "policy[self_use]", "at least 30 million/s"),
        ("slot kernel, given wishes", "wishes", ""),
    )
    return [
        Line(
            what=f"{what}, 1 million slots, 1 core",
            measured=f"{1e3 * median[name]:.1f} ms",
            ratio=f"{1.0 / median[name]:.0f} million/s",
            target=target,
        )
        for what, name, target in rows
    ]


def _loop_lines(median: dict[str, float]) -> list[Line]:
    """Return the closed loop of a year with forecasts in arrays, and the oracle."""
    loop = median["closed_loop_of_a_year_with_the_storage_engine"]
    return [
        Line(
            what="closed loop of 364 days, engine, value dispatch, forecasts in arrays",
            measured=f"{loop:.2f} s",
            ratio=f"{_MILLION * loop / _SLOTS_OF_YEAR:.0f} us a re-plan",
            target="at most 2 s",
        ),
        Line(what="oracle of 364 days", measured=f"{1e3 * median['oracle_of_a_year']:.0f} ms"),
    ]


def _year_lines(folder: Path) -> list[Line]:
    """Return closed loops on baseline forecasts out of a store, made while they are used."""
    with Store.open(folder / "year.sqlite", system_id="simulation") as store:
        home = demo_home(store)
        start, end = _year(store, home)
        window = replay_window(home.model, realised(store, home.model, start, end))

        def run(policy: Policy) -> float:
            def once() -> None:
                forecasts = BaselineForecasts(store, home.model, start, end)
                replay(window, policy, forecasts, Dispatch.VALUE)

            return _seconds(once)

        run(Policy.STORAGE)  # compiles
        engine, highs = run(Policy.STORAGE), run(Policy.PLAN)
    days, plans = (end - start) / timedelta(days=1), len(window)
    return [
        Line(
            what=f"closed loop of {days:.0f} days, engine, forecasts made from the store as well",
            measured=f"{engine:.2f} s",
            ratio=f"{_MILLION * engine / plans:.0f} us a re-plan",
        ),
        Line(
            what=f"the same with HiGHS re-plans, all {plans:,} of them",
            measured=f"{highs:.0f} s",
            ratio=f"{1e3 * highs / plans:.2f} ms a re-plan, {highs / engine:.0f} x engine",
            target="at most 90 s a year",
        ),
    ]


def _first_use_lines(folder: Path) -> list[Line]:
    """Return what the first use of a kernel takes, once compiled and for the first time."""
    lines = []
    for what, name in (("plan by the engine", "plan"), ("replayed day", "loop")):
        cold, warm = (_probe(name, folder / name) for _ in range(2))
        lines.append(
            Line(
                what=f"first {what} in a process: kernels compiled / loaded from the cache",
                measured=f"{cold:.1f} s / {warm:.2f} s",
                ratio=f"{cold / warm:.0f} x",
            )
        )
    return lines


def _year(store: Store, home: ReferenceHome) -> tuple[datetime, datetime]:
    """Return the local days that have a history before them and a day after them."""
    zone = zone_of(home.model)
    first, last = known_span(store, home.model.home)
    day = timedelta(days=1)
    start, end = (at.astimezone(zone_info(zone)).date() for at in (first, last))
    return local_day(start, zone)[0], local_day(end - day, zone)[1]


def _probe(what: str, folder: Path, threads: int | None = None) -> float:
    """Return what ``benchmarks.probe`` measures."""
    folder.mkdir(exist_ok=True)
    environment = dict(os.environ)
    if threads is not None:
        environment["NUMBA_NUM_THREADS"] = str(threads)
    command = [sys.executable, "-m", "benchmarks.probe", what, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def _seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
