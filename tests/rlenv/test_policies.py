"""Policies, by one contract for all; the oracle beats them, and the engine is the planner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import gymnasium
import numpy as np
import pytest

from rlenv import (
    ActionError,
    AgentPolicy,
    ConstantPolicy,
    HomeEnv,
    IdlePolicy,
    MpcPolicy,
    OptionError,
    OraclePolicy,
    Policy,
    SelfUsePolicy,
    StoragePolicy,
    mean_reward,
    read_history,
    rollout,
    rollouts,
)
from sim.asof import BaselineForecasts
from sim.demo_house import demo_facts, demo_model
from sim.dispatch import HOLD, SELF_USE, VALUE
from sim.oracle import make_oracle
from sim.policies import run_storage, run_without_plan
from sim.replay import Dispatch
from sim.slots import COLUMNS
from telemetry.slots import local_day
from tests.rlenv.homes import AUTUMN, DAYS, SPRING, cabin, year

Make = Callable[[HomeEnv], Policy]
EVERY: dict[str, Make] = {
    "idle": lambda _: IdlePolicy(),
    "self-use": lambda _: SelfUsePolicy(),
    "constant": lambda _: ConstantPolicy(0.2),
    "agent": lambda _: AgentPolicy(lambda observation: 3.0 * np.sin(observation[1])),
    "mpc": lambda env: MpcPolicy(env.site),
    "mpc modes": lambda env: MpcPolicy(env.site, Dispatch.MODES),
    "mpc windows": lambda env: MpcPolicy(env.site, Dispatch.WINDOWS),
    "mpc setpoint": lambda env: MpcPolicy(env.site, Dispatch.SETPOINT),
    "storage": lambda env: StoragePolicy(env.site),
    "storage setpoint": lambda env: StoragePolicy(env.site, Dispatch.SETPOINT),
    "oracle": lambda env: OraclePolicy(env.history),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("action", ["battery_power", "energy_value"])
def test_every_policy_lives_a_day(name: str, action: str) -> None:
    """The same day twice is the same; nobody beats the oracle; observations are in their box."""
    env = HomeEnv(year(), action=action, lookahead=4)  # type: ignore[arg-type]
    policy = EVERY[name](env)
    assert policy.name
    first, again = (rollout(env, policy, day=AUTUMN, soc_kwh=5.0) for _ in range(2))
    assert np.array_equal(first.rewards, again.rewards)
    assert np.array_equal(first.observations, again.observations)
    assert first.observations.shape == (101, env.layout.size)
    assert first.terminated
    assert all(env.observation_space.contains(seen) for seen in first.observations)
    least = rollout(env, OraclePolicy(env.history), day=AUTUMN, soc_kwh=5.0)
    assert first.reward <= least.reward + 1e-9
    with pytest.raises(OptionError, match="charge_kwh"):
        first.of("charge")


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("soc_kwh", [1.0, 4.2, 10.0])
def test_replay_and_environment_do_the_same(day: date, soc_kwh: float) -> None:
    """Rest, self-use and the engine: every column of every slot, as ``sim.policies`` writes it."""
    env, history = HomeEnv(year(), lookahead=0), year()
    window = history.window(history.find(day), soc_kwh)
    forecasts = BaselineForecasts(demo_facts(), demo_model(), *local_day(day, history.zone))
    for policy, rows in (
        (IdlePolicy(), run_without_plan(window, HOLD)),
        (SelfUsePolicy(), run_without_plan(window, SELF_USE)),
        (StoragePolicy(env.site), run_storage(window, forecasts, VALUE)),
    ):
        lived = rollout(env, policy, day=day, soc_kwh=soc_kwh)
        for column, name in enumerate(COLUMNS):
            assert lived.of(name) == pytest.approx(rows[:, column], abs=1e-9), name


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_oracle_is_the_optimum_of_the_day(day: date) -> None:
    """Its reward is what the value function says, and the planner is between it and rest."""
    env, history = HomeEnv(year(), lookahead=0), year()
    optimum = make_oracle(history.window(history.find(day), 5.0))
    lived = rollout(env, OraclePolicy(history), day=day, soc_kwh=5.0)
    assert lived.reward == pytest.approx(-optimum.least_cost, abs=1e-6)
    # From anywhere in the day it is the optimum of the rest.
    noon = 40
    stored = float(lived.of("soc_kwh")[noon - 1])
    rest = make_oracle(history.window(history.find(day), stored, first=noon))
    assert -rest.least_cost == pytest.approx(lived.rewards[noon:].sum(), abs=1e-6)


def test_the_engine_earns_what_the_planner_earns() -> None:
    """Both are exact: over days they differ by ties alone."""
    for history in (year(), cabin()):
        env = HomeEnv(history, lookahead=0)
        days = [day for day in (SPRING, date(2025, 4, 3), AUTUMN) if day in env.days]
        start = 0.5 * env.site.battery.capacity_kwh
        found = [
            mean_reward(rollouts(env, policy, days, soc_kwh=start))
            for policy in (MpcPolicy(env.site), StoragePolicy(env.site), IdlePolicy())
        ]
        assert found[0] == pytest.approx(found[1], abs=0.1)
        assert min(found[:2]) > found[2]


def test_a_broken_limit_costs_what_replay_says() -> None:
    """A house that draws more than its fuse gives pays for it, in the planner's hands too."""
    model = demo_model()
    tight = replace(model.site, grid=replace(model.site.grid, max_import_kw=2.0))
    weak = replace(model, site=tight)
    history = read_history(demo_facts(), weak, date(2025, 12, 10), date(2025, 12, 13))
    env = HomeEnv(history)
    day = date(2025, 12, 12)
    window = history.window(history.find(day), 5.0)
    forecasts = BaselineForecasts(demo_facts(), weak, *local_day(day, history.zone))
    rows = run_storage(window, forecasts, VALUE)
    assert rows[:, COLUMNS.index("penalty")].sum() > 0.0
    idle = rollout(env, IdlePolicy(), day=day, soc_kwh=5.0)
    assert idle.of("penalty").sum() > rows[:, COLUMNS.index("penalty")].sum()
    lived = rollout(env, StoragePolicy(env.site), day=day, soc_kwh=5.0)
    assert lived.of("penalty").sum() < idle.of("penalty").sum()
    assert lived.reward > idle.reward


