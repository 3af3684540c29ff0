"""The report of ``darkstar replay``: policies in a row each, the ledger of regret, the worst days.

    share of gain = (no battery - policy) / (no battery - oracle)

Where the home's readings are longer than a quarter and held flat over it, every share carries a
star, explained below the first table: what happens within the hour is missing on both sides of the
ratio. Money in the home's currency, energy in kWh.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from mpc.site import as_limit
from runners.output import many, summary_table
from runners.replay_inputs import ReplayInputs
from runners.replay_names import PLANNING, PolicyName
from sim.planning import battery_window
from sim.regret import Ledger
from telemetry.arrays import F64

if TYPE_CHECKING:
    from rich.console import Console

    from sim.replay import Replay

__all__ = ["PARTS", "Compared", "Run", "report", "result_dict"]

PARTS = {
    "dispatch": "dispatch",
    "load": "load forecast",
    "pv": "PV forecast",
    "remainder": "price horizon, end value",
}
"""Parts of the ledger and how they are called, in the order in which causes are made ideal."""
_WORST_DAYS = 5
_SHOWN_DATES = 10
_SLOW_SECONDS = 2.0
_STAR = "*"
_SHOWN = 0.005
_ANY_WIDTH = 1000
_LEAST_REGRET = 0.01
"""Share of the gain below which parts in percent of the regret would say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One policy, replayed.

    Attributes:
        policy: as the user named it.
        result: the replay.
        regret: (N,) of each slot.
        seconds: what it took.
        replay_id: its name in the store, "" where it was not kept.
    """

    policy: PolicyName
    result: Replay
    regret: F64
    seconds: float
    replay_id: str = ""

    @property
    def name(self) -> str:
        """Policy and dispatch."""
        shown = self.result.dispatch if self.policy in PLANNING else None
        return f"{self.policy} {shown}" if shown else str(self.policy)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """Policies on one window, and the two ends of the scale.

    Attributes:
        runs: what was asked for, in that order.
        main: place of the run whose regret is split; None where nothing plans.
        ledger: its parts.
        no_battery_cost: cost of the window with the battery resting.
        oracle_cost: the least cost.
        ready_seconds: what it took until the kernels were ready.
        new_replays: how many the store did not have.
    """

    runs: tuple[Run, ...]
    main: int | None
    ledger: Ledger | None
    no_battery_cost: float
    oracle_cost: float
    ready_seconds: float
    new_replays: int = 0

    @property
    def gain(self) -> float:
        """What the oracle saves against no battery."""
        return self.no_battery_cost - self.oracle_cost

    def share(self, cost: float) -> float:
        """Return the share of the oracle's gain; NaN where there is nothing to gain."""
        return _ratio(self.no_battery_cost - cost, self.gain)


def report(compared: Compared, inputs: ReplayInputs, *, currency: str, out: Console) -> None:
    """Print what was replayed, every policy, the ledger and what the shares leave out."""
    star = _STAR if inputs.held_flat else ""
    out.print(summary_table(_facts(inputs)))
    out.print(_fitting(_policies(compared, inputs.days.count, currency, star), out))
    if star:
        out.print(f"{_STAR} {_flat_note(inputs)}", soft_wrap=True)
    if compared.ledger is not None and compared.main is not None:
        out.print(_ledger(compared, compared.ledger, currency, star))
        if inputs.days.count > 1:
            out.print(_worst(compared.ledger, currency))
    for line in _notes(compared, inputs):
        out.print(line, soft_wrap=True)


def _facts(inputs: ReplayInputs) -> Iterator[tuple[str, object]]:
    """Yield what was replayed."""
    days, window, model = inputs.days, inputs.window, inputs.model
    yield "home", model.home.home_id
    span = f"{days.first} to {days.last}, {many(days.count, 'day')}, {len(window)} slots"
    yield "replayed", f"{span}; {model.home.zone}"
    if days.chosen:
        yield "", f"{days.chosen}: --start-date and --end-date were not both given"
    yield "prices", model.price_area + ("" if model.pairing is None else f"; {_pairing(inputs)}")
    yield "forecast", f"{inputs.forecasts.name}: each slot knows what was known at its start"
    yield "battery", _battery(inputs)
    yield "stored at start", f"{inputs.start.soc_kwh:.3f} kWh, {inputs.start.source}"


def _pairing(inputs: ReplayInputs) -> str | None:
    """Name a synthetic pairing of prices; None where the home has its own."""
    pairing = inputs.model.pairing
    if pairing is None:
        return None
    return f"synthetic pairing ({pairing.price_zone}, {pairing.shift_days:+d} days)"


