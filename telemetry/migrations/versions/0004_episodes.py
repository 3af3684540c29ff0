"""Training episodes, what the mirror has not got yet, and the days that are simulated."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
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
COMPRESSED: dict[str, Any] = {
    "mysql_row_format": "COMPRESSED",
    "mysql_key_block_size": "8",
    "mariadb_row_format": "COMPRESSED",
    "mariadb_key_block_size": "8",
}
TEXT_CHARACTERS = 4_194_303  # of at most 4 bytes: MEDIUMTEXT


def upgrade() -> None:
    # MariaDB commits each statement: what a migration that was cut off has made is there already.
    _create_training_episodes()
    op.create_table(
        "episode_outbox",
        sa.Column("episode_id", sa.String(36), nullable=False),
        sa.Column("content_hash", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("episode_id"),
        if_not_exists=True,
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_table(
        "simulated_days",
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("scenario", sa.String(64), nullable=False),
        sa.Column("config_hash", sa.String(16), nullable=False),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("local_day", sa.String(10), nullable=False),
        sa.Column("task_hash", sa.String(32), nullable=False),
        sa.Column("episodes", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(
            "home_id", "system_id", "scenario", "config_hash", "engine", "local_day"
        ),
        sa.ForeignKeyConstraint(["home_id"], ["homes.home_id"]),
        if_not_exists=True,
        **MYSQL,
    )


def _create_training_episodes() -> None:
    if op.get_bind().dialect.name != "sqlite":
        # A server that cannot compress makes a plain table then.
        op.execute("SET SESSION innodb_strict_mode = OFF")
    moment = sa.BigInteger().with_variant(sa.DateTime(), "mysql", "mariadb")
    op.create_table(
        "training_episodes",
        sa.Column("episode_id", sa.String(36), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("home_id", sa.String(64), nullable=False),
        sa.Column("scenario", sa.String(64), nullable=False),
        sa.Column("episode_start", moment, nullable=False),
        sa.Column("local_day", sa.String(10), nullable=False),
        sa.Column("inputs_json", sa.Text(TEXT_CHARACTERS), nullable=False),
        sa.Column("context_json", sa.Text(TEXT_CHARACTERS), nullable=False),
        sa.Column("schedule_json", sa.Text(TEXT_CHARACTERS), nullable=False),
        sa.Column("config_overrides_json", sa.Text(TEXT_CHARACTERS), nullable=False),
        sa.Column("config_hash", sa.String(16), nullable=False),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("planned_cost", sa.Double, nullable=False),
        sa.Column("replay_id", sa.String(16)),
        sa.Column("soc_start_kwh", sa.Double, nullable=False),
        sa.Column("realised_bill", sa.Double),
        sa.Column("realised_wear", sa.Double),
        sa.Column("realised_cost", sa.Double),
        sa.Column("content_hash", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("episode_id"),
        if_not_exists=True,
        **MYSQL,
        **COMPRESSED,
    )
    op.create_index(
        "ix_training_episodes_read",
        "training_episodes",
        ["home_id", "episode_start", "episode_id"],
        if_not_exists=True,
    )


def downgrade() -> None:
    for table in ("simulated_days", "episode_outbox", "training_episodes"):
        op.drop_table(table)
