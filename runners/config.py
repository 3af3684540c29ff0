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
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator as After
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic import BeforeValidator as Before

from runners import config_load as check
from runners.errors import ConfigError, Problem, shown
from runners.secrets import read_config_yaml

if TYPE_CHECKING:
    from mpc import Battery, InputError, Site
    from mpc.tariff import PriceEntry, Tariff
    from telemetry import Home
    from telemetry.errors import HomeError

__all__ = ["Config", "HomeConfig", "load_config"]

Efficiency = Annotated[
    float, After(check.efficiency), Field(description="a ratio in (0, 1], AC to AC share")
]
Vat = Annotated[float, After(check.vat), Field(description="a ratio: 0.25 for 25 %")]
PowerKw = Annotated[float, After(check.power_kw), Field(description="a power in kW")]
EnergyKwh = Annotated[float, After(check.energy_kwh), Field(description="stored energy in kWh")]
Percent = Annotated[float, After(check.percent)]
Price = Annotated[float, Field(ge=0.0, description="currency per kWh, 0 or more")]
Days = Annotated[
    int, Field(ge=1, le=28, description="whole days, 1 to 28: the forecast looks back no further")
]
Switch = Annotated[bool, Field(description="true or false")]
Zone = Annotated[str, After(check.zone), Field(description="an IANA zone such as Europe/Stockholm")]
CurrencyCode = Annotated[
    str, Field(pattern="^[A-Z]{3}$", description="three capital letters such as SEK or EUR")
]
HomeId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]


