"""Inverters that sleep: nights are zero PV, dusk and dawn get what the meter advanced by."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from telemetry.backfill import backfill
from telemetry.channel_slots import ChannelSlots
from telemetry.channels import Channel, Provenance, Quality
from telemetry.home import Home
from telemetry.limits import Limits
from telemetry.night_pv import night_zeros
from telemetry.record import record
from telemetry.sensors import Sensors, Source
from telemetry.slots import slot_range
from telemetry.store import Store
from telemetry.sun import is_night
from tests.telemetry.fake_peer import FakePeer

HERE = (55.6, 13.0)
DAY = datetime(2025, 6, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
GAP = int(Quality.GAP)
SENSORS = Sensors(
    energy={
        Channel.LOAD_KWH: (Source(entity_id="sensor.load"),),
        Channel.PV_KWH: (Source(entity_id="sensor.pv"),),
    }
)
LIMITS = Limits(import_kw=11.0, export_kw=11.0, pv_peak_kw=6.0, charge_kw=0.0, discharge_kw=0.0)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        home = Home(home_id="villa", zone="Europe/Stockholm", latitude=HERE[0], longitude=HERE[1])
        opened.put_home(home)
        yield opened


def channel(values: list[float], quality: int = 0, lost_kwh: float = 0.0) -> ChannelSlots:
    """Slots from 18:00 UTC; the sun sets about 19:45 and rises about 02:25."""
    slots = slot_range(DAY + 18 * HOUR, DAY + 18 * HOUR + len(values) * HOUR / 4)
    array = np.array(values)
    lost = np.zeros(array.size)
    lost[np.isnan(array)] = lost_kwh / max(int(np.isnan(array).sum()), 1)
    bits = np.where(np.isnan(array), quality, 0)
    return ChannelSlots(slot_start=slots, values=array, quality=bits, lost_kwh=lost)


def night_of(slots: ChannelSlots) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    length = np.full(slots.slot_start.size, 900)
    return is_night(slots.slot_start, length, *HERE)


def test_dusk_and_dawn_of_no_more_than_a_gap_share_the_advance() -> None:
    # Silent from 19:15 (two slots of dusk) until 02:45 (one or two of dawn); 0.06 kWh came in.
    values = [0.2] * 5 + [np.nan] * 30 + [0.1] * 5
    pv, load = channel(values, GAP, lost_kwh=0.06), channel([0.3] * 40)
    found = night_zeros({Channel.LOAD_KWH: load, Channel.PV_KWH: pv}, HERE)[Channel.PV_KWH]
    night, silent = night_of(pv), np.isnan(pv.values)
    assert 2 < (silent & ~night).sum() <= 5
    assert (found.values[night] == 0.0).all()
    assert (found.quality[night] == int(Quality.NIGHT_ZERO)).all()
    rest = silent & ~night
    assert found.values[rest] == pytest.approx(0.06 / rest.sum())
    assert (found.quality[rest] == int(Quality.SPREAD)).all()
    assert found.unassigned == ()


def test_a_longer_day_part_stays_missing_with_all_of_the_energy() -> None:
    values = [np.nan] * 40  # 18:00 to 04:00: seven slots of evening, six of morning
    pv, load = channel(values, GAP, lost_kwh=1.3), channel([0.3] * 40)
    found = night_zeros({Channel.LOAD_KWH: load, Channel.PV_KWH: pv}, HERE)[Channel.PV_KWH]
    night = night_of(pv)
    assert (found.values[night] == 0.0).all()
    assert np.isnan(found.values[~night]).all()
    assert sum(item.energy_kwh for item in found.unassigned) == pytest.approx(1.3)


@pytest.mark.parametrize("why", [Quality.SPIKE, Quality.STUCK, Quality.SUSPECT])
def test_what_a_rule_took_out_stays_missing(why: Quality) -> None:
    pv, load = channel([np.nan] * 40, int(why)), channel([0.3] * 40)
    found = night_zeros({Channel.LOAD_KWH: load, Channel.PV_KWH: pv}, HERE)[Channel.PV_KWH]
    assert np.isnan(found.values).all()


def test_a_gap_of_the_whole_house_stays_one() -> None:
    silent = [0.2] * 5 + [np.nan] * 30 + [0.1] * 5
    channels = {Channel.LOAD_KWH: channel(silent, GAP), Channel.PV_KWH: channel(silent, GAP)}
    found = night_zeros(channels, HERE)[Channel.PV_KWH]
    assert np.isnan(found.values).tolist() == np.isnan(silent).tolist()


def test_without_a_position_nothing_is_said_of_the_night() -> None:
    channels = {
        Channel.LOAD_KWH: channel([0.3] * 40),
        Channel.PV_KWH: channel([np.nan] * 40, GAP),
    }
    assert night_zeros(channels, None) == channels


def test_backfilled_hours_of_an_inverter_that_sleeps(store: Store) -> None:
    hours = [DAY - 24 * HOUR + i * HOUR for i in range(72)]
    # Rows from 03:00 to 20:00 UTC only; the first of the day brings what came before it, 0.05 kWh.
    pv = [(at, 0.05 if at.hour == 3 else 0.5) for at in hours if 3 <= at.hour < 20]
    load = [(at, 0.4 + 0.1 * (at.hour % 2)) for at in hours]
    peer = FakePeer(now=DAY + 100 * HOUR, hours={"sensor.load": load, "sensor.pv": pv})
    backfill(store, peer, "villa", SENSORS, LIMITS, start=DAY, end=DAY + 24 * HOUR, now=peer.now)
    seen = store.observations("villa", ["pv_kwh"], DAY, DAY + 24 * HOUR).of("pv_kwh")
    assert not np.isnan(seen).any()
    assert seen.sum() == pytest.approx(16 * 0.5 + 0.05)
    reading = store.latest("villa", "pv_kwh", as_of=DAY + 48 * HOUR, not_before=DAY + 23 * HOUR)
    assert reading is not None
    assert (reading.provenance, reading.value) == (Provenance.NIGHT, 0.0)


def test_a_recorded_night(store: Store) -> None:
    at = DAY - 4 * HOUR
    minutes = [at + timedelta(minutes=i) for i in range(60 * 12)]
    load = [(when, f"{100 + 0.01 * i:.2f}") for i, when in enumerate(minutes)]
    pv = [(at, "900.0"), (DAY - 3 * HOUR, "unavailable")]
    peer = FakePeer(now=at, live={"sensor.load": load, "sensor.pv": pv})
    for turn in range(12 * 4):
        peer.now = at + turn * HOUR / 4 + timedelta(seconds=20)
        record(store, peer, "villa", SENSORS, LIMITS, now=peer.now)
    seen = store.observations("villa", ["pv_kwh"], DAY - 3 * HOUR, DAY + 2 * HOUR)
    assert (seen.of("pv_kwh") == 0.0).all()
    assert np.isnan(
        store.observations("villa", ["pv_kwh"], DAY + 4 * HOUR, DAY + 7 * HOUR).values
    ).all()
