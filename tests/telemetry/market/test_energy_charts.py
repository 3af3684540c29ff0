"""energy-charts: years of prices in EUR, placed by timestamp, their issue time assumed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from telemetry.errors import PeerAuthError, PeerReplyError, PeerUnreachableError
from telemetry.market import EnergyCharts
from telemetry.market.market import DeliveryDay
from tests.telemetry.market.replies import charts_reply
from tests.telemetry.web import Web, serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = date(2025, 3, 30)


def fetched(
    status: int,
    reply: Any,
    first: date = DAY,
    last: date = DAY,
    *,
    now: datetime = NOW,
    area: str = "SE4",
    naps: list[float] | None = None,
) -> tuple[list[DeliveryDay], Web]:
    sleeps: list[float] = [] if naps is None else naps
    with serving(lambda *_: (status, reply)) as web, httpx.Client() as client:
        charts = EnergyCharts(client, url=f"{web.url}/price", sleep=sleeps.append)
        return charts.fetch(area, first, last, "EUR", now), web


def test_days_around_a_clock_change() -> None:
    first, last = date(2025, 3, 29), date(2025, 3, 31)

    def hour(start: datetime) -> float:
        return float(start.hour - 12)  # -12..11 EUR/MWh: negative and zero among them

    found, web = fetched(200, charts_reply(first, last, costs=hour), first, last)
    assert web.asked == [("/price", {"bzn": "SE4", "start": "2025-03-29", "end": "2025-03-31"})]
    assert [(day.day.day, day.values.size) for day in found] == [(29, 24), (30, 23), (31, 24)]
    # The 30th starts at 23:00 UTC and ends at 22:00 UTC.
    want = [(k % 24 - 12) / 1000.0 for k in range(23, 23 + 23)]
    assert found[1].values.tolist() == pytest.approx(want)
    assert all(day.complete and day.assumed and day.currency == "EUR" for day in found)
    # 13:15 market time of the day before, still winter.
    assert found[1].issued_at == datetime(2025, 3, 29, 12, 15, tzinfo=UTC)
    assert found[0].note.startswith("CC BY 4.0")


def test_the_interval_is_each_days_own() -> None:
    # On 2025-10-01 the market went from hours to quarters.
    first, last = date(2025, 9, 30), date(2025, 10, 1)
    hours, quarters = charts_reply(first, first), charts_reply(last, last, minutes=15)
    for name in ("unix_seconds", "price"):
        hours[name] += quarters[name]
    found, _ = fetched(200, hours, first, last)
    assert [(day.slot_minutes, day.values.size) for day in found] == [(60, 24), (15, 96)]


def test_nulls_holes_and_days_that_were_not_asked_for() -> None:
    reply = charts_reply(DAY - timedelta(days=1), DAY + timedelta(days=1))
    reply["price"][24 + 3] = None  # the fourth hour of the 30th
    del reply["price"][24 + 5], reply["unix_seconds"][24 + 5]
    (found,), _ = fetched(200, reply)
    assert found.day == DAY
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [3, 5]
    assert not found.complete


def test_a_single_interval_does_not_tell_its_length() -> None:
    reply = charts_reply(DAY, DAY)
    reply |= {"price": reply["price"][:1], "unix_seconds": reply["unix_seconds"][:1]}
    assert fetched(200, reply)[0] == []


def test_prices_read_before_the_assumed_time_are_known_then() -> None:
    now = datetime(2025, 3, 29, 12, 1, tzinfo=UTC)
    (found,), _ = fetched(200, charts_reply(DAY, DAY), now=now)
    assert found.issued_at == now


def test_nothing_there() -> None:
    assert fetched(404, {"detail": "no content"})[0] == []
    assert fetched(200, charts_reply(DAY, DAY, unix_seconds=[], price=[]))[0] == []


def test_another_name_and_a_deprecated_service() -> None:
    (found,), web = fetched(200, charts_reply(DAY, DAY, deprecated=True), area="ger")
    assert web.asked[0][1]["bzn"] == "DE-LU"
    assert found.area == "GER"
    assert found.note.endswith("; the service calls this interface deprecated")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"<html>", "its reply is no JSON"),
        ([], "its reply is a list"),
        (charts_reply(DAY, DAY, unit="EUR / kWh"), "prices are in 'EUR / kWh', want EUR / MWh"),
        (charts_reply(DAY, DAY, price=[1.0]), "not two lists of one length"),
        (charts_reply(DAY, DAY, unix_seconds=[0, 0], price=[1.0, 1.0]), "comes twice"),
        (charts_reply(DAY, DAY, unix_seconds=["0"], price=[1.0]), "a time is '0'"),
        (charts_reply(DAY, DAY, unix_seconds=[10**14], price=[1.0]), "want a time in the years"),
        (charts_reply(DAY, DAY, price=["1"] * 23), "a price is '1'"),
        (
            charts_reply(DAY, DAY, unix_seconds=[1743289200, 1743290000], price=[1.0, 1.0]),
            "intervals of 13.3333 min, want 15, 30 or 60",
        ),
    ],
)
def test_a_broken_reply_is_told(reply: Any, message: str) -> None:
    with pytest.raises(PeerReplyError, match=message):
        fetched(200, reply)


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [(422, PeerReplyError, 1), (403, PeerAuthError, 1), (429, PeerUnreachableError, 3)],
)
def test_statuses(status: int, kind: type[Exception], tries: int) -> None:
    naps: list[float] = []
    with pytest.raises(kind, match=f"energy-charts: it answered HTTP {status}: no such bzn"):
        fetched(status, {"detail": "no such bzn"}, naps=naps)
    assert naps == [2.0, 10.0][: tries - 1]


def test_nobody_there() -> None:
    with serving(lambda *_: (200, {})) as web:
        pass
    with httpx.Client() as client:
        charts = EnergyCharts(client, url=web.url, sleep=lambda _: None)
        with pytest.raises(PeerUnreachableError, match=r"no answer \(ConnectError"):
            charts.fetch("SE4", DAY, DAY, "EUR", NOW)
