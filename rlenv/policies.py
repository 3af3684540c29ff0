"""Policies: what decides in an environment, from the planner to rest, and what an agent is.

    reward of a day:   oracle >= planner, storage engine > self-use, rest

A policy sees what an agent sees, and in ``info["horizon"]`` what was known at the slot as exact
float64. It answers with an action of the environment or with a ``sim.command.Command``: what the
controller of a real house is told, which answers load and PV within the slot. ``MpcPolicy`` and
``StoragePolicy`` give commands by default, as replay and live plans do. With ``Dispatch.SETPOINT``
they fix the power before the slot instead, as an agent does whose action is ``battery_power``.
Units: kWh per slot at the AC bus, kWh stored, currency/kWh.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from mpc import Horizon, Plan, Planner, Site
from mpc.arrays import F64
from mpc.jit import compiled
from mpc.pieces import MOST_PIECES
from mpc.problem import Problem, make_problem
from mpc.program import SNAP_KWH, make_work, snapped, value_after_first
from mpc.rules import Limits, limits_at, slot_at, slot_limits
from mpc.storage import refuse_defect
from mpc.terminal import pieces_below
from rlenv.errors import ActionError, OptionError
from rlenv.history import History
from sim.command import (
    REST_COMMAND,
    SELF_USE_COMMAND,
    Command,
    plan_command,
    setpoint_command,
    value_command,
)
from sim.dispatch import DISPATCH_NAMES
from sim.ideal import Advice, Scratch, Value, value_wish
from sim.oracle import Oracle, make_oracle
from sim.replay import Dispatch
from sim.slots import CHARGE, DISCHARGE, SOC
from telemetry.slots import SLOT_MINUTES

__all__ = [
    "AgentPolicy",
    "ConstantPolicy",
    "IdlePolicy",
    "MpcPolicy",
    "OraclePolicy",
    "Policy",
    "SelfUsePolicy",
    "StoragePolicy",
]

F32 = NDArray[np.float32]
Info = Mapping[str, Any]


class Policy(Protocol):
    """What decides."""

    @property
    def name(self) -> str:
        """How tables call it."""

    def act(self, observation: F32, info: Info) -> NDArray[Any] | Command:
        """Return an action of the environment, or a command, for the slot that comes next.

        Args:
            observation: as the environment gave it.
            info: as the environment gave it.
        """


@final
class IdlePolicy:
    """The battery rests: what the day costs without it."""

    name = "idle"

    def act(self, observation: F32, info: Info) -> Command:  # noqa: ARG002
        """Rest."""
        return REST_COMMAND


@final
class SelfUsePolicy:
    """Store the surplus, serve the load, never buy to store."""

    name = "self-use"

    def act(self, observation: F32, info: Info) -> Command:  # noqa: ARG002
        """Answer the net load."""
        return SELF_USE_COMMAND


@final
class ConstantPolicy:
    """The same action in every slot."""

    def __init__(self, action: float) -> None:
        """Keep the action, in [-1, 1]."""
        self._action = np.array([action], dtype=np.float32)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"constant {float(self._action[0]):g}"

    def act(self, observation: F32, info: Info) -> NDArray[Any]:  # noqa: ARG002
        """Return the action."""
        return self._action


@final
class AgentPolicy:
    """An agent: a function of the observation alone."""

    def __init__(self, act: Callable[[F32], object], name: str = "agent") -> None:
        """Keep the function.

        Args:
            act: from an observation (C,) to an action, a number or (1,); clipped to [-1, 1].
            name: how tables call it.
        """
        self._act, self.name = act, name

    def act(self, observation: F32, info: Info) -> NDArray[Any]:  # noqa: ARG002
        """Return what the agent does.

        Raises:
            ActionError: it is not one number.
        """
        given = self._act(observation)
        try:
            answer = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            answer = np.empty(0)
        if answer.size != 1 or np.isnan(answer).any():
            want = "one number in [-1, 1] of the agent's function (of a tuple: its first part)"
            raise ActionError("action", given, want)
        return np.clip(answer.reshape(1), -1.0, 1.0)


@final
class MpcPolicy:
    """The planner of ``darkstar plan``, re-planned in every slot.

    The first plan of a day is cold, like any that follows no plan of the slot before; the others
    start from that one, as ``darkstar simulate`` with engine ``highs`` plans them.
    """

    def __init__(self, site: Site, dispatch: Dispatch = Dispatch.VALUE) -> None:
        """Make the planner.

        Args:
            site: of the environment.
            dispatch: what turns a plan into battery power when the slot comes.
        """
        self._planner, self._code = Planner(site), DISPATCH_NAMES.index(dispatch.value)
        self._limits = _limits_of(site)
        self._plan: Plan | None = None
        self._next = (0, 0)
        self.name = _named("mpc", dispatch)

    def act(self, observation: F32, info: Info) -> Command:  # noqa: ARG002
        """Plan, and tell the controller the first slot."""
        start = snapped(info["soc_kwh"], self._limits)
        here = info["day"], info["slot"]
        previous = self._plan if here == self._next else None
        self._plan = self._planner.plan(info["horizon"], start, previous)
        self._next = info["day"], info["slot"] + 1
        return plan_command(self._plan, self._code)


@final
class StoragePolicy:
    """The storage engine in every slot: the whole curve of future cost, in a fifth of the time.

    It plans slots of convex cost alone: it refuses one whose export pays more than import costs,
    and PV beyond an export limit that may not be curtailed. ``MpcPolicy`` plans those too.
    """

    def __init__(self, site: Site, dispatch: Dispatch = Dispatch.VALUE) -> None:
        """Prepare the engine.

        Args:
            site: of the environment.
            dispatch: ``VALUE``, or ``SETPOINT``.

        Raises:
            OptionError: another dispatch, which needs a plan further than its first slot.
        """
        if dispatch not in (Dispatch.VALUE, Dispatch.SETPOINT):
            raise OptionError("dispatch", dispatch.value, "value or setpoint")
        self._site, self._dispatch = site, dispatch
        self._limits = _limits_of(site)
        self.name = _named("storage", dispatch)

    def act(self, observation: F32, info: Info) -> Command:  # noqa: ARG002
        """Value what may be left in the battery, and tell the controller.

        Raises:
            EngineError: a slot whose cost is not convex.
        """
        horizon: Horizon = info["horizon"]
        stored: float = info["soc_kwh"]
        problem = make_problem(self._site, horizon, snapped(stored, self._limits))
        series = np.stack([problem.load, problem.pv, problem.import_price, problem.export_price], 1)
        value, told = _value_after_first(problem, series), slot_at(series, 0)
        scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
        wish = compiled(value_wish)(stored, 0.0, value, told, self._limits, problem.rules, scratch)
        if self._dispatch is Dispatch.SETPOINT:
            return setpoint_command(wish)
        advice = Advice(told.load_kwh, told.pv_kwh, wish, stored)
        return value_command(value, advice, (told.import_price, told.export_price))


@final
class OraclePolicy:
    """Who knows the whole day and what followed: the least that it can cost.

    Where the battery left its path, because an action was drawn, it plans the rest of the day anew.
    """

    name = "oracle"

    def __init__(self, history: History) -> None:
        """Keep the history of the environment, which no other policy sees."""
        self._history = history
        self._oracle: Oracle | None = None
        self._day, self._first = 0, 0

    def act(self, observation: F32, info: Info) -> Command:  # noqa: ARG002
        """Follow the optimum of what is left of the day.

        Raises:
            ReplayError: the cost of a slot is not convex, or the battery is outside its window.
        """
        day, slot, soc_kwh = info["day"], info["slot"], info["soc_kwh"]
        if self._oracle is None or not self._on_path(day, slot, soc_kwh):
            place = self._history.find(date.fromisoformat(str(day)))
            self._oracle = make_oracle(self._history.window(place, soc_kwh, first=slot))
            self._day, self._first = day, slot
        row = self._oracle.rows[slot - self._first]
        return setpoint_command(float(row[CHARGE] - row[DISCHARGE]))

    def _on_path(self, day: int, slot: int, soc_kwh: float) -> bool:
        """Return whether the optimum that is there goes through this state."""
        n = slot - self._first
        if self._oracle is None or day != self._day or not 0 <= n < len(self._oracle.rows):
            return False
        window, rows = self._oracle.window, self._oracle.rows
        planned = window.soc_start_kwh if n == 0 else float(rows[n - 1, SOC])
        return abs(planned - soc_kwh) <= SNAP_KWH


def _limits_of(site: Site) -> Limits:
    """Return the limits of every slot of a site."""
    return limits_at(slot_limits(site, np.full(1, SLOT_MINUTES / 60.0)), 0)


def _named(name: str, dispatch: Dispatch) -> str:
    """Return how tables call a planner; ideal dispatch goes without saying."""
    return name if dispatch is Dispatch.VALUE else f"{name} {dispatch.value}"


def _value_after_first(problem: Problem, series: F64) -> Value:
    """Return the future cost at the end of a problem's first slot.

    Raises:
        EngineError: a slot whose cost is not convex.
    """
    curve, limits = problem.terminal, problem.limits
    # One kWh further than full, so that there too the next kWh has a worth.
    most = float(limits[:, 1].max()) + 1.0
    length, price = pieces_below(curve.soc_kwh, curve.price, most)
    work = make_work(len(series), length.size)
    kernel = compiled(value_after_first)
    found, bad, defect = kernel(series, limits, problem.rules, -price, length, work)
    refuse_defect(problem, bad, defect)
    return Value(found, work.slope, work.length)
