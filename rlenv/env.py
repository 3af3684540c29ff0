"""``Darkstar/Home-v0``: live one local day of a home, slot by slot, and pay for it.

    env = gymnasium.make("Darkstar/Home-v0")                     # the demo home
    env = HomeEnv(history, action="energy_value", lookahead=0)   # yours
    observation, info = env.reset(seed=1, options={"day": "2025-08-01", "soc_kwh": 5.0})
    observation, reward, terminated, truncated, info = env.step(action)

An episode is a local day of 92, 96 or 100 slots. The reward is minus what the slot cost, and at the
day's end what is left in the battery is paid by the value of the 24 h that followed: the end of a
finite problem (``terminated``), the same for every policy. With ``end="truncate"`` the day's end is
a time limit instead: ``truncated``, nothing is paid, and who learns goes on from the last
observation. A policy of a controller may give a ``sim.command.Command`` in place of an action.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, final

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from mpc import Site
from mpc.curves import Curve
from mpc.jit import compiled
from mpc.pieces import MOST_PIECES
from mpc.rules import limits_at, slot_at
from rlenv.errors import ActionError, OptionError
from rlenv.history import History, demo_history
from rlenv.info import SlotInfo
from rlenv.kernel import (
    DRAWS,
    ROW,
    WISH,
    Out,
    State,
    drawn_energy,
    drawn_place,
    observe_all,
    step_all,
)
from rlenv.layout import Layout
from rlenv.options import (
    CLEAN,
    LOOKAHEAD,
    VALUE_BOUNDS,
    Action,
    End,
    Settings,
    action_space,
    chosen_days,
    day_number,
    given_day,
    given_energy,
    refuse_other_options,
)
from sim.command import Command, wish_of
from sim.ideal import Scratch, Value
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_MINUTES

if TYPE_CHECKING:
    from rlenv.render import Picture

__all__ = ["HomeEnv"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
_RENDER_MODES = ("rgb_array", "human")
F32 = NDArray[np.float32]


@final
class HomeEnv(gymnasium.Env[F32, NDArray[Any]]):
    """One home, one day an episode.

    Attributes:
        history: the days.
        layout: where everything stands in an observation.
        settings: what the environment was asked to be.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - as Gymnasium declares it
        "render_modes": list(_RENDER_MODES),
        "render_fps": 4,
    }

    def __init__(
        self,
        history: History | None = None,
        *,
        lookahead: int = LOOKAHEAD,
        action: Action = "battery_power",
        value_bounds: tuple[float, float] = VALUE_BOUNDS,
        end: End = "terminate",
        days: Sequence[date] | None = None,
        classes: Sequence[str] | None = CLEAN,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            history: the days of a home; None: the demo home's year.
            lookahead: slots after the present one whose prices and forecasts are seen.
            action: what an action in [-1, 1] is: ``battery_power``, a share of the most charge or
                discharge; ``energy_value``, what a stored kWh is worth, on which dispatch acts.
            value_bounds: energy value of the actions -1 and 1, currency per kWh stored.
            end: ``terminate`` or ``truncate``.
            days: the days to draw from; None: all.
            classes: verdicts of days that may be lived; None: every day of the history.
            render_mode: ``rgb_array`` or ``human``.

        Raises:
            OptionError: an option that cannot be.
            DayError: a day that is not in the history, or of another verdict.
            HistoryError: no day may be lived.
        """
        if render_mode is not None and render_mode not in _RENDER_MODES:
            raise OptionError("render_mode", render_mode, f"one of {', '.join(_RENDER_MODES)}")
        self.settings = Settings(
            layout=Layout(lookahead), action=action, value_bounds=value_bounds, end=end
        )
        self.history = demo_history() if history is None else history
        self.settings.refuse_short(self.history)
        self.layout, self.render_mode = self.settings.layout, render_mode
        self.observation_space = self.layout.space()
        self.action_space = action_space()
        self._days = chosen_days(self.history, days, classes)
        self._how = self.settings.how()
        self._state, self._out = _one(self._days), _room(self.layout)
        self._action = np.zeros(1)
        self._value, self._scratch = scratch()
        self._rows: list[list[float]] = []
        self._start_kwh = np.nan
        self._picture: Picture | None = None

    @property
    def site(self) -> Site:
        """Battery, grid and options, for planners."""
        return self.history.site

    @property
    def days(self) -> tuple[date, ...]:
        """The days that may be lived."""
        return tuple(self.history.days[place] for place in self._days.tolist())

    @property
    def now(self) -> datetime:
        """Start of the slot that comes next, UTC."""
        place = int(self._state.day[0])
        return self.history.start(place) + int(self._state.slot[0]) * _SLOT

    def action_of(self, energy_value: float) -> float:
        """Return the action that stands for an energy value, limited to [-1, 1].

        Args:
            energy_value: currency per stored kWh; NaN has no action.

        Raises:
            OptionError: an action of this environment is no energy value, or it is NaN.
        """
        if self.settings.action != "energy_value":
            raise OptionError("action", self.settings.action, "energy_value, when making it")
        low, high = self.settings.value_bounds
        action = 2.0 * (float(energy_value) - low) / (high - low) - 1.0
        if isnan(action):
            raise OptionError("energy_value", energy_value, "a number, currency per stored kWh")
        return min(max(action, -1.0), 1.0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[F32, SlotInfo]:
        """Begin a day.

        Each reset takes two numbers from ``np_random``, whether they are needed or not: the first
        chooses the day, the second the energy stored, evenly within the battery's window.

        Args:
            seed: of ``np_random``; None: go on with it.
            options: ``day``, a date or text such as ``2025-08-01``; ``soc_kwh``, the energy stored.

        Raises:
            DayError: a day that is unknown, or may not be lived.
            OptionError: energy outside the battery's window, or another option.
        """
        asked = {} if options is None else options
        refuse_other_options(asked)
        day, soc_kwh = asked.get("day"), asked.get("soc_kwh")
        place = -1 if day is None else given_day(self.history, self._days, day)
        if soc_kwh is not None:
            given_energy(self.history, int(self._days[0]) if place < 0 else place, soc_kwh)
        super().reset(seed=seed)
        draw = self.np_random.random(DRAWS).tolist()
        if place < 0:
            place = int(self._days[drawn_place(draw[0], self._days.size)])
        low, high = self.history.data.limits[place, :2].tolist()
        stored = drawn_energy(draw[1], low, high) if soc_kwh is None else float(soc_kwh)
        state = self._state
        state.day[0], state.slot[0], state.stored_kwh[0], state.over[0] = place, 0, stored, False
        self._rows, self._start_kwh = [], stored
        observation = self._out.observation
        compiled(observe_all)(self.history.data, state, self.layout.lookahead, observation)
        info = SlotInfo(self._where(), self.history, place, 0)
        if self.render_mode == "human":
            self.render()
        return observation[0].copy(), info

    def step(self, action: NDArray[Any] | Command) -> tuple[F32, float, bool, bool, SlotInfo]:
        """Live one slot.

        Args:
            action: (1,) in [-1, 1]; or what a controller is told.

        Raises:
            ActionError: another shape, no number, or outside [-1, 1].
            ResetNeeded: no day has begun, or it has ended.
        """
        state, out = self._state, self._out
        if state.over[0]:
            raise ResetNeeded("the day is over, or none has begun: call reset() first")
        how = self._how
        if isinstance(action, Command):
            wish = self._wish(action)
            if not isfinite(wish):
                raise ActionError("wish of the command", wish, "finite energy, kWh a slot")
            self._action[0], how = wish, how._replace(action=WISH)
        else:
            self._action[0] = checked(action)
        compiled(step_all)(
            self.history.data, state, how, self._action, self._value, self._scratch, out
        )
        row, done = out.row[0].tolist(), bool(out.done[0])
        if self.render_mode is not None:
            self._rows.append(row)
        place, slot = int(state.day[0]), int(state.slot[0])
        info = SlotInfo(zip(ROW, row, strict=True), self.history, place, slot)
        info.update(self._where())
        if self.render_mode == "human":
            self.render()
        ends = done and self._how.priced, done and not self._how.priced
        return out.observation[0].copy(), float(out.reward[0]), *ends, info

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture of the day so far, (height, width, 3); show it in mode ``human``.

        Raises:
            OptionError: the environment was made without ``render_mode``.
        """
        if self.render_mode is None:
            raise OptionError("render_mode", None, "rgb_array or human, when making it")
        try:
            from rlenv import render  # noqa: PLC0415 - matplotlib takes a second to load
        except ModuleNotFoundError as err:
            cure = f"{err.name} to be installed, which draws it: the extra `plot`"
            raise OptionError("render_mode", self.render_mode, cure) from err
        if self._picture is None:
            self._picture = render.Picture(shown=self.render_mode == "human")
        place = int(self._state.day[0])
        return self._picture.draw(self.history, place, np.array(self._rows), self._start_kwh)

    def close(self) -> None:
        """Close the picture, if any."""
        if self._picture is not None:
            self._picture.close()
            self._picture = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the picture behind: it belongs to a process, or a screen."""
        return self.__dict__ | {"_picture": None}

    def _where(self) -> dict[str, Any]:
        """Return what is told at a reset and after a step alike."""
        state = self._state
        place = int(state.day[0])
        return {
            "day": day_number(self.history.days[place]),
            "slot": int(state.slot[0]),
            "slots": int(self.history.data.slots[place]),
            "soc_kwh": float(state.stored_kwh[0]),
        }

    def _wish(self, command: Command) -> float:
        """Return what a command asks of the battery, when load and PV of the slot have come."""
        state, data = self._state, self.history.data
        place = int(state.day[0])
        slot = slot_at(data.actual, int(data.first[place] + state.slot[0]))
        limits, rules = limits_at(data.limits, place), self.history.rules(place)
        return wish_of(command, float(state.stored_kwh[0]), slot, limits, rules)


def checked(action: object) -> float:
    """Return the number of an action.

    Raises:
        ActionError: another shape, no number, or outside [-1, 1].
    """
    try:
        given = np.asarray(action, dtype=np.float64)
    except (TypeError, ValueError):
        raise ActionError("action", action, "one number in [-1, 1], as an array (1,)") from None
    if given.shape != (1,):
        raise ActionError("action", action, f"an array of shape (1,), not {given.shape}")
    number = float(given[0])
    if not -1.0 <= number <= 1.0:
        raise ActionError("action", number, "a number in [-1, 1]: clip what an agent gives")
    return number


def scratch() -> tuple[Value, Scratch]:
    """Return a curve of one piece and room for the pieces of a slot, both to be overwritten."""
    flat = Value(Curve(0, 1, 0.0, 0.0, 0.0, 0.0), np.zeros(1), np.zeros(1))
    return flat, Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))


def _one(days: I64) -> State:
    """Return the state of one environment whose first day has not begun."""
    none = np.zeros(1, dtype=np.int64)
    return State(
        day=none.copy(),
        slot=none.copy(),
        stored_kwh=np.zeros(1),
        over=np.ones(1, dtype=np.bool_),
        draws=np.zeros((1, 1, DRAWS)),
        drawn=none.copy(),
        days=days,
        first_day=none.copy(),
        day_count=np.array([days.size], dtype=np.int64),
    )


def _room(layout: Layout) -> Out:
    """Return arrays for what a step of one environment tells."""
    seen = np.zeros((1, layout.size), dtype=np.float32)
    rows: F64 = np.zeros((1, len(ROW)))
    return Out(seen, np.zeros(1), np.zeros(1, dtype=np.bool_), rows, seen.copy())
