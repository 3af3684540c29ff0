"""The environment is the replay: a policy pays what ``darkstar simulate`` wrote down.

Twenty days of the demo home, both changes of the clock among them, are simulated by the command
with each engine; then a policy lives them in the environment, from the store the command wrote to.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from mpc import Site
from rlenv import HomeEnv, MpcPolicy, Policy, StoragePolicy, read_history, rollout
from sim.episodes import read_episodes
from telemetry.slots import local_day
from tests.rlenv.homes import AUTUMN, SIMULATED, SPRING, demo_store, simulated_folder

ZONE = "Europe/Stockholm"


def policy_of(engine: str, site: Site) -> Policy:
    return MpcPolicy(site) if engine == "highs" else StoragePolicy(site)


@pytest.mark.integration
@pytest.mark.parametrize("engine", ["highs", "storage"])
def test_a_day_earns_what_simulate_wrote_that_it_cost(tmp_path: Path, engine: str) -> None:
    folder = simulated_folder(tmp_path, engine)
    paid: dict[date, float] = {}
    start: dict[date, float] = {}
    with demo_store(folder) as (store, model):
        for episode in read_episodes(store, system_id="simulation"):
            assert episode.realised is not None
            paid[episode.local_day] = paid.get(episode.local_day, 0.0) + episode.realised.cost
            begins = local_day(episode.local_day, ZONE)[0]
            if episode.start == begins:
                start[episode.local_day] = episode.soc_start_kwh
        bounds = [date.fromisoformat(text) for pair in SIMULATED for text in pair]
        histories = [
            read_history(store, model, *bounds[k : k + 2]) for k in range(0, len(bounds), 2)
        ]
    assert len(paid) == 20
    assert {SPRING, AUTUMN} <= set(paid)
    for history in histories:
        env = HomeEnv(history, classes=None)
        for day in env.days:
            lived = rollout(env, policy_of(engine, env.site), day=day, soc_kwh=start[day])
            left = history.terminal(history.find(day)).value(float(lived.of("soc_kwh")[-1]))
            assert len(lived.rewards) == {SPRING: 92, AUTUMN: 100}.get(day, 96)
            assert lived.of("terminal_value")[-1] == pytest.approx(left, abs=1e-9)
            assert lived.reward == pytest.approx(-paid.pop(day) + left, abs=1e-6)
            assert np.isfinite(lived.energy_values).all()
    assert not paid


def test_the_environment_knows_the_time(tmp_path: Path) -> None:
    del tmp_path
    env = HomeEnv(classes=None)
    env.reset(options={"day": AUTUMN, "soc_kwh": 5.0})
    assert env.now == datetime.fromisoformat("2025-10-25T22:00:00+00:00")
