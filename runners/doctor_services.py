"""The doctor looks at what jobs talk to: the store, Home Assistant and its sensors, the mirror."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from time import monotonic

from runners.config import Config
from runners.doctor_line import Line, failure, fine, warning
from runners.errors import ConfigError
from telemetry.channels import Channel
from telemetry.errors import (
    PeerError,
    SchemaVersionError,
    SensorError,
    StoreBusyError,
    StoreUnreachableError,
    TelemetryError,
)
from telemetry.homeassistant.client import HomeAssistant
from telemetry.homeassistant.types import State, StatisticMeta
from telemetry.homeassistant.units import kind_of, numeric, to_kw
from telemetry.sensors import Part, Sensors, Source
from telemetry.store import Store

__all__ = ["OpenPeer", "check_home_assistant", "check_mirror", "check_store", "open_quickly"]

OpenPeer = Callable[[str, str], AbstractContextManager[HomeAssistant]]
"""Takes url and token."""

_CLOCK_SECONDS = 120.0  # as much as darkstar record bears
_SILENT_HOURS = 6.0
_ANSWER_SECONDS = 5.0
_MOST_KW = 60.0
_NOISE_KW = 0.05  # an inverter asleep shows some watts below zero
_UNKNOWN = ("unavailable", "unknown")


def open_quickly(url: str, token: str) -> HomeAssistant:
    """Return a Home Assistant that is given little time: a doctor does not wait for one."""
    return HomeAssistant(
        url,
        token,
        timeout_seconds=_ANSWER_SECONDS,
        ready_timeout_seconds=_ANSWER_SECONDS,
        retries=0,
    )


def check_store(config: Config) -> tuple[Store | None, list[Line]]:
    """Return the store, opened for reading, and what is to be said of it."""
    place = config.store_url
    if "://" not in place and not Path(place).exists():
        wired = any(home.home_assistant is not None for home in config.homes.values())
        cure = "darkstar record makes it, or " if wired else ""
        return None, [
            failure("store", f"{Path(place).name} is not there yet", f"{cure}darkstar import FILE")
        ]
    try:
        store = Store.open(place, system_id=config.system.system_id, read_only=True)
    except StoreBusyError as err:
        return None, [warning("store", str(err), "run the doctor again when that has finished")]
    except StoreUnreachableError as err:
        return None, [failure("store", str(err), "start that server, or look at the network")]
    except SchemaVersionError as err:
        cure = "darkstar upgrade" if err.older else "update Darkstar, or put a copy in its place"
        return None, [failure("store", str(err), cure)]
    except TelemetryError as err:
        return None, [failure("store", str(err), "mend that, or put a copy in its place")]
    return store, [fine("store", f"{store.name} opens, its schema is of this version")]


def check_home_assistant(
    config: Config, home_id: str, now: datetime, open_peer: OpenPeer
) -> Iterator[Line]:
    """Say whether Home Assistant answers, and what its sensors show."""
    there = config.homes[home_id].home_assistant
    name = f"home assistant {home_id}"
    if there is None:
        yield warning(
            name, "none is configured: facts come from files alone", "add `home_assistant:`"
        )
        return
    began = monotonic()
    try:
        with open_peer(there.url, there.token.get_secret_value()) as peer:
            off = (peer.clock() - now).total_seconds()
            states, statistics = peer.states(), peer.statistic_ids()
            yield _clock(name, off, monotonic() - began, len(states))
            yield from _sensors(config, home_id, now, states, statistics)
    except PeerError as err:
        yield failure(name, f"{err.peer}: {err.reason}", err.cure)
        return
    yield from _publisher(config, home_id, open_peer)


def check_mirror(config: Config, store: Store | None) -> Iterator[Line]:
    """Say whether the mirror answers; one that does not delays rows and loses none."""
    if config.mirror is None:
        return
    from telemetry.mirror import Mirror  # noqa: PLC0415 - SQLAlchemy takes 0.2 s to import

    try:
        with Mirror.open(config.mirror_server()) as mirror:
            made = (
                "its table is there" if mirror.exists() else "its table is made by the first push"
            )
    except PeerError as err:
        waits = "" if store is None else f"; {store.episodes_waiting()} episodes wait"
        yield warning("mirror", f"{err.peer}: {err.reason}{waits}", err.cure)
    except (ConfigError, TelemetryError) as err:
        yield failure("mirror", str(err), "mend `mirror:` in the configuration")
    else:
        yield fine("mirror", f"answers, {made}")


def _clock(name: str, off_seconds: float, took_seconds: float, entities: int) -> Line:
    """Say how far the clocks are apart."""
    text = f"answers in {1e3 * took_seconds:.0f} ms, {entities} entities, "
    text += f"clocks {abs(off_seconds):.0f} s apart"
    if abs(off_seconds) <= _CLOCK_SECONDS:
        return fine(name, text)
    return failure(name, text, "let both take their time from the network (timedatectl)")


def _publisher(config: Config, home_id: str, open_peer: OpenPeer) -> Iterator[Line]:
    """Say whether the token that publishes may set states."""
    given, there = config.homes[home_id].publish, config.homes[home_id].home_assistant
    if not given.enabled or there is None:
        return
    name = f"publish {home_id}"
    try:
        with open_peer(there.url, (given.token or there.token).get_secret_value()) as peer:
            may = peer.is_administrator()
    except PeerError as err:
        yield failure(name, f"{err.peer}: {err.reason}", err.cure)
        return
    if may:
        yield fine(name, "its token may set states")
    else:
        yield failure(
            name, "its token may not set states", "give publish.token one of an administrator"
        )


def _sensors(
    config: Config,
    home_id: str,
    now: datetime,
    states: Mapping[str, State],
    statistics: Mapping[str, StatisticMeta],
) -> Iterator[Line]:
    """Say what every sensor that is wired shows."""
    name = f"sensors {home_id}"
    try:
        wired = config.sensors(home_id)
    except ConfigError as err:
        yield failure(name, str(err), "wire the meters under `input_sensors:`")
        return
    faults = [
        line
        for channel, sources in wired.energy.items()
        for source in sources
        for line in _meter(name, channel, source, now, states, statistics)
    ]
    faults += _percent(name, wired, states)
    yield from faults
    if not faults:
        count = len(wired.energy_entities) + len(wired.state_entities)
        yield fine(name, f"{count} entities show what they should, in a unit that is known")


def _meter(
    name: str,
    channel: Channel,
    source: Source,
    now: datetime,
    states: Mapping[str, State],
    statistics: Mapping[str, StatisticMeta],
) -> Iterator[Line]:
    """Say what is wrong with one entity of an energy channel."""
    entity = source.entity_id
    state = states.get(entity)
    if state is None:
        cure = "correct its name under `input_sensors:`"
        yield failure(name, f"{entity} ({channel.value}) is unknown to Home Assistant", cure)
        return
    if state.state in _UNKNOWN:
        yield warning(name, f"{entity} is {state.state}", "look at the device behind it")
        return
    kind = kind_of(state.unit)
    if kind is None:
        yield failure(
            name,
            f"{entity} is in {state.unit}, which is neither energy nor power",
            "wire a sensor in kWh, Wh, kW or W",
        )
        return
    yield from _value(name, source, state, kind)
    silent = (now - state.last_updated).total_seconds() / 3600.0
    if channel is Channel.LOAD_KWH and silent > _SILENT_HOURS:
        cure = "no house takes nothing for so long: look at the device behind it"
        yield warning(name, f"{entity} has not moved for {silent:.0f} h", cure)
    if entity not in statistics:
        cure = "give it a state_class (total_increasing, or measurement for a power)"
        yield warning(name, f"{entity} has no statistics, so backfill finds nothing", cure)


def _value(name: str, source: Source, state: State, kind: str) -> Iterator[Line]:
    """Say what is wrong with a value: its sign, its size, or what it is asked for."""
    entity, value = source.entity_id, numeric(state.state)
    if math.isnan(value):
        yield warning(name, f"{entity} shows {state.state!r}, no number", "look at its device")
        return
    if kind == "energy":
        try:
            source.check_is_whole()
        except SensorError as err:
            yield failure(name, str(err), "wire it without `part`, or wire its power")
        if value < 0.0:
            cure = "wire a meter that only rises, or the power with `part: positive`"
            yield failure(name, f"{entity} counts {value:g} {state.unit}: below zero", cure)
        return
    power = to_kw(value, state.unit)
    if abs(power) > _MOST_KW:
        cure = "its unit is wrong in Home Assistant: W and kW are mixed up"
        yield failure(name, f"{entity} shows {power:.0f} kW, more than a house has", cure)
    elif source.part is Part.ALL and power * source.sign < -_NOISE_KW:
        cure = "write -entity, or part: positive or negative for a sensor of both directions"
        yield failure(name, f"{entity} shows {value:g} {state.unit}: of the wrong sign", cure)


def _percent(name: str, wired: Sensors, states: Mapping[str, State]) -> Iterator[Line]:
    """Say what is wrong with the states: charge, vacation, alarm."""
    for entity in wired.state_entities:
        state = states.get(entity)
        if state is None:
            cure = "correct its name under `input_sensors:`"
            yield failure(name, f"{entity} is unknown to Home Assistant", cure)
        elif state.state in _UNKNOWN:
            yield warning(name, f"{entity} is {state.state}", "look at the device behind it")
        elif entity == wired.soc and not _is_percent(state):
            cure = "battery_soc takes percent of the capacity, 0 to 100"
            yield failure(name, f"{entity} shows {state.state} {state.unit or ''}".strip(), cure)


def _is_percent(state: State) -> bool:
    """Whether a state is a percentage."""
    value = numeric(state.state)
    return state.unit == "%" and 0.0 <= value <= 100.0  # noqa: PLR2004 - percent
