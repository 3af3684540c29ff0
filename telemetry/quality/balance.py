"""The energy balance of the house, hour by hour, and who is to blame where it fails.

    residual = load + charge + export - PV - discharge - import                               (J3)
    |residual| <= 0.1 kWh + 5 % of (PV + discharge + import) + half a step of every meter      (J4)

per hour of four slots, where all channels of the house are known; over the day 0.5 kWh + 5 %. One
hour out of balance is told; more than one, or the day as a whole, lowers the class. What a house
does not have counts as zero; without a channel that it does have nothing is tested, and
``lacking`` says which.

Blame, in this order:

    1  one slip (a swap of charge and discharge or of import and export, one channel a thousand
       times too large or small) closes the balance of every hour: that one is told, and the class
       is that of its channels
    2  the battery's own equation (J1) fails, or cannot be tested since its flows are missing, and
       holds with what the rest of the balance says the battery did: its flows are wrong, the
       house's are right: ``mask_battery``
    3  else nobody knows: ``exclude``

With the balance intact a failing (J1) is the state of charge's fault: ``mask_battery``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, Bool
from telemetry.channels import Channel
from telemetry.limits import Limits
from telemetry.quality.battery import BatteryCheck, check_equation
from telemetry.quality.findings import Check, Finding
from telemetry.quality.window import PER_HOUR, Day, meter_step_kwh
from telemetry.quality_table import DayClass

HOUR_KWH, DAY_KWH, SHARE = 0.1, 0.5, 0.05
INTO = (Channel.PV_KWH, Channel.DISCHARGE_KWH, Channel.IMPORT_KWH)
OUT_OF = (Channel.LOAD_KWH, Channel.CHARGE_KWH, Channel.EXPORT_KWH)
_THOUSAND = 1000.0
_COARSEST_KWH = 0.1

Flows = Mapping[Channel, F64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Balance:
    """Residuals of a day.

    Attributes:
        residual_kwh: (H,), NaN where a channel is not known.
        failed: hours beyond (J4) (H,).
        day_failed: the sum over the known hours is beyond the day's tolerance.
    """

    residual_kwh: F64
    failed: Bool
    day_failed: bool

    @property
    def lowers(self) -> bool:
        """Whether it is more than one bad hour."""
        return self.day_failed or int(self.failed.sum()) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slip:
    """One mistake that may explain a balance that fails."""

    channels: tuple[Channel, ...]
    flows: Flows
    sentence: str
    topic: str = ""


def lacking(channels: Iterable[Channel], limits: Limits) -> tuple[Channel, ...]:
    """Channels that the balance of this house needs and that are not among ``channels``."""
    no_battery = not limits.capacity_kwh
    no_pv = limits.pv_peak_kw == 0.0
    spared = set()
    if no_battery:
        spared |= {Channel.CHARGE_KWH, Channel.DISCHARGE_KWH}
    if no_pv:
        spared.add(Channel.PV_KWH)
    if no_battery and no_pv:
        spared.add(Channel.EXPORT_KWH)
    absent = {*INTO, *OUT_OF} - set(channels) - spared
    return tuple(channel for channel in Channel if channel in absent)


def house_channels(channels: tuple[Channel, ...], limits: Limits) -> tuple[Channel, ...] | None:
    """Channels of the balance of this house; ``None`` where one that it has is not configured."""
    if lacking(channels, limits):
        return None
    return tuple(channel for channel in (*INTO, *OUT_OF) if channel in channels)


def residual(flows: Flows) -> F64:
    """Residual (J3) of flows of any shape; what is not among them is zero."""
    parts = [flows[channel] for channel in OUT_OF if channel in flows]
    parts += [-flows[channel] for channel in INTO if channel in flows]
    total: F64 = np.sum(parts, axis=0)
    return total


def balance_of(flows: Flows, steps_kwh: float) -> Balance:
    """Balance of hourly flows (H,); ``steps_kwh``: sum of the steps of all meters."""
    found = residual(flows)
    through = np.sum([flows[channel] for channel in INTO if channel in flows], axis=0)
    known = ~np.isnan(found)
    beyond = np.abs(found) > HOUR_KWH + SHARE * through + 0.5 * steps_kwh
    day = abs(float(found[known].sum()))
    return Balance(
        residual_kwh=found,
        failed=known & beyond,
        day_failed=day > DAY_KWH + SHARE * float(through[known].sum()) + steps_kwh,
    )


def check_balance(day: Day) -> Iterator[Finding]:
    """Test the balance and the battery's own equation, and find who is to blame."""
    equation = _equation(day)
    house = house_channels(day.channels, day.window.limits)
    flows = {} if house is None else {channel: day.hours(channel) for channel in house}
    steps = sum(min(meter_step_kwh(one), _COARSEST_KWH) for one in flows.values())
    balance = balance_of(flows, steps) if flows else None
    if balance is not None and balance.lowers:
        yield _blame(day, flows, steps, balance, equation)
        return
    if balance is not None and balance.failed.any():
        yield Finding(check=Check.BALANCE, count=1, sentence=_off(day, balance))
    if equation.gap is not None:
        yield Finding(
            check=Check.BATTERY,
            count=1,
            severity=DayClass.MASK_BATTERY,
            sentence=equation.gap.sentence(day),
        )


