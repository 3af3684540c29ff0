"""Rows of training episodes: written once, waiting for the mirror, read as a stream.

An episode that is new, or has new content, waits in ``episode_outbox`` from the transaction that
wrote it until ``mark_mirrored`` names the very content that the mirror holds. Streams are read by
pages of a key range, each a read of its own: any length takes little memory and holds no lock, and
what is written meanwhile neither repeats nor hides a row.

``write`` and ``read`` know no outbox and serve the mirror's table too; a row gives the same episode
whichever database it comes from.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from telemetry.episode import Episode, EpisodeFilter, EpisodeSummary
from telemetry.errors import SeriesError
from telemetry.schema import episode_outbox as outbox
from telemetry.schema import simulated_days
from telemetry.schema import training_episodes as table
from telemetry.slots import local_day, slot_start, to_epoch
from telemetry.sql import WriteCounts, check_texts, upsert_columns

Connect = Callable[[], AbstractContextManager[sa.Connection]]
"""What gives a connection for one read, for example that of a store or of the mirror."""

MOST_FOUND = 10
_PAGE_ROWS = 100
_IDS_ASKED = 500  # at once: SQLite takes a limited number of parameters
_DAY = timedelta(days=1)
_PREFIX = re.compile(r"[0-9a-f-]{4,36}")
_FIELDS = tuple(field.name for field in fields(Episode) if field.init)
_NAMES = ("home_id", "system_id", "scenario", "engine")
_SERIES = ("home_id", "system_id", "scenario", "engine", "config_hash")
_JSON = ("inputs_json", "context_json", "schedule_json", "config_overrides_json")
_NUMBERS = ("planned_cost", "soc_start_kwh", "realised_bill", "realised_wear", "realised_cost")
_WAITS = sa.exists().where(outbox.c.episode_id == table.c.episode_id)
_CURE = "delete that row of training_episodes and simulate its day again with --recompute"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneCounts:
    """What was deleted, or would be.

    Attributes:
        deleted: episodes.
        kept_unmirrored: episodes that are old enough, but still wait for the mirror.
        json_bytes: bytes of the texts of the deleted ones.
    """

    deleted: int
    kept_unmirrored: int
    json_bytes: int


def put(
    conn: sa.Connection, *, system_id: str, home_id: str, episodes: Sequence[Episode]
) -> WriteCounts:
    """Write episodes of a home; see ``Store.put_episodes``."""
    _check_owner(episodes, system_id=system_id, home_id=home_id)
    stored = _hashes(conn, [episode.episode_id for episode in episodes])
    changed = [one for one in episodes if stored.get(one.episode_id) != one.content_hash]
    write(conn, changed)
    upsert_columns(
        conn,
        outbox,
        {
            "episode_id": [episode.episode_id for episode in changed],
            "content_hash": [episode.content_hash for episode in changed],
        },
    )
    new = sum(episode.episode_id not in stored for episode in changed)
    return WriteCounts(
        inserted=new, updated=len(changed) - new, unchanged=len(episodes) - len(changed)
    )


def write(conn: sa.Connection, episodes: Sequence[Episode]) -> None:
    """Write episodes by their id, whatever stood there, into the store's table or the mirror's.

    Raises:
        SeriesError: a text or a number that the database cannot keep.
        TimeError: an episode does not start with a slot.
    """
    rows = [_row(episode) for episode in episodes]
    upsert_columns(conn, table, {c.name: [row[c.name] for row in rows] for c in table.columns})


def _row(episode: Episode) -> dict[str, object]:
    """All columns of an episode; times as epoch seconds."""
    row: dict[str, object] = {name: getattr(episode, name) for name in table.columns.keys()}  # noqa: SIM118
    row["created_at"] = to_epoch(episode.created_at)
    row["episode_start"] = slot_start(episode.episode_start)
    row["local_day"] = episode.local_day.isoformat()
    check_texts(table, row)
    for name in _NUMBERS:
        number = getattr(episode, name)
        if number is not None and not math.isfinite(number):
            raise SeriesError(f"training_episodes.{name}", number, "a finite number")
    return row


def _check_owner(episodes: Sequence[Episode], *, system_id: str, home_id: str) -> None:
    """Refuse episodes of another system or home, and one that comes twice."""
    want = (system_id, home_id)
    for episode in episodes:
        got = (episode.system_id, episode.home_id)
        if got != want:
            told = f"of system {got[0]!r} and home {got[1]!r}"
            raise SeriesError("an episode", told, f"system {system_id!r} and home {home_id!r}")
    if len({episode.episode_id for episode in episodes}) != len(episodes):
        raise SeriesError("an episode", "given twice", "each once: one start, scenario and engine")


def _hashes(conn: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Content hashes of those that are stored, by id."""
    found: dict[str, str] = {}
    for first in range(0, len(ids), _IDS_ASKED):
        asked = table.c.episode_id.in_(ids[first : first + _IDS_ASKED])
        statement = sa.select(table.c.episode_id, table.c.content_hash).where(asked)
        found |= {row.episode_id: row.content_hash for row in conn.execute(statement)}
    return found


