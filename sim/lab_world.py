"""A home in another world: its facts and its model as a what-if has them.

The history is changed where it is read (``sim.changed_facts``), so that what happened, what was
known of it and what was forecast from it agree; missing stays missing. Battery flows and states are
as recorded: the Lab reads of them the stored energy at the start alone. Units: kWh per slot at the
AC bus, kW, currency per kWh.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc import Battery
from sim.changed_facts import ChangedFacts, SpotChange
from sim.facts import Facts
from sim.lab_case import WhatIf
from sim.planning import HomeModel
from sim.resized import resized
from telemetry.arrays import F64, I64
from telemetry.channels import Channel

__all__ = ["changed_facts", "changed_model"]


def changed_facts(facts: Facts, model: HomeModel, case: WhatIf) -> Facts:
    """Return the facts of a home as a what-if has them; themselves where it changes none."""
    scales = (case.load_scale, case.pv_scale, case.price_scale)
    if set(scales) == {1.0} and case.price_shift_per_kwh == 0.0:
        return facts
    return ChangedFacts(facts=facts, model=model, change=_Asked(case))


def changed_model(model: HomeModel, case: WhatIf) -> HomeModel:
    """Return a home as a what-if has it.

    Raises:
        ScenarioError: a battery of which nobody knows the power.
        SiteError: a nameplate that no battery has.
    """
    site = model.site
    battery = _battery(site.battery, case)
    export = site.allow_battery_export if case.battery_export is None else case.battery_export
    if battery is not site.battery or export != site.allow_battery_export:
        site = replace(site, battery=battery, allow_battery_export=export)
    tariff = model.tariff if case.tariff is None else case.tariff
    return replace(model, site=site, tariff=tariff)


def _battery(battery: Battery, case: WhatIf) -> Battery:
    """Return the battery with another capacity, or power; the power stays where none is given."""
    kwh, kw = case.battery_kwh, case.battery_kw
    if kwh is not None and kwh != battery.capacity_kwh:
        return resized(battery, kwh, power="kept" if kw is None else kw)
    if kw is not None:
        return replace(battery, max_charge_kw=kw, max_discharge_kw=kw)
    return battery


@final
@dataclass(frozen=True, slots=True)
class _Asked:
    """What a what-if changes of load, PV and prices; ``sim.changed_facts.Change``."""

    case: WhatIf

    def factors(self, channel: Channel, slots: I64) -> F64:
        """Return what the (N,) slots of a channel are multiplied with."""
        factor = {Channel.LOAD_KWH: self.case.load_scale, Channel.PV_KWH: self.case.pv_scale}
        return np.full(slots.size, factor.get(channel, 1.0))

    def spot(self) -> SpotChange:
        """Return what becomes of spot prices (WI1)."""
        return SpotChange(self.case.price_scale, self.case.price_shift_per_kwh)
