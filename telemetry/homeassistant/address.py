"""Where a Home Assistant answers: the url as users write it, checked and taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from telemetry.errors import PeerAuthError, PeerUnreachableError

PEER = "Home Assistant"
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_PORTS = {"http": 80, "https": 443}
NEW_TOKEN = "make a long-lived access token (profile, security) and copy all of it"  # noqa: S105
_CURE = "write it as http://homeassistant.local:8123"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One Home Assistant.

    Attributes:
        url: ``http://host:port[/path]``, no slash at its end.
        host: name or number of the host.
        port: TCP port.
        secure: TLS is used.
    """

    url: str
    host: str
    port: int
    secure: bool

    @property
    def websocket(self) -> str:
        """Url of the WebSocket API."""
        return f"ws{self.url.removeprefix('http')}/api/websocket"

    @property
    def peer(self) -> str:
        """The name used in errors."""
        return f"{PEER} at {self.url}"


def parse_address(text: str) -> Address:
    """Take a url as users write it; scheme, slashes and ``/api`` may be missing or too much.

    Raises:
        PeerUnreachableError: it names no host, or says more than where to go.
    """
    url = text.strip()
    parts = _split(url if "://" in url else f"http://{url}")
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None:
        raise _refused(f"the url has scheme {parts.scheme!r}, want http or https")
    if parts.username is not None or parts.query or parts.fragment:
        raise _refused("the url holds a user, a password or a query, want host and port alone")
    host = parts.hostname
    if not host or not _is_name(host):
        raise _refused("the url names no host")
    port = parts.port or _PORTS[scheme]
    path = parts.path.rstrip("/").removesuffix("/websocket").removesuffix("/api").rstrip("/")
    shown = f"[{host}]" if ":" in host else host
    place = shown if parts.port is None else f"{shown}:{port}"
    return Address(url=f"{scheme}://{place}{path}", host=host, port=port, secure=scheme == "https")


def checked_token(token: str, address: Address) -> str:
    """Return the token without the blanks around it.

    Raises:
        PeerAuthError: it is empty, or holds what no token holds; it is not told.
    """
    bare = token.strip()
    if not bare or not bare.isascii() or not bare.isprintable() or " " in bare:
        reason = "the token is empty" if not bare else "the token has letters that no token has"
        raise PeerAuthError(address.peer, reason, NEW_TOKEN)
    return bare


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _refused("the url is none: its host or its port is malformed") from None
    return parts


def _is_name(host: str) -> bool:
    """Whether the resolver takes it; it would raise on empty or overlong labels."""
    if ":" in host:
        return True
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return not any(letter.isspace() for letter in host)


def _refused(reason: str) -> PeerUnreachableError:
    return PeerUnreachableError(PEER, reason, _CURE)
