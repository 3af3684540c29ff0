"""The picture of a replay: parts stacked to the regret, costs that end at the window's cost."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mpc import TerminalCurve
from runners.plot_replay import _cost_since_start, _labels, _regret, _ticks, plot_replay
from runners.replay_names import PolicyName
from runners.replay_report import Compared, Run
from sim.regret import Ledger
from sim.replay import Dispatch, Policy, Replay
from telemetry.slots import local_calendar, local_day, slot_range

ZONE = "Europe/Stockholm"
FIRST = date(2025, 3, 3)


def a_replay(days: int, policy: Policy = Policy.STORAGE) -> Replay:
    """Return a replay of whole local days in which every number is random."""
    last = date.fromordinal(FIRST.toordinal() + days - 1)
    slots = slot_range(local_day(FIRST, ZONE)[0], local_day(last, ZONE)[1])
    rng = np.random.default_rng(days)
    names = ["load_kwh", "pv_kwh", "import_price", "export_price", "charge_kwh", "discharge_kwh"]
    names += ["import_kwh", "export_kwh", "curtail_kwh", "soc_kwh", "bill", "wear", "penalty"]
    return Replay(
        home_id="h",
        policy=policy,
        dispatch=Dispatch.VALUE if policy is Policy.STORAGE else None,
        forecast="baseline" if policy is Policy.STORAGE else "",
        start=local_day(FIRST, ZONE)[0],
        local_day=local_calendar(slots, ZONE).day,
        energy_value=np.full(slots.size, np.nan),
        soc_start_kwh=5.0,
        terminal=TerminalCurve.of(1.0),
        **{name: rng.uniform(0.0, 1.0, slots.size) for name in names},
    )


def a_ledger(days: int) -> Ledger:
    """Return a ledger with parts of both signs."""
    parts = np.random.default_rng(days).normal(0.3, 0.5, (4, days))
    return Ledger(
        days=tuple(date.fromordinal(FIRST.toordinal() + d) for d in range(days)),
        total=parts.sum(axis=0),
        dispatch=parts[0],
        load=parts[1],
        pv=parts[2],
        remainder=parts[3],
        orders=1,
    )


def compared(days: int) -> Compared:
    """Return two runs and a ledger."""
    runs = tuple(
        Run(policy=name, result=result, regret=np.zeros(len(result)), seconds=0.1)
        for name, result in (
            (PolicyName.STORAGE, a_replay(days)),
            (PolicyName.ORACLE, a_replay(days, Policy.ORACLE)),
        )
    )
    return Compared(
        runs=runs,
        main=0,
        ledger=a_ledger(days),
        no_battery_cost=2.0,
        oracle_cost=1.0,
        ready_seconds=0.0,
    )


@pytest.mark.parametrize("days", [1, 16, 61, 400])
def test_any_number_of_days_is_drawn(tmp_path: Path, days: int) -> None:
    plot_replay(compared(days), tmp_path / "new" / "a.png", title="h", currency="SEK")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_bars_stack_up_to_the_gains_and_down_to_the_losses() -> None:
    """Day 1: parts 3, -1, 2, -0.5: from -1.5 up to 5. Day 2: 1, 0, 0.5, 0: zeros lie on top."""
    parts = np.array([[3.0, 1.0], [-1.0, 0.0], [2.0, 0.5], [-0.5, 0.0]])
    ledger = Ledger(
        days=(FIRST, date(2025, 3, 4)),
        total=parts.sum(axis=0),
        dispatch=parts[0],
        load=parts[1],
        pv=parts[2],
        remainder=parts[3],
        orders=1,
    )
    axes = Figure().subplots()
    _regret(axes, ledger)
    boxes = [patch.get_bbox() for patch in axes.patches]  # type: ignore[attr-defined]
    spans = [sorted((box.y0, box.y1)) for box in boxes]
    days = spans[0::2], spans[1::2]  # a bar for each day, part after part
    assert days[0] == [[0.0, 3.0], [-1.0, 0.0], [3.0, 5.0], [-1.5, -1.0]]
    assert days[1] == [[0.0, 1.0], [1.0, 1.0], [1.0, 1.5], [1.5, 1.5]]
    low, high = axes.get_ylim()
    assert low < -1.5
    assert high > 5.0


@pytest.mark.parametrize("days", [1, 28, 30])  # the 28th day has 92 slots
def test_costs_end_at_the_cost_of_the_window(days: int) -> None:
    result = a_replay(days)
    ends, costs = _cost_since_start(result)
    assert (ends[0], costs[0]) == (FIRST.toordinal(), 0.0)
    assert ends.tolist() == list(range(FIRST.toordinal(), FIRST.toordinal() + days + 1))
    assert costs[-1] == pytest.approx(result.cost)
    # (R1) at the end of the first day, every stored kWh being worth 1
    spent = result.slot_cost[:96].sum()
    assert costs[1] == pytest.approx(spent - (result.soc_kwh[95] - 5.0))


@pytest.mark.parametrize(
    ("days", "count", "first", "last"),
    [
        pytest.param(1, 1, "Mon 3 Mar\n2025", "Mon 3 Mar\n2025", id="a day"),
        pytest.param(15, 15, "Mon 3 Mar\n2025", "Mon 17 Mar", id="every day"),
        pytest.param(90, 13, "3 Mar\n2025", "26 May", id="Mondays"),
        pytest.param(400, 13, "1 Apr\n2025", "1 Apr", id="months"),
    ],
)
def test_few_dates_are_written(days: int, count: int, first: str, last: str) -> None:
    ticks = _ticks(FIRST.toordinal(), FIRST.toordinal() + days)
    labels = _labels(ticks, weekdays=days <= 15)
    assert (len(labels), labels[0], labels[-1]) == (count, first, last)
