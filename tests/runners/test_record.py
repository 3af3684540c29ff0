"""``darkstar record`` and ``backfill`` as commands, against a real Home Assistant."""

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import runners.record
from runners.cli import app
from runners.lock import only_one
from runners.slot_report import channel_table
from telemetry.backfill import ChannelReport
from telemetry.channels import Channel
from telemetry.errors import PeerAuthError, PeerUnreachableError
from telemetry.sql import WriteCounts
from telemetry.store import Store
from tests.live.houses import write_config
from tests.peers.home_assistant import RealHomeAssistant, Seed
from tests.telemetry.fake_peer import FakePeer

LOAD = "sensor.command_load"
METER = {
    "device_class": "energy",
    "state_class": "total_increasing",
    "unit_of_measurement": "kWh",
}
WIRED = {"total_load_consumption": LOAD}


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def shown(ha: RealHomeAssistant, state: str = "100.0") -> None:
    ha.set_state(LOAD, state, METER)


def hold_lock(path: Path, held: Event, done: Event) -> None:
    with only_one(path) as alone:
        assert alone
        held.set()
        done.wait(30)


@contextmanager
def another_recorder(folder: Path) -> Iterator[None]:
    """A process of its own that holds the lock."""
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(
        target=hold_lock, args=(folder / ".darkstar.sqlite-record.lock", held, done)
    )
    other.start()
    try:
        assert held.wait(30)
        yield
    finally:
        done.set()
        other.join(30)


@pytest.mark.integration
def test_the_second_recorder_leaves_with_a_word(
    home_assistant: RealHomeAssistant, tmp_path: Path
) -> None:
    shown(home_assistant)
    config = write_config(tmp_path, home_assistant, WIRED, peak=5.0)
    with another_recorder(tmp_path):
        second = run("record", "--config", config)
    assert second.exit_code == 0
    assert "another darkstar record is at work" in second.output
    assert not (tmp_path / "darkstar.sqlite").exists()
    first = run("record", "--config", config)
    assert first.exit_code == 0
    assert "villa: recorded" in first.output


@pytest.mark.integration
def test_what_was_not_measured_is_missing_not_zero(
    home_assistant: RealHomeAssistant, tmp_path: Path
) -> None:
    shown(home_assistant)
    config = write_config(tmp_path, home_assistant, WIRED, peak=5.0)
    done = run("record", "--config", config, "--json", tmp_path / "report.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    load = report["villa"]["channels"][0]
    assert load["channel"] == "load_kwh"
    assert load["missing"] >= 90  # the entity is some seconds old, the first run looks at a day
    with Store.open(tmp_path / "darkstar.sqlite", read_only=True) as store:
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=20)
        seen = store.observations("villa", ["load_kwh"], start, start + timedelta(hours=12))
    assert np.isnan(seen.values).all()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("break_it", "code", "match"),
    [
        ("token", 77, "refused the token"),
        ("entity", 78, "sensor.gone is unknown to Home Assistant"),
        ("none", 78, "add `home_assistant:`"),
    ],
)
def test_each_fault_has_its_exit_code(
    home_assistant: RealHomeAssistant, tmp_path: Path, break_it: str, code: int, match: str
) -> None:
    shown(home_assistant)
    wired = {"total_load_consumption": "sensor.gone"} if break_it == "entity" else WIRED
    config = write_config(tmp_path, home_assistant, wired, peak=5.0)
    if break_it == "token":
        secrets = tmp_path / "secrets.yaml"
        secrets.write_text(f"ha_token: {home_assistant.token_expired}\n", encoding="utf-8")
    if break_it == "none":
        text = config.read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if "home_assistant:" not in line]
        config.write_text("\n".join(kept), encoding="utf-8")
    done = run("record", "--config", config)
    assert done.exit_code == code, done.output
    assert match in " ".join(done.output.split())
    assert home_assistant.token_expired not in done.output


@pytest.mark.integration
def test_backfill_says_what_it_wrote_and_what_went_nowhere(
    home_assistant: RealHomeAssistant, tmp_path: Path
) -> None:
    entity = "sensor.command_backfill"
    start = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp()) + 3600 * np.arange(72)
    change = np.where(np.arange(72) % 2, 0.5, 0.6)
    change[40] = 4.0  # holds what the absent hours used
    kept = np.r_[0:35, 40:72]
    home_assistant.seed_statistics(
        [Seed.from_change(entity, start=start[kept], change=change[kept])]
    )
    wired = {"total_load_consumption": entity}
    config = write_config(tmp_path, home_assistant, wired, peak=5.0)
    span = ("--start-date", "2025-07-02", "--end-date", "2025-07-03", "--config", config)
    done = run("backfill", *span)
    assert done.exit_code == 0, done.output
    assert "load_kwh: 4.00 kWh between 2025-07-02 11:00 and 2025-07-02 17:00 UTC" in done.output
    again = run("backfill", *span)
    row = next(line.split() for line in again.output.splitlines() if "load_kwh" in line)
    assert row[3:5] == ["0", "0"]  # nothing new, nothing changed


