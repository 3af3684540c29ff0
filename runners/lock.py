"""Advisory locks on files beside the store, let go when the process ends, however it ends.

They are named after the store, so that two stores in one folder have nothing to do with each other
(below for ``darkstar.sqlite``):

    .darkstar.sqlite-JOB.lock        a job that is about no home, or about several, holds it alone;
                                     one that is about one home, together with others
    .darkstar.sqlite-JOB-HOME.lock   and that one alone
    .darkstar.sqlite-store.lock      every command that writes, together with others, while it has
                                     the store open

An upgrade of the store holds all but those of single homes alone (``runners.store_access``).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

from runners.errors import EX_CANTCREAT, ConfigError, Problem

if TYPE_CHECKING:
    from runners.config import Config

__all__ = ["lock_file", "one_of_many", "only_one"]

_NAP_SECONDS = 0.05
_SERVER_PORT = 3306


def lock_file(config: Config, job: str, home: str | None = None) -> Path:
    """Return the lock's file: beside a store that is a file, else beside the configuration.

    Args:
        config: whose store; ways to one file by links are one store.
        job: whose lock.
        home: the one that the job is about; None: whichever.
    """
    folder, store = _store(config)
    of_home = "" if home is None else f"-{quote(home, safe='')}"
    return folder / f".{store}-{job}{of_home}.lock"


def _store(config: Config) -> tuple[Path, str]:
    """Return the folder for locks of a store, and its name as one of files."""
    place = config.store_url
    if "://" not in place:
        file = Path(place).resolve()
        return file.parent, file.name
    from sqlalchemy import make_url  # noqa: PLC0415 - 0.1 s, and most stores are paths

    url = make_url(place)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "").resolve()
        return file.parent, file.name
    server = f"{url.host or 'localhost'}:{url.port or _SERVER_PORT}/{url.database}"
    return config.path.parent, quote(server, safe="")


@contextmanager
def only_one(path: Path, *, wait_seconds: float = 0.0) -> Iterator[bool]:
    """Yield whether this process alone holds the lock, after so long at most.

    Raises:
        ConfigError: the file cannot be made.
    """
    with _opened(path) as file:
        yield _taken(file, fcntl.LOCK_EX, wait_seconds)


@contextmanager
def one_of_many(path: Path, *, wait_seconds: float = 0.0) -> Iterator[bool]:
    """Yield whether this process holds the lock, which no ``only_one`` has then.

    Raises:
        ConfigError: the file cannot be made.
    """
    with _opened(path) as file:
        yield _taken(file, fcntl.LOCK_SH, wait_seconds)


def _opened(path: Path) -> TextIO:
    """Open the file of a lock; one that root makes is its folder's owner's, as he needs it too."""
    try:
        made = not path.exists()
        file = path.open("a", encoding="utf-8")
        if made and os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    except OSError as err:
        message = f"cannot be written ({err.strerror}); make its folder writable"
        problem = Problem("lock", "", message)
        raise ConfigError(str(path), [problem], exit_code=EX_CANTCREAT) from err
    return file


def _taken(file: TextIO, how: int, wait_seconds: float) -> bool:
    """Whether the lock could be had."""
    until = monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() >= until:
                return False
            sleep(_NAP_SECONDS)
        else:
            return True
