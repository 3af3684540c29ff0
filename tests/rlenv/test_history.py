"""Histories: what was known is kept to the last bit, days that cannot be lived are named."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc import TerminalCurve
from mpc.errors import SiteError
from mpc.jit import compiled
from rlenv import DayError, HistoryError, HomeEnv, Layout, OptionError, demo_history, read_history
from rlenv.ahead import keep
from rlenv.kernel import Data, terminal_worth
from rlenv.layout import SCALARS, SERIES
from sim.array_facts import ArrayFacts
from sim.asof import BaselineForecasts, Forecasts
from sim.demo import DEMO_HOME
from sim.demo_house import DEMO_CURRENCY, demo_facts, demo_model
from sim.errors import ReplayError
from sim.planning import known_inputs
from telemetry.arrays import F64, I64
from telemetry.slots import local_day
from tests.rlenv.homes import AUTUMN, DAYS, SPRING, cabin, year

QUARTER = timedelta(minutes=15)
START = datetime(2025, 3, 14, 23, tzinfo=UTC)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_horizon_is_what_could_be_planned(day: date) -> None:
    """Equal to ``known_inputs`` at some slots of the day, and at the midnight it ends with."""
    facts, model, history = demo_facts(), demo_model(), year()
    place = history.find(day)
    for slot in (0, 1, 37, 54, 90, int(history.data.slots[place])):
        want = known_inputs(facts, model, history.start(place) + slot * QUARTER).horizon
        got = history.horizon(place, slot)
        assert got.start == want.start
        for name in ("load_kwh", "pv_kwh", "import_price", "export_price"):
            assert np.array_equal(getattr(got, name), getattr(want, name)), (name, slot)
        curves = [h.terminal_value for h in (got, want)]
        assert all(isinstance(curve, TerminalCurve) for curve in curves)
        pairs = [np.array(curve.pairs()) for curve in curves if isinstance(curve, TerminalCurve)]
        assert pairs[0] == pytest.approx(pairs[1], abs=1e-12)


def test_other_forecasts_are_kept_as_they_are() -> None:
    """Forecasts that follow no clock: every number of every slot, and of each row's own slot."""
    facts, model = demo_facts(), demo_model()
    rng = np.random.default_rng(0)

    class Wild:
        name = "wild"

        def __init__(self, start: datetime, end: datetime) -> None:
            self._baseline = BaselineForecasts(facts, model, start, end)
            self.start = start

        def known(self, first: int, count: int) -> object:
            known = self._baseline.known(first, count)
            found = replace(known, load_kwh=rng.uniform(0.0, 2.0, known.load_kwh.shape))
            told.append(found.load_kwh)
            return found

    told: list[F64] = []
    make: Forecasts = Wild  # type: ignore[assignment]
    history = read_history(facts, model, SPRING, date(2025, 4, 1), forecasts=make)  # type: ignore[arg-type]
    for place, known in enumerate(told):
        for slot in (0, 40, known.shape[0] - 1):
            assert np.array_equal(history.known(place, slot)[:, 0], known[slot])
            row = history.data.first[place] + slot
            column = 7 + SERIES.index("load_kwh")
            assert history.data.now[row, column] == np.float32(known[slot, 0])


