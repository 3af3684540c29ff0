"""Replay: what a policy would have done and paid over a stretch of history, slot by slot.

    window = replay_window(model, realised, soc_start_kwh=5.0)
    result = replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE)
    result.cost, result.by_day()

Policies are what knows: nothing (``no_battery``, ``self_use``), what was known at each slot
(``plan`` by HiGHS, ``storage`` by the storage engine), everything (``oracle``). A rolling run with
perfect foresight is ``storage`` on ``sim.asof.perfect`` forecasts.

    cost = bill + wear + penalty - (terminal(stored at the end) - terminal(at the start))   (K1)

Arrays are (N,), energies kWh per slot at the AC bus, money in the currency of the prices.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np

from mpc import TerminalCurve
from sim.asof import Forecasts
from sim.dispatch import DISPATCH_NAMES, HOLD, SELF_USE
from sim.errors import ReplayError
from sim.oracle import make_oracle
from sim.policies import run_highs, run_storage, run_without_plan
from sim.slots import COLUMNS
from sim.window import ReplayWindow
from telemetry.arrays import F64, I64

__all__ = ["Dispatch", "Policy", "Replay", "ReplayDaySums", "day_sums", "replay"]


class Policy(StrEnum):
    """What decides."""

    NO_BATTERY = "no_battery"
    SELF_USE = "self_use"
    PLAN = "plan"
    STORAGE = "storage"
    ORACLE = "oracle"


class Dispatch(StrEnum):
    """What turns a plan into battery power when the slot comes."""

    VALUE = "value"
    MODES = "modes"
    SETPOINT = "setpoint"
    WINDOWS = "windows"


_PLANNING = (Policy.PLAN, Policy.STORAGE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayDaySums:
    """Sums over the slots of one local day.

    Attributes:
        local_date: the day in the home's zone.
        slots: how many slots of it were replayed: 92, 96 or 100 of a whole one.
        load_kwh, pv_kwh, charge_kwh, discharge_kwh, import_kwh, export_kwh, curtail_kwh: energy.
        bill, wear, penalty: money.
    """

    local_date: date
    slots: int
    load_kwh: float
    pv_kwh: float
    charge_kwh: float
    discharge_kwh: float
    import_kwh: float
    export_kwh: float
    curtail_kwh: float
    bill: float
    wear: float
    penalty: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """What a policy did and paid; arrays are (N,).

    Attributes:
        home_id: the home.
        policy: what decided.
        dispatch: what moved the battery; None for a policy without plans.
        forecast: what the plans knew, "" for a policy without plans.
        start: start of the first slot, UTC.
        local_day: ordinal of each slot's local date.
        load_kwh, pv_kwh, import_price, export_price: what happened.
        charge_kwh, discharge_kwh, import_kwh, export_kwh, curtail_kwh: what was done.
        soc_kwh: stored at the end of each slot.
        bill, wear, penalty: money of each slot.
        energy_value: what a kWh more stored was taken to be worth at the end of each slot, mean of
            both sides; NaN for a policy without values.
        soc_start_kwh: stored at the start.
        terminal: worth of what is left, the same for every policy.
    """

    home_id: str
    policy: Policy
    dispatch: Dispatch | None
    forecast: str
    start: datetime
    local_day: I64
    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    charge_kwh: F64
    discharge_kwh: F64
    import_kwh: F64
    export_kwh: F64
    curtail_kwh: F64
    soc_kwh: F64
    bill: F64
    wear: F64
    penalty: F64
    energy_value: F64
    soc_start_kwh: float
    terminal: TerminalCurve

    def __len__(self) -> int:
        """Return N, the number of slots."""
        return int(self.soc_kwh.size)

    @property
    def soc_end_kwh(self) -> float:
        """Stored energy at the end."""
        return float(self.soc_kwh[-1])

    @property
    def slot_cost(self) -> F64:
        """Bill, wear and penalty of each slot, (N,)."""
        return self.bill + self.wear + self.penalty

    @property
    def stored_value_gained(self) -> float:
        """Worth of the energy at the end minus that at the start."""
        return self.terminal.value(self.soc_end_kwh) - self.terminal.value(self.soc_start_kwh)

    @property
    def cost(self) -> float:
        """What the window cost (K1)."""
        return float(self.slot_cost.sum()) - self.stored_value_gained

    def by_day(self) -> tuple[ReplayDaySums, ...]:
        """Return the sums of every local day, in order."""
        names = ReplayDaySums.__slots__[2:]
        days, counts = np.unique(self.local_day, return_counts=True)
        sums = [day_sums(getattr(self, name), self.local_day) for name in names]
        return tuple(
            ReplayDaySums(
                local_date=date.fromordinal(day),
                slots=slots,
                **dict(zip(names, parts, strict=True)),
            )
            for day, slots, *parts in zip(days.tolist(), counts.tolist(), *sums, strict=True)
        )


def day_sums(values: F64, local_day: I64) -> F64:
    """Return the (D,) sums of (N,) values over each local day, days ascending."""
    firsts = np.flatnonzero(np.diff(local_day, prepend=local_day[0] - 1))
    sums: F64 = np.add.reduceat(values, firsts)
    return sums


def replay(
    window: ReplayWindow,
    policy: Policy,
    forecasts: Forecasts | None = None,
    dispatch: Dispatch | None = None,
) -> Replay:
    """Carry a policy through a window.

    Args:
        window: the stretch of history.
        policy: what decides.
        forecasts: what was known at each slot; for ``plan`` and ``storage`` alone.
        dispatch: what moves the battery; for ``plan`` and ``storage`` alone.

    Raises:
        ReplayError: where policy, forecasts and dispatch do not go together; where the forecasts
            begin with another slot, have gaps or look too short ahead; where the start lies outside
            the battery's window for ``storage`` and ``oracle``; or where the storage engine cannot
            plan some slot exactly; it is named.
        ForecastError: where the forecasts know too little at some slot.
    """
    _check(window, policy, forecasts, dispatch)
    if forecasts is not None and dispatch is not None:
        run = run_highs if policy is Policy.PLAN else run_storage
        rows = run(window, forecasts, DISPATCH_NAMES.index(dispatch))
    elif policy is Policy.ORACLE:
        rows = make_oracle(window).rows
    else:
        rows = run_without_plan(window, SELF_USE if policy is Policy.SELF_USE else HOLD)
    columns = np.ascontiguousarray(rows.T)
    columns.flags.writeable = False
    names = (*COLUMNS, "energy_value")
    happened = np.ascontiguousarray(window.actual.T)
    happened.flags.writeable = False
    return Replay(
        home_id=window.realised.home_id,
        policy=policy,
        dispatch=dispatch,
        forecast="" if forecasts is None else forecasts.name,
        start=window.realised.start,
        local_day=window.local_day,
        load_kwh=happened[0],
        pv_kwh=happened[1],
        import_price=happened[2],
        export_price=happened[3],
        soc_start_kwh=window.soc_start_kwh,
        terminal=window.terminal,
        **dict(zip(names, columns, strict=True)),
    )


def _check(
    window: ReplayWindow,
    policy: Policy,
    forecasts: Forecasts | None,
    dispatch: Dispatch | None,
) -> None:
    """Refuse forecasts and dispatch where nothing plans, and plans without them."""
    plans = policy in _PLANNING
    for name, given in (("forecasts", forecasts), ("dispatch", dispatch)):
        if plans != (given is not None):
            want = "needs" if plans else "takes no"
            raise ReplayError(
                window.realised.home_id,
                f"policy {policy} {want} {name}",
                f"give {name}" if plans else f"leave {name} out",
            )
