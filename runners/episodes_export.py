"""Files of episodes: Parquet of arrays, or JSON lines of the rows as they are stored.

Both are written as they are read, some hundred rows at a time, to a file beside the wanted one that
takes its place at the end. Parquet (extra ``parquet``): a row an episode, series as lists, flows
given back, missing is null. JSON lines: the columns of ``training_episodes``, the texts as objects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mpc.plan_json import told_requests
from runners.errors import EX_CANTCREAT, ConfigError, Problem
from sim.episode_format import EPISODE_SCHEMA, EpisodeArrays, EpisodeContext, read_episode
from telemetry.arrays import F64
from telemetry.episode import Episode
from telemetry.errors import MissingExtraError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_jsonl", "write_parquet"]

_GROUP_ROWS = 256
_NAMES = {"start": "episode_start"}
"""What the table calls otherwise than the arrays."""
_OBJECTS = {
    "inputs": "inputs_json",
    "context": "context_json",
    "schedule": "schedule_json",
    "config_overrides": "config_overrides_json",
}


def write_jsonl(path: Path, episodes: Iterable[Episode]) -> int:
    """Write episodes as JSON lines; how many.

    Raises:
        ConfigError: the file cannot be written.
    """
    count = 0
    with _whole(path) as part, part.open("w", encoding="utf-8") as file:
        for episode in episodes:
            file.write(_line(episode))
            count += 1
    return count


def _line(episode: Episode) -> str:
    """Return a row as one JSON object; its texts are JSON already."""
    plain: dict[str, object] = {}
    for field in fields(episode):
        value = getattr(episode, field.name)
        if field.name not in _OBJECTS.values():
            keep = value is None or isinstance(value, str | float)
            plain[field.name] = value if keep else value.isoformat()
    texts = "".join(f',"{name}":{getattr(episode, text)}' for name, text in _OBJECTS.items())
    return f"{json.dumps(plain, separators=(',', ':'), ensure_ascii=False)[:-1]}{texts}}}\n"


def write_parquet(path: Path, episodes: Iterable[Episode]) -> int:
    """Write episodes as Parquet; how many.

    Raises:
        ConfigError: the file cannot be written.
        MissingExtraError: pyarrow is not installed.
        EpisodeError: a damaged row.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - heavy, and only needed here
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "a parquet file") from None
    schema, count, rows = _schema(pa), 0, iter(episodes)
    with (
        _whole(path) as part,
        pq.ParquetWriter(part, schema, compression="zstd") as writer,
    ):
        while group := list(islice(rows, _GROUP_ROWS)):
            writer.write_table(_group(pa, schema, group))
            count += len(group)
    return count


def _schema(pa: Any) -> pa.Schema:  # noqa: ANN401 - a module that may be missing
    """Return the columns of the Parquet file, in order."""
    series, number, text = pa.list_(pa.float64()), pa.float64(), pa.string()
    moment = pa.timestamp("ms", tz="UTC")
    kinds: dict[Any, Any] = {str: text, str | None: text, float: number, F64: series}
    kinds |= {datetime: moment, date: pa.date32()}
    named = [(_NAMES.get(f.name, f.name), f.type) for f in fields(EpisodeArrays)]
    columns = [(name, kinds[kind]) for name, kind in named if kind in kinds]
    columns += [("terminal_soc_kwh", series), ("terminal_price", series)]
    columns += [(f"realised_{name}", number) for name in ("bill", "wear", "cost")]
    columns += [(f.name, number if f.type is float else text) for f in fields(EpisodeContext)]
    columns += [("violations", text), ("requests", text)]
    columns += [("overrides", text), ("content_hash", text)]
    return pa.schema(columns, metadata={"schema": EPISODE_SCHEMA})


def _group(pa: Any, schema: pa.Schema, group: list[Episode]) -> pa.Table:  # noqa: ANN401
    """Return some episodes as a table."""
    rows = [_row(episode) for episode in group]
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if pa.types.is_list(field.type):
            ends = np.cumsum([0, *(one.size for one in values)])
            flat = pa.array(np.concatenate(values), from_pandas=True)
            columns.append(pa.ListArray.from_arrays(pa.array(ends, type=pa.int32()), flat))
        else:
            columns.append(pa.array(values, type=field.type, from_pandas=True))
    return pa.Table.from_arrays(columns, schema=schema)


def _row(episode: Episode) -> dict[str, Any]:
    """Return the columns of one episode."""
    read = read_episode(episode)
    row = {_NAMES.get(f.name, f.name): getattr(read, f.name) for f in fields(read)}
    curve = np.array(read.terminal_curve, dtype=np.float64)
    row |= {"terminal_soc_kwh": curve[:, 0], "terminal_price": curve[:, 1]}
    row |= {f"realised_{n}": getattr(episode, f"realised_{n}") for n in ("bill", "wear", "cost")}
    row |= {field.name: getattr(read.context, field.name) for field in fields(read.context)}
    row["changes"] = json.dumps(dict(read.context.changes))
    row["violations"] = json.dumps([violation._asdict() for violation in read.violations])
    asked = read.requests
    row["requests"] = None if asked is None else json.dumps(told_requests(asked))
    row["overrides"] = episode.config_overrides_json
    row["content_hash"] = episode.content_hash
    return row


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a file to write that becomes ``path`` at the end; a device is written to as it is.

    Raises:
        ConfigError: it cannot be written.
    """
    direct = path.exists() and not path.is_file()
    part = path if direct else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if not direct:
            part.replace(path)
    except OSError as err:
        message = f"cannot be written ({err.strerror or err}); name another place"
        raise ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT) from None
    finally:
        if not direct:
            part.unlink(missing_ok=True)
