"""``darkstar weather``: the forecast of every home's place, and the weather of days past.

A run asks once and stores the forecast as issued now. A backfill fetches what happened, by UTC day;
days that are whole in the store are not asked for again, so it can be stopped and run again. The
forecast is a job and keeps ``runners.contract``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from runners.config import Config, load_config
from runners.contract import JobRun, job_run, job_store
from runners.dates import utc_now
from runners.errors import EX_DATAERR
from runners.output import console, write_json
from runners.prices import pages
from runners.prices_backfill import checked_days, day_spans, progress_bar
from runners.store_access import open_store
from telemetry.errors import MissingExtraError
from telemetry.open_meteo import (
    OpenMeteo,
    Weather,
    archived_days,
    position_of,
    put_archive,
    put_forecast,
)
from telemetry.slots import SLOT_MINUTES
from telemetry.store import Store

__all__ = ["open_service", "run_weather", "run_weather_backfill"]

_TIMEOUT_SECONDS = 30.0
_PAGE_DAYS = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastReport:
    """One forecast as it was stored.

    Attributes:
        end: end of the last slot with any value.
        missing: values that the service left out, of all variables and slots.
    """

    home_id: str
    issued_at: datetime
    start: datetime
    end: datetime
    variables: tuple[str, ...]
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReport:
    """What the store has of a home's UTC days now.

    Attributes:
        days: how many were wanted.
        before: of these, whole before this run.
        whole: whole now.
        partial: days with some values.
        missing: days without any.
    """

    home_id: str
    days: int
    before: int
    whole: int
    partial: tuple[date, ...]
    missing: tuple[date, ...]


@contextmanager
def open_service() -> Iterator[OpenMeteo]:
    """The weather service, as long as the block lasts."""
    try:
        import httpx  # noqa: PLC0415 - of the extra "live"
    except ImportError as err:
        raise MissingExtraError("httpx", "live", "weather of Open-Meteo") from err
    with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
        yield OpenMeteo(client)


def run_weather(
    *,
    config_path: Path,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
    service: OpenMeteo | None = None,
    clock: Callable[[], datetime] | None = None,
) -> None:
    """Fetch and store the forecast of every home with a position, or of one, and report.

    Raises:
        ConfigError: the configuration, or the clock is wrong.
        HomeError: the home, or every home, has no position.
        TelemetryError: the service or the store failed; forecasts stored before stay.
    """
    with job_run("weather", home_id=home_id, now=now, clock=clock, dry_run=dry_run) as run:
        config = load_config(config_path)
        homes = _homes(config, home_id)
        if not run.begins(config, homes):
            return
        with nullcontext(service) if service else open_service() as opened:
            reports = _forecasts(config, homes, opened, run)
        out = console(json_path)
        out.print(_forecast_table(reports))
        if dry_run:
            out.print("a dry run: nothing was written")
        if json_path is not None:
            write_json(json_path, {"homes": reports})
        run.tell(forecasts=len(reports), missing=sum(one.missing for one in reports))


def _homes(config: Config, home_id: str | None) -> list[str]:
    """Return the homes with a position; one that is named must have one."""
    if home_id is not None:
        position_of(config.home(home_id))
        return [home_id]
    placed = [one for one in config.homes if config.home(one).position is not None]
    if not placed:
        position_of(config.home(next(iter(config.homes))))
    return placed


def _forecasts(
    config: Config, homes: list[str], service: OpenMeteo, run: JobRun
) -> list[ForecastReport]:
    found = []
    with job_store(config, run) as store:
        run.check_clock(store, homes)
        for one in homes:
            home, now = config.home(one), run.moment()
            parts = service.forecast(home, now=now)
            store.put_home(home)
            put_forecast(store, one, parts, now=now)
            found.append(_forecast_report(one, now, parts))
    return found


def _forecast_report(home_id: str, now: datetime, parts: tuple[Weather, Weather]) -> ForecastReport:
    known = np.concatenate([~np.isnan(part.values) for part in parts])
    slots = np.flatnonzero(known.any(axis=0))
    count = int(slots[-1]) + 1 if slots.size else 0
    start = parts[0].start
    return ForecastReport(
        home_id=home_id,
        issued_at=now,
        start=start,
        end=start + timedelta(minutes=SLOT_MINUTES * count),
        variables=tuple(name for part in parts for name in part.variables),
        missing=int((~known[:, :count]).sum()),
    )


def _forecast_table(reports: list[ForecastReport]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = "weather forecast of Open-Meteo (UTC)", "left"
    table.add_column("home", overflow="fold")
    for name in ("issued", "from", "to"):
        table.add_column(name, no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    for one in reports:
        times = [f"{at:%Y-%m-%d %H:%M}" for at in (one.issued_at, one.start, one.end)]
        table.add_row(one.home_id, *times, str(one.missing))
    return table


def run_weather_backfill(
    *,
    config_path: Path,
    start_date: date,
    end_date: date | None = None,
    home_id: str | None = None,
    json_path: str | None = None,
    service: OpenMeteo | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Fetch what happened in the UTC days from the first to the last (default: yesterday).

    Returns:
        0; 65 if a day is not whole after all: the archive lags behind by some days.

    Raises:
        ConfigError: the dates cannot be.
        HomeError: the home, or every home, has no position.
        TelemetryError: the service or the store failed; days stored before stay, and are reported.
    """
    config = load_config(config_path)
    yesterday = clock().astimezone(UTC).date() - timedelta(days=1)
    days = checked_days(start_date, end_date or yesterday, yesterday)
    homes = _homes(config, home_id)
    if service is not None:
        reports = _archives(config, homes, days, service, json_path)
    else:
        with open_service() as opened:
            reports = _archives(config, homes, days, opened, json_path)
    return EX_DATAERR if any(one.whole < one.days for one in reports) else 0


