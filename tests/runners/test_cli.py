"""Options, exit codes and the weight of starting."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mpc.errors import SiteError, SolverError
from runners import cli
from runners.errors import ConfigError, Problem
from telemetry.errors import (
    CurrencyError,
    StoreBusyError,
    StoreError,
    TimeError,
    UnknownHomeError,
)

HEAVY = ("matplotlib", "pandas", "pvlib", "alembic", "sqlalchemy", "highspy", "pydantic", "numpy")


def test_help_lists_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runners.cli", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == [
        "init",
        "import",
        "record",
        "backfill",
        "prices",
        "weather",
        "validate",
        "repair",
        "train",
        "evaluate",
        "plan",
        "manual",
        "publish",
        "status",
        "doctor",
        "install-units",
        "run-job",
        "backup",
        "upgrade",
        "report",
        "whatif",
        "replay",
        "simulate",
        "mirror",
        "episodes",
        "demo",
    ]


def test_start_is_light() -> None:
    code = f"import sys, runners.cli; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


JOBS = ["init", "import_", "record", "backfill", "prices", "weather", "validate", "repair", "plan"]
JOBS += ["replay", "simulate", "mirror"]


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_a_module(job: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"runners.{job}", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "--config" in done.stdout


def test_init_then_again(tmp_path: Path) -> None:
    path = str(tmp_path / "config.yaml")
    assert CliRunner().invoke(cli.app, ["init", "--config", path]).exit_code == 0
    again = CliRunner().invoke(cli.app, ["init", "--config", path])
    assert again.exit_code == 73
    assert again.stderr.count("\n") == 1
    assert "exists and was not touched" in again.stderr
    assert CliRunner().invoke(cli.app, ["init", "--config", path, "--force"]).exit_code == 0


@pytest.mark.parametrize("command", ["plan", "demo"])
@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("2025-11-06T17:00", "no UTC offset; add Z or +02:00"),
        ("noon", "is no ISO time"),
        ("0001-01-01T00:00Z", "is no year from 1970 to 2200; correct it"),
        ("9999-12-31T23:00Z", "is no year from 1970 to 2200; correct it"),
    ],
)
def test_at_needs_an_offset(command: str, at: str, message: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--at", at])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_two_states_of_charge_are_refused() -> None:
    result = CliRunner().invoke(cli.app, ["plan", "--soc-kwh", "5", "--soc-percent", "50"])
    assert result.exit_code == 2
    assert "not both" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("config.yaml", [Problem("a", "1", "wrong; write 2")]), 78),
        (SiteError("battery.capacity_kwh", -1, "0 or more"), 65),
        (SolverError("Unknown", 192), 75),
        (StoreError("x.sqlite", "broken"), 65),
        (StoreBusyError("x.sqlite", "locked"), 75),
        (CurrencyError("SE4", ("EUR", "SEK")), 65),
        (UnknownHomeError("villa", ()), 65),
        (TimeError("time", "now", "UTC"), 65),
    ],
)
def test_expected_errors_are_one_red_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_args: object, **_kwargs: object) -> str:
        raise error

    monkeypatch.setattr("runners.init.run_init", fail)
    result = CliRunner().invoke(cli.app, ["init"], color=True)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == f"\x1b[31m{error}\x1b[0m\n"


def test_unexpected_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> str:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("runners.init.run_init", fail)
    result = CliRunner().invoke(cli.app, ["init"])
    assert isinstance(result.exception, ZeroDivisionError)
