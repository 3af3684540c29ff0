"""What an HTTP status that is not 200 means, the same for REST and the WebSocket's opening."""

from __future__ import annotations

from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlsplit

from telemetry.errors import PeerAuthError, PeerUnreachableError
from telemetry.homeassistant.address import NEW_TOKEN, Address
from telemetry.homeassistant.retry import LostError

_FIRST_REDIRECT, _FIRST_CLIENT_ERROR = 300, 400
# What Home Assistant's web server says of a path that it does not know, or not yet.
_ITS_NOT_FOUND = "404: Not Found"


def refuse_status(address: Address, status: int, body: str = "") -> NoReturn:
    """Raise what a status means.

    Args:
        address: who answered.
        status: other than 200 by REST; other than 101 where a WebSocket was asked for.
        body: the answer's text.

    Raises:
        PeerAuthError: 401, or 403: Home Assistant bans addresses after failed logins.
        PeerUnreachableError: a redirect, for following it could carry the token elsewhere; or what
            no Home Assistant says.
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
    boots = body.strip() == _ITS_NOT_FOUND and not urlsplit(address.url).path
    if status == HTTPStatus.OK or (status == HTTPStatus.NOT_FOUND and not boots):
        refuse_stranger(address, f"HTTP {status}")
    raise LostError(f"it answered HTTP {status}")


def refuse_stranger(address: Address, got: str) -> NoReturn:
    """Raise that who answered is no Home Assistant."""
    reason = f"this is no Home Assistant's address ({got})"
    raise PeerUnreachableError(address.peer, reason, "url is only http://HOST:8123")
