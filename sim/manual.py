"""The manual plan, as a planner is asked for it: blocks in time become requests in slots.

    requests = requests_for(store.manual_blocks(home_id, as_of=at), horizon, site)
    plan = Planner(site).plan(horizon, soc_kwh, requests=requests)

A block covers the slots that begin in it, and the first one of the horizon where it has begun
before. It keeps the target of its end. Where it ends after the horizon, h hours later, the plan
owes what the rest of the block cannot make up for at full power:

    charge:  soc at the horizon's end >= target - eta_c * max_charge * h                    (MB1)
    export:  soc at the horizon's end <= target + max_discharge / eta_d * h                 (MB2)

Of blocks over each other, which a clock that was set back can bring about, the one that was asked
for last is heeded. Heating water is kept and told, not yet planned: ``not_planned``.
Units: kWh stored, kW, UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import get_args

import numpy as np

from mpc import Block, Horizon, Plan, Requests, Site, Violation
from mpc.requests import Kind
from mpc.site import as_limit
from sim.window import ReplayWindow
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.slots import SLOT_MINUTES

__all__ = [
    "BlockOutcome",
    "Outcome",
    "heeded",
    "in_force",
    "missed_of",
    "not_planned",
    "outcomes",
    "overruled",
    "requests_for",
]

_PLANNED: dict[BlockKind, Kind] = {BlockKind(kind): kind for kind in get_args(Kind)}


class Outcome(StrEnum):
    """What a plan makes of a block."""

    FULFILLED = "fulfilled"
    CONFLICT = "not fulfilled"
    OVERRULED = "not heeded: another block was asked for later"
    BEYOND = "not heeded: beyond the plan's horizon"
    NO_BATTERY = "not heeded: there is no battery"
    NOT_PLANNED = "kept; no plan heats water yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOutcome:
    """What a plan makes of one block.

    Attributes:
        block: what was asked for.
        outcome: what became of it.
        missed: what of it the plan does not do, slot by slot; of a conflict alone.
    """

    block: ManualBlock
    outcome: Outcome
    missed: tuple[Violation, ...] = ()

    @property
    def is_heeded(self) -> bool:
        """Whether the plan was made with it."""
        return self.outcome in (Outcome.FULFILLED, Outcome.CONFLICT)


def outcomes(blocks: Sequence[ManualBlock], plan: Plan) -> tuple[BlockOutcome, ...]:
    """Return what a plan, made with the requests of these blocks, makes of each of them."""
    lost = overruled(blocks)
    known = {} if plan.requests is None else {one.name: one for one in plan.requests.blocks}
    return tuple(
        _fulfilled(block, known[block.block_id], plan)
        if block.block_id in known
        else BlockOutcome(block=block, outcome=_unheeded(block, plan, lost))
        for block in blocks
    )


def missed_of(asked: Block, plan: Plan) -> tuple[Violation, ...]:
    """Return what of a block a plan that was made with it does not do, slot by slot."""
    slots = range(asked.first, asked.stop)
    return tuple(v for v in plan.violations if v.is_block and v.slot in slots)


def _fulfilled(block: ManualBlock, asked: Block, plan: Plan) -> BlockOutcome:
    """Return what became of a block that the plan was made with."""
    missed = missed_of(asked, plan)
    outcome = Outcome.CONFLICT if missed else Outcome.FULFILLED
    return BlockOutcome(block=block, outcome=outcome, missed=missed)


def _unheeded(block: ManualBlock, plan: Plan, lost: Sequence[ManualBlock]) -> Outcome:
    """Return why a plan was made without a block."""
    if block.kind not in _PLANNED:
        return Outcome.NOT_PLANNED
    if not plan.max_soc_kwh.any():
        return Outcome.NO_BATTERY
    return Outcome.OVERRULED if block in lost else Outcome.BEYOND


def in_force(blocks: Iterable[ManualBlock], at: datetime, end: datetime) -> tuple[ManualBlock, ...]:
    """Return the blocks that a plan made at ``at``, reaching until ``end``, has to heed."""
    return tuple(block for block in blocks if block.is_in_force(at) and block.start < end)


def heeded(blocks: Iterable[ManualBlock], window: ReplayWindow) -> tuple[ManualBlock, ...]:
    """Return the blocks that the plan of some slot of a window heeds, of whatever times known."""
    if window.site.battery.capacity_kwh == 0.0:
        return ()
    slot = timedelta(minutes=SLOT_MINUTES)
    moments = [window.realised.start + n * slot for n in range(len(window))]
    reach = window.horizon_slots * slot
    return tuple(
        block
        for block in blocks
        if block.kind in _PLANNED
        and any(block.is_in_force(at) and block.start < at + reach for at in moments)
    )


def not_planned(blocks: Iterable[ManualBlock]) -> tuple[ManualBlock, ...]:
    """Return the blocks that no plan heeds yet."""
    return tuple(block for block in blocks if block.kind not in _PLANNED)


def overruled(blocks: Iterable[ManualBlock]) -> tuple[ManualBlock, ...]:
    """Return the blocks that lie over one that was asked for later; no plan heeds them."""
    kept: list[ManualBlock] = []
    lost: list[ManualBlock] = []
    for block in sorted(blocks, key=lambda one: (one.created_at, one.block_id), reverse=True):
        (lost if any(block.excludes(other) for other in kept) else kept).append(block)
    return tuple(lost)


def requests_for(blocks: Sequence[ManualBlock], horizon: Horizon, site: Site) -> Requests | None:
    """Return blocks in the slots of a horizon; None where none of them asks the battery.

    Args:
        blocks: of the site's home; what is overruled or outside the horizon is left out.
        horizon: to be planned.
        site: whose battery is asked.
    """
    if site.battery.capacity_kwh == 0.0:
        return None
    lost = overruled(blocks)
    heard = (one for one in blocks if one.kind in _PLANNED and one not in lost)
    found = (_block(block, horizon, site) for block in heard)
    asked = Requests(blocks=tuple(block for block in found if block is not None))
    return asked if len(asked) else None


def _block(block: ManualBlock, horizon: Horizon, site: Site) -> Block | None:
    """Return one block in slots; None where no slot of the horizon begins in it."""
    edges = np.concatenate([[0.0], np.cumsum(horizon.slot_minutes)])
    begin, end = (_minutes(moment - horizon.start) for moment in (block.start, block.end))
    if end <= 0.0 or begin >= edges[-1]:
        return None
    first, stop = np.searchsorted(edges[:-1], [begin, end], side="left").tolist()
    if first == stop:
        return None
    return Block(
        kind=_PLANNED[block.kind],
        first=first,
        stop=stop,
        target_soc_kwh=_target(block, site, max(end - float(edges[-1]), 0.0) / 60.0),
        name=block.block_id,
    )


def _target(block: ManualBlock, site: Site, hours_left: float) -> float | None:
    """Return what must be stored where the horizon ends, at the latest (MB1, MB2), kWh."""
    if block.target_soc is None:
        return None
    battery, target = site.battery, block.target_soc * site.battery.capacity_kwh
    if block.kind is BlockKind.CHARGE:
        power = float(np.max(as_limit(battery.max_charge_kw))) * battery.charge_efficiency
        return max(target - power * hours_left, 0.0)
    power = float(np.max(as_limit(battery.max_discharge_kw))) / battery.discharge_efficiency
    return min(target + power * hours_left, battery.capacity_kwh)


def _minutes(span: timedelta) -> float:
    """Return a span in minutes."""
    return span.total_seconds() / 60.0
