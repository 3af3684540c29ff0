"""PPO from stable-baselines3 on a vector of days, judged in money on days it never saw.

    make rl-check        # or, where torch and stable-baselines3 are: python -m examples.ppo

What the house would cost without its battery is known at the end of each slot and is no merit of
the agent, so it is taken off the reward (a control variate): what is left is what the battery
earned, and the energy stored is priced along the way by a constant (potential-based shaping; Ng,
Harada and Russell 1999), which changes no optimum. The agent is judged on the true reward. Of the
day ahead it is shown how prices are spread, as seen from the price now: a small network does not
find that in 388 numbers by itself.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize

from examples.judged import Judge, references, to_learn
from rlenv import AgentPolicy, HomeEnv, Layout, demo_history
from rlenv.layout import F32, SCALARS
from rlenv.sb3 import HomeVecEnv

__all__ = ["Earned", "main", "shown", "trained"]

HOMES, STEPS, GAMMA = 64, 96, 1.0
VALUES = (0.0, 2.7)
"""Energy values of the actions -1 and 1, SEK per stored kWh."""
POTENTIAL = 1.35
"""SEK per stored kWh."""
WINDOWS = (8, 16, 32, 64, 97)
"""Slots from this one on: 2, 4, 8, 16 and 24 hours."""
SPREAD = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Quantiles of the prices in each of them."""


def shown(layout: Layout, seen: F32) -> F32:
    """Return what an agent is shown of observations, (B, C) to (B, F).

    The numbers of the slot itself; then, for each window, quantiles and mean of its prices less the
    price now, and mean load and PV.
    """
    price, sells, load, pv = (
        seen[:, layout.columns(name)]
        for name in ("import_price", "export_price", "load_kwh", "pv_kwh")
    )
    now = price[:, :1]
    parts = [seen[:, : len(SCALARS)], now, now - sells[:, :1], load[:, :1], pv[:, :1]]
    for slots in WINDOWS:
        ahead = np.sort(price[:, :slots], axis=1) - now
        parts.append(ahead[:, [round(share * (ahead.shape[1] - 1)) for share in SPREAD]])
        means = (ahead, load[:, :slots], pv[:, :slots])
        parts.extend(values.mean(axis=1, keepdims=True) for values in means)
    return np.concatenate(parts, axis=1)


class Earned(VecEnvWrapper):  # type: ignore[misc] # its package has no types here
    """Rewards for what the battery did, instead of for the house; what ``shown`` shows."""

    def __init__(self, envs: HomeVecEnv) -> None:
        """Wrap the homes."""
        self._layout: Layout = envs.envs.layout
        size = shown(self._layout, np.zeros((1, self._layout.size), dtype=np.float32)).shape[1]
        super().__init__(envs, observation_space=Box(-np.inf, np.inf, (size,), np.float32))
        self._capacity_kwh = envs.envs.histories[0].site.battery.capacity_kwh
        self._seen: F32 = np.empty((0, 0), dtype=np.float32)

    def reset(self) -> F32:
        """Begin a day in every environment."""
        self._seen = self.venv.reset()
        return shown(self._layout, self._seen)

    def step_wait(self) -> tuple[F32, NDArray[Any], NDArray[Any], list[dict[str, Any]]]:
        """Live one slot; see the module."""
        seen, rewards, ended, infos = self.venv.step_wait()
        last = seen.copy()
        for i in np.flatnonzero(ended).tolist():
            last[i] = infos[i]["terminal_observation"]
            infos[i]["terminal_observation"] = shown(self._layout, last[i : i + 1])[0]
        net = self._of(last, "last_net_kwh")
        buys, sells = self._of(self._seen, "import_price"), self._of(self._seen, "export_price")
        stored = np.where(ended, 0.0, self._of(last, "soc")) - self._of(self._seen, "soc")
        earned = rewards + np.where(net > 0.0, buys, sells) * net
        earned += POTENTIAL * self._capacity_kwh * stored
        self._seen = seen
        return shown(self._layout, seen), earned, ended, infos

    def _of(self, seen: F32, name: str) -> NDArray[Any]:
        """Return one number of each observation, of the slot itself."""
        return seen[:, self._layout.columns(name).start].astype(np.float64)


def trained(env: HomeEnv, seed: int, steps: int) -> AgentPolicy:
    """Return an agent that has lived the days to learn from.

    Args:
        env: whose actions are energy values; its history, layout and bounds are used.
        seed: of the agent and of the days.
        steps: slots to live.
    """
    settings, torch_threads = env.settings, 1
    torch.set_num_threads(torch_threads)
    homes = HomeVecEnv(
        env.history,
        num_envs=HOMES,
        lookahead=settings.layout.lookahead,
        action=settings.action,
        value_bounds=settings.value_bounds,
        days=to_learn(env.days),
    )
    scaled = VecNormalize(Earned(homes), gamma=GAMMA)
    model = PPO(
        "MlpPolicy",
        scaled,
        n_steps=STEPS,
        batch_size=1024,
        n_epochs=5,
        gamma=GAMMA,
        gae_lambda=0.98,
        ent_coef=0.02,
        learning_rate=lambda left: 1e-3 * left,
        seed=seed,
        device="cpu",
        policy_kwargs={
            "net_arch": [64, 64],
            "log_std_init": -1.5,
            "activation_fn": torch.nn.ReLU,
        },
    )
    model.learn(steps)

    def act(seen: F32) -> float:
        features = scaled.normalize_obs(shown(settings.layout, seen[None]))
        return float(model.predict(features, deterministic=True)[0][0, 0])

    return AgentPolicy(act, name=f"ppo, seed {seed}")


def main() -> None:
    """Train by some seeds, judge, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", type=int, default=2_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    env = HomeEnv(demo_history(), action="energy_value", value_bounds=VALUES)
    judge = Judge(env)
    references(judge)
    begin = time.perf_counter()
    agents = [trained(env, seed, asked.steps) for seed in range(asked.seeds)]
    seconds = (time.perf_counter() - begin) / asked.seeds
    judge.note(f"ppo, {asked.steps / 1e6:g} million slots", agents)
    judge.show()
    print(f"{seconds:.0f} s a seed, one thread")  # noqa: T201 - what a reader asks


if __name__ == "__main__":
    main()
