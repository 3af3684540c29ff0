"""One run at a time: an advisory lock on a file, let go when the process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runners.errors import EX_CANTCREAT, ConfigError, Problem

__all__ = ["only_one"]


@contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """Yield whether this process alone holds the lock; never waits.

    Raises:
        ConfigError: the file cannot be made.
    """
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as err:
        message = f"cannot be written ({err.strerror}); make its folder writable"
        problem = Problem("lock", "", message)
        raise ConfigError(str(path), [problem], exit_code=EX_CANTCREAT) from err
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
