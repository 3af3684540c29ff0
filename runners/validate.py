"""``darkstar validate``: judge local days, print what is not plain clean, draw a calendar.

Home Assistant's hours are fetched for comparison where the home has a Home Assistant; one that does
not answer is an error, since a verdict without it is weaker: ``--no-reference`` asks for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from runners.config import Config, load_config
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.output import console, write_json
from telemetry.channels import Channel
from telemetry.errors import PeerError
from telemetry.quality.reference import HourlyReference
from telemetry.quality.validate import validate
from telemetry.quality.window import whole_days
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import local_day, zone_info
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DEFAULT_DAYS", "channels_of", "hourly_reference", "local_dates", "run_validate"]

OUT = Path("out")
DEFAULT_DAYS = 14
_STYLES = {DayClass.CLEAN: "", DayClass.MASK_BATTERY: "yellow", DayClass.EXCLUDE: "red"}
_SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What goes out as JSON."""

    home_id: str
    totals: dict[str, int]
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

    Raises:
        ConfigError: the configuration, dates without a whole day, a file that cannot be written.
        TelemetryError: the store, or Home Assistant, cannot be used.
    """
    config = load_config(config_path)
    chosen = config.pick_home(home_id)
    now = datetime.now(UTC)
    first, last = local_dates(config, chosen, start_date, end_date, now)
    home = config.home(chosen)
    with Store.open(config.store_url, system_id=config.system.system_id) as store:
        channels = channels_of(config, chosen, store)
        reference = _reference(config, chosen, first, last, now) if compare else None
        days = validate(
            store,
            home,
            channels=channels,
            limits=config.limits(chosen),
            first=first,
            last=last,
            reference=reference,
            now=now,
        )
    _report(days, chosen, console(json_path))
    if plot:
        from runners.plot_quality import plot_quality  # noqa: PLC0415 - draws

        plot_quality(days, out_dir / "quality.png", title=f"{chosen}: quality of its days")
    if json_path is not None:
        write_json(json_path, _Result(home_id=chosen, totals=_totals(days), days=days))
    return days


def _reference(
    config: Config, home_id: str, first: date, last: date, now: datetime
) -> HourlyReference | None:
    """Fetch the reference; where it cannot be had, the error says how to go on without."""
    try:
        return hourly_reference(config, home_id, first, last, now)
    except PeerError as err:
        cure = f"{err.cure}; or add --no-reference to judge without it"
        raise type(err)(err.peer, err.reason, cure) from err


def hourly_reference(
    config: Config, home_id: str, first: date, last: date, now: datetime
) -> HourlyReference | None:
    """Fetch Home Assistant's hours over local days; None where the home has no Home Assistant.

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
    with open_peer(config, home_id) as peer:
        return fetch(
            peer, config.sensors(home_id), config.limits(home_id), start=start, end=end, now=now
        )


def local_dates(
    config: Config, home_id: str, first: date | None, last: date | None, now: datetime
) -> tuple[date, date]:
    """Return the days to look at, both included; by default two weeks up to yesterday.

    Raises:
        ConfigError: none of them has ended, or they end before they begin.
    """
    home = config.home(home_id)
    yesterday = now.astimezone(zone_info(str(home.zone))).date() - timedelta(days=1)
    end = yesterday if last is None else last
    start = end - timedelta(days=DEFAULT_DAYS - 1) if first is None else first
    if not whole_days(home, start, end, now):
        message = (
            f"no day from {start} to {end} has ended; give a --start-date in the past and an "
            "--end-date not before it"
        )
        raise ConfigError("--start-date", [Problem("", "", message)], exit_code=EX_DATAERR)
    return start, end


def channels_of(config: Config, home_id: str, store: Store) -> tuple[Channel, ...]:
    """Return what the home measures: its sensors, or, for one of files alone, what the store has.

    Raises:
        ConfigError: the wiring cannot be, or neither configuration nor store has any channel.
    """
    if config.home_config(home_id).input_sensors.model_fields_set:
        return config.sensors(home_id).channels
    found = tuple(c for c in Channel if store.coverage(home_id, c) is not None)
    if not found:
        message = "nothing is measured: add `input_sensors:`, or import files of this home"
        raise ConfigError(home_id, [Problem("", "", message)], exit_code=EX_DATAERR)
    return found


def _totals(days: Sequence[DayQuality]) -> dict[str, int]:
    """Return how many days are of each class."""
    counts = Counter(day.day_class for day in days)
    return {kind.value: counts[kind] for kind in DayClass}


def _report(days: Sequence[DayQuality], home_id: str, out: Console) -> None:
    """Print a row for every day that is not plain clean, and totals."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = f"{home_id}: days with something to tell", "left"
    table.add_column("day", no_wrap=True)
    table.add_column("class", no_wrap=True)
    table.add_column("why", overflow="fold")
    for day in days:
        if day.day_class is not DayClass.CLEAN or day.reasons:
            style = _STYLES[day.day_class]
            table.add_row(str(day.local_date), day.day_class.value, _reasons(day), style=style)
    if table.row_count:
        out.print(table)
    flagged = sum(day.flagged for day in days)
    parts = [f"{count} {kind}" for kind, count in _totals(days).items()]
    parts[0] += f" ({flagged} flagged)"
    span = f"{days[0].local_date} to {days[-1].local_date}"
    out.print(f"{span}: {', '.join(parts)}", soft_wrap=True)
    out.print(f"reference: {days[0].reference}", soft_wrap=True)


def _reasons(day: DayQuality) -> str:
    """Return the first reasons of a day, and how many more there are."""
    more = len(day.reasons) - _SHOWN_REASONS
    lines = list(day.reasons[:_SHOWN_REASONS])
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("validate")
