"""History of a home out of Home Assistant's statistics into the store, month by month.

    hourly rows    --ETL--> slots, provenance statistics_hourly (quarters share the hour's energy)
    5-minute rows  --ETL--> slots, provenance statistics_5min   (Home Assistant keeps some days)
    a gap up to an hour, spread over it: provenance spread

Better provenance stays whatever the order, so that it can be run again, over any part. Each month
is one transaction; a day of rows before and after it tells gaps and standstills at its edges. What
is missing is written as NULL with the reason in its quality.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from telemetry.channel_slots import ChannelSlots, put_slots
from telemetry.channels import Channel, Provenance
from telemetry.etl import Unassigned
from telemetry.homeassistant.types import PERIOD_SECONDS, Peer, Period, StatisticMeta
from telemetry.limits import Limits
from telemetry.sensors import Sensors
from telemetry.slots import slot_of, slot_range
from telemetry.sql import WriteCounts
from telemetry.statistics_slots import (
    channel_slots,
    statistic_entities,
    statistic_kinds,
    statistic_rows,
)
from telemetry.store import Store

_MONTH = timedelta(days=31)
_PROVENANCE: dict[Period, Provenance] = {
    "hour": Provenance.STATISTICS_HOURLY,
    "5minute": Provenance.STATISTICS_5MIN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """What became of one channel.

    Attributes:
        channel: which.
        counts: rows written, unchanged and kept.
        known: slots with a number.
        missing: slots without one.
        unassigned: energy that was counted and that no slot got, by cause.
        newest: kWh, or ratio, of the last slot; None where it is missing.
    """

    channel: Channel
    counts: WriteCounts
    known: int
    missing: int
    unassigned: tuple[Unassigned, ...] = ()
    newest: float | None = None


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
    position, silent = store.home(home_id).position, set(statistic_entities(sensors, kinds))
    parts: list[tuple[ChannelReport, ...]] = []
    for first, last in _months(start, end):
        span = (first, last)
        found, heard = _read_month(peer, sensors, limits, kinds, span, now, position)
        silent -= heard
        with store.transaction():  # Home Assistant has answered: nobody waits for the store
            parts.append(_fill_month(store, home_id, sensors, found, span))
        if on_progress is not None:
            on_progress(last)
    kept = (f"{entity}: Home Assistant has nothing of these days" for entity in sorted(silent))
    return BackfillReport(start=start, end=end, channels=_joined(parts), notes=(*notes, *kept))


def _months(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        stop = min(start + _MONTH, end)
        yield start, stop
        start = stop


def _read_month(
    peer: Peer,
    sensors: Sensors,
    limits: Limits,
    kinds: Mapping[str, StatisticMeta],
    span: tuple[datetime, datetime],
    now: datetime,
    position: tuple[float, float] | None,
) -> tuple[dict[Period, dict[Channel, ChannelSlots]], set[str]]:
    """Fetch one part, the finer statistics last, so that they stand; and who had any."""
    found: dict[Period, dict[Channel, ChannelSlots]] = {}
    heard: set[str] = set()
    periods: tuple[Period, ...] = ("hour", "5minute")
    for period in periods:
        rows = statistic_rows(peer, sensors, kinds, span, period, now)
        named = {entity for entity, one in rows.items() if one.start.size}
        if named:
            found[period] = channel_slots(
                rows, sensors, limits, kinds, span=span, period=period, position=position
            )
        heard |= named
    return found, heard


def _fill_month(
    store: Store,
    home_id: str,
    sensors: Sensors,
    found: Mapping[Period, Mapping[Channel, ChannelSlots]],
    span: tuple[datetime, datetime],
) -> tuple[ChannelReport, ...]:
    """Write one part; of a channel without any row every slot is missing."""
    every = slot_range(*span).size
    reports = {
        channel: ChannelReport(channel=channel, counts=WriteCounts(), known=0, missing=every)
        for channel in sensors.channels
        if channel.is_energy
    }
    for period, channels in found.items():
        for channel, slots in channels.items():
            counts = _write(store, home_id, channel, slots, period)
            report = _report(channel, slots, counts)
            reports[channel] = _finer(reports.get(channel), report)
    return tuple(reports[channel] for channel in sensors.channels if channel in reports)


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
        newest=found.newest,
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
        unassigned=coarse.unassigned or fine.unassigned,
        newest=coarse.newest if fine.newest is None else fine.newest,
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
                newest=report.newest,
            )
        )
    return tuple(found[channel] for channel in Channel if channel in found)
