"""Let a policy live days of an environment, and count what they cost.

    day  = rollout(env, MpcPolicy(env.site), day=date(2025, 8, 1), soc_kwh=5.0)
    days = rollouts(env, policy, env.days, soc_kwh=5.0)
    mean_reward(days)                                             # currency a day

To see more actions than a policy takes, ``perturb`` replaces each action with a given probability
by one drawn evenly from [-1, 1]; what was drawn and how likely is recorded. Money in currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from rlenv.env import HomeEnv
from rlenv.errors import OptionError
from rlenv.kernel import ROW
from rlenv.policies import Policy
from sim.command import Command
from telemetry.arrays import F64, Bool

__all__ = ["Rollout", "mean_reward", "rollout", "rollouts"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rollout:
    """A day that was lived, of T slots.

    Attributes:
        day: the local date.
        policy: name of what decided.
        observations: (T + 1, C) float32.
        rewards: (T,) currency.
        terminated: whether the last slot ended the problem, not only the time.
        rows: (T, K) what happened in each slot, columns ``kernel.ROW``.
        soc_start_kwh: stored energy at the start.
        actions: (T,) as an agent would have given them, NaN where a command was given.
        energy_values: (T,) worth of a stored kWh that a command acted on, NaN without.
        perturbed: (T,) whether the action was drawn.
        perturb: probability of that.
    """

    day: date
    policy: str
    observations: F32
    rewards: F64
    terminated: bool
    rows: F64
    soc_start_kwh: float
    actions: F64
    energy_values: F64
    perturbed: Bool
    perturb: float

    @property
    def reward(self) -> float:
        """Sum of the rewards, currency."""
        return float(self.rewards.sum())

    def of(self, name: str) -> F64:
        """Return one column of ``rows``, (T,).

        Raises:
            OptionError: there is no such column.
        """
        if name not in ROW:
            raise OptionError("name", name, f"one of {', '.join(ROW)}")
        return self.rows[:, ROW.index(name)]


def rollout(
    env: HomeEnv | Any,  # noqa: ANN401 - wrappers of Gymnasium are of their own type
    policy: Policy,
    *,
    day: date | str | None = None,
    soc_kwh: float | None = None,
    seed: int | None = None,
    perturb: float = 0.0,
) -> Rollout:
    """Live one day.

    Args:
        env: the environment, or wrappers around it; observations and rewards are theirs.
        policy: what decides.
        day: the day; None: drawn by the environment.
        soc_kwh: stored energy at its start; None: drawn.
        seed: of the environment and of the perturbation; None: go on.
        perturb: probability in [0, 1] of each action to be drawn instead.

    Raises:
        OptionError: a probability outside [0, 1], energy outside the battery's window, no
            ``HomeEnv``, or a policy of commands behind a wrapper of actions.
        DayError: a day that may not be lived.
    """
    if not 0.0 <= perturb <= 1.0:
        raise OptionError("perturb", perturb, "a probability in [0, 1]")
    home = _home_of(env)
    low, high = _bounds(env)
    observation, info = env.reset(seed=seed, options={"day": day, "soc_kwh": soc_kwh})
    lived, start_kwh, seen = _Lived(), float(info["soc_kwh"]), [observation]
    over = terminated = False
    while not over:
        drawn = perturb > 0.0 and home.np_random.random() < perturb
        answer = (
            np.array(home.np_random.uniform(low, high)) if drawn else policy.act(observation, info)
        )
        if isinstance(answer, Command):
            _refuse_action_wrappers(env, policy.name)
        observation, reward, terminated, truncated, info = env.step(answer)
        over = terminated or truncated
        seen.append(observation)
        lived.note(answer, reward, info, drawn=drawn)
    return Rollout(
        day=date.fromisoformat(str(info["day"])),
        policy=policy.name,
        observations=np.stack(seen),
        terminated=terminated,
        soc_start_kwh=start_kwh,
        perturb=perturb,
        **lived.arrays(),
    )


def rollouts(
    env: HomeEnv | Any,  # noqa: ANN401
    policy: Policy,
    days: Sequence[date],
    *,
    soc_kwh: float | None = None,
    seed: int | None = None,
    perturb: float = 0.0,
) -> list[Rollout]:
    """Live one day after the other; arguments as ``rollout`` takes them, ``seed`` of the first."""
    found = []
    for n, day in enumerate(days):
        first = seed if n == 0 else None
        found.append(rollout(env, policy, day=day, soc_kwh=soc_kwh, seed=first, perturb=perturb))
    return found


def mean_reward(days: Sequence[Rollout]) -> float:
    """Return what a day earned on average, currency; minus what it cost.

    Raises:
        OptionError: no day.
    """
    if not days:
        raise OptionError("days", "none", "at least one day that was lived")
    return float(np.mean([day.reward for day in days]))


def _home_of(env: HomeEnv | Any) -> HomeEnv:  # noqa: ANN401
    """Return the home within wrappers.

    Raises:
        OptionError: there is none.
    """
    home = getattr(env, "unwrapped", env)
    if not isinstance(home, HomeEnv):
        raise OptionError("env", type(home).__name__, "a HomeEnv, or a wrapper of one")
    return home


def _bounds(env: HomeEnv | Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the bounds of an environment's actions.

    Raises:
        OptionError: its actions are of another kind.
    """
    space = env.action_space
    if not isinstance(space, Box):
        raise OptionError("action space", str(space), "a Box: leave the wrapper out")
    return space.low, space.high


def _refuse_action_wrappers(env: HomeEnv | Any, policy: str) -> None:  # noqa: ANN401
    """Refuse to send a command through a wrapper that would make another action of it.

    Raises:
        OptionError: there is such a wrapper.
    """
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.ActionWrapper):
            want = f"an environment without it: policy {policy} gives commands, not actions"
            raise OptionError("wrapper", type(env).__name__, want)
        env = env.env


class _Lived:
    """What is noted of the slots of a day."""

    def __init__(self) -> None:
        self._rows: list[list[float]] = []
        self._notes: list[tuple[float, float, float, bool]] = []

    def note(
        self, answer: NDArray[Any] | Command, reward: float, info: dict[str, Any], *, drawn: bool
    ) -> None:
        """Note one slot."""
        action = value = float("nan")
        if isinstance(answer, Command):
            value = answer.value_at(info["soc_kwh"])
        else:
            action = float(np.asarray(answer).reshape(-1)[0])
        self._rows.append([info[name] for name in ROW])
        self._notes.append((reward, action, value, drawn))

    def arrays(self) -> dict[str, Any]:
        """Return the notes as arrays."""
        reward, action, value, drawn = (
            np.array(column) for column in zip(*self._notes, strict=True)
        )
        return {
            "rewards": reward,
            "rows": np.array(self._rows),
            "actions": action,
            "energy_values": value,
            "perturbed": drawn.astype(np.bool_),
        }
