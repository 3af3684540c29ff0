"""Where a reader is when he types what a section shows: folders as they are by then.

The clock of houses stands at 14 August 2025, 15:20 in Stockholm, so that dates of the pages have
passed and tomorrow's prices are out. Their Home Assistant is a real one, with the statistics of the
demo home since July, asked with the token of a user who may only read.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from runners.init import run_init
from telemetry.channels import Channel
from telemetry.slots import to_epoch
from tests.docs.pages import REPO, commands, outputs
from tests.docs.reader import Reader, link_environment, shifted_clock
from tests.forecast.small_homes import small_training
from tests.live.houses import DEMO, SOC, hours_of, seeds
from tests.peers.home_assistant import RealHomeAssistant, Seed
from tests.telemetry.market.replies import nordpool_reply, starts_of
from tests.telemetry.quality.houses import make_month
from tests.telemetry.web import Answer, Query

__all__ = [
    "EXCUSED",
    "NOW",
    "SCENES",
    "Scene",
    "check_out",
    "fill",
    "market",
    "scene_of",
    "settle",
    "wire",
]

NOW = datetime(2025, 8, 14, 13, 20, tzinfo=UTC)
CHECKED_OUT = ("git clone URL darkstar", "cd darkstar", "make demo")
_FIRST = date(2025, 6, 30)
Make = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Reader]]
Act = Callable[[Reader, pytest.FixtureRequest], None]
Look = Callable[[str], None]


# --- what a folder is made of ------------------------------------------------------------------


def check_out(folder: Path) -> Path:
    """Clone this project and run ``make demo`` there; return the clone."""
    reader = Reader(folder=folder, instead={"URL": str(REPO)})
    clone, enter, demo = CHECKED_OUT
    reader.type(clone)
    link_environment(folder / "darkstar", folder / "darkstar")
    reader.type(enter)
    assert "optimal" in reader.type(demo)
    return reader.folder


def settle(folder: Path, real_data: Path) -> None:
    """Import the villa of docs/lab.md."""
    run_init(folder / "config.yaml", force=False)
    text = (folder / "config.yaml").read_text("utf-8").replace("  demo:  ", "  se4_darkstar:  ", 1)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    files = [real_data / name for name in ("prices_se3_se4.csv.gz", "home_se4_hourly.csv.gz")]
    Reader(folder=folder, in_process=True).type(
        shlex.join(["darkstar", "import", *map(str, files)])
    )


def market(_path: str, query: Query) -> Answer:
    """Nord Pool: any day is published, dear in the evening; EUR or SEK per MWh."""
    day = date.fromisoformat(query["date"])
    area, currency = query["deliveryArea"], query["currency"]
    return 200, nordpool_reply(
        day, (area,), currency=currency, price=lambda quarter: 400.0 + 10.0 * quarter
    )


def fill(ha: RealHomeAssistant) -> None:
    """Give Home Assistant the demo home's statistics until now, and states of all entities."""
    start, hours = hours_of(make_month(_FIRST, NOW.date()))
    known = start + 3600 <= to_epoch(NOW)
    told = seeds(start[known], {name: values[known] for name, values in hours.items()})
    ha.seed_statistics_directly(told)
    for seed in told:
        _show(ha, seed)


def _show(ha: RealHomeAssistant, seed: Seed) -> None:
    if seed.sum is None:
        assert seed.mean is not None
        ha.set_state(
            seed.entity_id,
            f"{seed.mean[-1]:.1f}",
            {"unit_of_measurement": "%", "device_class": "battery", "state_class": "measurement"},
        )
        return
    kind = {"device_class": "energy", "state_class": "total_increasing"}
    ha.set_state(seed.entity_id, f"{seed.sum[-1]:.3f}", {"unit_of_measurement": seed.unit, **kind})


