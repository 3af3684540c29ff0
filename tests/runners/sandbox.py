"""The command of a service, run as systemd would as far as that goes without systemd.

Its environment, its folder, its file mode, no new privileges, and ``MemoryDenyWriteExecute=`` by
the filter that systemd installs (src/shared/seccomp-util.c, ``seccomp_memory_deny_write_execute``):
no memory that can be written and run, none that becomes executable.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shlex
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).parents[2]
# Numbers of mmap, mprotect, pkey_mprotect and shmat, and the architecture's own.
_CALLS = {
    "x86_64": (9, 10, 329, 30, 0xC000003E),
    "aarch64": (222, 226, 288, 196, 0xC00000B7),
}
_LOAD, _AND, _RETURN, _EQUAL, _ANY_BIT = 0x20, 0x54, 0x06, 0x15, 0x45
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32
_WRITE_AND_EXECUTE, _EXECUTE, _SHM_EXECUTE = 6, 4, 0o100000
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


def can_be_guarded() -> bool:
    """Whether this machine's system calls are known here."""
    return platform.machine() in _CALLS


def deny_write_execute() -> Callable[[], None]:
    """Return what a child calls before it runs its program."""
    mmap, mprotect, pkey_mprotect, shmat, architecture = _CALLS[platform.machine()]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 13, architecture),  # else 15: allow
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 3, 0, mmap),  # 7
        (_EQUAL, 5, 0, mprotect),  # 10
        (_EQUAL, 4, 0, pkey_mprotect),  # 10
        (_EQUAL, 5, 8, shmat),  # 12, else 15
        (_LOAD, 0, 0, _THIRD_ARGUMENT),  # 7: both bits are refused
        (_AND, 0, 0, _WRITE_AND_EXECUTE),
        (_EQUAL, 4, 5, _WRITE_AND_EXECUTE),
        (_LOAD, 0, 0, _THIRD_ARGUMENT),  # 10
        (_ANY_BIT, 2, 3, _EXECUTE),
        (_LOAD, 0, 0, _THIRD_ARGUMENT),  # 12
        (_ANY_BIT, 0, 1, _SHM_EXECUTE),
        (_RETURN, 0, 0, _REFUSE),  # 14
        (_RETURN, 0, 0, _ALLOW),  # 15
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)

    def guard() -> None:
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, header):
            raise OSError(ctypes.get_errno(), "no filter")

    guard.keep = code  # type: ignore[attr-defined]  # the header points to it
    return guard


def settings(unit: str) -> dict[str, list[str]]:
    """Return the settings of a unit: all values of each, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def run_unit(unit: str, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the (first) command of a service, further words after it."""
    given = settings(unit)
    environment = dict(one.partition("=")[::2] for one in given.get("Environment", []))
    environment = {key: value.replace("%C", str(cache)) for key, value in environment.items()}
    command = given["ExecStart"][0].removeprefix("-").replace("%%", "%").replace("$$", "$")
    denied = given["MemoryDenyWriteExecute"] == ["yes"]
    return subprocess.run(
        [*shlex.split(command), *words],
        env={"PATH": os.defpath, "PYTHONPATH": str(REPO), **environment},
        cwd=given["WorkingDirectory"][0],
        umask=int(given["UMask"][0], 8),
        preexec_fn=deny_write_execute() if denied else None,
        capture_output=True,
        text=True,
        check=False,
    )
