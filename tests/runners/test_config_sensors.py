"""``home_assistant`` and ``input_sensors``: what is read from them, and which slips are refused."""

from pathlib import Path

import pytest

from runners.config import Config, load_config
from runners.errors import ConfigError
from telemetry.channels import Channel
from telemetry.sensors import Part, Source

HOME = """
homes:
  villa:
    zone: Europe/Stockholm
    grid: {max_import_kw: 11, max_export_kw: 10}
    tariff: {}
"""
BATTERY = "    battery: {capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 4}\n"
PLANES = "    planes: [{tilt_deg: 30, azimuth_deg: 180, peak_kw: 5}]\n"


def load(folder: Path, text: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(HOME + text, encoding="utf-8")
    return load_config(path)


def wired(folder: Path, lines: str, more: str = "") -> Config:
    return load(folder, f"    input_sensors:\n{lines}{more}")


def test_every_way_to_write_a_source(tmp_path: Path) -> None:
    config = wired(
        tmp_path,
        "      total_load_consumption: [sensor.house, -sensor.car]\n"
        "      total_pv_production: sensor.roof\n"
        "      total_grid_import: {entity: sensor.grid, part: positive}\n"
        "      total_grid_export: [{entity: sensor.grid, part: negative, sign: 1}]\n"
        "      battery_soc: sensor.soc\n"
        "      alarm_state: alarm_control_panel.home\n"
        "      vacation_mode: input_boolean.away\n",
    )
    sensors = config.sensors("villa")
    assert sensors.energy[Channel.LOAD_KWH] == (
        Source(entity_id="sensor.house"),
        Source(entity_id="sensor.car", sign=-1),
    )
    assert sensors.energy[Channel.IMPORT_KWH][0].part is Part.POSITIVE
    assert sensors.energy[Channel.EXPORT_KWH][0].part is Part.NEGATIVE
    assert sensors.energy_entities == ("sensor.car", "sensor.grid", "sensor.house", "sensor.roof")
    states = ("alarm_control_panel.home", "input_boolean.away", "sensor.soc")
    assert sensors.state_entities == states
    assert sensors.channels == (
        Channel.LOAD_KWH,
        Channel.PV_KWH,
        Channel.IMPORT_KWH,
        Channel.EXPORT_KWH,
        Channel.SOC_START,
        Channel.SOC_END,
        Channel.VACATION,
        Channel.ALARM_ARMED,
    )


def test_a_derived_load_has_no_meter(tmp_path: Path) -> None:
    lines = "      total_load_consumption: derived\n      total_grid_import: sensor.bought\n"
    sensors = wired(tmp_path, lines).sensors("villa")
    assert sensors.derived_load
    assert Channel.LOAD_KWH not in sensors.energy
    assert Channel.LOAD_KWH in sensors.channels


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ("      total_load: sensor.x\n", "total_load_consumption"),
        ("      total_load_consumption: House Total\n", "is no entity id"),
        ("      total_load_consumption: [derived, sensor.x]\n", "keep one of the two"),
        ("      total_pv_production: derived\n", "only total_load_consumption"),
        ("      total_load_consumption: []\n", "an entity"),
        ("      total_load_consumption: {entity: sensor.x, sign: 2}\n", "sign"),
        ("      total_load_consumption: {entity: sensor.x, unit: Wh}\n", "unit"),
        ("      vacation_mode: sensor.battery_soc\n", "is not on or off; .* input_boolean or"),
        ("      vacation_mode: person.me\n", "is not on or off"),
        ("      battery_soc: input_boolean.away\n", "is not measured in percent; .* sensor or"),
        ("      battery_soc: derived\n", "is not measured in percent"),
        ("      alarm_state: binary_sensor.door\n", "an entity of alarm_control_panel$"),
    ],
)
def test_slips_are_refused_with_their_key(tmp_path: Path, lines: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        wired(tmp_path, lines)


@pytest.mark.parametrize(
    "lines",
    [
        "      input_sensors:\n      total_pv_production: sensor.a\n      battery_soc: sensor.b\n",
        "      input_sensors:\n        total_load_consumption: sensor.a\n",
        "      total_load_consumption: sensor.a\n      battery_soc: sensor.b\n",
    ],
)
def test_sensors_indented_too_deep_are_one_problem(tmp_path: Path, lines: str) -> None:
    there = "      url: http://ha:8123\n      token: abcdefghijklmnopqrstuvwxyz\n"
    with pytest.raises(ConfigError, match="as deep as `home_assistant:`") as caught:
        load(tmp_path, f"    home_assistant:\n{there}{lines}")
    (problem,) = caught.value.problems
    assert problem.key == "homes.villa.home_assistant.input_sensors"
    with pytest.raises(ConfigError, match="tokn -> unknown key; did you mean token") as caught:
        load(tmp_path, f"    home_assistant:\n{there}{lines}      tokn: x\n")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ("      total_load_consumption: derived\n      total_pv_production: sensor.p\n", "import"),
        ("      battery_soc: sensor.soc\n", "names no meter"),
    ],
)
def test_wirings_that_measure_nothing_are_refused(tmp_path: Path, lines: str, match: str) -> None:
    config = wired(tmp_path, lines)
    with pytest.raises(ConfigError, match=match):
        config.sensors("villa")


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ("{url: 'homeassistant.local:8123', token: abcdefghijklmnopqrstuvwxyz}", "is no address"),
        ("{url: 'ws://ha:8123', token: abcdefghijklmnopqrstuvwxyz}", "is no address"),
        ("{url: 'http://me:pw@ha:8123', token: abcdefghijklmnopqrstuvwxyz}", "holds a password"),
        ("{url: 'http://ha:8123', token: shortabc}", "is no access token"),
        ("{url: 'http://ha:8123'}", "token"),
    ],
)
def test_addresses_and_tokens_that_cannot_be(tmp_path: Path, lines: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        load(tmp_path, f"    home_assistant: {lines}\n")
    assert "abcdefghij" not in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert "shortabc" not in str(caught.value)


def test_the_token_comes_from_the_secrets_and_is_never_shown(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text("ha_token: abcdefghijklmnopqrstuvwxyz\n", encoding="utf-8")
    secrets.chmod(0o600)
    config = load(
        tmp_path, "    home_assistant: {url: 'http://ha:8123/api/', token: !secret ha_token}\n"
    )
    there = config.home_assistant("villa")
    assert there.url == "http://ha:8123"
    assert there.token.get_secret_value() == "abcdefghijklmnopqrstuvwxyz"
    assert "abcdefghij" not in repr(config)


def test_a_home_without_home_assistant_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="add `home_assistant:`"):
        load(tmp_path, "").home_assistant("villa")


def test_limits_add_up(tmp_path: Path) -> None:
    limits = load(tmp_path, BATTERY + PLANES).limits("villa")
    assert limits.of(Channel.PV_KWH) == pytest.approx(1.2 * 5)
    assert limits.of(Channel.LOAD_KWH) == pytest.approx(11 + 6 + 4)
    assert limits.of(Channel.CHARGE_KWH) == 5
    assert limits.of(Channel.SOC_END) is None


def test_what_a_home_has_not_is_zero_and_what_is_unknown_none(tmp_path: Path) -> None:
    bare = load(tmp_path, "").limits("villa")
    assert (bare.of(Channel.PV_KWH), bare.of(Channel.CHARGE_KWH)) == (0.0, 0.0)
    assert bare.of(Channel.LOAD_KWH) == 11.0
    meter = "      total_pv_production: sensor.roof\n      total_battery_charge: sensor.in\n"
    unknown = wired(tmp_path, meter).limits("villa")
    assert (unknown.of(Channel.PV_KWH), unknown.of(Channel.CHARGE_KWH)) == (None, None)
    assert unknown.of(Channel.LOAD_KWH) is None
