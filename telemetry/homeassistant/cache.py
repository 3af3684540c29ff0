"""Days of statistics on disk, so that a second read of months asks Home Assistant for nothing.

One file per Home Assistant, period, entity and UTC day. Only a day that can no longer change is
kept: ended an hour ago, every interval there, and the interval before it too (else its first
row carries what was before). A file that does not match its checksum is not there.
To read corrected history again, delete the folder.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import numpy as np

from telemetry.arrays import F64
from telemetry.homeassistant.rows import COLUMNS, columns, make
from telemetry.homeassistant.types import PERIOD_SECONDS, Period, Statistics

DAY_SECONDS = 86_400
_SETTLED_SECONDS = 3_600
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What is kept apart: one entity of one Home Assistant, by period."""

    url: str
    entity_id: str
    period: Period


class DayCache:
    """A folder of days; a disk that cannot be written is told once and then left alone."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._writable = folder, True

    def get(self, series: Series, day: int) -> Statistics | None:
        """Return the rows of a UTC day (days since 1970); None where they are not kept."""
        path = self._path(series, day)
        try:
            text = path.read_text(encoding="utf-8")
            return _decoded(text, series, day)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as err:
            _log.warning("cached day %s is damaged, read again: %s", path, err)
            return None

    def put(self, series: Series, day: int, rows: Statistics) -> None:
        """Keep the rows of a UTC day."""
        if not self._writable:
            return
        path = self._path(series, day)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, _encoded(series, day, rows))
        except OSError as err:
            self._writable = False
            _log.warning("no days are cached any more: %s: %s", path.parent, err.strerror)

    def _path(self, series: Series, day: int) -> Path:
        place = sha256(series.url.encode()).hexdigest()[:16]
        name = f"{np.datetime64(day, 'D')}.json"
        return self._folder / place / series.period / quote(series.entity_id, safe="") / name


def settled_days(rows: Statistics, days: Iterable[int], period: Period, now: int) -> list[int]:
    """Return those of ``days`` that can no longer change and are wholly in ``rows``."""
    step = PERIOD_SECONDS[period]
    good = rows.start[np.isfinite(rows.change) | np.isfinite(rows.mean)]
    settled = []
    for day in days:
        wanted = np.arange(day * DAY_SECONDS - step, (day + 1) * DAY_SECONDS, step)
        ended = (day + 1) * DAY_SECONDS + _SETTLED_SECONDS <= now
        if ended and bool(np.isin(wanted, good).all()):
            settled.append(day)
    return settled


def _encoded(series: Series, day: int, rows: Statistics) -> str:
    facts = {
        "entity": series.entity_id,
        "period": series.period,
        "day": day,
        "start": rows.start.tolist(),
        **{name: _listed(column) for name, column in columns(rows).items()},
    }
    body = json.dumps(facts, allow_nan=False)
    return f"{zlib.crc32(body.encode()):08x}\n{body}\n"


def _decoded(text: str, series: Series, day: int) -> Statistics:
    checksum, _, rest = text.partition("\n")
    body = rest.removesuffix("\n")
    if checksum != f"{zlib.crc32(body.encode()):08x}":
        raise ValueError("its checksum differs")
    facts = json.loads(body)
    if (facts["entity"], facts["period"], facts["day"]) != (series.entity_id, series.period, day):
        raise ValueError("it is of something else")
    values = {name: np.array(facts[name], dtype=np.float64) for name in COLUMNS}
    return make(np.array(facts["start"], dtype=np.int64), values)


def _listed(values: F64) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; two writers do not meet."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
