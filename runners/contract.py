"""The contract of every job, whether a timer starts it or a person.

    with job_run("record", now=now, dry_run=dry_run) as run:
        config = load_config(config_path)
        if run.begins(config, homes):                  # else another one is at work: exit code 0
            with job_store(config, run) as store:
                run.check_clock(store, homes)
                ...                                    # at run.moment()
                run.tell(slots=96)

* One run of a job and home at a time, by a lock beside the store (``runners.lock``); a second one
  leaves with a word.
* A clock that shows less than the newest measurement is refused: facts would be misfiled.
* A dry run asks and computes all, prints it, and writes nothing; it takes no lock.
* ``now`` is the moment as the job shall believe it, everywhere it asks for the time.
* One summary line a run, the last on stderr, as ``key=value``; tables and JSON stay on stdout.
* A foreseeable fault is a red line and an exit code, as sysexits.h has them:

    0   done, or left to another run           73  an output cannot be written
    2   options that cannot be used            75  try again later: a lock, the clock, no prices yet
    65  data, or a store, that cannot be used  76  a service answers what nobody can use
    66  no such input file                     77  a service refuses the token or the login
    69  a service does not answer              78  the configuration

    1   nobody foresaw it: with its traceback; or whoever read stdout left before the end
    130 interrupted (Ctrl-C), or 143 ended (SIGTERM: ``TimeoutStartSec=`` is over): what was
        committed stays

Files are replaced whole (``runners.output``), facts committed in transactions, and running again
changes nothing that is there already. Every call to a network ends by itself.

Jobs of the timers (``runners.units``) keep all of it. What only a person runs (``import``,
``backfill``, ``repair``, ``manual``, what looks back) keeps exit codes, whole files and
transactions: it takes no lock of a job, has no summary and takes the clock as it is.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ParamSpec

import typer

from runners.dates import utc_now
from runners.endings import (
    INTERRUPTED,
    UNFORESEEN,
    ended_with_a_word,
    exit_code,
    status,
    told,
)
from runners.errors import EX_TEMPFAIL, ConfigError, Problem
from runners.lock import lock_file, one_of_many, only_one
from runners.store_access import open_store

if TYPE_CHECKING:
    from runners.config import Config
    from telemetry.store import Store

__all__ = ["JobRun", "job", "job_run", "job_store", "logfmt"]

P = ParamSpec("P")
CLOCK_TOLERANCE = timedelta(minutes=30)
"""Two slots: what is measured now is filed under a slot that ends a quarter-hour on at most."""
_SLOT = timedelta(minutes=15)
_KERNELS = "NUMBA_CACHE_DIR"


@dataclass(slots=True, kw_only=True)
class JobRun:
    """One run of a job, and what its summary line says.

    Attributes:
        job: its name, as of the command.
        dry_run: whether nothing is to be written.
        look_back: whether it is a look at the past by hand: no lock, no check of the clock and no
            summary line.
        exit_code: what the command ends with; other than 0 it has failed.
        homes: whose facts it is about.
        locked_job: the job whose lock it holds; None: it holds none.
    """

    job: str
    dry_run: bool = False
    look_back: bool = False
    exit_code: int = 0
    homes: tuple[str, ...] = ()
    locked_job: str | None = None
    _now: datetime | None = None
    _clock: Callable[[], datetime] | None = None
    _left: bool = False
    _facts: dict[str, object] = field(default_factory=dict)
    _held: ExitStack = field(default_factory=ExitStack)

    def begins(
        self, config: Config, homes: Sequence[str] = (), *, whole_store: bool = False
    ) -> bool:
        """Take the lock until the run ends; return False, and say so, where another one has it.

        Runs about one home each keep out of each other's way only where it is the same one.

        Args:
            config: whose store.
            homes: whose facts it is about.
            whole_store: whether it is about all that is stored, whichever homes are configured.

        Raises:
            ConfigError: the lock's file cannot be made.
        """
        self.homes = tuple(homes)
        if self.dry_run or self.look_back:
            return True
        if self._locked(config, whole_store=whole_store):
            self.locked_job = self.job
            return True
        self._left = True
        _say(f"another darkstar {self.job} is at work here: left it to that one")
        return False

    def _locked(self, config: Config, *, whole_store: bool) -> bool:
        """Whether nobody else had the lock."""
        of_all = lock_file(config, self.job)
        if whole_store or len(self.homes) != 1:
            return self._held.enter_context(only_one(of_all))
        of_home = lock_file(config, self.job, self.homes[0])
        return self._held.enter_context(one_of_many(of_all)) and self._held.enter_context(
            only_one(of_home)
        )

    def moment(self) -> datetime:
        """Return the time as the job shall believe it: what was given, else the clock's."""
        if self._now is not None:
            return self._now
        return utc_now() if self._clock is None else self._clock()

    def check_clock(self, store: Store, homes: Sequence[str]) -> None:
        """Refuse a moment earlier than what the house's own meters measured already.

        Imported files do not count: their clock is not this machine's.

        Raises:
            ConfigError: it is, by more than ``CLOCK_TOLERANCE``; exit code 75.
        """
        if self.look_back:
            return
        now = self.moment()
        measured = {home: end for home in homes if (end := _measured_after(store, home, now))}
        if measured:
            home = max(measured, key=lambda one: measured[one])
            raise ConfigError(
                "clock", [Problem("", "", _early(home, measured[home], now))], exit_code=EX_TEMPFAIL
            )

    def tell(self, **facts: object) -> None:
        """Add facts to the summary line."""
        self._facts |= facts

    def summary(self, exit_code: int, seconds: float, error: BaseException | None = None) -> str:
        """Return the summary line."""
        status = "failed" if exit_code else "skipped" if self._left else "ok"
        facts: dict[str, object] = {
            "job": self.job,
            "home": ",".join(self.homes),
            "status": status,
            "seconds": seconds,
            "exit": exit_code,
        }
        if error is not None:
            facts["error"] = type(error).__name__
        if self.dry_run:
            facts["dry_run"] = True
        if self._now is not None:
            facts["now"] = self._now
        return logfmt(facts | self._facts)


