"""Binaries on exactly the slots where a linear program could cheat.

A slot's *direction* says which of two opposite flows it may have. Three pairs exclude each other:

    import | export      where export pays at least what import costs                       (X1)
    charge | discharge   where a price is below -wear * eta / (1 - eta), eta = eta_c * eta_d (X2)
    charge | import      without grid charging, where import has a negative price            (X3)

(charging while exporting PV is legitimate). And a start outside the battery's window, which no
price describes: while the state is below the minimum the battery does not discharge, and it owes
nothing for climbing back; above the maximum it does not charge:

    inside[t] = 1 once the window has been reached by the end of slot t, non-decreasing
    below:  discharge[t] <= discharge_max * inside[t-1]
            soc[t] >= soc_min * inside[t] + start * (1 - inside[t])                         (X4)
    above:  charge[t] <= charge_max * inside[t-1]
            soc[t] <= soc_max * inside[t] + start * (1 - inside[t])                         (X5)

An export target counts discharge beyond the net load, and only a battery that already serves the
load exports. In slots that count (RQ4), with serve the part of the discharge up to the net load:

    export_discharge[t] <= (discharge_max - net) * giving[t],  serve[t] >= net * giving[t]   (X6)

What a slot that counts can do at all, to charge, to serve, or to serve all of it and give, is the
convex hull of

    export_discharge[t] * net <= serve[t] * (discharge_max - net)
    charge[t] / charge_max + serve[t] / net <= 1,  without net load: discharge[t] / its max   (X7)

and holds in every search: it says nearly all that the binaries say.

Each binary gets the tightest big-M the problem allows. The search ends with directions; the plan,
its duals and its cost then come from the LP with these directions fixed, the bound from the search.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64
from mpc.flows import ENERGY_TOLERANCE_KWH, Flows
from mpc.lp import Lp, Numbers
from mpc.model import HouseModel, flow_bounds
from mpc.problem import Problem
from mpc.solver import solve_with_binaries

__all__ = [
    "Directions",
    "Mask",
    "Search",
    "Suspects",
    "find_directions",
    "fix_directions",
    "suspects_of",
]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """The slots that get a binary, (T,) masks, one for each pair."""

    grid: Mask
    battery: Mask
    grid_charge: Mask
    giving: Mask

    def __or__(self, other: "Suspects") -> "Suspects":
        """Return the slots suspected by either."""
        return Suspects(
            self.grid | other.grid,
            self.battery | other.battery,
            self.grid_charge | other.grid_charge,
            self.giving | other.giving,
        )

    def __len__(self) -> int:
        """Return how many binaries these slots need."""
        masks = (self.grid, self.battery, self.grid_charge, self.giving)
        return sum(int(mask.sum()) for mask in masks)


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """What a search decided, (T,) masks.

    Attributes:
        no_import, no_export, no_charge, no_discharge: flows that must be zero.
        no_giving: the battery may not discharge beyond the net load.
        giving: it serves the whole net load, and may discharge beyond.
        outside: the window has not been reached.
    """

    no_import: Mask
    no_export: Mask
    no_charge: Mask
    no_discharge: Mask
    no_giving: Mask
    giving: Mask
    outside: Mask


def suspects_of(problem: Problem) -> Suspects:
    """Return the slots that let the program cheat (X1)-(X3), (X6), where both flows can be.

    By their prices, or as they count toward an export target: energy that goes around in the
    battery, or to the grid while the house imports, would count.
    """
    most_import, most_export = flow_bounds(problem)
    battery = problem.site.battery
    eta = battery.charge_efficiency * battery.discharge_efficiency
    lowest = np.minimum(problem.import_price, problem.export_price)
    burn = -battery.wear_cost_per_kwh * eta / (1.0 - eta) if eta < 1.0 else -np.inf
    counts = _counting(problem)
    moves = (problem.charge_max > 0.0) & (problem.discharge_max > 0.0)
    return Suspects(
        (problem.export_price > problem.import_price) & (most_import > 0.0) & (most_export > 0.0),
        ((lowest < burn) | counts) & moves,
        _grid_charge_suspects(problem, problem.import_price < 0.0),
        counts & (problem.net > 0.0) & (problem.discharge_max > problem.net),
    )


def _counting(problem: Problem) -> Mask:
    """Return the slots whose exported discharge can count toward an export target."""
    if problem.wanted is None:
        return np.zeros(problem.net.size, np.bool_)
    counts: Mask = problem.wanted.counted_max > 0.0
    return counts


def cheats_in(problem: Problem, flows: Flows) -> Suspects:
    """Return the slots in which a solution did cheat, whatever the prices say."""
    charging_from_grid = (np.minimum(flows.charge, flows.imports)) > 0.0
    return Suspects(
        flows.both_grid,
        flows.both_battery,
        _grid_charge_suspects(problem, charging_from_grid),
        np.zeros_like(charging_from_grid),
    )


def _grid_charge_suspects(problem: Problem, mask: Mask) -> Mask:
    """Return ``mask`` where the site forbids charging from the grid, else nothing."""
    if problem.site.allow_grid_charge:
        return np.zeros_like(mask)
    return mask & (problem.charge_max > 0.0)


def find_directions(
    problem: Problem, model: HouseModel, suspects: Suspects, *, max_nodes: int, abs_gap: float
) -> tuple[Directions | None, float]:
    """Search the best directions of the suspected slots.

    Args:
        problem: what to plan.
        model: the columns and rows of its LP.
        suspects: slots that get a binary.
        max_nodes: nodes searched at most.
        abs_gap: money at which the search may stop.

    Returns:
        The directions of the best plan found (None if the nodes ran out before one was), and a
        proven lower bound of the objective.
    """
    search = Search(problem, model, suspects)
    numbers = search.numbers()
    x, bound = solve_with_binaries(
        search.lp.matrix(), numbers, max_nodes=max_nodes, abs_gap=abs_gap
    )
    return None if x is None else search.directions(x), bound


def rounded_directions(problem: Problem, suspects: Suspects, flows: Flows | None) -> Directions:
    """Return directions that always admit a plan: those of netted flows, or rest until inside.

    Args:
        problem: what to plan.
        suspects: slots that need a direction.
        flows: netted flows of the relaxation; None where the start lies outside the window.
    """
    slots = problem.net.size
    idle = np.zeros(slots, bool)
    importing = problem.net > 0.0 if flows is None else flows.imports > 0.0
    charging = idle if flows is None else flows.charge > 0.0
    discharging = idle if flows is None else flows.discharge > 0.0
    giving = idle if flows is None else flows.discharge > problem.net + ENERGY_TOLERANCE_KWH
    return Directions(
        # where grid charging is forbidden the charge is at most the surplus: PV alone can do it
        no_import=(suspects.grid & ~importing) | suspects.grid_charge,
        no_export=suspects.grid & importing & ~suspects.grid_charge,
        no_charge=suspects.battery & ~charging,
        no_discharge=suspects.battery & ~discharging,
        no_giving=suspects.giving & ~giving,
        giving=suspects.giving & giving,
        outside=np.full(slots, problem.start_side != 0),
    )


class Search:
    """The LP of a house with binaries added."""

    def __init__(self, problem: Problem, model: HouseModel, suspects: Suspects) -> None:
        """Add columns and rows behind those of a fresh copy of the LP."""
        fresh = HouseModel(model.structure)
        self.problem, self.model, self.suspects = problem, fresh, suspects
        self.lp: Lp = fresh.lp
        self.base = (self.lp.columns, self.lp.rows)
        self._limits: list[tuple[slice, F64]] = []
        most_import, most_export = flow_bounds(problem)
        if not model.structure.elastic:
            most_import = np.minimum(most_import, problem.import_max)
            most_export = np.minimum(most_export, problem.export_max)
        self.importing = self._pair(
            suspects.grid, (fresh.all_import, most_import), (fresh.all_export, most_export)
        )
        self.charging = self._pair(
            suspects.battery,
            ((fresh.charge,), problem.charge_max),
            (fresh.all_discharge, problem.discharge_max),
        )
        self.storing = self._pair(
            suspects.grid_charge,
            ((fresh.charge,), problem.charge_max),
            (fresh.all_import, most_import),
        )
        self.giving = self._giving()
        self._hull()
        self.inside = self._window() if problem.start_side else slice(0, 0)

    def _pair(
        self,
        mask: Mask,
        first: tuple[tuple[slice, ...], F64],
        second: tuple[tuple[slice, ...], F64],
    ) -> slice:
        """Add a binary per suspected slot: 1 allows the first flow, 0 the second."""
        slots = np.flatnonzero(mask)
        binary = self.lp.add_columns(slots.size, integer=True)
        for (groups, most), sign in ((first, -1.0), (second, 1.0)):
            rows = self.lp.add_rows(slots.size)
            for k, t in enumerate(slots.tolist()):
                for group in groups:
                    self.lp.set(_one(rows, k), _one(group, t), 1.0)
                self.lp.set(_one(rows, k), _one(binary, k), sign * most[t])
            self._limits.append((rows, most[slots] if sign > 0.0 else np.zeros(slots.size)))
        return binary

    def _giving(self) -> slice:
        """Add (X6): 1 allows discharge beyond the net load, and serves all of it."""
        p, m = self.problem, self.model
        slots = np.flatnonzero(self.suspects.giving).tolist()
        giving = self.lp.add_columns(len(slots), integer=True)
        beyond, served = self.lp.add_rows(len(slots)), self.lp.add_rows(len(slots))
        for k, t in enumerate(slots):
            column = _one(giving, k)
            self.lp.set(_one(beyond, k), _one(m.export_discharge, t), 1.0)
            self.lp.set(_one(beyond, k), column, p.net[t] - p.discharge_max[t])
            self.lp.set(_one(served, k), _one(m.discharge, t), -1.0)
            self.lp.set(_one(served, k), column, p.net[t])
        self._limits += [(beyond, np.zeros(len(slots))), (served, np.zeros(len(slots)))]
        return giving

    def _hull(self) -> None:
        """Add (X7) in every slot that counts and can give beyond its net load."""
        p, m, lp = self.problem, self.model, self.lp
        for t in np.flatnonzero(_counting(p) & (p.discharge_max > np.maximum(p.net, 0.0))).tolist():
            net, charge = p.net[t], p.charge_max[t]
            if net > 0.0:
                row = lp.add_rows(1)
                lp.set(row, _one(m.export_discharge, t), net / (p.discharge_max[t] - net))
                lp.set(row, _one(m.discharge, t), -1.0)
                self._limits.append((row, np.zeros(1)))
            if charge > 0.0:
                row = lp.add_rows(1)
                lp.set(row, _one(m.charge, t), 1.0 / charge)
                if net > 0.0:
                    lp.set(row, _one(m.discharge, t), 1.0 / net)
                else:
                    given = _one(m.export_discharge, t)
                    lp.set(row, given, 1.0 / p.discharge_max[t])
                self._limits.append((row, np.ones(1)))

    def _window(self) -> slice:
        """Add (X4); the first slot starts outside."""
        p, m, lp = self.problem, self.model, self.lp
        slots = p.net.size
        inside = lp.add_columns(slots, integer=True)
        earlier, later = slice(inside.start, inside.stop - 1), slice(inside.start + 1, inside.stop)
        below = p.start_side < 0
        groups = m.all_discharge if below else (m.charge,)
        most = p.discharge_max if below else p.charge_max
        power = lp.add_rows(slots)
        for group in groups:
            lp.set(power, group, 1.0)
        lp.set(slice(power.start + 1, power.stop), earlier, -most[1:])
        bound = p.soc_min if below else p.soc_max
        state = lp.add_rows(slots)
        sign = 1.0 if below else -1.0
        lp.set(state, m.soc, sign)
        lp.set(state, inside, -sign * (bound - p.soc_start_kwh))
        order = lp.add_rows(slots - 1)
        lp.set(order, later, -1.0)
        lp.set(order, earlier, 1.0)
        self._state = (state, sign * p.soc_start_kwh)
        self._limits += [(power, np.zeros(slots)), (order, np.zeros(slots - 1))]
        return inside

    def numbers(self) -> Numbers:
        """Fill the LP's numbers and the bounds of what was added."""
        columns, rows = self.base
        numbers = self.model.numbers(self.problem)
        numbers.col_upper[columns:] = 1.0
        numbers.row_lower[rows:] = -np.inf
        for where, upper in self._limits:
            numbers.row_upper[where] = upper
        if self.problem.start_side:
            where, start = self._state
            numbers.row_lower[where], numbers.row_upper[where] = start, np.inf
            open_window(self.problem, self.model, numbers)
        return numbers

    def directions(self, x: F64) -> Directions:
        """Read the decisions; a binary counts as 1 from one half upward."""
        slots = self.problem.net.size
        masks = {name: np.zeros(slots, bool) for name in Directions.__dataclass_fields__}
        s = self.suspects
        for mask, binary, first, second in (
            (s.grid, self.importing, "no_import", "no_export"),
            (s.battery, self.charging, "no_charge", "no_discharge"),
            (s.grid_charge, self.storing, "no_charge", "no_import"),
            (s.giving, self.giving, "no_giving", "giving"),
        ):
            chosen = x[binary] >= 0.5  # noqa: PLR2004 - rounding a binary
            masks[first][np.flatnonzero(mask)[~chosen]] = True
            masks[second][np.flatnonzero(mask)[chosen]] = True
        if self.problem.start_side:
            masks["outside"] = x[self.inside] < 0.5  # noqa: PLR2004 - rounding a binary
        return Directions(**masks)


