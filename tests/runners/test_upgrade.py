"""Upgrades and backups by commands: alone, copied first, and without a deadlock.

The house is that of ``tests.runners.test_plan``; its store is taken back to the schema before this
one, and who else is at work is another process.
"""

from __future__ import annotations

import ast
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from runners.cli import app
from runners.lock import only_one
from runners.store_access import LOCKED_JOBS
from telemetry.schema import SCHEMA_HEAD
from telemetry.store import Store
from tests.peers.mariadb import RealMariaDB
from tests.runners.test_plan import NOW, make_folder
from tests.telemetry.older import dump, make_older, schema

ROOT = Path(__file__).parents[2]
PLAN = ("plan", "--no-plot", "--soc-kwh", "5", "--now", NOW.isoformat())
VALIDATE = ("validate", "--no-plot", "--no-reference", "--now", NOW.isoformat())
BLOCK = ("manual", "add", "--hold", "--to", "15:00", "--now", NOW.isoformat())
REPAIR = ("repair", "--start-date", "2025-06-02", "--end-date", "2025-06-03")
PLACE = "darkstar.sqlite"


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house whose store has the schema before this one."""
    make_folder(tmp_path)
    wait(tmp_path, 0.3)
    make_older(tmp_path / PLACE, "0005")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wait(folder: Path, seconds: float) -> None:
    """Configure how long an upgrade waits for others."""
    raw = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    raw["store"]["upgrade_wait_seconds"] = seconds
    (folder / "config.yaml").write_text(yaml.safe_dump(raw), "utf-8")


def line(folder: Path, words: Sequence[str]) -> list[str]:
    """Return a command line; the configuration follows the command."""
    return [*words, "--config", str(folder / "config.yaml")]


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, line(folder, words), env={"COLUMNS": "200"})


def start(folder: Path, *words: str, code: str = "") -> subprocess.Popen[str]:
    """Start a command as a process of its own."""
    text = f"import sys\n{code}\nfrom runners.cli import app\napp({line(folder, words)!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


@contextmanager
def another(folder: Path, enter: str, seconds: float = 60.0) -> Iterator[subprocess.Popen[str]]:
    """Let another process be within a context for so long."""
    code = (
        "import time\nfrom pathlib import Path\nfrom runners.config import load_config\n"
        "from runners.lock import lock_file, only_one\n"
        "from runners.store_access import open_store\n"
        f"config = load_config(Path({str(folder / 'config.yaml')!r}))\n"
        f"with {enter}:\n    print('in', flush=True)\n    time.sleep({seconds})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "in\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def backups(folder: Path) -> list[Path]:
    return sorted(folder.glob("darkstar-schema-*"))


def until(true: object, seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def is_held(folder: Path, job: str) -> bool:
    with only_one(folder / f".darkstar.sqlite-{job}.lock") as mine:
        return not mine


# By itself


@pytest.mark.parametrize("words", [PLAN, VALIDATE, BLOCK, REPAIR], ids=lambda words: words[0])
def test_who_writes_upgrades_first_and_names_the_backup(older: Path, words: Sequence[str]) -> None:
    (older / PLACE).chmod(0o600)
    before = dump(older / PLACE)
    done = run(older, *words)
    assert done.exit_code == 0, (done.stderr, done.exception)
    (backup,) = backups(older)
    assert backup.name.startswith("darkstar-schema-0005-20")
    assert "brought from schema 0005 to 0006; as it was before: " in done.stderr
    assert str(backup) in done.stderr
    if words in (PLAN, VALIDATE):
        assert f"schema_found=0005 schema=0006 backup={backup}" in done.stderr.splitlines()[-1]
    assert schema(older / PLACE) == SCHEMA_HEAD
    assert (schema(backup), dump(backup)) == ("0005", before)
    assert backup.stat().st_mode & 0o777 == 0o600
    again = run(older, *(words if words is not BLOCK else ("manual", "clear", "--all")))
    assert backups(older) == [backup]
    assert "as it was before" not in again.stderr


def test_who_reads_alone_or_rehearses_does_not(older: Path) -> None:
    before = dump(older / PLACE)
    for words in (("status",), ("manual", "list"), (*PLAN, "--dry-run")):
        done = run(older, *words)
        assert done.exit_code == 65
        assert "an older Darkstar wrote it; darkstar upgrade copies it" in done.stderr
    assert "darkstar upgrade" in run(older, "doctor").output
    assert (dump(older / PLACE), backups(older)) == (before, [])


def _calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted((ROOT / "runners").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield path, node


def test_every_command_that_writes_opens_the_store_one_way() -> None:
    """Whoever opens one for writing otherwise made it for itself, in a folder of its own."""
    writing = {
        path.name
        for path, call in _calls("Store.open")
        if not any(word.arg == "read_only" for word in call.keywords)
    }
    own = {"results.py", "results_forecast.py", "results_replay.py"}
    assert writing - own == {"store_access.py", "contract.py"}
    assert len(list(_calls("open_store"))) > 10


def test_the_locks_of_all_jobs_are_known() -> None:
    named = {
        call.args[0].value
        for _, call in _calls("job_run")
        if isinstance(call.args[0], ast.Constant)
    }
    assert named - {"upgrade"} | {"train"} == set(LOCKED_JOBS)


# Others at work


@pytest.mark.parametrize(
    ("enter", "who"),
    [
        ("only_one(lock_file(config, 'train'))", "darkstar train is at work"),
        ("only_one(lock_file(config, 'record'))", "darkstar record is at"),
    ],
)
def test_a_job_at_work_is_named_and_the_store_stays(older: Path, enter: str, who: str) -> None:
    before = dump(older / PLACE)
    with another(older, enter):
        done = run(older, *PLAN)
        assert done.exit_code == 75, (done.stderr, done.exception)
        assert f"its schema 0005 is to be brought to 0006, but {who}" in done.stderr
        assert "let that finish or end it, then run darkstar upgrade, or this" in done.stderr
        assert run(older, "upgrade").exit_code == 75
        assert (dump(older / PLACE), backups(older)) == (before, [])
    assert run(older, *PLAN).exit_code == 0


def test_a_command_that_has_the_store_open_is_waited_for(tmp_path: Path) -> None:
    make_folder(tmp_path)
    wait(tmp_path, 0.3)
    with another(tmp_path, "open_store(config)"):
        # A Darkstar of the future comes while a command of this one writes.
        make_older(tmp_path / PLACE, "0005")
        done = run(tmp_path, *BLOCK)
        assert done.exit_code == 75
        assert "but another command has it open" in done.stderr
    with another(tmp_path, "only_one(lock_file(config, 'plan'))", seconds=1.0):
        wait(tmp_path, 60.0)
        assert run(tmp_path, *BLOCK).exit_code == 0


def test_two_that_want_to_upgrade_do_not_wait_for_each_other(older: Path) -> None:
    wait(older, 60.0)
    began = time.monotonic()
    with another(older, "only_one(lock_file(config, 'record'))") as third:
        first = start(older, *PLAN)
        until(lambda: is_held(older, "upgrade"))
        second = start(older, *VALIDATE)
        _, said = second.communicate(timeout=60)
        assert second.returncode == 75, said
        assert "another darkstar upgrades it; try again when it has finished" in said
        assert first.poll() is None
        third.kill()
    _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said
    assert time.monotonic() - began < 60.0
    assert schema(older / PLACE) == SCHEMA_HEAD
    assert len(backups(older)) == 1


def test_while_an_upgrade_goes_on_others_leave_or_wait(older: Path) -> None:
    held = ", ".join(f"only_one(lock_file(config, {job!r}))" for job in (*LOCKED_JOBS, "store"))
    before = dump(older / PLACE)
    with another(older, held):
        done = run(older, *PLAN)
        assert done.exit_code == 0
        assert "another darkstar plan is at work here: left it to that one" in done.stderr
        done = run(older, *BLOCK)
        assert done.exit_code == 75
        assert "another darkstar upgrades it; try again when it has finished" in done.stderr
    assert dump(older / PLACE) == before
    wait(older, 60.0)
    with another(older, held, seconds=1.0):
        assert run(older, *BLOCK).exit_code == 0


def test_a_job_killed_while_it_migrates_is_made_up_for_by_the_next(older: Path) -> None:
    reached, before = older / "reached", dump(older / PLACE)
    code = (
        "import time\nfrom pathlib import Path\nimport telemetry.migrate as module\n"
        "real = module.upgrade\n"
        "def slow(conn, store, revision):\n"
        f"    real(conn, store, revision)\n    Path({str(reached)!r}).touch()\n    time.sleep(60)\n"
        "module.upgrade = slow\n"
    )
    process = start(older, *PLAN, code=code)
    until(reached.exists)
    process.kill()
    process.communicate()
    assert [path.name for path in backups(older)] == ["darkstar-schema-0005-upgrading.sqlite"]
    assert dump(older / PLACE) == dump(backups(older)[0]) == before
    assert run(older, *VALIDATE).exit_code == 0
    assert schema(older / PLACE) == SCHEMA_HEAD
    (backup,) = backups(older)
    assert "upgrading" not in backup.name
    assert dump(backup) == before


def test_a_disk_without_room_ends_with_a_word(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.store_copy._SPARE_BYTES", 10**18)
    before = dump(older / PLACE)
    for words in (PLAN, ("upgrade",), ("upgrade", "--dry-run")):
        done = run(older, *words)
        assert done.exit_code == 73
        assert "no copy of it was made at" in done.stderr
        assert "free some space" in done.stderr
    assert (dump(older / PLACE), backups(older)) == (before, [])
    # Who made a backup elsewhere needs no room here.
    assert run(older, "upgrade", "--backed-up").exit_code == 0
    assert (schema(older / PLACE), backups(older)) == (SCHEMA_HEAD, [])


def test_a_lock_belongs_to_whom_its_folder_belongs(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    with only_one(tmp_path / ".darkstar.sqlite-plan.lock"):
        found = (tmp_path / ".darkstar.sqlite-plan.lock").stat()
    assert (found.st_uid, found.st_gid) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid)


# darkstar upgrade


def test_upgrade_by_hand(older: Path) -> None:
    before, files = dump(older / PLACE), {path.name for path in older.iterdir()}
    done = run(older, "upgrade", "--dry-run", "--json", "would.json")
    assert done.exit_code == 0
    assert "has schema 0005, this program's is 0006. It would wait 0.3 s at most" in done.stdout
    assert "darkstar-schema-0005-20" in done.stdout
    assert "Nothing was changed" in done.stdout
    assert "dry_run=true schema_found=0005 schema=0005" in done.stderr
    assert dump(older / PLACE) == before
    assert {path.name for path in older.iterdir()} == files | {"would.json"}

    done = run(older, "upgrade", "--json", "done.json")
    assert done.exit_code == 0
    (backup,) = backups(older)
    assert f"backup={backup}" in done.stderr.splitlines()[-1]
    assert json.loads((older / "done.json").read_text("utf-8")) == {
        "found": "0005",
        "wanted": SCHEMA_HEAD,
        "backup": str(backup),
        "upgraded": True,
    }

    done = run(older, "upgrade")
    assert (done.exit_code, backups(older)) == (0, [backup])
    assert "the store has schema 0006, this program's: nothing to do" in done.stdout


def test_upgrade_of_what_is_no_older_store(older: Path) -> None:
    with sqlite3.connect(older / PLACE) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    for words in (("upgrade",), PLAN):
        done = run(older, *words)
        assert done.exit_code == 65
        assert "a newer Darkstar wrote it; update this one" in done.stderr
    (older / PLACE).unlink()
    done = run(older, "upgrade")
    assert done.exit_code == 65
    assert "unable to open" in done.stderr
    assert not (older / PLACE).exists()


# A store on a server


@pytest.mark.integration
def test_a_servers_store_is_upgraded_on_request_alone(tmp_path: Path, mariadb: RealMariaDB) -> None:
    make_folder(tmp_path, top={"store": {"url": mariadb.make_database("upgraded")}})
    assert run(tmp_path, *BLOCK).exit_code == 0
    with Store.open(mariadb.dsn("upgraded")) as store:
        homes = store.homes()
    make_older(mariadb.dsn("upgraded"), "0005")

    def version() -> str:
        return mariadb.sql("SELECT version_num FROM alembic_version", "upgraded").split()[-1]

    for words in (BLOCK, (*PLAN,), (*PLAN, "--dry-run"), ("status",)):
        done = run(tmp_path, *words)
        assert done.exit_code == 65, (words, done.stderr)
        assert "schema revision is 0005, want 0006" in done.stderr
        assert "mariadb-dump), then darkstar upgrade --backed-up" in done.stderr
    for option in ((), ("--dry-run",)):
        done = run(tmp_path, "upgrade", *option)
        assert done.exit_code == 2
        assert "no copy of a server's database is made here; stop the jobs" in done.stderr
    assert version() == "0005"
    done = run(tmp_path, "upgrade", "--backed-up", "--dry-run")
    assert (done.exit_code, version()) == (0, "0005")
    assert "and migrate the store. Nothing was changed" in done.stdout
    assert "copy" not in done.stdout

    done = run(tmp_path, "upgrade", "--backed-up")
    assert (done.exit_code, version()) == (0, SCHEMA_HEAD)
    assert "schema_found=0005 schema=0006" in done.stderr.splitlines()[-1]
    with Store.open(mariadb.dsn("upgraded")) as store:
        assert store.homes() == homes
    assert run(tmp_path, *BLOCK).exit_code == 0
    done = run(tmp_path, "backup", str(tmp_path / "copy.sqlite"))
    assert done.exit_code == 2
    assert "back it up there (mariadb-dump)" in done.stderr
