"""Trajectories as a Minari dataset on disk, checked before the first byte is written.

    write_minari(trajectories, Path("data/villa-v0"), dataset_id="villa-v0", env=env)
    dataset = minari.load_dataset("/home/me/data/villa-v0")      # the folder, as an absolute path
    env = dataset.recover_environment(history=history)           # without it: the demo home

With ``MINARI_DATASETS_PATH=/home/me/data`` the same dataset is ``minari.load_dataset("villa-v0")``:
there a dataset's folder has the name of its id. Minari takes whatever it is given and fails, if at
all, when it is read; so everything is checked here. The attached environment is
``Darkstar/Home-v0`` with action ``battery_power``, which is what the recorded actions are; a
history is no text, so the home itself is not attached. Needs the extra ``rl``; formats ``arrow``
and ``parquet`` need pyarrow (extra ``parquet``). Money in the currency that the metadata name.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import gymnasium
import numpy as np

from rlenv.env import HomeEnv
from rlenv.errors import DatasetError
from rlenv.layout import SCALARS, SERIES, Layout
from rlenv.options import ENV_ID, VALUE_BOUNDS, Action, End, Settings, action_space
from rlenv.trajectory import Trajectory
from rlenv.trajectory_check import fault, refuse_malformed
from telemetry.errors import MissingExtraError

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

__all__ = ["DataFormat", "write_minari"]

DataFormat = Literal["hdf5", "arrow", "parquet"]
_ACTION: Action = "battery_power"
_END: End = "terminate"
_DESCRIPTION = (
    "Days of a home with a battery, slot by slot: the action is the share of the battery's power "
    "that was moved after all limits, the reward minus the slot's cost in `currency`. Recover the "
    "environment with recover_environment(history=...): without a history it is the demo home."
)
_ID = re.compile(r"([-_\w][-_\w/]*[-_\w]+/)?[-_\w]+?-v\d+")
_NEEDS = {
    "hdf5": ("h5py", "rl"),
    "arrow": ("pyarrow", "parquet"),
    "parquet": ("pyarrow", "parquet"),
}


def write_minari(
    trajectories: Iterable[Trajectory],
    path: Path,
    *,
    dataset_id: str,
    env: gymnasium.Env[Any, Any] | None = None,
    description: str = "",
    data_format: DataFormat = "hdf5",
) -> None:
    """Write a dataset to a new folder: all of it, or nothing.

    Metadata name the homes, policies, probabilities of a perturbation and the currency; metadata of
    an episode (``dataset.storage.get_episode_metadata``) those of that trajectory.

    Args:
        trajectories: of one layout and one currency.
        path: the folder, which must not exist.
        dataset_id: name and version, such as ``villa-v0`` or ``darkstar/villa-v0``.
        env: what the policies are to be tried in, a ``HomeEnv`` or a wrapper of one; None: the
            defaults, with the lookahead of the trajectories.
        description: what the data are, in words.
        data_format: how Minari keeps arrays; ``parquet`` takes a seventh of the room of ``hdf5``.

    Raises:
        DatasetError: a trajectory that no agent can learn from, trajectories that do not go
            together, or a name or place that cannot be used.
        MissingExtraError: Minari, or what the format needs, is not installed.
    """
    layout = _layout(env, kept := tuple(trajectories))
    _refuse_name(dataset_id, path, data_format)
    refuse_malformed(kept, layout)
    settings, minari = _settings(env, layout, kept), _minari(data_format)
    metadata = _metadata(kept, dataset_id, description)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as name:
            whole = Path(name) / path.name
            whole.mkdir()
            _fill(whole / "data", kept, settings, metadata, minari)
            whole.rename(path)
    except OSError as err:
        want = f"a place that can be written ({err.strerror or err})"
        raise DatasetError("path", str(path), want) from err


def _layout(env: gymnasium.Env[Any, Any] | None, kept: Sequence[Trajectory]) -> Layout:
    """Return the layout of the observations.

    Raises:
        DatasetError: no trajectory, an environment of another kind, or observations of no layout.
    """
    if not kept:
        raise DatasetError("trajectories", "none", "at least one")
    if env is not None:
        return _home_env(env).layout
    seen = kept[0].observations
    shape = seen.shape if isinstance(seen, np.ndarray) else ()
    numbers = shape[-1] if shape else 0
    ahead, rest = divmod(numbers - len(SCALARS), len(SERIES))
    if ahead < 1 or rest:
        want = f"({len(SCALARS)} + {len(SERIES)} * (lookahead + 1)) numbers a row: rlenv.layout"
        raise fault(0, kept[0], "observations", f"an array of shape {shape}", want)
    return Layout(ahead - 1)


def _home_env(env: gymnasium.Env[Any, Any]) -> HomeEnv:
    """Return the home within wrappers.

    Raises:
        DatasetError: there is none.
    """
    inner: object = env.unwrapped
    if not isinstance(inner, HomeEnv):
        raise DatasetError("env", type(inner).__name__, "a HomeEnv, or a wrapper of one")
    return inner


def _refuse_name(dataset_id: str, path: Path, data_format: str) -> None:
    """Refuse a name that Minari cannot read back, and a place that is taken.

    Raises:
        DatasetError: it is.
    """
    if not _ID.fullmatch(dataset_id):
        want = "letters, digits, - and _, perhaps a namespace, and a version: darkstar/villa-v0"
        raise DatasetError("dataset_id", dataset_id, want)
    if data_format not in get_args(DataFormat):
        raise DatasetError("data_format", data_format, f"one of {', '.join(get_args(DataFormat))}")
    if path.exists() or path.is_symlink():
        want = "a new folder: nothing is overwritten, delete it or raise the version"
        raise DatasetError("path", str(path), want)


def _settings(
    env: gymnasium.Env[Any, Any] | None, layout: Layout, kept: Sequence[Trajectory]
) -> Settings:
    """Return what the attached environment is asked to be.

    Raises:
        DatasetError: it pays for what is left otherwise than the trajectories do.
    """
    given = None if env is None else _home_env(env).settings
    bounds, end = (VALUE_BOUNDS, _END) if given is None else (given.value_bounds, given.end)
    for n, trajectory in enumerate(kept):
        if end == "truncate" and trajectory.terminations.any():
            want = "none: days of the environment end unpriced, give one with end='terminate'"
            raise fault(n, trajectory, "terminations", "a day's end that was priced", want)
    return Settings(layout=layout, action=_ACTION, value_bounds=bounds, end=end)


def _metadata(kept: Sequence[Trajectory], dataset_id: str, description: str) -> dict[str, Any]:
    """Return what is told of the whole dataset."""
    policies, homes = ({getattr(one, name) for one in kept} for name in ("policy", "home_id"))
    return {
        "dataset_id": dataset_id,
        "description": description or _DESCRIPTION,
        "algorithm_name": ", ".join(sorted(policies)),
        "currency": kept[0].currency,
        "home_ids": sorted(homes),
        "policies": sorted(policies),
        "perturb_probabilities": sorted({float(one.perturb) for one in kept}),
    }


def _fill(
    data: Path,
    kept: Sequence[Trajectory],
    settings: Settings,
    metadata: dict[str, Any],
    minari: _Minari,
) -> None:
    """Write everything to a folder.

    Raises:
        OSError: it cannot be written.
    """
    storage = minari.storage.new(
        data,
        observation_space=settings.layout.space(),
        action_space=action_space(),
        env_spec=_spec(settings),
        data_format=minari.data_format,
    )
    storage.update_metadata({**metadata, "minari_version": minari.version})
    storage.update_episodes(minari.episode(**_arrays(one)) for one in kept)
    storage.update_episode_metadata([_told(one) for one in kept])


class _Minari(NamedTuple):
    """What is needed of Minari, which has no types."""

    version: str
    data_format: DataFormat
    storage: Any
    episode: Any


def _minari(data_format: DataFormat) -> _Minari:
    """Return Minari.

    Raises:
        MissingExtraError: it, or what the format needs, is not installed.
    """
    package, extra = "minari", "rl"
    try:
        version = import_module("minari").__version__
        storage = import_module("minari.dataset.minari_storage").MinariStorage
        episode = import_module("minari.data_collector").EpisodeBuffer
        package, extra = _NEEDS[data_format]
        import_module(package)
    except ImportError as err:
        raise MissingExtraError(package, extra, f"a Minari dataset ({data_format})") from err
    return _Minari(version, data_format, storage, episode)


def _spec(settings: Settings) -> EnvSpec:
    """Return the environment that recorded actions are those of, of whatever home."""
    spec = copy.deepcopy(gymnasium.spec(ENV_ID))
    spec.kwargs = {
        "lookahead": settings.layout.lookahead,
        "action": settings.action,
        "value_bounds": list(settings.value_bounds),
        "end": settings.end,
    }
    return spec


def _arrays(trajectory: Trajectory) -> dict[str, Any]:
    """Return what Minari keeps of each slot."""
    names = ("observations", "actions", "rewards", "terminations", "truncations")
    return {name: getattr(trajectory, name) for name in names} | {"infos": dict(trajectory.infos)}


def _told(trajectory: Trajectory) -> dict[str, str | float]:
    """Return what is told of one trajectory."""
    return {
        "name": trajectory.name,
        "home_id": trajectory.home_id,
        "day": trajectory.day.isoformat(),
        "policy": trajectory.policy,
        "perturb_probability": float(trajectory.perturb),
    }
