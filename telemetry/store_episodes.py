"""Training episodes in a store; a part of ``telemetry.store.Store``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from telemetry import episode_table, simulated_table
from telemetry.episode import Episode, EpisodeFilter, EpisodeSummary
from telemetry.episode_table import PruneCounts
from telemetry.simulated_table import SimulatedDay
from telemetry.sql import WriteCounts
from telemetry.store_base import StoreBase

__all__ = ["EpisodeStore", "PruneCounts", "SimulatedDay"]


class EpisodeStore(StoreBase):
    """Episodes, what the mirror has not got yet, and the days that are simulated."""

    def put_episodes(self, home_id: str, episodes: Sequence[Episode]) -> WriteCounts:
        """Write episodes of one home and of this system.

        One that stands already with equal content stays as it is; else it is written and waits
        for the mirror.

        Raises:
            SeriesError: one is of another home or system, comes twice, or holds a text or a number
                that the store cannot keep.
            TimeError: one does not start with a slot.
        """
        with self._write_home(home_id) as conn:
            return episode_table.put(
                conn, system_id=self.system_id, home_id=home_id, episodes=episodes
            )

    def episodes(self, wanted: EpisodeFilter) -> Iterator[Episode]:
        """Yield episodes of all systems by home, start and id, read page by page.

        Rows that are written meanwhile come where they lie ahead; none comes twice.

        Raises:
            SeriesError: a row is damaged: its content does not fit its hash.
        """
        return episode_table.read(self._read, wanted)

    def episode(self, episode_id: str) -> Episode | None:
        """One episode by its whole id; ``None`` where there is none.

        Raises:
            SeriesError: the row is damaged.
        """
        with self._read() as conn:
            return episode_table.one(conn, episode_id)

    def find_episodes(self, prefix: str) -> tuple[str, ...]:
        """Ids that begin with ``prefix``, the first ten of them, in order.

        Raises:
            SeriesError: it has fewer than 4 characters, or is none of an id.
        """
        with self._read() as conn:
            return episode_table.find(conn, prefix)

    def episode_summary(self, wanted: EpisodeFilter) -> tuple[EpisodeSummary, ...]:
        """What is stored, counted by series: home, system, scenario, engine, configuration.

        Raises:
            SeriesError: the filter asks for day classes, which only reading episodes knows.
        """
        with self._read() as conn:
            return episode_table.summary(conn, wanted)

    def episodes_to_mirror(self, most: int, after: str = "") -> tuple[Episode, ...]:
        """At most ``most`` episodes that wait for the mirror, by id, of ids behind ``after``.

        Raises:
            SeriesError: a row is damaged.
        """
        with self._read() as conn:
            return episode_table.to_mirror(conn, most, after)

    def waiting_episodes(self) -> int:
        """How many episodes wait for the mirror."""
        with self._read() as conn:
            return episode_table.count_waiting(conn)

    def mark_mirrored(self, pushed: Sequence[tuple[str, str]]) -> int:
        """The mirror holds these: pairs of id and content hash; how many wait no longer.

        One whose content changed meanwhile keeps waiting, or waits again.
        """
        with self._write() as conn:
            return episode_table.mark_mirrored(conn, pushed)

    def mirrored_episodes(self, most: int) -> tuple[str, ...]:
        """Ids of some that do not wait for the mirror: ``most`` of all, the newest of each home.

        They are the same as long as nothing is written.
        """
        with self._read() as conn:
            return episode_table.mirrored(conn, most)

    def count_mirrored(self) -> int:
        """How many episodes do not wait for the mirror."""
        with self._read() as conn:
            return episode_table.count_mirrored(conn)

    def requeue_episodes(self) -> int:
        """Let every stored episode wait, for a mirror that is new or lost rows; how many do."""
        with self._write() as conn:
            return episode_table.requeue(conn)

    def prune_episodes(
        self, wanted: EpisodeFilter, *, before: date, dry_run: bool = True
    ) -> PruneCounts:
        """Delete episodes of local days before ``before``, and what marks those days as simulated.

        One that waits for the mirror is never deleted. A dry run only counts.

        Raises:
            SeriesError: the filter asks for day classes, which only reading episodes knows.
        """
        with self._read() if dry_run else self._write() as conn:
            return episode_table.prune(conn, wanted, before=before, dry_run=dry_run)

    def put_simulated_day(self, home_id: str, day: SimulatedDay) -> WriteCounts:
        """Mark a day of this system whose episodes are all stored; the last mark counts."""
        with self._write_home(home_id) as conn:
            return simulated_table.put(conn, system_id=self.system_id, home_id=home_id, day=day)

    def simulated_days(
        self, home_id: str, scenario: str, config_hash: str
    ) -> dict[tuple[date, str], SimulatedDay]:
        """Marked days of this system, by local day and engine."""
        with self._read_home(home_id) as conn:
            return simulated_table.read(
                conn,
                system_id=self.system_id,
                home_id=home_id,
                scenario=scenario,
                config_hash=config_hash,
            )
