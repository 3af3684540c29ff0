"""An agent learns from recorded episodes, out of SQLite and out of MariaDB, and earns its keep."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from examples.clone import cloned, taught_by_episodes
from examples.judged import Judge
from rlenv import HomeEnv, IdlePolicy, MpcPolicy, read_history
from sim.episodes import read_episodes
from telemetry.mirror import Mirror
from telemetry.store import Store
from tests.peers.mariadb import RealMariaDB
from tests.rlenv.homes import demo_store
from tests.runners.simulate_cases import demo_folder, simulate
from tests.telemetry.mirrors import server_of

DATABASE = "clone_episodes"
TAUGHT = (("2025-03-10", "2025-03-24"), ("2025-06-09", "2025-06-23"))
"""Two fortnights that are simulated, the clock's change not far."""
JUDGED = ((date(2025, 3, 24), date(2025, 4, 2)), (date(2025, 6, 23), date(2025, 7, 2)))
"""The days that follow them."""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = demo_folder(tmp_path)
    for first, end in TAUGHT:
        done = simulate(folder, first, end, "--all-days")
        assert done.exit_code == 0, done.output
    return folder


@pytest.mark.integration
def test_episodes_of_both_databases_teach_the_same(recorded: Path, mariadb: RealMariaDB) -> None:
    with demo_store(recorded) as (store, model):
        histories = [read_history(store, model, *pair) for pair in JUDGED]
        env = HomeEnv(histories[0], action="energy_value", classes=None)
        zone, capacity = str(model.home.zone), model.site.battery.capacity_kwh
        home = (env.layout, zone, capacity)
        seen, worth = taught_by_episodes(read_episodes(store, home_id="demo"), *home)
    assert seen.shape == (2 * 14 * 96, env.layout.size)
    assert all(env.observation_space.contains(one) for one in seen[::97])
    mariadb.sql(f"DROP DATABASE IF EXISTS {DATABASE}")
    try:
        mirror = Mirror.open(server_of(mariadb, DATABASE))
        with Store.open(recorded / "darkstar.sqlite", system_id="test") as store:
            mirror.push(store)
        there = taught_by_episodes(read_episodes(mirror, home_id="demo"), *home)
    finally:
        mariadb.sql(f"DROP DATABASE IF EXISTS {DATABASE}")
    assert np.array_equal(there[0], seen)
    assert np.array_equal(there[1], worth)
    agent = cloned(env, *there, seed=0, rounds=100)
    for history in histories:
        judge = Judge(HomeEnv(history, action="energy_value", classes=None), history.days)
        judge.note("idle", [IdlePolicy()])
        judge.note("mpc", [MpcPolicy(env.site)])
        assert judge.share(judge.earned(agent)) > 0.5
