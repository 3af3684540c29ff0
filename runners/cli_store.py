"""``darkstar backup`` and ``upgrade``: the options."""

from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import ConfigOption, JsonOption, job

__all__ = ["backup", "upgrade"]


@job
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; not there yet.")],
    config: ConfigOption = Path("config.yaml"),
    json_file: JsonOption = None,
) -> None:
    """Copy the store to a file, while jobs run; the copy is checked."""
    from runners.backup import run_backup  # noqa: PLC0415

    run_backup(config_path=config, to=file, json_path=json_file)


@job
def upgrade(
    config: ConfigOption = Path("config.yaml"),
    json_file: JsonOption = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    backed_up: Annotated[
        bool,
        typer.Option(
            "--backed-up", help="A backup was made: make none; a server's store needs it."
        ),
    ] = False,
) -> None:
    """Bring the store of an older Darkstar to this one's schema; it is copied first."""
    from runners.upgrade import run_upgrade  # noqa: PLC0415

    run_upgrade(config_path=config, dry_run=dry_run, backed_up=backed_up, json_path=json_file)
