"""Home Assistant's statistics of a home, turned into the slots of its channels.

    rows of each entity --ETL--> energy of each source --sum, nights, standstill--> channels

Hourly and 5-minute rows go the same way. A day of rows around what is asked for tells gaps and
standstills at its edges. Units: kWh per slot, kW, ratios.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.channel_slots import ChannelSlots, derived_load, judge_standstill, summed
from telemetry.channels import Channel, Quality
from telemetry.errors import SensorError
from telemetry.etl import (
    SlotEnergy,
    counter_slots,
    mean_power_slots,
    resolution_of,
    statistics_readings,
)
from telemetry.homeassistant.types import PERIOD_SECONDS, Peer, Period, StatisticMeta, Statistics
from telemetry.limits import Limits
from telemetry.night_pv import night_zeros
from telemetry.quality.window import meter_step_kwh
from telemetry.sensors import Part, Sensors, Source
from telemetry.signed_power import side_is_known
from telemetry.slots import SLOT_SECONDS, slot_range
from telemetry.soc import edge_states

_AROUND = timedelta(days=1)
_PERCENT = 100.0
_HOUR_SECONDS = 3600


def statistic_kinds(
    peer: Peer, sensors: Sensors
) -> tuple[dict[str, StatisticMeta], tuple[str, ...]]:
    """What each entity's statistics are, and notes on those without any.

    Raises:
        SensorError: an entity of an energy channel is unknown, has no statistics or counts no
            energy; the state of charge is not in percent.
    """
    known = peer.statistic_ids()
    for entity in sensors.energy_entities:
        if entity not in known:
            raise _without_statistics(peer, entity, known)
        _check_meter(known[entity])
    notes = []
    if sensors.soc is not None and sensors.soc in known:
        check_percent(sensors.soc, known[sensors.soc].unit)
    elif sensors.soc is not None:
        notes.append(f"{sensors.soc} has no statistics: no state of charge in the past")
    switches = [entity for entity in (sensors.vacation, sensors.alarm) if entity is not None]
    notes += [f"{entity} has no statistics: recorded live only" for entity in switches]
    return dict(known), tuple(notes)


def check_percent(entity: str, unit: str | None) -> None:
    """Refuse a state of charge in anything but percent.

    Raises:
        SensorError: it has another unit.
    """
    if unit != "%":
        want = "the state of charge in percent (%); correct battery_soc"
        raise SensorError(entity, f"is in {unit or 'no unit'}", want)


def _check_meter(meta: StatisticMeta) -> None:
    if meta.unit_class not in ("energy", "power"):
        want = "an energy (kWh, Wh) or a power (kW, W)"
        raise SensorError(meta.entity_id, f"is in {meta.unit or 'no unit'}", want)
    if meta.unit_class == "energy" and not meta.has_sum:
        want = "a meter: set its state_class to total_increasing in Home Assistant"
        raise SensorError(meta.entity_id, "is averaged, not summed", want)


def _without_statistics(peer: Peer, entity: str, known: Mapping[str, StatisticMeta]) -> SensorError:
    """Tell an entity that is not there from one of which nothing is kept."""
    if entity in peer.states():
        want = (
            "long-term statistics: set its state_class in Home Assistant to total_increasing "
            "(a meter) or measurement (a power)"
        )
        return SensorError(entity, "has no statistics", want)
    meters = [name for name, meta in known.items() if meta.unit_class in ("energy", "power")]
    return SensorError(entity, "is unknown to Home Assistant", want_known(entity, meters))


def want_known(entity: str, known: Iterable[str]) -> str:
    """What to correct where an entity is not there, with the nearest that is."""
    near = difflib.get_close_matches(entity, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "was it renamed?"
    return f"an entity that it has; {hint} Correct input_sensors"


def statistic_entities(sensors: Sensors, kinds: Mapping[str, StatisticMeta]) -> list[str]:
    """All entities of which statistics are read."""
    wanted = list(sensors.energy_entities)
    if sensors.soc is not None and sensors.soc in kinds:
        wanted.append(sensors.soc)
    return wanted


def statistic_rows(
    peer: Peer,
    sensors: Sensors,
    kinds: Mapping[str, StatisticMeta],
    span: tuple[datetime, datetime],
    period: Period,
    now: datetime,
) -> Mapping[str, Statistics]:
    """Rows of all entities, and a day around: gaps and standstills reach over the edges."""
    wanted = statistic_entities(sensors, kinds)
    return peer.statistics(wanted, span[0] - _AROUND, span[1] + _AROUND, period=period, now=now)


def channel_slots(
    rows: Mapping[str, Statistics],
    sensors: Sensors,
    limits: Limits,
    kinds: Mapping[str, StatisticMeta],
    *,
    span: tuple[datetime, datetime],
    period: Period,
    position: tuple[float, float] | None = None,
) -> dict[Channel, ChannelSlots]:
    """All channels over the slots of ``span``, from statistics of a day around it.

    With the home's ``position`` the nights of an inverter that sleeps are zero PV.

    Raises:
        SensorError: a meter with a part.
        MissingExtraError: nights are to be told, and pvlib is not installed.
    """
    wide = slot_range(span[0] - _AROUND, span[1] + _AROUND)
    seconds = PERIOD_SECONDS[period]
    found: dict[Channel, ChannelSlots] = {}
    for channel, sources in sensors.energy.items():
        limit = limits.of(channel)
        parts = [
            (one.sign, _source_slots(rows[one.entity_id], one, kinds, wide, seconds, limit))
            for one in sources
        ]
        noise = _noise_kwh(rows, sources, seconds)
        found[channel] = summed(parts, limit_kw=limit, noise_kwh=noise)
    pv = found.get(Channel.PV_KWH)
    if pv is not None and not np.isnan(pv.values).all():
        found = night_zeros(found, position, interval_seconds=seconds)
    if sensors.derived_load:
        noise = _noise_kwh(rows, sensors.behind_load, seconds)
        found[Channel.LOAD_KWH] = derived_load(found, noise_kwh=noise)
    found = judge_standstill(found, resolution_kwh=_resolution(rows, sensors))
    inside = np.isin(wide, slot_range(*span))
    found = {channel: slots.only(inside) for channel, slots in found.items()}
    if sensors.soc is not None and sensors.soc in rows:
        found |= _soc_slots(rows[sensors.soc], slot_range(*span), seconds)
    return found


def _source_slots(
    rows: Statistics,
    source: Source,
    kinds: Mapping[str, StatisticMeta],
    slots: I64,
    seconds: int,
    limit_kw: float | None,
) -> SlotEnergy:
    """Energy of one entity by slot: a meter's advance, or the mean power of its intervals."""
    if kinds[source.entity_id].unit_class == "power":
        mean = known_side(rows, source, seconds)
        return mean_power_slots(
            rows.start, mean, seconds, slots, limit_kw=limit_kw, part=source.part
        )
    source.check_is_whole()
    readings = statistics_readings(rows.start, rows.change, seconds)
    return counter_slots(
        readings, slots, spacing_seconds=float(seconds), limit_kw=limit_kw, total=True
    )


