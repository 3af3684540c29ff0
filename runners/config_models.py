"""The models of ``config.yaml``, section by section; what they become is in ``runners.config``.

Unknown keys, impossible values and likely slips of unit (95 for 0.95, W for kW, öre for SEK) are
refused with the key, the value and the fix. Units stand in the names.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator as After
from pydantic import BeforeValidator as Before
from pydantic import Field, SecretStr, model_validator

from runners import config_load as check
from runners.config_base import Strict
from runners.config_publish import PublishConfig
from runners.config_sensors import HomeAssistantConfig, InputSensorsConfig

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


class SystemConfig(Strict):
    """Which installation writes."""

    system_id: str = Field(
        default="dev",
        min_length=1,
        max_length=64,
        description="a name of 1 to 64 characters, e.g. dev",
    )


class StoreConfig(Strict):
    """Where facts are kept; the URL may hold a password, so it is a secret throughout."""

    url: Annotated[SecretStr, After(check.store_url)] = Field(
        default=SecretStr("darkstar.sqlite"),
        description="the path of an SQLite file, or an SQLAlchemy URL",
    )
    upgrade_wait_seconds: float = Field(
        default=30.0,
        ge=0.0,
        le=600.0,
        description="seconds, 0 to 600, that an upgrade of the store waits for other jobs",
    )


class ModelsConfig(Strict):
    """Where trained forecasts are kept."""

    folder: str = Field(
        default="models",
        min_length=1,
        description="a folder, relative to this file; each home has one in it",
    )


class PlaneConfig(Strict):
    """One plane of panels."""

    tilt_deg: float = Field(ge=0.0, le=90.0, description="degrees from flat, 0 to 90")
    azimuth_deg: Annotated[float, After(check.azimuth_deg)] = Field(
        description="degrees clockwise from north: 90 east, 180 south, 270 west"
    )
    peak_kw: Annotated[PowerKw, Field(gt=0.0)] = Field(description="installed kW, above 0")


class PairingConfig(Strict):
    """Synthetic pairing: prices of another place or year, by local wall clock and weekday."""

    zone: Zone
    shift_days: Annotated[int, After(check.shift_days)] = Field(
        default=0, description="a multiple of 364 days, or that plus 182 for the other hemisphere"
    )


class BatteryConfig(Strict):
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


class GridConfig(Strict):
    """The connection to the grid."""

    max_import_kw: PowerKw
    max_export_kw: PowerKw


class OptionsConfig(Strict):
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


class EntryConfig(Strict):
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


class TariffConfig(Strict):
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


class ForecastConfig(Strict):
    """What forecasts load and PV, and what a plan makes of it."""

    model: Literal["auto", "baseline"] = Field(
        default="auto", description="auto (the trained model, where there is one) or baseline"
    )
    scenarios: Switch = True
    risk_appetite: int = Field(
        default=3, ge=1, le=5, description="1 (cautious) to 5 (bold); 3 weighs all days alike"
    )
    load_days: Days = 7
    pv_days: Days = 3


class HomeConfig(Strict):
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
    home_assistant: HomeAssistantConfig | None = None
    input_sensors: InputSensorsConfig = InputSensorsConfig()
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
    soc_refuse_age_minutes: float = Field(
        default=1440.0, gt=0.0, description="minutes, soc_max_age_minutes or more"
    )
    readings_max_age_hours: float = Field(default=24.0, gt=0.0, description="hours, above 0")
    min_published_hours: float = Field(
        default=2.0, ge=0.0, le=12.0, description="hours, 0 to 12: at noon no more are published"
    )
    peak_fee_per_kw: Annotated[Price, Field(description="currency per kW and month, 0 or more")] = (
        0.0
    )
    publish: PublishConfig = PublishConfig()

    @model_validator(mode="after")
    def _ages(self) -> HomeConfig:
        """Refuse a state of charge that would be fit for control and too old to plan from."""
        if self.soc_refuse_age_minutes < self.soc_max_age_minutes:
            raise check.refuse(
                f"soc_refuse_age_minutes {self.soc_refuse_age_minutes:g} is below "
                f"soc_max_age_minutes; write {self.soc_max_age_minutes:g} or more"
            )
        return self
