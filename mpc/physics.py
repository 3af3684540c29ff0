"""Battery step, grid settlement and slot cost: the one definition of the physics.

Plain functions of numbers without branches on types: kernels (``jit.compiled``) as they stand.
Units: kWh per slot at the AC bus for flows, kWh stored, currency/kWh. All flows are >= 0; only net
battery energy has a sign, > 0 charges.

    s' = s + eta_c * charge - discharge / eta_d                                         (P1)
    import - export = load - pv + curtail + charge - discharge                          (P2)
    import * export = 0,  charge * discharge = 0,  0 <= curtail <= pv                   (P3)
    cost = import_price * import - export_price * export + wear * discharge             (P4)
    penalty = penalty * (import over import_max + export over export_max)
            + soft_price * (import between soft and hard limit)
            + margin * (discharge beyond the net load) + reserve_price * (short of reserve)   (P5)
"""

from typing import TypeVar

import numpy as np

from mpc.arrays import F64
from mpc.rules import Limits, Rules, Slot

__all__ = [
    "battery_power",
    "battery_range",
    "battery_step",
    "clip",
    "exported_discharge",
    "paid_import_limit",
    "settle",
    "slot_cost",
    "slot_penalty",
    "slot_power",
    "slot_step",
]


Number = TypeVar("Number", float, F64)


def clip(value: float, low: float, high: float) -> float:
    """Return ``value`` limited to [low, high]."""
    return min(max(value, low), high)


def battery_step(
    stored_kwh: float,
    charge_kwh: float,
    discharge_kwh: float,
    charge_efficiency: float,
    discharge_efficiency: float,
) -> float:
    """Return the energy stored at the end of a slot, kWh (P1)."""
    return stored_kwh + charge_efficiency * charge_kwh - discharge_kwh / discharge_efficiency


def battery_range(
    stored_kwh: float,
    min_soc_kwh: float,
    max_soc_kwh: float,
    max_charge_kwh: float,
    max_discharge_kwh: float,
    charge_efficiency: float,
    discharge_efficiency: float,
) -> tuple[float, float]:
    """Return (lowest, highest) net battery energy of a slot at the AC bus, kWh.

    Below its minimum a battery gives nothing, above its maximum it takes nothing.
    """
    room = max(max_soc_kwh - stored_kwh, 0.0) / charge_efficiency
    usable = max(stored_kwh - min_soc_kwh, 0.0) * discharge_efficiency
    return -min(max_discharge_kwh, usable), min(max_charge_kwh, room)


def battery_power(
    net_kwh: Number,
    charge_kwh: Number,
    discharge_kwh: Number,
    import_max_kwh: Number,
    headroom_kwh: Number,
    allow_grid_charge: bool,  # noqa: FBT001 - numba knows no keyword-only arguments
    allow_battery_export: bool,  # noqa: FBT001
) -> tuple[Number, Number]:
    """Return (most charge, most discharge) that the site's options leave, kWh (Q1, Q2).

    Numbers, or arrays (T,): the limits of ``rules.Limits`` and load minus PV.
    """
    surplus = np.maximum(-net_kwh, 0.0)
    if allow_grid_charge:
        room = np.maximum(import_max_kwh - headroom_kwh - net_kwh, surplus)
        charge = np.minimum(charge_kwh, room)
    else:
        charge = np.minimum(charge_kwh, surplus)
    if allow_battery_export:
        return charge, discharge_kwh
    return charge, np.minimum(discharge_kwh, np.maximum(net_kwh, 0.0))


def slot_power(net_kwh: float, limits: Limits, rules: Rules) -> tuple[float, float]:
    """Return (most charge, most discharge) of a slot with a net load, kWh."""
    return battery_power(
        net_kwh,
        limits.charge,
        limits.discharge,
        limits.import_max,
        limits.headroom,
        rules.allow_grid_charge,
        rules.allow_battery_export,
    )


def paid_import_limit(
    charge_kwh: float,
    import_price: float,
    soft_import_kwh: float,
    soft_price: float,
    max_import_kwh: float,
    allow_grid_charge: bool,  # noqa: FBT001 - numba knows no keyword-only arguments
) -> float:
    """Return up to how much import a negative price is worth curtailing PV for, kWh.

    Nothing while charging where charging from the grid is forbidden; else up to the soft limit, and
    to the hard one where the price outweighs what exceeding the soft limit costs.

    Args:
        charge_kwh: what the battery takes in the slot.
        import_price: currency per kWh taken.
        soft_import_kwh: soft import limit, infinity where there is none.
        soft_price: cost per kWh above it.
        max_import_kwh: hard import limit.
        allow_grid_charge: the option of the site.
    """
    if charge_kwh > 0.0 and not allow_grid_charge:
        return 0.0
    if import_price + soft_price < 0.0:
        return max_import_kwh
    return min(soft_import_kwh, max_import_kwh)


