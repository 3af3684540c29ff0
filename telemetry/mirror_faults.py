"""What the mirror's server refuses, in the words of this package: never a row or a password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from telemetry.errors import (
    PeerAuthError,
    PeerError,
    PeerNotReadyError,
    PeerReplyError,
    PeerUnreachableError,
)
from telemetry.server_tls import tls_error

__all__ = ["UNKNOWN_DATABASE", "error_number", "faults_told"]

UNKNOWN_DATABASE = 1049
_NO_TLS = 2026
_CUT_OFF = (
    PeerUnreachableError,
    "gives no answer: {said}",
    "check that it runs and can be reached; what waits is mirrored next time",
)
_LOGIN = (
    PeerAuthError,
    "refuses the login: {said}",
    "check mirror.user and mirror.password (in secrets.yaml)",
)
_RIGHTS = (
    PeerAuthError,
    "gives the user too few rights: {said}",
    "as its administrator, run GRANT ALL ON {database}.* TO that user",
)
_BUSY = (PeerNotReadyError, "is busy: {said}", "try again later; what waits stays")
_UNCOMPRESSED = (
    PeerReplyError,
    "writes no compressed tables: {said}",
    "set innodb_read_only_compressed = OFF there; what waits stays",
)
_FULL = (PeerNotReadyError, "is full: {said}", "free some space there and repeat")
_OTHER = (
    PeerReplyError,
    "refuses with error {number}: {said}",
    "look at its table training_episodes and its log; what waits stays",
)
# Of the server: busy is connections used up, locks, time limits, a shutdown, read-only. Of the
# driver: cut off is also 0, a connection that is closed already.
_MEANINGS = {
    **dict.fromkeys((1045, 1130, 1698, 4151), _LOGIN),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1410), _RIGHTS),
    **dict.fromkeys((1040, 1053, 1203, 1205, 1213, 1226, 1290, 1317, 1836, 1927, 1969), _BUSY),
    **dict.fromkeys((3024,), _BUSY),
    **dict.fromkeys((4047,), _UNCOMPRESSED),
    **dict.fromkeys((1021, 1041, 1114), _FULL),
    **dict.fromkeys((0, 2002, 2003, 2006, 2013, 2055), _CUT_OFF),
}


@contextmanager
def faults_told(place: str, database: str) -> Iterator[None]:
    """Tell what the server refused, or what kept it from answering.

    Raises:
        PeerError: one of its kinds; the original is its cause.
    """
    try:
        yield
    except sa.exc.DBAPIError as err:
        raise _fault(place, database, err) from err


def error_number(err: sa.exc.DBAPIError) -> int:
    """Return the error number of server or driver; 0 where there is none."""
    args = err.orig.args if err.orig is not None else ()
    return args[0] if args and isinstance(args[0], int) else 0


def _fault(place: str, database: str, err: sa.exc.DBAPIError) -> PeerError:
    number, said = error_number(err), _said(err)
    refused = tls_error(err.orig)
    if refused is not None or number == _NO_TLS:
        return _tls_fault(place, refused, said)
    kind, reason, cure = _MEANINGS.get(number, _OTHER)
    return kind(place, reason.format(said=said, number=number), cure.format(database=database))


def _said(err: sa.exc.DBAPIError) -> str:
    """Return what server or driver said, on one line."""
    args = err.orig.args if err.orig is not None else ()
    return " ".join(str(args[-1]).split()) if args else "the connection is closed"


def _tls_fault(place: str, refused: ssl.SSLError | None, said: str) -> PeerError:
    if isinstance(refused, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({refused.verify_message})"
        cure = "set mirror.tls_ca to its authority's, and mirror.host to the name it is for"
        return PeerUnreachableError(place, reason, cure)
    cure = "have the server offer TLS; nothing was sent (or give it up: allow_plaintext: true)"
    return PeerUnreachableError(place, f"no TLS: {said}", cure)
