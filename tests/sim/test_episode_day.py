"""A day of episodes: the plans and money of the closed loop, the same in every process."""

import io
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Grid, Horizon, Plan, Planner, Site, TerminalCurve, terminal_curve
from mpc.arrays import F64
from sim.asof import KnownForecasts
from sim.day_context import DayContext, context_of, seen_before
from sim.episode_arrays import read_episode
from sim.episode_day import HIGHS, STORAGE, DayResult, DayTask, HeldForecasts, _parts, run_day
from sim.errors import RefusedError
from sim.planning import known_inputs
from sim.replay import Dispatch, Policy, replay
from sim.window import ReplayWindow, replay_window
from telemetry.slots import from_epoch, to_epoch
from telemetry.store import Store
from tests.mpc.instances import make_battery
from tests.sim.replay_cases import LoopCase, loops, make_home, random_days
from tests.sim.simulation_cases import (
    AUTUMN,
    HOME,
    SPRING,
    a_block,
    house,
    make_chain,
    make_store,
    start_of,
)
from tests.sim.test_planning import QUARTER

ENGINES = {STORAGE: Policy.STORAGE, HIGHS: Policy.PLAN}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("day") / "facts.sqlite")


@pytest.fixture(scope="module")
def store(stored: Path) -> Iterator[Store]:
    with Store.open(stored, system_id="test") as found:
        yield found


@pytest.fixture(scope="module")
def spring(store: Store) -> DayTask:
    """The day of 92 slots."""
    return next(iter(make_chain(store, SPRING, SPRING + timedelta(days=1))))


def make_task(window: ReplayWindow, known: KnownForecasts, engine: str = STORAGE) -> DayTask:
    """A task of a window, with nothing observed."""
    slots = len(window)
    empty = np.full(slots, np.nan)
    start = to_epoch(window.realised.start)
    return DayTask(
        system_id="simulation",
        scenario="0-recorded",
        changes={},
        config_hash="0" * 16,
        replay_id="f" * 16,
        local_day=date.fromordinal(int(window.local_day[0])),
        quality_class="clean",
        engine=engine,
        soc_source="recorded",
        window=window,
        known=known,
        prices_until=start + 900 * np.arange(slots),
        observed=np.full((2, 96 + slots), np.nan),
        observed_known_at=np.full((2, 96 + slots), -1),
        context=DayContext(
            vacation=empty, alarm=empty, cloud_volatility=empty, temp_volatility=empty
        ),
    )


def held(task: DayTask) -> HeldForecasts:
    return HeldForecasts(name="held", start=task.window.realised.start, arrays=task.known)


def horizon_at(task: DayTask, n: int) -> Horizon:
    """What was known at a slot, as ``known_inputs`` would put it together."""
    slots, known = task.window.horizon_slots, task.known
    series = {f.name: getattr(known, f.name)[n] for f in fields(KnownForecasts)[:4]}
    start = task.window.realised.start + n * QUARTER

    def part(cut: slice, begin: datetime, **more: object) -> Horizon:
        cuts = {name: values[cut] for name, values in series.items()}
        return Horizon(start=begin, slot_minutes=15, **cuts, **more)  # type: ignore[arg-type]

    after = part(slice(slots, None), start + slots * QUARTER)
    return part(slice(slots), start, terminal_value=terminal_curve(task.window.site, after))


def assert_is_the_replay(task: DayTask, result: DayResult) -> F64:
    """Hold money and states equal to the replay's; return the states at the starts."""
    window = task.window
    done = replay(window, ENGINES[task.engine], held(task), Dispatch.VALUE)
    episodes = result.episodes
    assert [e.realised_bill for e in episodes] == done.bill.tolist()
    assert [e.realised_wear for e in episodes] == done.wear.tolist()
    assert [e.realised_cost for e in episodes] == done.slot_cost.tolist()
    starts = np.concatenate([[window.soc_start_kwh], done.soc_kwh[:-1]])
    np.testing.assert_allclose([e.soc_start_kwh for e in episodes], starts, rtol=0.0, atol=1e-9)
    want = [window.realised.start + n * QUARTER for n in range(len(window))]
    assert [e.episode_start for e in episodes] == [e.created_at for e in episodes] == want
    assert {e.engine for e in episodes} == {task.engine}
    return starts


