"""Home Assistant as the configuration names it, with a cache of complete days beside the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runners.config import Config

if TYPE_CHECKING:
    from telemetry.homeassistant.client import HomeAssistant

__all__ = ["CACHE_FOLDER", "open_peer"]

CACHE_FOLDER = "cache/home_assistant"


@contextmanager
def open_peer(config: Config, home_id: str, *, keep: bool = True) -> Iterator[HomeAssistant]:
    """Open the Home Assistant of a home; nothing is sent before the first question.

    Args:
        config: the configuration.
        home_id: which home.
        keep: whether to use the cache; else nothing is written.

    Raises:
        ConfigError: the home has none.
        MissingExtraError: the extra ``live`` is not installed.
    """
    from telemetry.homeassistant.cache import DayCache  # noqa: PLC0415 - numpy
    from telemetry.homeassistant.client import HomeAssistant  # noqa: PLC0415

    there = config.home_assistant(home_id)
    cache = DayCache(config.path.parent / CACHE_FOLDER) if keep else None
    with HomeAssistant(there.url, there.token.get_secret_value(), cache=cache) as peer:
        yield peer
