"""A plan as a picture: prices and energy value, power, stored energy, over local time.

matplotlib (extra ``plot``) is imported when a picture is drawn, and without pyplot: no global
state, no display. Inside, times are days since 1970 in UTC, as matplotlib counts them.
"""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from runners.picture import empty_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mpc import Plan
    from mpc.arrays import F64

__all__ = ["plot_plan"]

_SIZE_INCHES = (12.0, 9.0)
_IMPORT, _EXPORT, _VALUE = "#c0392b", "#1e8449", "#6c3483"
_LOAD, _PV, _CHARGE, _DISCHARGE = "#1b2631", "#f4b942", "#5dade2", "#1f618d"
_PRICE_MARGIN = 0.08
_DAY_SECONDS = 86_400.0
_MOST_TICKS = 20


def plot_plan(
    plan: "Plan",
    path: Path,
    *,
    zone: str,
    title: str,
    currency: str = "SEK",
    min_soc_kwh: float | None = None,
    max_soc_kwh: float | None = None,
) -> None:
    """Draw ``plan`` to a PNG file of 1200 x 900 pixels.

    Args:
        plan: what to draw.
        path: the file; its folder is made.
        zone: time zone of the axis.
        title: what stands above, e.g. home and moment.
        currency: of prices.
        min_soc_kwh: line of the least stored energy.
        max_soc_kwh: line of the most stored energy.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    figure = empty_figure(path, _SIZE_INCHES)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1.0, 1.1, 0.8))
    clock = ZoneInfo(zone)
    edges = _days([*plan.starts, plan.starts[-1] + timedelta(minutes=plan.slot_minutes[-1].item())])
    _prices(panels[0], plan, edges, currency)
    _power(panels[1], plan, edges)
    _stored(panels[2], plan, edges, (min_soc_kwh, max_soc_kwh))
    _time_axis(panels, edges, clock)
    save_figure(figure, path, title)


def _days(moments: list[datetime]) -> "F64":
    """Return moments as days since 1970."""
    return np.array([moment.timestamp() / _DAY_SECONDS for moment in moments])


def _held(values: "F64") -> "F64":
    """Repeat the last value, so that a step reaches the end of its slot."""
    return np.append(values, values[-1])


def _prices(axes: "Axes", plan: "Plan", edges: "F64", currency: str) -> None:
    """Prices as steps, the energy value as a line in its band."""
    axes.step(edges, _held(plan.import_price), where="post", color=_IMPORT, lw=1.4, label="import")
    axes.step(edges, _held(plan.export_price), where="post", color=_EXPORT, lw=1.4, label="export")
    ends = edges[1:]
    axes.fill_between(
        ends,
        plan.energy_value_up,
        plan.energy_value_down,
        color=_VALUE,
        alpha=0.25,
        lw=0,
        label="next to last kWh",
    )
    axes.plot(ends, plan.energy_value, color=_VALUE, lw=1.8, label="energy value (stored)")
    low = min(plan.import_price.min(), plan.export_price.min(), plan.energy_value.min())
    high = max(plan.import_price.max(), plan.export_price.max(), plan.energy_value.max())
    margin = max(_PRICE_MARGIN * (high - low), 0.01)
    axes.set_ylim(min(low, 0.0) - margin, max(high, 0.0) + margin)
    _finish(axes, f"{currency} per kWh")


def _power(axes: "Axes", plan: "Plan", edges: "F64") -> None:
    """Mean power of each slot: what gives is drawn up, what takes is drawn down."""
    hours = plan.slot_minutes / 60.0
    pv, load = _held(plan.pv_kwh / hours), _held(plan.load_kwh / hours)
    axes.fill_between(edges, pv, step="post", color=_PV, alpha=0.55, lw=0, label="PV")
    for values, color, label in (
        (plan.discharge_kwh, _DISCHARGE, "discharge"),
        (-plan.charge_kwh, _CHARGE, "charge"),
    ):
        axes.bar(
            edges[:-1],
            values / hours,
            width=hours / 24.0,
            align="edge",
            color=color,
            alpha=0.85,
            lw=0,
            label=label,
        )
    axes.step(edges, load, where="post", color=_LOAD, lw=1.5, label="load")
    for values, color, label in (
        (plan.import_kwh / hours, _IMPORT, "grid import"),
        (-plan.export_kwh / hours, _EXPORT, "grid export"),
    ):
        axes.step(edges, _held(values), where="post", color=color, lw=1.1, ls="--", label=label)
    _finish(axes, "kW")


def _stored(
    axes: "Axes", plan: "Plan", edges: "F64", limits: tuple[float | None, float | None]
) -> None:
    """Stored energy between its limits."""
    stored = np.concatenate([[plan.soc_start_kwh], plan.soc_kwh])
    axes.fill_between(edges, stored, color=_CHARGE, alpha=0.25, lw=0)
    axes.plot(edges, stored, color=_DISCHARGE, lw=1.8, label="stored energy")
    for value, label in zip(limits, ("min", "max"), strict=True):
        if value is not None:
            axes.axhline(value, color="0.35", lw=1.0, ls=":")
            axes.annotate(
                label,
                (1.004, value),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
                color="0.35",
            )
    top = max([float(stored.max()), *(limit for limit in limits if limit is not None)])
    axes.set_ylim(0.0, 1.08 * max(top, 0.1))
    _finish(axes, "kWh stored")


def _finish(axes: "Axes", unit: str) -> None:
    """Unit, zero line, grid, and the legend above the panel, where no data are."""
    axes.set_ylabel(unit)
    axes.axhline(0.0, color="0.2", lw=0.8)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=6,
        frameon=False,
        fontsize=9,
        borderpad=0,
    )


def _time_axis(panels: "list[Axes]", edges: "F64", clock: ZoneInfo) -> None:
    """Local hours as ticks, local midnights as lines."""
    from matplotlib.dates import DateFormatter, HourLocator  # noqa: PLC0415 - heavy

    midnights = []
    day = datetime.fromtimestamp(edges[0] * _DAY_SECONDS, clock).date() + timedelta(days=1)
    while (midnight := datetime.combine(day, time(), clock)).timestamp() < edges[-1] * _DAY_SECONDS:
        midnights.append(midnight)
        day += timedelta(days=1)
    for axes in panels:
        for line in _days(midnights):
            axes.axvline(line, color="0.55", lw=1.0)
    last, hours = panels[-1], 24.0 * (edges[-1] - edges[0])
    step = next((step for step in (1, 3, 6, 12) if hours <= step * _MOST_TICKS), 24)
    last.xaxis.set_major_locator(HourLocator(byhour=range(0, 24, step), tz=clock))  # type: ignore[no-untyped-call]
    last.xaxis.set_major_formatter(DateFormatter("%H:%M\n%a %d", tz=clock))  # type: ignore[no-untyped-call]
    last.set_xlim(edges[0], edges[-1])
    last.set_xlabel(f"local time, {clock.key}")
