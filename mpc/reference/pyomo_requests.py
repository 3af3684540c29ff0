"""Requests in Pyomo: blocks, and an export target with a binary in every slot that counts."""

import numpy as np
import pyomo.environ as pyo

from mpc.horizon import Horizon
from mpc.reference.scalars import Model, limits_of
from mpc.requests import Block, ExportTarget, Requests
from mpc.site import Site


def request_cost(
    m: Model, site: Site, horizon: Horizon, requests: Requests, price_per_kwh: float
) -> Model:
    """Add requests to a model of ``build_pyomo`` and return what is charged for not meeting them.

    Args:
        m: the model.
        site: the house.
        horizon: slots, load and PV.
        requests: of the horizon's slots.
        price_per_kwh: of every kWh that is missing or done against a block.
    """
    m.failed = pyo.VarList(domain=pyo.NonNegativeReals)
    m.asked = pyo.ConstraintList()
    kwh = [_block(m, block) for block in requests.blocks]
    if requests.export_target is not None:
        kwh.append(_export(m, site, horizon, requests.export_target))
    return price_per_kwh * sum(kwh)


def _block(m: Model, block: Block) -> Model:
    """Return the kWh by which a block is not met."""
    slots = range(block.first, block.stop)
    taken = sum(m.charge[t] for t in slots)
    given = sum(m.serve[t] + m.sell[t] for t in slots)
    if block.kind == "hold":
        return taken + given
    failed, end = m.failed.add(), m.soc[block.stop - 1]
    if block.kind == "charge":
        m.asked.add(end + failed >= block.target_soc_kwh)
        return given + failed
    m.asked.add(end - failed <= block.target_soc_kwh)
    return taken + failed


def _export(m: Model, site: Site, horizon: Horizon, target: ExportTarget) -> Model:
    """Return the kWh missing to an export target; nothing is sold before the house is served."""
    limits, hours = limits_of(site), horizon.slot_hours.tolist()
    net = horizon.net_load_kwh.tolist()
    slots = np.flatnonzero(target.counted).tolist()
    m.counted = pyo.Var(slots, domain=pyo.NonNegativeReals)
    m.giving = pyo.Var(slots, domain=pyo.Binary)
    for t in slots:
        room = max(limits.export_kw * hours[t] - max(-net[t], 0.0), 0.0)
        most = limits.discharge_kw * hours[t]
        m.counted[t].setub(room)
        m.asked.add(m.counted[t] <= m.sell[t])
        m.asked.add(m.sell[t] <= most * m.giving[t])
        if net[t] > 0.0:
            m.asked.add(m.serve[t] >= net[t] * m.giving[t])
    failed = m.failed.add()
    m.asked.add(sum(m.counted[t] for t in slots) + failed >= target.energy_kwh)
    return failed
