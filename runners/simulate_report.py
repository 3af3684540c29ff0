"""The report of ``darkstar simulate``: a row a scenario, what was skipped and why, JSON.

Money in the home's currency: ``planned`` is the mean cost of the plans that were made now,
over their whole horizon, without what wishes cost; ``realised`` what a day cost that followed them,
mean of all days, those passed by included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from runners.output import many, summary_table
from telemetry.sql import WriteCounts

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Batch", "ScenarioRun", "Skipped", "report", "skipped_lines"]

_SHOWN_DATES = 6
_MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A local day that was not simulated, and why."""

    local_day: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRun:
    """One scenario, done.

    Attributes:
        scenario: its name.
        changes: parameters of what it changes of the history.
        replay_id: of the run that carried the stored energy from day to day; "" without a day.
        days: how many were simulated.
        passed_by: how many were not, because an earlier run had done them from the same inputs.
        engines: days of both kinds by the engine that planned them.
        skipped: days asked for that were not simulated.
        episodes: what was written.
        planned_cost: mean cost of the plans made now; NaN without any.
        realised_cost: mean cost of a day of both kinds; NaN without any.
        seconds: what it took.
    """

    scenario: str
    changes: Mapping[str, float]
    replay_id: str
    days: int
    passed_by: int
    engines: Mapping[str, int]
    skipped: tuple[Skipped, ...]
    episodes: WriteCounts
    planned_cost: float
    realised_cost: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What ``darkstar simulate`` did.

    Attributes:
        home_id: the home.
        system_id: who wrote the rows.
        config_hash: of site, tariff and options.
        start_date: first local day asked for.
        end_date: the day after the last one.
        engine: as asked for.
        seed: of the scenarios that change the history.
        currency: of all money.
        soc_start_kwh: stored at the start.
        soc_source: where that is known from.
        where: what computed.
        seconds: what all of it took.
        store_bytes: size of the store; ``None`` for one that is no file.
        scenarios: each of them.
    """

    home_id: str
    system_id: str
    config_hash: str
    start_date: date
    end_date: date
    engine: str
    seed: int
    currency: str
    soc_start_kwh: float
    soc_source: str
    where: str
    seconds: float
    store_bytes: int | None
    scenarios: tuple[ScenarioRun, ...]


def report(batch: Batch, out: Console) -> None:
    """Print what was done."""
    out.print(summary_table(_facts(batch)))
    out.print()
    out.print(_table(batch))
    for line in _notes(batch):
        out.print(line, soft_wrap=True)


def _facts(batch: Batch) -> Iterator[tuple[str, object]]:
    """Yield what was simulated."""
    asked = (batch.end_date - batch.start_date).days
    yield "home", batch.home_id
    yield "system", batch.system_id
    yield "asked for", f"{many(asked, 'day')}, {batch.start_date} to {batch.end_date} (excluded)"
    yield "stored at start", f"{batch.soc_start_kwh:.3f} kWh, {batch.soc_source}"
    engines: dict[str, int] = {}
    for run in batch.scenarios:
        for engine, days in run.engines.items():
            engines[engine] = engines.get(engine, 0) + days
    told = ", ".join(f"{engine} {many(engines[engine], 'day')}" for engine in sorted(engines))
    runs = len(batch.scenarios)
    told += f" in {runs} scenarios" if told and runs > 1 else ""
    yield "engine", f"{batch.engine}: {told}" if told else batch.engine
    yield "computed by", batch.where
    if batch.store_bytes is not None:
        yield "store", f"{batch.store_bytes / _MB:.1f} MB"


def _table(batch: Batch) -> Table:
    """Return the table of scenarios."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 0), pad_edge=False)
    table.caption_justify = "left"
    table.caption = (
        "days: simulated now, done before from the same inputs, skipped; episodes: new, changed. "
        f"{batch.currency}: planned over the horizon, mean of the plans made now; realised per "
        "day, mean of all days"
    )
    table.add_column("scenario", no_wrap=True)
    names = ("now", "before", "skipped", "new", "changed", "seconds", "planned", "realised")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for run in batch.scenarios:
        counts = run.episodes
        table.add_row(
            run.scenario,
            *(str(count) for count in (run.days, run.passed_by, len(run.skipped))),
            *(str(count) for count in (counts.inserted, counts.updated)),
            f"{run.seconds:.1f}",
            _money(run.planned_cost),
            _money(run.realised_cost),
        )
    return table


def _notes(batch: Batch) -> Iterator[str]:
    """Yield the changes of scenarios and the skipped days, a line each."""
    for run in batch.scenarios:
        if run.changes:
            told = ", ".join(f"{name} {value:g}" for name, value in run.changes.items())
            yield f"{run.scenario}: {told}"
    everywhere = set.intersection(*(set(run.skipped) for run in batch.scenarios))
    yield from skipped_lines(sorted(everywhere, key=lambda day: day.local_day))
    for run in batch.scenarios:
        rest = [day for day in run.skipped if day not in everywhere]
        yield from (f"{run.scenario}: {line}" for line in skipped_lines(rest))


def skipped_lines(skipped: Sequence[Skipped]) -> Iterator[str]:
    """Yield a line for each reason with its days, in the order of the first of them."""
    by_reason: dict[str, list[date]] = {}
    for day in skipped:
        by_reason.setdefault(day.reason, []).append(day.local_day)
    for reason, days in by_reason.items():
        dates = ", ".join(map(str, days[:_SHOWN_DATES]))
        more = len(days) - _SHOWN_DATES
        yield f"skipped: {dates}{f' and {more} more' if more > 0 else ''}: {reason}"


def _money(value: float) -> str:
    """Return money with two digits; a dash where there is none."""
    return "-" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"
