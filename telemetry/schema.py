"""All tables of the store, for SQLite and MariaDB alike.

Times are UTC epoch seconds (BIGINT): no driver can lose a zone, no text is compared. Those of
training episodes alone are naive UTC DATETIMEs on MariaDB, where people read them with other tools
(``UtcMoment``). Every String has a length and every number is a Double, so that the same schema
runs on MariaDB; keys there compare byte by byte, as on SQLite. NaN is not storable in a column:
missing is NULL, or NaN inside a blob. Changes of this file need a migration of their own; a test
holds the two equal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from telemetry.errors import TimeError
from telemetry.slots import from_epoch, to_epoch

SCHEMA_HEAD = "0006"

# MEDIUMBLOB on MariaDB: a plain BLOB there ends at 64 KB.
BLOB_BYTES = 2**24 - 1
# MEDIUMTEXT on MariaDB, which counts four bytes for a character when it picks the type.
TEXT_CHARACTERS = BLOB_BYTES // 4
MYSQL_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (
        ("engine", "InnoDB"),
        ("charset", "utf8mb4"),
        ("collate", "utf8mb4_bin"),
    )
}


# InnoDB gives a long text pages of its own, 16 KB each: an episode would take twice the room.
COMPRESSED: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("row_format", "COMPRESSED"), ("key_block_size", "8"))
}
UNCOMPRESSED_TOO = "SET SESSION innodb_strict_mode = OFF"
"""A server that cannot compress (one file for all tables, large pages) makes a plain table then."""


class UtcSeconds(sa.types.TypeDecorator[datetime]):
    """Aware datetime outside, UTC epoch seconds inside; epoch seconds pass as they are."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        """Epoch seconds of a datetime; a naive one is refused."""
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, datetime):
            return to_epoch(value)
        raise TimeError("time", repr(value), "an aware datetime or UTC epoch seconds")

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Aware UTC datetime."""
        return None if value is None else from_epoch(value)


class UtcMoment(UtcSeconds):
    """Aware datetime outside; UTC epoch seconds on SQLite, a naive UTC DATETIME on MariaDB.

    Naive on purpose: PyMySQL drops offsets without a word, so what is written has none.
    """

    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """DATETIME where the dialect is MariaDB's."""
        return dialect.type_descriptor(sa.DateTime() if _is_mysql(dialect) else sa.BigInteger())

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> Any:  # noqa: ANN401 - by dialect
        """Epoch seconds, or on MariaDB the same moment as a naive UTC datetime."""
        seconds = super().process_bind_param(value, dialect)
        if seconds is None or not _is_mysql(dialect):
            return seconds
        return from_epoch(seconds).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ANN401 - by dialect
        """Aware UTC datetime."""
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC)
        return super().process_result_value(value, dialect)


def _is_mysql(dialect: sa.Dialect) -> bool:
    return dialect.name in ("mysql", "mariadb")


metadata = sa.MetaData()


def _time(name: str, *, key: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcSeconds, primary_key=key, autoincrement=False, nullable=False)