def known_side(rows: Statistics, source: Source, seconds: int) -> F64:
    """Mean powers (N,), kW; NaN where the mean does not tell what is asked.

    That is where one side is wanted of a power that went both ways, and in the first hour after
    absent ones: of that hour Home Assistant may have seen some minutes only.
    """
    mean = rows.mean.copy()
    if seconds >= _HOUR_SECONDS:
        mean[np.diff(rows.start, prepend=-seconds) != seconds] = np.nan
    if source.part is not Part.ALL:
        mean[~side_is_known(rows.mean, rows.low, rows.high, hours=seconds / 3600)] = np.nan
    return mean


def _resolution(rows: Mapping[str, Statistics], sensors: Sensors) -> float:
    """The coarsest step of the meters behind the load, kWh."""
    return max(resolution_of(_apart(rows[one.entity_id].change)) for one in sensors.behind_load)


def _noise_kwh(rows: Mapping[str, Statistics], sources: Iterable[Source], seconds: int) -> float:
    """What meters that tick at different moments leave undecided of their sum in a slot, kWh."""
    steps = sum(meter_step_kwh(rows[one.entity_id].change) for one in sources)
    return steps * min(1.0, SLOT_SECONDS / seconds)


def _apart(change_kwh: F64) -> F64:
    """The different advances of a meter, ascending: no two are closer than its own step."""
    return np.unique(np.append(change_kwh[~np.isnan(change_kwh)], 0.0))


def _soc_slots(rows: Statistics, slots: I64, seconds: int) -> dict[Channel, ChannelSlots]:
    """State of charge at the starts and the ends of slots, where an interval ends there."""
    edge, ratio = edge_states(
        rows.start,
        rows.mean / _PERCENT,
        rows.low / _PERCENT,
        rows.high / _PERCENT,
        seconds=seconds,
    )
    hourly = seconds >= PERIOD_SECONDS["hour"]
    bits = int(Quality.RESAMPLED | Quality.HOURLY) if hourly else int(Quality.OK)
    found = {}
    for channel, shift in ((Channel.SOC_START, 0), (Channel.SOC_END, SLOT_SECONDS)):
        here = np.isin(edge - shift, slots)
        start = (edge - shift)[here]
        found[channel] = ChannelSlots(
            slot_start=start, values=ratio[here], quality=np.full(start.size, bits)
        )
    return found
