"""``darkstar record``: the slots that have just ended, out of Home Assistant into the store.

Run it every 15 minutes, some seconds after the quarter. A run that was missed is made up for by
the next. Of two runs at once the second leaves, with a word and exit code 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from runners.config import Config, load_config
from runners.dates import utc_now
from runners.errors import ConfigError
from runners.lock import only_one
from runners.output import console, write_json
from runners.peer import open_peer
from runners.slot_report import COLUMNS, channel_table
from telemetry.errors import TelemetryError
from telemetry.record import RecordReport, record
from telemetry.store import Store

__all__ = ["run_record"]

LOCK_FILE = ".darkstar-record.lock"


def run_record(
    *, config_path: Path, home_id: str | None = None, json_path: str | None = None
) -> None:
    """Record and report; homes without ``home_assistant`` are left out unless named.

    A home that fails does not keep the others from being recorded; the first failure is raised
    at the end.

    Raises:
        ConfigError: no home has a Home Assistant, or its wiring cannot be.
        TelemetryError: Home Assistant or the store failed; what was recorded before stays.
    """
    config = load_config(config_path)
    homes = _homes(config, home_id)
    out = console(json_path)
    with only_one(config.path.parent / LOCK_FILE) as alone:
        if not alone:
            out.print("another recorder is at work here: left it to that one")
            return
        found = {one: _tried(config, one) for one in homes}
    reports = {one: it for one, it in found.items() if isinstance(it, RecordReport)}
    failures = {one: it for one, it in found.items() if isinstance(it, Exception)}
    for one, report in reports.items():
        _print(out, one, report)
    if reports:
        out.print(COLUMNS, style="dim", soft_wrap=True)
    if json_path is not None:
        errors = {one: {"error": str(err)} for one, err in failures.items()}
        write_json(json_path, {**reports, **errors})
    _raise_first(failures, alone=len(homes) == 1)


def _homes(config: Config, home_id: str | None) -> list[str]:
    """Return the homes to record."""
    if home_id is not None:
        config.home_assistant(home_id)
        return [home_id]
    wired = [one for one in config.homes if config.homes[one].home_assistant is not None]
    if not wired:
        config.home_assistant(next(iter(config.homes)))
    return wired


def _record_home(config: Config, home_id: str) -> RecordReport:
    sensors, limits = config.sensors(home_id), config.limits(home_id)
    with (
        open_peer(config, home_id) as peer,
        Store.open(config.store_url, system_id=config.system.system_id) as store,
    ):
        store.put_home(config.home(home_id))
        return record(store, peer, home_id, sensors, limits, now=utc_now())


def _tried(config: Config, home_id: str) -> RecordReport | ConfigError | TelemetryError:
    try:
        return _record_home(config, home_id)
    except (ConfigError, TelemetryError) as err:
        return err


def _raise_first(failures: Mapping[str, ConfigError | TelemetryError], *, alone: bool) -> None:
    """Tell the later failures and raise the first: the command line tells it and exits with it."""
    if not failures:
        return
    (first, cause), *later = failures.items()
    errors = Console(stderr=True, highlight=False, markup=False)
    for home_id, err in later:
        errors.print(f"{home_id}: not recorded: {err}", style="red", soft_wrap=True)
    if not alone:
        errors.print(f"{first}: not recorded:", style="red", soft_wrap=True)
    raise cause


def _print(out: Console, home_id: str, report: RecordReport) -> None:
    span = f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC"
    out.print(channel_table(f"{home_id}: recorded {span}", report.channels))
    for note in report.notes:
        out.print(note, style="yellow", soft_wrap=True)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("record")