def _archives(
    config: Config,
    homes: list[str],
    days: list[date],
    service: OpenMeteo,
    json_path: str | None,
) -> list[ArchiveReport]:
    """Fill every home and report; the report comes also where something ends it early."""
    with open_store(config) as store:
        for one in homes:
            store.put_home(config.home(one))
        before = {one: archived_days(store, one, days) for one in homes}
        try:
            _fill(config, store, service, before)
        finally:  # also Ctrl-C: pages before it are in the store
            reports = [
                _archive_report(one, shares, archived_days(store, one, days))
                for one, shares in before.items()
            ]
            _tell(days, reports, json_path)
    return reports


def _fill(
    config: Config, store: Store, service: OpenMeteo, before: dict[str, dict[date, float]]
) -> None:
    """Fetch what is not whole, page by page, newest first."""
    total = sum(share < 1.0 for shares in before.values() for share in shares.values())
    with progress_bar("weather of Open-Meteo", total) as advance:
        for one, shares in before.items():
            wanted = [day for day, share in shares.items() if share < 1.0]
            for page in pages(wanted, _PAGE_DAYS):
                put_archive(store, one, service.archive(config.home(one), page[0], page[-1]))
                advance(len(page))


def _archive_report(
    home_id: str, before: dict[date, float], now: dict[date, float]
) -> ArchiveReport:
    return ArchiveReport(
        home_id=home_id,
        days=len(now),
        before=sum(share == 1.0 for share in before.values()),
        whole=sum(share == 1.0 for share in now.values()),
        partial=tuple(day for day, share in now.items() if 0.0 < share < 1.0),
        missing=tuple(day for day, share in now.items() if share == 0.0),
    )


def _tell(days: list[date], reports: list[ArchiveReport], json_path: str | None) -> None:
    out = console(json_path)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title = f"weather archive of Open-Meteo: {days[0]} to {days[-1]} (UTC days)"
    table.title_justify = "left"
    table.add_column("home", overflow="fold")
    for name in ("days", "there before", "whole", "partial", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in reports:
        counts = (one.days, one.before, one.whole, len(one.partial), len(one.missing))
        table.add_row(one.home_id, *(str(n) for n in counts))
    out.print(table)
    for one in reports:
        for word, found in (("partial", one.partial), ("missing", one.missing)):
            if found:
                out.print(f"{one.home_id}: {word}: {day_spans(found)}", soft_wrap=True)
    if json_path is not None:
        write_json(json_path, {"homes": reports})


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("weather")