def _battery(inputs: ReplayInputs) -> str:
    """Return the nameplate in a line."""
    battery = inputs.model.site.battery
    if battery.capacity_kwh == 0.0:
        return "none"
    low, high = battery_window(inputs.model)
    charge, discharge = (
        float(np.max(as_limit(limit)))
        for limit in (battery.max_charge_kw, battery.max_discharge_kw)
    )
    return (
        f"{battery.capacity_kwh:g} kWh, used from {low:g} to {high:g}; "
        f"{charge:g} kW in, {discharge:g} kW out"
    )


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table: names to the left, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title)
    table.title_justify = table.caption_justify = "left"
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def _fitting(table: Table, out: Console) -> Table:
    """Return the table, its columns closer where it would be wider than the page."""
    if out.measure(table, options=out.options.update(max_width=_ANY_WIDTH)).maximum > out.width:
        table.padding = (0, 0, 0, 0)
    return table


def _policies(compared: Compared, days: int, currency: str, star: str) -> Table:
    """Return the table of policies."""
    penalised = any(abs(float(run.result.penalty.sum())) > _SHOWN for run in compared.runs)
    names = ["", f"{currency}/day", f"gain %{star}", "total", "bill", "wear"]
    names += ["penalty"] if penalised else []
    table = _table("policies", [*names, "stored", "in", "out", "s"])
    table.caption = (
        f"gain: share of the {compared.gain / days:.2f} {currency}/day that the oracle saves "
        f"against no battery. Of {many(days, 'day')}, {currency}: "
        f"total = bill + wear{' + penalty' * penalised} - stored, by which the energy in the "
        "battery is worth more at the end than at the start; below 0 is earned. "
        "in, out: kWh into and out of the battery; s: seconds it took"
    )
    for run in compared.runs:
        result = run.result
        money = [result.cost, result.bill.sum(), result.wear.sum()]
        money += [result.penalty.sum()] if penalised else []
        money += [result.stored_value_gained]
        table.add_row(
            run.name,
            f"{result.cost / days:.2f}",
            _percent(compared.share(result.cost)),
            *(_money(float(value)) for value in money),
            f"{result.charge_kwh.sum():.0f}",
            f"{result.discharge_kwh.sum():.0f}",
            f"{run.seconds:.1f}",
        )
    return table


def _ledger(compared: Compared, ledger: Ledger, currency: str, star: str) -> Table:
    """Return the table of regret by cause."""
    days, total = len(ledger.days), float(ledger.total.sum())
    name = "" if compared.main is None else compared.runs[compared.main].name
    table = _table(
        f"regret of {name}: what it paid above the oracle, and why",
        ["", f"{currency}/day", "total", f"% of regret{star}", f"% of gain{star}"],
    )
    order = "averaged over all orders" if ledger.orders > 1 else "in this order"
    table.caption = f"parts: what making each cause ideal saves, {order}; below 0 errors cancel"
    whole = total if total >= _LEAST_REGRET * compared.gain else 0.0
    for label, values in (("regret", ledger.total), *_parts(ledger)):
        money = float(values.sum())
        table.add_row(
            label,
            _fixed(money / days, 3),
            _money(money),
            _percent(_ratio(money, whole)),
            _percent(_ratio(money, compared.gain)),
        )
    return table


def _parts(ledger: Ledger) -> list[tuple[str, F64]]:
    """Return the parts of the ledger with their labels."""
    return [(label, getattr(ledger, name)) for name, label in PARTS.items()]


def _worst(ledger: Ledger, currency: str) -> Table:
    """Return the table of the days with the largest regret."""
    table = _table(
        f"days with the largest regret, {currency}",
        ["day", "regret", "dispatch", "load", "PV", "prices, end"],
    )
    for d in np.argsort(-ledger.total, kind="stable")[:_WORST_DAYS].tolist():
        values = (ledger.total, *(part for _, part in _parts(ledger)))
        table.add_row(f"{ledger.days[d]:%a} {ledger.days[d]}", *(_fixed(v[d], 2) for v in values))
    return table


def _notes(compared: Compared, inputs: ReplayInputs) -> Iterator[str]:
    """Yield what the numbers leave out, a line each."""
    real = inputs.window.realised
    if real.bridged:
        yield (
            f"bridged: {real.bridged} of {real.pv_kwh.size} slots of pv_kwh (with the 24 h after) "
            f"were missing for at most {inputs.bridge_hours:g} h and read off their neighbours"
        )
    if inputs.judged < inputs.days.count:
        count = inputs.days.count - inputs.judged
        yield (
            f"not judged: {count} of {many(inputs.days.count, 'day')}; `darkstar validate` finds "
            "doubtful readings"
        )
    if inputs.excluded:
        dates = ", ".join(map(str, inputs.excluded[:_SHOWN_DATES]))
        more = len(inputs.excluded) - _SHOWN_DATES
        dates += f" and {more} more" if more > 0 else ""
        yield f"warning: judged exclude, replayed nevertheless: {dates}"
    if compared.ready_seconds > _SLOW_SECONDS:
        yield f"before that, compiling or loading kernels took {compared.ready_seconds:.0f} s"
    if any(run.replay_id for run in compared.runs):
        kept = many(len(compared.runs), "replay")
        yield f"stored: {kept}, {compared.new_replays} of them new or changed"


