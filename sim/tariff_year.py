"""The tariff of one year for days of another: what a year of history would cost by today's rules.

    tariff_of_year(tariff, 2026, years=(2025,))       # 1 July 2025 pays what 1 July 2026 pays

Only the dated components change; spot prices, hours, weekdays and months stay those of the day.
Currency per kWh.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from mpc import PriceEntry, Tariff
from sim.errors import ScenarioError

__all__ = ["COMPONENTS", "later_changes", "tariff_of_year"]

COMPONENTS = (
    "supplier_markup",
    "transfer_fee",
    "energy_tax",
    "vat",
    "grid_benefit",
    "tax_credit",
    "export_fee",
    "export_vat",
)
"""Parts of a tariff that may be dated."""
_LEAP_DAY = (2, 29)


def tariff_of_year(tariff: Tariff, year: int, years: Iterable[int]) -> Tariff:
    """Return the tariff by which the days of some years pay as those of ``year`` do.

    Args:
        tariff: with dated components.
        year: whose components hold.
        years: calendar years of the days that are to be priced.

    Raises:
        ScenarioError: a component begins only after the first day of ``year``.
    """
    for name, entries in _dated(tariff):
        begins = min(entry.valid_from or date.min for entry in entries)
        if begins > date(year, 1, 1):
            later = begins.year + (begins > date(begins.year, 1, 1))
            want = f"{later} or later: tariff.{name} begins with {begins}"
            raise ScenarioError("tariff_year", year, want)
    wanted = sorted(set(years))
    changed: dict[str, Any] = {
        name: tuple(_entries(entries, year, wanted)) for name, entries in _dated(tariff)
    }
    return replace(tariff, **changed)


def later_changes(tariff: Tariff, after: date) -> tuple[tuple[str, date], ...]:
    """Return (component, first day) of every change of the tariff after a day, in order of days."""
    found = {
        (name, entry.valid_from)
        for name, entries in _dated(tariff)
        for entry in entries
        if entry.valid_from is not None and entry.valid_from > after
    }
    return tuple(sorted(found, key=lambda change: (change[1], change[0])))


def _dated(tariff: Tariff) -> Iterator[tuple[str, tuple[PriceEntry, ...]]]:
    """Yield the components that are lists of entries."""
    for name in COMPONENTS:
        value = getattr(tariff, name)
        if not isinstance(value, float):
            yield name, tuple(value)


def _entries(
    entries: tuple[PriceEntry, ...], year: int, years: Iterable[int]
) -> Iterator[PriceEntry]:
    """Yield the entries of a year once for each of ``years``, in their order of precedence.

    What held before the year holds from the first of January of each, by the order of its dates: of
    equal dates a tariff takes the entry listed last.
    """
    known = [
        entry for entry in entries if entry.valid_from is None or entry.valid_from.year <= year
    ]
    known.sort(key=lambda entry: entry.valid_from or date.min)
    for target in years:
        for entry in known:
            yield replace(entry, valid_from=_moved(entry.valid_from, year, target))


def _moved(first: date | None, year: int, target: int) -> date:
    """Return the day of another year from which an entry holds."""
    if first is None or first.year < year:
        return date(target, 1, 1)
    if (first.month, first.day) == _LEAP_DAY:
        return date(target, 3, 1)
    return first.replace(year=target)
