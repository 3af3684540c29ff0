"""Stores as an older Darkstar left them, and programs of a Darkstar to come."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command

import telemetry.migrate
from telemetry import database, upgrade
from telemetry.migrate import alembic_config

NEXT = "0007"


def make_older(place: str | Path, revision: str) -> None:
    """Take a store back to an older schema, by the migrations themselves."""
    engine = database.connect(place, read_only=False)
    with database.writing(engine) as conn:
        config = alembic_config()
        config.attributes["connection"] = conn
        command.downgrade(config, revision)
    engine.dispose()


def dump(path: Path) -> list[str]:
    """All tables and rows of an SQLite file."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def schema(path: Path) -> str:
    """Return the schema of an SQLite store."""
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)


def next_migrations(folder: Path, body: str) -> Path:
    """Write the migrations with one more, whose ``upgrade`` runs the lines of ``body``."""
    scripts = folder / "migrations"
    shutil.copytree(Path(telemetry.migrate.__file__).parent / "migrations", scripts)
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (scripts / "versions" / f"{NEXT}_next.py").write_text(
        "import time\nfrom pathlib import Path\nfrom alembic import op\n"
        f"revision, down_revision = {NEXT!r}, '0006'\nbranch_labels = depends_on = None\n"
        f"def upgrade():\n{lines}",
        "utf-8",
    )
    return scripts


@contextmanager
def next_program(scripts: Path) -> Iterator[None]:
    """Let this process be a Darkstar with these migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry.migrate, "_SCRIPTS", scripts)
        for module in (telemetry.migrate, database, upgrade):
            patch.setattr(module, "SCHEMA_HEAD", NEXT)
        yield
