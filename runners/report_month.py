"""A month's savings in words and numbers, as table, page, picture and JSON all tell them.

Money in the home's currency, energy in kWh, times in the home's zone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from runners.output import many
from runners.replay_report import PARTS
from sim.savings import Account, Course
from sim.savings_month import Savings
from telemetry.slots import SLOT_SECONDS

__all__ = ["NAMES", "REGRET", "SHORT_NAMES", "MonthReport", "brief", "fixed", "money", "percent"]

NAMES = {
    Course.PAID: "paid",
    Course.NO_BATTERY: "no battery",
    Course.SELF_USE: "self-consumption",
    Course.DARKSTAR: "Darkstar, replayed",
    Course.ORACLE: "oracle",
}
"""What each course is called."""
SHORT_NAMES = {
    Course.PAID: "paid",
    Course.NO_BATTERY: "none",
    Course.SELF_USE: "self-use",
    Course.DARKSTAR: "Darkstar",
    Course.ORACLE: "oracle",
}
"""The same above narrow columns."""
REGRET = "regret"
"""What the sum of the causes is called."""
_NOTHING = 0.005
_ROUNDING = 1e-9
_LARGE = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MonthReport:
    """What a month cost, and what it would have cost otherwise.

    Attributes:
        home_id: the home.
        name: what people call it.
        zone: of its days.
        currency: of all money.
        price_area: whose spot prices it pays.
        price_pairing: by how many days these are shifted; None: they are the home's own.
        battery: its nameplate in words.
        month: its first day.
        savings: the numbers.
        bridge_hours: how long PV could be missing to be read off its neighbours.
    """

    home_id: str
    name: str
    zone: str
    currency: str
    price_area: str
    price_pairing: int | None
    battery: str
    month: date
    savings: Savings
    bridge_hours: float = 0.0

    @property
    def accounts(self) -> dict[Course, Account]:
        """The account of every course on the days compared."""
        return {account.course: account for account in self.savings.accounts}

    @property
    def metered(self) -> bool:
        """Whether the meters recorded what was paid."""
        return self.savings.metered

    def saved(self, course: Course) -> float:
        """Return by how much a course is cheaper than no battery."""
        return self.accounts[Course.NO_BATTERY].cost - self.accounts[course].cost

    def share(self, course: Course) -> float:
        """Return the share of what the oracle saves; NaN where there is nothing to save."""
        most = self.saved(Course.ORACLE)
        small = abs(most) <= _ROUNDING * (1.0 + abs(self.saved(course)))
        return math.nan if small else self.saved(course) / most

    @property
    def headline(self) -> str:
        """What a reader wants to know first."""
        subject = Course.PAID if self.metered else Course.DARKSTAR
        accounts, unit = self.accounts, self.currency
        account, cost = accounts[subject], accounts[subject].cost
        bill, days = account.total("bill"), many(self.savings.days, "day")
        done = "paid for" if bill >= 0.0 else "earned from"
        told = f"{money(abs(bill))} {unit} were {done} the grid in {days}"
        if not self.metered:
            lack = "there are no readings of the grid meters"
            if self.savings.meters is not None:
                lack = "no day has all its readings of the grid meters"
            told = (
                f"What was paid is not known: {lack}. On "
                f"Darkstar's own plans {money(abs(bill))} {unit} would have been {done} the grid "
                f"in {days}"
            )
        others = " and ".join(
            f"{_compared(accounts[other].cost - cost)} {than}" for other, than in _THAN.items()
        )
        return (
            f"{told}. With wear and stored energy the cost is {money(cost)} {unit}, {others}. "
            f"{_from_best(cost - accounts[Course.ORACLE].cost, unit)}"
        )

    @property
    def broken(self) -> float:
        """How much of the regret is the price of broken limits, which nobody pays."""
        darkstar, oracle = (self.accounts[c] for c in (Course.DARKSTAR, Course.ORACLE))
        return darkstar.total("penalty") - oracle.total("penalty")

    def causes(self) -> Iterator[tuple[str, float]]:
        """Yield the parts of the regret of Darkstar's replay, then their sum, and what is money."""
        ledger = self.savings.ledger
        for name, label in PARTS.items():
            yield label, float(getattr(ledger, name).sum())
        regret = float(ledger.total.sum())
        yield REGRET, regret
        if abs(self.broken) > _NOTHING:
            yield "of it for broken limits", self.broken
            yield "of it money", regret - self.broken

    def notes(self) -> Iterator[str]:
        """Yield what the numbers leave out, a sentence each."""
        savings = self.savings
        yield from _meter_notes(self)
        for stretch in savings.stretches:
            if abs(stretch.start.soc_kwh - stretch.soc_start_kwh) > _NOTHING:
                yield (
                    f"on {stretch.run.first} the battery held {stretch.start.soc_kwh:.2f} kWh, "
                    f"outside its configured window; the others begin with "
                    f"{stretch.soc_start_kwh:.2f} kWh"
                )
        if abs(self.broken) > _NOTHING:
            yield (
                f"{money(self.broken)} {self.currency} of the regret are the price of limits of "
                "the grid connection that Darkstar's plans would have broken, or of options of the "
                "site: nobody pays that, and it is in no cost"
            )
        if savings.unjudged:
            yield (
                f"judged on the spot: {many(savings.unjudged, 'day')} without a verdict; "
                "`darkstar validate` keeps verdicts"
            )
        if savings.bridged:
            yield (
                f"bridged: {many(savings.bridged, 'slot')} of pv_kwh (with the 24 h after) were "
                f"missing for at most {self.bridge_hours:g} h and read off their neighbours"
            )

    def gap_lines(self) -> list[str]:
        """Return every run of slots without a reading, in words."""
        clock = ZoneInfo(self.zone)
        lines = []
        for gap in self.savings.gaps:
            first, last = (moment.astimezone(clock) for moment in (gap.start, gap.end))
            count = int((gap.end - gap.start).total_seconds()) // SLOT_SECONDS
            span = f"{first:%d %b %H:%M} to {last:%d %b %H:%M}"
            lines.append(f"{gap.channel} {span}, {many(count, 'slot')}")
        return lines


