"""Answers over HTTP that never end: each call ends by itself, however lively the server is."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep

import httpx
import pytest

from telemetry import json_http
from telemetry.errors import PeerUnreachableError
from telemetry.homeassistant.states import StateWriter
from telemetry.json_http import get_json
from telemetry.whole_answer import whole_answer
from tests.telemetry.web import serving

LIMIT = 0.3
"""Seconds; of one read, too: each byte comes within it."""


def dripping(connection: socket.socket) -> None:
    """Promise a thousand bytes, and send one every 50 ms."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        sleep(0.05)


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one answer after the other, as long as somebody listens; yield the url."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = monotonic()
    yield
    assert monotonic() - began < seconds


def test_a_web_service_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_http, "WHOLE_SECONDS", LIMIT)
    with (
        answering(dripping) as url,
        httpx.Client(timeout=LIMIT) as client,
        within(5.0),
        pytest.raises(PeerUnreachableError, match=r"not all of the answer is here after 0\.3 s"),
    ):
        get_json(client, url, {}, peer="a service", sleep=lambda _: None)


def test_a_home_assistant_that_drips() -> None:
    with (
        answering(dripping) as url,
        StateWriter(url, 40 * "a", timeout_seconds=LIMIT, retries=1, sleep=lambda _: None) as one,
        within(5.0),
        pytest.raises(PeerUnreachableError, match=r"not all of the answer .*\(2 tries\)"),
    ):
        one.get("sensor.x")


def test_an_answer_in_time_is_what_it_is_by_itself() -> None:
    """Whole, decoded, with its status and headers."""
    body = json.dumps({"ö": list(range(5000))}).encode()

    def zipped(connection: socket.socket) -> None:
        connection.recv(65536)
        packed = gzip.compress(body)
        head = f"HTTP/1.1 203 x\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        connection.sendall(head.encode() + packed)

    with answering(zipped) as url, httpx.Client() as client:
        found = whole_answer(client, "GET", url, seconds=5.0)
    assert (found.status_code, found.content) == (203, body)
    with serving(lambda path, query: (418, [path, query])) as web, httpx.Client() as client:
        found = whole_answer(client, "GET", f"{web.url}/a", seconds=5.0, params={"b": "c"})
    assert (found.status_code, found.json()) == (418, ["/a", {"b": "c"}])
    assert found.headers["Content-Type"] == "application/json; charset=utf-8"
