"""Episodes as texts and back: what rounding costs, what is given back, what is refused."""

import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Horizon, Plan, Planner, Site
from sim.episode_format import (
    OBSERVED_SLOTS,
    EpisodeContext,
    SlotMoney,
    make_episode,
    read_episode,
)
from sim.errors import EpisodeError
from sim.planning import KnownInputs, known_inputs
from telemetry.arrays import F64
from telemetry.csv_import import import_file
from telemetry.episode import Episode
from telemetry.home import Home
from telemetry.store import Store
from tests.mpc.instances import horizons, make_battery, make_horizon, make_site, sites
from tests.sim.test_planning import QUARTER, STOCKHOLM, make_model, new_store

HALF = 0.5e-4 + 1e-9
"""The most that rounding to 4 decimals moves a number."""
NAN = float("nan")
CONTEXT = EpisodeContext(
    vacation=0.25,
    alarm=NAN,
    price_volatility=0.12346,
    cloud_volatility=NAN,
    temp_volatility=1.5,
    quality_class="clean",
    soc_source="recorded at 2025-07-31 22:00Z",
    changes={"pv_scale": 1.25},
)


def quarters(horizon: Horizon) -> Horizon:
    """The same with slots of 15 minutes, as episodes have them."""
    return replace(horizon, slot_minutes=15.0)


def plan_inputs(**changes: Any) -> Horizon:
    """A day of hand-made prices: cheap night, sun at noon, dear evening."""
    hour = np.arange(96) / 4.0
    facts: dict[str, Any] = {
        "import_price": 1.0 + 0.8 * (hour >= 17.0) - 0.3 * (hour < 5.0),
        "export_price": np.full(96, 0.4),
        "load_kwh": 0.1 + 0.3 * (hour >= 17.0),
        "pv_kwh": np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0),
        "slot_minutes": 15.0,
    }
    return make_horizon(**(facts | changes))


def plan_of(site: Site | None = None, **changes: Any) -> Plan:
    """Its plan."""
    return Planner(site or make_site()).plan(plan_inputs(**changes), 3.0)


def seen(first: float = 0.0) -> F64:
    """96 observed values, the oldest missing."""
    values = first + np.arange(OBSERVED_SLOTS) / 1000.0
    values[0] = NAN
    return values


def episode_of(plan: Plan, **changes: Any) -> Episode:
    """A plan as a row."""
    facts: dict[str, Any] = {
        "system_id": "simulation",
        "home_id": "h",
        "scenario": "2-pv-scale",
        "local_day": date(2025, 8, 1),
        "created_at": plan.start,
        "plan": plan,
        "prices_until": plan.start + timedelta(hours=13),
        "observed_load_kwh": seen(),
        "observed_pv_kwh": seen(1.0),
        "context": CONTEXT,
        "config_hash": "0123456789abcdef",
        "replay_id": "fedcba9876543210",
        "realised": SlotMoney(bill=0.1234567, wear=0.0, cost=0.1234567),
    }
    return make_episode(**(facts | changes))


def test_an_episode_says_what_went_into_the_plan() -> None:
    plan = plan_of()
    inputs = json.loads(episode_of(plan).inputs_json)
    assert inputs["schema"] == "darkstar.episode/1"
    assert inputs["as_of"] == "2025-08-01T00:00:00Z"
    assert inputs["prices_until"] == "2025-08-01T13:00:00Z"
    assert inputs["slot_minutes"] == 15
    assert inputs["soc_kwh"] == 3
    assert inputs["import_price"] == [0.7] * 20 + [1.0] * 48 + [1.8] * 28
    assert inputs["pv_kwh"][48] == 1
    assert inputs["pv_kwh"][25] == round(np.sin(0.25 / 12.0 * np.pi), 4)
    assert inputs["observed_load_kwh"][:3] == [None, 0.001, 0.002]
    assert inputs["observed_pv_kwh"][-1] == 1.095


def test_numbers_have_four_decimals_and_no_more_characters_than_they_need() -> None:
    plan = plan_of(import_price=np.r_[0.123456, -0.00004, -0.5, 1e6, np.full(92, 2.0)])
    text = episode_of(plan).inputs_json
    assert '"import_price":[0.1235,0,-0.5,1000000,2,' in text
    assert " " not in text
    assert "NaN" not in text
    assert "-0," not in text


def test_what_a_reader_gets_is_the_plan() -> None:
    plan = plan_of()
    episode = episode_of(plan)
    got = read_episode(episode)
    assert len(got) == 96
    assert (got.episode_id, got.engine, got.status) == (episode.episode_id, "highs", "optimal")
    assert got.start == plan.start
    assert got.prices_until == datetime(2025, 8, 1, 13, tzinfo=UTC)
    assert got.planned_cost == plan.objective
    assert got.soc_start_kwh == 3.0
    assert got.realised == SlotMoney(bill=0.1234567, wear=0.0, cost=0.1234567)
    assert got.quality_class == "clean"
    assert got.context.vacation == 0.25
    assert np.isnan(got.context.alarm)
    assert got.context.price_volatility == 0.1235
    assert got.context.changes == {"pv_scale": 1.25}
    np.testing.assert_array_equal(np.isnan(got.observed_pv_kwh), np.arange(96) == 0)
    np.testing.assert_array_equal(got.min_soc_kwh, np.full(96, 1.0))
    with pytest.raises(ValueError, match="read-only"):
        got.charge_kwh[0] = 1.0


