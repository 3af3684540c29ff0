"""Thousands of homes and days at once: one kernel call a step.

    envs = HomeVectorEnv(num_envs=1024)                      # the demo home
    envs = HomeVectorEnv([villa, cabin], num_envs=1024)      # environment i lives in home i mod 2
    observations, infos = envs.reset(seed=1)
    observations, rewards, terminations, truncations, infos = envs.step(actions)

Environment i, seeded with ``seed + i``, is to the bit what ``HomeEnv`` is with that seed. A day
that has ended is followed by another: in the next step, whose action is not looked at
(``NEXT_STEP``), or in the same (``SAME_STEP``), where ``infos["final_obs"]`` and
``infos["final_info"]`` tell the end. Infos are as Gymnasium's vector environments have them: arrays
(B,) and a mask ``_name`` for each.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, final

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mpc import Horizon
from mpc.jit import compiled
from rlenv.env import scratch
from rlenv.errors import ActionError, OptionError
from rlenv.history import History
from rlenv.join import joined
from rlenv.kernel import (
    AUTORESET_SAME,
    DRAWS,
    ROW,
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
from rlenv.vector_infos import columns, ends, masked
from rlenv.vector_options import (
    AUTORESET,
    MASK,
    listed,
    mask_places,
    one_each,
    reset_mode,
    seed_list,
)
from telemetry.arrays import F64, I64, Bool

__all__ = ["HomeVectorEnv"]

F32 = NDArray[np.float32]
_RESETS_AHEAD = 32
"""For so many resets each environment draws its numbers at once."""


@final
class HomeVectorEnv(VectorEnv[F32, NDArray[Any], NDArray[Any]]):
    """B homes in step.

    Attributes:
        histories: the homes.
        layout: where everything stands in an observation.
        settings: what the environments were asked to be.
    """

    def __init__(
        self,
        history: History | Sequence[History] | None = None,
        *,
        num_envs: int = 1,
        lookahead: int = LOOKAHEAD,
        action: Action = "battery_power",
        value_bounds: tuple[float, float] = VALUE_BOUNDS,
        end: End = "terminate",
        days: Sequence[date] | None = None,
        classes: Sequence[str] | None = CLEAN,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
    ) -> None:
        """Make the environments.

        Args:
            history: the days of one home or of several; None: the demo home's year.
            num_envs: B; environment i lives in home i modulo their number.
            lookahead: as ``HomeEnv`` takes it, like the next five.
            action: what an action in [-1, 1] is.
            value_bounds: energy value of the actions -1 and 1.
            end: how a day ends.
            days: the days to draw from, the same in each home; None: all.
            classes: verdicts of days that may be lived; None: every day.
            autoreset_mode: when an ended day is followed by another.
            copy: whether what a step returns stays as it is when the next one comes; without it
                arrays are used again, which is faster.

        Raises:
            OptionError: an option that cannot be.
            DayError: a day that is not in a history, or of another verdict.
            HistoryError: a home of which no day may be lived.
        """
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise OptionError("num_envs", num_envs, "a count of environments, 1 or more")
        self.histories = listed(history)
        self.settings = Settings(
            layout=Layout(lookahead), action=action, value_bounds=value_bounds, end=end
        )
        for home in self.histories:
            self.settings.refuse_short(home)
        self.layout, self.num_envs, self.copy = self.settings.layout, num_envs, copy
        mode = reset_mode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": mode}
        self.single_observation_space = self.layout.space()
        self.single_action_space = action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._how = self.settings.how(AUTORESET[mode])
        self._data, self._begins = joined(self.histories)
        self._home = np.arange(num_envs, dtype=np.int64) % len(self.histories)
        self._allowed = [chosen_days(home, days, classes) for home in self.histories]
        self._state = self._first_state()
        self._numbers = np.array(
            [day_number(day) for home in self.histories for day in home.days], dtype=np.int64
        )
        self._generators: list[np.random.Generator] | None = None
        self._value, self._scratch = scratch()
        self._out = self._room()

    @property
    def generators(self) -> tuple[np.random.Generator, ...]:
        """The generator of each environment; they have drawn some resets ahead.

        Raises:
            ResetNeeded: they are seeded by the first ``reset``.
        """
        if self._generators is None:
            raise ResetNeeded("the environments have no seeds yet: call reset(seed=...) first")
        return tuple(self._generators)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | NDArray[np.integer[Any]] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[F32, dict[str, Any]]:
        """Begin a day in every environment, or in those of ``options["reset_mask"]``.

        Args:
            seed: of the first environment, the next ones count on; or one for each; None: go on.
            options: ``day`` and ``soc_kwh``, one for all or one for each; ``reset_mask``, (B,)
                booleans.

        Raises:
            DayError: a day that is unknown, or may not be lived.
            OptionError: energy outside a battery's window, a wrong length, or another option.
        """
        asked = {} if options is None else options
        refuse_other_options(asked, extra=(MASK,))
        begun = self._generators is not None
        where = mask_places(asked.get(MASK), self.num_envs, begun=begun)
        days, energies = (
            one_each(name, asked.get(name), self.num_envs) for name in ("day", "soc_kwh")
        )
        seeds = seed_list(seed, self.num_envs)
        starts = {i: self._start(i, days[i], energies[i]) for i in where.tolist()}
        self._seed(seeds, where.tolist())
        for i, (place, soc_kwh) in starts.items():
            self._begin(i, place, soc_kwh)
        observation = self._fresh(self._out.observation)
        compiled(observe_all)(self._data, self._state, self.layout.lookahead, observation)
        mask = np.zeros(self.num_envs, dtype=np.bool_)
        mask[where] = True
        return observation, self._where(mask)

    def step(self, actions: NDArray[Any]) -> tuple[F32, F64, Bool, Bool, dict[str, Any]]:
        """Live one slot in every environment.

        Args:
            actions: (B, 1) in [-1, 1]; that of an environment whose day had ended is not looked
                at.

        Raises:
            ActionError: another shape, no number, or outside [-1, 1]; nothing was lived.
            ResetNeeded: ``reset`` was never called.
        """
        if self._generators is None:
            raise ResetNeeded("no day has begun: call reset() first")
        wish = self._checked(actions)
        state, out = self._state, self._next_out()
        began, day = state.over.copy(), state.day.copy()
        empty = compiled(step_all)(
            self._data, state, self._how, wish, self._value, self._scratch, out
        )
        if empty:
            self._draw(np.flatnonzero(state.drawn == _RESETS_AHEAD).tolist())
        ended = out.done
        infos = self._infos(out, began, day)
        never = np.zeros(self.num_envs, dtype=np.bool_)
        ends = (ended, never) if self._how.priced else (never, ended)
        return out.observation, out.reward, *ends, infos

    def horizon(self, index: int) -> Horizon:
        """Return what environment ``index`` could plan now, as ``HomeEnv`` tells it in its info."""
        home = int(self._home[index])
        place = int(self._state.day[index] - self._begins[home])
        return self.histories[home].horizon(place, int(self._state.slot[index]))

    def _checked(self, actions: object) -> F64:
        """Return the numbers of the actions, (B,).

        Raises:
            ActionError: another shape, no number, or outside [-1, 1], where they are looked at.
        """
        want = (self.num_envs, 1)
        try:
            given = np.asarray(actions, dtype=np.float64)
        except (TypeError, ValueError):
            raise ActionError("actions", actions, f"numbers in [-1, 1], shape {want}") from None
        if given.shape != want:
            raise ActionError("the shape of actions", given.shape, f"{want}, one row each")
        wish = np.ascontiguousarray(given[:, 0])
        fine = np.abs(wish) <= 1.0
        if not fine.all():
            fine |= self._state.over
        if not fine.all():
            index = int(fine.argmin())
            want_number = "a number in [-1, 1]: clip what an agent gives"
            raise ActionError(f"actions[{index}]", float(wish[index]), want_number)
        return wish

    def _next_out(self) -> Out:
        """Return where the next step writes."""
        if self.copy:
            final = self._out.final
            self._out = self._room()._replace(final=final)
        return self._out

    def _room(self) -> Out:
        """Return arrays for what a step tells."""
        count, size = self.num_envs, self.layout.size
        return Out(
            observation=np.empty((count, size), dtype=np.float32),
            reward=np.empty(count),
            done=np.empty(count, dtype=np.bool_),
            row=np.empty((count, len(ROW))),
            final=np.empty((count, size), dtype=np.float32),
        )

    def _fresh(self, values: F32) -> F32:
        """Return an array to write to: a new one where steps must not touch it again."""
        return np.empty_like(values) if self.copy else values

    def _infos(self, out: Out, began: Bool, day: I64) -> dict[str, Any]:
        """Return the infos of a step, as ``gymnasium.vector.SyncVectorEnv`` gathers them.

        Args:
            out: what the step told.
            began: (B,) whether the step was a reset.
            day: (B,) that was lived.
        """
        infos, reborn = dict[str, Any](), began
        if self._how.autoreset == AUTORESET_SAME and out.done.any():
            infos, reborn = ends(out, self._numbers[day], self._data.slots[day]), out.done
        lived = ~reborn
        if lived.any():
            infos |= columns(out.row, lived)
        return infos | self._where(np.ones(self.num_envs, dtype=np.bool_))

    def _where(self, mask: Bool) -> dict[str, Any]:
        """Return what is told at a reset and after a step alike."""
        state = self._state
        where = {
            "day": self._numbers[state.day],
            "slot": state.slot.copy(),
            "slots": self._data.slots[state.day],
            "soc_kwh": state.stored_kwh.copy(),
        }
        return masked(where, mask)

    def _first_state(self) -> State:
        """Return the state before any day has begun."""
        count = self.num_envs
        whole = [
            allowed + begin for allowed, begin in zip(self._allowed, self._begins, strict=True)
        ]
        sizes = np.array([part.size for part in whole], dtype=np.int64)
        first = np.cumsum(sizes) - sizes
        return State(
            day=np.zeros(count, dtype=np.int64),
            slot=np.zeros(count, dtype=np.int64),
            stored_kwh=np.zeros(count),
            over=np.ones(count, dtype=np.bool_),
            draws=np.zeros((count, _RESETS_AHEAD, DRAWS)),
            drawn=np.zeros(count, dtype=np.int64),
            days=np.concatenate(whole),
            first_day=first[self._home],
            day_count=sizes[self._home],
        )

    def _start(self, i: int, day: date | str | None, soc_kwh: object) -> tuple[int, float | None]:
        """Return the day in its history that a reset asks for, -1 for any, and the energy stored.

        Raises:
            DayError, OptionError: as ``reset``.
        """
        home = self._home[i]
        history, allowed = self.histories[home], self._allowed[home]
        place = -1 if day is None else given_day(history, allowed, day)
        if soc_kwh is None:
            return place, None
        known = int(allowed[0]) if place < 0 else place
        return place, given_energy(history, known, soc_kwh)

    def _begin(self, i: int, place: int, soc_kwh: float | None) -> None:
        """Begin a day of one environment, as ``HomeEnv.reset`` does."""
        state, home = self._state, self._home[i]
        draw = state.draws[i, state.drawn[i]].tolist()
        state.drawn[i] += 1
        if state.drawn[i] == _RESETS_AHEAD:
            self._draw([i])
        allowed = self._allowed[home]
        if place < 0:
            place = int(allowed[drawn_place(draw[0], allowed.size)])
        day = int(self._begins[home]) + place
        low, high = self._data.limits[day, :2].tolist()
        stored = drawn_energy(draw[1], low, high) if soc_kwh is None else soc_kwh
        state.day[i], state.slot[i], state.over[i] = day, 0, False
        state.stored_kwh[i] = stored

    def _seed(self, seeds: Sequence[int | None], where: Sequence[int]) -> None:
        """Give generators to environments that have none, or are seeded anew."""
        old = list(self._generators or ())
        made = {i: seeding.np_random(seeds[i])[0] for i in where if not old or seeds[i] is not None}
        self._generators = [made[i] if i in made else old[i] for i in range(self.num_envs)]
        self._draw(list(made))

    def _draw(self, places: Sequence[int]) -> None:
        """Draw the numbers of the next resets of some environments."""
        for i in places:
            if self._generators is not None:
                self._state.draws[i] = self._generators[i].random((_RESETS_AHEAD, DRAWS))
                self._state.drawn[i] = 0
