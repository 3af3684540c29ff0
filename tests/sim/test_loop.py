"""The closed loop: a slow loop as referee, plain Python, nothing from the future."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import sim.policies
import sim.slots
from mpc import Grid, Horizon, Plan, Planner, TerminalCurve, terminal_curve
from mpc.arrays import F64
from mpc.pieces import MOST_PIECES
from mpc.problem import make_problem
from mpc.program import CHARGE, DISCHARGE, FLOWS, SOC, curve_of
from mpc.rules import limits_at, slot_at
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
    window_of,
)
from sim.errors import ReplayError
from sim.loop import end_of_window
from sim.policies import empty_rows, run_highs, run_storage
from sim.slots import BILL, run_slot
from sim.window import ReplayWindow, replay_window
from tests.mpc.instances import make_site
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

    curve = terminal_curve(window.site, part(slice(slots, None), slots, None))
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
    planner = Planner(window.site, engine="storage")
    scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    for n in range(len(window)):
        horizon = known_horizon(window, known, n)
        plan = planner.plan(horizon, stored)
        values = value_functions(make_problem(window.site, horizon, stored))
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
def test_how_many_slots_are_asked_for_at_once_changes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, known = random_days(20)
    whole = run(window, known, MODES)
    for slots in (1, 7):
        monkeypatch.setattr(sim.policies, "_CHUNK_SLOTS", slots)
        np.testing.assert_array_equal(run(window, known, MODES), whole)


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
        make_home(window.site),
        make_realised(110, *(spoilt(column) for column in window.actual.T)),
        soc_start_kwh=window.soc_start_kwh,
        terminal=window.terminal,
    )
    before, after = run(window, known, code), run(other, known.changed(spoilt), code)
    np.testing.assert_array_equal(before[:cut], after[:cut])
    assert not np.array_equal(before[cut:], after[cut:])


@pytest.mark.parametrize("run", [run_storage, run_highs])
@pytest.mark.parametrize("code", CODES)
def test_the_price_that_a_slot_is_billed_at_moves_nothing(run: Run, code: int) -> None:
    """Where a month is settled as one, or prices came late, it differs from the one known."""
    window, known = random_days(48)
    load, pv, buy, sell = window.actual.T
    other = replay_window(
        make_home(window.site),
        make_realised(48, load, pv, 0.5 * buy, 0.5 * sell),
        soc_start_kwh=window.soc_start_kwh,
        terminal=window.terminal,
    )
    billed, otherwise = run(window, known, code), run(other, known, code)
    np.testing.assert_array_equal(billed[:, :6], otherwise[:, :6])
    np.testing.assert_allclose(otherwise[:, BILL], 0.5 * billed[:, BILL], atol=1e-12)


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

        def plan(
            self, horizon: Horizon, soc_kwh: float, previous: Plan | None = None, **more: Any
        ) -> Plan:
            """Plan, and note it."""
            cold.append(previous is None)
            return super().plan(horizon, soc_kwh, previous, **more)

    monkeypatch.setattr(sim.policies, "Planner", Watched)
    window, known = random_days(110, start=START - timedelta(hours=2))
    run_highs(window, known, SETPOINT)
    assert [n for n, first in enumerate(cold) if first] == [0, 8, 104]


def test_highs_plans_a_day_alike_wherever_the_window_begins() -> None:
    """From 20:00 UTC the local day begins with slot 8; then that day alone."""
    window, known = random_days(56, start=START - timedelta(hours=2))
    whole = run_highs(window, known, VALUE)
    day = replay_window(
        make_home(window.site),
        make_realised(48, *window.actual[8:].T, start=START),
        soc_start_kwh=float(whole[7, 5]),
        terminal=window.terminal,
    )
    alone = run_highs(day, replace(known.changed(lambda values: values[8:]), start=START), VALUE)
    np.testing.assert_array_equal(whole[8:], alone)


@pytest.mark.parametrize(("bound", "beyond"), [(1.0, 0.0), (10.0, 11.0)])
def test_highs_plans_from_a_bound_that_is_missed_by_rounding(
    bound: float, beyond: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that empties the battery may end one bit below it; outside, no slot may discharge."""
    asked: list[float] = []

    class Watched(Planner):
        """Notes the states that are planned from."""

        def plan(
            self, horizon: Horizon, soc_kwh: float, previous: Plan | None = None, **more: Any
        ) -> Plan:
            """Plan, and note it."""
            asked.append(soc_kwh)
            return super().plan(horizon, soc_kwh, previous, **more)

    monkeypatch.setattr(sim.policies, "Planner", Watched)
    window, known = random_days(1)
    start = float(np.nextafter(bound, beyond))
    window = replay_window(
        make_home(window.site), window.realised, soc_start_kwh=start, terminal=window.terminal
    )
    run_highs(window, known, VALUE)
    assert asked == [bound]


@pytest.mark.parametrize("code", CODES)
def test_dispatch_breaks_limits_at_the_price_of_the_plan(code: int) -> None:
    """The fuse lets 1 kWh a slot through; 1 kWh of load is here, 2 are expected in the next slot.

    A price of 3 is expected then, so the plan breaks a limit at 300 per kWh, the window, whose
    price is 1, at 100. A kWh stored saves (3 + 300 - 0.2) * 0.95 = 288 in the next slot and costs
    (1 + 300) / 0.95 = 317 in this one: it is not bought, as 101 / 0.95 would suggest.
    """
    site = make_site(grid=Grid(max_import_kw=4.0, max_export_kw=10.0))
    real = make_realised(1, 1.0, 0.0, np.ones(1), 0.5)
    home = make_home(site, horizon_hours=1)
    window = replay_window(home, real, soc_start_kwh=1.0, terminal=TerminalCurve.of(0.0))
    assert window.rules.penalty == 100.0
    load, buy = np.zeros((1, 100)), np.ones((1, 100))
    load[0, :2], buy[0, 1] = (1.0, 2.0), 3.0
    known = ArrayForecasts(
        load_kwh=load, pv_kwh=np.zeros((1, 100)), import_price=buy, export_price=0.5 * buy
    )
    row = run_highs(window, known, code)[0]
    assert row[sim.slots.CHARGE] == pytest.approx(0.0, abs=1e-9)
    assert row[sim.slots.PENALTY] == pytest.approx(0.0, abs=1e-6)


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


@pytest.mark.parametrize("run", [run_storage, run_highs])
def test_refuses_forecasts_with_a_gap(run: Run) -> None:
    window, known = random_days(8)
    known.pv_kwh[3, 250] = np.nan
    with pytest.raises(ReplayError, match=r"'arrays' have a gap at 2025-06-01T22:45:00\+00:00"):
        run(window, known, VALUE)


@pytest.mark.parametrize("run", [run_storage, run_highs])
def test_refuses_forecasts_that_begin_with_another_slot(run: Run) -> None:
    window, known = random_days(8)
    late = replace(known, start=START + timedelta(minutes=15))
    message = r"begin at 2025-06-01T22:15:00\+00:00, the window at 2025-06-01T22:00:00\+00:00"
    with pytest.raises(ReplayError, match=message):
        run(window, late, VALUE)


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
