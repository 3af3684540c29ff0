"""Five months of three channels: out of a real Home Assistant into a store, and judged.

The yardstick asks Home Assistant for the same rows and does nothing with them. Needs ``.venv-ha``.
"""

from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from telemetry.channels import Channel
from telemetry.slots import local_day
from tests.live.houses import DEMO, hours_of, run, seeds, write_config
from tests.peers.home_assistant import RealHomeAssistant, missing
from tests.telemetry.quality.houses import make_month

FIRST, LAST = date(2025, 3, 1), date(2025, 7, 31)
CHANNELS = (Channel.LOAD_KWH, Channel.PV_KWH, Channel.IMPORT_KWH)
ROUNDS = 3


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHomeAssistant]:
    """A Home Assistant that has known the demo home for five months."""
    if reason := missing():
        pytest.skip(reason)
    with RealHomeAssistant(tmp_path_factory.mktemp("ha")) as ha:
        start, hours = hours_of(make_month(FIRST, LAST))
        ha.seed_statistics_directly(seeds(start, hours))
        yield ha


def test_five_months_read_alone(benchmark: BenchmarkFixture, seeded: RealHomeAssistant) -> None:
    start, end = (local_day(day, "Europe/Stockholm")[0] for day in (FIRST, LAST))
    wanted = [DEMO[channel][1] for channel in CHANNELS]

    def read() -> int:
        with seeded.websocket() as call:
            rows = call(
                "recorder/statistics_during_period",
                start_time=start.isoformat(),
                end_time=end.isoformat(),
                statistic_ids=wanted,
                period="hour",
                types=["change"],
                units={"energy": "kWh"},
            )
        return sum(len(one) for one in rows.values())

    assert benchmark.pedantic(read, rounds=ROUNDS) > 3 * 150 * 24


def test_five_months_backfilled_and_judged(
    benchmark: BenchmarkFixture, seeded: RealHomeAssistant, tmp_path: Path
) -> None:
    """Every round in a new folder: no cache, no store."""
    turn = count()
    sensors = dict(DEMO[channel] for channel in CHANNELS)

    def fill_and_judge() -> str:
        folder = tmp_path / str(next(turn))
        folder.mkdir()
        config = write_config(folder, seeded, sensors, peak=9.0)
        span = ("--start-date", FIRST, "--end-date", LAST, "--config", config)
        run("backfill", *span)
        return run("validate", *span, "--no-plot")

    report = benchmark.pedantic(fill_and_judge, rounds=ROUNDS)
    assert "mask_battery" in report
