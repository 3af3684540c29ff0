"""Tables of single plans: a home planned at evenly spread moments from what was known then.

Costs are those of the forecast each plan was made on, SEK a day.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runners.forecaster import by_baseline
from runners.plan import PlanRun, StartState, make_plan
from runners.results_homes import BATTERIES, ReferenceHome, known_span, with_battery
from telemetry.slots import SLOT_SECONDS
from telemetry.store import Store

__all__ = ["MOMENTS", "plan_table", "spread"]

MOMENTS = 20
_HEAD = (
    "| home | prices | battery | no battery | self-consumption | plan "
    "| saved against no battery | of it by planning | optimal | solved in |\n"
    "|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of a table: means over the moments, SEK a day."""

    home: str
    prices: str
    battery: str
    runs: Sequence[PlanRun]

    def text(self) -> str:
        """Return the line in Markdown."""
        days = sum(float(r.plan.slot_minutes.sum()) for r in self.runs) / 1440.0
        none, self_use, plan = (
            sum(getattr(r, name) for r in self.runs) / days
            for name in ("no_battery_cost", "self_use_cost", "plan_cost")
        )
        optimal = sum(r.plan.status == "optimal" for r in self.runs)
        median = 1e3 * statistics.median(r.solve_seconds for r in self.runs)
        return (
            f"| {self.home} | {self.prices} | {self.battery} | {none:.2f} | {self_use:.2f} "
            f"| {plan:.2f} | {none - plan:.2f} | {self_use - plan:.2f} "
            f"| {optimal} of {len(self.runs)} | {median:.1f} ms |\n"
        )


def plan_table(store: Store, homes: Iterable[ReferenceHome], moments: int = MOMENTS) -> str:
    """Plan homes with every reference battery, from half its capacity; return the table."""
    rows = [row for home in homes for row in _plan_all(store, home, moments)]
    return _HEAD + "".join(row.text() for row in rows)


def _plan_all(store: Store, home: ReferenceHome, moments: int) -> list[_Row]:
    """Return the rows of a home."""
    at = spread(*known_span(store, home.model.home), moments)
    rows = []
    for name, battery in BATTERIES.items():
        sized = with_battery(home.model, name)
        state = StartState(soc_kwh=0.5 * battery.capacity_kwh, source="half full")
        runs = [make_plan(sized, by_baseline(store, sized, one), state) for one in at]
        rows.append(_Row(home=home.home_id, prices=home.prices, battery=name, runs=runs))
    return rows


def spread(first: datetime, last: datetime, moments: int) -> list[datetime]:
    """Return moments spread evenly, so that they fall on all times of day."""
    slots = int((last - first).total_seconds()) // SLOT_SECONDS
    steps = [round(k * slots / (moments - 1)) for k in range(moments)]
    return [first + timedelta(seconds=SLOT_SECONDS * step) for step in steps]
