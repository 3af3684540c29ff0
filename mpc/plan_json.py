"""Saved plans: JSON of a versioned schema, floats written so that they read back to the last bit.

``repr`` of a float64 is the shortest text that reads back to it, and JSON keeps that text.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mpc.errors import SchemaError
from mpc.flows import Violation
from mpc.requests import Block, ExportTarget, Requests

SCHEMA = "darkstar.plan/1"
_ARRAYS = ("slot_minutes",)
_NUMBERS = (
    "soc_start_kwh",
    "bill",
    "wear",
    "penalty",
    "terminal",
    "objective",
    "gap",
    "wear_cost_per_kwh",
    "charge_efficiency",
    "discharge_efficiency",
)
_TEXTS = ("status", "engine")
_OTHERS = ("start", "violations", "terminal_curve")
_SCENARIO = ("scenarios", "expected_objective")
"""Fields of plans made for scenarios; the others have neither."""
_REQUESTS = "requests"
"""Field of plans made with requests; the others have none."""


def dump_plan(facts: dict[str, Any]) -> str:
    """Return the JSON text of a plan's fields."""
    out: dict[str, Any] = {"schema": SCHEMA}
    for name, value in facts.items():
        if (name in _SCENARIO and not facts["scenarios"]) or (name == _REQUESTS and value is None):
            continue
        if isinstance(value, np.ndarray):
            out[name] = value.tolist()
        elif isinstance(value, datetime):
            out[name] = value.isoformat()
        elif isinstance(value, Requests):
            out[name] = told_requests(value)
        elif name == "violations":
            out[name] = [v._asdict() for v in value]
        else:
            out[name] = value
    return json.dumps(out, allow_nan=False, separators=(",", ":"))


def load_plan(text: str, *, series: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a saved plan.

    Args:
        text: what ``dump_plan`` wrote.
        series: names of the (T,) arrays.

    Raises:
        SchemaError: for another schema, missing or unknown fields, or text that is no JSON.
    """
    try:
        saved = json.loads(text)
    except (TypeError, json.JSONDecodeError) as err:
        raise SchemaError("plan", f"text that is no JSON ({err})", "a saved plan, whole") from None
    if not isinstance(saved, dict) or saved.get("schema") != SCHEMA:
        got = saved.get("schema") if isinstance(saved, dict) else type(saved).__name__
        raise SchemaError("plan schema", repr(got), f"{SCHEMA!r}; plan again with this version")
    del saved["schema"]
    want = {*series, *_ARRAYS, *_NUMBERS, *_TEXTS, *_OTHERS}
    if not set(saved).isdisjoint(_SCENARIO):
        want |= set(_SCENARIO)
    want |= {_REQUESTS} & set(saved)
    if set(saved) != want:
        wrong = sorted(set(saved) ^ want)
        raise SchemaError("plan fields", f"missing or unknown: {wrong}", "the fields of the schema")
    try:
        return _restored(saved, series)
    except (TypeError, ValueError, KeyError) as err:
        raise SchemaError("plan fields", f"damaged ({err})", "a saved plan, whole") from None


def _restored(saved: dict[str, Any], series: tuple[str, ...]) -> dict[str, Any]:
    """Turn JSON values back into arrays, times and violations."""
    out: dict[str, Any] = {name: str(saved[name]) for name in _TEXTS}
    out |= {name: float(saved[name]) for name in _NUMBERS}
    if not np.isfinite([out[name] for name in _NUMBERS]).all():
        raise ValueError("numbers that are not finite")
    for name in (*series, *_ARRAYS):
        array = np.array(saved[name], dtype=np.float64)
        array.flags.writeable = False
        out[name] = array
    lengths = {name: out[name].shape for name in (*series, *_ARRAYS)}
    if len(set(lengths.values())) != 1 or out["soc_kwh"].ndim != 1:
        raise ValueError(f"series of different lengths {lengths}")
    if not all(np.isfinite(out[name]).all() for name in lengths):
        raise ValueError("series that are not finite")
    if "scenarios" in saved:
        out |= _of_scenarios(saved["scenarios"], saved["expected_objective"])
    if _REQUESTS in saved:
        out[_REQUESTS] = requests_from(saved[_REQUESTS], slots=out["soc_kwh"].size)
    start = datetime.fromisoformat(saved["start"])
    if start.utcoffset() is None:
        raise ValueError("a start without a time zone")
    out["start"] = start.astimezone(UTC)
    out["violations"] = tuple(_violation(**v) for v in saved["violations"])
    out["terminal_curve"] = tuple((float(s), float(p)) for s, p in saved["terminal_curve"])
    return out


def told_requests(requests: Requests) -> dict[str, Any]:
    """Return requests as JSON: blocks by slot, and the export target with the slots that count."""
    told: dict[str, Any] = {"blocks": [_block(block) for block in requests.blocks]}
    target = requests.export_target
    if target is not None:
        slots = np.flatnonzero(target.counted).tolist()
        told["export_target"] = {"energy_kwh": float(target.energy_kwh), "slots": slots}
    return told


def _block(block: Block) -> dict[str, Any]:
    """Return a block's JSON fields; one without a name has none."""
    return {name: value for name, value in asdict(block).items() if name != "name" or value}


def requests_from(saved: dict[str, Any], *, slots: int) -> Requests:
    """Return requests from their JSON fields."""
    blocks = tuple(Block(**block) for block in saved["blocks"])
    if any(block.stop > slots for block in blocks):
        raise ValueError(f"blocks beyond the {slots} slots of the plan")
    target = saved.get("export_target")
    if target is None:
        return Requests(blocks=blocks)
    counted = np.zeros(slots, np.bool_)
    try:
        counted[np.array(target["slots"], dtype=np.int64)] = True
    except IndexError as err:
        raise ValueError(str(err)) from None
    return Requests(
        blocks=blocks,
        export_target=ExportTarget(energy_kwh=target["energy_kwh"], slots=counted),
    )


def _of_scenarios(count: int, expected_objective: float) -> dict[str, Any]:
    """Return what only plans for scenarios have."""
    expected = float(expected_objective)
    if int(count) < 1 or not np.isfinite(expected):
        raise ValueError(f"{count} scenarios of an expected objective {expected}")
    return {"scenarios": int(count), "expected_objective": expected}


def _violation(limit: str, slot: int, amount_kwh: float, cost: float) -> Violation:
    """Return a violation from its JSON fields."""
    return Violation(str(limit), int(slot), float(amount_kwh), float(cost))
