"""``darkstar mirror``: episodes once more in a MariaDB."""

from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import ConfigOption, JsonOption, NowOption, aware, job

__all__ = ["mirror"]


@job
def mirror(
    config: ConfigOption = Path("config.yaml"),
    json_file: JsonOption = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Push all that is stored, not only what waits.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask the server and count; write nothing.")
    ] = False,
    now: NowOption = None,
) -> None:
    """Push training episodes that wait to the MariaDB of the configuration."""
    moment = aware(now, "--now")
    from runners.mirror import run_mirror  # noqa: PLC0415

    run_mirror(
        config_path=config,
        everything=everything,
        dry_run=dry_run,
        json_path=json_file,
        now=moment,
    )
