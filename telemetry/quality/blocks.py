"""Blocks in the load that look like a car being charged, by their shape alone.

A block is a run of slots above 3 kW, 1.5 to 16 hours long, that is

    flat     its 10 % and 90 % quantiles lie within 40 % of its median                        (CB1)
    steep    it stands at least 2.5 kW above the load just before and just after it           (CB2)

The first and the last slot of a run may be partial: they are no part of (CB1), and (CB2) looks at
the lower of the two slots beyond. An oven is too short; a sauna may look the same; heating that
runs all day does not. Of eight homes without a known car none has three in four weeks as a rule.
Units: kWh per slot, kW.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64
from telemetry.slots import SLOT_SECONDS

__all__ = ["LEAST_KW", "Block", "car_blocks"]

LEAST_KW = 3.0
_STEP_KW = 2.5
_FLAT_SHARE = 0.4
_LEAST_SLOTS, _MOST_SLOTS = 6, 64
_BEYOND = 2
_SLOT_HOURS = SLOT_SECONDS / 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        first: place of its first slot.
        slots: how many it has.
        power_kw: median of its slots.
        energy_kwh: of all its slots.
    """

    first: int
    slots: int
    power_kw: float
    energy_kwh: float

    @property
    def hours(self) -> float:
        """How long it is."""
        return self.slots * _SLOT_HOURS


def car_blocks(load_kwh: F64) -> tuple[Block, ...]:
    """Return the blocks of (N,) consecutive slots of load, NaN where unknown."""
    power = load_kwh / _SLOT_HOURS
    return tuple(block for block in _runs(power) if _is_steep(power, block))


def _runs(power_kw: F64) -> Iterator[Block]:
    """Yield every flat run above 3 kW."""
    high = np.concatenate(([False], np.nan_to_num(power_kw) > LEAST_KW, [False]))
    edges = np.flatnonzero(np.diff(high))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        run = power_kw[first:end]
        if not _LEAST_SLOTS <= run.size <= _MOST_SLOTS:
            continue
        low, median, top = np.quantile(run[1:-1], (0.1, 0.5, 0.9))
        if top - low <= _FLAT_SHARE * median:
            yield Block(
                first=first,
                slots=int(run.size),
                power_kw=float(median),
                energy_kwh=float(run.sum()) * _SLOT_HOURS,
            )


def _is_steep(power_kw: F64, block: Block) -> bool:
    """Whether the load just before and after is far lower; where unknown, it is not."""
    end = block.first + block.slots
    around = (power_kw[max(block.first - _BEYOND, 0) : block.first], power_kw[end : end + _BEYOND])
    return all(
        bool(side.size) and float(np.min(side)) <= block.power_kw - _STEP_KW for side in around
    )
