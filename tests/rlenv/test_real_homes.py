"""Environments on real houses: hourly readings, prices of another place, gaps."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rlenv import (
    HomeEnv,
    HomeVectorEnv,
    IdlePolicy,
    OraclePolicy,
    StoragePolicy,
    mean_reward,
    read_history,
    rollouts,
)
from runners.results_homes import real_homes
from telemetry.store import Store

PERIODS = {
    "se4_darkstar": (date(2025, 7, 3), date(2025, 9, 29)),
    "ca_01": (date(2017, 3, 5), date(2017, 3, 25)),
}


@pytest.mark.real_data
@pytest.mark.integration
def test_days_of_real_houses(real_data: Path, tmp_path: Path) -> None:
    """Every day is lived or named; the engine is between rest and the oracle; homes join."""
    histories = []
    with Store.open(tmp_path / "real.sqlite", system_id="test") as store:
        for home in real_homes(store, real_data):
            period = PERIODS.get(home.model.home.home_id)
            if period is not None:
                history = read_history(store, home.model, *period)
                assert len(history.days) + len(history.skipped) == (period[1] - period[0]).days
                histories.append(history)
    assert [history.home_id for history in histories] == list(PERIODS)
    for history in histories:
        env = HomeEnv(history, classes=None, lookahead=24)
        rest, engine, least = (
            mean_reward(rollouts(env, policy, env.days[::3], soc_kwh=5.5))
            for policy in (IdlePolicy(), StoragePolicy(env.site), OraclePolicy(history))
        )
        assert rest < engine < least
        # By the hour: the last net load is that of a whole hour that is over.
        rows = history.data.now[history.data.first[0] :][:5, 5]
        assert len(set(rows[:4].tolist())) == 1
    envs = HomeVectorEnv(histories, num_envs=6, classes=None, lookahead=24)
    envs.reset(seed=0)
    for _ in range(110):
        observations = envs.step(np.zeros((6, 1)))[0]
    assert envs.observation_space.contains(observations)
