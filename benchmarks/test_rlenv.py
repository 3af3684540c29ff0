"""Environments: steps of one home and of a thousand, beside Gymnasium's CartPole-v1 in one run.

One thread. ``extra_info["steps"]`` says how many environment steps a round takes; the resets that
days and poles need are among them. Actions were drawn before the clock starts.
"""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from rlenv import HomeEnv, HomeVectorEnv, demo_history

Envs = VectorEnv[Any, Any, Any]
STEPS, HOMES, VECTOR_STEPS = 2000, 1024, 50
KINDS: dict[str, dict[str, Any]] = {
    "window": {"lookahead": 96},
    "compact": {"lookahead": 0},
    "energy_value": {"lookahead": 0, "action": "energy_value"},
}


def walk(env: gymnasium.Env[Any, Any], actions: list[Any]) -> int:
    """Step once by each action, and reset where it is due; return how often."""
    resets = 0
    env.reset(seed=0)
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
            resets += 1
    return resets


def single(benchmark: BenchmarkFixture, env: gymnasium.Env[Any, Any], actions: list[Any]) -> None:
    walk(env, actions[:10])
    benchmark.extra_info["steps"] = len(actions)
    assert benchmark(walk, env, actions) > 0


def many(benchmark: BenchmarkFixture, envs: Envs, actions: NDArray[Any]) -> None:
    """Step ``VECTOR_STEPS`` times; days and poles go on from round to round."""
    envs.reset(seed=0)
    envs.step(actions)

    def run() -> tuple[Any, ...]:
        for _ in range(VECTOR_STEPS):
            told = envs.step(actions)
        return told

    benchmark.extra_info["steps"] = VECTOR_STEPS * HOMES
    observations = benchmark(run)[0]
    assert observations.shape[0] == HOMES


@pytest.mark.parametrize("kind", KINDS)
def test_rl_home(benchmark: BenchmarkFixture, kind: str) -> None:
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (STEPS, 1)).astype(np.float32)
    single(benchmark, HomeEnv(demo_history(), **KINDS[kind]), list(actions))


def test_rl_cartpole(benchmark: BenchmarkFixture) -> None:
    actions = np.random.default_rng(0).integers(0, 2, STEPS).tolist()
    single(benchmark, gymnasium.make("CartPole-v1").unwrapped, actions)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("kind", KINDS)
def test_rl_homes(benchmark: BenchmarkFixture, kind: str, mode: str) -> None:
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (HOMES, 1)).astype(np.float32)
    envs = HomeVectorEnv(
        demo_history(), num_envs=HOMES, autoreset_mode=AutoresetMode(mode), **KINDS[kind]
    )
    many(benchmark, envs, actions)


def test_rl_cartpoles(benchmark: BenchmarkFixture) -> None:
    envs = gymnasium.make_vec(
        "CartPole-v1", num_envs=HOMES, vectorization_mode="vector_entry_point"
    ).unwrapped
    many(benchmark, envs, np.random.default_rng(0).integers(0, 2, HOMES))


def test_rl_reset(benchmark: BenchmarkFixture) -> None:
    env = HomeEnv(demo_history())
    env.reset(seed=0)
    assert env.observation_space.contains(benchmark(env.reset)[0])
