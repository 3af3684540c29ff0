"""A replay as a picture: regret of every day by cause, and what each policy had cost by its end.

Upper panel: bars stacked by cause, parts below zero downwards from it, a mark for their sum. Lower
panel: cost since the start, at the end of each local day, with what is stored then valued by the
window's common curve; the last point is the cost of the window. x is the ordinal of local dates.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runners.picture import empty_figure, save_figure
from runners.replay_report import PARTS, Compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mpc.arrays import F64
    from sim.regret import Ledger
    from sim.replay import Replay

__all__ = ["plot_replay"]

_SIZE_INCHES = (12.0, 8.0)
_PART_COLORS = {
    "dispatch": "#7f8c8d",
    "load": "#1f618d",
    "pv": "#f4b942",
    "remainder": "#c0392b",
}
_LINES = {
    "no_battery": ("0.45", ":"),
    "self_use": ("#1e8449", "-"),
    "plan": ("#6c3483", "-"),
    "storage": ("#2e86c1", "-"),
    "rolling_oracle": ("#e67e22", "--"),
    "oracle": ("#1b2631", "-"),
}
_STYLES = ("-", "--", "-.", ":")
_FEW_DAYS = 60
_GAP = 0.18
_MARGIN = 0.06
_LABELS = 15


def plot_replay(compared: Compared, path: Path, *, title: str, currency: str) -> None:
    """Draw a comparison to a PNG file of 1200 x 800 pixels.

    Without a ledger there is the lower panel alone.

    Args:
        compared: what to draw.
        path: the file; its folder is made.
        title: what stands above.
        currency: of all money.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    figure = empty_figure(path, _SIZE_INCHES)
    if compared.ledger is None:
        panels = [figure.subplots()]
    else:
        panels = list(figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.15)))
        name = "" if compared.main is None else compared.runs[compared.main].name
        _regret(panels[0], compared.ledger)
        _finish(panels[0], f"regret of {name}, {currency}/day")
    _costs(panels[-1], compared)
    _finish(panels[-1], f"cost since the start, {currency}")
    _date_axis(panels[-1], compared)
    figure.align_ylabels(panels)
    save_figure(figure, path, title)


def _regret(axes: Axes, ledger: Ledger) -> None:
    """Stack the parts of every day, positive ones upwards and negative ones downwards."""
    edges = np.arange(ledger.total.size + 1) + float(ledger.days[0].toordinal())
    few = ledger.total.size <= _FEW_DAYS
    tops, bottoms = np.zeros(ledger.total.size), np.zeros(ledger.total.size)
    for name, label in PARTS.items():
        values: F64 = getattr(ledger, name)
        base = np.where(values >= 0.0, tops, bottoms)
        color = _PART_COLORS[name]
        if few:
            axes.bar(
                edges[:-1] + 0.5, values, 1.0 - _GAP, bottom=base, color=color, lw=0, label=label
            )
        else:  # one outline for all days: a bar for each takes seconds
            axes.stairs(base + values, edges, baseline=base, fill=True, color=color, label=label)
        tops += np.maximum(values, 0.0)
        bottoms += np.minimum(values, 0.0)
    if few:
        axes.plot(edges[:-1] + 0.5, ledger.total, "D", ms=5, color="black", label="regret")
    else:
        width = 0.8 if ledger.total.size <= 2 * _FEW_DAYS else 0.4
        axes.stairs(ledger.total, edges, color="black", lw=width, label="regret")
    low, high = min(bottoms.min(), 0.0), max(tops.max(), 0.01)
    margin = _MARGIN * (high - low)
    axes.set_ylim(low - (margin if low < 0.0 else 0.0), high + margin)


def _costs(axes: Axes, compared: Compared) -> None:
    """Draw the cost of every policy since the start; further dispatches are dashed."""
    seen: dict[str, int] = {}
    for run in compared.runs:
        ends, costs = _cost_since_start(run.result)
        color, style = _LINES[run.policy]
        turn = seen.setdefault(run.policy, 0)
        seen[run.policy] += 1
        per_day = run.result.cost / (ends.size - 1)
        axes.plot(
            ends,
            costs,
            color=color,
            ls=_STYLES[turn % len(_STYLES)] if turn else style,
            lw=1.7,
            zorder=2.0 if style == "-" else 3.0,
            label=f"{run.name} {per_day:.2f}/day",
        )


def _cost_since_start(result: Replay) -> tuple[F64, F64]:
    """Return (D + 1,) local midnights as ordinals and the cost up to each, 0 at the start."""
    days, last = np.unique(result.local_day[::-1], return_index=True)
    at = len(result) - 1 - last
    worth = [result.terminal.value(float(result.soc_kwh[t])) for t in at]
    gained = np.array(worth) - result.terminal.value(result.soc_start_kwh)
    costs = np.cumsum(result.slot_cost)[at] - gained
    ends = np.append(days[0], days + 1).astype(np.float64)
    return ends, np.concatenate(([0.0], costs))


def _finish(axes: Axes, label: str) -> None:
    """Label, zero line, grid, and the legend above the panel, where no data are."""
    axes.set_ylabel(label)
    axes.axhline(0.0, color="0.2", lw=0.8)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=5 if len(axes.get_legend_handles_labels()[1]) <= 5 else 4,  # noqa: PLR2004
        frameon=False,
        fontsize=9,
        borderpad=0.2,
    )


def _date_axis(axes: Axes, compared: Compared) -> None:
    """Put local dates below: under every day, or at the midnights of Mondays or of months."""
    result = compared.runs[0].result
    first, stop = int(result.local_day[0]), int(result.local_day[-1]) + 1
    axes.set_xlim(first, stop)
    ticks = _ticks(first, stop)
    middle = 0.5 if stop - first <= _LABELS else 0.0
    axes.set_xticks([tick + middle for tick in ticks], _labels(ticks, weekdays=middle > 0.0))
    axes.set_xlabel("local date")


def _ticks(first: int, stop: int) -> list[int]:
    """Return the ordinals that get a label: all of a few days, Mondays, or firsts of months."""
    days = range(first, stop)
    if len(days) <= _LABELS:
        return list(days)
    if len(days) <= 7 * _LABELS:
        return [day for day in days if date.fromordinal(day).weekday() == 0]
    return [day for day in days if date.fromordinal(day).day == 1]


def _labels(ticks: list[int], *, weekdays: bool) -> list[str]:
    """Return the dates, the first of each year with it."""
    written = "{0:%a} {0.day} {0:%b}" if weekdays else "{0.day} {0:%b}"
    days = [date.fromordinal(tick) for tick in ticks]
    years = [None, *(day.year for day in days)]
    return [
        written.format(day) + (f"\n{day.year}" if day.year != before else "")
        for day, before in zip(days, years, strict=False)
    ]
