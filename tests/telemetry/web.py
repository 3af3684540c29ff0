"""A web service on this machine that answers what a test wants and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Query = dict[str, str]
Answer = tuple[int, Any]


@dataclass(slots=True)
class Web:
    """A running service.

    Attributes:
        answer: what it says to a path and a query: a status and JSON, or bytes as they are.
        asked: path and query of every request so far.
    """

    answer: Callable[[str, Query], Answer]
    url: str = ""
    asked: list[tuple[str, Query]] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[str, Query], Answer]) -> Iterator[Web]:
    """Serve until the block ends."""
    web = Web(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            web.asked.append((parts.path, query))
            status, content = web.answer(parts.path, query)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # The default of half a second between looks at the stop sign is paid by every test.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
