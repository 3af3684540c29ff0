"""What the energy left at the end of the horizon is worth.

A terminal value is a concave piecewise-linear curve of stored energy, written as its marginal
price: pairs (soc_kwh, price per stored kWh), each price holding from its soc upward to the next
pair's; below the first pair its price holds down to 0. Hence

    terminal_value(s) = integral of the marginal price from 0 to s                      (T1)

The default curve looks at 24 h of prices and net load that stand for the day after the horizon. A
stored kWh serves the load of slot k and saves ``eta_d * (import_price[k] - wear)``, as much of it
as the slot's net load takes; more is exported in slot k at ``eta_d * (export_price[k] - wear)``,
wherever that is worth most. No kWh is worth more than what refilling the battery would cost before
slot k: the price of the dearest of the cheapest earlier slots that fill it. Sorted by value the
pieces are non-increasing, floor 0.
                                                                                        (T2)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpc.arrays import F64
from mpc.errors import HorizonError
from mpc.physics import battery_power
from mpc.rules import Rules

__all__ = ["TerminalCurve", "TerminalValueLike", "follow_on_pieces", "pieces_below"]

TerminalValueLike = float | Sequence[tuple[float, float]] | F64


@dataclass(frozen=True, slots=True, eq=False)
class TerminalCurve:
    """Marginal value of stored energy, non-increasing.

    Attributes:
        soc_kwh: (K,) where each price begins, increasing; the first reaches down to 0.
        price: (K,) currency per stored kWh, non-increasing.
    """

    soc_kwh: F64
    price: F64

    @classmethod
    def of(cls, value: TerminalValueLike) -> "TerminalCurve":
        """Check a price, or (soc_kwh, marginal price) pairs, and make the curve.

        Raises:
            HorizonError: for what is no number, an unsorted curve or one that is not concave.
        """
        try:
            raw = np.array(value)
            pairs = raw.astype(np.float64) if raw.dtype.kind in "fiu" else np.empty((0, 0))
        except (TypeError, ValueError):
            pairs = np.empty((0, 0))
        if pairs.ndim == 0:
            pairs = np.array([[0.0, float(pairs)]])
        if pairs.ndim != 2 or pairs.shape[1:] != (2,) or pairs.shape[0] == 0:  # noqa: PLR2004
            raise HorizonError(
                "terminal_value", repr(value)[:80], "a price, or (soc_kwh, marginal price) pairs"
            )
        if not np.isfinite(pairs).all():
            raise HorizonError("terminal_value", repr(value)[:80], "finite numbers")
        soc, price = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        if soc[0] < 0.0 or np.any(np.diff(soc) <= 0.0):
            raise HorizonError("terminal_value soc_kwh", soc.tolist(), "increasing, 0 or more")
        if np.any(np.diff(price) > 0.0):
            raise HorizonError(
                "terminal_value prices", price.tolist(), "non-increasing: the curve must be concave"
            )
        return cls(soc, price)

    def pieces(self, upper_kwh: float) -> tuple[F64, F64]:
        """Return (length_kwh, price) of the pieces that cover [0, upper_kwh]."""
        return pieces_below(self.soc_kwh, self.price, upper_kwh)

    def value(self, soc_kwh: float) -> float:
        """Return the value of ``soc_kwh`` stored, currency (T1)."""
        length, price = self.pieces(max(soc_kwh, 0.0))
        return float(length @ price)

    def marginal(self, soc_kwh: float) -> tuple[float, float]:
        """Return what the (next, last) stored kWh is worth at ``soc_kwh``."""
        tolerance = 1e-9 * (1.0 + abs(soc_kwh))
        after = int(np.searchsorted(self.soc_kwh, soc_kwh + tolerance, side="right")) - 1
        before = int(np.searchsorted(self.soc_kwh, soc_kwh - tolerance, side="left")) - 1
        return float(self.price[max(after, 0)]), float(self.price[max(before, 0)])

    def pairs(self) -> tuple[tuple[float, float], ...]:
        """Return the curve as it is written: (soc_kwh, marginal price) pairs."""
        return tuple(zip(self.soc_kwh.tolist(), self.price.tolist(), strict=True))


def pieces_below(soc_kwh: F64, price: F64, upper_kwh: float) -> tuple[F64, F64]:
    """Return (length_kwh, price) of the pieces of a curve that cover [0, upper_kwh]; a kernel.

    Args:
        soc_kwh: (K,) where each price begins.
        price: (K,) currency per stored kWh.
        upper_kwh: how far the pieces reach.
    """
    edges = np.append(soc_kwh, np.inf)
    edges[0] = 0.0
    length = np.diff(np.minimum(edges, upper_kwh))
    keep = length > 0.0
    if not keep.any():
        return np.full(1, upper_kwh), price[:1].copy()
    return length[keep], price[keep]


def refill_cap(price: F64, energy_kwh: F64, usable_kwh: float) -> F64:
    """Return (N,) the dearest price needed to store ``usable_kwh`` before each slot, else inf.

    Args:
        price: (N,) cost of one more stored kWh in each slot.
        energy_kwh: (N,) how much each slot can store.
        usable_kwh: what it takes to fill the battery.
    """
    slots, cap, left = price.size, np.full(price.size, np.inf), energy_kwh.copy()
    stored, needed = 0.0, 0
    # Give up the dearest slots one by one: filling the battery then takes longer and costs less.
    for dearest in np.argsort(-price, kind="mergesort"):
        while needed < slots and stored < usable_kwh:
            stored += left[needed]
            needed += 1
        if stored < usable_kwh:
            break
        cap[needed:] = price[dearest]
        if dearest < needed:
            stored -= left[dearest]
        left[dearest] = 0.0
    return cap


def follow_on_pieces(
    series: F64, limits: F64, rules: Rules, empty_kwh: float, usable_kwh: float
) -> tuple[F64, F64]:
    """Return (soc_kwh, price) of the default terminal curve (T2) of a following day; a kernel.

    Args:
        series: (N, 4) the day that follows the horizon, columns as in ``rules.Slot``.
        limits: (N, 9) its limits, columns as in ``rules.Limits``; those of power are read.
        rules: of the site.
        empty_kwh: stored energy of the battery at its minimum; the curve begins there.
        usable_kwh: stored energy between the minimum and the maximum.
    """
    net, export_price = series[:, 0] - series[:, 1], series[:, 3]
    charge, discharge = battery_power(
        net,
        limits[:, 2],
        limits[:, 3],
        limits[:, 5],
        limits[:, 8],
        rules.allow_grid_charge,
        rules.allow_battery_export,
    )
    eta_c, eta_d = rules.charge_efficiency, rules.discharge_efficiency
    surplus = net < 0.0
    refill_price = np.where(surplus, np.maximum(export_price, 0.0), series[:, 2])
    room = np.where(surplus, np.minimum(charge, -net), charge)
    cap = refill_cap(refill_price / eta_c, room * eta_c, max(usable_kwh, 1e-9))
    value = np.minimum(eta_d * (series[:, 2] - rules.wear), cap)
    length = np.minimum(np.maximum(net, 0.0), discharge) / eta_d
    export = -np.inf
    if rules.allow_battery_export:
        export = np.max(np.minimum(eta_d * (export_price - rules.export_margin - rules.wear), cap))
    value = np.append(value, export)
    length = np.append(length, usable_kwh)
    return sorted_pieces(np.maximum(value, 0.0), length, empty_kwh, usable_kwh)


def sorted_pieces(
    value: F64, length_kwh: F64, empty_kwh: float, usable_kwh: float
) -> tuple[F64, F64]:
    """Sort pieces by value, merge equal ones and cut the curve at ``usable_kwh``; a kernel."""
    order = np.argsort(-value, kind="mergesort")
    order = order[length_kwh[order] > 0.0]
    if order.size == 0:
        return np.zeros(1), np.zeros(1)
    level, filled = value[order], np.cumsum(length_kwh[order])
    edge = np.append(np.zeros(1), filled[:-1])
    begins = edge < max(usable_kwh, 1e-12)
    begins[1:] &= level[1:] < level[:-1]
    return empty_kwh + edge[begins], level[begins]
