"""Trajectories through Minari: what is read back is what was written, or nothing was written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import RescaleObservation

from rlenv import DatasetError, HomeEnv, SelfUsePolicy, StoragePolicy, rollout, rollouts
from rlenv.layout import Layout
from rlenv.minari_dataset import DataFormat, write_minari
from rlenv.offline import Trajectory, trajectories_of_replay, trajectory_of
from rlenv.options import VALUE_BOUNDS
from telemetry.errors import MissingExtraError
from telemetry.replay_table import SERIES, ReplayDay, StoredReplay
from tests.rlenv.homes import AUTUMN, DAYS, SPRING, year

minari: Any = import_module("minari")
"""It has no types."""
FORMATS: tuple[DataFormat, ...] = get_args(DataFormat)
ARRAYS = ("observations", "actions", "rewards", "terminations", "truncations")
Change = Callable[[Trajectory], Trajectory]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Minari looks for datasets by their id; by itself it makes a folder at home."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.fixture(scope="module")
def env() -> HomeEnv:
    return HomeEnv(year(), lookahead=3)


@pytest.fixture(scope="module")
def lived(env: HomeEnv) -> tuple[Trajectory, ...]:
    """Days of 92, 96 and 100 slots by one policy, perturbed, and of 92 by another."""
    days = rollouts(env, SelfUsePolicy(), DAYS, soc_kwh=5.0, seed=1, perturb=0.1)
    days.append(rollout(env, StoragePolicy(env.site), day=SPRING, soc_kwh=5.0))
    return tuple(trajectory_of(env.history, day) for day in days)


def written(folder: Path, told: Any, **how: Any) -> Any:
    """Write a dataset and load it from its path."""
    how = {"dataset_id": "demo-v0"} | how
    write_minari(told, folder / "made" / "demo-v0", **how)
    return minari.load_dataset(str(folder / "made" / "demo-v0"))


def same(read: Any, told: Trajectory) -> None:
    """Assert that an episode is a trajectory to the bit."""
    for name in ARRAYS:
        got, want = getattr(read, name), getattr(told, name)
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_array_equal(got, want)
    assert set(read.infos) == set(told.infos)
    for name, want in told.infos.items():
        got = read.infos[name]
        assert (got.dtype, got.shape) == (np.float64, (len(told) + 1, 1))
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("data_format", FORMATS)
def test_what_is_read_is_what_was_lived(
    tmp_path: Path, env: HomeEnv, lived: tuple[Trajectory, ...], data_format: DataFormat
) -> None:
    dataset = written(tmp_path, lived, env=env, data_format=data_format)
    assert dataset.total_episodes == 5
    assert dataset.total_steps == 92 + 96 + 100 + 96 + 92
    assert dataset.observation_space == env.observation_space
    assert dataset.action_space == env.action_space
    for read, told in zip(dataset, lived, strict=True):
        same(read, told)
    assert dataset.spec.data_path == str(tmp_path / "made" / "demo-v0" / "data")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["demo-v0"]
    same(dataset.filter_episodes(lambda one: len(one) == 100)[0], lived[2])


@pytest.mark.parametrize("data_format", FORMATS)
def test_more_than_ten_episodes_keep_their_order(
    tmp_path: Path, env: HomeEnv, lived: tuple[Trajectory, ...], data_format: DataFormat
) -> None:
    told = lived * 3
    dataset = written(tmp_path, iter(told), env=env, data_format=data_format)
    for read, one in zip(dataset, told, strict=True):
        same(read, one)


def test_metadata_say_whose_data_and_how_it_was_drawn(
    tmp_path: Path, env: HomeEnv, lived: tuple[Trajectory, ...]
) -> None:
    dataset = written(tmp_path, lived, env=env, description="Five days.")
    kept = dataset.storage.metadata
    assert kept["description"] == "Five days."
    assert kept["algorithm_name"] == "self-use, storage"
    assert kept["policies"] == ["self-use", "storage"]
    assert kept["home_ids"] == ["demo"]
    assert kept["currency"] == "SEK"
    assert kept["perturb_probabilities"] == [0.0, 0.1]
    assert kept["minari_version"] == minari.__version__
    assert not {"author", "author_email"} & set(kept)
    first, *_, last = dataset.storage.get_episode_metadata(range(5))
    assert first["policy"] == "self-use"
    assert first["perturb_probability"] == 0.1
    assert first["day"] == SPRING.isoformat()
    assert first["total_steps"] == 92
    assert last["policy"] == "storage"
    assert last["perturb_probability"] == 0.0


def test_it_is_found_by_its_id_in_the_folder_of_datasets(
    root: Path, env: HomeEnv, lived: tuple[Trajectory, ...]
) -> None:
    name = "darkstar/demo-v3"
    write_minari(lived, root / name, dataset_id=name, env=env)
    assert set(minari.list_local_datasets()) == {name}
    dataset = minari.load_dataset(name)
    assert (dataset.id, dataset.spec.namespace, dataset.spec.version) == (name, "darkstar", 3)
    same(dataset[0], lived[0])
    # And by its path, which needs no such folder.
    same(minari.MinariDataset(root / name / "data")[4], lived[4])


def test_the_environment_is_attached_and_recorded_actions_are_its_own(
    tmp_path: Path, lived: tuple[Trajectory, ...]
) -> None:
    other = HomeEnv(year(), lookahead=3, action="energy_value", value_bounds=(0.0, 2.0))
    dataset = written(tmp_path, lived, env=RescaleObservation(other, np.float32(0), np.float32(1)))
    env = dataset.recover_environment(history=year())
    home = env.unwrapped
    assert home.history is year()
    assert home.settings.action == "battery_power"
    assert home.settings.end == "terminate"
    assert tuple(home.settings.value_bounds) == (0.0, 2.0)
    for read, day in zip(dataset, (*DAYS, SPRING), strict=True):
        seen, _ = env.reset(options={"day": day, "soc_kwh": 5.0})
        for action, reward, after in zip(
            read.actions, read.rewards, read.observations[1:], strict=True
        ):
            seen, earned, terminated, _, _ = env.step(action)
            # 1.25 kWh, half a unit of the last place of 1 each, 100 slots: 4e-6 kWh.
            np.testing.assert_allclose(seen, after, rtol=0, atol=1e-6)
            assert earned == pytest.approx(reward, abs=1e-4)
        assert terminated
    assert isinstance(gymnasium.make(dataset.env_spec, lookahead=0).unwrapped, HomeEnv)


def test_without_an_environment_its_defaults_are_attached(
    tmp_path: Path, lived: tuple[Trajectory, ...]
) -> None:
    dataset = written(tmp_path, lived)
    assert dataset.env_spec.id == "Darkstar/Home-v0"
    assert dataset.env_spec.kwargs == {
        "lookahead": 3,
        "action": "battery_power",
        "value_bounds": list(VALUE_BOUNDS),
        "end": "terminate",
    }
    assert dataset.observation_space == Layout(3).space()
    assert "recover_environment(history=...)" in dataset.storage.metadata["description"]


def test_a_gap_truncates(tmp_path: Path) -> None:
    """Half a day of a replay, made by hand: the battery rests, 0.1 kWh cost 2 a slot."""
    history = year()
    place = history.find(date(2025, 6, 11))
    first = int(history.data.first[place])
    values = np.zeros((len(SERIES), 48))
    values[:4] = history.data.actual[first : first + 48, :4].T
    values[SERIES.index("soc_kwh")], values[SERIES.index("cost")] = 4.0, 2.0
    sums = dict.fromkeys(("bill", "wear", "penalty", "load_kwh", "pv_kwh", "import_kwh"), 0.0)
    sums |= dict.fromkeys(("export_kwh", "charge_kwh", "discharge_kwh", "curtail_kwh"), 0.0)
    start = history.start(place)
    day = ReplayDay(
        day_start=start, local_date=date(2025, 6, 11), regret=None, values=values, **sums
    )
    replay = StoredReplay(
        replay_id="0123456789abcdef",
        policy="no_battery",
        dispatch="none",
        forecast="none",
        engine="none",
        start=start,
        end=start,
        slots=48,
        soc_start_kwh=4.0,
        soc_end_kwh=4.0,
        bill=0.0,
        wear=0.0,
        penalty=0.0,
        terminal=0.0,
        cost=0.0,
        oracle_cost=None,
        regret=None,
        currency="SEK",
        settings="{}",
        inputs_hash="",
        made_at=start,
    )
    told, skipped = trajectories_of_replay(replay, (day,), history, lookahead=2)
    assert not skipped
    (read,) = written(tmp_path, told)
    same(read, told[0])
    assert read.rewards.tolist() == [-2.0] * 48
    assert not read.actions.any()
    assert not read.terminations.any()
    assert read.truncations.tolist() == [False] * 47 + [True]
    assert np.isnan(read.infos["wish_kwh"]).all()
    assert read.observations[:, 0].tolist() == pytest.approx([0.4] * 49)


def put(field: str, place: Any, *, value: Any) -> Change:
    """Change one number of an array."""

    def change(told: Trajectory) -> Trajectory:
        values = getattr(told, field).copy()
        values[place] = value
        return replace(told, **{field: values})

    return change


def swap(field: str, make: Callable[[Any], Any]) -> Change:
    """Change a field."""
    return lambda told: replace(told, **{field: make(getattr(told, field))})


def info(name: str, make: Callable[[Any], Any]) -> Change:
    """Change one of the infos."""
    return lambda told: replace(told, infos={**told.infos, name: make(told.infos[name])})


MALFORMED: dict[str, tuple[Change, str]] = {
    "observations of another lookahead": (
        swap("observations", lambda seen: seen[:, :20]),
        r"observations .*is 'float32 \(97, 20\)', want an array of float32 \(97, 24\)",
    ),
    "observations too short": (
        swap("observations", lambda seen: seen[:-1]),
        r"observations .*is 'float32 \(96, 24\)', want an array of float32 \(97, 24\)",
    ),
    "observations of float64": (
        swap("observations", lambda seen: seen.astype(np.float64)),
        r"observations .*'float64 \(97, 24\)'",
    ),
    "observations that are a list": (
        swap("observations", list),
        "observations .*is 'list', want an array of float32",
    ),
    "an observation that is not known": (
        put("observations", (7, 9), value=np.nan),
        r"observations\[7, import_price\[1\]\] .* is nan, want -100 to 100",
    ),
    "an observation outside its space": (
        put("observations", (8, 0), value=1.01),
        r"observations\[8, soc\] .* is 1.00\d+, want 0 to 1",
    ),
    "actions without their second axis": (
        swap("actions", lambda done: done[:, 0]),
        r"actions .*'float32 \(96,\)', want an array of float32 \(96, 1\)",
    ),
    "actions one too many": (
        swap("actions", lambda done: np.append(done, done[:1], axis=0)),
        r"actions .*'float32 \(97, 1\)', want an array of float32 \(96, 1\)",
    ),
    "an action beyond the battery's power": (
        put("actions", (5, 0), value=-1.5),
        r"actions\[5, 0\] .* is -1.5, want a number in \[-1, 1\]",
    ),
    "an action that is no number": (
        put("actions", (5, 0), value=np.nan),
        r"actions\[5, 0\] .* is nan",
    ),
    "a reward that is not known": (
        put("rewards", 3, value=np.nan),
        r"rewards\[3\] .* is nan, want a finite number: leave the slot out",
    ),
    "an infinite reward": (put("rewards", 3, value=-np.inf), r"rewards\[3\] .* is -inf"),
    "rewards as a column": (
        swap("rewards", lambda paid: paid[:, None]),
        r"rewards .*'float64 \(96, 1\)', want an array of float64 \(96,\)",
    ),
    "rewards that are a list": (swap("rewards", lambda paid: paid.tolist()), "rewards .*'list'"),
    "no slot at all": (
        swap("rewards", lambda paid: paid[:0]),
        "rewards .* is 'empty', want at least one slot",
    ),
    "no end": (
        put("terminations", 95, value=False),
        r"ends .* is '\[\], both at once in \[\], of 96', want the last slot alone",
    ),
    "an end in the middle": (put("truncations", 40, value=True), r"ends .* is '\[40, 95\]"),
    "two ends at once": (
        put("truncations", 95, value=True),
        r"ends .* is '\[95\], both at once in \[95\], of 96'",
    ),
    "flags that are numbers": (
        swap("terminations", lambda ends: ends.astype(np.int8)),
        "terminations .*'int8",
    ),
    "flags too few": (swap("truncations", lambda ends: ends[1:]), r"truncations .*'bool \(95,\)'"),
    "infos without their second axis": (
        info("cost", lambda values: values[:, 0]),
        r"infos\['cost'\] .*'float64 \(97,\)', want an array of float64 \(97, 1\)",
    ),
    "infos without the reset": (
        info("cost", lambda values: values[1:]),
        r"infos\['cost'\] .*'float64 \(96, 1\)'",
    ),
    "infos of float32": (
        info("cost", lambda values: values.astype(np.float32)),
        r"infos\['cost'\] .*'float32",
    ),
    "an infinite info": (
        info("cost", lambda values: np.where(np.arange(97)[:, None] == 4, np.inf, values)),
        r"infos\['cost'\]\[4, 0\] .* is inf, want a number, NaN if unknown",
    ),
    "infos that the others have not": (
        swap("infos", lambda infos: {**infos, "more": infos["cost"]}),
        "infos .*'more'.*want those of the first trajectory",
    ),
    "infos that are missing": (
        swap("infos", lambda infos: {"cost": infos["cost"]}),
        r"infos .* is \['cost'\], want those of the first trajectory",
    ),
    "another currency": (
        swap("currency", lambda _: "EUR"),
        "currency .* is 'EUR', want SEK as in the first: write a dataset of each currency",
    ),
    "a probability that is none": (
        swap("perturb", lambda _: 1.5),
        r"perturb .* is 1.5, want a probability in \[0, 1\]",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_malformed_is_refused_and_nothing_is_written(
    tmp_path: Path, env: HomeEnv, lived: tuple[Trajectory, ...], kind: str
) -> None:
    """The second of three trajectories; named are it, the field and the cure."""
    change, match = MALFORMED[kind]
    told = (lived[0], change(lived[1]), lived[2])
    with pytest.raises(DatasetError, match=match) as caught:
        write_minari(told, tmp_path / "new" / "demo-v0", dataset_id="demo-v0", env=env)
    assert "of trajectory 1 (demo 2025-06-11 lived by self-use)" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            swap("observations", lambda seen: seen[:, :14]),
            r"observations of trajectory 0 .*an array of shape \(93, 14\)",
        ),
        (swap("observations", lambda seen: seen[:, :8]), r"shape \(93, 8\).*lookahead \+ 1"),
        (swap("observations", lambda _: [[1.0], [1.0, 2.0]]), r"shape \(\)"),
        (
            swap("infos", lambda infos: {"a/b": infos["cost"]}),
            "infos of trajectory 0 .* is 'a/b', want a plain name: others are not read back",
        ),
    ],
    ids=["no layout", "scalars alone", "nothing", "a name with a slash"],
)
def test_the_first_trajectory_is_checked_too(
    tmp_path: Path, lived: tuple[Trajectory, ...], change: Change, match: str
) -> None:
    with pytest.raises(DatasetError, match=match):
        write_minari((change(lived[0]),), tmp_path / "demo-v0", dataset_id="demo-v0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["demo", "demo-v", "/demo-v0", "a b-v0", "../demo-v0", "-v0/", ""])
def test_a_name_that_minari_cannot_read_is_refused(
    tmp_path: Path, lived: tuple[Trajectory, ...], name: str
) -> None:
    with pytest.raises(DatasetError, match=r"dataset_id is .*, want letters, digits.*a version"):
        write_minari(lived, tmp_path / "demo-v0", dataset_id=name)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_go_together_is_refused(
    tmp_path: Path, lived: tuple[Trajectory, ...]
) -> None:
    def refused(told: Any, match: str, **how: Any) -> None:
        with pytest.raises(DatasetError, match=match):
            written(tmp_path, told, **how)
        assert list(tmp_path.iterdir()) == []

    refused((), "trajectories is 'none', want at least one")
    refused(lived, "data_format is 'csv', want one of hdf5, arrow, parquet", data_format="csv")
    refused(
        lived,
        "env is 'PendulumEnv', want a HomeEnv, or a wrapper of one",
        env=gymnasium.make("Pendulum-v1"),
    )
    cut = HomeEnv(year(), lookahead=3, end="truncate")
    refused(
        lived,
        'terminations of trajectory 0 .* is "a day\'s end that was priced", want none',
        env=cut,
    )
    told = trajectory_of(year(), rollout(cut, SelfUsePolicy(), day=AUTUMN, soc_kwh=5.0))
    dataset = written(tmp_path, (told,), env=cut)
    assert dataset.env_spec.kwargs["end"] == "truncate"
    assert not dataset[0].terminations.any()


def test_nothing_is_overwritten(
    tmp_path: Path, env: HomeEnv, lived: tuple[Trajectory, ...]
) -> None:
    dataset = written(tmp_path, lived[:1], env=env)
    file = Path(dataset.spec.data_path) / "main_data.hdf5"
    before = file.read_bytes()
    with pytest.raises(
        DatasetError, match=r"path is .*demo-v0', want a new folder: nothing is over"
    ):
        written(tmp_path, lived, env=env)
    assert file.read_bytes() == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"path is .*link', want a new folder"):
        write_minari(lived, link, dataset_id="demo-v0")
    with pytest.raises(DatasetError, match=r"path is .*, want a place that can be written"):
        write_minari(lived, file / "demo-v0", dataset_id="demo-v0")


def test_what_breaks_half_way_leaves_nothing(
    tmp_path: Path, lived: tuple[Trajectory, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = import_module("minari.dataset._storages.hdf5_storage").HDF5Storage

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "update_episode_metadata", full)
    with pytest.raises(DatasetError, match=r"a place that can be written \(No space left"):
        write_minari(lived, tmp_path / "demo-v0", dataset_id="demo-v0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "data_format", "match"),
    [
        ("minari", "hdf5", r"needs minari.*darkstar-energy\[rl\]"),
        ("h5py", "hdf5", r"a Minari dataset \(hdf5\) needs h5py.*darkstar-energy\[rl\]"),
        ("pyarrow", "arrow", r"needs pyarrow.*darkstar-energy\[parquet\]"),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path,
    lived: tuple[Trajectory, ...],
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    data_format: DataFormat,
    match: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=match):
        write_minari(lived, tmp_path / "a" / "b-v0", dataset_id="b-v0", data_format=data_format)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_loads_no_minari() -> None:
    code = (
        "import sys, rlenv.minari_dataset; print({'minari', 'h5py', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
