"""What a step tells beside observation and reward: exact numbers, and the horizon of planners.

    info["soc_kwh"], info["import_kwh"], info["cost"]     float64, as the kernel wrote them
    info["horizon"]                                        ``mpc.Horizon``, made when it is read

A horizon takes twenty times as long as a step, and most agents read none, so it is no item: it does
not show in ``keys()``, but can be read by its name at any time, also later and in another process.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self, final

from mpc import Horizon
from rlenv.history import History

__all__ = ["HORIZON", "SlotInfo"]

HORIZON = "horizon"
Items = Iterable[tuple[str, object]] | Mapping[str, object]


@final
class SlotInfo(dict[str, Any]):
    """An info dictionary that makes ``horizon`` on demand."""

    __slots__ = ("_history", "_horizon", "_place", "_slot")

    def __init__(self, items: Items, history: History | None, place: int, slot: int) -> None:
        """Keep the items, and where the environment stands.

        Args:
            items: as ``dict`` takes them.
            history: of the environment; None where the horizon is given afterwards.
            place: of the day in it.
            slot: that comes next.
        """
        super().__init__(items)
        self._history, self._place, self._slot = history, place, slot
        self._horizon: Horizon | None = None

    def __missing__(self, key: str) -> Horizon:
        """Make the horizon that could be planned at the slot that comes next."""
        if key != HORIZON:
            raise KeyError(key)
        if self._horizon is None and self._history is not None:
            self._horizon = self._history.horizon(self._place, self._slot)
        if self._horizon is None:
            raise KeyError(key)
        return self._horizon

    def hold(self, horizon: Horizon) -> None:
        """Keep a horizon that was made elsewhere."""
        self._horizon = horizon

    def get(self, key: str, default: object = None) -> object:
        """Return an item, or the horizon."""
        return self[key] if key == HORIZON else super().get(key, default)

    def __copy__(self) -> Self:
        """Return a copy that makes its horizon from the same history."""
        copied = type(self)(dict(self), self._history, self._place, self._slot)
        if self._horizon is not None:
            copied.hold(self._horizon)
        return copied

    def __deepcopy__(self, memo: object) -> Self:
        """Return a copy; its numbers cannot be changed by anybody."""
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Take the horizon along to another process, and not the history."""
        return _arrived, (dict(self), self[HORIZON])


def _arrived(items: dict[str, object], horizon: Horizon) -> SlotInfo:
    """Return an info that came from another process."""
    info = SlotInfo(items, None, 0, 0)
    info.hold(horizon)
    return info
