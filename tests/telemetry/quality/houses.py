"""A month of the demo home, as quarters or as Home Assistant's hours, to be spoilt by tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from mpc import Horizon, Site, TerminalCurve
from mpc.site import Battery, Grid
from sim.baselines import self_use
from sim.demo import make_demo_year
from telemetry import Channel, Home, Quality
from telemetry.arrays import F64, I64
from telemetry.limits import Limits
from telemetry.quality.reference import HourlyReference
from telemetry.quality.validate import validate
from telemetry.quality.window import Window
from telemetry.quality_table import DayQuality
from telemetry.slots import from_epoch, local_day, slot_range, to_epoch
from telemetry.soc import edge_states
from telemetry.store import Store

FIRST, LAST = date(2025, 5, 20), date(2025, 6, 18)  # 30 days
NOW = datetime(2025, 7, 10, tzinfo=UTC)
LIMITS = Limits(
    import_kw=11, export_kw=10, pv_peak_kw=9, charge_kw=5, discharge_kw=5, capacity_kwh=10
)
SITE = Site(
    battery=Battery(capacity_kwh=10, min_soc_kwh=1, max_charge_kw=5, max_discharge_kw=5),
    grid=Grid(max_import_kw=11, max_export_kw=10),
)
CHANNELS = tuple(
    c for c in Channel if c not in (Channel.EV_KWH, Channel.VACATION, Channel.ALARM_ARMED)
)
HOURLY = int(Quality.RESAMPLED | Quality.HOURLY)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Month:
    """Slots of the month and what each channel measured."""

    home: Home
    slots: I64
    values: dict[Channel, F64]
    quality: int = 0

    def day(self, local_date: date) -> slice:
        """Slots of one local day."""
        start, end = (to_epoch(at) for at in local_day(local_date, str(self.home.zone)))
        return slice(*np.searchsorted(self.slots, [start, end]).tolist())

    def with_days(self, days: Sequence[date], spoil: Callable[[dict[Channel, F64]], None]) -> Month:
        """The month with some days spoilt: ``spoil`` changes the arrays of one day in place."""
        values = {channel: array.copy() for channel, array in self.values.items()}
        for one in days:
            spoil({channel: array[self.day(one)] for channel, array in values.items()})
        return replace(self, values=values)


def make_month(first: date = FIRST, last: date = LAST) -> Month:
    """The demo home on self-consumption."""
    year = make_demo_year()
    zero = np.zeros(year.slot_start.size)
    horizon = Horizon(
        start=from_epoch(int(year.slot_start[0])),
        slot_minutes=15,
        import_price=zero,
        export_price=zero,
        load_kwh=year.load_kwh,
        pv_kwh=year.pv_kwh,
    )
    lived = self_use(SITE, horizon, 5.0, TerminalCurve.of(0.0))
    soc = lived.soc_kwh / 10.0
    values = {
        Channel.LOAD_KWH: year.load_kwh,
        Channel.PV_KWH: year.pv_kwh,
        Channel.WATER_HEATER_KWH: year.water_heater_kwh,
        Channel.IMPORT_KWH: lived.import_kwh,
        Channel.EXPORT_KWH: lived.export_kwh,
        Channel.CHARGE_KWH: lived.charge_kwh,
        Channel.DISCHARGE_KWH: lived.discharge_kwh,
        Channel.SOC_START: np.concatenate([[0.5], soc[:-1]]),
        Channel.SOC_END: soc,
    }
    zone = str(year.home.zone)
    slots = slot_range(local_day(first, zone)[0], local_day(last, zone)[1])
    low = int(np.searchsorted(year.slot_start, slots[0]))
    cut = {channel: array[low : low + slots.size] for channel, array in values.items()}
    return Month(home=year.home, slots=slots, values=cut)


def as_hours(month: Month) -> Month:
    """What a backfill makes of it from hourly statistics."""
    values = {
        channel: np.repeat(array.reshape(-1, 4).sum(axis=1) / 4.0, 4)
        for channel, array in month.values.items()
        if channel.is_energy
    }
    start, end = (
        month.values[channel].reshape(-1, 4) for channel in (Channel.SOC_START, Channel.SOC_END)
    )
    edge, ratio = edge_states(
        month.slots[::4],
        ((start + end) / 2.0).mean(axis=1),
        np.minimum(start, end).min(axis=1),
        np.maximum(start, end).max(axis=1),
        seconds=3600,
    )
    for channel, shift in ((Channel.SOC_START, 0), (Channel.SOC_END, 900)):
        values[channel] = np.full(month.slots.size, np.nan)
        here = np.isin(edge - shift, month.slots)
        values[channel][np.searchsorted(month.slots, (edge - shift)[here])] = ratio[here]
    return replace(month, values=values, quality=HOURLY)


def window_of(month: Month) -> Window:
    """The month as checks see it."""
    values = np.stack([month.values[channel] for channel in CHANNELS])
    return Window(
        home=month.home,
        limits=LIMITS,
        channels=CHANNELS,
        slot_start=month.slots,
        values=values,
        quality=np.full(values.shape, month.quality),
        known_at=np.broadcast_to(month.slots + 900, values.shape),
        repaired=np.zeros(values.shape, dtype=np.bool_),
    )


def stored(store: Store, month: Month, name: str) -> Home:
    """Write a month as a home of its own."""
    home = replace(month.home, home_id=name)
    store.put_home(home)
    for channel, array in month.values.items():
        known = ~np.isnan(array)
        store.put_observations(
            name,
            channel,
            month.slots[known],
            array[known],
            known_at=month.slots[known] + 900,
            provenance="live",
            quality=month.quality,
        )
    return home


def judged(
    store: Store,
    home: Home,
    *,
    channels: Sequence[Channel] = CHANNELS,
    reference: HourlyReference | None = None,
    limits: Limits = LIMITS,
    now: datetime = NOW,
) -> dict[date, DayQuality]:
    """Verdicts on the month, by day."""
    days = validate(
        store,
        home,
        channels=channels,
        limits=limits,
        first=FIRST,
        last=LAST,
        reference=reference,
        now=now,
    )
    assert len(days) == (LAST - FIRST) // timedelta(days=1) + 1
    return {day.local_date: day for day in days}
