"""Boosted trees made by LightGBM, predicted through its C interface.

LightGBM's Python package loads pandas and scipy: half a second and 80 MB that a plan every quarter
of an hour would pay. Its library is the same without them. Training (``fit_trees``) uses the
package. Source: G. Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS
2017; the C interface is documented at lightgbm.readthedocs.io, "C API".
"""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ModelFileError
from telemetry.arrays import F64
from telemetry.errors import MissingExtraError

__all__ = ["Lesson", "Trees", "fit_trees"]

F32 = NDArray[np.float32]
_FLOAT64, _ROW_MAJOR, _VALUE = 1, 1, 0
_LIBRARIES = ("lib/lib_lightgbm.so", "lib/lib_lightgbm.dylib", "bin/lib_lightgbm.dll")
_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(lambda _: None)
"""What it would print comes as an error instead."""
_FIXED = {
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "bagging_freq": 1,
}


@final
class Trees:
    """A trained ensemble, kept as LightGBM's own text; it can be pickled and compared.

    Args:
        text: what ``Booster.model_to_string`` wrote.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._handle: ctypes.c_void_p | None = None

    def __eq__(self, other: object) -> bool:
        """Return whether two ensembles are the same text."""
        return isinstance(other, Trees) and other.text == self.text

    def __hash__(self) -> int:
        """Return the hash of the text."""
        return hash(self.text)

    def __reduce__(self) -> tuple[type["Trees"], tuple[str]]:
        """Leave the library's handle behind."""
        return Trees, (self.text,)

    def __del__(self) -> None:
        """Give the library's memory back."""
        if self._handle is not None:
            _library().LGBM_BoosterFree(self._handle)

    def predict(self, rows: F64) -> F64:
        """Return (R,) predictions of (R, F) rows, NaN where a feature is missing.

        Raises:
            MissingExtraError: LightGBM is not installed, or its library cannot be loaded.
            ModelFileError: the text is no model, or of other features.
        """
        library, handle = _library(), self._loaded()
        values = np.ascontiguousarray(rows, dtype=np.float64)
        out, size = np.empty(values.shape[0]), ctypes.c_int64(0)
        if values.shape[0] == 0:
            return out
        code = library.LGBM_BoosterPredictForMat(
            handle,
            values.ctypes.data_as(ctypes.c_void_p),
            _FLOAT64,
            ctypes.c_int32(values.shape[0]),
            ctypes.c_int32(values.shape[1]),
            _ROW_MAJOR,
            _VALUE,
            0,
            -1,
            b"num_threads=1",
            ctypes.byref(size),
            out.ctypes.data_as(ctypes.c_void_p),
        )
        _check(library, code)
        return out

    def _loaded(self) -> ctypes.c_void_p:
        """Return the library's handle, made at the first prediction."""
        if self._handle is None:
            handle, rounds = ctypes.c_void_p(), ctypes.c_int(0)
            library = _library()
            code = library.LGBM_BoosterLoadModelFromString(
                self.text.encode(), ctypes.byref(rounds), ctypes.byref(handle)
            )
            _check(library, code)
            self._handle = handle
        return self._handle


class Lesson(NamedTuple):
    """What trees are fitted to, on rows that others share.

    Attributes:
        target: (R,).
        weight: (R,) of each row.
        objective: LightGBM's, e.g. ``l1``.
        rounds: how many trees.
    """

    target: F64
    weight: F64
    objective: str
    rounds: int


def fit_trees(
    rows: F64 | F32,
    lessons: Sequence[Lesson],
    *,
    options: Mapping[str, float | int],
    threads: int = 1,
) -> tuple[Trees, ...]:
    """Train an ensemble for each lesson; the same arrays give the same trees.

    Args:
        rows: (R, F) features, NaN where missing; binned once for all.
        lessons: what is to be learnt.
        options: further parameters of LightGBM.
        threads: how many threads; the trees do not depend on it, and on a busy machine more than
            one are slower.

    Raises:
        MissingExtraError: LightGBM is not installed.
    """
    try:
        import lightgbm  # noqa: PLC0415 - loads pandas and scipy: only where models are trained
    except ImportError as err:
        raise MissingExtraError("lightgbm", "forecast", "training a forecast") from err
    given = {**_FIXED, **options, "num_threads": threads}
    data = lightgbm.Dataset(
        rows, lessons[0].target, weight=lessons[0].weight, params=given, free_raw_data=False
    )
    trees = []
    for lesson in lessons:
        data.set_label(lesson.target)
        data.set_weight(lesson.weight)
        asked = {**given, "objective": lesson.objective}
        trees.append(Trees(lightgbm.train(asked, data, lesson.rounds).model_to_string()))
    return tuple(trees)


@cache
def _library() -> ctypes.CDLL:
    """Load LightGBM's library without its Python package."""
    spec = find_spec("lightgbm")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    paths = [Path(folder) / name for folder in folders for name in _LIBRARIES]
    for path in paths:
        if path.exists():
            try:
                library = ctypes.CDLL(str(path))
            except OSError as err:
                purpose = f"a trained forecast ({err}; on Debian: apt-get install libgomp1)"
                raise MissingExtraError("lightgbm", "forecast", purpose) from err
            library.LGBM_GetLastError.restype = ctypes.c_char_p
            library.LGBM_RegisterLogCallback(_SILENT)
            return library
    raise MissingExtraError("lightgbm", "forecast", "a trained forecast")


def _check(library: ctypes.CDLL, code: int) -> None:
    """Raise what the library complains of."""
    if code != 0:
        message = library.LGBM_GetLastError().decode().partition("\n")[0]
        raise ModelFileError("trees", message, "train anew: darkstar train")
