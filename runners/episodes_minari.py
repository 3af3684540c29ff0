"""``darkstar episodes export --format minari``: episodes as a dataset for offline learning.

What is left at the end of a day is valued by the 24 h that followed, as ``rlenv`` does it, for
histories as recorded; days of other scenarios, and days whose end nobody can value, are cut there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from rlenv import (
    DatasetError,
    History,
    HistoryError,
    Trajectory,
    read_history,
    trajectories_of_episodes,
    write_minari,
)
from runners.errors import EX_CANTCREAT, ConfigError, Problem
from sim.episode_arrays import EpisodeArrays, read_episode
from sim.planning import HomeModel
from telemetry.episode import Episode
from telemetry.store import Store

__all__ = ["write_dataset"]

_DAY = timedelta(days=1)


def write_dataset(folder: Path, episodes: Iterable[Episode], store: Store, model: HomeModel) -> int:
    """Write episodes of one home as a Minari dataset; how many slots of them.

    Args:
        folder: new; its name is the dataset's, e.g. ``villa-v0``.
        episodes: by start.
        store: that values what is left at the end of days.
        model: the home.

    Raises:
        ConfigError: the dataset cannot be made, or written.
        MissingExtraError: Minari is not installed.
        EpisodeError, TelemetryError: a damaged row; a store that cannot be read.
    """
    read = [read_episode(episode) for episode in episodes]
    try:
        found = list(_trajectories(read, store, model))
        write_minari(found, folder, dataset_id=folder.name)
    except DatasetError as err:
        raise ConfigError(
            str(folder), [Problem("", "", str(err))], exit_code=EX_CANTCREAT
        ) from None
    return sum(len(trajectory) for trajectory in found)


def _trajectories(
    read: list[EpisodeArrays], store: Store, model: HomeModel
) -> Iterator[Trajectory]:
    """Yield the stretches, those of histories as recorded valued at the end of their days."""
    recorded = [one for one in read if not one.context.changes]
    others = [one for one in read if one.context.changes]
    history = _history(recorded, store, model)
    yield from trajectories_of_episodes(recorded, model, history=history)
    yield from trajectories_of_episodes(others, model)


def _history(read: list[EpisodeArrays], store: Store, model: HomeModel) -> History | None:
    """Return the days of some episodes, if one of them can be valued."""
    if not read:
        return None
    days = [one.local_day for one in read]
    try:
        return read_history(store, model, min(days), max(days) + _DAY)
    except HistoryError:
        return None
