"""What a plan is made from: Aurora where a model is in use, else the baseline; it says which.

A look back takes the newest kept version that was trained by then: a model never foretells days it
has seen. Where none was, the baseline forecasts, and the report says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from forecast.aurora import Aurora, Issued
from mpc import Scenarios
from runners.config import Config
from runners.registry import ModelMeta, Registry
from sim.aurora import aurora_inputs
from sim.planning import HomeModel, KnownInputs, known_inputs
from telemetry.slots import to_epoch
from telemetry.store import Store

__all__ = ["AURORA", "BASELINE", "Prepared", "by_baseline", "prepare"]

_NEUTRAL = 3
BASELINE, AURORA = "baseline", "aurora"
"""What forecasts are called in the store."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """What was known at a moment, and what is expected.

    Attributes:
        inputs: the horizon.
        scenarios: how it may turn out; None: plans are made on the horizon alone.
        issued: all that Aurora said, (1, A) each; None for the baseline.
        model: ``baseline`` or ``aurora``.
        told: where the forecast comes from, a sentence.
    """

    inputs: KnownInputs
    scenarios: Scenarios | None
    issued: Issued | None
    model: str
    told: str


def prepare(
    store: Store, config: Config, model: HomeModel, at: datetime, *, look_back: bool
) -> Prepared:
    """Return what a plan at a moment is made from.

    Raises:
        ConfigError: the model in use cannot be read.
        SimError, ForecastError, TelemetryError: data that cannot be planned with.
    """
    home_id = model.home.home_id
    given = config.home_config(home_id).forecast
    plain = f"baseline: {model.load_days}-day mean of load, {model.pv_days}-day mean of PV"
    if given.model == BASELINE:
        return by_baseline(store, model, at, plain)
    registry = Registry(config.models_folder, home_id)
    found = _in_force(registry, at, look_back=look_back)
    if found is None:
        some = bool(registry.history())
        why = "no model was trained by then" if some else "no model is in use: darkstar train"
        return by_baseline(store, model, at, f"{plain} ({why})")
    aurora, meta = found
    inputs, scenarios, issued = aurora_inputs(
        store, model, at, aurora, risk_appetite=given.risk_appetite
    )
    told = f"Aurora {meta.version}, trained until {meta.trained_until[:16]}Z"
    if given.risk_appetite != _NEUTRAL:
        told += f", risk appetite {given.risk_appetite}"
    wanted = scenarios if given.scenarios and model.site.battery.capacity_kwh > 0.0 else None
    return Prepared(inputs=inputs, scenarios=wanted, issued=issued, model=AURORA, told=told)


def by_baseline(store: Store, model: HomeModel, at: datetime, told: str = BASELINE) -> Prepared:
    """Return what the baseline expects.

    Raises:
        SimError, ForecastError, TelemetryError: data that cannot be planned with.
    """
    inputs = known_inputs(store, model, at)
    return Prepared(inputs=inputs, scenarios=None, issued=None, model=BASELINE, told=told)


def _in_force(
    registry: Registry, at: datetime, *, look_back: bool
) -> tuple[Aurora, ModelMeta] | None:
    """Return the model in use; for a look back the newest one that was trained by then."""
    for promoted in reversed(registry.history()):
        if not look_back:
            return registry.load(promoted.version)
        aurora, meta = registry.load(promoted.version)
        if aurora.trained_until <= to_epoch(at):
            return aurora, meta
    return None
