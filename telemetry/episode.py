"""A training episode: one recorded planner run, as rows of ``training_episodes`` keep it.

    episode_id   = UUIDv5 of (system_id, home_id, scenario, episode_start, config_hash, engine) (I1)
    content_hash = hash of all that was planned and happened, as it is stored                   (I2)

The same run again is the same row; new content replaces it; two systems never meet in one row.
``created_at`` and the key are no content. What the texts say is ``sim.episodes``' business.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from uuid import UUID, uuid5

from telemetry.slots import to_epoch, whole_seconds

__all__ = ["Episode", "EpisodeFilter", "EpisodeSource", "EpisodeSummary", "episode_id_of"]

_NAMESPACE = UUID("6f3d6a52-0f0e-5c2b-9d0e-2b1f5b8f4a10")
"""Of (I1); it must never change, or every episode would be written twice."""
_CONTENT = (
    "inputs_json",
    "context_json",
    "schedule_json",
    "config_overrides_json",
    "planned_cost",
    "replay_id",
    "soc_start_kwh",
    "realised_bill",
    "realised_wear",
    "realised_cost",
)
_REALISED = ("realised_bill", "realised_wear", "realised_cost")
_HASH_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One recorded planner run; money in the home's currency, times UTC.

    Attributes:
        system_id: which installation wrote it.
        home_id: the house.
        scenario: ``live``, or of a simulation its number and what was changed of the history.
        episode_start: start of the first slot that was planned.
        created_at: when it was recorded; of a simulated one its ``episode_start``.
        local_day: the local day of ``episode_start``.
        inputs_json: what was known: prices, forecasts, stored energy, the last 96 elapsed slots.
        context_json: vacation, alarm, volatility, quality class of the day.
        schedule_json: the plan with its energy values.
        config_overrides_json: what a strategy engine changed of the configuration.
        config_hash: 16 hexadecimal digits of site, tariff and options of the forecast.
        engine: which engine made the plan.
        planned_cost: the plan's objective, without what wishes cost: money.
        replay_id: the replay that its start energy comes from; ``None`` where it was measured.
        soc_start_kwh: stored energy at the start.
        realised_bill, realised_wear: of the first slot; ``None`` while it is not known.
        realised_cost: bill, wear and penalties of the first slot.
        episode_id: (I1).
        content_hash: (I2), 32 hexadecimal digits.
    """

    system_id: str
    home_id: str
    scenario: str
    episode_start: datetime
    created_at: datetime
    local_day: date
    inputs_json: str
    context_json: str
    schedule_json: str
    config_overrides_json: str
    config_hash: str
    engine: str
    planned_cost: float
    replay_id: str | None
    soc_start_kwh: float
    realised_bill: float | None
    realised_wear: float | None
    realised_cost: float | None
    episode_id: str = field(init=False)
    content_hash: str = field(init=False)

    def __post_init__(self) -> None:
        """Take it as the store keeps it, name it and hash it: no other id or hash can come."""
        for name in ("created_at", "episode_start"):
            object.__setattr__(self, name, whole_seconds(getattr(self, name)))
        for name in ("planned_cost", "soc_start_kwh"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        for name in _REALISED:
            number = getattr(self, name)
            known = None if number is None or math.isnan(number) else _plain(number)
            object.__setattr__(self, name, known)
        object.__setattr__(self, "episode_id", episode_id_of(self))
        object.__setattr__(self, "content_hash", _content_hash(self))


def _plain(number: float) -> float:
    """A float as a column gives it back: on SQLite zero has no sign."""
    return float(number) + 0.0


def episode_id_of(episode: Episode) -> str:
    """Return the name of an episode (I1)."""
    key = (
        episode.system_id,
        episode.home_id,
        episode.scenario,
        to_epoch(episode.episode_start),
        episode.config_hash,
        episode.engine,
    )
    return str(uuid5(_NAMESPACE, json.dumps(key)))


def _content_hash(episode: Episode) -> str:
    """Return the hash of what was planned and happened (I2)."""
    text = json.dumps([getattr(episode, name) for name in _CONTENT])
    return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFilter:
    """Which episodes; ``None`` is all.

    Attributes:
        home_id, system_id, scenario, engine: exactly this one.
        first_day, last_day: local days, both included.
        day_classes: quality classes of the day, as ``context_json`` has them; "" is not judged.
    """

    home_id: str | None = None
    system_id: str | None = None
    scenario: str | None = None
    engine: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    day_classes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """What is stored of one series of episodes.

    Attributes:
        home_id, system_id, scenario, engine, config_hash: what the series is.
        episodes: how many.
        first_day, last_day: local days they reach over.
        json_bytes: bytes of their four texts.
        waiting: how many the mirror has not got yet.
    """

    home_id: str
    system_id: str
    scenario: str
    engine: str
    config_hash: str
    episodes: int
    first_day: date
    last_day: date
    json_bytes: int
    waiting: int


class EpisodeSource(Protocol):
    """Where episodes are read from: a store, or the mirror."""

    def episodes(self, wanted: EpisodeFilter) -> Iterator[Episode]:
        """Yield episodes by home, start and id, a page at a time."""
