"""Readings of a meter or a power sensor, turned into energy per slot."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.arrays import F64, I64


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What one sensor showed, ascending in time.

    Attributes:
        at: epoch seconds (N,), strictly ascending.
        value: kWh of a meter or kW of a power sensor (N,); NaN: it was not available.
    """

    at: F64
    value: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Unassigned:
    """Energy that a meter counted and that belongs to no slot.

    Attributes:
        start: epoch seconds.
        end: epoch seconds.
        energy_kwh: what the meter advanced by between them, less what slots got of it.
        why: the bit of ``Quality`` that tells the reason (GAP, SPIKE, RESET...); 0: outside the
            slots asked for.
    """

    start: float
    end: float
    energy_kwh: float
    why: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotEnergy:
    """Energy of one source by slot; S slots.

    Attributes:
        slot_start: epoch seconds (S,).
        energy_kwh: (S,), NaN where missing.
        quality: bits of ``Quality`` (S,).
        advance_kwh: what the meter advanced by over all readings, resets bridged.
        unassigned: what of it belongs to no slot; slots and unassigned add up to ``advance_kwh``.
    """

    slot_start: I64
    energy_kwh: F64
    quality: I64
    advance_kwh: float
    unassigned: tuple[Unassigned, ...]
