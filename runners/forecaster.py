"""What a plan is made from: Aurora where a model is in use, else the baseline; it says which.

A look back takes the newest kept version that was trained by then: a model never foretells days it
has seen. Where none was, or where the model or what it needs cannot be used, the baseline
forecasts. Whatever stands in for what was wanted is told: never without a word. Where no model was
ever in use, none was wanted: then the forecast's own line says so, and nothing is substituted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from forecast.aurora import Aurora, Issued
from forecast.errors import ForecastError
from mpc import Scenarios
from runners.config import Config
from runners.errors import ConfigError
from runners.registry import ModelMeta, Registry
from runners.substitution import Substitution, minutes_since
from sim.aurora import aurora_inputs
from sim.errors import SimError
from sim.planning import HomeModel, KnownInputs, known_inputs, read_spot
from telemetry.errors import MissingExtraError
from telemetry.slots import from_epoch, slot_of, slot_range, to_epoch
from telemetry.store import Store

__all__ = ["AURORA", "BASELINE", "Prepared", "by_baseline", "prepare"]

_NEUTRAL = 3
BASELINE, AURORA = "baseline", "aurora"
"""What forecasts are called in the store."""
_WEATHER_FRESH = timedelta(hours=12)
_PRICES_BEFORE = timedelta(days=8)  # older ones stand in for nothing
_TRAINED = "a trained model"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """What was known at a moment, and what is expected.

    Attributes:
        inputs: the horizon.
        scenarios: how it may turn out; None: plans are made on the horizon alone.
        issued: all that Aurora said, (1, A) each; None for the baseline.
        model: ``baseline`` or ``aurora``.
        told: where the forecast comes from, a sentence.
        substitutions: what stands in for what was not there.
        prices_minutes: age of the newest issue of prices; None: not looked up.
        weather_minutes: age of the newest weather forecast; None: none, or none is needed.
    """

    inputs: KnownInputs
    scenarios: Scenarios | None
    issued: Issued | None
    model: str
    told: str
    substitutions: tuple[Substitution, ...] = ()
    prices_minutes: float | None = None
    weather_minutes: float | None = None


def prepare(
    store: Store, config: Config, model: HomeModel, at: datetime, *, look_back: bool
) -> Prepared:
    """Return what a plan at a moment is made from.

    Raises:
        SimError, ForecastError, TelemetryError: data that cannot be planned with.
    """
    home_id = model.home.home_id
    given = config.home_config(home_id).forecast
    plain = f"baseline: {model.load_days}-day mean of load, {model.pv_days}-day mean of PV"
    if given.model == BASELINE:
        return _with_prices(store, model, at, by_baseline(store, model, at, plain))
    try:
        found = _in_force(Registry(config.models_folder, home_id), at, look_back=look_back)
        made = _by_aurora(store, config, model, at, *found)
    except _NoneYetError as err:
        made = by_baseline(store, model, at, f"{plain} ({err})")
    except (_UnusedError, ConfigError, ForecastError, SimError, MissingExtraError) as err:
        made = by_baseline(store, model, at, f"{plain} ({_short(err)})")
        made = replace(made, substitutions=(Substitution(what=_TRAINED, instead=made.told),))
    return _with_prices(store, model, at, made)


def by_baseline(store: Store, model: HomeModel, at: datetime, told: str = BASELINE) -> Prepared:
    """Return what the baseline expects.

    Raises:
        SimError, ForecastError, TelemetryError: data that cannot be planned with.
    """
    inputs = known_inputs(store, model, at)
    return Prepared(inputs=inputs, scenarios=None, issued=None, model=BASELINE, told=told)


class _UnusedError(Exception):
    """None of the models that were in use had been trained by then."""


class _NoneYetError(Exception):
    """No model was ever in use: the baseline stands in for nothing."""


def _short(err: Exception) -> str:
    """Return why no model forecasts, in a line."""
    return "; ".join(str(err).splitlines())


def _in_force(registry: Registry, at: datetime, *, look_back: bool) -> tuple[Aurora, ModelMeta]:
    """Return the model in use; for a look back the newest one that was trained by then.

    Raises:
        ConfigError: the registry or a model cannot be read.
        _UnusedError: none was trained by then.
        _NoneYetError: there is none.
    """
    history = registry.history()
    for promoted in reversed(history):
        if not look_back:
            return registry.load(promoted.version)
        aurora, meta = registry.load(promoted.version)
        if aurora.trained_until <= to_epoch(at):
            return aurora, meta
    if history:
        raise _UnusedError("no model was trained by then")
    raise _NoneYetError("no model is in use: darkstar train")


def _by_aurora(
    store: Store, config: Config, model: HomeModel, at: datetime, aurora: Aurora, meta: ModelMeta
) -> Prepared:
    """Return what Aurora expects, and what it lacked.

    Raises:
        SimError, ForecastError, TelemetryError: data that cannot be planned with.
    """
    given = config.home_config(model.home.home_id).forecast
    inputs, scenarios, issued = aurora_inputs(
        store, model, at, aurora, risk_appetite=given.risk_appetite
    )
    told = f"Aurora {meta.version}, trained until {meta.trained_until[:16]}Z"
    if given.risk_appetite != _NEUTRAL:
        told += f", risk appetite {given.risk_appetite}"
    wanted = scenarios if given.scenarios and model.site.battery.capacity_kwh > 0.0 else None
    weather = store.weather_issued(model.home.home_id, as_of=at)
    return Prepared(
        inputs=inputs,
        scenarios=wanted,
        issued=issued,
        model=AURORA,
        told=told,
        substitutions=_weather(weather, at),
        weather_minutes=None if weather is None else minutes_since(weather, at),
    )


def _weather(issued: datetime | None, at: datetime) -> tuple[Substitution, ...]:
    """Return what stands in for a weather forecast that is not there, or old."""
    if issued is None:
        recent = "the sky and the temperatures of recent days; fetch one: darkstar weather"
        return (Substitution(what="a weather forecast", instead=recent),)
    if at - issued <= _WEATHER_FRESH:
        return ()
    hours = _WEATHER_FRESH / timedelta(hours=1)
    old = Substitution(
        what=f"a weather forecast of the last {hours:g} hours",
        instead=f"that of {issued:%Y-%m-%d %H:%M}Z where it reaches, else recent days",
        age_minutes=minutes_since(issued, at),
    )
    return (old,)


def _with_prices(store: Store, model: HomeModel, at: datetime, made: Prepared) -> Prepared:
    """Return what was prepared with the age of its prices and what stands in for them."""
    inputs, start = made.inputs, slot_of(at)
    slots = slot_range(start - _PRICES_BEFORE, inputs.horizon.end)
    newest = read_spot(store, model, slots, at).newest_issue
    seen_at = at if model.pairing is None else model.pairing.as_of(at)
    age = minutes_since(from_epoch(newest), seen_at) if newest >= 0 else None
    told = made.substitutions
    if not inputs.published.all():
        yesterday = "those of the same time a day before"
        instead = "forecast from the published ones" if made.model == AURORA else yesterday
        since = max(inputs.prices_until, inputs.horizon.start)
        what = f"prices from {since:%Y-%m-%d %H:%M}Z on"
        told = (*told, Substitution(what=what, instead=instead, age_minutes=age))
    return replace(made, prices_minutes=age, substitutions=told)
