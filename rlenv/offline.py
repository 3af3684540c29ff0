"""Recorded history as trajectories to learn from: days lived here, stored replays, episodes.

    trajectory_of(history, rollout(env, policy, perturb=0.1, seed=1))
    trajectories_of_replay(replay, store.replay_days(home_id, replay.replay_id), history)
    trajectories_of_episodes(read_episodes(store, home_id=home_id), model, history=history)

What was seen is rebuilt from what was known at each slot, by the ``History`` for a replay, by the
episode itself for episodes; nothing of what came later enters it. A trajectory never crosses a
local midnight. It is cut (truncated) where slots are missing and where nobody valued what is left
at the day's end. Units: kWh per slot at the AC bus, kWh stored, currency of the home, UTC.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpc.jit import compiled
from mpc.rules import limits_at
from rlenv.errors import DatasetError, OptionError
from rlenv.history import History
from rlenv.kernel import DRAWS, State, observe_all, terminal_worth
from rlenv.layout import Layout
from rlenv.offline_episodes import episode_observation, trajectories_of_episodes
from rlenv.options import LOOKAHEAD
from rlenv.trajectory import (
    INFOS,
    Trajectory,
    actions_of,
    ended,
    infos_of,
    power_share,
    trajectory_of,
    where_of,
)
from sim.replay import Dispatch
from telemetry.arrays import F64
from telemetry.replay_table import ReplayDay, StoredReplay
from telemetry.slots import SLOT_MINUTES

__all__ = [
    "INFOS",
    "ReplayTrajectories",
    "Trajectory",
    "episode_observation",
    "trajectories_of_episodes",
    "trajectories_of_replay",
    "trajectory_of",
]

F32 = NDArray[np.float32]
_SLOT = timedelta(minutes=SLOT_MINUTES)
_SAME = 1e-6
"""What two readings of one fact may differ by, kWh and currency per kWh."""
_HAPPENED = ("load_kwh", "pv_kwh", "import_price", "export_price")
_TOLD = (
    "charge_kwh",
    "discharge_kwh",
    "import_kwh",
    "export_kwh",
    "curtail_kwh",
    "load_kwh",
    "pv_kwh",
    "energy_value",
    "cost",
)
_UNNAMED = ("none", Dispatch.VALUE.value)
"""Dispatches that go without saying, as in the names of ``rlenv.policies``."""


class ReplayTrajectories(NamedTuple):
    """The days of a replay as trajectories, and why the others are not."""

    trajectories: tuple[Trajectory, ...]
    skipped: dict[date, str]


def trajectories_of_replay(
    replay: StoredReplay, days: Sequence[ReplayDay], history: History, *, lookahead: int = LOOKAHEAD
) -> ReplayTrajectories:
    """Return the days of a stored replay, each seen as it could be seen then.

    The cost is the replay's own: where a grid limit was broken, its price is that of the replay's
    window, not of the day. The wish is not known.

    Args:
        replay: of ``Store.replays``.
        days: all its days, of ``Store.replay_days``.
        history: of the same home and battery; days that it has not, or of which it tells other
            facts, are skipped.
        lookahead: slots after the present one that are seen.

    Raises:
        OptionError: a lookahead that is none, or beyond what was known.
        DatasetError: the replay counts in another currency than the history.
    """
    layout = Layout(lookahead)
    if replay.currency != history.currency:
        want = f"{history.currency}, the history's: it values what is left at a day's end"
        raise DatasetError(f"currency of replay {replay.replay_id}", replay.currency, want)
    if lookahead > history.lookahead:
        want = f"at most {history.lookahead}: plans of home {history.home_id} look no further"
        raise OptionError("lookahead", lookahead, want)
    found, skipped, stored = list[Trajectory](), dict[date, str](), replay.soc_start_kwh
    for day in days:
        # Through days that a replay leaves out the battery rests.
        soc_kwh = np.append(stored, day.of("soc_kwh"))
        stored = float(soc_kwh[-1])
        why = _unfit(day, soc_kwh, history)
        if why:
            skipped[day.local_date] = why
        else:
            found.append(_replayed(replay, day, soc_kwh, history, layout))
    return ReplayTrajectories(tuple(found), skipped)


def _unfit(day: ReplayDay, soc_kwh: F64, history: History) -> str:
    """Return why a replayed day cannot be joined with a history; "" where it can.

    Args:
        day: the day.
        soc_kwh: (T + 1,) stored at the start and at the end of each slot.
        history: what was known.
    """
    if day.local_date not in history.days:
        return history.skipped.get(day.local_date, "it is not in the history")
    place, first = _found(day, history)
    rows = history.data.first[place] + first + np.arange(day.slots)
    happened = np.stack([day.of(name) for name in _HAPPENED], axis=1)
    if not np.abs(history.data.actual[rows, :4] - happened).max() <= _SAME:
        return "load, PV or prices are others in the history: of a scenario, or repaired since"
    rules, limits = history.rules(place), limits_at(history.data.limits, place)
    charge, discharge = day.of("charge_kwh"), day.of("discharge_kwh")
    change = rules.charge_efficiency * charge - discharge / rules.discharge_efficiency
    most = np.abs(power_share(charge - discharge, limits)).max()
    if not (np.abs(np.diff(soc_kwh) - change).max() <= _SAME and most <= 1.0 + _SAME):
        return (
            "stored energy is not what was moved: another battery in the history, or days left out"
        )
    return ""


def _found(day: ReplayDay, history: History) -> tuple[int, int]:
    """Return the place of a day in a history, and which of its slots the replay begins with."""
    place = history.find(day.local_date)
    return place, (day.day_start - history.start(place)) // _SLOT


def _replayed(
    replay: StoredReplay, day: ReplayDay, soc_kwh: F64, history: History, layout: Layout
) -> Trajectory:
    """Return one day of a replay; arguments as ``_unfit`` takes them."""
    place, first = _found(day, history)
    slots, moved = int(history.data.slots[place]), day.of("charge_kwh") - day.of("discharge_kwh")
    whole, worth = first + day.slots == slots, np.zeros(day.slots)
    worth[-1] = terminal_worth(history.data, place, float(soc_kwh[-1])) if whole else 0.0
    terminations, truncations = ended(day.slots, terminated=whole)
    told = {name: day.of(name) for name in _TOLD}
    return Trajectory(
        name=f"{history.home_id} {day.day_start:%Y-%m-%dT%H:%MZ} of replay {replay.replay_id}",
        home_id=history.home_id,
        currency=replay.currency,
        day=day.local_date,
        policy=_named(replay),
        perturb=0.0,
        observations=_observations(history, layout, place, first, soc_kwh),
        actions=actions_of(moved, limits_at(history.data.limits, place)),
        rewards=worth - day.of("cost"),
        terminations=terminations,
        truncations=truncations,
        infos=infos_of(
            everywhere=where_of(day.local_date, first, slots, soc_kwh),
            after={**told, "terminal_value": worth, "perturbed": 0.0},
        ),
    )


def _named(replay: StoredReplay) -> str:
    """Return what decided, as ``rlenv.policies`` would name it."""
    return replay.policy + ("" if replay.dispatch in _UNNAMED else f" {replay.dispatch}")


def _observations(history: History, layout: Layout, place: int, first: int, soc_kwh: F64) -> F32:
    """Return what was seen at slots of a day in a row, (T + 1, C).

    Args:
        history: what was known.
        layout: of observations.
        place: of the day.
        first: slot of the day.
        soc_kwh: (T + 1,) stored at the start of each slot.
    """
    count = soc_kwh.size
    seen, none = np.empty((count, layout.size), dtype=np.float32), np.zeros(count, dtype=np.int64)
    state = State(
        day=np.full(count, place, dtype=np.int64),
        slot=first + np.arange(count, dtype=np.int64),
        stored_kwh=soc_kwh,
        over=np.zeros(count, dtype=np.bool_),
        draws=np.zeros((count, 1, DRAWS)),
        drawn=none,
        days=none,
        first_day=none,
        day_count=none,
    )
    compiled(observe_all)(history.data, state, layout.lookahead, seen)
    return seen
