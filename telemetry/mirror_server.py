"""The MariaDB server that holds the mirror: where it is, who gets in, and how it is guarded.

The password goes over TLS alone, to a server whose certificate is trusted and bears its name, or
stays on this machine: a socket or a loopback address needs no TLS. ``allow_plaintext`` gives that
up for one server. What cannot be guarded is refused here, before anything is sent.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.errors import MirrorError
from telemetry.server_tls import is_this_machine, tls_context

__all__ = ["DEFAULT_DATABASE", "MirrorServer"]

DEFAULT_DATABASE = "antares_learning"
_MAX_PORT = 65_535
_HOST = re.compile(r"[\w.:-]+")
_DATABASE = re.compile(r"[A-Za-z0-9_]{1,64}")
_WANTED = "one from secrets.yaml: `!secret mirror_{name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorServer:
    """How to reach the mirror; made only where nothing would give the password away.

    Attributes:
        user, password: who the mirror writes as.
        host, port: over TCP.
        socket: path of a socket of this machine, instead of ``host``.
        database: its name there.
        tls_ca: PEM file of the authority that signed the server's certificate; ``None`` asks the
            authorities that this machine trusts.
        allow_plaintext: whether password and rows may go unencrypted to another machine.
    """

    user: str
    password: str = field(repr=False)
    host: str = ""
    port: int = 3306
    socket: str = ""
    database: str = DEFAULT_DATABASE
    tls_ca: Path | None = None
    allow_plaintext: bool = False

    def __post_init__(self) -> None:
        """Refuse what is incomplete, contradicts itself or would send a password in the open.

        Raises:
            MirrorError: which setting it is, and what to write; never the password.
        """
        for name in ("user", "password"):
            if not getattr(self, name):
                raise MirrorError(name, "empty", _WANTED.format(name=name))
        self._check_place()
        if self.tls_ca is not None and self.allow_plaintext:
            raise MirrorError("allow_plaintext", "true beside tls_ca", "one of the two")

    def _check_place(self) -> None:
        if bool(self.host) == bool(self.socket):
            got = "given beside socket" if self.host else "missing"
            raise MirrorError("host", got, "a host, or the path of a socket, and not both")
        if self.host and not _HOST.fullmatch(self.host):
            raise MirrorError("host", "no name or address", "a bare one, such as nas.local")
        if not 0 < self.port <= _MAX_PORT:
            raise MirrorError("port", self.port, f"1 to {_MAX_PORT}")
        if not _DATABASE.fullmatch(self.database):
            raise MirrorError("database", repr(self.database), "1 to 64 letters, digits and _")

    @property
    def place(self) -> str:
        """Where it is, as messages name it."""
        return f"MariaDB at {self.socket or f'{self.host}:{self.port}'}"

    @property
    def is_local(self) -> bool:
        """Whether nothing that is sent leaves this machine."""
        return bool(self.socket) or is_this_machine(self.host)

    @property
    def uses_tls(self) -> bool:
        """Whether the connection must be TLS."""
        return self.tls_ca is not None or not (self.is_local or self.allow_plaintext)

    def tls(self) -> ssl.SSLContext | None:
        """Return what checks the server's certificate and its name; ``None`` for no TLS.

        Raises:
            MirrorError: ``tls_ca`` is no file of certificates.
        """
        if not self.uses_tls:
            return None
        try:
            return tls_context(self.tls_ca)
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or err
            want = "a PEM file with the certificate of the server's authority"
            raise MirrorError("tls_ca", f"{self.tls_ca} ({reason})", want) from err
