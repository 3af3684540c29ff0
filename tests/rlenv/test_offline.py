"""Trajectories of what was lived, replayed and recorded: the same days told three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlenv import (
    ConstantPolicy,
    DatasetError,
    DayError,
    History,
    HomeEnv,
    OptionError,
    Policy,
    Rollout,
    SelfUsePolicy,
    StoragePolicy,
    read_history,
    rollout,
)
from rlenv.kernel import ROW
from rlenv.layout import Layout
from rlenv.offline import (
    INFOS,
    Trajectory,
    episode_observation,
    trajectories_of_episodes,
    trajectories_of_replay,
    trajectory_of,
)
from rlenv.options import LOOKAHEAD
from sim.episode_arrays import EpisodeArrays
from sim.episodes import read_episodes
from sim.planning import HomeModel
from telemetry.replay_table import SERIES, ReplayDay, StoredReplay
from tests.rlenv.homes import AUTUMN, DAYS, SPRING, cabin, demo_store, year
from tests.runners.simulate_cases import demo_folder, simulate

FIRST, SECOND = date(2025, 6, 2), date(2025, 6, 3)
"""Two days are simulated, three are in the history."""
ZONE = "Europe/Stockholm"
MOST_KWH = 1.25
"""The demo battery moves 5 kW, 1.25 kWh a slot, either way."""
ETA = 0.95


@dataclass(frozen=True)
class Recorded:
    """What one ``darkstar simulate`` left in a store, and the history of the same days."""

    history: History
    model: HomeModel
    replay: StoredReplay
    days: tuple[ReplayDay, ...]
    episodes: tuple[EpisodeArrays, ...]

    def told(self) -> tuple[Trajectory, ...]:
        """The days of the replay."""
        return trajectories_of_replay(self.replay, self.days, self.history).trajectories


def recorded_by(folder: Path, engine: str, first: date = FIRST) -> Recorded:
    """Simulate two days of the demo home."""
    demo_folder(folder)
    end = first + timedelta(days=2)
    done = simulate(folder, f"{first}", f"{end}", "--engine", engine, "--all-days")
    assert done.exit_code == 0, done.output
    with demo_store(folder) as (store, model):
        (replay,) = store.replays("demo", system_id="simulation")
        return Recorded(
            history=read_history(store, model, first, end + timedelta(days=1)),
            model=model,
            replay=replay,
            days=store.replay_days("demo", replay.replay_id, system_id="simulation"),
            episodes=tuple(read_episodes(store, home_id="demo")),
        )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return recorded_by(tmp_path_factory.mktemp("storage"), "storage")


@pytest.fixture(scope="module")
def by_highs(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return recorded_by(tmp_path_factory.mktemp("highs"), "highs")


def stretches(
    recorded: Recorded, episodes: Any = None, history: History | None = None, **how: int
) -> list[Trajectory]:
    """The episodes of the two days, or others, as trajectories."""
    given = recorded.episodes if episodes is None else episodes
    return list(trajectories_of_episodes(given, recorded.model, history=history, **how))


def relived(history: History, told: Trajectory) -> Rollout:
    """The actions of a whole day, given to an environment of battery power."""
    given = iter(told.actions)

    class Given:
        name = "as recorded"

        def act(self, observation: Any, info: Any) -> Any:
            del observation, info
            return next(given)

    env = HomeEnv(history, classes=None)
    start = float(told.infos["soc_kwh"][0, 0])
    return rollout(env, Given(), day=told.day, soc_kwh=start)


def drift_kwh(slots: int, most_kwh: float, efficiency: float) -> float:
    """How far float32 actions may lead off: half a unit of the last place in every slot."""
    return slots * 2.0**-25 * most_kwh / efficiency + 1e-9


# What was lived.


@pytest.mark.parametrize("policy", [SelfUsePolicy(), ConstantPolicy(0.3)], ids=lambda p: p.name)
@pytest.mark.parametrize("perturb", [0.0, 0.3])
@pytest.mark.parametrize("make", [year, cabin], ids=["demo", "cabin"])
def test_recorded_actions_lead_through_the_same_states(
    make: Callable[[], History], perturb: float, policy: Policy
) -> None:
    history = make()
    env = HomeEnv(history)
    for day in set(DAYS) & set(history.days):
        lived = rollout(env, policy, day=day, soc_kwh=3.0, seed=1, perturb=perturb)
        told = trajectory_of(history, lived)
        again = relived(history, told)
        most = drift_kwh(len(told), 1.25, ETA)
        np.testing.assert_allclose(again.of("soc_kwh"), lived.of("soc_kwh"), rtol=0, atol=most)
        np.testing.assert_allclose(again.rewards, told.rewards, rtol=0, atol=100.0 * most)
        np.testing.assert_allclose(again.observations, told.observations, rtol=0, atol=most)


def test_actions_of_energy_values_are_told_as_power() -> None:
    history = year()
    env = HomeEnv(history, action="energy_value")
    lived = rollout(env, ConstantPolicy(0.1), day=DAYS[1], soc_kwh=3.0, seed=1, perturb=0.2)
    told = trajectory_of(history, lived)
    again = relived(history, told)
    most = drift_kwh(96, MOST_KWH, ETA)
    np.testing.assert_allclose(again.of("soc_kwh"), lived.of("soc_kwh"), rtol=0, atol=most)
    chosen = told.infos["perturbed"][1:, 0] == 0.0
    assert told.infos["action_given"][1:, 0][chosen].tolist() == pytest.approx([0.1] * chosen.sum())
    assert len(np.unique(told.actions)) > 5


def test_a_day_that_was_lived_by_hand() -> None:
    """Charging at 0.4 of 1.25 kWh is 0.5 kWh a slot, 0.475 of it stored, until 10 kWh are full."""
    history = year()
    env = HomeEnv(history)
    lived = rollout(env, ConstantPolicy(0.4), day=DAYS[1], soc_kwh=5.0)
    told = trajectory_of(history, lived)
    assert len(told) == 96
    assert told.actions.dtype == np.float32
    assert told.actions.shape == (96, 1)
    assert told.actions[:10, 0].tolist() == pytest.approx([0.4] * 10, abs=1e-7)
    # 5 kWh of room take 10 slots of 0.475 and 0.25 stored, 0.25 / 0.95 / 1.25 of the most.
    assert told.actions[10, 0] == pytest.approx(0.25 / ETA / 1.25, abs=1e-6)
    assert not told.actions[11:].any()
    assert told.infos["wish_share"][1:, 0].tolist() == pytest.approx([0.4] * 96, abs=1e-7)
    assert told.infos["wish_kwh"][1:, 0].tolist() == pytest.approx([0.5] * 96, abs=1e-7)
    assert told.infos["slot"][:, 0].tolist() == list(range(97))
    assert told.infos["day"][0, 0] == 20250611
    assert told.infos["soc_kwh"][:2, 0].tolist() == pytest.approx([5.0, 5.475], abs=1e-7)
    np.testing.assert_array_equal(told.rewards, lived.rewards)
    np.testing.assert_array_equal(told.observations, lived.observations)
    worth = history.terminal(history.find(DAYS[1])).value(10.0)
    assert told.rewards[-1] == pytest.approx(worth - told.infos["cost"][-1, 0], abs=1e-9)
    assert told.terminations.tolist() == [False] * 95 + [True]
    assert not told.truncations.any()
    assert (told.policy, told.perturb, told.currency) == ("constant 0.4", 0.0, "SEK")


def test_infos_are_those_of_the_environment_and_a_reset_knows_less() -> None:
    history = year()
    env = HomeEnv(history)
    told = trajectory_of(history, rollout(env, SelfUsePolicy(), day=SPRING, soc_kwh=5.0))
    env.reset(options={"day": SPRING, "soc_kwh": 5.0})
    _, _, _, _, info = env.step(np.array([0.0]))
    assert set(info) < set(told.infos) == set(INFOS)
    assert {values.shape for values in told.infos.values()} == {(93, 1)}
    known = {name for name, values in told.infos.items() if np.isfinite(values[0, 0])}
    assert known == {"day", "slot", "slots", "soc_kwh", "perturb_probability"}
    for name in ROW:
        assert np.isfinite(told.infos[name][1:]).all()


def test_what_was_drawn_is_marked_with_its_probability() -> None:
    history = year()
    env = HomeEnv(history, lookahead=0)
    lived = rollout(env, SelfUsePolicy(), day=DAYS[1], soc_kwh=5.0, seed=3, perturb=0.25)
    told = trajectory_of(history, lived)
    drawn = told.infos["perturbed"][1:, 0] == 1.0
    assert 10 < drawn.sum() < 40  # 24 of 96, by 3 standard deviations of 4.2
    assert np.isnan(told.infos["perturbed"][0, 0])
    np.testing.assert_array_equal(told.infos["perturb_probability"], np.full((97, 1), 0.25))
    given = told.infos["action_given"][1:, 0]
    assert np.isnan(given[~drawn]).all()  # a command was given
    np.testing.assert_allclose(told.infos["wish_share"][1:, 0][drawn], given[drawn], atol=1e-12)
    assert told.perturb == 0.25
    again = trajectory_of(
        history, rollout(env, SelfUsePolicy(), day=DAYS[1], soc_kwh=5.0, seed=3, perturb=0.25)
    )
    np.testing.assert_array_equal(again.actions, told.actions)


def test_an_end_that_was_not_priced_is_a_truncation() -> None:
    history = year()
    lived = [
        rollout(HomeEnv(history, end=end), SelfUsePolicy(), day=SPRING, soc_kwh=5.0)
        for end in ("terminate", "truncate")
    ]
    priced, cut = (trajectory_of(history, day) for day in lived)
    assert cut.truncations.tolist() == [False] * 91 + [True]
    assert not cut.terminations.any()
    worth = priced.infos["terminal_value"][-1, 0]
    assert worth > 0.0
    assert priced.rewards[-1] - cut.rewards[-1] == pytest.approx(worth, abs=1e-12)


def test_the_history_of_another_environment_is_refused(recorded: Recorded) -> None:
    lived = rollout(HomeEnv(cabin()), SelfUsePolicy(), day=SPRING, soc_kwh=2.0)
    with pytest.raises(DatasetError, match=r"another one, of demo.*in which 2025-03-30 was"):
        trajectory_of(year(), lived)
    with pytest.raises(DayError, match="2025-03-30"):
        trajectory_of(recorded.history, lived)


# What was replayed.


def test_a_replay_is_told_as_its_policy_lives_it(recorded: Recorded) -> None:
    env = HomeEnv(recorded.history, classes=None)
    told = recorded.told()
    assert [one.day for one in told] == [FIRST, SECOND]
    for one in told:
        start = float(one.infos["soc_kwh"][0, 0])
        lived = rollout(env, StoragePolicy(env.site), day=one.day, soc_kwh=start)
        want = trajectory_of(recorded.history, lived)
        np.testing.assert_allclose(one.observations, want.observations, rtol=0, atol=1e-5)
        np.testing.assert_allclose(one.actions, want.actions, rtol=0, atol=1e-5)
        np.testing.assert_allclose(one.rewards, want.rewards, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(one.terminations, want.terminations)
        np.testing.assert_array_equal(one.truncations, want.truncations)
        assert (one.policy, one.currency, one.home_id) == ("storage", "SEK", "demo")
        unknown = {name for name, values in one.infos.items() if np.isnan(values[1:]).any()}
        assert unknown == {
            *("wish_kwh", "wish_share", "clipped_kwh", "action_given"),
            *("bill", "wear", "penalty"),
        }
        shared = set(INFOS) - unknown - {"energy_value"}
        for name in shared:
            np.testing.assert_allclose(one.infos[name], want.infos[name], rtol=0, atol=1e-5)


def test_energy_is_conserved_and_observed(recorded: Recorded) -> None:
    """(P1) by hand: what the actions moved is what the stored energy changed by."""
    for one in (*recorded.told(), *stretches(recorded)):
        moved = MOST_KWH * one.actions[:, 0].astype(np.float64)
        change = np.maximum(moved, 0.0) * ETA - np.maximum(-moved, 0.0) / ETA
        stored = one.infos["soc_kwh"][:, 0]
        np.testing.assert_allclose(np.diff(stored), change, rtol=0, atol=2e-7)
        np.testing.assert_allclose(one.observations[:, 0], stored / 10.0, rtol=0, atol=1e-7)
        np.testing.assert_allclose(
            one.infos["charge_kwh"][1:, 0] - one.infos["discharge_kwh"][1:, 0],
            moved,
            rtol=0,
            atol=1e-7,
        )
        again = one.infos["terminal_value"][1:, 0] - one.infos["cost"][1:, 0]
        np.testing.assert_allclose(one.rewards, np.where(np.isnan(again), one.rewards, again))


def test_days_that_cannot_be_joined_are_skipped_and_named(recorded: Recorded) -> None:
    def skipped(days: Any, history: History) -> dict[date, str]:
        return trajectories_of_replay(recorded.replay, days, history).skipped

    one, two = recorded.days
    later = replace(
        recorded.history, days=recorded.history.days[1:], skipped={FIRST: "no prices were known"}
    )
    assert skipped((one,), later) == {FIRST: "no prices were known"}
    empty = replace(later, skipped={})
    assert skipped((one,), empty) == {FIRST: "it is not in the history"}
    values = two.values.copy()
    values[SERIES.index("load_kwh"), 50] += 0.01
    assert skipped((one, replace(two, values=values)), recorded.history) == {
        SECOND: "load, PV or prices are others in the history: of a scenario, or repaired since"
    }
    assert "another battery in the history" in skipped((two,), recorded.history)[SECOND]
    values = one.values.copy()
    values[SERIES.index("charge_kwh"), 50] += 0.01
    assert (
        "stored energy is not what was moved"
        in (skipped((replace(one, values=values),), recorded.history)[FIRST])
    )
    values = one.values.copy()
    values[SERIES.index("load_kwh"), 50] = np.nan
    assert set(skipped((replace(one, values=values),), recorded.history)) == {FIRST}


def test_a_replay_that_begins_and_ends_within_days(recorded: Recorded) -> None:
    one, two = recorded.days
    late = replace(one, values=one.values[:, 40:], day_start=one.day_start + timedelta(hours=10))
    early = replace(two, values=two.values[:, :30])
    head = replace(recorded.replay, soc_start_kwh=float(one.of("soc_kwh")[39]))
    whole = recorded.told()
    begins, stops = trajectories_of_replay(head, (late, early), recorded.history).trajectories
    np.testing.assert_array_equal(begins.observations, whole[0].observations[40:])
    np.testing.assert_array_equal(begins.rewards, whole[0].rewards[40:])
    assert begins.terminations[-1]
    assert begins.infos["slot"][0, 0] == 40.0
    np.testing.assert_array_equal(stops.observations, whole[1].observations[:31])
    np.testing.assert_array_equal(stops.rewards, whole[1].rewards[:30])
    assert stops.truncations.tolist() == [False] * 29 + [True]
    assert stops.infos["terminal_value"][-1, 0] == 0.0


def test_a_replay_by_another_dispatch_is_named(recorded: Recorded) -> None:
    head = replace(recorded.replay, policy="plan", dispatch="modes")
    told = trajectories_of_replay(head, recorded.days, recorded.history, lookahead=0)
    assert {one.policy for one in told.trajectories} == {"plan modes"}
    assert told.trajectories[0].observations.shape == (97, 12)
    with pytest.raises(OptionError, match="lookahead is 288, want at most 287"):
        trajectories_of_replay(head, recorded.days, recorded.history, lookahead=288)
    head = replace(head, currency="EUR")
    with pytest.raises(
        DatasetError, match=r"currency of replay .* is 'EUR', want SEK, the history"
    ):
        trajectories_of_replay(head, recorded.days, recorded.history)


# What was recorded.


def test_an_episode_sees_what_the_environment_shows(recorded: Recorded) -> None:
    env = HomeEnv(recorded.history, classes=None, lookahead=191)
    for day in (FIRST, SECOND):
        episodes = [one for one in recorded.episodes if one.local_day == day]
        start = episodes[0].soc_start_kwh
        shown = rollout(env, StoragePolicy(env.site), day=day, soc_kwh=start).observations
        for slot, episode in enumerate(episodes):
            seen = episode_observation(episode, env.layout, ZONE, 10.0)
            assert seen.dtype == np.float32
            np.testing.assert_allclose(seen, shown[slot], rtol=0, atol=1e-3)
            # All but what is rounded is the same to the bit.
            clock = slice(env.layout.columns("time_sin").start, env.layout.columns("left").stop)
            np.testing.assert_array_equal(seen[clock], shown[slot, clock])
            hours = env.layout.columns("published_hours")
            assert seen[hours] == shown[slot, hours]


def test_episodes_tell_the_days_of_their_replay(recorded: Recorded) -> None:
    first, second = stretches(recorded, history=recorded.history)
    whole, part = recorded.told()
    assert (len(first), len(second)) == (96, 95)
    assert first.terminations.tolist() == [False] * 95 + [True]
    assert second.truncations.tolist() == [False] * 94 + [True]
    for told, want in ((first, whole), (second, part)):
        slots = len(told)
        np.testing.assert_allclose(
            told.observations, want.observations[: slots + 1], rtol=0, atol=1e-3
        )
        np.testing.assert_allclose(told.actions, want.actions[:slots], rtol=0, atol=1e-7)
        np.testing.assert_allclose(told.rewards, want.rewards[:slots], rtol=0, atol=1e-9)
        for name in ("soc_kwh", "cost", "slot", "slots", "day", "terminal_value", "charge_kwh"):
            np.testing.assert_allclose(
                told.infos[name], want.infos[name][: slots + 1], rtol=0, atol=1e-9
            )
        known = {name for name, values in told.infos.items() if np.isfinite(values[1:]).all()}
        assert {"bill", "wear", "penalty", "perturbed"} <= known
        assert np.isnan(told.infos["wish_kwh"]).all()
    assert (first.policy, first.currency, first.day) == ("storage", "SEK", FIRST)
    values = [(one.energy_value_up[0], one.energy_value_down[0]) for one in recorded.episodes[:96]]
    np.testing.assert_allclose(first.infos["energy_value"][1:, 0], np.mean(values, axis=1))
    # The midnight that a day ends with belongs to the next one.
    left = Layout(LOOKAHEAD).columns("left")
    assert first.observations[-1, left] == pytest.approx(0.96)
    assert second.observations[-1, left] == pytest.approx(0.01)


@pytest.mark.parametrize(("day", "slots"), [(SPRING, 92), (AUTUMN, 100)], ids=["spring", "autumn"])
def test_days_on_which_the_clock_changes(tmp_path: Path, day: date, slots: int) -> None:
    recorded = recorded_by(tmp_path, "storage", day)
    (told, _), (want, _) = stretches(recorded, history=recorded.history), recorded.told()
    assert len(told) == slots
    assert told.terminations[-1]
    np.testing.assert_allclose(told.observations, want.observations, rtol=0, atol=1e-3)
    np.testing.assert_allclose(told.rewards, want.rewards, rtol=0, atol=1e-9)
    assert told.infos["slots"][0, 0] == slots
    env = HomeEnv(recorded.history, classes=None)
    start = float(want.infos["soc_kwh"][0, 0])
    lived = rollout(env, StoragePolicy(env.site), day=day, soc_kwh=start)
    np.testing.assert_allclose(want.observations, lived.observations, rtol=0, atol=1e-5)


def test_a_sensor_that_reads_above_full_ends_a_stretch(recorded: Recorded) -> None:
    """What no observation holds is left out; the others stay."""
    episodes = list(recorded.episodes[:96])
    episodes[40] = replace(episodes[40], soc_start_kwh=10.1)
    told = stretches(recorded, episodes)
    assert sum(len(one) for one in told) < 95
    assert all((one.observations[:, 0] <= 1.0).all() for one in told)


def test_the_battery_of_another_environment_is_refused(recorded: Recorded) -> None:
    history = recorded.history
    env = HomeEnv(history, classes=None)
    lived = rollout(env, StoragePolicy(env.site), day=FIRST, soc_kwh=5.0)
    limits = history.data.limits.copy()
    limits[:, 2:4] /= 2.0  # half the power
    weaker = replace(history, data=history.data._replace(limits=limits))
    with pytest.raises(DatasetError, match="that of the environment in which"):
        trajectory_of(weaker, lived)


def test_a_day_whose_end_nobody_valued_is_cut(recorded: Recorded) -> None:
    priced, _ = stretches(recorded, history=recorded.history)
    cut, _ = stretches(recorded)
    assert len(cut) == 96
    assert cut.truncations.tolist() == [False] * 95 + [True]
    assert cut.rewards[-1] == -cut.infos["cost"][-1, 0]
    assert np.isnan(cut.infos["terminal_value"][-1, 0])
    np.testing.assert_array_equal(cut.rewards[:-1], priced.rewards[:-1])
    np.testing.assert_array_equal(cut.observations, priced.observations)


@pytest.mark.parametrize("how", ["missing", "no money", "jump", "blind"])
def test_a_gap_makes_two(recorded: Recorded, how: str) -> None:
    """Slot 40 is gone, or its money, or it cannot follow slot 39, or nothing was seen then."""
    episodes = list(recorded.episodes[:96])
    nothing = np.full(96, np.nan)
    if how == "missing":
        del episodes[40]
    elif how == "no money":
        episodes[40] = replace(episodes[40], realised=None)
    elif how == "jump":
        before = episodes[39].soc_start_kwh
        for k in range(40, 96):  # half as full, or half fuller: far from before, within the battery
            stored = 0.5 * episodes[k].soc_start_kwh + (0.0 if before > 5.0 else 4.9)
            episodes[k] = replace(episodes[k], soc_start_kwh=stored)
    else:
        episodes[40] = replace(
            episodes[40], observed_load_kwh=nothing, observed_pv_kwh=nothing, pv_kwh=np.ones(192)
        )
    told = stretches(recorded, episodes)
    # Slots 0 to 38, and 39 or 40 seen at the end; then from the gap on to the last slot but one.
    lengths = {"missing": [39, 54], "no money": [40, 54], "jump": [39, 55], "blind": [39, 54]}
    assert [len(one) for one in told] == lengths[how]
    for one in told:
        assert one.truncations.tolist() == [False] * (len(one) - 1) + [True]
        assert not one.terminations.any()
    (whole,) = stretches(recorded, recorded.episodes[:96])
    np.testing.assert_array_equal(told[0].observations, whole.observations[: len(told[0]) + 1])
    np.testing.assert_array_equal(told[0].rewards, whole.rewards[: len(told[0])])
    np.testing.assert_array_equal(told[1].rewards, whole.rewards[-len(told[1]) :])
    assert told[1].infos["slot"][0, 0] == 95.0 - len(told[1])


def test_a_blind_midnight_is_a_gap_too(recorded: Recorded) -> None:
    nothing, episodes = np.full(96, np.nan), list(recorded.episodes)
    episodes[96] = replace(episodes[96], observed_load_kwh=nothing)
    assert [len(one) for one in stretches(recorded, episodes)] == [95, 94]


def test_a_slot_alone_is_no_trajectory(recorded: Recorded) -> None:
    assert stretches(recorded, recorded.episodes[::2]) == []
    assert stretches(recorded, ()) == []
    # Live episodes: what their slots cost is not known.
    assert stretches(recorded, [replace(one, realised=None) for one in recorded.episodes]) == []


def test_nothing_of_later_episodes_is_seen(recorded: Recorded) -> None:
    """Whatever comes after slot 50, what was seen until then stays to the bit."""
    episodes = list(recorded.episodes[:96])
    for k in range(51, 96):
        episodes[k] = replace(
            episodes[k],
            import_price=episodes[k].import_price + 1.0,
            load_kwh=episodes[k].load_kwh + 0.3,
            observed_load_kwh=episodes[k].observed_load_kwh + 0.3,
            prices_until=episodes[k].prices_until + timedelta(hours=5),
        )
    (changed,), (whole,) = (
        stretches(recorded, episodes),
        stretches(recorded, recorded.episodes[:96]),
    )
    np.testing.assert_array_equal(changed.observations[:51], whole.observations[:51])
    assert not np.array_equal(changed.observations[51], whole.observations[51])


def test_series_are_kept_apart(recorded: Recorded) -> None:
    """As a store yields them: by start, whatever they belong to."""
    scenario = [replace(one, scenario="1-load-noise") for one in recorded.episodes]
    mixed = [one for pair in zip(recorded.episodes, scenario, strict=True) for one in pair]
    assert [len(one) for one in stretches(recorded, mixed)] == [96, 96, 95, 95]
    for name in ("system_id", "engine", "config_hash", "replay_id"):
        half = [replace(one, **{name: "other"}) for one in recorded.episodes[96:]]  # type: ignore[arg-type]
        assert [len(one) for one in stretches(recorded, [*recorded.episodes[:96], *half])] == [
            *(95, 95),
        ]


def test_a_highs_day_ends_where_its_money_says(by_highs: Recorded) -> None:
    """The next midnight is the storage engine's; here both come to the same."""
    first, second = stretches(by_highs, history=by_highs.history)
    assert (len(first), len(second), first.policy) == (96, 95, "highs")
    assert first.terminations[-1]
    episodes = list(by_highs.episodes)
    for k in range(96, 192):
        stored = episodes[k].soc_start_kwh - 0.05
        episodes[k] = replace(episodes[k], soc_start_kwh=stored)
    assert [len(one) for one in stretches(by_highs, episodes)] == [95, 95]
    measured = [replace(one, replay_id=None) for one in episodes]
    assert [len(one) for one in stretches(by_highs, measured)] == [96, 95]


