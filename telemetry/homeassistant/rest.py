"""Home Assistant's REST API: questions, and states that are set."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from telemetry.errors import MissingExtraError, PeerAuthError
from telemetry.homeassistant.address import Address
from telemetry.homeassistant.http_status import refuse_status, refuse_stranger
from telemetry.homeassistant.retry import GarbledError, LostError
from telemetry.homeassistant.tls import refuse_tls, tls_error
from telemetry.whole_answer import whole_answer

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")
_READS = 2.0
"""Time limits of one read that a whole answer may take."""
_DONE = (HTTPStatus.OK, HTTPStatus.CREATED)
_NO_ENTITY = "Entity not found"
_MAY_NOT_SET = "the token's user may read but not set states (HTTP 401)"
_ADMINISTRATOR = "give publish.token one of an administrator; nobody else may"


class Rest:
    """A connection, opened when first needed."""

    def __init__(self, address: Address, token: str, *, timeout_seconds: float) -> None:
        self._address, self._token, self._timeout = address, token, timeout_seconds
        self._client: httpx.Client | None = None

    def __repr__(self) -> str:
        """Tell where, never the token."""
        return f"Rest({self._address.url!r})"

    def once(
        self, path: str, params: Mapping[str, str], parse: Callable[[httpx.Response], _T]
    ) -> _T:
        """Get a path below ``/api`` and return its parsed answer.

        Raises:
            LostError: no connection, a cut one, or no answer in time.
            GarbledError: the answer cannot be used.
            PeerAuthError: the token was refused.
            PeerUnreachableError: it is no Home Assistant.
        """
        return parse(self._checked(self._sent("GET", path, params=dict(params))))

    def state(self, entity_id: str, parse: Callable[[httpx.Response], _T]) -> _T | None:
        """Get an entity's state and return it parsed; None where there is no such entity.

        Raises:
            As ``once``.
        """
        response = self._sent("GET", f"/states/{entity_id}")
        if response.status_code == HTTPStatus.NOT_FOUND and _NO_ENTITY in response.text:
            return None
        return parse(self._checked(response))

    def set_state(self, entity_id: str, body: Mapping[str, object]) -> None:
        """Set an entity's state and attributes.

        Raises:
            PeerAuthError: the token was refused, or its user may not set states.
            Others as ``once``.
        """
        response = self._sent("POST", f"/states/{entity_id}", json=dict(body))
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            # It says the same to a stranger as to a user who may not: that one it lets read.
            self._checked(self._sent("GET", "/"))
            raise PeerAuthError(self._address.peer, _MAY_NOT_SET, _ADMINISTRATOR)
        self._checked(response)

    def _sent(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send one request below ``/api`` and return whatever comes back."""
        client = self._opened()
        import httpx  # noqa: PLC0415

        try:
            return whole_answer(
                client,
                method,
                f"{self._address.url}/api{path}",
                seconds=_READS * self._timeout,
                **content,
            )
        except httpx.RequestError as err:
            if (cause := tls_error(err)) is not None:
                refuse_tls(self._address, cause)
            raise LostError(f"no answer ({str(err) or type(err).__name__})") from err

    def _checked(self, response: httpx.Response) -> httpx.Response:
        """Return an answer that is one, and raise what any other means."""
        if response.status_code == HTTPStatus.BAD_REQUEST:
            raise GarbledError(f"it refused the question: {response.text[:200]}")
        if response.status_code not in _DONE:
            refuse_status(self._address, response.status_code, response.text)
        if "html" in response.headers.get("Content-Type", ""):
            refuse_stranger(self._address, "a web page")
        return response

    def close(self) -> None:
        """Close the connection, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> httpx.Client:
        if self._client is None:
            try:
                import httpx  # noqa: PLC0415
            except ImportError:
                raise MissingExtraError("httpx", "live", "reading Home Assistant") from None
            self._client = httpx.Client(
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=self._timeout,
                verify=ssl.create_default_context(),
                trust_env=False,
            )
        return self._client