def wire(folder: Path, ha: RealHomeAssistant) -> None:
    """Edit what ``darkstar init`` wrote, as its owner would: the meters, and the token."""
    sensors = dict(DEMO.values()) | {"battery_soc": SOC}
    lines = [
        "    home_assistant:",
        f"      url: {ha.url}",
        "      token: !secret ha_token",
        "    input_sensors:",
        *(f"      {key}: {entity}" for key, entity in sensors.items()),
    ]
    path = folder / "config.yaml"
    above, battery, below = path.read_text("utf-8").partition("    battery:   ")
    assert battery
    path.write_text(above + "\n".join(lines) + f"\n\n{battery}{below}", encoding="utf-8")
    with (folder / "secrets.yaml").open("a", encoding="utf-8") as secrets:
        secrets.write(f"ha_token: {ha.token_readonly}\n")


def _keep(store: Path, first: str, last: str) -> None:
    """Let a store know the house of some days alone, both included."""
    start = to_epoch(datetime.fromisoformat(first).replace(tzinfo=UTC) - timedelta(hours=4))
    end = to_epoch(datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(hours=23))
    with closing(sqlite3.connect(store)) as base, base:
        base.execute(
            "DELETE FROM slot_observations WHERE slot_start < ? OR slot_start >= ?", (start, end)
        )


# --- scenes ------------------------------------------------------------------------------------


