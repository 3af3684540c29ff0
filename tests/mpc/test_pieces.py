"""The cost of a slot in pieces against the physics, along the whole range of changes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import physics
from mpc.arrays import F64
from mpc.pieces import (
    BURNS,
    EXPORT_ABOVE_IMPORT,
    MOST_PIECES,
    PAID_IMPORT,
    Pieces,
    slot_pieces,
)
from mpc.rules import Limits, Rules, Slot
from tests.mpc.instances import ROUND, floats, prices

ENERGY = st.one_of(ROUND, floats(0.0, 4.0))
LIMIT = st.one_of(st.sampled_from([0.0, 1.0, 4.0, math.inf]), floats(0.0, 6.0))
PENALTY = 300.0


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    """Any slot: zero, negative and equal prices, no load, no PV."""
    sell, buy = draw(prices(-1.5, 3.0)), draw(prices(-1.5, 3.0))
    return Slot(draw(ENERGY), draw(ENERGY), buy, draw(st.sampled_from([sell, buy, 0.5 * buy])))


@st.composite
def limits_of_slots(draw: st.DrawFn) -> Limits:
    """Limits of a battery far from its bounds: the window is no part of a slot's cost."""
    return Limits(
        soc_min=-1e6,
        soc_max=1e6,
        charge=draw(ENERGY),
        discharge=draw(ENERGY),
        import_soft=draw(LIMIT),
        import_max=draw(LIMIT),
        export_max=draw(LIMIT),
        reserve=0.0,
        headroom=draw(st.sampled_from([-math.inf, 0.5])),
    )


@st.composite
def rules_of_sites(draw: st.DrawFn) -> Rules:
    """Every option of a site."""
    efficiency = st.sampled_from([1.0, 0.95, 0.9, 0.5])
    flag = st.booleans()
    return Rules(
        charge_efficiency=draw(efficiency),
        discharge_efficiency=draw(efficiency),
        wear=draw(st.sampled_from([0.0, 0.2])),
        export_margin=draw(st.sampled_from([0.0, 0.1])),
        soft_price=draw(st.sampled_from([0.0, 0.7])),
        reserve_price=0.0,
        penalty=PENALTY,
        pv_curtailable=draw(flag),
        allow_grid_charge=draw(flag),
        allow_battery_export=draw(flag),
    )


def pieces_of(slot: Slot, limits: Limits, rules: Rules) -> tuple[Pieces, F64, F64]:
    slope, length = np.full(MOST_PIECES, np.nan), np.full(MOST_PIECES, np.nan)
    pieces = slot_pieces(slot, limits, rules, slope, length)
    return pieces, slope[: pieces.size], length[: pieces.size]


def physical_cost(change_kwh: float, slot: Slot, limits: Limits, rules: Rules) -> float:
    """What the physics charges for a change of stored energy, (P4) plus (P5)."""
    ratio = 1.0 / rules.charge_efficiency if change_kwh > 0.0 else rules.discharge_efficiency
    stored, moved, imports, exports, _ = physics.slot_step(
        0.0, change_kwh * ratio, slot, limits, rules
    )
    assert stored == pytest.approx(change_kwh, abs=1e-9)
    given = max(-moved, 0.0)
    beyond = max(given - max(slot.load_kwh - slot.pv_kwh, 0.0), 0.0)
    money = physics.slot_cost(
        imports, exports, given, slot.import_price, slot.export_price, rules.wear
    )
    return money + physics.slot_penalty(imports, exports, beyond, stored, limits, rules)


def changes(pieces: Pieces, length: F64) -> F64:
    """Every kink, and points between them."""
    kinks = pieces.change_kwh + np.concatenate([[0.0], np.cumsum(length)])
    between = (kinks[:-1, None] * [0.7, 0.2] + kinks[1:, None] * [0.3, 0.8]).ravel()
    return np.sort(np.concatenate([kinks, between]))


@settings(max_examples=400)
@given(slot=slots(), limits=limits_of_slots(), rules=rules_of_sites())
def test_pieces_cost_what_the_physics_costs(slot: Slot, limits: Limits, rules: Rules) -> None:
    pieces, slope, length = pieces_of(slot, limits, rules)
    if pieces.defect:
        return
    assert np.all(np.diff(slope) >= 0.0)
    assert np.all(length > 0.0)
    edges = pieces.change_kwh + np.concatenate([[0.0], np.cumsum(length)])
    costs = pieces.cost + np.concatenate([[0.0], np.cumsum(slope * length)])
    for change in changes(pieces, length):
        want = physical_cost(float(change), slot, limits, rules)
        assert np.interp(change, edges, costs) == pytest.approx(want, rel=1e-9, abs=1e-7)


