"""Write a planner run as a training episode: numbers with 4 decimals, in columns.

What the texts say is ``episode_schema``'s, how they are read ``episode_arrays``'. A number is put
as whole units of the last decimal, whose text is looked up: plans repeat prices, zeros and what a
neighbouring plan foretold. Units: kWh per slot at the AC bus, kWh stored, currency/kWh, UTC.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import groupby

import numpy as np

from mpc import Plan, Violation
from mpc.plan_json import told_requests
from sim.episode_arrays import EpisodeArrays, read_episode
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
from telemetry.arrays import F64, I64
from telemetry.episode import Episode
from telemetry.slots import SLOT_MINUTES

__all__ = [
    "EPISODE_SCHEMA",
    "OBSERVED_SLOTS",
    "EpisodeArrays",
    "EpisodeContext",
    "SlotMoney",
    "make_episode",
    "read_episode",
]

_UNITS = 10_000
"""Units of the last decimal in one."""
_MISSING = int(np.iinfo(np.int64).min)
_LARGEST = 1e12
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def make_episode(
    *,
    system_id: str,
    home_id: str,
    scenario: str,
    local_day: date,
    created_at: datetime,
    plan: Plan,
    prices_until: datetime,
    observed_load_kwh: F64,
    observed_pv_kwh: F64,
    context: EpisodeContext,
    config_hash: str,
    replay_id: str | None,
    realised: SlotMoney | None,
) -> Episode:
    """Return a planner run as a row.

    Args:
        system_id: which installation writes it.
        home_id: the house.
        scenario: ``live``, or the name of a simulation's scenario.
        local_day: the local day of the plan's start.
        created_at: when the plan was made: what was known then went into it.
        plan: the plan, of slots of 15 minutes.
        prices_until: end of the prices that were published.
        observed_load_kwh: (96,) the slots before the start, oldest first, NaN where not known.
        observed_pv_kwh: likewise.
        context: what else was known.
        config_hash: of site, tariff and options.
        replay_id: the replay that the start energy comes from; ``None`` where it was measured.
        realised: what the first slot cost; ``None`` while that is not known.

    Raises:
        EpisodeError: slots of another length, or numbers that are not finite.
    """
    name = f"{home_id} {_utc(plan.start)}"
    if np.any(plan.slot_minutes != SLOT_MINUTES):
        raise EpisodeError(name, "slots of other lengths", f"plan in slots of {SLOT_MINUTES} min")
    seen = (observed_load_kwh, observed_pv_kwh)
    if any(values.shape != (OBSERVED_SLOTS,) for values in seen):
        got = f"observed series of {[values.shape for values in seen]}"
        raise EpisodeError(name, got, f"give the {OBSERVED_SLOTS} slots before the start")
    try:
        texts = _inputs(plan, created_at, prices_until, seen), _context(context), _schedule(plan)
    except ValueError as err:
        raise EpisodeError(name, str(err), "give finite numbers, NaN where missing") from None
    return Episode(
        system_id=system_id,
        home_id=home_id,
        scenario=scenario,
        episode_start=plan.start,
        created_at=created_at,
        local_day=local_day,
        inputs_json=texts[0],
        context_json=texts[1],
        schedule_json=texts[2],
        config_overrides_json="{}",
        config_hash=config_hash,
        engine=plan.engine,
        planned_cost=plan.cost,
        replay_id=replay_id,
        soc_start_kwh=plan.soc_start_kwh,
        realised_bill=None if realised is None else realised.bill,
        realised_wear=None if realised is None else realised.wear,
        realised_cost=None if realised is None else realised.cost,
    )


def _inputs(plan: Plan, as_of: datetime, prices_until: datetime, seen: tuple[F64, F64]) -> str:
    """Return ``inputs_json``."""
    columns = {
        "schema": _json(EPISODE_SCHEMA),
        "slot_minutes": str(SLOT_MINUTES),
        "as_of": _json(_utc(as_of)),
        "prices_until": _json(_utc(prices_until)),
        "soc_kwh": _number(plan.soc_start_kwh),
        **{name: _series(getattr(plan, name)) for name in FORECASTS},
        "terminal_curve": _curve(plan.terminal_curve),
        **{name: _series(values) for name, values in zip(OBSERVED, seen, strict=True)},
    }
    return _object(columns)


def _context(context: EpisodeContext) -> str:
    """Return ``context_json``."""
    columns = {"schema": _json(EPISODE_SCHEMA)}
    for name in (field.name for field in fields(context)):
        value = getattr(context, name)
        if name != "changes":
            columns[name] = _json(value) if isinstance(value, str) else _number(value)
    return _object({**columns, "changes": _json(dict(context.changes))})


def _schedule(plan: Plan) -> str:
    """Return ``schedule_json``."""
    columns = {
        "schema": _json(EPISODE_SCHEMA),
        "engine": _json(plan.engine),
        "status": _json(plan.status),
        **{name: _number(value) for name, value in _parts(plan).items()},
        **{name: repr(float(getattr(plan, name))) for name in BATTERY},
        **{name: _bound(getattr(plan, name)) for name in BOUNDS},
        **{name: _series(getattr(plan, name)) for name in PLANNED},
    }
    if plan.expected_objective is not None:  # what status and gap speak of, then
        columns["scenarios"] = str(plan.scenarios)
        columns["expected_objective"] = _number(plan.expected_objective)
    if plan.requests is not None:
        columns["requests"] = _json(told_requests(plan.requests))
    if plan.curtail_kwh.any():
        columns["curtail_kwh"] = _series(plan.curtail_kwh)
    if plan.violations:
        columns["violations"] = _object(
            {
                limit: _broken(list(group))
                for limit, group in groupby(plan.violations, key=lambda v: v.limit)
            }
        )
    return _object(columns)


def _parts(plan: Plan) -> dict[str, float]:
    """Return the parts of a plan's cost, in money: what wishes cost is none."""
    return {name: getattr(plan, name) for name in PARTS} | {
        "penalty": plan.penalty - plan.wish_cost
    }


