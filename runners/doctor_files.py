"""The doctor looks at files: the configuration, who may read secrets, and the room on the disk."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from runners.config import Config, load_config
from runners.doctor_line import Line, failure, fine, warning
from runners.errors import ConfigError
from runners.secrets import SECRETS_FILE, secrets_in_use

__all__ = ["check_configuration", "check_disk", "check_modes", "check_rights"]

_ANYBODY = stat.S_IRWXO
_OTHERS = stat.S_IRWXG | _ANYBODY
_SECRET_KEYS, _SECRET_TAG = ("token", "password"), "!secret"
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_LOGIN = re.compile(r"://[^/@:]*:([^@]+)@")
_MEGABYTE, _GIGABYTE = 1e6, 1e9
_LEAST_BYTES, _SCANT_BYTES = 200 * _MEGABYTE, 2 * _GIGABYTE
_GROWTH_BYTES = 2 * _MEGABYTE  # of a live day, at most
_WAL_BYTES = 500 * _MEGABYTE


def check_configuration(path: Path) -> tuple[Config | None, list[Line]]:
    """Return the configuration, if it can be used, and what is to be said of it."""
    try:
        config = load_config(path)
    except ConfigError as err:
        lines = [
            failure("configuration", f"{problem.key or err.source} {problem.value}".strip(), fix)
            for problem in err.problems
            for fix in (problem.message,)
        ]
        return None, lines
    homes = ", ".join(config.homes)
    return config, [fine("configuration", f"{path}: {homes}")]


def check_modes(config: Config) -> Iterator[Line]:
    """Say who else may read secrets and measurements."""
    secrets = secrets_in_use(config.path)
    if secrets.exists():
        beside = secrets.parent == config.path.parent  # else systemd's, in a folder nobody enters
        yield _mode(secrets, "the secrets can be read by others", secret=beside)
    lines = sorted(_open_secrets(config.path))
    if lines:
        where = ", ".join(map(str, lines))
        yield failure(
            "file modes",
            f"{config.path}: a token or password stands in the open, line {where}",
            f"write `!secret NAME` there, and `NAME: ...` into {SECRETS_FILE} (chmod 600)",
        )
    store = _store_file(config)
    if store is not None and store.exists():
        yield _mode(store, "what the house does can be read by others", secret=False)


def check_rights(config: Config) -> Iterator[Line]:
    """Say whether who asks can write what jobs write."""
    me = f"user {os.geteuid()}"
    with suppress(KeyError):
        me = pwd.getpwuid(os.geteuid()).pw_name
    store = _store_file(config)
    places = [config.path.parent] if store is None else [store.parent, store]
    shut = [one for one in places if one.exists() and not os.access(one, os.W_OK)]
    for place in shut:
        yield failure(
            "rights",
            f"{place} cannot be written by {me}",
            f"chown -R {me} {shlex.quote(str(place))}; where jobs run as another user, run the "
            "doctor as that one",
        )
    if not shut:
        yield fine("rights", f"store and folder can be written by {me}")


def check_disk(config: Config) -> Iterator[Line]:
    """Say how much room is left where the store lies."""
    store = _store_file(config)
    folder = config.path.parent if store is None else store.parent
    if not folder.exists():
        yield failure("disk", f"{folder}: no such folder", "make it, or correct store.url")
        return
    free = shutil.disk_usage(folder).free
    days = int((free - _LEAST_BYTES) / _GROWTH_BYTES)
    text = f"{free / _GIGABYTE:.1f} GB free at {folder}"
    if free < _LEAST_BYTES:
        yield failure("disk", text, "free some space: a store that cannot grow records nothing")
    elif free < _SCANT_BYTES:
        yield warning("disk", f"{text}, enough for some {days} days", "free some space")
    else:
        yield fine("disk", text)
    if store is not None and store.exists():
        yield from _store_size(store)


def _store_size(store: Path) -> Iterator[Line]:
    """Say how large the store is; a log that is never taken in shows a reader that never ends."""
    log = store.with_name(f"{store.name}-wal")
    grown = log.stat().st_size if log.exists() else 0
    text = f"{store.stat().st_size / _MEGABYTE:.0f} MB"
    if grown > _WAL_BYTES:
        yield warning(
            "store size",
            f"{text}, and {grown / _MEGABYTE:.0f} MB in {log.name}",
            "end the process that keeps it open; the next writer takes the log in",
        )
    else:
        yield fine("store size", text)


def _mode(path: Path, fault: str, *, secret: bool) -> Line:
    """Say whether a file is its owner's alone; measurements may be the group's too."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & (_OTHERS if secret else _ANYBODY):
        return fine("file modes", f"{path.name} is nobody else's ({mode:04o})")
    say = failure if secret else warning
    return say("file modes", f"{path}: {fault} ({mode:04o})", f"chmod 600 {path}")


def _store_file(config: Config) -> Path | None:
    """Return the store's file; None where it is a server's."""
    return None if "://" in config.store_url else Path(config.store_url)


def _open_secrets(path: Path) -> set[int]:
    """Return the lines of the configuration where a secret stands in the open."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    found, rest, seen = set[int](), [root], set[int]()
    while rest:
        node = rest.pop()
        if id(node) in seen:  # by an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            rest += node.value
        if isinstance(node, yaml.MappingNode):
            rest += [value for _, value in node.value]
            found |= {
                value.start_mark.line + 1 for key, value in node.value if _is_open(key.value, value)
            }
    return found


def _is_open(key: object, node: yaml.Node) -> bool:
    """Whether a value is a secret, or a URL with a password, as it is."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _SECRET_TAG:
        return False
    login = _LOGIN.search(node.value) if key == "url" else None
    secret = login.group(1) if login else node.value if key in _SECRET_KEYS else ""
    return bool(_REFERENCE.sub("", secret).strip())
