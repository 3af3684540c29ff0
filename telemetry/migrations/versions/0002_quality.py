"""Verdicts on days, and what stood in repaired slots."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
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


def upgrade() -> None:
    op.create_table(
        "data_quality_daily",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("day_start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("local_date", sa.String(10), nullable=False),
        sa.Column("class", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(32), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("checked_at", sa.BigInteger, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "day_start"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        **MYSQL,
    )
    op.create_table(
        "observation_repairs",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("slot_start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("old_value", sa.Double),
        sa.Column("old_provenance", sa.String(32)),
        sa.Column("old_quality", sa.Integer),
        sa.Column("old_known_at", sa.BigInteger),
        sa.Column("old_system_id", sa.String(64)),
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("group_start", sa.BigInteger, nullable=False),
        sa.Column("repaired_at", sa.BigInteger, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "channel", "slot_start"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        **MYSQL,
    )


def downgrade() -> None:
    for table in ("observation_repairs", "data_quality_daily"):
        op.drop_table(table)
