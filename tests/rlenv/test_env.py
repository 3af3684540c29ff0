"""``HomeEnv``: Gymnasium's own checks, a day's money by hand, refusals that change nothing."""

from __future__ import annotations

import copy
import pickle
import warnings
from datetime import UTC, date, datetime
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from mpc.rules import limits_at, slot_at
from rlenv import ENV_ID, ActionError, DayError, HistoryError, HomeEnv, OptionError, read_history
from rlenv.kernel import ROW
from rlenv.options import Action, End
from sim.command import REST_COMMAND, setpoint_command
from sim.demo_house import demo_facts, demo_model
from telemetry.quality_table import DayClass
from tests.rlenv.homes import AUTUMN, DAYS, SPRING, year

KINDS = [{}, {"lookahead": 0}, {"action": "energy_value"}, {"end": "truncate", "lookahead": 3}]


def make(**options: Any) -> HomeEnv:
    return HomeEnv(year(), **options)


def wishes(slots: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (slots, 1)).astype(np.float32)


def live(env: HomeEnv, day: date, soc_kwh: float = 5.0, seed: int = 0) -> list[tuple[Any, ...]]:
    """Live a day by random actions; return what each step told."""
    env.reset(seed=seed, options={"day": day, "soc_kwh": soc_kwh})
    told = []
    for action in wishes(100, seed):
        told.append(env.step(action))
        if told[-1][2] or told[-1][3]:
            break
    return told


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_gymnasium_finds_nothing_to_say(options: dict[str, Any]) -> None:
    env = gymnasium.make(ENV_ID, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    assert env.spec is not None
    assert env.spec.id == ENV_ID


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_day_by_its_own_numbers(day: date, options: dict[str, Any]) -> None:
    env = make(**options)
    told, place = live(env, day), year().find(day)
    slots = {SPRING: 92, AUTUMN: 100}.get(day, 96)
    assert len(told) == slots
    stored, eta_c, eta_d = 5.0, 0.95, 0.95
    wear = env.site.battery.wear_cost_per_kwh
    for n, (_, reward, terminated, truncated, info) in enumerate(told):
        actual = slot_at(year().data.actual, int(year().data.first[place]) + n)
        taken, given_ = info["charge_kwh"], info["discharge_kwh"]
        stored += eta_c * taken - given_ / eta_d
        assert info["soc_kwh"] == pytest.approx(stored, abs=1e-9)
        net = actual.load_kwh - actual.pv_kwh + info["curtail_kwh"] + taken - given_
        assert info["import_kwh"] - info["export_kwh"] == pytest.approx(net, abs=1e-9)
        bill = actual.import_price * info["import_kwh"] - actual.export_price * info["export_kwh"]
        cost = bill + wear * given_ + info["penalty"]
        last = n == slots - 1
        left = year().terminal(place).value(stored) if last else 0.0
        assert info["terminal_value"] == pytest.approx(left, abs=1e-9)
        paid = 0.0 if options.get("end") == "truncate" else left
        assert reward == pytest.approx(paid - cost, abs=1e-9)
        assert (info["slot"], info["slots"]) == (n + 1, slots)
        ends = options.get("end", "terminate")
        assert terminated == (last and ends == "terminate")
        assert truncated == (last and ends == "truncate")


def test_battery_power_is_a_share_of_the_limits() -> None:
    env = make()
    env.reset(options={"day": DAYS[1], "soc_kwh": 5.0})
    for action, wish in ((0.5, 0.5 * 1.25), (-1.0, -1.25), (0.0, 0.0)):  # 5 kW for a quarter
        info = env.step(np.array([action], dtype=np.float32))[4]
        assert info["wish_kwh"] == pytest.approx(wish)
        assert info["charge_kwh"] - info["discharge_kwh"] == pytest.approx(wish)
        assert info["clipped_kwh"] == pytest.approx(0.0, abs=1e-12)


def test_what_a_full_battery_cannot_take_is_reported() -> None:
    env = make()
    env.reset(options={"day": DAYS[1], "soc_kwh": 9.9})
    info = env.step(np.array([1.0], dtype=np.float32))[4]
    assert info["charge_kwh"] == pytest.approx(0.1 / 0.95)
    assert info["clipped_kwh"] == pytest.approx(1.25 - 0.1 / 0.95)
    assert info["soc_kwh"] == pytest.approx(10.0)


def test_energy_value_acts_on_the_load_that_came() -> None:
    """Above every price a stored kWh is kept and bought for; below every price it is sold."""
    env = make(action="energy_value", value_bounds=(-10.0, 10.0))
    env.reset(options={"day": DAYS[1], "soc_kwh": 5.0})
    dear = env.step(np.array([1.0], dtype=np.float32))[4]
    assert dear["charge_kwh"] == pytest.approx(1.25)
    cheap = env.step(np.array([-1.0], dtype=np.float32))[4]
    assert cheap["discharge_kwh"] == pytest.approx(1.25)
    # A value between what storing surplus costs and what serving load saves: self-use.
    place, slot = year().find(DAYS[1]), int(cheap["slot"])
    price = slot_at(year().data.actual, int(year().data.first[place]) + slot)
    between = 0.5 * (price.export_price / 0.95 + (price.import_price - 0.2) * 0.95)
    net = price.load_kwh - price.pv_kwh
    info = env.step(np.array([between / 10.0]))[4]
    assert info["discharge_kwh"] - info["charge_kwh"] == pytest.approx(net, abs=1e-6)


def test_the_action_of_an_energy_value() -> None:
    env = make(action="energy_value", value_bounds=(-1.0, 5.0))
    assert [env.action_of(worth) for worth in (-1.0, 2.0, 5.0, 9.0)] == [-1.0, 0.0, 1.0, 1.0]
    with pytest.raises(OptionError, match="a number"):
        env.action_of(float("nan"))
    with pytest.raises(OptionError, match="energy_value, when making it"):
        make().action_of(1.0)


def test_seeds_and_days() -> None:
    one, other = make(), make()
    a, info = one.reset(seed=5)
    b, same = other.reset(seed=5)
    assert np.array_equal(a, b)
    assert dict(info) == dict(same)
    assert [dict(one.reset()[1]) for _ in range(5)] == [dict(other.reset()[1]) for _ in range(5)]
    days = {one.reset()[1]["day"] for _ in range(40)}
    assert len(days) > 30
    few = make(days=[DAYS[0], datetime(2025, 6, 11, tzinfo=UTC), "2025-06-11"])
    assert {few.reset()[1]["day"] for _ in range(20)} == {20250330, 20250611}
    soc = [few.reset()[1]["soc_kwh"] for _ in range(50)]
    assert min(soc) > 1.0
    assert max(soc) < 10.0
    assert max(soc) - min(soc) > 5.0


def test_same_seed_same_trajectory() -> None:
    first, again = live(make(), AUTUMN, seed=3), live(make(), AUTUMN, seed=3)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one[0], other[0])
        assert one[1:4] == other[1:4]
        assert dict(one[4]) == dict(other[4])


