"""Behaviour cloning: trees learn from the storage engine what a stored kWh is worth.

    python -m examples.clone

The engine lives the days to learn from; at each slot the agent is shown what it would see itself
and the value that the engine acted on. On the held-out days it then acts by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import lightgbm
import numpy as np

from examples.judged import Judge, references, to_learn
from rlenv import AgentPolicy, HomeEnv, StoragePolicy, demo_history, rollouts
from rlenv.layout import F32, Layout
from rlenv.offline import episode_observation
from sim.episode_arrays import EpisodeArrays
from telemetry.arrays import F64

__all__ = ["cloned", "main", "taught", "taught_by_episodes"]

SEEDS, ROUNDS = range(5), 200


def taught(env: HomeEnv, days: Sequence[date], seed: int) -> tuple[F32, F64]:
    """Return what an agent would see where the engine acts, (N, C), and on what value, (N,)."""
    lived = rollouts(env, StoragePolicy(env.site), days, seed=seed)
    seen = np.concatenate([day.observations[:-1] for day in lived])
    return seen, np.concatenate([day.energy_values for day in lived])


def taught_by_episodes(
    episodes: Iterable[EpisodeArrays], layout: Layout, zone: str, capacity_kwh: float
) -> tuple[F32, F64]:
    """Return the same from recorded planner runs: what each saw, and the value of its first slot.

    Args:
        episodes: of ``sim.episodes.read_episodes``, from a store or a mirror.
        layout: of the agent's observations.
        zone: of the home's wall clock.
        capacity_kwh: of its battery.
    """
    seen, worth = list[F32](), list[float]()
    for episode in episodes:
        seen.append(episode_observation(episode, layout, zone, capacity_kwh))
        worth.append(0.5 * float(episode.energy_value_up[0] + episode.energy_value_down[0]))
    return np.stack(seen), np.array(worth)


def cloned(env: HomeEnv, seen: F32, worth: F64, seed: int, rounds: int = ROUNDS) -> AgentPolicy:
    """Return the agent that acts on the value it expects.

    Args:
        env: whose actions are energy values.
        seen: (N, C) observations.
        worth: (N,) energy value of each, currency per stored kWh.
        seed: of the trees.
        rounds: number of trees.
    """
    settings = {"objective": "l1", "num_threads": 1, "seed": seed, "verbose": -1}
    trees = lightgbm.train(settings, lightgbm.Dataset(seen, worth), rounds)

    def act(observation: F32) -> float:
        return env.action_of(float(trees.predict(observation[None], num_threads=1)[0]))

    return AgentPolicy(act, name=f"clone, seed {seed}")


def main() -> None:
    """Learn by five seeds, judge, and print the table."""
    env = HomeEnv(demo_history(), action="energy_value")
    judge = Judge(env)
    references(judge)
    days = to_learn(env.days)
    agents = [cloned(env, *taught(env, days, seed), seed) for seed in SEEDS]
    judge.note("behaviour cloning of the engine", agents)
    judge.show()


if __name__ == "__main__":
    main()
