"""Houses in a real Home Assistant: their statistics, their configuration, commands run on it."""

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from runners.cli import app
from telemetry.arrays import F64, I64
from telemetry.channels import Channel
from tests.peers.home_assistant import RealHomeAssistant, Seed
from tests.telemetry.quality.houses import Month

CONFIG = """
homes:
  villa:
    zone: Europe/Stockholm
    latitude: 55.5
    longitude: 13.1
    planes: [{{tilt_deg: 45, azimuth_deg: 150, peak_kw: {peak}}}]
    grid: {{max_import_kw: 11, max_export_kw: 11}}
    battery: {{capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5}}
    tariff: {{}}
    home_assistant: {{url: '{url}', token: !secret ha_token}}
    input_sensors:
{sensors}
"""


def write_config(folder: Path, ha: RealHomeAssistant, sensors: dict[str, str], peak: float) -> Path:
    lines = "\n".join(f"      {key}: {entity}" for key, entity in sensors.items())
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(url=ha.url, sensors=lines, peak=peak), encoding="utf-8")
    secrets = folder / "secrets.yaml"
    secrets.write_text(f"ha_token: {ha.token_readonly}\n", encoding="utf-8")
    secrets.chmod(0o600)
    return path


def run(*words: object) -> str:
    """Run one command, which must succeed; return what it prints, without its summary line."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


DEMO = {
    Channel.LOAD_KWH: ("total_load_consumption", "sensor.demo_load"),
    Channel.PV_KWH: ("total_pv_production", "sensor.demo_pv"),
    Channel.IMPORT_KWH: ("total_grid_import", "sensor.demo_import"),
    Channel.EXPORT_KWH: ("total_grid_export", "sensor.demo_export"),
    Channel.CHARGE_KWH: ("total_battery_charge", "sensor.demo_charge"),
    Channel.DISCHARGE_KWH: ("total_battery_discharge", "sensor.demo_discharge"),
    Channel.WATER_HEATER_KWH: ("water_heater_consumption", "sensor.demo_heater"),
}
SOC = "sensor.demo_soc"
Hours = dict[Channel | str, F64]


def hours_of(month: Month) -> tuple[I64, Hours]:
    """What Home Assistant's hourly statistics show of the month: sums, and the SoC in percent."""
    found: Hours = {channel: month.values[channel].reshape(-1, 4).sum(axis=1) for channel in DEMO}
    start, end = (
        100.0 * month.values[one].reshape(-1, 4) for one in (Channel.SOC_START, Channel.SOC_END)
    )
    found["mean"] = ((start + end) / 2.0).mean(axis=1)
    found["low"] = np.minimum(start, end).min(axis=1)
    found["high"] = np.maximum(start, end).max(axis=1)
    return month.slots[::4], found


def seeds(start: I64, hours: Hours) -> list[Seed]:
    """As Home Assistant would have them: absent hours have no row, the next one their energy."""
    found = []
    for channel, (_, entity) in DEMO.items():
        there = ~np.isnan(hours[channel])
        total = np.nancumsum(hours[channel])
        found.append(Seed(entity_id=entity, start=start[there], sum=total[there]))
    there = ~np.isnan(hours["mean"])
    mean, low, high = (hours[name][there] for name in ("mean", "low", "high"))
    soc = Seed(entity_id=SOC, unit="%", start=start[there], mean=mean, low=low, high=high)
    return [*found, soc]