def test_a_pickled_environment_goes_on_as_the_other() -> None:
    env = make(action="energy_value")
    env.reset(seed=1)
    for action in wishes(10):
        env.step(action)
    other = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own
    assert not other.history.data.actual.flags.writeable
    for action in wishes(20, seed=1):
        one, two = env.step(action), other.step(action)
        assert np.array_equal(one[0], two[0])
        assert one[1:4] == two[1:4]
        assert dict(one[4]) == dict(two[4])
    assert np.array_equal(env.reset()[0], other.reset()[0])


def test_the_horizon_is_read_on_demand_and_at_any_time() -> None:
    env = make()
    _, info = env.reset(options={"day": DAYS[1], "soc_kwh": 5.0})
    assert "horizon" not in dict(info)
    later = copy.deepcopy(info)
    for action in wishes(5):
        env.step(action)
    horizon, place = info["horizon"], year().find(DAYS[1])
    assert horizon.start == year().start(place)
    assert info["horizon"] is horizon
    assert np.array_equal(later.get("horizon").load_kwh, horizon.load_kwh)  # type: ignore[attr-defined]
    assert np.array_equal(np.array(horizon.import_price), year().known(place, 0)[:192, 2])
    with pytest.raises(KeyError, match="weather"):
        info["weather"]


