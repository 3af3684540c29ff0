"""Rows of replays: what a closed loop over history cost, and what it did slot by slot.

A replay is one row of ``replays`` and a row of ``replay_slots`` for each local day. A day keeps its
sums as columns, to be asked for in SQL, and the series of its T slots as a blob (V, T) in the order
of ``SERIES``: float64, NaN where missing, so that what is read equals what was written to the bit.

    load_kwh, pv_kwh                         what the house did, kWh per slot at the AC bus
    import_price, export_price               currency per kWh
    charge_kwh, discharge_kwh                battery, kWh per slot at the AC bus
    import_kwh, export_kwh, curtail_kwh      grid and PV, kWh per slot at the AC bus
    soc_kwh                                  stored at the end of the slot
    energy_value                             currency per stored kWh at the end of the slot
    cost, regret                             currency

    cost = bill + wear + penalty - terminal                                             (R1)

The blob of a 96-slot day takes 4 to 5.7 kB where load, PV and prices change every quarter (the
upper end where the energy value does too), and at most 10 kB (13 * 96 * 8 bytes) for noise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, I64
from telemetry.blobs import pack, unpack
from telemetry.errors import SeriesError
from telemetry.issues import series
from telemetry.schema import replay_slots, replays
from telemetry.slots import SLOT_SECONDS, from_epoch, slot_start, to_epoch, whole_seconds
from telemetry.sql import Row, WriteCounts, check_texts, find_row, upsert

SERIES = (
    "load_kwh",
    "pv_kwh",
    "import_price",
    "export_price",
    "charge_kwh",
    "discharge_kwh",
    "import_kwh",
    "export_kwh",
    "curtail_kwh",
    "soc_kwh",
    "energy_value",
    "cost",
    "regret",
)
LONGEST_DAY = 100
_TEXT_BYTES = 2**16 - 1  # TEXT on MariaDB; SQLite would take more
_TOLERANCE = 1e-6  # of money, relative to its parts
_REPLAY_ID = re.compile(r"[0-9a-f]{16}")
_NAMES = ("policy", "dispatch", "forecast", "engine", "currency", "settings", "inputs_hash")
_KEPT = ("soc_start_kwh", "soc_end_kwh", "bill", "wear", "penalty", "terminal", "cost")
_MONEY = ("bill", "wear", "penalty")
_ENERGY = (
    "load_kwh",
    "pv_kwh",
    "import_kwh",
    "export_kwh",
    "charge_kwh",
    "discharge_kwh",
    "curtail_kwh",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReplay:
    """A replay as it was stored, without its days; money in ``currency``.

    Attributes:
        replay_id: 16 hexadecimal digits, a hash of all that determines the result.
        policy: what planned.
        dispatch: what turned plans into battery power.
        forecast: what the plans knew of the future.
        engine: what solved the plans.
        start: start of its first slot, UTC.
        end: end of its last slot, UTC.
        slots: how many were replayed; fewer than lie in [start, end) where days are left out.
        soc_start_kwh: stored energy at the start.
        soc_end_kwh: stored energy at the end.
        bill: cost of import minus revenue of export.
        wear: cost of discharging.
        penalty: cost of broken soft limits and of steering options.
        terminal: worth of the energy at the end minus that of the energy at the start.
        cost: see (R1).
        oracle_cost: what the oracle pays over the same window; ``None`` where not computed.
        regret: ``cost - oracle_cost``; ``None`` where not computed.
        currency: three letters.
        settings: JSON text of site, tariff and options.
        inputs_hash: hash of the inputs in full, at most 64 characters.
        made_at: when its content last changed, UTC, whole seconds.
    """

    replay_id: str
    policy: str
    dispatch: str
    forecast: str
    engine: str
    start: datetime
    end: datetime
    slots: int
    soc_start_kwh: float
    soc_end_kwh: float
    bill: float
    wear: float
    penalty: float
    terminal: float
    cost: float
    oracle_cost: float | None
    regret: float | None
    currency: str
    settings: str
    inputs_hash: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayDay:
    """One local day of a replay: sums over its T slots, and the slots themselves.

    Attributes:
        day_start: start of its first slot, UTC: of the local day, unless the replay begins later.
        local_date: the day in the home's zone.
        bill: cost of import minus revenue of export.
        wear: cost of discharging.
        penalty: cost of broken soft limits and of steering options.
        regret: sum over the slots; ``None`` where not computed.
        load_kwh, pv_kwh, import_kwh, export_kwh, charge_kwh, discharge_kwh, curtail_kwh: sums.
        values: (V, T) the series of ``SERIES``, NaN where missing.
    """

    day_start: datetime
    local_date: date
    bill: float
    wear: float
    penalty: float
    regret: float | None
    load_kwh: float
    pv_kwh: float
    import_kwh: float
    export_kwh: float
    charge_kwh: float
    discharge_kwh: float
    curtail_kwh: float
    values: F64

    @property
    def slots(self) -> int:
        """T: 92, 96 or 100, less where the replay begins or ends within the day."""
        return int(self.values.shape[1])

    @property
    def slot_start(self) -> I64:
        """Starts of the T slots, epoch seconds."""
        return to_epoch(self.day_start) + SLOT_SECONDS * np.arange(self.slots, dtype=np.int64)

    def of(self, name: str) -> F64:
        """One of ``SERIES`` (T,)."""
        row: F64 = self.values[SERIES.index(name)]
        return row


def put(
    conn: sa.Connection,
    *,
    system_id: str,
    home_id: str,
    replay: StoredReplay,
    days: Iterable[ReplayDay],
) -> WriteCounts:
    """Write a replay and its days; see ``Store.put_replay``."""
    key = {"home_id": home_id, "system_id": system_id, "replay_id": replay.replay_id}
    parts = tuple(days)
    # All is checked before the first row changes, also within a transaction of the caller's.
    head, rows = key | _head(replay), [key | _day(day) for day in parts]
    check_texts(replays, head)
    _check_days(replay, parts)
    _check_money(replay, parts)
    found = find_row(conn, replays, head)
    old = _stored_days(conn, key) if found is not None else {}
    same = [old.get(str(row["local_date"])) == row for row in rows]
    if found is not None and _equal(found, head) and all(same) and len(old) == len(rows):
        return WriteCounts(unchanged=1 + len(rows))
    upsert(conn, replays, head)
    conn.execute(sa.delete(replay_slots).where(*_where(replay_slots, key)))
    conn.execute(sa.insert(replay_slots), rows)
    new = sum(str(row["local_date"]) not in old for row in rows)
    return WriteCounts(
        inserted=new + (found is None),
        updated=len(rows) - new - sum(same) + (found is not None),
        unchanged=sum(same),
    )


def read(conn: sa.Connection, home_id: str, system_id: str) -> tuple[StoredReplay, ...]:
    """Read all replays of a system; see ``Store.replays``."""
    key = {"home_id": home_id, "system_id": system_id}
    columns = [c for c in replays.columns if c.name not in key]
    statement = sa.select(*columns).where(*_where(replays, key))
    found = conn.execute(statement.order_by(replays.c.made_at, replays.c.replay_id)).mappings()
    return tuple(StoredReplay(**row) for row in found)


def read_days(
    conn: sa.Connection, home_id: str, system_id: str, replay_id: str
) -> tuple[ReplayDay, ...]:
    """Read the days of a replay; see ``Store.replay_days``.

    Raises:
        SeriesError: a blob is damaged.
    """
    key = {"home_id": home_id, "system_id": system_id, "replay_id": replay_id}
    return tuple(_day_of(row) for row in _stored_days(conn, key).values())


def _stored_days(conn: sa.Connection, key: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Rows of the days, in order, by local date."""
    statement = sa.select(replay_slots).where(*_where(replay_slots, key))
    found = conn.execute(statement.order_by(replay_slots.c.day_start)).mappings()
    return {row["local_date"]: {str(name): row[name] for name in row} for row in found}


