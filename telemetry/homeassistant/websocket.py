"""One authenticated WebSocket connection to Home Assistant, opened when first needed.

    < auth_required   > auth   < auth_ok or auth_invalid
    > {"id": 1, "type": ..., ...}   < {"id": 1, "type": "result", "success": true, "result": ...}

Ids increase. Before Home Assistant is RUNNING its statistics answer ``unknown_error``, so an
opened connection waits for that state. Source: developers.home-assistant.io/docs/api/websocket.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from telemetry.errors import MissingExtraError, PeerAuthError, PeerNotReadyError, PeerReplyError
from telemetry.homeassistant.address import NEW_TOKEN, Address
from telemetry.homeassistant.http_status import refuse_status
from telemetry.homeassistant.retry import GarbledError, LostError
from telemetry.homeassistant.tls import refuse_tls

if TYPE_CHECKING:
    from websockets.http11 import Response
    from websockets.sync.client import ClientConnection

_T = TypeVar("_T")
Json = Any
# Years of rows in one reply are 7 MB; the library's own limit is 1 MiB.
MAX_REPLY_BYTES = 64 * 2**20
_POLL_SECONDS = 0.25
_STRAY_MESSAGES = 100
_TOO_BIG = 1009
# At DEBUG the library logs every frame, the token's among them.
_QUIET = logging.getLogger("telemetry.homeassistant.frames")
_QUIET.setLevel(logging.INFO)


class Socket:
    """A connection; every failure closes it, and the next call opens another."""

    def __init__(
        self,
        address: Address,
        token: str,
        *,
        timeout_seconds: float,
        ready_timeout_seconds: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._address, self._token, self._sleep = address, token, sleep
        self._timeout, self._ready_timeout = timeout_seconds, ready_timeout_seconds
        self._connection: ClientConnection | None = None
        self._stack = ExitStack()
        self._id = 0

    def __repr__(self) -> str:
        """Tell where, never the token."""
        return f"Socket({self._address.url!r})"

    def once(self, kind: str, parse: Callable[[Json], _T], fields: Mapping[str, object]) -> _T:
        """Send one command and return its parsed result.

        Raises:
            LostError: no connection, a cut one, or no answer in time.
            GarbledError: the answer cannot be used.
            PeerAuthError: the token was refused.
            PeerNotReadyError: it did not come up in time.
        """
        try:
            return parse(self._exchange(self._opened(), kind, fields))
        except BaseException:
            # Also when interrupted: a reply to come would be taken for that of the next call.
            self.close()
            raise

    def check_running(self) -> None:
        """Wait until it is RUNNING; raises as ``once`` does."""
        self.once("get_config", lambda config: self._await_running(_state(config)), {})

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._connection = None
        with suppress(OSError):
            self._stack.close()

    def _opened(self) -> ClientConnection:
        if self._connection is None:
            self._connection = self._connect()
            self._id = 0
            self._authenticate(self._connection)
            self._await_running(self._running_state())
        return self._connection

    def _connect(self) -> ClientConnection:
        try:
            from websockets.exceptions import WebSocketException  # noqa: PLC0415
            from websockets.sync.client import connect  # noqa: PLC0415
        except ImportError:
            raise MissingExtraError("websockets", "live", "reading Home Assistant") from None
        try:
            opened = self._stack.enter_context(
                connect(
                    self._address.websocket,
                    # An own socket: no proxy of the environment between us and the house.
                    sock=self._dialled(),
                    ssl=ssl.create_default_context() if self._address.secure else None,
                    open_timeout=self._timeout,
                    close_timeout=2.0,
                    max_size=MAX_REPLY_BYTES,
                    logger=_QUIET,
                )
            )
        except ssl.SSLError as err:
            refuse_tls(self._address, err)
        except (OSError, EOFError, ValueError, WebSocketException) as err:
            if (response := _response(err)) is not None:
                body = bytes(response.body or b"").decode(errors="replace")
                refuse_status(self._address, response.status_code, body)
            raise LostError(f"no connection ({_said(err)})") from err
        # Over TLS the library takes the limit off, and a send could then wait for ever.
        opened.socket.settimeout(self._timeout)
        return opened

    def _dialled(self) -> socket.socket:
        place = (self._address.host, self._address.port)
        dialled = socket.create_connection(place, timeout=self._timeout)
        self._stack.callback(dialled.close)
        return dialled

    def _authenticate(self, connection: ClientConnection) -> None:
        self._receive(connection)
        self._send(connection, {"type": "auth", "access_token": self._token})
        reply = self._receive(connection)
        if reply.get("type") == "auth_invalid":
            raise PeerAuthError(self._address.peer, "it refused the token", NEW_TOKEN)
        if reply.get("type") != "auth_ok":
            raise GarbledError(f"it answered the token with {reply.get('type')!r}")

    def _running_state(self) -> str:
        assert self._connection is not None  # noqa: S101 - asked only of an open one
        return _state(self._exchange(self._connection, "get_config", {}))

    def _await_running(self, state: str) -> None:
        for _ in range(max(1, round(self._ready_timeout / _POLL_SECONDS))):
            if state == "RUNNING":
                return
            self._sleep(_POLL_SECONDS)
            state = self._running_state()
        reason = f"its state is {state} after {self._ready_timeout:g} s, want RUNNING"
        raise PeerNotReadyError(self._address.peer, reason, "wait until it is up and try again")

    def _exchange(
        self, connection: ClientConnection, kind: str, fields: Mapping[str, object]
    ) -> Json:
        self._id += 1
        self._send(connection, {"id": self._id, "type": kind, **fields})
        for _ in range(_STRAY_MESSAGES):
            reply = self._receive(connection)
            if reply.get("id") == self._id and reply.get("type") == "result":
                return self._result(kind, reply)
        raise GarbledError(f"{kind}: {_STRAY_MESSAGES} messages and no answer among them")

    def _result(self, kind: str, reply: Mapping[str, Json]) -> Json:
        if reply.get("success") is True:
            return reply.get("result")
        error = reply.get("error")
        code, said = _error(error)
        if code == "unauthorized":
            cure = "use the token of a user who may read all"
            raise PeerAuthError(self._address.peer, f"{kind}: not allowed", cure)
        if code == "unknown_command":
            cure = "enable the recorder (default_config has it), or update Home Assistant"
            raise PeerReplyError(self._address.peer, f"it does not know {kind}", cure)
        raise GarbledError(f"{kind} failed: {code}: {said}")

    def _send(self, connection: ClientConnection, message: Mapping[str, object]) -> None:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

        try:
            connection.send(json.dumps(message))
        except (ConnectionClosed, OSError) as err:
            raise LostError("the connection was cut") from err

    def _receive(self, connection: ClientConnection) -> dict[str, Json]:
        """Return the next message, an object."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

        try:
            message = json.loads(connection.recv(self._timeout))
        except TimeoutError as err:
            raise LostError(f"no answer within {self._timeout:g} s") from err
        except ConnectionClosed as err:
            if err.sent is not None and err.sent.code == _TOO_BIG and err.rcvd is None:
                raise GarbledError(f"a reply of more than {MAX_REPLY_BYTES} bytes") from err
            raise LostError("the connection was cut") from err
        except ValueError as err:
            raise GarbledError(f"a reply that is no JSON ({err})") from err
        if not isinstance(message, dict):
            raise GarbledError("a reply that is no object")
        return message


def _response(err: BaseException | None) -> Response | None:
    """Find the answer behind an error: of a redirect the library tells only what it lacks."""
    from websockets.exceptions import InvalidStatus  # noqa: PLC0415

    while err is not None and not isinstance(err, InvalidStatus):
        err = err.__cause__ or err.__context__
    return None if err is None else err.response


def _state(config: Json) -> str:
    state = config.get("state") if isinstance(config, dict) else None
    if not isinstance(state, str):
        raise GarbledError("get_config tells no state")
    return state


def _error(error: Json) -> tuple[str, str]:
    if not isinstance(error, dict):
        return "no code", "no message"
    return str(error.get("code")), str(error.get("message"))


def _said(err: Exception) -> str:
    return str(err) or type(err).__name__
