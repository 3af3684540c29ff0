"""Every job keeps one contract: one run at a time, one summary line, a code a fault, dry runs.

The house is that of ``tests.runners.test_plan``, on 12 June 2025 at 13:20 in Stockholm, with a Home
Assistant, a market, a weather service and a mirror that stand in for the real ones.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

import runners.prices
import runners.record
import runners.weather
from runners.cli import app
from runners.config import load_config
from runners.config_models import StoreConfig
from runners.contract import CLOCK_TOLERANCE, job_run
from runners.errors import ConfigError
from runners.lock import lock_file, one_of_many, only_one
from telemetry import database
from telemetry.channels import Provenance
from telemetry.homeassistant import HomeAssistant
from telemetry.market import NordPool
from telemetry.open_meteo import OpenMeteo
from telemetry.slots import to_epoch
from telemetry.store import Store
from tests.runners.test_plan import NOW, make_folder
from tests.telemetry.fake_peer import FakePeer
from tests.telemetry.market.replies import nordpool_reply
from tests.telemetry.test_open_meteo import open_meteo
from tests.telemetry.web import Answer, Query, serving

NOBODY = "http://127.0.0.1:9"
WIRED: dict[str, Any] = {
    "home_assistant": {"url": NOBODY, "token": 40 * "a"},
    "input_sensors": {"total_load_consumption": "sensor.load"},
}
MIRROR = {
    "mirror": {
        "host": "127.0.0.1",
        "port": 9,
        "user": "darkstar",
        "password": "${mirror_password}",
    }
}
SLOT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as these tests run it.

    Attributes:
        name: of the command.
        words: what else it gets.
        asks: whether it asks anybody outside.
        writes: whether a run of this house writes to the store.
    """

    name: str
    words: tuple[str, ...] = ()
    asks: bool = True
    writes: bool = True


JOBS = (
    Job(name="record"),
    Job(name="prices"),
    Job(name="weather"),
    Job(name="validate", words=("--no-plot",)),
    Job(name="train", asks=False, writes=False),
    Job(name="mirror"),
    Job(name="plan", words=("--no-plot", "--soc-kwh", "5"), asks=False),
)


