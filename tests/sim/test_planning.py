"""What could be known at a moment: nothing from later, and wall clocks wherever days are paired.

The made-up house repeats itself every local day, so that every forecast is known by hand: quarter
q of the wall clock (0..95) has ``load_of(q)`` and ``pv_of(q)``, and the price of a market day names
its day and its quarter.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import MissingHistoryError
from mpc import Planner, Tariff, terminal_curve
from sim.errors import KnownInputsError
from sim.pairing import PricePairing
from sim.planning import HomeModel, KnownInputs, known_inputs
from sim.unpublished import PriceForecast
from telemetry.errors import TimeError, UnknownHomeError
from telemetry.home import Home, Plane
from telemetry.slots import to_epoch
from telemetry.store import Store
from tests.mpc.instances import make_site

STOCKHOLM, CALIFORNIA = "Europe/Stockholm", "America/Los_Angeles"
RATE = 11.0
QUARTER = timedelta(minutes=15)
ROOF = (Plane(tilt_deg=40.0, azimuth_deg=180.0, peak_kw=6.0),)
VILLA = Home(home_id="villa", zone=STOCKHOLM, planes=ROOF, area="SE4")
THURSDAY = date(2025, 6, 12)
BEFORE_NEWS = datetime(2025, 6, 12, 13, 14, tzinfo=ZoneInfo(STOCKHOLM))
NEWS = datetime(2025, 6, 12, 13, 15, tzinfo=ZoneInfo(STOCKHOLM))
"""When the market publishes the prices of Friday the 13th: 11:15 UTC."""


@cache
def blank_store() -> bytes:
    """Return an empty store: copied, because migrations take 0.2 s each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.sqlite"
        Store.open(path).close()
        return path.read_bytes()


def new_store(path: Path) -> Path:
    """Make an empty store at a path."""
    path.write_bytes(blank_store())
    return path


def load_of(quarter: int) -> float:
    """Load of a quarter of the wall clock, kWh; each has its own."""
    return 0.25 + quarter / 512


def pv_of(quarter: int) -> float:
    """PV of a quarter of the wall clock, kWh: 06:00 to 18:00."""
    return max(0.0, 1.0 - abs(quarter - 48) / 24)


def price_of(day: date, quarter: int, fold: int = 0) -> float:
    """EUR/kWh that name the day, the quarter and the second of a doubled hour."""
    return day.day / 100 + quarter / 10_000 + fold / 1_000_000


def wall(moment: datetime, zone: str = STOCKHOLM) -> tuple[date, int, int]:
    """Return (local day, quarter of its wall clock, fold) by the standard library alone."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.date(), local.hour * 4 + local.minute // 15, local.fold


def midnight(day: date, zone: str = STOCKHOLM) -> datetime:
    """Return the UTC start of a local day."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def slots_of(start: datetime, end: datetime) -> list[datetime]:
    """Return the UTC starts of the slots in [start, end)."""
    return [start + k * QUARTER for k in range(int((end - start) / QUARTER))]


def put_days(
    store: Store, home: Home, channel: str, value: Callable[[int], float], days: tuple[date, date]
) -> None:
    """Write one channel for the local days in [first, last), each slot known at its end."""
    zone = str(home.zone)
    moments = slots_of(midnight(days[0], zone), midnight(days[1], zone))
    starts = np.array([to_epoch(moment) for moment in moments], dtype=np.int64)
    values = np.array([value(wall(moment, zone)[1]) for moment in moments])
    store.put_observations(
        home.home_id, channel, starts, values, known_at=starts + 900, provenance="import"
    )


def put_price_day(
    store: Store,
    day: date,
    *,
    area: str = "SE4",
    currency: str = "EUR",
    source: str = "market",
    value: Callable[[date, int, int], float] = price_of,
    assumed: bool = False,
) -> None:
    """Publish one market day at 13:15 market time of the day before."""
    zone = ZoneInfo(STOCKHOLM)
    eve = day - timedelta(days=1)
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    store.put_prices(
        area,
        source=source,
        currency=currency,
        start=begin,
        slot_minutes=15,
        values=np.array([value(*wall(moment)) for moment in slots_of(begin, end)]),
        issued_at=datetime(eve.year, eve.month, eve.day, 13, 15, tzinfo=zone),
        assumed=assumed,
    )


def put_prices(store: Store, first: date, last: date) -> None:
    """Publish the market days in [first, last), each on its eve."""
    for k in range((last - first).days):
        put_price_day(store, first + timedelta(days=k))


