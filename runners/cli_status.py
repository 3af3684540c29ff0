"""``darkstar publish``, ``doctor`` and ``status``: what holds now, and whether all is well."""

from pathlib import Path

import typer

from runners.cli_options import (
    AnyHomeOption,
    ConfigOption,
    DryRunOption,
    JsonOption,
    NowOption,
    aware,
    job,
)

__all__ = ["doctor", "publish", "status"]


@job
def publish(
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    json_file: JsonOption = None,
    *,
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Show the plan in force in Home Assistant: mode, stop, energy value; it controls nothing."""
    moment = aware(now, "--now")
    from runners.publish import run_publish  # noqa: PLC0415

    run_publish(config_path=config, home_id=home, json_path=json_file, now=moment, dry_run=dry_run)


@job
def doctor(
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    json_file: JsonOption = None,
    now: NowOption = None,
) -> None:
    """Examine the installation: what is wrong, and its cure; reads alone."""
    moment = aware(now, "--now")
    from runners.doctor import run_doctor  # noqa: PLC0415

    code = run_doctor(config_path=config, home_id=home, json_path=json_file, now=moment)
    if code:
        raise typer.Exit(code)


@job
def status(
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    json_file: JsonOption = None,
    now: NowOption = None,
) -> None:
    """Tell the last plan, today's savings, the week's regret, and what ran when."""
    moment = aware(now, "--now")
    from runners.status import run_status  # noqa: PLC0415

    run_status(config_path=config, home_id=home, json_path=json_file, now=moment)
