"""A block of the manual plan in a live plan: planned, saved, told, and carried out by modes."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mpc import Plan
from runners.cli_manual import manual_app
from runners.config import load_config
from sim.mode_choice import slot_choice
from sim.modes import MODE_NAMES
from telemetry.store import Store
from tests.runners.test_plan import NOW, make_folder, plan, stop_clock

BEFORE = "2025-06-12T13:19+02:00"


def asked(folder: Path, *words: str) -> None:
    """Add a block a minute before the plan."""
    config = ["--config", str(folder / "config.yaml"), "--now", BEFORE]
    result = CliRunner().invoke(manual_app, ["add", *words, *config])
    assert result.exit_code == 0, result.output


def live(folder: Path) -> tuple[Plan, str]:
    """Plan live from 5 kWh; return the saved plan and what was printed."""
    result = plan(folder, "--no-plot", "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        stored = store.plan("demo", as_of=NOW)
    assert stored is not None
    return Plan.from_json(stored.plan_json), " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("words", "want", "modes"),
    [
        (["--hold", "--from", "13:15", "--to", "15:00"], 5.0, {"hold"}),
        (["--charge-to", "100", "--from", "13:15", "--to", "15:00"], 10.0,
         {"grid_charge", "store_surplus"}),
        (["--export-to", "10", "--from", "13:15", "--to", "15:00"], 1.0,
         {"export", "serve_load", "hold"}),
    ],
)  # fmt: skip
def test_a_live_plan_heeds_a_block_and_the_inverter_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    want: float,
    modes: set[str],
) -> None:
    make_folder(tmp_path)
    stop_clock(monkeypatch, NOW)
    free, told = live(tmp_path)
    assert free.requests is None
    assert "asked for" not in told
    asked(tmp_path, *words)
    found, told = live(tmp_path)
    assert found.requests is not None
    assert [(b.first, b.stop) for b in found.requests.blocks] == [(0, 7)]
    assert found.soc_kwh[6] == pytest.approx(want)
    assert not np.allclose(found.soc_kwh[:7], free.soc_kwh[:7])
    assert "asked for" in told
    site = load_config(tmp_path / "config.yaml").site("demo")
    choices = [slot_choice(site, found, t) for t in range(7)]
    assert {MODE_NAMES[choice.command.mode] for choice in choices} <= modes
    # no price speaks against changing over to what was asked for
    standing = choices[0].command._replace(mode=1)
    assert choices[0].gain_over(standing) == np.inf


def test_a_look_back_does_not_see_a_later_block(tmp_path: Path) -> None:
    make_folder(tmp_path)
    asked(tmp_path, "--hold", "--from", "13:15", "--to", "15:00")
    for minute, heeded in (("18", False), ("19", True)):
        result = plan(
            tmp_path, "--no-plot", "--soc-kwh", "5", "--explain",
            "--at", f"2025-06-12T13:{minute}+02:00",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert ("Asked for: hold." in result.stdout) == heeded
