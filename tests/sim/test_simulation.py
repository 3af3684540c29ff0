"""The sequential replay: which days, how full at midnight, and the same whatever comes later."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mpc import TerminalCurve, terminal_curve
from mpc.errors import StateError
from sim.asof import BaselineForecasts
from sim.augment import Scenario, scenarios
from sim.episode_day import HIGHS, STORAGE, run_day
from sim.errors import KnownInputsError, ReplayError
from sim.history import realised
from sim.planning import known_inputs
from sim.policies import refuse_first_slots
from sim.replay import Dispatch, Policy, replay
from sim.simulation import Chain, choose_days, replay_id_of, start_soc
from sim.simulation_days import StartSoc
from sim.simulation_replay import replay_rows
from sim.window import replay_window
from telemetry.home import Plane
from telemetry.quality_table import DayClass
from telemetry.slots import slot_range, to_epoch
from telemetry.store import Store
from tests.sim.simulation_cases import (
    AUTUMN,
    HASH,
    HOME,
    RECORDED,
    SPRING,
    STORED,
    days_of,
    forget,
    house,
    judge,
    make_chain,
    make_store,
    put_spot,
    start_of,
    unpublish,
)
from tests.sim.test_planning import QUARTER

DAY = timedelta(days=1)
CLEAN = frozenset({DayClass.CLEAN})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("simulation") / "facts.sqlite")


@pytest.fixture(scope="module")
def store(stored: Path) -> Iterator[Store]:
    with Store.open(stored, read_only=True) as found:
        yield found


@pytest.fixture
def own(stored: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy to change."""
    path = tmp_path / "own.sqlite"
    path.write_bytes(stored.read_bytes())
    with Store.open(path, system_id="simulation") as found:
        yield found


# Which days


def choose(
    store: Store, first: date, end: date, *, every_day: bool = False, **judged: DayClass
) -> dict[int, tuple[str, str]]:
    """Return (quality class, why it is skipped) by day of the month."""
    days = choose_days(
        store,
        house(),
        first,
        end,
        classes=CLEAN,
        every_day=every_day,
        judged={date(2025, 3, int(day[1:])): verdict for day, verdict in judged.items()},
    )
    assert [day.local_day for day in days] == [first + k * DAY for k in range((end - first).days)]
    return {day.local_day.day: (day.quality_class, day.skipped) for day in days}


def test_clean_days_are_simulated_and_the_others_named(own: Store) -> None:
    judge(own, date(2025, 3, 20), DayClass.CLEAN)
    judge(own, date(2025, 3, 21), DayClass.EXCLUDE)
    judge(own, date(2025, 3, 22), DayClass.CLEAN)
    forget(own, "load_kwh", start_of(date(2025, 3, 22)) + 23 * QUARTER)
    found = choose(own, date(2025, 3, 20), date(2025, 3, 25), d23=DayClass.MASK_BATTERY)
    assert found == {
        20: ("clean", ""),
        21: ("exclude", "verdict exclude"),
        22: ("clean", "load_kwh is not known throughout"),
        23: ("mask_battery", "verdict mask_battery"),
        24: ("", "no verdict"),
    }
    wide = choose(own, date(2025, 3, 20), date(2025, 3, 25), every_day=True)
    assert {day for day, (_, skipped) in wide.items() if not skipped} == {20, 21, 23, 24}


@pytest.mark.parametrize("planes", [HOME.planes, ()])
def test_days_with_gaps_are_never_simulated(own: Store, planes: tuple[Plane, ...]) -> None:
    """Recorded PV counts, whether panels are configured or not."""
    forget(own, "pv_kwh", start_of(date(2025, 3, 21)) + 95 * QUARTER)
    model = house(home=replace(HOME, planes=planes))
    days = days_of(own, date(2025, 3, 19), date(2025, 4, 6), model)
    assert {day.local_day: day.skipped for day in days if day.skipped} == {
        date(2025, 3, 21): "pv_kwh is not known throughout",
        **dict.fromkeys((date(2025, 4, 4), date(2025, 4, 5)), "load_kwh is not known throughout"),
    }


