"""A batch killed with SIGKILL twenty times at random moments, resumed, mirrored: no row differs.

Most runs are forked off a process that has loaded everything, so that the kills come while days are
computed and written, and not while Python starts; the others are whole command lines with two
processes of their own.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from tests.peers.mariadb import RealMariaDB
from tests.runners.simulate_cases import Rows, command, demo_folder, rows, simulate
from tests.telemetry import mirrors

ROOT = Path(__file__).parents[2]
KILLS, SEED = 20, 4
PERIOD = ("2025-10-24", "2025-11-03")
THREE = ("--scenarios", "3")
EPISODES = 3 * (9 * 96 + 100)
WRITING_SECONDS, A_DAY_SECONDS = 0.03, 0.15
WITH_PROCESSES = 5
"""Every so many of the runs is a command line with two processes."""


class Running(Protocol):
    """A process that can be killed."""

    def is_alive(self) -> bool:
        """Say whether it runs."""

    def kill(self) -> None:
        """Kill it and wait for its end."""


class CommandLine:
    """A whole ``darkstar``."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runners.cli", *words],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def is_alive(self) -> bool:
        """Say whether it runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Kill it and wait for its end."""
        self.process.kill()
        self.process.wait()


def run_quietly(words: list[str]) -> None:
    """Run a command in a fork."""
    from runners.cli import app  # noqa: PLC0415 - here, not where the test is collected

    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        sys.stdout = sys.stderr = nothing
        app(words)


class Fork:
    """The same in a fork of the fork server."""

    def __init__(self, *words: str) -> None:
        self.process = get_context("forkserver").Process(target=run_quietly, args=(list(words),))
        self.process.start()

    def is_alive(self) -> bool:
        """Say whether it runs."""
        return self.process.is_alive()

    def kill(self) -> None:
        """Kill it and wait for its end."""
        self.process.kill()
        self.process.join()


@pytest.fixture(scope="module")
def _forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the fork server load everything when it starts, with the first fork."""
    warm = demo_folder(tmp_path_factory.mktemp("warm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARM_FOLDER", str(warm))
        get_context("forkserver").set_forkserver_preload(["tests.runners.warm_simulate"])
        yield


def is_writing(folder: Path) -> bool:
    """Say whether anything of a transaction is on the disk; SQLite's log is empty before."""
    try:
        return (folder / "darkstar.sqlite-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def kill_at_random(batch: Running, folder: Path, rng: np.random.Generator) -> bool:
    """Kill a batch while it reads, writes a day, or computes the next; False where it had ended."""
    most = rng.choice([0.0, WRITING_SECONDS, A_DAY_SECONDS], p=[0.2, 0.5, 0.3])
    end = time.monotonic() + (20.0 if most else rng.uniform(0.0, 1.0))
    while batch.is_alive() and time.monotonic() < end and not is_writing(folder):
        time.sleep(0.0002)
    time.sleep(rng.uniform(0.0, most))
    was_alive = batch.is_alive()
    batch.kill()
    return was_alive


def check_whole_days(folder: Path) -> None:
    """Every episode is of a marked day, waits for the mirror, and its day is whole."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        found = db.execute(
            "SELECT e.scenario, e.local_day, count(*), count(o.episode_id), max(d.episodes)"
            " FROM training_episodes e LEFT JOIN episode_outbox o USING (episode_id)"
            " LEFT JOIN simulated_days d ON d.scenario = e.scenario AND d.local_day = e.local_day"
            " GROUP BY 1, 2"
        ).fetchall()
        (marked,) = db.execute("SELECT count(*) FROM simulated_days").fetchone()
    db.close()
    assert len(found) == marked
    for _, day, episodes, waiting, told in found:
        assert episodes == waiting == told == (100 if day == "2025-10-26" else 96)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = demo_folder(tmp_path_factory.mktemp("undisturbed"))
    done = simulate(folder, *PERIOD, *THREE)
    assert done.exit_code == 0, done.output
    found = rows(folder)
    assert len(found["training_episodes"]) == EPISODES
    return found


@pytest.fixture
def killed(tmp_path: Path, _forks: None) -> Path:
    """Return a folder in which a batch was killed again and again, and then left alone."""
    folder, rng, kills, run = demo_folder(tmp_path), np.random.default_rng(SEED), 0, 0
    while kills < KILLS:
        run += 1
        assert run < 2 * KILLS, "batches ended before they could be killed"
        with_processes = run % WITH_PROCESSES == 0
        workers = "2" if with_processes else "1"
        words = command(folder, *PERIOD, *THREE, "--workers", workers)
        batch = CommandLine(*words) if with_processes else Fork(*words)
        kills += kill_at_random(batch, folder, rng)
        check_whole_days(folder)
    assert simulate(folder, *PERIOD, *THREE).exit_code == 0
    return folder


@pytest.mark.integration
def test_a_batch_that_is_killed_twenty_times_loses_and_doubles_nothing(
    killed: Path, undisturbed: Rows, mariadb: RealMariaDB
) -> None:
    assert rows(killed) == undisturbed
    server, rng = mirrors.server_of(mariadb, "antares_killed"), np.random.default_rng(SEED)
    with (killed / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(
            f"\nmirror:\n  host: {server.host}\n  port: {server.port}\n  user: {server.user}\n"
            f"  password: !secret mirror_password\n  database: {server.database}\n"
        )
    secrets = killed / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text(f"mirror_password: '{server.password}'\n", "utf-8")
    words = ("mirror", "--config", str(killed / "config.yaml"))
    for _ in range(4):
        mirror = Fork(*words)
        time.sleep(rng.uniform(0.1, 1.0))
        mirror.kill()
    last = CommandLine(*words)
    assert last.process.wait() == 0
    mirrored = mirrors.rows(mariadb.dsn(server.database))
    assert mirrored == mirrors.rows(f"sqlite:///{killed / 'darkstar.sqlite'}")
    assert len(mirrored) == EPISODES
    assert rows(killed)["episode_outbox"] == []
