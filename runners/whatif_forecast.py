"""What the Lab takes for known at a day's midnight: as ``darkstar plan --at`` has it.

A model that was trained by then where there is one, else the baseline (``runners.forecaster``).
The facts may be those of another world, so they are read through ``sim.facts.Facts``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from forecast.aurora import Aurora
from forecast.errors import ForecastError
from mpc import Scenarios
from runners.config import Config
from runners.errors import ConfigError
from runners.forecaster import AURORA, BASELINE
from runners.registry import Registry
from sim.aurora import aurora_inputs
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
