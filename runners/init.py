"""``darkstar init``: write a commented configuration that works as it stands.

Beside it goes an empty ``secrets.yaml`` that its owner alone can read, where there is none.
"""

import os
from importlib import resources
from pathlib import Path

from runners.errors import EX_CANTCREAT, ConfigError, Problem
from runners.secrets import SECRETS_FILE

__all__ = ["run_init", "template", "write_config"]

_TEMPLATE = "templates/config.yaml"
_NEXT = """wrote {path}: the demo home; change what differs in yours
  passwords: put `name: value` lines in {secrets} and write `!secret name`
  next:      connect Home Assistant (docs/telemetry.md), then darkstar record; or without one
             darkstar import FILE...; then darkstar plan (or darkstar demo)"""

_SECRETS = "# `name: value`, one a line; in config.yaml `!secret name` stands for the value\n"


def run_init(path: Path, *, force: bool) -> str:
    """Write the template to ``path``, a place for secrets, and return what to do next.

    Raises:
        ConfigError: the file exists and ``force`` is off, or it cannot be written.
    """
    write_config(path, template(), force=force)
    secrets = path.parent / SECRETS_FILE
    _write_secrets(secrets)
    return _NEXT.format(path=path, secrets=secrets)


def template() -> str:
    """Return the commented configuration."""
    return resources.files("runners").joinpath(_TEMPLATE).read_text(encoding="utf-8")


def write_config(path: Path, text: str, *, force: bool) -> None:
    """Write a configuration.

    Raises:
        ConfigError: the file exists and ``force`` is off, or it cannot be written.
    """
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = "exists and was not touched; add --force to replace it, or name another --config"
        raise ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT) from None
    except OSError as err:
        message = f"cannot be written ({err.strerror}); choose another --config"
        raise ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT) from None


def _write_secrets(path: Path) -> None:
    """Make a file for secrets, its owner's alone; leave one that is there as it is.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as err:
        message = f"cannot be written ({err.strerror}); make it, readable by you alone (chmod 600)"
        raise ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT) from None
    with os.fdopen(made, "w", encoding="utf-8") as file:
        file.write(_SECRETS)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("init")
