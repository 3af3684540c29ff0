"""The plain house of the reference models: every limit one number."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.arrays import LimitLike
from mpc.errors import SiteError
from mpc.site import Site

Model = Any
"""A Pyomo model or expression: Pyomo has no types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits in kW and kWh, infinity where there is none."""

    charge_kw: float
    discharge_kw: float
    low_kwh: float
    high_kwh: float
    import_kw: float
    export_kw: float
    soft_kw: float
    reserve_kwh: float


def limits_of(site: Site) -> Limits:
    """Read the limits of a site.

    Raises:
        SiteError: where one changes from slot to slot.
    """
    battery, grid, soft = site.battery, site.grid, site.planning_import_kw
    return Limits(
        charge_kw=_scalar("max_charge_kw", battery.max_charge_kw),
        discharge_kw=_scalar("max_discharge_kw", battery.max_discharge_kw),
        low_kwh=_scalar("min_soc_kwh", battery.min_soc_kwh),
        high_kwh=_scalar("max_soc_kwh", battery.max_soc_kwh),
        import_kw=_scalar("max_import_kw", grid.max_import_kw),
        export_kw=_scalar("max_export_kw", grid.max_export_kw),
        soft_kw=np.inf if soft is None else _scalar("planning_import_kw", soft),
        reserve_kwh=_scalar("reserve_soc_kwh", site.reserve_soc_kwh),
    )


def _scalar(name: str, value: LimitLike | None) -> float:
    """Return a limit as a number."""
    if value is None or np.ndim(value) != 0:
        raise SiteError(name, "one value per slot", "a number: the reference knows scalar limits")
    return float(np.asarray(value))
