"""``darkstar repair``: put right what can be put right, or undo that; twice is once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from runners.config import load_config
from runners.output import console, summary_table, write_json
from runners.validate import channels_of, local_dates
from telemetry.quality.repair import RepairReport, repair, undo
from telemetry.store import Store

__all__ = ["run_repair", "run_undo"]


def run_repair(
    *,
    config_path: Path,
    start_date: date | None = None,
    end_date: date | None = None,
    home_id: str | None = None,
    json_path: str | None = None,
) -> RepairReport:
    """Repair the local days from ``start_date`` to ``end_date``; default: the last two weeks.

    Raises:
        ConfigError: the configuration, or dates without a whole day.
        TelemetryError: the store cannot be used.
    """
    config = load_config(config_path)
    chosen = config.pick_home(home_id)
    now = datetime.now(UTC)
    first, last = local_dates(config, chosen, start_date, end_date, now)
    with Store.open(config.store_url, system_id=config.system.system_id) as store:
        report = repair(
            store,
            config.home(chosen),
            channels=channels_of(config, chosen, store),
            limits=config.limits(chosen),
            first=first,
            last=last,
            now=now,
        )
    out = console(json_path)
    out.print(f"{chosen}: {first} to {last}")
    out.print(summary_table(_rows(report)))
    if json_path is not None:
        write_json(json_path, report)
    return report


def run_undo(
    *,
    config_path: Path,
    start_date: date | None = None,
    end_date: date | None = None,
    home_id: str | None = None,
    json_path: str | None = None,
) -> int:
    """Bring back what sources gave for the local days; how many slots there were.

    Raises:
        ConfigError: the configuration, or dates without a whole day.
        TelemetryError: the store cannot be used.
    """
    config = load_config(config_path)
    chosen = config.pick_home(home_id)
    first, last = local_dates(config, chosen, start_date, end_date, datetime.now(UTC))
    with Store.open(config.store_url, system_id=config.system.system_id) as store:
        undone = undo(store, config.home(chosen), first=first, last=last)
    console(json_path).print(f"{chosen}: {first} to {last}: {undone} slots as they were before")
    if json_path is not None:
        write_json(json_path, {"undone": undone})
    return undone


def _rows(report: RepairReport) -> list[tuple[str, object]]:
    """Return what was done, as names and values."""
    rows: list[tuple[str, object]] = [
        (f"slots by {rule}", count) for rule, count in report.slots.items()
    ]
    if not rows:
        rows.append(("slots repaired", 0))
    rows.append(("repaired before", report.already))
    rows += [(f"{name} of spikes, kWh", lost) for name, lost in report.unassigned_kwh.items()]
    rows += [(f"{name}, slots still missing", count) for name, count in report.left.items()]
    return rows


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("repair")