@pytest.mark.parametrize(
    ("dates", "match"),
    [
        (("2025-13-01",), "is no date"),
        (("2225-01-01",), "is no year"),
        (("2125-01-01",), "no slot has ended"),
        (("2025-07-02", "2025-07-01"), "2025-07-02 lies after the last day, 2025-07-01"),
    ],
)
def test_dates_that_cannot_be(tmp_path: Path, dates: tuple[str, ...], match: str) -> None:
    assert run("init", "--config", tmp_path / "config.yaml").exit_code == 0
    words = [
        word for pair in zip(("--start-date", "--end-date"), dates, strict=False) for word in pair
    ]
    done = run("backfill", *words, "--config", tmp_path / "config.yaml")
    assert done.exit_code == (65 if "no slot" in match else 2)
    assert match in done.output


HOMES = """
homes:
  hut: {home}
  villa: {home}
  cabin: {home}
"""
HOME = (
    "{zone: UTC, grid: {max_import_kw: 11, max_export_kw: 11}, tariff: {}, "
    "home_assistant: {url: 'http://ha:8123', token: abcdefghijklmnopqrstuvwxyz}, "
    "input_sensors: {total_load_consumption: sensor.load}}"
)


def test_a_home_that_fails_leaves_the_others_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    config, report = tmp_path / "config.yaml", tmp_path / "report.json"
    config.write_text(HOMES.replace("{home}", HOME), encoding="utf-8")
    # 0.01 kWh a minute: 0.15 kWh in the newest slot.
    since = now - timedelta(hours=30)
    ticks = [(since + timedelta(minutes=m), f"{0.01 * m:.2f}") for m in range(30 * 60 + 1)]

    @contextmanager
    def peer(_config: object, home_id: str) -> Iterator[FakePeer]:
        if home_id == "hut":
            raise PeerAuthError("Home Assistant of the hut", "it refused the token", "new token")
        if home_id == "cabin":
            raise PeerUnreachableError("Home Assistant of the cabin", "no answer", "try later")
        yield FakePeer(now=now, live={"sensor.load": ticks})

    monkeypatch.setattr(runners.record, "open_peer", peer)
    done = run("record", "--config", config, "--json", report)
    assert done.exit_code == 77  # the first failure's
    row = next(line for line in done.stdout.splitlines() if "load_kwh" in line)
    assert row.rstrip().endswith(" 0.15 kWh")
    assert "kept: better values stayed" in done.stdout
    *told, summary = done.stderr.splitlines()
    assert told == [
        "cabin: not recorded: Home Assistant of the cabin: no answer; try later",
        "hut: not recorded:",
        "Home Assistant of the hut: it refused the token; new token",
    ]
    assert summary.startswith("job=record home=hut,villa,cabin status=failed seconds=")
    assert " exit=77 error=PeerAuthError known=" in summary
    assert summary.endswith(" failed=hut,cabin")
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["villa"]["channels"][0]["known"] > 90
    assert written["cabin"]["error"].endswith("no answer; try later")
    alone = run("record", "--config", config, "--home", "cabin")
    assert alone.exit_code == 69
    assert alone.stderr.startswith("Home Assistant of the cabin: no answer")


def test_the_newest_value_is_shown_in_its_unit() -> None:
    def report(channel: Channel, newest: float | None) -> ChannelReport:
        counts = WriteCounts(inserted=35_040, unchanged=35_040)
        return ChannelReport(
            channel=channel, counts=counts, known=35_040, missing=0, unassigned=(), newest=newest
        )

    reports = [
        report(Channel.WATER_HEATER_KWH, 0.1524),
        report(Channel.SOC_END, 0.43),
        report(Channel.LOAD_KWH, None),
    ]
    out = Console(width=80, file=StringIO())
    out.print(channel_table("villa", reports))
    rows = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [row.rstrip()[-9:].split()[-2:] for row in rows[-4:-1]] == [
        ["0.15", "kWh"],
        ["43", "%"],
        ["missing"],
    ]
