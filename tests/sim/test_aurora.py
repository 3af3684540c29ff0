"""Aurora in the time machine: what is read, and a replay that knows what a live plan would.

The referee is ``aurora_inputs``, which reads the store anew at each moment. The store holds 70 days
of a made-up home with a car, late readings, gaps before day 60, an alarm, weather and prices; the
model is trained on 63 of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.aurora import Aurora, train
from forecast.errors import MissingHistoryError
from forecast.inputs import HomeHistory
from forecast.rolling import Chain
from mpc import risk_weights
from sim.asof import KnownForecasts, perfect, with_actual
from sim.aurora import ISSUE_HISTORY, AuroraForecasts, aurora_inputs, read_history
from sim.errors import ReplayError
from sim.history import realised
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from telemetry.arrays import F64
from telemetry.channels import Quality
from telemetry.slots import from_epoch, to_epoch
from telemetry.store import Store
from tests.forecast.small_homes import DAY, SLOT, START, small_home, small_training
from tests.sim.test_planning import VILLA, make_model, new_store, put_price_day

DAYS = 70
FIRST, TRAINED = from_epoch(START), START + 63 * DAY
BEGIN, END = from_epoch(START + 64 * DAY), from_epoch(START + 66 * DAY)
MODEL = make_model()
STEP = timedelta(minutes=15)
SERIES = ("load_kwh", "pv_kwh", "import_price", "export_price")
WAYS = ("scenario_load_kwh", "scenario_pv_kwh", "scenario_import_price", "scenario_export_price")


def price(day: date, quarter: int, _: int) -> float:
    """EUR/kWh: dear by day, and a little dearer every day of the week."""
    return 0.04 + 0.06 * (28 <= quarter < 88) + 0.002 * day.weekday()


def put(store: Store, channel: str, values: F64, start: int = START, **given: Any) -> None:
    """Write a channel; ``known_at`` is the end of each slot unless it is given."""
    starts = start + SLOT * np.arange(values.size, dtype=np.int64)
    told: dict[str, Any] = {"known_at": starts + SLOT, "provenance": "import"} | given
    store.put_observations("villa", channel, starts, values, **told)


def put_weather(store: Store, issued_at: int, temp: float) -> None:
    """Write 60 h of weather, of a constant temperature and no sun."""
    begin = issued_at // 3600 * 3600
    store.put_weather(
        "villa", source="open-meteo", kind="forecast", variables=("temp_c", "ghi_w_m2"),
        issued_at=from_epoch(issued_at), start=from_epoch(begin), slot_minutes=60,
        values=np.array([[temp] * 60, [10.0] * 60]),
    )  # fmt: skip


def fill(store: Store) -> None:
    """Write the home of the module."""
    home, rng = small_home(DAYS), np.random.default_rng(2)
    assert home.pv is not None
    store.put_home(VILLA)
    for k in range(72):
        put_price_day(store, date(2025, 2, 1) + timedelta(days=k), value=price)
    size = DAYS * 96
    gap = (rng.random(size) < 0.02) & (np.arange(size) < 60 * 96)
    ends = START + SLOT * np.arange(1, size + 1, dtype=np.int64)
    late = np.where(rng.random(size) < 0.1, rng.integers(0, 30_000, size), 0)
    car = np.where(np.arange(size) % 96 >= 88, 1.5, 0.0)
    for channel, values in (
        ("load_kwh", np.where(gap, np.nan, home.load.values + car)),
        ("pv_kwh", home.pv.values),
        ("ev_kwh", car),
        ("alarm_armed", (rng.random(size) < 0.1).astype(np.float64)),
    ):
        put(store, channel, values, known_at=ends + late)
    # Issued on the quarter, within one, and on an hour that is no multiple of six.
    for k, at in enumerate(range(START, START + DAYS * DAY, 6 * 3600)):
        put_weather(store, at + (0, 420, 3600)[k % 3], temp=float(rng.uniform(-5.0, 9.0)))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = new_store(tmp_path_factory.mktemp("aurora") / "facts.sqlite")
    with Store.open(path, system_id="test") as store, store.transaction():
        fill(store)
    return path


@pytest.fixture(scope="module")
def store(path: Path) -> Iterator[Store]:
    with Store.open(path, read_only=True) as store:
        yield store


@pytest.fixture(scope="module")
def history(store: Store) -> HomeHistory:
    return read_history(store, MODEL, FIRST, END)


@pytest.fixture(scope="module")
def aurora(history: HomeHistory) -> Aurora:
    with small_training():
        return train(history, TRAINED)[0]


Make = Callable[..., AuroraForecasts]


@pytest.fixture(scope="module")
def make(store: Store, history: HomeHistory, aurora: Aurora) -> Make:
    def made(store: Store = store, history: HomeHistory = history, **how: Any) -> AuroraForecasts:
        given: dict[str, Any] = {"price_scenarios": True} | how
        return AuroraForecasts(store, MODEL, history, Chain.of(aurora), BEGIN, END, **given)

    return made


@pytest.fixture(scope="module")
def forecasts(make: Make) -> AuroraForecasts:
    return make()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Store]:
    """A store that knows the villa and nothing of it."""
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        store.put_home(VILLA)
        yield store


# What is read


def test_what_a_home_recorded_by_hand(bare: Store) -> None:
    """Four slots; the car reports from the second on, the water heater from the third."""
    put(bare, "load_kwh", np.array([1.0, 2.0, 3.0, 0.5]))
    put(bare, "pv_kwh", np.array([0.1, np.nan, 0.3, 0.4]))
    put(bare, "ev_kwh", np.array([1.5, np.nan, 1.0]), start=START + SLOT)
    late = START + 4 * SLOT + np.array([0, 5000])
    put(bare, "water_heater_kwh", np.array([0.25, 0.25]), start=START + 2 * SLOT, known_at=late)
    put(bare, "vacation", np.array([0.0, 1.0]))
    put(bare, "alarm_armed", np.array([0.5, 0.5]), start=START + SLOT)
    found = read_history(bare, MODEL, FIRST, FIRST + 4 * STEP)
    # Of slot 2 the car said nothing, and in slot 3 the car took more than the house: 0.
    np.testing.assert_array_equal(found.load.values, [1.0, 0.5, np.nan, 0.0])
    assert found.flexible is not None
    np.testing.assert_array_equal(found.flexible.values, [0.0, 1.5, np.nan, 1.25])
    # The house is known when all that is taken out of it is.
    usable = [START + SLOT, START + 2 * SLOT, START + 4 * SLOT + 5000]
    assert found.load.usable_from[[0, 1, 3]].tolist() == usable
    assert found.pv is not None
    np.testing.assert_array_equal(found.pv.values, [0.1, np.nan, 0.3, 0.4])
    assert found.away is not None
    np.testing.assert_array_equal(found.away.values, [0.0, 1.0, 0.5, np.nan])
    assert (found.zone, found.country, found.weather) == ("Europe/Stockholm", "SE", None)


def test_doubtful_readings_are_no_history_and_teach_nothing(bare: Store) -> None:
    quality = np.array([0, Quality.SUSPECT, Quality.SPIKE, Quality.STUCK, Quality.DERIVED])
    for channel in ("load_kwh", "pv_kwh"):
        put(bare, channel, np.full(5, 0.5), quality=quality)
    found = read_history(bare, MODEL, FIRST, FIRST + 5 * STEP)
    np.testing.assert_array_equal(found.load.values, [0.5, np.nan, np.nan, np.nan, 0.5])
    assert found.pv is not None
    assert found.pv_teaches is not None
    assert found.pv_teaches.tolist() == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("hourly", "half_hourly", "want"), [(0, 0, 1), (5, 0, 1), (6, 0, 4), (2, 3, 1), (2, 4, 2)]
)
def test_the_meters_interval_is_that_of_most_readings(
    bare: Store, hourly: int, half_hourly: int, want: int
) -> None:
    """Of ten readings; the rest are of a quarter."""
    bits = np.zeros(10, dtype=np.int64)
    bits[:hourly] = Quality.RESAMPLED | Quality.HOURLY
    bits[hourly : hourly + half_hourly] = Quality.RESAMPLED
    put(bare, "load_kwh", np.ones(10), quality=bits)
    assert read_history(bare, MODEL, FIRST, FIRST + 12 * STEP).source_slots == want


def test_feeding_in_may_cost_money(bare: Store) -> None:
    """The price is below zero at noon; of the day after nothing is published."""
    put(bare, "load_kwh", np.ones(192))
    put(bare, "pv_kwh", np.ones(192))
    put_price_day(
        bare, date(2025, 2, 1), value=lambda _, quarter, __: -0.1 if 48 <= quarter < 52 else 0.0
    )
    found = read_history(bare, MODEL, FIRST, FIRST + 192 * STEP)
    assert found.pv_may_curtail is not None
    assert np.flatnonzero(found.pv_may_curtail).tolist() == [48, 49, 50, 51]


def test_a_home_without_panels_has_no_pv(bare: Store) -> None:
    put(bare, "load_kwh", np.ones(4))
    plain = make_model(replace(VILLA, planes=()))
    found = read_history(bare, plain, FIRST, FIRST + 4 * STEP)
    assert (found.pv, found.pv_teaches, found.pv_may_curtail) == (None, None, None)


def test_weather_comes_as_it_was_issued(bare: Store) -> None:
    """Also issues of the three days before."""
    put(bare, "load_kwh", np.ones(4))
    for at in (START - 4 * DAY, START - 2 * DAY, START + 420):
        put_weather(bare, at, temp=at / DAY)
    weather = read_history(bare, MODEL, FIRST, FIRST + 4 * STEP).weather
    assert weather is not None
    assert weather.variables == ("temp_c", "ghi_w_m2")
    assert weather.issued_at.tolist() == [START - 2 * DAY, START + 420]
    assert weather.values.shape == (2, 2, 240)
    assert weather.values[1, 0, 0] == np.float32((START + 420) / DAY)


def test_no_load_is_refused(bare: Store) -> None:
    put(bare, "pv_kwh", np.ones(4))
    with pytest.raises(ReplayError, match=r"no load is stored from 2025-01-31T23:00.*import"):
        read_history(bare, MODEL, FIRST, FIRST + 4 * STEP)


# A replay knows what a live plan would


@pytest.fixture(scope="module")
def whole(forecasts: AuroraForecasts) -> KnownForecasts:
    return forecasts.known(0, 192)


@pytest.mark.parametrize("n", [0, 1, 48, 95, 100, 191])
def test_a_slot_knows_what_a_plan_there_would(
    store: Store, aurora: Aurora, forecasts: AuroraForecasts, whole: KnownForecasts, n: int
) -> None:
    """In a batch and alone. Slots 48 and 100 begin with weather issued that very second."""
    inputs, scenarios, issued = aurora_inputs(store, MODEL, BEGIN + n * STEP, aurora)
    assert whole.load_kwh.shape == (192, 288)
    for row, known in ((n, whole), (0, forecasts.known(n, 1))):
        pairs = [(getattr(known, x)[row, :192], getattr(inputs.horizon, x)) for x in SERIES]
        pairs += [(getattr(known, f"scenario_{x}")[row, :, :192], getattr(scenarios, x))
                  for x in SERIES[:2]]  # fmt: skip
        pairs += [(known.load_kwh[row], issued.load.mean_kwh[0])]
        pairs += [(known.pv_kwh[row], issued.pv.mean_kwh[0])]
        for got, want in pairs:
            np.testing.assert_allclose(got, np.asarray(want), rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(np.asarray(scenarios.weights), 1.0 / 14.0)
    assert whole.weights is None


def net_ways(known: KnownForecasts) -> F64:
    """Return (N, K, A) net load of the scenarios."""
    assert known.scenario_load_kwh is not None
    assert known.scenario_pv_kwh is not None
    return known.scenario_load_kwh - known.scenario_pv_kwh


@pytest.mark.parametrize("appetite", [1, 2, 5])
def test_weights_of_a_risk_appetite_are_those_of_a_plan(
    store: Store, aurora: Aurora, make: Make, appetite: int
) -> None:
    known = make(risk_appetite=appetite, price_scenarios=False).known(50, 2)
    assert known.scenario_import_price is None
    assert known.weights is not None
    for n in range(2):
        at = BEGIN + (50 + n) * STEP
        _, scenarios, _ = aurora_inputs(store, MODEL, at, aurora, risk_appetite=appetite)
        np.testing.assert_allclose(known.weights[n], np.asarray(scenarios.weights), atol=1e-12)
    dearest = (net_ways(known)[0] * known.import_price[0])[:, :192].sum(axis=1).argmax()
    assert bool(known.weights[0, dearest] > 1.0 / 14.0) is (appetite < 3)


def test_weights_see_the_prices_of_each_scenario(make: Make) -> None:
    """(SR1) of ``mpc.scenarios``: each scenario's own price, over the horizon of a plan."""
    known = make(risk_appetite=1).known(50, 1)
    assert known.scenario_import_price is not None
    assert known.weights is not None
    cost = (net_ways(known)[0] * known.scenario_import_price[0])[:, :192].sum(axis=1)
    np.testing.assert_allclose(known.weights[0], risk_weights(cost, 1), atol=1e-12)


