"""Histories of several homes as one table of days, so that a kernel walks over all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlenv.history import History, begins
from rlenv.kernel import Data
from telemetry.arrays import F64, I64

__all__ = ["joined"]

_COUNTED = {"first": "actual", "first_quarter": "quarter", "base": "values"}
"""Fields that count rows of another one."""
_PADDED = {"terminal_soc": np.inf, "terminal_price": 0.0}


def joined(histories: Sequence[History]) -> tuple[Data, I64]:
    """Return the days of all histories, and (H,) where those of each begin.

    One history is passed on as it stands; more of them are copied.
    """
    if len(histories) == 1:
        return histories[0].data, np.zeros(1, dtype=np.int64)
    parts = [history.data for history in histories]
    firsts = begins([part.slots.size for part in parts])
    fields: list[Any] = [_field(parts, name) for name in Data._fields]
    return Data(*fields), firsts


def _field(parts: Sequence[Data], name: str) -> F64:
    """Return one field of all histories."""
    values = [getattr(part, name) for part in parts]
    if name in _COUNTED:
        sizes = [getattr(part, _COUNTED[name]).shape[0] for part in parts]
        values = [value + begin for value, begin in zip(values, begins(sizes), strict=True)]
    if name in _PADDED:
        most = max(value.shape[1] for value in values)
        values = [_padded(value, most, _PADDED[name]) for value in values]
    whole = np.concatenate(values)
    whole.flags.writeable = False
    return whole


def _padded(values: F64, width: int, fill: float) -> F64:
    """Return (D, width) with ``fill`` behind what is there."""
    more = np.full((values.shape[0], width - values.shape[1]), fill)
    return np.concatenate([values, more], axis=1)
