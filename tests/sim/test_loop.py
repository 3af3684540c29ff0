"""The closed loop: a slow loop as referee, plain Python, nothing from the future."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

import sim.policies
from mpc import Horizon, Plan, Planner, TerminalCurve, terminal_curve
from mpc.arrays import F64
from mpc.pieces import MOST_PIECES
from mpc.problem import make_problem
from mpc.program import CHARGE, DISCHARGE, FLOWS, SOC, curve_of
from mpc.rules import limits_at
from mpc.storage import value_functions
from sim.asof import Forecasts
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
from sim.errors import ReplayError
from sim.loop import end_of_window, window_of
from sim.policies import empty_rows, run_highs, run_storage
from sim.slots import run_slot, slot_at
from sim.window import ReplayWindow, replay_window
from tests.sim.replay_cases import START, ArrayForecasts, make_home, make_realised, random_days

Run = Callable[[ReplayWindow, Forecasts, int], F64]
CODES = [pytest.param(code, id=DISPATCH_NAMES[code]) for code in (VALUE, MODES, SETPOINT, WINDOWS)]


def known_horizon(window: ReplayWindow, known: ArrayForecasts, n: int) -> Horizon:
    """What a planner is given at slot ``n``, its end valued by the public function."""
    slots, start = window.horizon_slots, window.realised.start + n * timedelta(minutes=15)

    def part(run: slice, first: int, terminal: TerminalCurve | None) -> Horizon:
        return Horizon(
            start=start + first * timedelta(minutes=15),
            slot_minutes=15,
            import_price=known.import_price[n, run],
            export_price=known.export_price[n, run],
            load_kwh=known.load_kwh[n, run],
            pv_kwh=known.pv_kwh[n, run],
            terminal_value=terminal,
        )

    curve = terminal_curve(window.home.site, part(slice(slots, None), slots, None))
    return part(slice(0, slots), 0, curve)


def window_end(plan: Plan) -> float:
    """Stored energy where the charging or export window that the plan begins with ends."""
    kinds = [
        window_of(b, n)
        for b, n in zip(plan.net_battery_kwh, plan.load_kwh - plan.pv_kwh, strict=True)
    ]
    last = 0
    while kinds[0] != 0 and last + 1 < len(plan) and kinds[last + 1] == kinds[0]:
        last += 1
    return float(plan.soc_kwh[last])


def slow_loop(window: ReplayWindow, known: ArrayForecasts, code: int) -> F64:
    """Plan every slot anew with the public planner and value functions, in plain Python."""
    rows, stored = empty_rows(len(window)), window.soc_start_kwh
    planner = Planner(window.home.site, engine="storage")
    scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    for n in range(len(window)):
        horizon = known_horizon(window, known, n)
        plan = planner.plan(horizon, stored)
        values = value_functions(make_problem(window.home.site, horizon, stored))
        packed = values.packed
        advice = Advice(
            float(plan.load_kwh[0]),
            float(plan.pv_kwh[0]),
            float(plan.net_battery_kwh[0]),
            window_end(plan),
        )
        slot, limits = slot_at(window.actual, n), limits_at(window.limits, n)
        value = Value(curve_of(packed, 1), packed.slope, packed.length)
        wish = dispatch_wish(code, stored, advice, value, slot, limits, window.rules, scratch)
        stored = run_slot(stored, wish, slot, limits, window.rules, rows, n)
        rows[n, -1] = np.mean(values.marginal(1, stored))
    return rows


@pytest.mark.parametrize("code", CODES)
def test_kernel_equals_a_loop_over_the_public_planner(code: int) -> None:
    window, known = random_days(3 * 96)
    np.testing.assert_allclose(
        run_storage(window, known, code), slow_loop(window, known, code), rtol=0.0, atol=1e-9
    )


@pytest.mark.parametrize("code", CODES)
def test_compiled_equals_plain_python_to_the_bit(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, known = random_days(24)
    fast = run_storage(window, known, code)
    monkeypatch.setattr(sim.policies, "compiled", lambda kernel: kernel)
    np.testing.assert_array_equal(run_storage(window, known, code), fast)


@pytest.mark.parametrize("run", [run_storage, run_highs])
def test_twice_the_same_bits(run: Run) -> None:
    window, known = random_days(120)
    np.testing.assert_array_equal(run(window, known, VALUE), run(window, known, VALUE))


@pytest.mark.parametrize("run", [run_storage, run_highs])
@pytest.mark.parametrize("code", CODES)
def test_what_comes_later_changes_nothing_before(run: Run, code: int) -> None:
    """Slots, and what was known at slots, from the 100th on are replaced."""
    window, known = random_days(110)
    cut = 100

    def spoilt(values: F64) -> F64:
        later = values.copy()
        later[cut:] *= 0.3
        return later

    other = replay_window(
        window.home,
        make_realised(110, *(spoilt(column) for column in window.actual.T)),
        soc_start_kwh=window.soc_start_kwh,
        terminal=window.terminal,
    )
    before, after = run(window, known, code), run(other, known.changed(spoilt), code)
    np.testing.assert_array_equal(before[:cut], after[:cut])
    assert not np.array_equal(before[cut:], after[cut:])


def test_highs_and_engine_pay_nearly_the_same() -> None:
    """The plans are equally cheap, but where they tie they may differ, and so the days after."""
    window, known = random_days(3 * 96)
    costs = [run(window, known, VALUE)[:, 6:9].sum() for run in (run_storage, run_highs)]
    assert costs[0] == pytest.approx(costs[1], rel=2e-3)


def test_highs_starts_every_local_day_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 20:00 UTC: 2 h, eight slots, are left of the local day."""
    cold: list[bool] = []

    class Watched(Planner):
        """Notes which plans start from nothing."""

        def plan(self, horizon: Horizon, soc_kwh: float, previous: Plan | None = None) -> Plan:
            """Plan, and note it."""
            cold.append(previous is None)
            return super().plan(horizon, soc_kwh, previous)

    monkeypatch.setattr(sim.policies, "Planner", Watched)
    window, known = random_days(110, start=START - timedelta(hours=2))
    run_highs(window, known, SETPOINT)
    assert [n for n, first in enumerate(cold) if first] == [0, 8, 104]


