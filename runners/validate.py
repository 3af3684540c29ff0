"""``darkstar validate``: judge local days, print what is not plain clean, draw a calendar.

Home Assistant's hours are fetched for comparison where the home has a Home Assistant; one that does
not answer is an error, since a verdict without it is weaker: ``--no-reference`` asks for that. As
every job it keeps ``runners.contract``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from runners.config import Config, load_config
from runners.contract import JobRun, job_run, job_store
from runners.dates import refuse_reversed
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.output import console, write_json
from runners.quality_report import notes, report, totals
from telemetry.channels import Channel
from telemetry.errors import PeerError
from telemetry.limits import Limits
from telemetry.quality.reference import HourlyReference
from telemetry.quality.validate import validate
from telemetry.quality.window import begins_of, whole_days
from telemetry.quality_table import DayQuality
from telemetry.slots import local_day, zone_info
from telemetry.store import Store

__all__ = [
    "DEFAULT_DAYS",
    "channels_of",
    "hourly_reference",
    "limits_of",
    "local_dates",
    "run_validate",
]

OUT = Path("out")
DEFAULT_DAYS = 14
_FLOWS = frozenset({Channel.CHARGE_KWH, Channel.DISCHARGE_KWH})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What goes out as JSON."""

    home_id: str
    totals: dict[str, int]
    notes: tuple[str, ...]
    days: tuple[DayQuality, ...]


def run_validate(
    *,
    config_path: Path,
    start_date: date | None = None,
    end_date: date | None = None,
    home_id: str | None = None,
    json_path: str | None = None,
    plot: bool = True,
    compare: bool = True,
    out_dir: Path = OUT,
    now: datetime | None = None,
    dry_run: bool = False,
) -> tuple[DayQuality, ...]:
    """Judge the local days from ``start_date`` to ``end_date`` and report.

    Args:
        config_path: the configuration.
        start_date: first local day; None: two weeks up to ``end_date``.
        end_date: last local day, included; None: yesterday.
        home_id: which home; None: the only one.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw ``quality.png``.
        compare: whether to compare with Home Assistant.
        out_dir: where the picture goes.
        now: the moment, aware; None: the clock's.
        dry_run: judge and print; write nothing, draw nothing.

    Raises:
        ConfigError: the configuration, dates without a whole day, a file that cannot be written,
            or the clock.
        TelemetryError: the store, or Home Assistant, cannot be used.
    """
    with job_run("validate", home_id=home_id, now=now, dry_run=dry_run) as run:
        config = load_config(config_path)
        chosen = config.pick_home(home_id)
        bounds = local_dates(config, chosen, start_date, end_date, run.moment())
        if not run.begins(config, [chosen]):
            return ()
        days, told = _judged(config, chosen, bounds, run, compare=compare)
        out = console(json_path)
        report(days, chosen, told, out)
        if plot and not dry_run:
            picture = out_dir / "quality.png"
            _draw(days, chosen, picture)
            out.print(f"picture: {picture}", soft_wrap=True)
        result = _Result(home_id=chosen, totals=totals(days), notes=tuple(told), days=days)
        if json_path is not None:
            write_json(json_path, result)
        run.tell(days=len(days), **result.totals)
    return days


def _judged(
    config: Config, home_id: str, bounds: tuple[date, date], run: JobRun, *, compare: bool
) -> tuple[tuple[DayQuality, ...], list[str]]:
    """Judge the days within bounds, both included; return them, and what the user should know."""
    home, (first, last), now = config.home(home_id), bounds, run.moment()
    reference = _reference(config, home_id, bounds, run) if compare else None
    with job_store(config, run) as store:
        run.check_clock(store, [home_id])
        channels = channels_of(config, home_id, store)
        limits = limits_of(config, home_id, channels)
        days = validate(
            store,
            home,
            channels=channels,
            limits=limits,
            first=first,
            last=last,
            reference=reference,
            now=now,
        )
        begins = begins_of(store, home, channels)
    told = notes(
        channels=channels,
        begins=begins,
        limits=limits,
        first=first,
        zone=config.home_config(home_id).zone,
        wired=_is_wired(config, home_id),
    )
    return days, told


