"""A Home Assistant that misbehaves as told: real sockets, fake answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

Message = dict[str, Any]
Answer = Callable[[ServerConnection, Message], None]
Http = Callable[[str], tuple[int, str]]


def result(message: Message, value: object) -> str:
    """The answer to a command, as text."""
    return json.dumps({"id": message["id"], "type": "result", "success": True, "result": value})


def failure(message: Message, code: str) -> str:
    """The refusal of a command, as text."""
    error = {"code": code, "message": "as told"}
    reply = {"id": message["id"], "type": "result", "success": False, "error": error}
    return json.dumps(reply)


@dataclass
class FakeServer:
    """What it does, and what it was asked.

    Attributes:
        answer: answers every command but ``get_config``.
        http: status and body of a GET, by path and query.
        states: what ``get_config`` tells, one after the other; the last one stays.
        accepts: whether it takes the token.
        url: where it is.
        asked: all commands but ``get_config``.
        connections: how many were opened.
        tokens: the tokens it was given.
    """

    answer: Answer = lambda connection, message: connection.send(result(message, {}))
    http: Http = lambda _path: (200, "{}")
    states: list[str] = field(default_factory=lambda: ["RUNNING"])
    accepts: bool = True
    url: str = ""
    asked: list[Message] = field(default_factory=list)
    connections: int = 0
    tokens: list[str] = field(default_factory=list)

    def handle(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        self.connections += 1
        connection.send('{"type": "auth_required", "ha_version": "2024.3.3"}')
        self.tokens.append(json.loads(connection.recv())["access_token"])
        kind = "auth_ok" if self.accepts else "auth_invalid"
        connection.send(json.dumps({"type": kind, "message": "Invalid access token or password"}))
        for text in connection:
            message = json.loads(text)
            if message["type"] == "get_config":
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                connection.send(result(message, {"state": state}))
                continue
            self.asked.append(message)
            self.answer(connection, message)

    def process(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a GET; let a WebSocket through."""
        if "Upgrade" in request.headers:
            return None
        status, body = self.http(request.path)
        return connection.respond(HTTPStatus(status), body)


@contextmanager
def serving(fake: FakeServer) -> Iterator[FakeServer]:
    """Serve in the background; ``fake.url`` says where."""

    def handle(connection: ServerConnection) -> None:
        try:
            fake.handle(connection)
        except ConnectionClosed:
            return  # the client has gone, as clients do

    server = serve(handle, "127.0.0.1", 0, process_request=fake.process)
    port = server.socket.getsockname()[1]
    fake.url = f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()


def cut(connection: ServerConnection) -> None:
    """Cut the connection without a word, as a Home Assistant that stops does."""
    connection.socket.shutdown(2)
