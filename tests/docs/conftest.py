"""What the scenes of the pages share: a clone, a Home Assistant in August 2025, a house."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.init import run_init
from tests.docs import scenes
from tests.docs.pages import REPO
from tests.docs.reader import Reader, link_environment, shifted_clock
from tests.peers.home_assistant import RealHomeAssistant, missing
from tests.telemetry.web import serving


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this project, after ``make demo``."""
    return scenes.check_out(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def summer() -> Iterator[dict[str, str]]:
    """What commands believe: the clock of August 2025, and a Nord Pool of this machine."""
    with serving(scenes.market) as web:
        yield {"DOCS_CLOCK": shifted_clock(scenes.NOW), "DOCS_NORDPOOL": web.url}


@pytest.fixture(scope="session")
def summer_house(
    summer: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealHomeAssistant]:
    """A Home Assistant by the same clock."""
    if reason := missing():
        pytest.skip(reason)
    settings = dict(word.split("=") for word in summer["DOCS_CLOCK"].split())
    folder = tmp_path_factory.mktemp("ha")
    with RealHomeAssistant(folder, faketime=settings["FAKETIME"]) as ha:
        scenes.fill(ha)
        yield ha


@pytest.fixture(scope="session")
def lived_in(
    summer: dict[str, str],
    summer_house: RealHomeAssistant,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A house after README's quick start: its past has been read, and prices."""
    folder = tmp_path_factory.mktemp("house")
    run_init(folder / "config.yaml", force=False)
    scenes.wire(folder, summer_house)
    link_environment(folder, REPO)
    reader = Reader(folder=folder, environment=summer)
    reader.type(".venv/bin/darkstar backfill --start-date 2025-07-01")
    reader.type(".venv/bin/darkstar prices")
    return folder


@pytest.fixture(scope="session")
def skane(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The villa of docs/lab.md; skips loudly where its data are not."""
    folder = tmp_path_factory.mktemp("skane")
    scenes.settle(folder, real_data)
    return folder


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
