"""Home Assistant's REST API, read only."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from telemetry.errors import MissingExtraError
from telemetry.homeassistant.address import Address
from telemetry.homeassistant.http_status import refuse_status, refuse_stranger
from telemetry.homeassistant.retry import GarbledError, LostError
from telemetry.homeassistant.tls import refuse_tls, tls_error

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")


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
        client = self._opened()
        import httpx  # noqa: PLC0415

        try:
            response = client.get(f"{self._address.url}/api{path}", params=dict(params))
        except httpx.RequestError as err:
            if (cause := tls_error(err)) is not None:
                refuse_tls(self._address, cause)
            raise LostError(f"no answer ({str(err) or type(err).__name__})") from err
        if response.status_code == HTTPStatus.BAD_REQUEST:
            raise GarbledError(f"it refused the question: {response.text[:200]}")
        if response.status_code != HTTPStatus.OK:
            refuse_status(self._address, response.status_code, response.text)
        if "html" in response.headers.get("Content-Type", ""):
            refuse_stranger(self._address, "a web page")
        return parse(response)

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
