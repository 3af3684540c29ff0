"""How an environment is made and reset: what single and vector environments share.

Units: kWh, currency/kWh.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from typing import Any, Literal

import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray

from rlenv.errors import DayError, HistoryError, OptionError
from rlenv.history import History
from rlenv.kernel import AUTORESET_NONE, POWER, VALUE, How
from rlenv.layout import Layout
from telemetry.arrays import I64
from telemetry.quality_table import DayClass

__all__ = [
    "CLEAN",
    "ENV_ID",
    "LOOKAHEAD",
    "VALUE_BOUNDS",
    "Action",
    "End",
    "Settings",
    "action_space",
    "chosen_days",
    "day_number",
    "given_day",
    "given_energy",
]

ENV_ID = "Darkstar/Home-v0"
Action = Literal["battery_power", "energy_value"]
End = Literal["terminate", "truncate"]
LOOKAHEAD = 96
"""Slots after this one that are seen: a day."""
VALUE_BOUNDS = (-1.0, 5.0)
"""Energy value of the actions -1 and 1, currency per kWh stored; for SEK, give others for EUR."""
CLEAN, UNJUDGED = ("clean",), "unjudged"
_ACTIONS = {"battery_power": POWER, "energy_value": VALUE}
_ENDS = {"terminate": True, "truncate": False}
_RESET_OPTIONS = frozenset({"day", "soc_kwh"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an environment was asked to be.

    Attributes:
        layout: of observations.
        action: what an action is.
        value_bounds: energy value of the actions -1 and 1.
        end: how a day ends.
    """

    layout: Layout
    action: Action
    value_bounds: tuple[float, float]
    end: End

    def __post_init__(self) -> None:
        """Refuse what no environment is.

        Raises:
            OptionError: an option that cannot be.
        """
        for name, got, wanted in (("action", self.action, _ACTIONS), ("end", self.end, _ENDS)):
            if not isinstance(got, str) or got not in wanted:
                raise OptionError(name, got, f"one of {', '.join(wanted)}")
        bounds = self.value_bounds
        pair = isinstance(bounds, list | tuple) and len(bounds) == 2  # noqa: PLR2004
        numbers = pair and all(isinstance(one, int | float) and isfinite(one) for one in bounds)
        if not numbers or not bounds[0] < bounds[1]:
            raise OptionError("value_bounds", bounds, "(least, most), currency per kWh stored")

    def how(self, autoreset: int = AUTORESET_NONE) -> How:
        """Return them as kernels read them."""
        low, high = (float(bound) for bound in self.value_bounds)
        return How(
            action=_ACTIONS[self.action],
            low=low,
            high=high,
            lookahead=self.layout.lookahead,
            autoreset=autoreset,
            priced=_ENDS[self.end],
        )

    def refuse_short(self, history: History) -> None:
        """Refuse a lookahead beyond what was known.

        Raises:
            OptionError: it is.
        """
        most, got = history.lookahead, self.layout.lookahead
        if got > most:
            want = f"at most {most}: plans of home {history.home_id} look no further"
            raise OptionError("lookahead", got, want)


def action_space() -> Space[NDArray[Any]]:
    """Return the action space: one number in [-1, 1]."""
    return Box(-1.0, 1.0, shape=(1,), dtype=np.float32)


def chosen_days(
    history: History, days: Sequence[date | str] | None, classes: Collection[str] | None
) -> I64:
    """Return the places of the days that an environment may live.

    Args:
        history: all days.
        days: these alone; None: all.
        classes: of these verdicts alone; None: whatever the verdict is.

    Raises:
        DayError: a day that is not in the history, or of another verdict.
        HistoryError: none is left.
    """
    wanted = None if classes is None else _verdicts(classes)
    fit = [n for n, found in enumerate(history.classes) if wanted is None or found in wanted]
    if days is not None:
        if len(days) == 0:
            raise OptionError("days", "none", "at least one day, or None for all")
        places = [history.find(_as_date(day)) for day in days]
        for place in places:
            if place not in set(fit):
                raise _other_class(history, place)
        fit = places
    if not fit:
        found = ", ".join(sorted({name or UNJUDGED for name in history.classes}))
        raise HistoryError(
            history.home_id,
            f"none of its {len(history.days)} days may be lived (verdicts: {found})",
            "judge them (darkstar validate), or give classes=None for every day",
        )
    return np.array(fit, dtype=np.int64)


def _verdicts(classes: Collection[str]) -> frozenset[str]:
    """Return verdicts as a history has them.

    Raises:
        OptionError: one that no day can have.
    """
    known = {one.value: one.value for one in DayClass} | {"": "", UNJUDGED: ""}
    names = [classes] if isinstance(classes, str) else list(classes)
    if isinstance(classes, str) or not set(names) <= set(known):
        want = f"a collection of {', '.join(name for name in known if name)}, or None for all"
        raise OptionError("classes", classes, want)
    return frozenset(known[name] for name in names)


def given_day(history: History, allowed: I64, day: date | str) -> int:
    """Return the place of a day that a reset asks for.

    Raises:
        DayError: it is no date, not in the history, or may not be lived.
    """
    place = history.find(_as_date(day))
    if place not in allowed:
        raise _other_class(history, place)
    return place


def _other_class(history: History, place: int) -> DayError:
    """Return the error of a day that may not be lived."""
    verdict = history.classes[place] or "none: nobody judged it"
    want = f"a day that may be lived; its verdict is {verdict} (classes=None allows every day)"
    return DayError("day", history.days[place].isoformat(), want)


def given_energy(history: History, place: int, soc_kwh: object) -> float:
    """Return the stored energy that a reset asks for.

    Raises:
        OptionError: it is no number within the battery's window.
    """
    low, high = history.data.limits[place, :2].tolist()
    number = soc_kwh if isinstance(soc_kwh, int | float | np.number) else np.nan
    if isinstance(soc_kwh, bool) or not low <= float(number) <= high:
        raise OptionError("soc_kwh", soc_kwh, f"{low:g} to {high:g} kWh, the battery's window")
    return float(number)


def refuse_other_options(options: Mapping[str, Any], extra: Collection[str] = ()) -> None:
    """Refuse an option that no reset has.

    Raises:
        OptionError: there is one.
    """
    for name in options:
        if name not in _RESET_OPTIONS and name not in extra:
            wanted = ", ".join(sorted(_RESET_OPTIONS | set(extra)))
            raise OptionError(f"options[{name!r}]", options[name], f"one of the options {wanted}")


def day_number(day: date) -> int:
    """Return a date as one number, 20250801, so that it fits into an array of infos."""
    return day.year * 10_000 + day.month * 100 + day.day


def _as_date(day: date | str) -> date:
    """Return a date; ``2025-08-01`` and ``20250801`` are texts of one."""
    if isinstance(day, datetime):
        return day.date()
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(str(day))
    except ValueError:
        raise DayError("day", day, "a date such as 2025-08-01") from None
