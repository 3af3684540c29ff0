"""What is written inside ``undone`` is seen inside alone; what own meters measured after a moment.

On SQLite and on MariaDB.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from telemetry import Home, Provenance
from telemetry.errors import ReadOnlyError, UnknownHomeError
from telemetry.slots import SLOT_SECONDS, to_epoch
from telemetry.store import Store
from tests.telemetry.conftest import OpenStore

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
SLOT = timedelta(seconds=SLOT_SECONDS)


def put(store: Store, slot: int, provenance: str = "live", channel: str = "load_kwh") -> None:
    starts = np.array([to_epoch(START) + slot * SLOT_SECONDS], dtype=np.int64)
    store.put_observations(
        "villa", channel, starts, np.ones(1), known_at=starts, provenance=Provenance(provenance)
    )


def newest(store: Store) -> datetime | None:
    return store.measured_after("villa", START - SLOT)


def test_what_is_undone_is_seen_inside_alone(open_store: OpenStore, villa: Home) -> None:
    store, other = open_store(), open_store()
    store.put_home(villa)
    with store.undone():
        with store.transaction():
            put(store, 0)
        put(store, 1)
        assert newest(store) == START + SLOT
        assert newest(other) is None
    assert newest(store) is None
    put(store, 0)  # and it goes on as before
    assert newest(other) == START


def test_an_error_inside_undoes_too(each_store: Store) -> None:
    def fail() -> None:
        put(each_store, 0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), each_store.undone():
        fail()
    assert newest(each_store) is None


def test_others_may_write_until_the_first_write(open_store: OpenStore, villa: Home) -> None:
    store, other = open_store(), open_store()
    store.put_home(villa)
    with store.undone():
        assert newest(store) is None
        put(other, 0)
    assert newest(store) == START


def test_a_store_that_is_only_read_rehearses_nothing(tmp_path: Path) -> None:
    Store.open(tmp_path / "facts.sqlite").close()
    with (
        Store.open(tmp_path / "facts.sqlite", read_only=True) as store,
        pytest.raises(ReadOnlyError, match="opened read-only"),
        store.undone(),
    ):
        pass


def test_only_own_meters_measure(each_store: Store) -> None:
    put(each_store, 9, "import")
    put(each_store, 8, "simulated", "pv_kwh")
    assert newest(each_store) is None
    put(each_store, 2, "statistics_hourly", "soc_end")
    put(each_store, 1, "live")
    assert newest(each_store) == START + 2 * SLOT
    assert each_store.measured_after("villa", START + 2 * SLOT) is None  # later, not at it
    with pytest.raises(UnknownHomeError, match="no home 'hut'"):
        each_store.measured_after("hut", START)
