"""One slot of many environments: wish, physics, money, observation; the same for one and thousands.

For environment b on slot t of its day, with s the energy stored at the slot's start,

    wish    = a * most charge (a >= 0), a * most discharge (a < 0)          battery power    (EN1)
    wish    = ideal dispatch of the load and PV that came, on a flat value   energy value    (EN2)
    reward  = -(bill + wear + penalty), plus what is left is worth at the day's end         (EN3)

by ``mpc.physics`` and ``sim.ideal``: nothing of the house is written again here. Data are the slots
of all days, R rows, each day with one row more: what is known at the midnight it ends with.
Units: kWh per slot at the AC bus, kWh stored, currency/kWh. Kernels; they check nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpc.physics import slot_step
from mpc.rules import Limits, Rules, Slot, limits_at, slot_at
from rlenv.layout import SCALARS, SERIES
from sim.ideal import Scratch, Value, value_wish
from sim.slots import BILL, COLUMNS, PENALTY, WEAR, write_slot
from telemetry.arrays import F64, I64, Bool

__all__ = [
    "AUTORESET_NEXT",
    "AUTORESET_NONE",
    "AUTORESET_SAME",
    "DRAWS",
    "NOW",
    "POWER",
    "ROW",
    "VALUE",
    "WISH",
    "Data",
    "How",
    "Out",
    "State",
    "observe_all",
    "rules_row",
    "step_all",
]

POWER, VALUE, WISH = range(3)
"""What an action is: a share of the battery's power, an energy value, or a wish in kWh."""
AUTORESET_NONE, AUTORESET_NEXT, AUTORESET_SAME = range(3)
ROW = (*COLUMNS, "load_kwh", "pv_kwh", "wish_kwh", "clipped_kwh", "cost", "terminal_value")
"""What is told of a slot that was lived: ``sim.slots.COLUMNS`` and more."""
LOAD, PV, WISHED, CLIPPED, COST, TERMINAL = range(len(COLUMNS), len(ROW))
NOW = (*SCALARS[1:], *SERIES)
"""What an observation tells of the slot itself, beside the own state of charge."""
DRAWS = 2
"""Uniform numbers that a reset takes: one for the day, one for the energy stored."""
_SCALARS, _SERIES = len(SCALARS), len(SERIES)
TOLD_IMPORT, TOLD_EXPORT = 4, 5


class Data(NamedTuple):
    """Days of homes: D days, R rows.

    Attributes:
        slots: (D,) slots of each day.
        first: (D,) its first row.
        capacity: (D,) of the battery.
        limits: (D, 9) of every slot of the day, columns as in ``mpc.rules.Limits``.
        rules: (D, 10) columns as in ``mpc.rules.Rules``.
        terminal_soc: (D, P) where each price of the energy left begins, +inf behind the last.
        terminal_price: (D, P) currency per stored kWh.
        actual: (R, 6) what happened, columns as in ``mpc.rules.Slot``, NaN in closing rows; then
            the (import, export) price known at the slot's start.
        now: (R, 11) float32, ``NOW``: what is seen of the slot itself.
        values: (V,) series as known, see ``rlenv.ahead``.
        base: (R, 4) where those of each row begin, columns as ``layout.SERIES``.
        by_clock: (D, 4) how they are kept.
        quarter: (Q,) quarters on the wall clock.
        first_quarter: (D,) where those of each day begin.
    """

    slots: I64
    first: I64
    capacity: F64
    limits: F64
    rules: F64
    terminal_soc: F64
    terminal_price: F64
    actual: F64
    now: NDArray[np.float32]
    values: F64
    base: I64
    by_clock: Bool
    quarter: I64
    first_quarter: I64


class State(NamedTuple):
    """Where B environments stand.

    Attributes:
        day: (B,) row of ``Data``.
        slot: (B,) the slot that comes next.
        stored_kwh: (B,) at its start.
        over: (B,) whether the day has ended and a reset is due.
        draws: (B, N, DRAWS) uniform numbers of each environment's generator, for N resets.
        drawn: (B,) how many resets took theirs.
        days: (C,) days to choose from.
        first_day: (B,) where those of each environment begin.
        day_count: (B,) how many they are.
    """

    day: I64
    slot: I64
    stored_kwh: F64
    over: Bool
    draws: F64
    drawn: I64
    days: I64
    first_day: I64
    day_count: I64


