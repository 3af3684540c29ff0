"""The recorder: the slot that ended gets what was used in it, whenever the recorder ran."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.arrays import F64
from telemetry.channels import Channel, Provenance, Quality
from telemetry.errors import ClockError, PeerUnreachableError, SensorError, StoreError
from telemetry.home import Home
from telemetry.homeassistant.types import History
from telemetry.limits import Limits
from telemetry.record import record
from telemetry.sensors import Part, Sensors, Source
from telemetry.slots import local_day, slot_range
from telemetry.store import Store
from tests.telemetry.fake_peer import FakePeer, States

START = datetime(2025, 7, 1, 6, tzinfo=UTC)
MINUTE, QUARTER, HOUR = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1)
LATE = timedelta(seconds=20)
LOAD, SOC = "sensor.load", "sensor.soc"
WIRED = Sensors(energy={Channel.LOAD_KWH: (Source(entity_id=LOAD),)})
LIMITS = Limits(import_kw=11.0, export_kw=11.0, pv_peak_kw=0.0, charge_kw=0.0, discharge_kw=0.0)


def new_store() -> Store:
    store = Store.open("sqlite://")
    store.put_home(Home(home_id="villa", zone="Europe/Stockholm"))
    return store


@pytest.fixture
def store() -> Iterator[Store]:
    with new_store() as opened:
        yield opened


def meter(kwh: float, minutes: int, *, start: datetime = START - 2 * HOUR) -> States:
    """A meter that ticks every minute, ``kwh`` a minute."""
    return [(start + i * MINUTE, f"{1000 + kwh * i:.4f}") for i in range(minutes + 1)]


def run(store: Store, peer: FakePeer, at: datetime, sensors: Sensors = WIRED) -> None:
    peer.now = at
    record(store, peer, "villa", sensors, LIMITS, now=at)


def loads(store: Store, start: datetime, end: datetime) -> F64:
    return store.observations("villa", ["load_kwh"], start, end).of("load_kwh")


def test_the_elapsed_interval_is_filed_under_the_slot_that_elapsed(store: Store) -> None:
    # 0.01 kWh a minute until 06:00, 0.02 from then on.
    slow = meter(0.01, 120)
    fast = [(START + i * MINUTE, f"{1001.2 + 0.02 * i:.4f}") for i in range(1, 60)]
    peer = FakePeer(now=START, live={LOAD: [*slow, *fast]})
    run(store, peer, START + QUARTER + LATE)
    found = loads(store, START - QUARTER, START + 2 * QUARTER)
    assert found[:2] == pytest.approx([0.15, 0.30])
    assert np.isnan(found[2])
    reading = store.latest("villa", "load_kwh", as_of=START + QUARTER, not_before=START)
    assert reading is not None
    assert reading.provenance == Provenance.LIVE


def test_twice_changes_nothing(store: Store) -> None:
    peer = FakePeer(now=START + LATE, live={LOAD: meter(0.01, 240)})
    run(store, peer, START + LATE)
    again = record(store, peer, "villa", WIRED, LIMITS, now=START + LATE)
    assert [one.counts.changed for one in again.channels] == [0]


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), missed=st.sets(st.integers(1, 30)))
def test_any_runs_that_were_missed_leave_the_same_slots(seed: int, missed: set[int]) -> None:
    rng = random.Random(seed)  # noqa: S311 - data, not secrets
    at, kwh, states = START - 3 * HOUR, 1000.0, []
    while at < START + 9 * HOUR:
        states.append((at, f"{kwh:.1f}"))  # a meter with steps of 0.1 kWh
        at += timedelta(seconds=rng.choice([40, 300, 900, 2400]))
        kwh += rng.choice([0.0, 0.1, 0.1, 0.3])
    peer, end = FakePeer(now=START, live={LOAD: states}), START + 8 * HOUR
    with new_store() as often, new_store() as seldom:
        for turn in range(33):
            when = START + turn * QUARTER + LATE
            run(often, peer, when)
            if turn not in missed:
                run(seldom, peer, when)
        for one in (often, seldom):
            run(one, peer, end + QUARTER + LATE)
        first = START - HOUR
        assert loads(often, first, end) == pytest.approx(loads(seldom, first, end), nan_ok=True)


def test_all_energy_of_a_day_is_in_its_slots(store: Store) -> None:
    rng = random.Random(1)  # noqa: S311 - data, not secrets
    at, kwh, states = START - 2 * HOUR, 1000.0, []
    while at < START + 26 * HOUR:
        states.append((at, f"{kwh:.2f}"))
        at += timedelta(seconds=rng.uniform(5, 500))
        kwh += rng.choice([0.01, 0.02, 0.05])
    peer = FakePeer(now=START, live={LOAD: states})
    for turn in range(105):
        run(store, peer, START + turn * QUARTER + LATE)
    day = loads(store, START, START + 24 * HOUR)
    times = [when.timestamp() for when, _ in states]
    totals = [float(state) for _, state in states]
    edges = [START.timestamp(), (START + 24 * HOUR).timestamp()]
    begin, end = np.interp(edges, times, totals)
    assert day.sum() == pytest.approx(end - begin, abs=1e-9)


def test_the_long_local_day_has_a_hundred_slots(store: Store) -> None:
    start, end = local_day(datetime(2025, 10, 26, tzinfo=UTC).date(), "Europe/Stockholm")
    states = meter(0.01, 29 * 60, start=start - 2 * HOUR)
    peer = FakePeer(now=start, live={LOAD: states})
    at = start + QUARTER
    while at <= end:
        run(store, peer, at + LATE)
        at += QUARTER
    found = loads(store, start, end)
    assert found.size == 100
    assert found == pytest.approx([0.15] * 100)


def test_a_short_outage_is_spread_and_a_long_one_missing(store: Store) -> None:
    def with_outage(minutes: int) -> States:
        out = START + 5 * MINUTE + timedelta(seconds=1)  # just after a tick
        back = out + minutes * MINUTE
        kept = [(at, s) for at, s in meter(0.01, 420) if not out <= at < back]
        return sorted([*kept, (out, "unavailable"), (out + MINUTE, "unknown")])

    peer = FakePeer(now=START, live={LOAD: with_outage(30)})
    run(store, peer, START + 4 * HOUR + LATE)
    found = loads(store, START - HOUR, START + 4 * HOUR)
    assert found == pytest.approx([0.15] * 20, abs=1e-3)
    seen = store.observations("villa", ["load_kwh"], START, START + QUARTER)
    assert Quality.SPREAD in Quality(int(seen.quality[0, 0]))
    with new_store() as other:
        peer = FakePeer(now=START, live={LOAD: with_outage(90)})
        run(other, peer, START + 4 * HOUR + LATE)
        found = loads(other, START - HOUR, START + 4 * HOUR)
        # From 06:05 to 07:35: seven quarters touched.
        assert np.flatnonzero(np.isnan(found)).tolist() == [4, 5, 6, 7, 8, 9, 10]
        assert found[~np.isnan(found)] == pytest.approx([0.15] * 13, abs=1e-3)


def test_a_counter_that_resets_twice_loses_nothing(store: Store) -> None:
    parts = [
        (START - 2 * HOUR + i * MINUTE, f"{base + 0.01 * step:.2f}")
        for base, offset, count in ((1000.0, 0, 125), (0.0, 125, 20), (0.0, 145, 60))
        for step, i in enumerate(range(offset, offset + count))
    ]
    peer = FakePeer(now=START, live={LOAD: parts})
    run(store, peer, START + HOUR + LATE)
    found = loads(store, START, START + HOUR)
    # Each reset drops the step of its own minute (0.01 kWh): the new value counts from 0.
    assert found.sum() == pytest.approx(0.6 - 2 * 0.01)
    seen = store.observations("villa", ["load_kwh"], START, START + HOUR)
    assert Quality.RESET in Quality(int(seen.quality[0, 0]))


def test_a_sensor_that_vanishes_is_told_and_the_others_are_recorded(store: Store) -> None:
    sensors = Sensors(
        energy={
            Channel.LOAD_KWH: (Source(entity_id=LOAD),),
            Channel.PV_KWH: (Source(entity_id="sensor.gone"),),
            Channel.EV_KWH: (Source(entity_id="sensor.dead"),),
        }
    )
    peer = FakePeer(
        now=START + LATE,
        live={LOAD: meter(0.01, 240), "sensor.dead": [(START - HOUR, "unavailable")]},
    )
    report = record(store, peer, "villa", sensors, LIMITS, now=START + LATE)
    assert report.notes == (
        "sensor.dead is unavailable: its slots are missing",
        "sensor.gone is unknown to Home Assistant, want an entity that it has; "
        "did you mean sensor.load? Correct input_sensors",
    )
    channels = ["load_kwh", "pv_kwh", "ev_kwh"]
    seen = store.observations("villa", channels, START - HOUR, START)
    assert seen.values[0] == pytest.approx([0.15] * 4)
    assert np.isnan(seen.values[1:]).all()


def test_the_last_state_of_an_entity_that_is_gone_does_not_hold(store: Store) -> None:
    # It ticked until 05:30 and was gone after a restart: no row of its history says so.
    peer = FakePeer(now=START, live={LOAD: meter(0.01, 90)}, gone=frozenset({LOAD}))
    peer.now = START + LATE
    report = record(store, peer, "villa", WIRED, LIMITS, now=peer.now)
    found = loads(store, START - HOUR, START)
    assert found[:2] == pytest.approx([0.15, 0.15])
    assert np.isnan(found[2:]).all()
    assert (
        "sensor.load has gone from Home Assistant, its last state is of 2025-07-01 05:30"
        in (report.notes[0])
    )


def test_an_entity_that_is_shown_before_its_history_is_not_unknown(store: Store) -> None:
    # Home Assistant commits states every few seconds: a run right after its start sees none.
    at = START + LATE
    peer = FakePeer(now=at, live={LOAD: [(at, "1.0")]}, young=frozenset({LOAD}))
    report = record(store, peer, "villa", WIRED, LIMITS, now=at)
    assert report.notes == ("sensor.load has no history yet: its slots are missing",)
    assert np.isnan(loads(store, START - HOUR, START)).all()


def test_states_of_charge_and_switches(store: Store) -> None:
    sensors = Sensors(
        energy={Channel.LOAD_KWH: (Source(entity_id=LOAD),)},
        soc=SOC,
        vacation="input_boolean.away",
        alarm="alarm_control_panel.home",
    )
    peer = FakePeer(
        now=START,
        live={
            LOAD: meter(0.01, 240),
            SOC: [(START - HOUR, "40"), (START + 4 * MINUTE, "41"), (START + 14 * MINUTE, "42")],
            "input_boolean.away": [(START - HOUR, "off"), (START + 12 * MINUTE, "on")],
            "alarm_control_panel.home": [
                (START - HOUR, "disarmed"),
                (START + 6 * MINUTE, "armed_night"),
            ],
        },
        units={SOC: "%"},
    )
    run(store, peer, START + QUARTER + LATE, sensors)
    channels = ["soc_start", "soc_end", "vacation", "alarm_armed"]
    seen = store.observations("villa", channels, START, START + QUARTER)
    assert seen.values[:, 0] == pytest.approx([0.40, 0.42, 3 / 15, 9 / 15])


@pytest.mark.parametrize("kept_hours", [None, 1.5])
def test_a_history_that_is_gone_takes_nothing_back(store: Store, kept_hours: float | None) -> None:
    """Its database is made anew an hour and a half after ``START``, empty or from a backup."""
    sensors = Sensors(energy=WIRED.energy, soc=SOC)
    ticks = meter(0.01, 420)
    charge = [(at, f"{50 + n % 7}") for n, (at, _) in enumerate(ticks)]
    peer = FakePeer(now=START, live={LOAD: ticks, SOC: charge}, units={SOC: "%"})
    for turn in range(6):
        run(store, peer, START + turn * QUARTER + LATE, sensors)
    channels = ["load_kwh", "soc_start", "soc_end"]
    span = (START - HOUR, START + 5 * QUARTER)
    before = store.observations("villa", channels, *span).values
    assert np.isfinite(before).all()
    back = START + 90 * MINUTE
    until = back if kept_hours is None else START - timedelta(hours=kept_hours)
    for name in (LOAD, SOC):
        kept = [] if kept_hours is None else [s for s in peer.live[name] if s[0] < until]
        kept += [] if kept_hours is None else [(until, "unavailable")]
        peer.live[name] = [*kept, *(s for s in peer.live[name] if s[0] >= back)]
    run(store, peer, back + QUARTER + LATE, sensors)
    after = store.observations("villa", channels, *span).values
    assert after.tolist() == before.tolist()


@pytest.mark.parametrize("states", [(), ((START - 9 * HOUR, "unavailable"),)])
def test_one_side_of_a_power_that_is_silent_stops_nothing(store: Store, states: States) -> None:
    # Without a number Home Assistant tells no unit: whether it is a power is not known.
    class Silent(FakePeer):
        def _history(self, name: str, start: datetime, end: datetime) -> History:
            found = super()._history(name, start, end)
            return found if name == LOAD else replace(found, units=(None,) * len(found.states))

    battery = Source(entity_id="sensor.battery", part=Part.NEGATIVE)
    sensors = Sensors(energy={**WIRED.energy, Channel.CHARGE_KWH: (battery,)})
    live = {LOAD: meter(0.01, 240), "sensor.battery": states}
    run(store, Silent(now=START, live=live), START + LATE, sensors)
    assert loads(store, START - HOUR, START) == pytest.approx([0.15] * 4)
    seen = store.observations("villa", ["charge_kwh"], START - HOUR, START)
    assert np.isnan(seen.values).all()


def week_before(store: Store, kwh: float, end: datetime) -> None:
    """A recorded week: the typical load is known."""
    slots = slot_range(end - timedelta(days=7), end)
    store.put_observations(
        "villa", "load_kwh", slots, np.full(slots.size, kwh), known_at=end, provenance="live"
    )


def test_a_coarse_meter_that_rests_at_night_was_read(store: Store) -> None:
    # 0.5 kW on most days; now 1 kWh in seven hours, on a meter that shows whole kWh.
    ticks = [START + i * 7 * HOUR for i in range(-2, 2)]
    states = [(at, f"{1000 + i}") for i, at in enumerate(ticks)]
    week_before(store, 0.5 / 4, START - 10 * HOUR)
    sensors = Sensors(energy={**WIRED.energy, Channel.EV_KWH: (Source(entity_id="sensor.car"),)})
    car = meter(0.01, 20 * 60, start=START - 11 * HOUR)
    peer = FakePeer(now=START, live={LOAD: states, "sensor.car": car})
    for turn in range(-36, 36):
        run(store, peer, START + turn * QUARTER + LATE, sensors)
    found = loads(store, START - 9 * HOUR, START + 8 * HOUR)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(3.0)  # at -7 h, 0 h and 7 h


def frozen_for_hours(back: datetime) -> States:
    """A meter of 0.008 kWh a minute that was not read in the four hours before ``back``."""
    ticks = meter(0.008, 780, start=START - 6 * HOUR)
    return [(at, state) for at, state in ticks if not back - 4 * HOUR <= at < back]


@pytest.mark.parametrize("minutes", [0, 1, 3, 5, 9, 14])
def test_the_catch_up_after_a_standstill_is_never_taken_for_a_load(
    store: Store, minutes: int
) -> None:
    back = START + minutes * MINUTE
    week_before(store, 0.12, START - 5 * HOUR)
    peer = FakePeer(now=START, live={LOAD: frozen_for_hours(back)})
    for turn in range(-20, 24):
        run(store, peer, START + turn * QUARTER + LATE)
    found = loads(store, START - 5 * HOUR, START + 4 * HOUR)
    # 1.92 kWh came at once, less than would be a spike.
    assert found[np.isfinite(found)].max() <= 0.12 + 1e-9
    assert np.isnan(found[8:20]).all()


def every_five_minutes(out: datetime, back: datetime) -> States:
    """A meter of 0.04 kWh in 5 minutes, not read after ``out`` until ``back``; it counts on."""
    ticks = [out + n * 5 * MINUTE for n in range(-70, 1)]
    ticks += [back + n * 5 * MINUTE for n in range(70)]
    return [(at, f"{1000 + 0.04 * ((at - ticks[0]) / (5 * MINUTE)):.3f}") for at in ticks]


@pytest.mark.parametrize(
    ("out", "minutes", "missing"),
    [
        pytest.param(timedelta(seconds=0.02), 65.1, range(5), id="some ms into a slot"),
        pytest.param(timedelta(seconds=-0.02), 65.1, range(-1, 5), id="some ms before it"),
        pytest.param(timedelta(minutes=7), 66.0, range(5), id="in the midst of a slot"),
        pytest.param(timedelta(minutes=4), 80.0, range(6), id="for longer"),
    ],
)
def test_a_standstill_is_measured_in_time_not_in_whole_slots(
    store: Store, out: timedelta, minutes: float, missing: range
) -> None:
    """Home Assistant was dead for a bit more than an hour: neither zeros nor a lump are a load."""
    states = every_five_minutes(START + out, START + out + timedelta(minutes=minutes))
    week_before(store, 0.12, START - 5 * HOUR)
    peer = FakePeer(now=START, live={LOAD: states})
    with new_store() as late:
        week_before(late, 0.12, START - 5 * HOUR)
        for turn in range(-16, 13):
            run(store, peer, START + turn * QUARTER + LATE)
        for turn in (-16, 12):
            run(late, peer, START + turn * QUARTER + LATE)
        for one in (store, late):
            found = loads(one, START - 2 * HOUR, START + 11 * QUARTER)
            assert (np.flatnonzero(np.isnan(found)) - 8).tolist() == list(missing)
            assert found[np.isfinite(found)] == pytest.approx(0.12, abs=1e-4)


def test_a_load_that_rests_for_an_hour_by_its_meter_s_step_was_read(store: Store) -> None:
    """0.2 kWh a tick, one in 66 minutes, where the house typically uses 0.2 kW: it may be so."""
    ticks = [START + n * timedelta(minutes=66) for n in range(-5, 6)]
    states = [(at, f"{1000 + 0.2 * n:.1f}") for n, at in enumerate(ticks)]
    week_before(store, 0.05, START - 4 * HOUR)
    sensors = Sensors(energy={**WIRED.energy, Channel.EV_KWH: (Source(entity_id="sensor.car"),)})
    live = {LOAD: states, "sensor.car": meter(0.01, 600, start=START - 4 * HOUR)}
    for turn in range(-12, 20):
        run(store, FakePeer(now=START, live=live), START + turn * QUARTER + LATE, sensors)
    found = loads(store, START - 2 * HOUR, START + 4 * HOUR)
    assert np.isfinite(found).all()


def test_a_catch_up_is_not_taken_for_the_step_of_the_meter(store: Store) -> None:
    # The car goes on, so that the recorder looks back two hours only: the first window in which
    # the load moves again holds its catch-up and nothing else.
    ticks = meter(0.008, 780, start=START - 6 * HOUR)
    back = START + 4 * MINUTE
    states = [(at, s) for at, s in ticks if not back - 5 * HOUR <= at < back]
    week_before(store, 0.12, START - 5 * HOUR)
    car = Source(entity_id="sensor.car")
    sensors = Sensors(energy={**WIRED.energy, Channel.EV_KWH: (car,)})
    live = {LOAD: states, "sensor.car": meter(0.01, 780, start=START - 6 * HOUR)}
    peer = FakePeer(now=START, live=live)
    for turn in range(-20, 1):
        run(store, peer, START + turn * QUARTER + LATE, sensors)
    peer.live[LOAD] = [(at, s) for at, s in states if at <= back]
    run(store, peer, START + QUARTER + LATE, sensors)
    assert np.isnan(loads(store, START - 4 * HOUR, START + QUARTER)).all()


def test_zeros_of_a_restart_that_took_long_are_taken_back(store: Store) -> None:
    ticks = meter(0.02, 780, start=START - 6 * HOUR)
    states = [(at, state) for at, state in ticks if not START <= at < START + 90 * MINUTE]
    peer = FakePeer(now=START, live={LOAD: sorted([*states, (START, "0")])})
    with new_store() as late:
        for turn in range(-12, 24):
            run(store, peer, START + turn * QUARTER + LATE)
        for turn in (-12, 23):
            run(late, peer, START + turn * QUARTER + LATE)
        span = (START - HOUR, START + 4 * HOUR)
        assert loads(store, *span) == pytest.approx(loads(late, *span), nan_ok=True)
        assert np.isnan(loads(store, START, START + 90 * MINUTE)).all()


def test_a_state_of_charge_in_watts_is_refused(store: Store) -> None:
    sensors = Sensors(energy={Channel.LOAD_KWH: (Source(entity_id=LOAD),)}, soc="sensor.grid")
    live = {LOAD: meter(0.01, 240), "sensor.grid": [(START - HOUR, "428")]}
    peer = FakePeer(now=START + LATE, live=live, units={"sensor.grid": "W"})
    with pytest.raises(SensorError, match=r"is in W, want the state of charge in percent \(%\)"):
        record(store, peer, "villa", sensors, LIMITS, now=START + LATE)


def test_a_past_that_was_backfilled_is_no_pause_of_the_recorder(store: Store) -> None:
    slots = np.array([int((START - timedelta(days=30)).timestamp())])
    store.put_observations(
        "villa", "load_kwh", slots, np.ones(1), known_at=START, provenance="statistics_hourly"
    )
    peer = FakePeer(now=START + LATE, live={LOAD: meter(0.01, 240)})
    report = record(store, peer, "villa", WIRED, LIMITS, now=START + LATE)
    assert (report.start, report.notes) == (START - timedelta(days=1), ())


def test_a_signed_power_serves_both_directions(store: Store) -> None:
    sensors = Sensors(
        energy={
            Channel.IMPORT_KWH: (Source(entity_id="sensor.grid", part=Part.POSITIVE),),
            Channel.EXPORT_KWH: (Source(entity_id="sensor.grid", part=Part.NEGATIVE),),
        }
    )
    grid = [(START - HOUR, "2.0"), (START + 5 * MINUTE, "-3.0"), (START + 11 * MINUTE, "0.0")]
    peer = FakePeer(now=START, live={"sensor.grid": grid}, units={"sensor.grid": "kW"})
    run(store, peer, START + QUARTER + LATE, sensors)
    seen = store.observations("villa", ["import_kwh", "export_kwh"], START, START + QUARTER)
    assert seen.values[:, 0] == pytest.approx([2.0 * 5 / 60, 3.0 * 6 / 60])


def test_a_power_that_blinks_is_as_good_as_any(store: Store) -> None:
    # A reconnect of five seconds in every quarter; spread, an hourly mean would replace it.
    power = Sensors(energy={Channel.IMPORT_KWH: (Source(entity_id="sensor.grid"),)})
    quarters = [START + i * QUARTER for i in range(-8, 2)]
    blinks = [(at + MINUTE, "unavailable") for at in quarters]
    back = [(at + MINUTE + timedelta(seconds=5), "2.0") for at in quarters]
    peer = FakePeer(now=START, live={"sensor.grid": sorted([*blinks, *back])})
    peer.units["sensor.grid"] = "kW"
    run(store, peer, START + LATE, power)
    reading = store.latest("villa", "import_kwh", as_of=START, not_before=START - HOUR)
    assert reading is not None
    assert reading.slot_start == START - QUARTER
    assert reading.value == pytest.approx(0.5)
    assert (reading.provenance, reading.quality) == (Provenance.LIVE, Quality.OK)


def test_a_clock_an_hour_off_is_refused_before_anything_is_written(store: Store) -> None:
    peer = FakePeer(now=START + HOUR, live={LOAD: meter(0.01, 240)})
    with pytest.raises(ClockError, match="07:00:00 UTC, this machine's 2025-07-01 06:00:00"):
        record(store, peer, "villa", WIRED, LIMITS, now=START)
    assert store.coverage("villa", "load_kwh") is None


def test_a_sensor_in_a_wrong_unit_is_refused(store: Store) -> None:
    peer = FakePeer(now=START + LATE, live={LOAD: meter(1.0, 240)}, units={LOAD: "m³"})
    with pytest.raises(SensorError, match="is in m³, want an energy"):
        record(store, peer, "villa", WIRED, LIMITS, now=START + LATE)


def test_a_wiring_of_which_nothing_is_known_is_refused(store: Store) -> None:
    peer = FakePeer(now=START + LATE)
    with pytest.raises(SensorError, match=r"sensor\.load is unknown to Home Assistant"):
        record(store, peer, "villa", WIRED, LIMITS, now=START + LATE)


def test_a_cut_connection_loses_nothing(store: Store) -> None:
    peer = FakePeer(now=START, live={LOAD: meter(0.01, 400)})
    run(store, peer, START + LATE)
    before = loads(store, START - HOUR, START)

    class Cut(FakePeer):
        def history(
            self, entity_ids: Sequence[str], start: datetime, end: datetime
        ) -> Mapping[str, History]:
            raise PeerUnreachableError(str(entity_ids), f"cut off at {start}", f"wait, {end}")

    with pytest.raises(PeerUnreachableError, match="cut off"):
        record(store, Cut(now=START + QUARTER), "villa", WIRED, LIMITS, now=START + QUARTER)
    assert loads(store, START - HOUR, START) == pytest.approx(before)
    run(store, peer, START + 2 * QUARTER + LATE)
    assert loads(store, START - HOUR, START + 2 * QUARTER) == pytest.approx([0.15] * 6)


def test_a_full_disk_loses_nothing_and_the_next_run_catches_up(tmp_path: Path) -> None:
    peer = FakePeer(now=START, live={LOAD: meter(0.01, 60 * 30)})
    with Store.open(tmp_path / "store.sqlite") as store:
        store.put_home(Home(home_id="villa", zone="Europe/Stockholm"))
        run(store, peer, START + LATE)
        before = loads(store, START - HOUR, START)
        with store._engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes the present size
        later = START + 24 * HOUR + LATE
        with pytest.raises(StoreError, match="the disk is full"):
            run(store, peer, later)
        assert loads(store, START - HOUR, START) == pytest.approx(before)
        assert np.isnan(loads(store, START, START + 24 * HOUR)).all()
        with store._engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        run(store, peer, later)
        assert loads(store, START - HOUR, START + 24 * HOUR) == pytest.approx([0.15] * 100)


def test_a_pause_longer_than_the_history_says_how_to_fill_it(store: Store) -> None:
    peer = FakePeer(now=START, live={LOAD: meter(0.01, 60 * 24 * 10)})
    run(store, peer, START + LATE)
    later = START + timedelta(days=8)
    peer.now = later + LATE
    report = record(store, peer, "villa", WIRED, LIMITS, now=later + LATE)
    assert report.start == later - timedelta(days=7)
    assert "darkstar backfill --start-date 2025-07-01" in report.notes[0]
