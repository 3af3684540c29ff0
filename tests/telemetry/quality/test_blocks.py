"""Blocks that look like a car, by shape: flat, steep, neither too short nor all day."""

import numpy as np
import pytest

from telemetry.arrays import F64
from telemetry.quality.blocks import car_blocks

BASE_KW = 0.5


def load(*parts: tuple[float, int]) -> F64:
    """Return kWh per slot of parts given as (kW, slots), an hour at the base on both sides."""
    powers = [(BASE_KW, 4), *parts, (BASE_KW, 4)]
    return np.concatenate([np.full(slots, kw * 0.25) for kw, slots in powers])


def test_a_car_is_a_block() -> None:
    # 7.4 kW for 2 h: 14.8 kWh.
    (block,) = car_blocks(load((7.4, 8)))
    assert (block.first, block.slots) == (4, 8)
    assert block.power_kw == pytest.approx(7.4)
    assert block.energy_kwh == pytest.approx(14.8)
    assert block.hours == 2.0


def test_its_first_and_last_quarter_may_be_partial() -> None:
    assert len(car_blocks(load((3.2, 1), (11.0, 6), (4.0, 1)))) == 1
    assert len(car_blocks(load((2.0, 1), (11.0, 8), (2.9, 1)))) == 1


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(((2.9, 16),), id="below 3 kW"),
        pytest.param(((7.4, 5),), id="an hour and a quarter"),
        pytest.param(((7.4, 65),), id="all day"),
        pytest.param(((3.2, 4), (8.0, 4)), id="not flat"),
        pytest.param(((1.9, 4), (4.3, 8), (1.9, 4)), id="grows out of a high load"),
    ],
)
def test_others_are_not(parts: tuple[tuple[float, int], ...]) -> None:
    assert car_blocks(load(*parts)) == ()


def test_where_the_load_around_is_unknown_nobody_says_so() -> None:
    """Nor where the block reaches the edge of what is looked at."""
    kwh = load((7.4, 8))
    kwh[3] = np.nan
    assert car_blocks(kwh) == ()
    assert car_blocks(load((7.4, 8))[4:]) == ()
    assert car_blocks(np.full(96, np.nan)) == ()


def test_every_one_is_found() -> None:
    found = car_blocks(load((7.4, 8), (BASE_KW, 40), (11.0, 12)))
    assert [(block.first, block.slots, block.power_kw) for block in found] == [
        (4, 8, 7.4),
        (52, 12, 11.0),
    ]
    assert [block.energy_kwh for block in found] == pytest.approx([14.8, 33.0])
