"""Days on disk: only those that can no longer change, never one that is damaged."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.homeassistant import DayCache, Statistics
from telemetry.homeassistant.cache import DAY_SECONDS, Series, settled_days
from telemetry.homeassistant.reading import CachedReader, Page, read, runs
from telemetry.homeassistant.rows import between

DAY = 20_275  # 2025-07-06
SERIES = Series(url="http://ha", entity_id="sensor.a", period="hour")
LATER = (DAY + 30) * DAY_SECONDS


def rows_of(hours: Sequence[int]) -> Statistics:
    """Rows of hours counted from the start of ``DAY``; the energy of hour h is h/8 kWh."""
    start = DAY * DAY_SECONDS + 3600 * np.array(hours, dtype=np.int64)
    nothing = np.full(start.size, np.nan)
    change = np.array(hours, dtype=np.float64) / 8.0
    return Statistics(start=start, change=change, mean=nothing, low=nothing, high=nothing)


class Source:
    """Stands in for Home Assistant: its rows, and which pages were asked."""

    def __init__(self, rows: Statistics) -> None:
        self.rows = rows
        self.asked: list[tuple[int, int]] = []

    def __call__(self, page: Page) -> dict[str, Statistics]:
        """Note the hours asked and answer."""
        hour = DAY * DAY_SECONDS
        self.asked.append(((page.first - hour) // 3600, (page.last - hour) // 3600))
        return {name: between(self.rows, page.first, page.last) for name in page.ids}


def reader(folder: Path, source: Source, now: int = LATER) -> CachedReader:
    return CachedReader(url="http://ha", cache=DayCache(folder), ask=source, now=now)


def read_days(one: CachedReader, first: int, last: int) -> Statistics:
    day = DAY_SECONDS
    return one.read(["sensor.a"], (DAY + first) * day, (DAY + last) * day, "hour")["sensor.a"]


def test_only_full_days_are_kept_and_only_the_others_are_asked_again(tmp_path: Path) -> None:
    """Days 0 to 3; day 2 lacks hour 60, so that the first row after it carries two hours."""
    source = Source(rows_of([h for h in range(-1, 96) if h != 60]))
    first = read_days(reader(tmp_path, source), 0, 4)
    assert source.asked == [(-1, 96)]
    again = read_days(reader(tmp_path, source), 0, 4)
    assert source.asked == [(-1, 96), (47, 72)]
    np.testing.assert_array_equal(again.start, first.start)
    np.testing.assert_array_equal(again.change, first.change)
    assert again.start.size == 95
    source.rows = rows_of(range(-1, 96))  # the missing hour was imported
    assert read_days(reader(tmp_path, source), 0, 4).start.size == 96


def test_the_first_day_ever_is_not_kept_its_first_row_carries_all_before(tmp_path: Path) -> None:
    source = Source(rows_of(range(48)))
    read_days(reader(tmp_path, source), 0, 2)
    read_days(reader(tmp_path, source), 0, 2)
    assert source.asked == [(-1, 48), (-1, 24)]


def test_a_day_is_settled_an_hour_after_its_end() -> None:
    rows, end = rows_of(range(-1, 24)), (DAY + 1) * DAY_SECONDS
    assert settled_days(rows, [DAY], "hour", end + 3599) == []
    assert settled_days(rows, [DAY], "hour", end + 3600) == [DAY]
    assert settled_days(rows, [DAY], "5minute", LATER) == []


def test_part_of_a_day_is_cut_from_the_kept_day(tmp_path: Path) -> None:
    source = Source(rows_of(range(-1, 24)))
    one, start = reader(tmp_path, source), DAY * DAY_SECONDS
    read_days(one, 0, 1)
    part = one.read(["sensor.a"], start + 5 * 3600, start + 7 * 3600, "hour")["sensor.a"]
    assert part.change.tolist() == [5 / 8, 6 / 8]
    assert len(source.asked) == 1


@pytest.mark.parametrize("damage", ["", "garbage", "half", "digit"])
def test_a_damaged_day_is_read_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(rows_of(range(-1, 24)))
    good = read_days(reader(tmp_path, source), 0, 1)
    (path,) = tmp_path.rglob("*.json")
    text = path.read_text(encoding="utf-8")
    broken = {"half": text[: len(text) // 2], "digit": text.replace("0.125", "0.126")}
    path.write_text(broken.get(damage, damage), encoding="utf-8")
    np.testing.assert_array_equal(read_days(reader(tmp_path, source), 0, 1).change, good.change)
    assert len(source.asked) == 2
    assert "damaged, read again" in caplog.text
    read_days(reader(tmp_path, source), 0, 1)
    assert len(source.asked) == 2


def test_a_full_disk_is_told_once_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(source: Path, target: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr(Path, "replace", full)
    caplog.set_level(logging.WARNING)
    source = Source(rows_of(range(-1, 72)))
    assert read_days(reader(tmp_path, source), 0, 3).start.size == 72
    assert caplog.text.count("No space left on device") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_entities_periods_and_houses_are_kept_apart(tmp_path: Path) -> None:
    cache, rows = DayCache(tmp_path), rows_of(range(24))
    cache.put(SERIES, DAY, rows)
    others = [
        Series(url="http://other", entity_id="sensor.a", period="hour"),
        Series(url="http://ha", entity_id="sensor.b", period="hour"),
        Series(url="http://ha", entity_id="sensor.a", period="5minute"),
    ]
    assert all(cache.get(other, DAY) is None for other in others)
    found = cache.get(SERIES, DAY)
    assert found is not None
    np.testing.assert_array_equal(found.change, rows.change)
    np.testing.assert_array_equal(found.mean, np.full(24, np.nan))


@given(st.sets(st.integers(0, 40)))
def test_runs_are_the_days_again(days: set[int]) -> None:
    found = list(runs(sorted(days)))
    assert {day for first, last in found for day in range(first, last)} == days
    assert all(found[i][1] < found[i + 1][0] for i in range(len(found) - 1))


def test_many_ids_are_asked_a_few_at_a_time() -> None:
    sizes: list[int] = []

    def ask(page: Page) -> dict[str, Statistics]:
        sizes.append(len(page.ids))
        return {name: rows_of([0]) for name in page.ids}

    names = [f"sensor.n{i}" for i in range(20)]
    found = read(names, DAY * DAY_SECONDS, (DAY + 1) * DAY_SECONDS, "hour", ask)
    assert sizes == [8, 8, 4]
    assert list(found) == names