@contextmanager
def job_run(
    name: str,
    *,
    home_id: str | None = None,
    now: datetime | None = None,
    clock: Callable[[], datetime] | None = None,
    dry_run: bool = False,
    look_back: bool = False,
) -> Iterator[JobRun]:
    """Carry one run of a job: its lock, its log and its summary line.

    The summary of a run that fails is a note of its exception: ``job`` prints it after the red
    line, Python after a traceback.

    Args:
        name: of the job, as of its command.
        home_id: which home, where one was named.
        now: the moment to believe, where one was given; it is told.
        clock: tells the time where none was given; None: the machine's.
        dry_run: whether nothing is to be written.
        look_back: see ``JobRun``.
    """
    run = JobRun(
        job=name,
        dry_run=dry_run,
        look_back=look_back,
        homes=() if home_id is None else (home_id,),
        _now=None if now is None else now.astimezone(UTC),
        _clock=clock,
    )
    began = monotonic()
    with _logging(), ended_with_a_word():
        try:
            with run._held:  # noqa: SLF001 - one module
                yield run
        except Exception as err:
            code = exit_code(err) or UNFORESEEN
            if not look_back:
                err.add_note(run.summary(code, monotonic() - began, err))
            raise
        except SystemExit as err:
            _say_summary(run, status(err), began, err)
            raise
        except BaseException as err:
            _say_summary(run, INTERRUPTED, began, err)
            raise
        _say_summary(run, run.exit_code, began)


@contextmanager
def job_store(config: Config, run: JobRun) -> Iterator[Store]:
    """Open the store of a job; in a dry run whatever is written is undone at the end.

    A dry run on a store that is not there yet has one in memory; one of an older Darkstar is
    refused, as it would have to be upgraded.

    Raises:
        ConfigError: it is to be upgraded, and another job is at work; exit code 75.
        StoreError: it cannot be opened.
    """
    if not run.dry_run:
        with open_store(config, run=run) as store:
            yield store
        return
    from telemetry.store import Store  # noqa: PLC0415 - numpy, SQLAlchemy

    place, system_id = config.store_url, config.system.system_id
    if "://" not in place and not Path(place).exists():
        with Store.open(":memory:", system_id=system_id) as store:
            yield store
        return
    Store.open(place, read_only=True).close()
    with Store.open(place, system_id=system_id) as store, store.undone():
        yield store


def job(function: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into a red line and an exit code; others keep their traceback."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        _keep_kernels()
        try:
            function(*args, **kwargs)
        except Exception as err:
            code = exit_code(err)
            if code is None:
                raise
            for line in told(err).splitlines():
                typer.secho(line, fg=typer.colors.RED, err=True)
            for note in getattr(err, "__notes__", ()):
                typer.secho(note, dim=True, err=True)
            raise typer.Exit(code) from None

    return wrapped


def logfmt(facts: Mapping[str, object]) -> str:
    """Return facts as ``key=value``: times UTC, texts in quotes where they need them."""
    return " ".join(f"{key}={_value(value)}" for key, value in facts.items() if value is not None)


def _value(value: object) -> str:
    """Return one value as logfmt has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    text = " ".join(str(value).split())
    if text and not any(mark in text for mark in ' ="\\'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Logfmt(logging.Formatter):
    """Warnings of the floors below, in the form of the summary line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        level, message = record.levelname.lower(), record.getMessage()
        return logfmt({"level": level, "logger": record.name, "msg": message})


@contextmanager
def _logging() -> Iterator[None]:
    """Let warnings of the floors below come to stderr, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Logfmt())
    handler.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _say(line: str) -> None:
    """Print a line for the journal, or for who looks on."""
    typer.secho(line, dim=True, err=True)


def _say_summary(
    run: JobRun, exit_code: int, began: float, error: BaseException | None = None
) -> None:
    if not run.look_back:
        _say(run.summary(exit_code, monotonic() - began, error))


def _measured_after(store: Store, home_id: str, now: datetime) -> datetime | None:
    """Return the end of the newest slot measured too long after ``now``; None where none is."""
    from telemetry.errors import UnknownHomeError  # noqa: PLC0415 - numpy

    try:
        newest = store.measured_after(home_id, now + CLOCK_TOLERANCE - _SLOT)
    except UnknownHomeError:
        return None
    return None if newest is None else newest + _SLOT


def _early(home: str, end: datetime, now: datetime) -> str:
    """Say that the clock is wrong, and what to do."""
    return (
        f"shows {now:%Y-%m-%d %H:%M} UTC, but {home} was measured until {end:%Y-%m-%d %H:%M} UTC "
        "already; nothing was done: wait until this machine has taken its time from the network "
        "(timedatectl), then run it again"
    )


def _keep_kernels() -> None:
    """Keep compiled kernels where ``NUMBA_CACHE_DIR`` says, as units do; below nobody asks it."""
    folder = os.environ.get(_KERNELS)
    if folder:
        from mpc.jit import keep_compiled_in  # noqa: PLC0415 - the solver takes 0.1 s to import

        keep_compiled_in(Path(folder))