@settings(max_examples=40)
@given(case=loops(), engine=st.sampled_from([STORAGE, HIGHS]))
def test_a_day_is_the_replay_of_it(case: LoopCase, engine: str) -> None:
    task = make_task(case.window, case.known.known(0, len(case.window)), engine)
    starts = assert_is_the_replay(task, run_day(task))
    planner = Planner(task.window.site, engine=STORAGE)
    for n, episode in enumerate(run_day(task).episodes):
        want = planner.plan(horizon_at(task, n), episode.soc_start_kwh)
        scale = 1.0 + np.abs(task.known.import_price[n]) @ (
            task.known.load_kwh[n] + task.known.pv_kwh[n] + 2.0
        )
        assert episode.planned_cost == pytest.approx(want.objective, abs=1e-7 * scale)
        assert episode.soc_start_kwh == pytest.approx(starts[n], abs=1e-9)


@pytest.mark.parametrize("engine", [STORAGE, HIGHS])
def test_without_a_battery_limits_cost_what_the_planner_says(engine: str) -> None:
    """All load breaks the import limit; dear prices after the horizon have no say in its price."""
    battery = make_battery(capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0)
    site = Site(battery=battery, grid=Grid(max_import_kw=0.0, max_export_kw=10.0))
    like, known = random_days(1)
    window = replay_window(
        make_home(site), like.realised, soc_start_kwh=0.0, terminal=TerminalCurve.of(0.0)
    )
    dear = np.where(np.arange(known.import_price.shape[1]) < window.horizon_slots, 0.0, 5.0)
    told = replace(known, import_price=dear[None, :], export_price=0.0 * dear[None, :])
    task = make_task(window, told.known(0, 1), engine)
    (episode,) = run_day(task).episodes
    want = Planner(site, engine=STORAGE).plan(horizon_at(task, 0), 0.0)
    assert episode.planned_cost == pytest.approx(want.objective, rel=1e-9)


def test_every_plan_of_the_storage_engine_is_the_planners(spring: DayTask) -> None:
    planner = Planner(spring.window.site, engine=STORAGE)
    for n, episode in enumerate(run_day(spring).episodes):
        seen = read_episode(episode)
        want = planner.plan(horizon_at(spring, n), episode.soc_start_kwh)
        assert episode.planned_cost == pytest.approx(want.objective, rel=0.0, abs=1e-9)
        assert_written(seen.soc_kwh, want, "soc_kwh")
        assert_written(seen.energy_value_up, want, "energy_value_up")
        assert_written(seen.energy_value_down, want, "energy_value_down")
        assert_written(seen.load_kwh, want, "load_kwh")


def assert_written(values: F64, plan: Plan, name: str) -> None:
    """Hold a series equal to the plan's, as four decimals tell it."""
    np.testing.assert_allclose(values, getattr(plan, name), rtol=0.0, atol=0.5001e-4, err_msg=name)


@pytest.mark.parametrize("engine", [STORAGE, HIGHS])
def test_a_whole_day_is_the_replay_of_it(spring: DayTask, engine: str) -> None:
    task = replace(spring, engine=engine)
    result = run_day(task)
    assert (result.local_day, result.engine, len(result.episodes)) == (SPRING, engine, 92)
    assert_is_the_replay(task, result)
    assert {e.local_day for e in result.episodes} == {SPRING}
    sources = [read_episode(e).context.soc_source for e in result.episodes]
    assert sources == ["recorded"] + ["replay"] * 91


def test_energy_is_kept_from_slot_to_slot(spring: DayTask) -> None:
    episodes, battery = run_day(spring).episodes, spring.window.site.battery
    done = replay(spring.window, Policy.STORAGE, held(spring), Dispatch.VALUE)
    states = np.array([e.soc_start_kwh for e in episodes])
    gained = battery.charge_efficiency * done.charge_kwh
    gained = gained - done.discharge_kwh / battery.discharge_efficiency
    np.testing.assert_allclose(np.diff(states), gained[:-1], atol=1e-9)
    assert np.ptp(states) > 5.0  # the battery is used


