"""What ``darkstar report`` prints and writes as JSON; money in the home's currency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from runners.output import many, summary_table
from runners.replay_report import PARTS
from runners.report_month import NAMES, REGRET, SHORT_NAMES, MonthReport, fixed, money, percent
from sim.savings import Account, DayAccount, Stretch

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["report_dict", "report_text"]

_SHOWN_GAPS = 5
_MONEY = ("cost", "bill", "wear", "stored_gained", "penalty")
_ENERGY = ("import_kwh", "export_kwh", "discharge_kwh")


def report_text(report: MonthReport, out: Console) -> None:
    """Print the month: what it rests on, every course, regret by cause, every day."""
    out.print(summary_table(_facts(report)))
    out.print()
    out.print(report.headline)
    out.print()
    out.print(_courses(report))
    out.print(_causes(report))
    out.print(_days(report))
    for note in report.notes():
        out.print(f"note: {note}", soft_wrap=True)


def _facts(report: MonthReport) -> Iterator[tuple[str, object]]:
    """Yield what the numbers rest on."""
    savings = report.savings
    yield "home", report.home_id
    asked = (savings.last - savings.first).days + 1
    yield "month", f"{report.month:%Y-%m}: {savings.days} of {many(asked, 'day')} compared"
    for day in savings.left_out:
        yield "", f"{day.local_date} left out: {day.reason}"
    yield "meters", _meters(report)
    lines = report.gap_lines()
    for line in lines[:_SHOWN_GAPS]:
        yield "", f"no reading: {line}"
    if len(lines) > _SHOWN_GAPS:
        yield "", f"and {len(lines) - _SHOWN_GAPS} gaps more"
    pairing = report.price_pairing
    paired = "" if pairing is None else f"; synthetic pairing, {pairing:+d} days"
    yield "prices", report.price_area + paired
    yield "forecast", "baseline: each slot of the replay knows what was known at its start"
    yield "battery", report.battery
    for stretch in savings.stretches:
        yield "stored at start", f"{stretch.soc_start_kwh:.3f} kWh, {stretch.start.source}"


def _meters(report: MonthReport) -> str:
    """Say what the meters counted."""
    totals = report.savings.totals
    if totals is None:
        return "no readings of the grid in this month: what was paid is not known"
    return (
        f"read in {totals.counted} of {totals.slots} slots: {totals.import_kwh:.1f} kWh in, "
        f"{totals.export_kwh:.1f} kWh out, bill {money(totals.bill)} {report.currency}"
    )


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table: names to the left, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title)
    table.title_justify = table.caption_justify = "left"
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def _courses(report: MonthReport) -> Table:
    """Return what every course cost."""
    table = _table(
        f"the same {many(report.savings.days, 'day')}, {report.currency}",
        ["", "cost", "bill", "wear", "stored", "saved", "gain %"],
    )
    table.caption = (
        "cost = bill + wear - stored, by which the energy in the battery is worth more at the end. "
        "All begin with what the battery held. saved: against no battery; gain: share of what the "
        "oracle saves, who knows everything"
    )
    for course, account in report.accounts.items():
        sums = (account.total(name) for name in ("cost", "bill", "wear", "stored_gained"))
        saved = report.saved(course)
        table.add_row(
            NAMES[course],
            *(money(value) for value in sums),
            money(saved),
            percent(report.share(course)),
        )
    return table


def _causes(report: MonthReport) -> Table:
    """Return the regret of Darkstar's replay by cause."""
    table = _table(
        "regret of Darkstar's replay against the oracle, and why",
        ["", report.currency, f"{report.currency}/day"],
    )
    for label, total in report.causes():
        if label == REGRET:
            table.add_section()
        table.add_row(label, money(total), fixed(total / report.savings.days, 3))
    return table


def _days(report: MonthReport) -> Table:
    """Return what every day cost."""
    names = [SHORT_NAMES[course] for course in report.accounts]
    table = _table(f"cost of every day, {report.currency}", ["day", *names])
    table.caption = "stored energy is valued at every midnight, so that the days sum to the month"
    for days in zip(*(account.days for account in report.accounts.values()), strict=True):
        table.add_row(f"{days[0].local_date:%a %d %b}", *(money(day.cost) for day in days))
    table.add_section()
    table.add_row("all", *(money(account.cost) for account in report.accounts.values()))
    return table


def report_dict(report: MonthReport) -> dict[str, object]:
    """Return what ``--json`` writes: everything printed, and every day, in full precision."""
    savings, meters = report.savings, report.savings.meters
    return {
        "home_id": report.home_id,
        "month": f"{report.month:%Y-%m}",
        "zone": report.zone,
        "currency": report.currency,
        "price_area": report.price_area,
        "price_pairing_days": report.price_pairing,
        "days": savings.days,
        "unjudged_days": savings.unjudged,
        "bridge_hours": report.bridge_hours,
        "bridged_slots": savings.bridged,
        "left_out": [
            {"local_date": str(day.local_date), "reason": day.reason} for day in savings.left_out
        ],
        "metered": report.metered,
        "meters": None if savings.totals is None else asdict(savings.totals),
        "wear_known": meters is not None and meters.wear_known,
        "stored_known": meters is not None and meters.stored_known,
        "gaps": [
            {"channel": gap.channel, "start": gap.start, "end": gap.end} for gap in savings.gaps
        ],
        "stretches": [_stretch_dict(stretch) for stretch in savings.stretches],
        "courses": {
            str(course): _course_dict(report, account)
            for course, account in report.accounts.items()
        },
        "regret": _regret_dict(report),
        "headline": report.headline,
        "notes": list(report.notes()),
    }


def _stretch_dict(stretch: Stretch) -> dict[str, object]:
    """Return days that follow one another."""
    return {
        "first": str(stretch.run.first),
        "last": str(stretch.run.last),
        "stored_kwh": stretch.start.soc_kwh,
        "stored_source": stretch.start.source,
        "soc_start_kwh": stretch.soc_start_kwh,
    }


def _course_dict(report: MonthReport, account: Account) -> dict[str, object]:
    """Return one course."""
    return {
        **{name: account.total(name) for name in (*_MONEY, *_ENERGY)},
        "saved": report.saved(account.course),
        "share_of_gain": report.share(account.course),
        "days": [_day_dict(day) for day in account.days],
    }


def _day_dict(day: DayAccount) -> dict[str, object]:
    """Return one day of a course."""
    return asdict(day) | {"local_date": str(day.local_date), "cost": day.cost}


def _regret_dict(report: MonthReport) -> dict[str, object]:
    """Return the ledger of Darkstar's replay."""
    ledger, names = report.savings.ledger, ("total", *PARTS)
    rows = zip(*(getattr(ledger, name).tolist() for name in names), strict=True)
    return {
        **{name: float(getattr(ledger, name).sum()) for name in names},
        "days": [
            {"local_date": str(day), **dict(zip(names, row, strict=True))}
            for day, row in zip(ledger.days, rows, strict=True)
        ],
    }
