"""Small made-up homes, and training small enough for a unit test."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from forecast.inputs import HomeHistory, Measured
from telemetry.arrays import F64

ZONE = "Europe/Stockholm"
START = 1_738_364_400  # 2025-02-01 00:00 in Stockholm
DAY, SLOT = 86_400, 900


def measured(values: F64, start: int = START) -> Measured:
    """A channel of which every slot is known at its end."""
    slots = start + SLOT * np.arange(values.size, dtype=np.int64)
    return Measured.of(start, values, slots + SLOT)


def small_home(days: int, *, seed: int = 0, pv: bool = True, source_slots: int = 1) -> HomeHistory:
    """A home with mornings, evenings and weekends, noise, and a roof under a changing sky."""
    rng = np.random.default_rng(seed)
    hour = np.arange(days * 96) / 4.0 % 24.0
    day = np.arange(days * 96) // 96
    load = 0.08 + 0.25 * ((hour > 17) & (hour < 22)) + 0.15 * ((day % 7) > 4) * (hour > 9)
    load = load * rng.uniform(0.6, 1.4, load.size)
    sun = np.where((hour >= 6.0) & (hour < 18.0), np.sin((hour - 5.9) / 12.2 * np.pi), 0.0)
    roof = sun * np.repeat(rng.uniform(0.2, 1.0, days), 96)
    if source_slots > 1:
        load, roof = (
            np.repeat(x.reshape(-1, source_slots).mean(axis=1), source_slots) for x in (load, roof)
        )
    return HomeHistory(
        zone=ZONE,
        load=measured(load),
        pv=measured(roof) if pv else None,
        source_slots=source_slots,
    )


@contextmanager
def small_training() -> Iterator[None]:
    """Few examples and few trees: a training of a fraction of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.load._ISSUES", 120)
        patch.setattr("forecast.load._ROUNDS_MEDIAN", 8)
        patch.setattr("forecast.load._ROUNDS_MEAN", 8)
        patch.setattr("forecast.pv_learn._ROUNDS", 8)
        yield
