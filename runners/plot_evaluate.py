"""An evaluation as a picture: errors and bands by lead, a week as it was foretold, the money.

Upper row: mean absolute error by hour of lead, of Aurora and of the naive forecast that did best in
hindsight over all leads; share of the truth in the 10-90 % band, 77 to 83 % shaded; regret of every
forecaster. Below: a week of load and PV with the forecasts of each local midnight. Energies are
shown as mean power, kW.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecast.metrics import LEAD_HOURS, NAIVES, Sums
from runners.picture import empty_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.aurora import Forecast
    from runners.evaluate import Evaluated, Example
    from sim.score import Money
    from telemetry.arrays import F64

__all__ = ["plot_evaluate"]

_WIDTH_INCHES, _UPPER_INCHES, _WEEK_INCHES = 14.0, 4.2, 2.6
_SLOTS_AN_HOUR = 4
_CORRIDOR = (77.0, 83.0)
_COLORS = {"load": "#1f618d", "PV": "#d68910"}
_BARS = {
    "self-use": "#1e8449",
    "baseline": "#7f8c8d",
    "aurora, means": "#a569bd",
    "aurora": "#6c3483",
    "perfect": "#1b2631",
}
_TICKS = (0, 6, 12, 18, 24, 30, 36, 42, 48)


def plot_evaluate(found: Evaluated, path: Path, *, title: str) -> None:
    """Draw an evaluation to a PNG file 1400 pixels wide.

    Args:
        found: what to draw.
        path: the file; its folder is made.
        title: what stands above.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    weeks = 1 if found.pv is None else 2
    figure = empty_figure(path, (_WIDTH_INCHES, _UPPER_INCHES + weeks * _WEEK_INCHES))
    heights = (_UPPER_INCHES, weeks * _WEEK_INCHES)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    money = None if found.priced is None else found.priced.money
    upper = list(above.subplots(1, 2 if money is None else 3))
    lower = list(below.subplots(weeks, 1, squeeze=False)[:, 0])
    targets = {"load": found.load} | ({} if found.pv is None else {"PV": found.pv})
    _errors(upper[0], targets)
    _coverage(upper[1], targets)
    if money is not None:
        _money(upper[2], money, found.currency)
    week = found.example
    _week(lower[0], week, "load", week.load_kwh, week.load)
    if week.pv is not None and week.pv_kwh is not None:
        _week(lower[1], week, "PV", week.pv_kwh, week.pv)
    figure.align_ylabels(lower)
    save_figure(figure, path, title)


def _errors(axes: Axes, targets: dict[str, Sums]) -> None:
    """Draw the mean absolute error by lead against the best naive forecast."""
    hours = np.arange(LEAD_HOURS + 1)
    top = 0.0
    for name, sums in targets.items():
        best = int(sums.naive_kwh.sum(axis=1).argmin())
        mine, naive = (_per_hour(part, sums) for part in (sums.absolute_kwh, sums.naive_kwh[best]))
        axes.stairs(
            mine, hours, baseline=None, color=_COLORS[name], lw=2.0, label=f"{name}: Aurora"
        )
        label = f"{name}: best naive, {NAIVES[best]}"
        axes.stairs(naive, hours, baseline=None, color=_COLORS[name], lw=1.3, ls="--", label=label)
        top = max(top, float(np.nanmax([mine, naive])) if sums.count.any() else 0.0)
    axes.set_ylim(0.0, 1.12 * top if top > 0.0 else 1.0)
    _finish(axes, "mean absolute error, kW")
    _lead_axis(axes)


def _per_hour(part: F64, sums: Sums) -> F64:
    """Return (48,) means of a sum as kW, NaN where nothing was scored."""
    some = sums.count > 0
    mean: F64 = np.divide(part, sums.count, out=np.full(LEAD_HOURS, np.nan), where=some)
    return mean * _SLOTS_AN_HOUR


def _coverage(axes: Axes, targets: dict[str, Sums]) -> None:
    """Draw the share of the truth in the band by lead, and where it should be."""
    hours, lowest = np.arange(LEAD_HOURS + 1), 60.0
    axes.axhspan(*_CORRIDOR, color="#d5f5e3", lw=0, label="77 to 83 %")
    for name, sums in targets.items():
        share = 100.0 / _SLOTS_AN_HOUR * _per_hour(sums.inside, sums)
        axes.stairs(share, hours, baseline=None, color=_COLORS[name], lw=2.0, label=name)
        lowest = min(lowest, float(np.nanmin(share)) - 2.0 if sums.count.any() else lowest)
    axes.set_ylim(lowest, 100.0)
    _finish(axes, "truth in the 10-90 % band, %")
    _lead_axis(axes)


def _money(axes: Axes, money: Money, currency: str) -> None:
    """Draw what each forecaster paid above the oracle."""
    names = [row.name for row in money.rows]
    regrets = [max(row.regret_per_day, 0.0) for row in money.rows]  # rounding apart
    bars = axes.bar(names, regrets, 0.68, color=[_BARS.get(name, "0.5") for name in names])
    labels = [
        f"{regret:.2f}\n{100.0 * row.share_of_gain:.1f} %"
        for row, regret in zip(money.rows, regrets, strict=True)
    ]
    axes.bar_label(bars, labels, padding=2, fontsize=9)
    axes.set_ylim(0.0, 1.22 * max(*regrets, 0.01))
    axes.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names], fontsize=9)
    axes.set_ylabel(f"regret, {currency}/day; share of the oracle's gain", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _week(axes: Axes, week: Example, name: str, actual_kwh: F64, said: Forecast) -> None:
    """Draw a week: band, median, and what came."""
    edges = np.arange(actual_kwh.size + 1)
    color = _COLORS[name]
    low, median, high = (
        _SLOTS_AN_HOUR * part for part in (said.low_kwh, said.median_kwh, said.high_kwh)
    )
    axes.stairs(
        high, edges, baseline=low, fill=True, color=color, alpha=0.22, lw=0, label="10-90 %"
    )
    axes.stairs(median, edges, baseline=None, color=color, lw=1.6, label="median at midnight")
    actual = _SLOTS_AN_HOUR * actual_kwh
    axes.stairs(actual, edges, baseline=None, color="0.1", lw=0.9, label="measured")
    axes.set_xlim(0, actual.size)
    axes.set_ylim(bottom=0.0)
    ends = [*week.midnights[1:], actual.size]
    middles = [(a + b) / 2.0 for a, b in zip(week.midnights, ends, strict=True)]
    axes.set_xticks(list(week.midnights), [""] * len(week.midnights))
    axes.set_xticks(middles, [f"{day:%a} {day.day} {day:%b}" for day in week.dates], minor=True)
    axes.tick_params(axis="x", which="minor", length=0)
    axes.grid(axis="x", color="0.85", lw=0.8)
    _finish(axes, f"{name}, kW")


def _lead_axis(axes: Axes) -> None:
    """Put hours of lead below."""
    axes.set_xlim(0, LEAD_HOURS)
    axes.set_xticks(_TICKS)
    axes.set_xlabel("lead, h")


def _finish(axes: Axes, label: str) -> None:
    """Label, grid, and the legend above the panel, where no data are."""
    axes.set_ylabel(label)
    axes.grid(axis="y", color="0.9", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3 if len(axes.get_legend_handles_labels()[1]) <= 3 else 2,  # noqa: PLR2004
        frameon=False,
        fontsize=8.5,
        borderpad=0.2,
    )