def test_without_scenarios_there_are_none(make: Make, forecasts: AuroraForecasts) -> None:
    plain = make(scenarios=False, name="plain")
    known = plain.known(3, 2)
    assert (plain.name, forecasts.name, plain.start) == ("plain", "aurora", BEGIN)
    assert all(getattr(known, name) is None for name in (*WAYS, "weights"))
    np.testing.assert_array_equal(known.load_kwh, forecasts.known(3, 2).load_kwh)


# Leaks


@pytest.fixture
def later(path: Path, tmp_path: Path) -> Iterator[Store]:
    """The store, to which more is added."""
    copy = tmp_path / "later.sqlite"
    copy.write_bytes(path.read_bytes())
    with Store.open(copy, system_id="test") as store:
        yield store


def test_what_is_written_later_changes_nothing(
    later: Store, make: Make, forecasts: AuroraForecasts
) -> None:
    """Gaps filled late, other days to come, weather and prices issued after the slot."""
    n = 60
    at = to_epoch(BEGIN + n * STEP)
    gap = np.isnan(later.observations("villa", ["load_kwh"], FIRST, BEGIN).values[0])
    assert gap.sum() > 50
    rest = np.arange((to_epoch(END) + 2 * DAY - at) // SLOT)
    with later.transaction():
        starts = START + SLOT * np.flatnonzero(gap)
        filled = np.full(starts.size, 9.0)
        later.put_observations(
            "villa", "load_kwh", starts, filled, known_at=from_epoch(at + 1), provenance="import"
        )
        for channel in ("load_kwh", "pv_kwh", "ev_kwh", "water_heater_kwh", "vacation"):
            put(later, channel, np.ones(rest.size), start=at, provenance="live")
        put_weather(later, at + 1, temp=30.0)
        put_price_day(later, (BEGIN + timedelta(days=3)).date(), value=lambda *_: 3.0, source="zz")
    after = make(later, read_history(later, MODEL, FIRST, END))
    known, want = after.known(n, 1), forecasts.known(n, 1)
    for name in (*SERIES, *WAYS):
        np.testing.assert_array_equal(getattr(known, name), getattr(want, name), name)
    # A slot later the weather and the late readings are known.
    assert (after.known(n + 1, 1).load_kwh != forecasts.known(n + 1, 1).load_kwh).any()


def test_within_a_slot_a_plan_knows_what_came_in_meanwhile(later: Store, aurora: Aurora) -> None:
    """The slot's weather is five minutes old at 400 s, and unknown at 200 s."""
    at = to_epoch(BEGIN) + 20 * SLOT
    before = aurora_inputs(later, MODEL, from_epoch(at + 400), aurora)[2]
    put_weather(later, at + 300, temp=-30.0)

    def load(seconds: int) -> F64:
        return aurora_inputs(later, MODEL, from_epoch(at + seconds), aurora)[2].load.mean_kwh

    np.testing.assert_array_equal(load(200), before.load.mean_kwh)
    assert (load(400) != before.load.mean_kwh).any()


# Refusals, and a replay


def test_slots_outside_the_window_are_refused(forecasts: AuroraForecasts) -> None:
    for first, count in ((-1, 1), (0, 0), (190, 3)):
        with pytest.raises(ReplayError, match=r"were asked for, the period has 192"):
            forecasts.known(first, count)


def test_too_little_history_names_the_moment_and_the_hour(make: Make, history: HomeHistory) -> None:
    blind = replace(history, load=history.load.without(history.load.slots < to_epoch(BEGIN)))
    given = make(history=blind)
    with pytest.raises(
        MissingHistoryError, match=r"no load_kwh at 01:00.*import.*2025-04-05T23:00"
    ):
        given.known(0, 1)


def test_what_happened_may_replace_what_was_foretold(
    store: Store, forecasts: AuroraForecasts
) -> None:
    real = realised(store, MODEL, BEGIN, BEGIN + timedelta(days=1))
    known = with_actual(forecasts, real, load=True, pv=False).known(9, 1)
    assert known.scenario_load_kwh is not None
    np.testing.assert_array_equal(known.load_kwh[0, :183], real.load_kwh[9:])
    np.testing.assert_array_equal(
        known.scenario_load_kwh[0, :, :183], np.tile(real.load_kwh[9:], (14, 1))
    )
    np.testing.assert_array_equal(known.scenario_pv_kwh, forecasts.known(9, 1).scenario_pv_kwh)
    best = perfect(forecasts, real).known(9, 1)
    assert best.scenario_load_kwh is None
    np.testing.assert_array_equal(best.import_price[0, :183], real.import_price[9:])


def test_a_day_is_replayed_with_it(store: Store, forecasts: AuroraForecasts) -> None:
    """Between the oracle and doing nothing at all."""
    real = realised(store, MODEL, BEGIN, BEGIN + timedelta(days=1))
    window = replay_window(MODEL, real, soc_start_kwh=5.0)
    result = replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE)
    assert (result.forecast, result.soc_kwh.size) == ("aurora", 96)
    best, idle = replay(window, Policy.ORACLE), replay(window, Policy.NO_BATTERY)
    assert best.cost - 1e-9 <= result.cost < idle.cost


def test_an_issue_looks_no_further_back_than_it_says(
    store: Store, make: Make, forecasts: AuroraForecasts
) -> None:
    """History older than 36 days changes no forecast: a live plan does not read it."""
    short = read_history(store, MODEL, BEGIN - ISSUE_HISTORY, END)
    one, other = make(history=short).known(0, 2), forecasts.known(0, 2)
    for name in (*SERIES, *WAYS):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-12)
