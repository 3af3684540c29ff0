"""Fixtures of the real services; a missing one skips the test loudly and says the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.peers.home_assistant import RealHomeAssistant, faketime_library, missing

MakeHomeAssistant = Callable[..., RealHomeAssistant]


@pytest.fixture(scope="session")
def home_assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHomeAssistant]:
    """One running Home Assistant for all tests: each uses entity ids of its own."""
    _skip_without(None)
    with RealHomeAssistant(tmp_path_factory.mktemp("ha")) as running:
        yield running


@pytest.fixture
def make_home_assistant(tmp_path: Path) -> Iterator[MakeHomeAssistant]:
    """Make one that a test may restart, kill or give another clock; it is not yet started.

    Takes the keywords of ``RealHomeAssistant``.
    """
    with ExitStack() as stack:

        def make(
            *, zone: str = "Europe/Stockholm", faketime: str | None = None
        ) -> RealHomeAssistant:
            _skip_without(faketime)
            made = RealHomeAssistant(tmp_path / "ha", zone=zone, faketime=faketime)
            stack.callback(made.close)
            return made

        yield make


def _skip_without(faketime: str | None) -> None:
    if reason := missing():
        pytest.skip(reason)
    if faketime is not None and faketime_library() is None:
        pytest.skip("no shifted clock for Home Assistant: apt-get install libfaketime")
