"""What ``darkstar whatif battery`` prints and writes as JSON. Money and energy of 365 days."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from mpc.site import as_limit
from runners.output import many, summary_table

if TYPE_CHECKING:
    from rich.console import Console

    from mpc import Battery
    from sim.battery_days import YearDays

__all__ = ["BatteryYear", "SizeLine", "report", "result_dict"]

YEAR_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLine:
    """One battery; money, energy and cycles of 365 days.

    Attributes:
        capacity_kwh: what it can store.
        max_charge_kw: power it takes.
        max_discharge_kw: power it gives.
        bill: what is paid for the grid, less what stored energy gained.
        bill_saving: by how much the bill is lower than without a battery.
        self_use_saving: the same for plain self-consumption with this battery.
        wear: what the configured wear comes to; not taken off the saving.
        full_cycles: energy taken out of the store over capacity.
        import_kwh: from the grid.
        export_kwh: to the grid.
        cost: of the battery, subsidy taken off; None where nothing was said.
        payback_years: until the savings have paid the cost; None without cost or battery, infinity
            where they never do.
        broken_slots: of the days gone through, with more than the grid connection carries.
        highs_days: days that HiGHS planned, as the storage engine could not.
    """

    capacity_kwh: float
    max_charge_kw: float
    max_discharge_kw: float
    bill: float
    bill_saving: float
    self_use_saving: float
    wear: float
    full_cycles: float
    import_kwh: float
    export_kwh: float
    cost: float | None
    payback_years: float | None
    broken_slots: int
    highs_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryYear:
    """A year with every battery.

    Attributes:
        home_id: the home.
        name: what people call it.
        currency: of all money.
        price_area: whose spot prices it pays.
        price_pairing: by how many days these are shifted; None: they are the home's own.
        forecast: what the plans knew.
        kind: of verdict that the days have: "clean" or wider.
        days: which days were gone through, and which not.
        tariff_year: whose tariff holds on all days; None: as dated.
        later_changes: (component, first day) of what changes in the tariff after the last day.
        max_kw: power of every battery; None: the C-rate of the configured one.
        configured: the battery of the home.
        subsidy: ratio of the cost that somebody else pays.
        fade: ratio by which the saving shrinks a year.
        sizes: the batteries, no battery first.
        read_seconds: what choosing and reading the days took.
        loop_seconds: what the closed loops of all sizes took.
    """

    home_id: str
    name: str
    currency: str
    price_area: str
    price_pairing: int | None
    forecast: str
    kind: str
    days: YearDays
    tariff_year: int | None
    later_changes: tuple[tuple[str, date], ...]
    max_kw: float | None
    configured: Battery
    subsidy: float
    fade: float
    sizes: tuple[SizeLine, ...]
    read_seconds: float
    loop_seconds: float

    @property
    def span(self) -> str:
        """The first and the last day that were gone through."""
        return f"{self.days.runs[0].first} to {self.days.runs[-1].last}"

    @property
    def scale(self) -> float:
        """By what the sums of the days were multiplied to be those of 365."""
        return YEAR_DAYS / self.days.count

    @property
    def has_costs(self) -> bool:
        """Whether it is known what the batteries cost."""
        return any(line.cost is not None for line in self.sizes)

    @property
    def tariff(self) -> str:
        """Which tariff the days paid."""
        if self.tariff_year is None:
            return "as dated: each day pays what was in force on it"
        return f"that of {self.tariff_year} on all days; spot prices are those of the day"


def report(found: BatteryYear, out: Console) -> None:
    """Print what was gone through, the table, and what it leaves out."""
    out.print(summary_table(_facts(found)))
    out.print(_table(found))
    for line in _notes(found):
        out.print(line, soft_wrap=True)


def _facts(found: BatteryYear) -> Iterator[tuple[str, object]]:
    """Yield what the numbers rest on."""
    days = found.days
    yield "home", found.home_id
    yield (
        "days",
        (
            f"{days.count} {found.kind} of {len(days.days)}, {found.span}, in "
            f"{many(len(days.runs), 'stretch').replace('stretchs', 'stretches')}; all sums times "
            f"{found.scale:.4f} are those of {YEAR_DAYS}"
        ),
    )
    for reason, count in days.left_out().items():
        yield "", f"left out {many(count, 'day')}: {reason}"
    yield "prices", found.price_area + _paired(found.price_pairing)
    yield "tariff", found.tariff
    yield "forecast", f"{found.forecast}: each slot knows what was known at its start"
    yield "battery", _nameplate(found)
    if found.has_costs:
        yield "cost", f"{100.0 * found.subsidy:g} % subsidy taken off"
        yield "fade", _fade(found.fade)


def _paired(shift_days: int | None) -> str:
    """Say that prices are of another place or year, where they are."""
    return "" if shift_days is None else f"; synthetic pairing, {shift_days:+d} days"


def _fade(fade: float) -> str:
    """Say how fade enters."""
    if fade == 0.0:
        return "none: every year saves what this one does"
    return f"{100.0 * fade:g} % a year: savings shrink so much every year, as capacity does"


def _nameplate(found: BatteryYear) -> str:
    """Say what all sizes have in common."""
    battery = found.configured
    text = f"efficiency {battery.charge_efficiency:g} in, {battery.discharge_efficiency:g} out"
    if battery.capacity_kwh > 0.0:
        low, high = (
            100.0 * float(np.max(as_limit(limit))) / battery.capacity_kwh
            for limit in (battery.min_soc_kwh, battery.max_soc_kwh)
        )
        text += f"; used from {low:g} to {high:g} %"
    text += f"; wear {battery.wear_cost_per_kwh:g} {found.currency} per kWh discharged"
    if found.max_kw is not None:
        return f"{text}; {found.max_kw:g} kW each way, whatever the size"
    return f"{text}; power in proportion to capacity, as configured"


def _table(found: BatteryYear) -> Table:
    """Return a line for every size."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title = f"a year with each battery, {found.currency} in {YEAR_DAYS} days"
    table.title_justify = table.caption_justify = "left"
    names = ["kWh", "kW", "bill", "bill saved", "self-use", "wear", "cycles"]
    names += ["cost", "payback"] if found.has_costs else []
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.caption = (
        "bill: less what stored energy gained. bill saved: against 0 kWh, by Darkstar; self-use: "
        "by plain self-consumption with the same battery. wear is not taken off: it is part of "
        "what the battery costs. cycles: full ones"
        + (". payback: years until bills saved have paid the cost" if found.has_costs else "")
    )
    for line in found.sizes:
        table.add_row(*_cells(line, found))
    return table


