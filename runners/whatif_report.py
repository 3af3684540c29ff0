"""The report of ``darkstar whatif day``: lines of money, what became of targets, a day in a row.

A cost is positive, what is earned negative; ``delta`` is what the what-if costs more than the
baseline. Money in the home's currency, energy in kWh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isnan
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from runners.output import many, summary_table
from sim.lab import LabResult, Money, Target, View, WhatIf
from sim.planning import HomeModel
from telemetry.slots import zone_info

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["WhatIfDays", "report", "result_dict"]

_LINES = {
    "import_cost": "import",
    "export_revenue": "export",
    "wear": "wear",
    "penalty": "penalty",
    "stored": "stored",
    "total": "total",
}
_EARNED = ("export_revenue", "stored")
_SEEN = {
    View.KNOWN: "planned at local 00:00 from what was known then",
    View.HINDSIGHT: "planned at local 00:00 as if all that happened had been known",
    View.REPLAY: "closed loop: every slot with what was known at its start",
}
_SHOWN = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfDays:
    """What-ifs of some days.

    Attributes:
        model: the home as the baselines have it.
        first, last: local days, both included.
        view: what they were seen with.
        both: the change of the world that the baselines have as well.
        results: of each day, or of all days in one closed loop: every what-if.
        known_at: by when all was known, of a day to come; None: of each day by its own time.
    """

    model: HomeModel
    first: date
    last: date
    view: View
    both: WhatIf
    results: tuple[tuple[LabResult, ...], ...]
    known_at: datetime | None = None

    @property
    def days(self) -> int:
        """How many days they are."""
        return (self.last - self.first).days + 1

    @property
    def cases(self) -> tuple[WhatIf, ...]:
        """The what-ifs."""
        return tuple(result.case for result in self.results[0])

    def deltas(self, place: int) -> tuple[Money, ...]:
        """Return what a what-if costs more, of each day, or of all in one closed loop.

        Of days in a row each stands by itself: a wish for the day counts with all that was planned
        after it, a change of the home until 24:00, or its next day would count twice.
        """
        rows = [row[place] for row in self.results]
        whole = len(rows) == 1 or self.cases[place].world == WhatIf()
        return tuple(row.delta if whole else row.day_delta for row in rows)


def report(found: WhatIfDays, *, currency: str, out: Console) -> None:
    """Print what was asked, the money, and what became of targets."""
    out.print(summary_table(_facts(found)))
    if len(found.results) == 1:
        out.print(_lines(found, currency))
    else:
        out.print(_days(found, currency))
    for line in _notes(found, currency):
        out.print(line, soft_wrap=True)


def _facts(found: WhatIfDays) -> Iterator[tuple[str, object]]:
    """Yield what was asked."""
    base = found.results[0][0].baseline
    yield "home", found.model.home.home_id
    span = str(found.first) if found.days == 1 else f"{found.first} to {found.last}"
    yield "day" if found.days == 1 else "days", f"{span}; {found.model.home.zone}"
    yield "seen with", _seen(found)
    yield "forecast", base.told
    if found.both != WhatIf():
        yield "baseline", f"the home with {found.both}"
    yield "stored at start", f"{base.course.soc_start_kwh:.3f} kWh, {base.soc_source}"


def _seen(found: WhatIfDays) -> str:
    """Say what the days were seen with."""
    if found.known_at is None:
        return _SEEN[found.view]
    at = found.known_at.astimezone(zone_info(str(found.model.home.zone)))
    return f"planned from local 00:00 on, from what was known at {at:%Y-%m-%d %H:%M}"


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table: names to the left, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title)
    table.title_justify = table.caption_justify = "left"
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=bool(place))
    return table


def _lines(found: WhatIfDays, currency: str) -> Table:
    """Return the table of one day, or of days in one closed loop: a what-if in a row."""
    row = found.results[0]
    monies = [row[0].baseline.money, *(result.scenario.money for result in row)]
    shown = [n for n in _LINES if n != "penalty" or any(abs(m.penalty) > _SHOWN for m in monies)]
    horizon = len(row[0].baseline.course) > row[0].baseline.day_slots
    columns = ["", *(_LINES[name] for name in shown), "delta"]
    table = _table(f"{currency}", [*columns, "of the day"] if horizon else columns)
    table.caption = _caption(found, horizon=horizon, penalised="penalty" in shown)
    table.add_row("baseline", *_cells(monies[0], shown), *["-"] * (1 + horizon))
    for result, money in zip(row, monies[1:], strict=True):
        deltas = [result.delta.total] + [result.day_delta.total] * horizon
        cells = [*_cells(money, shown), *(f"{_fixed(delta, signed=True)}" for delta in deltas)]
        table.add_row(str(result.case), *cells)
    return table


def _caption(found: WhatIfDays, *, horizon: bool, penalised: bool) -> str:
    """Say what the columns are."""
    span = f"the {found.model.horizon_hours} h planned" if horizon else "the days"
    if not horizon and found.days == 1:
        span = "the day"
    text = (
        f"of {span}: total = import + export + wear{' + penalty' * penalised} + stored; below 0 is "
        "earned. stored: worth of the energy left at the end. delta: what it costs more"
    )
    if horizon:
        text += "; of the day: until 24:00, what is stored then at the baseline's energy value"
    return text


def _cells(money: Money, shown: Sequence[str]) -> Iterator[str]:
    """Yield lines of money, what is earned with a minus."""
    for name, value in money.items():
        if name in shown:
            yield _fixed(-value if name in _EARNED else value)


def _days(found: WhatIfDays, currency: str) -> Table:
    """Return the table of several days, a day in a row: what each what-if costs more."""
    names = [str(case) for case in found.cases]
    title = f"what each what-if costs more than the baseline, {currency}"
    table = _table(title, ["day", "baseline"])
    table.columns[0].no_wrap = True
    for name in names:
        table.add_column(name, justify="right")
    for n, row in enumerate(found.results):
        cells = [_fixed(found.deltas(k)[n].total, signed=True) for k in range(len(names))]
        marks = ["" if _met(result.target) else "!" for result in row]
        base = row[0].day_money[0].total
        marked = (mark + cell for mark, cell in zip(marks, cells, strict=True))
        table.add_row(f"{row[0].baseline.first:%a} {row[0].baseline.first}", _fixed(base), *marked)
    table.add_section()
    sums = [sum(delta.total for delta in found.deltas(k)) for k in range(len(names))]
    total = sum(row[0].day_money[0].total for row in found.results)
    table.add_row("sum", _fixed(total), *(_fixed(value, signed=True) for value in sums))
    count = len(found.results)
    means = (_fixed(value / count, signed=True) for value in sums)
    table.add_row("a day", _fixed(total / count), *means)
    table.caption = _days_caption(found)
    return table


def _days_caption(found: WhatIfDays) -> str:
    """Say what the numbers are."""
    text = "each day by itself. baseline: until 24:00"
    if found.view is not View.REPLAY:
        alone = all(case.world == WhatIf() for case in found.cases)
        text += "; what is stored then is worth the baseline's energy value. What-ifs: "
        text += f"over the {found.model.horizon_hours} h planned" if alone else "likewise"
    return text + "; !: target not reached" * (not all(map(_met, _targets(found))))


def _targets(found: WhatIfDays) -> list[Target | None]:
    """Return what became of every target."""
    return [result.target for row in found.results for result in row]


def _met(target: Target | None) -> bool:
    """Return whether a target was reached, or there was none."""
    return target is None or target.reached


def _notes(found: WhatIfDays, currency: str) -> Iterator[str]:
    """Yield what became of targets, a line each, and what else must be known."""
    if len(found.results) == 1:
        for result in found.results[0]:
            if result.target is not None:
                yield _told(result.target, currency)
    else:
        yield from _missed(found)
        yield from _dearer(found, currency)
    notes = {result.note for row in found.results for result in row if result.note}
    yield from sorted(notes)


def _told(target: Target, currency: str) -> str:
    """Say what became of a target."""
    text = (
        f"{target.export_kwh:g} kWh more: {target.realised_kwh:+.2f} kWh over the day, on top of "
        f"{target.baseline_kwh:.2f} of the baseline; more in "
        f"{many(int(target.slots.sum()), 'slot')}"
    )
    if abs(target.horizon_kwh - target.realised_kwh) > _SHOWN:
        text += f"; {target.horizon_kwh:+.2f} kWh over all that was planned"
    if target.relaxed:
        used = target.economics
        text += (
            f"; planned with wear {used.wear_cost_per_kwh:.3f} and margin "
            f"{used.export_margin_per_kwh:.3f} {currency}/kWh"
        )
    if target.gap > _SHOWN:
        text += f"; at most {target.gap:.2f} {currency} dearer than the best plan"
    return text if target.reached else f"{text}. Not reached ({target.limit}): {target.reason}"


def _missed(found: WhatIfDays) -> Iterator[str]:
    """Yield on how many days a target was not reached, and why, a line for each what-if."""
    for place, case in enumerate(found.cases):
        missed: dict[str, int] = {}
        for row in found.results:
            target = row[place].target
            if target is not None and not target.reached:
                missed[target.limit] = missed.get(target.limit, 0) + 1
        if missed:
            parts = ", ".join(f"{limit} on {many(n, 'day')}" for limit, n in missed.items())
            yield f"{case}: not reached: {parts}"


def _dearer(found: WhatIfDays, currency: str) -> Iterator[str]:
    """Yield how much dearer than the best plans those of each what-if are at most, in all."""
    for place, case in enumerate(found.cases):
        targets = (row[place].target for row in found.results)
        gap = sum(one.gap for one in targets if one is not None and not isnan(one.gap))
        if gap > _SHOWN:
            yield f"{case}: in all at most {gap:.2f} {currency} dearer than the best plans"


def _fixed(value: float, *, signed: bool = False) -> str:
    """Return money with two digits; no sign before a zero."""
    rounded = round(float(value), 2) + 0.0
    return f"{rounded:+.2f}" if signed and rounded else f"{rounded:.2f}"


def result_dict(found: WhatIfDays, *, currency: str) -> dict[str, object]:
    """Return what ``--json`` writes: everything printed, in full precision, and every line."""
    return {
        "home_id": found.model.home.home_id,
        "zone": found.model.home.zone,
        "currency": currency,
        "first": str(found.first),
        "last": str(found.last),
        "view": str(found.view),
        "both": str(found.both),
        "cases": [str(case) for case in found.cases],
        "results": [_row_dict(row) for row in found.results],
    }


def _row_dict(row: tuple[LabResult, ...]) -> dict[str, object]:
    """Return a day, or days in one closed loop."""
    base = row[0].baseline
    return {
        "first": str(base.first),
        "last": str(base.last),
        "forecast": base.told,
        "soc_start_kwh": base.course.soc_start_kwh,
        "soc_source": base.soc_source,
        "baseline": dict(base.money.items()),
        "day_baseline": dict(row[0].day_money[0].items()),
        "whatifs": [_result_dict(result) for result in row],
    }


def _result_dict(result: LabResult) -> dict[str, object]:
    """Return a what-if."""
    return {
        "case": str(result.case),
        "scenario": dict(result.scenario.money.items()),
        "delta": dict(result.delta.items()),
        "day_scenario": dict(result.day_money[1].items()),
        "day_delta": dict(result.day_delta.items()),
        "target": _target_dict(result.target),
        "note": result.note or None,
    }


def _target_dict(target: Target | None) -> dict[str, object] | None:
    """Return what became of a target."""
    if target is None:
        return None
    return {
        "export_kwh": target.export_kwh,
        "realised_kwh": target.realised_kwh,
        "baseline_kwh": target.baseline_kwh,
        "horizon_kwh": target.horizon_kwh,
        "slots": target.slots.nonzero()[0],
        "reached": target.reached,
        "limit": target.limit or None,
        "reason": target.reason or None,
        "wear_cost_per_kwh": target.economics.wear_cost_per_kwh,
        "export_margin_per_kwh": target.economics.export_margin_per_kwh,
        "relaxed": target.relaxed,
        "gap": None if isnan(target.gap) else target.gap,
    }
