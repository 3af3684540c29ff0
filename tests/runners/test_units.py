"""Units: systemd takes them without a word, they are guarded, and their commands run under it."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

import runners.install_units
from runners.cli import app
from runners.cli_units import install_units
from runners.config import load_config
from runners.install_units import installation
from runners.units import JOBS, Installation, commands_of, rendered
from telemetry.store import Store
from tests.runners.sandbox import REPO, can_be_guarded, deny_write_execute, run_unit, settings
from tests.runners.test_forecaster import promote
from tests.runners.test_plan import NOW, make_folder, put_soc
from tests.runners.test_registry import aurora
from tests.sim.test_planning import fill, new_store

WIRED: dict[str, Any] = {
    "home_assistant": {"url": "http://127.0.0.1:9", "token": 40 * "a"},
    "input_sensors": {"total_load_consumption": "sensor.load"},
    "publish": {"enabled": True},
}
MIRROR = {"mirror": {"host": "nas", "user": "darkstar", "password": "${mirror_password}"}}
ALL = {"record", "plan", "publish", "mirror", "forecast", "validate", "train"}
COMPILES = "import mpc.physics as p, mpc.jit as j; print(j.compiled(p.clip)(3.0, 0.0, 1.0))"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def make_house(folder: Path, **home: Any) -> Path:
    """Write a configuration that has a use for every job, and its secrets."""
    make_folder(folder, home=WIRED | home, top=MIRROR)
    secrets = folder / "secrets.yaml"
    secrets.write_text("mirror_password: hunter2\n", encoding="utf-8")
    secrets.chmod(0o600)
    return folder / "config.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return installation(make_house(tmp_path), user="darkstar", secrets=None)


def written(place: Installation, folder: Path) -> list[Path]:
    """Write the units and return their files."""
    folder.mkdir()
    units = rendered(place)
    for name, text in units.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in units]


def analyze(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
    )


def verified(files: list[Path], *, user: bool = False) -> None:
    """Have systemd read them; unknown keys only warn, so any word is a fault."""
    words = ["--user"] if user else []
    done = analyze(
        *words,
        "verify",
        "--man=no",
        "--recursive-errors=yes",
        *(one for one in files if one.suffix == ".timer"),
        folder=files[0].parent,
    )
    assert (done.returncode, done.stderr) == (0, "")


def kinds(place: Installation) -> dict[str, Installation]:
    """The same for the system, for a user, and for a user who may not make namespaces."""
    user = replace(place, user=None)
    return {"system": place, "user": user, "light": replace(user, guarded=False)}


# What systemd says


@pytest.mark.integration
@needs_systemd
@pytest.mark.parametrize("kind", ["system", "user", "light"])
def test_systemd_takes_them_without_a_word(place: Installation, tmp_path: Path, kind: str) -> None:
    files = written(kinds(place)[kind], tmp_path / "units")
    assert {one.stem.removeprefix("darkstar-") for one in files} == ALL
    verified(files, user=kind != "system")


@pytest.mark.integration
@needs_systemd
def test_an_unknown_key_would_be_noticed(place: Installation, tmp_path: Path) -> None:
    files = written(place, tmp_path / "units")
    files[0].write_text(files[0].read_text("utf-8") + "PersistentX=true\n", encoding="utf-8")
    done = analyze("verify", "--man=no", files[0], folder=tmp_path)
    assert (done.returncode, "PersistentX" in done.stderr) == (0, True)  # it only warns
    with pytest.raises(AssertionError):
        verified(files)


@pytest.mark.integration
@needs_systemd
@pytest.mark.parametrize(("kind", "most"), [("system", 3.0), ("user", 3.0), ("light", 6.3)])
def test_they_are_hardly_exposed(
    place: Installation, tmp_path: Path, kind: str, most: float
) -> None:
    for file in written(kinds(place)[kind], tmp_path / "units"):
        if file.suffix == ".service":
            done = analyze("security", "--offline=true", file, folder=tmp_path)
            (level,) = re.findall(r"exposure level for \S+: ([\d.]+)", done.stdout)
            assert float(level) <= most, done.stdout


@pytest.mark.integration
@needs_systemd
def test_systemd_knows_when(place: Installation, tmp_path: Path) -> None:
    for name, text in rendered(place).items():
        if name.endswith(".timer"):
            (calendar,) = settings(text)["OnCalendar"]
            done = analyze("calendar", calendar, folder=tmp_path)
            assert (done.returncode, done.stderr) == (0, ""), calendar
            assert "Next elapse:" in done.stdout


def test_each_comes_some_seconds_after_the_one_it_waits_for() -> None:
    """Every quarter-hour: record, then plan, then what tells of it."""
    when = {job.name: re.search(r"\*:00/15:(\d\d)$", job.calendar) for job in JOBS}
    seconds = {name: int(found.group(1)) for name, found in when.items() if found is not None}
    assert sorted(seconds, key=lambda name: seconds[name]) == [
        "record",
        "plan",
        "publish",
        "mirror",
    ]
    assert all(second > 0 for second in seconds.values())
    for job in JOBS:
        assert all(seconds[one] < seconds[job.name] for one in job.after if job.name in seconds)


# What is in them


@pytest.mark.parametrize("kind", ["system", "user", "light"])
def test_what_every_unit_says(place: Installation, tmp_path: Path, kind: str) -> None:
    units = {name: settings(text) for name, text in rendered(kinds(place)[kind]).items()}
    for job in JOBS:
        service, timer = (units[f"darkstar-{job.name}.{end}"] for end in ("service", "timer"))
        assert timer["Persistent"] == ["true"]
        assert service["Type"] == ["oneshot"]
        assert service["StateDirectory"] == ["darkstar"]
        assert service["TimeoutStartSec"] == [f"{job.minutes}min"]
        assert service["MemoryDenyWriteExecute"] == ["no" if job.compiles else "yes"]
        assert ("CacheDirectory" in service) is job.compiles
        assert ("NUMBA_CACHE_DIR=%C/darkstar/numba" in service.get("Environment", [])) is (
            job.compiles
        )
        if kind == "system":
            assert service["User"] == ["darkstar"]
            assert "time-sync.target" in service["After"][0].split()
            assert service["LoadCredential"] == [f"secrets.yaml:{tmp_path / 'secrets.yaml'}"]
        else:
            assert not {"User", "LoadCredential"} & service.keys()
    assert [job.name for job in JOBS if job.compiles] == ["train"]


def test_forecast_is_weather_and_prices(place: Installation, tmp_path: Path) -> None:
    """Prices that are not out yet are no failure."""
    unit = settings(rendered(place)["darkstar-forecast.service"])
    (start,) = unit["ExecStart"]
    assert start == f"{place.program} run-job forecast --config {tmp_path / 'config.yaml'}"
    assert unit["SuccessExitStatus"] == ["75"]
    (job,) = (job for job in JOBS if job.name == "forecast")
    assert [words[0] for words in commands_of(job, place.config)] == ["weather", "prices"]


def test_one_command_stands_in_the_unit(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"latitude": None, "longitude": None, "planes": None})
    unit = rendered(installation(tmp_path / "config.yaml", user=None, secrets=None))
    (start,) = settings(unit["darkstar-forecast.service"])["ExecStart"]
    assert start.split()[1:] == ["prices", "--config", str(tmp_path / "config.yaml")]


def test_a_job_that_nothing_needs_is_left_out(tmp_path: Path) -> None:
    config = make_folder(tmp_path)  # no Home Assistant, no mirror, nothing published
    units = rendered(installation(config, user="darkstar", secrets=None))
    assert set(units) == {
        f"darkstar-{job}.{end}"
        for job in ALL - {"record", "publish", "mirror"}
        for end in ("service", "timer")
    }
    # Nobody waits for what is not there.
    assert "darkstar-record" not in units["darkstar-plan.service"]
    assert "LoadCredential" not in units["darkstar-plan.service"]


@pytest.mark.integration
@needs_systemd
def test_homes_and_paths_with_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b" 100% $HOME'
    folder.mkdir()
    config = make_folder(folder, home_id="Villa Ö")
    text = config.read_text("utf-8")
    config.write_text(text.replace("homes:", f"homes:\n  'cab%in': {HUT}", 1), "utf-8")
    place = installation(config, user="darkstar", secrets=None)
    (line,) = settings(rendered(place)["darkstar-plan.service"])["ExecStart"]
    quoted = f'"{tmp_path}/a \\"b\\" 100%% $$HOME/config.yaml"'
    assert line.endswith(f" run-job plan --config {quoted}")
    (job,) = (job for job in JOBS if job.name == "plan")
    common = ["plan", "--no-plot", "--config", str(config)]
    assert commands_of(job, place.config) == [
        [*common, "--home", "cab%in", "--out", "out/cab%25in"],
        [*common, "--home", "Villa Ö", "--out", "out/Villa%20%C3%96"],
    ]
    verified(written(place, tmp_path / "units"))


@pytest.mark.integration
@needs_systemd
@pytest.mark.parametrize("user", ["darkstar", None])
def test_paths_with_dots_links_and_colons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str | None
) -> None:
    """Systemd takes paths without ``..``, and shows a service no folder by a link to it alone."""
    real, data = tmp_path / "a:b", tmp_path / "data"
    for folder in (real / "sub", data):
        folder.mkdir(parents=True)
    raw = yaml.safe_load(make_folder(real).read_text("utf-8"))
    raw["store"]["url"], raw["models"] = "link/../x.sqlite", {"folder": "../models"}
    (real / "config.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    (real / "secrets.yaml").write_text("name: x\n", "utf-8")
    (tmp_path / "way").symlink_to(real)
    (real / "link").symlink_to(data)
    (tmp_path / "x.sqlite").symlink_to(data / "darkstar.sqlite")
    monkeypatch.chdir(tmp_path / "way" / "sub")
    place = installation(Path("../../a:b/config.yaml"), user=user, secrets=None)
    unit = rendered(place)["darkstar-plan.service"]
    found = settings(unit)
    assert ".." not in unit
    assert found["WorkingDirectory"] == [str(tmp_path)]  # where link/.. is
    assert found["ExecStart"][0].endswith(f' --config "{real}/config.yaml"')
    # The store is reached by a link into another folder, where SQLite writes beside it.
    bound = {tmp_path, real, data, tmp_path / "models"}
    assert {one.replace('"', "") for one in found["BindPaths"]} == {f"-{one}" for one in bound}
    (tmp_path / "models").mkdir()
    verified(written(place, tmp_path / "units"), user=user is None)


def test_links_to_what_services_do_not_see_are_shown_with_it(tmp_path: Path) -> None:
    make_house(tmp_path)
    (tmp_path / "venv").mkdir()
    link = Path(f"/var/lib/{tmp_path.name}")  # is not there: only its text counts
    place = installation(tmp_path / "config.yaml", user="darkstar", secrets=None)
    assert place.secrets == tmp_path / "secrets.yaml"
    (tmp_path / "way").symlink_to(tmp_path / "venv")
    unit = rendered(replace(place, needed=(tmp_path / "way", link)))["darkstar-plan.service"]
    assert settings(unit)["BindReadOnlyPaths"] == [f"-{tmp_path}/venv", f"-{tmp_path}/way"]


HUT = "{zone: UTC, area: se4, grid: {max_import_kw: 11, max_export_kw: 11}, tariff: {}}"


def test_what_lies_where_services_see_nothing_is_shown_to_them(tmp_path: Path) -> None:
    config = load_config(make_folder(tmp_path))  # below /tmp
    folders = (Path("/home/me/venv"), Path("/usr"))
    place = Installation(
        program=Path("/home/me/venv/bin/darkstar"),
        needed=folders,
        config=config,
        secrets=None,
        user="darkstar",
    )
    unit = settings(rendered(place)["darkstar-plan.service"])
    assert unit["BindPaths"] == [f"-{tmp_path}", f"-{tmp_path}/models"]
    assert unit["BindReadOnlyPaths"] == ["-/home/me/venv"]
    assert unit["ProtectHome"] == ["tmpfs"]
    config._path = Path("/var/lib/darkstar/config.yaml")
    at_home = settings(rendered(replace(place, needed=()))["darkstar-plan.service"])
    assert not {"BindPaths", "BindReadOnlyPaths", "ReadWritePaths"} & at_home.keys()
    assert at_home["WorkingDirectory"] == ["/var/lib/darkstar"]
    assert at_home["ProtectHome"] == ["yes"]


# Several commands of a job


@pytest.fixture
def two_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house that can be planned (now is a day of June 2025), and a hut without facts."""
    config = make_folder(tmp_path)
    config.write_text(
        config.read_text("utf-8").replace("homes:", f"homes:\n  hut: {HUT}", 1), "utf-8"
    )
    monkeypatch.setattr("runners.plan._clock", lambda: NOW)
    monkeypatch.chdir(tmp_path)
    put_soc(tmp_path, NOW.replace(minute=0), 0.5)
    return tmp_path


