"""Trying again: every call to Home Assistant is a read, so repeating one does no harm.

A lost connection is tried again after 1, 2, 4, ... seconds, 30 at most; a reply that cannot be
read is asked for once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from telemetry.errors import PeerReplyError, PeerUnreachableError

_T = TypeVar("_T")
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_CURE_LOST = "is it running, and is the url right? Otherwise try again later"
_CURE_GARBLED = "try again; if it persists, say so in an issue, with Home Assistant's version"


class LostError(Exception):
    """No connection, a cut one, or no answer in time."""


class GarbledError(Exception):
    """An answer that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often to try and how to wait.

    Attributes:
        peer: name of the peer, for errors.
        retries: how often a lost connection is tried again.
        sleep: waits for seconds.
    """

    peer: str
    retries: int
    sleep: Callable[[float], None]

    def run(self, call: Callable[[], _T]) -> _T:
        """Return what ``call`` returns, at the latest on the last try.

        Raises:
            PeerUnreachableError: it was lost on every try.
            PeerReplyError: the answer was unusable twice.
        """
        garbled = lost = 0
        while True:
            try:
                return call()
            except GarbledError as err:
                garbled += 1
                if garbled > 1 or self.retries == 0:
                    raise PeerReplyError(self.peer, str(err), _CURE_GARBLED) from err
            except LostError as err:
                lost += 1
                if lost > self.retries:
                    reason = f"{err} ({lost} tries)"
                    raise PeerUnreachableError(self.peer, reason, _CURE_LOST) from err
            pause = _FIRST_PAUSE_SECONDS * 2.0 ** max(lost - 1, 0)
            self.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