def _day_of(row: Mapping[str, object]) -> ReplayDay:
    sums: Mapping[str, object] = {name: row[name] for name in (*_MONEY, *_ENERGY, "regret")}
    blob, slots = row["data"], row["slots"]
    values = unpack(blob if isinstance(blob, bytes) else b"", len(SERIES))
    if values.shape[1] != slots:
        want = f"{len(SERIES)} series of {slots} slots; the row is damaged"
        raise SeriesError("blob", f"{values.size} values", want)
    day = date.fromisoformat(str(row["local_date"]))
    return ReplayDay(day_start=row["day_start"], local_date=day, values=values, **sums)  # type: ignore[arg-type]


def _head(replay: StoredReplay) -> dict[str, object]:
    """Columns of a replay beside its home and system."""
    if not _REPLAY_ID.fullmatch(replay.replay_id):
        raise SeriesError("replay_id", repr(replay.replay_id), "16 hexadecimal digits, 0-9 a-f")
    size = len(replay.settings.encode())
    if size > _TEXT_BYTES:
        raise SeriesError("replays.settings", f"{size} bytes", f"at most {_TEXT_BYTES}")
    return {
        **{name: getattr(replay, name) for name in _NAMES},
        **{name: _finite(f"replays.{name}", getattr(replay, name)) for name in _KEPT},
        "start": from_epoch(slot_start(replay.start)),
        "end": from_epoch(slot_start(replay.end)),
        "slots": int(replay.slots),
        "oracle_cost": _known("replays.oracle_cost", replay.oracle_cost),
        "regret": _known("replays.regret", replay.regret),
        "made_at": whole_seconds(replay.made_at),
    }


