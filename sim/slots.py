"""The slot kernel: what a battery, a house and a grid do with a wish, and what it costs.

``mpc.physics`` does the arithmetic; this module walks it over arrays. One row per slot:

    charge  discharge  import  export  curtail     kWh at the AC bus
    soc                                            kWh stored at the slot's end
    bill    wear       penalty                     currency                                     (W1)

bill + wear is the cost of the slot (P4), penalty what broken limits and steering options cost on
top (P5). Kernels.
"""

from mpc.arrays import F64
from mpc.physics import exported_discharge, slot_cost, slot_penalty, slot_step
from mpc.rules import Limits, Rules, Slot, limits_at, slot_at
from sim.dispatch import SELF_USE

__all__ = [
    "BILL",
    "CHARGE",
    "COLUMNS",
    "CURTAIL",
    "DISCHARGE",
    "EXPORT",
    "IMPORT",
    "PENALTY",
    "SOC",
    "WEAR",
    "run_policy",
    "run_slot",
    "run_wishes",
    "write_slot",
]

COLUMNS = (
    "charge_kwh",
    "discharge_kwh",
    "import_kwh",
    "export_kwh",
    "curtail_kwh",
    "soc_kwh",
    "bill",
    "wear",
    "penalty",
)
CHARGE, DISCHARGE, IMPORT, EXPORT, CURTAIL, SOC, BILL, WEAR, PENALTY = range(9)


def run_slot(
    stored_kwh: float, wish_kwh: float, slot: Slot, limits: Limits, rules: Rules, out: F64, t: int
) -> float:
    """Carry out a wish, write row ``t`` of ``out`` (W1) and return the energy stored at the end.

    Args:
        stored_kwh: at the slot's start.
        wish_kwh: net battery energy, > 0 charges; limited to what is possible.
        slot: actual load and PV, and the prices.
        limits: of the slot.
        rules: of the site.
        out: (T, 9) out: columns as in ``COLUMNS``.
        t: the row.
    """
    flows = slot_step(stored_kwh, wish_kwh, slot, limits, rules)
    return write_slot(flows, slot, limits, rules, out, t)


def write_slot(
    flows: tuple[float, float, float, float, float],
    slot: Slot,
    limits: Limits,
    rules: Rules,
    out: F64,
    t: int,
) -> float:
    """Price what ``slot_step`` returned, write row ``t`` of ``out`` and return the stored energy.

    A function of its own: a loop over it and ``slot_step`` runs 2.4 times as fast as one over
    ``run_slot``, which is too long for the compiler to inline.
    """
    stored, moved, imports, exports, curtail = flows
    taken, given = max(moved, 0.0), max(-moved, 0.0)
    beyond = exported_discharge(given, slot.load_kwh - slot.pv_kwh)
    out[t, CHARGE], out[t, DISCHARGE] = taken, given
    out[t, IMPORT], out[t, EXPORT], out[t, CURTAIL] = imports, exports, curtail
    out[t, SOC] = stored
    out[t, BILL] = slot_cost(imports, exports, 0.0, slot.import_price, slot.export_price, 0.0)
    out[t, WEAR] = rules.wear * given
    out[t, PENALTY] = slot_penalty(imports, exports, beyond, stored, limits, rules)
    return stored


def run_wishes(
    stored_kwh: float, wish_kwh: F64, series: F64, table: F64, rules: Rules, out: F64
) -> float:
    """Carry out T wishes in turn and return the energy stored at the end.

    Args:
        stored_kwh: at the first slot's start.
        wish_kwh: (T,) net battery energy, > 0 charges.
        series: (T, 4) load, PV, import price, export price.
        table: (T, 9) limits, see ``mpc.rules.slot_limits``.
        rules: of the site.
        out: (T, 9) out: columns as in ``COLUMNS``.
    """
    for t in range(wish_kwh.size):
        slot, limits = slot_at(series, t), limits_at(table, t)
        flows = slot_step(stored_kwh, wish_kwh[t], slot, limits, rules)
        stored_kwh = write_slot(flows, slot, limits, rules, out, t)
    return stored_kwh


def run_policy(
    code: int, stored_kwh: float, series: F64, table: F64, rules: Rules, out: F64
) -> float:
    """Walk T slots without a plan and return the energy stored at the end.

    Args:
        code: ``dispatch.SELF_USE`` stores surplus and serves the load; any other one rests.
        stored_kwh: at the first slot's start.
        series: (T, 4) load, PV, import price, export price.
        table: (T, 9) limits, see ``mpc.rules.slot_limits``.
        rules: of the site.
        out: (T, 9) out: columns as in ``COLUMNS``.
    """
    for t in range(series.shape[0]):
        slot, limits = slot_at(series, t), limits_at(table, t)
        wish = slot.pv_kwh - slot.load_kwh if code == SELF_USE else 0.0
        flows = slot_step(stored_kwh, wish, slot, limits, rules)
        stored_kwh = write_slot(flows, slot, limits, rules, out, t)
    return stored_kwh