def settle(
    net_kwh: float,
    curtail_max_kwh: float,
    import_price: float,
    export_price: float,
    paid_import_kwh: float,
    max_export_kwh: float,
) -> tuple[float, float, float]:
    """Return (import, export, curtail) that serve a house at least cost, kWh (P2, P3).

    PV is curtailed where exporting costs money, above the export limit, and where importing pays
    more than the PV is worth. Without that reason nothing is curtailed; a limit that cannot hold is
    exceeded.

    Args:
        net_kwh: load minus PV plus net battery energy, > 0 imports.
        curtail_max_kwh: PV that may be curtailed.
        import_price: currency per kWh taken.
        export_price: currency per kWh fed in.
        paid_import_kwh: import that a negative price is worth, see ``paid_import_limit``.
        max_export_kwh: export limit.
    """
    surplus = max(-net_kwh, 0.0)
    export = 0.0 if export_price < 0.0 else min(surplus, max_export_kwh)
    curtail = min(surplus - export, curtail_max_kwh)
    if import_price < 0.0:
        paid = clip(paid_import_kwh - net_kwh, 0.0, curtail_max_kwh)
        gained = -import_price * (net_kwh + paid - max(net_kwh, 0.0))
        if paid > surplus and gained > export_price * export:
            curtail = paid
    grid = net_kwh + curtail
    return max(grid, 0.0), max(-grid, 0.0), curtail


def slot_cost(
    import_kwh: float,
    export_kwh: float,
    discharge_kwh: float,
    import_price: float,
    export_price: float,
    wear_cost_per_kwh: float,
) -> float:
    """Return what a slot costs: bill plus wear, currency (P4)."""
    bill = import_price * import_kwh - export_price * export_kwh
    return bill + wear_cost_per_kwh * discharge_kwh


def exported_discharge(discharge_kwh: float, net_kwh: float) -> float:
    """Return the discharge beyond the net load, which the battery exports, kWh."""
    return max(discharge_kwh - max(net_kwh, 0.0), 0.0)


def slot_penalty(
    import_kwh: float,
    export_kwh: float,
    beyond_load_kwh: float,
    stored_kwh: float,
    limits: Limits,
    rules: Rules,
) -> float:
    """Return what broken soft limits and steering options cost in a slot, currency (P5).

    Args:
        import_kwh: energy taken from the grid.
        export_kwh: energy fed in.
        beyond_load_kwh: discharge beyond the net load, which the battery exports.
        stored_kwh: stored energy at the slot's end.
        limits: of the slot.
        rules: of the site.
    """
    soft = min(limits.import_soft, limits.import_max)
    over = max(import_kwh - limits.import_max, 0.0) + max(export_kwh - limits.export_max, 0.0)
    above = max(min(import_kwh, limits.import_max) - soft, 0.0)
    short = max(limits.reserve - stored_kwh, 0.0)
    money = rules.penalty * over + rules.soft_price * above
    return money + rules.export_margin * beyond_load_kwh + rules.reserve_price * short


def slot_step(
    stored_kwh: float, wish_kwh: float, slot: Slot, limits: Limits, rules: Rules
) -> tuple[float, float, float, float, float]:
    """Return (stored at the end, net battery energy, import, export, curtail) of a slot, kWh.

    The battery follows the wish as far as it and the site can (P1), the grid settles the rest at
    least cost (P2, P3).

    Args:
        stored_kwh: stored energy at the slot's start.
        wish_kwh: wanted net battery energy at the AC bus, > 0 charges.
        slot: load, PV and prices.
        limits: of the slot.
        rules: of the site.
    """
    net = slot.load_kwh - slot.pv_kwh
    charge, discharge = slot_power(net, limits, rules)
    eta_c, eta_d = rules.charge_efficiency, rules.discharge_efficiency
    low, high = battery_range(
        stored_kwh, limits.soc_min, limits.soc_max, charge, discharge, eta_c, eta_d
    )
    moved = clip(wish_kwh, low, high)
    taken, given = max(moved, 0.0), max(-moved, 0.0)
    stored = battery_step(stored_kwh, taken, given, eta_c, eta_d)
    # Rounding leaves no window: emptied is empty, and a state outside may stay where it is.
    stored = clip(stored, min(limits.soc_min, stored_kwh), max(limits.soc_max, stored_kwh))
    paid = paid_import_limit(
        taken,
        slot.import_price,
        limits.import_soft,
        rules.soft_price,
        limits.import_max,
        rules.allow_grid_charge,
    )
    spill = slot.pv_kwh if rules.pv_curtailable else 0.0
    imports, exports, curtail = settle(
        net + moved, spill, slot.import_price, slot.export_price, paid, limits.export_max
    )
    return stored, moved, imports, exports, curtail