def test_an_info_travels_with_its_horizon_alone() -> None:
    env = make()
    _, info = env.reset(options={"day": DAYS[1], "soc_kwh": 5.0})
    sent = pickle.dumps(info)
    assert len(sent) < 50_000
    there = pickle.loads(sent)  # noqa: S301 - our own
    assert dict(there) == dict(info)
    assert np.array_equal(there["horizon"].pv_kwh, info["horizon"].pv_kwh)
    again = pickle.loads(pickle.dumps(copy.copy(there)))  # noqa: S301
    assert np.array_equal(again["horizon"].pv_kwh, info["horizon"].pv_kwh)


def test_the_end_of_a_truncated_day_is_the_start_of_the_next() -> None:
    """So that a learner goes on from a state that days start with."""
    for day in (SPRING, date(2025, 10, 25), AUTUMN):
        env = make(end="truncate", lookahead=12)
        told = live(env, day)
        last, stored = told[-1][0], told[-1][4]["soc_kwh"]
        tomorrow = date.fromordinal(day.toordinal() + 1)
        first, _ = env.reset(options={"day": tomorrow, "soc_kwh": stored})
        assert np.array_equal(last, first)


def test_commands_answer_the_net_load() -> None:
    env = make()
    env.reset(options={"day": DAYS[1], "soc_kwh": 5.0})
    assert env.step(REST_COMMAND)[4]["wish_kwh"] == 0.0
    assert env.step(setpoint_command(0.7))[4]["charge_kwh"] == pytest.approx(0.7)
    before = dict(env.step(REST_COMMAND)[4])
    with pytest.raises(ActionError, match="wish of the command is nan"):
        env.step(setpoint_command(float("nan")))
    assert env.step(REST_COMMAND)[4]["slot"] == before["slot"] + 1


@pytest.mark.parametrize(
    ("action", "match"),
    [
        (np.array([np.nan], np.float32), r"action is nan, want a number in \[-1, 1\]"),
        (np.array([1.5], np.float32), "action is 1.5"),
        (np.array([-np.inf]), "action is -inf"),
        (np.zeros(2, np.float32), r"shape \(1,\), not \(2,\)"),
        (np.float32(0.5), r"shape \(1,\), not \(\)"),
        ("full", "one number"),
        (None, "action is nan"),
    ],
)
def test_no_action_is_refused_and_nothing_has_changed(action: Any, match: str) -> None:
    env, other = make(), make()
    env.reset(seed=2)
    other.reset(seed=2)
    with pytest.raises(ActionError, match=match):
        env.step(np.array([action]) if action is None else action)
    step, same = env.step(wishes(1)[0]), other.step(wishes(1)[0])
    assert np.array_equal(step[0], same[0])
    assert step[1] == same[1]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"day": "2024-08-01"}, DayError, "one of the 357 days from 2025-01-08 to 2025-12-30"),
        ({"day": "2025-12-31"}, DayError, "this one was skipped: load_kwh of"),
        ({"day": "tomorrow"}, DayError, "a date such as 2025-08-01"),
        ({"soc_kwh": 0.5}, OptionError, "1 to 10 kWh"),
        ({"soc_kwh": float("nan")}, OptionError, "1 to 10 kWh"),
        ({"soc_kwh": "half"}, OptionError, "1 to 10 kWh"),
        ({"date": "2025-08-01"}, OptionError, "one of the options day, soc_kwh"),
    ],
)
def test_no_reset_is_refused_and_nothing_has_changed(
    options: dict[str, Any], error: type[Exception], match: str
) -> None:
    env, other = make(), make()
    env.reset(seed=2)
    other.reset(seed=2)
    with pytest.raises(error, match=match):
        env.reset(seed=9, options=options)
    assert env.step(wishes(1)[0])[1] == other.step(wishes(1)[0])[1]
    assert dict(env.reset()[1]) == dict(other.reset()[1])


def test_a_day_that_is_not_clean_has_to_be_asked_for() -> None:
    bad = date(2025, 3, 29)
    facts = demo_facts(verdicts={bad: DayClass.EXCLUDE})
    history = read_history(facts, demo_model(), date(2025, 3, 27), date(2025, 4, 1))
    env = HomeEnv(history)
    assert bad not in env.days
    with pytest.raises(DayError, match="its verdict is exclude"):
        env.reset(options={"day": bad})
    with pytest.raises(DayError, match="its verdict is exclude"):
        HomeEnv(history, days=[bad])
    assert HomeEnv(history, classes=None).reset(options={"day": bad})[1]["day"] == 20250329
    with pytest.raises(HistoryError, match="none of its 5 days may be lived"):
        HomeEnv(history, classes=("mask_battery",))


