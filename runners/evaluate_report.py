"""The report of ``darkstar evaluate``: a table for load and PV each, by lead, and one of money.

Energies are shown in Wh per quarter-hour (kWh per slot in JSON), ratios in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from forecast.metrics import Sums, Verdict, verdicts
from runners.output import many, summary_table

if TYPE_CHECKING:
    from rich.console import Console

    from forecast.aurora import Aurora
    from runners.evaluate import Evaluated
    from runners.evaluate_money import Priced
    from sim.score import Money

__all__ = ["report", "result_dict"]

_WH = 1000.0
_SHOWN_GAPS = 10
_DAY_SECONDS = 86_400
_INTERVALS = {1: "15 minutes", 2: "30 minutes", 4: "hour"}
_WORDS = {
    "self-use": "no forecast: surplus in, load out",
    "baseline": "7-day and 3-day means",
    "aurora, means": "planned on its means alone",
    "aurora": "planned on its scenarios",
    "perfect": "48 h of perfect sight",
}


def report(found: Evaluated, *, out: Console) -> None:
    """Print what was scored, the errors by lead, and the money."""
    out.print(summary_table(_facts(found)))
    out.print(_errors("load", found.load))
    if found.pv is not None:
        out.print(_errors("PV", found.pv))
    for line in _legend(found):
        out.print(line, soft_wrap=True)
    if found.priced is not None and found.priced.money is not None:
        out.print(_money(found.priced, found.priced.money, found.currency))
    for line in _notes(found):
        out.print(line, soft_wrap=True)


def _facts(found: Evaluated) -> Iterator[tuple[str, object]]:
    """Yield what was scored."""
    yield "home", found.home_id
    scored = f"{found.first} to {found.last}, {many(found.days, 'day')}; {found.zone}"
    yield "scored", scored
    if found.chosen:
        yield "", f"of load known since {found.known_from}, as far as no dates were given"
    yield "issues", f"every hour, up to 48 h ahead, per {_INTERVALS[found.source_slots]}"
    yield "models", _models(found)


def _models(found: Evaluated) -> str:
    """Say how many models there were and what they had learnt from."""
    models = _trained(found)
    naive = sum(model.is_naive for model in models)
    text = f"{len(models)}, each trained on what was known before it was used"
    if naive == len(models):
        return f"{text}; all of them plain profiles, for lack of history"
    return text + (f"; {naive} of them plain profiles, for lack of history" if naive else "")


def _trained(found: Evaluated) -> list[Aurora]:
    """Return the models, each once, whatever bands it had on which day."""
    return list({model.trained_until: model for model in found.chain.models}.values())


def _errors(name: str, sums: Sums) -> Table:
    """Return the table of one target."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=name)
    table.title_justify = "left"
    table.add_column("lead", no_wrap=True)
    for column in ("MAE", "best naive", "skill %", "bias %", "pinball", "band %", "count"):
        table.add_column(column, justify="right", no_wrap=True)
    found = verdicts(sums)
    for one in found[:-1]:
        table.add_row(*_cells(one))
    table.add_section()
    table.add_row(*_cells(found[-1]))
    return table


def _cells(one: Verdict) -> list[str]:
    """Return a row."""
    naive = f"{_shown(_WH * one.naive_mae_kwh)} {one.best_naive}".strip()
    return [
        one.group,
        _shown(_WH * one.mae_kwh),
        naive,
        _shown(100.0 * one.skill),
        _shown(100.0 * one.bias),
        _shown(_WH * one.pinball_kwh),
        _shown(100.0 * one.coverage),
        str(one.count),
    ]


def _shown(value: float, digits: int = 1) -> str:
    """Return a number with so many decimals, a dash where there is none, no sign before a zero."""
    return "-" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def _legend(found: Evaluated) -> Iterator[str]:
    """Yield what the columns are."""
    yield (
        "MAE of the medians and pinball loss (mean of 10, 50 and 90 %) in Wh per quarter-hour; "
        "bias of the means that plans are fed, below 0 too little was said; band: share between "
        "the 10 and 90 % quantiles, 80 is right."
    )
    yield (
        "Skill: how much less error than the best of day before, week before and 3, 7 and 14-day "
        "mean of the same slot, picked in hindsight for each row."
    )
    if found.pv is not None:
        yield "PV counts only where the sun is up (clear sky, truth or forecast above 0)."


def _money(priced: Priced, money: Money, currency: str) -> Table:
    """Return the table of money."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title = f"the battery, replayed {priced.first} to {priced.last}"
    table.title_justify = table.caption_justify = "left"
    table.add_column("forecast", no_wrap=True)
    for column in (f"{currency}/day", "gain %", "regret/day"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    table.caption = (
        f"gain: share of the {money.gain_per_day:.2f} {currency}/day that knowing everything saves "
        f"against no battery; regret: paid above that. {many(money.days, 'day')}, the longest "
        "stretch without gaps, every slot planned with what was known then (storage engine, value "
        "dispatch, half full at the start)"
    )
    for row in money.rows:
        table.add_row(
            row.name,
            _shown(row.cost_per_day, 2),
            _shown(100.0 * row.share_of_gain),
            _shown(row.regret_per_day, 3),
            _WORDS.get(row.name, ""),
        )
    return table


def _notes(found: Evaluated) -> Iterator[str]:
    """Yield gaps and what could not be counted, a line each."""
    if found.gaps:
        told = [
            f"{gap.local_date} ({_gap(gap.load_slots, gap.pv_slots)})"
            for gap in found.gaps[:_SHOWN_GAPS]
        ]
        more = len(found.gaps) - _SHOWN_GAPS
        rest = f" and {many(more, 'day')} more" if more > 0 else ""
        used = f"load on {found.scored_days} of {many(found.days, 'day')}"
        yield f"gaps are not scored; {used}, slots missing: {', '.join(told)}{rest}"
    priced = found.priced
    if priced is not None and priced.money is None:
        yield f"no money: {priced.reason}"
    if priced is not None and priced.bridged:
        yield f"money: {priced.bridged} slots of PV missing for at most 2 h were bridged"
    if found.source_slots > 1:
        kind = {2: "half-hourly", 4: "hourly"}[found.source_slots]
        yield f"{kind} readings: errors are of whole intervals, money on readings held flat"
    yield f"took {found.seconds:.0f} s"


def _gap(load: int, pv: int) -> str:
    """Return how many slots of what are missing."""
    parts = [f"load {load}"] * (load > 0) + [f"PV {pv}"] * (pv > 0)
    return ", ".join(parts)


def result_dict(found: Evaluated) -> dict[str, object]:
    """Return what ``--json`` writes: everything printed, in full precision."""
    priced = found.priced
    return {
        "home_id": found.home_id,
        "zone": found.zone,
        "start_date": found.first,
        "end_date": found.last,
        "days": found.days,
        "scored_days": found.scored_days,
        "known_from": found.known_from,
        "gaps": found.gaps,
        "source_minutes": 15 * found.source_slots,
        "models": [_model_dict(model) for model in _trained(found)],
        "load": verdicts(found.load),
        "pv": None if found.pv is None else verdicts(found.pv),
        "currency": found.currency,
        "money": None if priced is None else priced,
        "seconds": found.seconds,
    }


def _model_dict(model: Aurora) -> dict[str, object]:
    """Return a model of the chain."""
    moment = np.datetime64(model.trained_until, "s")
    return {"trained_until": f"{moment}Z", "naive": model.is_naive}
