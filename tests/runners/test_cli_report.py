"""Options of ``darkstar report`` and ``whatif battery``: lists behind one option, slips refused."""

import pytest
from typer.testing import CliRunner

from runners.cli_report import spread
from tests.runners.report_cases import app
from tests.test_floors import loaded


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", ""),
        ("--kwh 0 5 10", "--kwh 0 --kwh 5 --kwh 10"),
        ("--kwh 0 --kwh 5", "--kwh 0 --kwh 5"),
        ("--kwh 0 5 --year", "--kwh 0 --kwh 5 --year last"),
        ("--year --kwh 0 5", "--year last --kwh 0 --kwh 5"),
        ("--year 2025 --kwh 5", "--year 2025 --kwh 5"),
        ("--kwh -1 5 --cost 2 3 --subsidy 0.5", "--kwh -1 --kwh 5 --cost 2 --cost 3 --subsidy 0.5"),
        ("--cost-per-kwh 5 --no-plot", "--cost-per-kwh 5 --no-plot"),
        ("--kwh", ""),
    ],
)
def test_lists_stand_behind_one_option(written: str, read: str) -> None:
    assert spread(written.split()) == read.split()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("report --month 2025-13", "'2025-13' is no month; write e.g. 2025-08"),
        ("report --month August", "'August' is no month"),
        ("report --month 2025-08-01", "is no month"),
        ("report --month 1815-06", "is no year from 1970 to 2199"),
        ("report", "Missing option '--month'"),
        ("whatif battery --year 2025", "Missing option '--kwh'"),
        ("whatif battery --kwh -5", "Invalid value for '--kwh'"),
        ("whatif battery --kwh five", "Invalid value for '--kwh'"),
        ("whatif battery --kwh 5 --year lately", "'lately' is no year"),
        ("whatif battery --kwh 5 --subsidy 50", "Invalid value for '--subsidy'"),
        ("whatif battery --kwh 5 --cost 1 --cost-per-kwh 2", "give --cost, or --cost-per-kwh"),
    ],
)
def test_slips_are_refused(words: str, told: str) -> None:
    done = CliRunner().invoke(app, words.split(), env={"COLUMNS": "200"})
    assert done.exit_code == 2, done.output
    assert told in " ".join(done.output.split())


def test_help_says_what_lists_look_like() -> None:
    done = CliRunner().invoke(app, ["whatif", "battery", "--help"], env={"COLUMNS": "100"})
    assert done.exit_code == 0
    assert "--kwh" in done.output
    assert "Capacities, e.g. 0 5 10 15." in done.output


@pytest.mark.integration
def test_help_is_quick() -> None:
    heavy = ("numpy", "sqlalchemy", "numba", "matplotlib", "pvlib", "highspy")
    assert loaded("import runners.cli_report", *heavy) == []
