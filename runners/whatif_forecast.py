"""What the Lab takes for known at a day's midnight, and at every slot of a closed loop.

As ``darkstar plan --at`` has it: the newest model that was trained by then where there is one, else
the baseline (``runners.forecaster``). A closed loop that begins before the first model was trained
goes by the baseline throughout.
The facts may be those of another world, so they are read through ``sim.facts.Facts``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from forecast.aurora import Aurora
from forecast.errors import ForecastError
from forecast.rolling import Chain
from mpc import Scenarios
from runners.config import Config
from runners.errors import ConfigError
from runners.forecaster import AURORA, BASELINE
from runners.registry import Registry
from sim.asof import BaselineForecasts, Forecasts
from sim.aurora import ISSUE_HISTORY, AuroraForecasts, aurora_inputs, read_history
from sim.errors import SimError
from sim.facts import Facts
from sim.lab_inputs import by_baseline
from sim.planning import HomeModel, KnownInputs
from telemetry.errors import MissingExtraError
from telemetry.slots import to_epoch

__all__ = ["ConfiguredForecast"]


@dataclass(frozen=True, slots=True)
class ConfiguredForecast:
    """The forecast that a configuration asks for; ``sim.lab_inputs.Forecast``."""

    config: Config

    def __call__(
        self, store: Facts, model: HomeModel, at: datetime
    ) -> tuple[KnownInputs, Scenarios | None, str]:
        """Return the inputs, the scenarios if any, and where the forecast comes from.

        Raises:
            SimError, ForecastError, TelemetryError: data that cannot be planned with.
        """
        given = self.config.home_config(model.home.home_id).forecast
        if given.model == BASELINE:
            return by_baseline(store, model, at)
        try:
            aurora, version = self._trained_by(model, at)
            inputs, scenarios, _ = aurora_inputs(
                store, model, at, aurora, risk_appetite=given.risk_appetite
            )
        except (LookupError, ConfigError, ForecastError, SimError, MissingExtraError):
            return by_baseline(store, model, at)
        wanted = given.scenarios and model.site.battery.capacity_kwh > 0.0
        return inputs, scenarios if wanted else None, f"{AURORA} {version}"

    def through(self, store: Facts, model: HomeModel, start: datetime, end: datetime) -> Forecasts:
        """Return the forecasts of every slot of [start, end); ``sim.lab_inputs.LoopForecast``.

        Raises:
            SimError, ForecastError, TelemetryError: data that cannot be planned with.
        """
        given = self.config.home_config(model.home.home_id).forecast
        if given.model == BASELINE:
            return BaselineForecasts(store, model, start, end)
        try:
            chain, name = self._trained_through(model, start, end)
            history = read_history(store, model, start - ISSUE_HISTORY, end)
            found = AuroraForecasts(
                store,
                model,
                history,
                chain,
                start,
                end,
                scenarios=given.scenarios and model.site.battery.capacity_kwh > 0.0,
                risk_appetite=given.risk_appetite,
                name=name,
            )
            found.known(0, 1)  # as a plan of the first midnight would find
        except (LookupError, ConfigError, ForecastError, SimError, MissingExtraError):
            return BaselineForecasts(store, model, start, end)
        return found

    def _trained_through(
        self, model: HomeModel, start: datetime, end: datetime
    ) -> tuple[Chain, str]:
        """Return the models of [start, end), each from when it was trained, and their names.

        Raises:
            ConfigError: a model cannot be read.
            LookupError: none was trained by the start.
        """
        registry = Registry(self.config.models_folder, model.home.home_id)
        begin, used, until = to_epoch(start), list[tuple[Aurora, str]](), to_epoch(end)
        for promoted in reversed(registry.history()):
            aurora, meta = registry.load(promoted.version)
            if aurora.trained_until < until:  # else a newer one, or none, serves every slot
                used.insert(0, (aurora, meta.version))
                until = aurora.trained_until
            if until <= begin:
                since, versions = zip(*((a.trained_until, v) for a, v in used), strict=True)
                chain = Chain(since=since, models=tuple(aurora for aurora, _ in used))
                return chain, f"{AURORA} {', then '.join(versions)}"
        raise LookupError

    def _trained_by(self, model: HomeModel, at: datetime) -> tuple[Aurora, str]:
        """Return the newest model that was in use and had been trained by then.

        Raises:
            ConfigError: a model cannot be read.
            LookupError: there is none.
        """
        registry = Registry(self.config.models_folder, model.home.home_id)
        for promoted in reversed(registry.history()):
            aurora, meta = registry.load(promoted.version)
            if aurora.trained_until <= to_epoch(at):
                return aurora, meta.version
        raise LookupError
