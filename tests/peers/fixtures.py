"""Fixtures of the real services; a missing one skips the test loudly and says the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from tests.peers import mariadb as mariadb_peer
from tests.peers.home_assistant import RealHomeAssistant, faketime_library, missing
from tests.peers.mariadb import RealMariaDB

MakeHomeAssistant = Callable[..., RealHomeAssistant]
MakeMariaDB = Callable[..., RealMariaDB]


@pytest.fixture(scope="session")
def home_assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHomeAssistant]:
    """One running Home Assistant for all tests: each uses entity ids of its own."""
    _skip_without(shifted=False)
    with RealHomeAssistant(tmp_path_factory.mktemp("ha")) as running:
        yield running


@pytest.fixture
def make_home_assistant(tmp_path: Path) -> Iterator[MakeHomeAssistant]:
    """Make one that a test may restart, kill or give another clock; it is not yet started.

    Takes the keywords of ``RealHomeAssistant``.
    """
    with ExitStack() as stack:

        def make(
            *,
            zone: str = "Europe/Stockholm",
            faketime: str | None = None,
            now: datetime | None = None,
        ) -> RealHomeAssistant:
            _skip_without(shifted=faketime is not None or now is not None)
            made = RealHomeAssistant(tmp_path / "ha", zone=zone, faketime=faketime, now=now)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMariaDB]:
    """One running MariaDB for all tests: each makes databases of its own, and none stops it."""
    _skip_without_mariadb()
    with RealMariaDB(tmp_path_factory.mktemp("mariadb")) as running:
        yield running


@pytest.fixture
def make_mariadb(tmp_path: Path) -> Iterator[MakeMariaDB]:
    """Make one that a test may stop, kill or give other options; it is not yet started.

    Takes the keywords of ``RealMariaDB``.
    """
    with ExitStack() as stack:
        made: list[RealMariaDB] = []

        def make(
            *,
            options: Sequence[str] = (),
            tls: bool = False,
            tls_names: Sequence[str] = ("127.0.0.1", "localhost"),
        ) -> RealMariaDB:
            _skip_without_mariadb()
            folder = tmp_path / f"mariadb{len(made)}"
            server = RealMariaDB(folder, options=options, tls=tls, tls_names=tls_names)
            made.append(server)
            stack.callback(server.close)
            return server

        yield make


def _skip_without(*, shifted: bool) -> None:
    if reason := missing():
        pytest.skip(reason)
    if shifted and faketime_library() is None:
        pytest.skip("no shifted clock for Home Assistant: apt-get install libfaketime")


def _skip_without_mariadb() -> None:
    if reason := mariadb_peer.missing():
        pytest.skip(reason)