class _Strict(BaseModel):
    """No unknown keys, no guessing of types, no NaN; input stays out of pydantic's own messages."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,
    )


class SystemConfig(_Strict):
    """Which installation writes."""

    system_id: str = Field(
        default="dev",
        min_length=1,
        max_length=64,
        description="a name of 1 to 64 characters, e.g. dev",
    )


class StoreConfig(_Strict):
    """Where facts are kept; the URL may hold a password, so it is a secret throughout."""

    url: Annotated[SecretStr, After(check.store_url)] = Field(
        default=SecretStr("darkstar.sqlite"),
        description="the path of an SQLite file, or an SQLAlchemy URL",
    )


class PlaneConfig(_Strict):
    """One plane of panels."""

    tilt_deg: float = Field(ge=0.0, le=90.0, description="degrees from flat, 0 to 90")
    azimuth_deg: Annotated[float, After(check.azimuth_deg)] = Field(
        description="degrees clockwise from north: 90 east, 180 south, 270 west"
    )
    peak_kw: Annotated[PowerKw, Field(gt=0.0)] = Field(description="installed kW, above 0")


class PairingConfig(_Strict):
    """Synthetic pairing: prices of another place or year, by local wall clock and weekday."""

    zone: Zone
    shift_days: Annotated[int, After(check.shift_days)] = Field(
        default=0, description="a multiple of 364 days, or that plus 182 for the other hemisphere"
    )


class BatteryConfig(_Strict):
    """Nameplate of the battery; limits of the state of charge in kWh or in percent, not both."""

    capacity_kwh: EnergyKwh
    max_charge_kw: PowerKw
    max_discharge_kw: PowerKw
    min_soc_kwh: EnergyKwh | None = None
    max_soc_kwh: EnergyKwh | None = None
    min_soc_percent: Percent | None = None
    max_soc_percent: Percent | None = None
    charge_efficiency: Efficiency = 0.95
    discharge_efficiency: Efficiency = 0.95
    wear_cost_per_kwh: Price = 0.0

    @model_validator(mode="after")
    def _window(self) -> BatteryConfig:
        """Refuse two units for one limit, and a window that is empty or too large."""
        for side in ("min", "max"):
            if None not in (getattr(self, f"{side}_soc_kwh"), getattr(self, f"{side}_soc_percent")):
                raise check.refuse(
                    f"has both {side}_soc_kwh and {side}_soc_percent; keep one of the two"
                )
        low, high = self.soc_window_kwh
        if high > self.capacity_kwh:
            raise check.refuse(
                f"max_soc_kwh {high:g} is above capacity_kwh {self.capacity_kwh:g}; lower it, "
                f"or write max_soc_percent: {min(high, 100.0):g} if percent was meant"
            )
        if low > high:
            raise check.refuse(
                f"the minimum state of charge ({low:g} kWh) is above the maximum ({high:g} kWh); "
                "swap them or widen one"
            )
        return self

    @property
    def soc_window_kwh(self) -> tuple[float, float]:
        """Least and most stored energy, kWh."""
        low, high = self.min_soc_kwh or 0.0, self.max_soc_kwh
        if self.min_soc_percent is not None:
            low = self.capacity_kwh * self.min_soc_percent / 100.0
        if self.max_soc_percent is not None:
            high = self.capacity_kwh * self.max_soc_percent / 100.0
        return low, self.capacity_kwh if high is None else high


class GridConfig(_Strict):
    """The connection to the grid."""

    max_import_kw: PowerKw
    max_export_kw: PowerKw


class OptionsConfig(_Strict):
    """How the site may use battery and grid; the options of ``mpc.Site``."""

    pv_curtailable: Switch = True
    allow_grid_charge: Switch = True
    allow_battery_export: Switch = True
    export_margin_per_kwh: Price = 0.0
    planning_import_kw: PowerKw | None = None
    planning_import_price_per_kwh: Price = 0.0
    reserve_soc_kwh: EnergyKwh = 0.0
    reserve_price_per_kwh: Price = 0.0
    recovery_price_per_kwh: Price = 0.0
    fuse_headroom_kw: PowerKw = 0.0


class EntryConfig(_Strict):
    """One dated value of a price component; without a condition it always holds."""

    value: float = Field(description="currency per kWh")
    valid_from: Annotated[date | None, Before(check.local_date)] = Field(
        default=None, description="a local date such as 2026-01-01"
    )
    hours: Annotated[list[int] | None, Before(check.hours)] = Field(
        default=None, description='hours such as "6-22" (06:00 until 22:00) or [6, 7]'
    )
    weekdays: Annotated[list[int] | None, Before(check.weekdays)] = Field(
        default=None, description='days such as "mon-fri" or [sat, sun]'
    )
    months: Annotated[list[int] | None, Before(check.months)] = Field(
        default=None, description='months such as "nov-mar" or [1, 2]'
    )


class VatEntryConfig(EntryConfig):
    """One dated VAT ratio."""

    value: Vat


Entries = Annotated[list[EntryConfig], Before(check.entries), After(check.covers_all_times)]
VatEntries = Annotated[list[VatEntryConfig], Before(check.entries), After(check.covers_all_times)]
Settlement = Annotated[Literal[15, 30, 60, "month"], Field(description="15, 30, 60 or month")]
_ZERO = [EntryConfig.model_construct(value=0.0)]
_NO_VAT = [VatEntryConfig.model_construct(value=0.0)]


class TariffConfig(_Strict):
    """Price components; the equations stand in ``mpc.tariff``."""

    supplier_markup: Entries = _ZERO
    transfer_fee: Entries = _ZERO
    energy_tax: Entries = _ZERO
    vat: VatEntries = _NO_VAT
    grid_benefit: Entries = _ZERO
    tax_credit: Entries = _ZERO
    export_fee: Entries = _ZERO
    export_vat: VatEntries = _NO_VAT
    import_settlement_minutes: Settlement = 15
    export_settlement_minutes: Settlement = 15


class ForecastConfig(_Strict):
    """How many days the baseline forecast averages."""

    load_days: Days = 7
    pv_days: Days = 3


class HomeConfig(_Strict):
    """One house."""

    name: str = Field("", description="what you call the house")
    zone: Zone
    latitude: float | None = Field(
        default=None, ge=-90.0, le=90.0, description="degrees north (are the two swapped?)"
    )
    longitude: float | None = Field(default=None, ge=-180.0, le=180.0, description="degrees east")
    elevation_m: float | None = Field(
        default=None, ge=-500.0, le=9000.0, description="metres above the sea"
    )
    planes: list[PlaneConfig] = Field(default=[], description="a list of planes of panels")
    area: Annotated[str | None, After(check.area)] = Field(
        default=None, description="the bidding area of its prices, e.g. se4"
    )
    currency: CurrencyCode | None = None
    price_currency: CurrencyCode | None = None
    price_pairing: PairingConfig | None = None
    battery: BatteryConfig | None = None
    grid: GridConfig = Field(description="`grid:` with max_import_kw and max_export_kw")
    options: OptionsConfig = OptionsConfig()
    tariff: TariffConfig = Field(
        description="`tariff:` with its components ({} where there is none)"
    )
    forecast: ForecastConfig = ForecastConfig()
    horizon_hours: int = Field(
        default=48,
        ge=4,
        le=144,
        description="whole hours, 4 to 144: prices of the horizon and of the day after it are "
        "forecast from at most 7 days before",
    )
    soc_max_age_minutes: float = Field(default=30.0, gt=0.0, description="minutes, above 0")


class Config(_Strict):
    """What ``config.yaml`` says; made by ``load_config``."""

    system: SystemConfig = SystemConfig()
    store: StoreConfig = StoreConfig()
    currency: CurrencyCode = "SEK"
    exchange_rates: dict[CurrencyCode, Annotated[float, Field(gt=0.0)]] = Field(
        default={}, description="units of `currency` per unit of the other one, e.g. {EUR: 11.0}"
    )
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
            message = f"no such home, known: {self._known()}; {self._near(home_id)}"
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
                battery=_battery(given.battery),
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
                name: _component(value) if isinstance(value, list) else value
                for name, value in fields.items()
            }
            return Tariff(zone=given.zone, **parts)

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
        return check.did_you_mean(home_id, tuple(self.homes))

    @contextmanager
    def _blaming(self, home_id: str, refusal: type[InputError] | type[HomeError]) -> Iterator[None]:
        """Turn what a floor below refuses into the YAML key it came from."""
        try:
            yield
        except refusal as err:
            name = err.name.replace("site.", "options.", 1).replace("plane.", "planes.", 1)
            problem = Problem(f"homes.{home_id}.{name}", shown(err.got), f"want {err.want}")
            raise ConfigError(str(self._path), [problem]) from err


def _battery(given: BatteryConfig | None) -> Battery:
    """Return the battery; a home without one has a battery of 0 kWh."""
    from mpc.site import Battery  # noqa: PLC0415 - the solver takes 0.1 s to import

    if given is None:
        return Battery(capacity_kwh=0.0, max_charge_kw=0.0, max_discharge_kw=0.0)
    low, high = given.soc_window_kwh
    skip = {"min_soc_kwh", "max_soc_kwh", "min_soc_percent", "max_soc_percent"}
    return Battery(min_soc_kwh=low, max_soc_kwh=high, **given.model_dump(exclude=skip))


def _component(entries: list[EntryConfig]) -> float | tuple[PriceEntry, ...]:
    """Return a plain number where one entry always holds, else dated entries."""
    from mpc.tariff import PriceEntry  # noqa: PLC0415 - the solver takes 0.1 s to import

    if len(entries) == 1 and set(entries[0].model_dump(exclude_none=True)) == {"value"}:
        return entries[0].value
    return tuple(PriceEntry(**entry.model_dump()) for entry in entries)


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every problem found, one a line.
    """
    path = Path(path)
    raw = read_config_yaml(path)
    problems = check.cross_checks(raw)
    config: Config | None = None
    try:
        config = Config.model_validate(raw)
    except ValidationError as err:
        problems = check.validation_problems(err, Config, raw) + problems
    if config is None or problems:
        raise ConfigError(str(path), problems)
    config._path = path  # noqa: SLF001 - the loader is the constructor
    return config
