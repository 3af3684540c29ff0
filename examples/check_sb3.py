"""What stable-baselines3 says of the environments, and whether its adapter tells the same as ours.

    make rl-check

Prints a line for each check and fails with the first that does not hold.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecNormalize

from rlenv import HomeEnv, demo_history
from rlenv.sb3 import HomeVecEnv

__all__ = ["main"]

_HOMES, _SLOTS = 4, 220
_STEPS = 20_000


def check_single() -> str:
    """Its own check of one home, warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"action": "energy_value", "lookahead": 0}, {"end": "truncate"}):
            check_env(HomeEnv(demo_history(), **options))
    return "stable-baselines3's check_env finds nothing to say"


def check_adapter() -> str:
    """Every home of the adapter, beside a ``HomeEnv`` of its seed, over several days."""
    homes = HomeVecEnv(num_envs=_HOMES, lookahead=3, end="truncate")
    homes.seed(7)
    singles = [HomeEnv(lookahead=3, end="truncate") for _ in range(_HOMES)]
    seen = homes.reset()
    alone = [env.reset(seed=7 + i)[0] for i, env in enumerate(singles)]
    assert np.array_equal(seen, np.stack(alone))  # noqa: S101
    rng, ended = np.random.default_rng(0), 0
    for _ in range(_SLOTS):
        actions = rng.uniform(-1.0, 1.0, (_HOMES, 1)).astype(np.float32)
        seen, rewards, over, infos = homes.step(actions)
        for i, env in enumerate(singles):
            mine, reward, _, truncated, info = env.step(actions[i])
            assert (reward, truncated) == (rewards[i], over[i])  # noqa: S101
            if truncated:
                ended += 1
                assert infos[i]["TimeLimit.truncated"]  # noqa: S101
                assert np.array_equal(infos[i]["terminal_observation"], mine)  # noqa: S101
                assert infos[i]["soc_kwh"] == info["soc_kwh"]  # noqa: S101
                mine, _ = env.reset()
            assert np.array_equal(mine, seen[i])  # noqa: S101
    return f"the adapter is {_HOMES} single homes to the bit, over {ended} days"


def check_ppo() -> str:
    """A short PPO runs through; what it is worth is a matter of ``examples.ppo``."""
    torch.set_num_threads(1)
    homes = VecNormalize(HomeVecEnv(num_envs=16, lookahead=0, action="energy_value"))
    model = PPO("MlpPolicy", homes, n_steps=96, batch_size=256, seed=0, device="cpu")
    model.learn(_STEPS)
    return f"PPO runs on the adapter: {model.num_timesteps} slots"


def main() -> None:
    """Run every check."""
    for check in (check_single, check_adapter, check_ppo):
        print(check())  # noqa: T201 - what a reader asks


if __name__ == "__main__":
    main()
