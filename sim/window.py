"""The stretch of history that policies are compared on: what happened, limits, one end value.

    window = replay_window(model, realised, soc_start_kwh=5.0)

Every policy starts with the same stored energy, meets the same load, PV and prices, breaks limits
at the same price (Q4 of ``mpc.problem``, made over the whole window) and is credited for what it
leaves in the battery by one curve, made from the realised 24 h that follow. A window is arrays and
the site's numbers: it can go to another process, and takes no address or place with it. Arrays are
(N,), kWh per 15-minute slot at the AC bus and currency per kWh.
"""

from dataclasses import dataclass, fields
from datetime import UTC, timedelta

import numpy as np

from mpc import Horizon, Site, TerminalCurve, terminal_curve
from mpc.errors import SiteError
from mpc.problem import Problem, make_problem
from mpc.rules import Rules, slot_limits
from sim.errors import ReplayError
from sim.history import Realised
from sim.planning import AFTER, HomeModel, zone_of
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_calendar, to_epoch

__all__ = [
    "DAY_AFTER_SLOTS",
    "ReplayWindow",
    "day_after_curve",
    "horizon_slots",
    "refuse_limits_by_slot",
    "replay_window",
    "window_of",
]

DAY_AFTER_SLOTS = int(AFTER.total_seconds()) // SLOT_SECONDS
"""Slots that follow a horizon or a window, from which the worth of what is left is made."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayWindow:
    """N slots of a home's history, ready for every policy.

    Attributes:
        horizon_slots: T, the slots of a plan.
        realised: what happened in the window and after it.
        problem: the whole window as one planning problem, valued by the common curve.
        rules: of the site, with the window's price of a broken limit.
        actual: (N, 4) what happened, columns as in ``mpc.rules.Slot``.
        limits: (N + T + 96, 9) of the slots and all that plans look at, as ``mpc.rules.Limits``.
        local_day: (N,) proleptic ordinal of each slot's local date.
    """

    horizon_slots: int
    realised: Realised
    problem: Problem
    rules: Rules
    actual: F64
    limits: F64
    local_day: I64

    def __len__(self) -> int:
        """Return N, the number of slots."""
        return int(self.actual.shape[0])

    @property
    def terminal(self) -> TerminalCurve:
        """What the energy left at the end is worth, the same for every policy."""
        return self.problem.terminal

    @property
    def soc_start_kwh(self) -> float:
        """Stored energy at the start."""
        return self.problem.soc_start_kwh

    @property
    def site(self) -> Site:
        """The physical house."""
        return self.problem.site

    @property
    def slots_ahead(self) -> int:
        """A, the slots of a plan and those that value its end."""
        return self.horizon_slots + DAY_AFTER_SLOTS

    def utc(self, slot: int) -> str:
        """Return the start of a slot as text, UTC."""
        moment = self.realised.start + slot * timedelta(minutes=SLOT_MINUTES)
        return moment.astimezone(UTC).isoformat()


def replay_window(
    home: HomeModel,
    realised: Realised,
    *,
    soc_start_kwh: float | None = None,
    terminal: TerminalCurve | None = None,
) -> ReplayWindow:
    """Return the window of ``realised``.

    Args:
        home: the home; the limits of its site are the same in every slot.
        realised: what happened in the window and in the 24 h that follow.
        soc_start_kwh: stored energy at the start; half the capacity where it is not given.
        terminal: worth of the energy left; made from the 24 h that follow where it is not given.

    Raises:
        ReplayError: where less than 24 h follow the window and no curve was given.
        SiteError: where a limit differs from slot to slot.
        StateError: where the battery cannot hold ``soc_start_kwh``.
        KnownInputsError: the home has no zone.
    """
    site = home.site
    refuse_limits_by_slot(site)
    if terminal is None:
        terminal = day_after_curve(site, realised)
    start = 0.5 * site.battery.capacity_kwh if soc_start_kwh is None else soc_start_kwh
    zone, slots = zone_of(home), horizon_slots(home)
    return window_of(site, zone, realised, start, terminal, horizon_slots=slots)


def window_of(
    site: Site,
    zone: str,
    realised: Realised,
    soc_start_kwh: float,
    terminal: TerminalCurve,
    *,
    horizon_slots: int,
) -> ReplayWindow:
    """Return the window of a site by itself, whatever home it belongs to.

    Args:
        site: its limits are the same in every slot.
        zone: of the local days.
        realised: what happened in the window.
        soc_start_kwh: stored energy at the start.
        terminal: worth of the energy left.
        horizon_slots: T of a plan.

    Raises:
        StateError: where the battery cannot hold ``soc_start_kwh``.
    """
    slots = realised.slots
    problem = make_problem(site, _horizon(realised, slice(0, slots), terminal), soc_start_kwh)
    series = (problem.load, problem.pv, problem.import_price, problem.export_price)
    epochs = to_epoch(realised.start) + SLOT_SECONDS * np.arange(slots, dtype=np.int64)
    ahead = horizon_slots + DAY_AFTER_SLOTS
    return ReplayWindow(
        horizon_slots=horizon_slots,
        realised=realised,
        problem=problem,
        rules=problem.rules,
        actual=np.stack(series, axis=1),
        limits=slot_limits(site, np.full(slots + ahead, SLOT_MINUTES / 60.0)),
        local_day=local_calendar(epochs, zone).day,
    )


def horizon_slots(home: HomeModel) -> int:
    """Return T, how many slots a plan of the home covers."""
    return home.horizon_hours * 60 // SLOT_MINUTES


def refuse_limits_by_slot(site: Site) -> None:
    """Refuse limits that differ from slot to slot: whose slots they are is not said.

    Raises:
        SiteError: there is one.
    """
    for prefix, owner in (("battery", site.battery), ("grid", site.grid), ("site", site)):
        for field in fields(owner):
            value = getattr(owner, field.name)
            if isinstance(value, np.ndarray):
                raise SiteError(
                    f"{prefix}.{field.name}",
                    f"an array of {value.size} values",
                    "one value: the limits of a replay hold in every slot",
                )


def day_after_curve(site: Site, realised: Realised) -> TerminalCurve:
    """Return the curve of the realised 24 h after the window.

    Raises:
        ReplayError: fewer are known.
    """
    if realised.after < DAY_AFTER_SLOTS:
        raise ReplayError(
            realised.home_id,
            f"{realised.after} slots are known after the window, {DAY_AFTER_SLOTS} are needed to "
            "value what is left in the battery",
            "end the window 24 h earlier, or give `terminal`",
        )
    days_after = slice(realised.slots, realised.slots + DAY_AFTER_SLOTS)
    return terminal_curve(site, _horizon(realised, days_after, None))


def _horizon(realised: Realised, part: slice, terminal: TerminalCurve | None) -> Horizon:
    """Return some realised slots as a horizon; its start does not matter here."""
    return Horizon(
        start=realised.start,
        slot_minutes=SLOT_MINUTES,
        import_price=realised.import_price[part],
        export_price=realised.export_price[part],
        load_kwh=realised.load_kwh[part],
        pv_kwh=realised.pv_kwh[part],
        terminal_value=terminal,
    )
