"""History of a home out of Home Assistant's statistics into the store, month by month.

    hourly rows    --ETL--> slots, provenance statistics_hourly (quarters share the hour's energy)
    5-minute rows  --ETL--> slots, provenance statistics_5min   (Home Assistant keeps some days)
    a gap up to an hour, spread over it: provenance spread

Better provenance stays whatever the order, so that it can be run again, over any part. Each month
is one transaction; a day of rows before and after it tells gaps and standstills at its edges. What
is missing is written as NULL with the reason in its quality.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.channel_slots import (
    ChannelSlots,
    derived_load,
    judge_standstill,
    put_slots,
    summed,
)
from telemetry.channels import Channel, Provenance, Quality
from telemetry.errors import SensorError
from telemetry.etl import (
    SlotEnergy,
    Unassigned,
    counter_slots,
    mean_power_slots,
    resolution_of,
    statistics_readings,
)
from telemetry.homeassistant.types import PERIOD_SECONDS, Peer, Period, StatisticMeta, Statistics
from telemetry.limits import Limits
from telemetry.quality.window import meter_step_kwh
from telemetry.sensors import Part, Sensors, Source
from telemetry.signed_power import side_is_known
from telemetry.slots import SLOT_SECONDS, slot_of, slot_range
from telemetry.soc import edge_states
from telemetry.sql import WriteCounts
from telemetry.store import Store

_AROUND = timedelta(days=1)
_MONTH = timedelta(days=31)
_PROVENANCE: dict[Period, Provenance] = {
    "hour": Provenance.STATISTICS_HOURLY,
    "5minute": Provenance.STATISTICS_5MIN,
}
_PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """What became of one channel.

    Attributes:
        channel: which.
        counts: rows written, unchanged and kept.
        known: slots with a number.
        missing: slots without one.
        unassigned: energy that was counted and that no slot got, by cause.
    """

    channel: Channel
    counts: WriteCounts
    known: int
    missing: int
    unassigned: tuple[Unassigned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What a backfill did; one entry per channel, in the order of ``Channel``."""

    start: datetime
    end: datetime
    channels: tuple[ChannelReport, ...]
    notes: tuple[str, ...]


def backfill(
    store: Store,
    peer: Peer,
    home_id: str,
    sensors: Sensors,
    limits: Limits,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    on_progress: Callable[[datetime], None] | None = None,
) -> BackfillReport:
    """Fill the slots in [start, end) from statistics; never replaces better with worse.

    Args:
        store: open for writing, with the home in it.
        peer: Home Assistant.
        home_id: whose facts.
        sensors: its wiring.
        limits: what its channels can carry.
        start: start of a slot.
        end: start of a slot; what has not ended at ``now`` is left out.
        now: the moment.
        on_progress: called with the end of each part done.

    Raises:
        SensorError: an entity is unknown, or measures neither energy nor power.
        PeerError: Home Assistant does not answer; months done stay done.
        StoreError: the store cannot be written; the month under way is undone.
    """
    end = min(end, slot_of(now))
    kinds, notes = statistic_kinds(peer, sensors)
    parts: list[tuple[ChannelReport, ...]] = []
    for first, last in _months(start, end):
        found = _read_month(peer, sensors, limits, kinds, (first, last), now)
        with store.transaction():  # Home Assistant has answered: nobody waits for the store
            parts.append(_fill_month(store, home_id, sensors, found))
        if on_progress is not None:
            on_progress(last)
    return BackfillReport(start=start, end=end, channels=_joined(parts), notes=notes)


