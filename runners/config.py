"""The configuration: strict models of ``config.yaml``, and what the floors below make of them.

    config = load_config(Path("config.yaml"))
    config.home("villa")      # telemetry.Home
    config.site("villa")      # mpc.Site
    config.tariff("villa")    # mpc.Tariff

Unknown keys, impossible values and likely slips of unit (95 for 0.95, W for kW, öre for SEK) are
refused with the key, the value and the fix. Units stand in the names. Loading imports no solver,
and SQLAlchemy for a store's URL alone: ``home``, ``site`` and ``tariff`` import what they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError

from runners import config_load as check
from runners import config_parts, config_problems
from runners.config_base import Strict
from runners.config_mirror import MirrorConfig
from runners.config_models import (
    CurrencyCode,
    HomeConfig,
    HomeId,
    ModelsConfig,
    StoreConfig,
    SystemConfig,
    TariffConfig,
)
from runners.errors import ConfigError, Problem, shown
from runners.secrets import read_config_yaml

if TYPE_CHECKING:
    from mpc import InputError, Site
    from mpc.tariff import Tariff
    from runners.config_sensors import HomeAssistantConfig
    from telemetry import Home
    from telemetry.errors import HomeError, SensorError
    from telemetry.limits import Limits
    from telemetry.mirror_server import MirrorServer
    from telemetry.sensors import Sensors

__all__ = ["Config", "HomeConfig", "load_config"]


class Config(Strict):
    """What ``config.yaml`` says; made by ``load_config``."""

    system: SystemConfig = SystemConfig()
    store: StoreConfig = StoreConfig()
    models: ModelsConfig = ModelsConfig()
    currency: CurrencyCode = "SEK"
    exchange_rates: dict[CurrencyCode, Annotated[float, Field(gt=0.0)]] = Field(
        default={}, description="units of `currency` per unit of the other one, e.g. {EUR: 11.0}"
    )
    mirror: MirrorConfig | None = None
    homes: dict[HomeId, HomeConfig] = Field(
        min_length=1, description="at least one home under `homes:`"
    )
    _path: Path = PrivateAttr(default=Path("config.yaml"))

    @property
    def path(self) -> Path:
        """The file this was read from."""
        return self._path

    @property
    def store_url(self) -> str:
        """Path or URL to open the store with, relative paths from the configuration's folder.

        May hold a password: hand it to ``Store.open`` and to nothing that prints.
        """
        url = self.store.url.get_secret_value()
        return url if "://" in url else str(self._path.parent / Path(url).expanduser())

    @property
    def models_folder(self) -> Path:
        """Where trained forecasts are kept, relative paths from the configuration's folder."""
        return self._path.parent / Path(self.models.folder).expanduser()

    def mirror_server(self) -> MirrorServer:
        """Return the MariaDB of the mirror; ``tls_ca`` from the configuration's folder.

        Raises:
            ConfigError: there is none, or the password would go over the network in the open.
        """
        from telemetry.errors import MirrorError  # noqa: PLC0415
        from telemetry.mirror_server import MirrorServer  # noqa: PLC0415

        given = self.mirror
        if given is None:
            message = "is missing; add `mirror:` with host, user and `password: !secret ...`"
            raise ConfigError(str(self._path), [Problem("mirror", "", message)])
        fields = given.model_dump(include={"host", "port", "socket", "database", "allow_plaintext"})
        ca = given.tls_ca
        try:
            return MirrorServer(
                user=given.user.get_secret_value(),
                password=given.password.get_secret_value(),
                tls_ca=None if ca is None else self._path.parent / Path(ca).expanduser(),
                **fields,
            )
        except MirrorError as err:
            problem = Problem(f"mirror.{err.name}", shown(err.got), f"want {err.want}")
            raise ConfigError(str(self._path), [problem]) from err

    def pick_home(self, home_id: str | None = None) -> str:
        """Return the home asked for, or the only one there is.

        Raises:
            ConfigError: the home is unknown, or none was named and there are several.
        """
        if home_id is None:
            if len(self.homes) > 1:
                message = f"several homes are configured, name one with --home: {self._known()}"
                raise ConfigError(str(self._path), [Problem("homes", "", message)])
            return next(iter(self.homes))
        self.home_config(home_id)
        return home_id

    def home_config(self, home_id: str) -> HomeConfig:
        """Return what the file says about one home.

        Raises:
            ConfigError: there is no such home; the message lists those there are.
        """
        if home_id not in self.homes:
            near = self._near(home_id)
            hint = f"; {near}" if near.startswith("did") else ""
            message = f"no such home, known: {self._known()}{hint}"
            raise ConfigError(str(self._path), [Problem("homes", shown(home_id), message)])
        return self.homes[home_id]

    def home_currency(self, home_id: str) -> str:
        """Return the currency a home pays in."""
        return self.home_config(home_id).currency or self.currency

    def exchange_rate(self, home_id: str, price_currency: str) -> float:
        """Return units of the home's currency per unit of ``price_currency``.

        Raises:
            ConfigError: a currency without a rate to the one at the top of the file.
        """
        home_currency = self.home_currency(home_id)
        if price_currency == home_currency:
            return 1.0
        return self._rate(price_currency) / self._rate(home_currency)

    def exchange_rates_of(self, home_id: str) -> dict[str, float]:
        """Return units of the home's currency per unit of each other one that has a rate.

        Empty where the home's own currency has none: it can pay prices in that one alone.
        """
        own = self.home_currency(home_id)
        known = {self.currency, *self.exchange_rates}
        if own not in known:
            return {}
        return {other: self.exchange_rate(home_id, other) for other in sorted(known - {own})}

    def home(self, home_id: str) -> Home:
        """Return the house as telemetry knows it."""
        from telemetry.errors import HomeError  # noqa: PLC0415 - numpy
        from telemetry.home import Home, Plane  # noqa: PLC0415

        given = self.home_config(home_id)
        with self._blaming(home_id, HomeError):
            return Home(
                home_id=home_id,
                name=given.name or home_id,
                zone=given.zone,
                latitude=given.latitude,
                longitude=given.longitude,
                elevation_m=given.elevation_m,
                planes=tuple(Plane(**plane.model_dump()) for plane in given.planes),
                area=given.area,
                currency=self.home_currency(home_id),
            )

    def site(self, home_id: str) -> Site:
        """Return the house as the planner knows it."""
        from mpc.errors import InputError  # noqa: PLC0415 - the solver takes 0.1 s to import
        from mpc.site import Grid, Site  # noqa: PLC0415

        given = self.home_config(home_id)
        with self._blaming(home_id, InputError):
            return Site(
                battery=config_parts.battery(given.battery),
                grid=Grid(**given.grid.model_dump()),
                **given.options.model_dump(),
            )

    def tariff(self, home_id: str) -> Tariff:
        """Return what the home pays and earns on top of spot."""
        from mpc.errors import InputError  # noqa: PLC0415 - the solver takes 0.1 s to import
        from mpc.tariff import Tariff  # noqa: PLC0415

        given = self.home_config(home_id)
        with self._blaming(home_id, InputError):
            fields = {name: getattr(given.tariff, name) for name in TariffConfig.model_fields}
            parts: dict[str, Any] = {
                name: config_parts.component(value) if isinstance(value, list) else value
                for name, value in fields.items()
            }
            return Tariff(zone=given.zone, **parts)

    def home_assistant(self, home_id: str) -> HomeAssistantConfig:
        """Return where the home's Home Assistant is.

        Raises:
            ConfigError: the home has none.
        """
        given = self.home_config(home_id).home_assistant
        if given is None:
            message = "is missing; add `home_assistant:` with url and token (`!secret ha_token`)"
            problem = Problem(f"homes.{home_id}.home_assistant", "", message)
            raise ConfigError(str(self._path), [problem])
        return given

    def sensors(self, home_id: str) -> Sensors:
        """Return which entities measure what.

        Raises:
            ConfigError: none does, or the wiring cannot be.
        """
        from telemetry.errors import SensorError  # noqa: PLC0415

        with self._blaming(home_id, SensorError):
            return config_parts.sensors(self.home_config(home_id).input_sensors)

    def limits(self, home_id: str) -> Limits:
        """Return what each channel of the home can carry, kW."""
        return config_parts.limits(self.home_config(home_id))

    def _rate(self, currency: str) -> float:
        """Return units of the top currency per unit of ``currency``."""
        if currency == self.currency:
            return 1.0
        if currency not in self.exchange_rates:
            message = f"no rate; add `{currency}: <{self.currency} per {currency}>`"
            raise ConfigError(str(self._path), [Problem("exchange_rates", currency, message)])
        return self.exchange_rates[currency]

    def _known(self) -> str:
        return ", ".join(self.homes)

    def _near(self, home_id: str) -> str:
        return config_problems.did_you_mean(home_id, tuple(self.homes))

    @contextmanager
    def _blaming(
        self, home_id: str, refusal: type[InputError | HomeError | SensorError]
    ) -> Iterator[None]:
        """Turn what a floor below refuses into the YAML key it came from."""
        try:
            yield
        except refusal as err:
            name = err.name.replace("site.", "options.", 1).replace("plane.", "planes.", 1)
            problem = Problem(f"homes.{home_id}.{name}", shown(err.got), f"want {err.want}")
            raise ConfigError(str(self._path), [problem]) from err


def load_config(path: str | Path, *, secrets: Path | None = None) -> Config:
    """Read and check a configuration file.

    Args:
        path: the file.
        secrets: its secrets; None: ``secrets.yaml`` beside it, or as ``runners.secrets`` says.

    Raises:
        ConfigError: with every problem found, one a line.
    """
    path = Path(path)
    raw = read_config_yaml(path, secrets_file=secrets)
    problems = check.cross_checks(raw)
    config: Config | None = None
    try:
        config = Config.model_validate(raw)
    except ValidationError as err:
        problems = config_problems.validation_problems(err, Config, raw) + problems
    if config is None or problems:
        raise ConfigError(str(path), problems)
    config._path = path  # noqa: SLF001 - the loader is the constructor
    return config
