"""``darkstar doctor``: the report, its exit codes, and what it says of files, disk and timers."""

import json
import os
import pwd
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from runners.cli_status import doctor as doctor_command
from runners.config import Config, load_config
from runners.doctor import examined, run_doctor
from runners.doctor_files import check_configuration, check_disk, check_modes, check_rights
from runners.doctor_line import Level, Line, fine
from runners.doctor_outside import SERVICES, AskService, check_services
from runners.doctor_services import open_quickly
from runners.doctor_timers import check_timers, systemctl
from telemetry.errors import PeerUnreachableError
from telemetry.market import NordPool
from telemetry.open_meteo import OpenMeteo
from tests.runners.lived_in import metered
from tests.runners.test_plan import NOW, make_folder
from tests.runners.test_status import UNTIL, planned
from tests.telemetry.market.replies import nordpool_reply
from tests.telemetry.test_open_meteo import open_meteo
from tests.telemetry.web import Answer, Query, serving

ALL_SERVICES = dict(SERVICES)


@pytest.fixture(autouse=True)
def nobody_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No service is asked by the command, unless a test says so."""
    for one in ALL_SERVICES:
        monkeypatch.delitem(SERVICES, one)


GIGABYTE = 1_000_000_000


class Usage(NamedTuple):
    """What ``shutil.disk_usage`` returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A house with a plan in force, its files its owner's alone."""
    make_folder(tmp_path)
    metered(tmp_path, end=UNTIL)
    planned(tmp_path)
    (tmp_path / "darkstar.sqlite").chmod(0o600)
    return tmp_path


def no_systemd(_words: Sequence[str]) -> str | None:
    return None


