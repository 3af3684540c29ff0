"""The house stands on its floors: imports point down, and nothing below runners looks outside.

Whether a module reads the clock, the environment or a file is read off its syntax tree; what a
command drags in is read off ``sys.modules`` of a process of its own.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runners.test_plan import make_folder

REPO = Path(__file__).resolve().parents[1]
_CLOCK = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
}
_ENVIRONMENT = {"os": {"environ", "environb", "getenv", "getenvb", "putenv"}}
_FILE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "open"}
_LOADERS = {"np": {"load", "loadtxt", "genfromtxt", "fromfile", "save", "savetxt"}}


def names_read(tree: ast.Module, table: dict[str, set[str]]) -> Iterator[str]:
    """Yield ``module.name`` wherever the tree uses or imports one of the table."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            last = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if node.attr in table.get(last, ()):
                yield f"line {node.lineno}: {last}.{node.attr}"
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in table.get(node.module or "", ()):
                    yield f"line {node.lineno}: from {node.module} import {alias.name}"


def files_read(tree: ast.Module) -> Iterator[str]:
    """Yield calls that open a file; ``Store.open`` is the way to facts and allowed."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = node.func
        if isinstance(call, ast.Name) and call.id == "open":
            yield f"line {node.lineno}: open()"
        if isinstance(call, ast.Attribute) and call.attr in _FILE_METHODS:
            store = isinstance(call.value, ast.Name) and call.value.id == "Store"
            if not store:
                yield f"line {node.lineno}: .{call.attr}()"
    yield from names_read(tree, _LOADERS)


def modules(floor: str) -> list[Path]:
    return sorted((REPO / floor).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


PLANTED = """
import datetime as dt, os, time
from time import perf_counter
from os import environ
a = dt.datetime.now()
b = datetime.utcnow()
c = date.today()
d = time.time()
e = os.environ["HOME"]
f = os.getenv("HOME")
"""


def test_the_scan_sees_what_is_planted() -> None:
    tree = ast.parse(PLANTED)
    assert list(names_read(tree, _CLOCK)) == [
        "line 3: from time import perf_counter",
        "line 5: datetime.now",
        "line 6: datetime.utcnow",
        "line 7: date.today",
        "line 8: time.time",
    ]
    assert list(names_read(tree, _ENVIRONMENT)) == [
        "line 4: from os import environ",
        "line 9: os.environ",
        "line 10: os.getenv",
    ]
    opened = ast.parse("open('x')\np.read_text()\nPath('x').open()\nStore.open('x')\nnp.load('x')")
    assert list(files_read(opened)) == [
        "line 1: open()",
        "line 2: .read_text()",
        "line 3: .open()",
        "line 5: np.load",
    ]


@pytest.mark.parametrize("floor", ["mpc", "telemetry", "forecast", "sim", "rlenv"])
def test_below_runners_nothing_reads_clock_or_environment(floor: str) -> None:
    found = {
        str(path.relative_to(REPO)): [
            *names_read(parsed(path), _CLOCK),
            *names_read(parsed(path), _ENVIRONMENT),
        ]
        for path in modules(floor)
    }
    assert len(found) > 2
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize("floor", ["mpc", "forecast", "sim", "rlenv"])
def test_only_telemetry_and_runners_open_files(floor: str) -> None:
    found = {str(path.relative_to(REPO)): list(files_read(parsed(path))) for path in modules(floor)}
    assert {path: what for path, what in found.items() if what} == {}


def test_the_scan_sees_the_files_that_telemetry_opens() -> None:
    assert any(list(files_read(parsed(path))) for path in modules("telemetry"))


@pytest.mark.integration
def test_contracts_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--no-cache", "--no-logo"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


def loaded(code: str, *names: str) -> list[str]:
    """Run code in a fresh interpreter; return which modules of ``names`` it then has."""
    ask = f"\nimport sys\nprint('LOADED', *[m for m in {names!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + ask], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.integration
def test_the_planner_needs_numpy_and_highspy_alone() -> None:
    heavy = ("pandas", "sqlalchemy", "matplotlib", "scipy", "pydantic", "typer", "rich", "yaml")
    assert loaded("import mpc", *heavy, "telemetry", "numpy", "highspy") == ["numpy", "highspy"]


@pytest.mark.integration
def test_a_plan_without_picture_is_light(tmp_path: Path) -> None:
    config = make_folder(tmp_path)
    heavy = ("matplotlib", "pandas", "pvlib", "alembic", "lightgbm", "numba", "scipy", "pyomo")
    code = (
        "from runners.cli import app\n"
        f"argv = ['plan', '--config', {str(config)!r}, '--out', {str(tmp_path)!r}, '--no-plot',"
        " '--at', '2025-06-12T11:14Z', '--soc-kwh', '5']\n"
        "app(argv, standalone_mode=False)\n"
    )
    assert loaded(code, *heavy, "highspy", "sqlalchemy") == ["highspy", "sqlalchemy"]
    assert (tmp_path / "schedule.json").exists()


@pytest.mark.integration
def test_an_environment_is_light() -> None:
    heavy = ("matplotlib", "pandas", "minari", "h5py", "lightgbm", "pvlib", "scipy", "torch")
    assert loaded("import rlenv", *heavy, "numba", "gymnasium") == ["gymnasium"]


def test_make_runs_every_test() -> None:
    """The parts that ``make unit`` runs leave nothing out, and nothing twice."""
    text = (REPO / "Makefile").read_text("utf-8")
    asked = [
        word for line in text.splitlines() if "/pytest tests/" in line for word in line.split()
    ]
    named = sorted(word for word in asked if word.startswith("tests/"))
    tests = REPO / "tests"
    there = [folder for folder in tests.iterdir() if any(folder.rglob("test_*.py"))]
    there += list(tests.glob("test_*.py"))
    assert named == sorted(str(path.relative_to(REPO)) for path in there)
