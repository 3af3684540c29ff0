"""Mode dispatch: what an inverter is told before anyone knows the slot's net load.

A mode is chosen from the prices, the value curve and the forecast. v is the value of stored energy,
above the state where it charges and below it where it discharges; sell+ is the export price, 0
where that is negative and PV can be curtailed instead:

    G: import_price / eta_c < v               V: (import_price - wear) * eta_d > v
    S: sell+ / eta_c < v                      E: (export_price - wear - margin) * eta_d > v     (V4)

    grid_charge   G           from the grid up to stop_low, PV surplus up to stop_high
    export        E           to the grid down to stop_high, to the load down to stop_low
    self_use      S and V     surplus up to stop_high, to the load down to stop_low
    store_surplus S only      surplus up to stop_high; the grid serves the load
    serve_load    V only      to the load down to stop_low; the surplus is exported
    hold          none        rests                                                             (V5)

A stop is the kink of the curve where its test ceases to hold; a tie counts as far as the plan went.
At the end of grid charging v is import_price / eta_c: more PV is still worth storing, the load is
not worth serving. Inverters do just that (grid-charge limit by SoC, PV beyond it, no discharge).
The mirror at the end of exporting: it goes on serving the load.

``cap_kwh`` bounds what the battery takes from or gives to the grid in grid_charge and export: the
ideal energy at the forecast, so that a stop within the slot is reached at its end and a soft limit
holds; the hard grid limits are held with the actual net load, as a meter at the fuse does. In the
other modes it is the battery's power. Where the mode is not ideal at the forecast (peak shaving,
prices that make the slot's cost not convex), the mode that moves what ideal dispatch (V1) would is
taken, capped there: with an exact forecast a mode costs what ideal dispatch costs.

Within the slot the net load n changes sign while the meter bills the slot's sum N. Let m be the
smaller of the sum of surplus and the sum of deficit, sell+ <= import_price, and let no kink, bound
or power limit be met, so v is one number. Ideal dispatch acts on N, a mode on every n:
store_surplus charges m more, which the grid pays at import_price; serve_load discharges m more,
which is exported; self_use does both and moves nothing at the meter. So the loss is m times

    store_surplus  import_price - eta_c * v             self_use  wear + v / eta_d - eta_c * v
    serve_load     wear + v / eta_d - sell+             others    0                             (V6)

and with (V4) for v each is <= m * (import_price - sell+): for self_use, v <= (import_price - wear)
* eta_d gives import_price - eta * (import_price - wear), where S and V say sell+ <= eta *
(import_price - wear). Units: kWh, currency/kWh. Kernels.
"""

from typing import NamedTuple

from mpc.curves import TIE, Curve, piece_kwh
from mpc.physics import clip
from mpc.rules import Limits, Rules, Slot
from sim.ideal import (
    MONEY_TIE,
    Advice,
    Scratch,
    Value,
    at_cell,
    cost_of_wish,
    reachable,
    value_wish,
)

__all__ = [
    "EXPORT",
    "GRID_CHARGE",
    "HOLD",
    "MODE_NAMES",
    "SELF_USE",
    "SERVE_LOAD",
    "STORE_SURPLUS",
    "ModeCommand",
    "decide_mode",
    "mode_wish",
]

GRID_CHARGE, SELF_USE, STORE_SURPLUS, SERVE_LOAD, EXPORT, HOLD = range(6)
MODE_NAMES = ("grid_charge", "self_use", "store_surplus", "serve_load", "export", "hold")
_NEVER = 1e300
NOISE_KWH = 1e-9
"""Energies closer than this are equal."""


class ModeCommand(NamedTuple):
    """What an inverter is told for one slot (V5).

    Attributes:
        mode: index into ``MODE_NAMES``.
        stop_low_kwh: stored energy at which the grid stops charging, or the load is served no more.
        stop_high_kwh: stored energy at which exporting stops, or surplus is stored no more.
        cap_kwh: most net battery energy of the slot that the mode itself asks for, see above.
        pv_export: PV may be fed in; else it is throttled.
    """

    mode: int
    stop_low_kwh: float
    stop_high_kwh: float
    cap_kwh: float
    pv_export: bool


class Stops(NamedTuple):
    """Stored energies at which the four tests of (V4) cease to hold, kWh."""

    grid_kwh: float
    store_kwh: float
    serve_kwh: float
    export_kwh: float


def decide_mode(
    stored_kwh: float,
    advice: Advice,
    value: Value,
    expected: Slot,
    limits: Limits,
    rules: Rules,
    scratch: Scratch,
) -> ModeCommand:
    """Return the command for a slot whose net load is not known yet (V4, V5).

    Args:
        stored_kwh: at the slot's start.
        advice: of the plan.
        value: at the slot's end.
        expected: FORECAST load and PV, and the prices.
        limits: of the slot.
        rules: of the site.
        scratch: overwritten.
    """
    stops = stops_of(stored_kwh, advice, value, expected, limits, rules)
    ideal = value_wish(stored_kwh, advice.planned_kwh, value, expected, limits, rules, scratch)
    command = mode_of(stored_kwh, stops, abs(ideal), expected, limits)
    moved = mode_wish(command, stored_kwh, expected, limits, rules)
    least, wanted = cost_of_wish(stored_kwh, ideal, value, expected, limits, rules)
    cost, _ = cost_of_wish(stored_kwh, moved, value, expected, limits, rules)
    if cost <= least + MONEY_TIE * (1.0 + abs(least)):
        return command
    return only_ideal(stored_kwh, wanted, expected, limits, rules)


