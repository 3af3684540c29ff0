"""A meter's advance is in the slots or told: across the parts of a backfill, in sums, in gaps."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from telemetry.backfill import BackfillReport, backfill
from telemetry.channels import Channel, Quality
from telemetry.home import Home
from telemetry.limits import Limits
from telemetry.sensors import Sensors, Source
from telemetry.store import Store
from tests.telemetry.fake_peer import FakePeer, Rows

START = datetime(2025, 7, 1, tzinfo=UTC)
NOW = datetime(2025, 12, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EDGE = START + 31 * DAY  # where the second part begins
LOAD, CAR = "sensor.load", "sensor.car"
LIMITS = Limits(import_kw=11.0, export_kw=11.0, pv_peak_kw=5.0, charge_kw=5.0, discharge_kw=5.0)
WIRED = Sensors(energy={Channel.LOAD_KWH: (Source(entity_id=LOAD),)})


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        opened.put_home(Home(home_id="villa", zone="Asia/Kolkata"))
        yield opened


def rows(values: Sequence[float | None]) -> Rows:
    """Hourly rows from a day before START."""
    stamped = ((START - DAY + i * HOUR, value) for i, value in enumerate(values))
    return [(at, value) for at, value in stamped if value is not None]


def fill(
    store: Store, peer: FakePeer, start: datetime, end: datetime, sensors: Sensors = WIRED
) -> BackfillReport:
    return backfill(store, peer, "villa", sensors, LIMITS, start=start, end=end, now=NOW)


def accounted(store: Store, report: BackfillReport, channel: Channel) -> float:
    """Energy in the slots and energy told, kWh."""
    seen = store.observations("villa", [channel], report.start, report.end)
    told = next(one.unassigned for one in report.channels if one.channel is channel)
    return float(np.nansum(seen.values)) + sum(item.energy_kwh for item in told)


def spoil(load: list[float | None], seed: int, edge: int) -> None:
    """A gap, a spike or a standstill at the edge; the meter loses nothing by it."""
    rng = random.Random(seed)  # noqa: S311 - data, not secrets
    first, length, kind = edge + rng.randint(-8, 6), rng.randint(1, 6), rng.choice("gap")
    held = sum(value for value in load[first : first + length + 1] if value is not None)
    if kind == "p":
        load[first] = 35.0
        return
    load[first : first + length] = [None if kind == "g" else 0.0] * length
    load[first + length] = held


@pytest.mark.parametrize("half", [0, 1], ids=["whole hours", "a half-hour zone"])
def test_no_energy_is_lost_or_told_twice_where_two_parts_meet(half: int) -> None:
    for seed in (4, 5, 10, 15, 23, 27, 36, 40, 45, 53):
        load: list[float | None] = [0.3 + 0.01 * (i % 50) for i in range(24 * 41)]
        spoil(load, seed, 24 * 32)
        start = START + half * HOUR / 2
        peer = FakePeer(now=NOW, hours={LOAD: rows(load)})
        with Store.open("sqlite://") as store:
            store.put_home(Home(home_id="villa", zone="Asia/Kolkata"))
            report = fill(store, peer, start, start + 38 * DAY)
            # The span takes half of its first hour and half of the hour after its last one.
            want = sum(value for value in load[24 : 24 * 39] if value is not None)
            want += half / 2 * ((load[24 * 39] or 0.0) - (load[24] or 0.0))
            assert accounted(store, report, Channel.LOAD_KWH) == pytest.approx(want), seed


def test_a_standstill_is_one_wherever_a_part_ends(store: Store) -> None:
    load: list[float | None] = [0.5, 0.6] * (12 * 41)
    edge = 24 * 32
    load[edge - 1 : edge + 5], load[edge + 5] = [0.0] * 6, 4.0
    fill(store, FakePeer(now=NOW, hours={LOAD: rows(load)}), START, START + 38 * DAY)
    seen = store.observations("villa", ["load_kwh"], EDGE - 2 * HOUR, EDGE + 7 * HOUR)
    sums = seen.values[0].reshape(-1, 4).sum(axis=1)
    assert np.flatnonzero(np.isnan(sums)).tolist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_tells_what_its_other_meters_counted_while_one_was_silent(
    store: Store, sign: int
) -> None:
    sources = (Source(entity_id=LOAD), Source(entity_id=CAR, sign=sign))
    car: list[float | None] = [0.5] * 48
    car[34:37], car[37] = [None] * 3, 2.0
    peer = FakePeer(now=NOW, hours={LOAD: rows([1.0] * 48), CAR: rows(car)})
    sensors = Sensors(energy={Channel.LOAD_KWH: sources})
    report = fill(store, peer, START, START + DAY, sensors)
    # 24 h of 1 kW and 24 h of 0.5 kW; four hours of both are in no slot.
    assert accounted(store, report, Channel.LOAD_KWH) == pytest.approx(24.0 + sign * 12.0)
    (told,) = report.channels[0].unassigned
    assert told.energy_kwh == pytest.approx(4.0 + sign * 2.0)
    assert Quality(told.why) == Quality.GAP


def test_what_a_sum_below_zero_takes_out_is_told(store: Store) -> None:
    sources = (Source(entity_id=LOAD), Source(entity_id=CAR, sign=-1))
    car: list[float | None] = [0.51] * 48  # steps of 0.01 kWh: no excuse for what follows
    car[40] = 1.51
    peer = FakePeer(now=NOW, hours={LOAD: rows([1.01] * 48), CAR: rows(car)})
    sensors = Sensors(energy={Channel.LOAD_KWH: sources})
    report = fill(store, peer, START, START + DAY, sensors)
    assert accounted(store, report, Channel.LOAD_KWH) == pytest.approx(24 * 1.01 - 24 * 0.51 - 1.0)
    (told,) = report.channels[0].unassigned
    assert told.energy_kwh == pytest.approx(-0.5)
    assert Quality(told.why) == Quality.SUSPECT


def test_a_derived_load_below_zero_by_less_than_its_meters_resolve_is_zero(store: Store) -> None:
    # Meters that tick at different moments: what PV gave is told as sold first.
    sold, pv = [0.3, 0.1] * 288, [0.2, 0.2] * 288
    stamps = [START - DAY + i * timedelta(minutes=5) for i in range(576)]
    names = (Channel.PV_KWH, Channel.EXPORT_KWH, Channel.IMPORT_KWH)
    values = (pv, sold, [0.0] * 576)
    fives: dict[str, Rows] = {
        f"sensor.{name}": list(zip(stamps, kwh, strict=True))
        for name, kwh in zip(names, values, strict=True)
    }
    sensors = Sensors(
        energy={name: (Source(entity_id=f"sensor.{name}"),) for name in names}, derived_load=True
    )
    peer = FakePeer(now=NOW, fives=fives)
    fill(store, peer, START, START + DAY, sensors)
    seen = store.observations("villa", ["load_kwh"], START, START + DAY)
    # In a quarter of three rows: 0.6 - (0.7 or 0.5).
    assert seen.values[0, :4] == pytest.approx([0.0, 0.1, 0.0, 0.1], abs=1e-9)
    assert not (seen.quality[0] & int(Quality.SUSPECT)).any()
