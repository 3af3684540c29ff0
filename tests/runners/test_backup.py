"""Backups by ``darkstar backup``, restored by the commands of docs/operations.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from telemetry.store import Store
from tests.runners.test_plan import NOW, make_folder
from tests.runners.test_upgrade import PLACE, ROOT, run
from tests.telemetry.older import dump


def documented() -> tuple[list[str], list[str]]:
    """Return the commands of docs/operations.md that back up and restore."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    section = page.partition("## Backup, another machine, upgrade")[2]
    blocks = [block.strip().splitlines() for block in section.split("```")[1::2]]
    assert [len(blocks[0]), len(blocks[1])] == [2, 4]
    return blocks[0], blocks[1]


def shell(folder: Path, lines: Sequence[str]) -> None:
    """Run commands in a folder that has its own ``.venv/bin/darkstar``."""
    program = folder / ".venv" / "bin" / "darkstar"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m runners.cli "$@"\n', "utf-8")
    program.chmod(0o755)
    subprocess.run(
        ["sh", "-ec", "\n".join(lines)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )


def leave_a_log(folder: Path) -> None:
    """Let a process die that had written to the store, so that SQLite's log stays beside it."""
    code = "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n"
    code += "db.execute('UPDATE slot_observations SET value = 99.0')\ndb.commit()\nos._exit(0)\n"
    subprocess.run([sys.executable, "-c", code, folder / PLACE], check=True)
    assert (folder / f"{PLACE}-wal").stat().st_size > 0


def test_a_backup_restored_on_another_machine_plans_the_same(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        make_folder(folder)
    (here / "models" / "demo").mkdir(parents=True)
    (here / "models" / "demo" / "kept.txt").write_text("a model", "utf-8")
    at = ("plan", "--no-plot", "--soc-kwh", "5", "--at", NOW.isoformat(), "--json")
    assert run(here, *at, str(tmp_path / "here.json")).exit_code == 0
    before = dump(here / PLACE)
    back_up, (*restore, look) = documented()
    with Store.open(here / PLACE) as writer, writer.transaction():  # in use
        shell(here, back_up)
    assert look.endswith("darkstar doctor")

    leave_a_log(there)
    (there / "darkstar-backup.tar.gz").write_bytes((here / "darkstar-backup.tar.gz").read_bytes())
    shell(there, restore)
    assert dump(there / PLACE) == dump(here / PLACE) == before
    for name in ("config.yaml", "models/demo/kept.txt"):
        assert (there / name).read_bytes() == (here / name).read_bytes()
    assert run(there, *at, str(tmp_path / "there.json")).exit_code == 0
    found = [json.loads((tmp_path / f"{one}.json").read_text("utf-8")) for one in ("here", "there")]
    for one in found:
        del one["generated_at"], one["solve_seconds"]
    assert found[0] == found[1]
    assert len(found[0]["slots"]) > 100


def test_a_backup_says_what_it_made(tmp_path: Path) -> None:
    make_folder(tmp_path)
    copy = tmp_path / "copy.sqlite"
    done = run(tmp_path, "backup", str(copy), "--json", str(tmp_path / "made.json"))
    assert done.exit_code == 0
    assert f"{copy}: " in done.stdout
    assert f"backup={copy} megabytes=" in done.stderr.splitlines()[-1]
    made = json.loads((tmp_path / "made.json").read_text("utf-8"))
    assert made["bytes"] == copy.stat().st_size
    assert made["store"] == str(tmp_path / PLACE)


def test_no_backup_is_replaced_and_none_is_made_of_nothing(tmp_path: Path) -> None:
    make_folder(tmp_path)
    taken = tmp_path / "taken.sqlite"
    taken.write_text("precious", "utf-8")
    for place in (taken, tmp_path / PLACE):
        before = place.read_bytes()
        done = run(tmp_path, "backup", str(place))
        assert done.exit_code == 73
        assert "is there already, and no backup is replaced" in done.stderr
        assert place.read_bytes() == before
    (tmp_path / PLACE).unlink()
    assert run(tmp_path, "backup", str(tmp_path / "copy.sqlite")).exit_code == 65
    assert not (tmp_path / "copy.sqlite").exists()