def test_a_price_that_was_never_published_is_a_gap(own: Store) -> None:
    unpublish(own, date(2025, 3, 22))
    found = choose(own, date(2025, 3, 21), date(2025, 3, 24), every_day=True)
    assert [skipped for _, skipped in found.values()] == ["", "price is not known throughout", ""]


def test_no_day_between_two_days(store: Store) -> None:
    assert choose(store, SPRING, SPRING) == {}


def test_a_home_without_zone_has_no_days(store: Store) -> None:
    model = replace(house(), home=replace(HOME, zone=None))
    with pytest.raises(KnownInputsError, match="its time zone is unknown"):
        days_of(store, SPRING, SPRING + DAY, model)


# How full it is at the start


def test_half_full_is_inside_the_window(own: Store) -> None:
    """Of 10 kWh at least 7 are kept: from 5 no plan of the storage engine starts."""
    site = house().site
    model = replace(house(), site=replace(site, battery=replace(site.battery, min_soc_kwh=7.0)))
    edge = "the edge of its window next to half full"
    assert start_soc(own, model, date(2025, 3, 20)) == StartSoc(soc_kwh=7.0, source=edge)


def test_the_start_is_what_was_recorded_then(own: Store) -> None:
    first, model = date(2025, 3, 20), house()
    begin = to_epoch(start_of(first))
    assert start_soc(own, model, first) == StartSoc(soc_kwh=5.0, source="half full")
    assert start_soc(own, model, first, 7.5) == StartSoc(soc_kwh=7.5, source="--start-soc")
    assert start_soc(own, model, first, 0.0).soc_kwh == 0.0

    def put(channel: str, slot: int, ratio: float) -> None:
        slots = np.array([slot], dtype=np.int64)
        own.put_observations(
            "villa", channel, slots, np.array([ratio]), known_at=slots + 900, provenance="live"
        )

    put("soc_end", begin - 1800, 0.9)
    put("soc_end", begin, 0.8)
    assert start_soc(own, model, first).source == "half full"
    put("soc_start", begin, 0.3)
    assert start_soc(own, model, first, 7.5) == StartSoc(soc_kwh=3.0, source="recorded")
    put("soc_end", begin - 900, 0.0)
    assert start_soc(own, model, first) == StartSoc(soc_kwh=0.0, source="recorded")


# The chain


@pytest.mark.parametrize(("day", "slots"), [(SPRING, 92), (AUTUMN, 100), (SPRING + DAY, 96)])
def test_days_are_local(store: Store, day: date, slots: int) -> None:
    (task,) = make_chain(store, day, day + DAY)
    assert (task.local_day, len(task.window), task.engine) == (day, slots, STORAGE)
    assert task.known.load_kwh.shape == (slots, 288)
    assert task.observed.shape == (2, 96 + slots)
    assert task.window.realised.start == start_of(day)
    episodes = run_day(task).episodes
    assert len(episodes) == slots
    assert episodes[-1].episode_start == start_of(day + DAY) - QUARTER


@pytest.mark.parametrize("end", [date(2025, 4, 2), date(2025, 10, 29)])
def test_the_chain_is_one_long_replay(store: Store, end: date) -> None:
    first, model = end - 6 * DAY, house()
    chain = make_chain(store, first, end)
    tasks = list(chain)
    window = replay_window(
        model,
        realised(store, model, start_of(first), start_of(end)),
        soc_start_kwh=5.0,
        terminal=TerminalCurve.of(0.0),
    )
    forecasts = BaselineForecasts(store, model, start_of(first), start_of(end))
    want = replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE)
    soc = np.concatenate([day.rows[:, 5] for day in chain.carried])
    np.testing.assert_allclose(soc, want.soc_kwh, rtol=0.0, atol=1e-9)
    starts = [task.window.soc_start_kwh for task in tasks]
    ends = [day.rows[-1, 5] for day in chain.carried]
    assert starts == [5.0, *ends[:-1]]
    assert [task.soc_source for task in tasks] == ["recorded"] + ["replay"] * 5
    for task, day in zip(tasks, chain.carried, strict=True):
        slots = slot_range(task.window.realised.start, start_of(task.local_day + DAY))
        assert len(slots) == len(day.rows) == len(task.window)
        money = [episode.realised_cost for episode in run_day(task).episodes]
        np.testing.assert_array_equal(money, day.rows[:, 6:9].sum(axis=1))


