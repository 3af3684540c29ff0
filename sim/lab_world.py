"""A home in another world: its facts and its model as a what-if has them.

The history is changed where it is read (as in ``sim.augment``), so that what happened, what was
known of it and what was forecast from it agree; missing stays missing. Battery flows and states are
as recorded: the Lab reads of them the stored energy at the start alone. Units: kWh per slot at the
AC bus, kW, currency per kWh.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import final

import numpy as np

from mpc import Battery
from mpc.arrays import F64, LimitLike
from sim.errors import KnownInputsError, ScenarioError
from sim.facts import Facts
from sim.lab_case import WhatIf
from sim.planning import HomeModel, exchange_rate
from telemetry.channels import Channel
from telemetry.observations import Coverage, Observations, Reading
from telemetry.price_table import PriceSeries
from telemetry.quality_table import DayQuality
from telemetry.weather_table import WeatherIssue, WeatherSeries

__all__ = ["changed_facts", "changed_model"]


def changed_facts(facts: Facts, model: HomeModel, case: WhatIf) -> Facts:
    """Return the facts of a home as a what-if has them; themselves where it changes none."""
    scales = (case.load_scale, case.pv_scale, case.price_scale)
    if set(scales) == {1.0} and case.price_shift_per_kwh == 0.0:
        return facts
    return _Changed(facts=facts, model=model, case=case)


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
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Changed:
    """Facts with load, PV or prices changed; ``sim.facts.Facts``."""

    facts: Facts
    model: HomeModel
    case: WhatIf

    def observations(
        self,
        home_id: str,
        channels: Sequence[Channel | str],
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
    ) -> Observations:
        """Slots with load and PV scaled."""
        seen = self.facts.observations(home_id, channels, start, end, as_of=as_of)
        scale = np.array([self._scale(channel) for channel in seen.channels])
        return replace(seen, values=seen.values * scale[:, None])

    def latest(
        self, home_id: str, channel: Channel | str, *, as_of: datetime, not_before: datetime
    ) -> Reading | None:
        """The newest number, scaled as ``observations`` scales it."""
        found = self.facts.latest(home_id, channel, as_of=as_of, not_before=not_before)
        if found is None:
            return None
        return replace(found, value=found.value * self._scale(Channel(channel)))

    def coverage(
        self, home_id: str, channel: Channel | str, *, as_of: datetime | None = None
    ) -> Coverage | None:
        """As recorded."""
        return self.facts.coverage(home_id, channel, as_of=as_of)

    def prices(
        self,
        area: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        currency: str | None = None,
        source: str | None = None,
    ) -> PriceSeries:
        """Spot prices, scaled and shifted (WI1); one in a currency without a rate is not shifted.

        No plan uses such a price.
        """
        found = self.facts.prices(area, start, end, as_of=as_of, currency=currency, source=source)
        if found.currency is None:
            return found
        try:
            shift = self.case.price_shift_per_kwh / exchange_rate(self.model, found.currency)
        except KnownInputsError:
            shift = 0.0
        return replace(found, values=self.case.price_scale * found.values + shift)

    def price_currencies(
        self, area: str, start: datetime, end: datetime, *, as_of: datetime | None = None
    ) -> tuple[str, ...]:
        """As stored."""
        return self.facts.price_currencies(area, start, end, as_of=as_of)

    def weather(
        self,
        home_id: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None,
        kind: str = "forecast",
    ) -> WeatherSeries:
        """As recorded."""
        return self.facts.weather(home_id, start, end, as_of=as_of, kind=kind)

    def weather_issues(
        self, home_id: str, start: datetime, end: datetime
    ) -> tuple[WeatherIssue, ...]:
        """As recorded."""
        return self.facts.weather_issues(home_id, start, end)

    def day_quality(self, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
        """As judged."""
        return self.facts.day_quality(home_id, first, last)

    def _scale(self, channel: Channel) -> float:
        """Return what a channel is multiplied with."""
        if channel is Channel.LOAD_KWH:
            return self.case.load_scale
        return self.case.pv_scale if channel is Channel.PV_KWH else 1.0
