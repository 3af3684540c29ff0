"""The Lab: its baselines are the real plans, its targets are reached or say why not, it only reads.

The house and its days are those of ``tests.sim.lab_cases``: buying costs 0.1 and the evening pays
1.0, so a kWh more in the evening costs 0.1 - 1.0 + wear, whatever the plan was made with.
"""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Planner, Tariff
from sim.asof import BaselineForecasts
from sim.demo_house import demo_facts, demo_model
from sim.errors import KnownInputsError, ReplayError, ScenarioError
from sim.facts import Facts
from sim.history import realised
from sim.lab import Lab, LabOptions, LabResult, Relaxed, TimedBlock, View, WhatIf
from sim.planning import known_inputs
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from telemetry.slots import local_day, slot_range
from telemetry.store import Store
from tests.sim.lab_cases import (
    DAY,
    EVENING,
    HOME,
    ZONE,
    make_facts,
    make_lab,
    same,
    site_of,
)
from tests.sim.test_planning import VILLA, fill, make_model, new_store

LINES = ("import_cost", "export_revenue", "wear", "penalty", "stored")


@pytest.fixture(scope="module")
def demo() -> Lab:
    """The demo home's year."""
    return Lab.of(demo_facts(), demo_model())


def reconciled(result: LabResult) -> None:
    """Lines of both spans sum to their total, and deltas to that of the totals, to 1e-9."""
    spans = (
        (result.baseline.money, result.scenario.money, result.delta),
        (*result.day_money, result.day_delta),
    )
    for base, other, delta in spans:
        for money in (base, other, delta):
            total = money.import_cost - money.export_revenue + money.wear + money.penalty
            assert money.total == pytest.approx(total - money.stored, abs=1e-9)
        for line in LINES:
            change = getattr(other, line) - getattr(base, line)
            assert getattr(delta, line) == pytest.approx(change, abs=1e-9)
        assert delta.total == pytest.approx(other.total - base.total, abs=1e-9)


def test_a_baseline_is_the_cold_plan_of_local_midnight(demo: Lab) -> None:
    day = date(2025, 3, 30)  # the clocks go forward
    begin, _ = local_day(day, ZONE)
    inputs = known_inputs(demo_facts(), demo_model(), begin)
    want = Planner(demo_model().site).plan(inputs.horizon, 4.0)
    found = demo.baseline(day, soc_kwh=4.0)
    assert found.plan is not None
    assert found.plan.to_json() == want.to_json()
    assert (found.view, found.day_slots, found.soc_source) == (View.KNOWN, 92, "given")
    assert found.money.total == pytest.approx(want.objective, rel=1e-12)
    assert len(found.course) == 192


def test_the_day_is_valued_at_the_baselines_price_of_its_end(demo: Lab) -> None:
    result = demo.run(date(2025, 6, 10), WhatIf(battery_kwh=20.0), soc_kwh=4.0)
    base, other = result.baseline.course, result.scenario.course
    price = base.energy_value[95]
    assert price > 0.0
    for money, course in zip(result.day_money, (base, other), strict=True):
        assert money.stored == pytest.approx(price * course.soc_kwh[95])
        assert money.import_cost == pytest.approx(course.import_price[:96] @ course.import_kwh[:96])
        assert money.wear == pytest.approx(0.2 * course.discharge_kwh[:96].sum())
    assert result.day_delta.stored != pytest.approx(result.delta.stored)


def test_hindsight_plans_on_what_happened(demo: Lab) -> None:
    day = date(2025, 6, 10)
    begin, _ = local_day(day, ZONE)
    real = realised(demo_facts(), demo_model(), begin, begin + timedelta(hours=48))
    found = demo.baseline(day, hindsight=True, soc_kwh=4.0)
    assert found.course.load_kwh.tolist() == real.load_kwh[:192].tolist()
    assert found.course.pv_kwh.tolist() == real.pv_kwh[:192].tolist()
    assert found.course.import_price == pytest.approx(real.import_price[:192])
    known = demo.baseline(day, soc_kwh=4.0)
    assert known.course.load_kwh.tolist() != found.course.load_kwh.tolist()


