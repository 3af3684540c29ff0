"""What a home's economics let its battery sell, and how far they may be relaxed.

No plan of a home sells a stored kWh where even the cheapest one of the whole horizon brings less
than the margin,

    gain[t] = export_price[t] - wear - cheapest / eta_d < export_margin                  (LT3)

cheapest = least of (import price / eta_c where the grid may charge, export price / eta_c of a slot
with PV surplus, nothing for surplus that the grid connection does not take, the worth of a kWh left
at the baseline's end), 0 without any: then there is only what was stored before. Such slots are
closed to a target, unless the baseline sells there or it is asked for at any cost. Relaxing lowers
first the margin, which is no money, then the wear. Arrays are (T,), currency per kWh.
"""

from dataclasses import dataclass, replace

import numpy as np

from mpc import Site
from mpc.problem import Problem
from sim.errors import ScenarioError
from sim.lab_case import Relaxed
from telemetry.arrays import F64

__all__ = ["Economics", "refuse_bounds", "relaxed_by", "short_of_margin"]

_LOWERED = ("export_margin_per_kwh", "wear_cost_per_kwh")


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


def short_of_margin(problem: Problem, end_value: float) -> F64:
    """Return (T,) what selling the cheapest kWh lacks of the margin; below 0 it gains (LT3).

    Args:
        problem: of the plan.
        end_value: worth of a kWh left at the baseline's end, per kWh; NaN where none is.
    """
    site, sell = problem.site, problem.export_price
    battery, surplus = site.battery, problem.net < 0.0
    let_go = np.maximum(sell, 0.0) if site.pv_curtailable else sell
    let_go = np.where(-problem.net > problem.export_max, np.minimum(let_go, 0.0), let_go)
    sources = [let_go[surplus]]
    if site.allow_grid_charge:
        sources.append(problem.import_price)
    cheapest = np.concatenate(sources).min(initial=np.inf) / battery.charge_efficiency
    cheapest = float(np.fmin(cheapest, end_value))
    cheapest = cheapest if np.isfinite(cheapest) else 0.0
    gain = sell - battery.wear_cost_per_kwh - cheapest / battery.discharge_efficiency
    return site.export_margin_per_kwh - gain


def relaxed_by(site: Site, bounds: Relaxed, needed: float) -> tuple[Economics, float]:
    """Return economics lowered by what is needed, as far as the bounds let; and by how much.

    Raises:
        ScenarioError: a bound above what the home has.
    """
    refuse_bounds(site, bounds)
    own, values, left = Economics.of(site), dict[str, float](), max(needed, 0.0)
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
