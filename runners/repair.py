"""``darkstar repair``: put right what can be put right, or undo that; twice is once.

Without dates the last two weeks are repaired, and all repairs of the home undone: there a bound
that is left out is that of the first or the last repair.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from runners.config import load_config
from runners.dates import refuse_reversed, utc_now
from runners.output import console, summary_table, write_json
from runners.store_access import open_store
from runners.validate import channels_of, limits_of, local_dates
from telemetry.quality.repair import RepairReport, repair, repaired_days, undo

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
    now = utc_now()
    first, last = local_dates(config, chosen, start_date, end_date, now)
    with open_store(config) as store:
        channels = channels_of(config, chosen, store)
        report = repair(
            store,
            config.home(chosen),
            channels=channels,
            limits=limits_of(config, chosen, channels),
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
        ConfigError: the configuration, or the first day lies after the last.
        TelemetryError: the store cannot be used.
    """
    config = load_config(config_path)
    chosen = config.pick_home(home_id)
    if start_date is not None and end_date is not None:
        refuse_reversed(start_date, end_date)
    home, undone = config.home(chosen), 0
    with open_store(config) as store:
        days = _days_to_undo(repaired_days(store, home), start_date, end_date)
        if days is not None:
            undone = undo(store, home, first=days[0], last=days[1])
    said = "no slot is repaired"
    if days is not None:
        said = f"{days[0]} to {days[1]}: {undone} slots as they were before"
    console(json_path).print(f"{chosen}: {said}", soft_wrap=True)
    if json_path is not None:
        write_json(json_path, {"undone": undone, "days": days})
    return undone


def _days_to_undo(
    repaired: tuple[date, date] | None, first: date | None, last: date | None
) -> tuple[date, date] | None:
    """Return the days that are asked for, a bound that is left out as that of the repairs."""
    if repaired is None:
        return None
    start = min(repaired[0], last or repaired[0]) if first is None else first
    end = max(repaired[1], first or repaired[1]) if last is None else last
    return start, end


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
