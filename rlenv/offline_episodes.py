"""Training episodes as trajectories: what each planner run saw, and what came of its first slot.

    moved = (s' - s)+ / eta_c - (s - s')+ * eta_d        s' by the next episode               (OF3)

An episode tells the energy stored at its own start (s), what was known then, and what its first
slot cost. What the battery did is told by the next episode, so the last one of a stretch serves
only as what was seen at its end. Energies, prices and forecasts are rounded to 4 decimals. Units:
kWh per slot at the AC bus, kWh stored, currency of the home, UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from mpc.rules import limits_at, slot_limits
from rlenv.day_rows import clock_features
from rlenv.errors import DatasetError, OptionError
from rlenv.history import History
from rlenv.kernel import terminal_worth
from rlenv.layout import SCALARS, SERIES, Layout
from rlenv.options import LOOKAHEAD
from rlenv.trajectory import Trajectory, actions_of, ended, infos_of, where_of
from sim.episode_arrays import EpisodeArrays
from sim.episode_day import STORAGE
from sim.planning import HomeModel, zone_of
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_day, to_epoch

__all__ = ["episode_observation", "trajectories_of_episodes"]

F32 = NDArray[np.float32]
_SLOT = timedelta(minutes=SLOT_MINUTES)
_ROUNDING = 1e-4
"""Of numbers in an episode."""


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
        OptionError: a lookahead beyond the episode's horizon.
        DatasetError: it lies outside its local day in this zone, or tells no slot of the last 24 h
            of which load and PV were known.
    """
    if layout.lookahead >= len(episode):
        want = f"at most {len(episode) - 1}: episode {episode.episode_id} looks no further"
        raise OptionError("lookahead", layout.lookahead, want)
    midnight, clock = _clock(episode.local_day, zone)
    slot, net_kwh = (to_epoch(episode.start) - midnight) // SLOT_SECONDS, _last_net(episode)
    if not 0 <= slot < len(clock):
        want = f"a slot of {episode.local_day}: is {zone} the home's zone?"
        raise DatasetError(f"start of episode {episode.episode_id}", str(episode.start), want)
    if np.isnan(net_kwh):
        want = "load and PV of a slot of the last 24 h: leave the episode out"
        raise DatasetError(f"what episode {episode.episode_id} saw", "nothing", want)
    hours = (episode.prices_until - episode.start) / timedelta(hours=1)
    told = (episode.soc_start_kwh / capacity_kwh, *clock[slot].tolist(), net_kwh, hours)
    seen = np.empty(layout.size, dtype=np.float32)
    for name, number in zip(SCALARS, told, strict=True):
        seen[layout.columns(name)] = number
    for name in SERIES:
        seen[layout.columns(name)] = getattr(episode, name)[: layout.lookahead + 1]
    return seen


@lru_cache(maxsize=16)
def _clock(day: date, zone: str) -> tuple[int, F64]:
    """Return the start of a local day of n slots, epoch seconds, and its (n, 5) clock features."""
    start, end = (to_epoch(bound) for bound in local_day(day, zone))
    issues: I64 = np.arange(start, end, SLOT_SECONDS, dtype=np.int64)
    return start, clock_features(issues, issues.size, zone)


def _net(episode: EpisodeArrays) -> F64:
    """Return load minus PV of the slots before an episode, (96,) kWh, NaN where not known."""
    pv = episode.observed_pv_kwh
    if np.isnan(pv).all() and not episode.pv_kwh.any():
        pv = np.zeros(pv.size)  # a house without PV: nothing is observed, none is foretold
    net: F64 = episode.observed_load_kwh - pv
    return net


def _last_net(episode: EpisodeArrays) -> float:
    """Return load minus PV of the newest slot of which both were known, kWh; NaN without one."""
    net = _net(episode)
    there = np.flatnonzero(~np.isnan(net))
    return float(net[there[-1]]) if there.size else float("nan")


