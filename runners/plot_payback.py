"""What a year with each battery saves, and after how many years it has paid itself, as a picture.

Upper panel: bill saved a year by Darkstar and by plain self-consumption, wear beside it. Lower
panel, where costs are known: payback. x is the capacity in kWh.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from runners.output import many
from runners.picture import empty_figure, save_figure
from runners.whatif_battery_report import YEAR_DAYS, BatteryYear, SizeLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_payback"]

_SIZE_INCHES = (10.0, 7.5)
_SIZE_ALONE_INCHES = (10.0, 4.5)
_ROOM = 1.3
_MARGIN = 0.06


def plot_payback(found: BatteryYear, path: Path) -> None:
    """Draw a year with every battery to a PNG file.

    Args:
        found: what to draw.
        path: the file; its folder is made.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    figure = empty_figure(path, _SIZE_INCHES if found.has_costs else _SIZE_ALONE_INCHES)
    if found.has_costs:
        panels = list(figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1.0)))
        _payback(panels[1], found)
    else:
        panels = [figure.subplots()]
    _savings(panels[0], found)
    sizes = [line.capacity_kwh for line in found.sizes]
    panels[-1].set_xticks(sizes, [f"{kwh:g}" for kwh in sizes])
    panels[-1].set_xlim(-_MARGIN * sizes[-1], (1.0 + _MARGIN) * sizes[-1])
    panels[-1].set_xlabel("battery, kWh")
    figure.align_ylabels(panels)
    tariff = "tariff as dated" if found.tariff_year is None else f"tariff of {found.tariff_year}"
    days = f"{many(found.days.count, 'day')} scaled to {YEAR_DAYS}"
    title = f"{found.name}, {found.span}: {days}; {tariff}"
    save_figure(figure, path, title)


def _savings(axes: Axes, found: BatteryYear) -> None:
    """Draw what every size saves, and its wear."""
    sizes = [line.capacity_kwh for line in found.sizes]
    for name, label, color, style in (
        ("bill_saving", "bill saved by Darkstar", "#2e86c1", "o-"),
        ("self_use_saving", "bill saved by plain self-consumption", "#1e8449", "s--"),
        ("wear", "wear, not taken off", "0.45", "^:"),
    ):
        values = [getattr(line, name) for line in found.sizes]
        axes.plot(sizes, values, style, color=color, lw=1.7, ms=5, label=label)
    _finish(axes, f"{found.currency} a year")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=9)


def _payback(axes: Axes, found: BatteryYear) -> None:
    """Draw the curve of payback; a size that never pays itself is named at the top."""
    lines = [(line, line.payback_years) for line in found.sizes]
    known = [(line, years) for line, years in lines if years is not None]
    paid = [(line, years) for line, years in known if not math.isinf(years)]
    sizes, years_paid = [line.capacity_kwh for line, _ in paid], [years for _, years in paid]
    axes.plot(sizes, years_paid, "o-", color="#e67e22", lw=1.7, ms=6)
    top = _ROOM * max([*years_paid, 1.0])
    axes.set_ylim(0.0, top)
    for line, years in known:
        never = math.isinf(years)
        axes.annotate(
            _label(line, years, found.currency),
            (line.capacity_kwh, top if never else years),
            xytext=(0, -4 if never else 7),
            textcoords="offset points",
            ha="center",
            va="top" if never else "bottom",
            fontsize=9,
        )
    _finish(axes, "payback, years")


def _label(line: SizeLine, years: float, currency: str) -> str:
    """Return what stands at a point: years and cost."""
    told = "never" if math.isinf(years) else f"{years:.1f}"
    return f"{told}\n{line.cost:.0f} {currency}"


def _finish(axes: Axes, label: str) -> None:
    """Label, zero line and grid."""
    axes.set_ylabel(label)
    axes.axhline(0.0, color="0.2", lw=0.8)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
