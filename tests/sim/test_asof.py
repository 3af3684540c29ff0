"""Forecasts for a whole window equal what ``known_inputs`` gives slot by slot, blind to the future.

The referee is ``known_inputs`` itself, which reads the store anew at each moment. The store holds
parts of the demo year made unkind: readings known hours late, gaps, dusks without PV, a day of
prices that came late, one that was corrected, and one in another currency.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.asof import AsOfMean, Averaging
from forecast.errors import MissingHistoryError
from mpc import Horizon, PriceEntry, Tariff, TerminalCurve, terminal_curve
from mpc.jit import compiled
from sim.asof import BaselineForecasts, Forecasts, KnownForecasts, perfect, with_actual
from sim.asof_prices import KnownPrices, settled_as_of
from sim.demo import DemoYear, make_demo_year
from sim.errors import KnownInputsError, ReplayError
from sim.history import realised
from sim.pairing import PricePairing
from sim.planning import HomeModel, known_inputs
from sim.unpublished import PriceForecast
from telemetry.arrays import F64
from telemetry.csv_import import import_file
from telemetry.home import Home
from telemetry.slots import from_epoch, to_epoch
from telemetry.store import Store
from tests.sim.test_planning import (
    CALIFORNIA,
    QUARTER,
    STOCKHOLM,
    VILLA,
    fill,
    load_of,
    make_model,
    midnight,
    new_store,
    price_of,
    put_days,
    put_prices,
    pv_of,
)

SERIES = ("load_kwh", "pv_kwh", "import_price", "export_price")
TARIFFS = {
    "quarters": Tariff(
        zone=STOCKHOLM,
        transfer_fee=(PriceEntry(value=0.1), PriceEntry(value=0.6, hours=(6, 7, 8), weekdays=(0,))),
        vat=0.25,
        tax_credit=(PriceEntry(value=0.6), PriceEntry(value=0.0, valid_from=date(2025, 4, 1))),
    ),
    "hours": Tariff(zone=STOCKHOLM, import_settlement_minutes=60, energy_tax=0.4),
    "half hours": Tariff(
        zone=STOCKHOLM, import_settlement_minutes=30, export_settlement_minutes=60
    ),
    "months": Tariff(
        zone=STOCKHOLM, import_settlement_minutes=60, export_settlement_minutes="month"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Window:
    """A period of slots."""

    start: datetime
    end: datetime

    @property
    def slots(self) -> int:
        """How many there are."""
        return (self.end - self.start) // QUARTER


SPRING = Window(
    start=datetime(2025, 3, 26, 7, 45, tzinfo=UTC), end=datetime(2025, 4, 2, tzinfo=UTC)
)
AUTUMN = Window(
    start=datetime(2025, 10, 22, 22, 15, tzinfo=UTC), end=datetime(2025, 11, 2, 9, tzinfo=UTC)
)


@cache
def demo_year() -> DemoYear:
    return make_demo_year()


def put_demo(store: Store, first: date, last: date) -> None:
    """Write the local days in [first, last) of the demo year for the villa, made unkind."""
    year, rng = demo_year(), np.random.default_rng(first.toordinal())
    inside = (year.slot_start >= to_epoch(midnight(first))) & (
        year.slot_start < to_epoch(midnight(last))
    )
    slots = year.slot_start[inside]
    dusk = (slots // 900 % 96 >= 66) & (slots // 900 % 96 < 69)
    for channel, values in (("load_kwh", year.load_kwh), ("pv_kwh", year.pv_kwh)):
        seen = values[inside].copy()
        seen[rng.random(seen.size) < 0.1] = np.nan
        if channel == "pv_kwh":
            seen[dusk] = np.nan
        late = np.where(rng.random(seen.size) < 0.2, rng.integers(0, 80_000, seen.size), 0)
        store.put_observations(
            "villa", channel, slots, seen, known_at=slots + 900 + late, provenance="import"
        )
    prices = year.spot_eur_per_kwh[inside]
    for k in range((last - first).days):
        put_demo_prices(store, first + timedelta(days=k), slots, prices)


def put_demo_prices(store: Store, day: date, slots: np.ndarray, prices: F64) -> None:
    """Publish a day on its eve; every fifth late, every fourth corrected, every third in SEK."""
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    values = prices[(slots >= to_epoch(begin)) & (slots < to_epoch(end))]
    eve = begin - timedelta(hours=10, minutes=45)

    def put(currency: str, values: F64, issued_at: datetime) -> None:
        store.put_prices(
            "SE4", source="market", currency=currency, start=begin, slot_minutes=15,
            values=values, issued_at=issued_at,
        )  # fmt: skip

    put("EUR", values, begin + timedelta(hours=9, minutes=7) if day.day % 5 == 0 else eve)
    if day.day % 4 == 0:
        put("EUR", values[:40] + 0.01, begin + timedelta(hours=3))
    if day.day % 3 == 0:
        put("SEK", np.where(np.arange(values.size) % 7 == 0, np.nan, 9.0 * values), eve)


@pytest.fixture(scope="module")
def unkind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three weeks before each window of clock changes, and the window."""
    path = new_store(tmp_path_factory.mktemp("unkind") / "facts.sqlite")
    with Store.open(path, system_id="test") as store:
        with store.transaction():
            store.put_home(VILLA)
            put_demo(store, date(2025, 3, 8), date(2025, 4, 3))
            put_demo(store, date(2025, 10, 2), date(2025, 11, 3))
        yield store