def _broken(violations: list[Violation]) -> str:
    """Return the broken slots of one limit, as columns."""
    columns = {"slot": _json([v.slot for v in violations])}
    for name in ("amount_kwh", "cost"):
        columns[name] = _series(np.array([getattr(v, name) for v in violations]))
    return _object(columns)


def _curve(pairs: tuple[tuple[float, float], ...]) -> str:
    """Return the pairs of a curve; a piece shorter than the last decimal is left out."""
    units = _in_units(np.array(pairs, dtype=np.float64))
    keep = np.append(np.diff(units[:, 0]) > 0, True)
    return "[" + ",".join(f"[{_decimal(s)},{_decimal(p)}]" for s, p in units[keep].tolist()) + "]"


def _bound(values: F64) -> str:
    """Return a number where it holds in every slot, else the series."""
    return _number(float(values[0])) if np.all(values == values[0]) else _series(values)


def _object(columns: Mapping[str, str]) -> str:
    """Return an object of texts that are JSON already."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in columns.items()) + "}"


def _series(values: F64) -> str:
    """Return numbers with 4 decimals as a JSON array."""
    return "[" + ",".join(map(_decimal, _in_units(values).tolist())) + "]"


def _number(value: float) -> str:
    """Return a number with 4 decimals."""
    if abs(value) > _LARGEST:
        raise ValueError(f"a number beyond {_LARGEST:g}")
    return _decimal(_MISSING if math.isnan(value) else round(value * _UNITS))


def _in_units(values: F64) -> I64:
    """Return numbers as whole units of the last decimal; NaN is ``_MISSING``."""
    missing = np.isnan(values)
    known = np.where(missing, 0.0, values)
    if np.any(np.abs(known) > _LARGEST):
        raise ValueError(f"a number beyond {_LARGEST:g}")
    units = np.rint(known * _UNITS).astype(np.int64)
    return np.where(missing, _MISSING, units)


@lru_cache(maxsize=2**16)
def _decimal(units: int) -> str:
    """Return whole units of the last decimal as a JSON number without trailing zeros."""
    if units == _MISSING:
        return "null"
    return f"{units / _UNITS:.4f}".rstrip("0").rstrip(".")


def _utc(moment: datetime) -> str:
    """Return a moment as text, whole seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
