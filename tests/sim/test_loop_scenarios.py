"""The closed loop on scenarios: a slow loop as referee, plain Python, nothing from the future."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

import sim.policies
from mpc import Horizon, Plan, Planner, Requests, Scenarios
from mpc.arrays import F64
from mpc.pieces import MOST_PIECES
from mpc.problem import make_problem
from mpc.program import curve_of
from mpc.rules import limits_at, slot_at
from mpc.scenario_plan import on_scenarios, plan_scenarios_with_values
from sim.asof import Forecasts, KnownForecasts, perfect, with_actual
from sim.dispatch import (
    DISPATCH_NAMES,
    MODES,
    SETPOINT,
    VALUE,
    WINDOWS,
    Advice,
    Scratch,
    Value,
    dispatch_wish,
)
from sim.errors import RefusedError, ReplayError
from sim.policies import empty_rows, run_highs, run_storage, storage_plans
from sim.slots import SOC, run_slot
from sim.window import ReplayWindow, replay_window
from tests.sim.replay_cases import START, make_home, make_realised, random_days
from tests.sim.test_loop import known_horizon

Run = Callable[[ReplayWindow, Forecasts, int], F64]
CODES = [pytest.param(code, id=DISPATCH_NAMES[code]) for code in (VALUE, MODES, SETPOINT, WINDOWS)]
RUNS = pytest.mark.parametrize("run", [run_storage, run_highs])
SCENARIOS = 3


@dataclass(frozen=True, kw_only=True)
class Told:
    """Forecasts that stand in arrays, scenarios and all."""

    arrays: KnownForecasts
    name: str = "told"
    start: datetime = START

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return some rows."""
        return self.rows(lambda values: values[first : first + count])

    def rows(self, change: Callable[[F64], F64]) -> KnownForecasts:
        """Every array passed through ``change``."""
        given = {f.name: getattr(self.arrays, f.name) for f in fields(KnownForecasts)}
        arrays: dict[str, Any] = {
            n: change(v) for n, v in given.items() if isinstance(v, np.ndarray)
        }
        return replace(self.arrays, **arrays)

    def but(self, **changes: Any) -> "Told":
        """The same with other fields."""
        return replace(self, arrays=replace(self.arrays, **changes))


def random_scenarios(
    slots: int, seed: int = 0, *, prices: bool = False, recourse: float = 0.5
) -> tuple[ReplayWindow, Told]:
    """The random days of ``replay_cases`` with three scenarios of different weights."""
    window, mean = random_days(slots, seed)
    rng = np.random.default_rng(seed + 1)
    shape = (slots, SCENARIOS, window.slots_ahead)
    arrays = KnownForecasts(
        load_kwh=mean.load_kwh,
        pv_kwh=mean.pv_kwh,
        import_price=mean.import_price,
        export_price=mean.export_price,
        scenario_load_kwh=mean.load_kwh[:, None] * rng.uniform(0.3, 2.0, shape),
        scenario_pv_kwh=mean.pv_kwh[:, None] * rng.uniform(0.0, 2.0, shape),
        weights=rng.dirichlet(np.ones(SCENARIOS), slots),
        recourse=recourse,
    )
    if prices:
        level = rng.uniform(0.7, 1.4, shape[:2])[:, :, None]
        arrays = replace(
            arrays,
            scenario_import_price=mean.import_price[:, None] * level,
            scenario_export_price=mean.export_price[:, None] * level,
        )
    return window, Told(arrays=arrays)


def the_scenarios(known: KnownForecasts, n: int, slots: int) -> Scenarios:
    """What a planner is given at slot ``n``."""
    load, pv = known.scenario_load_kwh, known.scenario_pv_kwh
    buy, sell = known.scenario_import_price, known.scenario_export_price
    assert load is not None
    assert pv is not None
    return Scenarios(
        load_kwh=load[n, :, :slots],
        pv_kwh=pv[n, :, :slots],
        import_price=None if buy is None else buy[n, :, :slots],
        export_price=None if sell is None else sell[n, :, :slots],
        weights=None if known.weights is None else known.weights[n],
    )


