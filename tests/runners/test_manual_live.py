"""A block of the manual plan in a live plan: planned, saved, told, and carried out by modes."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mpc import Plan
from runners.cli_episodes import episodes_app
from runners.cli_manual import manual_app
from runners.config import load_config
from sim.mode_choice import slot_choice
from sim.modes import MODE_NAMES
from telemetry.episode import EpisodeFilter
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


def test_every_block_stands_in_the_schedule_with_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 kWh stored, full within a quarter of an hour: no battery can; water, and one of October."""
    make_folder(tmp_path)
    stop_clock(monkeypatch, NOW)
    asked(tmp_path, "--charge-to", "100", "--from", "13:15", "--to", "13:30")
    asked(tmp_path, "--hold", "--from", "14:00", "--to", "15:00")
    asked(tmp_path, "--water-heating", "--from", "14:15", "--to", "15:00")
    asked(tmp_path, "--hold", "--from", "2025-10-01T14:00", "--to", "2025-10-01T15:00")
    result = plan(
        tmp_path, "--no-plot", "--soc-kwh", "5", "--explain", "--json", str(tmp_path / "plan.json")
    )
    assert result.exit_code == 0, result.output
    schedule = json.loads((tmp_path / "plan.json").read_text())
    told = schedule["manual"]
    assert json.loads((tmp_path / "out" / "schedule.json").read_text())["manual"] == told
    assert [(one["kind"], one["heeded"], one["outcome"]) for one in told] == [
        ("charge", True, "not fulfilled"),
        ("hold", True, "fulfilled"),
        ("water_heating", False, "kept; no plan heats water yet"),
        ("hold", False, "not heeded: beyond the plan's horizon"),
    ]
    charge = told[0]
    (missed,) = charge.pop("missed")
    assert charge["id"]
    assert (charge["from"], charge["to"]) == ("2025-06-12T11:15:00Z", "2025-06-12T11:30:00Z")
    assert charge["target_percent"] == 100.0
    assert (missed["start"], missed["limit"]) == ("2025-06-12T11:15:00Z", "manual_charge")
    assert missed["amount_kwh"] == pytest.approx(10.0 - schedule["slots"][0]["soc_kwh"])
    # No sum of money, printed or written, holds what the wish cost.
    costs = schedule["costs"]
    assert costs["penalty"] == pytest.approx(0.0, abs=1e-9)
    assert abs(costs["objective"]) < 100.0
    assert [v["cost"] for v in schedule["certificate"]["violations"]] == [None]
    words = " ".join(result.stdout.split())
    assert "12 Jun 13:15 to 12 Jun 13:30: not fulfilled, by" in words
    assert "01 Oct 15:00: not heeded: beyond the plan's horizon" in words
    assert "manual_charge in" not in words
    # The saved plan and the episode tell them by their ids.
    with Store.open(tmp_path / "darkstar.sqlite", read_only=True) as store:
        stored = store.plan("demo", as_of=NOW)
        (episode,) = store.episodes(EpisodeFilter())
    assert stored is not None
    saved = Plan.from_json(stored.plan_json)
    assert saved.requests is not None
    assert [one.name for one in saved.requests.blocks] == [told[0]["id"], told[1]["id"]]
    assert saved.wish_cost > 100.0
    assert stored.objective == pytest.approx(costs["objective"])
    assert episode.planned_cost == pytest.approx(costs["objective"])
    shown = CliRunner().invoke(
        episodes_app,
        ["show", episode.episode_id, "--config", str(tmp_path / "config.yaml")],
        env={"COLUMNS": "200"},
    )
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.stdout.split())
    want = f"block {told[0]['id']}, charge to 10 kWh from 12 Jun 13:15 to 12 Jun 13:30: not fulf"
    assert want in words
    assert f"block {told[1]['id']}, hold from 12 Jun 14:00 to 12 Jun 15:00: fulfilled" in words


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
