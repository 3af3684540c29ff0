"""What if: the changes to a home and its day that the Lab plans with, and how they add up.

    WhatIf(battery_kwh=20.0) & WhatIf(load_scale=1.2) & WhatIf(export_kwh=4.0)

Changes of the *world* (battery, tariff, prices, load, PV, whether the battery may export) hold in
all that the Lab reads and plans; *wishes* (an export target, manual blocks, relaxed economics) are
for one plan. Two changes of a price or a scale follow one another:

    spot' = price_scale * spot + price_shift_per_kwh                                     (WI1)

and of everything else there can be one. Units: kWh, kW, the home's currency per kWh, UTC.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

import numpy as np

from mpc import Tariff
from mpc.requests import KINDS, Kind
from sim.errors import ScenarioError
from telemetry.slots import SLOT_SECONDS, to_epoch

__all__ = ["Relaxed", "TimedBlock", "WhatIf"]

T = TypeVar("T")

_SCALES = ("price_scale", "load_scale", "pv_scale")
_CONDITIONS = ("tariff", "price_shift_per_kwh", *_SCALES)
_CHOICES = ("battery_kwh", "battery_kw", "battery_export")
_WISHES = ("export_kwh", "at_any_cost", "blocks", "relaxed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """How far the economics may be relaxed to reach a target; the least that does it is taken.

    Attributes:
        wear_cost_per_kwh: the lowest wear to plan with; None: that of the home.
        export_margin_per_kwh: the lowest margin to plan with; None: that of the home.
    """

    wear_cost_per_kwh: float | None = None
    export_margin_per_kwh: float | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that no home has."""
        for name in ("wear_cost_per_kwh", "export_margin_per_kwh"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < np.inf:
                raise ScenarioError(f"relaxed.{name}", value, "0 or more")
        if self.wear_cost_per_kwh is None and self.export_margin_per_kwh is None:
            raise ScenarioError("relaxed", "without a bound", "a lowest wear, margin, or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedBlock:
    """A stretch of time in which the battery is told what to do (``mpc.Block``).

    Attributes:
        kind: charge, export or hold.
        start: its first slot's start, aware.
        end: its last slot's end, aware.
        target_soc_kwh: stored energy at its end: at least this for charge, at most for export;
            None: as much as the battery can, and always for hold.
    """

    kind: Kind
    start: datetime
    end: datetime
    target_soc_kwh: float | None = None

    def __post_init__(self) -> None:
        """Refuse times that are no slots."""
        if self.kind not in KINDS:
            raise ScenarioError("block.kind", repr(self.kind), f"one of {', '.join(KINDS)}")
        for name in ("start", "end"):
            moment = getattr(self, name)
            if moment.utcoffset() is None or to_epoch(moment) % SLOT_SECONDS:
                raise ScenarioError(f"block.{name}", moment.isoformat(), "an aware quarter-hour")
        if not to_epoch(self.start) < to_epoch(self.end):
            raise ScenarioError("block", str(self), "an end after its start")
        if self.kind == "hold" and self.target_soc_kwh is not None:
            raise ScenarioError("block.target_soc_kwh", self.target_soc_kwh, "none for hold")

    def __str__(self) -> str:
        """Return the block in a few words."""
        target = "" if self.target_soc_kwh is None else f" to {self.target_soc_kwh:g} kWh"
        return f"{self.kind} {self.start:%H:%M} to {self.end:%H:%M}{target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What is different; without any argument nothing is.

    Attributes:
        export_kwh: battery energy to give to the grid over the day, beyond the net load and on top
            of what the baseline gives.
        at_any_cost: ask for it where no plan of this home would sell at all, too.
        battery_kwh: capacity; the state-of-charge window keeps its share of it, the power stays.
        battery_kw: power in and out.
        battery_export: whether the battery may export; None: as the home has it.
        tariff: what is paid on top of spot.
        price_shift_per_kwh: what every spot price has more (WI1), home's currency.
        price_scale: what it is multiplied with before.
        load_scale: what the load is multiplied with, as measured and as forecast.
        pv_scale: what PV is multiplied with.
        blocks: what the battery is told to do, in order of time.
        relaxed: how far the economics may be relaxed to reach ``export_kwh``.
    """

    export_kwh: float | None = None
    at_any_cost: bool = False
    battery_kwh: float | None = None
    battery_kw: float | None = None
    battery_export: bool | None = None
    tariff: Tariff | None = None
    price_shift_per_kwh: float = 0.0
    price_scale: float = 1.0
    load_scale: float = 1.0
    pv_scale: float = 1.0
    blocks: tuple[TimedBlock, ...] = ()
    relaxed: Relaxed | None = None

    def __post_init__(self) -> None:
        """Refuse what no home has, and wishes without an aim."""
        for name in ("export_kwh", "battery_kwh", "battery_kw", *_SCALES):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < np.inf:
                raise ScenarioError(name, value, "a finite number, 0 or more")
        if not np.isfinite(self.price_shift_per_kwh):
            raise ScenarioError("price_shift_per_kwh", self.price_shift_per_kwh, "a finite number")
        if self.export_kwh is None and (self.relaxed is not None or self.at_any_cost):
            want = "export_kwh along with it: it is relaxed to reach a target"
            raise ScenarioError("relaxed or at_any_cost", "given alone", want)
        if self.relaxed is not None and self.at_any_cost:
            raise ScenarioError("relaxed and at_any_cost", "both given", "one of the two")
        self._order_blocks()

    def _order_blocks(self) -> None:
        """Bring blocks in order of time and refuse two at once."""
        ordered = tuple(sorted(self.blocks, key=lambda block: to_epoch(block.start)))
        for one, other in pairwise(ordered):
            if to_epoch(other.start) < to_epoch(one.end):
                raise ScenarioError("blocks", f"{one} and {other}", "none over another; cut one")
        object.__setattr__(self, "blocks", ordered)

    def __and__(self, other: "WhatIf") -> "WhatIf":
        """Return both changes together.

        Raises:
            ScenarioError: where both give what can be given once, or blocks overlap.
        """
        return WhatIf(
            export_kwh=_one("export_kwh", self.export_kwh, other.export_kwh),
            at_any_cost=self.at_any_cost or other.at_any_cost,
            battery_kwh=_one("battery_kwh", self.battery_kwh, other.battery_kwh),
            battery_kw=_one("battery_kw", self.battery_kw, other.battery_kw),
            battery_export=_one("battery_export", self.battery_export, other.battery_export),
            tariff=_one("tariff", self.tariff, other.tariff),
            price_shift_per_kwh=self.price_shift_per_kwh * other.price_scale
            + other.price_shift_per_kwh,
            price_scale=self.price_scale * other.price_scale,
            load_scale=self.load_scale * other.load_scale,
            pv_scale=self.pv_scale * other.pv_scale,
            blocks=(*self.blocks, *other.blocks),
            relaxed=_one("relaxed", self.relaxed, other.relaxed),
        )

    @property
    def world(self) -> "WhatIf":
        """The same without its wishes: what holds in all that is read and planned."""
        unchanged = WhatIf()
        return replace(self, **{name: getattr(unchanged, name) for name in _WISHES})

    @property
    def conditions(self) -> "WhatIf":
        """What of it the home does not choose: tariff, prices, load and PV."""
        unchanged = WhatIf()
        return replace(self.world, **{name: getattr(unchanged, name) for name in _CHOICES})

    @property
    def choices(self) -> "WhatIf":
        """The same without ``conditions``."""
        unchanged = WhatIf()
        return replace(self, **{name: getattr(unchanged, name) for name in _CONDITIONS})

    @property
    def has_wishes(self) -> bool:
        """Whether it asks something of a plan."""
        return self.world != self

    def __str__(self) -> str:
        """Return the changes in a few words; "as it is" where there are none."""
        return ", ".join(_told(self)) or "as it is"


def _one(name: str, first: T | None, second: T | None) -> T | None:
    """Return the one of two values that is given.

    Raises:
        ScenarioError: both are, and differ.
    """
    if first is None or second is None or first == second:
        return second if first is None else first
    raise ScenarioError(name, f"given twice: {first} and {second}", "one of them")


def _told(case: WhatIf) -> list[str]:
    """Return every change in words."""
    words = {
        "export_kwh": "export {:g} kWh more",
        "battery_kwh": "battery {:g} kWh",
        "battery_kw": "battery {:g} kW",
    }
    given = {text: getattr(case, name) for name, text in words.items()}
    found = [text.format(value) for text, value in given.items() if value is not None]
    found += ["at any cost"] * case.at_any_cost
    if case.battery_export is not None:
        found.append("battery export" if case.battery_export else "no battery export")
    found += ["other tariff"] * (case.tariff is not None)
    names = {"price_scale": "spot", "load_scale": "load", "pv_scale": "PV"}
    scales = {told: getattr(case, name) for name, told in names.items()}
    found += [f"{told} x {value:g}" for told, value in scales.items() if value != 1.0]
    if case.price_shift_per_kwh:
        found.append(f"spot {case.price_shift_per_kwh:+g}")
    return found + [str(block) for block in case.blocks] + ["relaxed"] * (case.relaxed is not None)
