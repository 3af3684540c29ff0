"""What the doctor says of Home Assistant, its sensors, who may publish, the store, the mirror."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runners.config import load_config
from runners.doctor_line import Level, Line
from runners.doctor_services import (
    check_home_assistant,
    check_mirror,
    check_store,
    open_quickly,
)
from tests.peers.home_assistant import RealHomeAssistant
from tests.peers.mariadb import RealMariaDB
from tests.runners.test_plan import make_folder

METER = {
    "unit_of_measurement": "kWh",
    "device_class": "energy",
    "state_class": "total_increasing",
}
POWER = {"unit_of_measurement": "W", "device_class": "power", "state_class": "measurement"}
PERCENT = {"unit_of_measurement": "%", "device_class": "battery", "state_class": "measurement"}
DEAD = "http://127.0.0.1:9"


def house(folder: Path, url: str, token: str, sensors: dict[str, Any], **more: Any) -> Path:
    there = {"url": url, "token": token}
    return make_folder(folder, home={"home_assistant": there, "input_sensors": sensors, **more})


def said(path: Path, now: datetime | None = None) -> list[Line]:
    config = load_config(path)
    moment = datetime.now(UTC) if now is None else now
    return list(check_home_assistant(config, "demo", moment, open_quickly))


@pytest.fixture(scope="module")
def ha(home_assistant: RealHomeAssistant) -> RealHomeAssistant:
    """The shared one, with sensors of this module."""
    for name, state, attributes in (
        ("load", "812.4", METER),
        ("plain", "812.4", {"unit_of_measurement": "kWh"}),
        ("gone", "unavailable", METER),
        ("degrees", "21", {"unit_of_measurement": "°C"}),
        ("power", "-350", POWER),
        ("huge", "70000", {**POWER, "unit_of_measurement": "kW"}),
        ("below", "-3", METER),
        ("words", "much", METER),
        ("soc", "55", PERCENT),
        ("soc_kwh", "5.5", METER),
    ):
        home_assistant.set_state(f"sensor.doctor_{name}", state, attributes)
    return home_assistant


def sensor(name: str) -> str:
    return f"sensor.doctor_{name}"


pytestmark = pytest.mark.integration


def test_home_assistant_answers_and_its_sensors_are_right(
    ha: RealHomeAssistant, tmp_path: Path
) -> None:
    wired = {
        "total_load_consumption": sensor("load"),
        "total_grid_import": {"entity": sensor("power"), "part": "positive"},
        "total_grid_export": {"entity": sensor("power"), "part": "negative"},
        "battery_soc": sensor("soc"),
    }
    first, *found = said(house(tmp_path, ha.url, ha.token_readonly, wired))
    assert (first.level, first.name) == (Level.OK, "home assistant demo")
    assert "clocks" in first.text
    # Home Assistant lists what has a state_class at once.
    (line,) = found
    assert (line.level, line.text[:10]) == (Level.OK, "3 entities")


@pytest.mark.parametrize(
    ("key", "entity", "level", "text"),
    [
        ("total_load_consumption", "nowhere", Level.FAILURE, "is unknown to Home Assistant"),
        ("total_load_consumption", "gone", Level.WARNING, "is unavailable"),
        ("total_load_consumption", "degrees", Level.FAILURE, "in °C, which is neither"),
        ("total_load_consumption", "plain", Level.WARNING, "has no statistics"),
        ("total_load_consumption", "words", Level.WARNING, "shows 'much', no number"),
        ("total_load_consumption", "below", Level.FAILURE, "counts -3 kWh: below zero"),
        ("total_grid_import", "power", Level.FAILURE, "shows -350 W: of the wrong sign"),
        ("total_grid_import", "huge", Level.FAILURE, "shows 70000 kW, more than a house has"),
        ("battery_soc", "soc_kwh", Level.FAILURE, "shows 5.5 kWh"),
        ("battery_soc", "nowhere", Level.FAILURE, "is unknown to Home Assistant"),
    ],
)
def test_a_sensor_that_is_wrong(
    ha: RealHomeAssistant, tmp_path: Path, key: str, entity: str, level: Level, text: str
) -> None:
    wired = {"total_load_consumption": sensor("load"), key: sensor(entity)}
    found = said(house(tmp_path, ha.url, ha.token_readonly, wired))[1:]
    told = [line for line in found if text in line.text]
    assert told, found
    assert told[0].level is level
    assert told[0].cure


def test_a_part_of_a_meter_is_wrong(ha: RealHomeAssistant, tmp_path: Path) -> None:
    wired = {
        "total_load_consumption": sensor("load"),
        "total_grid_import": {"entity": sensor("load"), "part": "positive"},
    }
    found = said(house(tmp_path, ha.url, ha.token_readonly, wired))
    assert any("is a meter with part positive" in line.text for line in found)


def test_a_silent_load(ha: RealHomeAssistant, tmp_path: Path) -> None:
    path = house(tmp_path, ha.url, ha.token_readonly, {"total_load_consumption": sensor("load")})
    found = said(path, datetime.now(UTC) + timedelta(hours=7))
    assert found[0].level is Level.FAILURE  # then the clocks differ too
    assert any("has not moved for 7 h" in line.text for line in found)


def test_no_meter_is_wired(ha: RealHomeAssistant, tmp_path: Path) -> None:
    found = said(house(tmp_path, ha.url, ha.token_readonly, {}))
    assert (found[1].level, "names no meter" in found[1].text) == (Level.FAILURE, True)


@pytest.mark.parametrize(
    ("token", "level"),
    [("token", Level.OK), ("token_user", Level.FAILURE), ("token_readonly", Level.FAILURE)],
)
def test_whose_token_publishes(
    ha: RealHomeAssistant, tmp_path: Path, token: str, level: Level
) -> None:
    wired = {"total_load_consumption": sensor("load")}
    path = house(tmp_path, ha.url, getattr(ha, token), wired, publish={"enabled": True})
    found = said(path)[-1]
    assert (found.name, found.level) == ("publish demo", level)


def test_a_wrong_token_and_nobody_there(ha: RealHomeAssistant, tmp_path: Path) -> None:
    wired = {"total_load_consumption": sensor("load")}
    (found,) = said(house(tmp_path, ha.url, ha.token_expired, wired))
    assert (found.level, "refused the token" in found.text) == (Level.FAILURE, True)
    assert "long-lived access token" in found.cure
    (found,) = said(house(tmp_path, DEAD, "a" * 30, wired))
    assert (found.level, "no answer" in found.text) == (Level.FAILURE, True)


# Store and mirror


def test_a_store_of_something_else(tmp_path: Path) -> None:
    path = make_folder(tmp_path)
    (tmp_path / "darkstar.sqlite").write_bytes(b"no database " * 100)
    store, (found,) = check_store(load_config(path))
    assert store is None
    assert found.level is Level.FAILURE


def test_a_store_whose_server_is_down(tmp_path: Path) -> None:
    url = "mysql+pymysql://me:hunter2@127.0.0.1:9/x"
    store, (found,) = check_store(load_config(make_folder(tmp_path, top={"store": {"url": url}})))
    assert (store, found.level) == (None, Level.FAILURE)
    assert found.cure == "start that server, or look at the network"
    assert "hunter2" not in found.text


def mirrored(folder: Path, password: str = "hush-7391", **mirror: Any) -> Path:  # noqa: S107
    path = make_folder(folder, top={"mirror": {"password": "${mirror_password}", **mirror}})
    (folder / "secrets.yaml").write_text(f"mirror_password: '{password}'\n", "utf-8")
    (folder / "secrets.yaml").chmod(0o600)
    return path


def test_a_mirror_that_is_down_is_a_warning(tmp_path: Path) -> None:
    config = load_config(mirrored(tmp_path, host="127.0.0.1", port=9, user="darkstar"))
    store, _ = check_store(config)
    assert store is not None
    with closing(store):
        (found,) = check_mirror(config, store)
    assert found.level is Level.WARNING
    assert "0 episodes wait" in found.text
    assert "hush" not in str(found)


def test_a_mirror_that_answers(mariadb: RealMariaDB, tmp_path: Path) -> None:
    there = {"host": "127.0.0.1", "port": mariadb.port, "user": mariadb.user}
    path = mirrored(tmp_path, mariadb.password, database="doctor_gone", **there)
    (found,) = check_mirror(load_config(path), None)
    assert (found.level, found.text) == (
        Level.OK,
        "answers, its table is made by the first push",
    )


def test_a_mirror_that_refuses_the_password(mariadb: RealMariaDB, tmp_path: Path) -> None:
    there = {"host": "127.0.0.1", "port": mariadb.port, "user": mariadb.user}
    (found,) = check_mirror(load_config(mirrored(tmp_path, "wrong-7391", **there)), None)
    assert (found.level, "mirror.password" in found.cure) == (Level.WARNING, True)


def test_without_a_mirror_nothing_is_said(tmp_path: Path) -> None:
    assert list(check_mirror(load_config(make_folder(tmp_path)), None)) == []