def assert_known(
    store: Store, model: HomeModel, forecasts: Forecasts, at: datetime, n: int
) -> None:
    """Hold slot ``n``, which starts at ``at``, equal to what ``known_inputs`` gives there."""
    known = forecasts.known(n, 1)
    want = known_inputs(store, model, at).horizon
    size = len(want)
    assert known.load_kwh.shape == (1, size + 96)
    for name in SERIES:
        got = getattr(known, name)
        assert got.flags["C_CONTIGUOUS"]
        np.testing.assert_allclose(
            got[0, :size], np.asarray(getattr(want, name)), rtol=0.0, atol=1e-12, err_msg=name
        )
    after = Horizon(
        start=want.end,
        slot_minutes=15,
        **{name: getattr(known, name)[0, size:] for name in SERIES},
    )
    got, curve = terminal_curve(model.site, after), want.terminal_value
    assert isinstance(curve, TerminalCurve)
    np.testing.assert_allclose(got.price, curve.price, atol=1e-12)
    np.testing.assert_allclose(got.soc_kwh, curve.soc_kwh, atol=1e-12)


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile the kernels before a test that is timed does."""
    compiled(settled_as_of)(
        np.ones(1), np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.int64), 0, np.ones((1, 1))
    )
    AsOfMean(
        np.ones(1), np.zeros(1, np.int64), 0, zone="UTC", averaging=Averaging(1, 1, 96)
    ).profiles(np.zeros(1, np.int64))


@pytest.mark.parametrize("window", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("tariff", list(TARIFFS.values()), ids=list(TARIFFS))
@pytest.mark.parametrize("price_forecast", list(PriceForecast))
def test_every_slot_is_what_known_inputs_gives(
    unkind: Store, window: Window, tariff: Tariff, price_forecast: PriceForecast
) -> None:
    model = make_model(tariff=tariff, price_forecast=price_forecast)
    forecasts = BaselineForecasts(unkind, model, window.start, window.end)

    @settings(max_examples=20)
    @given(n=st.integers(0, window.slots - 1))
    def agree(n: int) -> None:
        assert_known(unkind, model, forecasts, window.start + n * QUARTER, n)

    agree()


@pytest.mark.parametrize("hour", range(20, 28))
@pytest.mark.parametrize("price_forecast", list(PriceForecast))
def test_every_quarter_around_the_doubled_hour(
    unkind: Store, hour: int, price_forecast: PriceForecast
) -> None:
    # 25 October 22:00 UTC is midnight; the clock goes back at 01:00 UTC.
    model = make_model(horizon_hours=24, price_forecast=price_forecast)
    start = datetime(2025, 10, 25, tzinfo=UTC) + timedelta(hours=hour)
    forecasts = BaselineForecasts(unkind, model, start, start + timedelta(hours=1))
    for n in range(4):
        assert_known(unkind, model, forecasts, start + n * QUARTER, n)


@pytest.mark.parametrize("tariff", list(TARIFFS.values()), ids=list(TARIFFS))
@pytest.mark.parametrize("price_forecast", list(PriceForecast))
def test_scenarios_are_around_what_is_known(
    unkind: Store, tariff: Tariff, price_forecast: PriceForecast
) -> None:
    model = make_model(tariff=tariff, price_forecast=price_forecast)
    prices = KnownPrices(unkind, model, AUTUMN.start, AUTUMN.end, 288, scenarios=5)
    for known, told in zip(prices.known(300, 130), prices.scenarios(300, 130), strict=True):
        assert told.shape == (130, 5, 288)
        np.testing.assert_allclose(told.mean(axis=1), known, rtol=0.0, atol=1e-12)
        apart = np.ptp(told[:, :, -1], axis=1) > 0.0
        assert apart.all() if price_forecast is PriceForecast.AURORA else not apart.any()
    # Of an hour that is published nothing is left to chance.
    assert np.ptp(prices.scenarios(300, 130)[0][:, :, 0], axis=1).max() < 1e-12


def test_chunks_join(unkind: Store) -> None:
    """However a window is cut, a slot knows the same; 13:15 market time lies within the chunks."""
    forecasts = BaselineForecasts(unkind, make_model(), SPRING.start, SPRING.end)
    whole = forecasts.known(0, 150)
    for first, count in ((0, 1), (1, 96), (97, 53)):
        part = forecasts.known(first, count)
        for name in SERIES:
            np.testing.assert_array_equal(
                getattr(part, name), getattr(whole, name)[first : first + count]
            )


@pytest.mark.parametrize("price_forecast", list(PriceForecast))
def test_a_home_from_elsewhere(tmp_path: Path, price_forecast: PriceForecast) -> None:
    """A Californian autumn of 2024 with Swedish prices of 2025; both clocks go back within it."""
    home = replace(VILLA, home_id="casa", zone=CALIFORNIA)
    pairing = PricePairing(home_zone=CALIFORNIA, price_zone=STOCKHOLM, shift_days=364)
    model = make_model(home, pairing=pairing, price_forecast=price_forecast)
    start, end = midnight(date(2024, 10, 26), CALIFORNIA), midnight(date(2024, 11, 5), CALIFORNIA)
    with Store.open(new_store(tmp_path / "facts.sqlite")) as store:
        with store.transaction():
            store.put_home(home)
            days = (date(2024, 10, 17), date(2024, 11, 6))
            put_days(store, home, "load_kwh", load_of, days)
            put_days(store, home, "pv_kwh", pv_of, days)
            put_prices(store, date(2025, 10, 16), date(2025, 11, 5))
            # Published while the home's clock reads 01:00 to 02:00 for the first, or second, time.
            change = midnight(date(2025, 11, 2))
            store.put_prices(
                "SE4", source="market", currency="EUR", start=change, slot_minutes=60,
                values=np.full(24, 0.5), issued_at=change + timedelta(hours=1, minutes=20),
            )  # fmt: skip
        forecasts = BaselineForecasts(store, model, start, end)
        # 3 November: midnight is 07:00 UTC, 8 days after the start plus 0 h; its hours 0 to 4.
        doubled = (midnight(date(2024, 11, 3), CALIFORNIA) - start) // QUARTER
        for n in [*range(0, 960, 53), *range(doubled, doubled + 20)]:
            assert_known(store, model, forecasts, start + n * QUARTER, n)


def test_the_first_pv_of_a_bare_home(tmp_path: Path) -> None:
    """No panels are described; PV is recorded from the 9th on, the first known at 00:15."""
    bare = replace(VILLA, planes=())
    start = midnight(date(2025, 6, 8))
    with Store.open(new_store(tmp_path / "facts.sqlite")) as store:
        store.put_home(bare)
        put_days(store, bare, "load_kwh", load_of, (date(2025, 6, 1), date(2025, 6, 12)))
        put_prices(store, date(2025, 6, 1), date(2025, 6, 12))
        model = make_model(bare)
        never = BaselineForecasts(store, model, start, start + timedelta(days=3))
        assert not never.known(0, 288).pv_kwh.any()
        put_days(store, bare, "pv_kwh", pv_of, (date(2025, 6, 9), date(2025, 6, 12)))
        forecasts = BaselineForecasts(store, model, start, start + timedelta(days=3))
        # Until the 9th, 00:00, it has none; then a day is needed to see every quarter.
        assert not forecasts.known(0, 97).pv_kwh.any()
        with pytest.raises(MissingHistoryError, match=r"no pv_kwh at 00:1.*2025-06-08T22:15"):
            forecasts.known(96, 2)
        assert_known(store, model, forecasts, start + 200 * QUARTER, 200)


# Blind to the future

later_rows = st.lists(
    st.tuples(
        st.sampled_from(["load_kwh", "pv_kwh"]),
        st.integers(-8 * 96, 3 * 96),
        st.integers(1, 10**6),
        st.sampled_from([0.0, 3.0, 40.0]),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda row: row[:2],
)
NOW = datetime(2025, 3, 30, 9, 30, tzinfo=UTC)


@cache
def holed() -> tuple[bytes, frozenset[tuple[str, int]]]:
    """Return a store of the villa to 30 March, and the slots that are taken, counted from NOW."""
    with tempfile.TemporaryDirectory() as folder:
        path = new_store(Path(folder) / "facts.sqlite")
        with Store.open(path) as store:
            with store.transaction():
                store.put_home(VILLA)
                put_demo(store, date(2025, 3, 18), date(2025, 3, 31))
            begin, end = midnight(date(2025, 3, 18)), midnight(date(2025, 3, 31))
            seen = store.observations("villa", ["load_kwh", "pv_kwh"], begin, end)
            taken = frozenset(
                (str(channel), int(slot - to_epoch(NOW)) // 900)
                for channel, row in zip(seen.channels, seen.values, strict=True)
                for slot in seen.slot_start[~np.isnan(row)].tolist()
            )
        return path.read_bytes(), taken


@settings(max_examples=15)
@given(
    rows=later_rows,
    day=st.integers(-1, 2),
    price=st.floats(-1.0, 1.0),
    price_forecast=st.sampled_from(PriceForecast),
)
def test_what_became_known_later_changes_nothing(
    rows: list[tuple[str, int, int, float]],
    day: int,
    price: float,
    price_forecast: PriceForecast,
) -> None:
    """Rows fill gaps of past and future, prices are issued anew: known after NOW, unseen at it."""
    blob, taken = holed()
    window = (NOW - 96 * QUARTER, NOW + 40 * QUARTER)
    model = make_model(price_forecast=price_forecast)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facts.sqlite"
        path.write_bytes(blob)
        with Store.open(path) as store:
            before = BaselineForecasts(store, model, *window).known(0, 97)
            with store.transaction():
                for channel, offset, delay, value in rows:
                    if (channel, offset) not in taken:
                        store.put_observations(
                            "villa", channel, np.array([to_epoch(NOW) + 900 * offset]),
                            np.array([value]), known_at=np.array([to_epoch(NOW) + delay]),
                            provenance="live",
                        )  # fmt: skip
                store.put_prices(
                    "SE4", source="market", currency="EUR",
                    start=midnight(date(2025, 3, 30) + timedelta(days=day)), slot_minutes=60,
                    values=np.full(23, price), issued_at=NOW + timedelta(seconds=1),
                )  # fmt: skip
            after = BaselineForecasts(store, model, *window)
            for name in SERIES:
                np.testing.assert_array_equal(
                    getattr(after.known(0, 97), name), getattr(before, name)
                )
            # The next slot sees the new prices of a day ahead of it.
            if day == 1:
                tomorrow = (midnight(date(2025, 3, 31)) - NOW) // QUARTER
                seen = after.known(97, 1).export_price[0, tomorrow - 1]
                assert seen == pytest.approx(11.0 * price)


# What is missing


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """1 to 12 June 2025 of the villa, every day alike but for the price."""
    with Store.open(new_store(tmp_path_factory.mktemp("june") / "facts.sqlite")) as store:
        with store.transaction():
            fill(store, VILLA, date(2025, 6, 1), date(2025, 6, 13))
        yield store


def test_too_little_load_names_the_slot(june: Store) -> None:
    start = midnight(date(2025, 6, 1)) + timedelta(hours=12)
    forecasts = BaselineForecasts(june, make_model(), start, start + timedelta(days=2))
    message = (
        r"no load_kwh at 12:00 local time \(Europe/Stockholm\) in the last 28 days: import more "
        r"history, or choose a period without 2025-06-01T10:00:00\+00:00, whose plan needs it"
    )
    with pytest.raises(MissingHistoryError, match=message):
        forecasts.known(0, 96)
    # The day's last quarter is seen at midnight, 48 slots on: from then on all are known.
    assert_known(june, make_model(), forecasts, start + 48 * QUARTER, 48)
    with pytest.raises(MissingHistoryError, match=r"no load_kwh at 23:45 .*2025-06-01T21:45"):
        forecasts.known(47, 10)


def test_no_prices_are_refused_as_by_known_inputs(june: Store) -> None:
    start = datetime(2025, 6, 24, 12, tzinfo=UTC)
    message = r"^home villa: no prices of area SE4 were known at 2025-06-24T12:00:00\+00:00"
    with pytest.raises(KnownInputsError, match=message):
        BaselineForecasts(june, make_model(), start, start + timedelta(hours=3))


def test_too_few_prices_name_the_first_slot(june: Store) -> None:
    # The prices of the 12th stand in for seven days, to the 19th; 48 + 24 h from the 17th, 00:00
    # (16th, 22:00 UTC), end with the 19th.
    start = datetime(2025, 6, 16, 20, tzinfo=UTC)
    message = r"no price at 00:00 .*choose a period without 2025-06-16T22:15:00\+00:00"
    with pytest.raises(MissingHistoryError, match=message):
        BaselineForecasts(june, make_model(), start, start + timedelta(hours=3))
    BaselineForecasts(june, make_model(), start, datetime(2025, 6, 16, 22, 15, tzinfo=UTC))


@pytest.mark.parametrize(("first", "count"), [(-1, 2), (0, 0), (90, 7)])
def test_slots_outside_the_window_are_refused(june: Store, first: int, count: int) -> None:
    start = midnight(date(2025, 6, 9))
    forecasts = BaselineForecasts(june, make_model(), start, start + timedelta(days=1))
    with pytest.raises(ReplayError, match=r"were asked for, the period has 96; ask for slots"):
        forecasts.known(first, count)


def test_an_empty_window_is_refused(june: Store) -> None:
    start = midnight(date(2025, 6, 9))
    with pytest.raises(ReplayError, match=r"has no slot; choose an end after the start"):
        BaselineForecasts(june, make_model(), start, start)


# What happened in place of what was known


class Flat:
    """Forecasts of 1, 2, 3, 4 in every slot, 5 ahead."""

    name = "flat"
    start = midnight(date(2025, 6, 10))

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return the same for every slot."""
        assert first >= 0
        given: dict[str, Any] = {n: np.full((count, 5), 1.0 + k) for k, n in enumerate(SERIES)}
        return KnownForecasts(**given)