def test_set_points_do_not_answer_the_load() -> None:
    env = HomeEnv(year(), lookahead=0)
    found = {
        name: mean_reward(rollouts(env, EVERY[name](env), DAYS, soc_kwh=5.0))
        for name in ("mpc", "mpc setpoint", "storage", "storage setpoint")
    }
    assert found["mpc"] > found["mpc setpoint"]
    assert found["storage"] > found["storage setpoint"]
    with pytest.raises(OptionError, match="value or setpoint"):
        StoragePolicy(env.site, Dispatch.MODES)


@pytest.mark.parametrize("name", EVERY)
def test_a_drawn_action_misleads_no_policy(name: str) -> None:
    """Used on another day before, it does what a fresh one does, also where slot 0 was drawn."""
    env = HomeEnv(year(), lookahead=0)
    used = EVERY[name](env)
    rollout(env, used, day=SPRING, soc_kwh=7.0, seed=1)
    for perturb, seed in ((0.01, 141), (0.3, 5)):
        one, other = (
            rollout(env, policy, day=DAYS[3], soc_kwh=5.0, seed=seed, perturb=perturb)
            for policy in (used, EVERY[name](env))
        )
        assert np.array_equal(one.perturbed, other.perturbed)
        assert one.perturbed.any()
        assert np.array_equal(one.rewards, other.rewards)
        assert np.array_equal(one.energy_values, other.energy_values, equal_nan=True)


def test_wrappers_are_lived_through() -> None:
    env = HomeEnv(year(), lookahead=0)
    short = gymnasium.wrappers.TimeLimit(env, 10)
    assert len(rollout(short, MpcPolicy(env.site), day=AUTUMN).rewards) == 10
    scaled = gymnasium.wrappers.RescaleAction(env, np.float32(0.0), np.float32(1.0))
    lived = rollout(scaled, ConstantPolicy(0.5), day=AUTUMN, soc_kwh=5.0)
    assert lived.of("wish_kwh") == pytest.approx(np.zeros(100), abs=1e-9)
    with pytest.raises(OptionError, match="RescaleAction"):
        rollout(scaled, MpcPolicy(env.site))
    with pytest.raises(OptionError, match="a HomeEnv, or a wrapper of one"):
        rollout(gymnasium.make("CartPole-v1"), IdlePolicy())


def test_an_agent_gives_one_number() -> None:
    env = HomeEnv(year(), lookahead=0)
    for answer in ((np.zeros(1), None), np.zeros(2), float("nan"), "up"):
        with pytest.raises(ActionError, match="one number"):
            rollout(env, AgentPolicy(lambda _, given=answer: given))  # type: ignore[misc]


def test_perturbed_actions_are_recorded() -> None:
    env = HomeEnv(year(), lookahead=0)
    policy = StoragePolicy(env.site)
    days = list(DAYS)
    one, other = (rollouts(env, policy, days, soc_kwh=5.0, seed=4, perturb=0.2) for _ in range(2))
    drawn = np.concatenate([day.perturbed for day in one])
    assert drawn.tolist() == np.concatenate([day.perturbed for day in other]).tolist()
    assert 0.13 < drawn.mean() < 0.27
    for day in one:
        assert day.perturb == 0.2
        assert np.array_equal(np.isnan(day.actions), ~day.perturbed)
        assert np.array_equal(np.isnan(day.energy_values), day.perturbed)
    assert mean_reward(one) < mean_reward(rollouts(env, policy, days, soc_kwh=5.0))
    with pytest.raises(OptionError, match="a probability"):
        rollout(env, policy, perturb=1.5)
    with pytest.raises(OptionError, match="at least one day"):
        mean_reward([])
