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
from mpc.arrays import F64, LimitLike
from sim.changed_facts import ChangedFacts, SpotChange
from sim.errors import ScenarioError
from sim.facts import Facts
from sim.lab_case import WhatIf
from sim.planning import HomeModel
from telemetry.arrays import I64
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
    """Return the battery with another capacity, its window the same share of it, or power."""
    if case.battery_kwh is not None and case.battery_kwh != battery.capacity_kwh:
        battery = _resized(battery, case.battery_kwh, has_power=case.battery_kw is not None)
    if case.battery_kw is not None:
        power = case.battery_kw
        battery = replace(battery, max_charge_kw=power, max_discharge_kw=power)
    return battery


def _resized(battery: Battery, capacity_kwh: float, *, has_power: bool) -> Battery:
    """Return the battery with another capacity."""
    if battery.capacity_kwh == 0.0:
        if not has_power:
            want = "battery_kw along with it: the home has no battery yet"
            raise ScenarioError("battery_kwh", capacity_kwh, want)
        return replace(battery, capacity_kwh=capacity_kwh, max_soc_kwh=capacity_kwh)
    share = capacity_kwh / battery.capacity_kwh
    high = np.minimum(_scaled(battery.max_soc_kwh, share), capacity_kwh)
    low = np.minimum(_scaled(battery.min_soc_kwh, share), high)
    return replace(
        battery,
        capacity_kwh=capacity_kwh,
        min_soc_kwh=low if low.ndim else float(low),
        max_soc_kwh=high if high.ndim else float(high),
    )


def _scaled(limit: LimitLike | None, share: float) -> F64:
    """Return a limit of the state of charge at another capacity."""
    return np.asarray(limit, dtype=np.float64) * share


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