def stops_of(
    stored_kwh: float, advice: Advice, value: Value, expected: Slot, limits: Limits, rules: Rules
) -> Stops:
    """Return the stops of a slot; a test that the site forbids has one it never reaches."""
    after = reachable(value, stored_kwh, limits)
    buy, sell, planned = expected.import_price, expected.export_price, advice.planned_kwh
    net, target = expected.load_kwh - expected.pv_kwh, stored_kwh + at_cell(planned, rules)
    eta_c, eta_d = rules.charge_efficiency, rules.discharge_efficiency
    worth = max(sell, 0.0) if rules.pv_curtailable else sell
    serve, give = (buy - rules.wear) * eta_d, (sell - rules.wear - rules.export_margin) * eta_d

    down = target if planned < 0.0 else _NEVER
    low = clip(down, *where_worth(after, value, serve))
    down = target if -planned > max(net, 0.0) + NOISE_KWH else _NEVER
    out = clip(down, *where_worth(after, value, give)) if rules.allow_battery_export else _NEVER
    up = target if planned > 0.0 else -_NEVER
    high = clip(up, *where_worth(after, value, worth / eta_c))
    up = target if planned > max(-net, 0.0) + NOISE_KWH else -_NEVER
    grid = clip(up, *where_worth(after, value, buy / eta_c)) if rules.allow_grid_charge else -_NEVER
    return Stops(grid, max(high, grid), min(low, out), out)


def where_worth(after: Curve, value: Value, price: float) -> tuple[float, float]:
    """Return up to which stored energy one more kWh is worth (more than, at least) a price."""
    more = least = after.start_kwh
    tie = TIE * (1.0 + abs(price))
    for k in range(after.first, after.last):
        worth, size = -value.slope[k], piece_kwh(after, value.length, k)
        if worth > price + tie:
            more += size
        if worth < price - tie:
            break
        least += size
    return more, least


def mode_of(
    stored_kwh: float, stops: Stops, ideal_kwh: float, expected: Slot, limits: Limits
) -> ModeCommand:
    """Return the mode of (V5) for a state between the stops."""
    power, pv_export = max(limits.charge, limits.discharge), expected.export_price >= 0.0
    low, high = stops.serve_kwh, stops.store_kwh
    if stored_kwh < stops.grid_kwh - NOISE_KWH:
        return ModeCommand(GRID_CHARGE, stops.grid_kwh, high, ideal_kwh, pv_export)
    if stored_kwh > stops.export_kwh + NOISE_KWH:
        return ModeCommand(EXPORT, low, stops.export_kwh, ideal_kwh, pv_export)
    if stored_kwh < high - NOISE_KWH:
        mode = SELF_USE if stored_kwh > low + NOISE_KWH else STORE_SURPLUS
    else:
        mode = SERVE_LOAD if stored_kwh > low + NOISE_KWH else HOLD
    return ModeCommand(mode, low, high, power, pv_export)


def only_ideal(
    stored_kwh: float, ideal_kwh: float, expected: Slot, limits: Limits, rules: Rules
) -> ModeCommand:
    """Return the mode that moves what ideal dispatch would at the forecast, and no more."""
    net, stop = expected.load_kwh - expected.pv_kwh, stored_kwh + at_cell(ideal_kwh, rules)
    mode, pv_export = HOLD, expected.export_price >= 0.0
    if ideal_kwh > 0.0:
        mode = STORE_SURPLUS if ideal_kwh <= -net + NOISE_KWH else GRID_CHARGE
    elif ideal_kwh < 0.0:
        mode = SERVE_LOAD if -ideal_kwh <= net + NOISE_KWH else EXPORT
        # A battery to be emptied at any price takes the place of PV at the export limit.
        pv_export = pv_export and (mode != EXPORT or -ideal_kwh <= limits.export_max + net)
    return ModeCommand(mode, stop, stop, abs(ideal_kwh), pv_export)


def mode_wish(
    command: ModeCommand, stored_kwh: float, slot: Slot, limits: Limits, rules: Rules
) -> float:
    """Return the net battery energy that an inverter in a mode asks for, kWh (V5).

    It sees the actual net load, at its meter. For a part of a slot, scale the energies of the slot,
    the limits and the cap; the stops stay.
    """
    net, mode = slot.load_kwh - slot.pv_kwh, command.mode
    surplus, deficit = max(-net, 0.0), max(net, 0.0)
    low, high, cap = command.stop_low_kwh, command.stop_high_kwh, command.cap_kwh
    up = min(surplus, max(high - stored_kwh, 0.0) / rules.charge_efficiency)
    down = min(deficit, max(stored_kwh - low, 0.0) * rules.discharge_efficiency)
    if mode == GRID_CHARGE:
        room = max(low - stored_kwh, 0.0) / rules.charge_efficiency
        return max(min(cap, room, limits.import_max - net), up)
    if mode == EXPORT:
        usable = max(stored_kwh - high, 0.0) * rules.discharge_efficiency
        spill = slot.pv_kwh if rules.pv_curtailable and not command.pv_export else 0.0
        return -max(min(cap, usable, limits.export_max + net + spill), down)
    if surplus > 0.0 and (mode in {SELF_USE, STORE_SURPLUS}):
        return min(cap, up)
    if deficit > 0.0 and (mode in {SELF_USE, SERVE_LOAD}):
        return -min(cap, down)
    return 0.0
