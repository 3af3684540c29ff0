"""Verdicts on days and repaired slots; a part of ``telemetry.store.Store``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from telemetry import quality_table, repairs_table
from telemetry.quality_table import DayQuality
from telemetry.repairs_table import Original, Repair
from telemetry.slots import to_epoch
from telemetry.sql import WriteCounts
from telemetry.store_base import StoreBase

__all__ = ["QualityStore"]


class QualityStore(StoreBase):
    """What was judged of a home's days, and what was put right."""

    def put_day_quality(self, home_id: str, days: Iterable[DayQuality]) -> WriteCounts:
        """Write verdicts on days; one that stands already keeps its ``checked_at``."""
        with self._write_home(home_id) as conn:
            return quality_table.put(conn, system_id=self.system_id, home_id=home_id, days=days)

    def day_quality(self, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
        """Verdicts on the local days from ``first`` to ``last``, in order; unjudged are absent."""
        with self._read_home(home_id) as conn:
            return quality_table.read(conn, home_id=home_id, first=first, last=last)

    def put_repairs(
        self, home_id: str, repairs: Iterable[Repair], *, repaired_at: datetime
    ) -> WriteCounts:
        """Put slots right and keep what stood there; a slot that is repaired stays as it is."""
        with self._write_home(home_id) as conn:
            return repairs_table.put(
                conn,
                system_id=self.system_id,
                home_id=home_id,
                repairs=repairs,
                repaired_at=repaired_at,
            )

    def repairs(self, home_id: str, start: datetime, end: datetime) -> tuple[Original, ...]:
        """What stood in the repaired slots in [start, end)."""
        with self._read_home(home_id) as conn:
            return repairs_table.read(
                conn, home_id=home_id, start=to_epoch(start), end=to_epoch(end)
            )

    def repaired_span(self, home_id: str) -> tuple[datetime, datetime] | None:
        """Starts of the first and the last slot that is repaired; ``None`` where none is."""
        with self._read_home(home_id) as conn:
            return repairs_table.span(conn, home_id)

    def undo_repairs(self, home_id: str, start: datetime, end: datetime) -> int:
        """Bring back what stood in the repaired slots of [start, end); how many there were.

        Slots that were put right together are undone together, also those outside the bounds.
        """
        with self._write_home(home_id) as conn:
            return repairs_table.undo(
                conn, home_id=home_id, start=to_epoch(start), end=to_epoch(end)
            )
