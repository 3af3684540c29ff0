"""What a check has to say of a day."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from telemetry.quality_table import DayClass


class Check(StrEnum):
    """Names of the checks, as rows count them; what is counted stands beside each."""

    EMPTY = "empty"  # days of which nothing is recorded
    MISSING = "missing"  # slots; hours for the state of charge
    ASLEEP = "asleep"  # slots of PV without a number while the sun was low
    STUCK = "stuck"  # slots in which a reading stood still and its energy is lost
    STALLED = "stalled"  # slots in which it stood still and the energy followed
    SPIKE = "spike"  # slots above what the channel can carry
    UNIT = "unit"  # channels that look like another unit
    NIGHT_PV = "night_pv"  # slots
    DARK_DAY = "dark_day"  # days without PV between bright ones
    DARK_HOURS = "dark_hours"  # slots without PV under a high sun
    SOC_RANGE = "soc_range"  # points in time outside 0..1
    SOC_JUMP = "soc_jump"  # changes beyond the battery's power
    BATTERY = "battery"  # days on which flows and state of charge disagree
    BALANCE = "balance"  # hours out of balance
    REFERENCE = "reference"  # hours more than 0.2 kWh from Home Assistant
    UNTRUSTED = "untrusted"  # hours of a channel that Home Assistant has no trusted value of
    NOT_STORED = "not_stored"  # hours that Home Assistant has and the store lacks
    LUMP = "lump"  # slots that hold energy of slots before
    RESET = "reset"  # slots in which a counter started again
    SUSPECT = "suspect"  # slots that their import judged doubtful
    REPAIRED = "repaired"  # slots put right


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found on one day.

    Attributes:
        check: which check.
        count: how many slots, hours or days, see ``Check``.
        severity: the class it lowers the day to; ``clean``: it is only told.
        sentence: for people; empty: it is only counted.
        topic: of findings of a day with the same topic only the gravest is told; empty: none.
    """

    check: Check
    count: int
    severity: DayClass = DayClass.CLEAN
    sentence: str = ""
    topic: str = ""