def run_job(folder: Path, name: str, *more: str) -> Result:
    words = ["run-job", name, "--config", str(folder / "config.yaml"), *more]
    return CliRunner().invoke(app, words)


def test_a_home_that_fails_is_told_and_keeps_no_other_from_its_turn(two_homes: Path) -> None:
    done = run_job(two_homes, "plan")
    summaries = [line for line in done.stderr.splitlines() if line.startswith("job=")]
    assert [line.split()[1:3] for line in summaries] == [
        ["home=hut", "status=failed"],
        ["home=demo", "status=ok"],
    ]
    assert done.exit_code == 65
    # Each home's files go to a folder of its own.
    assert (two_homes / "out" / "demo" / "schedule.json").exists()
    assert not (two_homes / "out" / "schedule.json").exists()


def test_all_commands_believe_the_same_moment_and_none_writes_in_a_dry_run(two_homes: Path) -> None:
    before = (two_homes / "darkstar.sqlite").read_bytes()
    done = run_job(two_homes, "plan", "--dry-run", "--now", NOW.isoformat())
    summaries = [line for line in done.stderr.splitlines() if line.startswith("job=")]
    moment = f"{NOW:%Y-%m-%dT%H:%M:%S}Z"
    assert len(summaries) == 2
    assert all(f"dry_run=true now={moment}" in line for line in summaries)
    assert (two_homes / "darkstar.sqlite").read_bytes() == before
    assert not (two_homes / "out").exists()


