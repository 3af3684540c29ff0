"""Which entities of a home measure which channel: the wiring, as ``input_sensors`` states it.

A channel is the signed sum of its sources. A source is a meter (kWh, ever rising) or a power
sensor (integrated over time); which of the two follows from the entity's own unit, not from the
configuration. One signed sensor may serve two channels: ``part`` takes its positive or its
negative side (the latter as a positive number).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from telemetry.channels import Channel
from telemetry.errors import SensorError


class Part(StrEnum):
    """Which side of a signed reading counts."""

    ALL = "all"
    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entity of a channel; ``sign`` is +1 or -1."""

    entity_id: str
    sign: int = 1
    part: Part = Part.ALL

    def __post_init__(self) -> None:
        """Refuse what is no entity."""
        domain, dot, name = self.entity_id.partition(".")
        if not (dot and domain and name) or self.entity_id != self.entity_id.strip().lower():
            want = "a Home Assistant entity such as sensor.inverter_total_load_consumption"
            raise SensorError(self.entity_id, "is no entity id", want)
        if self.sign not in (1, -1):
            raise SensorError(self.entity_id, f"has sign {self.sign}", "+1 or -1")

    def check_is_whole(self) -> None:
        """Refuse a part of a meter: it only rises.

        Raises:
            SensorError: a part is wanted.
        """
        if self.part is not Part.ALL:
            want = "part: all; positive and negative parts are for power sensors"
            raise SensorError(self.entity_id, f"is a meter with part {self.part.value}", want)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """The wiring of a home.

    Attributes:
        energy: the sources of each measured energy channel, one or more.
        derived_load: the load is the rest of the energy balance.
        soc: the entity of the battery's state of charge, in percent.
        vacation: on while nobody lives in the house (input_boolean, binary_sensor, switch).
        alarm: an alarm control panel; its ``armed_*`` states count as armed.
    """

    energy: Mapping[Channel, tuple[Source, ...]] = field(default_factory=dict)
    derived_load: bool = False
    soc: str | None = None
    vacation: str | None = None
    alarm: str | None = None

    def __post_init__(self) -> None:
        """Refuse a wiring that no house has."""
        for channel, sources in self.energy.items():
            if not channel.is_energy or not sources:
                raise SensorError(channel.value, "has no sources", "an energy channel with some")
        if self.derived_load and Channel.LOAD_KWH in self.energy:
            want = "either sensors of it or `derived`"
            raise SensorError(Channel.LOAD_KWH.value, "is both measured and derived", want)
        if self.derived_load and Channel.IMPORT_KWH not in self.energy:
            want = "at least total_grid_import beside it"
            raise SensorError(Channel.LOAD_KWH.value, "is derived", want)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels that this wiring fills, in the order of ``Channel``."""
        found = set(self.energy)
        if self.derived_load:
            found.add(Channel.LOAD_KWH)
        if self.soc is not None:
            found |= {Channel.SOC_START, Channel.SOC_END}
        if self.vacation is not None:
            found.add(Channel.VACATION)
        if self.alarm is not None:
            found.add(Channel.ALARM_ARMED)
        return tuple(channel for channel in Channel if channel in found)

    @property
    def energy_entities(self) -> tuple[str, ...]:
        """The entities of all energy channels, each once, sorted."""
        named = {source.entity_id for sources in self.energy.values() for source in sources}
        return tuple(sorted(named))

    @property
    def behind_load(self) -> tuple[Source, ...]:
        """The sources that the load is measured, or derived, from."""
        measured = self.energy.get(Channel.LOAD_KWH)
        return measured or tuple(one for sources in self.energy.values() for one in sources)

    @property
    def state_entities(self) -> tuple[str, ...]:
        """The entities of all states (SoC, vacation, alarm), each once, sorted."""
        return tuple(sorted({e for e in (self.soc, self.vacation, self.alarm) if e is not None}))
