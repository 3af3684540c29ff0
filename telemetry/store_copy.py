"""A copy of a store that is in use: one file, consistent, checked.

    copy_store("darkstar.sqlite", Path("copy.sqlite"))

SQLite's online backup: the copy is what was committed at one moment, whoever writes meanwhile. It
is written under another name, checked, and only then takes its own; it is never more open than the
store. Stores on a server are copied by that server's tools.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from telemetry.database import BUSY_TIMEOUT_MS, cure_of
from telemetry.errors import CopyError, StoreError

__all__ = ["check_room", "copy_store", "store_file"]

_SPARE_BYTES = 20_000_000
"""What must stay free beside a copy, for what the store itself goes on to write."""
_MEGABYTE = 1e6
_SIDE_FILES = ("", "-journal", "-wal", "-shm")


def store_file(place: str | os.PathLike[str]) -> Path | None:
    """Return the file of an SQLite store by its path or URL; None: a server has it."""
    text = os.fspath(place)
    if "://" not in text:
        return Path(text)
    url = sa.make_url(text)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def copy_store(source: Path, to: Path) -> None:
    """Copy the file of a store, of whatever schema; a copy that is there is replaced.

    Raises:
        CopyError: there is no room for it, or it cannot be written.
        StoreError: the store cannot be read, or is damaged.
    """
    store, part = f"sqlite:///{source}", to.with_name(f".{to.name}.part")
    try:
        with closing(_open(source)) as original:
            _check_room(store, original, to)
            _remove(part)
            _write(original, part, store)
        _own(part, source.stat())
        _settle(part, to)
    except (sqlite3.Error, OSError) as err:
        cure = cure_of(err) or "check the folder, its rights and its disk"
        raise CopyError(store, str(to), f"{err}; {cure}") from err
    finally:
        _remove(part)


def check_room(source: Path, to: Path) -> int:
    """Return the bytes that a copy takes.

    Raises:
        CopyError: there is no room for it, or no such folder.
        StoreError: the store cannot be read.
    """
    store = f"sqlite:///{source}"
    with closing(_open(source)) as original:
        return _check_room(store, original, to)


def _open(source: Path) -> sqlite3.Connection:
    """Open a store for reading.

    Raises:
        StoreError: it cannot be read.
    """
    uri = f"{source.absolute().as_uri()}?mode=ro"
    try:
        opened = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1e3)
        opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as err:
        cure = cure_of(err) or "check path and rights"
        raise StoreError(f"sqlite:///{source}", f"cannot be read: {err}; {cure}") from err
    return opened


def _check_room(store: str, original: sqlite3.Connection, to: Path) -> int:
    (pages,), (page_bytes,) = (
        original.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
    )
    try:
        free = shutil.disk_usage(to.parent).free
    except OSError as err:
        reason = f"its folder cannot be used ({err.strerror}); make it, or name another"
        raise CopyError(store, str(to), reason) from err
    needed: int = pages * page_bytes
    if free < needed + _SPARE_BYTES:
        reason = (
            f"it takes {needed / _MEGABYTE:.0f} MB and {_SPARE_BYTES / _MEGABYTE:.0f} MB must stay "
            f"free, but {to.parent} has {free / _MEGABYTE:.0f} MB; free some space"
        )
        raise CopyError(store, str(to), reason)
    return needed


def _write(original: sqlite3.Connection, part: Path, store: str) -> None:
    """Write a copy that nobody else can read yet, and check it."""
    part.touch(mode=0o600, exist_ok=False)
    with closing(sqlite3.connect(part)) as copy:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        said = " ".join(str(found).split())
        raise StoreError(store, f"is damaged ({said}); put a copy made before in its place")


def _own(part: Path, like: os.stat_result) -> None:
    """Let a copy be its store's owner's, also where root made it, and as open."""
    if os.geteuid() == 0:
        os.chown(part, like.st_uid, like.st_gid)
    part.chmod(stat.S_IMODE(like.st_mode))


def _settle(part: Path, to: Path) -> None:
    """Give a complete file its name, so that neither is lost in a power cut."""
    for path, rename in ((part, True), (to.parent, False)):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if rename:
            part.replace(to)


def _remove(part: Path) -> None:
    for end in _SIDE_FILES:
        part.with_name(part.name + end).unlink(missing_ok=True)
