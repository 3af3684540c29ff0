"""What an agent sees at the start of a slot: one float32 vector, (8 + 4 * (lookahead + 1),).

    soc                 own stored energy over the battery's capacity
    time_sin, time_cos  of the local wall clock, one turn a day
    year_sin, year_cos  of the local date, one turn a year
    left                slots of the day still to come, this one included, over 100; the midnight
                        that a day ends with belongs to the next one
    last_net_kwh        load minus PV of the newest slot of which both were known
    published_hours     how far ahead prices are published, at most the horizon of plans; beyond
                        it they are forecast
    import_price        of this slot and the next ``lookahead``, as known, currency/kWh
    export_price        the same
    load_kwh            as forecast at the slot's start, this slot first, kWh per slot
    pv_kwh              the same                                                             (OB1)

Bounds are the same for every home, so that agents can move: prices within 100 currency/kWh, energy
within 100 kWh a slot (400 kW). A history beyond them is refused, never clipped. The compact
observation has lookahead 0: the slot alone.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray

from rlenv.errors import OptionError

__all__ = ["MOST_KWH", "MOST_PRICE", "SCALARS", "SERIES", "Layout"]

F32 = NDArray[np.float32]
SCALARS = (
    "soc",
    "time_sin",
    "time_cos",
    "year_sin",
    "year_cos",
    "left",
    "last_net_kwh",
    "published_hours",
)
SERIES = ("import_price", "export_price", "load_kwh", "pv_kwh")
MOST_PRICE, MOST_KWH, MOST_HOURS = 100.0, 100.0, 168.0
_BOUNDS = {
    "soc": (0.0, 1.0),
    "time_sin": (-1.0, 1.0),
    "time_cos": (-1.0, 1.0),
    "year_sin": (-1.0, 1.0),
    "year_cos": (-1.0, 1.0),
    "left": (0.0, 1.0),
    "last_net_kwh": (-MOST_KWH, MOST_KWH),
    "published_hours": (0.0, MOST_HOURS),
    "import_price": (-MOST_PRICE, MOST_PRICE),
    "export_price": (-MOST_PRICE, MOST_PRICE),
    "load_kwh": (0.0, MOST_KWH),
    "pv_kwh": (0.0, MOST_KWH),
}


@dataclass(frozen=True)
class Layout:
    """Where everything stands in an observation (OB1).

    Attributes:
        lookahead: slots after this one whose prices and forecasts are seen.
    """

    lookahead: int

    def __post_init__(self) -> None:
        """Refuse a lookahead that is no count.

        Raises:
            OptionError: it is none.
        """
        if isinstance(self.lookahead, bool) or not isinstance(self.lookahead, int | np.integer):
            raise OptionError("lookahead", self.lookahead, "a whole number of slots")
        if self.lookahead < 0:
            raise OptionError("lookahead", self.lookahead, "0 or more slots")

    @property
    def size(self) -> int:
        """C, the numbers of an observation."""
        return len(SCALARS) + len(SERIES) * (self.lookahead + 1)

    def columns(self, name: str) -> slice:
        """Return where a quantity stands.

        Raises:
            OptionError: there is no such quantity.
        """
        if name in SCALARS:
            first = SCALARS.index(name)
            return slice(first, first + 1)
        if name not in SERIES:
            raise OptionError("name", name, f"one of {', '.join(SCALARS + SERIES)}")
        width = self.lookahead + 1
        first = len(SCALARS) + SERIES.index(name) * width
        return slice(first, first + width)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(C,) a name for each number; ``load_kwh[2]`` is half an hour ahead."""
        ahead = range(self.lookahead + 1)
        return SCALARS + tuple(f"{name}[{k}]" for name in SERIES for k in ahead)

    def space(self) -> Space[F32]:
        """Return the observation space."""
        low, high = np.empty(self.size, np.float32), np.empty(self.size, np.float32)
        for name, (least, most) in _BOUNDS.items():
            low[self.columns(name)], high[self.columns(name)] = least, most
        return Box(low, high, dtype=np.float32)
