"""Savings: what was paid by hand, days that sum to the stretch, money that reconciles."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mpc import TerminalCurve
from sim.day_runs import run_of
from sim.metered import Meters
from sim.oracle import make_oracle
from sim.regret import ledger
from sim.replay import Dispatch, Policy, replay
from sim.savings import (
    Account,
    Course,
    Stretch,
    joined,
    joined_ledger,
    paid_account,
    replay_account,
)
from sim.simulation_days import StartSoc
from sim.window import ReplayWindow, replay_window
from tests.sim.replay_cases import START, ZONE, make_home, make_realised, random_days

DAY = 96
WORTH = TerminalCurve.of([(0.0, 2.0), (5.0, 0.5)])
"""2 a kWh up to 5 kWh, 0.5 beyond."""


def two_days() -> ReplayWindow:
    """Two days of prices that are easily multiplied: 2 and 1, and on the second day 3 and 1."""
    buy = np.repeat([2.0, 3.0], DAY)
    real = make_realised(2 * DAY, 0.5, 0.0, buy, 1.0)
    return replay_window(make_home(), real, soc_start_kwh=5.0, terminal=WORTH)


def meters(**changes: object) -> Meters:
    """A quarter before the two days and one behind them; import 0.5 and discharge 0.1 in each."""
    slots = 2 * DAY + 2
    stored = np.full(slots + 1, np.nan)
    stored[[1, 1 + DAY, 1 + 2 * DAY]] = 4.0, 8.0, 1.0
    facts = {
        "start": START - timedelta(minutes=15),
        "import_kwh": np.full(slots, 0.5),
        "export_kwh": np.concatenate([[9.0], np.full(DAY, 0.25), np.zeros(DAY), [9.0]]),
        "discharge_kwh": np.full(slots, 0.1),
        "stored_kwh": stored,
        "wear_known": True,
        "stored_known": True,
    }
    return Meters(**(facts | changes))  # type: ignore[arg-type]


def test_what_was_paid_by_hand() -> None:
    account = paid_account(two_days(), meters())
    first, second = account.days
    assert (account.course, first.local_date) == (Course.PAID, date(2025, 6, 2))
    assert first.import_kwh == pytest.approx(96 * 0.5)
    assert first.export_kwh == pytest.approx(96 * 0.25)
    assert first.bill == pytest.approx(96 * (2.0 * 0.5 - 1.0 * 0.25))
    assert second.bill == pytest.approx(96 * 3.0 * 0.5)
    assert first.wear == second.wear == pytest.approx(96 * 0.2 * 0.1)
    # 4 kWh are worth 8, 8 kWh 10 + 1.5, 1 kWh 2: the battery's own, not the 5 kWh of the window.
    assert first.stored_gained == pytest.approx(11.5 - 8.0)
    assert second.stored_gained == pytest.approx(2.0 - 11.5)
    assert first.penalty == 0.0
    want = 96 * (0.75 + 1.5) + 2 * 96 * 0.02 - (2.0 - 8.0)
    assert account.cost == pytest.approx(want, abs=1e-9)


def test_what_no_meter_recorded_is_left_out() -> None:
    nothing = np.full(2 * DAY + 2, np.nan)
    recorded = meters(
        discharge_kwh=nothing,
        stored_kwh=np.full(2 * DAY + 3, np.nan),
        wear_known=False,
        stored_known=False,
    )
    account = paid_account(two_days(), recorded)
    assert account.total("wear") == account.total("stored_gained") == 0.0
    assert account.cost == pytest.approx(account.total("bill"), abs=1e-9)


def test_the_account_of_a_replay_is_its_cost_without_penalty() -> None:
    window, known = random_days(3 * DAY)
    for result in (
        replay(window, Policy.NO_BATTERY),
        replay(window, Policy.SELF_USE),
        replay(window, Policy.STORAGE, known, Dispatch.VALUE),
        replay(window, Policy.ORACLE),
    ):
        account = replay_account(Course.DARKSTAR, result)
        penalty = float(result.penalty.sum())
        assert account.cost + penalty == pytest.approx(result.cost, abs=1e-9)
        assert account.total("penalty") == pytest.approx(penalty, abs=1e-9)
        assert account.total("stored_gained") == pytest.approx(result.stored_value_gained, abs=1e-9)
        for name in ("bill", "wear", "import_kwh", "export_kwh", "discharge_kwh"):
            want = float(getattr(result, name).sum())
            assert account.total(name) == pytest.approx(want, abs=1e-9), name
        assert account.cost == pytest.approx(sum(day.cost for day in account.days), abs=1e-9)


def test_a_battery_that_is_metered_as_replayed_pays_as_replayed() -> None:
    """The meters of a house that lived on self-consumption tell the account of self-consumption."""
    window, _ = random_days(3 * DAY)
    lived = replay(window, Policy.SELF_USE)
    recorded = Meters(
        start=START,
        import_kwh=lived.import_kwh,
        export_kwh=lived.export_kwh,
        discharge_kwh=lived.discharge_kwh,
        stored_kwh=np.concatenate(([lived.soc_start_kwh], lived.soc_kwh)),
        wear_known=True,
        stored_known=True,
    )
    paid, want = paid_account(window, recorded), replay_account(Course.SELF_USE, lived)
    for day, other in zip(paid.days, want.days, strict=True):
        assert day.cost == pytest.approx(other.cost, abs=1e-9)
        assert replace(day, bill=0.0, penalty=0.0) == replace(other, bill=0.0, penalty=0.0)


def stretch_of(days: int, seed: int) -> Stretch:
    """Days compared, with a ledger."""
    window, known = random_days(days * DAY, seed)
    oracle = make_oracle(window)
    made = replay(window, Policy.STORAGE, known, Dispatch.VALUE)
    first = date(2025, 6, 2)
    return Stretch(
        run=run_of(first, first + timedelta(days=days - 1), ZONE),
        start=StartSoc(soc_kwh=5.0, source="recorded"),
        soc_start_kwh=5.0,
        accounts=(
            replay_account(Course.DARKSTAR, made),
            replay_account(Course.ORACLE, replay(window, Policy.ORACLE)),
        ),
        ledger=ledger(window, oracle, known, Dispatch.VALUE, made=made),
    )


def test_stretches_are_joined_to_a_month() -> None:
    parts = [stretch_of(2, seed=1), stretch_of(1, seed=2)]
    darkstar, oracle = joined(parts)
    assert (darkstar.course, oracle.course) == (Course.DARKSTAR, Course.ORACLE)
    assert len(darkstar.days) == 3
    assert darkstar.cost == pytest.approx(sum(part.accounts[0].cost for part in parts), abs=1e-9)
    whole = joined_ledger(parts)
    assert len(whole.days) == whole.total.size == 3
    # The regret is the difference of the costs, and the sum of its causes, day by day.
    above = darkstar.cost + darkstar.total("penalty") - oracle.cost - oracle.total("penalty")
    assert float(whole.total.sum()) == pytest.approx(above, abs=1e-6)
    causes = whole.dispatch + whole.load + whole.pv + whole.remainder
    np.testing.assert_allclose(whole.total, causes, atol=1e-9)


def test_nothing_sums_to_nothing() -> None:
    assert Account(course=Course.PAID, days=()).cost == 0.0
