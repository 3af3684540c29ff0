"""Slot observations: what wins, what is seen when, and that nothing changes twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry import Channel, Provenance, Quality
from telemetry.arrays import F64, I64
from telemetry.errors import SeriesError
from telemetry.slots import SLOT_SECONDS, to_epoch
from telemetry.sql import WriteCounts
from telemetry.store import Store

START = datetime(2025, 6, 1, tzinfo=UTC)
FIRST = to_epoch(START)
cells = st.one_of(st.floats(0.0, 100.0), st.just(math.nan))
series = st.lists(cells, min_size=1, max_size=12)
origins = st.sampled_from(list(Provenance))
on_one_store = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def _slots(count: int) -> I64:
    return FIRST + SLOT_SECONDS * np.arange(count, dtype=np.int64)


def _put(
    store: Store,
    values: Sequence[float],
    origin: str = "live",
    home: str = "villa",
    quality: int = 0,
) -> WriteCounts:
    slots = _slots(len(values))
    return store.put_observations(
        home,
        "load_kwh",
        slots,
        np.array(values),
        known_at=slots + SLOT_SECONDS,
        provenance=origin,
        quality=quality,
    )


def _load(store: Store, count: int, home: str = "villa", as_of: datetime | None = None) -> F64:
    end = START + timedelta(minutes=15 * count)
    return store.observations(home, ["load_kwh"], START, end, as_of=as_of).of("load_kwh")


def _new_home(store: Store) -> str:
    """A home of its own for each example: the store lives as long as the test."""
    name = f"home{len(store.homes())}"
    store.ensure_home(name)
    return name


@on_one_store
@given(values=series, origin=origins)
def test_twice_is_once(store: Store, values: list[float], origin: Provenance) -> None:
    home, count = _new_home(store), len(values)
    assert _put(store, values, origin, home) == WriteCounts(inserted=count)
    assert _put(store, values, origin, home) == WriteCounts(unchanged=count)
    np.testing.assert_array_equal(_load(store, count, home), values)


@on_one_store
@given(values=series, minutes=st.integers(-20, 200))
def test_nothing_is_seen_before_it_is_known(
    store: Store, values: list[float], minutes: int
) -> None:
    home = _new_home(store)
    _put(store, values, "live", home)
    seen = _load(store, len(values), home, START + timedelta(minutes=minutes))
    # A slot is known when it ends: of the first `minutes` minutes, the whole quarters.
    known = min(max(minutes // 15, 0), len(values))
    np.testing.assert_array_equal(seen[:known], values[:known])
    assert np.isnan(seen[known:]).all()


@on_one_store
@given(
    pairs=st.lists(st.tuples(cells, cells), min_size=1, max_size=12), first=origins, then=origins
)
def test_what_wins(
    store: Store, pairs: list[tuple[float, float]], first: Provenance, then: Provenance
) -> None:
    home = _new_home(store)
    old, new = zip(*pairs, strict=True)
    _put(store, old, first, home)
    counts = _put(store, new, then, home)
    want = [
        new_value
        if not math.isnan(new_value)
        and (then.rank >= first.rank or (math.isnan(had) and first is not Provenance.REPAIRED))
        else had
        for had, new_value in pairs
    ]
    np.testing.assert_array_equal(_load(store, len(pairs), home), want)
    assert counts.inserted == 0
    assert counts.updated + counts.unchanged + counts.kept == len(pairs)


def test_counts_by_hand(store: Store) -> None:
    _put(store, [1.0, 2.0, math.nan, math.nan], "import")
    # Same; gap over number; number over gap; new gap.
    again = _put(store, [1.0, math.nan, 3.0, math.nan, 5.0], "import")
    assert again == WriteCounts(inserted=1, updated=1, unchanged=2, kept=1)
    # A worse origin: only where there was nothing.
    assert _put(store, [9.0, 9.0, 9.0, 4.0, 9.0], "spread") == WriteCounts(updated=1, kept=4)
    np.testing.assert_array_equal(_load(store, 5), [1.0, 2.0, 3.0, 4.0, 5.0])


def test_missing_is_null_and_zero_is_zero(store: Store) -> None:
    _put(store, [0.0, math.nan])
    with store._read() as conn:
        rows = conn.exec_driver_sql("SELECT value FROM slot_observations ORDER BY slot_start")
        assert rows.scalars().all() == [0.0, None]
    found = store.coverage("villa", "load_kwh")
    assert found is not None
    assert (found.first, found.last, found.count) == (START, START, 1)
    assert store.coverage("villa", "pv_kwh") is None


def test_rows_absent_and_quality(store: Store) -> None:
    _put(store, [1.0], quality=Quality.RESAMPLED | Quality.SUSPECT)
    found = store.observations(
        "villa", [Channel.PV_KWH, "load_kwh"], START, START + timedelta(minutes=30)
    )
    assert found.start == START
    assert found.slot_start.tolist() == [FIRST, FIRST + 900]
    np.testing.assert_array_equal(found.values, [[math.nan, math.nan], [1.0, math.nan]])
    assert found.quality.tolist() == [[0, 0], [5, 0]]
    assert found.known_at.tolist() == [[-1, -1], [FIRST + 900, -1]]


def test_order_of_slots_does_not_matter(store: Store) -> None:
    store.put_observations(
        "villa",
        "load_kwh",
        _slots(3)[::-1],
        np.array([3.0, 2.0, 1.0]),
        known_at=START,
        provenance="live",
        quality=np.array([4, 0, 0]),
    )
    np.testing.assert_array_equal(_load(store, 3), [1.0, 2.0, 3.0])


def test_latest_state_of_charge(store: Store) -> None:
    slots = _slots(4)
    store.put_observations(
        "villa",
        "soc_end",
        slots,
        np.array([0.5, 0.0, math.nan, 0.7]),
        known_at=slots + SLOT_SECONDS,
        provenance="live",
    )
    # At 00:45 the third slot is known to be missing: the newest number is an empty battery.
    now = START + timedelta(minutes=45)
    found = store.latest("villa", "soc_end", as_of=now, not_before=START)
    assert found is not None
    assert (found.slot_start, found.value) == (START + timedelta(minutes=15), 0.0)
    assert found.provenance == "live"
    late = START + timedelta(minutes=30)
    assert store.latest("villa", "soc_end", as_of=now, not_before=late) is None


def test_unknown_origins_are_kept(store: Store) -> None:
    _put(store, [1.0])
    with store._write() as conn:
        conn.exec_driver_sql("UPDATE slot_observations SET provenance = 'from the future'")
    assert _put(store, [2.0]).kept == 1


@pytest.mark.parametrize(
    ("slots", "values", "message"),
    [
        pytest.param([FIRST], [1.0, 2.0], "want one value for each of the slots", id="shape"),
        pytest.param([FIRST, FIRST], [1.0, 2.0], "slot_start is repeated", id="repeated"),
        pytest.param([FIRST + 1], [1.0], "slot_start is off the grid", id="grid"),
        pytest.param([FIRST], [math.inf], "values is infinite in places", id="infinite"),
    ],
)
def test_bad_series(store: Store, slots: list[int], values: list[float], message: str) -> None:
    with pytest.raises(SeriesError, match=message):
        store.put_observations(
            "villa",
            "load_kwh",
            np.array(slots),
            np.array(values),
            known_at=START,
            provenance="live",
        )


def test_bad_names(store: Store) -> None:
    with pytest.raises(ValueError, match="'load' is not a valid Channel"):
        store.observations("villa", ["load"], START, START)
    with pytest.raises(ValueError, match="'guess' is not a valid Provenance"):
        _put(store, [1.0], "guess")


def test_a_year(store: Store) -> None:
    values = np.random.default_rng(0).random(35_040)
    assert _put(store, values.tolist()).inserted == 35_040
    np.testing.assert_array_equal(_load(store, 35_040), values)
