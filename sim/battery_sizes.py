"""The same house with batteries of other sizes: a year of closed loop each, and what each saves.

    home = sized(model, 20.0)                         # the same C-rate, efficiency and SoC window
    years = run_sizes([home, ...], stretches, workers=2)

Every size meets the same load, PV and prices, and plans on the same forecasts, which are made once.

    bill saving = bill without a battery - (bill - what stored energy gained)             (BS1)
    full cycles = discharge / eta_d / capacity                                            (BS2)
    payback     = t with  cost = integral from 0 to t of  yearly bill saving * (1 - fade)^u du
                = cost / yearly bill saving                                without fade   (BS3)

Wear is told beside the saving and taken off nowhere: what a battery costs is in its cost, and its
wear once more in (BS3) would count it twice. Plans weigh it all the same, as the home's own do.
Money in the home's currency, kWh per slot at the AC bus, ratios.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from math import fsum, inf, log1p

import numpy as np

from mpc import Battery, Site, TerminalCurve
from mpc.site import as_limit
from sim.asof import Forecasts
from sim.episode_day import HeldForecasts
from sim.errors import RefusedError, ScenarioError
from sim.history import Realised
from sim.planning import HomeModel, half_full, zone_of
from sim.replay import Dispatch, Policy, Replay, ReplayDaySums, replay
from sim.resized import Power, resized
from sim.window import ReplayWindow, day_after_curve, replay_window
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, from_epoch, local_calendar, to_epoch

__all__ = ["SizeYear", "payback_years", "run_sizes", "sized"]

_PART_DAYS = 28
"""Forecasts of so many days are held at once, 25 MB; the next ones are made meanwhile."""
_HOURS = SLOT_MINUTES / 60.0
_OVER_KWH = 1e-9

Stretches = Sequence[tuple[Realised, Forecasts]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carried:
    """A battery carried through all days.

    Attributes:
        policy: what decides.
        home: with the battery.
        soc_start_kwh: stored at the start.
        soc_kwh: stored at the end, so far.
        days: the sums of every local day.
        broken_slots: how many imported or exported more than the grid connection carries.
        highs_days: days planned by HiGHS, as the storage engine could not.
    """

    policy: Policy
    home: HomeModel
    soc_start_kwh: float
    soc_kwh: float
    days: tuple[ReplayDaySums, ...] = ()
    broken_slots: int = 0
    highs_days: int = 0

    def total(self, name: str) -> float:
        """Return the sum of a number of ``ReplayDaySums`` over all days."""
        return fsum(getattr(day, name) for day in self.days)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SizeYear:
    """What a house with one battery did and paid; money and energy of all days, not of a year.

    Attributes:
        planned: the closed loop of plans by the storage engine, dispatched on energy value.
        self_use: plain self-consumption with the same battery.
        terminal: what stored energy is worth at the end of the last day.
    """

    planned: Carried
    self_use: Carried
    terminal: TerminalCurve

    @property
    def battery(self) -> Battery:
        """Its nameplate."""
        return self.planned.home.site.battery

    @property
    def days(self) -> int:
        """How many local days were gone through."""
        return len(self.planned.days)

    def net_bill(self, course: Carried) -> float:
        """Return the bill less what stored energy gained, of ``planned`` or ``self_use``."""
        gained = self.terminal.value(course.soc_kwh) - self.terminal.value(course.soc_start_kwh)
        return course.total("bill") - gained

    @property
    def cycles(self) -> float:
        """Full cycles of all days (BS2); 0 without a battery."""
        if self.battery.capacity_kwh == 0.0:
            return 0.0
        taken_out_kwh = self.planned.total("discharge_kwh") / self.battery.discharge_efficiency
        return taken_out_kwh / self.battery.capacity_kwh


def sized(home: HomeModel, capacity_kwh: float, max_kw: float | None = None) -> HomeModel:
    """Return the home with a battery of another capacity, its power scaled along or given.

    Args:
        home: the home; its limits are the same in every slot.
        capacity_kwh: what the battery can store, 0 or more.
        max_kw: power both ways instead; None: as the ratio says.

    Raises:
        ScenarioError: the home has no battery whose ratio could be kept, and no power is given.
        SiteError: no battery has such a nameplate.
    """
    power: Power | float = "scaled"
    if max_kw is not None:
        power = max_kw if capacity_kwh > 0.0 else 0.0
    battery = resized(home.site.battery, capacity_kwh, power=power)
    return replace(home, site=replace(home.site, battery=battery))


def run_sizes(
    homes: Sequence[HomeModel], stretches: Stretches, *, workers: int
) -> tuple[SizeYear, ...]:
    """Carry every battery through the same stretches of whole local days, one after the other.

    What is stored at the end of a stretch is stored at the start of the next; only the end of the
    last one is valued, by the 24 h that follow it.

    Args:
        homes: the home with each battery; limits are the same in every slot.
        stretches: what happened, and what was known; 24 h that follow the last are known.
        workers: threads that share the sizes; kernels leave the interpreter to others.

    Raises:
        ReplayError: less than 24 h follow, or forecasts do not fit.
        PlanError, ForecastError: facts that cannot be planned with.
    """
    curves = [day_after_curve(home.site, stretches[-1][0]) for home in homes]
    policies = (Policy.STORAGE, Policy.SELF_USE)
    courses = [_begun(home, policy) for home in homes for policy in policies]
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(_same, course) for course in courses]
        zone = zone_of(homes[0])
        for part in _parts(stretches, zone):  # made here while its forerunner is gone through
            waiting = [pool.submit(_moved, before.result(), *part) for before in waiting]
        done = [course.result() for course in waiting]
    return tuple(
        SizeYear(planned=planned, self_use=self_use, terminal=curve)
        for planned, self_use, curve in zip(done[::2], done[1::2], curves, strict=True)
    )


def _begun(home: HomeModel, policy: Policy) -> Carried:
    """Return a battery half full, or at the edge of its window next to it."""
    resting, start = home.site.battery.capacity_kwh == 0.0, half_full(home)[0]
    return Carried(
        policy=Policy.NO_BATTERY if resting else policy,
        home=home,
        soc_start_kwh=start,
        soc_kwh=start,
    )


def _same(course: Carried) -> Carried:
    """Return what is given: where every future begins."""
    return course


def _parts(stretches: Stretches, zone: str) -> Iterator[tuple[Realised, HeldForecasts]]:
    """Yield some weeks after the other: what happened, and what was known at each slot."""
    for happened, forecasts in stretches:
        slots = to_epoch(happened.start) + SLOT_SECONDS * np.arange(happened.slots, dtype=np.int64)
        days = local_calendar(slots, zone).day
        firsts = np.flatnonzero(np.diff(days, prepend=-1))[::_PART_DAYS]
        for low, high in pairwise([*firsts.tolist(), happened.slots]):
            start = from_epoch(int(slots[low]))
            known = forecasts.known(low, high - low)
            yield (
                _cut(happened, low, high),
                HeldForecasts(name=forecasts.name, start=start, arrays=known),
            )


def _cut(happened: Realised, low: int, high: int) -> Realised:
    """Return the slots from ``low`` to ``high``, nothing after them."""
    names = ("load_kwh", "pv_kwh", "import_price", "export_price", "spot")
    return replace(
        happened,
        start=happened.start + low * timedelta(minutes=SLOT_MINUTES),
        slots=high - low,
        **{name: getattr(happened, name)[low:high] for name in names},
    )


def _moved(course: Carried, happened: Realised, forecasts: HeldForecasts) -> Carried:
    """Return a battery carried through some days more."""
    nothing = TerminalCurve.of(0.0)  # what is left is valued at the very end alone
    window = replay_window(course.home, happened, soc_start_kwh=course.soc_kwh, terminal=nothing)
    result, by_highs = _replayed(window, course.policy, forecasts)
    days = result.by_day()
    return replace(
        course,
        soc_kwh=result.soc_end_kwh,
        days=course.days + days,
        broken_slots=course.broken_slots + _broken(result, course.home.site),
        highs_days=course.highs_days + (len(days) if by_highs else 0),
    )


def _replayed(
    window: ReplayWindow, policy: Policy, forecasts: HeldForecasts
) -> tuple[Replay, bool]:
    """Return the replay, and whether HiGHS planned what the storage engine could not."""
    if policy is not Policy.STORAGE:
        return replay(window, policy), False
    try:
        return replay(window, policy, forecasts, Dispatch.VALUE), False
    except RefusedError:
        return replay(window, Policy.PLAN, forecasts, Dispatch.VALUE), True


def _broken(result: Replay, site: Site) -> int:
    """Return in how many slots a limit of the grid connection was broken."""
    most = np.asarray(as_limit(site.grid.max_import_kw)) * _HOURS + _OVER_KWH
    least = np.asarray(as_limit(site.grid.max_export_kw)) * _HOURS + _OVER_KWH
    return int(((result.import_kwh > most) | (result.export_kwh > least)).sum())


def payback_years(cost: float, yearly_saving: float, fade: float = 0.0) -> float:
    """Return after how many years the bill savings have paid the cost (BS3); infinity: never.

    Args:
        cost: what the battery costs, subsidy taken off.
        yearly_saving: of the bill, in the first year.
        fade: by what ratio the saving shrinks a year, in [0, 1).

    Raises:
        ScenarioError: a fade outside [0, 1).

    >>> payback_years(50_000.0, 5_000.0)
    10.0
    """
    if not 0.0 <= fade < 1.0:
        raise ScenarioError("fade", fade, "a ratio in [0, 1), 0.02 for 2 % a year")
    if cost <= 0.0:
        return 0.0
    if yearly_saving <= 0.0:
        return inf
    if fade == 0.0:
        return cost / yearly_saving
    rate = log1p(-fade)
    shrunk = cost * rate / yearly_saving
    return log1p(shrunk) / rate if shrunk > -1.0 else inf