def _cells(line: SizeLine, found: BatteryYear) -> list[str]:
    """Return the cells of one size."""
    power = f"{line.max_charge_kw:g}"
    if line.max_charge_kw != line.max_discharge_kw:
        power += f"/{line.max_discharge_kw:g}"
    money = (line.bill, line.bill_saving, line.self_use_saving, line.wear)
    cells = [f"{line.capacity_kwh:g}", power, *(f"{round(value) + 0:.0f}" for value in money)]
    cells.append(f"{line.full_cycles:.0f}")
    if found.has_costs:
        cells.append("-" if line.cost is None else f"{line.cost:.0f}")
        cells.append(_years(line.payback_years))
    return cells


def _years(payback_years: float | None) -> str:
    """Return years with one digit, a dash where there are none."""
    if payback_years is None:
        return "-"
    return "never" if math.isinf(payback_years) else f"{payback_years:.1f}"


def _notes(found: BatteryYear) -> Iterator[str]:
    """Yield what the numbers leave out, a line each."""
    if found.later_changes:
        changes = ", ".join(f"{name} from {day}" for name, day in found.later_changes)
        year = found.later_changes[-1][1].year
        yield (
            f"note: the tariff changes after these days ({changes}); --tariff-year {year} tells "
            "what they would cost by it"
        )
    if found.days.unjudged:
        yield (
            f"judged on the spot: {many(found.days.unjudged, 'day')} without a verdict; "
            "`darkstar validate` keeps verdicts"
        )
    broken = [(line.broken_slots, line) for line in found.sizes if line.broken_slots]
    if broken:
        told = ", ".join(f"{count} with {line.capacity_kwh:g} kWh" for count, line in broken)
        yield f"slots with more than the grid connection carries, uncounted in money: {told}"
    by_highs = [(line.highs_days, line) for line in found.sizes if line.highs_days]
    if by_highs:
        told = ", ".join(f"{count} with {line.capacity_kwh:g} kWh" for count, line in by_highs)
        yield f"days planned by HiGHS, as the storage engine could not: {told}"
    yield (
        f"read in {found.read_seconds:.1f} s, {many(len(found.sizes), 'size')} in "
        f"{found.loop_seconds:.1f} s"
    )


def result_dict(found: BatteryYear) -> dict[str, object]:
    """Return what ``--json`` writes: everything printed, in full precision."""
    battery = found.configured
    return {
        "home_id": found.home_id,
        "currency": found.currency,
        "price_area": found.price_area,
        "price_pairing_days": found.price_pairing,
        "forecast": found.forecast,
        "first_day": str(found.days.runs[0].first),
        "last_day": str(found.days.runs[-1].last),
        "days": found.days.count,
        "days_of": found.kind,
        "stretches": [[str(run.first), str(run.last)] for run in found.days.runs],
        "left_out": found.days.left_out(),
        "unjudged_days": found.days.unjudged,
        "scale_to_365_days": found.scale,
        "tariff_year": found.tariff_year,
        "tariff_changes_later": [[name, str(day)] for name, day in found.later_changes],
        "charge_efficiency": battery.charge_efficiency,
        "discharge_efficiency": battery.discharge_efficiency,
        "wear_cost_per_kwh": battery.wear_cost_per_kwh,
        "max_kw": found.max_kw,
        "subsidy": found.subsidy,
        "fade": found.fade,
        "sizes": [
            asdict(line)
            | {"never_pays_back": line.payback_years is not None and math.isinf(line.payback_years)}
            for line in found.sizes
        ],
        "read_seconds": found.read_seconds,
        "loop_seconds": found.loop_seconds,
    }
