"""Regret: what each slot, each day and each error cost against the oracle.

With the oracle's value function V (``sim.oracle``) and cost[t] = bill + wear + penalty of slot t,

    regret[t] = cost[t] + V[t+1](s[t+1]) - V[t](s[t])  >= 0                              (K2)
    sum of regret = cost of the replay - cost of the oracle                              (K3)

The ledger splits it by running the loop again, each time with one thing more made ideal:

    dispatch  = R(as asked)             - R(value dispatch)
    load      = R(value dispatch)       - R(... and the actual load)
    pv        = R(... and actual load)  - R(... and the actual PV)
    remainder = R(... and actual PV): the price horizon and the value of the plans' ends  (K4)

each as sums by local day. Parts may be negative: errors can cancel. ``shapley`` averages a part
over the orders of the three (L. S. Shapley, A value for n-person games, 1953): eight runs, not
four.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import permutations

import numpy as np

from sim.asof import Forecasts, with_actual
from sim.errors import ModelError
from sim.oracle import Oracle
from sim.replay import Dispatch, Policy, Replay, day_sums, replay
from sim.window import ReplayWindow
from telemetry.arrays import F64

__all__ = ["FACTORS", "Ledger", "ledger", "regret"]

FACTORS = ("dispatch", "load", "pv")
"""What the ledger makes ideal, in the order in which it is printed."""
_TOLERANCE = 1e-6

_Ideal = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """Regret by local day and by cause; arrays are (D,), money.

    Attributes:
        days: the local dates.
        total: regret of the replay as it was asked for: the sum of the four parts.
        dispatch: what dispatching on the value of energy would have saved.
        load: what knowing the load would have saved then.
        pv: what knowing the PV would have saved then.
        remainder: the price horizon and the value of the plans' ends.
        orders: over how many orders of the causes the parts are averaged: 1, or 6.
    """

    days: tuple[date, ...]
    total: F64
    dispatch: F64
    load: F64
    pv: F64
    remainder: F64
    orders: int


def regret(result: Replay, oracle: Oracle) -> F64:
    """Return the (N,) regret of every slot (K2), rounding included.

    Args:
        result: a replay of the oracle's window.
        oracle: the optimum of that window.

    Raises:
        ModelError: where a replay beats the optimum by more than rounding: one of the two is wrong.
    """
    after = oracle.future_costs(result.soc_kwh)
    before = np.concatenate(([oracle.least_cost], after[:-1]))
    slots: F64 = result.slot_cost + after - before
    allowed = _TOLERANCE * oracle.window.problem.money_scale
    if slots.sum() < -allowed:
        raise ModelError(
            result.home_id,
            f"policy {result.policy} costs {-slots.sum():.6g} less than the optimum, want at most "
            f"{allowed:.3g} by rounding",
            f"the worst slot is {int(np.argmin(slots))} of the window; report it with its inputs",
        )
    return slots


def ledger(
    window: ReplayWindow,
    oracle: Oracle,
    forecasts: Forecasts,
    dispatch: Dispatch,
    *,
    policy: Policy = Policy.STORAGE,
    shapley: bool = False,
    made: Replay | None = None,
) -> Ledger:
    """Split the regret of a replay by cause and local day (K4).

    Args:
        window: the stretch of history.
        oracle: its optimum.
        forecasts: what the replay knew.
        dispatch: what moved its battery.
        policy: what planned: ``storage`` or ``plan``.
        shapley: average over the orders of the causes.
        made: the replay whose regret is split, where it has been made already.

    Raises:
        ReplayError: where the window cannot be replayed so.
        ModelError: where a replay beats the optimum.
    """

    @cache
    def run(moved: Dispatch, load: bool, pv: bool) -> F64:  # noqa: FBT001 - flags of a cause
        result = made
        if result is None or load or pv or moved is not dispatch:
            known = with_actual(forecasts, window.realised, load=load, pv=pv)
            result = replay(window, policy, known, moved)
        return day_sums(regret(result, oracle), window.local_day)

    def made_ideal(ideal: _Ideal) -> F64:
        moved = Dispatch.VALUE if "dispatch" in ideal else dispatch
        return run(moved, "load" in ideal, "pv" in ideal)

    orders: list[tuple[str, ...]] = list(permutations(FACTORS)) if shapley else [FACTORS]
    runs = {ideal: made_ideal(ideal) for ideal in _steps(orders)}
    dispatch_part, load_part, pv_part = (_part(runs, orders, factor) for factor in FACTORS)
    return Ledger(
        days=tuple(date.fromordinal(day) for day in np.unique(window.local_day).tolist()),
        total=runs[_Ideal()],
        dispatch=dispatch_part,
        load=load_part,
        pv=pv_part,
        remainder=runs[_Ideal(FACTORS)],
        orders=len(orders),
    )


def _steps(orders: Iterable[tuple[str, ...]]) -> list[_Ideal]:
    """Return every set of causes that the orders pass through, each once."""
    found = {_Ideal(order[:k]): None for order in orders for k in range(len(order) + 1)}
    return list(found)


def _part(runs: dict[_Ideal, F64], orders: list[tuple[str, ...]], factor: str) -> F64:
    """Return what making ``factor`` ideal saves, averaged over the orders."""
    total = np.zeros_like(runs[_Ideal()])
    for order in orders:
        earlier = _Ideal(order[: order.index(factor)])
        total += runs[earlier] - runs[earlier | {factor}]
    return total / len(orders)