def test_a_house_without_pv_tells_its_load(recorded: Recorded) -> None:
    dark = replace(recorded.episodes[50], observed_pv_kwh=np.full(96, np.nan), pv_kwh=np.zeros(192))
    seen = episode_observation(dark, Layout(0), ZONE, 10.0)
    load = recorded.episodes[50].observed_load_kwh[-1]
    assert seen[Layout(0).columns("last_net_kwh")] == pytest.approx(load)


def test_the_newest_slot_of_which_both_were_known(recorded: Recorded) -> None:
    one = recorded.episodes[50]
    load = one.observed_load_kwh.copy()
    load[-2:] = np.nan
    seen = episode_observation(replace(one, observed_load_kwh=load), Layout(0), ZONE, 10.0)
    net = one.observed_load_kwh[-3] - one.observed_pv_kwh[-3]
    assert seen[Layout(0).columns("last_net_kwh")] == pytest.approx(net)


def refusals(recorded: Recorded) -> Iterator[tuple[Callable[[], object], type[Exception], str]]:
    one = recorded.episodes[0]
    told, see = stretches, episode_observation
    yield (
        lambda: told(recorded, [replace(one, home_id="villa")]),
        DatasetError,
        "home of episode .* is 'villa', want demo",
    )
    yield (
        lambda: told(recorded, [replace(one, charge_efficiency=0.9)]),
        DatasetError,
        "charge_efficiency of episode .* is 0.9, want 0.95.*leave out episodes of another battery",
    )
    yield (
        lambda: told(recorded, history=replace(recorded.history, home_id="villa")),
        DatasetError,
        "home of the history is 'villa', want demo",
    )
    yield lambda: told(recorded, lookahead=192), OptionError, "lookahead is 192, want at most 191"
    yield lambda: told(recorded, lookahead=-1), OptionError, "lookahead is -1"
    yield (
        lambda: see(one, Layout(0), "America/New_York", 10.0),
        DatasetError,
        "start of episode .* want a slot of 2025-06-02: is America/New_York the home's zone?",
    )
    yield (
        lambda: see(replace(one, observed_load_kwh=np.full(96, np.nan)), Layout(0), ZONE, 10.0),
        DatasetError,
        "what episode .* saw is 'nothing', want load and PV of a slot of the last 24 h",
    )


@pytest.mark.parametrize("number", range(7))
def test_what_cannot_be_told_is_refused(recorded: Recorded, number: int) -> None:
    call, error, match = list(refusals(recorded))[number]
    with pytest.raises(error, match=match):
        call()
