"""Nothing gives the mirror's password away: what is refused, and what goes over the wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from telemetry.errors import MirrorError, PeerReplyError, PeerUnreachableError
from telemetry.mirror import Mirror
from telemetry.mirror_server import MirrorServer
from telemetry.store import Store
from tests.peers.certificates import make_certificates
from tests.peers.fixtures import MakeMariaDB
from tests.peers.mariadb import RealMariaDB
from tests.telemetry.mirrors import episode, put, rows, server_of

PASSWORD = "hunter2-and-more"  # noqa: S105 - the secret that must not show
LOCAL = MirrorServer(user="darkstar", password=PASSWORD, host="127.0.0.1")


@pytest.mark.parametrize(
    ("changed", "want"),
    [
        ({"user": ""}, "mirror.user is empty, want one from secrets.yaml: `!secret mirror_user`"),
        ({"password": ""}, "mirror.password is empty, want .*`!secret mirror_password`"),
        ({"host": ""}, "mirror.host is missing, want a host, or the path of a socket"),
        ({"socket": "/run/s"}, "mirror.host is given beside socket"),
        ({"host": "https://nas/"}, "mirror.host is no name or address, want a bare one"),
        ({"port": 0}, "mirror.port is 0, want 1 to 65535"),
        ({"database": "a`b"}, "mirror.database is 'a`b', want 1 to 64 letters"),
        (
            {"tls_ca": Path("ca.pem"), "allow_plaintext": True},
            "mirror.allow_plaintext is true beside tls_ca, want one of the two",
        ),
    ],
)
def test_what_cannot_be_guarded_is_refused(changed: dict[str, Any], want: str) -> None:
    with pytest.raises(MirrorError, match=want):
        replace(LOCAL, **changed)


@pytest.mark.parametrize(
    ("place", "tls"),
    [
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.8.8.8"}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "", "socket": "/run/mysqld/mysqld.sock"}, False),
        ({"host": "127.0.0.1", "tls_ca": Path("ca.pem")}, True),
        ({"host": "nas.local"}, True),
        ({"host": "localhost.example"}, True),
        ({"host": "192.168.1.2"}, True),
        ({"host": "0.0.0.0"}, True),  # noqa: S104 - nothing listens
        ({"host": "nas.local", "allow_plaintext": True}, False),
    ],
)
def test_what_leaves_this_machine_goes_over_tls(place: dict[str, Any], tls: bool) -> None:  # noqa: FBT001
    assert replace(LOCAL, **place).uses_tls is tls


def test_the_password_is_in_no_text() -> None:
    with Mirror.open(LOCAL) as mirror:
        assert PASSWORD not in f"{LOCAL!r}{LOCAL}{mirror!r}{mirror._engine!r}{mirror._engine.url}"


def test_a_file_of_no_certificates_is_named(tmp_path: Path) -> None:
    server = replace(LOCAL, tls_ca=tmp_path / "absent.pem")
    with pytest.raises(MirrorError, match=r"tls_ca is .*absent.pem \(No such file"):
        Mirror.open(server)
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    with pytest.raises(MirrorError, match="want a PEM file with the certificate"):
        Mirror.open(replace(LOCAL, tls_ca=empty))


# --- over the wire -----------------------------------------------------------------------------


@dataclass(slots=True)
class Wire:
    """What passes between a client and a server.

    Attributes:
        port: where clients connect.
        sent: bytes that clients sent.
    """

    port: int
    sent: bytearray = field(default_factory=bytearray)


@contextmanager
def wire_to(port: int | None, greeting: bytes = b"") -> Iterator[Wire]:
    """Listen in before a server of this machine; without one, just greet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1])
        threading.Thread(target=_serve, args=(listener, wire, port, greeting), daemon=True).start()
        yield wire
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, wire: Wire, port: int | None, greeting: bytes) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                client.sendall(greeting)
                if port is not None:
                    _relay(client, port, wire)


def _relay(client: socket.socket, port: int, wire: Wire) -> None:
    with socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy, args=(server, client, bytearray()), daemon=True)
        back.start()
        _copy(client, server, wire.sent)
        back.join(10.0)


def _copy(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.integration
def test_without_tls_nothing_is_sent(mariadb: RealMariaDB, tmp_path: Path) -> None:
    """The server answers in the clear: the client leaves before it says who it is."""
    authority = make_certificates(tmp_path, ["127.0.0.1"]).authority
    with wire_to(mariadb.port) as wire:
        server = replace(server_of(mariadb, "mirror_tls"), port=wire.port)
        with (
            Mirror.open(replace(server, tls_ca=authority)) as mirror,
            pytest.raises(PeerUnreachableError, match=r"no TLS.*nothing was sent"),
        ):
            mirror.exists()
        assert bytes(wire.sent) == b""
        with Mirror.open(server) as plain:  # the wire does see what is sent
            assert not plain.exists()
        assert mariadb.user.encode() in wire.sent


@pytest.mark.integration
def test_tls_is_verified_and_hides_everything(
    store: Store, make_mariadb: MakeMariaDB, tmp_path: Path
) -> None:
    peer = make_mariadb(tls=True, tls_names=["127.0.0.1"]).start()
    other = make_certificates(tmp_path / "other", ["127.0.0.1"]).authority
    put(store, [episode(0)])
    with wire_to(peer.port) as wire:
        server = replace(server_of(peer, "mirror_tls"), port=wire.port, tls_ca=peer.ca)
        with (
            Mirror.open(replace(server, tls_ca=other)) as mirror,
            pytest.raises(PeerUnreachableError, match=r"certificate is not trusted.*tls_ca"),
        ):
            mirror.push(store)
        with (
            Mirror.open(replace(server, host="localhost")) as mirror,
            pytest.raises(PeerUnreachableError, match="Hostname mismatch"),
        ):
            mirror.push(store)
        assert store.waiting_episodes() == 1
        with Mirror.open(server) as mirror:
            assert mirror.push(store).pushed == 1
        for secret in (peer.user, "training_episodes", "quality_class"):
            assert secret.encode() not in wire.sent
    assert rows(peer.dsn("mirror_tls")) == rows(store.name)


@pytest.mark.integration
def test_this_machine_s_authorities_are_asked_without_tls_ca(make_mariadb: MakeMariaDB) -> None:
    """They know no test authority; the address is taken for another machine's."""
    peer = make_mariadb(tls=True).start()
    server = server_of(peer, "mirror_tls")
    remote = replace(server, host="0.0.0.0")  # noqa: S104 - reaches this machine, is no loopback
    with (
        Mirror.open(remote) as mirror,
        pytest.raises(PeerUnreachableError, match="certificate is not trusted"),
    ):
        mirror.exists()
    with Mirror.open(replace(remote, allow_plaintext=True)) as mirror:
        assert not mirror.exists()


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\0\0\0\x0a"],
)
def test_what_is_no_mariadb_is_told(greeting: bytes) -> None:
    with (
        wire_to(None, greeting) as wire,
        Mirror.open(replace(LOCAL, port=wire.port)) as mirror,
        pytest.raises((PeerUnreachableError, PeerReplyError), match=f"MariaDB at .*{wire.port}"),
    ):
        mirror.exists()
