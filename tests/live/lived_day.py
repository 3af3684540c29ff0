"""A house that lives through a day: meters, what systemd starts, and services that get killed."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
from typer.testing import CliRunner, Result

from runners.cli import app
from telemetry.arrays import F64, I64
from telemetry.channels import Channel
from telemetry.homeassistant.states import StateWriter
from tests.live.houses import DEMO, SOC
from tests.live.timers import Firing
from tests.peers.home_assistant import RealHomeAssistant
from tests.peers.mariadb import RealMariaDB
from tests.telemetry.quality.houses import Month

SLOT = timedelta(minutes=15)
STEP, BEFORE_EDGE = timedelta(minutes=5), timedelta(seconds=5)
METER = {"device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh"}
PERCENT = {"device_class": "battery", "state_class": "measurement", "unit_of_measurement": "%"}
STATES = ("mode", "stop_soc", "energy_value", "valid_until")
HA, MARIADB = "ha", "mariadb"
MEETS = {HA: ("record", "publish"), MARIADB: ("mirror",)}
"""Whose jobs talk to a service."""


@dataclass(frozen=True, slots=True, eq=False)
class Meters:
    """What the house's meters show at any moment: straight within a slot.

    Attributes:
        edges: of the slots, epoch seconds, ascending (N + 1,).
        totals: of each counter at the edges, kWh (N + 1,).
        percent: state of charge at the edges (N + 1,).
    """

    edges: I64
    totals: dict[Channel, F64]
    percent: F64

    @classmethod
    def of(cls, month: Month) -> Meters:
        """Count from zero at the month's start."""
        return cls(
            np.append(month.slots, month.slots[-1] + 900),
            {one: np.concatenate([[0.0], np.cumsum(month.values[one])]) for one in DEMO},
            100.0 * np.append(month.values[Channel.SOC_START], month.values[Channel.SOC_END][-1]),
        )

    def percent_shown(self, start: datetime, end: datetime) -> F64:
        """Return the state of charge at seven moments from ``start`` to ``end``, percent."""
        at = np.linspace(start.timestamp(), end.timestamp(), 7)
        return np.interp(at, self.edges, self.percent)

    def show(self, ha: RealHomeAssistant, at: datetime) -> None:
        """Let Home Assistant's entities show what the meters do."""
        for channel, (_, entity) in DEMO.items():
            total = np.interp(at.timestamp(), self.edges, self.totals[channel])
            ha.set_state(entity, f"{total:.4f}", METER)
        soc = np.interp(at.timestamp(), self.edges, self.percent)
        ha.set_state(SOC, f"{soc:.2f}", PERCENT)


@dataclass(slots=True)
class Outage:
    """A service that is killed in the middle of a job and comes back.

    Attributes:
        kill, start: how.
        units: whose jobs talk to it.
        at: at or after which moment's job.
        back: when it is started again.
        after_seconds: how long the job has run by then, wall clock.
        down: whether it is down; ``over``: whether it has been.
    """

    kill: Callable[[], None]
    start: Callable[[], object]
    units: tuple[str, ...]
    at: datetime
    back: datetime
    after_seconds: float
    down: bool = False
    over: bool = False

    @classmethod
    def drawn(
        cls,
        draw: random.Random,
        peer: RealHomeAssistant | RealMariaDB,
        units: tuple[str, ...],
        span: tuple[datetime, datetime],
    ) -> Self:
        """Draw when in a span a service is killed, and for how long it stays away."""
        at = span[0] + draw.random() * (span[1] - span[0])
        return cls(
            kill=peer.kill,
            start=peer.start,
            units=units,
            at=at,
            back=at + timedelta(minutes=draw.uniform(35.0, 120.0)),
            after_seconds=draw.uniform(0.0, 0.3),
        )

    def due(self, firing: Firing) -> bool:
        """Whether this is the job in whose middle it is killed."""
        waits = not (self.down or self.over) and firing.at >= self.at
        return waits and firing.unit.removeprefix("darkstar-") in self.units

    def cut(self) -> threading.Timer:
        """Kill it in a moment, from another thread."""
        self.down = True
        timer = threading.Timer(self.after_seconds, self.kill)
        timer.start()
        return timer

    def touches(self, at: datetime) -> bool:
        """Whether a run at a moment may have met it down."""
        return self.at - SLOT <= at <= self.back


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command as it ended."""

    at: datetime
    unit: str
    words: tuple[str, ...]
    result: Result
    schedule: dict[str, Any] | None
    published: dict[str, str] | None


@dataclass(slots=True)
class Life:
    """The day as it goes by."""

    folder: Path
    ha: RealHomeAssistant
    mariadb: RealMariaDB
    meters: Meters
    outages: dict[str, Outage]
    now: datetime
    runs: list[Run] = field(default_factory=list)

    def until(self, moment: datetime) -> None:
        """Let time pass, the meters showing every five minutes what they do."""
        while self.now < moment:
            # Just before the edges of slots: a state of charge stands until the next one.
            into_step = timedelta(seconds=(self.now + BEFORE_EDGE).timestamp() % STEP.seconds)
            whole = self.now + STEP - into_step
            self.now = min(whole, moment)
            self.ha.set_clock(self.now)
            self._come_back()
            if self.now == whole and not self.outages[HA].down:
                self.meters.show(self.ha, self.now)

    def run(self, firing: Firing) -> None:
        """Start a service: its commands one after the other."""
        for words in firing.commands:
            cuts = [one.cut() for one in self.outages.values() if one.due(firing)]
            result = CliRunner().invoke(app, [*words, "--now", firing.at.isoformat()])
            for cut in cuts:
                cut.join()
            self.runs.append(
                Run(
                    at=firing.at,
                    unit=firing.unit.removeprefix("darkstar-"),
                    words=words,
                    result=result,
                    schedule=self._schedule(),
                    published=self._published(firing.unit),
                )
            )

    def _come_back(self) -> None:
        for one in self.outages.values():
            if one.down and self.now >= one.back:
                one.start()
                one.down, one.over = False, True
                if one is self.outages[HA]:
                    self.meters.show(self.ha, self.now)

    def _schedule(self) -> dict[str, Any] | None:
        path = self.folder / "out" / "schedule.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def _published(self, unit: str) -> dict[str, str] | None:
        """What stands in Home Assistant after a run of publish."""
        if unit != "darkstar-publish" or self.outages[HA].down:
            return None
        with StateWriter(self.ha.url, self.ha.token) as reader:
            found = {name: reader.get(f"sensor.darkstar_{name}") for name in STATES}
        return {name: "" if one is None else one.state for name, one in found.items()}
