"""Checked, read-only float64 arrays: the only door for numbers into ``mpc``."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mpc.errors import InputError

F64 = NDArray[np.float64]
Limit = float | F64
"""One value for all slots, or an array (T,) with one value per slot."""
LimitLike = float | Sequence[float] | F64


def series(
    name: str, values: Sequence[float] | F64, error: type[InputError], *, finite: bool = True
) -> F64:
    """Return ``values`` as a read-only (T,) array, or refuse them by name and slot.

    Args:
        name: what the values are called, for the message.
        values: one number per slot.
        error: the class to raise.
        finite: refuse infinity too; NaN is always refused.

    Raises:
        InputError: of class ``error``, where a value is no such number or the shape is not (T,).
    """
    try:
        raw = np.array(values)
        if raw.size and raw.dtype.kind not in "fiu":
            raise TypeError  # noqa: TRY301 - text and truth values are no numbers
        array = raw.astype(np.float64, order="C")
    except (TypeError, ValueError):
        raise error(name, repr(values)[:80], "one number per slot") from None
    if array.ndim != 1 or array.size == 0:
        raise error(name, f"an array of shape {array.shape}", "shape (T,): one number per slot")
    good = np.isfinite(array) if finite else ~np.isnan(array)
    if not good.all():
        slot = int(np.argmin(good))
        raise error(
            f"{name}[{slot}]", array[slot], "a finite number; fill or forecast gaps before planning"
        )
    array.flags.writeable = False
    return array


def non_negative(name: str, array: F64, hint: str, error: type[InputError]) -> F64:
    """Return ``array`` if no value is below zero, else refuse the first that is."""
    if array.min() < 0.0:
        slot = int(np.argmax(array < 0.0))
        raise error(f"{name}[{slot}]", array[slot], f"0 or more; {hint}")
    return array


def limit(name: str, value: LimitLike, error: type[InputError], *, finite: bool = True) -> Limit:
    """Return a non-negative limit: a float, or a read-only (T,) array.

    Args:
        name: what the limit is called, for the message.
        value: a number, or one number per slot.
        error: the class to raise.
        finite: refuse infinity too (otherwise it means "no limit").

    Raises:
        InputError: of class ``error``, for NaN, a negative value or a wrong shape.
    """
    if isinstance(value, bool):
        raise error(name, value, "a number")
    if not isinstance(value, int | float | np.integer | np.floating):
        return non_negative(
            name, series(name, value, error, finite=finite), "a limit has no sign", error
        )
    number = float(value)
    if not number >= 0.0 or (finite and np.isinf(number)):
        raise error(name, value, "a finite number, 0 or more" if finite else "0 or more")
    return number


def per_slot(name: str, value: Limit, slots: int, error: type[InputError]) -> F64:
    """Spread a limit over ``slots`` slots; an array must already have that length."""
    if isinstance(value, float):
        return np.full(slots, value)
    if value.size != slots:
        raise error(
            name, f"an array of {value.size} values", f"one value, or one per slot ({slots})"
        )
    return value
