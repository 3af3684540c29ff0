"""Homes, slot observations, prices, forecasts, weather and plans.

Written out, not taken from ``telemetry.schema``: a revision says what was, the schema what is.
Times are UTC epoch seconds.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
BLOB_BYTES = 16_777_215


def upgrade() -> None:
    op.create_table(
        "homes",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("zone", sa.String(64)),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
        sa.Column("elevation_m", sa.Double),
        sa.Column("planes", sa.Text, nullable=False),
        sa.Column("area", sa.String(32)),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.PrimaryKeyConstraint("home_id"),
        **MYSQL,
    )
    _create_observations()
    _create_prices()
    _create_forecasts()
    _create_weather()
    _create_plans()


def _create_observations() -> None:
    op.create_table(
        "slot_observations",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("slot_start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("value", sa.Double),
        sa.Column("provenance", sa.String(32), nullable=False),
        sa.Column("quality", sa.Integer, nullable=False),
        sa.Column("known_at", sa.BigInteger, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "channel", "slot_start"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        sqlite_with_rowid=False,
        **MYSQL,
    )


def _create_prices() -> None:
    op.create_table(
        "prices",
        sa.Column("area", sa.String(32), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("slot_minutes", sa.Integer, nullable=False),
        sa.Column("assumed", sa.Boolean, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary(BLOB_BYTES), nullable=False),
        sa.PrimaryKeyConstraint("area", "start", "source", "currency", "issued_at"),
        **MYSQL,
    )


def _create_forecasts() -> None:
    op.create_table(
        "forecasts",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("target", sa.String(32), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("statistic", sa.String(16), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("slot_minutes", sa.Integer, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary(BLOB_BYTES), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "target", "model", "statistic", "issued_at", "start"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        **MYSQL,
    )


def _create_weather() -> None:
    op.create_table(
        "weather",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("slot_minutes", sa.Integer, nullable=False),
        sa.Column("variables", sa.Text, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary(BLOB_BYTES), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "kind", "start", "source", "issued_at"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        **MYSQL,
    )


def _create_plans() -> None:
    op.create_table(
        "plans",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("scenario", sa.String(64), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("objective", sa.Double),
        sa.Column("plan_schema", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary(BLOB_BYTES), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "system_id", "scenario", "issued_at", "start"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        **MYSQL,
    )


def downgrade() -> None:
    for table in ("plans", "weather", "forecasts", "prices", "slot_observations", "homes"):
        op.drop_table(table)
