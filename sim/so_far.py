"""What a house has saved today, and what the last days could have cost: by its own meters.

    paid        = import_price * import - export_price * export + wear * discharge            (SF1)
    no battery  = (SF1) of load and PV by physics, the battery at rest
    saved       = no battery - paid + value * (stored now - stored at midnight)               (SF2)
    regret[day] = paid - terminal gained - (the same of the optimum of that day)              (SF3)

(SF2) sums over the slots of which everything is known; ``value`` is what the plan in force takes
stored energy to be worth. The optimum of (SF3) knows the whole day, starts with what was stored at
its midnight, and what is left is worth the same to both: by the 24 h after the day, or, where they
are not known yet, by the day itself. It comes from HiGHS, so that nothing has to be compiled.
Money in the home's currency, kWh, UTC.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from mpc import Horizon, Planner, TerminalCurve, terminal_curve
from sim.baselines import cost_of_plan, no_battery
from sim.facts import Facts
from sim.metered import Meters, read_meters, slot_prices
from sim.planning import AFTER, HomeModel, has_pv, zone_of
from telemetry.arrays import F64, Bool
from telemetry.slots import SLOT_MINUTES, local_day, slot_of, zone_info

__all__ = ["DayRegret", "SoFar", "day_regret", "so_far"]

_SLOT = timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """What a day has saved so far against no battery.

    Attributes:
        until: end of the newest slot that counts, UTC; midnight where none does.
        slots: slots of the day until then.
        counted: of them, with everything known.
        paid: (SF1) of these.
        no_battery: what they would have cost without.
        stored_kwh: more stored than at midnight; None where one of the two is not known.
        stored_worth: of that; None where it is not known, nor counted then.
    """

    until: datetime
    slots: int
    counted: int
    paid: float
    no_battery: float
    stored_kwh: float | None
    stored_worth: float | None

    @property
    def saved(self) -> float:
        """What is saved (SF2)."""
        return self.no_battery - self.paid + (self.stored_worth or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRegret:
    """What a day cost more than it had to.

    Attributes:
        local_date: the day.
        regret: (SF3); None where not everything is known.
        missing: what is not known; "" where all is.
    """

    local_date: date
    regret: float | None
    missing: str = ""


def so_far(
    store: Facts, model: HomeModel, now: datetime, value_per_kwh: float | None
) -> SoFar | None:
    """Return what today has saved; None where the grid has no readings today.

    Args:
        store: where the facts are.
        model: the home; it has a battery.
        now: the moment.
        value_per_kwh: what stored energy is taken to be worth; None: nobody knows.

    Raises:
        SimError, TelemetryError: facts that cannot be used.
    """
    today = now.astimezone(zone_info(zone_of(model))).date()
    start, end = local_day(today, zone_of(model))[0], slot_of(now)
    if end <= start:
        return None
    seen = _day(store, model, start, end)
    if seen is None or not seen.known.any():
        return None
    meters, known = seen.meters, seen.known
    last = int(np.flatnonzero(known)[-1]) + 1
    battery = model.site.battery
    discharge = meters.discharge_kwh if meters.wear_known else np.zeros(len(meters))
    money = seen.import_price * meters.import_kwh - seen.export_price * meters.export_kwh
    paid = float((money + battery.wear_cost_per_kwh * discharge)[known].sum())
    rest = no_battery(model.site, seen.horizon(known), _least(model), TerminalCurve.of(0.0))
    gained = float(meters.stored_kwh[last] - meters.stored_kwh[0])
    unknown = bool(np.isnan(gained))
    return SoFar(
        until=start + last * _SLOT,
        slots=last,
        counted=int(known.sum()),
        paid=paid,
        no_battery=rest.bill,
        stored_kwh=None if unknown else gained,
        stored_worth=None if unknown or value_per_kwh is None else gained * value_per_kwh,
    )


def day_regret(store: Facts, model: HomeModel, day: date) -> DayRegret:
    """Return what a day that is over cost more than it had to (SF3).

    Raises:
        SimError, PlanError, TelemetryError: facts that cannot be used.
    """
    start, end = local_day(day, zone_of(model))
    seen = _day(store, model, start, end)
    if seen is None:
        return DayRegret(local_date=day, regret=None, missing="readings of the grid")
    if missing := seen.missing():
        return DayRegret(local_date=day, regret=None, missing=missing)
    meters, battery = seen.meters, model.site.battery
    curve = _curve(store, model, seen, end)
    discharge = meters.discharge_kwh
    money = seen.import_price * meters.import_kwh - seen.export_price * meters.export_kwh
    first, last = float(meters.stored_kwh[0]), float(meters.stored_kwh[-1])
    paid = float((money + battery.wear_cost_per_kwh * discharge).sum())
    paid -= curve.value(last) - curve.value(first)
    horizon = seen.horizon(seen.known, curve)
    best = cost_of_plan(Planner(model.site).plan(horizon, first), curve)
    return DayRegret(local_date=day, regret=paid - best)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Day:
    """(N,) slots of a day: what was measured, and what it was billed at; NaN where unknown."""

    start: datetime
    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    meters: Meters

    @property
    def known(self) -> Bool:
        """Slots of which everything that money needs is known."""
        parts = (self.load_kwh, self.pv_kwh, self.import_price, self.export_price)
        gone = np.zeros(self.load_kwh.size, dtype=np.bool_)
        for part in parts:
            gone |= np.isnan(part)
        for _, lacks in self.meters.missing():
            gone |= lacks
        return ~gone

    def missing(self) -> str:
        """Return what keeps the day from being judged as a whole; "" where nothing does."""
        named = (("load", self.load_kwh), ("PV", self.pv_kwh), ("prices", self.import_price))
        for name, values in named:
            if count := int(np.isnan(values).sum()):
                return f"{name} of {count} slots"
        for name, gone in self.meters.missing():
            if gone.any():
                return f"{name} of {int(gone.sum())} slots"
        if not self.meters.wear_known:
            return "readings of the battery's discharge"
        unread = np.isnan(self.meters.stored_kwh[[0, -1]]).any()
        return "the state of charge at its midnights" if unread else ""

    def horizon(self, part: Bool | None = None, terminal: TerminalCurve | None = None) -> Horizon:
        """Return some slots as a horizon; its start does not matter where slots are left out."""
        keep = slice(None) if part is None else part
        return Horizon(
            start=self.start,
            slot_minutes=SLOT_MINUTES,
            import_price=self.import_price[keep],
            export_price=self.export_price[keep],
            load_kwh=self.load_kwh[keep],
            pv_kwh=self.pv_kwh[keep],
            terminal_value=terminal,
        )


def _day(store: Facts, model: HomeModel, start: datetime, end: datetime) -> _Day | None:
    """Read the slots in [start, end); None where the grid has no readings."""
    meters = read_meters(store, model, start, end)
    if meters is None:
        return None
    seen = store.observations(model.home.home_id, ["load_kwh", "pv_kwh"], start, end)
    pv = seen.of("pv_kwh")
    if not has_pv(store, model, None):
        pv = np.zeros(pv.size)
    imports, exports = slot_prices(store, model, start, end)
    return _Day(
        start=start,
        load_kwh=seen.of("load_kwh"),
        pv_kwh=pv,
        import_price=imports,
        export_price=exports,
        meters=meters,
    )


def _curve(store: Facts, model: HomeModel, seen: _Day, end: datetime) -> TerminalCurve:
    """Return what is left at a day's end is worth: by the 24 h after it, else by the day."""
    after = _day(store, model, end, end + AFTER)
    known = (
        after is not None
        and not np.isnan(
            np.stack([after.load_kwh, after.pv_kwh, after.import_price, after.export_price])
        ).any()
    )
    follows = after if after is not None and known else seen
    return terminal_curve(model.site, follows.horizon())


def _least(model: HomeModel) -> float:
    """Return an energy that a battery at rest may hold in every slot."""
    return float(np.max(np.asarray(model.site.battery.min_soc_kwh)))
