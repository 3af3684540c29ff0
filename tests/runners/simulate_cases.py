"""The demo home for ``darkstar simulate``: a folder to simulate in, and what comes of it."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from typer.testing import CliRunner, Result

from runners.cli import app
from runners.config import load_config
from runners.demo import fill_store
from runners.init import template
from sim.demo import DEMO_HOME, make_demo_year
from telemetry.store import Store

TABLES = ("training_episodes", "episode_outbox", "simulated_days", "replays", "replay_slots")
_CONFIG = template().replace("area: se4 ", f"area: {DEMO_HOME.area}", 1)
Rows = dict[str, list[tuple[object, ...]]]


@cache
def demo_store() -> bytes:
    """Return the store of the demo home, all of 2025."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(_CONFIG, "utf-8")
        config = load_config(folder / "config.yaml")
        with Store.open(config.store_url, system_id="dev") as store:
            fill_store(store, make_demo_year(), config.site(DEMO_HOME.home_id))
        return Path(config.store_url).read_bytes()


def demo_folder(folder: Path) -> Path:
    """Write configuration and store of the demo home."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(_CONFIG, "utf-8")
    (folder / "darkstar.sqlite").write_bytes(demo_store())
    return folder


def simulate(folder: Path, first: str, end: str, *args: str) -> Result:
    """Run ``darkstar simulate`` in this process."""
    return CliRunner().invoke(app, command(folder, first, end, *args), env={"COLUMNS": "80"})


def command(folder: Path, first: str, end: str, *args: str) -> list[str]:
    """Return the words of a ``darkstar simulate``; without others, in one process."""
    config = str(folder / "config.yaml")
    workers = [] if "--scheduler" in args or "--workers" in args else ["--workers", "1"]
    days = ["--start-date", first, "--end-date", end]
    return ["simulate", "--config", config, *days, *workers, *args]


def rows(folder: Path) -> Rows:
    """Return every row that a simulation writes, in an order of its own."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        found: Rows = {
            table: sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
            for table in TABLES
        }
    db.close()
    return found


def column(folder: Path, name: str) -> list[object]:
    """Return one column of the episodes, in order of time."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        ask = f"SELECT {name} FROM training_episodes ORDER BY episode_start, episode_id"  # noqa: S608
        found = [value for (value,) in db.execute(ask)]
    db.close()
    return found
