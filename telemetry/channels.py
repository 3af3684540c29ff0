"""What is measured in a slot, where a value came from, and what is odd about it.

Energies are kWh per slot at the house's AC bus, never negative; states of charge are ratios 0..1
of the battery's capacity.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum


class Channel(StrEnum):
    """Quantities of a slot."""

    LOAD_KWH = "load_kwh"  # what the house consumed, without the battery
    PV_KWH = "pv_kwh"  # what the panels gave, after the inverter
    IMPORT_KWH = "import_kwh"  # from the grid
    EXPORT_KWH = "export_kwh"  # to the grid
    CHARGE_KWH = "charge_kwh"  # into the battery, at its AC terminals
    DISCHARGE_KWH = "discharge_kwh"  # out of the battery, at its AC terminals
    EV_KWH = "ev_kwh"  # into the car; part of load_kwh
    WATER_HEATER_KWH = "water_heater_kwh"  # into the water heater; part of load_kwh
    SOC_START = "soc_start"  # state of charge at the slot's start
    SOC_END = "soc_end"  # state of charge at the slot's end
    VACATION = "vacation"  # share of the slot in which nobody lived here
    ALARM_ARMED = "alarm_armed"  # share of the slot in which the alarm was armed

    @property
    def is_energy(self) -> bool:
        """Whether it is an energy per slot (divided by resampling) or a state (held)."""
        return self.value.endswith("_kwh")

    @property
    def is_battery(self) -> bool:
        """Whether it speaks of the battery alone: a day without it still tells load and PV."""
        return self in _BATTERY


_BATTERY = frozenset(
    {Channel.CHARGE_KWH, Channel.DISCHARGE_KWH, Channel.SOC_START, Channel.SOC_END}
)


class Provenance(StrEnum):
    """Where a value came from, best first.

    A better or equal origin replaces a number, a worse one is kept out; see ``rank``.
    """

    REPAIRED = "repaired"  # put right by a repair; nothing but that repair's undoing changes it
    LIVE = "live"  # read from the device while the slot ran
    STATISTICS_5MIN = "statistics_5min"  # the recorder's five-minute sums
    STATISTICS_HOURLY = "statistics_hourly"  # the recorder's hourly sums
    IMPORT = "import"  # a file that somebody exported
    NIGHT = "night"  # no reading, and the sun was down: zero PV
    SPREAD = "spread"  # the counter's advance across a gap, spread over it
    SIMULATED = "simulated"  # made by the demo home; any measurement is better

    @property
    def rank(self) -> int:
        """Higher is better."""
        return _RANKS[self]


_RANKS = {origin: 10 * place for place, origin in enumerate(reversed(Provenance), start=1)}
UNKNOWN_RANK = 1000


def rank_of(provenance: str) -> int:
    """Rank of a stored origin; one this version does not know is kept, so it ranks highest."""
    try:
        return Provenance(provenance).rank
    except ValueError:
        return UNKNOWN_RANK


class Quality(IntFlag):
    """What is odd about a value; 0 = nothing. Bits are stored: never renumber one."""

    OK = 0
    RESAMPLED = 1  # made from a longer interval: half an hour, or with HOURLY an hour
    NIGHT_ZERO = 2  # zero because the sun was down, not because it was read
    SUSPECT = 4  # judged doubtful
    RESET = 8  # the counter started again
    SPIKE = 16  # more than the house or its panels can do
    SPREAD = 32  # part of a counter's advance across a gap
    STUCK = 64  # the reading did not move when it should have
    HOURLY = 128  # with RESAMPLED: the interval was an hour or longer
    LUMP = 256  # first advance after an hour or more without one: may hold energy of that time
    GAP = 512  # missing: the source gave no reading for longer than an hour
    DERIVED = 1024  # from the house's energy balance, not from a meter of its own
