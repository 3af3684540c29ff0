"""Statistics to slots: which hours stand, which are missing and why, and what wins over what."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from telemetry.backfill import BackfillReport, backfill
from telemetry.channels import Channel, Provenance, Quality
from telemetry.errors import SensorError
from telemetry.home import Home
from telemetry.hourly_reference import hourly_reference
from telemetry.limits import Limits
from telemetry.sensors import Part, Sensors, Source
from telemetry.store import Store
from tests.telemetry.fake_peer import FakePeer, Rows

START = datetime(2025, 7, 1, tzinfo=UTC)
NOW = datetime(2025, 8, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOAD, PV, IN, OUT = "sensor.load", "sensor.pv", "sensor.bought", "sensor.sold"
LIMITS = Limits(
    import_kw=11.0, export_kw=11.0, pv_peak_kw=5.0, charge_kw=5.0, discharge_kw=5.0, capacity_kwh=10
)


def of(entity: str) -> tuple[Source, ...]:
    return (Source(entity_id=entity),)


WIRED = Sensors(energy={Channel.LOAD_KWH: of(LOAD), Channel.PV_KWH: of(PV)})


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        opened.put_home(Home(home_id="villa", zone="Europe/Stockholm"))
        yield opened


def rows(values: Sequence[float | None], start: datetime = START - 24 * HOUR) -> Rows:
    """Hourly rows from a day before START, so that the first hour is no first value."""
    stamped = ((start + i * HOUR, value) for i, value in enumerate(values))
    return [(at, value) for at, value in stamped if value is not None]


def fill(
    store: Store, peer: FakePeer, sensors: Sensors = WIRED, *, hours: int = 24
) -> BackfillReport:
    return backfill(
        store, peer, "villa", sensors, LIMITS, start=START, end=START + hours * HOUR, now=peer.now
    )


def hourly(store: Store, channel: Channel, hours: int = 24) -> list[float]:
    seen = store.observations("villa", [channel], START, START + hours * HOUR)
    sums: list[float] = seen.of(channel).reshape(-1, 4).sum(axis=1).tolist()
    return sums


def bits(store: Store, channel: Channel, hour: int) -> Quality:
    at = START + hour * HOUR
    return Quality(int(store.observations("villa", [channel], at, at + HOUR).quality[0, 0]))


DAY = [0.5] * 24


def test_every_hour_comes_back_and_twice_changes_nothing(store: Store) -> None:
    load = [0.1 * (i % 7) + 0.3 for i in range(48)]
    peer = FakePeer(now=NOW, hours={LOAD: rows(list(load)), PV: rows([0.2] * 48)})
    report = fill(store, peer)
    assert hourly(store, Channel.LOAD_KWH) == pytest.approx(load[24:], abs=1e-12)
    assert [one.counts.inserted for one in report.channels] == [96, 96]
    again = fill(store, peer)
    assert [one.counts.changed for one in again.channels] == [0, 0]
    assert [one.counts.unchanged for one in again.channels] == [96, 96]


def test_what_an_hourly_row_says_was_known_at_the_hours_end(store: Store) -> None:
    fill(store, FakePeer(now=NOW, hours={LOAD: rows(DAY * 2), PV: rows(DAY * 2)}))
    early = store.observations(
        "villa", ["load_kwh"], START, START + HOUR, as_of=START + timedelta(minutes=59)
    )
    assert np.isnan(early.values).all()
    late = store.observations("villa", ["load_kwh"], START, START + HOUR, as_of=START + HOUR)
    assert late.values.tolist() == [[0.125] * 4]


@pytest.mark.parametrize("absent", [1, 2, 5])
def test_a_gap_of_an_hour_is_spread_a_longer_one_is_missing(store: Store, absent: int) -> None:
    # Home Assistant gives the whole gap to the first row after it.
    load: list[float | None] = [0.5] * 48
    for hour in range(10, 10 + absent):
        load[24 + hour] = None
    load[24 + 10 + absent] = 0.5 * (absent + 1)
    report = fill(store, FakePeer(now=NOW, hours={LOAD: rows(load), PV: rows(DAY * 2)}))
    found = hourly(store, Channel.LOAD_KWH)
    gap = slice(10, 10 + absent + 1)
    if absent == 1:
        assert found == pytest.approx([0.5] * 24)
        assert Quality.SPREAD in bits(store, Channel.LOAD_KWH, 10)
    else:
        assert np.isnan(found[gap]).all()
        assert np.isfinite(found[:10]).all()
        assert np.isfinite(found[11 + absent :]).all()
        assert Quality.GAP in bits(store, Channel.LOAD_KWH, 10 + absent)
        lost = sum(item.energy_kwh for item in report.channels[0].unassigned)
        assert lost == pytest.approx(0.5 * (absent + 1))


def test_a_spread_value_was_known_when_the_gap_ended(store: Store) -> None:
    load: list[float | None] = [0.5] * 48
    load[24 + 10], load[24 + 11] = None, 1.0
    fill(store, FakePeer(now=NOW, hours={LOAD: rows(load), PV: rows(DAY * 2)}))
    at = START + 10 * HOUR
    seen = store.observations("villa", ["load_kwh"], at, at + HOUR, as_of=at + HOUR)
    assert np.isnan(seen.values).all()
    seen = store.observations("villa", ["load_kwh"], at, at + HOUR, as_of=at + 2 * HOUR)
    assert seen.values.tolist() == [[0.125] * 4]


def test_an_hour_without_load_stays_and_is_marked(store: Store) -> None:
    load: list[float | None] = [0.5, 0.6] * 24
    load[24 + 18], load[24 + 19] = 0.0, 2.0
    fill(store, FakePeer(now=NOW, hours={LOAD: rows(load), PV: rows([0.0] * 48)}))
    found = hourly(store, Channel.LOAD_KWH)
    assert found[18:20] == pytest.approx([0.0, 2.0])
    assert Quality.STUCK in bits(store, Channel.LOAD_KWH, 18)
    assert Quality.LUMP in bits(store, Channel.LOAD_KWH, 19)
    assert Quality.STUCK in bits(store, Channel.PV_KWH, 18)


def test_a_longer_standstill_and_its_catch_up_are_missing_in_every_channel(store: Store) -> None:
    load: list[float | None] = [0.5, 0.6] * 24
    pv: list[float | None] = [0.2] * 48
    for hour in range(6, 10):
        load[24 + hour] = pv[24 + hour] = 0.0
    load[24 + 10], pv[24 + 10] = 2.5, 1.0
    report = fill(store, FakePeer(now=NOW, hours={LOAD: rows(load), PV: rows(pv)}))
    for channel in (Channel.LOAD_KWH, Channel.PV_KWH):
        found = hourly(store, channel)
        assert np.flatnonzero(np.isnan(found)).tolist() == [6, 7, 8, 9, 10]
        assert Quality.STUCK in bits(store, channel, 10)
    lost = [[item.energy_kwh for item in one.unassigned] for one in report.channels]
    assert lost == [[pytest.approx(2.5)], [pytest.approx(1.0)]]


def test_a_house_that_hardly_uses_anything_is_not_frozen(store: Store) -> None:
    # 0.01 kW on a meter of 0.1 kWh: one step every ten hours is what it should show.
    load: list[float | None] = [0.1 if i % 10 == 0 else 0.0 for i in range(48)]
    fill(store, FakePeer(now=NOW, hours={LOAD: rows(load), PV: rows(DAY * 2)}))
    assert hourly(store, Channel.LOAD_KWH) == pytest.approx(load[24:])
    assert Quality.STUCK not in bits(store, Channel.LOAD_KWH, 3)


def test_finer_statistics_stand_over_hourly_ones_in_any_order(store: Store) -> None:
    # The hour at 12:00 by 5-minute rows: the quarters differ, their sum is the hour's.
    fives = [(START + 12 * HOUR + timedelta(minutes=5 * i), 0.01 * i) for i in range(-1, 12)]
    hours = {LOAD: rows(DAY * 2), PV: rows(DAY * 2)}
    quarters = [0.01 * (0 + 1 + 2), 0.01 * (3 + 4 + 5), 0.01 * (6 + 7 + 8), 0.01 * (9 + 10 + 11)]
    coarse, fine = (
        FakePeer(now=NOW, hours=hours),
        FakePeer(now=NOW, hours=hours, fives={LOAD: fives}),
    )
    for peer in (coarse, fine, coarse):
        fill(store, peer)
    at = START + 12 * HOUR
    seen = store.observations("villa", ["load_kwh"], at, at + HOUR)
    assert seen.values[0].tolist() == pytest.approx(quarters)
    reading = store.latest("villa", "load_kwh", as_of=at + HOUR, not_before=at)
    assert reading is not None
    assert reading.provenance == Provenance.STATISTICS_5MIN


def test_live_readings_stay_and_missing_ones_are_filled(store: Store) -> None:
    slots = np.array([int(START.timestamp()), int(START.timestamp()) + 900])
    store.put_observations(
        "villa",
        "load_kwh",
        slots,
        np.array([0.777, np.nan]),
        known_at=START + HOUR,
        provenance=Provenance.LIVE,
    )
    fill(store, FakePeer(now=NOW, hours={LOAD: rows(DAY * 2), PV: rows(DAY * 2)}))
    seen = store.observations("villa", ["load_kwh"], START, START + HOUR)
    assert seen.values[0].tolist() == [0.777, 0.125, 0.125, 0.125]


def test_a_signed_sum_and_a_power(store: Store) -> None:
    sensors = Sensors(
        energy={
            Channel.LOAD_KWH: (Source(entity_id=LOAD), Source(entity_id="sensor.car", sign=-1)),
            Channel.IMPORT_KWH: (Source(entity_id="sensor.grid", part=Part.POSITIVE),),
            Channel.EXPORT_KWH: (Source(entity_id="sensor.grid", part=Part.NEGATIVE),),
        }
    )
    grid = [2.0, -1.5] * 24
    peer = FakePeer(
        now=NOW,
        hours={
            LOAD: rows([3.0] * 48),
            "sensor.car": rows([1.2] * 48),
            "sensor.grid": rows(list(grid)),
        },
        units={"sensor.grid": "kW"},
    )
    fill(store, peer, sensors)
    assert hourly(store, Channel.LOAD_KWH) == pytest.approx([1.8] * 24)
    assert hourly(store, Channel.IMPORT_KWH) == pytest.approx([2.0, 0.0] * 12)
    assert hourly(store, Channel.EXPORT_KWH) == pytest.approx([0.0, 1.5] * 12)


def test_a_sum_below_zero_is_missing_and_told(store: Store) -> None:
    sensors = Sensors(
        energy={Channel.LOAD_KWH: (Source(entity_id=LOAD), Source(entity_id="sensor.car", sign=-1))}
    )
    peer = FakePeer(now=NOW, hours={LOAD: rows([0.5] * 48), "sensor.car": rows([0.9] * 48)})
    fill(store, peer, sensors)
    assert np.isnan(hourly(store, Channel.LOAD_KWH)).all()
    assert Quality.SUSPECT in bits(store, Channel.LOAD_KWH, 0)


def test_a_derived_load_closes_the_balance(store: Store) -> None:
    energy = {
        Channel.PV_KWH: of(PV),
        Channel.IMPORT_KWH: of(IN),
        Channel.EXPORT_KWH: of(OUT),
        Channel.CHARGE_KWH: of("sensor.c"),
        Channel.DISCHARGE_KWH: of("sensor.d"),
    }
    sensors = Sensors(energy=energy, derived_load=True)
    hours = {PV: 2.0, IN: 1.0, OUT: 0.5, "sensor.c": 0.8, "sensor.d": 0.1}
    peer = FakePeer(now=NOW, hours={name: rows([kwh] * 48) for name, kwh in hours.items()})
    fill(store, peer, sensors)
    assert hourly(store, Channel.LOAD_KWH) == pytest.approx([2.0 + 1.0 + 0.1 - 0.5 - 0.8] * 24)
    assert Quality.DERIVED in bits(store, Channel.LOAD_KWH, 0)


def test_a_spike_is_missing_and_takes_back_what_a_looser_limit_let_in(store: Store) -> None:
    pv: list[float | None] = [1.0] * 48
    pv[24 + 12] = 6.5  # above 1.2 x 5 kW
    peer = FakePeer(now=NOW, hours={LOAD: rows(DAY * 2), PV: rows(pv)})
    end = START + 24 * HOUR
    backfill(store, peer, "villa", WIRED, Limits(), start=START, end=end, now=NOW)
    assert hourly(store, Channel.PV_KWH)[12] == pytest.approx(6.5)
    fill(store, peer)
    found = hourly(store, Channel.PV_KWH)
    assert np.flatnonzero(np.isnan(found)).tolist() == [12]
    assert Quality.SPIKE in bits(store, Channel.PV_KWH, 12)


def test_soc_from_hourly_means(store: Store) -> None:
    sensors = Sensors(energy={Channel.LOAD_KWH: of(LOAD)}, soc="sensor.soc")
    peer = FakePeer(
        now=NOW,
        hours={LOAD: rows(DAY * 2), "sensor.soc": rows([40.0] * 24 + [50.0] * 24)},
        units={"sensor.soc": "%"},
    )
    fill(store, peer, sensors)
    seen = store.observations("villa", ["soc_start", "soc_end"], START, START + HOUR)
    nan = pytest.approx(np.nan, nan_ok=True)
    assert seen.values[0].tolist() == [pytest.approx(0.45), nan, nan, nan]
    assert seen.values[1].tolist() == [nan, nan, nan, pytest.approx(0.5)]


def test_the_first_hour_of_a_power_is_not_trusted(store: Store) -> None:
    # Home Assistant may have seen five minutes of it.
    grid: list[float | None] = [1.0] * 48
    grid[24 + 3] = None
    sensors = Sensors(energy={Channel.IMPORT_KWH: of("sensor.grid")})
    peer = FakePeer(now=NOW, hours={"sensor.grid": rows(grid)}, units={"sensor.grid": "kW"})
    report = fill(store, peer, sensors)
    found = hourly(store, Channel.IMPORT_KWH)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3, 4]
    assert report.notes == ()


def test_what_has_no_rows_in_these_days_is_told_and_counted(store: Store) -> None:
    peer = FakePeer(now=NOW, hours={LOAD: rows(DAY * 2), PV: [(NOW - 5 * HOUR, 0.1)]})
    report = fill(store, peer)
    assert report.notes == (f"{PV}: Home Assistant has nothing of these days",)
    assert [(one.known, one.missing) for one in report.channels] == [(96, 0), (0, 96)]


def test_a_state_of_charge_in_watts_is_refused(store: Store) -> None:
    sensors = Sensors(energy={Channel.LOAD_KWH: of(LOAD)}, soc="sensor.grid")
    peer = FakePeer(
        now=NOW,
        hours={LOAD: rows(DAY), "sensor.grid": rows(DAY)},
        units={"sensor.grid": "kW"},
    )
    with pytest.raises(SensorError, match="is in kW, want the state of charge in percent"):
        fill(store, peer, sensors)


@pytest.mark.parametrize(
    ("unit", "match"), [("%", "is in %, want an energy"), ("kWh", "is unknown to Home Assistant")]
)
def test_an_entity_that_cannot_measure_energy(store: Store, unit: str, match: str) -> None:
    hours = {} if unit == "kWh" else {LOAD: rows(DAY), PV: rows(DAY)}
    peer = FakePeer(now=NOW, hours=hours, units={LOAD: unit})
    with pytest.raises(SensorError, match=match):
        fill(store, peer)


def test_a_meter_has_no_negative_part(store: Store) -> None:
    sensors = Sensors(energy={Channel.LOAD_KWH: (Source(entity_id=LOAD, part=Part.NEGATIVE),)})
    peer = FakePeer(now=NOW, hours={LOAD: rows(DAY * 2)})
    with pytest.raises(SensorError, match="is a meter with part negative"):
        fill(store, peer, sensors)


def test_the_reference_trusts_what_the_rules_take_as_it_stands() -> None:
    load: list[float | None] = [0.5, 0.6] * 24
    load[24 + 5], load[24 + 6], load[24 + 7] = None, None, 1.5  # a gap and its catch-up
    load[24 + 12] = 0.0  # stood still for one hour: kept
    pv: list[float | None] = [0.1] * 48
    pv[24 + 15] = 7.0  # more than the panels can
    peer = FakePeer(now=NOW, hours={LOAD: rows(load), PV: rows(pv)})
    found = hourly_reference(
        peer, WIRED, LIMITS, start=START, end=START + 24 * HOUR, now=START + 23.5 * HOUR
    )
    assert found.hour_start.size == 23
    assert found.channels == (Channel.LOAD_KWH, Channel.PV_KWH)
    load_row, pv_row = found.energy_kwh
    assert np.flatnonzero(np.isnan(load_row)).tolist() == [5, 6, 7]
    assert load_row[12] == 0.0
    assert np.flatnonzero(np.isnan(pv_row)).tolist() == [15]
    assert Quality(int(found.why[1, 15])) == Quality.SPIKE
    assert Quality.GAP in Quality(int(found.why[0, 7]))
