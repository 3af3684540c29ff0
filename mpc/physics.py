"""Battery step, grid settlement and slot cost: the one definition of the physics.

Plain scalar functions without branches on types, so that numba can compile them as they stand.
Units: kWh per slot at the AC bus for flows, kWh stored, currency/kWh. All flows are >= 0; only net
battery energy has a sign, > 0 charges.

    s' = s + eta_c * charge - discharge / eta_d                                         (P1)
    import - export = load - pv + curtail + charge - discharge                          (P2)
    import * export = 0,  charge * discharge = 0,  0 <= curtail <= pv                   (P3)
    cost = import_price * import - export_price * export + wear * discharge             (P4)
"""

__all__ = [
    "battery_range",
    "battery_step",
    "clip",
    "paid_import_limit",
    "settle",
    "slot_cost",
]


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
