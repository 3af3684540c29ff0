"""Facts in arrays answer as a store does that holds the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.config import load_config
from runners.init import template
from runners.plan import home_model
from sim.asof import BaselineForecasts
from sim.demo import DEMO_HOME
from sim.demo_house import SEK_PER_EUR, demo_model, facts_of
from telemetry.quality_table import DayClass
from telemetry.slots import local_day
from telemetry.store import Store
from tests.runners.simulate_cases import demo_store
from tests.sim.test_asof import demo_year

START = datetime(2025, 3, 29, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("demo") / "darkstar.sqlite"
    path.write_bytes(demo_store())
    return Store.open(path, system_id="test")


def test_the_demo_house_is_that_of_the_command(tmp_path: Path) -> None:
    text = template().replace("area: se4 ", f"area: {DEMO_HOME.area}", 1)
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    told = home_model(load_config(tmp_path / "config.yaml"), DEMO_HOME.home_id)
    ours = demo_model()
    assert repr(told) == repr(ours)
    assert told.exchange_rates == {"EUR": SEK_PER_EUR}


@given(
    hours=st.integers(-30, 24 * 367),
    length=st.integers(1, 60),
    back=st.one_of(st.none(), st.integers(-100, 100)),
)
def test_a_store_says_the_same(store: Store, hours: int, length: int, back: int | None) -> None:
    """Also across the ends of the year, and as of a moment."""
    facts = facts_of(demo_year())
    start = datetime(2024, 12, 31, 23, tzinfo=UTC) + timedelta(hours=hours)
    end = start + timedelta(hours=length)
    as_of = None if back is None else end - timedelta(minutes=17 * back)
    names = ("load_kwh", "pv_kwh", "soc_end")
    ours = facts.observations("demo", names[:2], start, end, as_of=as_of)
    theirs = store.observations("demo", names[:2], start, end, as_of=as_of)
    for name in ("slot_start", "values", "known_at"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=True)
    prices = facts.prices("demo", start, end, as_of=as_of)
    stored = store.prices("DEMO", start, end, as_of=as_of)
    for name in ("slot_start", "values", "issued_at", "assumed"):
        assert np.array_equal(getattr(prices, name), getattr(stored, name), equal_nan=True)
    assert prices.currency == stored.currency
    currencies = [f.price_currencies("DEMO", start, end, as_of=as_of) for f in (facts, store)]
    assert currencies[0] == currencies[1]
    moment = end if as_of is None else as_of
    assert facts.coverage("demo", "pv_kwh", as_of=moment) == store.coverage(
        "demo", "pv_kwh", as_of=moment
    )
    newest = [f.latest("demo", "load_kwh", as_of=moment, not_before=start) for f in (facts, store)]
    assert (newest[0] is None) == (newest[1] is None)
    if newest[0] is not None and newest[1] is not None:
        assert newest[0].slot_start == newest[1].slot_start
        assert newest[0].value == newest[1].value


def test_forecasts_of_arrays_are_those_of_a_store(store: Store) -> None:
    facts, model = facts_of(demo_year()), demo_model()
    ours, theirs = (
        BaselineForecasts(one, model, START, START + timedelta(hours=25)).known(0, 97)
        for one in (facts, store)
    )
    for name in ("load_kwh", "pv_kwh", "import_price", "export_price"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_what_arrays_do_not_hold() -> None:
    facts = facts_of(demo_year())
    end = START + timedelta(hours=1)
    assert facts.coverage("demo", "soc_end") is None
    assert facts.coverage("villa", "load_kwh") is None
    assert facts.latest("demo", "soc_end", as_of=end, not_before=START) is None
    assert np.isnan(facts.observations("villa", ["load_kwh"], START, end).values).all()
    assert facts.price_currencies("SE4", START, end) == ()
    assert facts.prices("DEMO", START, end, currency="SEK").currency is None
    assert facts.weather("demo", START, end, as_of=None).values.shape == (0, 4)
    assert facts.weather_issues("demo", START, end) == ()


def test_verdicts() -> None:
    bad = date(2025, 3, 29)
    facts = facts_of(demo_year(), {bad: DayClass.EXCLUDE})
    found = facts.day_quality("demo", date(2025, 3, 28), date(2025, 3, 30))
    assert [v.day_class for v in found] == [DayClass.CLEAN, DayClass.EXCLUDE, DayClass.CLEAN]
    assert [v.slots for v in found] == [96, 96, 92]
    assert found[2].day_start == local_day(date(2025, 3, 30), "Europe/Stockholm")[0]
    assert facts.day_quality("villa", bad, bad) == ()
    assert facts.day_quality("demo", date(2024, 12, 31), date(2024, 12, 31)) == ()
