"""A small stand-in for Home Assistant, for unit tests of what is made of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from telemetry.homeassistant.types import (
    PERIOD_SECONDS,
    History,
    Period,
    State,
    StatisticMeta,
    Statistics,
)
from telemetry.slots import to_epoch

Rows = Sequence[tuple[datetime, float]]
States = Sequence[tuple[datetime, str]]


@dataclass(kw_only=True)
class FakePeer:
    """Answers from what a test gave it.

    Attributes:
        now: its clock.
        hours: (start, kWh, kW or percent) by entity, hourly.
        fives: the same, by five minutes.
        units: by entity; kWh where not given.
        live: states by entity, ascending.
        gone: entities of ``live`` that are not there any more.
        young: entities of ``live`` that are shown and not yet in the history.
    """

    now: datetime
    hours: dict[str, Rows] = field(default_factory=dict)
    fives: dict[str, Rows] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    live: dict[str, States] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    young: frozenset[str] = frozenset()

    def clock(self) -> datetime:
        """Its time."""
        return self.now

    def states(self) -> Mapping[str, State]:
        """What each entity shows last."""
        return {
            name: State(
                entity_id=name,
                state=states[-1][1],
                unit=self.units.get(name, "kWh"),
                last_updated=states[-1][0],
            )
            for name, states in self.live.items()
            if states and name not in self.gone
        }

    def statistic_ids(self) -> Mapping[str, StatisticMeta]:
        """What it has rows of."""
        return {name: self._meta(name) for name in {*self.hours, *self.fives}}

    def _meta(self, name: str) -> StatisticMeta:
        unit = self.units.get(name, "kWh")
        kind = {"kWh": "energy", "kW": "power"}.get(unit)
        return StatisticMeta(
            entity_id=name,
            unit=unit,
            unit_class=kind,
            has_sum=kind == "energy",
            has_mean=kind != "energy",
        )

    def statistics(
        self,
        entity_ids: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        period: Period,
        now: datetime,
    ) -> Mapping[str, Statistics]:
        """Rows that have ended at ``now``."""
        table = self.hours if period == "hour" else self.fives
        done = to_epoch(now) - PERIOD_SECONDS[period]
        return {
            name: self._rows(
                name,
                [
                    (to_epoch(at), value)
                    for at, value in table.get(name, ())
                    if start <= at < end and to_epoch(at) <= done
                ],
            )
            for name in entity_ids
        }

    def _rows(self, name: str, rows: Sequence[tuple[int, float]]) -> Statistics:
        start = np.array([at for at, _ in rows], dtype=np.int64)
        values = np.array([value for _, value in rows], dtype=np.float64)
        nothing = np.full(start.size, np.nan)
        sums = self._meta(name).has_sum
        return Statistics(
            start=start,
            change=values if sums else nothing,
            mean=nothing if sums else values,
            low=nothing if sums else values,
            high=nothing if sums else values,
        )

    def history(
        self, entity_ids: Sequence[str], start: datetime, end: datetime
    ) -> Mapping[str, History]:
        """States of a window, the one in force at its start first."""
        return {name: self._history(name, start, end) for name in entity_ids}

    def _history(self, name: str, start: datetime, end: datetime) -> History:
        states = () if name in self.young else self.live.get(name, ())
        before = [(start, state) for at, state in states if at <= start][-1:]
        kept = before + [(at, state) for at, state in states if start < at <= min(end, self.now)]
        unit = self.units.get(name, "kWh")
        return History(
            at=np.array([at.timestamp() for at, _ in kept], dtype=np.float64),
            states=tuple(state for _, state in kept),
            units=(unit,) * len(kept),
        )
