"""What comes out of Home Assistant, as arrays.

Times are epoch seconds (float64 where fractions matter), energies kWh, powers kW, percentages as
the entity gives them. Missing is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from telemetry.arrays import F64, I64

Period = Literal["hour", "5minute"]
PERIOD_SECONDS: dict[Period, int] = {"hour": 3600, "5minute": 300}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Rows of one statistic, ascending; missing intervals are absent, not NaN.

    Attributes:
        start: epoch seconds of each interval's start (N,).
        change: energy of the interval, kWh (N,); after absent rows the first carries the whole
            gap, and the first row ever carries all that was before. NaN for a mean.
        mean: mean of the interval, kW for powers, else in the unit of the entity (N,); NaN for a
            sum.
        low: least of the interval (``min``), as ``mean``; NaN where there is none.
        high: most of the interval (``max``), as ``mean``; NaN where there is none.
    """

    start: I64
    change: F64
    mean: F64
    low: F64
    high: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticMeta:
    """What Home Assistant knows of one statistic.

    Attributes:
        entity_id: the statistic's id.
        unit: unit of the stored statistic (``statistics_unit_of_measurement``), or None.
        unit_class: ``energy``, ``power``, ... by Home Assistant, else by the unit; or None.
        has_sum: it counts (a meter).
        has_mean: it is averaged (power, percent).
        converted: Home Assistant brings energies to kWh and powers to kW when asked to.
    """

    entity_id: str
    unit: str | None
    unit_class: str | None
    has_sum: bool
    has_mean: bool
    converted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of an entity now; ``last_updated`` is in UTC."""

    entity_id: str
    state: str
    unit: str | None
    last_updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The states of one entity over time, ascending; a state holds until the next.

    Attributes:
        at: epoch seconds of each change (N,).
        states: as Home Assistant writes them, e.g. ``12.5``, ``unavailable`` (N,).
        units: the unit each state was in, None where it had none (N,).
    """

    at: F64
    states: tuple[str, ...]
    units: tuple[str | None, ...]


class Peer(Protocol):
    """What recording and backfilling ask of Home Assistant; ``HomeAssistant`` is the real one."""

    def clock(self) -> datetime:
        """Home Assistant's own time, UTC, to the second."""

    def states(self) -> Mapping[str, State]:
        """All entities as they are now."""

    def statistic_ids(self) -> Mapping[str, StatisticMeta]:
        """All statistics there are."""

    def statistics(
        self,
        entity_ids: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        period: Period,
        now: datetime,
    ) -> Mapping[str, Statistics]:
        """Rows with start in [start, end); every id asked for is a key, empty where none."""

    def history(
        self, entity_ids: Sequence[str], start: datetime, end: datetime
    ) -> Mapping[str, History]:
        """States in [start, end], the one in force at ``start`` first; every id is a key."""
