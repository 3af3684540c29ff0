"""A Home Assistant that misbehaves: every fault is survived, or told by an error of its own."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

import numpy as np
import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from telemetry.errors import (
    PeerAuthError,
    PeerNotReadyError,
    PeerReplyError,
    PeerUnreachableError,
)
from telemetry.homeassistant import HomeAssistant, Statistics
from telemetry.homeassistant.address import parse_address
from telemetry.homeassistant.tls import refuse_tls, tls_error
from tests.telemetry.homeassistant.fake_server import (
    FakeServer,
    Message,
    cut,
    failure,
    result,
    serving,
)

TOKEN = "the-secret-token"  # noqa: S105
START, END = datetime(2025, 7, 6, tzinfo=UTC), datetime(2025, 7, 6, 3, tzinfo=UTC)
HOUR_MS = 3_600_000
START_MS = 1_751_760_000_000  # 2025-07-06T00:00Z
META = {
    "statistic_id": "sensor.a",
    "display_unit_of_measurement": "kWh",
    "has_mean": False,
    "has_sum": True,
    "name": None,
    "source": "recorder",
    "statistics_unit_of_measurement": "kWh",
    "unit_class": "energy",
}


def row(hour: int, change: float | None) -> dict[str, object]:
    start = START_MS + hour * HOUR_MS
    return {"start": start, "end": start + HOUR_MS, "change": change}


def client(
    fake: FakeServer,
    pauses: list[float] | None = None,
    *,
    timeout_seconds: float = 30.0,
    ready_timeout_seconds: float = 120.0,
    retries: int = 5,
) -> HomeAssistant:
    waited: list[float] = [] if pauses is None else pauses
    return HomeAssistant(
        fake.url,
        TOKEN,
        timeout_seconds=timeout_seconds,
        ready_timeout_seconds=ready_timeout_seconds,
        retries=retries,
        sleep=waited.append,
    )


def statistics(home: HomeAssistant, *ids: str) -> dict[str, Statistics]:
    wanted = ids or ("sensor.a",)
    return dict(home.statistics(wanted, START, END, period="hour", now=END))


def answering(
    rows: Callable[[ServerConnection, Message], None],
) -> Callable[[ServerConnection, Message], None]:
    """Answer the list of statistics well, and the rows as told."""

    def answer(connection: ServerConnection, message: Message) -> None:
        if message["type"] == "recorder/list_statistic_ids":
            connection.send(result(message, [META]))
        else:
            rows(connection, message)

    return answer


def test_gaps_nulls_and_strays_are_read_as_they_are() -> None:
    def rows(connection: ServerConnection, message: Message) -> None:
        connection.send(json.dumps({"id": message["id"] - 1, "type": "result", "success": True}))
        connection.send('{"type": "event", "event": {}, "id": 99}')
        found = {
            "sensor.b": [{"start": START_MS, "mean": 5.0, "min": 4.0, "max": 6.5}],
            "sensor.a": [row(0, 1.25), row(2, None)],
        }
        connection.send(result(message, found))

    with serving(FakeServer(answer=answering(rows))) as fake, client(fake) as home:
        found = statistics(home, "sensor.a", "sensor.b", "sensor.c")
    assert list(found) == ["sensor.a", "sensor.b", "sensor.c"]
    assert found["sensor.a"].start.tolist() == [1_751_760_000, 1_751_767_200]
    np.testing.assert_array_equal(found["sensor.a"].change, [1.25, np.nan])
    np.testing.assert_array_equal(found["sensor.b"].change, [np.nan])
    assert found["sensor.b"].mean.tolist() == [5.0]
    assert (found["sensor.b"].low.tolist(), found["sensor.b"].high.tolist()) == ([4.0], [6.5])
    assert found["sensor.c"].start.size == 0
    asked = fake.asked[-1]
    assert asked["units"] == {"energy": "kWh", "power": "kW"}
    assert asked["start_time"] == "2025-07-06T00:00:00+00:00"
    assert [message["id"] for message in fake.asked] == [2, 3]  # get_config was 1


def test_years_are_asked_month_by_month() -> None:
    fake = FakeServer(answer=answering(lambda c, m: c.send(result(m, {}))))
    with serving(fake), client(fake) as home:
        end = datetime(2025, 9, 7, tzinfo=UTC)  # 63 days = 31 + 31 + 1
        home.statistics(["sensor.a"], START, end, period="hour", now=end)
    asked = [(m["start_time"][:10], m["end_time"][:10]) for m in fake.asked[1:]]
    assert asked == [
        ("2025-07-06", "2025-08-06"),
        ("2025-08-06", "2025-09-06"),
        ("2025-09-06", "2025-09-07"),
    ]


def first_badly(bad: Callable[[ServerConnection, Message], None]) -> FakeServer:
    """A server whose first answer with rows is bad, and whose second is good."""
    tries: list[int] = []

    def rows(connection: ServerConnection, message: Message) -> None:
        tries.append(1)
        if len(tries) == 1:
            bad(connection, message)
        else:
            connection.send(result(message, {"sensor.a": [row(0, 2.5)]}))

    return FakeServer(answer=answering(rows))


def half(connection: ServerConnection, message: Message) -> None:
    """Cut in the middle of a frame: its header promises 126 bytes, 20 follow."""
    del message
    connection.socket.sendall(b"\x81\x7e\x00\x7e" + b'{"id": 3, "type": "r')
    cut(connection)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda c, _: cut(c), id="cut before the answer"),
        pytest.param(half, id="cut in the answer"),
        pytest.param(lambda c, _: c.close(), id="closed politely"),
        pytest.param(lambda c, m: c.send(result(m, {})[:-20]), id="truncated JSON"),
        pytest.param(lambda c, _: c.send("[]"), id="no object"),
        pytest.param(lambda c, m: c.send(failure(m, "unknown_error")), id="still starting"),
        pytest.param(lambda _, __: None, id="silent"),
    ],
)
def test_a_fault_is_survived_by_asking_again(
    bad: Callable[[ServerConnection, Message], None],
) -> None:
    pauses: list[float] = []
    with serving(first_badly(bad)) as fake, client(fake, pauses, timeout_seconds=0.3) as home:
        assert statistics(home)["sensor.a"].change.tolist() == [2.5]
    assert fake.connections == 2
    assert pauses == [1.0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"sensor.a": [{"start": "2025-07-06T00:00:00+00:00"}]}, "of other shape"),
        ({"sensor.a": [{"change": 1.0}]}, "of other shape"),
        ({"sensor.a": [row(1, 1.0), row(0, 1.0)]}, "out of order"),
        ({"sensor.a": [row(3, 1.0)]}, "or of another time"),
        ({"sensor.z": [row(0, 1.0)]}, "of other ids"),
        ([], "other shape"),
    ],
)
def test_rows_of_another_shape_are_refused_after_two_tries(rows: object, said: str) -> None:
    fake = FakeServer(answer=answering(lambda c, m: c.send(result(m, rows))))
    with serving(fake), client(fake) as home, pytest.raises(PeerReplyError, match=said):
        statistics(home)
    assert fake.connections == 2


def test_a_refused_token_is_not_tried_again_nor_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pauses: list[float] = []
    with serving(FakeServer(accepts=False)) as fake, client(fake, pauses) as home:
        with pytest.raises(PeerAuthError, match=r"refused the token; make a long-lived") as caught:
            home.states()
        assert TOKEN not in f"{caught.value} {home!r} {vars(home)!r} {caught.value.__cause__!r}"
    assert fake.tokens == [TOKEN]
    assert pauses == []
    said = [r for r in caplog.records if not r.name.startswith("websockets.server")]
    assert TOKEN not in " ".join(r.getMessage() for r in said)


def test_nobody_there_is_told_after_growing_pauses() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: refused
        port = free.getsockname()[1]
        pauses: list[float] = []
        with HomeAssistant(f"127.0.0.1:{port}", TOKEN, sleep=pauses.append, retries=6) as home:
            with pytest.raises(PeerUnreachableError, match=rf"{port}: no connection .*7 tries"):
                home.states()
            assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
            with pytest.raises(PeerUnreachableError, match=r"no answer .*7 tries.; is it running"):
                home.clock()


def test_starting_is_waited_for_and_told_when_it_takes_too_long() -> None:
    states = ["NOT_RUNNING", "STARTING", "RUNNING"]
    pauses: list[float] = []
    with serving(FakeServer(states=states)) as fake, client(fake, pauses) as home:
        assert home.statistic_ids() == {}
    assert pauses == [0.25, 0.25]
    stuck = FakeServer(states=["STARTING"])
    told = pytest.raises(PeerNotReadyError, match="state is STARTING after 2 s, want RUNNING")
    with serving(stuck), client(stuck, ready_timeout_seconds=2.0) as home, told:
        home.statistic_ids()
    assert stuck.asked == []


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("unauthorized", PeerAuthError, "get_states: not allowed"),
        ("unknown_command", PeerReplyError, "does not know get_states"),
        ("home_assistant_error", PeerReplyError, "failed: home_assistant_error: as told"),
    ],
)
def test_refusals_have_errors_of_their_own(code: str, error: type[Exception], said: str) -> None:
    fake = FakeServer(answer=lambda c, m: c.send(failure(m, code)))
    with serving(fake), client(fake) as home, pytest.raises(error, match=said):
        home.states()


def test_a_reply_of_7_mb_is_read() -> None:
    filler = "x" * 7_000_000
    big = [{**META, "name": filler}]
    fake = FakeServer(answer=lambda c, m: c.send(result(m, big)))
    with serving(fake), client(fake) as home:
        assert home.statistic_ids()["sensor.a"].has_sum


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, PeerAuthError, "HTTP 401.; make a long-lived"),
        (403, PeerAuthError, "ip_bans.yaml"),
        (301, PeerUnreachableError, "redirects .HTTP 301.; give the url it leads to"),
        (404, PeerUnreachableError, "no Home Assistant's address .HTTP 404.; url is only http"),
        (503, PeerUnreachableError, "HTTP 503 .3 tries"),
        (400, PeerReplyError, "refused the question: as told"),
    ],
)
def test_http_status_has_errors_of_its_own(status: int, error: type[Exception], said: str) -> None:
    fake = FakeServer(http=lambda _: (status, "as told"))
    with serving(fake), client(fake, retries=2) as home, pytest.raises(error, match=said):
        home.clock()


def test_history_is_asked_by_day_and_joined() -> None:
    """Two days; each opens with the state in force a second before, which is no change of it."""
    asked: list[str] = []

    def change(state: str | None, at: str) -> dict[str, object]:
        unit = {"unit_of_measurement": "kWh"}
        return {"entity_id": "sensor.a", "state": state, "last_updated": at, "attributes": unit}

    def http(path: str) -> tuple[int, str]:
        asked.append(path)
        if len(asked) == 1:
            return 200, "[[{"  # truncated: asked again
        first = [change("1", "2025-07-05T23:59:59+00:00"), change("2", "2025-07-06T13:00:00.5Z")]
        second = [change("2", "2025-07-06T23:59:59+00:00"), change("", "2025-07-07T02:00:00Z")]
        return 200, json.dumps([first if "2025-07-05T23" in path.split("?", 1)[0] else second])

    with serving(FakeServer(http=http)) as fake, client(fake) as home:
        found = home.history(["sensor.a", "sensor.none"], START, datetime(2025, 7, 8, tzinfo=UTC))
    day = 1_751_760_000.0
    assert found["sensor.a"].at.tolist() == [day, day + 13 * 3600 + 0.5, day + 26 * 3600]
    assert found["sensor.a"].states == ("1", "2", "unavailable")
    assert found["sensor.none"].at.size == 0
    assert len(asked) == 3
    assert "end_time=2025-07-07T00%3A00%3A00%2B00%3A00" in asked[0]
    assert "significant_changes_only=0" in asked[0]
    assert "minimal_response" not in asked[0]


@pytest.mark.parametrize(
    ("unit", "unit_class", "want"),
    [
        pytest.param("Wh", "energy", 2.5, id="converted by it"),
        pytest.param("Wh", None, 2.5, id="2025.11: converted by the unit, without a class"),
        pytest.param("GWh", None, 2.5e6, id="2024.3: it cannot convert this unit"),
        pytest.param("GWh", "energy", 2.5, id="2025.11: it can"),
    ],
)
def test_energies_are_brought_to_kwh_once(unit: str, unit_class: str | None, want: float) -> None:
    meta = {**META, "statistics_unit_of_measurement": unit, "unit_class": unit_class}
    del meta["has_mean"]  # as from 2026.4 on

    def answer(connection: ServerConnection, message: Message) -> None:
        listed = message["type"] == "recorder/list_statistic_ids"
        found = [{**meta, "mean_type": 0}] if listed else {"sensor.a": [row(0, 2.5)]}
        connection.send(result(message, found))

    with serving(FakeServer(answer=answer)) as fake, client(fake) as home:
        (known,) = home.statistic_ids().values()
        assert (known.unit_class, known.has_mean) == ("energy", False)
        assert statistics(home)["sensor.a"].change.tolist() == [want]


@pytest.mark.parametrize(
    "place",
    ["https://ha.example/api/websocket", "/login", "ws://127.0.0.1:1/api", ""],
)
def test_a_redirected_socket_is_told_as_such(place: str) -> None:
    """The library wants to follow, and may not with our socket."""

    def moved(connection: ServerConnection, request: Request) -> Response:
        del request
        reply = connection.respond(HTTPStatus.FOUND, "")
        if place:
            reply.headers["Location"] = place
        return reply

    pauses: list[float] = []
    fake = FakeServer()
    fake.process = moved  # type: ignore[method-assign]
    told = pytest.raises(PeerUnreachableError, match=r"redirects \(HTTP 302\); give the url")
    with serving(fake), client(fake, pauses) as home, told:
        home.states()
    assert pauses == []


def as_a_page(fake: FakeServer, status: int, body: str) -> None:
    """Answer every request, one for a WebSocket too, with a web page."""

    def page(connection: ServerConnection, request: Request) -> Response:
        del request
        reply = connection.respond(HTTPStatus(status), body)
        del reply.headers["Content-Type"]
        reply.headers["Content-Type"] = "text/html; charset=utf-8"
        return reply

    fake.process = page  # type: ignore[method-assign]


@pytest.mark.parametrize("status", [200, 404])
def test_who_is_no_home_assistant_is_asked_once(status: int) -> None:
    pauses: list[float] = []
    fake = FakeServer()
    as_a_page(fake, status, "<html>a router</html>")
    with serving(fake), client(fake, pauses) as home:
        for ask in (home.clock, home.states):
            with pytest.raises(PeerUnreachableError, match=r"url is only http://HOST:8123$"):
                ask()
    assert pauses == []


@pytest.mark.parametrize(("path", "tries"), [("", 3), ("/lovelace/0", 1)])
def test_a_home_assistant_that_boots_is_asked_again(path: str, tries: int) -> None:
    """It says so of every path then, and of a wrong path always."""
    pauses: list[float] = []
    fake = FakeServer()
    as_a_page(fake, 404, "404: Not Found")
    with serving(fake):
        fake.url += path
        for ask in ("clock", "states"):
            pauses.clear()
            with client(fake, pauses, retries=2) as home, pytest.raises(PeerUnreachableError):
                getattr(home, ask)()
            assert len(pauses) == tries - 1


def test_a_certificate_that_is_not_trusted_is_told_with_its_cure() -> None:
    err = ssl.SSLCertVerificationError(1, "certificate verify failed")
    err.verify_message = "self-signed certificate"
    wrapped = OSError("as httpx wraps it")
    wrapped.__cause__ = err
    found = tls_error(wrapped)
    assert found is err
    with pytest.raises(PeerUnreachableError, match=r"not trusted \(self-signed certificate\); use"):
        refuse_tls(parse_address("https://ha"), err)
