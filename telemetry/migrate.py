"""Brings a store to the schema of this program. Imports alembic, so only when it must."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from telemetry.database import NEWER
from telemetry.errors import SchemaVersionError, StoreError
from telemetry.schema import SCHEMA_HEAD

_SCRIPTS = Path(__file__).parent / "migrations"


def alembic_config() -> Config:
    """Configuration of alembic without a file; ``attributes["connection"]`` is the caller's."""
    config = Config()
    # ConfigParser reads % as the start of a reference.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def upgrade(conn: sa.Connection, store: str, revision: str | None) -> None:
    """Upgrade an open connection from ``revision`` (``None``: an empty database) to the head.

    Raises:
        SchemaVersionError: the revision is none that this program knows.
        StoreError: the database holds tables of something else.
    """
    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaVersionError(store, revision, SCHEMA_HEAD, NEWER)
    if revision is None:
        tables = sorted(set(sa.inspect(conn).get_table_names()) - {"alembic_version"})
        if tables:
            listed = ", ".join(tables[:5])
            raise StoreError(store, f"is another database (tables {listed}), want a new file")
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
