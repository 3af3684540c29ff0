"""What a plan wanted and did not have: what stood in for it, and how old that was.

Nothing is ever invented: what stands in was measured, published or forecast. Where nothing can
stand in, there is no plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["Ages", "FitLimits", "Substitution", "age_text", "minutes_since"]

_HOUR_MINUTES, _DAY_MINUTES = 60.0, 1440.0
_IN_MINUTES, _IN_HOURS = 120.0, 2880.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """One thing that stood in for another.

    Attributes:
        what: was wanted and not there.
        instead: what the plan was made from.
        age_minutes: how old that was; None where it has no age.
    """

    what: str
    instead: str
    age_minutes: float | None = None

    def __str__(self) -> str:
        """Return a sentence for a terminal."""
        age = "" if self.age_minutes is None else f" ({age_text(self.age_minutes)} old)"
        return f"{self.what}: {self.instead}{age}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How old what a plan was made from is, minutes; None where there is none of it.

    Attributes:
        soc: the state of charge; None where it was given, or there is no battery.
        readings: the newest readings of load and PV.
        prices: the newest issue of prices.
        weather: the newest weather forecast; None too where the forecast asks for none.
    """

    soc: float | None = None
    readings: float | None = None
    prices: float | None = None
    weather: float | None = None

    def __str__(self) -> str:
        """Return a line for a terminal."""
        named = (
            ("state of charge", self.soc),
            ("readings", self.readings),
            ("prices", self.prices),
            ("weather", self.weather),
        )
        return ", ".join(f"{name} {age_text(age)}" for name, age in named if age is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitLimits:
    """How old what a plan is made from may be for an inverter to follow it.

    Attributes:
        soc_minutes: most age of the state of charge.
        readings_hours: most age of the newest readings of load and PV.
        published_hours: least hours of published prices ahead.
    """

    soc_minutes: float = 30.0
    readings_hours: float = 24.0
    published_hours: float = 2.0


def minutes_since(earlier: datetime, now: datetime) -> float:
    """Return the minutes from one moment to a later one, 0 or more."""
    return max((now - earlier) / timedelta(minutes=1), 0.0)


def age_text(minutes: float) -> str:
    """Return an age as people say it: minutes below 2 h, hours below 2 days, days."""
    if minutes < _IN_MINUTES:
        return f"{minutes:.0f} min"
    if minutes < _IN_HOURS:
        return f"{minutes / _HOUR_MINUTES:.0f} h"
    return f"{minutes / _DAY_MINUTES:.0f} days"
