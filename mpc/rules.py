"""A site in the form kernels read: one table of limits per slot, one tuple of rules.

Units: kWh per slot at the AC bus, kWh stored, currency/kWh, ratios. What depends on load and PV of
the slot (most charge and discharge) follows in ``physics.battery_power``. Infinity means no limit.
"""

from typing import NamedTuple

import numpy as np

from mpc.arrays import F64, per_slot
from mpc.errors import SiteError
from mpc.site import Site, as_limit

__all__ = [
    "Limits",
    "Rules",
    "Slot",
    "headroom_kwh",
    "limits_at",
    "rules_of",
    "slot_at",
    "slot_limits",
]


class Slot(NamedTuple):
    """What a slot brings: energies in kWh, prices per kWh."""

    load_kwh: float
    pv_kwh: float
    import_price: float
    export_price: float


class Limits(NamedTuple):
    """Limits of one slot, kWh; the columns of ``slot_limits``.

    Attributes:
        soc_min: least stored energy at the slot's end.
        soc_max: most stored energy at the slot's end.
        charge: the battery's own most charge.
        discharge: the battery's own most discharge.
        import_soft: soft import limit.
        import_max: hard import limit.
        export_max: export limit.
        reserve: wished stored energy at the slot's end.
        headroom: import left free while charging from the grid; -inf where no headroom is asked.
    """

    soc_min: float
    soc_max: float
    charge: float
    discharge: float
    import_soft: float
    import_max: float
    export_max: float
    reserve: float
    headroom: float


class Rules(NamedTuple):
    """What holds in every slot of a site; prices per kWh.

    Attributes:
        charge_efficiency: AC to stored energy, ratio.
        discharge_efficiency: stored energy to AC, ratio.
        wear: cost per kWh discharged.
        export_margin: least net gain for exporting stored energy.
        soft_price: cost per kWh imported above the soft limit.
        reserve_price: cost per kWh short of the reserve, per slot.
        penalty: cost per kWh beyond a hard grid limit (Q4 of ``problem``).
        pv_curtailable: PV may be throttled.
        allow_grid_charge: the battery may charge in a slot that imports.
        allow_battery_export: the battery may discharge in a slot that exports.
    """

    charge_efficiency: float
    discharge_efficiency: float
    wear: float
    export_margin: float
    soft_price: float
    reserve_price: float
    penalty: float
    pv_curtailable: bool
    allow_grid_charge: bool
    allow_battery_export: bool


def slot_limits(site: Site, slot_hours: F64) -> F64:
    """Return (T, 9) limits of slots of ``slot_hours`` (T,), columns as in ``Limits``.

    Raises:
        SiteError: where a per-slot limit has another length.
    """
    battery, slots = site.battery, slot_hours.size
    soft = np.inf if site.planning_import_kw is None else as_limit(site.planning_import_kw)
    powers = {
        "battery.max_charge_kw": as_limit(battery.max_charge_kw),
        "battery.max_discharge_kw": as_limit(battery.max_discharge_kw),
        "site.planning_import_kw": soft,
        "grid.max_import_kw": as_limit(site.grid.max_import_kw),
        "grid.max_export_kw": as_limit(site.grid.max_export_kw),
    }
    energies = {
        "battery.min_soc_kwh": as_limit(battery.min_soc_kwh),
        "battery.max_soc_kwh": as_limit(battery.max_soc_kwh),
        "site.reserve_soc_kwh": as_limit(site.reserve_soc_kwh),
    }
    power = [per_slot(name, kw, slots, SiteError) * slot_hours for name, kw in powers.items()]
    low, high, reserve = (per_slot(name, kwh, slots, SiteError) for name, kwh in energies.items())
    return np.stack([low, high, *power, reserve, headroom_kwh(site, slot_hours)], axis=1)


def headroom_kwh(site: Site, slot_hours: F64) -> F64:
    """Return (T,) import left free while charging from the grid, kWh; -inf where none is asked."""
    if site.fuse_headroom_kw > 0.0:
        return site.fuse_headroom_kw * slot_hours
    return np.full(slot_hours.size, -np.inf)


def rules_of(site: Site, penalty_per_kwh: float) -> Rules:
    """Return the rules of a site, with the price of exceeding a hard limit."""
    battery = site.battery
    return Rules(
        charge_efficiency=float(battery.charge_efficiency),
        discharge_efficiency=float(battery.discharge_efficiency),
        wear=float(battery.wear_cost_per_kwh),
        export_margin=float(site.export_margin_per_kwh),
        soft_price=float(site.planning_import_price_per_kwh),
        reserve_price=float(site.reserve_price_per_kwh),
        penalty=float(penalty_per_kwh),
        pv_curtailable=site.pv_curtailable,
        allow_grid_charge=site.allow_grid_charge,
        allow_battery_export=site.allow_battery_export,
    )


def slot_at(series: F64, slot: int) -> Slot:
    """Return one row of a (T, 4) table of load, PV, import and export price; a kernel."""
    return Slot(series[slot, 0], series[slot, 1], series[slot, 2], series[slot, 3])


def limits_at(table: F64, slot: int) -> Limits:
    """Return one row of a (T, 9) table of limits; a kernel."""
    return Limits(
        table[slot, 0],
        table[slot, 1],
        table[slot, 2],
        table[slot, 3],
        table[slot, 4],
        table[slot, 5],
        table[slot, 6],
        table[slot, 7],
        table[slot, 8],
    )