@pytest.mark.parametrize(
    ("codes", "code", "ran"),
    [
        ((0, 0), 0, 2),
        ((75, 0), 75, 2),
        ((75, 69), 69, 2),
        ((69, 78), 69, 2),
        ((69, 75), 69, 2),
        pytest.param((143, 0), 143, 1, id="ended by systemd: the last one"),
        pytest.param((130, 0), 130, 1, id="interrupted: the same"),
    ],
)
def test_what_a_job_of_several_commands_exits_with(
    two_homes: Path,
    monkeypatch: pytest.MonkeyPatch,
    codes: tuple[int, ...],
    code: int,
    ran: int,
) -> None:
    left = list(codes)

    def ended(**_: object) -> None:
        raise SystemExit(left.pop(0))

    monkeypatch.setattr("runners.plan.run_plan", ended)
    assert run_job(two_homes, "plan").exit_code == code
    assert len(codes) - len(left) == ran


def test_a_fault_that_nobody_foresaw_ends_one_command_alone(
    two_homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*, home_id: str, **_: object) -> None:
        if home_id == "hut":
            raise ZeroDivisionError
        raise SystemExit(69)

    monkeypatch.setattr("runners.plan.run_plan", broken)
    done = run_job(two_homes, "plan")
    assert done.exit_code == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_job_that_is_none_or_that_nobody_needs(two_homes: Path) -> None:
    for name in ("plans", "mirror"):
        done = run_job(two_homes, name)
        assert done.exit_code == 2
        assert f"run-job: JOB: {name} -> no job that a home of " in done.stderr
        assert "name one of: plan, forecast, validate, train" in done.stderr