def known_as(shape: str, quarters: I64, places: I64, rng: np.random.Generator) -> F64:
    """What was known at M slots in a row, (M, A), as repetitive as its name says."""
    issues, ahead = quarters.shape
    if shape == "clock":
        return rng.random((issues // 4 + 1, 96))[(np.arange(issues) // 4)[:, None], quarters]
    if shape == "rows":
        profiles = rng.random((issues // 9 + 1, issues + ahead))
        return profiles[(np.arange(issues) // 9)[:, None], places]
    if shape == "mixed":
        return rng.integers(0, 2, (issues, ahead)).astype(np.float64)
    return np.full((issues, ahead), 0.25)


@given(
    issues=st.integers(1, 30),
    first=st.integers(0, 95),
    shape=st.sampled_from(["clock", "rows", "mixed", "constant"]),
    seed=st.integers(0, 2**31),
)
def test_keep_gives_back_what_it_was_given(issues: int, first: int, shape: str, seed: int) -> None:
    """Whatever repeats or does not: a value is found where (KA1) or (KA2) says."""
    rng, ahead = np.random.default_rng(seed), 130
    quarter = (first + np.arange(issues + ahead - 1)) % 96
    places = np.arange(issues)[:, None] + np.arange(ahead)
    known = known_as(shape, quarter[places], places, rng)
    kept = keep(known, quarter)
    for n in range(issues):
        here = kept.base[n] + (quarter[n : n + ahead] if kept.by_clock else np.arange(ahead))
        assert np.array_equal(kept.values[here], known[n])
    if shape == "clock":
        assert kept.by_clock
        assert kept.values.size <= 96 * (issues // 4 + 1)
    if shape == "rows":
        assert kept.values.size <= (issues // 9 + 1) * (ahead + 9)


def test_the_worth_of_what_is_left() -> None:
    """The kernel's curve is that of ``mpc``, whatever home is joined to it."""
    history = year()
    for place in (0, 80, 200):
        curve = history.terminal(place)
        for stored in (0.0, 1.0, 3.3, 9.99, 10.0, 12.0):
            got = compiled(terminal_worth)(history.data, place, stored)
            assert got == pytest.approx(curve.value(stored), abs=1e-9)


def test_a_history_is_one_and_cannot_be_written() -> None:
    history = year()
    assert copy.copy(history) is history
    assert copy.deepcopy({"history": history})["history"] is history
    with pytest.raises(ValueError, match="read-only"):
        history.data.actual[0, 0] = 1.0
    there = pickle.loads(pickle.dumps(cabin()))  # noqa: S301 - our own
    assert there.days == cabin().days
    assert dict(there.skipped) == dict(cabin().skipped)
    for name, values in zip(Data._fields, there.data, strict=True):
        assert np.array_equal(values, getattr(cabin().data, name), equal_nan=True)
        assert not values.flags.writeable
    assert demo_history() is demo_history()


def test_days_of_92_96_and_100_slots() -> None:
    history = year()
    assert [int(history.data.slots[history.find(day)]) for day in DAYS] == [92, 96, 100, 96]
    assert len(history.days) == 357
    assert history.classes == ("clean",) * 357
    with pytest.raises(DayError, match="2024-02-29"):
        history.find(date(2024, 2, 29))


def series(days: int = 12) -> dict[str, F64]:
    slots = days * 96
    hour = np.arange(slots) / 4.0 % 24.0
    return {
        "load_kwh": 0.2 + 0.1 * np.sin(hour),
        "pv_kwh": np.maximum(0.0, np.sin((hour - 6.0) / 12.0 * np.pi)),
        "spot": 0.05 + 0.03 * np.cos(hour),
    }


def arrays(**changes: F64) -> ArrayFacts:
    """Twelve days that repeat themselves."""
    given_ = series() | changes
    published = int(START.timestamp()) + 900 * np.arange(given_["load_kwh"].size) - 86_400
    return ArrayFacts(
        DEMO_HOME,
        start=START,
        spot_known_at=published.astype(np.int64),
        area="DEMO",
        currency=DEMO_CURRENCY,
        load_kwh=given_["load_kwh"],
        pv_kwh=given_["pv_kwh"],
        spot=given_["spot"],
    )


def test_days_that_cannot_be_lived_are_named() -> None:
    gap, hole = series()["load_kwh"], series()["pv_kwh"]
    gap[9 * 96 + 5] = np.nan
    history = read_history(arrays(load_kwh=gap), demo_model(), date(2025, 3, 15), date(2025, 3, 27))
    assert date(2025, 3, 24) not in history.days
    assert history.skipped[date(2025, 3, 24)] == "load_kwh is not known throughout"
    assert "is missing" in history.skipped[date(2025, 3, 23)]  # the day after values its end
    assert "too little load_kwh was known" in history.skipped[date(2025, 3, 15)]
    assert date(2025, 3, 25) in history.days
    hole[:] = np.nan
    with pytest.raises(HistoryError, match="no day from 2025-03-22 to 2025-03-25 can be lived"):
        read_history(arrays(pv_kwh=hole), demo_model(), date(2025, 3, 22), date(2025, 3, 25))
    with pytest.raises(HistoryError, match="the period is empty"):
        read_history(arrays(), demo_model(), date(2025, 3, 22), date(2025, 3, 22))


@pytest.mark.parametrize(
    ("name", "factor", "told"),
    [
        ("load_kwh", 1000.0, "load_kwh of .* kWh a slot"),
        ("spot", 1e4, "import_price of .* per kWh"),
    ],
)
def test_numbers_that_no_observation_holds(name: str, factor: float, told: str) -> None:
    facts = arrays(**{name: factor * series()[name]})
    with pytest.raises(HistoryError, match=told):
        read_history(facts, demo_model(), date(2025, 3, 22), date(2025, 3, 24))


def test_one_odd_reading_costs_its_days_alone() -> None:
    """Below zero, or a spike that the next day would still see as its last net load."""
    negative, spike = series()["pv_kwh"], series()["load_kwh"]
    negative[9 * 96 + 3], spike[10 * 96 - 1] = -0.002, 500.0
    days = date(2025, 3, 22), date(2025, 3, 27)
    found = read_history(arrays(pv_kwh=negative), demo_model(), *days)
    assert "pv_kwh of 2025-03-24 is -0.002 kWh" in found.skipped[date(2025, 3, 24)]
    assert date(2025, 3, 22) in found.days
    found = read_history(arrays(load_kwh=spike), demo_model(), *days)
    assert "load_kwh of 2025-03-24 reaches 500" in found.skipped[date(2025, 3, 24)]
    assert "load minus pv before it" in found.skipped[date(2025, 3, 25)]
    limits = Layout(0).space()
    for place in range(len(found.days)):
        env = HomeEnv(found, lookahead=0)
        assert limits.contains(env.reset(options={"day": found.days[place]})[0])


def test_limits_by_slot_are_refused_by_name() -> None:
    model = demo_model()
    site = replace(model.site, reserve_soc_kwh=np.full(96, 2.0), reserve_price_per_kwh=0.1)
    with pytest.raises(SiteError, match="hold in every slot"):
        read_history(arrays(), replace(model, site=site), date(2025, 3, 22), date(2025, 3, 24))


def test_a_home_without_a_battery() -> None:
    model = demo_model()
    battery = replace(model.site.battery, capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0)
    none = replace(model, site=replace(model.site, battery=battery))
    with pytest.raises(HistoryError, match="no battery"):
        read_history(arrays(), none, date(2025, 3, 22), date(2025, 3, 24))


def test_where_everything_stands() -> None:
    layout = Layout(2)
    assert layout.size == len(layout.names) == 8 + 4 * 3
    assert layout.names[:8] == SCALARS
    assert layout.names[layout.columns("export_price")][1] == "export_price[1]"
    assert layout.names[layout.columns("left")] == ("left",)
    with pytest.raises(OptionError, match="price"):
        layout.columns("price")


def test_arrays_of_different_lengths() -> None:
    with pytest.raises(ReplayError, match=r"pv_kwh has shape \(5,\), load_kwh \(1152,\)"):
        arrays(pv_kwh=np.zeros(5))


def test_clock_features_of_a_day() -> None:
    """At six in the morning a quarter of the turn is done, also on the day of 100 slots."""
    history = year()
    place = history.find(AUTUMN)
    rows = history.data.now[history.data.first[place] :]
    begin = local_day(AUTUMN, history.zone)[0]
    assert history.start(place) == begin
    six = 7 * 4  # the hour from two to three comes twice
    assert rows[six, :2].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    # The midnight it ends with belongs to a day of 96 slots.
    assert rows[[0, 50, 99, 100], 4].tolist() == pytest.approx([1.0, 0.5, 0.01, 0.96])
