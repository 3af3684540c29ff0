"""A month's costs as a picture for a narrow page: cost so far by course, regret by cause and day.

Upper panel: cost since the start of the month at the end of each local day; days left out are
shaded, and the lines go on behind them. Lower panel: regret of Darkstar's replay, parts stacked,
those below zero downwards. x is the day of the month.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runners.picture import empty_figure, save_figure
from runners.replay_report import PARTS
from runners.report_month import NAMES, MonthReport, brief
from sim.savings import Account, Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_report"]

_SIZE_INCHES = (5.6, 7.8)
_LINES = {
    Course.PAID: ("#000000", "--", 2.4),
    Course.NO_BATTERY: ("0.45", ":", 1.8),
    Course.SELF_USE: ("#1e8449", "-", 1.8),
    Course.DARKSTAR: ("#2e86c1", "-", 1.8),
    Course.ORACLE: ("#e67e22", "-", 1.8),
}
_NAMES = NAMES | {Course.DARKSTAR: "Darkstar"}
_PARTS = {"dispatch": "#7f8c8d", "load": "#1f618d", "pv": "#f4b942", "remainder": "#c0392b"}
_EVERY = 5
_MARGIN = 0.06
_COLUMNS = 2
_ROOM, _ROOM_OF_LINE = 8.0, 16.0
"""Points above a panel for a legend, and for each line of it."""


def plot_report(report: MonthReport, path: Path) -> None:
    """Draw a month to a PNG file.

    Args:
        report: the month.
        path: the file; its folder is made.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    figure = empty_figure(path, _SIZE_INCHES)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.4, 1.0))
    for account in report.accounts.values():
        _line(above, account)
    _finish(above, f"cost so far, {report.currency}")
    _regret(below, report)
    _finish(below, f"regret of Darkstar's replay, {report.currency}/day")
    for axes in (above, below):
        for day in report.savings.left_out:
            axes.axvspan(day.local_date.day, day.local_date.day + 1, color="0.93", lw=0)
    last = report.savings.last.day
    below.set_xlim(1, last + 1)
    ticks = [day for day in range(1, last + 1) if day == 1 or day % _EVERY == 0]
    below.set_xticks([day + 0.5 for day in ticks], [str(day) for day in ticks])
    shaded = "; grey: left out" if report.savings.left_out else ""
    below.set_xlabel(f"{report.month:%B %Y}, local days{shaded}")
    figure.align_ylabels([above, below])
    save_figure(figure, path, f"{report.name}, {report.month:%B %Y}")


def _line(axes: Axes, account: Account) -> None:
    """Draw the cost of a course so far, from the start of the first day."""
    color, style, width = _LINES[account.course]
    ends, costs = [float(account.days[0].local_date.day)], [0.0]
    for day in account.days:
        if day.local_date.day > ends[-1]:  # days left out cost nothing here
            ends.append(float(day.local_date.day))
            costs.append(costs[-1])
        ends.append(day.local_date.day + 1.0)
        costs.append(costs[-1] + day.cost)
    label = f"{_NAMES[account.course]} {brief(account.cost)}"
    over = 4.0 if account.course is Course.PAID else 2.0
    axes.plot(ends, costs, color=color, ls=style, lw=width, label=label, zorder=over)


def _regret(axes: Axes, report: MonthReport) -> None:
    """Stack the parts of every day."""
    ledger = report.savings.ledger
    days = np.array([day.day for day in ledger.days]) + 0.5
    tops, bottoms = np.zeros(days.size), np.zeros(days.size)
    for name, label in PARTS.items():
        values = getattr(ledger, name)
        base = np.where(values >= 0.0, tops, bottoms)
        axes.bar(days, values, 0.82, bottom=base, color=_PARTS[name], lw=0, label=label)
        tops += np.maximum(values, 0.0)
        bottoms += np.minimum(values, 0.0)
    low, high = min(float(bottoms.min()), 0.0), max(float(tops.max()), 0.01)
    margin = _MARGIN * (high - low)
    axes.set_ylim(low - (margin if low < 0.0 else 0.0), high + margin)


def _finish(axes: Axes, label: str) -> None:
    """Title, zero line, grid, and the legend above the panel, where no data are."""
    lines = -(-len(axes.get_legend_handles_labels()[1]) // _COLUMNS)
    pad = _ROOM + _ROOM_OF_LINE * lines
    axes.set_title(label, loc="left", fontsize=11, pad=pad)
    axes.axhline(0.0, color="0.2", lw=0.8)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=_COLUMNS,
        frameon=False,
        fontsize=10,
        borderpad=0.2,
        handlelength=2.4,
    )
