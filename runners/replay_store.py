"""Replays as the store keeps them: a name made of all that determines the result, and the rows.

    inputs_hash   what happened, the common end value, and every forecast that was asked for
    settings      site, tariff and options as JSON
    replay_id     hash of both, home, window, start, policy, dispatch, forecast, engine and schema

so that the same replay, run again, is the same row. Money in the currency of the home.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from runners.output import json_text
from runners.settings import settings_text
from sim.asof import Forecasts
from sim.planning import HomeModel
from sim.replay import Replay
from sim.window import ReplayWindow
from telemetry.arrays import F64
from telemetry.replay_table import SERIES, ReplayDay, StoredReplay
from telemetry.slots import SLOT_SECONDS, from_epoch, to_epoch

__all__ = [
    "REPLAY_SCHEMA",
    "Kept",
    "forecast_hash",
    "stored",
    "window_hash",
]

REPLAY_SCHEMA = "darkstar.replay/1"
_DONE = SERIES[:-2]
"""Series that ``Replay`` has under the same name; cost and regret follow."""
_CHUNK_SLOTS = 96


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """A replay and what is stored beside it.

    Attributes:
        result: the replay.
        policy: as the user named it.
        engine: what solved its plans, "none" for a policy without.
        regret: (N,) of each slot.
        oracle_cost: what the oracle pays.
        inputs_hash: of all that it read.
    """

    result: Replay
    policy: str
    engine: str
    regret: F64
    oracle_cost: float
    inputs_hash: str


def window_hash(window: ReplayWindow) -> str:
    """Return a hash of what happened and of the common end value."""
    digest = hashlib.blake2b(digest_size=32)
    real = window.realised
    series = (real.load_kwh, real.pv_kwh, real.import_price, real.export_price)
    for values in (*series, window.terminal.soc_kwh, window.terminal.price):
        digest.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def forecast_hash(base: str, forecasts: Forecasts, slots: int) -> str:
    """Return a hash of ``base`` and of what the forecasts knew at each of ``slots`` slots."""
    digest = hashlib.blake2b(base.encode(), digest_size=32)
    for first in range(0, slots, _CHUNK_SLOTS):
        known = forecasts.known(first, min(_CHUNK_SLOTS, slots - first))
        for values in (known.load_kwh, known.pv_kwh, known.import_price, known.export_price):
            digest.update(np.ascontiguousarray(values, dtype=np.float64).data)
    return digest.hexdigest()


def stored(
    kept: Kept, model: HomeModel, *, currency: str, made_at: datetime
) -> tuple[StoredReplay, tuple[ReplayDay, ...]]:
    """Return the rows of a replay."""
    result, settings = kept.result, settings_text(model, schema=REPLAY_SCHEMA)
    start = result.start.astimezone(UTC)
    head = StoredReplay(
        replay_id=_replay_id(kept, settings),
        policy=kept.policy,
        dispatch=str(result.dispatch or "none"),
        forecast=result.forecast or "none",
        engine=kept.engine,
        start=start,
        end=from_epoch(to_epoch(start) + SLOT_SECONDS * len(result)),
        slots=len(result),
        soc_start_kwh=result.soc_start_kwh,
        soc_end_kwh=result.soc_end_kwh,
        bill=float(result.bill.sum()),
        wear=float(result.wear.sum()),
        penalty=float(result.penalty.sum()),
        terminal=result.stored_value_gained,
        cost=result.cost,
        oracle_cost=kept.oracle_cost,
        regret=float(kept.regret.sum()),
        currency=currency,
        settings=settings,
        inputs_hash=kept.inputs_hash,
        made_at=made_at,
    )
    return head, tuple(_days(kept))


def _days(kept: Kept) -> Iterator[ReplayDay]:
    """Yield the rows of the local days."""
    result, first = kept.result, 0
    series = [getattr(result, name) for name in _DONE]
    values = np.stack([*series, result.slot_cost, kept.regret])
    for day in result.by_day():
        part = slice(first, first + day.slots)
        yield ReplayDay(
            day_start=from_epoch(to_epoch(result.start) + SLOT_SECONDS * first),
            local_date=day.local_date,
            bill=day.bill,
            wear=day.wear,
            penalty=day.penalty,
            regret=float(kept.regret[part].sum()),
            load_kwh=day.load_kwh,
            pv_kwh=day.pv_kwh,
            import_kwh=day.import_kwh,
            export_kwh=day.export_kwh,
            charge_kwh=day.charge_kwh,
            discharge_kwh=day.discharge_kwh,
            curtail_kwh=day.curtail_kwh,
            values=np.ascontiguousarray(values[:, part]),
        )
        first += day.slots


def _replay_id(kept: Kept, settings: str) -> str:
    """Return 16 hexadecimal digits that name the replay."""
    result = kept.result
    facts = [
        REPLAY_SCHEMA,
        result.home_id,
        to_epoch(result.start),
        len(result),
        result.soc_start_kwh,
        kept.policy,
        str(result.dispatch),
        result.forecast,
        kept.engine,
        settings,
        kept.inputs_hash,
    ]
    return hashlib.sha256(json_text(facts).encode()).hexdigest()[:16]
