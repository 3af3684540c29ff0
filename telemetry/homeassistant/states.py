"""Setting states in Home Assistant: the one thing that is written there.

    with StateWriter(url, token) as writer:
        writer.put("sensor.darkstar_mode", "self_use", {"friendly_name": "Darkstar mode"})

A state that is set so controls nothing. It is no entity of an integration: it cannot be renamed
there, and a restart of Home Assistant forgets it. Only administrators may set one (2024.3); the
``HomeAssistant`` that records needs no such token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import sleep as _sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from telemetry.homeassistant.address import checked_token, parse_address
from telemetry.homeassistant.rest import Rest
from telemetry.homeassistant.retry import GarbledError, Retry

if TYPE_CHECKING:
    import httpx

__all__ = ["SetState", "StateWriter"]

LONGEST_STATE = 255
"""Characters; Home Assistant refuses more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetState:
    """A state as it stands in Home Assistant, with its attributes."""

    state: str
    attributes: Mapping[str, Any]


@final
class StateWriter:
    """States of one Home Assistant. The token is never told.

    Every method raises ``PeerAuthError``, ``PeerUnreachableError`` or ``PeerReplyError`` where Home
    Assistant does not do what was asked.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 10.0,
        retries: int = 2,
        sleep: Callable[[float], None] = _sleep,
    ) -> None:
        """Take the address; the connection is opened when first needed.

        Args:
            url: ``http(s)://host:port[/path]``.
            token: a long-lived access token of an administrator.
            timeout_seconds: how long one answer may take.
            retries: how often a lost connection is tried again.
            sleep: waits for seconds.

        Raises:
            PeerUnreachableError: the url is none.
            PeerAuthError: the token is none.
        """
        self._address = parse_address(url)
        bare = checked_token(token, self._address)
        self._rest = Rest(self._address, bare, timeout_seconds=timeout_seconds)
        self._retry = Retry(peer=self._address.peer, retries=retries, sleep=sleep)

    def __repr__(self) -> str:
        """Tell where, never the token."""
        return f"StateWriter({self._address.url!r})"

    def __enter__(self) -> Self:
        """Open nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._rest.close()

    def get(self, entity_id: str) -> SetState | None:
        """An entity's state; None where there is no such entity."""
        return self._retry.run(lambda: self._rest.state(entity_id, _set_state))

    def put(self, entity_id: str, state: str, attributes: Mapping[str, object]) -> None:
        """Set an entity's state; attributes that are left out are lost.

        The same again changes nothing and is no event there, so that trying again does no harm.
        """
        body = {"state": state[:LONGEST_STATE], "attributes": dict(attributes)}
        self._retry.run(lambda: self._rest.set_state(entity_id, body))


def _set_state(response: httpx.Response) -> SetState:
    """Return a state from its JSON."""
    try:
        found = response.json()
        return SetState(state=str(found["state"]), attributes=dict(found["attributes"]))
    except (TypeError, KeyError, ValueError) as err:
        raise GarbledError(f"a state of other shape ({err!r})") from err
