"""What the meters of a home recorded, and what it came to.

    bill[t] = import_price[t] * import[t] - export_price[t] * export[t]                   (MT1)
    wear[t] = wear_cost * discharge[t]                                                    (MT2)

A slot without a reading is NaN and stays so: it is counted and named, never guessed. Units: kWh per
slot at the AC bus, kWh stored, currency/kWh, UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sim.facts import Facts
from sim.history import Gap
from sim.planning import HomeModel, has_pv, read_spot, settlement_start
from telemetry.arrays import F64, Bool
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, from_epoch, slot_range, to_epoch

__all__ = ["MeterTotals", "Meters", "meter_totals", "read_meters", "slot_prices"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
_LONGEST_SETTLEMENT = timedelta(days=31)
_BATTERY = ("discharge_kwh", "soc_start", "soc_end")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Meters:
    """N slots of a home as its meters recorded them, NaN where there is no reading.

    Attributes:
        start: start of the first slot, UTC.
        import_kwh: (N,) from the grid.
        export_kwh: (N,) to the grid; zeros for a house that has nothing to feed in.
        discharge_kwh: (N,) out of the battery, at its AC terminals.
        stored_kwh: (N + 1,) in the battery at the edges of the slots.
        wear_known: whether any discharge was recorded; where not, wear is left out.
        stored_known: whether any state of charge was; where not, stored energy is left out.
    """

    start: datetime
    import_kwh: F64
    export_kwh: F64
    discharge_kwh: F64
    stored_kwh: F64
    wear_known: bool
    stored_known: bool

    def __len__(self) -> int:
        """Return N, the number of slots."""
        return int(self.import_kwh.size)

    def place(self, moment: datetime) -> int:
        """Return how many slots lie before a moment."""
        return (moment - self.start) // _SLOT

    def missing(self) -> tuple[tuple[str, Bool], ...]:
        """Return (N,) which slots lack a reading of each channel that an account needs."""
        found = [
            ("import_kwh", np.isnan(self.import_kwh)),
            ("export_kwh", np.isnan(self.export_kwh)),
        ]
        if self.wear_known:
            found.append(("discharge_kwh", np.isnan(self.discharge_kwh)))
        return tuple(found)

    def gaps(self) -> tuple[Gap, ...]:
        """Return every run of slots without a reading, in order."""
        found = [
            Gap(start=self.start + low * _SLOT, end=self.start + high * _SLOT, channel=name)
            for name, gone in self.missing()
            for low, high in _runs(gone)
        ]
        return tuple(sorted(found, key=lambda gap: (gap.start, gap.end, gap.channel)))

    def fault(self, start: datetime, end: datetime) -> str:
        """Return why the slots in [start, end) give no account, "" where they do."""
        low, high = self.place(start), self.place(end)
        for name, gone in self.missing():
            count = int(gone[low:high].sum())
            if count:
                return f"{name} has no reading in {count} of {high - low} slots"
        if self.stored_known and np.isnan(self.stored_kwh[[low, high]]).any():
            return "the state of charge at its midnights was not recorded"
        return ""


def read_meters(store: Facts, model: HomeModel, start: datetime, end: datetime) -> Meters | None:
    """Return what was recorded in [start, end); None where not one slot of the grid was.

    Args:
        store: where the facts are.
        model: the home.
        start: the first slot.
        end: at most a few weeks later.

    Raises:
        TelemetryError: the store cannot answer, or a bound is no slot start.
    """
    home_id, battery = model.home.home_id, model.site.battery
    seen = store.observations(
        home_id, ["import_kwh", "export_kwh", *_BATTERY], start - _SLOT, end + _SLOT
    )
    imports, exports, discharge = (
        seen.of(name)[1:-1] for name in ("import_kwh", "export_kwh", "discharge_kwh")
    )
    feeds_in = has_pv(store, model, None) or battery.capacity_kwh > 0.0
    if not feeds_in:
        exports = np.where(np.isnan(exports), 0.0, exports)
    if np.isnan(imports).all() or np.isnan(exports).all():
        return None
    ratio = seen.of("soc_end")[:-1]
    ratio = np.where(np.isnan(ratio), seen.of("soc_start")[1:], ratio)
    return Meters(
        start=from_epoch(to_epoch(start)),
        import_kwh=imports,
        export_kwh=exports,
        discharge_kwh=discharge,
        stored_kwh=ratio * battery.capacity_kwh,
        wear_known=not bool(np.isnan(discharge).all()),
        stored_known=not bool(np.isnan(ratio).all()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTotals:
    """What the meters say of all slots that they read and whose price is known.

    Attributes:
        slots: of the period.
        counted: of them, with both readings and prices.
        import_kwh: energy.
        export_kwh: energy.
        bill: money (MT1).
    """

    slots: int
    counted: int
    import_kwh: float
    export_kwh: float
    bill: float


def meter_totals(meters: Meters, import_price: F64, export_price: F64) -> MeterTotals:
    """Return the sums over every slot that can be counted.

    Args:
        meters: of N slots.
        import_price: (N,), NaN where not published.
        export_price: (N,).
    """
    bill = import_price * meters.import_kwh - export_price * meters.export_kwh
    there = ~np.isnan(bill)
    return MeterTotals(
        slots=len(meters),
        counted=int(there.sum()),
        import_kwh=float(meters.import_kwh[there].sum()),
        export_kwh=float(meters.export_kwh[there].sum()),
        bill=float(bill[there].sum()),
    )


def slot_prices(store: Facts, model: HomeModel, start: datetime, end: datetime) -> tuple[F64, F64]:
    """Return (import_price, export_price) of the N slots in [start, end), NaN where not published.

    Settlement periods are whole as far as they are published without a gap, as in a replay.

    Raises:
        KnownInputsError: a price has no exchange rate.
        TelemetryError: the store cannot answer, or a bound is no slot start.
    """
    first, tariff = settlement_start(model.tariff, start), model.tariff
    around = slot_range(first, end + _LONGEST_SETTLEMENT)
    spot = read_spot(store, model, around, None).values
    prices = np.full((2, spot.size), np.nan)
    for low, high in _runs(~np.isnan(spot)):
        begin = from_epoch(int(around[0]) + low * SLOT_SECONDS)
        prices[:, low:high] = tariff.prices(begin, SLOT_MINUTES, spot[low:high])
    low, count = (start - first) // _SLOT, (end - start) // _SLOT
    return prices[0, low : low + count], prices[1, low : low + count]


def _runs(there: Bool) -> list[tuple[int, int]]:
    """Return [first, stop) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