def test_what_happened_replaces_what_was_known(june: Store) -> None:
    start = midnight(date(2025, 6, 10))
    # Two hours and one after them: 12 slots in all. At slot 9 three are known, then the forecast.
    real = realised(june, make_model(), start, start + timedelta(hours=2), after_hours=1)
    assert (real.slots, real.after) == (8, 4)
    load = [load_of(q) for q in (9, 10, 11)]
    price = [11.0 * price_of(date(2025, 6, 10), q) for q in (9, 10, 11)]
    known = with_actual(Flat(), real, load=True, pv=False)
    assert known.name == "flat+load"
    np.testing.assert_allclose(known.known(8, 2).load_kwh[1], [*load, 1.0, 1.0])
    assert (known.known(8, 2).pv_kwh == 2.0).all()
    both = with_actual(Flat(), real, load=True, pv=True)
    assert both.name == "flat+load+pv"
    np.testing.assert_allclose(both.known(9, 1).pv_kwh[0], [0.0, 0.0, 0.0, 2.0, 2.0])
    np.testing.assert_allclose(both.known(9, 1).import_price, 3.0)
    assert with_actual(Flat(), real, load=False, pv=True).name == "flat+pv"
    everything = perfect(Flat(), real)
    assert everything.name == "perfect"
    np.testing.assert_allclose(everything.known(9, 1).import_price[0], [*price, 3.0, 3.0])
    np.testing.assert_allclose(everything.known(9, 1).export_price[0], [*price, 4.0, 4.0])
    np.testing.assert_allclose(everything.known(9, 1).load_kwh[0], [*load, 1.0, 1.0])
    # Beyond the end of what is known nothing is replaced.
    assert (everything.known(12, 3).load_kwh == 1.0).all()