def read(connect: Connect, wanted: EpisodeFilter) -> Iterator[Episode]:
    """Stream episodes by home, start and id; see ``Store.episodes``."""
    for home_id in _homes(connect, wanted):
        where = _where(replace(wanted, home_id=home_id))
        after: tuple[datetime, str] | None = None
        while True:
            page = _page(connect, where, after)
            for row in page:
                episode = _episode_of(row)
                if wanted.day_classes is None or _class_of(episode) in wanted.day_classes:
                    yield episode
            if len(page) < _PAGE_ROWS:
                break
            after = (page[-1]["episode_start"], page[-1]["episode_id"])


def _homes(connect: Connect, wanted: EpisodeFilter) -> tuple[str, ...]:
    """Homes that the filter lets through, by name."""
    if wanted.home_id is not None:
        return (wanted.home_id,)
    with connect() as conn:
        names = conn.execute(sa.select(table.c.home_id).distinct()).scalars()
        return tuple(sorted(names))


def _page(
    connect: Connect, where: Sequence[sa.ColumnElement[bool]], after: tuple[datetime, str] | None
) -> Sequence[sa.RowMapping]:
    """The next rows of one home after a start and an id, in the order of the index."""
    statement = sa.select(table).where(*where)
    if after is not None:
        start, episode_id = after
        later = sa.or_(table.c.episode_start > start, table.c.episode_id > episode_id)
        statement = statement.where(table.c.episode_start >= start, later)
    # Ordered by the one home too, MariaDB would sort all that is left for every page.
    statement = statement.order_by(table.c.episode_start, table.c.episode_id)
    with connect() as conn:
        return conn.execute(statement.limit(_PAGE_ROWS)).mappings().all()


def _where(wanted: EpisodeFilter) -> list[sa.ColumnElement[bool]]:
    """What a filter asks of a row, day classes apart.

    A local day starts at most 14 h before and ends at most 36 h after its UTC midnight: bounds of
    the start let the index find what only the text of the day decides.
    """
    given = {name: getattr(wanted, name) for name in _NAMES}
    where = [table.c[name] == value for name, value in given.items() if value is not None]
    start, day = table.c.episode_start, table.c.local_day
    if wanted.first_day is not None:
        midnight, _ = local_day(wanted.first_day, "UTC")
        where += [day >= wanted.first_day.isoformat(), start >= midnight - _DAY]
    if wanted.last_day is not None:
        midnight, _ = local_day(wanted.last_day, "UTC")
        where += [day <= wanted.last_day.isoformat(), start < midnight + 2 * _DAY]
    return where


def _episode_of(row: sa.RowMapping) -> Episode:
    """The episode of a row.

    Raises:
        SeriesError: it is not what was written: its name or its content does not fit its hash.
    """
    facts: dict[str, Any] = {name: row[name] for name in _FIELDS}
    try:
        facts["local_day"] = date.fromisoformat(str(row["local_day"]))
        episode = Episode(**facts)
    except (ValueError, TypeError) as err:
        raise SeriesError(f"episode {row['episode_id']}", f"damaged ({err})", _CURE) from err
    for name in ("episode_id", "content_hash"):
        made = getattr(episode, name)
        if row[name] != made:
            got = f"damaged ({name} is {row[name]}, its content makes {made})"
            raise SeriesError(f"episode {row['episode_id']}", got, _CURE)
    return episode


