"""``darkstar backup FILE``: a copy of the store while jobs run; configuration and models are files.

The copy is a store of its own: one file, checked, and as private as the original.
"""

from __future__ import annotations

from pathlib import Path

from runners.config import load_config
from runners.contract import job_run
from runners.errors import EX_CANTCREAT, EX_USAGE, ConfigError, Problem
from runners.output import console, write_json
from telemetry.store_copy import copy_store, store_file

__all__ = ["run_backup"]

_MEGABYTE = 1e6


def run_backup(*, config_path: Path, to: Path, json_path: str | None = None) -> None:
    """Copy the store to a file that is not there yet.

    Args:
        config_path: the configuration.
        to: the copy.
        json_path: where the result goes as JSON; ``-`` is stdout.

    Raises:
        ConfigError: the configuration; a file that is there; a store on a server.
        StoreError: the store cannot be read, or the copy not be written.
    """
    with job_run("backup") as run:
        config = load_config(config_path)
        file = store_file(config.store_url)
        if file is None:
            message = "the store is a server's: back it up there (mariadb-dump)"
            raise ConfigError("backup", [Problem("", "", message)], exit_code=EX_USAGE)
        if to.exists():
            message = "is there already, and no backup is replaced; name another file"
            raise ConfigError(str(to), [Problem("", "", message)], exit_code=EX_CANTCREAT)
        if not run.begins(config):
            return
        copy_store(file, to)
        size = to.stat().st_size
        run.tell(backup=to, megabytes=size / _MEGABYTE)
        console(json_path).print(f"{to}: {size / _MEGABYTE:.1f} MB, checked", soft_wrap=True)
        if json_path is not None:
            write_json(json_path, {"store": str(file), "backup": str(to), "bytes": size})


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("backup")
