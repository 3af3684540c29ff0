"""``darkstar episodes export --format minari``: what was simulated, as a dataset to learn from."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import minari
import pytest
from typer.testing import CliRunner, Result

from runners.cli import app
from runners.errors import EX_CANTCREAT, EX_DATAERR
from sim.episodes import read_episodes
from tests.rlenv.homes import demo_store
from tests.runners.simulate_cases import demo_folder, simulate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of two histories."""
    made = demo_folder(tmp_path_factory.mktemp("minari"))
    done = simulate(made, "2025-06-02", "2025-06-04", "--scenarios", "2")
    assert done.exit_code == 0, done.output
    return made


def export(folder: Path, out: Path, *args: str) -> Result:
    words = ["episodes", "export", "--format", "minari", "--out", str(out)]
    return CliRunner().invoke(app, [*words, "--config", str(folder / "config.yaml"), *args])


@pytest.mark.integration
def test_a_dataset_of_simulated_days(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day as recorded ends with what is left paid for; what no day follows is cut."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    out = tmp_path / "demo-v0"
    done = export(folder, out, "--json", "-")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["format"] == "minari"
    assert told["bytes"] > 100_000
    dataset = minari.load_dataset(str(out))
    days = list(dataset.iterate_episodes())
    assert told["episodes"] == sum(len(day.actions) for day in days) == dataset.total_steps
    whole = [day for day in days if day.terminations[-1]]
    assert [len(day.actions) for day in whole] == [96]
    assert len(days) == 4
    with demo_store(folder) as (store, model):
        found = read_episodes(store, scenario="0-recorded", last_day=date(2025, 6, 2))
        cost = sum(one.realised.cost for one in found if one.realised is not None)
        assert dataset.storage.metadata["home_ids"] == [model.home.home_id]
    assert whole[0].infos["cost"][1:, 0].sum() == pytest.approx(cost, abs=1e-9)
    left = whole[0].infos["terminal_value"][-1, 0]
    assert whole[0].rewards.sum() == pytest.approx(left - cost, abs=1e-9)


def test_what_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there-v0").mkdir()
    for out, code, words in (
        (tmp_path / "there-v0", EX_CANTCREAT, "nothing is overwritten"),
        (tmp_path / "demo", EX_CANTCREAT, "and a version"),
        (tmp_path / "demo-v0", EX_DATAERR, "no episodes fit these filters"),
    ):
        args = ("--scenario", "9-none") if code == EX_DATAERR else ()
        done = export(folder, out, *args)
        assert done.exit_code == code, done.output
        assert words in " ".join(done.output.split())
        assert not (tmp_path / "demo-v0").exists()
