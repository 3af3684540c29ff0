"""Where the sun is: whether an interval lies wholly in the night.

Night means a solar elevation below -0.833 degrees (the upper limb under the horizon, refraction
included: the usual definition of sunset) at the start, the middle and the end of an interval.
Positions: NREL's solar position algorithm in pvlib, accurate to far better than 0.01 degrees.
"""

from __future__ import annotations

from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.errors import MissingExtraError

HORIZON_DEG = -0.833
_PRESSURE_HPA, _TEMPERATURE_C, _DELTA_T_S, _REFRACTION_DEG = 1013.25, 12.0, 69.0, 0.5667


def solar_elevation_deg(epochs: I64, latitude: float, longitude: float) -> F64:
    """Geometric elevation of the sun's centre (N,) at epoch seconds (N,), degrees.

    Raises:
        MissingExtraError: pvlib is not installed.
    """
    package = find_spec("pvlib")
    if package is None:
        raise MissingExtraError("pvlib", "forecast", "telling night from missing PV")
    found = _spa(tuple(package.submodule_search_locations or ())).solar_position(
        np.asarray(epochs, dtype=np.float64),
        latitude,
        longitude,
        0.0,
        _PRESSURE_HPA,
        _TEMPERATURE_C,
        _DELTA_T_S,
        _REFRACTION_DEG,
    )
    return np.asarray(found[3], dtype=np.float64)


@cache
def _spa(folders: tuple[str, ...]) -> ModuleType:
    """Return ``pvlib.spa``, which needs numpy alone: the package brings pandas and scipy, a second.

    Raises:
        MissingExtraError: the pvlib in these folders has no such module.
    """
    spec = PathFinder.find_spec("pvlib.spa", folders)
    if spec is None or spec.loader is None:
        raise MissingExtraError("pvlib.spa", "forecast", "telling night from missing PV")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_night(start: I64, seconds: I64, latitude: float, longitude: float) -> Bool:
    """Whether the sun is down throughout [start, start + seconds); each (N,)."""
    moments = np.concatenate((start, start + seconds // 2, start + seconds))
    distinct, where = np.unique(moments, return_inverse=True)
    down = solar_elevation_deg(distinct, latitude, longitude) < HORIZON_DEG
    at_start, at_middle, at_end = down[where].reshape(3, -1)
    night: Bool = at_start & at_middle & at_end
    return night