class How(NamedTuple):
    """How environments step.

    Attributes:
        action: what an action is.
        low: energy value of action -1, currency per kWh stored.
        high: that of action 1.
        lookahead: slots after this one that are seen.
        autoreset: when an ended day is followed by another.
        priced: whether what is left is paid at the day's end.
    """

    action: int
    low: float
    high: float
    lookahead: int
    autoreset: int
    priced: bool


class Out(NamedTuple):
    """What a step tells.

    Attributes:
        observation: (B, C) float32.
        reward: (B,) currency.
        done: (B,) whether the day ended.
        row: (B, K) of the slot that was lived, ``ROW``.
        final: (B, C) float32, the observation at the end of a day that was followed at once.
    """

    observation: NDArray[np.float32]
    reward: F64
    done: Bool
    row: F64
    final: NDArray[np.float32]


def rules_row(rules: Rules) -> F64:
    """Return a row of ``Data.rules``; no kernel."""
    return np.array(rules, dtype=np.float64)


def step_all(
    data: Data, state: State, how: How, action: F64, value: Value, scratch: Scratch, out: Out
) -> int:
    """Step every environment; return how many have no draws left for another reset.

    Args:
        data: the days.
        state: changed in place.
        how: to step.
        action: (B,) as ``how`` says.
        value: a curve of one piece, overwritten.
        scratch: overwritten.
        out: written.
    """
    live_all(data, state, how, action, value, scratch, out)
    for b in range(action.size):
        if out.done[b]:
            end_day(data, state, how, out, b)
    observe_all(data, state, how.lookahead, out.observation)
    return int((state.drawn == state.draws.shape[1]).sum())


def live_all(
    data: Data, state: State, how: How, action: F64, value: Value, scratch: Scratch, out: Out
) -> None:
    """Live one slot everywhere; where a day had ended, begin another instead.

    Arrays are taken apart once: a call that is handed all of them takes longer than the physics.
    """
    slots, first, actual, table, numbers = (
        data.slots,
        data.first,
        data.actual,
        data.limits,
        data.rules,
    )
    days, times, stored_kwh, over = state.day, state.slot, state.stored_kwh, state.over
    reward, ended, told = out.reward, out.done, out.row
    for b in range(action.size):
        ended[b] = False
        if over[b]:
            start_day(data, state, b)
            reward[b] = 0.0
            continue
        day, t, stored = days[b], times[b], stored_kwh[b]
        row = first[day] + t
        slot, limits, rules = slot_at(actual, row), limits_at(table, day), rules_at(numbers, day)
        wish = action[b]
        if how.action == POWER:
            wish *= limits.charge if wish >= 0.0 else limits.discharge
        elif how.action == VALUE:
            met = Slot(
                slot.load_kwh, slot.pv_kwh, actual[row, TOLD_IMPORT], actual[row, TOLD_EXPORT]
            )
            worth = how.low + 0.5 * (wish + 1.0) * (how.high - how.low)
            wish = flat_wish(worth, stored, met, limits, rules, value, scratch)
        flows = slot_step(stored, wish, slot, limits, rules)
        stored_kwh[b] = write_slot(flows, slot, limits, rules, told, b)
        cost = told[b, BILL] + told[b, WEAR] + told[b, PENALTY]
        told[b, LOAD], told[b, PV] = slot.load_kwh, slot.pv_kwh
        told[b, WISHED], told[b, CLIPPED] = wish, abs(wish - flows[1])
        told[b, COST], told[b, TERMINAL] = cost, 0.0
        reward[b], times[b], ended[b] = -cost, t + 1, t + 1 == slots[day]


def end_day(data: Data, state: State, how: How, out: Out, b: int) -> None:
    """Pay for what is left, and go on as ``how`` says."""
    worth = terminal_worth(data, state.day[b], state.stored_kwh[b])
    out.row[b, TERMINAL] = worth
    if how.priced:
        out.reward[b] += worth
    if how.autoreset == AUTORESET_SAME:
        observe(data, state, how.lookahead, out.final, b)
        start_day(data, state, b)
    else:
        state.over[b] = True


