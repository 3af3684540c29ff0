"""Load of the demo home: a family of four in a villa with a heat pump and a water heater.

Units: kWh per slot at the AC bus unless a name says otherwise. The parts are

    load = base + light + electronics + appliances + heat pump + water heater    (L1)
    heat = UA * (T_balance - temp) - solar gain,  electricity = heat / COP(temp) (L2)

A day is a workday, a day at home (weekend, Christmas, two weeks of July and the first days
of January) or a day away (two weeks of July, the days between Christmas and New Year).
Appliances are events with the profile of a real programme, placed on the local wall clock.
"""

from dataclasses import dataclass

import numpy as np

from sim.demo_weather import Sun, Weather, autoregressive
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS, local_calendar

_HOURS = SLOT_SECONDS / 3600.0
_QUARTERS = 96
WORKDAY, AT_HOME, AWAY = 0, 1, 2
_SATURDAY = 5
_TIMER_HOURS = (1.0, 5.0)
# (first, last) local month and day, inclusive.
_HOME_WEEKS = (((1, 1), (1, 6)), ((7, 21), (8, 3)), ((12, 23), (12, 26)))
_AWAY_WEEKS = (((7, 7), (7, 20)), ((12, 27), (12, 31)))
# Share of the family awake and at home: (local hour, share) per kind of day.
_PRESENCE = (
    ((0, 0.1), (0.5, 0), (5.75, 0), (6.75, 0.9), (7.75, 0.8), (8.5, 0.1), (14.5, 0.15),
     (16.5, 0.7), (17.5, 1), (21.5, 0.95), (23, 0.3), (24, 0.1)),
    ((0, 0.2), (1, 0), (6.75, 0), (9, 0.85), (12.5, 0.9), (14.5, 0.6), (17, 0.9),
     (22, 0.95), (23.5, 0.4), (24, 0.2)),
    ((0, 0), (24, 0)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """One programme of an appliance.

    Attributes:
        profile_kwh: energy of each slot it runs.
        chance: of a run on a workday, a day at home and a day away.
        hour: mean local start on a workday and on a day at home.
        spread_hours: standard deviation of the start.
    """

    profile_kwh: tuple[float, ...]
    chance: tuple[float, float, float]
    hour: tuple[float, float]
    spread_hours: float


APPLIANCES = {
    # Hot water in the first and last third of the programme, 2 kW.
    "dishwasher": Appliance(
        profile_kwh=(0.12, 0.45, 0.08, 0.05, 0.05, 0.35, 0.04, 0.01),
        chance=(0.8, 0.9, 0.0),
        hour=(20.2, 19.5),
        spread_hours=0.9,
    ),
    "laundry": Appliance(
        profile_kwh=(0.08, 0.48, 0.12, 0.05, 0.05, 0.06, 0.10),
        chance=(0.3, 0.75, 0.0),
        hour=(18.3, 11.0),
        spread_hours=1.6,
    ),
    "dryer": Appliance(
        profile_kwh=(0.18, 0.24, 0.24, 0.22, 0.2, 0.16, 0.06),
        chance=(0.22, 0.55, 0.0),
        hour=(20.6, 13.3),
        spread_hours=1.2,
    ),
    "breakfast": Appliance(
        profile_kwh=(0.22, 0.12),
        chance=(0.95, 0.95, 0.0),
        hour=(6.8, 8.9),
        spread_hours=0.3,
    ),
    "lunch": Appliance(
        profile_kwh=(0.3, 0.3, 0.15),
        chance=(0.08, 0.75, 0.0),
        hour=(12.0, 12.4),
        spread_hours=0.5,
    ),
    "dinner": Appliance(
        profile_kwh=(0.38, 0.52, 0.42, 0.22),
        chance=(0.93, 0.9, 0.0),
        hour=(17.4, 17.8),
        spread_hours=0.6,
    ),
    "oven": Appliance(
        profile_kwh=(0.55, 0.35, 0.28, 0.25),
        chance=(0.12, 0.4, 0.0),
        hour=(17.8, 15.5),
        spread_hours=1.3,
    ),
    "sauna": Appliance(
        profile_kwh=(1.5, 1.5, 1.0, 0.7, 0.7, 0.5),
        chance=(0.02, 0.14, 0.0),
        hour=(19.5, 19.0),
        spread_hours=0.7,
    ),
}
# Hot water drawn, kWh of heat: showers morning and evening, kitchen through the day.
DRAWS = {
    "morning shower": Appliance(
        profile_kwh=(1.8, 1.2), chance=(0.95, 0.8, 0.0), hour=(6.5, 9.0), spread_hours=0.4
    ),
    "evening shower": Appliance(
        profile_kwh=(1.6, 1.0), chance=(0.8, 0.8, 0.0), hour=(20.6, 20.8), spread_hours=1.0
    ),
    "kitchen": Appliance(
        profile_kwh=(0.5, 0.3), chance=(0.95, 0.95, 0.0), hour=(18.4, 18.4), spread_hours=0.8
    ),
    "midday": Appliance(
        profile_kwh=(0.3, 0.1), chance=(0.3, 0.9, 0.0), hour=(13.0, 12.9), spread_hours=1.2
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseDays:
    """The local calendar of N slots on D local days.

    Attributes:
        day: (N,) index of the local day, from 0.
        hour: (N,) local wall clock, hours with fraction.
        ordinal: (D,) the local dates, as ``date.fromordinal`` takes them.
        weekday: (D,) Monday is 0.
        kind: (D,) WORKDAY, AT_HOME or AWAY.
        first_slot: (D, 96) index of the first slot at each wall-clock quarter; a quarter that
            the spring day skips points to the next that exists.
    """

    day: I64
    hour: F64
    ordinal: I64
    weekday: I64
    kind: I64
    first_slot: I64


def house_days(slots: I64, zone: str) -> HouseDays:
    """Return the local calendar of (N,) consecutive slots that cover whole local days."""
    calendar = local_calendar(slots, zone)
    day = calendar.day - calendar.day[0]
    quarter = calendar.minute // 15
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    first_slot = np.full((starts.size, _QUARTERS), slots.size, dtype=np.int64)
    np.minimum.at(first_slot, (day, quarter), np.arange(slots.size))
    first_slot = np.minimum.accumulate(first_slot[:, ::-1], axis=1)[:, ::-1]
    weekday = calendar.weekday[starts]
    return HouseDays(
        day=day,
        hour=calendar.minute / 60.0,
        ordinal=calendar.day[starts],
        weekday=weekday,
        kind=_kind_of_day(weekday, calendar.month[starts], _day_of_month(slots[starts] + 43_200)),
        first_slot=first_slot,
    )


def make_load(
    days: HouseDays, sun: Sun, weather: Weather, rng: np.random.Generator
) -> tuple[F64, F64]:
    """Return the (N,) total load and the (N,) water heater's share of it, kWh per slot."""
    awake = _presence(days)
    draws_kwh = place_events(days, DRAWS, rng)
    heater_kwh = water_heater(days, draws_kwh)
    power_kw = _base_kw(weather, rng) + _light_and_electronics_kw(days, awake, sun, weather, rng)
    parts = power_kw * _HOURS + place_events(days, APPLIANCES, rng) + heat_pump(weather)
    return parts + heater_kwh, heater_kwh


def place_events(
    days: HouseDays, appliances: dict[str, Appliance], rng: np.random.Generator
) -> F64:
    """Return the (N,) energy of all runs of some appliances, kWh per slot."""
    energy_kwh = np.zeros(days.day.size)
    for item in appliances.values():
        runs = np.flatnonzero(rng.random(days.kind.size) < np.array(item.chance)[days.kind])
        hour = np.array([*item.hour, 0.0])[days.kind[runs]]
        hour = hour + item.spread_hours * rng.standard_normal(runs.size)
        quarter = np.clip(np.round(hour * 4.0), 0, _QUARTERS - 1).astype(np.int64)
        size = rng.normal(1.0, 0.15, runs.size).clip(0.6, 1.5)
        first = days.first_slot[runs, quarter]
        for step, step_kwh in enumerate(item.profile_kwh):
            # A run that would end after the last slot of the year is cut there.
            inside = first + step < energy_kwh.size
            np.add.at(energy_kwh, (first + step)[inside], step_kwh * size[inside])
    return energy_kwh


def heat_pump(weather: Weather) -> F64:
    """Return the (N,) electricity of an air-to-water heat pump, kWh per slot (L2).

    The house loses 0.26 kW per degree below 17 deg C; the pump runs between 0.6 and 3.8 kW,
    switches on when 1.5 kWh of heat are missing and off when 0.5 kWh are in surplus. COP
    falls with the cold (2.9 at 0 deg C, 0.07 per degree) and by 8 % where frost forms.
    """
    temp_c = weather.temp_c
    need_kw = np.maximum(0.26 * (17.0 - temp_c) - 0.0016 * weather.ghi_w_m2 - 0.3, 0.0)
    frost = 1.0 - 0.08 * np.exp(-(((temp_c - 1.0) / 3.0) ** 2))
    cop = np.clip(2.9 + 0.07 * temp_c, 1.7, 4.5) * frost
    missing_kwh, running, energy = 0.0, False, []
    for need, ratio in zip((need_kw * _HOURS).tolist(), cop.tolist(), strict=True):
        missing_kwh += need
        running = missing_kwh > (-0.5 if running else 1.5)
        electric = min(max(missing_kwh / ratio / 4.0, 0.6 * _HOURS), 3.8 * _HOURS) if running else 0
        missing_kwh -= electric * ratio
        energy.append(electric)
    return np.array(energy, dtype=np.float64)


def water_heater(days: HouseDays, draws_kwh: F64) -> F64:
    """Return the (N,) electricity of a 3 kW water heater, kWh per slot.

    A timer lets it fill up from 01:00 to 05:00; at other times the thermostat steps in when
    6 kWh are missing and stops at 3. The tank loses 50 W.
    """
    full_kwh = 3.0 * _HOURS
    night = ((days.hour >= _TIMER_HOURS[0]) & (days.hour < _TIMER_HOURS[1])).tolist()
    missing_kwh, running, energy = 3.0, False, []
    for draw, timer in zip((draws_kwh + 0.05 * _HOURS).tolist(), night, strict=True):
        missing_kwh += draw
        start, stop = (0.5, 0.1) if timer else (6.0, 3.0)
        running = missing_kwh > (stop if running else start)
        heat = min(full_kwh, missing_kwh) if running else 0.0
        missing_kwh -= heat
        energy.append(heat)
    return np.array(energy, dtype=np.float64)


def _day_of_month(noons: I64) -> I64:
    """Return the day of the month of instants that lie near noon."""
    days = noons.astype("datetime64[s]").astype("datetime64[D]")
    day_of_month: I64 = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    return day_of_month


def _kind_of_day(weekday: I64, month: I64, day_of_month: I64) -> I64:
    """Return WORKDAY, AT_HOME or AWAY for (D,) local days; Monday is 0."""
    kind = np.where(weekday >= _SATURDAY, AT_HOME, WORKDAY)
    date = month * 100 + day_of_month
    for weeks, value in ((_HOME_WEEKS, AT_HOME), (_AWAY_WEEKS, AWAY)):
        for first, last in weeks:
            inside = (date >= first[0] * 100 + first[1]) & (date <= last[0] * 100 + last[1])
            kind = np.where(inside, value, kind)
    return kind


def _presence(days: HouseDays) -> F64:
    """Return the (N,) share of the family that is awake at home."""
    curves = [np.interp(days.hour, *np.array(points, dtype=float).T) for points in _PRESENCE]
    share: F64 = np.choose(days.kind[days.day], curves)
    return share


def _base_kw(weather: Weather, rng: np.random.Generator) -> F64:
    """Return the (N,) power of ventilation, standby, fridge and freezer, kW."""
    slots = weather.temp_c.size
    power_kw = 0.19 + 0.006 * autoregressive(slots, 0.9, rng)
    for period_slots, on_kw in ((5.3, 0.09), (7.1, 0.11)):
        phase = np.cumsum(1.0 + 0.25 * autoregressive(slots, 0.7, rng)) / period_slots
        # Compressors run longer in a warm kitchen; a slot holds a part of a cycle.
        duty = 0.38 + 0.004 * np.maximum(weather.temp_c - 10.0, 0.0)
        power_kw = power_kw + on_kw * np.clip((duty - phase % 1.0) * period_slots, 0.05, 1.0)
    return np.maximum(power_kw, 0.05)


def _light_and_electronics_kw(
    days: HouseDays, awake: F64, sun: Sun, weather: Weather, rng: np.random.Generator
) -> F64:
    """Return the (N,) power of lamps (by darkness) and screens (by presence), kW."""
    height_deg = 90.0 - sun.zenith_deg - 8.0 * weather.cloud_cover
    dark = np.clip((8.0 - height_deg) / 12.0, 0.0, 1.0)
    mood = np.exp(0.25 * autoregressive(awake.size, 0.9, rng))
    evening = np.exp(-(((days.hour - 20.3) / 2.2) ** 2))
    porch_kw = 0.03 * dark * (days.hour > 15.0)  # noqa: PLR2004 - lit in the evening, home or not
    light_kw = 0.30 * awake * dark
    screens_kw = awake * (0.12 + 0.22 * evening)
    power: F64 = porch_kw + (light_kw + screens_kw) * mood
    return power
