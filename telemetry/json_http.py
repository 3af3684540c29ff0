"""Asking a public web service for JSON, with a few tries where trying again can help.

A connection that fails, a time-out, HTTP 429 and 5xx are tried again after each pause of
``RETRY_PAUSES_SECONDS``; every other refusal and a reply that is no JSON end at once. All requests
are reads, so repeating one does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from telemetry.errors import (
    MissingExtraError,
    PeerAuthError,
    PeerReplyError,
    PeerUnreachableError,
)
from telemetry.whole_answer import whole_answer

if TYPE_CHECKING:
    import httpx

RETRY_PAUSES_SECONDS = (2.0, 10.0)
TRIES = 1 + len(RETRY_PAUSES_SECONDS)
WHOLE_SECONDS = 60.0
"""For one answer, whatever its reads take."""
CURE_LATER = "try again later"
_CURE_ASK = "correct what was asked for"
_CURE_REPLY = "try again later; if it persists, the service has changed: say so in an issue"
_FIRST_SERVER_ERROR = 500
_SHOWN_CHARACTERS = 200


def can_be_retried(status: int) -> bool:
    """Whether the same request may succeed later: too many requests, or a fault of the server."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= _FIRST_SERVER_ERROR


def unusable(peer: str, reason: str) -> PeerReplyError:
    """The error of a reply that nobody can use."""
    return PeerReplyError(peer, reason, _CURE_REPLY)


def get_json(
    client: httpx.Client,
    url: str,
    params: Mapping[str, str],
    *,
    peer: str,
    sleep: Callable[[float], None],
    tries: int = TRIES,
) -> object | None:
    """Return the JSON of a GET request, or ``None`` where there is nothing (204, 404).

    Args:
        client: with its time limits.
        url: without a query.
        params: the query.
        peer: name of the service, for errors.
        sleep: waits for seconds.
        tries: how often it is asked at most, 1 to ``TRIES``.

    Raises:
        PeerUnreachableError: no answer, or HTTP 429 or 5xx, on every try.
        PeerAuthError: HTTP 401 or 403.
        PeerReplyError: any other refusal, with the reason the service gives, or no JSON.
        MissingExtraError: httpx is not installed.
    """
    for pause in RETRY_PAUSES_SECONDS[: tries - 1]:
        try:
            return _once(client, url, params, peer)
        except PeerUnreachableError:
            sleep(pause)
    return _once(client, url, params, peer)


def _once(client: httpx.Client, url: str, params: Mapping[str, str], peer: str) -> object | None:
    try:
        from httpx import HTTPError  # noqa: PLC0415 - of the extra "live"
    except ImportError as err:
        raise MissingExtraError("httpx", "live", f"asking {peer}") from err
    try:
        reply = whole_answer(client, "GET", url, seconds=WHOLE_SECONDS, params=dict(params))
    except HTTPError as err:
        reason = f"no answer ({type(err).__name__}: {err})"
        raise PeerUnreachableError(peer, reason, CURE_LATER) from err
    if reply.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
        return None
    if reply.status_code != HTTPStatus.OK:
        raise _refusal(reply, peer)
    try:
        found: object = reply.json()
    except ValueError as err:
        raise unusable(peer, f"its reply is no JSON ({err})") from err
    return found


def _refusal(reply: httpx.Response, peer: str) -> Exception:
    """What a status that is not 200 means."""
    status = reply.status_code
    reason = f"it answered HTTP {status}{_reason(reply)}"
    if can_be_retried(status):
        return PeerUnreachableError(peer, reason, CURE_LATER)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return PeerAuthError(peer, reason, "it refuses this machine: try later, or another service")
    return PeerReplyError(peer, reason, _CURE_ASK)


def _reason(reply: httpx.Response) -> str:
    """What the service says went wrong, after a colon; services name the field differently."""
    try:
        found = reply.json()
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    said = found.get("reason") or found.get("detail") or found.get("message")
    return f": {str(said)[:_SHOWN_CHARACTERS]}" if said else ""