def test_replay_is_the_closed_loop(demo: Lab) -> None:
    day = date(2025, 6, 10)
    begin, end = local_day(day, ZONE)
    facts, model = demo_facts(), demo_model()
    window = replay_window(model, realised(facts, model, begin, end), soc_start_kwh=4.0)
    known = BaselineForecasts(facts, model, begin, end)
    want = replay(window, Policy.STORAGE, known, Dispatch.VALUE)
    found = demo.baseline(day, replay=True, soc_kwh=4.0)
    assert found.plan is None
    assert found.course.soc_kwh.tolist() == want.soc_kwh.tolist()
    worth = want.terminal.value(4.0)
    assert found.money.total == pytest.approx(want.cost - worth, rel=1e-12)


def test_both_views_at_once_are_refused(demo: Lab) -> None:
    with pytest.raises(ScenarioError, match="both asked for"):
        demo.baseline(DAY, replay=True, hindsight=True)


def test_changes_of_the_world_by_hand() -> None:
    """One kWh used at 0.1 in every hour: 4.8 for two days; twice the load costs 4.8 more."""
    lab = make_lab(site_of(5.0), make_facts(same(0.25), spot=same(0.1)))
    tariff = Tariff(zone=ZONE, transfer_fee=0.3, vat=0.25)
    more = {
        WhatIf(): 0.0,
        WhatIf(load_scale=2.0): 0.1,
        WhatIf(price_scale=3.0): 0.2,
        WhatIf(price_shift_per_kwh=0.4): 0.4,
        WhatIf(tariff=tariff): 1.25 * (0.1 + 0.3) - 0.1,
        WhatIf(load_scale=2.0) & WhatIf(price_scale=3.0): 0.3 * 2.0 - 0.1,
    }
    for view, kwh in ((View.KNOWN, 48.0), (View.HINDSIGHT, 48.0), (View.REPLAY, 24.0)):
        for case, costs in more.items():
            result = lab.run(DAY, case, view, soc_kwh=0.0)
            assert result.delta.total == pytest.approx(costs * kwh), str(case)


def test_pv_scales_as_measured_and_as_forecast() -> None:
    """1 kWh an hour from 10 to 14 o'clock, sold at 0.1: twice as much brings 0.4 a day more."""
    facts = make_facts(pv=lambda q: 0.25 * ((q >= 40) & (q < 56)), spot=same(0.1))
    result = make_lab(site_of(5.0), facts).run(DAY, WhatIf(pv_scale=2.0), soc_kwh=0.0)
    assert result.delta.export_revenue == pytest.approx(2 * 0.4)


def test_a_larger_battery_starts_with_the_same_energy() -> None:
    """The evening takes 5 kWh from 10; 5 kW more sell 5 kWh more for 1.0, bought at 0.1."""
    lab = make_lab(site_of(capacity_kwh=5.0, max_charge_kw=5.0))
    result = lab.run(DAY, WhatIf(battery_kwh=10.0, battery_kw=10.0), View.REPLAY, soc_kwh=3.0)
    base, other = result.baseline.course, result.scenario.course
    assert base.soc_start_kwh == other.soc_start_kwh == 3.0
    peaks = [*EVENING]
    assert base.export_kwh[peaks].sum() == pytest.approx(5.0)
    assert other.export_kwh[peaks].sum() == pytest.approx(10.0)
    small = lab.run(DAY, WhatIf(battery_kwh=2.0), soc_kwh=3.0)
    assert small.scenario.course.soc_start_kwh == 2.0


def test_no_battery_export_costs_what_it_earned() -> None:
    """The baseline sells 5 kWh in the evening and 5 in the morning: 5 * 0.9 + 5 * 0.5 a day."""
    result = make_lab().run(DAY, WhatIf(battery_export=False), soc_kwh=0.0)
    assert result.delta.total == pytest.approx(2 * (5.0 * 0.9 + 5.0 * 0.5))


def test_under_another_world_the_baseline_has_it_too() -> None:
    lab = make_lab(site_of(wear=0.95))
    dear = lab.under(WhatIf(price_scale=2.0, battery_kwh=8.0))
    base = dear.baseline(DAY, soc_kwh=0.0)
    assert base.course.import_price.max() == pytest.approx(2.0)
    assert dear.model.site.battery.capacity_kwh == 8.0
    result = dear.run(DAY, WhatIf(export_kwh=1.0), soc_kwh=0.0)
    assert result.baseline is base
    with pytest.raises(ScenarioError, match="without wishes"):
        lab.under(WhatIf(export_kwh=1.0))
    assert lab.baseline(DAY, soc_kwh=0.0).course.import_price.max() == pytest.approx(1.0)