def report(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run the command; return exit code, JSON and what it printed."""
    app = typer.Typer()
    app.command()(doctor_command)
    common = ["--config", str(folder / "config.yaml"), "--now", NOW.isoformat()]
    result = CliRunner().invoke(app, [*common, "--json", str(folder / "doctor.json"), *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    text = (folder / "doctor.json").read_text("utf-8")
    assert text.count("\n") == 1
    return result.exit_code, json.loads(text), result.output


def levels(lines: Sequence[Line]) -> list[tuple[Level, str]]:
    return [(line.level, line.name) for line in lines]


# The report


def test_a_house_without_faults_is_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.doctor_timers.shutil.which", lambda _: None)
    code, found, printed = report(folder)
    assert code == 0, printed
    assert (found["ok"], found["failures"]) == (True, 0)
    assert found["warnings"] == sum(line["level"] == "warning" for line in found["lines"])
    names = {line["name"] for line in found["lines"]}
    assert {"configuration", "file modes", "disk", "store", "timers"} <= names
    assert {f"{name} demo" for name in ("plan", "prices", "model", "car", "battery")} <= names
    # Whatever is not in order has a cure, printed below it.
    for line in found["lines"]:
        assert bool(line["cure"]) is (line["level"] != "ok"), line
        assert line["cure"] in printed
    assert printed.splitlines()[-1].endswith("0 failures")


def test_a_failure_is_an_exit_code(folder: Path) -> None:
    (folder / "darkstar.sqlite").unlink()
    for log in folder.glob("darkstar.sqlite-*"):
        log.unlink()
    code, found, printed = report(folder)
    assert (code, found["ok"]) == (65, False)
    assert "darkstar.sqlite is not there yet" in printed
    assert "-> darkstar import FILE" in printed  # no Home Assistant is configured


def test_a_configuration_that_cannot_be_used_is_the_whole_report(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"horizon_hours": 900, "soc_max_age_minutes": -1})
    code, found, _ = report(tmp_path)
    assert code == 78
    assert [(line["name"], line["level"]) for line in found["lines"]] == [
        ("configuration", "failure")
    ] * 2
    assert found["lines"][0]["text"] == "homes.demo.horizon_hours 900"
    assert "must be at most 144" in found["lines"][0]["cure"]


def test_no_configuration(tmp_path: Path) -> None:
    code, found, _ = report(tmp_path)
    assert code == 78
    assert "darkstar init" in found["lines"][0]["cure"]


def test_a_home_that_is_not_there_is_an_error(folder: Path) -> None:
    app = typer.Typer()
    app.command()(doctor_command)
    words = ["--config", str(folder / "config.yaml"), "--home", "cabin"]
    assert CliRunner().invoke(app, words).exit_code == 78


def test_it_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    run_doctor(config_path=folder / "config.yaml", now=NOW, ask=no_systemd)
    after = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} <= {
        folder / "darkstar.sqlite-shm",
        folder / "darkstar.sqlite-wal",
    }


def test_its_json_is_one_line_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_doctor(config_path=folder / "config.yaml", now=NOW, ask=no_systemd, json_path="-")
    shown = capsys.readouterr()
    assert json.loads(shown.out)["ok"] is True
    assert shown.out.count("\n") == 1
    assert "0 failures" in shown.err


# Files and disk


def test_open_secrets_are_a_failure_and_an_open_store_a_warning(folder: Path) -> None:
    secrets = folder / "secrets.yaml"
    secrets.write_text("ha_token: hush-7391\n", "utf-8")
    secrets.chmod(0o640)
    (folder / "darkstar.sqlite").chmod(0o644)
    found = list(check_modes(load_config(folder / "config.yaml")))
    assert levels(found) == [(Level.FAILURE, "file modes"), (Level.WARNING, "file modes")]
    assert found[0].cure == f"chmod 600 {secrets}"
    assert "(0640)" in found[0].text
    secrets.chmod(0o600)
    (folder / "darkstar.sqlite").chmod(0o640)  # as units of systemd make it
    found = list(check_modes(load_config(folder / "config.yaml")))
    assert levels(found) == [(Level.OK, "file modes")] * 2


@pytest.mark.parametrize(
    ("token", "open_to_all"),
    [
        ("abcdefghijklmnopqrstuvwxyz", True),
        ("'abcdefghijklmnopqrstuvwxyz'", True),
        ("!secret ha_token", False),
        ("${ha_token}", False),
        ('"${ha_token}"', False),
        ("${ha_token}abcdef", True),
    ],
)
def test_a_token_in_the_configuration_is_a_failure(
    tmp_path: Path,
    token: str,
    open_to_all: bool,  # noqa: FBT001
) -> None:
    path = make_folder(tmp_path)
    (tmp_path / "darkstar.sqlite").chmod(0o600)
    there = f"    home_assistant:\n      url: http://ha:8123\n      token: {token}\n    zone: "
    path.write_text(path.read_text("utf-8").replace("    zone: ", there, 1), "utf-8")
    (tmp_path / "secrets.yaml").write_text(f"ha_token: {'a' * 30}\n", "utf-8")
    (tmp_path / "secrets.yaml").chmod(0o600)
    found = list(check_modes(load_config(path)))
    faults = [line for line in found if line.level is Level.FAILURE]
    assert bool(faults) is open_to_all
    assert "abcdef" not in str(found)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("{url: x, token: abcdef}", "1", id="flow style"),
        pytest.param("a:\n- {b: 1}\n- token: abcdef", "3", id="in a list"),
        pytest.param("store:\n  url: mysql+pymysql://me:abcdef@nas/x", "2", id="in a URL"),
        pytest.param("url: mysql+pymysql://me:${pw}abcdef@nas/x", "1", id="half of it"),
        pytest.param("url: mysql+pymysql://me:${pw}@nas/x", "", id="a reference in a URL"),
        pytest.param("url: !secret store_url", "", id="all of the URL"),
        pytest.param("url: http://homeassistant:8123/a", "", id="no login"),
        pytest.param("# token: abcdef\nnote: 'token: abcdef'", "", id="a comment, a text"),
        pytest.param("a: &x {token: !secret t}\nb: *x", "", id="an alias"),
        pytest.param("token:", "", id="nothing"),
    ],
)
def test_where_a_secret_stands_in_the_open(tmp_path: Path, text: str, lines: str) -> None:
    config = load_config(make_folder(tmp_path))
    (tmp_path / "darkstar.sqlite").chmod(0o600)
    config.path.write_text(text, "utf-8")
    told = [line.text for line in check_modes(config) if line.level is Level.FAILURE]
    where = f"{config.path}: a token or password stands in the open, line {lines}"
    assert told == ([where] if lines else [])


def test_secrets_that_are_handed_over_are_looked_at(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``CREDENTIALS_DIRECTORY=FOLDER darkstar doctor``, where they are root's alone."""
    given = tmp_path / "handed"
    given.mkdir()
    (given / "secrets.yaml").write_text("x: y\n", "utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    for mode, level in ((0o440, Level.OK), (0o644, Level.WARNING)):
        (given / "secrets.yaml").chmod(mode)
        assert next(check_modes(load_config(folder / "config.yaml"))).level is level


def test_what_cannot_be_written_is_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(folder / "config.yaml")
    (found,) = check_rights(config)
    assert found.level is Level.OK
    monkeypatch.setattr("os.access", lambda path, _: Path(path).suffix != ".sqlite")
    (found,) = check_rights(config)
    assert found.level is Level.FAILURE
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert found.text == f"{folder / 'darkstar.sqlite'} cannot be written by {me}"
    assert found.cure.startswith(f"chown -R {me} {folder / 'darkstar.sqlite'}")


# Who gives prices and weather


def asked(folder: Path, **services: AskService) -> list[Line]:
    """Return what is said of the services, a day after the last prices were issued."""
    found = examined(
        load_config(folder / "config.yaml"),
        ["demo"],
        NOW + timedelta(days=5),
        open_peer=open_quickly,
        ask=no_systemd,
        services=services,
    )
    return [line for line in found if line.name.startswith("service of")]


def test_who_gives_what_is_missing_is_asked(folder: Path) -> None:
    def gone(_config: Config, home_id: str, _now: datetime) -> str:
        assert home_id == "demo"
        raise PeerUnreachableError("Nord Pool", "no answer", "try again later")

    prices, weather = asked(folder, prices=gone, weather=lambda *_: "Open-Meteo")
    assert (prices.level, prices.name) == (Level.WARNING, "service of prices demo")
    assert (prices.text, prices.cure) == ("Nord Pool: no answer", "try again later")
    assert (weather.level, weather.text) == (Level.OK, "Open-Meteo answers")


def test_who_gave_what_is_there_is_not_asked(folder: Path) -> None:
    def never(*_: object) -> str:
        raise AssertionError

    lines = [fine("prices demo", "known"), fine("weather demo", "issued")]
    config = load_config(folder / "config.yaml")
    services = {"prices": never, "weather": never}
    assert list(check_services(config, "demo", NOW, lines, services)) == []


def test_the_services_are_asked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clients of ``darkstar prices`` and ``weather``, at one of this machine."""
    config, now = load_config(folder / "config.yaml"), datetime(2025, 11, 6, 9, tzinfo=UTC)
    lines = [Line(name=f"{one} demo", level=Level.FAILURE, text="") for one in ALL_SERVICES]

    def busy(_path: str, _query: Query) -> Answer:
        return 503, {}

    def good(path: str, query: Query) -> Answer:
        if "date" in query:
            return 200, nordpool_reply(date.fromisoformat(query["date"]), currency="SEK")
        return open_meteo(path, query)

    for answer, level in ((busy, Level.WARNING), (good, Level.OK)):
        with serving(answer) as web:
            monkeypatch.setitem(kwargs_of(NordPool), "url", web.url)
            monkeypatch.setitem(kwargs_of(OpenMeteo), "forecast_url", f"{web.url}/v1/forecast")
            found = list(check_services(config, "demo", now, lines, ALL_SERVICES))
        assert [line.level for line in found] == [level] * 2, found
        assert len(web.asked) == 2


def kwargs_of(client: type) -> dict[str, Any]:
    defaults = client.__init__.__kwdefaults__  # type: ignore[misc]
    assert isinstance(defaults, dict)
    return defaults


@pytest.mark.parametrize(
    ("free", "level"),
    [
        (5 * GIGABYTE, Level.OK),
        (1.2 * GIGABYTE, Level.WARNING),
        (0.1 * GIGABYTE, Level.FAILURE),
    ],
)
def test_room_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: Level
) -> None:
    monkeypatch.setattr("runners.doctor_files.shutil.disk_usage", lambda _: Usage(0, 0, int(free)))
    found = list(check_disk(load_config(folder / "config.yaml")))
    assert found[0].level is level
    if level is Level.WARNING:
        assert "enough for some 500 days" in found[0].text  # 1.0 GB at 2 MB a day


def test_a_log_that_is_never_taken_in(folder: Path) -> None:
    with (folder / "darkstar.sqlite-wal").open("wb") as log:
        log.truncate(600_000_000)
    found = list(check_disk(load_config(folder / "config.yaml")))
    assert levels(found)[1] == (Level.WARNING, "store size")


def test_every_problem_of_the_configuration_is_a_line(tmp_path: Path) -> None:
    path = make_folder(tmp_path, top={"colour": "red"})
    config, found = check_configuration(path)
    assert config is None
    assert found[0].text == "colour"
    assert "unknown key" in found[0].cure


# Timers


def unit(name: str, **properties: str) -> str:
    lines = {"Id": name, **properties}
    return "\n".join(f"{key}={value}" for key, value in lines.items())


ACTIVE = {"LoadState": "loaded", "ActiveState": "active"}
GONE = {"LoadState": "not-found", "ActiveState": "inactive"}


def answer(timer: dict[str, str], service: dict[str, str]) -> str:
    return "\n\n".join(
        [unit("darkstar-plan.timer", **timer), unit("darkstar-plan.service", **service)]
    )


@pytest.mark.parametrize(
    ("timer", "service", "level", "told"),
    [
        (
            ACTIVE,
            {"Result": "success", "ExecMainExitTimestamp": "Mon 2026-11-30 05:00:42 UTC"},
            Level.OK,
            "is active, its last run succeeded, Mon 2026-11-30 05:00:42 UTC",
        ),
        # What systemd says of a service that never ran.
        (
            ACTIVE,
            {"Result": "success", "ExecMainStatus": "0", "ExecMainExitTimestamp": ""},
            Level.OK,
            "is active, it has not run yet since this machine started",
        ),
        (
            ACTIVE,
            {"ActiveState": "activating", "Result": "success", "ExecMainExitTimestamp": ""},
            Level.OK,
            "is active, it runs just now",
        ),
        (GONE, GONE, Level.WARNING, "darkstar-plan.timer is not there"),
        ({**ACTIVE, "ActiveState": "inactive"}, {}, Level.FAILURE, "is inactive"),
        (
            ACTIVE,
            {"Result": "exit-code", "ExecMainStatus": "77"},
            Level.FAILURE,
            "darkstar-plan failed last: exit-code 77",
        ),
    ],
)
def test_a_timer(timer: dict[str, str], service: dict[str, str], level: Level, told: str) -> None:
    (found,) = check_timers(["plan"], lambda _: answer(timer, service))
    assert found.level is level
    assert told in found.text


def test_timers_of_a_user_are_looked_at_where_the_system_has_none() -> None:
    def ask(words: Sequence[str]) -> str | None:
        own = words[0] == "--user"
        return answer({**ACTIVE, "ActiveState": "failed"}, {}) if own else answer(GONE, GONE)

    (found,) = check_timers(["plan"], ask)
    assert found.cure == "systemctl --user enable --now darkstar-plan.timer"


def test_without_systemd_other_means_are_named() -> None:
    (found,) = check_timers(["record", "plan"], no_systemd)
    assert found.level is Level.WARNING
    assert "record and plan every 15 minutes" in found.cure


def test_asking_the_real_one_never_raises() -> None:
    """Whether it is there or not."""
    said = systemctl(["show", "--property=Id", "darkstar-plan.timer"])
    assert said is None or "darkstar-plan.timer" in said


def test_only_jobs_that_have_something_to_do_are_wanted(folder: Path) -> None:
    asked: list[str] = []

    def ask(words: Sequence[str]) -> str | None:
        asked.extend(words)
        return ""

    run_doctor(config_path=folder / "config.yaml", now=NOW + timedelta(minutes=1), ask=ask)
    # No Home Assistant and no mirror are configured.
    assert "darkstar-plan.timer" in asked
    assert "darkstar-record.timer" not in asked
    assert "darkstar-mirror.timer" not in asked
