"""The horizon that can be planned from what was known at one slot, valued by the 24 h after it.

Units: kWh per 15-minute slot at the AC bus, currency/kWh.
"""

from datetime import datetime

import numpy as np

from mpc import Horizon, TerminalCurve
from mpc.arrays import F64
from mpc.jit import compiled
from mpc.rules import Rules
from mpc.terminal import follow_on_pieces
from telemetry.slots import SLOT_MINUTES

__all__ = ["end_curve", "known_horizon"]


def known_horizon(start: datetime, series: F64, slots: int, limits: F64, rules: Rules) -> Horizon:
    """Return a horizon of the first ``slots`` of what was known, its end valued by the others.

    Args:
        start: of the slot at which it was known, UTC.
        series: (A, 4) load, PV, import and export price, the slot itself first.
        slots: T of the horizon.
        limits: (A or more, 9) of these slots, columns as in ``mpc.rules.Limits``.
        rules: of the site.
    """
    load, pv, imports, exports = (np.ascontiguousarray(row) for row in series[:slots].T)
    return Horizon(
        start=start,
        slot_minutes=SLOT_MINUTES,
        import_price=imports,
        export_price=exports,
        load_kwh=load,
        pv_kwh=pv,
        terminal_value=end_curve(series[slots:], limits[slots : len(series)], rules),
    )


def end_curve(after: F64, limits: F64, rules: Rules) -> TerminalCurve:
    """Return what the slots known after a horizon make of the energy left (T2 of ``mpc.terminal``).

    Args:
        after: (N, 4) load, PV, import and export price.
        limits: (N, 9) of these slots, the same in each.
        rules: of the site.
    """
    empty, full = float(limits[:, 0].min()), float(limits[:, 1].max())
    if full <= 0.0:
        return TerminalCurve.of(0.0)  # as ``mpc.terminal_curve``: it sets the price of limits (Q4)
    after, limits = np.ascontiguousarray(after), np.ascontiguousarray(limits)
    soc, price = compiled(follow_on_pieces)(after, limits, rules, empty, full - empty)
    return TerminalCurve(soc, price)