def _one(columns: slice, place: int) -> slice:
    """Return one column, or row, of a group."""
    return slice(columns.start + place, columns.start + place + 1)


def open_window(
    problem: Problem, model: HouseModel, numbers: Numbers, outside: Mask | None = None
) -> None:
    """Lower (raise) the SoC bound to the start, in the slots outside; None: in all."""
    slots, start = slice(None) if outside is None else outside, problem.soc_start_kwh
    if problem.start_side < 0:
        numbers.col_lower[model.soc][slots] = np.minimum(problem.soc_min, start)[slots]
    else:
        numbers.col_upper[model.soc][slots] = np.maximum(problem.soc_max, start)[slots]


def fix_directions(
    problem: Problem, model: HouseModel, numbers: Numbers, directions: Directions
) -> None:
    """Write directions into the bounds of the LP, in place."""
    forbidden = (
        (directions.no_import, model.all_import),
        (directions.no_export, model.all_export),
        (directions.no_charge, (model.charge,)),
        (directions.no_discharge, model.all_discharge),
    )
    for mask, groups in forbidden:
        for group in groups:
            numbers.col_upper[group][mask] = 0.0
    if problem.start_side:
        open_window(problem, model, numbers, directions.outside)
        waiting = np.concatenate([[True], directions.outside[:-1]])
        for group in model.all_discharge if problem.start_side < 0 else (model.charge,):
            numbers.col_upper[group][waiting] = 0.0
    if model.structure.export_target:
        numbers.col_upper[model.export_discharge][directions.no_giving] = 0.0
        all_of_it = numbers.col_upper[model.discharge]
        numbers.col_lower[model.discharge][directions.giving] = all_of_it[directions.giving]