def _day(day: ReplayDay) -> dict[str, object]:
    """Columns of a day beside its replay."""
    values = series("values of a replayed day", day.values, len(SERIES))
    if not 1 <= values.shape[1] <= LONGEST_DAY:
        want = f"1 to {LONGEST_DAY}: a row for each local day"
        raise SeriesError(f"slots of {day.local_date}", values.shape[1], want)
    sums = (*_MONEY, *_ENERGY)
    return {
        "day_start": from_epoch(slot_start(day.day_start)),
        "local_date": day.local_date.isoformat(),
        "slots": int(values.shape[1]),
        **{name: _finite(f"{name} of {day.local_date}", getattr(day, name)) for name in sums},
        "regret": _known(f"regret of {day.local_date}", day.regret),
        "data": pack(values),
    }


def _finite(name: str, value: float) -> float:
    """A plain float: drivers do not know numpy's, and no column holds NaN."""
    if not math.isfinite(value):
        raise SeriesError(name, value, "a finite number")
    return float(value)


def _known(name: str, value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else _finite(name, value)


def _check_days(replay: StoredReplay, days: Sequence[ReplayDay]) -> None:
    """Refuse days that are not those of the replay, each once and in order."""
    count = sum(day.slots for day in days)
    if not days or count != replay.slots:
        raise SeriesError("slots of the days", count, f"those of the replay, {replay.slots} (> 0)")
    edges = [to_epoch(replay.start)]
    for day in days:
        first = to_epoch(day.day_start)
        edges += [first, first + SLOT_SECONDS * day.slots]
    edges.append(to_epoch(replay.end))
    dated = all(one.local_date < other.local_date for one, other in pairwise(days))
    if not dated or any(one > other for one, other in pairwise(edges)):
        got = f"{days[0].local_date} to {days[-1].local_date}, overlapping or out of place"
        want = f"days in order within {replay.start.isoformat()} to {replay.end.isoformat()}"
        raise SeriesError("days of a replay", got, want)


def _check_money(replay: StoredReplay, days: Sequence[ReplayDay]) -> None:
    """Refuse a cost that is not the sum of its parts (R1), and parts that are not their days'."""
    _check_sum(
        "replays.cost", replay.cost, [replay.bill, replay.wear, replay.penalty, -replay.terminal]
    )
    for name in _MONEY:
        _check_sum(f"replays.{name}", getattr(replay, name), [getattr(day, name) for day in days])


def _check_sum(name: str, total: float, parts: Sequence[float]) -> None:
    want = math.fsum(parts)
    if abs(total - want) > _TOLERANCE * (1.0 + math.fsum(map(abs, parts))):
        raise SeriesError(name, total, f"the sum of its parts, {want}")


def _equal(found: Row, head: Row) -> bool:
    return all(found[name] == value for name, value in head.items() if name != "made_at")


def _where(table: sa.Table, key: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]
