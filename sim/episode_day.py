"""One local day of a simulation: all it needs as arrays, and its episodes.

    task   = what was known at each slot, what happened, the energy stored at midnight
    run    = the closed loop over the day; at every slot the full plan from the state there
    result = one episode a slot: 92, 96 or 100

A day is a pure function of its task, whatever process runs it. A task holds arrays, the numbers of
the site and ids; it takes no configuration, address, place or secret with it. ``storage`` runs the
loop in the kernel and plans every slot again for its full plan; ``highs`` plans the day's first
slot cold and the others warm, and dispatches on those plans. Units: kWh per slot at the AC bus,
kWh stored, currency/kWh, UTC.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mpc import Plan
from mpc.arrays import F64
from mpc.errors import EngineError
from sim.asof import KnownForecasts
from sim.day_context import DayContext, elapsed
from sim.dispatch import VALUE
from sim.episode_format import (
    EPISODE_SCHEMA,
    EpisodeContext,
    SlotMoney,
    make_episode,
)
from sim.errors import RefusedError
from sim.policies import empty_rows, highs_plans, run_storage, storage_plans
from sim.slots import BILL, PENALTY, WEAR
from sim.window import ReplayWindow
from telemetry.arrays import I64
from telemetry.episode import Episode
from telemetry.manual_table import ManualBlock
from telemetry.slots import from_epoch, to_epoch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["HIGHS", "STORAGE", "DayResult", "DayTask", "HeldForecasts", "run_day"]

STORAGE, HIGHS = "storage", "highs"
_HASH_BYTES = 16
_REPLAY = "replay"
_ABSENT_IF_EMPTY = ("manual", "wanted")
"""Fields of tasks that came later: without them a day's hash is what it was before."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayTask:
    """A day to simulate, of n slots; A is how far its forecasts look.

    Attributes:
        system_id: which installation writes.
        scenario: name of the scenario.
        changes: its parameters and their values.
        config_hash: of site, tariff and options.
        replay_id: the replay that the day's first state comes from.
        local_day: the day in the home's zone.
        quality_class: verdict on the day; "" where nobody judged it.
        engine: ``storage`` or ``highs``.
        soc_source: where the energy at the day's start is known from.
        window: what happened, the site, and the energy stored at the start.
        known: (n, A) what was known at each slot.
        prices_until: (n,) end of the published prices at each slot, epoch seconds.
        observed: (2, 96 + n) load and PV of the slots from 24 h before the day, as known today.
        observed_known_at: (2, 96 + n) epoch second at which each became known.
        context: what else was known.
        manual: blocks of the manual plan that some slot's plan heeds; only engine ``highs`` can.
    """

    system_id: str
    scenario: str
    changes: Mapping[str, float]
    config_hash: str
    replay_id: str
    local_day: date
    quality_class: str
    engine: str
    soc_source: str
    window: ReplayWindow
    known: KnownForecasts
    prices_until: I64
    observed: F64
    observed_known_at: I64
    context: DayContext
    manual: tuple[ManualBlock, ...] = ()

    @property
    def home_id(self) -> str:
        """The home."""
        return self.window.realised.home_id

    def task_hash(self) -> str:
        """Return 32 hexadecimal digits of all that the episodes are made from."""
        digest = hashlib.blake2b(digest_size=_HASH_BYTES)
        for part in _parts(self):
            digest.update(part)
        digest.update(EPISODE_SCHEMA.encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """The episodes of a day, in order."""

    local_day: date
    engine: str
    episodes: tuple[Episode, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldForecasts:
    """Forecasts that stand in arrays."""

    name: str
    start: datetime
    arrays: KnownForecasts

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return some rows."""
        rows = slice(first, first + count)
        held: dict[str, Any] = {
            field.name: getattr(self.arrays, field.name) for field in fields(KnownForecasts)
        }
        cut: dict[str, Any] = {
            name: v[rows] if isinstance(v, np.ndarray) else v for name, v in held.items()
        }
        return KnownForecasts(**cut)


def run_day(task: DayTask) -> DayResult:
    """Return the episodes of a day; a pure function of its task.

    Raises:
        RefusedError: engine ``storage`` cannot make some plan exactly.
        ReplayError: forecasts that do not fit the day.
    """
    rows = empty_rows(len(task.window))
    contexts = _contexts(task)
    try:
        episodes = tuple(
            _episode(task, n, plan, context, rows)
            for n, (plan, context) in enumerate(zip(_plans(task, rows), contexts, strict=True))
        )
    except EngineError as err:
        raise RefusedError(
            task.home_id,
            f"the storage engine cannot plan every slot of {task.local_day}: {err}",
            "simulate the day with engine highs",
        ) from None
    return DayResult(local_day=task.local_day, engine=task.engine, episodes=episodes)


def _plans(task: DayTask, rows: F64) -> Iterator[Plan]:
    """Yield the plan of every slot, its row of ``rows`` written."""
    held = HeldForecasts(name="held", start=task.window.realised.start, arrays=task.known)
    if task.engine == HIGHS:
        yield from highs_plans(task.window, held, VALUE, rows, task.manual)
    else:
        rows[:] = run_storage(task.window, held, VALUE)
        yield from storage_plans(task.window, held, rows)


def _contexts(task: DayTask) -> Iterator[EpisodeContext]:
    """Yield the context of every slot."""
    prices = task.known.import_price[:, : task.window.horizon_slots].std(axis=1)
    given = task.context
    series = (given.vacation, given.alarm, prices, given.cloud_volatility, given.temp_volatility)
    for n, row in enumerate(np.stack(series, axis=1).tolist()):
        vacation, alarm, price, cloud, temp = row
        yield EpisodeContext(
            vacation=vacation,
            alarm=alarm,
            price_volatility=price,
            cloud_volatility=cloud,
            temp_volatility=temp,
            quality_class=task.quality_class,
            soc_source=task.soc_source if n == 0 else _REPLAY,
            changes=task.changes,
        )


def _episode(task: DayTask, n: int, plan: Plan, context: EpisodeContext, rows: F64) -> Episode:
    """Return the episode of one slot."""
    bill, wear, penalty = (float(rows[n, column]) for column in (BILL, WEAR, PENALTY))
    load, pv = elapsed(task.observed, task.observed_known_at, n, to_epoch(plan.start))
    return make_episode(
        system_id=task.system_id,
        home_id=task.home_id,
        scenario=task.scenario,
        local_day=task.local_day,
        created_at=plan.start,
        plan=plan,
        prices_until=from_epoch(int(task.prices_until[n])),
        observed_load_kwh=load,
        observed_pv_kwh=pv,
        context=context,
        config_hash=task.config_hash,
        replay_id=task.replay_id,
        realised=SlotMoney(bill=bill, wear=wear, cost=bill + wear + penalty),
    )


def _parts(value: object) -> Iterator[bytes]:
    """Yield what a value is made of as bytes, each part told apart from the next.

    Raises:
        TypeError: a part of a type whose bytes nobody has fixed.
    """
    if is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__.encode() + b"("
        yield from _fields(value)
        yield b")"
    elif isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        yield f"{array.dtype.str}{array.shape}".encode()
        yield array.tobytes()
    elif isinstance(value, Mapping):
        yield b"{"
        for key in sorted(value):
            yield from _parts(key)
            yield from _parts(value[key])
        yield b"}"
    elif isinstance(value, tuple):
        yield b"["
        for item in value:
            yield from _parts(item)
        yield b"]"
    else:
        yield _scalar(value)


def _fields(value: "DataclassInstance") -> Iterator[bytes]:
    """Yield what the fields of a dataclass are made of."""
    for field in fields(value):
        content = getattr(value, field.name)
        if field.name not in _ABSENT_IF_EMPTY or content:
            yield field.name.encode() + b"="
            yield from _parts(content)


def _scalar(value: object) -> bytes:
    """Return a single value as bytes."""
    if isinstance(value, float):
        return b"d" + struct.pack("<d", value)
    if value is None or isinstance(value, bool | int):
        return f"{value!r};".encode()
    if isinstance(value, str):
        return f"s{len(value)}:{value}".encode()
    if isinstance(value, datetime):
        return f"t{to_epoch(value)};".encode()
    if isinstance(value, date):
        return f"D{value.isoformat()};".encode()
    raise TypeError(f"a task holds a {type(value).__name__}, want arrays, numbers and texts")
