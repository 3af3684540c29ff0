"""The picture of a day in an environment: prices, energy stored, grid and house. Needs matplotlib.

kWh, kW, currency/kWh; the time is that of the home's wall clock.
"""

import io
import warnings
from datetime import UTC, datetime
from typing import final
from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from rlenv.history import History
from rlenv.kernel import ROW
from telemetry.arrays import F64
from telemetry.slots import SLOT_MINUTES

__all__ = ["Picture"]

_SIZE_INCHES, _DPI = (8.0, 6.0), 100
Edges = NDArray[np.float64]
"""Moments as matplotlib counts them: days since 1970, UTC."""
_TICK_SLOTS = 12
_SLOTS_A_DAY = 24 * 60 // SLOT_MINUTES
_SLOTS_AN_HOUR = 60 // SLOT_MINUTES


@final
class Picture:
    """One figure, drawn anew after each slot."""

    def __init__(self, *, shown: bool) -> None:
        """Make the figure.

        Args:
            shown: in a window, where the screen has one; a machine without a screen draws and
                shows nothing.
        """
        self._shown = shown
        self._figure: Figure
        if shown:
            from matplotlib import pyplot as plt  # noqa: PLC0415 - it looks for a screen

            self._figure = plt.figure(figsize=_SIZE_INCHES, dpi=_DPI)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a backend without a screen
                plt.show(block=False)
        else:
            self._figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI)

    def draw(
        self, history: History, place: int, rows: F64, start_kwh: float
    ) -> NDArray[np.uint8] | None:
        """Draw a day as far as it was lived; return (height, width, 3), or show it.

        Args:
            history: of the environment.
            place: of the day.
            rows: (t, K) of the slots that were lived, columns ``kernel.ROW``.
            start_kwh: stored energy at the day's start.
        """
        self._figure.clear()
        top, middle, bottom = self._figure.subplots(3, 1, sharex=True)
        slots = int(history.data.slots[place])
        edges = history.start(place).timestamp() / 86400.0 + np.arange(slots + 1) / _SLOTS_A_DAY
        told = history.known(place, 0)[:slots]
        _prices(top, edges, told, history.currency)
        lived = rows.reshape(-1, len(ROW))
        _stored(middle, edges, lived, start_kwh, history)
        _house(bottom, edges, lived)
        cost = float(lived[:, ROW.index("cost")].sum())
        title = f"{history.home_id}, {history.days[place]}: {len(lived)} of {slots} slots"
        top.set_title(f"{title}, cost {cost:.2f} {history.currency}")
        bottom.xaxis.set_major_formatter(_clock(history.zone))
        bottom.set_xticks(edges[::_TICK_SLOTS])
        bottom.set_xlim(edges[0], edges[-1])
        self._figure.set_layout_engine("constrained")
        if not self._shown:
            buffer = io.BytesIO()
            self._figure.savefig(buffer, format="rgba", dpi=_DPI)
            width, height = (int(inches * _DPI) for inches in _SIZE_INCHES)
            pixels = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
            return pixels.reshape(height, width, 4)[..., :3].copy()
        self._figure.canvas.draw()
        self._figure.canvas.flush_events()
        return None

    def close(self) -> None:
        """Close the window."""
        if self._shown:
            from matplotlib import pyplot as plt  # noqa: PLC0415

            plt.close(self._figure)


def _prices(axes: Axes, edges: Edges, told: F64, currency: str) -> None:
    """Draw the prices as known at the day's start."""
    for column, name in ((2, "import"), (3, "export")):
        axes.step(edges[:-1], told[:, column], where="post", label=name)
    axes.set_ylabel(f"{currency}/kWh")
    axes.legend(loc="upper right", fontsize="small")


def _stored(axes: Axes, edges: Edges, lived: F64, start_kwh: float, history: History) -> None:
    """Draw the energy stored."""
    stored = np.append(start_kwh, lived[:, ROW.index("soc_kwh")])
    axes.plot(edges[: stored.size], stored)
    axes.set_ylim(0.0, history.site.battery.capacity_kwh)
    axes.set_ylabel("stored, kWh")


def _house(axes: Axes, edges: Edges, lived: F64) -> None:
    """Draw load, PV, battery and grid, kW."""
    here = edges[: len(lived)]
    for label, plus, minus in (
        ("load", "load_kwh", None),
        ("PV", "pv_kwh", None),
        ("battery", "charge_kwh", "discharge_kwh"),
        ("grid", "import_kwh", "export_kwh"),
    ):
        power = lived[:, ROW.index(plus)].copy()
        if minus is not None:
            power -= lived[:, ROW.index(minus)]
        axes.step(here, _SLOTS_AN_HOUR * power, where="post", label=label)
    axes.set_ylabel("kW")
    axes.legend(loc="upper right", fontsize="small", ncols=4)


def _clock(zone: str) -> FuncFormatter:
    """Return labels that show the wall clock of a zone."""

    def label(days: float, _: int | None) -> str:
        moment = datetime.fromtimestamp(round(86400.0 * days), tz=UTC)
        return moment.astimezone(ZoneInfo(zone)).strftime("%H:%M")

    return FuncFormatter(label)
