"""Delivery days: every row where its timestamp says, whatever the day, the order and the holes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.market.market import Row, days_between, place, stored_days
from telemetry.store import Store
from tests.telemetry.market.replies import starts_of


@given(
    day=st.dates(date(2015, 1, 1), date(2035, 12, 31)),
    minutes=st.sampled_from([15, 30, 60]),
    data=st.data(),
)
def test_rows_in_any_order_with_any_holes(day: date, minutes: int, data: st.DataObject) -> None:
    starts = [int(start.timestamp()) for start in starts_of(day, minutes)]
    kept = data.draw(st.lists(st.sampled_from(starts), min_size=1, unique=True))
    rows = [
        Row(start=start, end=start + 60 * minutes, per_mwh=float(start - starts[0]))
        for start in kept
    ]
    length, values = place("peer", day, rows)
    assert length == minutes
    # The price per kWh of a row is its own offset in the day over 1000.
    want = [(s - starts[0]) / 1000.0 if s in kept else np.nan for s in starts]
    np.testing.assert_allclose(values, want, rtol=1e-12)


@pytest.mark.parametrize("month", [3, 10])
def test_stored_days_have_their_own_length(tmp_path: Path, month: int) -> None:
    days = days_between(date(2025, month, 1), date(2025, month, 31))
    with Store.open(tmp_path / "facts.sqlite") as store:
        found = stored_days(store, "nordpool", "SE4", "SEK", days)
    assert [one.day for one in found] == days
    want = [4 * len(starts_of(day, 60)) for day in days]
    assert [one.slots for one in found] == want
    assert sum(want) == 31 * 96 + (4 if month == 10 else -4)
    assert not any(one.known or one.early or one.complete for one in found)
