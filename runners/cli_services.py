"""``darkstar prices`` and ``darkstar weather``: what comes from services outside the house."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import (
    AnyHomeOption,
    ConfigOption,
    DryRunOption,
    EndDateOption,
    JsonOption,
    NowOption,
    StartDateOption,
    aware,
    day,
    job,
)

__all__ = ["prices_app", "weather_app"]

prices_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
weather_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


class _Provider(StrEnum):
    """Who prices come from."""

    NORDPOOL = "nordpool"
    ENERGY_CHARTS = "energy_charts"


def _is_alone(ctx: typer.Context) -> bool:
    """Whether no sub-command follows; options before one would be lost, so they are refused."""
    if ctx.invoked_subcommand is None:
        return True
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            message = f"options go after {ctx.invoked_subcommand}, not before it"
            raise typer.BadParameter(message, param_hint=f"--{name.replace('_', '-')}")
    return False


@prices_app.callback()
@job
def prices(
    ctx: typer.Context,
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    provider: Annotated[
        _Provider, typer.Option("--provider", help="Who prices come from.")
    ] = _Provider.NORDPOOL,
    json_file: JsonOption = None,
    *,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Ask every 5 minutes from 12:45 until tomorrow is complete."),
    ] = False,
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Fetch the market's prices of today and tomorrow; or of the past: backfill."""
    if not _is_alone(ctx):
        return
    moment = aware(now, "--now")
    if wait and (moment is not None or dry_run):
        message = "waits for what a stopped clock or a dry run never brings; leave it out"
        raise typer.BadParameter(message, param_hint="--wait")
    from runners.prices import run_prices  # noqa: PLC0415

    code = run_prices(
        config_path=config,
        home_id=home,
        provider_name=provider.value,
        wait=wait,
        json_path=json_file,
        now=moment,
        dry_run=dry_run,
    )
    if code:
        raise typer.Exit(code)


@prices_app.command("backfill")
@job
def prices_backfill(
    start_date: StartDateOption,
    end_date: EndDateOption = None,
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    provider: Annotated[
        _Provider,
        typer.Option("--provider", help="energy_charts: years, in EUR; nordpool: two months."),
    ] = _Provider.ENERGY_CHARTS,
    json_file: JsonOption = None,
) -> None:
    """Fetch prices of delivery days (CET) past; can be stopped and run again."""
    first = day(start_date, "--start-date")
    last = None if end_date is None else day(end_date, "--end-date")
    from runners.prices_backfill import run_prices_backfill  # noqa: PLC0415

    code = run_prices_backfill(
        config_path=config,
        start_date=first,
        end_date=last,
        home_id=home,
        provider_name=provider.value,
        json_path=json_file,
    )
    if code:
        raise typer.Exit(code)


@weather_app.callback()
@job
def weather(
    ctx: typer.Context,
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    json_file: JsonOption = None,
    *,
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Fetch the weather forecast; or the weather of the past: backfill."""
    if not _is_alone(ctx):
        return
    moment = aware(now, "--now")
    from runners.weather import run_weather  # noqa: PLC0415

    run_weather(config_path=config, home_id=home, json_path=json_file, now=moment, dry_run=dry_run)


@weather_app.command("backfill")
@job
def weather_backfill(
    start_date: StartDateOption,
    end_date: Annotated[
        str | None,
        typer.Option("--end-date", metavar="DATE", help="Last day, included; default: yesterday."),
    ] = None,
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    json_file: JsonOption = None,
) -> None:
    """Fetch the weather of UTC days past; can be stopped and run again."""
    first = day(start_date, "--start-date")
    last = None if end_date is None else day(end_date, "--end-date")
    from runners.weather import run_weather_backfill  # noqa: PLC0415

    code = run_weather_backfill(
        config_path=config, start_date=first, end_date=last, home_id=home, json_path=json_file
    )
    if code:
        raise typer.Exit(code)
