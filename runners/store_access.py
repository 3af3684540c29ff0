"""The one way to a store that is written: every command opens it here, so none migrates unguarded.

    with open_store(config) as store:
        ...

A store of an older Darkstar in a file is brought to the schema of this one first:

* Nobody else is at work with it: the locks of all jobs are taken, and that of the store, which
  every command holds that has it open for writing. Who is at work longer than
  ``store.upgrade_wait_seconds`` is named, and the store stays as it is: exit code 75. Of two that
  want to upgrade one does; the other ends with 75 at once, so that neither waits for the other.
* It is copied first, beside itself, as ``NAME-schema-0005-20260801T101500Z.sqlite``. Until the
  migration is complete the copy is ``NAME-schema-0005-upgrading.sqlite``, replaced by every try, so
  that tries that are cut off never fill the disk.

A store on a server is migrated by ``darkstar upgrade --backed-up`` alone: dumping it is the
server's job, and no lock here keeps another machine from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import typer

from runners.dates import utc_now
from runners.errors import EX_TEMPFAIL, ConfigError, Problem
from runners.lock import lock_file, one_of_many, only_one

if TYPE_CHECKING:
    from runners.config import Config
    from runners.contract import JobRun
    from telemetry.errors import SchemaVersionError
    from telemetry.store import Store

__all__ = ["LOCKED_JOBS", "Upgrade", "backup_names", "open_store", "upgrade"]

LOCKED_JOBS = (
    "record",
    "plan",
    "publish",
    "mirror",
    "weather",
    "prices",
    "validate",
    "train",
    "backup",
)
"""All jobs that take a lock."""
_STORE, _UPGRADE = "store", "upgrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """A store brought to the schema of this program.

    Attributes:
        store: it, as messages show it.
        found: the schema it had.
        wanted: the schema it has.
        backup: the copy of it as it was; None: none was made.
    """

    store: str
    found: str
    wanted: str
    backup: Path | None


@contextmanager
def open_store(
    config: Config, *, system_id: str | None = None, run: JobRun | None = None
) -> Iterator[Store]:
    """Open the store for writing; upgrade it first where an older Darkstar wrote its file.

    Args:
        config: whose store.
        system_id: who writes; None: as configured.
        run: the job that opens it; its summary names the backup.

    Raises:
        ConfigError: it is to be upgraded, and another job is at work; exit code 75.
        StoreError: it cannot be opened, copied or migrated.
    """
    from telemetry.errors import SchemaVersionError  # noqa: PLC0415 - numpy
    from telemetry.store_copy import store_file  # noqa: PLC0415 - SQLAlchemy

    file = store_file(config.store_url)
    name = config.system.system_id if system_id is None else system_id
    with ExitStack() as held:
        try:
            store = held.enter_context(_opened(config, name, file))
        except SchemaVersionError as err:
            if not err.older or file is None:
                raise
            upgrade(config, err, run=run)
            store = held.enter_context(_opened(config, name, file))
        yield store


@contextmanager
def _opened(config: Config, system_id: str, file: Path | None) -> Iterator[Store]:
    """Open the store while no upgrade goes on.

    Raises:
        ConfigError: one goes on for too long.
    """
    from telemetry.store import Store  # noqa: PLC0415 - numpy, SQLAlchemy

    lock, wait = lock_file(config, _STORE), config.store.upgrade_wait_seconds
    with ExitStack() as held:
        if file is not None and not held.enter_context(one_of_many(lock, wait_seconds=wait)):
            raise _busy(str(file), "another darkstar upgrades it", "try again when it has finished")
        yield held.enter_context(Store.open(config.store_url, system_id=system_id))


def upgrade(
    config: Config,
    older: SchemaVersionError,
    *,
    run: JobRun | None = None,
    backed_up: bool = False,
) -> Upgrade:
    """Bring the store to the schema of this program while nobody else is at work with it; say so.

    Args:
        config: whose store.
        older: with what it was refused.
        run: the job that does it; its summary names the backup.
        backed_up: whether somebody made a backup, so that none is made here.

    Raises:
        ConfigError: another job is at work; exit code 75.
        StoreError: it cannot be copied or migrated.
    """
    from telemetry.store_copy import store_file  # noqa: PLC0415 - SQLAlchemy
    from telemetry.upgrade import upgrade_store  # noqa: PLC0415 - the same

    file = store_file(config.store_url)
    unfinished, backup = (None, None)
    if file is not None and not backed_up:
        unfinished, backup = backup_names(file, older.got, utc_now())
    with _nobody_else(config, older, None if run is None else run.locked_job):
        found = upgrade_store(config.store_url, copy_to=unfinished)
        if unfinished is not None and backup is not None and found != older.want:
            unfinished.replace(backup)
    done = Upgrade(store=older.store, found=found, wanted=older.want, backup=backup)
    _tell(done, run)
    return done


def backup_names(file: Path, schema: str, moment: datetime) -> tuple[Path, Path]:
    """Return how the copy of a store is called until it is upgraded, and from then on."""
    name = f"{file.stem}-schema-{schema}"
    return (
        file.with_name(f"{name}-upgrading{file.suffix}"),
        file.with_name(f"{name}-{moment:%Y%m%dT%H%M%SZ}{file.suffix}"),
    )


@contextmanager
def _nobody_else(config: Config, older: SchemaVersionError, mine: str | None) -> Iterator[None]:
    """Hold every lock but ``mine``, which this process has already.

    Raises:
        ConfigError: somebody is at work for too long.
    """
    until = monotonic() + config.store.upgrade_wait_seconds
    with ExitStack() as held:
        if not held.enter_context(only_one(lock_file(config, _UPGRADE))):
            raise _busy(
                older.store, "another darkstar upgrades it", "try again when it has finished"
            )
        for name in (*LOCKED_JOBS, _STORE):
            left = max(0.0, until - monotonic())
            if name != mine and not held.enter_context(
                only_one(lock_file(config, name), wait_seconds=left)
            ):
                raise _at_work(older, name)
        yield


def _at_work(older: SchemaVersionError, name: str) -> ConfigError:
    """Say who keeps the store from being upgraded."""
    who = "another command has it open" if name == _STORE else f"darkstar {name} is at work"
    return _busy(
        older.store,
        f"its schema {older.got} is to be brought to {older.want}, but {who}",
        "it is as it was; let that finish or end it, then run darkstar upgrade, or this again",
    )


def _busy(store: str, fault: str, cure: str) -> ConfigError:
    return ConfigError(
        f"store {store}", [Problem("", "", f"{fault}; {cure}")], exit_code=EX_TEMPFAIL
    )


def _tell(done: Upgrade, run: JobRun | None) -> None:
    """Say what was done, for the journal and for who looks on."""
    if done.found == done.wanted:
        return
    text = f"store {done.store}: brought from schema {done.found} to {done.wanted}"
    if done.backup is not None:
        text += f"; as it was before: {done.backup} (delete it when nobody wants to go back)"
    typer.secho(text, dim=True, err=True)
    if run is not None:
        run.tell(schema_found=done.found, schema=done.wanted, backup=done.backup)
