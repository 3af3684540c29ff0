"""``darkstar backfill``: months of history, out of Home Assistant's statistics into the store.

It can be stopped and run again: months done stay done, days once read come from the cache, and
better values are never replaced by worse ones.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from runners.config import Config, load_config
from runners.dates import refuse_reversed, utc_now
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.output import console, write_json
from runners.peer import open_peer
from runners.slot_report import COLUMNS, channel_table, unassigned_lines
from runners.store_access import open_store
from telemetry.backfill import BackfillReport, backfill
from telemetry.slots import local_day, slot_of, to_epoch, zone_info

__all__ = ["local_span", "run_backfill"]


def run_backfill(
    *,
    config_path: Path,
    start_date: date,
    end_date: date | None = None,
    home_id: str | None = None,
    json_path: str | None = None,
) -> None:
    """Fill the local days from ``start_date`` to ``end_date`` (included; default: today).

    Raises:
        ConfigError: the dates, or the home's wiring, cannot be.
        TelemetryError: Home Assistant or the store failed; months done stay done.
    """
    config = load_config(config_path)
    chosen = config.pick_home(home_id)
    now = utc_now()
    start, end = local_span(config, chosen, start_date, end_date, now)
    out = console(json_path)
    report = _filled(config, chosen, start, end, now)
    last = (end - timedelta(seconds=1)).astimezone(zone_info(config.home_config(chosen).zone))
    out.print(channel_table(f"{chosen}: {start_date} to {last:%Y-%m-%d}", report.channels))
    out.print(COLUMNS, style="dim", soft_wrap=True)
    for line in unassigned_lines(report.channels):
        out.print(line, soft_wrap=True)
    for note in report.notes:
        out.print(note, style="yellow", soft_wrap=True)
    if json_path is not None:
        write_json(json_path, report)


def local_span(
    config: Config, home_id: str, first: date, last: date | None, now: datetime
) -> tuple[datetime, datetime]:
    """UTC bounds of local days, both included; never beyond the last slot that has ended.

    Raises:
        ConfigError: the days lie in the future, or the last before the first.
    """
    if last is not None:
        refuse_reversed(first, last)
    zone = config.home_config(home_id).zone
    start = local_day(first, zone)[0]
    end = local_day(last, zone)[1] if last is not None else now
    end = min(end, slot_of(now))
    if end <= start:
        message = f"no slot has ended since {first}; give a --start-date in the past"
        raise ConfigError("--start-date", [Problem("", "", message)], exit_code=EX_DATAERR)
    return start, end


def _filled(
    config: Config, home_id: str, start: datetime, end: datetime, now: datetime
) -> BackfillReport:
    sensors, limits = config.sensors(home_id), config.limits(home_id)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with (
        open_peer(config, home_id) as peer,
        open_store(config) as store,
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
    ):
        store.put_home(config.home(home_id))
        begun = to_epoch(start)
        task = bar.add_task(f"backfill {home_id}", total=(end - start) / timedelta(seconds=1))
        return backfill(
            store,
            peer,
            home_id,
            sensors,
            limits,
            start=start,
            end=end,
            now=now,
            on_progress=lambda done: bar.update(task, completed=to_epoch(done) - begun),
        )


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("backfill")
