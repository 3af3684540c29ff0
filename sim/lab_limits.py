"""Which limit keeps a target from being reached: found by asking, never guessed.

A home without a battery, or whose battery may not export, says so itself. Else the target is
planned again at any cost, with one limit less: without the blocks; then with each limit of the home
doubled, and the one that gives most more binds. Full power in all slots of the day, or all that the
grid connection takes beside the PV, is a bound that needs no plan. Units: kWh, kW.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mpc import Block, Site
from mpc.arrays import F64, LimitLike
from mpc.problem import Problem
from mpc.site import as_limit

__all__ = ["ECONOMICS", "FORECAST", "FORECAST_REASON", "binding"]

ECONOMICS = "economics"
"""The limit of a target that only relaxing, or asking at any cost, can mend."""
FORECAST = "forecast"
"""The limit of a closed loop that at its start saw the target reached."""
FORECAST_REASON = "seen from 00:00 it was reached; load and PV came otherwise than foreseen"
_LITTLE_KWH = 0.1
_REASONS = {
    "capacity_kwh": "the home has no battery",
    "allow_battery_export": "the battery may not export",
    "blocks": "without the manual blocks it would be",
    "max_export_kw": "the grid connection takes no more",
    "max_discharge_kw": "the battery's power gives no more",
    "max_soc_kwh": "the battery holds no more",
    "max_charge_kw": "the battery cannot be charged faster",
    "max_import_kw": "the grid connection gives no more to charge with",
    "allow_grid_charge": "the battery may not charge from the grid",
    "several": "no limit alone: of each the double would give no more",
}

Missing = Callable[[Site, tuple[Block, ...]], float]
"""(site, blocks) -> what is missing to the target at any cost, kWh."""


def binding(
    problem: Problem,
    wanted: tuple[float, int],
    blocks: tuple[Block, ...],
    missing_kwh: Missing,
) -> tuple[str, str]:
    """Return the limit that keeps a target from being reached, and the same in a sentence.

    Args:
        problem: of the plan, from the first slot that counts on.
        wanted: what is to be sold, kWh, and in how many slots.
        blocks: of the plan.
        missing_kwh: plans the target again.
    """
    limit = _outright(problem, *wanted) or _by_asking(problem.site, blocks, missing_kwh)
    return limit, _REASONS[limit]


def _outright(problem: Problem, wanted_kwh: float, slots: int) -> str:
    """Return a limit that needs no plan; "" where none does."""
    if problem.site.battery.capacity_kwh == 0.0:
        return "capacity_kwh"
    if not problem.site.allow_battery_export:
        return "allow_battery_export"
    net = problem.net[:slots]
    power = np.maximum(problem.discharge_max[:slots] - np.maximum(net, 0.0), 0.0)
    room = np.maximum(problem.export_max[:slots] - np.maximum(-net, 0.0), 0.0)
    for name, most in (("max_discharge_kw", power), ("max_export_kw", room)):
        if most.sum() < wanted_kwh - _LITTLE_KWH:
            return name
    return ""


def _by_asking(site: Site, blocks: tuple[Block, ...], missing_kwh: Missing) -> str:
    """Return the limit without which most more is sold, a key of ``_REASONS``."""
    if blocks and missing_kwh(site, ()) <= _LITTLE_KWH:
        return "blocks"
    missing = {name: missing_kwh(other, blocks) for name, other in _eased(site)}
    best = min(missing, key=missing.__getitem__)
    gained = missing_kwh(site, blocks) - missing[best]
    return best if gained > 2.0 * _LITTLE_KWH else "several"


def _eased(site: Site) -> Iterator[tuple[str, Site]]:
    """Yield the site with one limit after the other doubled, each with its name."""
    battery, grid = site.battery, site.grid
    taken, given = _doubled(grid.max_export_kw), _doubled(grid.max_import_kw)
    yield "max_export_kw", replace(site, grid=replace(grid, max_export_kw=taken))
    yield "max_import_kw", replace(site, grid=replace(grid, max_import_kw=given))
    faster = replace(battery, max_discharge_kw=_doubled(battery.max_discharge_kw))
    yield "max_discharge_kw", replace(site, battery=faster)
    fuller = replace(battery, max_charge_kw=_doubled(battery.max_charge_kw))
    yield "max_charge_kw", replace(site, battery=fuller)
    larger = replace(
        battery,
        capacity_kwh=2.0 * battery.capacity_kwh,
        max_soc_kwh=_doubled(battery.max_soc_kwh),
    )
    yield "max_soc_kwh", replace(site, battery=larger)
    if not site.allow_grid_charge:
        yield "allow_grid_charge", replace(site, allow_grid_charge=True)


def _doubled(limit: LimitLike | None) -> float | F64:
    """Return twice a limit."""
    double = 2.0 * np.asarray(as_limit(0.0 if limit is None else limit))
    return double if double.ndim else float(double)
