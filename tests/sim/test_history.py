"""What happened, and where everything is known: by hand on a villa whose every quarter is known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from mpc import Tariff
from sim.asof import BaselineForecasts
from sim.errors import KnownInputsError, ReplayError
from sim.history import Gap, Stretch, gap_free_stretches, realised, skipped_gaps
from sim.pairing import PricePairing
from sim.planning import known_inputs
from telemetry.errors import TimeError
from telemetry.home import Home
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import slot_range, to_epoch
from telemetry.store import Store
from tests.sim.test_planning import (
    CALIFORNIA,
    QUARTER,
    RATE,
    STOCKHOLM,
    VILLA,
    fill,
    load_of,
    make_model,
    midnight,
    new_store,
    price_of,
    put_days,
    put_price_day,
    put_prices,
    pv_of,
    slots_of,
    wall,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        yield store


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """15 October to 4 November 2025 of the villa; the clock goes back on the 26th."""
    path = new_store(tmp_path_factory.mktemp("autumn") / "facts.sqlite")
    with Store.open(path, system_id="test") as store:
        with store.transaction():
            fill(store, VILLA, date(2025, 10, 15), date(2025, 11, 5))
        yield store


def test_what_happened(autumn: Store) -> None:
    start, end = midnight(date(2025, 10, 25)), midnight(date(2025, 10, 27))
    tariff = Tariff(zone=STOCKHOLM, transfer_fee=0.25, energy_tax=0.5, vat=0.25, tax_credit=0.6)
    real = realised(autumn, make_model(tariff=tariff), start, end)
    # 24 h, 25 h and the 24 h that follow.
    assert (real.home_id, real.start, real.end) == ("villa", start, end)
    assert (real.slots, real.after, real.spot.size) == (196, 96, 292)
    clock = [wall(at) for at in slots_of(start, end + 24 * HOUR)]
    np.testing.assert_allclose(real.load_kwh, [load_of(q) for _, q, _ in clock], rtol=1e-12)
    np.testing.assert_allclose(real.pv_kwh, [pv_of(q) for _, q, _ in clock], atol=1e-12)
    spot = RATE * np.array([price_of(*when) for when in clock])
    np.testing.assert_allclose(real.spot, spot, rtol=1e-12)
    np.testing.assert_allclose(real.import_price, (spot + 0.75) * 1.25, rtol=1e-12)
    np.testing.assert_allclose(real.export_price, spot + 0.6, rtol=1e-12)


def test_settlement_periods_are_whole_at_both_ends(autumn: Store) -> None:
    """13:15 to 14:30: hours that began before the window or end after it are billed whole."""
    tariff = Tariff(zone=STOCKHOLM, import_settlement_minutes=60, export_settlement_minutes="month")
    start = datetime(2025, 10, 20, 11, 15, tzinfo=UTC)
    real = realised(autumn, make_model(tariff=tariff), start, start + 5 * QUARTER, after_hours=0)
    # 13:00 has the quarters 52..55, mean 53.5; 14:00 those to 59, mean 57.5; the day 0.20 EUR.
    want = RATE * (0.20 + np.array([53.5] * 3 + [57.5] * 2) / 10_000)
    np.testing.assert_allclose(real.import_price, want, rtol=1e-12)
    # October is stored from the 15th on: 17 days of 96 slots and, on the 26th, four slots more
    # (quarters 8 to 11 again, and the fold). It is the same month whatever the window.
    clock = [wall(at) for at in slots_of(midnight(date(2025, 10, 15)), midnight(date(2025, 11, 1)))]
    month = RATE * np.mean([price_of(*when) for when in clock])
    np.testing.assert_allclose(real.export_price, month, rtol=1e-12)
    later = realised(autumn, make_model(tariff=tariff), start + 240 * HOUR, start + 250 * HOUR)
    np.testing.assert_allclose(later.export_price, month, rtol=1e-12)


def test_a_hole_before_the_window_begins_the_period(empty: Store) -> None:
    """Prices are stored from 13:30 on: the hour is the mean of what there is."""
    empty.put_home(VILLA)
    days = (date(2025, 6, 12), date(2025, 6, 13))
    put_days(empty, VILLA, "load_kwh", load_of, days)
    put_days(empty, VILLA, "pv_kwh", pv_of, days)
    put_price_day(empty, days[0], value=lambda d, q, f: np.nan if q < 54 else price_of(d, q, f))
    tariff = Tariff(zone=STOCKHOLM, import_settlement_minutes=60)
    start = datetime(2025, 6, 12, 11, 45, tzinfo=UTC)
    real = realised(empty, make_model(tariff=tariff), start, start + QUARTER, after_hours=0)
    assert real.import_price[0] == pytest.approx(RATE * (0.12 + 54.5 / 10_000), rel=1e-12)


def test_a_paired_home_pays_the_prices_of_its_wall_clock(empty: Store) -> None:
    home = replace(VILLA, home_id="casa", zone=CALIFORNIA)
    empty.put_home(home)
    put_days(empty, home, "load_kwh", load_of, (date(2024, 6, 13), date(2024, 6, 15)))
    put_days(empty, home, "pv_kwh", pv_of, (date(2024, 6, 13), date(2024, 6, 15)))
    put_prices(empty, date(2025, 6, 11), date(2025, 6, 14))
    pairing = PricePairing(home_zone=CALIFORNIA, price_zone=STOCKHOLM, shift_days=364)
    start = midnight(date(2024, 6, 13), CALIFORNIA)
    real = realised(empty, make_model(home, pairing=pairing), start, start + 24 * HOUR)
    clock = [wall(at, CALIFORNIA) for at in slots_of(start, start + 48 * HOUR)]
    want = [RATE * price_of(day + timedelta(days=364), q) for day, q, _ in clock]
    np.testing.assert_allclose(real.spot, want, rtol=1e-12)


def test_a_home_without_panels_has_zeros(empty: Store) -> None:
    bare = Home(home_id="flat", zone=STOCKHOLM, area="SE4")
    empty.put_home(bare)
    put_days(empty, bare, "load_kwh", load_of, (date(2025, 6, 12), date(2025, 6, 14)))
    put_prices(empty, date(2025, 6, 12), date(2025, 6, 14))
    start = midnight(date(2025, 6, 12))
    assert not realised(empty, make_model(bare), start, start + 24 * HOUR).pv_kwh.any()


HOLE = datetime(2025, 6, 13, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize("channel", ["load_kwh", "pv_kwh", "price"])
def test_a_gap_is_refused_by_name(empty: Store, channel: str) -> None:
    """12:15 on the second of three days is missing, quarter 49: the day before it is whole."""
    start, end = midnight(date(2025, 6, 12)), midnight(date(2025, 6, 15))
    empty.put_home(VILLA)
    slots = slot_range(start, end)
    for name in ("load_kwh", "pv_kwh"):
        values = np.where((slots == to_epoch(HOLE)) & (channel == name), np.nan, 1.0)
        empty.put_observations(
            "villa", name, slots, values, known_at=slots + 900, provenance="import"
        )
    put_prices(empty, date(2025, 6, 12), date(2025, 6, 13))
    put_prices(empty, date(2025, 6, 14), date(2025, 6, 15))

    def holed(day: date, quarter: int, fold: int) -> float:
        gone = channel == "price" and quarter == 49
        return np.nan if gone else price_of(day, quarter, fold)

    put_price_day(empty, date(2025, 6, 13), value=holed)
    message = (
        rf"^home villa: {channel} of 2025-06-13T10:15:00\+00:00 is missing, the first of 1 slots "
        r"with gaps; choose another period, or import what is missing; the longest part of this "
        r"one without gaps, with the hours after it, is 2025-06-11T22:00:00\+00:00 to "
        r"2025-06-13T10:15:00\+00:00$"
    )
    with pytest.raises(ReplayError, match=message):
        realised(empty, make_model(), start, start + 48 * HOUR)


def test_a_pv_gap_is_bridged_where_that_is_asked_for(empty: Store) -> None:
    """0.2, two missing, 0.5: the line gives 0.3 and 0.4; half an hour is bridged, a quarter not."""
    start, end = midnight(date(2025, 6, 12)), midnight(date(2025, 6, 14))
    empty.put_home(VILLA)
    slots = slot_range(start, end)
    hole = int(np.flatnonzero(slots == to_epoch(midnight(date(2025, 6, 12)) + 5 * HOUR))[0])
    values = np.full(slots.size, 0.2)
    values[hole : hole + 3] = [np.nan, np.nan, 0.5]
    for name, series in (("load_kwh", np.ones(slots.size)), ("pv_kwh", values)):
        empty.put_observations(
            "villa", name, slots, series, known_at=slots + 900, provenance="import"
        )
    put_prices(empty, date(2025, 6, 12), date(2025, 6, 14))
    real = realised(empty, make_model(), start, start + 24 * HOUR, bridge_hours=0.5)
    assert real.bridged == 2
    np.testing.assert_allclose(real.pv_kwh[hole : hole + 3], [0.3, 0.4, 0.5])
    with pytest.raises(ReplayError, match=r"pv_kwh of .* is missing, the first of 2 slots"):
        realised(empty, make_model(), start, start + 24 * HOUR, bridge_hours=0.25)
    assert len(skipped_gaps(empty, make_model())) == 1
    assert skipped_gaps(empty, make_model(), bridge_hours=1.0) == ()


def test_nothing_at_all_is_refused(autumn: Store) -> None:
    start = midnight(date(2025, 7, 1))
    message = r"load_kwh of 2025-06-30T22:00:00\+00:00 is missing, .* or import what is missing$"
    with pytest.raises(ReplayError, match=message):
        realised(autumn, make_model(), start, start + HOUR)


def test_windows_that_are_none_are_refused(autumn: Store) -> None:
    start = midnight(date(2025, 10, 20))
    with pytest.raises(ReplayError, match=r"has no slot; choose an end after the start"):
        realised(autumn, make_model(), start, start)
    with pytest.raises(TimeError, match=r"a slot start: a whole quarter of an hour"):
        realised(autumn, make_model(), start + timedelta(minutes=1), start + HOUR)
    homeless = replace(make_model(), home=replace(VILLA, zone=None))
    with pytest.raises(KnownInputsError, match=r"home villa: its time zone is unknown; give"):
        realised(autumn, homeless, start, start + HOUR)


# Stretches


def test_one_stretch_after_the_history(autumn: Store) -> None:
    # The first observation is of the 15th; eight days later all is known to the end.
    want = Stretch(start=midnight(date(2025, 10, 23)), end=midnight(date(2025, 11, 5)))
    assert gap_free_stretches(autumn, make_model()) == (want,)
    assert skipped_gaps(autumn, make_model()) == ()
    # 23 October to 4 November are 13 days.
    assert gap_free_stretches(autumn, make_model(), least_days=13) == (want,)
    assert gap_free_stretches(autumn, make_model(), least_days=14) == ()
    (longer,) = gap_free_stretches(autumn, make_model(), history_days=3)
    assert longer.start == midnight(date(2025, 10, 18))


def test_a_stretch_can_be_replayed(autumn: Store) -> None:
    (stretch,) = gap_free_stretches(autumn, make_model())
    real = realised(autumn, make_model(), stretch.start, stretch.end - 24 * HOUR)
    # 13 days, one of them of 25 hours, less the last that follows.
    assert (real.slots, real.after) == (12 * 96 + 4, 96)
    known = BaselineForecasts(autumn, make_model(), real.start, real.end).known(0, 1)
    want = known_inputs(autumn, make_model(), stretch.start).horizon.load_kwh
    np.testing.assert_array_equal(known.load_kwh[0, :192], want)


@pytest.fixture
def patchy(empty: Store) -> Store:
    """1 to 30 June; no load on the 13th after 12:00, PV from the 3rd, no prices of the 25th."""
    empty.put_home(VILLA)
    with empty.transaction():
        put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 1), date(2025, 6, 13)))
        put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 14), date(2025, 7, 1)))
        morning = slot_range(midnight(date(2025, 6, 13)), datetime(2025, 6, 13, 10, tzinfo=UTC))
        empty.put_observations(
            "villa", "load_kwh", morning, np.ones(morning.size), known_at=morning + 900,
            provenance="import",
        )  # fmt: skip
        put_days(empty, VILLA, "pv_kwh", pv_of, (date(2025, 6, 3), date(2025, 7, 1)))
        put_prices(empty, date(2025, 6, 1), date(2025, 6, 25))
        put_prices(empty, date(2025, 6, 26), date(2025, 7, 1))
    return empty


def test_gaps_end_stretches_and_are_named(patchy: Store) -> None:
    def day(number: int) -> datetime:
        return midnight(date(2025, 6, 1)) + timedelta(days=number - 1)

    # PV begins on the 3rd: eight days later is the 11th. 11 and 12, 14 to 24, 26 to 30 are whole.
    whole = (
        Stretch(start=day(11), end=day(13)),
        Stretch(start=day(14), end=day(25)),
        Stretch(start=day(26), end=day(31)),
    )
    assert gap_free_stretches(patchy, make_model(), least_days=2) == whole
    assert gap_free_stretches(patchy, make_model()) == (whole[1],)
    assert skipped_gaps(patchy, make_model()) == (
        Gap(start=day(1), end=day(3), channel="pv_kwh"),
        Gap(start=day(13) + 12 * HOUR, end=day(14), channel="load_kwh"),
        Gap(start=day(25), end=day(26), channel="price"),
    )


def test_a_stretch_begins_where_a_plan_can_be_made(patchy: Store) -> None:
    # With no history asked for, the 3rd is whole, but PV is first seen on it: its quarters are
    # all known at the end of the day.
    (first, *_) = gap_free_stretches(patchy, make_model(), least_days=2, history_days=0)
    assert first == Stretch(start=midnight(date(2025, 6, 4)), end=midnight(date(2025, 6, 13)))


def test_days_that_are_excluded_are_left_out_on_demand(patchy: Store) -> None:
    def verdict(day: date, kind: DayClass) -> DayQuality:
        return DayQuality(
            local_date=day, day_start=midnight(day), day_class=kind, reference="none", slots=96,
            counts={}, reasons=(), checked_at=datetime(2025, 7, 1, tzinfo=UTC),
        )  # fmt: skip

    patchy.put_day_quality(
        "villa",
        [
            verdict(date(2025, 6, 20), DayClass.EXCLUDE),
            verdict(date(2025, 6, 22), DayClass.MASK_BATTERY),
        ],
    )
    model, bad = make_model(), midnight(date(2025, 6, 20))
    assert len(gap_free_stretches(patchy, model, least_days=5)) == 2
    starts = [
        stretch.start.astimezone(ZoneInfo(STOCKHOLM)).day
        for stretch in gap_free_stretches(patchy, model, least_days=4, without_excluded=True)
    ]
    assert starts == [14, 21, 26]
    gap = Gap(start=bad, end=bad + 24 * HOUR, channel="verdict")
    assert gap in skipped_gaps(patchy, model, without_excluded=True)
    assert gap not in skipped_gaps(patchy, model)


def test_a_home_without_load_or_pv_is_refused(empty: Store) -> None:
    empty.put_home(VILLA)
    with pytest.raises(ReplayError, match=r"home villa: no load_kwh is stored; import it"):
        gap_free_stretches(empty, make_model())
    put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 12), date(2025, 6, 13)))
    with pytest.raises(ReplayError, match=r"home villa: no pv_kwh is stored; import it"):
        skipped_gaps(empty, make_model())