def test_the_horizon_is_what_was_known_then(spring: DayTask, store: Store) -> None:
    model = house()
    for n, episode in enumerate(run_day(spring).episodes[::13]):
        want = known_inputs(store, model, episode.episode_start)
        seen = read_episode(episode)
        assert seen.prices_until == want.prices_until, n
        for name in ("import_price", "export_price", "load_kwh", "pv_kwh"):
            np.testing.assert_allclose(
                getattr(seen, name), np.asarray(getattr(want.horizon, name)), atol=0.5001e-4
            )


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_observed_is_what_was_known_of_the_last_24_hours(store: Store, day: date) -> None:
    task = next(iter(make_chain(store, day, day + timedelta(days=1))))
    for episode in run_day(task).episodes[1::17]:
        at, seen = episode.episode_start, read_episode(episode)
        want = store.observations(
            "villa", ["load_kwh", "pv_kwh"], at - timedelta(hours=24), at, as_of=at
        )
        for name, got in (
            ("load_kwh", seen.observed_load_kwh),
            ("pv_kwh", seen.observed_pv_kwh),
        ):
            np.testing.assert_allclose(got, want.of(name), rtol=0.0, atol=0.5001e-4)
            # Hours: what was measured of the running one is not known yet.
            assert np.isnan(got[-1]) == (at.minute != 0)


