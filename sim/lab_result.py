"""Results of the Lab: a baseline, a what-if, and the difference line by line.

    delta = scenario - baseline, of every line; the lines' deltas sum to that of the total  (LR1)

Money in the home's currency, energy in kWh.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from mpc import Plan
from sim.lab_case import WhatIf
from sim.lab_money import Course, Money, money_of
from sim.lab_target import Target

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabResult", "Outcome", "View"]


class View(StrEnum):
    """What a day is seen with: what was known, what happened, or slot by slot as it came."""

    KNOWN = "known"
    HINDSIGHT = "hindsight"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """Local days as planned or lived.

    Attributes:
        first, last: the days, both included.
        view: what they were seen with.
        course: what the house does: from the first local midnight to the end of the plan, or of
            the days where there is no plan.
        day_slots: how many of its slots are the days.
        plan: None in the closed loop.
        told: where the forecast comes from.
        soc_source: where the stored energy at the start is known from.
    """

    first: date
    last: date
    view: View
    course: Course
    day_slots: int
    plan: Plan | None
    told: str
    soc_source: str

    @property
    def money(self) -> Money:
        """What it costs over all that was planned, what is left valued by its own curve."""
        return money_of(self.course)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabResult:
    """A what-if beside its baseline.

    Attributes:
        case: what is different.
        baseline, scenario: both outcomes.
        target: what became of an export target; None without one.
        note: what a reader of the numbers must know, "" where nothing.
    """

    case: WhatIf
    baseline: Outcome
    scenario: Outcome
    target: Target | None
    note: str = ""

    @property
    def delta(self) -> Money:
        """What the what-if costs more, line by line, over all that was planned (LR1)."""
        return self.scenario.money - self.baseline.money

    @property
    def day_money(self) -> tuple[Money, Money]:
        """(baseline, scenario) of the local days alone.

        What is stored at their end is worth the same to both: the baseline's energy value there.
        """
        base, other = self.baseline, self.scenario
        if len(base.course) == base.day_slots:
            return base.money, other.money
        price = float(base.course.energy_value[base.day_slots - 1])
        return (
            money_of(base.course, base.day_slots, price),
            money_of(other.course, other.day_slots, price),
        )

    @property
    def day_delta(self) -> Money:
        """What the what-if costs more, line by line, over the local days alone (LR1)."""
        base, other = self.day_money
        return other - base

    def frame(self) -> "pd.DataFrame":
        """Return the lines as a DataFrame: baseline, scenario, delta; of the plan and the day.

        Raises:
            ModuleNotFoundError: where pandas is not installed (extra ``plot``).
        """
        import pandas as pd  # noqa: PLC0415 - heavy, and only needed here

        columns = {
            "baseline": self.baseline.money,
            "scenario": self.scenario.money,
            "delta": self.delta,
            "day_baseline": self.day_money[0],
            "day_scenario": self.day_money[1],
            "day_delta": self.day_delta,
        }
        return pd.DataFrame({name: dict(money.items()) for name, money in columns.items()})
