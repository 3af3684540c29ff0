"""``darkstar install-units`` and ``run-job``: the options."""

from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import ConfigOption, DryRunOption, NowOption, aware, job

__all__ = ["install_units", "run_job_commands"]


@job
def install_units(
    config: ConfigOption = Path("config.yaml"),
    *,
    user: Annotated[
        bool, typer.Option("--user", help="For your own systemd; default: the system's.")
    ] = False,
    run_as: Annotated[
        str, typer.Option("--run-as", metavar="NAME", help="Who runs the jobs of the system.")
    ] = "darkstar",
    secrets: Annotated[
        Path | None,
        typer.Option(
            "--secrets",
            metavar="FILE",
            help="The secrets, which may be root's alone; default: secrets.yaml beside --config.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every unit and where it goes; write nothing.")
    ] = False,
) -> None:
    """Write the timers and services that run everything, for systemd."""
    from runners.install_units import run_install_units  # noqa: PLC0415

    run_install_units(
        config_path=config, user=user, run_as=run_as, secrets=secrets, dry_run=dry_run
    )


@job
def run_job_commands(
    name: Annotated[str, typer.Argument(metavar="JOB", help="As of its unit: darkstar-JOB.")],
    config: ConfigOption = Path("config.yaml"),
    *,
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Run all commands of a timer's job, one after the other, as its unit does."""
    from runners.run_job import run_commands  # noqa: PLC0415

    moment = aware(now, "--now")
    code = run_commands(name, config_path=config, now=moment, dry_run=dry_run)
    if code:
        raise typer.Exit(code)
