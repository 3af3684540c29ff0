"""Thousands of homes for stable-baselines3, which takes no vector environment of Gymnasium.

    envs = HomeVecEnv(num_envs=256, action="energy_value")
    PPO("MlpPolicy", VecNormalize(envs)).learn(1_000_000)

Steps, days and random numbers are those of ``HomeVectorEnv``; a day that has ended is followed by
another in the same step. Infos are empty dictionaries, a thousand of which cost little, but at a
day's end they tell, for that environment,

    terminal_observation   what was seen at the end, before the next day began
    TimeLimit.truncated    whether the time alone ended it (``end="truncate"``)
    day                    that was lived, 20250801
    soc_kwh                stored energy at its end
    terminal_value         what that is worth, currency

and ``reset_infos`` tell where each day began. stable-baselines3 clips actions to [-1, 1] itself;
who steps without it clips them too. Its package is no dependency of the project and is imported
here alone: ``pip install stable-baselines3``.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NoReturn, final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from rlenv.errors import OptionError
from rlenv.history import History
from rlenv.options import CLEAN, LOOKAHEAD, VALUE_BOUNDS, Action, End
from rlenv.vector import HomeVectorEnv
from telemetry.arrays import F64, Bool

__all__ = ["HomeVecEnv"]

F32 = NDArray[np.float32]
Indices = int | Iterable[int] | None
_AT_RESET = ("day", "slots", "soc_kwh")
_AT_END = ("day", "soc_kwh", "terminal_value")
_HORIZON = "horizon"


@final
class HomeVecEnv(VecEnv):  # type: ignore[misc] # its package is not there when types are checked
    """B homes in step, as stable-baselines3 wants them.

    Attributes:
        envs: the homes, as Gymnasium wants them.
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
    ) -> None:
        """Make the environments; arguments and errors are those of ``HomeVectorEnv``."""
        self.envs = HomeVectorEnv(
            history,
            num_envs=num_envs,
            lookahead=lookahead,
            action=action,
            value_bounds=value_bounds,
            end=end,
            days=days,
            classes=classes,
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
        self._actions: NDArray[Any] | None = None
        spaces = self.envs.single_observation_space, self.envs.single_action_space
        super().__init__(num_envs, *spaces)

    def reset(self) -> F32:
        """Begin a day in every environment, with the seeds and options given before.

        Raises:
            DayError, OptionError: an option that cannot be, see ``HomeVectorEnv.reset``.
        """
        options = self._gathered()
        observations, infos = self.envs.reset(seed=self._seeds, options=options)
        self._note_resets(infos, range(self.num_envs))
        self._reset_seeds()
        self._reset_options()
        self._actions = None
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions of the next step, (B, 1) in [-1, 1]."""
        self._actions = actions

    def step_wait(self) -> tuple[F32, F64, Bool, list[dict[str, Any]]]:
        """Live one slot in every environment: observations, rewards, whether days ended, infos.

        Raises:
            OptionError: no actions were given.
            ActionError: another shape, no number, or outside [-1, 1]; nothing was lived.
            ResetNeeded: ``reset`` was never called.
        """
        if self._actions is None:
            raise OptionError("actions", None, "those of step_async(actions), before step_wait()")
        observations, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        self._actions = None
        told: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = terminated | truncated
        places = np.flatnonzero(ended).tolist()
        if places:
            self._note_resets(infos, places)
            last, columns = infos["final_obs"], _columns(infos["final_info"], _AT_END)
            for i in places:
                told[i] = {name: values[i] for name, values in columns.items()}
                told[i]["terminal_observation"] = last[i]
                told[i]["TimeLimit.truncated"] = bool(truncated[i])
        return observations, rewards, ended, told

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of ``HomeVectorEnv``, for each the same; ``history`` is its home's.

        Raises:
            AttributeError: there is none of this name.
        """
        places = self._get_indices(indices)
        if attr_name == "history":
            homes = self.envs.histories
            return [homes[i % len(homes)] for i in places]
        value = None if attr_name == "render_mode" else getattr(self.envs, attr_name)
        return [value for _ in places]

    def set_attr(self, attr_name: str, value: object, indices: Indices = None) -> NoReturn:
        """Refuse: what environments are is fixed when they are made.

        Raises:
            OptionError: always.
        """
        del indices
        raise OptionError(attr_name, value, "given when making another HomeVecEnv: this is fixed")

    def env_method(
        self,
        method_name: str,
        *method_args: object,
        indices: Indices = None,
        **method_kwargs: object,
    ) -> list[Any]:
        """Return the ``horizon`` that each environment could plan now; there is no other method.

        Raises:
            OptionError: another method, or arguments.
        """
        if method_name != _HORIZON or method_args or method_kwargs:
            want = f"{_HORIZON!r}, without arguments: the homes are no objects of their own"
            raise OptionError("method_name", method_name, want)
        return [self.envs.horizon(i) for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Indices = None) -> list[bool]:
        """Return whether environments are wrapped: none is."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> NoReturn:
        """Refuse: there are pictures of one home only.

        Raises:
            OptionError: always.
        """
        want = 'that of HomeEnv(render_mode="rgb_array"): many homes draw no picture'
        raise OptionError("render_mode", None, want)

    def _gathered(self) -> dict[str, list[Any]]:
        """Return the options of all environments, by name.

        Raises:
            OptionError: options of another number than there are environments.
        """
        asked: Sequence[dict[str, Any]] = self._options
        if len(asked) != self.num_envs:
            raise OptionError(
                "options", f"{len(asked)} of them", f"one for each of {self.num_envs}"
            )
        names = dict.fromkeys(name for one in asked for name in one)
        return {name: [one.get(name) for one in asked] for name in names}

    def _note_resets(self, infos: dict[str, Any], places: Iterable[int]) -> None:
        """Keep where days began."""
        columns = _columns(infos, _AT_RESET)
        for i in places:
            self.reset_infos[i] = {name: values[i] for name, values in columns.items()}


def _columns(infos: dict[str, Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return some infos as Python numbers, so that dictionaries of them are made fast."""
    return {name: infos[name].tolist() for name in names}