def fill(store: Store, home: Home, first: date, last: date) -> None:
    """Write load, PV and prices of the local days in [first, last)."""
    store.put_home(home)
    put_days(store, home, "load_kwh", load_of, (first, last))
    put_days(store, home, "pv_kwh", pv_of, (first, last))
    put_prices(store, first, last)


def make_model(home: Home = VILLA, **changes: object) -> HomeModel:
    """Return the house with a tariff that adds nothing to spot."""
    facts: dict[str, object] = {
        "home": home,
        "site": make_site(),
        "tariff": Tariff(zone=str(home.zone)),
        "price_area": "SE4",
        "exchange_rates": {"EUR": RATE},
    }
    return HomeModel(**(facts | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 to 14 June 2025 of the villa."""
    path = new_store(tmp_path_factory.mktemp("june") / "facts.sqlite")
    with Store.open(path, system_id="test") as store, store.transaction():
        fill(store, VILLA, date(2025, 6, 1), date(2025, 6, 15))
    return path


@pytest.fixture(scope="module")
def facts(june: Path) -> Iterator[Store]:
    """The same, opened for reading."""
    with Store.open(june, read_only=True) as store:
        yield store


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        yield store


def plan_json(inputs: KnownInputs) -> str:
    return Planner(make_site()).plan(inputs.horizon, soc_kwh=5.0).to_json()


def spot_at(inputs: KnownInputs, *local: int, zone: str = STOCKHOLM, fold: int = 0) -> float:
    """Return the spot price of the slot with a local wall clock."""
    year, month, day, hour, minute = local
    moment = datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold)
    return float(inputs.spot[inputs.horizon.starts.index(moment.astimezone(UTC))])


# What is known when


def test_tomorrow_is_unknown_a_minute_before_it_is_published(facts: Store) -> None:
    inputs = known_inputs(facts, make_model(), BEFORE_NEWS)
    # 11:00 UTC to midnight in Stockholm (22:00 UTC): 11 h of 4 quarters.
    assert inputs.published.tolist() == [True] * 44 + [False] * 148
    assert inputs.prices_until == datetime(2025, 6, 12, 22, tzinfo=UTC)
    # Unpublished slots show the 12th, published ones as well: the wall clock alone counts.
    want = [RATE * price_of(THURSDAY, wall(start)[1]) for start in inputs.horizon.starts]
    np.testing.assert_allclose(inputs.spot, want, rtol=1e-12)


def test_tomorrow_is_known_the_minute_it_is_published(facts: Store) -> None:
    inputs = known_inputs(facts, make_model(), NEWS)
    # 11:15 UTC to the midnight after tomorrow's: 34.75 h.
    assert inputs.published.tolist() == [True] * 139 + [False] * 53
    assert inputs.prices_until == datetime(2025, 6, 13, 22, tzinfo=UTC)
    want = []
    for start in inputs.horizon.starts:
        day, quarter, _ = wall(start)
        want.append(RATE * price_of(min(day, date(2025, 6, 13)), quarter))
    np.testing.assert_allclose(inputs.spot, want, rtol=1e-12)


def test_what_is_not_published_can_be_forecast_by_aurora(facts: Store) -> None:
    """The usual day of what was published before, by hand: the price grows by 0.01 a day."""
    model = make_model(price_forecast=PriceForecast.AURORA)
    inputs = known_inputs(facts, model, NEWS)
    assert inputs.published.tolist() == [True] * 139 + [False] * 53
    published = [price_of(*wall(start)[:2]) for start in inputs.horizon.starts[:139]]
    np.testing.assert_allclose(inputs.spot[:139], RATE * np.array(published), rtol=1e-12)
    # 1 to 13 June: workdays 2-6 and 9-13, mean 7.5, a Saturday, the 7th, and Sundays 1 and 8.
    saturday, sunday = 1 / 2 * (7.0 - 7.5), 2 / 3 * (4.5 - 7.5)
    base = (91.0 - saturday - 2 * sunday) / 13
    off = 13.0 - base  # on the 13th; the day before is one less, and weighs exp(-12) of it
    usual = base + saturday + off * 0.8 * np.exp(-(1 + np.arange(45)) / 4 / 48)
    quarters = [
        price_of(date(2025, 6, 1), wall(start)[1]) for start in inputs.horizon.starts[139:184]
    ]
    want = RATE * (np.array(quarters) + 0.01 * (usual - 1.0))
    np.testing.assert_allclose(inputs.spot[139:184], want, rtol=1e-5)


def test_all_published(facts: Store) -> None:
    inputs = known_inputs(facts, make_model(horizon_hours=24), NEWS)
    assert inputs.published.all()
    assert inputs.prices_until == inputs.horizon.end == datetime(2025, 6, 13, 11, 15, tzinfo=UTC)


def test_none_published_shows_the_newest_day(facts: Store) -> None:
    # The store ends with the 14th; at noon of the 15th nothing newer is known.
    at = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)
    inputs = known_inputs(facts, make_model(), at)
    assert not inputs.published.any()
    assert inputs.prices_until == inputs.horizon.start == at
    want = [RATE * price_of(date(2025, 6, 14), wall(s)[1]) for s in inputs.horizon.starts]
    np.testing.assert_allclose(inputs.spot, want, rtol=1e-12)


def test_a_hole_ends_the_unbroken_prices(empty: Store) -> None:
    empty.put_home(VILLA)
    put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
    put_days(empty, VILLA, "pv_kwh", pv_of, (date(2025, 6, 8), THURSDAY))
    put_prices(empty, date(2025, 6, 11), THURSDAY)

    def holed(day: date, quarter: int, fold: int) -> float:
        return np.nan if quarter == 60 else price_of(day, quarter, fold)

    put_price_day(empty, THURSDAY, value=holed)
    inputs = known_inputs(empty, make_model(), BEFORE_NEWS)
    # 15:00 CEST is 13:00 UTC, two hours after the start of the plan.
    assert inputs.prices_until == datetime(2025, 6, 12, 13, tzinfo=UTC)
    assert inputs.published.tolist() == [True] * 8 + [False] + [True] * 35 + [False] * 148
    assert inputs.spot[8] == pytest.approx(RATE * price_of(date(2025, 6, 11), 60), rel=1e-12)


@pytest.mark.parametrize("assumed", [False, True])
def test_assumed_issue_times_are_told(empty: Store, assumed: bool) -> None:  # noqa: FBT001
    empty.put_home(VILLA)
    put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
    put_days(empty, VILLA, "pv_kwh", pv_of, (date(2025, 6, 8), THURSDAY))
    put_prices(empty, date(2025, 6, 11), THURSDAY)
    put_price_day(empty, THURSDAY, assumed=assumed)
    assert known_inputs(empty, make_model(), NEWS).price_issued_assumed is assumed


@pytest.mark.parametrize("late", [0, 1, 899])
def test_the_first_slot_is_the_one_that_holds_the_moment(facts: Store, late: int) -> None:
    at = datetime(2025, 6, 12, 10, 30, tzinfo=UTC) + timedelta(seconds=late)
    inputs = known_inputs(facts, make_model(), at)
    assert inputs.as_of == at
    assert inputs.horizon.start == datetime(2025, 6, 12, 10, 30, tzinfo=UTC)
    assert inputs.horizon.end == datetime(2025, 6, 14, 10, 30, tzinfo=UTC)
    assert len(inputs.horizon) == inputs.spot.size == inputs.published.size == 192


def test_a_naive_moment_is_refused(facts: Store) -> None:
    with pytest.raises(TimeError, match="2025-06-12T10:30:00, want an aware datetime"):
        known_inputs(facts, make_model(), datetime(2025, 6, 12, 10, 30))  # noqa: DTZ001


def test_load_and_pv_are_those_of_the_wall_clock(facts: Store) -> None:
    inputs = known_inputs(facts, make_model(), BEFORE_NEWS)
    quarters = [wall(start)[1] for start in inputs.horizon.starts]
    np.testing.assert_allclose(inputs.horizon.load_kwh, [load_of(q) for q in quarters], rtol=1e-12)
    np.testing.assert_allclose(inputs.horizon.pv_kwh, [pv_of(q) for q in quarters], atol=1e-12)


def test_a_reading_counts_from_the_second_it_is_known(june: Path, tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    path.write_bytes(june.read_bytes())
    # The 11th's 13:00 slot moves from load_of(52) to 7 days * 1 kWh more, known a minute later.
    slot = np.array([to_epoch(datetime(2025, 6, 11, 11, 0, tzinfo=UTC))], dtype=np.int64)
    known = BEFORE_NEWS + timedelta(minutes=1)
    with Store.open(path) as store:
        model = make_model(load_days=7)
        store.put_observations(
            "villa", "load_kwh", slot, np.array([load_of(52) + 7.0]), known_at=known,
            provenance="live",
        )  # fmt: skip
        # Tomorrow at 13:00, seen at 13:15: the mean of 7 days, one of them 7 kWh more.
        seen = known_inputs(store, model, known).horizon
        at = seen.starts.index(datetime(2025, 6, 13, 11, tzinfo=UTC))
        assert np.asarray(seen.load_kwh)[at] == pytest.approx(load_of(52) + 1.0, rel=1e-12)


later_rows = st.lists(
    st.tuples(
        st.sampled_from(["load_kwh", "pv_kwh"]),
        st.integers(-40 * 96, 4 * 96),
        st.integers(1, 10**6),
        st.sampled_from([0.0, 3.0, 40.0, np.nan]),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[:2],
)


@pytest.fixture(scope="module")
def growing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Store, str, set[tuple[str, int]]]]:
    """A store with gaps that rows may fall into, its plan, and the slots that are taken."""
    path = new_store(tmp_path_factory.mktemp("growing") / "facts.sqlite")
    store = Store.open(path, system_id="test")
    with store.transaction():
        fill(store, VILLA, date(2025, 6, 7), THURSDAY)
        put_price_day(store, THURSDAY)
    reference = plan_json(known_inputs(store, make_model(), BEFORE_NEWS))
    begin, end = midnight(date(2025, 6, 7)), midnight(THURSDAY)
    now = to_epoch(BEFORE_NEWS) // 900
    taken = {
        (channel, to_epoch(slot) // 900 - now)
        for channel in ("load_kwh", "pv_kwh")
        for slot in slots_of(begin, end)
    }
    yield store, reference, taken
    store.close()


@settings(max_examples=25)
@given(rows=later_rows, day=st.integers(0, 3), price=st.floats(-1.0, 1.0))
def test_what_became_known_later_changes_nothing(
    growing: tuple[Store, str, set[tuple[str, int]]],
    rows: list[tuple[str, int, int, float]],
    day: int,
    price: float,
) -> None:
    """Rows fill gaps of the past as well as the future; prices are issued anew."""
    store, reference, taken = growing
    now, at = to_epoch(BEFORE_NEWS) // 900, to_epoch(BEFORE_NEWS)
    with store.transaction():
        for channel, offset, delay, value in rows:
            if (channel, offset) not in taken:
                store.put_observations(
                    "villa", channel, np.array([(now + offset) * 900]), np.array([value]),
                    known_at=np.array([at + delay]), provenance="live",
                )  # fmt: skip
        store.put_prices(
            "SE4", source="market", currency="EUR",
            start=midnight(THURSDAY + timedelta(days=day)), slot_minutes=60,
            values=np.full(24, price), issued_at=BEFORE_NEWS + timedelta(minutes=1),
        )  # fmt: skip
    assert plan_json(known_inputs(store, make_model(), BEFORE_NEWS)) == reference


def test_the_first_pv_of_a_bare_home_does_not_reach_back(empty: Store) -> None:
    """A home without panels gets some in July: its June plans stay as they were."""
    bare = replace(VILLA, planes=())
    empty.put_home(bare)
    put_days(empty, bare, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
    put_prices(empty, date(2025, 6, 10), date(2025, 6, 13))
    reference = plan_json(known_inputs(empty, make_model(bare), BEFORE_NEWS))
    put_days(empty, bare, "pv_kwh", pv_of, (date(2025, 7, 1), date(2025, 7, 8)))
    assert plan_json(known_inputs(empty, make_model(bare), BEFORE_NEWS)) == reference


# Horizon and daylight saving


@pytest.mark.parametrize("hours", [4, 48, 72])
def test_the_horizon_is_as_long_as_the_model_says(facts: Store, hours: int) -> None:
    inputs = known_inputs(facts, make_model(horizon_hours=hours), BEFORE_NEWS)
    assert len(inputs.horizon) == 4 * hours
    assert inputs.horizon.end - inputs.horizon.start == timedelta(hours=hours)


def test_the_end_is_valued_by_the_day_after_the_horizon(facts: Store) -> None:
    # A plan of 24 h is valued by its hours 24 to 48: exactly the second half of one of 48 h.
    short = known_inputs(facts, make_model(horizon_hours=24), NEWS).horizon
    long = known_inputs(facts, make_model(horizon_hours=48), NEWS).horizon
    day = replace(
        long,
        start=short.end,
        **{
            name: np.asarray(getattr(long, name))[96:]
            for name in ("slot_minutes", "import_price", "export_price", "load_kwh", "pv_kwh")
        },
    )
    want = terminal_curve(make_site(), day)
    got = short.terminal_value
    assert got is not None
    np.testing.assert_array_equal(got.price, want.price)  # type: ignore[union-attr]
    assert want.price.max() > 0.0


@pytest.fixture(scope="module")
def clock_changes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Eight days before each change of 2025, published until its own day."""
    path = new_store(tmp_path_factory.mktemp("dst") / "facts.sqlite")
    store = Store.open(path)
    with store.transaction():
        for first, change in (
            (date(2025, 3, 22), date(2025, 3, 30)),
            (date(2025, 10, 18), date(2025, 10, 26)),
        ):
            fill(store, VILLA, first, change)
            put_price_day(store, change)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("at", "want_local_end"),
    [
        # 48 h over a day of 23 h end an hour later on the wall, over one of 25 h an hour earlier.
        pytest.param(
            datetime(2025, 3, 29, 14, 0, tzinfo=UTC), "2025-03-31T16:00:00+02:00", id="23"
        ),
        pytest.param(
            datetime(2025, 10, 25, 14, 0, tzinfo=UTC), "2025-10-27T15:00:00+01:00", id="25"
        ),
    ],
)
def test_load_keeps_the_wall_clock_over_a_change(
    clock_changes: Store, at: datetime, want_local_end: str
) -> None:
    horizon = known_inputs(clock_changes, make_model(), at).horizon
    assert len(horizon) == 192
    assert horizon.end.astimezone(ZoneInfo(STOCKHOLM)).isoformat() == want_local_end
    quarters = [wall(start)[1] for start in horizon.starts]
    np.testing.assert_allclose(horizon.load_kwh, [load_of(q) for q in quarters], rtol=1e-12)
    np.testing.assert_allclose(horizon.pv_kwh, [pv_of(q) for q in quarters], atol=1e-12)


def test_unpublished_prices_after_the_missing_hour(clock_changes: Store) -> None:
    inputs = known_inputs(clock_changes, make_model(), datetime(2025, 3, 29, 14, 0, tzinfo=UTC))
    # 14:00 UTC to 22:00 UTC of the 30th (midnight CEST): 32 h.
    assert inputs.prices_until == datetime(2025, 3, 30, 22, tzinfo=UTC)
    saturday, sunday = date(2025, 3, 29), date(2025, 3, 30)
    # Monday 02:30 has no Sunday 02:30; Saturday's is the newest.
    assert spot_at(inputs, 2025, 3, 31, 2, 30) == pytest.approx(RATE * price_of(saturday, 10))
    assert spot_at(inputs, 2025, 3, 31, 3, 30) == pytest.approx(RATE * price_of(sunday, 14))
    assert spot_at(inputs, 2025, 3, 31, 1, 45) == pytest.approx(RATE * price_of(sunday, 7))


def test_unpublished_prices_after_the_doubled_hour(clock_changes: Store) -> None:
    inputs = known_inputs(clock_changes, make_model(), datetime(2025, 10, 25, 14, 0, tzinfo=UTC))
    # 14:00 UTC to 23:00 UTC of the 26th (midnight CET): 33 h.
    assert inputs.prices_until == datetime(2025, 10, 26, 23, tzinfo=UTC)
    sunday = date(2025, 10, 26)
    first, second = RATE * price_of(sunday, 10), RATE * price_of(sunday, 10, fold=1)
    assert spot_at(inputs, 2025, 10, 26, 2, 30) == pytest.approx(first, rel=1e-12)
    assert spot_at(inputs, 2025, 10, 26, 2, 30, fold=1) == pytest.approx(second, rel=1e-12)
    mean = 0.5 * (first + second)
    assert spot_at(inputs, 2025, 10, 27, 2, 30) == pytest.approx(mean, rel=1e-12)
    assert spot_at(inputs, 2025, 10, 27, 3, 30) == pytest.approx(RATE * price_of(sunday, 14))


# Currency, tariff and settlement


def test_euro_prices_are_paid_at_the_rate(facts: Store) -> None:
    tariff = Tariff(zone=STOCKHOLM, transfer_fee=0.25, energy_tax=0.5, vat=0.25, tax_credit=0.6)
    horizon = known_inputs(facts, make_model(tariff=tariff), BEFORE_NEWS).horizon
    # 13:00 on the 12th: 0.12 + 52/10000 = 0.1252 EUR, times 11 = 1.3772 SEK.
    assert np.asarray(horizon.import_price)[0] == pytest.approx((1.3772 + 0.75) * 1.25)
    assert np.asarray(horizon.export_price)[0] == pytest.approx(1.3772 + 0.6)


def test_prices_in_the_homes_own_currency_need_no_rate(facts: Store) -> None:
    model = make_model(replace(VILLA, currency="EUR"), exchange_rates={})
    assert known_inputs(facts, model, BEFORE_NEWS).spot[0] == pytest.approx(0.1252, rel=1e-12)


def test_a_currency_without_rate_is_refused(facts: Store) -> None:
    message = (
        r"^home villa: prices of SE4 are in EUR, the home pays in SEK; "
        r"give `exchange_rates: \{EUR: \.\.\.\}`, or that of SEK "
        r"where EUR is the top-level currency$"
    )
    with pytest.raises(KnownInputsError, match=message):
        known_inputs(facts, make_model(exchange_rates={"USD": 9.0}), NEWS)


@pytest.mark.parametrize(
    ("chosen", "want"),
    [
        pytest.param(None, 0.5, id="the home's own"),
        pytest.param("SEK", 0.5, id="SEK"),
        pytest.param("EUR", RATE * 0.1252, id="EUR"),
        pytest.param("NOK", 0.5, id="one that is not stored: the home's own"),
    ],
)
def test_of_two_currencies_the_preferred_one_counts_slot_by_slot(
    june: Path, tmp_path: Path, chosen: str | None, want: float
) -> None:
    path = tmp_path / "facts.sqlite"
    path.write_bytes(june.read_bytes())

    def until_two(_day: date, quarter: int, _fold: int) -> float:
        return 0.5 if quarter < 56 else np.nan

    with Store.open(path) as store:
        put_price_day(store, THURSDAY, currency="SEK", source="other", value=until_two)
        inputs = known_inputs(store, make_model(price_currency=chosen), BEFORE_NEWS)
    # 13:00 and 13:45 are there in both; 14:00, quarter 56, in EUR alone: 0.12 + 56/10000.
    assert inputs.spot[0] == pytest.approx(want, rel=1e-12)
    assert inputs.spot[4] == pytest.approx(RATE * 0.1256, rel=1e-12)
    assert inputs.prices_until == datetime(2025, 6, 12, 22, tzinfo=UTC)


def test_a_rate_is_asked_for_only_where_a_slot_needs_it(june: Path, tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    path.write_bytes(june.read_bytes())
    model = make_model(exchange_rates={})
    with Store.open(path) as store:
        with store.transaction():
            for day in range(1, 13):
                put_price_day(
                    store, date(2025, 6, day), currency="SEK", source="other",
                    value=lambda *_: 0.5,
                )  # fmt: skip
        assert known_inputs(store, model, BEFORE_NEWS).spot[0] == 0.5
        # A minute later the 13th is there, in EUR alone.
        with pytest.raises(KnownInputsError, match=r"are in EUR, the home pays in SEK"):
            known_inputs(store, model, NEWS)


@pytest.mark.parametrize(
    ("minute", "left"),
    [pytest.param(15, 3, id="one quarter gone"), pytest.param(50, 1, id="three quarters gone")],
)
def test_an_hour_is_settled_whole(facts: Store, minute: int, left: int) -> None:
    tariff = Tariff(zone=STOCKHOLM, import_settlement_minutes=60)
    at = datetime(2025, 6, 12, 11, minute, tzinfo=UTC)
    inputs = known_inputs(facts, make_model(tariff=tariff), at)
    buy, sell = np.asarray(inputs.horizon.import_price), np.asarray(inputs.horizon.export_price)
    # 13:00 to 14:00 are quarters 52..55, mean 53.5; the next hour 56..59, mean 57.5.
    whole = RATE * (0.12 + 53.5 / 10_000)
    np.testing.assert_allclose(buy[:left], whole, rtol=1e-12)
    np.testing.assert_allclose(buy[left : left + 4], RATE * (0.12 + 57.5 / 10_000), rtol=1e-12)
    np.testing.assert_array_equal(sell, inputs.spot)


def test_a_month_is_settled_whole(facts: Store) -> None:
    tariff = Tariff(zone=STOCKHOLM, export_settlement_minutes="month")
    inputs = known_inputs(facts, make_model(tariff=tariff), BEFORE_NEWS)
    # Known: days 1 to 12, and the 12th again for 13th, 14th and the 15th until 13:00 (52 slots):
    # the horizon of 48 h and the 24 h after it. Quarters of a day average 47.5, of 52 slots 25.5.
    days = sum(d / 100 for d in range(1, 13)) + 2 * 12 / 100
    total = 96 * (days + 14 * 47.5 / 10_000) + 52 * (12 / 100 + 25.5 / 10_000)
    mean = RATE * total / (14 * 96 + 52)
    np.testing.assert_allclose(inputs.horizon.export_price, mean, rtol=1e-12)
    np.testing.assert_array_equal(inputs.horizon.import_price, inputs.spot)


def test_a_month_begins_after_the_last_hole(empty: Store) -> None:
    """Prices are stored from the 10th on: the month's mean is that of what there is."""
    tariff = Tariff(zone=STOCKHOLM, import_settlement_minutes="month")
    empty.put_home(VILLA)
    put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
    put_days(empty, VILLA, "pv_kwh", pv_of, (date(2025, 6, 8), THURSDAY))
    put_prices(empty, date(2025, 6, 10), date(2025, 6, 13))
    horizon = known_inputs(empty, make_model(tariff=tariff), BEFORE_NEWS).horizon
    days = (10 + 11 + 12 + 2 * 12) / 100
    total = 96 * (days + 5 * 47.5 / 10_000) + 52 * (12 / 100 + 25.5 / 10_000)
    np.testing.assert_allclose(horizon.import_price, RATE * total / (5 * 96 + 52), rtol=1e-12)


def test_zero_and_negative_prices_survive(empty: Store) -> None:
    def odd(_day: date, quarter: int, _fold: int) -> float:
        return {52: 0.0, 53: -0.05}.get(quarter, 0.1)

    empty.put_home(VILLA)
    put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
    put_days(empty, VILLA, "pv_kwh", pv_of, (date(2025, 6, 8), THURSDAY))
    put_price_day(empty, THURSDAY, value=odd)
    inputs = known_inputs(empty, make_model(), BEFORE_NEWS)
    want = [RATE * odd(THURSDAY, wall(start)[1], 0) for start in inputs.horizon.starts]
    np.testing.assert_allclose(inputs.spot, want, rtol=1e-12)
    assert inputs.spot[:2].tolist() == [0.0, RATE * -0.05]  # published
    assert inputs.spot[96:98].tolist() == [0.0, RATE * -0.05]  # filled
    assert inputs.published[0]
    assert not inputs.published[96]


# Pairing


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A Californian home in June 2024 and its prices of June 2025, 364 days later."""
    path = new_store(tmp_path_factory.mktemp("far") / "facts.sqlite")
    store = Store.open(path)
    home = replace(VILLA, home_id="casa", zone=CALIFORNIA)
    with store.transaction():
        store.put_home(home)
        days = (date(2024, 6, 1), date(2024, 6, 15))
        put_days(store, home, "load_kwh", load_of, days)
        put_days(store, home, "pv_kwh", pv_of, days)
        put_prices(store, date(2025, 5, 31), date(2025, 6, 15))
    yield store
    store.close()


@pytest.mark.parametrize(
    ("minute", "days_known"), [pytest.param(14, 1, id="before"), pytest.param(15, 2, id="after")]
)
def test_a_paired_home_lives_by_its_own_clock(far: Store, minute: int, days_known: int) -> None:
    home = replace(VILLA, home_id="casa", zone=CALIFORNIA)
    pairing = PricePairing(home_zone=CALIFORNIA, price_zone=STOCKHOLM, shift_days=364)
    # Thursday 13 June 2024 + 364 days is Thursday 12 June 2025.
    at = datetime(2024, 6, 13, 13, minute, tzinfo=ZoneInfo(CALIFORNIA))
    inputs = known_inputs(far, make_model(home, pairing=pairing), at)
    newest = THURSDAY + timedelta(days=days_known - 1)
    want = []
    for start in inputs.horizon.starts:
        day, quarter, _ = wall(start, CALIFORNIA)
        want.append(RATE * price_of(min(day + timedelta(days=364), newest), quarter))
    np.testing.assert_allclose(inputs.spot, want, rtol=1e-12)
    # Midnight in California is 07:00 UTC.
    assert inputs.prices_until == datetime(2024, 6, 13 + days_known, 7, tzinfo=UTC)
    quarters = [wall(start, CALIFORNIA)[1] for start in inputs.horizon.starts]
    np.testing.assert_allclose(inputs.horizon.load_kwh, [load_of(q) for q in quarters], rtol=1e-12)


# What is missing


def test_a_home_without_panels_has_no_pv(facts: Store, june: Path, tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    path.write_bytes(june.read_bytes())
    flat = Home(home_id="flat", zone=STOCKHOLM, area="SE4")
    with Store.open(path) as store:
        store.put_home(flat)
        put_days(store, flat, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
        inputs = known_inputs(store, make_model(flat), BEFORE_NEWS)
    assert not np.asarray(inputs.horizon.pv_kwh).any()
    # One whose panels nobody described, but whose PV was recorded, has it.
    undescribed = make_model(replace(VILLA, planes=()))
    pv = np.asarray(known_inputs(facts, undescribed, BEFORE_NEWS).horizon.pv_kwh)
    assert pv.max() == pytest.approx(pv_of(48))


def test_panels_without_any_record_are_refused(empty: Store) -> None:
    empty.put_home(VILLA)
    put_days(empty, VILLA, "load_kwh", load_of, (date(2025, 6, 8), THURSDAY))
    put_prices(empty, date(2025, 6, 8), date(2025, 6, 13))
    with pytest.raises(MissingHistoryError, match=r"no pv_kwh at 13:00 .*import more history"):
        known_inputs(empty, make_model(), BEFORE_NEWS)


def test_too_little_load_is_refused(empty: Store) -> None:
    empty.put_home(VILLA)
    # Known from midnight until 13:00: the evening was never seen.
    moments = slots_of(midnight(THURSDAY), datetime(2025, 6, 12, 11, tzinfo=UTC))
    starts = np.array([to_epoch(moment) for moment in moments], dtype=np.int64)
    empty.put_observations(
        "villa", "load_kwh", starts, np.ones(starts.size), known_at=starts + 900,
        provenance="import",
    )  # fmt: skip
    put_prices(empty, date(2025, 6, 8), date(2025, 6, 13))
    message = (
        r"no load_kwh at 13:00 local time \(Europe/Stockholm\) in the last 28 days: "
        r"import more history"
    )
    with pytest.raises(MissingHistoryError, match=message):
        known_inputs(empty, make_model(), BEFORE_NEWS)


def test_a_day_of_load_is_enough(empty: Store) -> None:
    empty.put_home(VILLA)
    eve = (date(2025, 6, 11), THURSDAY)
    put_days(empty, VILLA, "load_kwh", load_of, eve)
    put_days(empty, VILLA, "pv_kwh", pv_of, eve)
    put_prices(empty, *eve)
    inputs = known_inputs(empty, make_model(), midnight(THURSDAY))
    assert np.asarray(inputs.horizon.load_kwh)[95] == pytest.approx(load_of(95))


def test_an_area_without_prices_is_refused(facts: Store) -> None:
    message = (
        r"^home villa: no prices of area SE3 were known at 2025-06-12T13:14:00\+02:00 for the days "
        r"from 2025-06-04; fetch them \(darkstar prices\), "
        r"import them \(darkstar import FILE\), or correct `area`$"
    )
    with pytest.raises(KnownInputsError, match=message):
        known_inputs(facts, make_model(price_area="SE3"), BEFORE_NEWS)


@pytest.mark.parametrize("at", [BEFORE_NEWS, NEWS, datetime(2025, 6, 12, 21, 59, tzinfo=UTC)])
def test_the_longest_horizon_has_prices_to_its_end(facts: Store, at: datetime) -> None:
    # 144 h and the 24 h after it: the last slot's wall clock was published on the 12th, 7 days ago.
    inputs = known_inputs(facts, make_model(horizon_hours=144), at)
    assert inputs.spot.shape == (144 * 4,)
    assert np.isfinite(inputs.spot).all()


def test_prices_too_old_are_refused(facts: Store) -> None:
    # Prices end with 14 June at 22:00 UTC; those of the 8 days before the 24th are read.
    with pytest.raises(KnownInputsError, match=r"no prices of area SE4 .* or correct `area`"):
        known_inputs(facts, make_model(), datetime(2025, 6, 24, 12, tzinfo=UTC))


def test_a_home_without_zone_is_refused(facts: Store) -> None:
    model = replace(make_model(), home=replace(VILLA, zone=None))
    with pytest.raises(KnownInputsError, match="home villa: its time zone is unknown; give `zone`"):
        known_inputs(facts, model, NEWS)


def test_a_home_the_store_does_not_have_is_named(facts: Store) -> None:
    with pytest.raises(UnknownHomeError, match="no home 'hut' in the store, want one of: villa"):
        known_inputs(facts, make_model(replace(VILLA, home_id="hut")), NEWS)
