"""Requests: what a plan is asked for beside the least cost, each of them elastic.

A block is a stretch of slots ``first <= t < stop`` with one wish, e = stop - 1 its last slot:

    charge   discharge[t] = 0 in the block,           soc[e] + missing >= target             (RQ1)
    export   charge[t] = 0 in the block,              soc[e] - excess <= target              (RQ2)
    hold     charge[t] = discharge[t] = 0 in the block                                       (RQ3)

An export target asks for battery energy given to the grid in chosen slots, with net = load - PV,

    sum of x[t] over them + missing >= energy_kwh
    x[t] <= max(discharge[t] - max(net[t], 0), 0)       as ``physics.exported_discharge``
    x[t] <= max(export_max[t] - max(-net[t], 0), 0)     what the PV leaves of the limit      (RQ4)

so neither PV that is exported nor PV that is curtailed to make room for the battery counts.

Whatever is missing or done against a block costs, per kWh and slot,

    price = the penalty of (Q4), above all that a kWh could earn;
    grid limits then cost 10 * (number of requests) * price: a fuse comes before a wish      (RQ5)

so a plan is always found, and it reports in which slot it does not do what was asked. Limits of the
battery hold whatever is asked. Units: kWh per slot at the AC bus, kWh stored, currency per kWh.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64
from mpc.errors import RequestError

__all__ = ["KINDS", "Block", "ExportTarget", "Kind", "Requests", "Wanted", "wanted_of"]

Kind = Literal["charge", "export", "hold"]
KINDS: tuple[Kind, ...] = ("charge", "export", "hold")
GRID_RANK = 10.0
"""How much more a kWh over a grid limit costs than one of every request (RQ5)."""
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One wish for a stretch of slots.

    Attributes:
        kind: charge, export or hold.
        first: index of its first slot.
        stop: index of the slot after its last one.
        target_soc_kwh: stored energy at the block's end: at least this for charge, at most this for
            export; None for hold.
        name: what its asker calls it; "" where it has none.
    """

    kind: Kind
    first: int
    stop: int
    target_soc_kwh: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no block."""
        if self.kind not in KINDS:
            raise RequestError("block.kind", repr(self.kind), f"one of {', '.join(KINDS)}")
        for name in ("first", "stop"):
            if not _whole(getattr(self, name)):
                raise RequestError(f"block.{name}", repr(getattr(self, name)), "a slot's index")
        if not 0 <= self.first < self.stop:
            want = "0 <= first < stop, at least one slot"
            raise RequestError(str(self), f"slots {self.first} to {self.stop}", want)
        target = self.target_soc_kwh
        if self.kind == "hold":
            if target is not None:
                raise RequestError("block.target_soc_kwh", target, "None: a hold has no target")
        elif not _number(target) or not 0.0 <= float(target or 0.0) < np.inf:
            raise RequestError(
                "block.target_soc_kwh", repr(target), f"stored kWh at the {self.kind} block's end"
            )

    def __str__(self) -> str:
        """Return the block in a few words, for messages."""
        target = "" if self.target_soc_kwh is None else f" to {self.target_soc_kwh:g} kWh"
        return f"{self.kind}{target} in slots [{self.first}, {self.stop})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportTarget:
    """Battery energy to be exported in some slots.

    Attributes:
        energy_kwh: at the AC bus, summed over the slots, >= 0.
        slots: (T,) which slots count.
    """

    energy_kwh: float
    slots: Sequence[bool] | _Mask

    def __post_init__(self) -> None:
        """Refuse what is no energy, or slots that are no truth values."""
        if not _number(self.energy_kwh) or not 0.0 <= self.energy_kwh < np.inf:
            raise RequestError("export_target.energy_kwh", repr(self.energy_kwh), "kWh, 0 or more")
        slots = np.array(self.slots)
        if slots.dtype != np.bool_ or slots.ndim != 1 or not slots.any():
            want = "an array of truth values, one per slot of the horizon, some of them true"
            raise RequestError("export_target.slots", repr(self.slots)[:80], want)
        slots.flags.writeable = False
        object.__setattr__(self, "slots", slots)

    @property
    def counted(self) -> _Mask:
        """(T,) which slots count, as an array."""
        return np.asarray(self.slots)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """All that a plan is asked for; blocks in order of time, none over another.

    Attributes:
        blocks: wishes for stretches of slots.
        export_target: battery energy to be exported, or None.
    """

    blocks: tuple[Block, ...] = ()
    export_target: ExportTarget | None = None

    def __post_init__(self) -> None:
        """Refuse blocks that overlap."""
        for block in self.blocks:
            if not isinstance(block, Block):
                raise RequestError("requests.blocks", repr(block)[:80], "mpc.Block objects")
        if not isinstance(self.export_target, ExportTarget | None):
            got = repr(self.export_target)[:80]
            raise RequestError("requests.export_target", got, "an mpc.ExportTarget, or None")
        ordered = tuple(sorted(self.blocks, key=lambda block: block.first))
        for one, other in pairwise(ordered):
            if other.first < one.stop:
                raise RequestError(
                    "requests.blocks", f"{one} and {other}", "blocks that do not overlap; cut one"
                )
        object.__setattr__(self, "blocks", ordered)

    def __len__(self) -> int:
        """Return how many requests these are."""
        return len(self.blocks) + (self.export_target is not None)

    def rest(self, slot: int) -> "Requests | None":
        """Return what is left of them from a slot on, counted from there; None where nothing is.

        A block that has begun keeps its target; an export target keeps its energy.
        """
        blocks = tuple(
            replace(block, first=max(block.first - slot, 0), stop=block.stop - slot)
            for block in self.blocks
            if block.stop > slot
        )
        target = self.export_target
        if target is not None:
            counted = target.counted[slot:]
            target = replace(target, slots=counted) if counted.any() else None
        left = Requests(blocks=blocks, export_target=target)
        return left if len(left) else None

    def block_at(self, slot: int) -> Block | None:
        """Return the block of a slot, if there is one."""
        return next((b for b in self.blocks if b.first <= slot < b.stop), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted:
    """Requests in the numbers of one problem; arrays are (T,).

    Attributes:
        requests: what they come from.
        price_per_kwh: of all that is missing or done against a block (RQ5).
        no_charge: slots in which the battery is not to charge.
        no_discharge: slots in which it is not to discharge.
        soc_low: least stored energy wished at the slot's end, -inf where none.
        soc_high: most stored energy wished, inf where none.
        export_kwh: energy of the export target, 0 without one.
        counted_max: most that counts of a slot's exported discharge (RQ4); 0 in other slots.
    """

    requests: Requests
    price_per_kwh: float
    no_charge: _Mask
    no_discharge: _Mask
    soc_low: F64
    soc_high: F64
    export_kwh: float
    counted_max: F64

    @property
    def grid_price_per_kwh(self) -> float:
        """What a kWh over a grid limit costs (RQ5)."""
        return self.price_per_kwh * GRID_RANK * max(len(self.requests), 1)

    @property
    def has_targets(self) -> bool:
        """Whether some block wishes a stored energy."""
        return any(block.target_soc_kwh is not None for block in self.requests.blocks)

    def counted(self, discharge_kwh: F64, net_kwh: F64) -> F64:
        """Return (T,) what counts of a discharge toward the export target, kWh (RQ4)."""
        exported = np.maximum(discharge_kwh - np.maximum(net_kwh, 0.0), 0.0)
        counted: F64 = np.minimum(exported, self.counted_max)
        return counted


def wanted_of(
    requests: Requests,
    *,
    price_per_kwh: float,
    capacity_kwh: float,
    net_kwh: F64,
    export_max_kwh: F64,
) -> Wanted:
    """Return requests in the numbers of a horizon.

    Args:
        requests: of its slots.
        price_per_kwh: what a kWh that is missing costs.
        capacity_kwh: of the battery.
        net_kwh: (T,) load minus PV.
        export_max_kwh: (T,) export limit, may be infinity.

    Raises:
        RequestError: for slots the horizon does not have, or a target above the capacity.
    """
    slots = net_kwh.size
    no_charge, no_discharge = np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
    low, high = np.full(slots, -np.inf), np.full(slots, np.inf)
    for block in requests.blocks:
        _refuse_outside(block, slots, capacity_kwh)
        where = slice(block.first, block.stop)
        no_charge[where] = block.kind != "charge"
        no_discharge[where] = block.kind != "export"
        if block.target_soc_kwh is not None:
            bound = low if block.kind == "charge" else high
            bound[block.stop - 1] = block.target_soc_kwh
    target, counted_max, energy = requests.export_target, np.zeros(slots), 0.0
    if target is not None:
        if target.counted.size != slots:
            got, want = f"{target.counted.size} values", f"{slots}, one per slot of the horizon"
            raise RequestError("export_target.slots", got, want)
        room = np.maximum(export_max_kwh - np.maximum(-net_kwh, 0.0), 0.0)
        energy, counted_max = float(target.energy_kwh), np.where(target.counted, room, 0.0)
    return Wanted(
        requests=requests,
        price_per_kwh=price_per_kwh,
        no_charge=no_charge,
        no_discharge=no_discharge,
        soc_low=low,
        soc_high=high,
        export_kwh=energy,
        counted_max=counted_max,
    )


def _refuse_outside(block: Block, slots: int, capacity_kwh: float) -> None:
    """Refuse a block that the horizon or the battery cannot hold."""
    if block.stop > slots:
        want = f"at most {slots}, the slots of the horizon; cut the block"
        raise RequestError(f"stop of {block}", block.stop, want)
    if block.target_soc_kwh is not None and block.target_soc_kwh > capacity_kwh:
        want = f"at most capacity_kwh = {capacity_kwh:g}, in kWh, not a percent"
        raise RequestError(f"target of {block}", block.target_soc_kwh, want)


def _whole(value: object) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(value: object) -> bool:
    """Return whether a value is a number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
