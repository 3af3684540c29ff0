"""Forecasts scored in money: what the same battery would have paid with each of them.

    money = score_in_money(window, {"baseline": baseline, "aurora": aurora})
    money.of("aurora").regret_per_day

Every forecast is carried through the same window in closed loop, a plan in every slot (``storage``,
value dispatch); beside them self-use, which needs none, and perfect foresight of the same length.

    share of gain = (no battery - policy) / (no battery - oracle)                        (SM1)
    regret        = cost - cost of the oracle, at least 0                                (K3)

Money in the currency of the window's prices.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.asof import Forecasts, perfect
from sim.errors import ReplayError
from sim.oracle import Oracle, make_oracle
from sim.regret import regret
from sim.replay import Dispatch, Policy, Replay, replay
from sim.window import ReplayWindow

__all__ = ["PERFECT", "SELF_USE", "Money", "MoneyRow", "score_in_money"]

SELF_USE, PERFECT = "self-use", "perfect"
_LEAST_GAIN = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRow:
    """What one forecaster paid.

    Attributes:
        name: of the forecaster.
        cost: of the window (K1).
        cost_per_day: the same by local day.
        share_of_gain: of what the oracle saves against no battery (SM1); NaN where that is 0.
        regret: paid above the oracle (K3).
        regret_per_day: the same by local day.
    """

    name: str
    cost: float
    cost_per_day: float
    share_of_gain: float
    regret: float
    regret_per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """All forecasters on one window, and the two ends of the scale.

    Attributes:
        days: local days of the window.
        no_battery_cost: with the battery resting.
        oracle_cost: the least cost.
        rows: self-use, the forecasters in the order given, perfect foresight.
    """

    days: int
    no_battery_cost: float
    oracle_cost: float
    rows: tuple[MoneyRow, ...]

    @property
    def gain_per_day(self) -> float:
        """What the oracle saves against no battery, by day."""
        return (self.no_battery_cost - self.oracle_cost) / self.days

    def of(self, name: str) -> MoneyRow:
        """Return the row of a forecaster; ``KeyError`` where there is none."""
        return {row.name: row for row in self.rows}[name]


def score_in_money(
    window: ReplayWindow,
    forecasts: Mapping[str, Forecasts],
    *,
    policy: Policy = Policy.STORAGE,
    dispatch: Dispatch = Dispatch.VALUE,
) -> Money:
    """Carry every forecast through a window and cost it.

    Args:
        window: the stretch of history.
        forecasts: by the name that tables give them, one or more.
        policy: what plans: ``storage`` or ``plan``.
        dispatch: what moves the battery.

    Raises:
        ReplayError: no forecast was given, or the window cannot be replayed so.
        ModelError: a replay beats the optimum.
        ForecastError: where a forecast knows too little at some slot.
    """
    if not forecasts:
        raise ReplayError(window.realised.home_id, "no forecast was given", "give one or more")
    oracle = make_oracle(window)
    foresight = perfect(next(iter(forecasts.values())), window.realised)
    runs = {SELF_USE: replay(window, Policy.SELF_USE)}
    for name, known in (*forecasts.items(), (PERFECT, foresight)):
        runs[name] = replay(window, policy, known, dispatch)
    idle = replay(window, Policy.NO_BATTERY).cost
    best = replay(window, Policy.ORACLE).cost
    days = int(np.unique(window.local_day).size)
    return Money(
        days=days,
        no_battery_cost=idle,
        oracle_cost=best,
        rows=tuple(_row(name, run, oracle, (idle, best, days)) for name, run in runs.items()),
    )


def _row(name: str, run: Replay, oracle: Oracle, scale: tuple[float, float, int]) -> MoneyRow:
    """Return what a replay cost, on the scale of (no battery, oracle, days)."""
    idle, best, days = scale
    gain, lost = idle - best, float(regret(run, oracle).sum())
    return MoneyRow(
        name=name,
        cost=run.cost,
        cost_per_day=run.cost / days,
        share_of_gain=(idle - run.cost) / gain
        if gain > _LEAST_GAIN * (1.0 + abs(idle))
        else np.nan,
        regret=lost,
        regret_per_day=lost / days,
    )
