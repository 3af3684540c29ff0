"""How a command ends: the exit code of an error, of a signal, and of a stdout that nobody takes.

The codes are listed in ``runners.contract``.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runners.errors import (
    EX_CANTCREAT,
    EX_CONFIG,
    EX_DATAERR,
    EX_NOPERM,
    EX_PROTOCOL,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    ConfigError,
)

__all__ = ["INTERRUPTED", "UNFORESEEN", "ended_with_a_word", "exit_code", "status", "told"]

UNFORESEEN, INTERRUPTED, _ENDED = 1, 130, 143
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def exit_code(err: Exception) -> int | None:
    """Return the sysexits code of an expected error, None for any other."""
    if isinstance(err, ConfigError):
        return err.exit_code
    if isinstance(err, BrokenPipeError):
        return UNFORESEEN  # whoever read stdout has left; rich ends with the same
    if isinstance(err, OSError) and err.filename is None and err.errno in _FULL:
        return EX_CANTCREAT  # files of ours are written by runners.output: this is stdout
    return next((code for kind, code in _expected() if isinstance(err, kind)), None)


def _expected() -> Iterator[tuple[type[Exception], int]]:
    """Yield error classes of the floors that were imported, the narrow ones first."""
    for module, name, code in (
        ("mpc.errors", "SolverError", EX_TEMPFAIL),
        ("mpc.errors", "PlanError", EX_DATAERR),
        ("telemetry.errors", "StoreBusyError", EX_TEMPFAIL),
        ("telemetry.errors", "StoreUnreachableError", EX_UNAVAILABLE),
        ("telemetry.errors", "CopyError", EX_CANTCREAT),
        ("telemetry.errors", "PeerAuthError", EX_NOPERM),
        ("telemetry.errors", "PeerUnreachableError", EX_UNAVAILABLE),
        ("telemetry.errors", "PeerNotReadyError", EX_TEMPFAIL),
        ("telemetry.errors", "PeerReplyError", EX_PROTOCOL),
        ("telemetry.errors", "ClockError", EX_TEMPFAIL),
        ("telemetry.errors", "SensorError", EX_CONFIG),
        ("telemetry.errors", "MirrorError", EX_CONFIG),
        ("telemetry.errors", "TelemetryError", EX_DATAERR),
        ("forecast.errors", "ForecastError", EX_DATAERR),
        ("sim.errors", "SimError", EX_DATAERR),
    ):
        if module in sys.modules:  # an error of a module that was never imported is not around
            yield getattr(sys.modules[module], name), code


@contextmanager
def ended_with_a_word() -> Iterator[None]:
    """Let a run that is told to end do so in order, its summary line included."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_signal: int, _frame: object) -> None:
    """End this process as the signal would."""
    raise SystemExit(_ENDED)


def status(err: SystemExit) -> int:
    """Return the exit code of a process that ends with this."""
    if err.code is None:
        return 0
    return err.code if isinstance(err.code, int) else UNFORESEEN


def told(err: Exception) -> str:
    """Return what is said of an expected error."""
    if not isinstance(err, OSError):
        return str(err)
    _give_up_stdout()
    if isinstance(err, BrokenPipeError):
        return ""
    return f"stdout: cannot be written ({err.strerror}); free some space, or print to another place"


def _give_up_stdout() -> None:
    """Print nothing more where that fails, so that Python does not try it again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
