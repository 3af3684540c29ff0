"""Recorded history as trajectories: replays and training episodes of a store, days lived here.

    trajectory_of(history, rollout(env, policy, perturb=0.1, seed=1))
    told = trajectories_of_replay(replay, store.replay_days(...), history);  told.skipped
    trajectories_of_episodes(read_episodes(store, home_id=...), model, history=history)

What was seen is rebuilt from what was known at each slot, by the ``History`` for a replay, by the
episode itself for episodes; nothing of what came later enters it. A trajectory never crosses a
local midnight. It is cut (truncated) where slots are missing and where nobody valued what is left
at the day's end. Units: kWh per slot at the AC bus, kWh stored, currency of the home, UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from mpc.jit import compiled
from mpc.rules import Limits, limits_at, slot_limits
from rlenv.day_rows import clock_features
from rlenv.errors import DatasetError
from rlenv.history import History
from rlenv.kernel import DRAWS, State, observe_all, terminal_worth
from rlenv.layout import SCALARS, SERIES, Layout
from rlenv.options import LOOKAHEAD, day_number
from rlenv.trajectory import (
    INFOS,
    Trajectory,
    ended,
    infos_of,
    power_share,
    trajectory_of,
)
from sim.episode_arrays import EpisodeArrays
from sim.episode_day import STORAGE
from sim.planning import HomeModel, zone_of
from sim.replay import Dispatch
from telemetry.arrays import F64, I64
from telemetry.replay_table import ReplayDay, StoredReplay
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_day, to_epoch

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
_SAME = 1e-6  # kWh and currency per kWh: what two readings of one fact may differ by
_ROUNDING_KWH = 1e-3  # ten times what episodes are rounded to
_ROUNDING_RATIO = 1e-4
_FLOWS = ("charge_kwh", "discharge_kwh", "import_kwh", "export_kwh", "curtail_kwh")
_HAPPENED = ("load_kwh", "pv_kwh", "import_price", "export_price")
_UNNAMED = ("none", Dispatch.VALUE.value)


class ReplayTrajectories(NamedTuple):
    """The days of a replay as trajectories, and why the others are not."""

    trajectories: tuple[Trajectory, ...]
    skipped: dict[date, str]


def trajectories_of_replay(
    replay: StoredReplay, days: Sequence[ReplayDay], history: History, *, lookahead: int = LOOKAHEAD
) -> ReplayTrajectories:
    """Return the days of a stored replay, seen as they could be seen then.

    The cost is the replay's own: where a grid limit was broken, its price is that of the replay's
    window, not of the day. The wish is not known.

    Args:
        replay: of ``Store.replays``.
        days: all its days, of ``Store.replay_days``.
        history: of the same home and battery; days that it has not, or knows otherwise, are
            skipped.
        lookahead: slots after the present one that are seen.

    Raises:
        OptionError: a lookahead that is none.
        DatasetError: a lookahead beyond what was known.
    """
    layout = Layout(lookahead)
    _refuse_far(layout, history.lookahead)
    found, skipped, stored = list[Trajectory](), dict[date, str](), replay.soc_start_kwh
    for day in days:
        soc = np.append(stored, day.of("soc_kwh"))
        stored = float(soc[-1])
        why = _unfit(day, soc, history)
        if why:
            skipped[day.local_date] = why
        else:
            found.append(_replayed(replay, day, soc, history, layout))
    return ReplayTrajectories(tuple(found), skipped)


def _unfit(day: ReplayDay, soc: F64, history: History) -> str:
    """Return why a replayed day cannot be joined with a history; "" where it can."""
    if day.local_date not in history.days:
        return history.skipped.get(day.local_date, "the history does not reach there")
    place, first = _found(day, history)
    rows = history.data.first[place] + first + np.arange(day.slots)
    happened = np.stack([day.of(name) for name in _HAPPENED], axis=1)
    if not np.abs(history.data.actual[rows, :4] - happened).max() <= _SAME:
        return "load, PV or prices are others in the history: a scenario, or repaired since"
    rules, limits = history.rules(place), limits_at(history.data.limits, place)
    charge, discharge = day.of("charge_kwh"), day.of("discharge_kwh")
    change = rules.charge_efficiency * charge - discharge / rules.discharge_efficiency
    most = np.abs(power_share(charge - discharge, limits)).max()
    if not (np.abs(np.diff(soc) - change).max() <= _SAME and most <= 1.0 + _SAME):
        return "the battery of the history is another one"
    return ""


def _found(day: ReplayDay, history: History) -> tuple[int, int]:
    """Return the place of a day in a history, and which of its slots the replay begins with."""
    place = history.find(day.local_date)
    return place, (day.day_start - history.start(place)) // _SLOT


def _replayed(
    replay: StoredReplay, day: ReplayDay, soc: F64, history: History, layout: Layout
) -> Trajectory:
    """Return one day of a replay."""
    place, first = _found(day, history)
    slots, moved = int(history.data.slots[place]), day.of("charge_kwh") - day.of("discharge_kwh")
    ends = first + day.slots == slots
    limits, worth = limits_at(history.data.limits, place), np.zeros(day.slots)
    worth[-1] = terminal_worth(history.data, place, float(soc[-1])) if ends else 0.0
    named = "" if replay.dispatch in _UNNAMED else f" {replay.dispatch}"
    return _trajectory(
        name=f"{history.home_id} {day.day_start:%Y-%m-%dT%H:%M}Z replay {replay.replay_id}",
        where=(history.home_id, replay.currency, day.local_date, replay.policy + named),
        observations=_observations(history, layout, place, first, soc),
        shares=power_share(moved, limits),
        rewards=worth - day.of("cost"),
        terminated=ends,
        infos=infos_of(
            day.slots,
            everywhere=_where(day.local_date, first, slots, soc),
            after={
                **{name: day.of(name) for name in (*_FLOWS, "load_kwh", "pv_kwh", "cost")},
                "energy_value": day.of("energy_value"),
                "terminal_value": worth,
                "perturbed": 0.0,
            },
        ),
    )


def _observations(history: History, layout: Layout, place: int, first: int, soc: F64) -> F32:
    """Return what was seen at slots of a day in a row, (T + 1, C).

    Args:
        history: what was known.
        layout: of observations.
        place: of the day.
        first: slot of the day.
        soc: (T + 1,) kWh stored at each slot.
    """
    count = soc.size
    seen, none = np.empty((count, layout.size), dtype=np.float32), np.zeros(count, dtype=np.int64)
    state = State(
        day=np.full(count, place, dtype=np.int64),
        slot=first + np.arange(count, dtype=np.int64),
        stored_kwh=np.ascontiguousarray(soc),
        over=np.zeros(count, dtype=np.bool_),
        draws=np.zeros((count, 1, DRAWS)),
        drawn=none,
        days=none,
        first_day=none,
        day_count=none,
    )
    compiled(observe_all)(history.data, state, layout.lookahead, seen)
    return seen


def episode_observation(
    episode: EpisodeArrays, layout: Layout, zone: str, capacity_kwh: float
) -> F32:
    """Return what ``HomeEnv`` shows at the start of an episode, (C,), to the episode's rounding.

    Args:
        episode: a recorded planner run.
        layout: of observations.
        zone: of the home's wall clock.
        capacity_kwh: of the battery.

    Raises:
        DatasetError: it looks less far ahead, lies outside its local day in this zone, or tells no
            slot of the last 24 h of which load and PV were known.
    """
    _refuse_far(layout, len(episode) - 1)
    midnight, clock = _clock(episode.local_day, zone)
    slot, seen = (to_epoch(episode.start) - midnight) // SLOT_SECONDS, np.empty(layout.size)
    if not 0 <= slot < len(clock):
        want = f"within {episode.local_day} on the home's wall clock, not {zone}'s"
        raise DatasetError(f"start of episode {episode.episode_id}", str(episode.start), want)
    hours = (episode.prices_until - episode.start) / timedelta(hours=1)
    net_kwh = _last_net(episode)
    told = (episode.soc_start_kwh / capacity_kwh, *clock[slot].tolist(), net_kwh, hours)
    for name, number in zip(SCALARS, told, strict=True):
        seen[layout.columns(name)] = number
    for name in SERIES:
        seen[layout.columns(name)] = getattr(episode, name)[: layout.lookahead + 1]
    return seen.astype(np.float32)


@lru_cache(maxsize=16)
def _clock(day: date, zone: str) -> tuple[int, F64]:
    """Return the start of a local day, epoch seconds, and its (n, 5) clock features."""
    start, end = (to_epoch(bound) for bound in local_day(day, zone))
    issues: I64 = np.arange(start, end, SLOT_SECONDS, dtype=np.int64)
    return start, clock_features(issues, issues.size, zone)


def _last_net(episode: EpisodeArrays) -> float:
    """Return load minus PV of the newest slot of which both were known, kWh.

    Raises:
        DatasetError: there is none.
    """
    pv = episode.observed_pv_kwh
    if np.isnan(pv).all() and not episode.pv_kwh.any():
        pv = np.zeros(pv.size)  # a house without PV: nothing is observed, none is foretold
    net = episode.observed_load_kwh - pv
    there = np.flatnonzero(~np.isnan(net))
    if not there.size:
        want = "load and PV of at least one of the last 24 h: leave the episode out"
        raise DatasetError(f"what episode {episode.episode_id} saw", "nothing", want)
    return float(net[there[-1]])


def trajectories_of_episodes(
    episodes: Iterable[EpisodeArrays],
    model: HomeModel,
    *,
    lookahead: int = LOOKAHEAD,
    history: History | None = None,
) -> Iterator[Trajectory]:
    """Yield stretches of slots in a row, of each system, scenario and engine apart.

    What the battery did in a slot is told by the next episode, so the last one of a stretch only
    serves as what was seen at its end. A stretch ends where a slot is missing, where a slot's money
    or last 24 h are not known, and with the day.

    Args:
        episodes: of ``sim.episodes.read_episodes``, in its order.
        model: the home.
        lookahead: slots after the present one that are seen.
        history: values what is left at the end of its days, of the scenario that was recorded;
            other days are cut there.

    Raises:
        OptionError: a lookahead that is none.
        DatasetError: episodes of another home or battery, or that look less far ahead.
    """
    home = _EpisodeHome(model, Layout(lookahead), history)
    runs: dict[tuple[object, ...], list[_Seen]] = {}
    for episode in episodes:
        home.refuse_other(episode)
        key = _series(episode)
        run, seen = runs.get(key, []), home.seen(episode)
        goes_on = bool(run) and seen is not None and home.follows(run[-1].episode, episode)
        same_day = bool(run) and run[-1].episode.local_day == episode.local_day
        if seen is not None and goes_on and same_day:
            run.append(seen)
            continue
        yield from home.told([*run, seen] if seen is not None and goes_on else run)
        runs[key] = [] if seen is None else [seen]
    for run in runs.values():
        yield from home.told(run)


class _Seen(NamedTuple):
    """An episode and what an agent would have seen."""

    episode: EpisodeArrays
    observation: F32


@final
@dataclass(frozen=True)
class _EpisodeHome:
    """A home whose episodes are read."""

    model: HomeModel
    layout: Layout
    history: History | None
