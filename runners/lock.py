"""Advisory locks on files beside the store, let go when the process ends, however it ends.

A job holds ``.darkstar-JOB.lock`` alone. Every command that writes holds ``.darkstar-store.lock``
together with others while it has the store open; an upgrade of the store holds all of them alone
(``runners.store_access``).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, TextIO

from runners.errors import EX_CANTCREAT, ConfigError, Problem

if TYPE_CHECKING:
    from runners.config import Config

__all__ = ["lock_file", "one_of_many", "only_one"]

_NAP_SECONDS = 0.05


def lock_file(config: Config, job: str) -> Path:
    """Return the lock's file: beside a store that is a file, else beside the configuration."""
    url = config.store_url
    beside = config.path if "://" in url else Path(url)
    return beside.parent / f".darkstar-{job}.lock"


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
