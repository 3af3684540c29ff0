"""Alembic revisions of the store; run by ``telemetry.migrate``, on a connection it hands over."""
