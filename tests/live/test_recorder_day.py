"""A day of the recorder against a real Home Assistant, the clock turned back and sped up.

The local day of 2025-10-26 in Stockholm has 25 hours. At 600 fake seconds a second it takes under
three minutes; meters follow a known curve of Home Assistant's own clock.
"""

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from telemetry.arrays import F64
from telemetry.channels import Channel, Provenance
from telemetry.home import Home
from telemetry.homeassistant.client import HomeAssistant
from telemetry.hourly_reference import hourly_reference
from telemetry.limits import Limits
from telemetry.record import record
from telemetry.sensors import Part, Sensors, Source
from telemetry.slots import local_day, slot_range
from telemetry.store import Store
from tests.peers.fixtures import MakeHomeAssistant
from tests.peers.home_assistant import RealHomeAssistant

START, END = local_day(date(2025, 10, 26), "Europe/Stockholm")
QUARTER = timedelta(minutes=15)
WITHIN_KWH = 0.2
SENSORS = Sensors(
    energy={
        Channel.LOAD_KWH: (Source(entity_id="sensor.load_total"),),
        Channel.WATER_HEATER_KWH: (Source(entity_id="sensor.heater_total"),),
        Channel.IMPORT_KWH: (Source(entity_id="sensor.grid_power", part=Part.POSITIVE),),
        Channel.EXPORT_KWH: (Source(entity_id="sensor.grid_power", part=Part.NEGATIVE),),
    },
    soc="sensor.soc",
)
LIMITS = Limits(
    import_kw=11.0, export_kw=11.0, pv_peak_kw=6.0, charge_kw=5.0, discharge_kw=5.0, capacity_kwh=10
)
METER = {"device_class": "energy", "state_class": "total_increasing"}
POWER = {"device_class": "power", "state_class": "measurement", "unit_of_measurement": "W"}
PERCENT = {"state_class": "measurement", "unit_of_measurement": "%"}


def load_kwh(at: datetime) -> float:
    """Counter of a load of 1 kW that swings by 0.8 kW every six hours."""
    hours = (at - START) / timedelta(hours=1)
    swing = math.pi / 3.0
    return 4000.0 + hours + 0.8 / swing * (1.0 - math.cos(swing * hours))


def heater_wh(at: datetime) -> float:
    """Counter of a heater of 3 kW, on in the first half of every other hour."""
    hours = (at - START) / timedelta(hours=1) + 4.0
    whole, part = divmod(hours, 2.0)
    return 1000.0 * 3.0 * (0.5 * whole + min(part, 0.5))


def grid_w(at: datetime) -> float:
    """Power from (positive) and to the grid, 2 kW each way, changing every other hour."""
    return 2000.0 if (at - START) // timedelta(hours=2) % 2 else -2000.0


def soc_percent(at: datetime) -> float:
    """A state of charge that rises and falls by 30 points within 12 hours."""
    return 50.0 + 30.0 * math.sin((at - START) / timedelta(hours=12) * 2.0 * math.pi)


def show(ha: RealHomeAssistant, at: datetime) -> None:
    """Let the entities show what they would at a moment."""
    ha.set_state(
        "sensor.load_total", f"{load_kwh(at):.3f}", {**METER, "unit_of_measurement": "kWh"}
    )
    ha.set_state(
        "sensor.heater_total", f"{heater_wh(at):.0f}", {**METER, "unit_of_measurement": "Wh"}
    )
    ha.set_state("sensor.grid_power", f"{grid_w(at):.0f}", POWER)
    ha.set_state("sensor.soc", f"{soc_percent(at):.1f}", PERCENT)


def record_once(ha: RealHomeAssistant, store: Store) -> datetime:
    """One run of the recorder, with a client of its own as every run has."""
    with HomeAssistant(ha.url, ha.token, sleep=lambda _: None) as peer:
        now = peer.clock()
        record(store, peer, "villa", SENSORS, LIMITS, now=now)
    return now


def live_through(ha: RealHomeAssistant, store: Store) -> int:
    """Show states and record every quarter until the day is over; three runs are missed."""
    now, due, runs = ha.clock(), START - QUARTER, 0
    while due <= END + QUARTER:
        now = ha.clock()
        show(ha, now)
        if now < due:
            continue
        missed = START + timedelta(hours=9) < due < START + timedelta(hours=10)
        if not missed:
            record_once(ha, store)
            runs += 1
        due += QUARTER * (1 + (now - due) // QUARTER)
    return runs


@pytest.mark.integration
def test_a_day_of_25_hours_is_recorded_slot_by_slot(
    make_home_assistant: MakeHomeAssistant, tmp_path: Path
) -> None:
    ha = make_home_assistant(faketime="@2025-10-25 20:30:00 x600")
    ha.start()
    assert ha.clock() < START - QUARTER, "Home Assistant took too long to start"
    with Store.open(tmp_path / "store.sqlite") as store:
        store.put_home(Home(home_id="villa", zone="Europe/Stockholm"))
        assert live_through(ha, store) > 60
        seen = store.observations("villa", SENSORS.channels, START, END)
        assert seen.slot_start.size == 100
        assert not np.isnan(seen.values).any()
        reading = store.latest("villa", "load_kwh", as_of=END, not_before=START)
        assert reading is not None
        assert reading.provenance == Provenance.LIVE
    with HomeAssistant(ha.url, ha.token, sleep=lambda _: None) as peer:
        reference = hourly_reference(
            peer, SENSORS, LIMITS, start=START, end=END, now=datetime(2025, 10, 27, tzinfo=UTC)
        )
    check_against_home_assistant(reference.energy_kwh, reference.channels, seen.values)
    check_against_the_truth(dict(zip(seen.channels, seen.values, strict=True)))


def check_against_home_assistant(hours: F64, channels: tuple[Channel, ...], slots: F64) -> None:
    """Hourly sums are Home Assistant's own, to 0.2 kWh, in every hour of every energy channel."""
    order = [SENSORS.channels.index(channel) for channel in channels]
    sums = slots[order].reshape(len(order), 25, 4).sum(axis=2)
    assert not np.isnan(hours).any()
    assert np.abs(sums - hours).max() <= WITHIN_KWH


def check_against_the_truth(found: dict[Channel, F64]) -> None:
    """Slots are what the house did; states are shown about every fake minute."""
    edges = [
        datetime.fromtimestamp(int(s), UTC) for s in (*slot_range(START, END), END.timestamp())
    ]
    load = np.diff([load_kwh(at) for at in edges])
    heater = np.diff([heater_wh(at) for at in edges]) / 1000.0
    assert found[Channel.LOAD_KWH] == pytest.approx(load, abs=0.03)
    assert found[Channel.WATER_HEATER_KWH] == pytest.approx(heater, abs=0.2)
    # Summed over the day the errors of the edges cancel.
    assert found[Channel.LOAD_KWH].sum() == pytest.approx(load.sum(), abs=0.05)
    assert found[Channel.IMPORT_KWH].sum() == pytest.approx(12 * 2.0, rel=0.05)
    soc = [soc_percent(at) / 100.0 for at in edges]
    assert found[Channel.SOC_START] == pytest.approx(soc[:-1], abs=0.02)
    assert found[Channel.SOC_END] == pytest.approx(soc[1:], abs=0.02)
