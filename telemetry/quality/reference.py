"""Home Assistant's hourly sums, as far as they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.arrays import F64, I64
from telemetry.channels import Channel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HourlyReference:
    """What the store is compared with; C channels, H hours.

    Attributes:
        hour_start: epoch seconds of whole UTC hours (H,), ascending.
        channels: names of the C rows.
        energy_kwh: (C, H), NaN where Home Assistant's value is absent or not trusted.
        why: (C, H) bits of ``Quality`` that tell why it is not trusted; 0 where it is, or absent.
    """

    hour_start: I64
    channels: tuple[Channel, ...]
    energy_kwh: F64
    why: I64