def flat_wish(
    worth: float,
    stored_kwh: float,
    slot: Slot,
    limits: Limits,
    rules: Rules,
    value: Value,
    scratch: Scratch,
) -> float:
    """Return what ideal dispatch does where every stored kWh is worth the same, kWh (EN2)."""
    value.slope[0], value.length[0] = -worth, max(limits.soc_max, stored_kwh) + 1.0
    return value_wish(stored_kwh, 0.0, value, slot, limits, rules, scratch)


def rules_at(table: F64, day: int) -> Rules:
    """Return one row of a (D, 10) table of rules."""
    return Rules(
        table[day, 0],
        table[day, 1],
        table[day, 2],
        table[day, 3],
        table[day, 4],
        table[day, 5],
        table[day, 6],
        table[day, 7] != 0.0,
        table[day, 8] != 0.0,
        table[day, 9] != 0.0,
    )


def terminal_worth(data: Data, day: int, stored_kwh: float) -> float:
    """Return what the energy left at a day's end is worth, currency (T1 of ``mpc.terminal``)."""
    soc, price = data.terminal_soc[day], data.terminal_price[day]
    worth = 0.0
    for k in range(price.size):
        begin = soc[k] if k > 0 else 0.0
        if begin >= stored_kwh:
            break
        end = soc[k + 1] if k + 1 < soc.size else np.inf
        worth += price[k] * (min(end, stored_kwh) - begin)
    return worth


def start_day(data: Data, state: State, b: int) -> None:
    """Begin another day of environment ``b``, drawn as its reset draws it."""
    draw = state.draws[b, state.drawn[b]]
    state.drawn[b] += 1
    day = state.days[state.first_day[b] + drawn_place(draw[0], state.day_count[b])]
    state.day[b], state.slot[b], state.over[b] = day, 0, False
    state.stored_kwh[b] = drawn_energy(draw[1], data.limits[day, 0], data.limits[day, 1])


def drawn_place(uniform: float, count: int) -> int:
    """Return which of ``count`` days a number in [0, 1) chooses."""
    return min(int(uniform * count), count - 1)


def drawn_energy(uniform: float, low_kwh: float, high_kwh: float) -> float:
    """Return the energy stored at a start that a number in [0, 1) chooses."""
    return low_kwh + uniform * (high_kwh - low_kwh)


def observe_all(data: Data, state: State, lookahead: int, observation: NDArray[np.float32]) -> None:
    """Write what every environment sees (OB1 of ``rlenv.layout``)."""
    first, capacity, now = data.first, data.capacity, data.now
    days, times, stored_kwh = state.day, state.slot, state.stored_kwh
    width = lookahead + 1
    for b in range(days.size):
        day = days[b]
        row = first[day] + times[b]
        observation[b, 0] = stored_kwh[b] / capacity[day]
        for k in range(_SCALARS - 1):
            observation[b, 1 + k] = now[row, k]
        for series in range(_SERIES):
            observation[b, _SCALARS + series * width] = now[row, _SCALARS - 1 + series]
    if lookahead > 0:
        look_ahead_all(data, state, lookahead, observation)


def look_ahead_all(
    data: Data, state: State, lookahead: int, observation: NDArray[np.float32]
) -> None:
    """Write the prices and forecasts that every environment sees of the slots after its own."""
    first, base, by_clock, values = data.first, data.base, data.by_clock, data.values
    quarter, first_quarter = data.quarter, data.first_quarter
    days, times, width = state.day, state.slot, lookahead + 1
    for b in range(days.size):
        day, t = days[b], times[b]
        row, clock = first[day] + t, first_quarter[day] + t
        for series in range(_SERIES):
            at, place = _SCALARS + series * width, base[row, series]
            if by_clock[day, series]:
                for k in range(1, width):
                    observation[b, at + k] = values[place + quarter[clock + k]]
            else:
                for k in range(1, width):
                    observation[b, at + k] = values[place + k]


def observe(
    data: Data, state: State, lookahead: int, observation: NDArray[np.float32], b: int
) -> None:
    """Write what environment ``b`` alone sees."""
    one = slice(b, b + 1)
    alone = State(
        state.day[one],
        state.slot[one],
        state.stored_kwh[one],
        state.over[one],
        state.draws[one],
        state.drawn[one],
        state.days,
        state.first_day[one],
        state.day_count[one],
    )
    observe_all(data, alone, lookahead, observation[one])
