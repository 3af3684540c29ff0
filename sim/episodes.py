"""Episodes as arrays, streamed from a store or from the mirror.

    for episode in read_episodes(store, home_id="villa", day_classes={"clean"}):
        learn(episode.import_price, episode.observed_load_kwh, episode.energy_value_up)

A page of rows is held at a time, whatever the source holds. Units: see ``episode_schema``.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import date

import numpy as np

from sim.episode_arrays import EpisodeArrays, read_episode
from sim.errors import EpisodeError
from telemetry.arrays import F64
from telemetry.episode import EpisodeFilter, EpisodeSource

__all__ = ["EpisodeArrays", "read_episodes", "stack"]


def read_episodes(
    source: EpisodeSource,
    *,
    home_id: str | None = None,
    system_id: str | None = None,
    scenario: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    day_classes: Collection[str] | None = None,
    engine: str | None = None,
) -> Iterator[EpisodeArrays]:
    """Yield episodes by home, start and id; a filter of ``None`` is all.

    Args:
        source: a store, or the mirror.
        home_id: this home.
        system_id: written by this installation.
        scenario: this scenario.
        first_day: from this local day.
        last_day: to this local day, included.
        day_classes: of days of these quality classes; "" is a day that nobody judged.
        engine: planned by this engine.

    Raises:
        EpisodeError: days in the wrong order, another schema, or damaged texts.
        TelemetryError: the source cannot answer.
    """
    wanted = EpisodeFilter(
        home_id=home_id,
        system_id=system_id,
        scenario=scenario,
        first_day=first_day,
        last_day=last_day,
        day_classes=None if day_classes is None else frozenset(day_classes),
        engine=engine,
    )
    if first_day is not None and last_day is not None and last_day < first_day:
        raise EpisodeError(
            f"{first_day} to {last_day}",
            "the last day is before the first",
            "exchange first_day and last_day",
        )
    return map(read_episode, source.episodes(wanted))


def stack(episodes: Iterable[EpisodeArrays], names: Collection[str]) -> dict[str, F64]:
    """Return series of episodes as one array each, (N, T) or (N, 96).

    Args:
        episodes: all of one horizon.
        names: of array fields, e.g. ``import_price``.

    Raises:
        EpisodeError: episodes of different horizons.
    """
    rows: dict[str, list[F64]] = {name: [] for name in names}
    for episode in episodes:
        for name, kept in rows.items():
            values = getattr(episode, name)
            if kept and kept[0].shape != values.shape:
                raise EpisodeError(
                    episode.episode_id,
                    f"{name} has {values.size} slots, those before it {kept[0].size}",
                    "stack episodes of one configuration: filter them by config_hash",
                )
            kept.append(values)
    return {name: np.array(kept, dtype=np.float64) for name, kept in rows.items()}
