"""Upgrades of a store: all or nothing, copied first; and copies of a store that is in use."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from telemetry.errors import CopyError, MigrationError, SchemaVersionError, StoreError
from telemetry.schema import SCHEMA_HEAD, metadata
from telemetry.store import Store
from telemetry.store_copy import copy_store
from telemetry.upgrade import upgrade_store
from tests.telemetry.older import dump, make_older, next_migrations, next_program, schema
from tests.telemetry.test_store_mariadb import WRITES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def full(tmp_path: Path, store: Store) -> Path:
    """A store with rows in every table, which nobody has open."""
    for write in WRITES.values():
        write(store)
    store.close()
    path = tmp_path / "facts.sqlite"
    filled = {table: count(path, table) for table in metadata.tables}
    assert {table for table, rows in filled.items() if not rows} <= {"plan_fitness"}
    return path


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(found)


def beside(path: Path) -> set[str]:
    """Return the files of a store's folder, without what SQLite keeps beside an open one."""
    return {p.name for p in path.parent.iterdir() if not p.name.endswith(("-wal", "-shm"))}


def facts(path: Path, tables: set[str]) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of some tables."""
    with closing(sqlite3.connect(path)) as db:
        found = {t: db.execute(f"SELECT * FROM {t}").fetchall() for t in tables}  # noqa: S608
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def tables_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in names} - {"alembic_version"}


# Older stores


def test_an_older_store_is_refused_and_left_alone(full: Path) -> None:
    make_older(full, "0005")
    before = full.read_bytes()
    for read_only in (False, True):
        with pytest.raises(SchemaVersionError, match=r"is 0005, want 0006; an older .* upgrade"):
            Store.open(full, read_only=read_only)
    assert full.read_bytes() == before
    assert beside(full) == {"facts.sqlite"}


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005"])
def test_no_fact_is_lost_and_the_copy_is_the_store_as_it_was(full: Path, revision: str) -> None:
    make_older(full, revision)
    full.chmod(0o640)
    older, tables = dump(full), tables_of(full)
    held = facts(full, tables)
    assert {"homes", "slot_observations", "plans"} <= tables
    assert sum(map(len, held.values())) > 100
    copy = full.with_name("copy.sqlite")

    assert upgrade_store(full, copy_to=copy) == revision

    assert schema(full) == SCHEMA_HEAD
    assert facts(full, tables) == held
    assert tables_of(full) == set(metadata.tables)
    Store.open(full).close()
    assert (schema(copy), dump(copy)) == (revision, older)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o640
    assert beside(full) == {"facts.sqlite", "copy.sqlite"}
    # The copy in its place is that store again.
    copy.replace(full)
    assert upgrade_store(full) == revision
    assert facts(full, tables) == held


def test_a_store_of_this_program_is_not_copied(full: Path) -> None:
    before = dump(full)
    assert upgrade_store(full, copy_to=full.with_name("copy.sqlite")) == SCHEMA_HEAD
    assert dump(full) == before
    assert beside(full) == {"facts.sqlite"}


def test_newer_and_empty_stores_are_no_older_ones(full: Path) -> None:
    with sqlite3.connect(full) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(SchemaVersionError, match="is 9999, want 0006; a newer Darkstar"):
        upgrade_store(full, copy_to=full.with_name("copy.sqlite"))
    empty = full.with_name("empty.sqlite")
    with pytest.raises(SchemaVersionError, match="is none, want 0006"):
        upgrade_store(empty, copy_to=full.with_name("copy.sqlite"))
    assert beside(full) <= {"facts.sqlite", "empty.sqlite"}


# What ends an upgrade early


def test_a_migration_that_fails_leaves_the_store_as_it_was(full: Path, tmp_path: Path) -> None:
    scripts = next_migrations(
        tmp_path / "next",
        "op.execute('CREATE TABLE half (x INTEGER)')\n"
        "op.execute('DELETE FROM slot_observations')\n"
        "op.execute('INSERT INTO nowhere VALUES (1)')",
    )
    before, copy = dump(full), full.with_name("copy.sqlite")
    with (
        next_program(scripts),
        pytest.raises(MigrationError, match="from schema 0006 to 0007") as e,
    ):
        upgrade_store(full, copy_to=copy)
    assert "no such table: nowhere; the store is as it was, and a copy of it is" in str(e.value)
    assert f"{copy}; go on with the Darkstar that wrote it" in str(e.value)
    assert dump(full) == dump(copy) == before
    Store.open(full).close()


def test_a_kill_between_copy_and_end_leaves_a_store_that_opens(full: Path, tmp_path: Path) -> None:
    reached, copy = tmp_path / "reached", full.with_name("copy.sqlite")
    lines = [
        "op.execute('CREATE TABLE half (x INTEGER)')",
        "op.execute('DELETE FROM slot_observations')",
        f"Path({str(reached)!r}).touch()",
        "time.sleep(60)",
    ]
    scripts = next_migrations(tmp_path / "next", "\n".join(lines))
    code = (
        "from pathlib import Path\nfrom tests.telemetry.older import next_program\n"
        "from telemetry.upgrade import upgrade_store\n"
        f"with next_program(Path({str(scripts)!r})):\n"
        f"    upgrade_store({str(full)!r}, copy_to=Path({str(copy)!r}))\n"
    )
    before = dump(full)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        until = time.monotonic() + 60
        while not reached.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert dump(copy) == before
    with Store.open(full) as store:  # the Darkstar that wrote it goes on
        assert [home.home_id for home in store.homes()] == ["villa"]
    assert dump(full) == before
    with (scripts / "versions" / "0007_next.py").open("r+", encoding="utf-8") as file:
        shorter = file.read().replace("time.sleep(60)", "pass")
        file.seek(0)
        file.write(shorter)
        file.truncate()
    with next_program(scripts):
        assert upgrade_store(full, copy_to=copy) == "0006"
    assert (schema(full), count(full, "slot_observations")) == ("0007", 0)
    assert dump(copy) == before


# Copies


def test_there_is_no_copy_without_the_room(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_older(full, "0005")
    before = dump(full)
    usage = shutil.disk_usage(full.parent)._replace(free=20_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CopyError, match=r"no copy .* takes . MB and 20 MB must .* has 20 MB; free"):
        upgrade_store(full, copy_to=full.with_name("copy.sqlite"))
    assert dump(full) == before
    assert beside(full) == {"facts.sqlite"}


def test_a_disk_that_fills_leaves_no_half_copy(full: Path) -> None:
    code = (
        "import resource\nfrom pathlib import Path\nfrom telemetry.errors import CopyError\n"
        "from telemetry.store_copy import copy_store\n"
        f"path = Path({str(full)!r})\n"
        "size = path.stat().st_size // 2\nresource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "try:\n    copy_store(path, path.with_name('copy.sqlite'))\n"
        "except CopyError as err:\n    print(err)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "no copy of it was made at" in done.stdout
    assert beside(full) == {"facts.sqlite"}


def test_a_damaged_store_is_neither_copied_nor_upgraded(full: Path) -> None:
    make_older(full, "0005")
    with full.open("r+b") as file:
        file.seek(full.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)
    before = full.read_bytes()
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        upgrade_store(full, copy_to=full.with_name("copy.sqlite"))
    assert full.read_bytes() == before
    assert beside(full) == {"facts.sqlite"}


def test_a_copy_is_of_one_moment_while_others_write(full: Path) -> None:
    with closing(sqlite3.connect(full)) as db, db:
        db.execute("CREATE TABLE pairs (x INTEGER)")
    stop = Event()

    def write() -> None:
        with closing(sqlite3.connect(full, timeout=10)) as db:
            for number in range(1_000_000):
                with db:
                    db.execute("INSERT INTO pairs VALUES (?)", (number,))
                    db.execute("INSERT INTO pairs VALUES (?)", (number,))
                if stop.is_set():
                    return

    writer = Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            copy = full.with_name(f"copy{number}.sqlite")
            copy_store(full, copy)
            assert count(copy, "pairs") % 2 == 0
    finally:
        stop.set()
        writer.join()
    assert count(copy, "pairs") > 0


def test_a_copy_belongs_to_whom_the_store_belongs(full: Path) -> None:
    full.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(full, 65534, 65534)
    copy = full.with_name("copy.sqlite")
    copy_store(full, copy)
    found, like = copy.stat(), full.stat()
    assert (found.st_uid, found.st_gid, found.st_mode) == (like.st_uid, like.st_gid, like.st_mode)


def test_no_store_and_no_folder(tmp_path: Path, full: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: unable to open"):
        copy_store(tmp_path / "absent.sqlite", tmp_path / "copy.sqlite")
    with pytest.raises(CopyError, match=r"its folder cannot be used \(No such file"):
        copy_store(full, tmp_path / "absent" / "copy.sqlite")