@pytest.mark.parametrize(
    ("planned", "net", "kind"),
    [
        pytest.param(1.0, 0.5, 1, id="charges while the house imports"),
        pytest.param(1.0, -0.5, 1, id="charges more than the surplus"),
        pytest.param(0.5, -0.5, 0, id="stores the surplus"),
        pytest.param(-0.5, 0.5, 0, id="serves the load"),
        pytest.param(-1.0, 0.5, -1, id="gives more than the load takes"),
        pytest.param(0.0, 0.5, 0, id="rests"),
    ],
)
def test_window_of(planned: float, net: float, kind: int) -> None:
    assert window_of(planned, net) == kind


def test_a_window_ends_with_its_last_slot_of_its_kind() -> None:
    flows = np.zeros((4, FLOWS))
    flows[:, CHARGE], flows[:, DISCHARGE] = [1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.5, 0.0]
    flows[:, SOC] = [3.0, 4.0, 3.5, 4.5]
    series = np.tile([0.5, 0.0], (4, 1))
    assert end_of_window(1, series, flows, 2.0) == 4.0
    assert end_of_window(-1, series, flows, 2.0) == 2.0


def test_names_moment_and_reason_of_a_plan_that_the_engine_refuses() -> None:
    window, known = random_days(8)
    known.export_price[3, 5] = 9.0
    with pytest.raises(
        ReplayError, match=r"cannot plan at 2025-06-01T22:45:00.*slot 5.*export.* 9.*policy plan"
    ):
        run_storage(window, known, VALUE)
    assert run_highs(window, known, VALUE).shape == (8, 10)


def test_refuses_forecasts_that_look_too_short_ahead() -> None:
    window, known = random_days(8)
    with pytest.raises(ReplayError, match=r"gave an array of \(8, 200\), want \(8, 288\)"):
        run_storage(window, known.changed(lambda values: values[:, :200]), VALUE)


def test_refuses_a_start_outside_that_highs_can_plan() -> None:
    real = make_realised(4, 0.5, 0.0, np.full(4, 1.0), 0.5)
    window = replay_window(make_home(), real, soc_start_kwh=0.5, terminal=TerminalCurve.of(0.0))
    known = ArrayForecasts(
        load_kwh=np.full((4, 288), 0.5),
        pv_kwh=np.zeros((4, 288)),
        import_price=np.full((4, 288), 1.0),
        export_price=np.full((4, 288), 0.5),
    )
    with pytest.raises(ReplayError, match=r"policy storage cannot start with 0.5 kWh"):
        run_storage(window, known, VALUE)
    assert np.isfinite(run_highs(window, known, VALUE)).all()
