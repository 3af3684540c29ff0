"""``darkstar upgrade``: the store brought to the schema of this program, at a time of one's choice.

Jobs do the same by themselves with a store in a file (``runners.store_access``); a store on a
server waits for this command, and for ``--backed-up``.
"""

from __future__ import annotations

from pathlib import Path

from runners.config import Config, load_config
from runners.contract import JobRun, job_run
from runners.dates import utc_now
from runners.errors import EX_USAGE, ConfigError, Problem
from runners.output import console, write_json
from runners.store_access import LOCKED_JOBS, backup_names, upgrade
from telemetry.errors import SchemaVersionError
from telemetry.schema import SCHEMA_HEAD
from telemetry.store import Store
from telemetry.store_copy import check_room, store_file

__all__ = ["run_upgrade"]

_MEGABYTE = 1e6


def run_upgrade(
    *,
    config_path: Path,
    dry_run: bool = False,
    backed_up: bool = False,
    json_path: str | None = None,
) -> None:
    """Copy the store and migrate it, where an older Darkstar wrote it.

    Args:
        config_path: the configuration.
        dry_run: say what would be done, and do nothing.
        backed_up: somebody made a backup: make none.
        json_path: where the result goes as JSON; ``-`` is stdout.

    Raises:
        ConfigError: the configuration; a server's store without a backup; another job at work.
        StoreError: there is no store, or it cannot be read, copied or migrated.
    """
    with job_run("upgrade", dry_run=dry_run) as run:
        config, out = load_config(config_path), console(json_path)
        older = _older(config)
        found = SCHEMA_HEAD if older is None else older.got
        facts: dict[str, object] = {"found": found, "wanted": SCHEMA_HEAD, "backup": None}
        if older is None:
            out.print(f"the store has schema {SCHEMA_HEAD}, this program's: nothing to do")
        elif dry_run:
            out.print(_what_would_be_done(config, older, backed_up=backed_up), soft_wrap=True)
        else:
            facts["backup"] = _upgraded(config, older, run, backed_up=backed_up)
        run.tell(schema_found=found, schema=found if dry_run else SCHEMA_HEAD)
        if json_path is not None:
            write_json(json_path, facts | {"upgraded": older is not None and not dry_run})


def _older(config: Config) -> SchemaVersionError | None:
    """Return how an older store was refused; None: it has this program's schema.

    Raises:
        StoreError: there is none, or it cannot be read, or is a newer one.
    """
    try:
        Store.open(config.store_url, read_only=True).close()
    except SchemaVersionError as err:
        if not err.older:
            raise
        return err
    return None


def _upgraded(
    config: Config, older: SchemaVersionError, run: JobRun, *, backed_up: bool
) -> Path | None:
    """Upgrade; return where the store is as it was."""
    _refuse_unsaved(config, older, backed_up=backed_up)
    return upgrade(config, older, run=run, backed_up=backed_up).backup


def _what_would_be_done(config: Config, older: SchemaVersionError, *, backed_up: bool) -> str:
    """Say it.

    Raises:
        ConfigError, StoreError: it would be refused.
    """
    _refuse_unsaved(config, older, backed_up=backed_up)
    file, wait = store_file(config.store_url), config.store.upgrade_wait_seconds
    said = f"store {older.store} has schema {older.got}, this program's is {older.want}. It would "
    said += f"wait {wait:g} s at most for jobs at work ({', '.join(LOCKED_JOBS)}), "
    if file is not None and not backed_up:
        _, backup = backup_names(file, older.got, utc_now())
        size = check_room(file, backup) / _MEGABYTE
        said += f"copy {size:.1f} MB to {backup}, "
    return said + "and migrate the store. Nothing was changed"


def _refuse_unsaved(config: Config, older: SchemaVersionError, *, backed_up: bool) -> None:
    """Refuse a server's store of which nobody says that there is a backup.

    Raises:
        ConfigError: it is one.
    """
    if backed_up or store_file(config.store_url) is not None:
        return
    message = (
        f"its schema {older.got} is to be brought to {older.want}, and no copy of a server's "
        "database is made here; stop the jobs on every machine that uses it, back it up "
        "(mariadb-dump --single-transaction), then give --backed-up"
    )
    raise ConfigError(
        f"store {older.store}", [Problem("--backed-up", "", message)], exit_code=EX_USAGE
    )


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("upgrade")
