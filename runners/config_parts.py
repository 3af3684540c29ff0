"""What the floors below make of sections of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runners.config_models import BatteryConfig, EntryConfig, HomeConfig
from runners.config_sensors import DERIVED, InputSensorsConfig, SourceConfig

if TYPE_CHECKING:
    from mpc import Battery
    from mpc.tariff import PriceEntry
    from telemetry.limits import Limits
    from telemetry.sensors import Sensors, Source

__all__ = ["battery", "component", "limits", "sensors"]


def battery(given: BatteryConfig | None) -> Battery:
    """Return the battery; a home without one has a battery of 0 kWh."""
    from mpc.site import Battery  # noqa: PLC0415 - the solver takes 0.1 s to import

    if given is None:
        return Battery(capacity_kwh=0.0, max_charge_kw=0.0, max_discharge_kw=0.0)
    low, high = given.soc_window_kwh
    skip = {"min_soc_kwh", "max_soc_kwh", "min_soc_percent", "max_soc_percent"}
    return Battery(min_soc_kwh=low, max_soc_kwh=high, **given.model_dump(exclude=skip))


def component(entries: list[EntryConfig]) -> float | tuple[PriceEntry, ...]:
    """Return a plain number where one entry always holds, else dated entries."""
    from mpc.tariff import PriceEntry  # noqa: PLC0415 - the solver takes 0.1 s to import

    if len(entries) == 1 and set(entries[0].model_dump(exclude_none=True)) == {"value"}:
        return entries[0].value
    return tuple(PriceEntry(**entry.model_dump()) for entry in entries)


def sensors(given: InputSensorsConfig) -> Sensors:
    """Return the wiring of a home.

    Raises:
        SensorError: nothing is wired, or it contradicts itself.
    """
    from telemetry.channels import Channel  # noqa: PLC0415 - numpy
    from telemetry.errors import SensorError  # noqa: PLC0415
    from telemetry.sensors import Sensors  # noqa: PLC0415

    keys = {
        Channel.LOAD_KWH: given.total_load_consumption,
        Channel.PV_KWH: given.total_pv_production,
        Channel.IMPORT_KWH: given.total_grid_import,
        Channel.EXPORT_KWH: given.total_grid_export,
        Channel.CHARGE_KWH: given.total_battery_charge,
        Channel.DISCHARGE_KWH: given.total_battery_discharge,
        Channel.EV_KWH: given.ev_consumption,
        Channel.WATER_HEATER_KWH: given.water_heater_consumption,
    }
    named = {channel: sources for channel, sources in keys.items() if sources}
    load = named.get(Channel.LOAD_KWH, [])
    derived = bool(load) and load[0].entity == DERIVED
    if derived:
        del named[Channel.LOAD_KWH]
    if not named:
        want = "at least total_load_consumption and, with panels, total_pv_production"
        raise SensorError("input_sensors", "names no meter", want)
    return Sensors(
        energy={channel: tuple(map(_source, sources)) for channel, sources in named.items()},
        derived_load=derived,
        soc=given.battery_soc,
        vacation=given.vacation_mode,
        alarm=given.alarm_state,
    )


def _source(given: SourceConfig) -> Source:
    from telemetry.sensors import Part, Source  # noqa: PLC0415 - numpy

    return Source(entity_id=given.entity, sign=given.sign, part=Part(given.part))


def limits(given: HomeConfig) -> Limits:
    """Return what each channel can carry: 0 of what the home has not, None of what is unknown.

    Without planes and without a PV sensor there are no panels; with a sensor alone their peak is
    unknown. The same holds for the battery.
    """
    from telemetry.limits import Limits  # noqa: PLC0415 - numpy

    wired, battery = given.input_sensors, given.battery
    peak_kw: float | None = sum(plane.peak_kw for plane in given.planes)
    if not given.planes and wired.total_pv_production:
        peak_kw = None
    ends = (given.grid.max_import_kw, given.grid.max_export_kw)
    if battery is None:
        wired_battery = wired.total_battery_charge or wired.total_battery_discharge
        rating = None if wired_battery else 0.0
        return Limits(
            import_kw=ends[0],
            export_kw=ends[1],
            pv_peak_kw=peak_kw,
            charge_kw=rating,
            discharge_kw=rating,
            capacity_kwh=rating,
        )
    return Limits(
        import_kw=ends[0],
        export_kw=ends[1],
        pv_peak_kw=peak_kw,
        charge_kw=battery.max_charge_kw,
        discharge_kw=battery.max_discharge_kw,
        capacity_kwh=battery.capacity_kwh,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
    )
