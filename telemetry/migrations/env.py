"""Alembic's entry: runs revisions on the connection that ``telemetry.migrate`` hands over.

There is no offline mode and no URL: the caller owns the connection and its transaction.
"""

from __future__ import annotations

from alembic import context

from telemetry.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
