"""The last slots of a home out of Home Assistant's live history into the store.

Run every 15 minutes. It takes the slots from two hours before the newest recorded one until the
last that has ended, so a missed run, a restart or a late state is made up for by the next run:
a slot's value follows from the history alone, whenever it is computed. What ended stays filed under
the slot that ended. Unknown is NULL with its reason, never zero.

A meter's edge value lies on the line between the states around it; the state after the last edge
is not there yet, so the newest slot ends with the value that still stands, and the next run puts
it on the line. Nothing is lost or counted twice: both sides of an edge use one value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.backfill import ChannelReport
from telemetry.channel_slots import (
    SLOT_HOURS,
    STILL_HOURS,
    ChannelSlots,
    derived_load,
    judge_standstill,
    put_slots,
    summed,
    typical_kw,
)
from telemetry.channels import Channel, Provenance, Quality
from telemetry.errors import ClockError, MissingExtraError, SensorError
from telemetry.etl import (
    SlotEnergy,
    counter_slots,
    frozen,
    held_readings,
    power_slots,
    resolution_of,
    share_on,
    state_at_edges,
)
from telemetry.etl_slots import Readings, nothing_known
from telemetry.homeassistant.types import History, Peer
from telemetry.homeassistant.units import history_values, numeric
from telemetry.limits import Limits
from telemetry.night_pv import night_zeros
from telemetry.quality.window import meter_step_kwh
from telemetry.sensors import Sensors, Source
from telemetry.slots import SLOT_SECONDS, slot_of, slot_range, to_epoch
from telemetry.statistics_slots import check_percent, want_known
from telemetry.store import Store

LOOK_BACK = timedelta(hours=2)
LONGEST = timedelta(days=7)
FIRST_RUN = timedelta(days=1)
CLOCK_TOLERANCE = timedelta(minutes=2)
_CONTEXT = timedelta(minutes=90)  # more than an hour at rest, and a slot that an advance begins in
_DAY = timedelta(days=1)
_RESTED_DAYS = 7
_LEAST_RISES = 2
_TYPICAL = timedelta(days=7)
_MEMORY = timedelta(days=400)  # an older recording is no reason to tell of a gap
_SPACING_SECONDS = 300.0
_PERCENT = 100.0
_ON = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReport:
    """What a run recorded.

    Attributes:
        start: of the first slot looked at.
        end: of the last slot, UTC.
        channels: one entry per channel.
        notes: what the user should know: silent entities, a gap too long for the history.
    """

    start: datetime
    end: datetime
    channels: tuple[ChannelReport, ...]
    notes: tuple[str, ...]


def record(
    store: Store,
    peer: Peer,
    home_id: str,
    sensors: Sensors,
    limits: Limits,
    *,
    now: datetime,
) -> RecordReport:
    """Record every slot that has ended and is not yet final.

    Args:
        store: open for writing, with the home in it.
        peer: Home Assistant.
        home_id: whose facts.
        sensors: its wiring.
        limits: what its channels can carry.
        now: the moment.

    Raises:
        ClockError: this machine and Home Assistant disagree about the time.
        SensorError: an entity is in a unit that is neither energy nor power, or Home Assistant
            knows none of the meters.
        PeerError: Home Assistant does not answer; nothing is written, the next run catches up.
        StoreError: the store cannot be written; nothing is.
    """
    _check_clock(peer.clock(), now)
    end = slot_of(now)
    start, notes = _since(store, home_id, sensors, end)
    wanted = (*sensors.energy_entities, *sensors.state_entities)
    present = peer.states()
    histories = {
        entity: history if entity in present else _vanished(history, now)
        for entity, history in peer.history(wanted, start - _CONTEXT, now).items()
    }
    _check_any(histories, sensors, tuple(present))
    notes += _silent(histories, tuple(present))
    slots = slot_range(slot_of(start - _CONTEXT), end)
    found = _energies(histories, sensors, limits, slots, now)
    if _has_states(histories, sensors, Channel.PV_KWH):
        found = _with_nights(found, store.home(home_id).position, notes)
    if sensors.derived_load:
        noise = _noise_kwh(histories, sensors.behind_load)
        found[Channel.LOAD_KWH] = derived_load(found, noise_kwh=noise)
    found = judge_standstill(
        found,
        resolution_kwh=_resolution(
            peer, sensors, histories, found.get(Channel.LOAD_KWH), start - _CONTEXT
        ),
        load_kw=_typical_load(store, home_id, start),
    )
    found |= _states(histories, sensors, slots, now)
    with store.transaction():
        reports = tuple(
            _put(store, home_id, channel, found[channel], to_epoch(start))
            for channel in sensors.channels
        )
    return RecordReport(start=start, end=end, channels=reports, notes=tuple(notes))


def _check_clock(theirs: datetime, now: datetime) -> None:
    if abs(theirs - now) > CLOCK_TOLERANCE:
        raise ClockError("Home Assistant", theirs, now)


def _since(
    store: Store, home_id: str, sensors: Sensors, end: datetime
) -> tuple[datetime, list[str]]:
    """Start of the first slot to look at, and a note where history may not reach back to."""
    energies = [channel for channel in sensors.channels if channel.is_energy]
    seen = [
        reading
        for channel in energies
        if (reading := store.latest(home_id, channel, as_of=end, not_before=end - _MEMORY))
    ]
    if not seen:
        return end - FIRST_RUN, []
    newest = max(seen, key=lambda reading: reading.slot_start)
    after = newest.slot_start + timedelta(seconds=SLOT_SECONDS)
    if after >= end - LONGEST:
        return min(after, end) - LOOK_BACK, []
    if newest.provenance != Provenance.LIVE:  # a past that was filled: this is the first run
        return end - FIRST_RUN, []
    note = (
        f"nothing was recorded since {after:%Y-%m-%d %H:%M} UTC: history is read for the last "
        f"{LONGEST.days} days only; for the rest run: "
        f"darkstar backfill --start-date {after:%Y-%m-%d}"
    )
    return end - LONGEST, [note]


def _check_any(histories: Mapping[str, History], sensors: Sensors, present: Sequence[str]) -> None:
    """Refuse a wiring of which Home Assistant knows no meter at all."""
    meters = sensors.energy_entities
    if not any(histories[entity].states or entity in present for entity in meters):
        want = "entities it has; were they renamed? correct input_sensors"
        raise SensorError(", ".join(meters), "is unknown to Home Assistant", want)


def _vanished(history: History, now: datetime) -> History:
    """History of an entity that is not there any more: its last state does not hold until now."""
    if not history.states:
        return history
    last = float(history.at[-1])
    return History(
        at=np.append(history.at, last + min(1.0, (now.timestamp() - last) / 2.0)),
        states=(*history.states, "unavailable"),
        units=(*history.units, history.units[-1]),
    )


def _silent(histories: Mapping[str, History], known: Sequence[str]) -> list[str]:
    """One note for each entity without a usable state, or that is not there any more."""
    notes = []
    for entity, history in sorted(histories.items()):
        if not history.states and entity in known:
            # Home Assistant commits states some seconds after it shows them.
            notes.append(f"{entity} has no history yet: its slots are missing")
        elif not history.states:
            notes.append(f"{entity} is unknown to Home Assistant, want {want_known(entity, known)}")
        elif all(state in ("unavailable", "unknown", "") for state in history.states):
            notes.append(f"{entity} is {history.states[-1] or 'removed'}: its slots are missing")
        elif entity not in known:
            at = f"{datetime.fromtimestamp(history.at[-1], UTC):%Y-%m-%d %H:%M} UTC"
            notes.append(
                f"{entity} has gone from Home Assistant, its last state is of {at}: its slots "
                "since then are missing; was it renamed? Correct input_sensors"
            )
    return notes


def _energies(
    histories: Mapping[str, History],
    sensors: Sensors,
    limits: Limits,
    slots: I64,
    now: datetime,
) -> dict[Channel, ChannelSlots]:
    """All measured energy channels over the slots."""
    until = now.timestamp()
    found: dict[Channel, ChannelSlots] = {}
    for channel, sources in sensors.energy.items():
        limit = limits.of(channel)
        parts = [
            (one.sign, _source_slots(histories[one.entity_id], one, slots, until, limit))
            for one in sources
        ]
        noise = _noise_kwh(histories, sources)
        found[channel] = summed(parts, limit_kw=limit, noise_kwh=noise)
    return found


def _has_states(histories: Mapping[str, History], sensors: Sensors, channel: Channel) -> bool:
    """Whether Home Assistant knows a source of a channel, available or not."""
    return any(histories[one.entity_id].states for one in sensors.energy.get(channel, ()))


def _with_nights(
    found: dict[Channel, ChannelSlots], position: tuple[float, float] | None, notes: list[str]
) -> dict[Channel, ChannelSlots]:
    """Zero PV of an inverter that sleeps; a missing package is told and costs nothing else."""
    try:
        return night_zeros(found, position)
    except MissingExtraError as err:
        notes.append(str(err))
        return found


def _source_slots(
    history: History, source: Source, slots: I64, until: float, limit_kw: float | None
) -> SlotEnergy:
    at, values, kind = history_values(history)
    if np.isnan(values).all():
        return nothing_known(slots)  # and perhaps no unit: Home Assistant tells it with a number
    if kind == "power":
        readings = Readings(at=at, value=values)
        return power_slots(readings, slots, limit_kw=limit_kw, part=source.part, until=until)
    if kind is None:
        got = f"is in {next((u for u in history.units if u), 'no unit')}"
        raise SensorError(source.entity_id, got, "an energy (kWh, Wh) or a power (kW, W)")
    source.check_is_whole()
    readings = held_readings(at, values, until=until, spacing_seconds=_SPACING_SECONDS)
    return counter_slots(readings, slots, spacing_seconds=_SPACING_SECONDS, limit_kw=limit_kw)


def _noise_kwh(histories: Mapping[str, History], sources: Iterable[Source]) -> float:
    """What meters that tick at different moments leave undecided of their sum in a slot, kWh."""
    seen = (history_values(histories[one.entity_id]) for one in sources)
    return sum(meter_step_kwh(np.diff(values)) for _, values, kind in seen if kind == "energy")


def _resolution(
    peer: Peer,
    sensors: Sensors,
    histories: Mapping[str, History],
    load: ChannelSlots | None,
    first: datetime,
) -> float:
    """The coarsest step of the meters behind a load that stood still for an hour, kWh; else 0.

    One advance is no step: it may be what was missed. Of meters that hardly moved since ``first``
    the days before are asked for.
    """
    if load is None or not _stood_still(load):
        return 0.0
    seen = {one.entity_id: history_values(histories[one.entity_id]) for one in sensors.behind_load}
    kwh = {name: values for name, (_, values, kind) in seen.items() if kind == "energy"}
    for _ in range(_RESTED_DAYS):
        seldom = tuple(name for name, values in kwh.items() if _rises(values) < _LEAST_RISES)
        if not seldom:
            break
        first -= _DAY
        for name, before in peer.history(seldom, first, first + _DAY).items():
            kwh[name] = np.append(history_values(before)[1], kwh[name])
    return max(map(resolution_of, kwh.values()), default=0.0)


def _stood_still(load: ChannelSlots) -> bool:
    still = frozen(
        load.values,
        slot_hours=SLOT_HOURS,
        typical_kw=1.0,
        resolution_kwh=0.0,
        at_least_hours=STILL_HOURS,
    )
    return bool(still.any())


def _rises(kwh: F64) -> int:
    return int((np.diff(kwh[~np.isnan(kwh)]) > 0.0).sum())


def _typical_load(store: Store, home_id: str, until: datetime) -> float | None:
    """Typical load of the week before, kW; the standstill of a few hours cannot tell its own."""
    seen = store.observations(home_id, [Channel.LOAD_KWH], until - _TYPICAL, until)
    return typical_kw(seen.of(Channel.LOAD_KWH))


def _states(
    histories: Mapping[str, History], sensors: Sensors, slots: I64, now: datetime
) -> dict[Channel, ChannelSlots]:
    """State of charge at both ends of the slots, shares of time for switches."""
    until, found = now.timestamp(), {}
    if sensors.soc is not None:
        history = histories[sensors.soc]
        at, percent, _ = history_values(history)
        if not np.isnan(percent).all():
            check_percent(sensors.soc, next((unit for unit in history.units if unit), None))
        edges = np.append(slots, slots[-1] + SLOT_SECONDS)
        ratio = state_at_edges(at, percent / _PERCENT, edges, until=until)
        found[Channel.SOC_START] = _plain(slots, ratio[:-1])
        found[Channel.SOC_END] = _plain(slots, ratio[1:])
    for channel, entity, number in (
        (Channel.VACATION, sensors.vacation, _switch),
        (Channel.ALARM_ARMED, sensors.alarm, _armed),
    ):
        if entity is not None:
            history = histories[entity]
            found[channel] = _plain(slots, _share(history, number, slots, until))
    return found


def _share(history: History, number: Callable[[str], float], slots: I64, until: float) -> F64:
    on = np.array([number(state) for state in history.states], dtype=np.float64)
    return share_on(history.at, on, slots, until=until)


def _switch(state: str) -> float:
    """1 = on, 0 = off, NaN = neither is said."""
    return _ON.get(state.lower(), np.nan if np.isnan(numeric(state)) else float(numeric(state) > 0))


def _armed(state: str) -> float:
    """1 for ``armed_*`` and a triggered alarm, 0 else; NaN where unknown."""
    if state in ("unavailable", "unknown", ""):
        return np.nan
    return float(state.startswith("armed") or state == "triggered")


def _plain(slots: I64, values: F64) -> ChannelSlots:
    bits = np.where(np.isnan(values), int(Quality.GAP), int(Quality.OK))
    return ChannelSlots(slot_start=slots, values=values, quality=bits)


def _put(
    store: Store, home_id: str, channel: Channel, found: ChannelSlots, first: int
) -> ChannelReport:
    """Write the slots from ``first`` on; those before were context."""
    kept = found.only(found.slot_start >= first)
    told = kept.only(kept.told())
    counts = put_slots(
        store,
        home_id,
        channel,
        told,
        origin=Provenance.LIVE,
        known_at=told.known_at(SLOT_SECONDS),
    )
    missing = int(np.isnan(kept.values).sum())
    return ChannelReport(
        channel=channel,
        counts=counts,
        known=kept.values.size - missing,
        missing=missing,
        unassigned=kept.unassigned,
        newest=kept.newest,
    )
