"""The physical house: battery, grid connection and the options of a site.

Units: kW for ratings (at the AC terminals), kWh for stored energy, currency/kWh, ratios.
A limit marked *per slot* is one number, or an array with one number per slot of the horizon.
Every option has a default that changes nothing. The equations stand in ``physics`` and ``model``.
"""

from dataclasses import dataclass

import numpy as np

from mpc.arrays import Limit, LimitLike, limit
from mpc.errors import SiteError

__all__ = ["Battery", "Grid", "Site"]


def _number(name: str, value: float, *, want: str = "a finite number, 0 or more") -> None:
    """Refuse what is no finite, non-negative number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise SiteError(name, repr(value), want)
    if not 0.0 <= value < np.inf:
        raise SiteError(name, value, want)


def _set_limit(owner: object, prefix: str, name: str, *, finite: bool = True) -> None:
    """Replace the field by its checked form (a frozen dataclass sets fields only here)."""
    value = limit(f"{prefix}.{name}", getattr(owner, name), SiteError, finite=finite)
    object.__setattr__(owner, name, value)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Battery:
    """Nameplate of one battery; power limits hold at the AC terminals, inverter included.

    Attributes:
        capacity_kwh: energy it can store, >= 0 (0: no battery).
        min_soc_kwh: stored energy kept at least, per slot (end of slot).
        max_soc_kwh: stored energy held at most, per slot; None means ``capacity_kwh``.
        max_charge_kw: AC power taken at most, per slot.
        max_discharge_kw: AC power given at most, per slot.
        charge_efficiency: AC to stored energy, a ratio in (0, 1].
        discharge_efficiency: stored energy to AC, a ratio in (0, 1].
        wear_cost_per_kwh: cost per kWh discharged at the AC side, >= 0.
    """

    capacity_kwh: float
    max_charge_kw: LimitLike
    max_discharge_kw: LimitLike
    min_soc_kwh: LimitLike = 0.0
    max_soc_kwh: LimitLike | None = None
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    wear_cost_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a nameplate that no battery has."""
        _number("battery.capacity_kwh", self.capacity_kwh)
        if self.max_soc_kwh is None:
            object.__setattr__(self, "max_soc_kwh", float(self.capacity_kwh))
        for name in ("min_soc_kwh", "max_soc_kwh", "max_charge_kw", "max_discharge_kw"):
            _set_limit(self, "battery", name)
        for name in ("charge_efficiency", "discharge_efficiency"):
            efficiency = getattr(self, name)
            want = "a ratio in (0, 1], not a percent"
            _number(f"battery.{name}", efficiency, want=want)
            if not 0.0 < efficiency <= 1.0:
                raise SiteError(f"battery.{name}", efficiency, want)
        _number("battery.wear_cost_per_kwh", self.wear_cost_per_kwh)
        self._check_window()

    def _check_window(self) -> None:
        """Refuse a state-of-charge window that is empty or larger than the battery."""
        low, high = np.asarray(self.min_soc_kwh), np.asarray(self.max_soc_kwh)
        if low.ndim and high.ndim and low.size != high.size:
            raise SiteError("battery.min_soc_kwh", f"{low.size} values", f"{high.size}, as max_soc")
        if np.any(low > high):
            raise SiteError(
                "battery.min_soc_kwh", low, f"at most max_soc_kwh = {high}; swap them or widen one"
            )
        if np.any(high > self.capacity_kwh):
            raise SiteError(
                "battery.max_soc_kwh", high, f"at most capacity_kwh = {self.capacity_kwh}, in kWh"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Grid connection, the main fuse.

    Attributes:
        max_import_kw: power taken at most, per slot; infinity means no limit.
        max_export_kw: power fed in at most, per slot; infinity means no limit.
    """

    max_import_kw: LimitLike
    max_export_kw: LimitLike

    def __post_init__(self) -> None:
        """Refuse a connection that does not exist."""
        for name in ("max_import_kw", "max_export_kw"):
            _set_limit(self, "grid", name, finite=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """One house: its battery, its grid connection and how it may use them.

    Attributes:
        battery: the storage.
        grid: the connection.
        pv_curtailable: PV may be throttled, by at most the PV of the slot.
        allow_grid_charge: the battery may charge in a slot that imports.
        allow_battery_export: the battery may discharge in a slot that exports.
        export_margin_per_kwh: least net gain, on top of wear and losses, for exporting stored
            energy; steers the plan and is no part of the bill.
        planning_import_kw: soft import limit, per slot; None: none.
        planning_import_price_per_kwh: what a kWh imported above it costs, on top of its price.
        reserve_soc_kwh: stored energy wished at the end of a slot, per slot; priced, not absolute.
        reserve_price_per_kwh: cost of each kWh short of the reserve, per slot.
        recovery_price_per_kwh: what a stored kWh is worth at the end of the horizon for climbing
            back to the minimum after a start below it (0: nothing is bought for its own sake).
        fuse_headroom_kw: import power left free while charging from the grid, for load peaks
            within the slot.
    """

    battery: Battery
    grid: Grid
    pv_curtailable: bool = True
    allow_grid_charge: bool = True
    allow_battery_export: bool = True
    export_margin_per_kwh: float = 0.0
    planning_import_kw: LimitLike | None = None
    planning_import_price_per_kwh: float = 0.0
    reserve_soc_kwh: LimitLike = 0.0
    reserve_price_per_kwh: float = 0.0
    recovery_price_per_kwh: float = 0.0
    fuse_headroom_kw: float = 0.0

    def __post_init__(self) -> None:
        """Refuse options that contradict each other or have no effect."""
        if not isinstance(self.battery, Battery) or not isinstance(self.grid, Grid):
            raise SiteError("site", f"{self.battery!r}, {self.grid!r}", "a Battery and a Grid")
        for name in ("pv_curtailable", "allow_grid_charge", "allow_battery_export"):
            if not isinstance(getattr(self, name), bool):
                raise SiteError(f"site.{name}", repr(getattr(self, name)), "True or False")
        prices = ("export_margin", "planning_import_price", "reserve_price", "recovery_price")
        for name in prices:
            _number(f"site.{name}_per_kwh", getattr(self, f"{name}_per_kwh"))
        _number("site.fuse_headroom_kw", self.fuse_headroom_kw)
        _set_limit(self, "site", "reserve_soc_kwh")
        if self.planning_import_kw is not None:
            _set_limit(self, "site", "planning_import_kw")
        self._check_prices()

    def _check_prices(self) -> None:
        """A soft limit without a price would be silently ignored: refuse it."""
        if self.planning_import_kw is not None and self.planning_import_price_per_kwh == 0.0:
            raise SiteError(
                "site.planning_import_price_per_kwh", 0.0, "above 0 where planning_import_kw is set"
            )
        if np.any(np.asarray(self.reserve_soc_kwh) > 0.0) and self.reserve_price_per_kwh == 0.0:
            raise SiteError(
                "site.reserve_price_per_kwh", 0.0, "above 0 where reserve_soc_kwh is set"
            )


def as_limit(value: LimitLike | None) -> Limit:
    """Narrow a checked limit field to its stored type."""
    if isinstance(value, float | np.ndarray):
        return value
    raise TypeError(f"limit {value!r} was not checked")