def test_a_window_that_changes_is_told_for_every_slot() -> None:
    high = np.r_[np.full(48, 10.0), np.full(48, 4.56789)]
    plan = plan_of(make_site(make_battery(max_soc_kwh=high)))
    assert np.ptp(plan.max_soc_kwh) > 5.0
    got = read_episode(episode_of(plan))
    np.testing.assert_allclose(got.max_soc_kwh, plan.max_soc_kwh, rtol=0.0, atol=HALF)
    np.testing.assert_array_equal(got.min_soc_kwh, np.full(96, 1.0))


def test_broken_limits_are_told() -> None:
    plan = Planner(make_site()).plan(plan_inputs(load_kwh=np.full(96, 4.0)), 0.2)
    assert {v.limit for v in plan.violations} == {"min_soc_kwh", "max_import_kw"}
    got = read_episode(episode_of(plan))
    assert [(v.limit, v.slot) for v in got.violations] == [
        (v.limit, v.slot) for v in plan.violations
    ]
    for name in ("amount_kwh", "cost"):
        told, known = ([getattr(v, name) for v in one.violations] for one in (got, plan))
        np.testing.assert_allclose(told, known, rtol=0.0, atol=HALF)


def test_a_piece_of_the_curve_shorter_than_the_last_decimal_is_left_out() -> None:
    """Both pieces would begin at 3; a curve has one price there."""
    curve = [(0.0, 1.0), (3.00001, 0.8), (3.00002, 0.5), (4.0, 0.25)]
    got = read_episode(episode_of(plan_of(terminal_value=curve)))
    assert got.terminal_curve == ((0.0, 1.0), (3.0, 0.5), (4.0, 0.25))


def test_a_running_slot_has_no_realised_cost() -> None:
    got = read_episode(episode_of(plan_of(), realised=None, replay_id=None))
    assert got.realised is None
    assert got.replay_id is None


@settings(max_examples=150)
@given(site=sites(), horizon=horizons(most=24), share=st.floats(0.0, 1.0))
def test_random_plans_come_back_within_rounding(site: Site, horizon: Horizon, share: float) -> None:
    """Stored energy within half a unit; a flow of the battery is a difference of two such."""
    plan = Planner(site).plan(quarters(horizon), share * site.battery.capacity_kwh)
    got = read_episode(episode_of(plan))
    for name in ("import_price", "export_price", "load_kwh", "pv_kwh", "curtail_kwh", "soc_kwh"):
        np.testing.assert_allclose(getattr(got, name), getattr(plan, name), rtol=0.0, atol=HALF)
    for name in ("energy_value_up", "energy_value_down", "min_soc_kwh", "max_soc_kwh"):
        np.testing.assert_allclose(getattr(got, name), getattr(plan, name), rtol=0.0, atol=HALF)
    # 1e-6: flows and stored energy of a plan agree up to the solver's tolerance.
    battery = 2.0 * HALF / plan.charge_efficiency + 1e-6
    for name in ("charge_kwh", "discharge_kwh"):
        np.testing.assert_allclose(getattr(got, name), getattr(plan, name), rtol=0.0, atol=battery)
    for name in ("import_kwh", "export_kwh"):
        want = getattr(plan, name)
        np.testing.assert_allclose(getattr(got, name), want, rtol=0.0, atol=battery + 3.0 * HALF)
    grid = got.import_kwh - got.export_kwh
    moved = got.load_kwh - got.pv_kwh + got.charge_kwh - got.discharge_kwh + got.curtail_kwh
    np.testing.assert_allclose(grid, moved, atol=1e-12)
    assert [v._replace(amount_kwh=0.0, cost=0.0) for v in got.violations] == [
        v._replace(amount_kwh=0.0, cost=0.0) for v in plan.violations
    ]
    assert [p for _, p in got.terminal_curve] == sorted((p for _, p in got.terminal_curve))[::-1]


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_errors_of_stored_energy_do_not_add_up(seed: int) -> None:
    """Over 192 slots: half a unit, where rounded flows would drift by up to 1 percent of a kWh."""
    rng = np.random.default_rng(seed)
    horizon = make_horizon(
        rng.uniform(0.0, 3.0, 192),
        rng.uniform(0.0, 0.5, 192),
        rng.uniform(0.0, 0.4, 192),
        rng.uniform(0.0, 0.4, 192),
        slot_minutes=15.0,
    )
    plan = Planner(make_site()).plan(horizon, 3.3333)
    got = read_episode(episode_of(plan))
    assert np.abs(got.soc_kwh - plan.soc_kwh).max() <= HALF
    # Giving flows back and summing them up again ends where the text says.
    change = got.charge_kwh * 0.95 - got.discharge_kwh / 0.95
    assert 3.3333 + change.sum() == pytest.approx(plan.soc_kwh[-1], abs=HALF + 1e-9)


