"""What systemd would start and when: units as ``install-units`` writes them, on a clock of our own.

A timer's ``OnCalendar=`` is asked of ``systemd-analyze calendar``; what its service runs stands in
``ExecStart=``. Random delays are left out, the order within a moment is that of the seconds.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.runners.sandbox import settings

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
_ELAPSE = re.compile(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One start of a service.

    Attributes:
        at: when, UTC.
        unit: the service's name, without its ending.
        commands: what it runs, in order: words after the program.
    """

    at: datetime
    unit: str
    commands: tuple[tuple[str, ...], ...]


def firings(units: Mapping[str, str], start: datetime, end: datetime) -> list[Firing]:
    """Return what the timers among ``units`` start in [start, end), in order."""
    names = [Path(name).stem for name in units if name.endswith(".timer")]
    found = [
        Firing(at=at, unit=name, commands=_commands(units[f"{name}.service"]))
        for name in names
        for calendar in settings(units[f"{name}.timer"])["OnCalendar"]
        for at in _elapses(calendar, start, end)
    ]
    return sorted(found, key=lambda one: one.at)


def _commands(service: str) -> tuple[tuple[str, ...], ...]:
    lines = settings(service)["ExecStart"]
    return tuple(tuple(shlex.split(line.removeprefix("-"))[1:]) for line in lines)


def _elapses(calendar: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield when a calendar expression elapses."""
    most = int((end - start).total_seconds() / 900) + 2
    base = f"--base-time={start:%Y-%m-%d %H:%M:%S} UTC"
    told = subprocess.run(
        ["systemd-analyze", "calendar", base, f"--iterations={most}", calendar],
        env={"TZ": "UTC", "LC_ALL": "C", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for text in _ELAPSE.findall(told):
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        if at < end:
            yield at
