"""The url as users write it, and a token that is told to nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from telemetry.errors import MissingExtraError, PeerAuthError, PeerUnreachableError
from telemetry.homeassistant import HomeAssistant
from telemetry.homeassistant.address import parse_address
from tests.test_floors import loaded


@pytest.mark.parametrize(
    ("written", "url", "websocket"),
    [
        ("http://ha.local:8123", "http://ha.local:8123", "ws://ha.local:8123/api/websocket"),
        (" ha.local:8123/ ", "http://ha.local:8123", "ws://ha.local:8123/api/websocket"),
        ("https://ha.example", "https://ha.example", "wss://ha.example/api/websocket"),
        ("wss://ha.example/api/websocket", "https://ha.example", "wss://ha.example/api/websocket"),
        ("http://h:80/home/api/", "http://h:80/home", "ws://h:80/home/api/websocket"),
        ("HTTP://[fe80::1]:8123", "http://[fe80::1]:8123", "ws://[fe80::1]:8123/api/websocket"),
    ],
)
def test_slips_are_put_right(written: str, url: str, websocket: str) -> None:
    address = parse_address(written)
    assert address.url == url
    assert address.websocket == websocket


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "names no host"),
        ("http://", "names no host"),
        ("http://ha..local", "names no host"),
        ("http://my house", "names no host"),
        ("ftp://ha", "scheme 'ftp', want http or https"),
        ("http://ha:eight", "malformed"),
        ("http://ha:99999", "malformed"),
        ("http://me:secret@ha", "want host and port alone"),
        ("http://ha?token=secret", "want host and port alone"),
    ],
)
def test_what_is_no_url_is_refused_without_telling_it(written: str, said: str) -> None:
    with pytest.raises(PeerUnreachableError, match=said) as caught:
        parse_address(written)
    assert "secret" not in str(caught.value)
    assert "http://homeassistant.local:8123" in str(caught.value)


@pytest.mark.parametrize("token", ["", "  ", "two words", "tökén", "line\nbreak"])
def test_what_is_no_token_is_refused_without_telling_it(token: str) -> None:
    with pytest.raises(PeerAuthError, match=r"the token (is empty|has letters)") as caught:
        HomeAssistant("http://ha", token)
    assert token.strip() == "" or token not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "module", "ask"),
    [
        ("websockets", "websockets.exceptions", HomeAssistant.states),
        ("httpx", "httpx", HomeAssistant.clock),
    ],
)
def test_without_the_extra_the_cure_is_told(
    package: str,
    module: str,
    ask: Callable[[HomeAssistant], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    said = rf"reading Home Assistant needs {package}, .*darkstar-energy\[live\]"
    with HomeAssistant("http://ha", "token") as home, pytest.raises(MissingExtraError, match=said):
        ask(home)


@pytest.mark.integration
def test_importing_it_loads_nothing_of_the_network() -> None:
    assert loaded("import telemetry.homeassistant", "websockets", "httpx", "numpy") == ["numpy"]