def test_nothing_replaced_is_the_same_forecasts(june: Store) -> None:
    start = midnight(date(2025, 6, 10))
    real = realised(june, make_model(), start, start + timedelta(hours=2), after_hours=1)
    flat = Flat()
    assert with_actual(flat, real, load=False, pv=False) is flat


def test_what_happened_elsewhere_replaces_nothing(june: Store) -> None:
    """Both count slots from their own start, so the start must be the same."""
    start = midnight(date(2025, 6, 10))
    end = start + timedelta(hours=2)
    real = realised(june, make_model(), start, end, after_hours=1)
    same = BaselineForecasts(june, make_model(), start, end)
    assert perfect(same, real).start == with_actual(same, real, load=True, pv=False).start == start
    other = BaselineForecasts(june, make_model(), start - QUARTER, end)
    message = r"'baseline' begin at 2025-06-09T21:45:00\+00:00, the window at 2025-06-09T22:00:00"
    with pytest.raises(ReplayError, match=message):
        perfect(other, real)
    with pytest.raises(ReplayError, match=message):
        with_actual(other, real, load=False, pv=True)


# The kernel by hand


def test_settlement_as_each_issue_sees_it() -> None:
    # Periods of four slots; the issues are slots 5 and 6 and look four ahead. Slot 5 sees its
    # period from slot 4 on, with 5 filled: mean(2, 4, 6, 8) = 5, then slot 8 alone: 10. Slot 6
    # finds slot 5 never published: its period begins with 6: mean(6, 8) = 7; then mean(10, 12).
    filled = np.array([0.0, 0.0, 0.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0])
    published = np.where(np.arange(10) == 5, np.nan, filled)
    keys = np.repeat(np.arange(3), 4)
    out = np.empty((2, 4))
    settled_as_of(published, filled, keys, np.array([4, 4]), 5, out)
    np.testing.assert_array_equal(out, [[5.0, 5.0, 5.0, 10.0], [7.0, 7.0, 11.0, 11.0]])


# Real data


@pytest.mark.real_data
@pytest.mark.parametrize("price_forecast", list(PriceForecast))
def test_the_home_in_skane(real_data: Path, tmp_path: Path, price_forecast: PriceForecast) -> None:
    """Hourly readings, known at the hour's end; prices with an assumed issue time."""
    home = Home(home_id="se4_darkstar", zone=STOCKHOLM, area="SE4")
    rng = np.random.default_rng(0)
    with Store.open(new_store(tmp_path / "facts.sqlite")) as store:
        for name in ("prices_se3_se4.csv.gz", "home_se4_hourly.csv.gz"):
            import_file(store, real_data / name, {home.home_id: home})
        load = store.coverage(home.home_id, "load_kwh")
        assert load is not None
        model = make_model(home, tariff=TARIFFS["quarters"], price_forecast=price_forecast)
        start = from_epoch(to_epoch(load.first) // 3600 * 3600) + timedelta(days=9)
        end = start + timedelta(days=60)
        forecasts = BaselineForecasts(store, model, start, end)
        for n in rng.integers(0, 60 * 96, 40).tolist():
            assert_known(store, model, forecasts, start + n * QUARTER, n)
