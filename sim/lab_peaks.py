"""Where an export target is planned: the price peaks of a day, as far as the economics let them be.

X kWh are to be exported by the battery at the price peaks of a local day, beyond the net load and
on top of what the baseline b exports there. A slot gives at most

    room[t] = min(discharge_max[t] - max(net[t], 0), export_max[t] - max(-net[t], 0)), >= 0   (LT1)

and the peaks are found by taking the day's slots by export price, the dearest first and of equal
ones the earlier. Each gives as much more than b as it has room for, as is still wanted, and as the
battery has energy for at that time, if it serves the house in the peaks taken and charges with full
power in all other slots:

    sum over the peaks of (x[t] - b[t]) = X,  b[t] < x[t] <= room[t]                     (LT2)

A slot without such energy is no peak. Where little is missing in the end, a peak is left out as
long as that gives more; if more than 0.1 kWh still is, the target is not reached. Economics: no
plan of a home sells a stored kWh where even the cheapest one of the whole horizon brings less than
the margin,

    gain[t] = export_price[t] - wear - cheapest / eta_d < export_margin                  (LT3)

cheapest = least of (import price / eta_c where the grid may charge, export price / eta_c of a slot
with PV surplus, the worth of a kWh left at the baseline's end), 0 without any: then there is only
what was stored before. Such slots are no peaks, unless the target is asked for at any cost.
Relaxing lowers first the margin, then the wear, by the least that opens the slots (LT2) needs.
Arrays are (T,), kWh per slot at the AC bus, currency per kWh.
"""

from dataclasses import dataclass, replace

import numpy as np

from mpc import ExportTarget, Horizon, Site
from mpc.problem import Problem, make_problem
from sim.errors import ScenarioError
from sim.lab_case import Relaxed, WhatIf
from sim.lab_money import Course
from telemetry.arrays import F64, Bool

__all__ = [
    "ECONOMICS",
    "REACHED_KWH",
    "Before",
    "Economics",
    "Peaks",
    "find_peaks",
    "refuse_bounds",
]

