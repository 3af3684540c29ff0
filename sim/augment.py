"""Histories as they could have been: the recorded one, changed in one respect by a seeded draw.

    load noise    load of slot s times exp(a * z[d] - a^2 / 2) * exp(b * z[s] - b^2 / 2), d the UTC
                  day of the slot, z standard normal: of mean 1, always above 0             (U1)
    PV scale      PV of every slot times one factor, uniform in [0.6, 1.4]                   (U2)
    price shift   every spot price plus one amount, uniform in [-0.25, 0.25] of the home's
                  currency per kWh                                                           (U3)

The history is changed where it is read, so that what happened, what was known of it and what was
forecast from it agree; ``known_at``, quality and origin stay, missing stays missing, and grid and
battery, which no replay reads, stay as recorded. The normals of a day come from (seed, scenario,
day) alone: a slot has the same value whatever window is read, and in whatever order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

from sim.changed_facts import AS_STORED, ChangedFacts, SpotChange
from sim.errors import ScenarioError
from sim.facts import Facts
from sim.planning import HomeModel
from telemetry.arrays import F64, I64
from telemetry.channels import Channel
from telemetry.slots import SLOT_SECONDS

__all__ = ["Kind", "Scenario", "augmented", "scenarios"]

_DAY_SECONDS = 86_400
_SLOTS_A_DAY = _DAY_SECONDS // SLOT_SECONDS
_LOAD_DAY_SPREAD = 0.25
_LOAD_SLOT_SPREAD = 0.1
_PV_FACTORS = (0.6, 1.4)
_PRICE_SHIFTS = (-0.25, 0.25)
_DECIMALS = 4
"""A drawn parameter has so many, so that the row of an episode tells it whole."""


class Kind(StrEnum):
    """What is changed of a history."""

    RECORDED = "recorded"
    LOAD_NOISE = "load-noise"
    PV_SCALE = "pv-scale"
    PRICE_SHIFT = "price-shift"


_CYCLE = (Kind.LOAD_NOISE, Kind.PV_SCALE, Kind.PRICE_SHIFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One history of a simulation.

    Attributes:
        number: its place; 0 is the history as recorded, and only that.
        kind: what is changed.
        seed: of the draw; 0 for the history as recorded.
    """

    number: int
    kind: Kind
    seed: int

    def __post_init__(self) -> None:
        """Refuse what no simulation has."""
        if self.number < 0 or self.seed < 0:
            raise ScenarioError("number and seed", (self.number, self.seed), "0 or more")
        if (self.number == 0) != (self.kind is Kind.RECORDED):
            want = "number 0 for the history as recorded, and for no other"
            raise ScenarioError("scenario", self.name, want)

    @property
    def name(self) -> str:
        """How rows and reports call it; another seed than 0 is part of it."""
        return f"{self.number}-{self.kind}{f'-seed{self.seed}' if self.seed else ''}"

    def changes(self) -> dict[str, float]:
        """Return the parameters of the change and their values; none for history as recorded."""
        if self.kind is Kind.RECORDED:
            return {}
        return {"seed": float(self.seed), **self._parameters()}

    def _parameters(self) -> dict[str, float]:
        """Return what (U1) to (U3) are made with."""
        if self.kind is Kind.LOAD_NOISE:
            return {"load_day_spread": _LOAD_DAY_SPREAD, "load_slot_spread": _LOAD_SLOT_SPREAD}
        draw = np.random.default_rng([self.seed, self.number])
        if self.kind is Kind.PV_SCALE:
            return {"pv_factor": round(float(draw.uniform(*_PV_FACTORS)), _DECIMALS)}
        return {"price_shift_per_kwh": round(float(draw.uniform(*_PRICE_SHIFTS)), _DECIMALS)}


def scenarios(count: int, seed: int) -> tuple[Scenario, ...]:
    """Return the first scenarios; the history as recorded is one of them.

    Raises:
        ScenarioError: fewer than one, or a negative seed.
    """
    if count < 1:
        raise ScenarioError("scenarios", count, "1 or more; the first is the history as recorded")
    first = Scenario(number=0, kind=Kind.RECORDED, seed=0)
    others = (
        Scenario(number=n, kind=_CYCLE[(n - 1) % len(_CYCLE)], seed=seed) for n in range(1, count)
    )
    return (first, *others)


def augmented(facts: Facts, model: HomeModel, scenario: Scenario) -> Facts:
    """Return the facts of a home as a scenario has them."""
    if scenario.kind is Kind.RECORDED:
        return facts
    change = _Drawn(scenario=scenario, changes=scenario.changes())
    return ChangedFacts(facts=facts, model=model, change=change)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """What a scenario changes; ``sim.changed_facts.Change``."""

    scenario: Scenario
    changes: Mapping[str, float]

    def factors(self, channel: Channel, slots: I64) -> F64:
        """Return what the (N,) slots of a channel are multiplied with (U1, U2)."""
        if channel is Channel.PV_KWH and self.scenario.kind is Kind.PV_SCALE:
            return np.full(slots.size, self.changes["pv_factor"])
        if channel is Channel.LOAD_KWH and self.scenario.kind is Kind.LOAD_NOISE:
            return _load_factors(self.scenario, slots)
        return np.ones(slots.size)

    def spot(self) -> SpotChange:
        """Return what becomes of spot prices (U3)."""
        if self.scenario.kind is not Kind.PRICE_SHIFT:
            return AS_STORED
        return SpotChange(1.0, self.changes["price_shift_per_kwh"])


def _load_factors(scenario: Scenario, slots: I64) -> F64:
    """Return the factor of each of the (N,) slots (U1)."""
    days, row = np.unique(slots // _DAY_SECONDS, return_inverse=True)
    if not days.size:
        return np.empty(0)
    factors = np.stack([_day_factors(scenario, day) for day in days.tolist()])
    return factors[row, slots % _DAY_SECONDS // SLOT_SECONDS]


def _day_factors(scenario: Scenario, day: int) -> F64:
    """Return the factors of the (96,) slots of a UTC day, counted from 1970 (U1)."""
    draw = np.random.default_rng([scenario.seed, scenario.number, day])
    normal = draw.standard_normal(1 + _SLOTS_A_DAY)
    wide, narrow = _LOAD_DAY_SPREAD, _LOAD_SLOT_SPREAD
    factors: F64 = np.exp(wide * normal[0] + narrow * normal[1:] - (wide**2 + narrow**2) / 2.0)
    return factors