@settings(max_examples=200)
@given(slot=slots(), limits=limits_of_slots(), rules=rules_of_sites())
def test_a_defect_is_a_cost_that_is_not_convex(slot: Slot, limits: Limits, rules: Rules) -> None:
    """Chords between sampled points: below a convex curve there is none."""
    pieces, _, _ = pieces_of(slot, limits, rules)
    net = slot.load_kwh - slot.pv_kwh
    charge, discharge = physics.battery_power(
        net,
        limits.charge,
        limits.discharge,
        limits.import_max,
        limits.headroom,
        rules.allow_grid_charge,
        rules.allow_battery_export,
    )
    low, high = -discharge / rules.discharge_efficiency, charge * rules.charge_efficiency
    if high - low < 1e-6:
        return
    points = np.linspace(low, high, 81)
    cost = np.array([physical_cost(float(d), slot, limits, rules) for d in points])
    bends = np.diff(cost, 2)
    convex = bends.min() >= -1e-9 * (1.0 + np.abs(cost).max())
    if pieces.defect == 0:
        assert convex
    elif pieces.defect == BURNS:
        assert not convex


def pieces_at(buy: float, sell: float, **rules: float) -> Pieces:
    """A house with 1 kWh of load and 2 of PV, 4 kWh each way, at two prices."""
    options = {"charge_efficiency": 0.9, "discharge_efficiency": 0.9, "wear": 0.2} | rules
    site = Rules(
        **{name: options.get(name, 0.0) for name in Rules._fields[:6]},
        penalty=PENALTY,
        pv_curtailable=True,
        allow_grid_charge=bool(options.get("allow_grid_charge", 1.0)),
        allow_battery_export=True,
    )
    limits = Limits(-1e6, 1e6, 4.0, 4.0, math.inf, 11.0, 10.0, 0.0, -math.inf)
    return pieces_of(Slot(1.0, 2.0, buy, sell), limits, site)[0]


def test_defects_have_their_reason() -> None:
    # eta = 0.81: below -0.2 * 0.81 / 0.19 = -0.853 burning energy pays
    assert pieces_at(1.0, 0.5).defect == 0
    assert pieces_at(1.0, 1.0).defect == 0
    assert pieces_at(1.0, 1.1).defect == EXPORT_ABOVE_IMPORT
    assert pieces_at(-0.86, -0.9).defect == BURNS
    assert pieces_at(-0.85, -0.9).defect == 0  # PV is curtailed: burning would only import
    assert pieces_at(-0.1, -0.2).defect == 0
    assert pieces_at(-0.1, -0.2, allow_grid_charge=0.0).defect == PAID_IMPORT


def test_a_hand_case() -> None:
    """1 kWh of surplus; charging first takes it (export 0.5 lost), then buys at 1.0.

    At the bus: 4 kWh of discharge export at 0.5 less wear 0.2: 0.9 * 0.3 per kWh stored, over
    4 / 0.9 kWh; then 1 kWh of surplus at 0.5 / 0.9; then 3 kWh bought at 1.0 / 0.9.
    """
    rules = Rules(0.9, 0.9, 0.2, 0.0, 0.0, 0.0, PENALTY, True, True, True)  # noqa: FBT003
    limits = Limits(-1e6, 1e6, 4.0, 4.0, math.inf, 11.0, 10.0, 0.0, -math.inf)
    pieces, slope, length = pieces_of(Slot(1.0, 2.0, 1.0, 0.5), limits, rules)
    np.testing.assert_allclose(slope, [0.9 * 0.3, 0.5 / 0.9, 1.0 / 0.9])
    np.testing.assert_allclose(length, [4.0 / 0.9, 0.9, 3.0 * 0.9])
    assert pieces.change_kwh == pytest.approx(-4.0 / 0.9)
    assert pieces.cost == pytest.approx(-0.5 * 5.0 + 0.2 * 4.0)  # 5 kWh sold, 4 kWh worn
