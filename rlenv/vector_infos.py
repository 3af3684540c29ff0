"""Infos of many environments: arrays (B,), a mask ``_name`` for each, 0 where the mask is false."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlenv.kernel import ROW, Out
from telemetry.arrays import F64, I64, Bool

__all__ = ["columns", "ends", "masked"]


def columns(rows: F64, mask: Bool) -> dict[str, Any]:
    """Return what is told of the slots that were lived, (B, K), by name."""
    return masked({name: rows[:, k] for k, name in enumerate(ROW)}, mask)


def ends(out: Out, day: I64, slots: I64) -> dict[str, Any]:
    """Return how days ended that were followed at once.

    Args:
        out: what the step told.
        day: (B,) that was lived, as infos tell it.
        slots: (B,) of that day.
    """
    ended, last = out.done.copy(), np.full(out.done.size, None, dtype=object)
    for i in np.flatnonzero(ended).tolist():
        last[i] = out.final[i].copy()
    stored = out.row[:, ROW.index("soc_kwh")]
    where = {"day": day, "slot": slots, "slots": slots, "soc_kwh": stored}
    told = columns(out.row, ended) | masked(where, ended)
    return {"final_obs": last, "_final_obs": ended, "final_info": told, "_final_info": ended}


def masked(values: dict[str, NDArray[Any]], mask: Bool) -> dict[str, Any]:
    """Return values with the mask of each."""
    infos: dict[str, Any] = {}
    whole = bool(mask.all())
    for name, array in values.items():
        infos[name] = array if whole else np.where(mask, array, array.dtype.type(0))
        infos[f"_{name}"] = mask
    return infos
