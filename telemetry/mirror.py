"""The mirror: episodes of a store, once more in a MariaDB where other tools read them.

    with Mirror.open(server) as mirror:
        report = mirror.push(store)

The store's outbox says what is missing there. A batch is one statement and one transaction of the
mirror; only then its rows leave the outbox. Whatever is cut off in between, a batch is pushed again
and its upsert writes the same rows again: none lost, none twice. An episode that changes meanwhile
keeps waiting, so that the newest content wins. A mirror that lacks what once left the outbox (it
was dropped, emptied or set up anew) gets all that is stored. One push at a time for one store: its
caller sees to that.

Every session is strict, so that nothing is cut to fit, and in UTC, whatever the server prefers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

import sqlalchemy as sa

from telemetry import episode_table
from telemetry.episode import Episode, EpisodeFilter
from telemetry.errors import MissingExtraError, PeerReplyError
from telemetry.mirror_faults import UNKNOWN_DATABASE, error_number, faults_told
from telemetry.mirror_server import MirrorServer
from telemetry.schema import UNCOMPRESSED_TOO, training_episodes
from telemetry.server_tls import driver_guard

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from telemetry.store_episodes import EpisodeStore

__all__ = ["Mirror", "MirrorReport"]

_CONNECT_SECONDS = 2
_ANSWER_SECONDS = 30
_LOOKED_UP = 20
_BATCH_ROWS = 100
_BATCH_BYTES = 1_000_000
_PACKET_SPARE_BYTES = 4096
"""Of a packet: for the statement around the rows."""
_ROW_BYTES = 1024
"""Of a row as a statement has it: for quotes, commas and all that is no text."""
_ESCAPED = ("\\", '"', "'", "\n", "\r", "\0", "\x1a")
_NO_MARIADB = (ValueError, LookupError, RuntimeError, AssertionError, struct.error)
_SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """What a push did.

    Attributes:
        pushed: episodes written.
        too_large: ids of those that exceed the server's ``max_allowed_packet``; they wait.
        waiting: episodes that wait now, these among them.
        created: whether the table was made by this push.
    """

    pushed: int
    too_large: tuple[str, ...]
    waiting: int
    created: bool


@final
class Mirror:
    """The table ``training_episodes`` on a MariaDB server; made by ``Mirror.open``."""

    def __init__(self, server: MirrorServer, engine: sa.Engine) -> None:
        """Wrap an engine of the server; use ``open``."""
        self._server, self._engine = server, engine

    @classmethod
    def open(cls, server: MirrorServer) -> Self:
        """Prepare the mirror; nothing is sent before the first question.

        Every method raises ``PeerError`` where the server does not do what is asked:
        ``PeerUnreachableError`` without an answer or without trusted TLS, ``PeerAuthError`` where
        it refuses user or password, ``PeerNotReadyError`` where it is busy or full,
        ``PeerReplyError`` where its table is none of this program.

        Raises:
            MissingExtraError: the extra ``mariadb`` is not installed.
            MirrorError: ``tls_ca`` is no file of certificates.
        """
        return cls(server, _engine(server, server.database))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Mirror({self._server.place!r}, database={self._server.database!r})"

    def episodes(self, wanted: EpisodeFilter) -> Iterator[Episode]:
        """Yield episodes by home, start and id, a page at a time.

        Raises:
            PeerReplyError: nothing was mirrored yet.
        """
        if not self.exists():
            reason = f"has no table {training_episodes.name} in {self._server.database}"
            raise PeerReplyError(self._server.place, reason, "run darkstar mirror first")
        yield from episode_table.read(self._connected, wanted)

    def exists(self) -> bool:
        """Whether the table is there; nothing is changed.

        Raises:
            PeerReplyError: a table of that name, and with other columns.
        """
        with self._told():
            try:
                with self._engine.connect() as conn:
                    return self._table_seen(conn)
            except sa.exc.DBAPIError as err:
                if error_number(err) == UNKNOWN_DATABASE:
                    return False
                raise

    def has_lost(self, store: EpisodeStore) -> bool:
        """Whether episodes that left the store's outbox are absent: some looked up, all counted.

        Others may hold rows there, too: some that a backup did not bring back can stay unnoticed.
        """
        return self._has_lost(store, exists=self.exists())

    def _has_lost(self, store: EpisodeStore, *, exists: bool) -> bool:
        pushed = store.mirrored_episodes(_LOOKED_UP)
        if not (pushed and exists):
            return bool(pushed)
        mirrored = store.count_mirrored()
        key = training_episodes.c.episode_id
        count = sa.select(sa.func.count()).select_from(training_episodes)
        with self._connected() as conn:
            found = conn.execute(count.where(key.in_(pushed))).scalar_one()
            return found < len(pushed) or conn.execute(count).scalar_one() < mirrored

    def push(
        self, store: EpisodeStore, *, on_batch: Callable[[int], None] | None = None
    ) -> MirrorReport:
        """Write what waits in the store's outbox, and make database and table where missing.

        Args:
            store: whose episodes; those that were written leave its outbox.
            on_batch: called with the episodes pushed so far after each batch.
        """
        created = not self.exists()
        if self._has_lost(store, exists=not created):
            store.requeue_episodes()
        if created:
            self._make_database()
        self._complete_table()
        pushed, too_large = 0, []
        for batch in _batches(store, limit := self._statement_bytes()):
            if _bytes(batch[0]) > limit:
                too_large.append(batch[0].episode_id)
                continue
            with self._connected() as conn, conn.begin():
                episode_table.write(conn, batch)
            store.mark_mirrored([(one.episode_id, one.content_hash) for one in batch])
            pushed += len(batch)
            if on_batch is not None:
                on_batch(pushed)
        return MirrorReport(
            pushed=pushed,
            too_large=tuple(too_large),
            waiting=store.waiting_episodes(),
            created=created,
        )

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._told(), self._engine.connect() as conn:
            yield conn

    @contextmanager
    def _told(self) -> Iterator[None]:
        with faults_told(self._server.place, self._server.database):
            yield

    def _table_seen(self, conn: sa.Connection) -> bool:
        inspector, name = sa.inspect(conn), training_episodes.name
        if not inspector.has_table(name):
            return False
        got = {column["name"] for column in inspector.get_columns(name)}
        want = {column.name for column in training_episodes.columns}
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        if got != want or keys != [column.name for column in training_episodes.primary_key]:
            raise PeerReplyError(
                self._server.place,
                _other_table(self._server.database, got - want, want - got),
                "another Darkstar made it: update the older of the two; or rename the table, and "
                "all that is stored here is mirrored again",
            )
        return True

    def _make_database(self) -> None:
        bare = _engine(self._server, None)
        try:
            with self._told(), bare.connect() as conn:
                name = conn.dialect.identifier_preparer.quote(self._server.database)
                conn.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
        finally:
            bare.dispose()

    def _complete_table(self) -> None:
        """Make what is missing of the table: all of it, or an index that a crash left out."""
        with self._told(), self._engine.begin() as conn:
            conn.exec_driver_sql(UNCOMPRESSED_TOO)
            training_episodes.create(conn, checkfirst=True)
            for index in training_episodes.indexes:
                index.create(conn, checkfirst=True)

    def _statement_bytes(self) -> int:
        """Return how large a statement the server takes, at most a batch."""
        with self._connected() as conn:
            packet = int(conn.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
        return min(packet - _PACKET_SPARE_BYTES, _BATCH_BYTES)


def _engine(server: MirrorServer, database: str | None) -> sa.Engine:
    """Return an engine whose URL, which may be printed, holds no password."""
    place = {"unix_socket": server.socket} if server.socket else {"host": server.host}
    guard = driver_guard(server.tls())
    try:
        engine = sa.create_engine(
            sa.URL.create("mysql+pymysql", database=database, query={"charset": "utf8mb4"}),
            connect_args={
                **place,
                **guard,
                "port": server.port,
                "user": server.user,
                "password": server.password,
                "connect_timeout": _CONNECT_SECONDS,
                "read_timeout": _ANSWER_SECONDS,
                "write_timeout": _ANSWER_SECONDS,
                "sql_mode": _SQL_MODE,
                "init_command": "SET time_zone = '+00:00'",
            },
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except ModuleNotFoundError as err:
        if err.name != "pymysql":
            raise
        raise MissingExtraError("pymysql", "mariadb", "the mirror") from None
    sa.event.listen(engine, "do_connect", partial(_connect, server.place))
    return engine


def _connect(
    place: str,
    dialect: sa.Dialect,
    _record: object,
    arguments: list[Any],
    options: dict[str, Any],
) -> DBAPIConnection:
    """Connect, where what answers is a MariaDB: the driver reads whatever else as one too.

    Raises:
        PeerReplyError: it is none.
    """
    try:
        return dialect.connect(*arguments, **options)
    except _NO_MARIADB as err:
        reason = f"speaks another language ({type(err).__name__})"
        raise PeerReplyError(place, reason, "check mirror.host and mirror.port") from err


def _batches(store: EpisodeStore, limit: int) -> Iterator[Sequence[Episode]]:
    """Yield what waits, in parts of at most ``limit`` bytes; a larger episode comes alone."""
    after = ""
    while page := store.episodes_to_mirror(_BATCH_ROWS, after):
        after = page[-1].episode_id
        batch: list[Episode] = []
        size = 0
        for one in page:
            row = _bytes(one)
            if batch and size + row > limit:
                yield batch
                batch, size = [], 0
            batch.append(one)
            size += row
        yield batch


def _bytes(episode: Episode) -> int:
    """Return bytes of an episode in a statement, a little more than it will be."""
    texts = (
        episode.inputs_json,
        episode.context_json,
        episode.schedule_json,
        episode.config_overrides_json,
    )
    written = sum(len(text.encode()) for text in texts)
    return written + sum(text.count(one) for text in texts for one in _ESCAPED) + _ROW_BYTES


def _other_table(database: str, odd: set[str], missing: set[str]) -> str:
    """Say what is wrong with the columns of a table."""
    parts = [
        f"{word} {', '.join(sorted(names))}"
        for word, names in (("without", missing), ("with", odd))
        if names
    ]
    said = " and ".join(parts) or "with another key"
    return f"{database}.{training_episodes.name} is another table, {said}; nothing was written"
