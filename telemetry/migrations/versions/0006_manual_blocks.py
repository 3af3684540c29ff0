"""The manual plan: what people asked the battery to do, until when, and what they took back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
        "manual_blocks",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("block_id", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("target_soc", sa.Double),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("cleared_at", sa.BigInteger),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("home_id", "block_id"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade() -> None:
    op.drop_table("manual_blocks")
