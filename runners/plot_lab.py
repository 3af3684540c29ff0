"""What-ifs as a picture: one day slot by slot, or what each of several days costs more.

One day: prices, shaded where a target sells more; energy stored by the baseline and by each
what-if. Several days: bars of what each what-if costs more, and its sum since the start. x is the
local time, or the ordinal of local dates.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runners.picture import empty_figure, save_figure
from sim.replay import day_sums
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_calendar, to_epoch, zone_info

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from runners.whatif_report import WhatIfDays
    from sim.lab import Course, LabResult
    from telemetry.arrays import F64

__all__ = ["plot_lab"]

_SIZE_INCHES = (9.0, 5.6)
_COLORS = ("#2e86c1", "#e67e22", "#1e8449", "#6c3483", "#c0392b", "#7f8c8d")
_BASELINE = "0.25"
_SLOT = timedelta(minutes=SLOT_MINUTES)
_FEW_DAYS = 15
_TICK_HOURS = 6


def plot_lab(found: WhatIfDays, path: Path, *, currency: str) -> None:
    """Draw what-ifs to a PNG file of 900 x 560 pixels.

    Args:
        found: what to draw.
        path: the file; its folder is made.
        currency: of all money.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    figure = empty_figure(path, _SIZE_INCHES)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.2))
    name = found.model.home.name or found.model.home.home_id
    if found.days == 1:
        _prices(upper, found.results[0], currency)
        _stored(lower, found)
        _clock_axis(lower, found)
        title = f"{name}, {found.first:%a} {found.first}"
    else:
        _bars(upper, found)
        _sums(lower, found)
        _finish(upper, f"{currency} more, each day")
        _finish(lower, f"{currency} more, since the start")
        _date_axis(lower, found)
        title = f"{name}, {found.first} to {found.last}"
    figure.align_ylabels([upper, lower])
    save_figure(figure, path, title)


def _prices(axes: Axes, row: tuple[LabResult, ...], currency: str) -> None:
    """Draw both prices of the day, shaded where the largest target sells more."""
    base = row[0].baseline
    count = base.day_slots
    edges = np.arange(count + 1)
    course = row[-1].scenario.course
    for label, values, color in (
        ("import price", course.import_price, "0.45"),
        ("export price", course.export_price, "#1e8449"),
    ):
        axes.stairs(values[:count], edges, color=color, lw=1.6, label=label, baseline=None)
    targets = [result.target for result in row if result.target is not None]
    if targets:
        most = max(targets, key=lambda target: target.export_kwh)
        for slot in np.flatnonzero(most.slots[:count]).tolist():
            axes.axvspan(slot, slot + 1, color="#f4b942", alpha=0.35, lw=0)
        axes.axvspan(0, 0, color="#f4b942", alpha=0.35, lw=0, label="more is sold")
    _finish(axes, f"{currency}/kWh")


def _stored(axes: Axes, found: WhatIfDays) -> None:
    """Draw the energy stored by the baseline and by every what-if."""
    row = found.results[0]
    base = row[0].baseline
    _line(axes, base.course, base.day_slots, "baseline", _BASELINE)
    for place, result in enumerate(row):
        color = _COLORS[place % len(_COLORS)]
        delta = result.delta.total
        label = f"{result.case} {delta:+.2f}"
        _line(axes, result.scenario.course, base.day_slots, label, color)
    _finish(axes, "stored, kWh")
    axes.set_ylim(bottom=0.0)


def _line(axes: Axes, course: Course, count: int, label: str, color: str) -> None:
    """Draw the energy stored over the day."""
    stored = np.concatenate([[course.soc_start_kwh], course.soc_kwh[:count]])
    axes.plot(np.arange(count + 1), stored, color=color, lw=1.6, label=label)


def _clock_axis(axes: Axes, found: WhatIfDays) -> None:
    """Put the local time below, every six hours."""
    base = found.results[0][0].baseline
    clock = zone_info(str(found.model.home.zone))
    moments = [
        (slot, (base.course.start + slot * _SLOT).astimezone(clock))
        for slot in range(base.day_slots + 1)
    ]
    full = [(slot, at) for slot, at in moments if at.hour % _TICK_HOURS == 0 and at.minute == 0]
    axes.set_xticks([slot for slot, _ in full], [f"{at:%H:%M}" for _, at in full])
    axes.set_xlim(0, base.day_slots)
    axes.set_xlabel("local time")


def _daily(found: WhatIfDays, place: int) -> F64:
    """Return (D,) what a what-if costs more, day by day."""
    if len(found.results) > 1:
        return np.array([delta.total for delta in found.deltas(place)])
    result = found.results[0][place]
    more = _slot_money(result.scenario.course) - _slot_money(result.baseline.course)
    course = result.baseline.course
    slots = to_epoch(course.start) + SLOT_SECONDS * np.arange(len(course), dtype=np.int64)
    days = day_sums(more, local_calendar(slots, str(found.model.home.zone)).day)
    days[-1] -= result.delta.stored
    return days


def _slot_money(course: Course) -> F64:
    """Return (T,) what each slot costs, what is stored apart."""
    bill = course.import_price * course.import_kwh - course.export_price * course.export_kwh
    wear = course.wear_cost_per_kwh * course.discharge_kwh
    money: F64 = bill + wear + course.penalty
    return money


def _bars(axes: Axes, found: WhatIfDays) -> None:
    """Draw what each what-if costs more, a bar for each day."""
    count, first = len(found.cases), found.first.toordinal()
    width = 0.8 / count
    for place in range(count):
        days = _daily(found, place)
        x = first + np.arange(days.size) + 0.1 + width * (place + 0.5)
        axes.bar(x, days, width, color=_COLORS[place % len(_COLORS)], lw=0)


def _sums(axes: Axes, found: WhatIfDays) -> None:
    """Draw what each what-if costs more since the start."""
    first = found.first.toordinal()
    for place, case in enumerate(found.cases):
        total = np.concatenate([[0.0], np.cumsum(_daily(found, place))])
        label = f"{case} {total[-1]:+.1f}"
        color = _COLORS[place % len(_COLORS)]
        axes.plot(first + np.arange(total.size), total, color=color, lw=1.7, label=label)


def _finish(axes: Axes, label: str) -> None:
    """Label, grid, and the legend above the panel, where no data are."""
    axes.set_ylabel(label)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=3,
            frameon=False,
            fontsize=8,
            borderpad=0.2,
        )


def _date_axis(axes: Axes, found: WhatIfDays) -> None:
    """Put local dates below: every day of a few, else Mondays, or the firsts of months."""
    first, stop = found.first.toordinal(), found.last.toordinal() + 1
    days = [date.fromordinal(day) for day in range(first, stop)]
    if len(days) > 7 * _FEW_DAYS:
        days = [day for day in days if day.day == 1]
    elif len(days) > _FEW_DAYS:
        days = [day for day in days if day.weekday() == 0]
    axes.set_xticks([day.toordinal() for day in days], [f"{day.day} {day:%b}" for day in days])
    axes.set_xlim(first, stop)
    axes.set_xlabel("local date")
