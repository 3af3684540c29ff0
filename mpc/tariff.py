"""From spot prices to what a home pays and earns: dated components, VAT, settlement periods.

    import_price = (spot_i + supplier_markup + transfer_fee + energy_tax) * (1 + vat)       (R1)
    export_price = (spot_e + grid_benefit + tax_credit - export_fee) * (1 + export_vat)     (R2)

VAT applies to a negative spot too. Prices in currency per kWh, spot in the same currency. Every
component is a number or a list of dated entries; of those that match a slot's local time the latest
``valid_from`` is in force, of equal dates the one listed last. ``spot_i`` and ``spot_e`` are spot
averaged over the settlement period of import and export (weighted by slot length), periods by the
local clock; fees keep their own hours. The stored spot stays raw.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64, series
from mpc.errors import TariffError
from mpc.horizon import slot_lengths, slot_starts

__all__ = ["PriceEntry", "Tariff"]

_COMPONENTS = (
    "supplier_markup",
    "transfer_fee",
    "energy_tax",
    "vat",
    "grid_benefit",
    "tax_credit",
    "export_fee",
    "export_vat",
)
_SETTLEMENTS = (15, 30, 60, "month")
_MAX_VAT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntry:
    """One dated value of a component, in local time.

    Attributes:
        value: currency per kWh (a ratio for VAT).
        valid_from: first local day it holds; None: always.
        hours: local hours 0..23 in which it holds; None: all.
        weekdays: days it holds, 0 = Monday; None: all.
        months: months 1..12 in which it holds; None: all.
    """

    value: float
    valid_from: date | None = None
    hours: tuple[int, ...] | None = None
    weekdays: tuple[int, ...] | None = None
    months: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse times that no calendar has."""
        number = isinstance(self.value, int | float | np.number)
        if isinstance(self.value, bool) or not number or not np.isfinite(self.value):
            raise TariffError("entry.value", repr(self.value), "a finite number")
        first = self.valid_from
        if first is not None and (isinstance(first, datetime) or not isinstance(first, date)):
            raise TariffError("entry.valid_from", repr(first), "a date without time, or None")
        for name, low, high in (("hours", 0, 23), ("weekdays", 0, 6), ("months", 1, 12)):
            given = getattr(self, name)
            if given is None:
                continue
            values = tuple(given) if isinstance(given, Iterable) else ()
            object.__setattr__(self, name, values)
            if not values or any(v not in range(low, high + 1) for v in values):
                raise TariffError(f"entry.{name}", given, f"numbers {low}..{high}, or None for all")

    def matches(self, local: datetime) -> bool:
        """Return whether the entry holds at a local time."""
        return (
            (self.valid_from is None or self.valid_from <= local.date())
            and (self.hours is None or local.hour in self.hours)
            and (self.weekdays is None or local.weekday() in self.weekdays)
            and (self.months is None or local.month in self.months)
        )