# Installing


def install(folder: Path, *words: str) -> Result:
    app = typer.Typer()
    app.command()(install_units)
    return CliRunner().invoke(app, ["--config", str(folder / "config.yaml"), *words])


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house whose user units go to ``config/systemd/user``, its system units to ``system``."""
    tmp_path /= "my house"
    tmp_path.mkdir()
    make_house(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(runners.install_units, "SYSTEM_FOLDER", tmp_path / "system")
    return tmp_path


def test_a_dry_run_prints_all_and_writes_nothing(house: Path) -> None:
    before = sorted(house.rglob("*"))
    done = install(house, "--dry-run", "--run-as", "nobody-here")
    assert done.exit_code == 0, done.output
    assert sorted(house.rglob("*")) == before
    shown = re.findall(r"^# (/.+)$", done.stdout, re.MULTILINE)
    assert shown == [
        str(house / "system" / f"darkstar-{job.name}.{end}")
        for job in JOBS
        for end in ("service", "timer")
    ]
    assert done.stdout.count("User=nobody-here\n") == len(JOBS)
    assert "hunter2" not in done.output


def test_user_units_are_written_once_and_what_is_left_over_is_told(house: Path) -> None:
    folder = house / "config" / "systemd" / "user"
    done = install(house, "--user")
    assert done.exit_code == 0, done.output
    assert f"{folder}: {2 * len(JOBS)} units written, 0 as before" in done.stdout
    assert "systemctl --user enable --now darkstar-record.timer darkstar-plan.timer" in done.stdout
    assert f"0 units written, {2 * len(JOBS)} as before" in install(house, "--user").stdout
    (folder / "darkstar-own.timer").write_text("[Timer]\n", encoding="utf-8")
    make_folder(house)  # without mirror, publish and Home Assistant
    left = install(house, "--user").stdout.splitlines()
    gone = [line for line in left if line.startswith("no longer wanted: ")]
    # What is printed can be pasted into a shell.
    for line in gone:
        name = re.findall(r"--now (\S+)\.timer", line)[0]
        both = [str(folder / f"{name}.{end}") for end in ("timer", "service")]
        assert shlex.split(line.partition(" && ")[2]) == ["rm", *both]
    assert [re.findall(r"--now (\S+)", line) for line in gone] == [
        [f"darkstar-{job}.timer"] for job in ("mirror", "publish", "record")
    ]


@pytest.mark.parametrize("user", [True, False])
def test_without_the_right_to_write_nothing_is(
    house: Path, monkeypatch: pytest.MonkeyPatch, *, user: bool
) -> None:
    shut = house / "shut"
    shut.touch()  # a file: not even root makes a folder in it
    monkeypatch.setenv("XDG_CONFIG_HOME", str(shut))
    monkeypatch.setattr(runners.install_units, "SYSTEM_FOLDER", shut / "system")
    me = pwd.getpwuid(os.getuid()).pw_name
    done = install(house, *(["--user"] if user else ["--run-as", me]))
    assert done.exit_code == 73, done.output
    assert done.stderr.count("\n") == 1
    cure = "make it yours" if user else "run it as root (sudo), or install your own with --user"
    assert cure in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_who_runs_the_jobs_must_own_what_they_write(house: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    done = install(house, "--run-as", "nobody")
    assert done.exit_code == 0, done.output
    assert f"  chown -R nobody '{house}'\n" in done.stdout
    assert "jobs run as nobody, and what they read and write must be theirs" in done.stdout
    for path in (house, *house.iterdir()):
        os.chown(path, nobody.pw_uid, -1)
    assert "chown" not in install(house, "--run-as", "nobody").stdout
    (house / "models").mkdir()  # a model that root trained by hand
    assert f"  chown -R nobody '{house}/models'\n" in install(house, "--run-as", "nobody").stdout
    assert "chown" not in install(house, "--run-as", "root").stdout
    assert "chown" not in install(house, "--user").stdout


def test_a_user_that_is_not_there(house: Path) -> None:
    done = install(house, "--run-as", "nobody-here")
    assert done.exit_code == 78
    assert (
        "useradd --system --home-dir /var/lib/darkstar --shell /usr/sbin/nologin nobody-here"
        in (done.stderr)
    )
    assert not (house / "system").exists()


def test_secrets_of_root_alone(house: Path) -> None:
    hidden = house / "root" / "secrets.yaml"
    hidden.parent.mkdir()
    (house / "secrets.yaml").rename(hidden)
    assert install(house, "--dry-run").exit_code == 78  # the secret is missing
    done = install(house, "--dry-run", "--secrets", str(hidden))
    assert done.exit_code == 0, done.output
    assert f"LoadCredential=secrets.yaml:{hidden}\n" in done.stdout


# Under their settings


@pytest.mark.integration
@pytest.mark.skipif(not can_be_guarded(), reason="system calls of this machine are not known")
def test_the_guard_refuses_what_numba_needs() -> None:
    def compiles(guard: Callable[[], None] | None) -> str:
        done = subprocess.run(
            [sys.executable, "-c", COMPILES],
            preexec_fn=guard,
            capture_output=True,
            text=True,
            check=False,
            cwd=REPO,
        )
        return done.stdout

    assert compiles(None) == "1.0\n"
    assert compiles(deny_write_execute()) == ""


@pytest.mark.integration
@pytest.mark.skipif(not can_be_guarded(), reason="system calls of this machine are not known")
def test_the_plan_units_command_runs_under_its_settings(tmp_path: Path) -> None:
    """With a model in use: the trees' library is loaded and called, and nothing is compiled."""
    config = make_folder(tmp_path)
    (tmp_path / "darkstar.sqlite").unlink()
    now = datetime.now(UTC)
    with Store.open(new_store(tmp_path / "darkstar.sqlite")) as store, store.transaction():
        first = now.date() - timedelta(days=15)
        fill(store, load_config(config).home("demo"), first, now.date() + timedelta(days=2))
    slot = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    put_soc(tmp_path, slot - timedelta(minutes=15), 0.5)
    promote(tmp_path, aurora())
    unit = rendered(installation(config, user="darkstar", secrets=None))["darkstar-plan.service"]
    assert settings(unit)["MemoryDenyWriteExecute"] == ["yes"]
    done = run_unit(unit, tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert "Aurora" in done.stdout
    summary = done.stderr.splitlines()[-1]
    assert summary.startswith("job=plan home=demo status=ok ")
    assert " forecast=aurora " in summary
    schedule = tmp_path / "out" / "schedule.json"
    assert schedule.stat().st_mode & 0o777 == 0o640  # UMask=0027
    assert not (tmp_path / "out" / "plan.png").exists()
    assert not (tmp_path / "cache").exists()