def hashes(chain: Chain) -> dict[date, str]:
    return {task.local_day: task.task_hash() for task in chain}


@pytest.mark.parametrize("scenario", scenarios(4, 1), ids=lambda s: s.name)
def test_a_longer_window_leaves_the_days_as_they_are(store: Store, scenario: Scenario) -> None:
    first = SPRING - 2 * DAY
    short = make_chain(store, first, SPRING + DAY, scenario=scenario)
    long = make_chain(store, first, SPRING + 4 * DAY, scenario=scenario)
    want = hashes(short)
    assert len(want) == 3
    got = hashes(long)
    assert short.replay_id == long.replay_id
    assert {day: got[day] for day in want} == want


def test_late_and_corrected_prices_leave_the_days_as_they_are(tmp_path: Path, stored: Path) -> None:
    """An issue that comes at 09:07 of its own day, then a correction: epochs within a day."""
    path = tmp_path / "late.sqlite"
    path.write_bytes(stored.read_bytes())
    with Store.open(path, system_id="t") as store:
        begin = start_of(SPRING + DAY)
        for hours, add in ((9.25, 0.02), (30.0, 0.05)):
            store.put_prices(
                "SE4", source="market", currency="EUR", start=begin, slot_minutes=15,
                values=np.linspace(0.0, 0.2, 96) + add, issued_at=begin + timedelta(hours=hours),
            )  # fmt: skip
        first = SPRING - DAY
        short, long = (hashes(make_chain(store, first, SPRING + k * DAY)) for k in (2, 4))
    assert {day: long[day] for day in short} == short


def test_scenarios_are_told_apart(store: Store) -> None:
    first, end = SPRING - DAY, SPRING + DAY
    found = [(s, make_chain(store, first, end, scenario=s)) for s in scenarios(5, 0)]
    tasks = {s.name: list(chain) for s, chain in found}
    assert len({chain.replay_id for _, chain in found}) == 5
    assert len({task.task_hash() for tasks_ in tasks.values() for task in tasks_}) == 10
    for scenario, _ in found:
        assert {t.scenario for t in tasks[scenario.name]} == {scenario.name}
        assert tasks[scenario.name][0].changes == scenario.changes()
    recorded, noisy = tasks["0-recorded"][1], tasks["1-load-noise"][1]
    ratio = noisy.window.actual[:, 0] / recorded.window.actual[:, 0]
    assert ratio.std() > 0.01
    # What was observed is what happened in that history.
    np.testing.assert_array_equal(noisy.observed[0, 96:], noisy.window.actual[:, 0])
    np.testing.assert_array_equal(noisy.window.actual[:, 1:], recorded.window.actual[:, 1:])


def test_days_come_one_at_a_time(store: Store) -> None:
    chain = make_chain(store, SPRING - 2 * DAY, SPRING + 2 * DAY)
    tasks = iter(chain)
    for count in (1, 2, 3):
        next(tasks)
        assert len(chain.carried) == count