_THAN = {Course.NO_BATTERY: "without a battery", Course.SELF_USE: "on plain self-consumption"}


def _compared(less: float) -> str:
    """Say by how much something is cheaper, or dearer, than what follows."""
    if abs(less) < _NOTHING:
        return "as much as"
    return f"{money(abs(less))} {'less' if less > 0.0 else 'more'} than"


def _from_best(above: float, unit: str) -> str:
    """Say how far it is to the oracle."""
    if above < -_NOTHING:
        return (
            f"That is {money(-above)} {unit} below the least that the configured battery can do: "
            "the real one is better than its nameplate, or its readings are off."
        )
    return f"Who had known everything would have paid {money(max(above, 0.0))} {unit} less."


def _meter_notes(report: MonthReport) -> Iterator[str]:
    """Yield what is missing of the meters."""
    meters, totals = report.savings.meters, report.savings.totals
    if meters is None or totals is None:
        return
    if totals.counted < totals.slots:
        yield (
            f"the meters' bill leaves out {totals.slots - totals.counted} of {totals.slots} slots "
            "without a reading or a price; nothing is guessed for them"
        )
    if report.metered and not meters.wear_known:
        yield "what the battery gave was not recorded: what was paid is told without wear"
    if report.metered and not meters.stored_known:
        yield (
            "no state of charge was recorded: what was paid is told without the worth of stored "
            "energy"
        )


def money(value: float) -> str:
    """Return money with two digits; no sign before a zero."""
    return fixed(value, 2)


def brief(value: float) -> str:
    """Return money in at most seven characters up to a million."""
    return fixed(value, 2 if abs(value) < _LARGE else 0)


def fixed(value: float, digits: int) -> str:
    """Return a number with so many digits; no sign before a zero."""
    return f"{round(float(value), digits) + 0.0:,.{digits}f}"


def percent(ratio: float) -> str:
    """Return a ratio in percent; a dash where there is none."""
    return "-" if math.isnan(ratio) else fixed(100.0 * ratio, 1)
