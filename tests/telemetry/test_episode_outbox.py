"""The outbox against a model: what the mirror has not got waits, whatever comes in which order."""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from telemetry.episode import Episode, EpisodeFilter
from telemetry.schema import episode_outbox, simulated_days, training_episodes
from telemetry.store import Store
from telemetry.store_episodes import SimulatedDay
from tests.telemetry.an_episode import START, an_episode

ALL = EpisodeFilter()
NUMBERS = st.integers(0, 5)  # of episodes, two on each of three days
CONTENTS = st.integers(0, 2)


def _episode(number: int, content: int) -> Episode:
    start = START + timedelta(days=number // 2, minutes=15 * (number % 2))
    day = (start + timedelta(hours=2)).date()
    return an_episode(number, episode_start=start, local_day=day, planned_cost=content)


class _Outbox(RuleBasedStateMachine):
    """Writes, a mirror that is late, pruning and a mirror that is lost, in any order."""

    store: ClassVar[Store]

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, Episode] = {}
        self.mirrored: dict[str, str] = {}  # content that the mirror told last
        self.pulled: list[Episode] = []  # read for the mirror, not yet marked
        self.marked: set[date] = set()
        with self.store._write() as conn:
            for table in (training_episodes, episode_outbox, simulated_days):
                conn.execute(sa.delete(table))

    @rule(made=st.lists(st.tuples(NUMBERS, CONTENTS), unique_by=lambda pair: pair[0], max_size=4))
    def put(self, made: list[tuple[int, int]]) -> None:
        episodes = [_episode(number, content) for number, content in made]
        counts = self.store.put_episodes("villa", episodes)
        new = [one for one in episodes if one.episode_id not in self.stored]
        same = [one for one in episodes if self.stored.get(one.episode_id) == one]
        assert (counts.inserted, counts.unchanged) == (len(new), len(same))
        for one in episodes:
            if one not in same:
                self.stored[one.episode_id] = one
                self.mirrored.pop(one.episode_id, None)

    @rule(day=st.integers(0, 2))
    def mark_day(self, day: int) -> None:
        one = _episode(2 * day, 0)
        mark = SimulatedDay(
            scenario=one.scenario,
            config_hash=one.config_hash,
            engine=one.engine,
            local_day=one.local_day,
            task_hash="a" * 32,
            episodes=2,
        )
        self.store.put_simulated_day("villa", mark)
        self.marked.add(one.local_day)

    @rule(most=st.integers(1, 4), after=st.sampled_from(["", "5", "a"]))
    def pull(self, most: int, after: str) -> None:
        self.pulled = list(self.store.episodes_to_mirror(most, after))
        want = [name for name in sorted(self.stored) if self._waits(name) and name > after]
        assert [one.episode_id for one in self.pulled] == want[:most]
        assert all(self.stored[one.episode_id] == one for one in self.pulled)

    @rule()
    def push(self) -> None:
        pairs = [(one.episode_id, one.content_hash) for one in self.pulled]
        fits = [name for name, content in pairs if self._waits(name, content)]
        assert self.store.mark_mirrored(pairs) == len(fits)
        self.mirrored |= {name: self.stored[name].content_hash for name in fits}

    @rule(before=st.integers(0, 3), dry_run=st.booleans())
    def prune(self, before: int, *, dry_run: bool) -> None:
        end = date(2025, 10, 25) + timedelta(days=before)
        old = [name for name, one in self.stored.items() if one.local_day < end]
        gone = [name for name in old if not self._waits(name)]
        counts = self.store.prune_episodes(ALL, before=end, dry_run=dry_run)
        assert (counts.deleted, counts.kept_unmirrored) == (len(gone), len(old) - len(gone))
        if not dry_run:
            self.marked -= {self.stored.pop(name).local_day for name in gone}
            for name in gone:
                self.mirrored.pop(name, None)

    @rule()
    def lose_the_mirror(self) -> None:
        assert self.store.requeue_episodes() == len(self.stored)
        self.mirrored.clear()

    @invariant()
    def all_waits_that_was_never_marked(self) -> None:
        waiting = sorted(name for name in self.stored if self._waits(name))
        found = self.store.episodes_to_mirror(100)
        assert [one.episode_id for one in found] == waiting
        assert self.store.waiting_episodes() == len(waiting)

    @invariant()
    def the_store_holds_the_newest(self) -> None:
        want = sorted(self.stored.values(), key=lambda one: one.episode_start)
        assert list(self.store.episodes(ALL)) == want
        days = self.store.simulated_days("villa", "0-recorded", "0123456789abcdef")
        assert {day for day, _ in days} == self.marked

    def _waits(self, name: str, content: str | None = None) -> bool:
        """Whether it is stored, with that content, and the mirror has not got it."""
        if name not in self.stored or name in self.mirrored:
            return False
        return content is None or self.stored[name].content_hash == content


def test_whatever_happens_nothing_is_forgotten(store: Store) -> None:
    few = settings(max_examples=60, stateful_step_count=20)
    _Outbox.store = store
    run_state_machine_as_test(_Outbox, settings=few)
