"""``darkstar manual``: blocks are kept, listed, taken back, refused, and change what is planned.

The home is the demo home of the template in Stockholm: 10 kWh, 10 to 100 %. It is Friday, 1 August
2025, 13:20 there, unless a test says otherwise.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from runners.cli_manual import manual_app
from runners.episodes_export import write_parquet
from runners.errors import ConfigError
from runners.wall_clock import moment_of
from sim.episode_format import EpisodeArrays, read_episode
from telemetry.episode import Episode, EpisodeFilter
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.store import Store
from tests.runners.simulate_cases import demo_folder, simulate
from tests.runners.test_plan import make_folder

NOW = "2025-08-01T13:20+02:00"
DATA, USAGE = 65, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


def manual(folder: Path, command: str, *args: str, now: str = NOW) -> Result:
    """Run ``darkstar manual``."""
    config = ["--config", str(folder / "config.yaml"), "--now", now]
    return CliRunner().invoke(manual_app, [command, *args, *config], env={"COLUMNS": "100"})


def add(folder: Path, *args: str, now: str = NOW) -> dict[str, Any]:
    """Add a block that is fine; return its JSON."""
    result = manual(folder, "add", *args, "--json", "-", now=now)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def listed(folder: Path, *args: str, now: str = NOW) -> list[dict[str, Any]]:
    """The blocks as JSON."""
    result = manual(folder, "list", *args, "--json", "-", now=now)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["blocks"]
    return found


def stored(folder: Path) -> tuple[ManualBlock, ...]:
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        return store.manual_blocks("demo")


def refused(result: Result, code: int) -> str:
    """The words of a command that was refused."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.replace("│", " ").split())


# Added


def test_a_night_is_given_on_the_wall_clock_of_the_home(folder: Path) -> None:
    """02:00 to 05:00 in Stockholm in August is 00:00 to 03:00 UTC."""
    told = add(folder, "--charge-to", "80", "--from", "2025-08-02T02:00", "--to", "05:00")
    assert told == {
        "id": told["id"],
        "kind": "charge",
        "start": "2025-08-02T00:00:00Z",
        "end": "2025-08-02T03:00:00Z",
        "target_percent": 80.0,
        "created_at": "2025-08-01T11:20:00Z",
        "cleared_at": None,
        "state": "waiting",
    }
    (block,) = stored(folder)
    assert (block.kind, block.target_soc) == (BlockKind.CHARGE, 0.8)
    assert block.created_at == datetime(2025, 8, 1, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("args", "want"),
    [
        (["--hold", "--to", "15:00"], ("hold", "11:15", "13:00", None)),
        (["--hold", "--from", "13:15", "--to", "14:00"], ("hold", "11:15", "12:00", None)),
        (["--export-to", "20", "--from", "18:00", "--to", "19:30"],
         ("export", "16:00", "17:30", 20.0)),
        (["--water-heating", "--from", "14:00Z", "--to", "16:00Z"],
         ("water_heating", "14:00", "16:00", None)),
    ],
)  # fmt: skip
def test_times_of_day_are_the_next_ones(folder: Path, args: list[str], want: Any) -> None:
    if "14:00Z" in args:
        args = [a.replace("14:00Z", "2025-08-01T14:00Z").replace("16:00Z", "2025-08-01T16:00Z")
                for a in args]  # fmt: skip
    told = add(folder, *args)
    got = (told["kind"], told["start"][11:16], told["end"][11:16], told["target_percent"])
    assert got == want


def test_a_time_that_has_gone_by_is_tomorrow_s(folder: Path) -> None:
    told = add(folder, "--hold", "--from", "13:00", "--to", "02:00")
    assert (told["start"], told["end"]) == ("2025-08-02T11:00:00Z", "2025-08-03T00:00:00Z")


def test_water_heating_is_kept_and_said_to_be_not_planned(folder: Path) -> None:
    result = manual(folder, "add", "--water-heating", "--to", "15:00")
    assert "01 Aug 15:00: kept; no plan heats water yet" in result.stdout
    assert listed(folder)[0]["state"] == "in force, not planned yet"


def test_a_new_home_is_written_along(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "darkstar.sqlite").unlink()
    add(tmp_path, "--hold", "--to", "15:00")
    assert len(stored(tmp_path)) == 1


