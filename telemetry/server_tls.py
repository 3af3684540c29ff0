"""When a MariaDB may be spoken to in the open, and what else checks who it is."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

__all__ = ["driver_guard", "is_this_machine", "tls_context", "tls_error"]


def is_this_machine(host: str) -> bool:
    """Whether nothing sent there leaves this machine; no name but ``localhost`` is believed."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(authority: str | Path | None) -> ssl.SSLContext:
    """Return what checks a certificate and the name in it.

    Args:
        authority: PEM file of who signed it; ``None`` asks those that this machine trusts.

    Raises:
        OSError, ValueError: it is no file of certificates.
    """
    return ssl.create_default_context(cafile=authority)


def driver_guard(context: ssl.SSLContext | None) -> dict[str, bool | ssl.SSLContext]:
    """Return the options that hold PyMySQL to a context, or, for ``None``, to no TLS.

    Without either it would try TLS, trust any certificate and do without.
    """
    return {"ssl_disabled": True} if context is None else {"ssl": context}


def tls_error(err: BaseException | None) -> ssl.SSLError | None:
    """Find the TLS error that the driver wrapped."""
    found = getattr(err, "original_exception", err)
    return found if isinstance(found, ssl.SSLError) else None
