"""Whether a plan may control, until when, and what stood in for facts that it lacked."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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
        "plan_fitness",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("scenario", sa.String(64), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("valid_until", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("substitutions", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("home_id", "system_id", "scenario", "issued_at"),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        if_not_exists=True,
        **MYSQL,
    )


def downgrade() -> None:
    op.drop_table("plan_fitness")