# Refused, and nothing written


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--to", "15:00"], USAGE, "none is given; give one of --charge-to"),
        (["--hold", "--charge-to", "80", "--to", "15:00"], USAGE, "more than one is given"),
        (["--charge-to", "5", "--to", "15:00"], USAGE,
         "--charge-to: 5 % is outside the battery's window of 10 to 100 %; give one inside it"),
        (["--export-to", "9.9", "--to", "15:00"], USAGE, "--export-to: 9.9 % is outside"),
        (["--charge-to", "101", "--to", "15:00"], USAGE, "Invalid value for '--charge-to'"),
        (["--hold", "--from", "tomorrow", "--to", "15:00"], USAGE,
         "--from: 'tomorrow' is no time; write e.g. 2025-08-01T02:00"),
        (["--hold", "--to", "2025-08-02"], USAGE, "--to: '2025-08-02' has no time of day"),
        (["--hold", "--to", "0025-08-02T10:00"], USAGE, "is no year from 1970 to 2200"),
        (["--hold", "--from", "2025-08-02T10:00", "--to", "2025-08-02T10:00"], DATA,
         "over before it begins, want an end after the start"),
        (["--hold", "--from", "2025-08-01T10:00", "--to", "2025-08-01T13:15"], DATA,
         "in the past: it was 2025-08-01 11:20Z when it was asked for, want an end in the future"),
        (["--hold", "--from", "14:05", "--to", "15:00"], DATA,
         "its start at 12:05:00Z, want full slots of 15 minutes: :00, :15, :30 or :45"),
        (["--hold", "--from", "2026-03-29T02:30", "--to", "05:00"], USAGE,
         "--from: 2026-03-29T02:30 does not exist in Europe/Stockholm: the clock jumps over it; "
         "give 2026-03-29T03:30, or a time with its offset: 2026-03-29T03:30+02:00"),
        (["--hold", "--from", "2025-10-26T01:00", "--to", "02:30"], USAGE,
         "--to: 2025-10-26T02:30 comes twice in Europe/Stockholm, as the clock is put back; give "
         "2025-10-26T02:30+02:00 or 2025-10-26T02:30+01:00"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_cure(
    folder: Path, args: list[str], code: int, words: str
) -> None:
    assert words in refused(manual(folder, "add", *args), code)
    assert stored(folder) == ()


def test_a_house_without_battery_can_only_heat_water(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"battery": None})
    words = refused(manual(tmp_path, "add", "--hold", "--to", "15:00"), DATA)
    assert words == "demo: the home has no battery to ask; configure `battery:`"
    assert stored(tmp_path) == ()
    add(tmp_path, "--water-heating", "--to", "15:00")


def test_a_block_over_another_is_refused_with_both_named(folder: Path) -> None:
    first = add(folder, "--charge-to", "80", "--from", "14:00", "--to", "16:00")
    words = refused(manual(folder, "add", "--hold", "--from", "15:00", "--to", "17:00"), DATA)
    assert f"over block {first['id']} (charge to 80 %, 2025-08-01 12:00Z to" in words
    assert "(hold, 2025-08-01 13:00Z to 2025-08-01 15:00Z)" in words
    assert "or clear that one first (darkstar manual clear)" in words
    assert [one["id"] for one in listed(folder)] == [first["id"]]


def test_a_clock_that_was_set_back_is_no_way_around(folder: Path) -> None:
    """Asked for at 13:20, then it is 11:00 again: refused, and the cure that is named works."""
    times = ("--from", "2025-08-01T14:00", "--to", "2025-08-01T16:00")
    first, back = add(folder, "--charge-to", "80", *times)["id"], "2025-08-01T11:00+02:00"
    assert f"over block {first}" in refused(manual(folder, "add", "--hold", *times, now=back), DATA)
    assert listed(folder, "--all", now=back)[0]["state"] == "not known yet"
    assert manual(folder, "clear", first, now=back).exit_code == 0
    add(folder, "--hold", *times, now=back)


def test_an_hour_that_comes_twice_can_be_asked_for_by_its_offset(folder: Path) -> None:
    told = add(
        folder, "--hold", "--from", "2025-10-26T02:30+02:00", "--to", "2025-10-26T02:30+01:00"
    )
    assert (told["start"][11:16], told["end"][11:16]) == ("00:30", "01:30")


def test_a_time_of_day_on_the_day_it_has_gone_by_is_not_asked_for_twice() -> None:
    """At 03:30 the doubled 02:30 is over: the next one is tomorrow's, shown once."""
    after = datetime(2025, 10, 26, 2, 30, tzinfo=UTC)
    found = moment_of("02:30", "Europe/Stockholm", "--from", after=after)
    assert found == datetime(2025, 10, 27, 1, 30, tzinfo=UTC)
    before = datetime(2025, 10, 25, 20, tzinfo=UTC)
    with pytest.raises(ConfigError, match="comes twice"):
        moment_of("02:30", "Europe/Stockholm", "--from", after=before)


# Listed and taken back


def test_blocks_that_passed_or_were_cleared_are_listed_with_all(folder: Path) -> None:
    first = add(folder, "--hold", "--from", "13:15", "--to", "14:00")["id"]
    second = add(folder, "--charge-to", "90", "--from", "15:00", "--to", "16:00")["id"]
    third = add(folder, "--export-to", "30", "--from", "16:00", "--to", "17:00")["id"]
    later = "2025-08-01T14:10+02:00"
    assert "cleared" in manual(folder, "clear", third, now=later).stdout
    assert [one["id"] for one in listed(folder, now=later)] == [second]
    states = {one["id"]: one["state"] for one in listed(folder, "--all", now=later)}
    assert states == {first: "passed", second: "waiting", third: "cleared"}
    assert [one["state"] for one in listed(folder, now="2025-08-01T15:10+02:00")] == ["in force"]
    table = manual(folder, "list", "--all", now=later).stdout
    assert "charge to 90 %" in table
    assert "01 Aug 15:00" in table
    assert "wall clock of Europe/Stockholm" in table


