"""The manual plan in the store: what is kept, seen at a moment, refused and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telemetry.errors import ManualBlockError, UnknownHomeError
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.sql import WriteCounts
from telemetry.store import Store

NOON = datetime(2025, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def block(name: str = "one", **changes: Any) -> ManualBlock:
    """Charge to 80 % from 14 to 16, asked for at noon."""
    facts: dict[str, Any] = {
        "block_id": name,
        "kind": BlockKind.CHARGE,
        "start": NOON + 2 * HOUR,
        "end": NOON + 4 * HOUR,
        "target_soc": 0.8,
        "created_at": NOON,
    }
    return ManualBlock(**(facts | changes))


def seen(store: Store, at: datetime, home_id: str = "villa") -> list[str]:
    """Names of the blocks in force at a moment."""
    return [one.block_id for one in store.manual_blocks(home_id, as_of=at)]


def test_a_block_comes_back_as_it_was_given(each_store: Store) -> None:
    given = block(created_at=NOON + timedelta(microseconds=7))
    assert each_store.put_manual_block("villa", given) == WriteCounts(inserted=1)
    assert each_store.put_manual_block("villa", given) == WriteCounts(unchanged=1)
    assert each_store.manual_blocks("villa") == (replace(given, created_at=NOON),)
    assert each_store.manual_blocks("cabin") == ()


def test_a_block_is_known_from_its_creation_until_it_has_passed(each_store: Store) -> None:
    each_store.put_manual_block("villa", block())
    before, end = NOON - timedelta(seconds=1), NOON + 4 * HOUR
    found = {at: seen(each_store, at) for at in (before, NOON, end - timedelta(seconds=1), end)}
    assert list(found.values()) == [[], ["one"], ["one"], []]
    assert [one.block_id for one in each_store.manual_blocks("villa")] == ["one"]


def test_a_block_taken_back_is_in_force_until_then(each_store: Store) -> None:
    each_store.put_manual_block("villa", block())
    at = NOON + HOUR
    (cleared,) = each_store.clear_manual_blocks("villa", ["one"], cleared_at=at)
    assert cleared == replace(block(), cleared_at=at)
    assert each_store.manual_blocks("villa") == (cleared,)
    assert seen(each_store, at - timedelta(seconds=1)) == ["one"]
    assert seen(each_store, at) == []
    # What comes again changes nothing: it stays taken back.
    assert each_store.put_manual_block("villa", block()) == WriteCounts(unchanged=1)
    assert seen(each_store, at) == []
    # Its place is free again.
    late = block("two", created_at=at)
    assert each_store.put_manual_block("villa", late) == WriteCounts(inserted=1)


def test_only_blocks_of_the_period_are_read(each_store: Store) -> None:
    each_store.put_manual_block("villa", block())
    each_store.put_manual_block(
        "villa", block("two", start=NOON + 4 * HOUR, end=NOON + 5 * HOUR, target_soc=1.0)
    )
    hours = {
        (first, last): [
            one.block_id
            for one in each_store.manual_blocks("villa", NOON + first * HOUR, NOON + last * HOUR)
        ]
        for first, last in ((0, 2), (0, 3), (3, 5), (4, 5), (5, 9))
    }
    assert list(hours.values()) == [[], ["one"], ["one", "two"], ["two"], []]


def test_blocks_over_each_other_are_refused_with_both_named(each_store: Store) -> None:
    each_store.put_manual_block("villa", block())
    hold = block("two", kind=BlockKind.HOLD, target_soc=None, start=NOON + 3 * HOUR)
    with pytest.raises(
        ManualBlockError,
        match=r"block two \(hold, 2025-08-01 15:00Z .* over block one \(charge to 80 %.*"
        r"or clear that one first",
    ):
        each_store.put_manual_block("villa", hold)
    assert seen(each_store, NOON) == ["one"]
    # Another home, another device, or right after it: no conflict.
    each_store.put_manual_block("cabin", hold)
    water = replace(hold, block_id="hot", kind=BlockKind.WATER_HEATING)
    each_store.put_manual_block("villa", water)
    each_store.put_manual_block("villa", replace(hold, start=hold.end, end=hold.end + HOUR))
    assert seen(each_store, NOON) == ["one", "hot", "two"]


def test_a_clock_that_was_set_back_brings_no_blocks_over_each_other(each_store: Store) -> None:
    """Asked for at noon; then it is 11 again, and the block of noon will be in force."""
    each_store.put_manual_block("villa", block())
    back = NOON - HOUR
    late = block("two", kind=BlockKind.HOLD, target_soc=None, created_at=back)
    with pytest.raises(ManualBlockError, match=r"block two .* over block one .* clear that one"):
        each_store.put_manual_block("villa", late)
    # The cure works, by its name and for all of them.
    (gone,) = each_store.clear_manual_blocks("villa", ["one"], cleared_at=back)
    assert gone == replace(block(), cleared_at=back)
    each_store.put_manual_block("villa", late)
    assert [seen(each_store, at) for at in (back, NOON)] == [["two"], ["two"]]
    before = back - HOUR
    (gone,) = each_store.clear_manual_blocks("villa", None, cleared_at=before)
    assert gone.block_id == "two"
    with pytest.raises(ManualBlockError, match=r"block two .* is taken back already"):
        each_store.clear_manual_blocks("villa", ["two"], cleared_at=before)


def test_a_block_is_in_force_until_the_moment_it_was_taken_back_at(each_store: Store) -> None:
    """Taken back at 13; then it is 12 again: until 13 plans still heed it, or it is cleared now."""
    each_store.put_manual_block("villa", block())
    each_store.clear_manual_blocks("villa", ["one"], cleared_at=NOON + HOUR)
    late = block("two", kind=BlockKind.HOLD, target_soc=None)
    with pytest.raises(ManualBlockError, match="over block one"):
        each_store.put_manual_block("villa", late)
    each_store.clear_manual_blocks("villa", ["one"], cleared_at=NOON)
    each_store.put_manual_block("villa", late)
    assert seen(each_store, NOON) == ["two"]


def test_a_name_is_given_once(each_store: Store) -> None:
    each_store.put_manual_block("villa", block())
    with pytest.raises(ManualBlockError, match="another one of that name"):
        each_store.put_manual_block("villa", block(target_soc=0.9))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": NOON + timedelta(minutes=121)}, r"start at 14:01:00Z, want full slots of 15"),
        ({"end": NOON + timedelta(minutes=190)}, r"end at 15:10:00Z, want full slots"),
        ({"end": NOON + 2 * HOUR}, "over before it begins"),
        ({"created_at": NOON + 4 * HOUR}, r"in the past: it was 2025-08-01 16:00Z"),
        ({"target_soc": None}, "share of the capacity"),
        ({"target_soc": 80.0}, "share of the capacity, 0 to 1"),
        ({"kind": BlockKind.HOLD}, "none: hold has no target"),
        ({"kind": BlockKind.WATER_HEATING}, "none: water_heating has no target"),
    ],
)
def test_refuses_what_nobody_can_carry_out(
    each_store: Store, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ManualBlockError, match=message):
        each_store.put_manual_block("villa", block(**changes))
    assert each_store.manual_blocks("villa") == ()


def test_a_block_that_has_begun_can_be_asked_for(each_store: Store) -> None:
    each_store.put_manual_block("villa", block(created_at=NOON + 3 * HOUR))
    assert seen(each_store, NOON + 2.5 * HOUR) == []
    assert seen(each_store, NOON + 3 * HOUR) == ["one"]


def test_all_or_some_are_taken_back(each_store: Store) -> None:
    for k, name in enumerate(("a", "b", "c")):
        hours = {"start": NOON + k * HOUR, "end": NOON + (k + 1) * HOUR}
        each_store.put_manual_block("villa", block(name, **hours))
    at = NOON + HOUR  # the first has passed
    with pytest.raises(ManualBlockError, match=r"block x is unknown, want one in force: b, c"):
        each_store.clear_manual_blocks("villa", ["b", "x"], cleared_at=at)
    with pytest.raises(ManualBlockError, match=r"block a .* is passed already"):
        each_store.clear_manual_blocks("villa", ["a"], cleared_at=at)
    assert seen(each_store, at) == ["b", "c"]
    gone = each_store.clear_manual_blocks("villa", ["c"], cleared_at=at)
    assert [one.block_id for one in gone] == ["c"]
    with pytest.raises(ManualBlockError, match=r"block c .* is taken back already"):
        each_store.clear_manual_blocks("villa", ["c"], cleared_at=at)
    assert [one.block_id for one in each_store.clear_manual_blocks("villa", None, cleared_at=at)] \
        == ["b"]  # fmt: skip
    assert each_store.clear_manual_blocks("villa", None, cleared_at=at) == ()
    assert [one.cleared_at for one in each_store.manual_blocks("villa")] == [None, at, at]


def test_an_unknown_home_has_no_plan(each_store: Store) -> None:
    with pytest.raises(UnknownHomeError):
        each_store.put_manual_block("vila", block())
    with pytest.raises(UnknownHomeError):
        each_store.manual_blocks("vila")
