"""What goes wrong with TLS, told so that it can be put right."""

from __future__ import annotations

import ssl
from typing import NoReturn

from telemetry.errors import PeerUnreachableError
from telemetry.homeassistant.address import Address
from telemetry.homeassistant.retry import LostError


def refuse_tls(address: Address, err: ssl.SSLError) -> NoReturn:
    """Raise what a TLS error means.

    Raises:
        PeerUnreachableError: a certificate that is not trusted, or no TLS at all: no use to retry.
        LostError: cut while shaking hands.
    """
    if isinstance(err, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({err.verify_message})"
        cure = "use the name that the certificate is for, or http:// at home"
        raise PeerUnreachableError(address.peer, reason, cure) from err
    if isinstance(err, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        raise LostError("cut while setting up TLS") from err
    reason = f"no TLS ({err.reason})"
    raise PeerUnreachableError(address.peer, reason, "if it serves plain HTTP, write http://")


def tls_error(err: BaseException | None) -> ssl.SSLError | None:
    """Find the TLS error among the causes of an error."""
    while err is not None and not isinstance(err, ssl.SSLError):
        err = err.__cause__ or err.__context__
    return err