def test_a_battery_that_rests_rests_exactly() -> None:
    horizon = make_horizon(np.full(8, 1.0), 1.0, 0.12345, slot_minutes=15.0, terminal_value=5.0)
    plan = Planner(make_site()).plan(horizon, 9.99999)
    assert not plan.discharge_kwh.any()
    got = read_episode(episode_of(plan))
    assert not got.discharge_kwh.any()
    assert not got.charge_kwh[1:].any()


def test_the_same_run_is_the_same_text_and_another_is_not() -> None:
    plan = plan_of()
    one, two = episode_of(plan), episode_of(plan)
    assert one == two
    assert one.content_hash != episode_of(plan, observed_load_kwh=seen(0.001)).content_hash
    assert one.episode_id == episode_of(plan, observed_load_kwh=seen(0.001)).episode_id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observed_load_kwh": np.zeros(95)}, r"observed series of \[\(95,\), \(96,\)\]; give the"),
        ({"observed_pv_kwh": np.full(96, np.inf)}, "a number beyond 1e[+]12; give finite numbers"),
        ({"plan": plan_of(slot_minutes=60.0)}, "slots of other lengths; plan in slots of 15 min"),
    ],
)
def test_what_no_episode_can_say_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        episode_of(**({"plan": plan_of()} | changes))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("inputs_json", "episode/1", "episode/9", "has schema 'darkstar.episode/9', this version"),
        ("inputs_json", "{", "", "inputs_json is no JSON"),
        ("schedule_json", '"gap":', '"gab":', r"damaged \(KeyError: 'gap'\); simulate its day"),
        ("inputs_json", "[0.7,", "[", r"a series of shape \(95,\), want \(96,\)"),
        ("inputs_json", "[0.7,", "[null,", "a series that is not finite"),
        ("schedule_json", '"penalty":0', '"penalty":"0"', "'0' is no number"),
        ("context_json", '"vacation":0.25', '"vacation":true', "True is no number"),
        ("inputs_json", '"slot_minutes":15', '"slot_minutes":60', "slots of 60 min, want 15"),
        ("inputs_json", "13:00:00Z", "13:00:00", "has no time zone"),
    ],
)
def test_damaged_texts_are_refused(name: str, old: str, new: str, message: str) -> None:
    good = episode_of(plan_of())
    kept = {f.name: getattr(good, f.name) for f in fields(good) if f.init}
    kept[name] = kept[name].replace(old, new, 1)
    assert kept[name] != getattr(good, name)
    with pytest.raises(EpisodeError, match=message):
        read_episode(Episode(**kept))


def test_a_text_that_is_no_object_is_refused() -> None:
    good = episode_of(plan_of())
    with pytest.raises(EpisodeError, match=f"episode {good.episode_id}: context_json has schema"):
        read_episode(replace_text(good, context_json="[1]"))


def replace_text(episode: Episode, **texts: str) -> Episode:
    """The same row with other texts."""
    kept = {f.name: getattr(episode, f.name) for f in fields(episode) if f.init}
    return Episode(**(kept | texts))


# Real data


def planned_from(store: Store, home: Home) -> list[tuple[Plan, KnownInputs, F64]]:
    """Thirty plans of August with what was seen before each."""
    model = make_model(home)
    start = datetime(2025, 8, 1, 22, tzinfo=UTC)
    rng, made = np.random.default_rng(0), []
    for n in rng.integers(0, 30 * 96, 30).tolist():
        at = start + n * QUARTER
        known = known_inputs(store, model, at)
        plan = Planner(model.site).plan(known.horizon, float(rng.uniform(1.0, 10.0)))
        rows = store.observations(
            home.home_id, ["load_kwh", "pv_kwh"], at - 96 * QUARTER, at, as_of=at
        )
        made.append((plan, known, rows.values))
    return made


@pytest.mark.real_data
def test_episodes_of_a_real_hourly_home_take_at_most_12_kilobytes(
    real_data: Path, tmp_path: Path
) -> None:
    home = Home(home_id="se4_darkstar", zone=STOCKHOLM, area="SE4")
    with Store.open(new_store(tmp_path / "facts.sqlite")) as store:
        for name in ("prices_se3_se4.csv.gz", "home_se4_hourly.csv.gz"):
            import_file(store, real_data / name, {home.home_id: home})
        made = planned_from(store, home)
    sizes = [json_bytes(plan, known, values) for plan, known, values in made]
    assert np.mean(sizes) <= 12_000
    assert np.mean(sizes) > 5_000


def json_bytes(plan: Plan, known: KnownInputs, values: F64) -> int:
    """Bytes of an episode's four texts."""
    row = episode_of(
        plan,
        prices_until=known.prices_until,
        observed_load_kwh=values[0],
        observed_pv_kwh=values[1],
    )
    texts = (row.inputs_json, row.context_json, row.schedule_json, row.config_overrides_json)
    return sum(len(text.encode()) for text in texts)