def test_the_first_days_without_history_are_skipped_by_name(store: Store) -> None:
    first = STORED["spring"][0]
    chain = make_chain(store, first, first + 3 * DAY)
    tasks = list(chain)
    assert [(d.local_day, d.skipped) for d in chain.skipped] == [
        (first, "too little load_kwh was known before it")
    ]
    assert [task.local_day for task in tasks] == [first + DAY, first + 2 * DAY]
    # Nothing moved the battery yet.
    assert (tasks[0].window.soc_start_kwh, tasks[0].soc_source) == (5.0, "recorded")


def test_days_far_apart_are_simulated_although_nothing_is_known_between(store: Store) -> None:
    first, end = date(2025, 3, 30), date(2025, 10, 21)
    chain = make_chain(store, first, end)
    found = [task.local_day for task in chain]
    autumn = STORED["autumn"][0]
    assert found == [first + k * DAY for k in range(5)] + [autumn + k * DAY for k in range(1, 9)]
    assert [day.local_day for day in chain.skipped] == [autumn]
    gap = next(d for d in chain.carried if d.local_day == autumn + DAY)
    before = next(d for d in chain.carried if d.local_day == date(2025, 4, 3))
    assert gap.soc_start_kwh == before.rows[-1, 5]


def test_the_battery_is_carried_over_days_that_are_left_out(store: Store) -> None:
    first = SPRING - 2 * DAY
    days = list(days_of(store, first, SPRING + 2 * DAY))
    whole = {t.local_day: t.task_hash() for t in make_chain(store, first, SPRING + 2 * DAY)}
    days[1] = replace(days[1], skipped="verdict exclude")
    chain = make_chain(store, first, SPRING + 2 * DAY, days=tuple(days))
    got = hashes(chain)
    assert got == {day: text for day, text in whole.items() if day != days[1].local_day}
    assert len(chain.carried) == 4
    assert chain.skipped == []


def test_the_battery_rests_through_days_with_gaps(own: Store) -> None:
    first = SPRING - 2 * DAY
    forget(own, "load_kwh", start_of(first + DAY) + 40 * QUARTER)
    chain = make_chain(own, first, SPRING + DAY)
    tasks = {task.local_day: task for task in chain}
    assert sorted(tasks) == [first, SPRING]
    assert tasks[SPRING].window.soc_start_kwh == chain.carried[0].rows[-1, 5]
    assert [day.local_day for day in chain.carried] == [first, SPRING]


def test_days_after_the_last_simulated_one_are_not_carried(store: Store) -> None:
    days = list(days_of(store, SPRING, SPRING + 3 * DAY))
    days[1:] = [replace(day, skipped="verdict exclude") for day in days[1:]]
    chain = make_chain(store, SPRING, SPRING + 3 * DAY, days=tuple(days))
    assert [task.local_day for task in chain] == [SPRING]
    assert len(chain.carried) == 1
    none = tuple(replace(day, skipped="verdict exclude") for day in days)
    assert list(make_chain(store, SPRING, SPRING + DAY, days=none)) == []


# Engines


@pytest.fixture
def paid(own: Store) -> Store:
    """A quarter of 30 March pays 3 SEK/kWh for use: burning energy in the battery would pay."""
    unpublish(own, SPRING)
    put_spot(own, SPRING, least=-3.0)
    return own


def test_days_that_the_storage_engine_refuses_go_to_highs(paid: Store) -> None:
    first, end = SPRING - 2 * DAY, SPRING + 2 * DAY
    chain = make_chain(paid, first, end)
    tasks = list(chain)
    # Published at 13:15 the day before, seen by the plans of 29 and 30 March, and as the newest
    # known day behind the horizon's published part by those of the 31st.
    engines = {task.local_day.day: task.engine for task in tasks}
    assert engines == {28: STORAGE, 29: HIGHS, 30: HIGHS, 31: engines[31]}
    assert [day.engine for day in chain.carried] == [
        engines[d.local_day.day] for d in chain.carried
    ]
    assert {e.engine for e in run_day(tasks[2]).episodes} == {HIGHS}
    for one, other in pairwise(chain.carried):
        assert other.soc_start_kwh == one.rows[-1, 5]


