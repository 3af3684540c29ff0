"""The test peer itself: it goes with its parent, and its clock can be another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from telemetry.homeassistant import HomeAssistant
from tests.peers.fixtures import MakeHomeAssistant
from tests.peers.home_assistant import REPO, RealHomeAssistant

pytestmark = pytest.mark.integration

_PARENT = """
import sys, time
from pathlib import Path
from tests.peers.home_assistant import RealHomeAssistant
print(RealHomeAssistant(Path(sys.argv[1])).start().url, flush=True)
time.sleep(60.0)
"""


def test_it_ends_with_a_parent_that_is_killed(
    home_assistant: RealHomeAssistant, tmp_path: Path
) -> None:
    assert _answers(home_assistant.url)
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert _answers(url)
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 20.0
    while _answers(url) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _answers(url)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/manifest.json", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_its_clock_runs_fast_and_its_statistics_with_it(
    make_home_assistant: MakeHomeAssistant,
) -> None:
    """Half an hour of a meter at 1 kW in 6 s: six 5-minute rows of 1/12 kWh."""
    ha = make_home_assistant(faketime="@2025-10-25 21:30:00 x300").start()
    unit = {"unit_of_measurement": "kWh", "state_class": "total_increasing"}
    begin = ha.clock()
    assert timedelta(0) < begin - datetime(2025, 10, 25, 21, 30, tzinfo=UTC) < timedelta(hours=2)
    edge = begin + timedelta(minutes=5)
    first = edge.replace(minute=edge.minute // 5 * 5, second=0) + timedelta(minutes=5)
    last = first + timedelta(minutes=30)
    while (now := ha.clock()) < last + timedelta(minutes=6):
        ha.set_state("sensor.meter", f"{(now - begin).total_seconds() / 3600.0:.4f}", unit)
        time.sleep(0.05)
    with HomeAssistant(ha.url, ha.token) as home:
        assert home.clock() >= last
        meter = ["sensor.meter"]
        found = home.statistics(meter, first, last, period="5minute", now=now)["sensor.meter"]
    want = [int(first.timestamp()) + 300 * i for i in range(6)]
    assert found.start.tolist() == want
    # a state stands for the time until the next, 15 s later: 15/3600 kWh at either end
    assert found.change.sum() == pytest.approx(0.5, abs=0.05)