def slow_loop(window: ReplayWindow, told: Told, code: int) -> F64:
    """Plan every slot anew with the public planner and value functions, in plain Python."""
    rows, stored, known = empty_rows(len(window)), window.soc_start_kwh, told.arrays
    scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    for n in range(len(window)):
        horizon = known_horizon(window, known, n)  # type: ignore[arg-type]  # the same four series
        scenarios = the_scenarios(known, n, len(horizon))
        problem = on_scenarios(
            make_problem(window.site, horizon, stored), scenarios, known.recourse
        )
        plan, values = plan_scenarios_with_values(problem, scenarios, known.recourse)
        packed = values.packed
        load, pv = float(plan.load_kwh[0]), float(plan.pv_kwh[0])
        advice = Advice(load, pv, float(plan.net_battery_kwh[0]), float(plan.soc_kwh[0]))
        slot, limits = slot_at(window.actual, n), limits_at(window.limits, n)
        value = Value(curve_of(packed, 1), packed.slope, packed.length)
        wish = dispatch_wish(code, stored, advice, value, slot, limits, window.rules, scratch)
        stored = run_slot(stored, wish, slot, limits, window.rules, rows, n)
        rows[n, -1] = np.mean(values.marginal(1, stored))
    return rows


@pytest.mark.parametrize("code", [VALUE, MODES, SETPOINT])
@pytest.mark.parametrize("prices", [False, True])
def test_kernel_equals_a_loop_over_the_public_planner(code: int, *, prices: bool) -> None:
    window, told = random_scenarios(60, prices=prices)
    np.testing.assert_allclose(
        run_storage(window, told, code), slow_loop(window, told, code), rtol=0.0, atol=1e-9
    )


