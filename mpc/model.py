"""The house as a linear program.

Columns per slot (kWh at the AC bus; kWh stored for soc), each >= 0:

    charge, discharge, import, export, curtail, soc
    export_discharge   discharge beyond the net load, where an export margin or target is set
    import_above       import above the soft limit, where one is set
    import_over, export_over   beyond the hard limits, where the house may not be able to hold them
    reserve_short      missing reserve, where one is set
    recovery_short     (one) what is missing to the minimum at the end, where recovery has a price
    terminal           one column per piece of the terminal curve
    those of requests  ``request_lp``

Rows:

    soc[t] - soc[t-1] - eta_c * charge[t] + (discharge + export_discharge)[t] / eta_d = 0   (M1)
    (import + import_above + import_over)[t] - (export + export_over)[t]
        + (discharge + export_discharge - charge - curtail)[t] = load[t] - pv[t]            (M2)
    soc[t] + reserve_short[t] >= reserve[t]                                                 (M3)
    soc[T-1] = sum(terminal)                                                                (M4)
    soc[T-1] + recovery_short >= soc_min[T-1]                                               (M6)

    cost = import_price * (all import) - export_price * (all export) + wear * (all discharge)
         + margin * export_discharge + soft_price * import_above + reserve_price * reserve_short
         + penalty * (import_over + export_over) - terminal_price * terminal                (M5)

The dual of (M1) is minus the energy value. (M1)-(M5) alone may import and export at once, or burn
energy in the battery, where prices reward it; ``exactness`` forbids that.
"""

from dataclasses import dataclass

import numpy as np

from mpc.arrays import F64
from mpc.lp import Lp, Matrix, Numbers
from mpc.problem import Problem
from mpc.request_lp import RequestLp

__all__ = ["HouseModel", "Structure", "structure_of"]

_TERMINAL_STEP = 32
"""Terminal columns come in multiples of this, so that the matrix rarely changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What decides the matrix: everything else of a problem is cost, bound or right-hand side."""

    slots: int
    charge_efficiency: float
    discharge_efficiency: float
    split_discharge: bool
    soft_import: bool
    elastic: bool
    reserve: bool
    recovery: bool
    targets: bool
    export_target: bool
    terminal_columns: int


