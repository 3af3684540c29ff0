"""The manual plan: from times to slots, into every plan of a simulation, and carried out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mpc import Block, Horizon, Planner, Requests, Site
from sim.command import plan_command
from sim.dispatch import MODES, SETPOINT, VALUE
from sim.episode_day import HIGHS, STORAGE, DayTask, run_day
from sim.episode_format import EpisodeArrays, read_episode
from sim.manual import (
    Outcome,
    heeded,
    in_force,
    not_planned,
    outcomes,
    overruled,
    requests_for,
)
from sim.slots import CHARGE, DISCHARGE, SOC
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.store import Store
from tests.mpc.instances import START, make_battery, make_horizon, make_site
from tests.sim.simulation_cases import a_block, make_chain, make_store, start_of

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
DAY = date(2025, 3, 26)
SITE = make_site(make_battery(charge_efficiency=0.9, discharge_efficiency=0.8))


def block(first: float, last: float, **changes: Any) -> ManualBlock:
    """Charge to 80 % from ``first`` to ``last`` hours after the start of the horizon."""
    facts: dict[str, Any] = {
        "kind": BlockKind.CHARGE,
        "target_soc": 0.8,
        "created_at": START - HOUR,
    }
    return a_block(START + first * HOUR, last - first, **(facts | changes))


def asked(*blocks: ManualBlock, horizon: Horizon | None = None, site: Site = SITE) -> Any:
    """Requests of blocks on four hours, as (kind, first, stop, target)."""
    found = requests_for(blocks, horizon or make_horizon([1.0] * 4), site)
    if found is None:
        return None
    return [(b.kind, b.first, b.stop, b.target_soc_kwh) for b in found.blocks]


@pytest.mark.parametrize(
    ("first", "last", "want"),
    [
        pytest.param(1, 3, ("charge", 1, 3, 8.0), id="inside"),
        pytest.param(-2, 1, ("charge", 0, 1, 8.0), id="begun: keeps the target of its end"),
        pytest.param(3, 4.25, ("charge", 3, 4, 8.0 - 0.9 * 5 * 0.25), id="ends 15 min later: MB1"),
        pytest.param(2, 9, ("charge", 2, 4, 0.0), id="ends much later: owes nothing yet"),
        pytest.param(-3, 0, None, id="passed"),
        pytest.param(4, 5, None, id="after the horizon"),
        pytest.param(0.25, 0.75, None, id="within an hour: no slot begins in it"),
        pytest.param(0.5, 2.5, ("charge", 1, 3, 8.0), id="slots that begin in it"),
    ],
)
def test_a_block_is_cut_to_the_horizon(first: float, last: float, want: Any) -> None:
    assert asked(block(first, last)) == (None if want is None else [pytest.approx(want)])


def test_an_export_block_beyond_the_end_owes_what_power_cannot_make_up() -> None:
    """5 kW / 0.8 * 0.5 h = 3.125 kWh can still go after the horizon: 2 + 3.125 (MB2)."""
    given = block(2, 4.5, kind=BlockKind.EXPORT, target_soc=0.2)
    assert asked(given) == [("export", 2, 4, pytest.approx(5.125))]
    assert asked(replace(given, end=START + 9 * HOUR)) == [("export", 2, 4, 10.0)]


def test_quarters_of_a_day_that_has_begun() -> None:
    """The first slot is a third of a quarter; a block from the next quarter on begins with it."""
    horizon = Horizon(
        start=START + timedelta(minutes=10),
        slot_minutes=[5.0, 15.0, 15.0],
        import_price=[1.0] * 3,
        export_price=[0.0] * 3,
        load_kwh=[0.0] * 3,
        pv_kwh=[0.0] * 3,
    )
    assert asked(block(0.0, 0.5), horizon=horizon) == [("charge", 0, 2, 8.0)]
    assert asked(block(0.25, 0.5), horizon=horizon) == [("charge", 1, 2, 8.0)]


def test_water_waits_and_a_house_without_battery_is_not_asked() -> None:
    water = block(1, 2, kind=BlockKind.WATER_HEATING, target_soc=None)
    hold = block(1, 2, kind=BlockKind.HOLD, target_soc=None)
    assert asked(water) is None
    assert asked(water, hold) == [("hold", 1, 2, None)]
    assert not_planned((water, hold)) == (water,)
    none = make_site(make_battery(capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0))
    assert asked(hold, site=none) is None


def test_of_blocks_over_each_other_the_later_wish_is_heeded() -> None:
    """A store from before they were refused may hold them: they must not stop all planning."""
    first = block(0, 2)
    hold = block(1, 3, kind=BlockKind.HOLD, target_soc=None, created_at=START)
    third = block(2, 4, block_id="three")  # over the hold alone, asked for along with the first
    water = block(1, 3, kind=BlockKind.WATER_HEATING, target_soc=None, block_id="hot")
    for given in ((first, hold, third, water), (water, third, hold, first)):
        assert asked(*given) == [("hold", 1, 3, None)]
        assert set(overruled(given)) == {first, third}
    # What is overruled overrules nothing.
    fourth = block(0, 1, block_id="zero", created_at=START - 2 * HOUR)
    assert set(overruled([first, hold, fourth])) == {first}


def test_every_block_is_told_what_a_plan_makes_of_it() -> None:
    """2 kWh stored, 5 kW at 0.9: 6.5 kWh by the end of the first hour, so 3.5 kWh are missing."""
    high, rest, later = (
        block(0, 1, block_id="high", target_soc=1.0),
        block(1, 2, block_id="rest", kind=BlockKind.HOLD, target_soc=None),
        block(48, 49, block_id="later"),
    )
    hot = block(0, 1, block_id="hot", kind=BlockKind.WATER_HEATING, target_soc=None)
    old = replace(rest, block_id="old", created_at=rest.created_at - HOUR)
    given, horizon = (high, old, rest, later, hot), make_horizon([1.0] * 4)
    planner = Planner(SITE)
    plan = planner.plan(horizon, 2.0, requests=requests_for(given, horizon, SITE))
    found = {one.block.block_id: one for one in outcomes(given, plan)}
    assert {name: one.outcome for name, one in found.items()} == {
        "high": Outcome.CONFLICT,
        "old": Outcome.OVERRULED,
        "rest": Outcome.FULFILLED,
        "later": Outcome.BEYOND,
        "hot": Outcome.NOT_PLANNED,
    }
    assert [name for name, one in found.items() if one.is_heeded] == ["high", "rest"]
    ((limit, slot, amount, _),) = found["high"].missed
    assert (limit, slot) == ("manual_charge", 0)
    assert amount == pytest.approx(3.5)
    # The saved plan bears the ids, and what the wish cost is no money.
    again = type(plan).from_json(plan.to_json())
    assert again.requests is not None
    assert [one.name for one in again.requests.blocks] == ["high", "rest"]
    assert again.cost == plan.cost
    assert plan.wish_cost == pytest.approx(100.0 * 3.5)  # (Q4): 100 times the highest price
    assert plan.cost == pytest.approx(plan.bill + plan.wear - plan.terminal)
    assert "Breaks manual_charge by 3.500 kWh." in plan.explain()[0]
    none = make_site(make_battery(capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0))
    bare = Planner(none).plan(horizon, 0.0)
    assert outcomes([high], bare)[0].outcome == Outcome.NO_BATTERY


def test_only_blocks_in_force_are_heeded() -> None:
    given = block(2, 4)
    end = START + 6 * HOUR
    cleared = replace(given, cleared_at=START + HOUR)
    assert in_force([given], START, end) == (given,)
    assert in_force([given], START - 2 * HOUR, end) == ()
    assert in_force([given], START + 4 * HOUR, end) == ()
    assert in_force([given], START, START + 2 * HOUR) == ()
    assert in_force([cleared], START, end) == (cleared,)
    assert in_force([cleared], START + HOUR, end) == ()


def test_a_manual_plan_changes_the_plan() -> None:
    """An earlier system stored its manual plan and planned as if there were none."""
    horizon = make_horizon([1.0, 1.0, 3.0, 1.0], load_kwh=[1.0] * 4)
    planner = Planner(SITE)
    free = planner.plan(horizon, 5.0)
    assert free.discharge_kwh[2] == pytest.approx(1.0)
    for kind, target in (("charge", 1.0), ("export", 0.1), ("hold", None)):
        given = block(2, 3, kind=BlockKind(kind), target_soc=target)
        plan = planner.plan(horizon, 5.0, requests=requests_for([given], horizon, SITE))
        assert not np.allclose(plan.soc_kwh, free.soc_kwh), kind


def test_what_is_left_of_requests_is_counted_from_its_slot() -> None:
    requests = Requests(
        blocks=(
            Block(kind="hold", first=0, stop=2),
            Block(kind="charge", first=2, stop=5, target_soc_kwh=8.0),
        )
    )
    left = requests.rest(3)
    assert left is not None
    assert left.blocks == (Block(kind="charge", first=0, stop=2, target_soc_kwh=8.0),)
    assert requests.rest(5) is None


# In a simulation


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_store(tmp_path_factory.mktemp("manual") / "facts.sqlite")
    with Store.open(path, read_only=True) as found:
        yield found


def simulated(store: Store, *manual: ManualBlock, days: int = 1) -> list[DayTask]:
    """Tasks of days from 26 March with a manual plan."""
    return list(make_chain(store, DAY, DAY + timedelta(days=days), manual=manual))


def episodes_of(task: DayTask) -> list[EpisodeArrays]:
    """The episodes of a day, read back."""
    return [read_episode(episode) for episode in run_day(task).episodes]


def at(hour: float) -> datetime:
    """A moment of the day."""
    return start_of(DAY) + hour * HOUR


def test_every_block_stands_in_the_plans_of_a_simulation_and_is_carried_out(store: Store) -> None:
    """Full by 5, at rest until 8, down to 20 % by 20: seen by every plan that reaches so far."""
    manual = (
        a_block(at(2), 3.0, block_id="a", kind=BlockKind.CHARGE, target_soc=1.0),
        a_block(at(6), 2.0, block_id="b"),
        a_block(at(18), 2.0, block_id="c", kind=BlockKind.EXPORT, target_soc=0.2),
    )
    (task,) = simulated(store, *manual)
    assert (task.engine, task.manual) == (HIGHS, manual)
    episodes = episodes_of(task)
    free = episodes_of(simulated(store)[0])
    for n, episode in enumerate(episodes):
        requests = episode.requests
        assert (requests is None) == (n >= 80)
        if requests is None:
            continue
        left = [b for b, given in zip((20, 32, 80), manual, strict=True) if n < b]
        assert [b.stop for b in requests.blocks] == [stop - n for stop in left]
        assert [b.first for b in requests.blocks][-1] == max(72 - n, 0)
        assert episode.plan().requests is requests
    state = {n: episodes[n].soc_start_kwh for n in (20, 24, 32, 80)}
    assert state[20] == pytest.approx(10.0, abs=1e-6)
    assert state[32] == state[24]
    assert state[80] <= 2.0 + 1e-6
    planned = [episode.planned_cost for episode in episodes]
    assert planned[0] > free[0].planned_cost


def test_a_block_out_of_reach_costs_no_money(store: Store) -> None:
    """Full within a quarter of an hour: the penalties of the wish are in no sum of an episode."""
    given = a_block(at(0), 0.25, kind=BlockKind.CHARGE, target_soc=1.0, block_id="full")
    (task,) = simulated(store, given)
    first = run_day(task).episodes[0]
    found = read_episode(first)
    missed = [v for v in found.violations if v.is_wish]
    assert missed
    assert sum(v.cost for v in missed) > 100.0
    parts = found.bill + found.wear + found.penalty - found.terminal
    assert found.penalty == 0.0
    assert found.planned_cost == pytest.approx(parts, abs=3e-4)  # four decimals each
    plan = found.plan()
    assert plan.cost == pytest.approx(found.planned_cost, abs=1e-9)
    assert plan.penalty == pytest.approx(plan.wish_cost)
    assert plan.requests is not None
    assert plan.requests.blocks[0].name == "full"


def test_a_day_without_blocks_is_simulated_as_ever(store: Store) -> None:
    """Blocks of another month, taken back before, or of the water alone change nothing."""
    far = a_block(at(24 * 40), 2.0)
    gone = a_block(at(5), 2.0, cleared_at=at(-12))
    water = a_block(at(5), 2.0, kind=BlockKind.WATER_HEATING)
    (task,), (plain,) = simulated(store, far, gone, water), simulated(store)
    assert task.manual == ()
    assert task.engine == plain.engine == STORAGE
    assert task.task_hash() == plain.task_hash()


def test_a_block_counts_from_its_creation_and_until_it_is_taken_back(store: Store) -> None:
    """Asked for at 10 for 18 to 20, taken back at 15:30: no plan before or after knows of it."""
    given = a_block(at(18), 2.0, created_at=at(10), cleared_at=at(15.5))
    (task,) = simulated(store, given)
    known = [episode.requests is not None for episode in episodes_of(task)]
    assert known == [40 <= n < 62 for n in range(96)]


def test_the_day_before_plans_with_tomorrow_s_block(store: Store) -> None:
    given = a_block(start_of(DAY + timedelta(days=1)) + 2 * HOUR, 2.0)
    first, second = simulated(store, given, days=2)
    assert (first.engine, second.engine) == (HIGHS, HIGHS)
    requests = episodes_of(first)[0].requests
    # the plan of midnight does not know it yet: asked for 24 h before it begins, at 02:00
    assert requests is None
    found = episodes_of(first)[8].requests
    assert found is not None
    assert [(b.first, b.stop) for b in found.blocks] == [(96, 104)]


def test_a_simulation_by_the_storage_engine_alone_names_the_reason(store: Store) -> None:
    chain = make_chain(
        store, DAY, DAY + timedelta(days=1), manual=(a_block(at(5), 2.0),), engine=STORAGE
    )
    assert list(chain) == []
    (skipped,) = chain.skipped
    assert skipped.skipped == "plans heed manual blocks, which only HiGHS does"


def test_the_sequential_replay_heeds_blocks(store: Store) -> None:
    """A hold from 6 to 8: nothing moves; the hash of what went in tells the two apart."""
    chain, plain = (
        make_chain(store, DAY, DAY + timedelta(days=1), manual=manual)
        for manual in ((a_block(at(6), 2.0),), ())
    )
    list(chain), list(plain)
    (day,), (other,) = chain.carried, plain.carried
    assert day.engine == HIGHS
    assert not day.rows[24:32, [CHARGE, DISCHARGE]].any()
    assert np.ptp(day.rows[23:32, SOC]) == 0.0
    assert day.inputs_hash != other.inputs_hash


def test_heeded_looks_as_far_as_plans_do(store: Store) -> None:
    (task,) = simulated(store)
    last = at(23.75) + timedelta(hours=48)
    near = a_block(last - QUARTER, 1.0, created_at=at(-1))
    assert heeded([near], task.window) == (near,)
    assert heeded([replace(near, start=last, end=last + HOUR)], task.window) == ()


# Carried out


def test_a_block_s_slot_goes_as_planned_whatever_prices_say() -> None:
    """5 kWh stored, load at 9.0: value dispatch would serve it, the hold rests."""
    horizon = make_horizon([9.0, 1.0], load_kwh=[1.0, 0.0])
    hold = Requests(blocks=(Block(kind="hold", first=0, stop=1),))
    plan = Planner(make_site()).plan(horizon, 5.0, requests=hold)
    for code in (VALUE, MODES):
        command = plan_command(plan, code)
        assert command.dispatch == SETPOINT
        assert command.advice.planned_kwh == 0.0
    later = Requests(blocks=(Block(kind="hold", first=1, stop=2),))
    plan = Planner(make_site()).plan(horizon, 5.0, requests=later)
    command = plan_command(plan, VALUE)
    assert command.dispatch == VALUE
    assert command.penalty_per_kwh is not None
    assert command.penalty_per_kwh >= 10.0 * 100.0 * 9.0
