"""Home Assistant's answers as our types; what is of another shape is garbled, never guessed.

Shapes: statistics have ``start`` in integer milliseconds and ids in any order, unknown ids being
absent; states and history have ISO 8601 times with offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.homeassistant.retry import GarbledError
from telemetry.homeassistant.rows import COLUMNS, make
from telemetry.homeassistant.types import History, State, StatisticMeta, Statistics
from telemetry.homeassistant.units import kind_of

if TYPE_CHECKING:
    import httpx

Json = Any
UNAVAILABLE = "unavailable"
# Converted by their unit in every version. From 2025.11 on a statistic may have such a unit and no
# class; for the other units, no class means that this Home Assistant cannot convert them.
_ALWAYS_CONVERTED = ("Wh", "kWh", "MWh", "MJ", "GJ", "W", "kW")


def statistics(result: Json, ids: tuple[str, ...], first: int, last: int) -> dict[str, Statistics]:
    """Rows of each id with start in [first, last), epoch seconds; empty where there are none."""
    if not isinstance(result, dict) or not set(result) <= set(ids):
        raise GarbledError("statistics of other shape, or of other ids, than asked for")
    return {name: _rows(name, result.get(name, []), first, last) for name in ids}


def metas(result: Json) -> dict[str, StatisticMeta]:
    """All statistics there are, by id."""
    try:
        found = [_meta(item) for item in result]
    except (TypeError, KeyError, AttributeError) as err:
        raise GarbledError(f"a list of statistics of other shape ({err!r})") from err
    return {meta.entity_id: meta for meta in found}


def is_administrator(result: Json) -> bool:
    """Whether a user is an administrator."""
    try:
        return bool(result["is_admin"])
    except (TypeError, KeyError) as err:
        raise GarbledError(f"a user of other shape ({err!r})") from err


def states(result: Json) -> dict[str, State]:
    """All entities as they are now, by id."""
    try:
        found = [
            State(
                entity_id=item["entity_id"],
                state=item["state"] or UNAVAILABLE,
                unit=item["attributes"].get("unit_of_measurement"),
                last_updated=datetime.fromisoformat(item["last_updated"]),
            )
            for item in result
        ]
    except (TypeError, KeyError, AttributeError, ValueError) as err:
        raise GarbledError(f"states of other shape ({err!r})") from err
    return {state.entity_id: state for state in found}


def history(response: httpx.Response, ids: tuple[str, ...]) -> dict[str, History]:
    """History of each id; empty where there is none."""
    found = dict.fromkeys(ids, EMPTY_HISTORY)
    try:
        for rows in filter(None, response.json()):
            found[rows[0]["entity_id"]] = _changes(rows)
    except (TypeError, KeyError, AttributeError, ValueError) as err:
        raise GarbledError(f"a history of other shape ({err!r})") from err
    if set(found) != set(ids):
        raise GarbledError("a history of other ids than asked for")
    return found


def date(response: httpx.Response) -> datetime:
    """Home Assistant's own time, UTC, to the second."""
    try:
        return parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError) as err:
        raise GarbledError("an answer without its date") from err


def append_history(before: History, part: History, first: float, last: float) -> History:
    """Append the states in [first, last), epoch seconds.

    Appended to nothing, they begin with the state in force at ``first``.
    """
    low, high = (int(at) for at in np.searchsorted(part.at, [first, last]))
    at = part.at.copy()
    if not before.states and low > 0 and first not in at[low : low + 1]:
        low -= 1
        at[low] = first
    return History(
        at=np.concatenate([before.at, at[low:high]]),
        states=before.states + part.states[low:high],
        units=before.units + part.units[low:high],
    )


EMPTY_HISTORY = History(at=np.empty(0), states=(), units=())


def _rows(name: str, rows: Json, first: int, last: int) -> Statistics:
    try:
        start: I64 = np.array([row["start"] for row in rows], dtype=np.int64)
        values = {ours: _column(rows, theirs) for ours, theirs in COLUMNS.items()}
    except (TypeError, KeyError, AttributeError, ValueError) as err:
        raise GarbledError(f"statistics of {name} of other shape ({err!r})") from err
    inside = bool(np.all((start >= first * 1000) & (start < last * 1000)))
    if not inside or np.any(np.diff(start) <= 0) or np.any(start % 1000):
        raise GarbledError(f"statistics of {name} out of order, or of another time")
    return make(start // 1000, values)


def _column(rows: Json, name: str) -> F64:
    """Values of one key; absent, null and infinite ones are NaN."""
    values = np.array([row.get(name) for row in rows], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _meta(item: Mapping[str, Any]) -> StatisticMeta:
    unit, unit_class = item["statistics_unit_of_measurement"], item.get("unit_class")
    return StatisticMeta(
        entity_id=item["statistic_id"],
        unit=unit,
        unit_class=unit_class or kind_of(unit),
        has_sum=bool(item["has_sum"]),
        has_mean=_has_mean(item),
        converted=unit_class in ("energy", "power") or unit in _ALWAYS_CONVERTED,
    )


def _has_mean(item: Mapping[str, Any]) -> bool:
    # From 2026.11 on `mean_type` alone tells it (0 = none).
    return bool(item["has_mean"] if "has_mean" in item else item["mean_type"])


def _changes(rows: list[dict[str, Any]]) -> History:
    moments = [row.get("last_updated") or row["last_changed"] for row in rows]
    at = np.array([datetime.fromisoformat(moment).timestamp() for moment in moments])
    if np.any(np.diff(at) < 0.0):
        raise GarbledError(f"a history of {rows[0]['entity_id']} out of order")
    units = tuple((row.get("attributes") or {}).get("unit_of_measurement") for row in rows)
    return History(at=at, states=tuple(row["state"] or UNAVAILABLE for row in rows), units=units)
