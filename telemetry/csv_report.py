"""What an import tells: plain dataclasses that a command can print or dump as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from telemetry.sql import WriteCounts

LISTED_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that was not imported.

    Attributes:
        line: of the file on which it starts, or its place in the table of a database; the first
            is 1.
        reason: what is wrong with it.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedColumn:
    """A column that was not imported."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesReport:
    """One series of a file.

    Attributes:
        subject: home_id, or the area of a price.
        name: channel, ``price`` with its currency, or weather.
        unit: what ``counts`` counts: ``slots``, ``delivery days`` or ``days``.
        start: start of the first interval read, UTC.
        end: end of the last interval read, UTC.
        missing: empty cells, in rows of the file (``night`` not counted).
        night: empty cells that mean zero because the sun was down.
        counts: what was written.
    """

    subject: str
    name: str
    unit: str
    start: datetime
    end: datetime
    missing: int
    night: int
    counts: WriteCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """One file.

    Attributes:
        path: as it was given.
        kind: ``home``, ``prices`` or ``weather``.
        rows: data rows read.
        rejected: the first ten rows that were not imported, in file order.
        rejected_count: how many there were.
        duplicates: rows that repeat another one exactly; the first was imported.
        skipped_columns: columns that were not imported, and why.
        series: what was imported.
        notes: what else a person should know, with the cure.
    """

    path: str
    kind: str
    rows: int
    rejected: tuple[RejectedRow, ...]
    rejected_count: int
    duplicates: int
    skipped_columns: tuple[SkippedColumn, ...]
    series: tuple[SeriesReport, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> WriteCounts:
        """Writes of all series; slots and days are added alike."""
        return sum((one.counts for one in self.series), WriteCounts())

    @property
    def changed(self) -> bool:
        """Whether the store is different now."""
        return self.counts.changed > 0

    def to_json(self) -> str:
        """The report as JSON; times in ISO 8601, UTC."""
        return json.dumps(asdict(self), default=_iso)


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
