"""The report of ``darkstar validate``: rows of days that have something to tell, totals, notes.

Days that follow each other with the same class and reasons are one row. Notes say what was not
looked at: channels on days before their first reading, and the energy balance where the house has
a flow that is not measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from telemetry.channels import Channel
from telemetry.quality.balance import INTO, OUT_OF, lacking
from telemetry.quality.findings import Check
from telemetry.quality.window import NEVER
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import from_epoch, zone_info

if TYPE_CHECKING:
    from rich.console import Console

    from telemetry.limits import Limits

__all__ = ["notes", "report", "totals"]

_STYLES = {DayClass.CLEAN: "", DayClass.MASK_BATTERY: "yellow", DayClass.EXCLUDE: "red"}
_SHOWN_REASONS = 4
_KEYS = {
    Channel.LOAD_KWH: "total_load_consumption",
    Channel.PV_KWH: "total_pv_production",
    Channel.IMPORT_KWH: "total_grid_import",
    Channel.EXPORT_KWH: "total_grid_export",
    Channel.CHARGE_KWH: "total_battery_charge",
    Channel.DISCHARGE_KWH: "total_battery_discharge",
}
_SOC = (Channel.SOC_START, Channel.SOC_END)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Days that follow each other with one verdict."""

    first: date
    last: date
    count: int
    day_class: DayClass
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the day, or the first and the last."""
        if self.count == 1:
            return str(self.first)
        return f"{self.first} to {self.last} ({self.count} days)"


def totals(days: Sequence[DayQuality]) -> dict[str, int]:
    """Return how many days are of each class."""
    counts = Counter(day.day_class for day in days)
    return {kind.value: counts[kind] for kind in DayClass}


def report(days: Sequence[DayQuality], home_id: str, told: Sequence[str], out: Console) -> None:
    """Print a row for days that are not plain clean, totals and notes."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = f"{home_id}: days with something to tell", "left"
    table.add_column("day", no_wrap=True)
    table.add_column("class", no_wrap=True)
    table.add_column("why", overflow="fold")
    before: tuple[str, ...] = ()
    spans = _spans(days)
    for place, span in enumerate(spans):
        if span.day_class is not DayClass.CLEAN or span.reasons:
            after = spans[place + 1].reasons if place + 1 < len(spans) else ()
            why = "\n".join(_lines(span.reasons, before, after))
            table.add_row(span.name, span.day_class.value, why, style=_STYLES[span.day_class])
        before = span.reasons
    if table.row_count:
        out.print(table)
    for line in (_summary(days), f"reference: {days[0].reference}", *told):
        out.print(line, soft_wrap=True)


def _spans(days: Sequence[DayQuality]) -> list[_Span]:
    """Join days of equal verdicts; the days follow each other."""
    found = []
    for (day_class, reasons), group in groupby(days, key=lambda day: (day.day_class, day.reasons)):
        dates = [day.local_date for day in group]
        found.append(
            _Span(
                first=dates[0],
                last=dates[-1],
                count=len(dates),
                day_class=day_class,
                reasons=reasons,
            )
        )
    return found


def _lines(reasons: Sequence[str], before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return reasons, those that neither row beside it has first.

    Only what the row before has too may be left out: every reason is told where it begins.
    """
    ordered = sorted(reasons, key=lambda one: 2 * (one in before) + (one in after))
    shown = max(_SHOWN_REASONS, sum(one not in before for one in reasons))
    more = len(reasons) - shown
    return ordered[:shown] + ([f"and {more} more, as on the day before"] if more > 0 else [])


def _summary(days: Sequence[DayQuality]) -> str:
    """Return one line of totals."""
    parts = [f"{count} {kind}" for kind, count in totals(days).items()]
    parts[0] += f" ({sum(day.flagged for day in days)} flagged)"
    empty = sum(Check.EMPTY.value in day.counts for day in days)
    if empty:
        parts[-1] += f" ({empty} without data)"
    return f"{days[0].local_date} to {days[-1].local_date}: {', '.join(parts)}"


def notes(
    *,
    channels: Sequence[Channel],
    begins: Mapping[Channel, int],
    limits: Limits,
    first: date,
    zone: str,
    wired: bool,
) -> list[str]:
    """Return what was not looked at on days from ``first`` on, a line each.

    Args:
        channels: those that are configured.
        begins: as ``window.begins_of`` tells.
        limits: what they can carry.
        first: the first local day that was judged.
        zone: of the home.
        wired: the channels are those of ``input_sensors``, not of files.
    """
    late = {
        channel: None if begin == NEVER else from_epoch(begin).astimezone(zone_info(zone)).date()
        for channel, begin in begins.items()
    }
    late = {channel: day for channel, day in late.items() if day is None or day > first}
    return [*_late_channels(late), *_balance(lacking(channels, limits), late, wired=wired)]


def _late_channels(late: Mapping[Channel, date | None]) -> Iterator[str]:
    """Say which channels begin when; those of one day in one line."""
    by_day: dict[date | None, list[str]] = {}
    for channel in Channel:
        if channel in late:
            name = "state of charge" if channel in _SOC else channel.value
            names = by_day.setdefault(late[channel], [])
            names += [name] if name not in names else []
    for day, names in by_day.items():
        words, one = ", ".join(names), len(names) == 1
        if day is None:
            yield f"{words} {'has' if one else 'have'} no reading yet: not judged"
        else:
            yield f"{words} {'begins' if one else 'begin'} {day}: not judged before"


def _balance(
    absent: Sequence[Channel], late: Mapping[Channel, date | None], *, wired: bool
) -> Iterator[str]:
    """Say that, or until when, the energy balance was not tested, and why."""
    house = {c: late[c] for c in Channel if c in late and c in (*INTO, *OUT_OF)}
    never = [channel.value for channel, day in house.items() if day is None]
    if absent:
        keys = [_KEYS[channel] for channel in absent] if wired else list(map(str, absent))
        where = "input_sensors has no" if wired else "the files have no"
        yield f"not checked: energy balance, because {where} {', '.join(keys)}"
    elif never:
        yield f"not checked: energy balance, because there is no reading of {', '.join(never)}"
    elif house:
        last = max(day for day in house.values() if day is not None)
        names = [channel.value for channel, day in house.items() if day == last]
        why = f"there is no {', '.join(names)} until then"
        yield f"not checked: energy balance before {last}, because {why}"