def _equation(day: Day) -> BatteryCheck:
    """Test the battery's own equation as measured."""
    if not day.has(Channel.CHARGE_KWH, Channel.DISCHARGE_KWH):
        return BatteryCheck(tested=False)
    return check_equation(day, day.values(Channel.CHARGE_KWH), day.values(Channel.DISCHARGE_KWH))


def _blame(
    day: Day, flows: Flows, steps_kwh: float, balance: Balance, equation: BatteryCheck
) -> Finding:
    """Find who is to blame for a balance that fails."""
    hours = max(int(balance.failed.sum()), 1)
    for slip in _slips(flows):
        mended = balance_of(slip.flows, steps_kwh)
        if not mended.failed.any() and not mended.day_failed and _fits(day, slip, equation):
            severity = max((day.severity(one) for one in slip.channels), key=lambda c: c.rank)
            return Finding(
                check=Check.BALANCE,
                count=hours,
                severity=severity,
                sentence=slip.sentence,
                topic=slip.topic,
            )
    rest = _rest(flows)
    doubted = equation.gap is not None or _battery_lost(day)
    if doubted and rest is not None and _holds(day, *rest):
        return Finding(
            check=Check.BALANCE,
            count=hours,
            severity=day.severity(Channel.CHARGE_KWH),
            sentence=_flow_sentence(flows, *rest),
        )
    return Finding(
        check=Check.BALANCE, count=hours, severity=DayClass.EXCLUDE, sentence=_off(day, balance)
    )


def _battery_lost(day: Day) -> bool:
    """Whether more of the battery's flows is missing than an hour: too much to test (J1) by."""
    flows = [c for c in (Channel.CHARGE_KWH, Channel.DISCHARGE_KWH) if day.has(c)]
    return any(int(np.isnan(day.values(channel)).sum()) > PER_HOUR for channel in flows)


def _off(day: Day, balance: Balance) -> str:
    """Tell by how much, and where it is worst."""
    size = np.abs(balance.residual_kwh)
    worst = int(np.nanargmax(size))
    return (
        f"the energy balance is off by up to {size[worst]:.3g} kWh an hour, "
        f"worst at {day.clock(worst * PER_HOUR)}"
    )


def _slips(flows: Flows) -> Iterator[_Slip]:
    """Mistakes that are common enough to be looked for."""
    for one, other, keys in (
        (
            Channel.CHARGE_KWH,
            Channel.DISCHARGE_KWH,
            "total_battery_charge and total_battery_discharge",
        ),
        (Channel.IMPORT_KWH, Channel.EXPORT_KWH, "total_grid_import and total_grid_export"),
    ):
        if one in flows and other in flows:
            swapped = {**flows, one: flows[other], other: flows[one]}
            yield _Slip(
                channels=(one, other),
                flows=swapped,
                sentence=f"{one} and {other} are swapped: the energy balance closes the other way; "
                f"exchange {keys} in input_sensors, then backfill again",
            )
    for channel, values in flows.items():
        for unit, factor in (("Wh", 1.0 / _THOUSAND), ("MWh", _THOUSAND)):
            # A flow that was nothing but an error vanishes too when it is divided.
            if float(np.nansum(values)) * factor < DAY_KWH:
                continue
            yield _Slip(
                channels=(channel,),
                flows={**flows, channel: values * factor},
                sentence=f"{channel} looks like {unit}: the energy balance closes that way",
                topic=f"{channel} {unit}",
            )


def _fits(day: Day, slip: _Slip, equation: BatteryCheck) -> bool:
    """Whether the battery's own equation bears a slip out: a slip of the battery mends it."""
    if not equation.tested:
        return True
    if not any(channel.is_battery for channel in slip.channels):
        return equation.gap is None
    if equation.gap is None:
        return False
    flows = slip.flows
    return _holds(day, flows[Channel.CHARGE_KWH], flows[Channel.DISCHARGE_KWH])


def _holds(day: Day, charge_kwh: F64, discharge_kwh: F64) -> bool:
    """Whether the battery's own equation holds with other flows, given by the hour (H,)."""
    slots = [np.repeat(hours / PER_HOUR, PER_HOUR) for hours in (charge_kwh, discharge_kwh)]
    found = check_equation(day, slots[0], slots[1])
    return found.tested and found.gap is None


def _rest(flows: Flows) -> tuple[F64, F64] | None:
    """Charge and discharge as the rest of the balance (H,); ``None`` without a battery."""
    if Channel.CHARGE_KWH not in flows or Channel.DISCHARGE_KWH not in flows:
        return None
    others = {c: v for c, v in flows.items() if not c.is_battery}
    net = -residual(others)
    return np.maximum(net, 0.0), np.maximum(-net, 0.0)


def _flow_sentence(flows: Flows, charge_kwh: F64, discharge_kwh: F64) -> str:
    """Tell which of the battery's flows differs from the rest of the balance."""
    words = []
    for channel, want in (
        (Channel.CHARGE_KWH, charge_kwh),
        (Channel.DISCHARGE_KWH, discharge_kwh),
    ):
        known = ~np.isnan(flows[channel]) & ~np.isnan(want)
        got, due = float(flows[channel][known].sum()), float(want[known].sum())
        if abs(got - due) > HOUR_KWH + SHARE * due:
            words.append(f"{channel} is {got:.3g} kWh where {due:.3g} went")
    told = " and ".join(words) or "charge and discharge are wrong by the hour"
    return f"{told}, by the rest of the balance and the state of charge"