def structure_of(problem: Problem) -> Structure:
    """Return the structure of a problem's matrix.

    Grid limits get their elastic columns only where the battery at rest could break them, or where
    moving SoC bounds force it to move: elsewhere a plan inside the limits exists, and a penalty
    above every price is never worth paying.
    """
    site, net, wanted = problem.site, problem.net, problem.wanted
    export_target = wanted is not None and wanted.requests.export_target is not None
    surplus = np.maximum(-net, 0.0) - problem.curtail_max
    forced = np.ptp(problem.soc_min) > 0.0 or np.ptp(problem.soc_max) > 0.0
    pieces = problem.terminal.pieces(_top(problem))[0].size
    return Structure(
        slots=net.size,
        charge_efficiency=site.battery.charge_efficiency,
        discharge_efficiency=site.battery.discharge_efficiency,
        split_discharge=site.export_margin_per_kwh > 0.0 or export_target,
        soft_import=bool(np.isfinite(problem.import_soft).any()),
        elastic=bool(
            forced or np.any(net > problem.import_max) or np.any(surplus > problem.export_max)
        ),
        reserve=bool(problem.reserve.max() > 0.0),
        recovery=problem.start_side < 0 and site.recovery_price_per_kwh > 0.0,
        targets=wanted is not None and wanted.has_targets,
        export_target=export_target,
        terminal_columns=-(-pieces // _TERMINAL_STEP) * _TERMINAL_STEP,
    )


def _top(problem: Problem) -> float:
    """Most energy the battery can hold at the end of the horizon, kWh."""
    return float(max(problem.soc_max[-1], problem.soc_start_kwh))


class HouseModel:
    """Columns, rows and matrix of one structure, filled with the numbers of a problem."""

    def __init__(self, structure: Structure) -> None:
        """Lay out the columns and set the matrix (M1)-(M4), (M6)."""
        self.structure = structure
        lp, slots = Lp(), structure.slots
        self.charge = lp.add_columns(slots)
        self.discharge = lp.add_columns(slots)
        self.imports = lp.add_columns(slots)
        self.exports = lp.add_columns(slots)
        self.curtail = lp.add_columns(slots)
        self.soc = lp.add_columns(slots)
        self.export_discharge = lp.add_columns(slots if structure.split_discharge else 0)
        self.import_above = lp.add_columns(slots if structure.soft_import else 0)
        self.import_over = lp.add_columns(slots if structure.elastic else 0)
        self.export_over = lp.add_columns(slots if structure.elastic else 0)
        self.reserve_short = lp.add_columns(slots if structure.reserve else 0)
        self.requests = RequestLp(
            slots, targets=structure.targets, export_target=structure.export_target
        )
        self.requests.add_columns(lp)
        self.first_single_column = lp.columns
        self.recovery_short = lp.add_columns(1 if structure.recovery else 0)
        self.terminal = lp.add_columns(structure.terminal_columns)
        self.requests.add_single_columns(lp)
        self.all_discharge = self._present(self.discharge, self.export_discharge)
        self.all_import = self._present(self.imports, self.import_above, self.import_over)
        self.all_export = self._present(self.exports, self.export_over)
        self._set_rows(lp)
        self.lp = lp
        self.matrix: Matrix = lp.matrix()

    @staticmethod
    def _present(*columns: slice) -> tuple[slice, ...]:
        """Return the column groups this structure has."""
        return tuple(c for c in columns if c.stop > c.start)

    def _set_rows(self, lp: Lp) -> None:
        """Set (M1)-(M4) and (M6)."""
        slots = self.structure.slots
        self.stored = lp.add_rows(slots)
        self.bus = lp.add_rows(slots)
        self.reserve_row = lp.add_rows(slots if self.structure.reserve else 0)
        given_away = (*self.all_export, self.curtail)
        self.requests.add_rows(lp, self.soc, self.export_discharge, given_away)
        self.first_single_row = lp.rows
        self.terminal_row = lp.add_rows(1)
        lp.set(self.stored, self.soc, 1.0)
        later = slice(self.stored.start + 1, self.stored.stop)
        lp.set(later, slice(self.soc.start, self.soc.stop - 1), -1.0)
        lp.set(self.stored, self.charge, -self.structure.charge_efficiency)
        lp.set(self.bus, self.charge, -1.0)
        lp.set(self.bus, self.curtail, -1.0)
        for columns in self.all_discharge:
            lp.set(self.stored, columns, 1.0 / self.structure.discharge_efficiency)
            lp.set(self.bus, columns, 1.0)
        for columns in self.all_import:
            lp.set(self.bus, columns, 1.0)
        for columns in self.all_export:
            lp.set(self.bus, columns, -1.0)
        for columns in self._present(self.reserve_short):
            lp.set(self.reserve_row, self.soc, 1.0)
            lp.set(self.reserve_row, columns, 1.0)
        last = slice(self.soc.stop - 1, self.soc.stop)
        self.recovery_row = lp.add_rows(1 if self.structure.recovery else 0)
        for columns in self._present(self.recovery_short):
            lp.set(self.recovery_row, last, 1.0)
            lp.set(self.recovery_row, columns, 1.0)
        lp.set(self.terminal_row, last, 1.0)
        lp.sum_into(self.terminal_row.start, self.terminal, -1.0)
        self.requests.add_single_rows(lp)

    def numbers(self, problem: Problem) -> Numbers:
        """Fill cost, bounds and right-hand sides with the numbers of ``problem``."""
        n, site = self.lp.numbers(), problem.site
        wear, penalty = site.battery.wear_cost_per_kwh, problem.penalty_per_kwh
        n.col_upper[self.charge] = problem.charge_max
        n.col_upper[self.curtail] = problem.curtail_max
        n.col_lower[self.soc] = problem.soc_min
        n.col_upper[self.soc] = problem.soc_max
        self._fill_discharge(n, problem, wear)
        if problem.wanted is not None:
            self.requests.fill(n, problem.wanted, self.charge, self.all_discharge)
        self._fill_grid(n, problem, penalty)
        if self.structure.reserve:
            n.cost[self.reserve_short] = site.reserve_price_per_kwh
            n.row_lower[self.reserve_row] = problem.reserve
            n.row_upper[self.reserve_row] = np.inf
        if self.structure.recovery:
            n.cost[self.recovery_short] = site.recovery_price_per_kwh
            n.row_lower[self.recovery_row] = problem.soc_min[-1]
            n.row_upper[self.recovery_row] = np.inf
        length, price = problem.terminal.pieces(_top(problem))
        pieces = slice(self.terminal.start, self.terminal.start + length.size)
        n.cost[pieces] = -price
        n.col_upper[self.terminal] = 0.0
        n.col_upper[pieces] = length
        n.row_lower[self.stored.start] = n.row_upper[self.stored.start] = problem.soc_start_kwh
        n.row_lower[self.bus] = n.row_upper[self.bus] = problem.net
        return n

    def _fill_discharge(self, n: Numbers, problem: Problem, wear: float) -> None:
        """Discharge, split at the net load where exporting earns a margin or counts."""
        n.cost[self.discharge] = wear
        n.col_upper[self.discharge] = problem.discharge_max
        if self.structure.split_discharge:
            serve = np.minimum(problem.discharge_max, np.maximum(problem.net, 0.0))
            n.col_upper[self.discharge] = serve
            n.col_upper[self.export_discharge] = problem.discharge_max - serve
            n.cost[self.export_discharge] = wear + problem.site.export_margin_per_kwh

    def _fill_grid(self, n: Numbers, problem: Problem, penalty: float) -> None:
        """Import in its tiers and export; more than the house can use is never needed."""
        most_import, most_export = flow_bounds(problem)
        n.cost[self.imports] = problem.import_price
        n.cost[self.exports] = -problem.export_price
        soft = np.minimum(problem.import_soft, problem.import_max)
        n.col_upper[self.imports] = np.minimum(soft, most_import)
        n.col_upper[self.exports] = np.minimum(problem.export_max, most_export)
        if self.structure.soft_import:
            above = np.minimum(problem.import_max, most_import) - n.col_upper[self.imports]
            n.col_upper[self.import_above] = above
            soft_price = problem.site.planning_import_price_per_kwh
            n.cost[self.import_above] = problem.import_price + soft_price
        if self.structure.elastic:
            n.cost[self.import_over] = problem.import_price + penalty
            n.cost[self.export_over] = penalty - problem.export_price
            n.col_upper[self.import_over] = most_import
            n.col_upper[self.export_over] = most_export


def flow_bounds(problem: Problem) -> tuple[F64, F64]:
    """Return the most (import, export) any sensible plan has in each slot, (T,) kWh.

    Import at most serves the load and the battery with all PV curtailed; export at most gives away
    PV and discharge. Finite, so that no price can make the program unbounded.
    """
    used = problem.net + problem.curtail_max + problem.charge_max
    given = problem.discharge_max - problem.net
    return np.maximum(used, 0.0), np.maximum(given, 0.0)