def test_engine_storage_skips_them_by_name_and_carries_on(paid: Store) -> None:
    first, end = SPRING - 2 * DAY, SPRING + 2 * DAY
    auto = {task.local_day: task for task in make_chain(paid, first, end)}
    chain = make_chain(paid, first, end, engine="storage")
    found = {task.local_day: task for task in chain}
    left_out = [day for day, task in auto.items() if task.engine == HIGHS]
    assert [day.local_day for day in chain.skipped] == left_out
    assert {day.skipped for day in chain.skipped} == {
        "the storage engine cannot plan it exactly, HiGHS can"
    }
    assert {d: t.task_hash() for d, t in found.items()} == {
        d: t.task_hash() for d, t in auto.items() if t.engine == STORAGE
    }


def test_engine_highs_plans_every_day_from_the_same_states(store: Store) -> None:
    first, end = SPRING - DAY, SPRING + DAY
    chains = [make_chain(store, first, end, engine=engine) for engine in ("highs", "auto")]
    highs, auto = (list(chain) for chain in chains)
    assert [task.engine for task in highs] == [HIGHS] * 2
    assert [replace(task, engine=STORAGE).task_hash() for task in highs] == [
        task.task_hash() for task in auto
    ]


def test_a_start_outside_the_window_is_carried_by_highs(store: Store) -> None:
    first = SPRING - DAY
    chain = make_chain(store, first, SPRING + DAY, soc_kwh=10.2)
    assert [task.engine for task in chain] == [HIGHS, STORAGE]
    assert [day.engine for day in chain.carried] == [HIGHS, STORAGE]


def test_a_first_slot_alone_can_refuse_a_day(store: Store) -> None:
    """A grid that takes 0.1 kW, PV that cannot be curtailed: what the loop does not look at."""
    (task,) = make_chain(store, SPRING, SPRING + DAY)
    window = task.window
    limits = window.limits.copy()
    limits[40, 6] = 0.001  # the export limit of one slot, only seen as the first of a plan
    held = BaselineForecasts(store, house(), start_of(SPRING), start_of(SPRING + DAY))
    rules = window.rules._replace(pv_curtailable=False)
    refuse_first_slots(window, held)
    with pytest.raises(ReplayError, match=r"the storage engine cannot plan at 2025-03-30T09:00"):
        refuse_first_slots(replace(window, limits=limits, rules=rules), held)


def test_refuses_an_engine_that_does_not_exist(store: Store) -> None:
    with pytest.raises(ReplayError, match="there is no engine 'gurobi'; name one of auto, highs"):
        make_chain(store, SPRING, SPRING + DAY, engine="gurobi")


def test_refuses_no_days_and_energy_that_no_battery_holds(store: Store) -> None:
    with pytest.raises(ReplayError, match="no day was chosen"):
        Chain(
            store, house(), (), RECORDED, StartSoc(soc_kwh=5.0, source="recorded"),
            system_id="simulation", config_hash=HASH,
        )  # fmt: skip
    with pytest.raises(StateError, match="between 0 and capacity_kwh"):
        list(make_chain(store, SPRING, SPRING + DAY, soc_kwh=50.0))


# Its name and its rows


def test_the_replays_name_knows_neither_data_nor_the_end() -> None:
    start, first = StartSoc(soc_kwh=5.0, source="recorded"), date(2025, 7, 1)
    name = replay_id_of("villa", RECORDED, HASH, first, start)
    assert len(bytes.fromhex(name)) == 8
    noise = [s for seed in (0, 1) for s in scenarios(5, seed)[4:]]
    others = [
        replay_id_of("cabin", RECORDED, HASH, first, start),
        *(replay_id_of("villa", s, HASH, first, start) for s in noise),
        replay_id_of("villa", RECORDED, HASH[::-1], first, start),
        replay_id_of("villa", RECORDED, HASH, first + DAY, start),
        replay_id_of("villa", RECORDED, HASH, first, replace(start, soc_kwh=5.1)),
    ]
    assert len({name, *others}) == 7
    assert replay_id_of("villa", RECORDED, HASH, first, replace(start, source="x")) == name


