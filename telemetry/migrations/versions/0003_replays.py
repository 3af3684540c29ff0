"""Replays: what each cost, and what it did slot by slot."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
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
    _create_replays()
    _create_replay_slots()


def _create_replays() -> None:
    op.create_table(
        "replays",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("replay_id", sa.String(16), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("dispatch", sa.String(64), nullable=False),
        sa.Column("forecast", sa.String(64), nullable=False),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("soc_start_kwh", sa.Double, nullable=False),
        sa.Column("soc_end_kwh", sa.Double, nullable=False),
        sa.Column("bill", sa.Double, nullable=False),
        sa.Column("wear", sa.Double, nullable=False),
        sa.Column("penalty", sa.Double, nullable=False),
        sa.Column("terminal", sa.Double, nullable=False),
        sa.Column("cost", sa.Double, nullable=False),
        sa.Column("oracle_cost", sa.Double),
        sa.Column("regret", sa.Double),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("inputs_hash", sa.String(64), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("home_id", "system_id", "replay_id"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        **MYSQL,
    )


def _create_replay_slots() -> None:
    op.create_table(
        "replay_slots",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("replay_id", sa.String(16), nullable=False),
        sa.Column("day_start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("local_date", sa.String(10), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("bill", sa.Double, nullable=False),
        sa.Column("wear", sa.Double, nullable=False),
        sa.Column("penalty", sa.Double, nullable=False),
        sa.Column("regret", sa.Double),
        sa.Column("load_kwh", sa.Double, nullable=False),
        sa.Column("pv_kwh", sa.Double, nullable=False),
        sa.Column("import_kwh", sa.Double, nullable=False),
        sa.Column("export_kwh", sa.Double, nullable=False),
        sa.Column("charge_kwh", sa.Double, nullable=False),
        sa.Column("discharge_kwh", sa.Double, nullable=False),
        sa.Column("curtail_kwh", sa.Double, nullable=False),
        sa.Column("data", sa.LargeBinary(BLOB_BYTES), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "system_id", "replay_id", "day_start"),
        sa.ForeignKeyConstraint(
            ["home_id", "system_id", "replay_id"],
            ["replays.home_id", "replays.system_id", "replays.replay_id"],
        ),
        **MYSQL,
    )


def downgrade() -> None:
    for table in ("replay_slots", "replays"):
        op.drop_table(table)