def _class_of(episode: Episode) -> str:
    """Quality class of the day, as the context has it."""
    try:
        return str(json.loads(episode.context_json)["quality_class"])
    except (ValueError, KeyError, TypeError) as err:
        got = f"without a quality_class in its context_json ({err!r})"
        raise SeriesError(f"episode {episode.episode_id}", got, _CURE) from err


def one(conn: sa.Connection, episode_id: str) -> Episode | None:
    """Read one episode; see ``Store.episode``."""
    statement = sa.select(table).where(table.c.episode_id == episode_id)
    row = conn.execute(statement).mappings().one_or_none()
    return None if row is None else _episode_of(row)


def find(conn: sa.Connection, prefix: str) -> tuple[str, ...]:
    """Ids that begin with ``prefix``; see ``Store.find_episodes``."""
    begin = prefix.lower()
    if not _PREFIX.fullmatch(begin):
        raise SeriesError("episode_id", repr(prefix), "4 to 36 characters of 0-9 a-f and -")
    column = table.c.episode_id
    statement = sa.select(column).where(column >= begin, column < begin + "g")  # g follows f
    return tuple(conn.execute(statement.order_by(column).limit(MOST_FOUND)).scalars())


def summary(conn: sa.Connection, wanted: EpisodeFilter) -> tuple[EpisodeSummary, ...]:
    """Count what is stored; see ``Store.episode_summary``."""
    _check_classless(wanted)
    series = [table.c[name] for name in _SERIES]
    day = table.c.local_day
    statement = (
        sa.select(
            *series,
            sa.func.count().label("episodes"),
            sa.func.min(day).label("first_day"),
            sa.func.max(day).label("last_day"),
            sa.func.sum(_json_bytes()).label("json_bytes"),
            sa.func.count(outbox.c.episode_id).label("waiting"),
        )
        .select_from(table.outerjoin(outbox, table.c.episode_id == outbox.c.episode_id))
        .where(*_where(wanted))
        .group_by(*series)
        .order_by(*series)
    )
    return tuple(_summary_of(row) for row in conn.execute(statement).mappings())


def _summary_of(row: sa.RowMapping) -> EpisodeSummary:
    facts: dict[str, Any] = {str(name): value for name, value in row.items()}
    for name in ("first_day", "last_day"):
        facts[name] = date.fromisoformat(facts[name])
    facts["json_bytes"] = int(facts["json_bytes"])  # MariaDB sums to a Decimal
    return EpisodeSummary(**facts)


def _json_bytes() -> sa.ColumnElement[int]:
    """Bytes of the texts of a row; of a plain text SQLite would count the characters."""
    sizes = [sa.func.length(sa.cast(table.c[name], sa.LargeBinary)) for name in _JSON]
    total: sa.ColumnElement[int] = sizes[0] + sizes[1] + sizes[2] + sizes[3]
    return total


def _check_classless(wanted: EpisodeFilter) -> None:
    """Refuse a filter that no SQL can answer."""
    if wanted.day_classes is not None:
        got, want = sorted(wanted.day_classes), "none here: only reading episodes knows them"
        raise SeriesError("day_classes", got, want)


def to_mirror(conn: sa.Connection, most: int, after: str) -> tuple[Episode, ...]:
    """Read episodes that wait; see ``Store.episodes_to_mirror``."""
    statement = (
        sa.select(table)
        # Beginning with the episodes, MariaDB would sort them all for every batch.
        .prefix_with("STRAIGHT_JOIN", dialect="mysql")
        .prefix_with("STRAIGHT_JOIN", dialect="mariadb")
        .select_from(outbox.join(table, table.c.episode_id == outbox.c.episode_id))
        .where(outbox.c.episode_id > after)
        .order_by(outbox.c.episode_id)
        .limit(most)
    )
    return tuple(_episode_of(row) for row in conn.execute(statement).mappings())