def _flat_note(inputs: ReplayInputs) -> str:
    """Say which readings are longer than a slot; "" where none are."""
    parts = [
        f"{share:.0%} of {flat.channel}"
        for flat in inputs.held_flat
        for share in [flat.hourly + flat.half_hourly]
    ]
    if not parts:
        return ""
    hours = any(flat.hourly for flat in inputs.held_flat)
    halves = any(flat.half_hourly for flat in inputs.held_flat)
    kind = " and ".join(["hourly"] * hours + ["half-hourly"] * halves)
    return (
        f"shares on {kind} readings held flat over their quarters ({', '.join(parts)}): errors "
        "within the hour are absent"
    )


def _money(value: float) -> str:
    """Return money in at most six characters up to a hundred thousand."""
    digits = 2 if abs(value) < 1e2 else 1 if abs(value) < 1e3 else 0  # noqa: PLR2004
    return _fixed(value, digits)


def _fixed(value: float, digits: int) -> str:
    """Return a number with so many digits; no sign before a zero."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def _percent(ratio: float) -> str:
    """Return a ratio in percent; a dash where there is none."""
    return "-" if math.isnan(ratio) else _fixed(100.0 * ratio, 1)


def _ratio(part: float, whole: float) -> float:
    """Return part of whole; NaN where the whole is nothing but rounding."""
    return part / whole if abs(whole) > 1e-9 * (1.0 + abs(part)) else math.nan


def result_dict(compared: Compared, inputs: ReplayInputs, *, currency: str) -> dict[str, object]:
    """Return what ``--json`` writes: everything printed, in full precision, and every day."""
    days, window, model = inputs.days, inputs.window, inputs.model
    return {
        "home_id": model.home.home_id,
        "start_date": str(days.first),
        "end_date": str(days.last),
        "days": days.count,
        "slots": len(window),
        "zone": model.home.zone,
        "currency": currency,
        "price_area": model.price_area,
        "price_pairing": _pairing(inputs),
        "battery": {
            "capacity_kwh": model.site.battery.capacity_kwh,
            "charge_efficiency": model.site.battery.charge_efficiency,
            "discharge_efficiency": model.site.battery.discharge_efficiency,
        },
        "soc_start_kwh": inputs.start.soc_kwh,
        "soc_source": inputs.start.source,
        "held_flat": inputs.held_flat,
        "bridge_hours": inputs.bridge_hours,
        "bridged_slots": window.realised.bridged,
        "judged_days": inputs.judged,
        "excluded_days": [str(day) for day in inputs.excluded],
        "no_battery_cost": compared.no_battery_cost,
        "oracle_cost": compared.oracle_cost,
        "runs": [_run_dict(compared, run) for run in compared.runs],
        "ledger": _ledger_dict(compared),
    }


def _run_dict(compared: Compared, run: Run) -> dict[str, object]:
    """Return one policy."""
    result, days = run.result, run.result.by_day()
    sums = ("bill", "wear", "penalty", "charge_kwh", "discharge_kwh", "import_kwh", "export_kwh")
    ends = np.cumsum([day.slots for day in days])[:-1]
    regrets = [float(part.sum()) for part in np.split(run.regret, ends)]
    return {
        "policy": str(run.policy),
        "dispatch": None if result.dispatch is None else str(result.dispatch),
        "forecast": result.forecast or None,
        "replay_id": run.replay_id or None,
        "cost": result.cost,
        "cost_per_day": result.cost / len(days),
        "share_of_gain": compared.share(result.cost),
        **{name: float(getattr(result, name).sum()) for name in sums},
        "stored_value_gained": result.stored_value_gained,
        "soc_end_kwh": result.soc_end_kwh,
        "regret": float(run.regret.sum()),
        "seconds": run.seconds,
        "days": [
            {name: getattr(day, name) for name in day.__slots__}
            | {"local_date": str(day.local_date), "regret": regret}
            for day, regret in zip(days, regrets, strict=True)
        ],
    }


def _ledger_dict(compared: Compared) -> dict[str, object] | None:
    """Return the ledger; None where nothing plans."""
    ledger, main = compared.ledger, compared.main
    if ledger is None or main is None:
        return None
    names = ("total", *PARTS)
    rows = zip(*(getattr(ledger, name).tolist() for name in names), strict=True)
    return {
        "run": main,
        "orders": ledger.orders,
        **{name: float(getattr(ledger, name).sum()) for name in names},
        "days": [
            {"local_date": str(day), **dict(zip(names, row, strict=True))}
            for day, row in zip(ledger.days, rows, strict=True)
        ],
    }
