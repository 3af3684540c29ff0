"""Requests as columns and rows of the house's linear program; (RQ) of ``requests``.

Columns per slot, each >= 0, where some block has a target:

    missing, excess    stored energy below, above what a block wishes at its end

and with an export target:

    counted            discharge beyond the net load that counts
    export_missing     (one) what is missing to the target

Rows:

    soc_low[t] <= soc[t] + missing[t] - excess[t] <= soc_high[t]                             (RQ6)
    counted[t] <= export_discharge[t],  counted[t] <= all export[t] + curtail[t]            (RQ7)
    sum(counted) + export_missing >= export_kwh                                              (RQ8)

    cost = price * (charge where none is wished + discharge where none is wished
                    + missing + excess + export_missing)                                     (RQ9)

The second half of (RQ7) follows from (RQ4) and the bus; without it, discharge that serves the house
would count for nothing. Both together still count more than (RQ4) where the split of the discharge
is wrong, that is where some goes to the grid while the house still imports, or charges at once:
``exactness`` puts a binary there (X6).
"""

import numpy as np

from mpc.lp import Lp, Numbers
from mpc.requests import Wanted

__all__ = ["RequestLp"]


class RequestLp:
    """Where the columns and rows of requests are; none where nothing is requested."""

    def __init__(self, slots: int, *, targets: bool, export_target: bool) -> None:
        """Say what there is; the four ``add`` methods are called in their order."""
        self._targets = slots if targets else 0
        self._counted = slots if export_target else 0

    def add_columns(self, lp: Lp) -> None:
        """Add what comes once per slot."""
        self.missing = lp.add_columns(self._targets)
        self.excess = lp.add_columns(self._targets)
        self.counted = lp.add_columns(self._counted)

    def add_single_columns(self, lp: Lp) -> None:
        """Add what comes once."""
        self.export_missing = lp.add_columns(1 if self._counted else 0)

    def add_rows(
        self, lp: Lp, soc: slice, export_discharge: slice, given_away: tuple[slice, ...]
    ) -> None:
        """Add (RQ6), (RQ7).

        Args:
            lp: the program.
            soc: columns of stored energy.
            export_discharge: columns of discharge beyond the net load.
            given_away: groups of columns: all export, and what is curtailed.
        """
        self.target_row = lp.add_rows(self._targets)
        self.counted_row = lp.add_rows(self._counted)
        self.given_row = lp.add_rows(self._counted)
        if self._targets:
            lp.set(self.target_row, soc, 1.0)
            lp.set(self.target_row, self.missing, 1.0)
            lp.set(self.target_row, self.excess, -1.0)
        if self._counted:
            lp.set(self.counted_row, self.counted, 1.0)
            lp.set(self.counted_row, export_discharge, -1.0)
            lp.set(self.given_row, self.counted, 1.0)
            for columns in given_away:
                lp.set(self.given_row, columns, -1.0)

    def add_single_rows(self, lp: Lp) -> None:
        """Add (RQ8)."""
        self.sum_row = lp.add_rows(1 if self._counted else 0)
        if self._counted:
            lp.sum_into(self.sum_row.start, self.counted, 1.0)
            lp.sum_into(self.sum_row.start, self.export_missing, 1.0)

    def fill(self, n: Numbers, wanted: Wanted, charge: slice, discharge: tuple[slice, ...]) -> None:
        """Write costs and bounds of requests; what the flows cost otherwise is there already.

        Args:
            n: numbers of the program.
            wanted: the requests.
            charge: its charge columns.
            discharge: its groups of discharge columns.
        """
        price = wanted.price_per_kwh
        n.cost[charge] += price * wanted.no_charge
        for columns in discharge:
            n.cost[columns] += price * wanted.no_discharge
        n.cost[self.missing] = n.cost[self.excess] = n.cost[self.export_missing] = price
        if self._targets:
            n.row_lower[self.target_row], n.row_upper[self.target_row] = (
                wanted.soc_low,
                wanted.soc_high,
            )
        if self._counted:
            n.col_upper[self.counted] = wanted.counted_max
            n.row_lower[self.counted_row] = n.row_lower[self.given_row] = -np.inf
            n.row_lower[self.sum_row], n.row_upper[self.sum_row] = wanted.export_kwh, np.inf
