"""The manual plan of a home; a part of ``telemetry.store.Store``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from telemetry import manual_table
from telemetry.manual_table import ManualBlock
from telemetry.sql import WriteCounts
from telemetry.store_base import StoreBase

__all__ = ["ManualStore"]


class ManualStore(StoreBase):
    """What people asked a home's battery to do."""

    def put_manual_block(self, home_id: str, block: ManualBlock) -> WriteCounts:
        """Write one block; the same again changes nothing.

        Raises:
            ManualBlockError: it is no block, has passed, or lies over one that is or will be in
                force: both are named. Nothing is written then.
        """
        with self._write_home(home_id) as conn:
            return manual_table.put(conn, system_id=self.system_id, home_id=home_id, block=block)

    def manual_blocks(
        self,
        home_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        as_of: datetime | None = None,
    ) -> tuple[ManualBlock, ...]:
        """Blocks of which some slot lies in [start, end), by their start; None: no bound.

        Args:
            home_id: an existing home.
            start: from when.
            end: until when.
            as_of: only those that were in force then: asked for, not taken back, not passed. None:
                all that were ever asked for, those that passed or were taken back too.
        """
        with self._read_home(home_id) as conn:
            return manual_table.read(conn, home_id=home_id, start=start, end=end, as_of=as_of)

    def clear_manual_blocks(
        self, home_id: str, block_ids: Sequence[str] | None, *, cleared_at: datetime
    ) -> tuple[ManualBlock, ...]:
        """Take blocks back from a moment on; those that were taken back, as they are now.

        Args:
            home_id: an existing home.
            block_ids: which; None: all that are in force, or will be (``ManualBlock.is_open``).
            cleared_at: the moment.

        Raises:
            ManualBlockError: one is unknown, has passed or was taken back. All stay then.
        """
        with self._write_home(home_id) as conn:
            return manual_table.clear(
                conn, home_id=home_id, block_ids=block_ids, cleared_at=cleared_at
            )