def test_context_as_known_then(tmp_path: Path) -> None:
    start, slots = start_of(SPRING), 92
    with Store.open(make_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        begin = to_epoch(start)
        moments = np.array([begin - 7200, begin + 900, begin + 1800], dtype=np.int64)
        store.put_observations(
            "villa", "vacation", moments, np.array([1.0, 0.25, np.nan]),
            known_at=moments + 1800, provenance="live",
        )  # fmt: skip
        model = house()
        before = seen_before(store, model, start, slots)
        context = context_of(store, model, before, start, slots)
        # The second reading is known after three slots; the first one would be old after 22 h.
        assert context.vacation.tolist() == [1.0] * 3 + [0.25] * 89
        assert np.isnan(context.alarm).all()
        sky = store.weather("villa", start, start + timedelta(days=3), as_of=start)
    for name, got in (
        ("cloud_cover", context.cloud_volatility),
        ("temp_c", context.temp_volatility),
    ):
        want = [np.nanstd(sky.of(name)[n : n + 192]) for n in range(slots)]
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert got.min() > 0.0


def test_a_state_older_than_a_day_is_not_known(tmp_path: Path) -> None:
    start = start_of(SPRING)
    with Store.open(make_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        moments = np.array([to_epoch(start) - 86_400], dtype=np.int64)
        store.put_observations(
            "villa", "alarm_armed", moments, np.ones(1), known_at=moments + 900, provenance="live"
        )
        context = context_of(store, house(), seen_before(store, house(), start, 92), start, 92)
    assert context.alarm[0] == 1.0
    assert np.isnan(context.alarm[1:]).all()


def test_no_weather_is_no_volatility(spring: DayTask, store: Store) -> None:
    start = start_of(date(2025, 6, 1))
    context = context_of(store, house(), seen_before(store, house(), start, 96), start, 96)
    assert np.isnan(context.cloud_volatility).all()
    assert np.isnan(context.temp_volatility).all()
    seen = read_episode(run_day(replace(spring, context=cut(context, 92))).episodes[0])
    assert np.isnan(seen.context.cloud_volatility)


def cut(context: DayContext, slots: int) -> DayContext:
    return DayContext(**{f.name: getattr(context, f.name)[:slots] for f in fields(DayContext)})


def test_price_volatility_is_that_of_the_horizon(spring: DayTask) -> None:
    for episode in run_day(spring).episodes[::31]:
        seen = read_episode(episode)
        assert seen.context.price_volatility == pytest.approx(seen.import_price.std(), abs=1e-4)


def test_a_task_takes_arrays_numbers_and_ids_along(spring: DayTask, stored: Path) -> None:
    cargo = pickle.dumps(spring)
    assert len(cargo) < 1.1e6
    assert b"villa" in cargo  # the id
    name, zone = str(HOME.name), str(HOME.zone)
    position = np.array([HOME.latitude, HOME.longitude], dtype=np.float64)
    places = [x.tobytes() for x in position] + [x.byteswap().tobytes() for x in position]
    secrets = [name, zone, "sqlite", str(stored), "://", "Stockholm", "SE4", "token", "password"]
    for word in (*(text.encode() for text in secrets), *places):
        assert word not in cargo, word
    classes = {cls for module, cls in _globals(cargo)}
    assert not classes & {"HomeModel", "Home", "Tariff", "Store", "Plane"}


def _globals(cargo: bytes) -> set[tuple[str, str]]:
    """Return every class that a pickle names."""
    found = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            found.add((module, name))
            return super().find_class(module, name)

    Reader(io.BytesIO(cargo)).load()
    return found


def test_the_hash_is_that_of_everything(spring: DayTask) -> None:
    want = spring.task_hash()
    assert len(want) == 32
    assert pickle.loads(pickle.dumps(spring)).task_hash() == want  # noqa: S301 - our own
    for field in fields(DayTask):
        changed = replace(spring, **{field.name: _other(getattr(spring, field.name))})
        assert changed.task_hash() != want, field.name
    assert replace(spring, changes={"a": 1.0}).task_hash() != want


def test_what_came_later_and_is_absent_leaves_the_hash_as_it_was(spring: DayTask) -> None:
    """Days of older stores are not simulated again because tasks can hold a manual plan now."""
    told = b"".join(_parts(spring))
    assert (b"manual=" in told, b"wanted=" in told) == (False, False)
    asked = b"".join(_parts(replace(spring, manual=(a_block(start_of(SPRING), 1.0),))))
    assert b"manual=" in asked


def _other(value: Any) -> Any:
    """Return a value that differs in the smallest thing."""
    if isinstance(value, str | tuple):
        return f"{value}x" if isinstance(value, str) else (a_block(start_of(SPRING), 1.0),)
    if isinstance(value, date):
        return value + timedelta(days=1)
    if isinstance(value, dict):
        return {**value, "pv_factor": 1.0}
    if isinstance(value, np.ndarray):
        other = value.copy()
        last = other.flat[-1]
        other.flat[-1] = (
            np.nextafter(0.0 if np.isnan(last) else last, 9.0) if value.dtype.kind == "f" else 7
        )
        return other
    if isinstance(value, ReplayWindow):
        rules = value.rules._replace(penalty=value.rules.penalty + 1.0)
        return replace(value, rules=rules)
    assert isinstance(value, KnownForecasts | DayContext)
    name = fields(value)[0].name
    return replace(value, **{name: _other(getattr(value, name))})


def test_a_hash_of_what_has_no_bytes_is_refused(spring: DayTask) -> None:
    with pytest.raises(TypeError, match="a task holds a set, want arrays, numbers and texts"):
        replace(spring, changes={"a": {1}}).task_hash()  # type: ignore[dict-item]


@pytest.mark.integration
@pytest.mark.parametrize("engine", [STORAGE, HIGHS])
def test_another_process_gives_the_same_bytes(spring: DayTask, engine: str) -> None:
    task = replace(spring, engine=engine)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(run_day, task).result()
    assert there == run_day(task)


def test_a_first_slot_that_is_not_convex_is_refused() -> None:
    window, known = random_days(8)
    buy = known.import_price.copy()
    buy[3, 0] = -3.0  # known only when it comes; below it sells for more than it costs
    task = make_task(window, replace(known, import_price=buy).known(0, 8))
    with pytest.raises(RefusedError, match=r"cannot plan every slot of 2025-06-02: .*slot 0"):
        run_day(task)
    assert len(run_day(replace(task, engine=HIGHS)).episodes) == 8


def test_a_start_outside_the_window_is_planned_by_highs() -> None:
    window, known = random_days(4)
    problem = replace(window.problem, soc_start_kwh=0.4, start_side=-1)
    task = make_task(replace(window, problem=problem), known.known(0, 4))
    with pytest.raises(RefusedError, match=r"cannot start with 0\.4 kWh stored"):
        run_day(task)
    assert run_day(replace(task, engine=HIGHS)).episodes[0].soc_start_kwh == 0.4
    assert make_battery().min_soc_kwh == 1.0


def test_times_are_utc(spring: DayTask) -> None:
    assert spring.window.realised.start.tzinfo is UTC
    assert from_epoch(int(spring.prices_until[0])) == start_of(SPRING + timedelta(days=1))
