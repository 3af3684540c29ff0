"""How arrays and texts are packed into one cell of a row.

An array is float64, little-endian, C order, then zlib; NaN means missing and comes back as NaN.
Infinity is refused: no fact of a house is infinite, and MariaDB or JSON would choke on it later.
"""

from __future__ import annotations

import zlib

import numpy as np

from telemetry.arrays import F64
from telemetry.errors import SeriesError

_LEVEL = 6


def pack(values: F64) -> bytes:
    """Bytes of an array of any shape; the shape is the caller's to keep.

    Raises:
        SeriesError: the array holds an infinity.
    """
    plain = np.ascontiguousarray(values, dtype="<f8")
    if np.isinf(plain).any():
        raise SeriesError("values", "infinite in places", "numbers, or NaN where missing")
    # One NaN only: equal content must give equal bytes, and NaN has many bit patterns.
    return zlib.compress(np.where(np.isnan(plain), np.nan, plain).astype("<f8").tobytes(), _LEVEL)


def unpack(blob: bytes, rows: int | None = None) -> F64:
    """Array of packed bytes: (T,), or (rows, T).

    Raises:
        SeriesError: the bytes are no packed array.
    """
    try:
        flat = np.frombuffer(zlib.decompress(blob), dtype="<f8").astype(np.float64)
        return flat if rows is None else flat.reshape(rows, -1)
    except (zlib.error, ValueError) as err:
        want = "zlib of whole float64 values; the row is damaged"
        raise SeriesError("blob", f"{len(blob)} bytes", want) from err


def pack_text(text: str) -> bytes:
    """Bytes of a text."""
    return zlib.compress(text.encode(), _LEVEL)


def unpack_text(blob: bytes) -> str:
    """Text of packed bytes.

    Raises:
        SeriesError: the bytes are no packed text.
    """
    try:
        return zlib.decompress(blob).decode()
    except (zlib.error, UnicodeDecodeError) as err:
        want = "zlib of UTF-8 text; the row is damaged"
        raise SeriesError("blob", f"{len(blob)} bytes", want) from err
