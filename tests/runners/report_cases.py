"""The demo home for ``darkstar report`` and ``whatif battery``, and the two as an application."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from runners.cli_report import report, whatif_app
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import local_day
from telemetry.store import Store
from tests.runners.simulate_cases import demo_folder

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(report)
app.add_typer(whatif_app, name="whatif")
ZONE = "Europe/Stockholm"


def run(folder: Path, *args: str) -> Result:
    """Run one of the commands on a folder, results in its ``out``."""
    words = [*args, "--config", str(folder / "config.yaml"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, words, env={"COLUMNS": "80"})


def store_bytes(folder: Path) -> bytes:
    """Return the bytes of the store, whose log must be empty."""
    log = folder / "darkstar.sqlite-wal"
    assert not log.exists() or log.stat().st_size == 0
    return (folder / "darkstar.sqlite").read_bytes()


def forget(folder: Path, channels: Sequence[str], first: datetime, end: datetime) -> int:
    """Take readings out of the store; return how many."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        marks = ", ".join("?" * len(channels))
        done = db.execute(
            f"DELETE FROM slot_observations WHERE channel IN ({marks})"  # noqa: S608
            " AND slot_start >= ? AND slot_start < ?",
            (*channels, int(first.timestamp()), int(end.timestamp())),
        )
        return done.rowcount


def put_verdicts(folder: Path, dirty: Sequence[date] = (), year: int = 2025) -> None:
    """Judge every day of a year: clean but for some, which are excluded."""
    first = date(year, 1, 1)
    days = [first + timedelta(days=n) for n in range(365)]
    with Store.open(folder / "darkstar.sqlite", system_id="dev") as store:
        store.put_day_quality(
            "demo",
            [
                DayQuality(
                    local_date=day,
                    day_start=local_day(day, ZONE)[0],
                    day_class=DayClass.EXCLUDE if day in dirty else DayClass.CLEAN,
                    reference="none",
                    slots=96,
                    counts={},
                    reasons=(),
                    checked_at=datetime(2026, 1, 2, tzinfo=UTC),
                )
                for day in days
            ],
        )


__all__ = ["ZONE", "app", "demo_folder", "forget", "put_verdicts", "run"]
