"""``python -m benchmarks.probe WHAT FOLDER``: time one thing in its own process, print seconds.

``plan`` and ``loop`` are first uses with compiled kernels kept in FOLDER: the import of numba and
the compilation, or loading what an earlier run kept, are part of it. ``batch`` is the median of
plans for 200 problems on as many cores as ``NUMBA_NUM_THREADS`` allows, once all is compiled.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import SITE, START_SOC_KWH, demo_horizon
from benchmarks.test_replay import DAY, _case
from mpc import Planner
from mpc.batch import batch_of, plan_batch
from mpc.jit import keep_compiled_in
from mpc.problem import make_problem
from sim.replay import Dispatch, Policy, replay

BATCH = 200
_ROUNDS = 21


def main(what: str, folder: Path) -> int:
    """Time it and print."""
    keep_compiled_in(folder)
    sys.stdout.write(f"{_PROBES[what]():.6f}\n")
    return 0


def first_plan() -> float:
    """Return the seconds of the first plan by the storage engine."""
    planner, horizon = Planner(SITE, engine="storage"), demo_horizon()
    return _seconds(lambda: planner.plan(horizon, START_SOC_KWH))


def first_loop() -> float:
    """Return the seconds of the first replayed day."""
    window, known = _case(DAY)
    return _seconds(lambda: replay(window, Policy.STORAGE, known, Dispatch.VALUE))


def batch() -> float:
    """Return the median seconds of a batch."""
    problems = [make_problem(SITE, demo_horizon(k), START_SOC_KWH) for k in range(BATCH)]
    all_of_them = batch_of(problems)
    plan_batch(all_of_them)
    return statistics.median(_seconds(lambda: plan_batch(all_of_them)) for _ in range(_ROUNDS))


def _seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


_PROBES = {"plan": first_plan, "loop": first_loop, "batch": batch}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2])))
