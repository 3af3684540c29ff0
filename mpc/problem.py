"""One planning problem in plain arrays: site and horizon brought to kWh per slot.

Everything that solves or checks a plan (LP, exactness, marginals, engines) reads this, so each rule
of the site is turned into numbers once:

    charge_max[t]    = max_charge_kw * h, and
                       without grid charging: at most the surplus PV - load;
                       with fuse headroom: at most (max_import_kw - headroom) * h - net load,
                       all PV counted: what is curtailed can be let in when the load peaks      (Q1)
    discharge_max[t] = max_discharge_kw * h; without battery export: at most the net load       (Q2)
    soc bounds       = as given, moved to the nearest reachable value where a bound that changes
                       from slot to slot asks for more than the battery's power                 (Q3)
    penalty          = 100 * max(|prices|, wear, terminal prices, prices of the site's options, 0.1)
                       per kWh over a grid limit, and at least 2 * T * the price of the reserve,
                       which a kWh can earn in every slot                                       (Q4)

A start below the minimum (above the maximum) is no reachability matter: ``start_side`` marks it,
and ``exactness`` keeps the bound at the start until it has been passed.
"""

from dataclasses import dataclass, replace

import numpy as np

from mpc.arrays import F64, per_slot
from mpc.errors import SiteError, StateError
from mpc.horizon import Horizon
from mpc.physics import battery_power
from mpc.requests import Requests, Wanted, wanted_of
from mpc.rules import Limits, Rules, headroom_kwh, rules_of, slot_limits
from mpc.site import Site, as_limit
from mpc.terminal import TerminalCurve, follow_on_pieces

__all__ = ["Problem", "make_problem", "terminal_curve", "with_requests"]

PENALTY_FACTOR = 100.0
PENALTY_FLOOR_PER_KWH = 0.1
ROUNDING_KWH = 1e-9
CAPACITY_TOLERANCE = 1.05
"""A sensor may read a few percent above the nameplate; more is a unit mistake."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A planning problem; arrays are (T,), flows in kWh per slot at the AC bus.

    Attributes:
        limits: (T, 9) the site's limits as kernels read them (``rules.Limits``).
        soc_start_kwh: stored energy at the start.
        start_side: -1 where the start is below the minimum, +1 above the maximum, else 0.
        charge_max: most charge (Q1).
        discharge_max: most discharge (Q2).
        import_max: hard import limit (elastic, penalised), may be inf.
        import_soft: soft import limit, may be inf.
        export_max: export limit (elastic, penalised), may be inf.
        curtail_max: PV that may be curtailed.
        soc_min: least stored energy at the end of each slot (Q3).
        soc_max: most stored energy at the end of each slot (Q3).
        wanted_min: least stored energy as the site asks for it, (Q3) not applied.
        wanted_max: most stored energy as the site asks for it.
        reserve: wished stored energy at the end of each slot, priced.
        penalty_per_kwh: price of exceeding a limit (Q4).
        terminal: worth of the energy left.
        wanted: what is asked of the plan beside the least cost, if anything.
    """

    site: Site
    horizon: Horizon
    limits: F64
    soc_start_kwh: float
    start_side: int
    import_price: F64
    export_price: F64
    load: F64
    pv: F64
    charge_max: F64
    discharge_max: F64
    import_max: F64
    import_soft: F64
    export_max: F64
    curtail_max: F64
    soc_min: F64
    soc_max: F64
    wanted_min: F64
    wanted_max: F64
    reserve: F64
    penalty_per_kwh: float
    terminal: TerminalCurve
    wanted: Wanted | None = None

    @property
    def net(self) -> F64:
        """Load minus PV, (T,) kWh per slot."""
        return self.load - self.pv

    @property
    def money_scale(self) -> float:
        """1 + sum |price * energy|: the size against which money is compared (design)."""
        price = np.maximum(np.abs(self.import_price), np.abs(self.export_price))
        energy = self.load + self.pv + np.maximum(self.charge_max, self.discharge_max)
        return 1.0 + float(price @ energy)

    @property
    def rules(self) -> Rules:
        """What holds in every slot, as kernels read it."""
        return rules_of(self.site, self.penalty_per_kwh)


