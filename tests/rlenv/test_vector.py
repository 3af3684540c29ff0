"""``HomeVectorEnv`` is many ``HomeEnv``: to the bit, step for step, as Gymnasium gathers them."""

from __future__ import annotations

import pickle
from datetime import date
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlenv import (
    ENV_ID,
    ActionError,
    DayError,
    History,
    HomeEnv,
    HomeVectorEnv,
    OptionError,
    rollout,
)
from rlenv.policies import ConstantPolicy
from tests.rlenv.homes import AUTUMN, DAYS, SPRING, cabin, year

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def both(
    count: int, mode: AutoresetMode, homes: tuple[History, ...], **options: Any
) -> tuple[HomeVectorEnv, SyncVectorEnv]:
    """The same homes, as one table and as Gymnasium's list of environments."""

    def one(index: int) -> HomeEnv:
        return HomeEnv(homes[index % len(homes)], **options)

    native = HomeVectorEnv(homes, num_envs=count, autoreset_mode=mode, **options)
    gathered = SyncVectorEnv([lambda i=i: one(i) for i in range(count)], autoreset_mode=mode)  # type: ignore[misc]
    return native, gathered


def same_infos(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Check that infos have the same names, masks and numbers."""
    assert set(one) == set(other)
    for name, values in one.items():
        if isinstance(values, dict):
            same_infos(values, other[name])
        elif values.dtype == object:
            for here, there in zip(values, other[name], strict=True):
                assert (here is None) == (there is None)
                assert here is None or np.array_equal(here, there)
        else:
            assert np.array_equal(values, other[name]), name
            assert values.dtype == other[name].dtype, name


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize(
    "options",
    [
        {"lookahead": 0},
        {"lookahead": 96, "action": "energy_value", "value_bounds": (-0.5, 4.0)},
        {"lookahead": 5, "end": "truncate"},
    ],
    ids=str,
)
def test_vector_is_single_bit_for_bit(mode: AutoresetMode, options: dict[str, Any]) -> None:
    """Two homes, days of 92 to 100 slots, three episodes each: everything a step tells."""
    days = (SPRING, date(2025, 4, 1), date(2025, 4, 2))
    native, gathered = both(5, mode, (year(), cabin()), days=days, **options)
    rng = np.random.default_rng(4)
    one, other = native.reset(seed=11), gathered.reset(seed=11)
    assert np.array_equal(one[0], other[0])
    same_infos(one[1], other[1])
    ended = 0
    for _ in range(290):
        actions = rng.uniform(-1.0, 1.0, (5, 1)).astype(np.float32)
        one_step, other_step = native.step(actions), gathered.step(actions)
        for k in range(4):
            here, there = np.asarray(one_step[k]), np.asarray(other_step[k])
            assert np.array_equal(here, there)
            assert here.dtype == there.dtype
        same_infos(one_step[4], other_step[4])
        ended += int((one_step[2] | one_step[3]).sum())
    assert ended == 15
    assert native.observation_space == gathered.observation_space
    assert native.single_observation_space == gathered.single_observation_space
    assert native.action_space == gathered.action_space
    assert native.metadata["autoreset_mode"] is mode


def test_many_resets_draw_what_single_ones_draw() -> None:
    """More days than are drawn ahead at once; resets without a seed go on with the generator."""
    native, gathered = both(2, AutoresetMode.NEXT_STEP, (year(),), lookahead=0)
    native.reset(seed=3)
    gathered.reset(seed=3)
    for _ in range(70):
        one, other = native.reset(), gathered.reset()
        assert np.array_equal(one[0], other[0])
        same_infos(one[1], other[1])


def test_options_of_one_and_of_each() -> None:
    envs = HomeVectorEnv(year(), num_envs=3, lookahead=0)
    _, infos = envs.reset(seed=0, options={"day": "2025-06-11", "soc_kwh": 5.0})
    assert infos["day"].tolist() == [20250611] * 3
    assert infos["soc_kwh"].tolist() == [5.0] * 3
    _, infos = envs.reset(options={"day": list(DAYS[:3]), "soc_kwh": [1.0, None, 10.0]})
    assert infos["slots"].tolist() == [92, 96, 100]
    assert infos["soc_kwh"][[0, 2]].tolist() == [1.0, 10.0]
    mask = np.array([False, True, False])
    _, infos = envs.reset(options={"reset_mask": mask, "day": AUTUMN})
    assert infos["_day"].tolist() == mask.tolist()
    assert infos["slots"].tolist() == [0, 100, 0]


def test_the_same_reward_as_a_rollout() -> None:
    env = HomeEnv(year(), lookahead=0)
    envs = HomeVectorEnv(year(), num_envs=4, lookahead=0)
    envs.reset(seed=0, options={"day": list(DAYS), "soc_kwh": 5.0})
    paid, over = np.zeros(4), np.zeros(4, dtype=np.bool_)
    for _ in range(100):
        rewards, ended = envs.step(np.full((4, 1), 0.25, dtype=np.float32))[1:3]
        paid += np.where(over, 0.0, rewards)
        over |= ended
    alone = [rollout(env, ConstantPolicy(0.25), day=day, soc_kwh=5.0).reward for day in DAYS]
    assert over.all()
    assert paid.tolist() == pytest.approx(alone, abs=1e-9)


def test_copies_stay_and_shared_arrays_do_not() -> None:
    actions = np.full((2, 1), 0.5, dtype=np.float32)
    keeping = HomeVectorEnv(year(), num_envs=2, lookahead=0)
    keeping.reset(seed=0)
    first = keeping.step(actions)
    before = first[0].copy(), first[1].copy(), first[4]["soc_kwh"].copy()
    second = keeping.step(actions)
    assert np.array_equal(first[0], before[0])
    assert np.array_equal(first[1], before[1])
    assert np.array_equal(first[4]["soc_kwh"], before[2])
    sharing = HomeVectorEnv(year(), num_envs=2, lookahead=0, copy=False)
    sharing.reset(seed=0)
    shared = sharing.step(actions)[0]
    assert np.array_equal(shared, before[0])
    assert sharing.step(actions)[0] is shared
    assert np.array_equal(shared, second[0])


def test_horizons_of_planners() -> None:
    envs = HomeVectorEnv([year(), cabin()], num_envs=2, lookahead=0)
    envs.reset(seed=0, options={"day": SPRING})
    envs.step(np.zeros((2, 1), dtype=np.float32))
    for index, home in enumerate((year(), cabin())):
        want = home.horizon(home.find(SPRING), 1)
        got = envs.horizon(index)
        assert got.start == want.start
        assert np.array_equal(got.load_kwh, want.load_kwh)


def test_pickled_and_made_by_gymnasium() -> None:
    envs = gymnasium.make_vec(ENV_ID, num_envs=3, vectorization_mode="vector_entry_point")
    envs.reset(seed=1)
    actions = np.full((3, 1), -0.5, dtype=np.float32)
    other = pickle.loads(pickle.dumps(envs.unwrapped))  # noqa: S301 - our own
    assert np.array_equal(envs.step(actions)[0], other.step(actions)[0])
    envs.close()


@pytest.mark.parametrize(
    ("actions", "match"),
    [
        (np.zeros((3, 1)), r"the shape of actions is \(3, 1\), want \(2, 1\)"),
        (np.zeros(2), r"is \(2,\), want \(2, 1\)"),
        (np.array([[0.0], [np.nan]]), r"actions\[1\] is nan"),
        (np.array([[1.01], [0.0]]), r"actions\[0\] is 1.01"),
        ([["a"], ["b"]], "numbers in"),
    ],
)
def test_no_actions_are_refused_and_nothing_has_changed(actions: Any, match: str) -> None:
    envs, others = (HomeVectorEnv(year(), num_envs=2, lookahead=0) for _ in range(2))
    envs.reset(seed=0)
    others.reset(seed=0)
    with pytest.raises(ActionError, match=match):
        envs.step(actions)
    fine = np.zeros((2, 1))
    assert np.array_equal(envs.step(fine)[0], others.step(fine)[0])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(OptionError, match="1 or more"):
        HomeVectorEnv(year(), num_envs=0)
    with pytest.raises(OptionError, match="NextStep, SameStep"):
        HomeVectorEnv(year(), autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(OptionError, match="the history of one home or more"):
        HomeVectorEnv([])
    with pytest.raises(OptionError, match="home demo look no further"):
        HomeVectorEnv([year(), cabin()], lookahead=200)
    envs = HomeVectorEnv(year(), num_envs=2)
    with pytest.raises(ResetNeeded, match="reset"):
        envs.step(np.zeros((2, 1)))
    with pytest.raises(OptionError, match="no day has begun yet"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=0)
    for options, error, match in (
        ({"reset_mask": [True, False]}, OptionError, "2 booleans"),
        ({"reset_mask": np.zeros(2, dtype=np.bool_)}, OptionError, "at least one"),
        ({"day": ["2025-06-11"]}, OptionError, "one for each of the 2"),
        ({"day": "2020-01-01"}, DayError, "one of the 357 days"),
        ({"soc_kwh": 11.0}, OptionError, "battery's window"),
        ({"days": 1}, OptionError, "reset_mask"),
    ):
        with pytest.raises(error, match=match):
            envs.reset(options=options)
    with pytest.raises(OptionError, match="soc_kwh"):
        envs.reset(options={"soc_kwh": np.array(30.0)})


@pytest.mark.parametrize("seed", [-1, [1], [5, -1], 1.5, "one", [True, 2], np.array([1.5, 2.0])])
def test_a_seed_that_is_none_changes_nothing(seed: Any) -> None:
    """Neither before the first reset nor after it."""
    fresh = HomeVectorEnv(year(), num_envs=2, lookahead=0)
    with pytest.raises(OptionError, match="seed"):
        fresh.reset(seed=seed)
    with pytest.raises(ResetNeeded, match="reset"):
        fresh.step(np.zeros((2, 1)))
    envs, others = (HomeVectorEnv(year(), num_envs=2, lookahead=0) for _ in range(2))
    envs.reset(seed=np.array([3, 4]))
    others.reset(seed=3)
    with pytest.raises(OptionError, match="seed"):
        envs.reset(seed=seed)
    assert np.array_equal(envs.step(np.zeros((2, 1)))[0], others.step(np.zeros((2, 1)))[0])
    assert np.array_equal(envs.reset()[0], others.reset()[0])
    assert envs.generators[0] is not envs.generators[1]
