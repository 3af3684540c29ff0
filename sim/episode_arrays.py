"""Read training episodes: rows become arrays, flows are given back by the balances (Y1) to (Y3).

What the texts say is ``episode_schema``'s. Units: kWh per slot at the AC bus, kWh stored,
currency/kWh, UTC.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from mpc import Plan, Requests, TerminalCurve, Violation
from mpc.plan_json import requests_from
from sim.episode_schema import (
    BATTERY,
    BOUNDS,
    EPISODE_SCHEMA,
    FORECASTS,
    OBSERVED,
    OBSERVED_SLOTS,
    PARTS,
    PLANNED,
    EpisodeContext,
    SlotMoney,
)
from sim.errors import EpisodeError
from telemetry.arrays import F64
from telemetry.episode import Episode
from telemetry.slots import SLOT_MINUTES

__all__ = ["EpisodeArrays", "read_episode"]

_COPIED = (
    "episode_id",
    "system_id",
    "home_id",
    "scenario",
    "local_day",
    "created_at",
    "config_hash",
    "replay_id",
    "engine",
    "soc_start_kwh",
    "planned_cost",
)
_CONTEXT_NUMBERS = (
    "vacation",
    "alarm",
    "price_volatility",
    "cloud_volatility",
    "temp_volatility",
)
_CURE = "simulate its day again (a live one: delete it)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpisodeArrays:
    """An episode as arrays, NaN where missing; flows are given back by (Y1) to (Y3).

    Attributes:
        episode_id, system_id, home_id, scenario: which episode.
        start: UTC start of its first slot.
        local_day: the local day of ``start``.
        created_at: when it was recorded.
        as_of: what was known then was planned with.
        prices_until: end of the prices that were published.
        config_hash, replay_id: the configuration; the replay that ``soc_start_kwh`` comes from.
        engine, status, gap: who planned, and how good the plan provably is, currency.
        import_price, export_price, load_kwh, pv_kwh: (T,) what was planned with.
        charge_kwh, discharge_kwh, import_kwh, export_kwh, curtail_kwh: (T,) planned flows.
        soc_kwh: (T,) stored energy at the end of each slot.
        min_soc_kwh, max_soc_kwh: (T,) the battery's window.
        energy_value_up, energy_value_down: (T,) worth of the next and the last stored kWh.
        observed_load_kwh, observed_pv_kwh: (96,) the slots before ``start``, oldest first.
        soc_start_kwh: stored energy at the start.
        terminal_curve: (soc_kwh, marginal price) pairs the end was valued with.
        charge_efficiency, discharge_efficiency, wear_cost_per_kwh: the battery.
        planned_cost: ``bill + wear + penalty - terminal``.
        bill, wear, penalty, terminal: of the plan, in money: the objective without what requests
            that are not met cost.
        violations: soft limits that the plan breaks, and what it was asked for and does not do.
        requests: blocks that it was asked for, of a manual plan or a what-if; None without any.
        context: what else was known.
        realised: of the first slot; ``None`` where it is not known.
        overrides: what a strategy engine changed of the configuration.
    """

    episode_id: str
    system_id: str
    home_id: str
    scenario: str
    start: datetime
    local_day: date
    created_at: datetime
    as_of: datetime
    prices_until: datetime
    config_hash: str
    replay_id: str | None
    engine: str
    status: str
    gap: float
    import_price: F64
    export_price: F64
    load_kwh: F64
    pv_kwh: F64
    charge_kwh: F64
    discharge_kwh: F64
    import_kwh: F64
    export_kwh: F64
    curtail_kwh: F64
    soc_kwh: F64
    min_soc_kwh: F64
    max_soc_kwh: F64
    energy_value_up: F64
    energy_value_down: F64
    observed_load_kwh: F64
    observed_pv_kwh: F64
    soc_start_kwh: float
    terminal_curve: tuple[tuple[float, float], ...]
    charge_efficiency: float
    discharge_efficiency: float
    wear_cost_per_kwh: float
    planned_cost: float
    bill: float
    wear: float
    penalty: float
    terminal: float
    violations: tuple[Violation, ...]
    requests: Requests | None
    context: EpisodeContext
    realised: SlotMoney | None
    overrides: Mapping[str, object]

    def __len__(self) -> int:
        """Return T, the number of planned slots."""
        return int(self.soc_kwh.size)

    @property
    def quality_class(self) -> str:
        """Quality class of the local day; "" where nobody judged it."""
        return self.context.quality_class

    def plan(self) -> Plan:
        """Return it as a plan, with the numbers as they were rounded."""
        shared = {f.name for f in fields(Plan)} & {f.name for f in fields(self)}
        facts = {name: getattr(self, name) for name in shared}
        minutes = np.full(len(self), float(SLOT_MINUTES))
        wishes = sum(v.cost for v in self.violations if v.is_wish)
        facts |= {"penalty": self.penalty + wishes, "objective": self.planned_cost + wishes}
        return Plan(**facts, slot_minutes=minutes)


def read_episode(episode: Episode) -> EpisodeArrays:
    """Return a row as arrays.

    Raises:
        EpisodeError: another schema, or texts that are damaged.
    """
    inputs, context, schedule = (
        _loaded(episode, name) for name in ("inputs_json", "context_json", "schedule_json")
    )
    try:
        return EpisodeArrays(
            **_columns(inputs, schedule),
            **_facts(episode, inputs, schedule),
            context=_context(context),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        what = f"its texts are damaged ({type(err).__name__}: {err})"
        raise EpisodeError(episode.episode_id, what, _CURE) from None


def _loaded(episode: Episode, name: str) -> dict[str, Any]:
    """Return one text as an object of this schema."""
    try:
        found = json.loads(getattr(episode, name))
    except json.JSONDecodeError as err:
        raise EpisodeError(episode.episode_id, f"{name} is no JSON ({err})", _CURE) from None
    schema = found.get("schema") if isinstance(found, dict) else type(found).__name__
    if schema != EPISODE_SCHEMA:
        raise EpisodeError(
            episode.episode_id,
            f"{name} has schema {schema!r}, this version reads {EPISODE_SCHEMA!r}",
            "read it with the version that wrote it, or simulate its day again",
        )
    return dict(found)


def _columns(inputs: Mapping[str, Any], schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return all series, read-only, and the battery that gives flows back."""
    if inputs["slot_minutes"] != SLOT_MINUTES:
        raise ValueError(f"slots of {inputs['slot_minutes']} min, want {SLOT_MINUTES}")
    slots = len(schedule["soc_kwh"])
    columns = {name: _floats(inputs[name], slots) for name in FORECASTS}
    columns |= {name: _floats(schedule[name], slots) for name in PLANNED}
    columns |= {name: _floats(inputs[name], OBSERVED_SLOTS, missing=True) for name in OBSERVED}
    columns |= {name: _bound(schedule[name], slots) for name in BOUNDS}
    curtailed = schedule.get("curtail_kwh")
    columns["curtail_kwh"] = np.zeros(slots) if curtailed is None else _floats(curtailed, slots)
    battery = {name: _finite(schedule[name]) for name in BATTERY}
    columns |= _flows(columns, _finite(inputs["soc_kwh"]), battery)
    for values in columns.values():
        values.flags.writeable = False
    return {**columns, **battery}


