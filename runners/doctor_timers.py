"""The doctor looks at systemd: which timers there are, and how their last runs ended."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from runners.doctor_line import Line, failure, fine, warning

__all__ = ["Ask", "check_timers", "systemctl"]

Ask = Callable[[Sequence[str]], str | None]
"""Takes words for systemctl, gives what it says; None where there is no systemd."""

_PROPERTIES = "Id,LoadState,ActiveState,Result,ExecMainStatus,ExecMainExitTimestamp"
_SECONDS = 5.0
_OF_USER = "--user"
_INSTALL = "darkstar install-units writes them"


def systemctl(words: Sequence[str]) -> str | None:
    """Ask systemd; None where it is not there or does not answer."""
    program = shutil.which("systemctl")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - words of ours
            [program, *words], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def check_timers(jobs: Sequence[str], ask: Ask = systemctl) -> Iterator[Line]:
    """Say which timers are there and run, and which services failed last.

    Args:
        jobs: names of the jobs that the configuration has a use for.
        ask: systemd.
    """
    found = _units(jobs, ask)
    if found is None:
        yield warning(
            "timers",
            "no systemd answers here",
            "run the jobs by other means: record and plan every 15 minutes, prices and weather "
            "every hour",
        )
        return
    for job in jobs:
        user, units = found.get(job, ("", {}))
        timer, service = units.get("timer", {}), units.get("service", {})
        yield _of_job(job, user, timer, service)


def _of_job(job: str, user: str, timer: Mapping[str, str], service: Mapping[str, str]) -> Line:
    """Say how one job is."""
    name = f"darkstar-{job}"
    if timer.get("LoadState") != "loaded":
        return warning("timers", f"{name}.timer is not there", f"{_INSTALL}; enable it then")
    words = f"systemctl {user}".strip()
    if timer.get("ActiveState") != "active":
        cure = f"{words} enable --now {name}.timer"
        return failure("timers", f"{name}.timer is {timer.get('ActiveState', 'unknown')}", cure)
    if service.get("Result", "success") != "success":
        told = f"{name} failed last: {service['Result']} {service.get('ExecMainStatus', '')}"
        log = f"journalctl {user} -u {name}".replace("  ", " ")
        return failure("timers", told.strip(), f"{log} tells why")
    return fine("timers", f"{name}.timer is active, {_last_run(service)}")


def _last_run(service: Mapping[str, str]) -> str:
    """Say when a service last ended well; systemd calls one that never ran a success, too."""
    if service.get("ActiveState") == "activating":
        return "it runs just now"
    ended = service.get("ExecMainExitTimestamp", "")
    if not ended:
        return "it has not run yet since this machine started"
    return f"its last run succeeded, {ended}"


def _units(
    jobs: Sequence[str], ask: Ask
) -> dict[str, tuple[str, dict[str, dict[str, str]]]] | None:
    """Return of each job whose systemd has its timer, and what is known of its units.

    Those of the system go before those of the user. None where no systemd answers.
    """
    kinds = ("timer", "service")
    names = [f"darkstar-{job}.{kind}" for job in jobs for kind in kinds]
    found: dict[str, tuple[str, dict[str, dict[str, str]]]] = {}
    answered = False
    for user in ("", _OF_USER):
        words = [*filter(None, [user]), "show", f"--property={_PROPERTIES}", *names]
        said = ask(words)
        if said is None:
            continue
        answered = True
        units = {unit.get("Id", ""): unit for unit in _blocks(said)}
        for job in jobs:
            mine = {kind: units.get(f"darkstar-{job}.{kind}", {}) for kind in kinds}
            if job not in found and mine["timer"].get("LoadState") == "loaded":
                found[job] = (user, mine)
    return found if answered else None


def _blocks(said: str) -> list[dict[str, str]]:
    """Return the units of an answer: ``key=value`` lines, blank lines between units."""
    texts = said.strip().split("\n\n")
    return [dict(_pairs(text)) for text in texts if text]


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield keys and values."""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key, value