def trajectories_of_episodes(
    episodes: Iterable[EpisodeArrays],
    model: HomeModel,
    *,
    lookahead: int = LOOKAHEAD,
    history: History | None = None,
) -> Iterator[Trajectory]:
    """Yield stretches of slots in a row; systems, scenarios, replays and engines are kept apart.

    A stretch ends where a slot is missing, where a slot's money or last 24 h are not known, where
    the energy stored is above the battery's capacity or cannot have come from the slot before, and
    with the day.

    Args:
        episodes: of ``sim.episodes.read_episodes``, in its order.
        model: the home, with the battery that they were recorded with.
        lookahead: slots after the present one that are seen.
        history: values what is left at the end of its days, of the scenario that was recorded;
            other days are cut there.

    Raises:
        OptionError: a lookahead that is none, or beyond an episode's horizon.
        DatasetError: episodes, or a history, of another home or battery.
    """
    home = _Home(model, Layout(lookahead), history)
    runs: dict[tuple[str | None, ...], list[EpisodeArrays]] = {}
    for episode in episodes:
        home.refuse_other(episode)
        run, seen = runs.setdefault(_series(episode), []), home.sees(episode)
        follows = seen and bool(run) and home.follows(run[-1], episode)
        if not follows or run[-1].local_day != episode.local_day:
            yield from home.told([*run, episode] if follows else run)
            run.clear()
        if seen:
            run.append(episode)
    for run in runs.values():
        yield from home.told(run)


def _series(episode: EpisodeArrays) -> tuple[str | None, ...]:
    """Return what episodes of one stretch have in common."""
    made = (episode.system_id, episode.scenario, episode.engine)
    return (*made, episode.config_hash, episode.replay_id)


@final
class _Home:
    """A home whose episodes are read."""

    def __init__(self, model: HomeModel, layout: Layout, history: History | None) -> None:
        """Keep the home.

        Raises:
            DatasetError: the history is of another home.
        """
        self._home_id, self._zone = model.home.home_id, zone_of(model)
        self._battery = model.site.battery
        self._currency = model.home.currency if history is None else history.currency
        hours = np.full(1, SLOT_MINUTES / 60.0)
        self._limits = limits_at(slot_limits(model.site, hours), 0)
        self._layout, self._history = layout, history
        if history is not None and history.home_id != self._home_id:
            raise DatasetError("home of the history", history.home_id, self._home_id)

    def refuse_other(self, episode: EpisodeArrays) -> None:
        """Refuse an episode of another home or battery.

        Raises:
            DatasetError: it is.
        """
        name = f"of episode {episode.episode_id}"
        if episode.home_id != self._home_id:
            raise DatasetError(f"home {name}", episode.home_id, self._home_id)
        for ratio in ("charge_efficiency", "discharge_efficiency"):
            got, want = getattr(episode, ratio), getattr(self._battery, ratio)
            if abs(got - want) > _ROUNDING:
                cure = f"{want:g}, the home's: leave out episodes of another battery"
                raise DatasetError(f"{ratio} {name}", got, cure)

    def sees(self, episode: EpisodeArrays) -> bool:
        """Return whether an observation can be made of an episode; a sensor may read above full."""
        fits = 0.0 <= episode.soc_start_kwh <= self._battery.capacity_kwh
        return fits and not np.isnan(_last_net(episode))

    def follows(self, before: EpisodeArrays, after: EpisodeArrays) -> bool:
        """Return whether an episode tells what came of the one before it.

        A HiGHS day of a simulation starts where the sequential replay left the day before, which
        need not be where the plans of that day took it: then the money must agree.
        """
        if after.start - before.start != _SLOT or before.realised is None:
            return False
        moved_kwh = self._moved(np.array([before.soc_start_kwh, after.soc_start_kwh]))
        if np.abs(self._limited(moved_kwh) - moved_kwh).max() > 10.0 * _ROUNDING:
            return False
        other_replay = before.replay_id is not None and before.engine != STORAGE
        if before.local_day == after.local_day or not other_replay:
            return True
        return _pays(before, float(_net(after)[-1] + moved_kwh[0]), before.realised.bill)

    def told(self, run: Sequence[EpisodeArrays]) -> Iterator[Trajectory]:
        """Yield a stretch, if it has a slot; its last episode is what was seen at its end."""
        if len(run) < 2:  # noqa: PLR2004 - one slot, and its end
            return
        first, over = run[0], run[-1].local_day != run[0].local_day
        observations = np.stack([self._observation(episode) for episode in run])
        soc_kwh = np.array([episode.soc_start_kwh for episode in run])
        worth = self._worth(first.local_day, float(soc_kwh[-1]), over=over)
        moved_kwh = self._limited(self._moved(soc_kwh))
        terminations, truncations = ended(len(run) - 1, terminated=over and not np.isnan(worth))
        told = _told(run, moved_kwh, worth)
        yield Trajectory(
            name=f"{self._home_id} {first.start:%Y-%m-%dT%H:%MZ} of {first.scenario}",
            home_id=self._home_id,
            currency=self._currency,
            day=first.local_day,
            policy=first.engine,
            perturb=0.0,
            observations=observations,
            actions=actions_of(moved_kwh, self._limits),
            rewards=np.nan_to_num(told["terminal_value"]) - told["cost"],
            terminations=terminations,
            truncations=truncations,
            infos=infos_of(everywhere=self._where(first, soc_kwh), after=told),
        )

    def _observation(self, episode: EpisodeArrays) -> F32:
        """Return what an agent would have seen."""
        return episode_observation(episode, self._layout, self._zone, self._battery.capacity_kwh)

    def _moved(self, soc_kwh: F64) -> F64:
        """Return the net battery energy of T slots from (T + 1,) kWh stored (OF3)."""
        change, battery = np.diff(soc_kwh), self._battery
        charge = np.maximum(change, 0.0) / battery.charge_efficiency
        moved_kwh: F64 = charge - np.maximum(-change, 0.0) * battery.discharge_efficiency
        return moved_kwh

    def _limited(self, moved_kwh: F64) -> F64:
        """Return what the battery can move of some net energy."""
        return np.clip(moved_kwh, -self._limits.discharge, self._limits.charge)

    def _worth(self, day: date, stored_kwh: float, *, over: bool) -> float:
        """Return what is left is worth at the end of a stretch: 0 within a day, NaN if unknown."""
        if not over:
            return 0.0
        if self._history is None or day not in self._history.days:
            return float("nan")
        return terminal_worth(self._history.data, self._history.find(day), stored_kwh)

    def _where(self, first: EpisodeArrays, soc_kwh: F64) -> dict[str, F64 | float]:
        """Return what is known at a reset and after every slot alike."""
        midnight, clock = _clock(first.local_day, self._zone)
        slot = (to_epoch(first.start) - midnight) // SLOT_SECONDS
        return where_of(first.local_day, slot, len(clock), soc_kwh)