@pytest.mark.parametrize("code", CODES)
def test_compiled_equals_plain_python_to_the_bit(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, told = random_scenarios(4)
    fast = run_storage(window, told, code)
    monkeypatch.setattr(sim.policies, "compiled", lambda kernel: kernel)
    np.testing.assert_array_equal(run_storage(window, told, code), fast)


@pytest.mark.parametrize("code", CODES)
def test_equal_scenarios_are_the_loop_without_any(code: int) -> None:
    """As whole scenarios exactly; the values that decide stand in column 9."""
    window, mean = random_days(96)
    copies = {
        f"scenario_{name}": np.repeat(getattr(mean, name)[:, None], 2, axis=1)
        for name in ("load_kwh", "pv_kwh")
    }
    told = Told(arrays=replace(mean.known(0, 96), **copies, recourse=0.0))
    np.testing.assert_allclose(
        run_storage(window, told, code), run_storage(window, mean, code), rtol=0.0, atol=1e-9
    )


@RUNS
@pytest.mark.parametrize("code", CODES)
def test_what_comes_later_changes_nothing_before(run: Run, code: int) -> None:
    """Slots, and scenarios told at slots, from the 20th on are replaced."""
    window, told = random_scenarios(24, prices=True)
    cut = 20

    def spoilt(values: F64) -> F64:
        later = values.copy()
        later[cut:] *= 0.3
        return later

    other = replay_window(
        make_home(window.site),
        make_realised(24, *(spoilt(column) for column in window.actual.T)),
        soc_start_kwh=window.soc_start_kwh,
        terminal=window.terminal,
    )
    later = replace(told, arrays=told.rows(spoilt)).but(weights=told.arrays.weights)
    before, after = run(window, told, code), run(other, later, code)
    np.testing.assert_array_equal(before[:cut], after[:cut])
    assert not np.array_equal(before[cut:], after[cut:])


@RUNS
def test_how_many_slots_are_asked_for_at_once_changes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, told = random_scenarios(10)
    whole = run(window, told, MODES)
    for slots in (1, 7):
        monkeypatch.setattr(sim.policies, "_CHUNK_SLOTS", slots)
        np.testing.assert_array_equal(run(window, told, MODES), whole)


def test_forecasts_may_have_scenarios_for_some_slots_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """None at first, where there is no past to make them of; then more of them."""
    window, told = random_scenarios(8)
    monkeypatch.setattr(sim.policies, "_CHUNK_SLOTS", 4)

    class Late:
        """Scenarios from slot 4 on."""

        name, start = "late", START

        def known(self, first: int, count: int) -> KnownForecasts:
            """Return some rows."""
            found = told.known(first, count)
            none: dict[str, Any] = dict.fromkeys(
                ("scenario_load_kwh", "scenario_pv_kwh", "weights")
            )
            return found if first >= 4 else replace(found, **none)

    rows = run_storage(window, Late(), VALUE)
    _, mean = random_days(8)
    np.testing.assert_array_equal(rows[:4], run_storage(window, mean, VALUE)[:4])
    assert not np.array_equal(rows[4:], run_storage(window, mean, VALUE)[4:])


def test_highs_plans_on_the_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    """And moves the battery as the engine does on whole scenarios."""
    window, told = random_scenarios(24, prices=True, recourse=0.0)
    asked: list[Plan] = []

    class Watched(Planner):
        """Notes the plans."""

        def plan(
            self,
            horizon: Horizon,
            soc_kwh: float,
            previous: Plan | None = None,
            *,
            scenarios: Scenarios | None = None,
            recourse: float = 0.5,
            requests: Requests | None = None,
        ) -> Plan:
            """Plan, and note it."""
            assert requests is None
            found = super().plan(horizon, soc_kwh, previous, scenarios=scenarios, recourse=recourse)
            asked.append(found)
            return found

    monkeypatch.setattr(sim.policies, "Planner", Watched)
    rows = run_highs(window, told, VALUE)
    assert [plan.scenarios for plan in asked] == [SCENARIOS] * 24
    np.testing.assert_allclose(rows[:, SOC], run_storage(window, told, VALUE)[:, SOC], atol=1e-6)


def test_the_plans_of_the_engine_are_those_of_the_loop() -> None:
    window, told = random_scenarios(6)
    rows = run_storage(window, told, SETPOINT)
    plans = list(storage_plans(window, told, rows))
    assert [plan.scenarios for plan in plans] == [SCENARIOS] * 6
    moved = [float(plan.net_battery_kwh[0]) for plan in plans]
    np.testing.assert_allclose(rows[:, 0] - rows[:, 1], moved, atol=1e-9)


def test_names_moment_scenario_and_reason_of_a_plan_that_the_engine_refuses() -> None:
    window, told = random_scenarios(8, prices=True)
    sell = told.arrays.scenario_export_price
    assert sell is not None
    sell[3, 1, 5] = 9.0
    message = r"plan at 2025-06-01T22:45:00.*scenario 1: slot 5 .*export price 9.*policy plan"
    with pytest.raises(RefusedError, match=message):
        run_storage(window, told, VALUE)
    assert run_highs(window, told, VALUE).shape == (8, 10)


def spoilt(values: F64 | None, place: tuple[int, ...], number: float) -> F64:
    """A copy with one number replaced."""
    assert values is not None
    other = values.copy()
    other[place] = number
    return other


@RUNS
def test_refuses_what_is_no_scenario(run: Run) -> None:
    window, told = random_scenarios(4)
    load, pv, weights = (
        told.arrays.scenario_load_kwh,
        told.arrays.scenario_pv_kwh,
        told.arrays.weights,
    )
    assert load is not None
    assert pv is not None
    bad: list[tuple[dict[str, Any], str]] = [
        ({"scenario_pv_kwh": None}, "'told' gave scenarios without load or without PV"),
        ({"scenario_load_kwh": None, "scenario_pv_kwh": None}, "without load or without PV"),
        ({"scenario_pv_kwh": pv[:, :2]}, r"scenario_pv_kwh of shape \(4, 2, 288\), want \(4, 3"),
        ({"scenario_load_kwh": load[:, 0]}, r"scenario_load_kwh of shape \(4, 288\)"),
        (
            {"scenario_import_price": spoilt(load, (1, 2, 7), np.nan)},
            r"scenario_import_price with a gap at \(1, 2, 7\)",
        ),
        ({"weights": spoilt(weights, (2, 0), 5.0)}, "weights that are no probabilities"),
        ({"weights": np.ones(4)}, r"weights of shape \(4,\), want \(4, 3\)"),
        ({"recourse": 1.5}, "recourse 1.5; a share from 0 to 1"),
    ]
    for change, message in bad:
        with pytest.raises(ReplayError, match=message):
            run(window, told.but(**change), VALUE)


def test_what_happened_stands_in_every_scenario() -> None:
    window, told = random_scenarios(4, prices=True)
    known = with_actual(told, window.realised, load=True, pv=False).known(1, 2)
    given = told.known(1, 2)
    assert known.scenario_load_kwh is not None
    assert given.scenario_load_kwh is not None
    for n, k in ((0, 0), (1, 2)):  # 4 slots and the 96 after them are known, from slot 1 + n on
        row = known.scenario_load_kwh[n, k]
        np.testing.assert_array_equal(row[: 99 - n], window.realised.load_kwh[1 + n : 100])
        np.testing.assert_array_equal(row[99 - n :], given.scenario_load_kwh[n, k, 99 - n :])
    assert known.weights is not None
    np.testing.assert_array_equal(known.weights, given.weights)
    for name in ("scenario_pv_kwh", "scenario_import_price", "scenario_export_price"):
        np.testing.assert_array_equal(getattr(known, name), getattr(given, name))
    assert known.recourse == given.recourse


def test_perfect_foresight_has_no_scenarios() -> None:
    window, told = random_scenarios(4, prices=True)
    known = perfect(told, window.realised).known(0, 4)
    assert known.scenario_load_kwh is known.scenario_pv_kwh is known.weights is None
    assert known.scenario_import_price is known.scenario_export_price is None
    _, mean = random_days(4)
    np.testing.assert_array_equal(
        run_storage(window, perfect(told, window.realised), VALUE),
        run_storage(window, perfect(mean, window.realised), VALUE),
    )
