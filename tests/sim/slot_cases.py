"""Random slots, states and value curves for the tests of dispatch and slot kernels."""

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from mpc.curves import Curve
from mpc.pieces import MOST_PIECES
from mpc.rules import Limits, Rules, Slot, limits_at, rules_of, slot_limits
from sim.ideal import Advice, Scratch, Value
from tests.mpc.instances import ROUND, floats, make_site, prices, sites

PENALTY = 300.0
HOUR = np.ones(1)
PRICES = st.one_of(prices(-1.0, 3.0), st.just(-2.0))
ENERGY = st.one_of(ROUND, floats(0.0, 6.0))


class Case(NamedTuple):
    """Everything a dispatch reads."""

    stored_kwh: float
    advice: Advice
    value: Value
    slot: Slot
    limits: Limits
    rules: Rules


def make_value(worth: list[float], size_kwh: list[float], start_kwh: float = 0.0) -> Value:
    """A value curve of pieces: what a kWh is worth from the bottom up, non-increasing."""
    curve = Curve(0, len(worth), start_kwh, 0.0, 0.0, 0.0)
    return Value(curve, -np.array(worth), np.array(size_kwh))


def make_scratch() -> Scratch:
    """Room for one slot."""
    return Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))


def plain_limits(**changes: float) -> Limits:
    """0 to 10 kWh, 5 kWh a slot, no grid limit that binds, no reserve."""
    inf = float("inf")
    return Limits(0.0, 10.0, 5.0, 5.0, inf, 100.0, 100.0, 0.0, -inf)._replace(**changes)


def plain_rules(**changes: Any) -> Rules:
    """A lossless battery without wear on a site that may do everything."""
    return rules_of(make_site(), PENALTY)._replace(
        charge_efficiency=1.0, discharge_efficiency=1.0, wear=0.0, **changes
    )


@st.composite
def values(draw: st.DrawFn, slot: Slot, rules: Rules) -> Value:
    """Non-increasing values over [0, 12] kWh, among them the prices at which tests tie."""
    eta_c, eta_d = rules.charge_efficiency, rules.discharge_efficiency
    buy, sell = slot.import_price, slot.export_price
    ties = st.sampled_from(
        [buy / eta_c, sell / eta_c, (buy - rules.wear) * eta_d, (sell - rules.wear) * eta_d, 0.0]
    )
    worth = draw(st.lists(st.one_of(ties, floats(-1.0, 4.0)), min_size=1, max_size=6))
    cuts = sorted(draw(floats(0.0, 12.0)) for _ in worth[1:])
    edges = [0.0, *cuts, 12.0]
    sizes = [b - a for a, b in pairwise(edges)]
    pairs = [(w, s) for w, s in zip(sorted(worth, reverse=True), sizes, strict=True) if s > 0.0]
    return make_value([w for w, _ in pairs], [s for _, s in pairs])


@st.composite
def cases(draw: st.DrawFn, *, options: bool = True, sane: bool = False) -> Case:
    """Any slot of any house; ``sane`` keeps export below import and above nothing."""
    site = draw(sites(options=options))
    rules, limits = rules_of(site, PENALTY), limits_at(slot_limits(site, HOUR), 0)
    buy, sell = draw(PRICES), draw(PRICES)
    if sane:
        buy = abs(buy)
        sell = min(abs(sell), buy)
    slot = Slot(draw(ENERGY), draw(ENERGY), buy, sell)
    advice = Advice(
        draw(ENERGY), draw(ENERGY), draw(st.one_of(ROUND, floats(-6.0, 6.0))), draw(floats(0, 10))
    )
    stored = draw(st.one_of(floats(0.0, 10.0), st.sampled_from([limits.soc_min, limits.soc_max])))
    return Case(stored, advice, draw(values(slot, rules)), slot, limits, rules)


def edges_of(value: Value) -> list[float]:
    """Stored energies at which a curve begins, bends and ends."""
    return list(accumulate(value.length, initial=value.curve.start_kwh))
