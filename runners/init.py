"""``darkstar init``: write a commented configuration that works as it stands."""

from importlib import resources
from pathlib import Path

from runners.errors import EX_CANTCREAT, ConfigError, Problem

__all__ = ["run_init", "template", "write_config"]

_TEMPLATE = "templates/config.yaml"
_NEXT = """wrote {path}: the demo home; change what differs in yours
  passwords: put `name: value` lines in {secrets} and write `!secret name`
  next:      connect Home Assistant (docs/telemetry.md), then darkstar record; or without one
             darkstar import FILE...; then darkstar plan (or darkstar demo)"""


def run_init(path: Path, *, force: bool) -> str:
    """Write the template to ``path`` and return what to do next.

    Raises:
        ConfigError: the file exists and ``force`` is off, or it cannot be written.
    """
    write_config(path, template(), force=force)
    return _NEXT.format(path=path, secrets=path.parent / "secrets.yaml")


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


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("init")