def make_problem(site: Site, horizon: Horizon, soc_kwh: float) -> Problem:
    """Turn site, horizon and stored energy into numbers.

    Raises:
        SiteError: where a per-slot limit has another length than the horizon.
        StateError: where the battery cannot hold ``soc_kwh``.
    """
    battery, slots, hours = site.battery, len(horizon), horizon.slot_hours
    soc = _checked_soc(soc_kwh, battery.capacity_kwh)
    net = horizon.net_load_kwh
    table = slot_limits(site, hours)
    limit = dict(zip(Limits._fields, np.ascontiguousarray(table.T), strict=True))
    charge_max, discharge_max = battery_power(
        net,
        limit["charge"],
        limit["discharge"],
        limit["import_max"],
        limit["headroom"],
        site.allow_grid_charge,
        site.allow_battery_export,
    )
    wanted = low, high = limit["soc_min"], limit["soc_max"]
    side = int(soc > high[0] + ROUNDING_KWH) - int(soc < low[0] - ROUNDING_KWH)
    if side == 0:  # a start that misses its bound by rounding is at it
        soc = float(min(max(soc, low[0]), high[0]))
    low, high = (low, np.maximum(high, soc)) if side < 0 else (low, high)
    low, high = (np.minimum(low, soc), high) if side > 0 else (low, high)
    if np.ptp(low) > 0.0 or np.ptp(high) > 0.0:
        start = min(max(soc, low[0]), high[0])
        up = charge_max * battery.charge_efficiency
        low, high = _reachable(start, low, high, up, discharge_max / battery.discharge_efficiency)
    terminal = horizon.terminal_value
    if not isinstance(terminal, TerminalCurve):
        terminal = terminal_curve(site, horizon)
    prices = (horizon.import_price, horizon.export_price, terminal.price)
    return Problem(
        site=site,
        limits=table,
        horizon=horizon,
        soc_start_kwh=soc,
        start_side=side,
        import_price=np.asarray(horizon.import_price),
        export_price=np.asarray(horizon.export_price),
        load=np.asarray(horizon.load_kwh),
        pv=np.asarray(horizon.pv_kwh),
        charge_max=charge_max,
        discharge_max=discharge_max,
        import_max=limit["import_max"],
        import_soft=limit["import_soft"],
        export_max=limit["export_max"],
        curtail_max=np.asarray(horizon.pv_kwh) if site.pv_curtailable else np.zeros(slots),
        soc_min=low,
        soc_max=high,
        wanted_min=wanted[0],
        wanted_max=wanted[1],
        reserve=limit["reserve"],
        penalty_per_kwh=_penalty(site, slots, max(float(np.abs(p).max()) for p in prices)),
        terminal=terminal,
    )


def with_requests(problem: Problem, requests: Requests) -> Problem:
    """Return the problem with requests, its grid limits priced above them (RQ5).

    Raises:
        RequestError: for slots the horizon does not have, or a target above the capacity.
    """
    wanted = wanted_of(
        requests,
        price_per_kwh=problem.penalty_per_kwh,
        capacity_kwh=problem.site.battery.capacity_kwh,
        net_kwh=problem.net,
        export_max_kwh=problem.export_max,
    )
    return replace(problem, penalty_per_kwh=wanted.grid_price_per_kwh, wanted=wanted)


def terminal_curve(site: Site, following: Horizon) -> TerminalCurve:
    """Return the default terminal curve (T2 of ``terminal``) of a site.

    Args:
        site: the house.
        following: the day after the plan's horizon as published or forecast; or the plan's own
            horizon, whose last 24 h then stand for that day.
    """
    battery, slots, hours = site.battery, len(following), following.slot_hours
    if battery.capacity_kwh == 0.0:
        return TerminalCurve(np.zeros(1), np.zeros(1))
    limits = np.zeros((slots, len(Limits._fields)))
    columns = Limits._fields.index
    for name, key, value in (
        ("battery.max_charge_kw", "charge", battery.max_charge_kw),
        ("battery.max_discharge_kw", "discharge", battery.max_discharge_kw),
        ("grid.max_import_kw", "import_max", site.grid.max_import_kw),
    ):
        limits[:, columns(key)] = per_slot(name, as_limit(value), slots, SiteError) * hours
    limits[:, columns("headroom")] = headroom_kwh(site, hours)
    series = (following.load_kwh, following.pv_kwh, following.import_price, following.export_price)
    day = np.cumsum(hours[::-1])[::-1] <= 24.0 + 1e-9
    day[-1] = True
    low, high = np.min(as_limit(battery.min_soc_kwh)), np.max(as_limit(battery.max_soc_kwh))
    soc, price = follow_on_pieces(
        np.stack([np.asarray(values) for values in series], axis=1)[day],
        limits[day],
        rules_of(site, penalty_per_kwh=0.0),
        float(low),
        float(high - low),
    )
    return TerminalCurve(soc, price)


def _checked_soc(soc_kwh: float, capacity_kwh: float) -> float:
    """Refuse a stored energy that no such battery holds."""
    number = isinstance(soc_kwh, int | float | np.number) and not isinstance(soc_kwh, bool)
    soc = float(soc_kwh) if number else np.nan
    if -ROUNDING_KWH <= soc < 0.0:
        soc = 0.0
    if not 0.0 <= soc <= CAPACITY_TOLERANCE * capacity_kwh:
        raise StateError(
            "soc_kwh",
            soc_kwh,
            f"stored energy in kWh between 0 and capacity_kwh = {capacity_kwh}, not a percent",
        )
    return soc


def _penalty(site: Site, slots: int, highest_price: float) -> float:
    """Return the price of exceeding a grid limit, per kWh: above all a kWh could earn (Q4)."""
    base = max(
        highest_price,
        site.battery.wear_cost_per_kwh,
        site.planning_import_price_per_kwh,
        site.export_margin_per_kwh,
        site.reserve_price_per_kwh,
        site.recovery_price_per_kwh,
        PENALTY_FLOOR_PER_KWH,
    )
    return max(PENALTY_FACTOR * base, 2.0 * slots * site.reserve_price_per_kwh)


def _reachable(start: float, low: F64, high: F64, up: F64, down: F64) -> tuple[F64, F64]:
    """Move SoC bounds to the nearest values the battery's power can reach (Q3).

    The states reachable at the end of a slot form an interval; where the wished window misses it,
    the window becomes the interval's nearest end, so that the bounds always admit a plan.
    """
    low, high = low.copy(), high.copy()
    bottom = top = start
    for t in range(low.size):
        bottom, top = max(bottom - down[t], 0.0), top + up[t]
        low[t], high[t] = min(low[t], top), max(high[t], bottom)
        bottom, top = max(bottom, low[t]), min(top, high[t])
    return low, high
