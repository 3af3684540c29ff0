"""Tables in 80 columns, JSON that parses, and a picture that is one."""

import errno
import io
import json
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from mpc import Battery, Grid, Horizon, Plan, Planner, Site
from runners.errors import ConfigError
from runners.output import action, plan_table, replacing, summary_table, write_json
from runners.plot_plan import plot_plan

SITE = Site(
    battery=Battery(capacity_kwh=10.0, max_charge_kw=4.0, max_discharge_kw=4.0, min_soc_kwh=1.0),
    grid=Grid(max_import_kw=11.0, max_export_kw=10.0),
)


def make_plan(start: datetime, hours: int, *, scale: float = 1.0) -> Plan:
    """Return a plan of cheap first hours, a dear middle and negative last hours."""
    slots = 4 * hours
    third = slots // 3
    price = np.repeat([0.1, 2.0, -0.5], [third, third, slots - 2 * third]) * scale
    horizon = Horizon(
        start=start,
        slot_minutes=15,
        import_price=price,
        export_price=price - 0.05 * scale,
        load_kwh=np.full(slots, 0.2),
        pv_kwh=np.where(np.arange(slots) % 8 < 2, 0.5, 0.0),
        terminal_value=0.0,
    )
    return Planner(SITE).plan(horizon, soc_kwh=5.0)


def printed(table: Table) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=80, markup=False).print(table)
    return out.getvalue().splitlines()


def test_plan_table_fits_80_columns_untruncated() -> None:
    plan = make_plan(datetime(2025, 10, 25, 22, 30, tzinfo=UTC), 48, scale=99.0)
    lines = printed(plan_table(plan, "Europe/Stockholm"))
    assert all(len(line) <= 80 for line in lines)
    assert not any("…" in line for line in lines)
    assert all(any(text in line for line in lines) for text in ("198.000", "-54.450"))


def test_rows_are_local_hours_and_the_doubled_hour_is_two() -> None:
    plan = make_plan(datetime(2025, 10, 25, 23, 30, tzinfo=UTC), 4)  # 01:30 CEST, clocks back 03:00
    rows = [line.split()[1] for line in printed(plan_table(plan, "Europe/Stockholm"))[3:-2]]
    assert rows[:4] == ["01:30", "02:00", "02:00", "03:00"]


def test_row_sums_flows_and_takes_stored_at_the_end() -> None:
    plan = make_plan(datetime(2025, 6, 1, 0, 0, tzinfo=UTC), 6)
    first = printed(plan_table(plan, "UTC"))[3].split()
    battery = float(np.sum(plan.charge_kwh[:4] - plan.discharge_kwh[:4]))
    assert first[:5] == ["Sun", "00:00", "0.100", "0.050", "0.80"]
    assert first[5:8] == ["1.00", f"{battery:+.2f}", f"{plan.soc_kwh[3]:.2f}"]


def test_actions_say_what_the_battery_does() -> None:
    plan = make_plan(datetime(2025, 6, 1, 0, 0, tzinfo=UTC), 6)
    words = [action(plan, t) for t in range(len(plan))]
    for t, word in enumerate(words):
        if plan.charge_kwh[t] > 0.01 and plan.import_kwh[t] > 0.01:
            assert word == "charge"
        if plan.discharge_kwh[t] > 0.01 and plan.export_kwh[t] > 0.01:
            assert word == "export"
    assert {"charge", "export"} <= set(words)


def test_summary_gives_floats_three_decimals() -> None:
    lines = printed(summary_table([("bill", 1.23456), ("status", "optimal")], title="costs"))
    assert [line.strip() for line in lines] == ["costs", "bill    1.235", "status  optimal"]


def test_json_is_plain_and_unknown_is_null(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    moment = datetime(2025, 6, 1, tzinfo=UTC)
    write_json(path, {"a": np.array([1.0, math.nan]), "t": moment, "n": np.int64(3), "p": path})
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == {"a": [1.0, None], "t": "2025-06-01T00:00:00+00:00", "n": 3, "p": str(path)}
    assert list(path.parent.iterdir()) == [path]


def test_a_mistyped_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written \(No such file or directory\)"):
        write_json(tmp_path / "new" / "out.json", {})
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk shows when what was written goes to it, not before."""
    path = tmp_path / "out.json"
    write_json(path, "old")
    kept = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("runners.output.os.fsync", full)
    with pytest.raises(ConfigError, match=r"cannot be written \(No space left on device\)"):
        write_json(path, list(range(100)))
    assert (list(tmp_path.iterdir()), path.read_bytes()) == ([path], kept)
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"half", 0])  # type: ignore[list-item]
    assert (list(tmp_path.iterdir()), path.read_bytes()) == ([path], kept)


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """Replacing what is no regular file would destroy a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_json(pipe, [1])
        assert json.loads(os.read(reader, 100)) == [1]
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_json_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    write_json("-", [1, "å"])
    assert json.loads(capsys.readouterr().out) == [1, "å"]


def test_json_into_a_file_used_as_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot be written .*name another place") as caught:
        write_json(tmp_path / "file" / "out.json", {})
    assert caught.value.exit_code == 73


@pytest.mark.parametrize("hours", [4, 48])
def test_plot_is_a_png_of_1200_by_900(tmp_path: Path, hours: int) -> None:
    path = tmp_path / "out" / "plan.png"
    start = datetime(2025, 10, 25, 12, 0, tzinfo=UTC)
    plot_plan(
        make_plan(start, hours), path, zone="Europe/Stockholm", title="demo", max_soc_kwh=10.0
    )
    data = path.read_bytes()
    assert data[:4] == b"\x89PNG"
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (1200, 900)


def test_plot_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    plan = make_plan(datetime(2025, 10, 25, tzinfo=UTC) + timedelta(hours=1), 4)
    with pytest.raises(ConfigError, match=r"cannot be made a folder .*--no-plot"):
        plot_plan(plan, tmp_path / "file" / "plan.png", zone="UTC", title="x")
