"""One run of a job by itself: its summary line, its log, and where kernels are kept."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mpc import jit
from runners.config import load_config
from runners.contract import job, job_run, logfmt
from runners.errors import ConfigError, Problem
from tests.runners.test_plan import make_folder


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
