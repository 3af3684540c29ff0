"""What simulated episodes say was observed, against the store and a real Home Assistant's hours.

Load and PV of the demo home, and of the SE4 home where its data are at hand, are seeded as hourly
statistics, fetched by ``darkstar backfill``, and two days of them are simulated. An hour becomes
known at its end, with all four quarters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from sim.episode_arrays import EpisodeArrays
from sim.episode_format import read_episode
from telemetry.arrays import F64
from telemetry.channels import Channel
from telemetry.episode import EpisodeFilter
from telemetry.slots import local_day, to_epoch
from telemetry.store import Store
from tests.live.houses import hours_of, run, write_config
from tests.live.test_house import SE4, se4_rows
from tests.peers.home_assistant import RealHomeAssistant, Seed
from tests.sim.test_planning import put_prices
from tests.telemetry.quality.houses import make_month

pytestmark = pytest.mark.integration

BEFORE = timedelta(days=8)
DAYS = {"demo": date(2025, 5, 26), "se4": date(2025, 8, 13)}
"""The first of the two days that are simulated."""
CHANNELS = (Channel.LOAD_KWH, Channel.PV_KWH)
KEYS = ("total_load_consumption", "total_pv_production")
WITHIN_KWH = 0.2
ROUNDED_KWH = 0.5e-4 + 1e-12
"""An episode's numbers have four decimals."""
DAY = timedelta(hours=24)
Hours = dict[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A folder of which two days are simulated, and the hours they were made from, by start."""

    folder: Path
    truth: dict[Channel, Hours]


def demo_hours(first: date, last: date) -> list[Hours]:
    start, hours = hours_of(make_month(first, last))
    return [dict(zip(start.tolist(), hours[channel].tolist(), strict=True)) for channel in CHANNELS]


def se4_hours(data: Path, first: date, last: date) -> list[Hours]:
    rows, zone = se4_rows(data), "Europe/Stockholm"
    low, high = to_epoch(local_day(first, zone)[0]), to_epoch(local_day(last, zone)[1])
    return [
        {start: kwh for start, kwh in sorted(rows[SE4[key]].items()) if low <= start < high}
        for key in KEYS
    ]


@pytest.fixture(params=["demo", pytest.param("se4", marks=pytest.mark.real_data)])
def house(
    request: pytest.FixtureRequest, home_assistant: RealHomeAssistant, tmp_path: Path
) -> House:
    day = DAYS[request.param]
    first, last = day - BEFORE, day + timedelta(days=2)
    if request.param == "demo":
        hours = demo_hours(first, last)
    else:
        hours = se4_hours(request.getfixturevalue("real_data"), first, last)
    entities = [f"sensor.{request.param}_episode_{channel}" for channel in CHANNELS]
    home_assistant.seed_statistics(
        [
            Seed.from_change(name, start=np.array(list(told)), change=np.array(list(told.values())))
            for name, told in zip(entities, hours, strict=True)
        ]
    )
    sensors = dict(zip(KEYS, entities, strict=True))
    config = write_config(tmp_path, home_assistant, sensors, peak=9.0)
    text = config.read_text("utf-8").replace("tariff: {}", "tariff: {}\n    area: SE4", 1)
    config.write_text(f"exchange_rates: {{EUR: 11.0}}\n{text}", "utf-8")
    run("backfill", "--start-date", first, "--end-date", last, "--config", config)
    with Store.open(tmp_path / "darkstar.sqlite", system_id="dev") as store:
        put_prices(store, first, last)
    days = ("--start-date", day, "--end-date", last)
    run("simulate", *days, "--config", config, "--workers", "1")
    return House(folder=tmp_path, truth=dict(zip(CHANNELS, hours, strict=True)))


def ten_episodes(store: Store) -> Iterator[EpisodeArrays]:
    """Yield ten of them, drawn by a seed."""
    stored = list(store.episodes(EpisodeFilter(system_id="simulation")))
    assert len(stored) == 2 * 96
    for number in np.random.default_rng(3).choice(len(stored), 10, replace=False).tolist():
        yield read_episode(stored[number])


def whole_hours(first: int, values: F64) -> dict[int, float]:
    """Return the sum of every hour that is known, of (96,) slots from ``first`` on."""
    found = {}
    for n in range((-first // 900) % 4, values.size - 3, 4):
        if not np.isnan(values[n : n + 4]).any():
            found[first + 900 * n] = float(values[n : n + 4].sum())
    return found


def test_observed_series_are_those_of_store_and_home_assistant(house: House) -> None:
    with Store.open(house.folder / "darkstar.sqlite", read_only=True) as store:
        for episode in ten_episodes(store):
            now = episode.start
            seen = store.observations("villa", CHANNELS, now - DAY, now, as_of=now)
            told = (episode.observed_load_kwh, episode.observed_pv_kwh)
            for channel, values in zip(CHANNELS, told, strict=True):
                assert values.shape == (96,)
                unknown = (to_epoch(now) // 900) % 4  # quarters of the hour that has not ended
                assert np.isnan(values).sum() == unknown
                np.testing.assert_allclose(
                    values, seen.of(channel), rtol=0.0, atol=ROUNDED_KWH, equal_nan=True
                )
                hours = whole_hours(to_epoch(now - DAY), values)
                assert len(hours) == (24 if unknown == 0 else 23)
                for start, energy in hours.items():
                    assert energy == pytest.approx(house.truth[channel][start], abs=WITHIN_KWH)
                assert sum(hours.values()) > 1.0