def cases(jobs: tuple[Job, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("one", jobs, ids=[one.name for one in jobs])


def run(folder: Path, one: Job, *words: str, now: datetime = NOW) -> Result:
    argv = [one.name, "--config", str(folder / "config.yaml"), *one.words, *words]
    return CliRunner().invoke(app, [*argv, "--now", now.isoformat()], color=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house in which nobody answers and nothing is waited for."""
    make_folder(tmp_path, home=WIRED, top=MIRROR)
    monkeypatch.setenv("mirror_password", "hunter2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 20)
    defaults = HomeAssistant.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", lambda _: None)
    monkeypatch.setattr(runners.prices, "open_provider", market_at(NOBODY))
    monkeypatch.setattr(runners.weather, "open_service", weather_at(NOBODY))
    return tmp_path


def market_at(url: str) -> Callable[[str], Any]:
    @contextmanager
    def opened(_name: str) -> Iterator[NordPool]:
        yield NordPool(url=url, sleep=lambda _: None)

    return opened


def weather_at(url: str) -> Callable[[], Any]:
    @contextmanager
    def opened() -> Iterator[OpenMeteo]:
        with httpx.Client(timeout=60.0) as client:  # other processes may be at work here
            forecast = f"{url}/v1/forecast"
            yield OpenMeteo(client, forecast_url=forecast, sleep=lambda _: None)

    return opened


@pytest.fixture
def answered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same house where all answer."""

    def answer(path: str, query: Query) -> Answer:
        if "date" in query:
            day = datetime.fromisoformat(query["date"]).date()
            return 200, nordpool_reply(day, currency=query["currency"])
        return open_meteo(path, query)

    @contextmanager
    def peer(*_: object, **__: object) -> Iterator[FakePeer]:
        since = NOW - timedelta(hours=30)
        ticks = [(since + timedelta(minutes=m), f"{0.01 * m:.2f}") for m in range(30 * 60 + 1)]
        yield FakePeer(now=NOW, live={"sensor.load": ticks})

    with serving(answer) as web:
        monkeypatch.setattr(runners.record, "open_peer", peer)
        monkeypatch.setattr(runners.prices, "open_provider", market_at(web.url))
        monkeypatch.setattr(runners.weather, "open_service", weather_at(web.url))
        yield folder


def told(done: Result, code: int) -> tuple[list[str], str]:
    """Return what stands on stderr: the red lines, and the summary line, which is the last."""
    assert done.exit_code == code, (done.exception, done.output)
    assert "Traceback" not in done.output
    *lines, last = done.stderr.splitlines()
    assert last.startswith("\x1b[2mjob=")
    assert last.endswith("\x1b[0m")
    return lines, last.removeprefix("\x1b[2m").removesuffix("\x1b[0m")


def one_red_line(done: Result, one: Job, code: int) -> str:
    """Return the red line of a run that ended in a fault, and check its summary."""
    (line,), summary = told(done, code)
    assert line.startswith("\x1b[31m")
    assert summary.startswith(f"job={one.name} home=")
    assert " status=failed seconds=0." in summary
    assert f" exit={code} error=" in summary
    return line


def content(folder: Path) -> dict[str, bytes]:
    """All files, byte by byte, but what SQLite leaves beside a store that was only read."""
    beside = ("-shm", "-wal")
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith(beside)]
    return {p.name: p.read_bytes() for p in files}


def dump(folder: Path) -> list[str]:
    """All rows of the store."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db:
        return list(db.iterdump())


# One at a time


@cases(JOBS)
def test_the_second_of_two_leaves_with_a_word(folder: Path, one: Job) -> None:
    before = dump(folder)
    with only_one(folder / f".darkstar.sqlite-{one.name}.lock") as alone:
        assert alone
        done = run(folder, one)
    (word,), summary = told(done, 0)
    assert f"another darkstar {one.name} is at work here: left it to that one" in word
    assert f"job={one.name} home=demo status=skipped " in summary
    assert " exit=0 now=2025-06-12T11:20:00Z" in summary
    assert (done.stdout, dump(folder)) == ("", before)


@pytest.mark.parametrize(
    ("other", "leaves"),
    [
        pytest.param((".darkstar.sqlite-plan-demo.lock", "alone"), True, id="this home"),
        pytest.param((".darkstar.sqlite-plan-h%C3%BCt.lock", "alone"), False, id="another home"),
        pytest.param((".darkstar.sqlite-plan.lock", "of many"), False, id="jobs of other homes"),
        pytest.param((".darkstar.sqlite-plan.lock", "alone"), True, id="a job of all homes"),
        pytest.param((".other.sqlite-plan.lock", "alone"), False, id="another store"),
        pytest.param((".darkstar.sqlite-record.lock", "alone"), False, id="another job"),
    ],
)
def test_whom_it_leaves_the_work_to(folder: Path, other: tuple[str, str], *, leaves: bool) -> None:
    name, how = other
    with (only_one if how == "alone" else one_of_many)(folder / name) as taken:
        assert taken
        done = run(folder, JOBS[-1])
    assert done.exit_code == 0
    assert ("status=skipped" in done.stderr) is leaves
    assert (folder / "out" / "schedule.json").exists() is not leaves


def test_each_home_has_a_lock_of_its_own_and_a_link_is_no_other_store(tmp_path: Path) -> None:
    make_folder(tmp_path, home_id="villa")
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "darkstar.sqlite")
    config = load_config(tmp_path / "config.yaml")
    linked = config.model_copy(update={"store": StoreConfig(url=SecretStr("link.sqlite"))})
    with job_run("plan") as first, job_run("plan") as second, job_run("plan") as third:
        assert first.begins(config, ["villa"])
        assert second.begins(config, ["a/b"])
        assert not third.begins(linked, ["villa"])
    assert (tmp_path / ".darkstar.sqlite-plan-a%2Fb.lock").exists()
    with job_run("record") as first, job_run("record") as second:
        assert first.begins(config, ["villa", "hut"])
        assert not second.begins(config, ["hut"])


def test_a_store_on_a_server_has_locks_beside_the_configuration(tmp_path: Path) -> None:
    url = "mysql+pymysql://me:hunter2%40@nas/house?ssl_ca=x"
    make_folder(tmp_path, top={"store": {"url": url}})
    name = lock_file(load_config(tmp_path / "config.yaml"), "plan", "demo")
    assert name == tmp_path / ".nas%3A3306%2Fhouse-plan-demo.lock"


# Faults


@cases(JOBS)
def test_without_a_configuration(tmp_path: Path, one: Job) -> None:
    line = one_red_line(run(tmp_path, one), one, 78)
    assert "config.yaml: no such file; run `darkstar init`" in line
    assert content(tmp_path) == {}


@cases(tuple(one for one in JOBS if one.asks))
def test_who_is_asked_does_not_answer(folder: Path, one: Job) -> None:
    done = run(folder, one)
    *_, line = told(done, 69)[0]
    assert line.startswith("\x1b[31m")
    assert done.stderr.count("\x1b[31m") == 1
    assert " exit=69 error=PeerUnreachableError" in told(done, 69)[1]


@cases(JOBS)
def test_a_store_that_another_one_holds(
    answered: Path, one: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--no-reference",) if one.name == "validate" else ()
    if one.name == "mirror":
        monkeypatch.setattr("telemetry.mirror.Mirror.open", lambda _: only_one(answered / "x"))
    holder = sqlite3.connect(answered / "darkstar.sqlite")
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        line = one_red_line(run(answered, one, *words), one, 75)
    finally:
        holder.close()
    assert "is busy: database is locked; another process holds it; try again" in line


@cases(tuple(one for one in JOBS if one.name != "train"))
def test_a_store_whose_server_is_down(folder: Path, one: Job) -> None:
    url = "mysql+pymysql://me:hunter2@127.0.0.1:9/darkstar"
    make_folder(folder, home=WIRED, top={**MIRROR, "store": {"url": url}})
    words = ("--no-reference",) if one.name == "validate" else ()
    line = one_red_line(run(folder, one, *words), one, 69)
    assert "check host and port of store.url" in line or "store" not in line
    assert "hunter2" not in line


def test_a_configuration_that_may_not_be_read_is_one_that_cannot_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a slip of the command line: it has its code and its summary."""
    monkeypatch.setattr("os.access", lambda *_: False)
    told(run(folder, JOBS[-1]), 0)  # as it can be read all the same

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refused)
    line = one_red_line(run(folder, JOBS[-1]), JOBS[-1], 78)
    assert "config.yaml" in line
    assert "Permission denied" in line


# The clock


def measured_later(folder: Path, provenance: Provenance, later: timedelta) -> None:
    """Let a slot that ends so much later than now be measured already."""
    start = np.array([to_epoch(NOW + later - SLOT) // 900 * 900], dtype=np.int64)
    with Store.open(folder / "darkstar.sqlite") as store:
        store.put_observations(
            "demo", "load_kwh", start, np.ones(1), known_at=start, provenance=provenance
        )


@cases(JOBS)
def test_a_clock_before_the_newest_measurement_is_refused(
    answered: Path, one: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    if one.name == "mirror":
        monkeypatch.setattr("telemetry.mirror.Mirror.open", lambda _: only_one(answered / "x"))
    measured_later(answered, Provenance.LIVE, timedelta(hours=9))
    before = dump(answered)
    words = ("--no-reference",) if one.name == "validate" else ()
    line = one_red_line(run(answered, one, *words), one, 75)
    assert "clock: shows 2025-06-12 11:20 UTC, but demo was measured until 2025-06-12 20:15" in line
    assert "wait until this machine has taken its time from the network (timedatectl)" in line
    assert dump(answered) == before


@pytest.mark.parametrize(
    ("provenance", "later", "refused"),
    [
        pytest.param("live", CLOCK_TOLERANCE, False, id="two slots: a clock that drifts"),
        pytest.param("live", CLOCK_TOLERANCE + SLOT, True, id="three slots"),
        pytest.param("statistics_hourly", timedelta(hours=3), True, id="the recorder's sums"),
        pytest.param("import", timedelta(hours=3), False, id="a file knows no clock of ours"),
    ],
)
def test_what_of_the_future_is_no_sign_of_a_wrong_clock(
    folder: Path, provenance: str, later: timedelta, *, refused: bool
) -> None:
    # 11:30 and 11:45 are ends of slots, and NOW is a moment between two.
    now = NOW.replace(minute=30)
    start = np.array([to_epoch(now + later - SLOT)], dtype=np.int64)
    with Store.open(folder / "darkstar.sqlite") as store:
        store.put_observations(
            "demo", "load_kwh", start, np.ones(1), known_at=start, provenance=Provenance(provenance)
        )
        with job_run("plan", now=now) as there:
            if refused:
                with pytest.raises(ConfigError, match="was measured until"):
                    there.check_clock(store, ["demo"])
            there.check_clock(store, ["unknown"])
            if not refused:
                there.check_clock(store, ["demo"])
        with job_run("plan", now=now, look_back=True) as there:
            there.check_clock(store, ["demo"])


# Dry runs


@cases(tuple(one for one in JOBS if one.name != "mirror"))
def test_a_dry_run_says_all_and_writes_nothing(answered: Path, one: Job) -> None:
    words = ("--no-reference",) if one.name == "validate" else ()
    before, held = content(answered), dump(answered)
    done = run(answered, one, "--dry-run", *words)
    lines, summary = told(done, 0)
    assert lines == []
    assert f"job={one.name} home=demo status=ok " in summary
    assert " exit=0 dry_run=true now=" in summary
    assert len(done.stdout.splitlines()) > 3
    assert content(answered) == before
    # A run writes, and says the same of it.
    told(run(answered, one, *words), 0)
    assert (dump(answered) != held) is one.writes


def test_a_dry_run_needs_no_store(answered: Path) -> None:
    (answered / "darkstar.sqlite").unlink()
    before = content(answered)
    for one in JOBS[:3]:
        told(run(answered, one, "--dry-run"), 0)
    assert content(answered) == before


def test_a_dry_run_does_not_migrate(folder: Path) -> None:
    with sqlite3.connect(folder / "darkstar.sqlite") as db:
        db.execute("UPDATE alembic_version SET version_num = '0001'")
    db.close()
    before = content(folder)
    (line,), _ = told(run(folder, JOBS[4], "--dry-run"), 65)
    assert "an older Darkstar wrote it; darkstar upgrade copies it and brings it" in line
    assert content(folder) == before


# Time


def test_everything_that_asks_the_clock_takes_now(answered: Path) -> None:
    for one in JOBS[:3]:
        told(run(answered, one), 0)
    with Store.open(answered / "darkstar.sqlite", read_only=True) as store:
        issues = store.weather_issues("demo", NOW - SLOT, NOW + SLOT)
        assert {issue.issued_at for issue in issues} == {to_epoch(NOW)}
        newest = store.latest("demo", "load_kwh", as_of=NOW, not_before=NOW - timedelta(hours=1))
    assert newest is not None
    assert newest.slot_start == datetime(2025, 6, 12, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("other", [("--dry-run",), ("--now", "2025-06-12T11:20Z")])
def test_a_stopped_clock_is_not_waited_for(folder: Path, other: tuple[str, ...]) -> None:
    argv = ["prices", "--config", str(folder / "config.yaml"), "--wait", *other]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 2
    assert "waits for what a stopped clock or a dry run never brings" in " ".join(
        done.stderr.split()
    )
