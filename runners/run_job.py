"""``darkstar run-job``: all commands of one job of the timers, as its unit runs them.

They run one after the other in this process, each as by hand, with its own summary line. One that
fails keeps no other from its turn; the first failure's exit code is that of all. "Try again later"
is told only where nothing worse happened. One that is interrupted is the last.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from runners.config import load_config
from runners.errors import EX_TEMPFAIL, EX_USAGE, ConfigError, Problem
from runners.units import JOBS, commands_of

__all__ = ["run_commands"]

_UNFORESEEN = 1
_SIGNALS = 128
"""From here on an exit code tells of a signal."""


def run_commands(
    name: str, *, config_path: Path, now: datetime | None = None, dry_run: bool = False
) -> int:
    """Run the commands of a job, and return the exit code.

    Args:
        name: of the job, as of its unit.
        config_path: the configuration.
        now: the moment as all of them shall believe it, aware; None: the clock's.
        dry_run: they ask and compute all, and write nothing.

    Raises:
        ConfigError: the configuration, no such job, or one that no home has a use for.
    """
    config = load_config(config_path)
    job = next((job for job in JOBS if job.name == name), None)
    commands = [] if job is None else commands_of(job, config)
    if not commands:
        known = ", ".join(job.name for job in JOBS if commands_of(job, config))
        message = f"no job that a home of {config_path} has a use for; name one of: {known}"
        raise ConfigError("run-job", [Problem("JOB", name, message)], exit_code=EX_USAGE)
    given = ["--dry-run"] if dry_run else []
    given += [] if now is None else ["--now", now.isoformat()]
    codes: list[int] = []
    for words in commands:
        codes.append(_run([*words, *given]))
        if codes[-1] >= _SIGNALS:
            return codes[-1]
    failures = [code for code in codes if code]
    return next((code for code in failures if code != EX_TEMPFAIL), max(failures, default=0))


def _run(words: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    from runners.cli import app  # noqa: PLC0415 - that imports this module's command

    try:
        app(list(words))
    except SystemExit as err:
        return err.code if isinstance(err.code, int) else _UNFORESEEN
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return _UNFORESEEN
    return 0


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("run-job")