def _months(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        stop = min(start + _MONTH, end)
        yield start, stop
        start = stop


def statistic_kinds(
    peer: Peer, sensors: Sensors
) -> tuple[dict[str, StatisticMeta], tuple[str, ...]]:
    """What each entity's statistics are, and notes on those without any.

    Raises:
        SensorError: an entity of an energy channel has no statistics, or counts no energy.
    """
    known = peer.statistic_ids()
    for entity in sensors.energy_entities:
        if entity not in known:
            raise SensorError(entity, "has no statistics", _want_statistics(entity, known))
        if known[entity].unit_class not in ("energy", "power"):
            got = f"is in {known[entity].unit or 'no unit'}"
            raise SensorError(entity, got, "an energy (kWh, Wh) or a power (kW, W)")
    notes = []
    if sensors.soc is not None and sensors.soc not in known:
        notes.append(f"{sensors.soc} has no statistics: no state of charge in the past")
    switches = [entity for entity in (sensors.vacation, sensors.alarm) if entity is not None]
    notes += [f"{entity} has no statistics: recorded live only" for entity in switches]
    return dict(known), tuple(notes)


def _want_statistics(entity: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(entity, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return (
        "long-term statistics: a sensor with state_class total_increasing (or measurement for a "
        f"power); correct input_sensors, or set the state_class in Home Assistant{meant}"
    )


def _read_month(
    peer: Peer,
    sensors: Sensors,
    limits: Limits,
    kinds: Mapping[str, StatisticMeta],
    span: tuple[datetime, datetime],
    now: datetime,
) -> dict[Period, dict[Channel, ChannelSlots]]:
    """Fetch one part; the finer statistics last, so that they stand."""
    found: dict[Period, dict[Channel, ChannelSlots]] = {}
    periods: tuple[Period, ...] = ("hour", "5minute")
    for period in periods:
        rows = statistic_rows(peer, sensors, kinds, span, period, now)
        if any(one.start.size for one in rows.values()):
            found[period] = channel_slots(rows, sensors, limits, kinds, span=span, period=period)
    return found


def _fill_month(
    store: Store,
    home_id: str,
    sensors: Sensors,
    found: Mapping[Period, Mapping[Channel, ChannelSlots]],
) -> tuple[ChannelReport, ...]:
    """Write one part."""
    reports: dict[Channel, ChannelReport] = {}
    for period, channels in found.items():
        for channel, slots in channels.items():
            counts = _write(store, home_id, channel, slots, period)
            report = _report(channel, slots, counts)
            reports[channel] = _finer(reports.get(channel), report)
    return tuple(reports[channel] for channel in sensors.channels if channel in reports)


def statistic_rows(
    peer: Peer,
    sensors: Sensors,
    kinds: Mapping[str, StatisticMeta],
    span: tuple[datetime, datetime],
    period: Period,
    now: datetime,
) -> Mapping[str, Statistics]:
    """Rows of all entities, and a day around: gaps and standstills reach over the edges."""
    wanted = list(sensors.energy_entities)
    if sensors.soc is not None and sensors.soc in kinds:
        wanted.append(sensors.soc)
    return peer.statistics(wanted, span[0] - _AROUND, span[1] + _AROUND, period=period, now=now)


def channel_slots(
    rows: Mapping[str, Statistics],
    sensors: Sensors,
    limits: Limits,
    kinds: Mapping[str, StatisticMeta],
    *,
    span: tuple[datetime, datetime],
    period: Period,
) -> dict[Channel, ChannelSlots]:
    """All channels over the slots of ``span``, from statistics of a day around it."""
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
    if sensors.derived_load:
        noise = _noise_kwh(rows, chain(*sensors.energy.values()), seconds)
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
    if source.part is not Part.ALL:
        want = "part: all; positive and negative parts are for power sensors"
        raise SensorError(source.entity_id, f"is a meter with part {source.part.value}", want)
    readings = statistics_readings(rows.start, rows.change, seconds)
    return counter_slots(
        readings, slots, spacing_seconds=float(seconds), limit_kw=limit_kw, total=True
    )


def known_side(rows: Statistics, source: Source, seconds: int) -> F64:
    """Mean powers (N,), kW; NaN where one side is wanted of a power that went both ways."""
    if source.part is Part.ALL:
        return rows.mean
    told = side_is_known(rows.mean, rows.low, rows.high, hours=seconds / 3600)
    return np.where(told, rows.mean, np.nan)


def _resolution(rows: Mapping[str, Statistics], sensors: Sensors) -> float:
    """The coarsest step of the meters behind the load, kWh."""
    behind = sensors.energy.get(Channel.LOAD_KWH)
    sources = behind or tuple(one for some in sensors.energy.values() for one in some)
    return max(resolution_of(_apart(rows[one.entity_id].change)) for one in sources)


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


def _write(
    store: Store, home_id: str, channel: Channel, found: ChannelSlots, period: Period
) -> WriteCounts:
    """Write one channel; slots of which nothing is known at all get no row."""
    found = found.only(found.told())
    return put_slots(
        store,
        home_id,
        channel,
        found,
        origin=_PROVENANCE[period],
        known_at=found.known_at(PERIOD_SECONDS[period]),
    )


def _report(channel: Channel, found: ChannelSlots, counts: WriteCounts) -> ChannelReport:
    missing = int(np.isnan(found.values).sum())
    return ChannelReport(
        channel=channel,
        counts=counts,
        known=found.values.size - missing,
        missing=missing,
        unassigned=found.unassigned,
    )


def _finer(coarse: ChannelReport | None, fine: ChannelReport) -> ChannelReport:
    """One report of both passes over a part: hours cover it, 5-minute rows refine some of it."""
    if coarse is None:
        return fine
    return ChannelReport(
        channel=fine.channel,
        counts=coarse.counts + fine.counts,
        known=max(coarse.known, fine.known),
        missing=min(coarse.missing, fine.missing),
        unassigned=coarse.unassigned,
    )


def _joined(parts: list[tuple[ChannelReport, ...]]) -> tuple[ChannelReport, ...]:
    """One report per channel over all months."""
    found: dict[Channel, ChannelReport] = {}
    for report in (one for part in parts for one in part):
        had = found.get(report.channel)
        found[report.channel] = (
            report
            if had is None
            else ChannelReport(
                channel=report.channel,
                counts=had.counts + report.counts,
                known=had.known + report.known,
                missing=had.missing + report.missing,
                unassigned=had.unassigned + report.unassigned,
            )
        )
    return tuple(found[channel] for channel in Channel if channel in found)
