"""Verdicts on days as a calendar: a row for every month, a square for every day.

Colours keep apart for all kinds of colour vision, and in print, since they differ in lightness
too. matplotlib (extra ``plot``) is imported when a picture is drawn, and without pyplot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from runners.picture import empty_figure, save_figure
from telemetry.quality.findings import Check
from telemetry.quality_table import DayClass, DayQuality

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_quality"]

_WIDTH, _ROW, _REST = 12.0, 0.32, 1.75  # inches: all, of a month, of title, legend and days
_COLOURS = {
    DayClass.CLEAN: "#a6d3ec",
    DayClass.MASK_BATTERY: "#e69f00",
    DayClass.EXCLUDE: "#7b2d5b",
}
_LABELS = {
    DayClass.CLEAN: "clean",
    DayClass.MASK_BATTERY: "mask battery",
    DayClass.EXCLUDE: "exclude",
}
_EMPTY, _EMPTY_LABEL = "#d4d4d4", "of these without data"
_NOT_ASKED = "#f3f3f3"
_DAYS = 31
_SQUARE = 0.9


def plot_quality(days: Sequence[DayQuality], path: Path, *, title: str) -> None:
    """Draw verdicts, one or more, to a PNG file 1200 pixels wide.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    months = _months(days)
    figure = empty_figure(path, (_WIDTH, _REST + _ROW * len(months)))
    axes = figure.subplots()
    _squares(axes, days, months)
    _axes(axes, months)
    _legend(axes, days)
    save_figure(figure, path, title)


def _months(days: Sequence[DayQuality]) -> dict[tuple[int, int], int]:
    """Return the row of every month from the first day to the last, gaps included."""
    first, last = days[0].local_date, days[-1].local_date
    count = 12 * (last.year - first.year) + last.month - first.month + 1
    start = 12 * first.year + first.month - 1
    return {((start + row) // 12, (start + row) % 12 + 1): row for row in range(count)}


def _squares(axes: Axes, days: Sequence[DayQuality], months: Mapping[tuple[int, int], int]) -> None:
    """Draw a square for every day of every month; a dot on a clean one that is flagged."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - heavy

    judged = {day.local_date: day for day in days}
    first, last = days[0].local_date, days[-1].local_date
    for (year, month), row in months.items():
        for number in range(1, _DAYS + 1):
            here = _date(year, month, number)
            if here is None:
                continue
            corner = (number - _SQUARE / 2, row - _SQUARE / 2)
            colour = _colour(judged.get(here)) if first <= here <= last else _NOT_ASKED
            axes.add_patch(Rectangle(corner, _SQUARE, _SQUARE, facecolor=colour, lw=0))
    dots = [day for day in days if day.flagged]
    axes.plot(
        [day.local_date.day for day in dots],
        [months[day.local_date.year, day.local_date.month] for day in dots],
        ls="",
        marker="o",
        ms=5,
        color="#1b2631",
    )


def _date(year: int, month: int, number: int) -> date | None:
    """Return a day of the calendar; None where the month is shorter."""
    try:
        return date(year, month, number)
    except ValueError:
        return None


def _colour(day: DayQuality | None) -> str:
    """Return the colour of a day; of one without any facts that of no data."""
    if day is None or Check.EMPTY.value in day.counts:
        return _EMPTY
    return _COLOURS[day.day_class]


def _axes(axes: Axes, months: Mapping[tuple[int, int], int]) -> None:
    """Label months and days."""
    names = [f"{date(year, month, 1):%b %Y}" for year, month in months]
    axes.set_yticks(range(len(names)), labels=names)
    axes.set_xticks(range(1, _DAYS + 1))
    axes.tick_params(length=0, labelsize=9)
    axes.set_xlim(0.4, _DAYS + 0.6)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("day of the month")
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(axes: Axes, days: Sequence[DayQuality]) -> None:
    """Tell colours, and how many days are of each class; of the excluded, how many are empty."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - heavy
    from matplotlib.patches import Patch  # noqa: PLC0415

    empty = sum(Check.EMPTY.value in day.counts for day in days)
    handles: list[Patch | Line2D] = []
    for kind, colour in _COLOURS.items():
        count = sum(day.day_class is kind for day in days)
        handles.append(Patch(facecolor=colour, label=f"{_LABELS[kind]} ({count})"))
    handles.append(Patch(facecolor=_EMPTY, label=f"{_EMPTY_LABEL} ({empty})"))
    flagged = sum(day.flagged for day in days)
    handles.append(
        Line2D(
            [], [], ls="", marker="o", ms=5, color="#1b2631", label=f"clean, flagged ({flagged})"
        )
    )
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