def _flows(
    columns: Mapping[str, F64], soc_start_kwh: float, battery: Mapping[str, float]
) -> dict[str, F64]:
    """Return the flows that balances give back (Y1) to (Y3)."""
    change = np.diff(columns["soc_kwh"], prepend=soc_start_kwh)
    charge = np.maximum(change, 0.0) / battery["charge_efficiency"]
    discharge = np.maximum(-change, 0.0) * battery["discharge_efficiency"]
    net = columns["load_kwh"] - columns["pv_kwh"] + columns["curtail_kwh"]
    grid = net + charge - discharge
    return {
        "charge_kwh": charge,
        "discharge_kwh": discharge,
        "import_kwh": np.maximum(grid, 0.0),
        "export_kwh": np.maximum(-grid, 0.0),
    }


def _facts(
    episode: Episode, inputs: Mapping[str, Any], schedule: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is no series."""
    return {
        **{name: getattr(episode, name) for name in _COPIED},
        **{name: _finite(schedule[name]) for name in PARTS},
        "start": episode.episode_start,
        "as_of": _moment(inputs["as_of"]),
        "prices_until": _moment(inputs["prices_until"]),
        "status": str(schedule["status"]),
        "terminal_curve": TerminalCurve.of(inputs["terminal_curve"]).pairs(),
        "violations": tuple(_violations(schedule.get("violations", {}))),
        "requests": _requests(schedule),
        "realised": _realised(episode),
        "overrides": dict(json.loads(episode.config_overrides_json)),
    }


def _context(found: Mapping[str, Any]) -> EpisodeContext:
    """Return the context; null is NaN."""
    numbers = {name: _number(found[name]) for name in _CONTEXT_NUMBERS}
    return EpisodeContext(
        **numbers,
        quality_class=str(found["quality_class"]),
        soc_source=str(found["soc_source"]),
        changes={str(name): _finite(value) for name, value in found["changes"].items()},
    )


def _realised(episode: Episode) -> SlotMoney | None:
    """Return what the first slot cost, if all of it is known."""
    bill, wear, cost = episode.realised_bill, episode.realised_wear, episode.realised_cost
    if bill is None or wear is None or cost is None:
        return None
    return SlotMoney(bill=bill, wear=wear, cost=cost)


def _requests(schedule: Mapping[str, Any]) -> Requests | None:
    """Return what the plan was asked for."""
    found = schedule.get("requests")
    return None if found is None else requests_from(found, slots=len(schedule["soc_kwh"]))


def _violations(found: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield broken slots, limit by limit."""
    for limit, columns in found.items():
        for slot, amount, cost in zip(
            columns["slot"], columns["amount_kwh"], columns["cost"], strict=True
        ):
            yield Violation(limit, int(slot), _finite(amount), _finite(cost))


def _floats(values: object, count: int, *, missing: bool = False) -> F64:
    """Return ``count`` numbers; null is NaN where some may be missing."""
    array = np.array(values, dtype=np.float64)
    if array.shape != (count,):
        raise ValueError(f"a series of shape {array.shape}, want ({count},)")
    if np.isinf(array).any() or (not missing and np.isnan(array).any()):
        raise ValueError("a series that is not finite")
    return array


def _bound(value: object, slots: int) -> F64:
    """Return a bound of every slot: one number, or a series."""
    return (
        np.full(slots, _finite(value)) if isinstance(value, int | float) else _floats(value, slots)
    )


def _number(value: object) -> float:
    """Return a number; null is NaN."""
    return np.nan if value is None else _finite(value)


def _finite(value: object) -> float:
    """Return a number, refusing what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _moment(text: str) -> datetime:
    """Return a moment, UTC."""
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
