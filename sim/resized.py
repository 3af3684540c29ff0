"""A battery of another capacity: the window of stored energy keeps its share of it.

Its power may stay, as for more cells behind the same inverter; keep its ratio to the capacity, as
for more of the same modules, each with its own; or be given. Efficiencies and wear stay.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from mpc import Battery
from mpc.arrays import F64, LimitLike
from mpc.site import as_limit
from sim.errors import ScenarioError

__all__ = ["Power", "resized"]

Power = Literal["kept", "scaled"]


def resized(battery: Battery, capacity_kwh: float, *, power: Power | float) -> Battery:
    """Return a battery with another capacity.

    Args:
        battery: as it is.
        capacity_kwh: what it shall store, 0 or more.
        power: in and out: kept, scaled with the capacity, or so many kW.

    Raises:
        ScenarioError: there is no battery yet whose power could be kept or scaled.
        SiteError: no battery has such a nameplate.
    """
    given = None if isinstance(power, str) else float(power)
    if battery.capacity_kwh == 0.0 and given is None:
        want = "a power in kW along with it: the home has no battery yet"
        raise ScenarioError("battery_kwh", capacity_kwh, want)
    share = capacity_kwh / battery.capacity_kwh if battery.capacity_kwh > 0.0 else 0.0
    high = np.minimum(_scaled(battery.max_soc_kwh, share), capacity_kwh)
    if battery.capacity_kwh == 0.0:
        high = np.asarray(capacity_kwh)
    changed = replace(
        battery,
        capacity_kwh=capacity_kwh,
        min_soc_kwh=_plain(np.minimum(_scaled(battery.min_soc_kwh, share), high)),
        max_soc_kwh=_plain(high),
    )
    if power == "kept":
        return changed
    if given is not None:
        return replace(changed, max_charge_kw=given, max_discharge_kw=given)
    return replace(
        changed,
        max_charge_kw=_plain(_scaled(battery.max_charge_kw, share)),
        max_discharge_kw=_plain(_scaled(battery.max_discharge_kw, share)),
    )


def _scaled(limit: LimitLike | None, share: float) -> F64:
    """Return a limit at another capacity."""
    scaled: F64 = np.asarray(as_limit(limit), dtype=np.float64) * share
    return scaled


def _plain(limit: F64) -> float | F64:
    """Return a limit that is the same in every slot as a number."""
    return limit if np.ndim(limit) else float(limit)
