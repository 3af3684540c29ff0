"""``darkstar record``: the slots that have just ended, out of Home Assistant into the store.

Run it every 15 minutes, some seconds after the quarter. A run that was missed is made up for by
the next. As every job it keeps ``runners.contract``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from runners.config import Config, load_config
from runners.contract import JobRun, job_run, job_store
from runners.errors import ConfigError
from runners.failures import raise_first
from runners.output import console, write_json
from runners.peer import open_peer
from runners.slot_report import COLUMNS, channel_table
from telemetry.errors import TelemetryError
from telemetry.record import RecordReport, record

__all__ = ["run_record"]


def run_record(
    *,
    config_path: Path,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> None:
    """Record and report; homes without ``home_assistant`` are left out unless named.

    A home that fails does not keep the others from being recorded; the first failure is raised
    at the end.

    Args:
        config_path: the configuration.
        home_id: which home; None: all that have a Home Assistant.
        json_path: where the report goes as JSON; ``-`` is stdout.
        now: the moment, aware; None: the clock's.
        dry_run: ask Home Assistant and compute; write nothing.

    Raises:
        ConfigError: no home has a Home Assistant, its wiring cannot be, or the clock is wrong.
        TelemetryError: Home Assistant or the store failed; what was recorded before stays.
    """
    with job_run("record", home_id=home_id, now=now, dry_run=dry_run) as run:
        config = load_config(config_path)
        homes = _homes(config, home_id)
        if run.begins(config, homes):
            _report({one: _tried(config, one, run) for one in homes}, run, json_path)


def _report(
    found: Mapping[str, RecordReport | ConfigError | TelemetryError],
    run: JobRun,
    json_path: str | None,
) -> None:
    """Print and write what became of every home; raise the first failure."""
    out = console(json_path)
    reports = {one: it for one, it in found.items() if isinstance(it, RecordReport)}
    failures = {one: it for one, it in found.items() if not isinstance(it, RecordReport)}
    for one, report in reports.items():
        _print(out, one, report)
    if reports:
        out.print(COLUMNS, style="dim", soft_wrap=True)
    if run.dry_run:
        out.print("a dry run: nothing was written")
    if json_path is not None:
        errors = {one: {"error": str(err)} for one, err in failures.items()}
        write_json(json_path, {**reports, **errors})
    _tell(run, list(reports.values()), list(failures))
    raise_first(failures, "not recorded", alone=len(found) == 1)


def _tell(run: JobRun, reports: Sequence[RecordReport], failed: Sequence[str]) -> None:
    """Sum up: values known, values missing, and rows of the store that are different now."""
    channels = [channel for report in reports for channel in report.channels]
    run.tell(
        known=sum(one.known for one in channels),
        missing=sum(one.missing for one in channels),
        written=sum(one.counts.changed for one in channels),
        failed=",".join(failed) or None,
    )


def _homes(config: Config, home_id: str | None) -> list[str]:
    """Return the homes to record."""
    if home_id is not None:
        config.home_assistant(home_id)
        return [home_id]
    wired = [one for one in config.homes if config.homes[one].home_assistant is not None]
    if not wired:
        config.home_assistant(next(iter(config.homes)))
    return wired


def _record_home(config: Config, home_id: str, run: JobRun) -> RecordReport:
    sensors, limits = config.sensors(home_id), config.limits(home_id)
    with (
        open_peer(config, home_id) as peer,
        job_store(config, run) as store,
    ):
        run.check_clock(store, [home_id])
        store.put_home(config.home(home_id))
        return record(store, peer, home_id, sensors, limits, now=run.moment())


def _tried(
    config: Config, home_id: str, run: JobRun
) -> RecordReport | ConfigError | TelemetryError:
    try:
        return _record_home(config, home_id, run)
    except (ConfigError, TelemetryError) as err:
        return err


def _print(out: Console, home_id: str, report: RecordReport) -> None:
    span = f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC"
    out.print(channel_table(f"{home_id}: recorded {span}", report.channels))
    for note in report.notes:
        out.print(note, style="yellow", soft_wrap=True)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("record")
