"""Scenarios as forecasts tell them, checked and brought to the arrays that kernels and plans read.

Arrays are (n, K, A): n slots asked for, K scenarios, A slots ahead. Units: kWh per slot, currency
per kWh.
"""

import numpy as np

from mpc import Scenarios
from mpc.arrays import F64
from sim.asof import KnownForecasts
from sim.errors import ReplayError
from sim.loop import Known, KnownScenes

__all__ = ["known_scenes", "scenarios_at", "told_in_scenario"]

_SUM_TOLERANCE = 1e-6
_SERIES = (
    "scenario_load_kwh",
    "scenario_pv_kwh",
    "scenario_import_price",
    "scenario_export_price",
)


def known_scenes(
    found: KnownForecasts, known: Known, *, home_id: str, name: str
) -> KnownScenes | None:
    """Return the scenarios of some forecasts, None where they have none.

    Args:
        found: what the forecasts gave.
        known: its series, checked.
        home_id: the home, for messages.
        name: of the forecasts, for messages.

    Raises:
        ReplayError: where shapes do not fit, numbers are missing, or weights are no probabilities.
    """
    series = {name: getattr(found, name) for name in _SERIES}
    given = {key: values for key, values in series.items() if values is not None}
    if not given and found.weights is None:
        return None
    told = f"forecasts {name!r} gave"
    load, pv, buy, sell = series.values()
    if load is None or pv is None:
        raise ReplayError(
            home_id,
            f"{told} scenarios without load or without PV",
            "give scenario_load_kwh and scenario_pv_kwh, or neither and no weights",
        )
    slots, ahead = known.load_kwh.shape
    count = max(load.shape[1], 1) if load.ndim == 3 else 1  # noqa: PLR2004 - (n, K, A)
    for key, values in given.items():
        _refuse_shape(home_id, f"{told} {key}", values, (slots, count, ahead))
    weights = np.full((slots, count), 1.0 / count) if found.weights is None else found.weights
    _refuse_shape(home_id, f"{told} weights", weights, (slots, count))
    _refuse_shares(home_id, told, weights, found.recourse)
    return KnownScenes(
        known,
        _contiguous(load),
        _contiguous(pv),
        _contiguous(known.import_price[:, None] if buy is None else buy),
        _contiguous(known.export_price[:, None] if sell is None else sell),
        _contiguous(weights),
        float(found.recourse),
    )


def _contiguous(values: F64) -> F64:
    """Return an array as kernels read it; writable, or each mixture would be compiled anew."""
    return np.require(values, np.float64, ["C", "W"])


def _refuse_shares(home_id: str, told: str, weights: F64, recourse: float) -> None:
    """Refuse weights that are no probabilities, and a recourse that is no share."""
    if weights.min() < 0.0 or np.abs(weights.sum(axis=1) - 1.0).max() > _SUM_TOLERANCE:
        raise ReplayError(
            home_id, f"{told} weights that are no probabilities", "0 or more, each row of sum 1"
        )
    if not 0.0 <= recourse <= 1.0:
        raise ReplayError(home_id, f"{told} recourse {recourse!r}", "a share from 0 to 1")


def _refuse_shape(home_id: str, told: str, values: F64, shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape, or with a gap."""
    if values.shape != shape:
        raise ReplayError(
            home_id,
            f"{told} of shape {values.shape}, want {shape}",
            "slots asked for, scenarios (one or more), slots ahead",
        )
    if not np.isfinite(values).all():
        place = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
        raise ReplayError(
            home_id, f"{told} with a gap at {place}", "give a finite number for every slot"
        )


def scenarios_at(scenes: KnownScenes, row: int, slots: int) -> Scenarios:
    """Return the scenarios of one slot's plan.

    Args:
        scenes: of some slots.
        row: which of them.
        slots: T of the plan.
    """
    count = scenes.weights.shape[1]
    buy, sell = scenes.import_price[row, :, :slots], scenes.export_price[row, :, :slots]
    return Scenarios(
        load_kwh=scenes.load_kwh[row, :, :slots],
        pv_kwh=scenes.pv_kwh[row, :, :slots],
        import_price=buy if len(buy) == count else None,
        export_price=sell if len(sell) == count else None,
        weights=scenes.weights[row],
    )


def told_in_scenario(scenes: KnownScenes, k: int) -> Known:
    """Return what one scenario told at every slot, (n, A) each."""
    buy, sell = (
        values[:, min(k, values.shape[1] - 1)]
        for values in (scenes.import_price, scenes.export_price)
    )
    return Known(scenes.load_kwh[:, k], scenes.pv_kwh[:, k], buy, sell)