@pytest.mark.parametrize("columns", [80, 40])
def test_a_narrow_terminal_cuts_neither_ids_nor_targets(folder: Path, columns: int) -> None:
    """An id is what ``clear`` needs; one block is at the hour that comes twice, with offsets."""
    ids = [
        add(folder, "--charge-to", "33.3333", "--from", "15:00", "--to", "16:00")["id"],
        add(folder, "--water-heating", "--from", "15:00", "--to", "16:00")["id"],
        add(folder, "--hold", "--from", "2025-10-26T02:30+02:00", "--to", "2025-10-26T02:30+01:00")[
            "id"
        ],
    ]
    config = ["--config", str(folder / "config.yaml"), "--now", NOW]
    result = CliRunner().invoke(manual_app, ["list", *config], env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= columns
    assert all(one in result.stdout for one in ids)
    assert "charge to 33.3333 %" in result.stdout
    assert "…" not in result.stdout
    if columns == 80:
        offsets = [word for word in result.stdout.split() if word[:2] in ("+0", "-0")]
        assert offsets == ["+0200", "+0100"]
        assert "01 Aug 15:00" in result.stdout


def test_all_in_force_are_cleared_and_the_place_is_free(folder: Path) -> None:
    add(folder, "--hold", "--from", "15:00", "--to", "16:00")
    add(folder, "--hold", "--from", "17:00", "--to", "18:00")
    assert "2 blocks cleared" in manual(folder, "clear", "--all").stdout
    assert listed(folder) == []
    assert "no blocks; with --all those that were" in manual(folder, "list").stdout
    add(folder, "--charge-to", "90", "--from", "15:00", "--to", "16:00")


def test_clearing_names_what_is_unknown(folder: Path) -> None:
    one = add(folder, "--hold", "--from", "15:00", "--to", "16:00")["id"]
    words = refused(manual(folder, "clear", one, "deadbeef"), DATA)
    assert words == f"block deadbeef is unknown, want one in force: {one}"
    assert [block["id"] for block in listed(folder)] == [one]
    assert "give the ids of blocks" in refused(manual(folder, "clear"), USAGE)
    assert "give the ids of blocks" in refused(manual(folder, "clear", one, "--all"), USAGE)


def test_a_home_that_nobody_asked_has_an_empty_list(tmp_path: Path) -> None:
    make_folder(tmp_path, home_id="cabin")
    assert listed(tmp_path, "--all") == []


# What it is for: plans


def stored_episodes(folder: Path) -> list[Episode]:
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        return list(store.episodes(EpisodeFilter()))


def episodes_of(folder: Path) -> list[EpisodeArrays]:
    return [read_episode(one) for one in stored_episodes(folder)]


def test_simulate_plans_with_the_blocks_that_were_given(tmp_path: Path) -> None:
    """Charge to 95 % from 04:00 to 07:00 on 10 June, asked for at midnight.

    Without it that battery was never as full at 7; every episode until then has the block.
    """
    folder, midnight = demo_folder(tmp_path), "2025-06-09T22:00Z"
    free = demo_folder(tmp_path / "free")
    add(folder, "--charge-to", "95", "--from", "2025-06-10T04:00", "--to", "07:00", now=midnight)
    for place in (folder, free):
        assert simulate(place, "2025-06-10", "2025-06-11").exit_code == 0
    found, plain = episodes_of(folder), episodes_of(free)
    assert {one.engine for one in found} == {"highs"}
    assert {one.engine for one in plain} == {"storage"}
    asked = [None if one.requests is None else one.requests.blocks[0] for one in found]
    assert [n for n, block in enumerate(asked) if block is not None] == list(range(28))
    assert [(b.first, b.stop) for b in asked if b is not None] == [
        (max(16 - n, 0), 28 - n) for n in range(28)
    ]
    assert {b.target_soc_kwh for b in asked if b is not None} == {9.5}
    assert found[28].soc_start_kwh == pytest.approx(9.5, abs=1e-4)
    assert plain[28].soc_start_kwh < 9.0
    write_parquet(tmp_path / "all.parquet", stored_episodes(folder))
    told = pq.read_table(tmp_path / "all.parquet")["requests"].to_pylist()
    assert [text is not None for text in told] == [n < 28 for n in range(96)]
    assert json.loads(told[0])["blocks"][0]["first"] == 16


def test_ids_can_be_read_off_the_list_in_80_columns(folder: Path) -> None:
    told = add(folder, "--charge-to", "100", "--from", "2025-08-02T02:00", "--to", "05:00")
    water = add(folder, "--water-heating", "--from", "2025-08-02T06:00", "--to", "07:00")
    config = ["--config", str(folder / "config.yaml"), "--now", NOW]
    result = CliRunner().invoke(manual_app, ["list", *config], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert {told["id"], water["id"]} <= set(result.stdout.split())