Component = float | Sequence[PriceEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a home pays per imported and earns per exported kWh, on top of spot.

    Attributes:
        zone: time zone of hours, weekdays, months and dates.
        supplier_markup: currency per imported kWh.
        transfer_fee: currency per imported kWh, to the grid company.
        energy_tax: currency per imported kWh.
        vat: ratio on everything imported.
        grid_benefit: currency per exported kWh, from the grid company.
        tax_credit: currency per exported kWh (in Sweden 0.60 SEK until the end of 2025).
        export_fee: currency per exported kWh.
        export_vat: ratio on what is exported; 0 unless the home charges VAT.
        import_settlement_minutes: 15, 30, 60 or "month".
        export_settlement_minutes: 15, 30, 60 or "month".
    """

    zone: str = "UTC"
    supplier_markup: Component = 0.0
    transfer_fee: Component = 0.0
    energy_tax: Component = 0.0
    vat: Component = 0.0
    grid_benefit: Component = 0.0
    tax_credit: Component = 0.0
    export_fee: Component = 0.0
    export_vat: Component = 0.0
    import_settlement_minutes: int | str = 15
    export_settlement_minutes: int | str = 15

    def __post_init__(self) -> None:
        """Refuse components and periods that give no price."""
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            raise TariffError(
                "tariff.zone", repr(self.zone), "an IANA zone: Europe/Stockholm"
            ) from None
        for name in _COMPONENTS:
            object.__setattr__(self, name, _component(name, getattr(self, name)))
        for f in fields(self):
            if f.name.endswith("settlement_minutes") and getattr(self, f.name) not in _SETTLEMENTS:
                raise TariffError(
                    f"tariff.{f.name}", getattr(self, f.name), "15, 30, 60 or 'month'"
                )

    def prices(
        self,
        start: datetime,
        slot_minutes: float | Sequence[float] | F64,
        spot: Sequence[float] | F64,
    ) -> tuple[F64, F64]:
        """Return (import_price, export_price), (T,) each, per kWh.

        Args:
            start: aware start of the first slot.
            slot_minutes: length of the slots, one number or (T,).
            spot: (T,) day-ahead price in the home's currency per kWh. A settlement period that the
                slots cover in part is averaged over the part given.

        Raises:
            TariffError: for a naive start, spot that is no number, or a component without an entry
                in force.
        """
        if not isinstance(start, datetime) or start.utcoffset() is None:
            raise TariffError("start", f"{start} without a time zone", "an aware datetime")
        raw = series("spot", spot, TariffError)
        minutes = slot_lengths(slot_minutes, raw.size, TariffError)
        if minutes.size != raw.size:
            raise TariffError("slot_minutes", f"{minutes.size} values", f"{raw.size}, as spot has")
        clock = ZoneInfo(self.zone)
        local = [moment.astimezone(clock) for moment in slot_starts(start, minutes)]
        value = {name: _in_force(name, getattr(self, name), local) for name in _COMPONENTS}
        fees = value["supplier_markup"] + value["transfer_fee"] + value["energy_tax"]
        spot_in = _settled(raw, minutes, local, self.import_settlement_minutes)
        spot_out = _settled(raw, minutes, local, self.export_settlement_minutes)
        benefits = value["grid_benefit"] + value["tax_credit"] - value["export_fee"]
        imports = (spot_in + fees) * (1.0 + value["vat"])
        return imports, (spot_out + benefits) * (1.0 + value["export_vat"])


def _component(name: str, given: Component) -> Component:
    """Check one component: a finite number, or entries."""
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        values: list[float] = [float(given)]
        checked: Component = float(given)
    else:
        checked = tuple(given) if isinstance(given, Sequence) else ()
        if not checked or not all(isinstance(e, PriceEntry) for e in checked):
            raise TariffError(f"tariff.{name}", repr(given)[:80], "a number or PriceEntry items")
        values = [e.value for e in checked]
    if not np.isfinite(values).all():
        raise TariffError(f"tariff.{name}", given, "finite numbers")
    if name.endswith("vat") and not all(0.0 <= v <= _MAX_VAT for v in values):
        raise TariffError(f"tariff.{name}", values, "a ratio: 0.25 for 25 %")
    return checked


def _in_force(name: str, component: Component, local: list[datetime]) -> F64:
    """Return the value of a component in every slot, (T,)."""
    if isinstance(component, float):
        return np.full(len(local), component)
    entries = sorted(component, key=lambda e: e.valid_from or date.min)
    out = np.full(len(local), np.nan)
    for t, moment in enumerate(local):
        for entry in reversed(entries):
            if entry.matches(moment):
                out[t] = entry.value
                break
        else:
            raise TariffError(
                f"tariff.{name}", f"without an entry in force at {moment}", "an entry for that time"
            )
    return out


def _offset(local: datetime) -> int:
    """Return the UTC offset of a local time, seconds."""
    offset = local.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _settled(price: F64, minutes: F64, local: list[datetime], period: int | str) -> F64:
    """Average spot over its settlement period, weighted by slot length."""
    if period == "month":
        keys: list[int] = [m.year * 12 + m.month for m in local]
    else:
        seconds = 60 * int(period)
        keys = [(int(m.timestamp()) + _offset(m) % seconds) // seconds for m in local]
    which: NDArray[np.intp] = np.unique(keys, return_inverse=True)[1]
    weight = np.bincount(which, weights=minutes)
    mean = np.bincount(which, weights=price * minutes) / weight
    single = np.bincount(which) == 1
    return np.where(single[which], price, mean[which])
