"""``darkstar install-units``: the timers, written where systemd looks for them.

Units of the system go to ``/etc/systemd/system`` and run as a user of their own, those of a user
(``--user``) to ``~/.config/systemd/user``. Files are written whole, and only where their text is
another; what an earlier installation left and this one has no use for is told. Nothing is enabled:
the commands that do so are printed.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

import runners
from runners.config import Config, load_config
from runners.errors import EX_CANTCREAT, EX_NOINPUT, ConfigError, Problem
from runners.output import make_folder, many, write_text
from runners.secrets import SECRETS_FILE
from runners.units import Installation, rendered, written_folders

__all__ = ["SYSTEM_FOLDER", "SYSTEM_USER", "installation", "run_install_units"]

SYSTEM_FOLDER = Path("/etc/systemd/system")
SYSTEM_USER = "darkstar"
_MINE = "# Written by darkstar install-units"
_NO_NAMESPACES = {
    "user/max_user_namespaces": "0",
    "kernel/unprivileged_userns_clone": "0",
    "kernel/apparmor_restrict_unprivileged_userns": "1",
}
"""Settings of the kernel, and the value with which users make none."""


def run_install_units(
    *,
    config_path: Path,
    user: bool = False,
    run_as: str = SYSTEM_USER,
    secrets: Path | None = None,
    folder: Path | None = None,
    dry_run: bool = False,
) -> None:
    """Write the units of this installation, and say how to start them.

    Args:
        config_path: the configuration that the jobs get.
        user: whether they are units of the user who calls.
        run_as: who runs the jobs of the system.
        secrets: the file with the secrets; None: ``secrets.yaml`` beside the configuration, if any.
        folder: where they go; None: where systemd looks for them.
        dry_run: print every file and where it would go; write nothing.

    Raises:
        ConfigError: the configuration, no such user, or a folder that cannot be written.
    """
    place = installation(config_path, user=None if user else run_as, secrets=secrets)
    target = folder or (_user_folder() if user else SYSTEM_FOLDER)
    units = rendered(place)
    if dry_run:
        for name, text in units.items():
            typer.echo(f"# {target / name}\n{text}")
        return
    if not user:
        _check_user(run_as)
    _check_folder(target, user=user)
    make_folder(target)
    written = [name for name, text in units.items() if _put(target / name, text)]
    same = len(units) - len(written)
    typer.echo(f"{target}: {many(len(written), 'unit')} written, {same} as before")
    steps = _next_steps(target, units, user=user)
    for line in steps if user else [*_to_own(place.config, run_as), *steps]:
        typer.echo(line)


def installation(config_path: Path, *, user: str | None, secrets: Path | None) -> Installation:
    """Return where everything is that the jobs need.

    Raises:
        ConfigError: the configuration, or no program ``darkstar``.
    """
    # Its folder without links and `..`, which systemd refuses; a file that is a link stays one, as
    # what lies beside it is named by that folder.
    path = config_path.parent.resolve() / config_path.name
    config = load_config(path, secrets=secrets)
    beside = path.parent / SECRETS_FILE
    given = secrets or (beside if beside.exists() else None)
    source = Path(runners.__file__).parents[1]
    needed = (Path(sys.prefix), Path(sys.base_prefix), source, path.resolve().parent)
    return Installation(
        program=_program(),
        needed=needed,
        config=config,
        secrets=None if given is None else given.resolve(),
        user=user,
        guarded=user is not None or _users_make_namespaces(),
    )


def _users_make_namespaces() -> bool:
    """Return whether the kernel lets users make namespaces, as their services' guard needs."""
    return all(
        not (path := Path("/proc/sys") / name).is_file() or path.read_text("ascii").strip() != no
        for name, no in _NO_NAMESPACES.items()
    )


def _program() -> Path:
    """Return the command of this environment.

    Raises:
        ConfigError: it is not there.
    """
    beside = Path(sys.executable).with_name("darkstar")
    found = beside if beside.exists() else shutil.which("darkstar")
    if found is None:
        message = "the command is not installed; run: pip install ."
        raise ConfigError(str(beside), [Problem("", "", message)], exit_code=EX_NOINPUT)
    return Path(found)


def _user_folder() -> Path:
    """Return where a user's systemd looks."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def _check_user(name: str) -> None:
    """Refuse a user that is not there.

    Raises:
        ConfigError: always then, with the command that makes it.
    """
    try:
        pwd.getpwnam(name)
    except KeyError:
        message = (
            "no such user; make it: useradd --system --home-dir /var/lib/darkstar "
            f"--shell /usr/sbin/nologin {name} (or name another with --run-as)"
        )
        raise ConfigError(f"user {name}", [Problem("", "", message)]) from None


def _check_folder(folder: Path, *, user: bool) -> None:
    """Refuse a folder that cannot be written, before anything is.

    Raises:
        ConfigError: it cannot.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return
    cure = "make it yours" if user else "run it as root (sudo), or install your own with --user"
    message = f"cannot be written; {cure}; --dry-run shows what would go there"
    raise ConfigError(str(folder), [Problem("", "", message)], exit_code=EX_CANTCREAT)


def _put(path: Path, text: str) -> bool:
    """Write a file; return whether it was another before."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    write_text(path, text)
    return True


def _to_own(config: Config, name: str) -> list[str]:
    """Return the commands that let who runs the jobs read the configuration and write."""
    uid = pwd.getpwnam(name).pw_uid
    places = {one.resolve() for one in (*written_folders(config), config.path) if one.exists()}
    others = sorted(one for one in places if uid not in (0, one.stat().st_uid))
    tops = [one for one in others if not any(above in others for above in one.parents)]
    if not tops:
        return []
    chown = shlex.join(["chown", "-R", name, *map(str, tops)])
    return [
        f"jobs run as {name}, and what they read and write must be theirs (or --run-as its owner):",
        f"  {chown}",
    ]


def _next_steps(folder: Path, units: Mapping[str, str], *, user: bool) -> list[str]:
    """Return the commands that make it work, and those that take away what is left over."""
    control = "systemctl --user" if user else "systemctl"
    timers = [name for name in units if name.endswith(".timer")]
    lines = ["now run:", f"  {control} daemon-reload"]
    lines += [f"  {control} enable --now {' '.join(timers)}"]
    if user:
        lines += ["  loginctl enable-linger  # so that they run while you are not logged in"]
    for path in sorted(folder.glob("darkstar-*.timer")):
        if path.name not in units and path.read_text(encoding="utf-8").startswith(_MINE):
            both = shlex.join(map(str, ("rm", path, path.with_suffix(".service"))))
            lines += [f"no longer wanted: {control} disable --now {path.name} && {both}"]
    return lines


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("install-units")