def _text(name: str, length: int, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=key, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def _home() -> sa.Column[str]:
    return sa.Column("home_id", sa.String(64), sa.ForeignKey("homes.home_id"), primary_key=True)


def _blob() -> sa.Column[bytes]:
    return sa.Column("data", sa.LargeBinary(BLOB_BYTES), nullable=False)


homes = sa.Table(
    "homes",
    metadata,
    _text("home_id", 64, key=True),
    _text("name", 128),
    sa.Column("zone", sa.String(64)),
    sa.Column("latitude", sa.Double),
    sa.Column("longitude", sa.Double),
    sa.Column("elevation_m", sa.Double),
    sa.Column("planes", sa.Text, nullable=False),
    sa.Column("area", sa.String(32)),
    _text("currency", 3),
    **MYSQL_OPTIONS,
)

slot_observations = sa.Table(
    "slot_observations",
    metadata,
    _home(),
    _text("channel", 32, key=True),
    _time("slot_start", key=True),
    sa.Column("value", sa.Double),
    _text("provenance", 32),
    sa.Column("quality", sa.Integer, nullable=False),
    _time("known_at"),
    _text("system_id", 64),
    # Rows are short and always read by key range: one tree instead of a table and its index.
    sqlite_with_rowid=False,
    **MYSQL_OPTIONS,
)

prices = sa.Table(
    "prices",
    metadata,
    _text("area", 32, key=True),
    _time("start", key=True),
    _text("source", 64, key=True),
    _text("currency", 3, key=True),
    _time("issued_at", key=True),
    _time("end"),
    sa.Column("slot_minutes", sa.Integer, nullable=False),
    sa.Column("assumed", sa.Boolean, nullable=False),
    _text("system_id", 64),
    _blob(),
    **MYSQL_OPTIONS,
)

forecasts = sa.Table(
    "forecasts",
    metadata,
    _home(),
    _text("target", 32, key=True),
    _text("model", 64, key=True),
    _text("statistic", 16, key=True),
    _time("issued_at", key=True),
    _time("start", key=True),
    _time("end"),
    sa.Column("slot_minutes", sa.Integer, nullable=False),
    _text("system_id", 64),
    _blob(),
    **MYSQL_OPTIONS,
)

weather = sa.Table(
    "weather",
    metadata,
    _home(),
    _text("kind", 16, key=True),
    _time("start", key=True),
    _text("source", 64, key=True),
    _time("issued_at", key=True),
    _time("end"),
    sa.Column("slot_minutes", sa.Integer, nullable=False),
    sa.Column("variables", sa.Text, nullable=False),
    _text("system_id", 64),
    _blob(),
    **MYSQL_OPTIONS,
)

plans = sa.Table(
    "plans",
    metadata,
    _home(),
    _text("system_id", 64, key=True),
    _text("scenario", 64, key=True),
    _time("issued_at", key=True),
    _time("start", key=True),
    _time("end"),
    _text("engine", 32),
    _text("status", 32),
    sa.Column("objective", sa.Double),
    _text("plan_schema", 64),
    _blob(),
    **MYSQL_OPTIONS,
)

# What a plan may be used for: a row beside those plans that were made for control.
plan_fitness = sa.Table(
    "plan_fitness",
    metadata,
    _home(),
    _text("system_id", 64, key=True),
    _text("scenario", 64, key=True),
    _time("issued_at", key=True),
    _time("valid_until"),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("substitutions", sa.Text, nullable=False),
    **MYSQL_OPTIONS,
)

# What people asked the battery to do; nothing is deleted, so that a look back sees it.
manual_blocks = sa.Table(
    "manual_blocks",
    metadata,
    _home(),
    _text("block_id", 16, key=True),
    _text("kind", 16),
    _time("start"),
    _time("end"),
    _number("target_soc", nullable=True),
    _time("created_at"),
    sa.Column("cleared_at", UtcSeconds),
    _text("system_id", 64),
    **MYSQL_OPTIONS,
)

data_quality_daily = sa.Table(
    "data_quality_daily",
    metadata,
    _home(),
    _time("day_start", key=True),
    _text("local_date", 10),
    _text("class", 16),
    _text("reference", 32),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    _time("checked_at"),
    _text("system_id", 64),
    **MYSQL_OPTIONS,
)

# What stood in a slot before a repair; all "old" columns are NULL where there was no row.
observation_repairs = sa.Table(
    "observation_repairs",
    metadata,
    _home(),
    _text("channel", 32, key=True),
    _time("slot_start", key=True),
    sa.Column("old_value", sa.Double),
    sa.Column("old_provenance", sa.String(32)),
    sa.Column("old_quality", sa.Integer),
    sa.Column("old_known_at", UtcSeconds),
    sa.Column("old_system_id", sa.String(64)),
    _text("rule", 32),
    _time("group_start"),
    _time("repaired_at"),
    _text("system_id", 64),
    **MYSQL_OPTIONS,
)

replays = sa.Table(
    "replays",
    metadata,
    _home(),
    _text("system_id", 64, key=True),
    _text("replay_id", 16, key=True),
    _text("policy", 64),
    _text("dispatch", 64),
    _text("forecast", 64),
    _text("engine", 32),
    _time("start"),
    _time("end"),
    sa.Column("slots", sa.Integer, nullable=False),
    _number("soc_start_kwh"),
    _number("soc_end_kwh"),
    _number("bill"),
    _number("wear"),
    _number("penalty"),
    _number("terminal"),
    _number("cost"),
    _number("oracle_cost", nullable=True),
    _number("regret", nullable=True),
    _text("currency", 3),
    sa.Column("settings", sa.Text, nullable=False),
    _text("inputs_hash", 64),
    _time("made_at"),
    **MYSQL_OPTIONS,
)

# A row for each local day; the blob holds the series that ``telemetry.replay_table`` names.
replay_slots = sa.Table(
    "replay_slots",
    metadata,
    _text("home_id", 64, key=True),
    _text("system_id", 64, key=True),
    _text("replay_id", 16, key=True),
    _time("day_start", key=True),
    _text("local_date", 10),
    sa.Column("slots", sa.Integer, nullable=False),
    _number("bill"),
    _number("wear"),
    _number("penalty"),
    _number("regret", nullable=True),
    _number("load_kwh"),
    _number("pv_kwh"),
    _number("import_kwh"),
    _number("export_kwh"),
    _number("charge_kwh"),
    _number("discharge_kwh"),
    _number("curtail_kwh"),
    _blob(),
    sa.ForeignKeyConstraint(
        ["home_id", "system_id", "replay_id"],
        ["replays.home_id", "replays.system_id", "replays.replay_id"],
    ),
    **MYSQL_OPTIONS,
)

# One recorded planner run a row (docs/episodes.md). The same table stands in the mirror, where no
# home is known: no foreign key. JSON texts are MEDIUMTEXT on MariaDB.
training_episodes = sa.Table(
    "training_episodes",
    metadata,
    _text("episode_id", 36, key=True),
    sa.Column("created_at", UtcMoment, nullable=False),
    _text("system_id", 64),
    _text("home_id", 64),
    _text("scenario", 64),
    sa.Column("episode_start", UtcMoment, nullable=False),
    _text("local_day", 10),
    sa.Column("inputs_json", sa.Text(TEXT_CHARACTERS), nullable=False),
    sa.Column("context_json", sa.Text(TEXT_CHARACTERS), nullable=False),
    sa.Column("schedule_json", sa.Text(TEXT_CHARACTERS), nullable=False),
    sa.Column("config_overrides_json", sa.Text(TEXT_CHARACTERS), nullable=False),
    _text("config_hash", 16),
    _text("engine", 32),
    _number("planned_cost"),
    sa.Column("replay_id", sa.String(16)),
    _number("soc_start_kwh"),
    _number("realised_bill", nullable=True),
    _number("realised_wear", nullable=True),
    _number("realised_cost", nullable=True),
    _text("content_hash", 32),
    sa.Index("ix_training_episodes_read", "home_id", "episode_start", "episode_id"),
    **MYSQL_OPTIONS,
    **COMPRESSED,
)

# What the mirror has not got yet: written with the episode, deleted when the mirror holds it.
episode_outbox = sa.Table(
    "episode_outbox",
    metadata,
    _text("episode_id", 36, key=True),
    _text("content_hash", 32),
    sqlite_with_rowid=False,
    **MYSQL_OPTIONS,
)

# Days whose episodes are all written, and the hash of all that went into them: a simulation that
# is run again passes them by as long as that hash is the same.
simulated_days = sa.Table(
    "simulated_days",
    metadata,
    _home(),
    _text("system_id", 64, key=True),
    _text("scenario", 64, key=True),
    _text("config_hash", 16, key=True),
    _text("engine", 32, key=True),
    _text("local_day", 10, key=True),
    _text("task_hash", 32),
    sa.Column("episodes", sa.Integer, nullable=False),
    **MYSQL_OPTIONS,
)