def _pays(episode: EpisodeArrays, grid_kwh: float, bill: float) -> bool:
    """Return whether an episode's first slot costs its bill with so much from the grid.

    Args:
        episode: of which the prices are known.
        grid_kwh: > 0 imports; NaN where load or PV are not known.
        bill: currency.
    """
    buy, sell = float(episode.import_price[0]), float(episode.export_price[0])
    unsure = _ROUNDING * (abs(grid_kwh) + 4.0 * max(abs(buy), abs(sell)))
    return abs(buy * max(grid_kwh, 0.0) - sell * max(-grid_kwh, 0.0) - bill) <= unsure


def _told(run: Sequence[EpisodeArrays], moved_kwh: F64, worth: float) -> dict[str, F64 | float]:
    """Return what is known of the T slots of a stretch.

    Args:
        run: (T + 1) episodes.
        moved_kwh: (T,) net battery energy.
        worth: of what is left in the end, currency.
    """
    paid = [episode.realised for episode in run[:-1]]
    money = np.array([(one.bill, one.wear, one.cost) for one in paid if one is not None])
    values = [(one.energy_value_up[0], one.energy_value_down[0]) for one in run[:-1]]
    left = np.zeros(len(paid))
    left[-1] = worth
    return {
        "charge_kwh": np.maximum(moved_kwh, 0.0),
        "discharge_kwh": np.maximum(-moved_kwh, 0.0),
        "bill": money[:, 0],
        "wear": money[:, 1],
        "penalty": money[:, 2] - money[:, 0] - money[:, 1],
        "cost": money[:, 2],
        "terminal_value": left,
        "energy_value": np.array(values).mean(axis=1),
        "perturbed": 0.0,
    }