def test_steps_before_and_after_a_day_are_refused() -> None:
    env = make()
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(wishes(1)[0])
    live(env, DAYS[1])
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(wishes(1)[0])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lookahead": -1}, "lookahead is -1"),
        ({"lookahead": 288}, "at most 287"),
        ({"lookahead": 1.5}, "a whole number"),
        ({"action": "watts"}, "battery_power, energy_value"),
        ({"end": "never"}, "terminate, truncate"),
        ({"value_bounds": (1.0, 1.0)}, "least, most"),
        ({"value_bounds": (0.0, float("inf"))}, "least, most"),
        ({"render_mode": "ansi"}, "rgb_array, human"),
        ({"value_bounds": None}, "least, most"),
        ({"value_bounds": (0.0, 1.0, 2.0)}, "least, most"),
        ({"action": ["battery_power"]}, "battery_power, energy_value"),
        ({"days": [date(2020, 1, 1)]}, "one of the 357 days"),
        ({"days": []}, "at least one day"),
        ({"days": ["someday"]}, "a date such as"),
        ({"classes": "clean"}, "a collection of clean"),
        ({"classes": ["good"]}, "a collection of clean"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], match: str) -> None:
    with pytest.raises((OptionError, DayError), match=match):
        make(**options)


def test_a_picture_of_the_day() -> None:
    env = make(render_mode="rgb_array")
    env.reset(options={"day": AUTUMN, "soc_kwh": 5.0})
    empty = env.render()
    for action in wishes(50):
        env.step(action)
    picture = env.render()
    assert picture is not None
    assert empty is not None
    assert picture.shape == empty.shape == (600, 800, 3)
    assert picture.dtype == np.uint8
    assert (picture != empty).any()
    assert pickle.loads(pickle.dumps(env)).render().shape == (600, 800, 3)  # noqa: S301
    env.close()
    with pytest.raises(OptionError, match="when making it"):
        make().render()


def test_a_window_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, object]] = []
    monkeypatch.setattr(plt, "show", lambda **how: shown.append(how))
    env = make(render_mode="human")
    env.reset(seed=0)
    env.step(wishes(1)[0])
    assert shown == [{"block": False}]
    env.close()
    assert plt.get_fignums() == []


@given(
    action=st.sampled_from(["battery_power", "energy_value"]),
    end=st.sampled_from(["terminate", "truncate"]),
    day=st.sampled_from(DAYS),
    soc_kwh=st.floats(1.0, 10.0),
    seed=st.integers(0, 2**31),
)
def test_energy_and_money_are_conserved(
    action: Action, end: End, day: date, soc_kwh: float, seed: int
) -> None:
    """Whatever is done, every kWh and every currency unit of the day is accounted for."""
    env = make(action=action, end=end, lookahead=0)
    told = live(env, day, soc_kwh, seed)
    rows = np.array([[info[name] for name in ROW] for *_, info in told])
    column = dict(zip(ROW, rows.T, strict=True))
    came = column["import_kwh"] + column["pv_kwh"] - column["curtail_kwh"] + column["discharge_kwh"]
    went = column["export_kwh"] + column["load_kwh"] + column["charge_kwh"]
    assert came == pytest.approx(went, abs=1e-9)
    stored = np.diff(column["soc_kwh"], prepend=soc_kwh)
    assert stored == pytest.approx(
        0.95 * column["charge_kwh"] - column["discharge_kwh"] / 0.95, abs=1e-9
    )
    limits = limits_at(env.history.data.limits, 0)
    assert column["soc_kwh"].min() >= limits.soc_min - 1e-9
    assert column["soc_kwh"].max() <= limits.soc_max + 1e-9
    moved = column["charge_kwh"] - column["discharge_kwh"]
    assert column["clipped_kwh"] == pytest.approx(np.abs(column["wish_kwh"] - moved), abs=1e-12)
    rewards = np.array([reward for _, reward, *_ in told])
    left = column["terminal_value"][-1] if end == "terminate" else 0.0
    assert rewards.sum() == pytest.approx(left - column["cost"].sum(), abs=1e-9)
    for observation, *_ in told:
        assert env.observation_space.contains(observation)
