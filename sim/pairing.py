"""Synthetic price pairing: prices of one place and year for a home of another.

A house lives by its wall clock and its week, and so does the price: dinner is cooked at six
in California as in Skane. A home's slot is therefore paired with the price slot that has the
same local wall clock and the same weekday, a whole number of 26 weeks away:

    wall = local wall clock of the home's slot                                   (P1)
    u'   = the UTC slot whose wall clock in the price zone is wall + shift_days  (P2)

182 days are 26 weeks, so every multiple keeps weekdays; 364 k days keep the season as well,
364 k + 182 turn it round for the southern hemisphere. A wall-clock time that the price zone
skips in spring moves one hour forward (PEP 495, fold 0); one that occurs twice in autumn is
the first, unless the home's own time was the second. Publication goes by the same map: what
the home knows at an instant is what was known at ``as_of`` that instant.

Results from such pairs are called synthetic pairings wherever they are reported.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from sim.errors import PairingError
from telemetry.arrays import I64
from telemetry.slots import local_calendar

_DAY_SECONDS = 86_400
_HALF_YEAR_DAYS = 182
_YEAR_DAYS = 364
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePairing:
    """The map from a home's time to the time of the prices it is paired with.

    Attributes:
        home_zone: IANA name of the home's time zone.
        price_zone: IANA name of the time zone the price area lives by.
        shift_days: 364 k, or 364 k + 182 for the other hemisphere; > 0 pairs with later prices.
    """

    home_zone: str
    price_zone: str
    shift_days: int

    def __post_init__(self) -> None:
        """Refuse a shift that would pair a Monday with another weekday."""
        if self.shift_days % _HALF_YEAR_DAYS:
            raise PairingError(
                f"shift_days is {self.shift_days}, want a multiple of 364 (same season) or that "
                "plus 182 (the other hemisphere): choose_shift_days finds one"
            )

    def to_price_time(self, epochs: I64) -> I64:
        """Return the (N,) price slots paired with the home's (N,) slots, UTC epoch seconds."""
        wall = _wall_clock(epochs, self.home_zone)
        first_at_home, _ = _candidates(wall, self.home_zone)
        first, last = _candidates(wall + self.shift_days * _DAY_SECONDS, self.price_zone)
        return np.where(epochs == first_at_home, first, last)

    def as_of(self, moment: datetime) -> datetime:
        """Return the price-side instant for an instant of the home (aware; UTC comes back)."""
        if moment.tzinfo is None:
            raise PairingError(f"moment is {moment.isoformat()} without a zone, want an aware time")
        whole, part = divmod(moment - _EPOCH, timedelta(seconds=1))
        paired = self.to_price_time(np.array([whole], dtype=np.int64))
        return _EPOCH + timedelta(seconds=int(paired[0])) + part


def choose_shift_days(
    home_first: date, home_last: date, price_first: date, price_last: date, *, southern: bool
) -> int:
    """Return the smallest shift that puts the home's period inside the price period.

    Of two equally small ones it is the later.

    Args:
        home_first: first local day of the home's data.
        home_last: last local day of the home's data, inclusive.
        price_first: first local day with prices.
        price_last: last local day with prices, inclusive.
        southern: the home is in the other hemisphere than the prices.

    Raises:
        PairingError: no shift fits.
    """
    lowest = (price_first - home_first).days
    highest = (price_last - home_last).days
    season = _HALF_YEAR_DAYS if southern else 0
    fitting = range(lowest + (season - lowest) % _YEAR_DAYS, highest + 1, _YEAR_DAYS)
    if not fitting:
        raise PairingError(
            f"no shift of 364 k{' + 182' if southern else ''} days puts {home_first}..{home_last} "
            f"inside the prices of {price_first}..{price_last}: shorten the home's period or "
            "bring more prices"
        )
    return min(fitting, key=lambda shift: (abs(shift), -shift))


def _wall_clock(epochs: I64, zone: str) -> I64:
    """Return the local wall clock as seconds since 1970-01-01 00:00 of that clock (P1)."""
    calendar = local_calendar(epochs, zone)
    days = calendar.day - _EPOCH.toordinal()
    return days * _DAY_SECONDS + calendar.minute * 60 + epochs % 60


def _candidates(wall: I64, zone: str) -> tuple[I64, I64]:
    """Return the first and the last UTC second with a wall clock (P2).

    They are equal but in the doubled hour. In the missing hour both are the instant that the
    clock's old offset gives, which shows one hour later on the wall.
    """
    old = wall - (_wall_clock(wall - _DAY_SECONDS, zone) - (wall - _DAY_SECONDS))
    new = wall - (_wall_clock(wall + _DAY_SECONDS, zone) - (wall + _DAY_SECONDS))
    old_shows = _wall_clock(old, zone) == wall
    new_shows = _wall_clock(new, zone) == wall
    first = np.where(old_shows | ~new_shows, old, new)
    last = np.where(new_shows, new, first)
    return first, last