def test_a_period_is_one_closed_loop(demo: Lab) -> None:
    first, last = date(2025, 6, 10), date(2025, 6, 12)
    result = demo.period(first, last, WhatIf(battery_kwh=20.0), soc_kwh=4.0)
    begin, end = local_day(first, ZONE)[0], local_day(last, ZONE)[1]
    assert len(result.baseline.course) == slot_range(begin, end).size == result.baseline.day_slots
    assert (result.baseline.first, result.baseline.last) == (first, last)
    reconciled(result)
    with pytest.raises(ScenarioError, match="one day: a target and blocks are for a day"):
        demo.period(first, last, WhatIf(export_kwh=2.0), soc_kwh=4.0)
    with pytest.raises(ScenarioError, match="last day is 2025-06-10, want 2025-06-12 or later"):
        demo.period(last, first, WhatIf(battery_kwh=20.0), soc_kwh=4.0)


@settings(max_examples=10)
@given(
    day=st.dates(date(2025, 1, 12), date(2025, 12, 20)),
    kwh=st.sampled_from([2.0, 4.0, 6.0, 10.0]),
    soc=st.floats(1.0, 10.0),
    how=st.sampled_from(["as it sells", "at any cost"]),
)
def test_a_wish_never_pays_and_always_adds_up(
    demo: Lab, day: date, kwh: float, soc: float, how: str
) -> None:
    """The baseline is the optimum of its inputs: no wish is cheaper over the whole horizon."""
    case = WhatIf(export_kwh=kwh, at_any_cost=how == "at any cost")
    result = demo.run(day, case, soc_kwh=soc)
    assert result.delta.total >= -1e-6
    reconciled(result)
    target = result.target
    assert target is not None
    assert target.reached == (target.limit == "")
    assert target.realised_kwh >= -1e-6
    plan = result.scenario.plan
    assert plan is not None
    if target.reached:
        assert plan.gap <= 0.01 * kwh * plan.import_price.max()


@pytest.mark.parametrize("day", [date(2025, 3, 30), date(2025, 10, 26)])
@pytest.mark.parametrize("view", list(View))
def test_days_of_23_and_25_hours(demo: Lab, day: date, view: View) -> None:
    result = demo.run(day, WhatIf(export_kwh=2.0, at_any_cost=True), view, soc_kwh=5.0)
    assert result.baseline.day_slots == {3: 92, 10: 100}[day.month]
    assert result.target is not None
    assert result.target.reached
    assert np.flatnonzero(result.target.slots).max() < result.baseline.day_slots
    reconciled(result)


def test_what_was_recorded_is_where_a_day_starts(tmp_path: Path) -> None:
    path, model = new_store(tmp_path / "s.sqlite"), make_model()
    with Store.open(path) as store:
        fill(store, VILLA, date(2025, 6, 1), date(2025, 6, 16))
        begin, _ = local_day(DAY, ZONE)
        last = slot_range(begin - timedelta(minutes=15), begin)
        store.put_observations(
            "villa", "soc_end", last, np.array([0.4]), known_at=last + 900, provenance="import"
        )
        lab = Lab.of(store, model)
        base = lab.baseline(DAY)
        capacity = model.site.battery.capacity_kwh
        assert base.course.soc_start_kwh == pytest.approx(0.4 * capacity)
        assert base.soc_source == "recorded at 2025-06-11 22:00Z (import)"
        wide = lab.under(WhatIf(battery_kwh=2.0 * capacity)).baseline(DAY)
        assert wide.course.soc_start_kwh == pytest.approx(0.4 * capacity)
        with pytest.raises(KnownInputsError, match="no state of charge was recorded in the 24 h"):
            lab.baseline(DAY + timedelta(days=2))


def test_days_without_data_are_refused(demo: Lab) -> None:
    case = WhatIf(export_kwh=2.0)
    with pytest.raises(Exception, match="import more history"):
        demo.run(date(2020, 1, 1), case, soc_kwh=5.0)
    with pytest.raises(ReplayError, match="is missing, the first of"):
        demo.run(date(2025, 12, 31), case, View.HINDSIGHT, soc_kwh=5.0)
    with pytest.raises(ReplayError, match="is missing, the first of"):
        demo.run(date(2026, 2, 1), case, View.REPLAY, soc_kwh=5.0)


def test_a_horizon_shorter_than_the_day_is_refused() -> None:
    lab = Lab(make_facts(), HOME, site_of(), Tariff(zone=ZONE), LabOptions(horizon_hours=12))
    with pytest.raises(ScenarioError, match="horizon_hours is 12, want 24 or more"):
        lab.baseline(DAY, soc_kwh=0.0)


