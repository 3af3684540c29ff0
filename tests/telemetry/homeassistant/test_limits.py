"""A Home Assistant that stops reading: sending to it has a time limit, as waiting for it has."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telemetry.errors import PeerUnreachableError
from telemetry.homeassistant import HomeAssistant
from tests.peers.certificates import Certificates, make_certificates

TOKEN = "the-secret-token"  # noqa: S105
GREETING = (
    '{"type": "auth_required"}',
    '{"type": "auth_ok"}',
    '{"id": 1, "type": "result", "success": true, "result": {"state": "RUNNING"}}',
)
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def greet(connection: socket.socket) -> None:
    """Take the WebSocket and let the client believe that all is well."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    lines = dict(line.lower().partition(b": ")[::2] for line in head.split(b"\r\n"))
    key = head[head.lower().index(lines[b"sec-websocket-key"]) :].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())  # noqa: S324 - the protocol's
    answer = b"HTTP/1.1 101 Hi\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    answer += b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    frames = [bytes([0x81, len(text)]) + text.encode() for text in GREETING]
    connection.sendall(answer + b"".join(frames))


@contextmanager
def deaf(certificates: Certificates | None) -> Iterator[str]:
    """Serve one client, greet it and read nothing more; yield the url."""
    done = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            connection = context.wrap_socket(connection, server_side=True)
        with connection:
            greet(connection)
            done.wait(30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        scheme = "http" if certificates is None else "https"
        yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
    finally:
        done.set()
        thread.join()
        server.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_sending_has_a_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secure: bool
) -> None:
    made = make_certificates(tmp_path, ["127.0.0.1"]) if secure else None
    if made is not None:
        trusting = ssl.create_default_context(cafile=str(made.authority))
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    with (
        deaf(made) as url,
        HomeAssistant(url, TOKEN, timeout_seconds=0.5, retries=0) as home,
        pytest.raises(PeerUnreachableError, match="the connection was cut"),
    ):
        home._call("fill", lambda reply: reply, fill="x" * 30_000_000)