def test_the_replay_is_stored_with_all_its_days(own: Store) -> None:
    first, end, model = SPRING - 2 * DAY, SPRING + 2 * DAY, house()
    forget(own, "load_kwh", start_of(first + DAY) + 40 * QUARTER)
    chain = make_chain(own, first, end)
    list(chain)
    head, days = replay_rows(chain, currency="SEK", settings="{}")
    own.put_replay("villa", head, days)
    assert own.replays("villa") == (head,)
    found = own.replay_days("villa", chain.replay_id)
    assert [day.local_date for day in found] == [first, SPRING, SPRING + DAY]
    assert (head.engine, head.policy, head.dispatch) == ("storage", "storage", "value")
    assert (head.start, head.end, head.made_at) == (start_of(first), start_of(end), start_of(end))
    assert head.slots == 96 + 92 + 96
    # The 24 h after the last day are known: they say what is left is worth.
    real = realised(own, model, start_of(end), start_of(end + DAY), after_hours=0)
    window = replay_window(model, real, terminal=TerminalCurve.of(0.0))
    curve = terminal_curve(model.site, window.problem.horizon)
    gained = curve.value(head.soc_end_kwh) - curve.value(5.0)
    assert head.terminal == pytest.approx(gained)
    assert head.cost == pytest.approx(sum(day.of("cost").sum() for day in found) - gained)
    assert head.forecast == "baseline"
    for day, carried in zip(found, chain.carried, strict=True):
        np.testing.assert_array_equal(day.of("soc_kwh"), carried.rows[:, 5])
        np.testing.assert_array_equal(day.of("load_kwh"), carried.happened[:, 0])
        np.testing.assert_array_equal(day.of("energy_value"), carried.rows[:, 9])
        net = day.of("import_kwh") - day.of("export_kwh")
        moved = day.of("charge_kwh") - day.of("discharge_kwh") + day.of("curtail_kwh")
        np.testing.assert_allclose(net, day.of("load_kwh") - day.of("pv_kwh") + moved, atol=1e-9)


def test_the_end_is_valued_as_last_known_where_nothing_follows(store: Store) -> None:
    last = STORED["spring"][1] - DAY
    chain = make_chain(store, last, last + DAY)
    (task,) = chain
    curve = chain.end_curve()
    episode = run_day(task).episodes[-1]
    assert curve.value(10.0) > 0.0
    head, _ = replay_rows(chain, currency="SEK", settings="{}")
    assert head.terminal == curve.value(head.soc_end_kwh) - curve.value(5.0)
    assert [p for _, p in curve.pairs()] == pytest.approx(
        [p for _, p in json.loads(episode.inputs_json)["terminal_curve"]], abs=1e-4
    )


def test_a_mixed_replay_says_so(paid: Store) -> None:
    chain = make_chain(paid, SPRING - 2 * DAY, SPRING + DAY)
    list(chain)
    head, _ = replay_rows(chain, currency="SEK", settings="{}")
    assert head.engine == "storage+highs"


def test_no_rows_of_no_replay(store: Store) -> None:
    first = STORED["spring"][0]
    chain = make_chain(store, first, first + DAY)
    assert list(chain) == []
    with pytest.raises(ReplayError, match="no day was replayed"):
        replay_rows(chain, currency="SEK", settings="{}")


def test_prices_until_is_what_known_inputs_says(store: Store) -> None:
    model = house()
    start, end = start_of(SPRING), start_of(SPRING + DAY)
    got = BaselineForecasts(store, model, start, end).prices_until(0, 92)
    for n in range(0, 92, 7):
        want = known_inputs(store, model, start + n * QUARTER).prices_until
        assert got[n] == to_epoch(want)