def test_a_home_of_which_nobody_knows_the_prices_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"price_area is None, want LabOptions\(price_area="):
        Lab(make_facts(), replace(HOME, area=None), site_of(), Tariff(zone=ZONE))


def test_tomorrow_is_planned_from_what_is_known_today(demo: Lab) -> None:
    """The facts end at noon of the day before, with the prices of the day after published."""
    day = date(2025, 6, 11)
    noon = local_day(day, ZONE)[0] - timedelta(hours=10)
    early = _Early(demo_facts(), noon)
    found = Lab.of(early, demo_model()).baseline(day, soc_kwh=4.0)
    assert found.plan is not None
    spot = demo.baseline(day, soc_kwh=4.0).course.import_price[:92]
    assert found.course.import_price[:92] == pytest.approx(spot)


class _Early:
    """Facts as far as they were known at a moment; ``sim.facts.Facts``."""

    def __init__(self, facts: Facts, moment: Any) -> None:
        self._facts, self._moment = facts, moment

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._facts, name)
        if "as_of" not in inspect.signature(method).parameters:
            return method

        def known(*args: Any, **kwargs: Any) -> Any:
            as_of = kwargs.pop("as_of", None)
            as_of = self._moment if as_of is None else min(as_of, self._moment)
            return method(*args, as_of=as_of, **kwargs)

        return known


def test_a_frame_of_the_result() -> None:
    pytest.importorskip("pandas")
    result = make_lab(site_of(0.95)).run(DAY, WhatIf(export_kwh=2.0, at_any_cost=True), soc_kwh=0.0)
    frame = result.frame()
    assert list(frame.index) == [*LINES, "total"]
    assert frame.loc["total", "delta"] == result.delta.total
    assert frame.loc["wear", "day_delta"] == pytest.approx(0.95 * 2.0)


# It reads, and nothing else.


class _Watched:
    """Facts that note what is asked of them; ``sim.facts.Facts``."""

    def __init__(self, store: Store) -> None:
        self._store, self.asked = store, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        return getattr(self._store, name)


@pytest.fixture
def villa(tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    """A store with two weeks, opened read-only, a schedule and a configuration beside it."""
    path = new_store(tmp_path / "s.sqlite")
    with Store.open(path) as store:
        fill(store, VILLA, date(2025, 6, 1), date(2025, 6, 16))
    (tmp_path / "schedule.json").write_text('{"slots": []}', "utf-8")
    (tmp_path / "config.yaml").write_text("homes: {}", "utf-8")
    with Store.open(path, read_only=True) as store:
        yield tmp_path, store


def moment(quarter: int) -> datetime:
    return local_day(DAY, ZONE)[0] + quarter * timedelta(minutes=15)


def test_it_writes_nothing(villa: tuple[Path, Store]) -> None:
    """Every view and wish on a read-only store: all files stay as they are, to the byte."""
    folder, store = villa
    before = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    watched = _Watched(store)
    lab = Lab.of(watched, make_model())
    block = TimedBlock(kind="hold", start=moment(0), end=moment(4))
    cases = (
        WhatIf(export_kwh=2.0, relaxed=Relaxed(wear_cost_per_kwh=0.0)),
        WhatIf(blocks=(block,), load_scale=1.1, price_shift_per_kwh=0.1),
        WhatIf(battery_kwh=20.0),
    )
    for view in View:
        for case in cases:
            lab.run(DAY, case, view, soc_kwh=5.0)
    lab.under(WhatIf(pv_scale=0.5)).period(DAY, DAY, WhatIf(battery_kw=3.0), soc_kwh=5.0)
    after = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    assert after == before
    facts = {name for name, _ in inspect.getmembers(Facts, inspect.isfunction) if name[0] != "_"}
    assert watched.asked <= facts
    assert not [name for name in facts if name.startswith(("put", "delete", "transaction"))]


def test_its_modules_know_no_file_clock_or_writer() -> None:
    """What could write, by name, is not to be found in the Lab's own sources."""
    forbidden = (
        "open(",
        "Path(",
        "write",
        "put_",
        "datetime.now",
        "environ",
        "sqlalchemy",
        "runners",
    )
    for path in sorted(Path(inspect.getfile(Lab)).parent.glob("lab*.py")):
        text = path.read_text("utf-8")
        code = text[text.index('"""', 3) + 3 :]
        assert not [word for word in forbidden if word in code], path.name
