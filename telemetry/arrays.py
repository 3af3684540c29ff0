"""Array types of the package and the two ways of changing a slot length.

Energy per slot is divided, so that its sum stays what was measured; prices, temperatures and
ratios are held. Dividing by 2 or 4 is exact in binary floating point: the quarters of a reading
add up to the reading itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


def hold(values: F64, parts: int | I64) -> F64:
    """Repeat each value ``parts`` times along the last axis: (..., T) to (..., sum of parts)."""
    return np.repeat(values, parts, axis=-1)


def divide(values_kwh: F64, parts: int | I64) -> F64:
    """Spread each energy evenly over ``parts`` slots: (..., T) to (..., sum of parts), in kWh."""
    return np.repeat(values_kwh / parts, parts, axis=-1)
