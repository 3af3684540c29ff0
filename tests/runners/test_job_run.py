"""One run of a job by itself: its summary line, its log, and where kernels are kept."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mpc import jit
from runners.config import load_config
from runners.contract import job, job_run, logfmt
from runners.errors import ConfigError, Problem
from tests.runners.sandbox import REPO
from tests.runners.test_plan import NOW, make_folder

RUN = "import sys; from runners.cli import app; app(sys.argv[1:])"
JSON = ("--json", "-")
PLAN = ("plan", "--no-plot", "--soc-kwh", "5")


def test_facts_are_one_line() -> None:
    facts = {
        "text": "plain",
        "spaced": 'a "b"\nc',
        "none": None,
        "empty": "",
        "share": 0.12345,
        "yes": True,
        "at": datetime(2025, 6, 12, 13, 20, 1, 5, tzinfo=UTC),
    }
    assert logfmt(facts) == (
        'text=plain spaced="a \\"b\\" c" empty="" share=0.12 yes=true at=2025-06-12T13:20:01Z'
    )


def test_warnings_of_the_floors_below_are_lines_of_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with job_run("record") as there:
        logging.getLogger("telemetry.x").warning("day %s is damaged", "2025-06-12")
        logging.getLogger("telemetry.x").info("nothing")
        there.tell(slots=96)
    first, last = capsys.readouterr().err.splitlines()
    assert first == 'level=warning logger=telemetry.x msg="day 2025-06-12 is damaged"'
    assert last.startswith('job=record home="" status=ok seconds=0.')
    assert last.endswith(" exit=0 slots=96")
    logging.getLogger("telemetry.x").warning("afterwards")
    assert "level=" not in capsys.readouterr().err


def test_a_fault_that_nobody_foresaw_keeps_its_traceback_and_ends_with_the_summary() -> None:
    with pytest.raises(ZeroDivisionError) as caught, job_run("record", home_id="villa"):
        raise ZeroDivisionError
    (note,) = caught.value.__notes__
    assert note.startswith("job=record home=villa status=failed seconds=0.")
    assert note.endswith(" exit=1 error=ZeroDivisionError")


def test_an_interrupted_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), job_run("record"):
        raise KeyboardInterrupt
    assert " status=failed " in (line := capsys.readouterr().err)
    assert line.endswith(" exit=130 error=KeyboardInterrupt\n")


def test_a_run_that_systemd_ends_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Its signal when ``TimeoutStartSec=`` is over."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, job_run("record"):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    assert capsys.readouterr().err.endswith(" exit=143 error=SystemExit\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_elsewhere_than_in_the_main_thread_signals_are_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run() -> None:
        with job_run("record"):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
    assert "job=record" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "told"), [(1, 1), (None, 0), ("no", 1)])
def test_a_run_that_exits_tells_its_own_code(
    capsys: pytest.CaptureFixture[str], code: object, told: int
) -> None:
    with pytest.raises(SystemExit), job_run("record"):
        raise SystemExit(code)
    assert f" exit={told} error=SystemExit" in capsys.readouterr().err


def printed(folder: Path, words: Sequence[str], stdout: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose output goes where the shell says."""
    common = ["--config", str(folder / "config.yaml"), "--now", NOW.isoformat()]
    line = shlex.join([sys.executable, "-c", RUN, *words, *common])
    return subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {line} {stdout}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("more", [(), JSON])
def test_a_stdout_that_is_full_keeps_no_file_from_being_written(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    make_folder(tmp_path)
    done = printed(tmp_path, (*PLAN, *more), ">/dev/full")
    assert done.returncode == 73, done.stderr
    red, summary = done.stderr.splitlines()[-2:]
    assert red.startswith("stdout: cannot be written (No space left on device)")
    assert " status=failed " in summary
    assert " exit=73 error=OSError" in summary
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "schedule.json").exists()


@pytest.mark.parametrize(("more", "error"), [((), "SystemExit"), (JSON, "BrokenPipeError")])
def test_who_stops_reading_gets_the_code_that_the_summary_tells(
    tmp_path: Path, more: tuple[str, ...], error: str
) -> None:
    make_folder(tmp_path)
    done = printed(tmp_path, (*PLAN, *more), "| true")
    assert done.returncode == 1, done.stderr
    assert f" exit=1 error={error}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "schedule.json").exists()


def test_a_look_back_by_hand_has_no_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(make_folder(tmp_path))
    with job_run("plan", look_back=True) as there:
        assert there.begins(config, ["demo"])
    assert capsys.readouterr().err == ""
    assert not (tmp_path / ".darkstar.sqlite-plan.lock").exists()
    with pytest.raises(ConfigError) as caught, job_run("plan", look_back=True):
        raise ConfigError("x", [Problem("", "", "y")])
    assert not hasattr(caught.value, "__notes__")


# Kernels


def test_kernels_are_kept_where_a_unit_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = list(jit._FOLDER)
    small = typer.Typer()
    small.command()(job(lambda: None))
    try:
        CliRunner().invoke(small, [])
        assert kept == jit._FOLDER
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
        CliRunner().invoke(small, [])
        assert [tmp_path / "numba"] == jit._FOLDER
        assert jit._base() == tmp_path / "numba"
    finally:
        jit._FOLDER[:] = kept
