"""Reading statistics: by month and by a few ids at a time, and only what is not on disk yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from telemetry.homeassistant.cache import (
    DAY_SECONDS,
    DayCache,
    Series,
    settled_days,
)
from telemetry.homeassistant.rows import between, joined
from telemetry.homeassistant.types import PERIOD_SECONDS, Period, Statistics

PAGE_SECONDS = 31 * DAY_SECONDS
PAGE_IDS = 8
Run = tuple[int, int]
"""Days [first, last), counted from 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One question to Home Assistant: rows of ``ids`` with start in [first, last)."""

    ids: tuple[str, ...]
    first: int
    last: int
    period: Period


Ask = Callable[[Page], dict[str, Statistics]]
"""Asks one page; every id is a key of the answer."""


def read(
    ids: Sequence[str], first: int, last: int, period: Period, ask: Ask
) -> dict[str, Statistics]:
    """Read rows with start in [first, last), epoch seconds, page by page."""
    found: dict[str, list[Statistics]] = {name: [] for name in ids}
    for at in range(0, len(ids), PAGE_IDS):
        some = tuple(ids[at : at + PAGE_IDS])
        for start in range(first, last, PAGE_SECONDS):
            end = min(start + PAGE_SECONDS, last)
            for name, rows in ask(Page(ids=some, first=start, last=end, period=period)).items():
                found[name].append(rows)
    return {name: joined(parts) for name, parts in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedReader:
    """Reads what is not cached, and caches it.

    Attributes:
        url: which Home Assistant.
        cache: the days on disk.
        ask: asks one page.
        now: epoch seconds now; a day that ended less than an hour before is not kept.
    """

    url: str
    cache: DayCache
    ask: Ask
    now: int

    def read(
        self, ids: Sequence[str], first: int, last: int, period: Period
    ) -> dict[str, Statistics]:
        """Read rows with start in [first, last), epoch seconds."""
        days = range(first // DAY_SECONDS, -(-last // DAY_SECONDS))
        kept = {name: self._kept(name, days, period) for name in ids}
        groups: dict[tuple[Run, ...], list[str]] = {}
        for name in ids:
            missing = tuple(runs([day for day in days if day not in kept[name]]))
            groups.setdefault(missing, []).append(name)
        for missing, names in groups.items():
            for run in missing:
                for name, rows in self._fetch(names, run, period).items():
                    kept[name][run[0]] = rows
        return {
            name: between(joined([parts[day] for day in sorted(parts)]), first, last)
            for name, parts in kept.items()
        }

    def _kept(self, name: str, days: range, period: Period) -> dict[int, Statistics]:
        series = Series(url=self.url, entity_id=name, period=period)
        found = ((day, self.cache.get(series, day)) for day in days)
        return {day: rows for day, rows in found if rows is not None}

    def _fetch(self, names: list[str], run: Run, period: Period) -> dict[str, Statistics]:
        """Read a run of days from Home Assistant and keep those that are settled."""
        first, last = run[0] * DAY_SECONDS, run[1] * DAY_SECONDS
        # The interval before tells whether the first row is of its own interval alone.
        found = read(names, first - PERIOD_SECONDS[period], last, period, self.ask)
        for name, rows in found.items():
            series = Series(url=self.url, entity_id=name, period=period)
            for day in settled_days(rows, range(*run), period, self.now):
                start = day * DAY_SECONDS
                self.cache.put(series, day, between(rows, start, start + DAY_SECONDS))
        return {name: between(rows, first, last) for name, rows in found.items()}


def runs(days: Sequence[int]) -> Iterator[Run]:
    """Join ascending days to runs without holes."""
    start = 0
    for at in range(1, len(days) + 1):
        if at == len(days) or days[at] != days[at - 1] + 1:
            yield days[start], days[at - 1] + 1
            start = at