REACHED_KWH = 0.1
"""A target counts as reached where at most so much is missing."""
ECONOMICS = "economics"
"""The limit of a target that only relaxing can mend."""
_NEAR_KWH = 2.0
"""Leaving a peak out gives little more: what it does not serve of the house, and charges."""
_ENERGY = "energy"
_LOWERED = ("export_margin_per_kwh", "wear_cost_per_kwh")
_TIE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """What a plan is made with: true where nothing is relaxed; currency per kWh."""

    wear_cost_per_kwh: float
    export_margin_per_kwh: float

    @classmethod
    def of(cls, site: Site) -> "Economics":
        """Return those of a home."""
        return cls(
            wear_cost_per_kwh=float(site.battery.wear_cost_per_kwh),
            export_margin_per_kwh=float(site.export_margin_per_kwh),
        )

    def on(self, site: Site) -> Site:
        """Return the site with these economics; itself where it has them."""
        if self == Economics.of(site):
            return site
        battery = replace(site.battery, wear_cost_per_kwh=self.wear_cost_per_kwh)
        return replace(site, battery=battery, export_margin_per_kwh=self.export_margin_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peaks:
    """Where a target is to be exported, and with which economics.

    Attributes:
        slots: (T,) the price peaks.
        grid_kwh: (T,) what the grid connection lets the battery export.
        baseline_kwh: (T,) what the baseline exports.
        export_kwh: asked for on top of it.
        limit: what keeps the target from being reached; "" where nothing is known to.
        short_per_kwh: what the best of the slots that are needed and closed lacks of the margin
            (LT3); 0 where none is.
        economics: to plan with.
    """

    slots: Bool
    grid_kwh: F64
    baseline_kwh: F64
    export_kwh: float
    limit: str
    short_per_kwh: float
    economics: Economics

    @property
    def sold_before_kwh(self) -> float:
        """What the baseline exports at the peaks."""
        return float(self.baseline_kwh[self.slots].sum())

    @property
    def request(self) -> ExportTarget | None:
        """What to ask of the planner; None where no slot is a peak."""
        if not self.slots.any():
            return None
        return ExportTarget(energy_kwh=self.sold_before_kwh + self.export_kwh, slots=self.slots)

    def counted_kwh(self, course: Course) -> float:
        """Return what a course exports at the peaks; PV that made room for it is no part."""
        slots = self.slots[: len(course)]
        sold = np.minimum(course.battery_export_kwh, self.grid_kwh[: len(course)])
        return float(sold[slots].sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Before:
    """What a target comes on top of, from a plan's first slot to the end of the day.

    Attributes:
        sold_kwh: (D,) what the baseline's battery exports.
        soc_kwh: stored at the start of the plan.
        end_value: worth of a kWh left at the baseline's end, currency; NaN where none is.
    """

    sold_kwh: F64
    soc_kwh: float
    end_value: float

    @classmethod
    def of(cls, baseline: Course, day_slots: int, site: Site) -> "Before":
        """Return what a baseline does on its first day, as far as ``site`` can store its start."""
        most = float(np.max(np.asarray(site.battery.max_soc_kwh, dtype=np.float64)))
        least = float(np.max(np.asarray(site.battery.min_soc_kwh)))
        left = float(baseline.soc_kwh[-1]) > least + _TIE
        return cls(
            sold_kwh=baseline.battery_export_kwh[:day_slots],
            soc_kwh=min(baseline.soc_start_kwh, most),
            end_value=float(baseline.energy_value[-1]) if left else np.nan,
        )

    def later(self, slot: int, soc_kwh: float) -> "Before":
        """Return the same from a later slot on, with what is stored there."""
        return replace(self, sold_kwh=self.sold_kwh[slot:], soc_kwh=soc_kwh)


def find_peaks(
    site: Site, horizon: Horizon, before: Before, case: WhatIf, *, thorough: bool = True
) -> Peaks:
    """Return where and with which economics a target is planned.

    Args:
        site: with the home's own economics.
        horizon: of the plan, T slots.
        before: what the target comes on top of.
        case: with ``export_kwh``.
        thorough: whether peaks are left out where that gives more; it takes its time.

    Raises:
        ScenarioError: bounds of the economics above what the home has.
    """
    export, sold = float(case.export_kwh or 0.0), np.zeros(len(horizon))
    sold[: before.sold_kwh.size] = before.sold_kwh
    problem = make_problem(site, horizon, before.soc_kwh)
    power, grid = _rooms(problem, before.sold_kwh.size)
    energy = _Energy(problem, before.sold_kwh.size, thorough=thorough)
    room = np.minimum(power, grid)
    short = _short_of_margin(problem, before.end_value)
    slots, left = needed, left_by_all = energy.peaks(room, sold, export)
    economics, relief = _relaxed(site, case.relaxed, float(short[needed].max(initial=0.0)))
    closed = (short - relief > _TIE) & (not case.at_any_cost)
    if (needed & closed).any():
        slots, left = energy.peaks(np.where(closed, 0.0, room), sold, export)
    lacking = (short - relief)[needed & closed]
    return Peaks(
        slots=slots,
        grid_kwh=grid,
        baseline_kwh=sold,
        export_kwh=export,
        limit=_limit(site, (export, left, left_by_all), (power, grid, sold)),
        short_per_kwh=float(lacking.min()) if lacking.size else 0.0,
        economics=economics,
    )


def _limit(site: Site, wanted: tuple[float, float, float], rooms: tuple[F64, F64, F64]) -> str:
    """Return what keeps a target from being reached, "" where nothing does.

    Args:
        site: the house.
        wanted: asked for, left by the peaks, left by those without regard to the economics.
        rooms: (T,) each: what power and grid connection give, and what the baseline exports.
    """
    (export, left, left_by_all), (power, grid, sold) = wanted, rooms
    if left <= REACHED_KWH:
        return ""
    if site.battery.capacity_kwh == 0.0:
        return "capacity_kwh"
    if not site.allow_battery_export:
        return "allow_battery_export"
    if left_by_all <= REACHED_KWH:
        return ECONOMICS
    if np.maximum(power - sold, 0.0).sum() < export:
        return "max_discharge_kw"
    room = np.minimum(power, grid)
    return "max_export_kw" if np.maximum(room - sold, 0.0).sum() < export else _ENERGY


def _rooms(problem: Problem, day_slots: int) -> tuple[F64, F64]:
    """Return (T,) what battery power and grid connection let the battery export (LT1)."""
    net = problem.net
    power = np.maximum(problem.discharge_max - np.maximum(net, 0.0), 0.0)
    if problem.site.battery.capacity_kwh == 0.0:
        power = np.zeros(net.size)
    power[day_slots:] = 0.0
    return power, np.maximum(problem.export_max - np.maximum(-net, 0.0), 0.0)


class _Energy:
    """The energy that a battery can have ready in the slots of a day."""

    def __init__(self, problem: Problem, day_slots: int, *, thorough: bool) -> None:
        """Keep the day as lists: it is walked slot by slot.

        Args:
            problem: from the day's first slot on.
            day_slots: how many of its slots are the day.
            thorough: whether slots are left out where that gives more.
        """
        battery, net, day = problem.site.battery, problem.net, slice(0, day_slots)
        charge = np.minimum(problem.charge_max, np.maximum(problem.import_max - net, 0.0))
        self._start, self._thorough = problem.soc_start_kwh, thorough
        self._order = np.argsort(-problem.export_price[day], kind="stable").tolist()
        self._in = (battery.charge_efficiency * charge)[day].tolist()
        self._serve = (np.maximum(net, 0.0) / battery.discharge_efficiency)[day].tolist()
        self._low, self._high = problem.soc_min[day].tolist(), problem.soc_max[day].tolist()
        self._efficiency = battery.discharge_efficiency

    def peaks(self, room_kwh: F64, sold_kwh: F64, export_kwh: float) -> tuple[Bool, float]:
        """Return (T,) the peaks of a target and what they leave wanted (LT2), kWh.

        Where the dearest slots leave little, slots are left out as long as that gives more: a
        battery that does not serve the house then, or charges, has more for others.

        Args:
            room_kwh: (T,) most that a slot gives.
            sold_kwh: (T,) what the baseline exports.
            export_kwh: wanted on top of it.
        """
        room = room_kwh.copy()
        best, left = self._dearest(room, sold_kwh, export_kwh)
        while self._thorough and REACHED_KWH < left <= _NEAR_KWH:
            slot, peaks, less = self._without_one(best, room, sold_kwh, export_kwh)
            if less > left - _TIE:
                break
            best, left, room[slot] = peaks, less, 0.0
        return best, left

    def _without_one(
        self, peaks: Bool, room_kwh: F64, sold_kwh: F64, export_kwh: float
    ) -> tuple[int, Bool, float]:
        """Return the peak to leave out that leaves least, the peaks then, and what they leave."""
        found = (0, peaks, np.inf)
        for slot in np.flatnonzero(peaks).tolist():
            room = room_kwh.copy()
            room[slot] = 0.0
            others, left = self._dearest(room, sold_kwh, export_kwh)
            if left < found[2]:
                found = (slot, others, left)
        return found

    def _dearest(self, room_kwh: F64, sold_kwh: F64, export_kwh: float) -> tuple[Bool, float]:
        """Return (T,) the dearest slots that have room and energy, and what they leave wanted."""
        peaks, given, left = np.zeros(room_kwh.size, dtype=np.bool_), dict[int, float](), export_kwh
        for slot in self._order:
            room, sold = float(room_kwh[slot]), float(sold_kwh[slot])
            if room <= sold + _TIE:
                continue
            more = min(room - sold, left, self._ready(slot, given) - sold)
            if more > _TIE:
                given[slot], left = (sold + more) / self._efficiency, left - more
                peaks[slot] = True
            if left <= _TIE:
                return peaks, 0.0
        return peaks, left

    def _ready(self, slot: int, given: dict[int, float]) -> float:
        """Return what a slot can give at the bus beside what other peaks give, below 0 nothing.

        Args:
            slot: a further peak.
            given: energy out of the store that each peak gives to the grid.
        """
        taken = {**given, slot: 0.0}
        stored, ends, spilt = self._start, list[float](), list[float]()
        for t, most in enumerate(self._high):
            drain = taken.get(t)
            wanted = stored + self._in[t] if drain is None else stored - self._serve[t] - drain
            stored = min(wanted, most)
            ends.append(stored)
            spilt.append(wanted - stored)
        spare = np.inf
        for t in range(len(ends) - 1, -1, -1):
            if t in taken:
                spare = min(spare, ends[t] - self._low[t])
            if t == slot:
                return float(spare) * self._efficiency
            spare += spilt[t]
        return -1.0


def _short_of_margin(problem: Problem, end_value: float) -> F64:
    """Return (T,) what selling the cheapest kWh lacks of the margin; below 0 it gains (LT3)."""
    site, sell = problem.site, problem.export_price
    battery, surplus = site.battery, problem.net < 0.0
    let_go = np.maximum(sell, 0.0) if site.pv_curtailable else sell
    sources = [let_go[surplus]]
    if site.allow_grid_charge:
        sources.append(problem.import_price)
    cheapest = np.concatenate(sources).min(initial=np.inf) / battery.charge_efficiency
    cheapest = float(np.fmin(cheapest, end_value))
    cheapest = cheapest if np.isfinite(cheapest) else 0.0
    gain = sell - battery.wear_cost_per_kwh - cheapest / battery.discharge_efficiency
    return site.export_margin_per_kwh - gain


def _relaxed(site: Site, bounds: Relaxed | None, needed: float) -> tuple[Economics, float]:
    """Return economics lowered by what is needed, as far as the bounds let; and by how much.

    The margin, which is no money, goes first, then the wear.

    Raises:
        ScenarioError: a bound above what the home has.
    """
    own = Economics.of(site)
    if bounds is None:
        return own, 0.0
    refuse_bounds(site, bounds)
    values, left = {}, max(needed, 0.0)
    for name in _LOWERED:
        value, lowest = getattr(own, name), getattr(bounds, name)
        step = min(left, value - (value if lowest is None else lowest))
        values[name], left = value - step, left - step
    return Economics(**values), max(needed, 0.0) - left


def refuse_bounds(site: Site, bounds: Relaxed) -> None:
    """Refuse bounds of the economics above what the home has.

    Raises:
        ScenarioError: one is.
    """
    own = Economics.of(site)
    for name in _LOWERED:
        value, lowest = getattr(own, name), getattr(bounds, name)
        if lowest is not None and lowest > value:
            want = f"at most {value:g}, that of the home: relaxing lowers it"
            raise ScenarioError(f"relaxed.{name}", lowest, want)