def _draw(days: tuple[DayQuality, ...], home_id: str, path: Path) -> None:
    """Write the picture."""
    from runners.plot_quality import plot_quality  # noqa: PLC0415 - draws

    plot_quality(days, path, title=f"{home_id}: quality of its days")


def _reference(
    config: Config, home_id: str, bounds: tuple[date, date], run: JobRun
) -> HourlyReference | None:
    """Fetch the reference; where it cannot be had, the error says how to go on without."""
    try:
        return hourly_reference(config, home_id, *bounds, run.moment(), keep=not run.dry_run)
    except PeerError as err:
        cure = f"{err.cure}; or add --no-reference to judge without it"
        raise type(err)(err.peer, err.reason, cure) from err


def hourly_reference(
    config: Config, home_id: str, first: date, last: date, now: datetime, *, keep: bool = True
) -> HourlyReference | None:
    """Fetch Home Assistant's hours over local days; None where the home has no Home Assistant.

    Args:
        config: the configuration.
        home_id: which home.
        first: first local day.
        last: last local day, included.
        now: the moment.
        keep: whether days that are over are kept in the cache.

    Raises:
        PeerError: it does not answer.
        SensorError: an entity cannot measure what it should.
    """
    if config.home_config(home_id).home_assistant is None:
        return None
    from runners.peer import open_peer  # noqa: PLC0415 - the client
    from telemetry.hourly_reference import hourly_reference as fetch  # noqa: PLC0415

    zone = config.home_config(home_id).zone
    start, end = local_day(first, zone)[0], local_day(last, zone)[1]
    with open_peer(config, home_id, keep=keep) as peer:
        return fetch(
            peer, config.sensors(home_id), config.limits(home_id), start=start, end=end, now=now
        )


def local_dates(
    config: Config, home_id: str, first: date | None, last: date | None, now: datetime
) -> tuple[date, date]:
    """Return the days to look at, both included; by default two weeks up to yesterday.

    Raises:
        ConfigError: none of them has ended, or the first lies after the last.
    """
    home = config.home(home_id)
    yesterday = now.astimezone(zone_info(str(home.zone))).date() - timedelta(days=1)
    end = yesterday if last is None else last
    start = end - timedelta(days=DEFAULT_DAYS - 1) if first is None else first
    refuse_reversed(start, end)
    if not whole_days(home, start, end, now):
        message = f"no day from {start} to {end} has ended; give a --start-date in the past"
        raise ConfigError("--start-date", [Problem("", "", message)], exit_code=EX_DATAERR)
    return start, end


def _is_wired(config: Config, home_id: str) -> bool:
    """Return whether the home has sensors; else it lives on files alone."""
    return bool(config.home_config(home_id).input_sensors.model_fields_set)


def channels_of(config: Config, home_id: str, store: Store) -> tuple[Channel, ...]:
    """Return what the home measures: its sensors, or, for one of files alone, what the store has.

    Raises:
        ConfigError: the wiring cannot be, or neither configuration nor store has any channel.
    """
    if _is_wired(config, home_id):
        return config.sensors(home_id).channels
    found = tuple(c for c in Channel if store.coverage(home_id, c) is not None)
    if not found:
        message = "nothing is measured: add `input_sensors:`, or import files of this home"
        raise ConfigError(home_id, [Problem("", "", message)], exit_code=EX_DATAERR)
    return found


def limits_of(config: Config, home_id: str, channels: Collection[Channel]) -> Limits:
    """Return what each channel can carry, kW; in a home of files alone as far as it is described.

    Panels without ``planes:``, or a battery without ``battery:``, are there if files have readings
    of them: their ratings are unknown, not 0.
    """
    found = config.limits(home_id)
    if _is_wired(config, home_id):
        return found
    if found.pv_peak_kw == 0.0 and Channel.PV_KWH in channels:
        found = replace(found, pv_peak_kw=None)
    if found.capacity_kwh == 0.0 and not _FLOWS.isdisjoint(channels):
        found = replace(found, charge_kw=None, discharge_kw=None, capacity_kwh=None)
    return found


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("validate")
