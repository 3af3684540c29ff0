"""Nord Pool: rows where their timestamps say, nothing taken for more than it is.

A server on this machine replays documented replies; ``pynordpool`` itself does the asking.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from telemetry.errors import (
    PeerAuthError,
    PeerReplyError,
    PeerUnreachableError,
    SeriesError,
)
from telemetry.market import NordPool, put_day, stored_days
from telemetry.market.market import DeliveryDay
from telemetry.store import Store
from tests.telemetry.market.replies import midnight, nordpool_reply, starts_of
from tests.telemetry.web import Answer, Query, Web, serving

DAY = date(2025, 11, 6)
NOW = datetime(2025, 11, 5, 12, 30, tzinfo=UTC)


def asked_of(
    answer: Answer | Callable[[str, Query], Answer],
    *,
    area: str = "SE4",
    days: tuple[date, date] = (DAY, DAY),
    currency: str = "SEK",
    now: datetime = NOW,
    naps: list[float] | None = None,
) -> tuple[list[DeliveryDay], Web]:
    """Fetch from a server that gives this answer."""
    sleeps: list[float] = [] if naps is None else naps
    reply = answer if callable(answer) else lambda *_: answer
    with serving(reply) as web:
        pool = NordPool(url=f"{web.url}/api", sleep=sleeps.append)
        return pool.fetch(area, *days, currency, now), web


def one(reply: dict[str, Any], **options: Any) -> DeliveryDay:
    """Fetch a single day."""
    (found,), _ = asked_of((200, reply), **options)
    return found


def test_a_day_of_quarters() -> None:
    (found,), web = asked_of((200, nordpool_reply(DAY, price=lambda k: 10.0 * (k - 1))))
    assert web.asked == [
        (
            "/api/DayAheadPrices",
            {
                "date": "2025-11-06",
                "market": "DayAhead",
                "deliveryArea": "SE4",
                "currency": "SEK",
            },
        )
    ]
    # -10, 0, 10, ... SEK/MWh; negative and zero are prices.
    assert found.values.tolist() == pytest.approx([0.01 * (k - 1) for k in range(96)])
    assert (found.slot_minutes, found.currency, found.source) == (15, "SEK", "nordpool")
    assert found.start == datetime(2025, 11, 5, 23, tzinfo=UTC)
    assert found.issued_at == datetime(2025, 11, 5, 11, 55, 3, tzinfo=UTC)
    assert not found.assumed
    assert found.complete


@pytest.mark.parametrize(
    ("day", "minutes", "want"),
    [
        pytest.param(date(2026, 3, 29), 15, 92, id="spring"),
        pytest.param(date(2025, 10, 26), 15, 100, id="autumn"),
        pytest.param(date(2025, 3, 30), 60, 23, id="spring, hours"),
        pytest.param(date(2024, 10, 27), 60, 25, id="autumn, hours"),
    ],
)
def test_days_with_a_clock_change(day: date, minutes: int, want: int, store: Store) -> None:
    reply = nordpool_reply(day, minutes=minutes)
    found = one(reply, days=(day, day), now=midnight(day))
    assert found.values.size == want == len(reply["multiAreaEntries"])
    assert found.complete
    put_day(store, found)
    (kept,) = stored_days(store, "nordpool", "SE4", "SEK", [day])
    assert kept.complete
    assert kept.slots == want * minutes // 15
    # Read back by timestamp: interval k costs k/1000 per kWh wherever the clock went.
    starts = starts_of(day, minutes)
    for k in (0, want // 2, want - 1):
        end = starts[k] + timedelta(minutes=minutes)
        series = store.prices("SE4", starts[k], end)
        assert series.values.tolist() == pytest.approx([k / 1000.0] * (minutes // 15))


def test_rows_count_by_their_timestamps_not_by_their_order() -> None:
    reply = nordpool_reply(DAY)
    reply["multiAreaEntries"].reverse()
    assert one(reply).values.tolist() == pytest.approx([k / 1000.0 for k in range(96)])


def test_finland_has_the_markets_day() -> None:
    found = one(nordpool_reply(DAY, ("FI",), currency="EUR"), area="fi", currency="EUR")
    # Midnight in Brussels is 01:00 in Helsinki.
    assert found.start == datetime(2025, 11, 5, 23, tzinfo=UTC)
    assert found.area == "FI"


@pytest.mark.parametrize("how", ["absent", "null", "hole"])
def test_what_is_missing_is_missing(how: str, store: Store) -> None:
    reply = nordpool_reply(DAY)
    row = reply["multiAreaEntries"][40]
    if how == "hole":
        del reply["multiAreaEntries"][40]
    elif how == "null":
        row["entryPerArea"]["SE4"] = None
    else:
        row["entryPerArea"] = {"SE3": 1.0}
    found = one(reply)
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [40]
    assert not found.complete
    put_day(store, found)
    (kept,) = stored_days(store, "nordpool", "SE4", "SEK", [DAY])
    assert (kept.known, kept.slots, kept.complete) == (95, 96, False)


def test_a_day_without_the_area_is_not_stored(store: Store) -> None:
    found = one(nordpool_reply(DAY, ("SE3",)))
    assert np.isnan(found.values).all()
    assert put_day(store, found).changed == 0
    assert store.price_currencies("SE4", found.start, found.start + timedelta(days=1)) == ()


@pytest.mark.parametrize(
    "final_at",
    [
        pytest.param("2025-11-05T12:10:00Z", id="later"),
        pytest.param("2025-11-05T11:55:03Z", id="at the same second"),
    ],
)
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "preliminary written last"])
def test_preliminary_prices_are_no_final_ones(
    store: Store,
    final_at: str,
    backwards: bool,  # noqa: FBT001
) -> None:
    early = one(nordpool_reply(DAY, state="Preliminary", price=lambda _: 100.0))
    final = one(nordpool_reply(DAY, price=lambda _: 900.0, updated=final_at))
    assert not early.complete
    assert not np.isnan(early.values).any()
    if not backwards:
        put_day(store, early)
        (kept,) = stored_days(store, "nordpool", "SE4", "SEK", [DAY])
        assert (kept.known, kept.early, kept.complete) == (0, 96, False)
        # They are usable all the same.
        assert store.prices("SE4", early.start, midnight(DAY) + timedelta(hours=1)).values[0] == 0.1
    for day in (final, early) if backwards else (early, final):
        put_day(store, day)
    (kept,) = stored_days(store, "nordpool", "SE4", "SEK", [DAY])
    assert (kept.known, kept.early, kept.complete) == (96, 0, True)
    assert store.prices("SE4", final.start, final.start + timedelta(days=1)).values[0] == 0.9


def test_the_state_of_the_own_area_counts() -> None:
    reply = nordpool_reply(DAY, ("SE3", "SE4"))
    reply["areaStates"] = [
        {"state": "Final", "areas": ["SE3"]},
        {"state": "Preliminary", "areas": ["SE4"]},
    ]
    assert not one(reply).final
    assert one(reply, area="SE3").final


def test_a_clock_behind_the_markets_does_not_issue_in_the_future() -> None:
    now = datetime(2025, 11, 5, 11, 55, 0, tzinfo=UTC)
    assert one(nordpool_reply(DAY), now=now).issued_at == now


def test_a_day_not_published_is_left_out() -> None:
    def answer(_path: str, query: Query) -> Answer:
        return (200, nordpool_reply(DAY)) if query["date"] == "2025-11-06" else (204, None)

    naps: list[float] = []
    found, web = asked_of(answer, days=(DAY, DAY + timedelta(days=1)), naps=naps)
    assert [day.day for day in found] == [DAY]
    assert len(web.asked) == 2
    assert naps == []


@pytest.mark.parametrize(
    ("day", "message"),
    [
        (
            date(2025, 8, 1),
            r"^Nord Pool: delivery day 2025-08-01 is older than it serves, about two months "
            r"\(HTTP 401\); backfill with --provider energy_charts$",
        ),
        (DAY, r"^Nord Pool: it refuses delivery day 2025-11-06 \(HTTP 401\); try again later"),
    ],
)
def test_401_is_told_at_once(day: date, message: str) -> None:
    naps: list[float] = []
    with pytest.raises(PeerAuthError, match=message):
        asked_of((401, {}), days=(day, day), naps=naps)
    assert naps == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_service_is_asked_again(status: int) -> None:
    naps: list[float] = []
    left = [status, status]

    def answer(_path: str, _query: Query) -> Answer:
        return (left.pop(), {}) if left else (200, nordpool_reply(DAY))

    (found,), _ = asked_of(answer, naps=naps)
    assert found.complete
    assert naps == [2.0, 10.0]
    with pytest.raises(PeerUnreachableError, match=f"no answer for 2025-11-06 .*HTTP {status}"):
        asked_of((status, {}))


def test_nobody_there() -> None:
    with serving(lambda *_: (204, None)) as web:
        pass
    pool = NordPool(url=web.url, sleep=lambda _: None)
    with pytest.raises(PeerUnreachableError, match="Nord Pool: no answer for 2025-11-06"):
        pool.fetch("SE4", DAY, DAY, "SEK", NOW)


def test_a_machine_that_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    pool = NordPool(url="http://prices.invalid", sleep=lambda _: None)
    want = r"^Nord Pool: no such host: prices\.invalid; is this machine online\?$"
    with pytest.raises(PeerUnreachableError, match=want):
        pool.fetch("SE4", DAY, DAY, "SEK", NOW)


def broken(**changes: object) -> Callable[[dict[str, Any]], object]:
    """Return what replaces fields of the first row, or with ``reply_`` of the reply."""

    def change(reply: dict[str, Any]) -> object:
        for name, value in changes.items():
            if name.startswith("reply_"):
                reply[name.removeprefix("reply_")] = value
            else:
                reply["multiAreaEntries"][0][name] = value
        return reply

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b'{"deliv', "its reply is no JSON"),
        (lambda _: [], "no multiAreaEntries"),
        (lambda _: {"error": 1}, "no multiAreaEntries"),
        (broken(reply_deliveryDateCET="2025-11-07"), "it sent 2025-11-07"),
        (broken(reply_currency="EUR"), "asked for SEK, it sent EUR"),
        (broken(reply_updatedAt="noon"), "another shape .*ValueError"),
        (broken(reply_areaStates=None), "another shape .*TypeError"),
        (broken(entryPerArea=None), "another shape .*AttributeError"),
        (broken(entryPerArea={"SE4": "1"}), "a price is '1', want a number or null"),
        (broken(deliveryStart="2025-11-05T22:45:00Z"), "intervals of 15, 30 min, want"),
        (
            broken(deliveryStart="2025-11-05T22:45:00Z", deliveryEnd="2025-11-05T23:00:00Z"),
            r"an interval at 2025-11-05T22:45:00\+00:00 is none of the delivery day 2025-11-06",
        ),
        (
            broken(deliveryStart="2025-11-05T23:15:00Z", deliveryEnd="2025-11-05T23:30:00Z"),
            r"the interval at 2025-11-05T23:15:00\+00:00 comes twice",
        ),
        (
            broken(deliveryStart="2025-11-05T23:05:00Z", deliveryEnd="2025-11-05T23:20:00Z"),
            "is none of the delivery day",
        ),
    ],
)
def test_a_broken_reply_is_told(change: Callable[[dict[str, Any]], object], message: str) -> None:
    naps: list[float] = []
    with pytest.raises(PeerReplyError, match=message):
        asked_of((200, change(nordpool_reply(DAY))), naps=naps)
    assert naps == []


def test_what_nord_pool_does_not_have() -> None:
    pool = NordPool(url="http://127.0.0.1:9")
    with pytest.raises(SeriesError, match=r"area is XX9, want one that Nord Pool has \(EE, "):
        pool.fetch("XX9", DAY, DAY, "SEK", NOW)
    with pytest.raises(SeriesError, match="currency is USD"):
        pool.fetch("SE4", DAY, DAY, "USD", NOW)
    assert [pool.currency_for(home) for home in ("SEK", "NOK", "EUR", "USD")] == [
        "SEK", "NOK", "EUR", "EUR",
    ]  # fmt: skip


def test_other_names_of_an_area() -> None:
    (found,), web = asked_of(
        (200, nordpool_reply(DAY, ("GER",), currency="EUR")), area="DE-LU", currency="EUR"
    )
    assert web.asked[0][1]["deliveryArea"] == "GER"
    assert found.area == "DE-LU"
    assert found.complete


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the services asked through httpx do; aiohttp by itself does not."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(5.0)
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("no_proxy", "")

        def refuse() -> None:
            for _ in range(3):
                with proxy.accept()[0] as connection:
                    asked.append(connection.recv(100))
                    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(PeerUnreachableError, match="502"):
            NordPool(sleep=lambda _: None).fetch("SE4", DAY, DAY, "SEK", NOW)
        thread.join()
    assert {line.split(b" HTTP")[0] for line in asked} == {
        b"CONNECT dataportal-api.nordpoolgroup.com:443"
    }