@contextmanager
def demo(request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
    """After ``make demo``."""
    checkout: Path = request.getfixturevalue("checkout")
    shutil.copytree(checkout / "demo-out", folder / "demo-out")
    yield Reader(folder=folder, in_process=True, done=frozenset({"make demo"}))


def part(first: str, last: str, *, as_config: bool = False) -> Make:
    """After ``make demo``, with some days of the house alone, so that it takes no minutes.

    Args:
        first: the first day.
        last: the last one, included.
        as_config: the configuration stands in the reader's own folder.
    """

    @contextmanager
    def made(request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
        with demo(request, folder) as reader, small_training():
            _keep(folder / "demo-out" / "darkstar.sqlite", first, last)
            if as_config:
                for path in (folder / "demo-out").iterdir():
                    path.rename(folder / path.name)
            yield reader

    return made


@contextmanager
def installed(request: pytest.FixtureRequest, _folder: Path) -> Iterator[Reader]:
    """After ``make demo`` in the clone; all that follows is typed there."""
    checkout: Path = request.getfixturevalue("checkout")
    yield Reader(
        folder=checkout,
        done=frozenset(CHECKED_OUT),
        environment=request.getfixturevalue("summer"),
    )


@contextmanager
def house(request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
    """A house whose past is known."""
    lived: Path = request.getfixturevalue("lived_in")
    for name in ("config.yaml", "secrets.yaml", "darkstar.sqlite"):
        shutil.copy(lived / name, folder / name)
    link_environment(folder, REPO)
    yield Reader(folder=folder, environment=request.getfixturevalue("summer"))


@contextmanager
def files(request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
    """Two weeks of readings and prices in files."""
    link_environment(folder, REPO)
    start, hours = hours_of(make_month(date(2025, 8, 1), NOW.date()))
    known = start + 3600 <= to_epoch(NOW)
    rows = zip(start, hours[Channel.LOAD_KWH], hours[Channel.PV_KWH], strict=True)
    stamps = [f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}" for at in start]
    lines = [
        f"demo,{stamp},60,{load:.4f},{pv:.4f}"
        for stamp, (_, load, pv), seen in zip(stamps, rows, known, strict=True)
        if seen
    ]
    header = "home_id,slot_start_utc,slot_minutes,load_kwh,pv_kwh"
    (folder / "load_and_pv.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    days = [date(2025, 8, 1) + timedelta(days=k) for k in range(15)]
    prices = [
        f"{at:%Y-%m-%dT%H:%M:%SZ},60,{0.04 + 0.002 * at.hour:.3f}"
        for day in days
        for at in starts_of(day, 60)
    ]
    header = "slot_start_utc,slot_minutes,se4_eur_kwh"
    (folder / "prices.csv").write_text("\n".join([header, *prices, ""]), encoding="utf-8")
    yield Reader(folder=folder, environment=request.getfixturevalue("summer"))


def new(moment: datetime) -> Make:
    """After ``darkstar init``, at another moment."""

    @contextmanager
    def made(_request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
        run_init(folder / "config.yaml", force=False)
        link_environment(folder, REPO)
        yield Reader(folder=folder, environment={"DOCS_CLOCK": shifted_clock(moment)})

    return made


@contextmanager
def villa(request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
    """The villa of docs/lab.md; skips loudly where its data are not."""
    shutil.copytree(request.getfixturevalue("skane"), folder, dirs_exist_ok=True)
    yield Reader(folder=folder, in_process=True)


@contextmanager
def cluster(request: pytest.FixtureRequest, folder: Path) -> Iterator[Reader]:
    """Machines that are all this one."""
    port = request.getfixturevalue("free_port")
    with part("2025-06-01", "2025-06-03", as_config=True)(request, folder) as reader:
        local = f"tcp://127.0.0.1:{port}"
        reader.instead = {
            "tcp://nas:8786": local,
            "dask scheduler": f"dask scheduler --host {local} --no-dashboard",
            "--nthreads 1": "--nthreads 1 --no-dashboard",
        }
        reader.servers = {"dask scheduler": "Scheduler at:", "dask worker": "Registered to:"}
        yield reader


# --- which scene a section is read in ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How a section is read.

    Attributes:
        make: its folder and clock.
        before: what happens before a command.
        after: what is looked at after a command, with what it printed.
        real_data: whether it needs them.
    """

    make: Make
    before: Mapping[str, Act] = field(default_factory=dict)
    after: Mapping[str, Look] = field(default_factory=dict)
    real_data: bool = False


def scene_of(page: str, section: str, texts: Sequence[str]) -> Scene:
    """Return the scene of a section: its own, else after ``make demo``, or in the house."""
    usual = demo if any("demo-out" in text or text == "make demo" for text in texts) else house
    return SCENES.get((page, section), Scene(make=usual))


def _wired(reader: Reader, request: pytest.FixtureRequest) -> None:
    wire(reader.folder, request.getfixturevalue("summer_house"))


def _without_failures(said: str) -> None:
    assert "0 failures" in said, said


def _names_what_follows(said: str) -> None:
    """The page shows the commands that install-units prints, to the letter."""
    shown = {command.text for command in commands("README.md")} & EXCUSED.keys()
    following = {text for text in shown if text.startswith(("systemctl", "loginctl"))}
    assert len(following) == 2
    printed = {line.split("#")[0].strip() for line in said.splitlines()}
    assert following <= printed, said


def _shows_table(page: str, number: int) -> Look:
    """The rows of a table that a page shows are those that its command prints."""

    def look(said: str) -> None:
        printed = {" ".join(line.split()) for line in said.splitlines()}
        rows = [" ".join(row.split()) for row in outputs(page)[number].splitlines()]
        assert {row for row in rows if "─" not in row} <= printed, said

    return look


def _told(*words: str) -> Look:
    """What a command printed has these words."""

    def look(said: str) -> None:
        assert all(word in said for word in words), said

    return look


def _trained(reader: Reader, _request: pytest.FixtureRequest) -> None:
    """Some day darkstar train made a folder of models."""
    (reader.folder / "models").mkdir()


def _a_few_days(reader: Reader, _request: pytest.FixtureRequest) -> None:
    """The month takes a minute; tests/sim/test_lab_real.py looks at its sum."""
    reader.variables["AUGUST"] = "--day 2025-08-04 --until 2025-08-06"


def _first_block(reader: Reader, _request: pytest.FixtureRequest) -> None:
    """The reader takes an id from the list."""
    reader.instead["ID"] = re.findall(r"\b[0-9a-f]{8}\b", reader.type("darkstar manual list"))[0]


_AUTUMN = part("2025-09-20", "2025-12-03")
_JUNE = part("2025-05-28", "2025-06-03")
_EXPORT = "darkstar whatif day $VILLA $AUGUST --no-battery-export --replay"
_TARGETS = "darkstar whatif day $VILLA $AUGUST --export-kwh 2 4 6 10 --hindsight"
_CREDIT = "--no-tax-credit --both"
_BIGGER = "--day 2025-07-08 --until 2025-09-29 --battery-kwh 20 --replay"

SCENES: dict[tuple[str, str], Scene] = {
    ("README.md", "your-house"): Scene(
        make=installed,
        before={".venv/bin/darkstar backfill --start-date 2025-07-01": _wired},
        after={
            ".venv/bin/darkstar doctor": _without_failures,
            ".venv/bin/darkstar install-units --user": _names_what_follows,
        },
    ),
    ("README.md", "without-a-home-assistant"): Scene(make=files),
    ("README.md", "forecasts"): Scene(
        make=_AUTUMN,
        after={".venv/bin/darkstar train --config demo-out/config.yaml": _told("promoted: ")},
    ),
    ("README.md", "training-episodes"): Scene(make=_JUNE),
    ("docs/operations.md", "backup-another-machine-upgrade"): Scene(
        make=house,
        before={
            "tar -czf darkstar-backup.tar.gz config.yaml models darkstar-backup.sqlite": _trained
        },
        after={
            ".venv/bin/darkstar backup darkstar-backup.sqlite": _told("checked"),
            ".venv/bin/darkstar upgrade": _told("nothing to do"),
        },
    ),
    ("docs/episodes.md", "episodes-planner-runs-as-training-data"): Scene(make=_JUNE),
    ("docs/episodes.md", "many-cores-many-machines"): Scene(make=cluster),
    ("docs/forecast.md", "train"): Scene(
        make=part("2025-09-20", "2025-12-03", as_config=True),
        after={"darkstar train": _told("promoted: ")},
    ),
    ("docs/forecast.md", "evaluate"): Scene(
        make=part("2025-08-20", "2025-09-06", as_config=True),
    ),
    ("docs/lab.md", "the-lab"): Scene(
        make=demo,
        after={
            ".venv/bin/darkstar whatif day --config demo-out/config.yaml --day 2025-08-14 "
            "--export-kwh 2 4 6 10": _shows_table("docs/lab.md", 0)
        },
    ),
    ("docs/lab.md", "is-exporting-at-the-price-peak-worth-it"): Scene(
        make=villa,
        before={_TARGETS: _a_few_days},
        after={_EXPORT: _told("+84.19"), f"{_EXPORT} {_CREDIT}": _told("+32.58")},
        real_data=True,
    ),
    ("docs/lab.md", "what-would-a-bigger-battery-have-saved-this-summer"): Scene(
        make=villa,
        after={f"darkstar whatif day $VILLA {_BIGGER}": _told("-268.86")},
        real_data=True,
    ),
    ("docs/lab.md", "what-did-forecast-errors-cost-in-august"): Scene(make=villa, real_data=True),
    ("docs/usage.md", "manual-plan"): Scene(
        make=new(datetime(2025, 7, 31, 11, 5, tzinfo=UTC)),
        before={"darkstar manual clear ID": _first_block},
    ),
}

EXCUSED = {
    "make test": "it is what runs this test",
    "systemctl --user enable --now darkstar-record.timer darkstar-plan.timer "
    "darkstar-forecast.timer darkstar-validate.timer darkstar-train.timer": "needs a systemd that "
    "runs; install-units must print it to the letter",
    "loginctl enable-linger": "needs a systemd that runs; install-units must print it",
    "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt .": "asks the network for "
    "packages; `make lint` installs from the same pins",
    "systemctl --user stop 'darkstar-*.timer'": "needs a systemd that runs",
    "git pull && make demo": "there is nothing to pull; README's quick start clones and makes demo",
}
"""Commands that nobody types here, and why."""
