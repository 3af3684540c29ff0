"""What an HTTP status that is not 200 means, the same for REST and the WebSocket's opening."""

from __future__ import annotations

from http import HTTPStatus
from typing import NoReturn

from telemetry.errors import PeerAuthError, PeerUnreachableError
from telemetry.homeassistant.address import NEW_TOKEN, Address
from telemetry.homeassistant.retry import LostError

_FIRST_REDIRECT, _FIRST_CLIENT_ERROR = 300, 400


def refuse_status(address: Address, status: int) -> NoReturn:
    """Raise what a status means.

    Raises:
        PeerAuthError: 401, or 403: Home Assistant bans addresses after failed logins.
        PeerUnreachableError: a redirect; following it could carry the token elsewhere.
        LostError: anything else; while it boots it answers 404, behind a proxy 502.
    """
    if status == HTTPStatus.UNAUTHORIZED:
        raise PeerAuthError(address.peer, "it refused the token (HTTP 401)", NEW_TOKEN)
    if status == HTTPStatus.FORBIDDEN:
        cure = "look for this machine in its ip_bans.yaml, and use a token that may read"
        raise PeerAuthError(address.peer, "it forbids access (HTTP 403)", cure)
    if _FIRST_REDIRECT <= status < _FIRST_CLIENT_ERROR:
        cure = "give the url it leads to, often https:// in place of http://"
        raise PeerUnreachableError(address.peer, f"it redirects (HTTP {status})", cure)
    raise LostError(f"it answered HTTP {status}")