def count_waiting(conn: sa.Connection) -> int:
    """Count episodes that wait; see ``Store.waiting_episodes``."""
    both = outbox.join(table, table.c.episode_id == outbox.c.episode_id)
    return conn.execute(sa.select(sa.func.count()).select_from(both)).scalar_one()


def mark_mirrored(conn: sa.Connection, pushed: Sequence[tuple[str, str]]) -> int:
    """Let episodes wait no longer; see ``Store.mark_mirrored``."""
    if not pushed:
        return 0
    statement = sa.delete(outbox).where(
        outbox.c.episode_id == sa.bindparam("pushed_id"),
        outbox.c.content_hash == sa.bindparam("pushed_hash"),
    )
    rows = [{"pushed_id": name, "pushed_hash": content} for name, content in pushed]
    marked = conn.execute(statement, rows).rowcount
    stored = _hashes(conn, [name for name, _ in pushed])
    # A second push that came late may have put older content over what is marked already.
    newer = [name for name, content in pushed if stored.get(name, content) != content]
    hashes = [stored[name] for name in newer]
    upsert_columns(conn, outbox, {"episode_id": newer, "content_hash": hashes})
    return marked


def mirrored(conn: sa.Connection, most: int) -> tuple[str, ...]:
    """Name episodes that do not wait; see ``Store.mirrored_episodes``."""
    column = table.c.episode_id
    pushed = sa.select(column).where(~_WAITS)
    found = dict.fromkeys(conn.execute(pushed.order_by(column).limit(most)).scalars())
    for home_id in conn.execute(sa.select(table.c.home_id).distinct()).scalars().all():
        newest = pushed.where(table.c.home_id == home_id).order_by(
            table.c.episode_start.desc(), column.desc()
        )
        found |= dict.fromkeys(conn.execute(newest.limit(most)).scalars())
    return tuple(found)


def count_mirrored(conn: sa.Connection) -> int:
    """Count episodes that do not wait; see ``Store.count_mirrored``."""
    statement = sa.select(sa.func.count()).select_from(table).where(~_WAITS)
    return conn.execute(statement).scalar_one()


def requeue(conn: sa.Connection) -> int:
    """Let every episode wait again; see ``Store.requeue_episodes``."""
    conn.execute(sa.delete(outbox))
    every = sa.select(table.c.episode_id, table.c.content_hash)
    return conn.execute(sa.insert(outbox).from_select(list(outbox.columns.keys()), every)).rowcount


def prune(
    conn: sa.Connection, wanted: EpisodeFilter, *, before: date, dry_run: bool
) -> PruneCounts:
    """Delete old episodes; see ``Store.prune_episodes``."""
    _check_classless(wanted)
    last = before - _DAY
    if wanted.last_day is not None:
        last = min(last, wanted.last_day)
    old = _where(replace(wanted, last_day=last))
    counted = sa.select(sa.func.count(), sa.func.sum(_json_bytes())).select_from(table)
    deleted, size = conn.execute(counted.where(*old, ~_WAITS)).one()
    kept = sa.select(sa.func.count()).select_from(table).where(*old, _WAITS)
    counts = PruneCounts(
        deleted=deleted,
        kept_unmirrored=conn.execute(kept).scalar_one(),
        json_bytes=0 if size is None else int(size),
    )
    if deleted and not dry_run:
        _delete(conn, [*old, ~_WAITS])
    return counts


def _delete(conn: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> None:
    """Delete episodes, and the marks of the simulated days that are not whole any more."""
    key = [column.name for column in simulated_days.primary_key]
    days = sa.select(*(table.c[name] for name in key)).where(*where).distinct()
    found = [{f"old_{name}": row[name] for name in key} for row in conn.execute(days).mappings()]
    marks = [simulated_days.c[name] == sa.bindparam(f"old_{name}") for name in key]
    conn.execute(sa.delete(simulated_days).where(*marks), found)
    conn.execute(sa.delete(table).where(*where))
