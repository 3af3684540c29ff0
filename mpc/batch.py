"""Many homes and scenarios planned at once by the storage engine, on all cores.

B problems of the same number of slots T; a scenario of a home is a problem of its own. Every turn
of the loop is independent, with its own scratch: the answers are equal to the bit to those of
``storage.plan_storage``, one by one and in any order. A problem that the engine refuses gets a
reason and NaN; the others are planned. After a batch a process must not be forked into one that
plans batches too, which OpenMP ends: start pools with "spawn" or "forkserver".
Units: kWh per slot at the AC bus, kWh stored, currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64
from mpc.curves import cost_at
from mpc.errors import HorizonError
from mpc.jit import compiled, prange
from mpc.problem import Problem
from mpc.program import FLOWS, all_values, curve_of, follow, make_work
from mpc.rules import Rules
from mpc.storage import limits_of, series_of, terminal_of

__all__ = ["START_OUTSIDE", "Batch", "BatchPlans", "batch_of", "plan_batch"]

START_OUTSIDE = -1
"""Reason beside those of ``pieces``: the start lies outside the battery's window."""
_LOCK = Lock()


class Batch(NamedTuple):
    """B problems in arrays, as the kernel reads them.

    Attributes:
        series: (B, T, 4) columns as in ``rules.Slot``.
        limits: (B, T, 9) columns as in ``rules.Limits``, bounds that can be kept.
        rules: (B, 10) columns as in ``rules.Rules``; 1 is true.
        terminal_slope: (B, K) minus the marginal price of what is left, ascending.
        terminal_length: (B, K) kWh, 0 behind the last piece of a shorter curve.
        soc_start_kwh: (B,) stored energy at the start, NaN to refuse.
    """

    series: F64
    limits: F64
    rules: F64
    terminal_slope: F64
    terminal_length: F64
    soc_start_kwh: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchPlans:
    """What ``plan_batch`` found.

    Attributes:
        objective: (B,) cost of the best plan as in ``Plan.objective``; NaN where refused.
        flows: (B, T, FLOWS) plans, columns as named in ``program``; (B, 0, FLOWS) if not wanted.
        slot: (B,) first slot that was refused, -1 where none was.
        reason: (B,) 0, or why: a defect of ``pieces``, or START_OUTSIDE.
    """

    objective: F64
    flows: F64
    slot: NDArray[np.int64]
    reason: NDArray[np.int64]


def batch_of(problems: Sequence[Problem]) -> Batch:
    """Bring problems of the same number of slots into one batch.

    Raises:
        HorizonError: where there is none, or their numbers of slots differ.
    """
    lengths = {problem.load.size for problem in problems}
    if len(lengths) != 1:
        raise HorizonError("problems", f"of {sorted(lengths)} slots", "one number of slots")
    ends = [terminal_of(problem) for problem in problems]
    width = max(slope.size for slope, _ in ends)
    slopes = [np.pad(slope, (0, width - slope.size), mode="edge") for slope, _ in ends]
    return Batch(
        np.stack([series_of(problem) for problem in problems]),
        np.stack([limits_of(problem) for problem in problems]),
        np.array([problem.rules for problem in problems], dtype=np.float64),
        np.stack(slopes),
        np.stack([np.pad(length, (0, width - length.size)) for _, length in ends]),
        np.array([p.soc_start_kwh if p.start_side == 0 else np.nan for p in problems]),
    )


def plan_batch(batch: Batch, *, flows: bool = True) -> BatchPlans:
    """Plan every problem of a batch.

    Args:
        batch: from ``batch_of``, or made in arrays.
        flows: return the plans too, not only what they cost.

    Raises:
        KernelError: where numba is not installed.
    """
    count, slots = batch.series.shape[:2]
    plans = np.full((count, slots if flows else 0, FLOWS), np.nan)
    cost, refused = np.full(count, np.nan), np.zeros((count, 2), np.int64)
    with _LOCK:  # one batch takes all cores; numba's own thread pool may not be entered twice
        compiled(plan_all)(batch, cost, refused, plans)
    return BatchPlans(objective=cost, flows=plans, slot=refused[:, 0], reason=refused[:, 1])


def plan_all(batch: Batch, cost: F64, refused: NDArray[np.int64], plans: F64) -> None:
    """Plan every problem; a kernel on all cores.

    Args:
        batch: B problems.
        cost: (B,) out: objective, left as it is where refused.
        refused: (B, 2) out: slot and reason.
        plans: (B, T or 0, FLOWS) out.
    """
    series, limits, rules, terminal_slope, terminal_length, start = batch
    for b in prange(series.shape[0]):
        slot, reason = plan_one(
            series[b],
            limits[b],
            rules_at(rules, b),
            terminal_slope[b],
            terminal_length[b],
            start[b],
            cost[b : b + 1],
            plans[b],
        )
        refused[b, 0], refused[b, 1] = slot, reason


def plan_one(
    series: F64,
    limits: F64,
    rules: Rules,
    terminal_slope: F64,
    terminal_length: F64,
    stored_kwh: float,
    cost: F64,
    plan: F64,
) -> tuple[int, int]:
    """Plan one problem of a batch and return (slot, reason) of its refusal; a kernel."""
    if np.isnan(stored_kwh):
        return 0, START_OUTSIDE
    work = make_work(series.shape[0], terminal_slope.size)
    values, slot, reason = all_values(series, limits, rules, terminal_slope, terminal_length, work)
    if reason != 0:
        return slot, reason
    cost[0] = cost_at(curve_of(values, 0), values.slope, values.length, stored_kwh)
    if plan.shape[0] > 0:
        follow(series, limits, rules, values, stored_kwh, work, plan)
    return -1, 0


def rules_at(table: F64, row: int) -> Rules:
    """Return one row of a (B, 10) table of rules; a kernel."""
    return Rules(
        table[row, 0],
        table[row, 1],
        table[row, 2],
        table[row, 3],
        table[row, 4],
        table[row, 5],
        table[row, 6],
        table[row, 7] != 0.0,
        table[row, 8] != 0.0,
        table[row, 9] != 0.0,
    )
