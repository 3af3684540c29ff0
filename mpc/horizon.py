"""The slots of a plan and what is expected in them.

Slot t is the half-open interval of slot_minutes[t] that begins at start + sum(slot_minutes[:t]),
in UTC. Flows are kWh per slot at the AC bus, prices currency/kWh. Slots may have different lengths
(the first one is often partial); a local day of 92 or 100 quarter-hours is just a horizon of that
many slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from mpc.arrays import F64, non_negative, series
from mpc.errors import HorizonError, InputError
from mpc.terminal import TerminalCurve, TerminalValueLike

__all__ = ["Horizon"]

_SERIES = ("import_price", "export_price", "load_kwh", "pv_kwh")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Horizon:
    """Prices and net load of T slots.

    Attributes:
        start: start of the first slot, timezone-aware; kept in UTC.
        slot_minutes: length of the slots: one number, or (T,) minutes.
        import_price: (T,) currency per kWh taken from the grid; zero and negative are prices.
        export_price: (T,) currency per kWh fed in.
        load_kwh: (T,) expected load, >= 0.
        pv_kwh: (T,) expected PV, >= 0.
        terminal_value: worth of the energy left at the end: a price per stored kWh, concave
            (soc_kwh, marginal price) pairs, or None for the default curve of ``terminal``.
    """

    start: datetime
    slot_minutes: float | Sequence[float] | F64
    import_price: Sequence[float] | F64
    export_price: Sequence[float] | F64
    load_kwh: Sequence[float] | F64
    pv_kwh: Sequence[float] | F64
    terminal_value: TerminalValueLike | TerminalCurve | None = None

    def __post_init__(self) -> None:
        """Refuse what does not describe one horizon."""
        self._check_start()
        for name in _SERIES:
            object.__setattr__(self, name, series(name, getattr(self, name), HorizonError))
        self._check_lengths()
        for name in ("load_kwh", "pv_kwh"):
            non_negative(name, getattr(self, name), "give load and PV apart", HorizonError)
        if self.terminal_value is not None and not isinstance(self.terminal_value, TerminalCurve):
            object.__setattr__(self, "terminal_value", TerminalCurve.of(self.terminal_value))

    def _check_start(self) -> None:
        """Refuse naive datetimes: the core knows UTC alone."""
        if not isinstance(self.start, datetime):
            raise HorizonError("start", repr(self.start), "a timezone-aware datetime")
        if self.start.utcoffset() is None:
            raise HorizonError(
                "start", f"{self.start.isoformat()} without a time zone", "an aware datetime (UTC)"
            )
        object.__setattr__(self, "start", self.start.astimezone(UTC))

    def _check_lengths(self) -> None:
        """Bring ``slot_minutes`` to (T,) and refuse series of another length."""
        slots = len(self.import_price)
        minutes = slot_lengths(self.slot_minutes, slots, HorizonError)
        object.__setattr__(self, "slot_minutes", minutes)
        for name, values in (("slot_minutes", minutes), *((n, getattr(self, n)) for n in _SERIES)):
            if len(values) != slots:
                raise HorizonError(
                    name,
                    f"an array of shape ({len(values)},)",
                    f"shape ({slots},): one value per slot of import_price",
                )

    def __len__(self) -> int:
        """Return T, the number of slots."""
        return len(self.import_price)

    @property
    def slot_hours(self) -> F64:
        """Length of the slots, (T,) hours."""
        return np.asarray(self.slot_minutes) / 60.0

    @property
    def net_load_kwh(self) -> F64:
        """Load minus PV, (T,) kWh per slot."""
        net: F64 = np.asarray(self.load_kwh) - np.asarray(self.pv_kwh)
        return net

    @property
    def starts(self) -> list[datetime]:
        """UTC start of every slot."""
        return slot_starts(self.start, np.asarray(self.slot_minutes))

    @property
    def end(self) -> datetime:
        """UTC end of the last slot."""
        return self.start + timedelta(minutes=float(np.sum(self.slot_minutes)))


def slot_lengths(
    minutes: float | Sequence[float] | F64, slots: int, error: type[InputError]
) -> F64:
    """Return the length of every slot, (T,) minutes, from one number or one per slot."""
    if np.ndim(minutes) == 0:
        minutes = [minutes] * slots  # type: ignore[list-item]  # no dimension: a number
    lengths = series("slot_minutes", minutes, error)  # type: ignore[arg-type]
    if lengths.min() <= 0.0:
        raise error("slot_minutes", float(lengths.min()), "above 0")
    return lengths


def slot_starts(start: datetime, slot_minutes: F64) -> list[datetime]:
    """Return the UTC start of every slot."""
    first = start.astimezone(UTC)  # adding to a local time would count on its wall clock
    offsets = np.concatenate([[0.0], np.cumsum(slot_minutes)[:-1]])
    return [first + timedelta(minutes=minutes) for minutes in offsets.tolist()]
