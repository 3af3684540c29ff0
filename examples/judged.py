"""Held-out days of the demo home, and what policies earn on them: a table in currency a day.

Every other week is to learn from, the weeks between are for judging: nobody trains on them. Each
day starts half full (within the battery's window), and what is left at its end is paid for by the
value of the 24 h that followed, the same for every policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from rich.console import Console
from rich.table import Table

from rlenv import (
    ConstantPolicy,
    HomeEnv,
    HomeVectorEnv,
    IdlePolicy,
    MpcPolicy,
    OraclePolicy,
    Policy,
    SelfUsePolicy,
    StoragePolicy,
    mean_reward,
    rollouts,
)
from sim.replay import Dispatch

__all__ = ["Judge", "best_constant", "held_out", "references", "to_learn"]

_WEEK, _FORTNIGHT = 7, 14
_CONSTANTS = np.arange(0.0, 4.01, 0.125)


def to_learn(days: Sequence[date]) -> list[date]:
    """Return the days of every other week, counted from the first day."""
    return [day for n, day in enumerate(days) if n % _FORTNIGHT < _WEEK]


def held_out(days: Sequence[date]) -> list[date]:
    """Return the days of the weeks between."""
    return [day for n, day in enumerate(days) if n % _FORTNIGHT >= _WEEK]


def start_kwh(env: HomeEnv) -> float:
    """Return the middle of the battery's window, kWh."""
    low, high = env.history.data.limits[0, :2].tolist()
    return 0.5 * (float(low) + float(high))


@dataclass(frozen=True, slots=True)
class Earned:
    """What a policy earned on held-out days, currency a day, for each of its seeds."""

    name: str
    rewards: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.rewards))


class Judge:
    """Lives the held-out days with one policy after the other."""

    def __init__(self, env: HomeEnv, days: Sequence[date] | None = None) -> None:
        """Keep the environment and the days; None: all that are held out."""
        self.env = env
        self.days = held_out(env.days) if days is None else list(days)
        self.table: list[Earned] = []

    def earned(self, policy: Policy) -> float:
        """Return what a policy earns, currency a day; minus what it pays."""
        return mean_reward(rollouts(self.env, policy, self.days, soc_kwh=start_kwh(self.env)))

    def note(self, name: str, policies: Sequence[Policy]) -> Earned:
        """Judge a policy, or one of each seed, for the table."""
        found = Earned(name, tuple(self.earned(policy) for policy in policies))
        self.table.append(found)
        return found

    def share(self, reward: float) -> float:
        """Return the part of the planner's gain over rest that a reward makes."""
        rest, planner = (
            next(row.mean for row in self.table if row.name == name) for name in ("idle", "mpc")
        )
        return (reward - rest) / (planner - rest)

    def show(self) -> None:
        """Print the table."""
        table = Table(title=f"{len(self.days)} held-out days of home {self.env.history.home_id}")
        table.add_column("policy")
        for name in (f"cost, {self.env.history.currency} a day", "of the planner's gain", "seeds"):
            table.add_column(name, justify="right")
        for row in self.table:
            shares = [f"{self.share(reward):.0%}" for reward in row.rewards]
            seeds = " ".join(shares) if len(shares) > 1 else ""
            table.add_row(row.name, f"{-row.mean:.2f}", f"{self.share(row.mean):.1%}", seeds)
        Console(width=100).print(table)


def best_constant(env: HomeEnv, days: Sequence[date]) -> float:
    """Return the constant energy value that costs least on some days, currency per stored kWh."""
    many = HomeVectorEnv(
        env.history,
        num_envs=len(days),
        lookahead=0,
        action="energy_value",
        value_bounds=env.settings.value_bounds,
        classes=None,
    )

    def earned(worth: float) -> float:
        many.reset(seed=0, options={"day": list(days), "soc_kwh": start_kwh(env)})
        actions = np.full((len(days), 1), env.action_of(worth))
        total, over = np.zeros(len(days)), np.zeros(len(days), dtype=np.bool_)
        while not over.all():
            _, rewards, ended, _, _ = many.step(actions)
            total += np.where(over, 0.0, rewards)
            over |= ended
        return float(total.mean())

    return float(max(_CONSTANTS, key=earned))


def references(judge: Judge) -> None:
    """Note rest, self-use, the best constant, planners and the oracle."""
    env = judge.env
    constant = best_constant(env, to_learn(env.days))
    judge.note("idle", [IdlePolicy()])
    judge.note("self-use", [SelfUsePolicy()])
    judge.note(
        f"best constant, {constant:g} {env.history.currency}/kWh",
        [ConstantPolicy(env.action_of(constant))],
    )
    judge.note("mpc setpoint", [MpcPolicy(env.site, Dispatch.SETPOINT)])
    judge.note("mpc", [MpcPolicy(env.site)])
    judge.note("storage", [StoragePolicy(env.site)])
    judge.note("oracle", [OraclePolicy(env.history)])
