"""Against a real Home Assistant Core: tokens, statistics, history, restarts."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from telemetry.errors import PeerAuthError, PeerUnreachableError, SensorError
from telemetry.homeassistant import DayCache, HomeAssistant, Statistics, history_values
from tests.peers.fixtures import MakeHomeAssistant
from tests.peers.home_assistant import RealHomeAssistant, Seed

pytestmark = pytest.mark.integration

KWH = {"unit_of_measurement": "kWh", "device_class": "energy", "state_class": "total_increasing"}
HOUR = 3600
AUTUMN = datetime(2025, 10, 25, 22, tzinfo=UTC)  # local midnight of the 25-hour day in Stockholm
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def hours(start: datetime, count: int) -> np.ndarray:
    return int(start.timestamp()) + HOUR * np.arange(count)


def eighths(count: int) -> np.ndarray:
    """Energies that binary fractions hold exactly, so that totals and differences do."""
    return np.arange(count) % 29 / 8.0


def statistics(home: HomeAssistant, name: str, start: datetime, end: datetime) -> Statistics:
    return home.statistics([name], start, end, period="hour", now=NOW)[name]


def test_tokens(home_assistant: RealHomeAssistant) -> None:
    ha = home_assistant
    for token in ("garbage", ha.token_expired):
        with HomeAssistant(ha.url, token) as home:
            with pytest.raises(PeerAuthError, match="it refused the token"):
                home.states()
            with pytest.raises(PeerAuthError, match="it refused the token"):
                home.clock()
    with HomeAssistant(ha.url, ha.token_readonly) as home:
        assert "zone.home" in home.states()
        assert home.clock().tzinfo is not None
        assert abs(home.clock() - ha.clock()) <= timedelta(seconds=2)


def test_tls_where_there_is_none_is_told_at_once(home_assistant: RealHomeAssistant) -> None:
    with HomeAssistant(home_assistant.url.replace("http", "https"), "token") as home:
        with pytest.raises(PeerUnreachableError, match=r"no TLS .*write http://"):
            home.states()
        with pytest.raises(PeerUnreachableError, match=r"no TLS .*write http://"):
            home.clock()


def test_seeded_hours_come_back_exactly(home_assistant: RealHomeAssistant) -> None:
    """The 25-hour day and five days around it, three hours of it missing."""
    start, change = hours(AUTUMN - timedelta(days=2), 145), eighths(145)
    there = np.ones(145, dtype=bool)
    there[60:63] = False  # in the autumn day, which is hours 48 to 72
    total = np.cumsum(change)
    seed = Seed(entity_id="sensor.rt_gap", start=start[there], sum=total[there])
    home_assistant.seed_statistics([seed])
    with HomeAssistant(home_assistant.url, home_assistant.token) as home:
        found = statistics(home, "sensor.rt_gap", AUTUMN, AUTUMN + timedelta(hours=25))
        np.testing.assert_array_equal(found.start, start[48:73][there[48:73]])
        want = change[48:73].copy()
        want[15] = change[60:64].sum()  # the first row after the gap carries all of it
        np.testing.assert_array_equal(found.change, want[there[48:73]])
        assert np.isnan(found.mean).all()
        late = home.statistics(
            ["sensor.rt_gap"], AUTUMN, AUTUMN + timedelta(hours=25), period="5minute", now=NOW
        )
        assert late["sensor.rt_gap"].start.size == 0


def test_units_are_brought_to_kwh_and_kw(home_assistant: RealHomeAssistant) -> None:
    """Also where the live entity shows another unit than its statistics have."""
    start, change = hours(AUTUMN, 3), np.array([512.0, 0.0, 1024.0])
    seeds = [
        Seed.from_change(f"sensor.rt_{unit.lower()}", start=start, change=change, unit=unit)
        for unit in ("Wh", "MWh", "GWh", "gallons")
    ]
    power = Seed(entity_id="sensor.rt_power", start=start, unit="W", mean=change)
    soc = Seed(entity_id="sensor.rt_soc", start=start, unit="%", mean=np.array([5.0, 6.0, 7.0]))
    home_assistant.seed_statistics([*seeds, power, soc])
    home_assistant.set_state("sensor.rt_wh", "1", {**KWH, "unit_of_measurement": "MWh"})
    home_assistant.set_state("sensor.rt_soc", "7", {"unit_of_measurement": "%"})
    end = AUTUMN + timedelta(hours=3)
    with HomeAssistant(home_assistant.url, home_assistant.token) as home:
        for name, factor in (("wh", 1e-3), ("mwh", 1e3), ("gwh", 1e6)):
            found = statistics(home, f"sensor.rt_{name}", AUTUMN, end)
            np.testing.assert_allclose(found.change, change * factor, rtol=1e-12)
        mean = statistics(home, "sensor.rt_power", AUTUMN, end).mean
        np.testing.assert_allclose(mean, change / 1e3, rtol=1e-12)
        assert statistics(home, "sensor.rt_soc", AUTUMN, end).mean.tolist() == [5.0, 6.0, 7.0]
        with pytest.raises(SensorError, match=r"sensor.rt_gallons counts in gallons, want energy"):
            statistics(home, "sensor.rt_gallons", AUTUMN, end)
        assert statistics(home, "sensor.rt_powr", AUTUMN, end).start.size == 0


def test_three_years_of_two_meters(home_assistant: RealHomeAssistant) -> None:
    """37 pages; the first row of a page must not carry what was before."""
    begin, count = datetime(2022, 1, 1, tzinfo=UTC), 3 * 365 * 24
    change = eighths(count)
    names = ["sensor.rt_long_a", "sensor.rt_long_b"]
    seeds = [Seed.from_change(n, start=hours(begin, count), change=change) for n in names]
    home_assistant.seed_statistics_directly(seeds)
    with HomeAssistant(home_assistant.url, home_assistant.token) as home:
        end = begin + timedelta(hours=count)
        found = home.statistics(names, begin, end, period="hour", now=NOW)
    for name in names:
        np.testing.assert_array_equal(found[name].start, hours(begin, count))
        np.testing.assert_array_equal(found[name].change, change)


def test_a_second_read_comes_from_disk(
    home_assistant: RealHomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, change = hours(AUTUMN, 24 * 5), eighths(24 * 5)
    home_assistant.seed_statistics(
        [Seed.from_change("sensor.rt_cached", start=start, change=change)]
    )
    begin = datetime(2025, 10, 26, tzinfo=UTC)  # the first full UTC day, two hours after AUTUMN
    url, token = home_assistant.url, home_assistant.token
    with HomeAssistant(url, token, cache=DayCache(tmp_path)) as home:
        first = statistics(home, "sensor.rt_cached", begin, begin + timedelta(days=4))
    with HomeAssistant(url, token, cache=DayCache(tmp_path)) as home:
        monkeypatch.setattr(home, "_socket", None)  # whatever it asks now fails
        again = statistics(home, "sensor.rt_cached", begin, begin + timedelta(days=4))
        with pytest.raises(AttributeError, match="once"):
            statistics(home, "sensor.rt_cached", begin, begin + timedelta(days=5))
        monkeypatch.undo()
    np.testing.assert_array_equal(again.change, change[2 : 2 + 96])
    np.testing.assert_array_equal(again.change, first.change)


def test_history_of_live_states(home_assistant: RealHomeAssistant) -> None:
    ha = home_assistant
    wh = {**KWH, "unit_of_measurement": "Wh"}
    steps = [("1.5", KWH), ("unavailable", KWH), ("unknown", KWH), ("1600", wh), ("1700", {})]
    for state, attributes in steps:
        ha.set_state("sensor.rt_live", state, attributes)
        time.sleep(0.01)
    ha.remove_state("sensor.rt_live")
    now = ha.clock() + timedelta(seconds=2)
    with HomeAssistant(ha.url, ha.token) as home:
        until = time.monotonic() + 10.0
        while True:  # its recorder commits once a second
            found = home.history(["sensor.rt_live", "sensor.rt_none"], now - timedelta(days=3), now)
            if len(found["sensor.rt_live"].states) == 6 or time.monotonic() > until:
                break
        live = found["sensor.rt_live"]
        assert live.states == ("1.5", "unavailable", "unknown", "1600", "1700", "unavailable")
        at, values, kind = history_values(live)
        assert kind == "energy"
        np.testing.assert_array_equal(values, [1.5, np.nan, np.nan, 1.6, np.nan, np.nan])
        assert np.all(np.diff(at) > 0.0)
        assert found["sensor.rt_none"].states == ()
        # from between two changes on: the state in force first, at that very moment
        middle = datetime.fromtimestamp(int((at[2] + at[3]) * 5e5) / 1e6, UTC)
        later = home.history(["sensor.rt_live"], middle, now)["sensor.rt_live"]
        assert later.states == live.states[2:]
        # from the moment of a change on, and with the edge of a day at that moment: it is there
        edge = datetime.fromtimestamp(int(at[3] * 1e6 + 0.5) / 1e6, UTC)
        from_it = home.history(["sensor.rt_live"], edge, now)["sensor.rt_live"]
        assert from_it.states == live.states[3:]
        over_it = home.history(["sensor.rt_live"], edge - timedelta(days=1), now)
        assert over_it["sensor.rt_live"].states == live.states
        assert later.at[0] == pytest.approx(middle.timestamp(), abs=1e-6)
        np.testing.assert_array_equal(later.at[1:], at[3:])


def test_a_restart_in_the_middle_of_a_read(make_home_assistant: MakeHomeAssistant) -> None:
    """Killed while months are read in another thread; the read waits and comes out whole."""
    ha = make_home_assistant().start()
    count = 24 * 31 * 12
    begin, change = datetime(2024, 1, 1, tzinfo=UTC), eighths(count)
    seed = Seed.from_change("sensor.load", start=hours(begin, count), change=change)
    ha.seed_statistics_directly([seed])
    reads: list[Statistics] = []
    failures: list[Exception] = []
    pauses: list[float] = []
    stop = threading.Event()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    def keep_reading() -> None:
        with HomeAssistant(ha.url, ha.token, sleep=sleep) as home:
            while not stop.is_set():
                try:
                    end = begin + timedelta(hours=count)
                    reads.append(statistics(home, "sensor.load", begin, end))
                except Exception as err:  # to be told by the main thread
                    failures.append(err)
                    return

    thread = threading.Thread(target=keep_reading)
    thread.start()
    while len(reads) < 2 and not failures:
        time.sleep(0.01)
    ha.kill()
    before = len(reads)
    ha.start()
    until = time.monotonic() + 30.0
    while len(reads) < before + 2 and not failures and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    thread.join()
    assert failures == []
    assert len(reads) >= before + 2
    assert pauses[0] == 1.0  # it was cut, and came back after pauses
    for read in reads:
        np.testing.assert_array_equal(read.change, change)


def test_a_starting_home_assistant_is_waited_for(make_home_assistant: MakeHomeAssistant) -> None:
    ha = make_home_assistant().start()
    ha.seed_statistics(
        [Seed.from_change("sensor.load", start=hours(AUTUMN, 24), change=eighths(24))]
    )
    ha.stop()
    with HomeAssistant(ha.url, ha.token) as home:
        ha.launch()
        found = statistics(home, "sensor.load", AUTUMN, AUTUMN + timedelta(days=1))
        np.testing.assert_array_equal(found.change, eighths(24))
        ha.set_state("sensor.live", "1", KWH)
        ha.kill()
        ha.launch()
        ha.wait_running()
        ha.set_state("sensor.live", "2", KWH)
        now = ha.clock() + timedelta(seconds=5)
        time.sleep(1.5)  # its recorder commits once a second
        live = home.history(["sensor.live"], now - timedelta(minutes=5), now)["sensor.live"]
        assert live.states[-1] == "2"
