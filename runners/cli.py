"""The command ``darkstar``: options in, one exit code out.

    0    done                      70+  see below
    1    an unexpected error, with its traceback
    2    options that cannot be used
    65   data that cannot be used  66   no such input file    73   an output cannot be written
    69   a service does not answer  76   it answers what nobody can use
    75   try again later           77   it refuses the token
    78   the configuration

Expected errors are one red line each on stderr. Commands import what they need when they run, so
that ``darkstar --help`` is quick.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from runners.errors import (
    EX_CONFIG,
    EX_DATAERR,
    EX_NOPERM,
    EX_PROTOCOL,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    ConfigError,
)

__all__ = ["app", "main", "run_job"]

P = ParamSpec("P")
_YEARS = (1970, 2200)

app = typer.Typer(
    name="darkstar",
    help="A home energy engine: plans for solar, battery and a grid price that changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _aware(text: str | None) -> datetime | None:
    """Parse ``--at``; the same wall clock is another instant in every zone, so it needs one."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no ISO time; write e.g. 2025-11-06T17:00Z"
        raise typer.BadParameter(message, param_hint="--at") from None
    if moment.tzinfo is None:
        message = f"{text!r} has no UTC offset; add Z or +02:00"
        raise typer.BadParameter(message, param_hint="--at")
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        message = f"{text!r} is no year from {_YEARS[0]} to {_YEARS[1]}; correct it"
        raise typer.BadParameter(message, param_hint="--at")
    return moment


def _day(text: str, option: str) -> date:
    """Parse a date such as 2025-07-01."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no date; write e.g. 2025-07-01"
        raise typer.BadParameter(message, param_hint=option) from None
    if not _YEARS[0] <= day.year <= _YEARS[1]:
        message = f"{text!r} is no year from {_YEARS[0]} to {_YEARS[1]}; correct it"
        raise typer.BadParameter(message, param_hint=option)
    return day


ConfigOption = Annotated[Path, typer.Option("--config", help="The configuration file.")]
JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout."),
]
AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="ISO", help="Look back at this moment; default: plan live."),
]
HomeOption = Annotated[
    str | None, typer.Option("--home", metavar="ID", help="Which home; not needed for one.")
]
StartDateOption = Annotated[
    str, typer.Option("--start-date", metavar="DATE", help="First day, e.g. 2025-07-01.")
]
EndDateOption = Annotated[
    str | None,
    typer.Option("--end-date", metavar="DATE", help="Last day, included; default: today."),
]
AnyHomeOption = Annotated[
    str | None, typer.Option("--home", metavar="ID", help="Which home; default: all of them.")
]
NoPlotOption = Annotated[bool, typer.Option("--no-plot", help="Draw no picture.")]


def _job(function: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into a red line and an exit code; others keep their traceback."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as err:
            code = _exit_code(err)
            if code is None:
                raise
            for line in str(err).splitlines():
                typer.secho(line, fg=typer.colors.RED, err=True)
            raise typer.Exit(code) from None

    return wrapped


def _exit_code(err: Exception) -> int | None:
    """Return the sysexits code of an expected error, None for any other."""
    if isinstance(err, ConfigError):
        return err.exit_code
    return next((code for kind, code in _expected() if isinstance(err, kind)), None)


def _expected() -> Iterator[tuple[type[Exception], int]]:
    """Yield error classes of the floors that were imported, the narrow ones first."""
    for module, name, code in (
        ("mpc.errors", "SolverError", EX_TEMPFAIL),
        ("mpc.errors", "PlanError", EX_DATAERR),
        ("telemetry.errors", "StoreBusyError", EX_TEMPFAIL),
        ("telemetry.errors", "PeerAuthError", EX_NOPERM),
        ("telemetry.errors", "PeerUnreachableError", EX_UNAVAILABLE),
        ("telemetry.errors", "PeerNotReadyError", EX_TEMPFAIL),
        ("telemetry.errors", "PeerReplyError", EX_PROTOCOL),
        ("telemetry.errors", "ClockError", EX_TEMPFAIL),
        ("telemetry.errors", "SensorError", EX_CONFIG),
        ("telemetry.errors", "TelemetryError", EX_DATAERR),
        ("forecast.errors", "ForecastError", EX_DATAERR),
        ("sim.errors", "SimError", EX_DATAERR),
    ):
        if module in sys.modules:  # an error of a module that was never imported is not around
            yield getattr(sys.modules[module], name), code


@app.command()
@_job
def init(
    config: ConfigOption = Path("config.yaml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented config.yaml that works as it stands."""
    from runners.init import run_init  # noqa: PLC0415

    typer.echo(run_init(config, force=force))


@app.command("import")
@_job
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help=".csv, .csv.gz or .sqlite files.")
    ],
    config: ConfigOption = Path("config.yaml"),
    json_file: JsonOption = None,
    weather_home: Annotated[
        str | None,
        typer.Option("--weather-home", metavar="ID", help="The home that weather files belong to."),
    ] = None,
    home: Annotated[
        str | None,
        typer.Option("--home", metavar="ID", help="Whose .sqlite files; not needed for one home."),
    ] = None,
) -> None:
    """Import files of load, PV, prices or weather; twice is the same as once."""
    from runners.import_ import run_import  # noqa: PLC0415

    code = run_import(
        files,
        config_path=config,
        json_path=json_file,
        weather_home=weather_home,
        home_id=home,
    )
    if code:
        raise typer.Exit(code)


@app.command()
@_job
def plan(
    config: ConfigOption = Path("config.yaml"),
    home: Annotated[
        str | None, typer.Option("--home", metavar="ID", help="Which home; not needed for one.")
    ] = None,
    at: AtOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where results go; default: out, with --at out/at-<UTC time>.",
        ),
    ] = None,
    soc_kwh: Annotated[
        float | None, typer.Option("--soc-kwh", min=0.0, help="Energy stored now, kWh.")
    ] = None,
    soc_percent: Annotated[
        float | None,
        typer.Option("--soc-percent", min=0.0, max=100.0, help="Or percent of the capacity."),
    ] = None,
    json_file: JsonOption = None,
    *,
    no_plot: NoPlotOption = False,
    explain: Annotated[
        bool, typer.Option("--explain/--no-explain", help="Print a sentence for every slot.")
    ] = False,
) -> None:
    """Plan the next hours and say what stored energy is worth."""
    moment = _aware(at)
    if soc_kwh is not None and soc_percent is not None:
        message = "give --soc-kwh or --soc-percent, not both"
        raise typer.BadParameter(message, param_hint="--soc-kwh")
    from runners.plan import run_plan  # noqa: PLC0415

    run_plan(
        config_path=config,
        home_id=home,
        at=moment,
        out_dir=out,
        soc_kwh=soc_kwh,
        soc_percent=soc_percent,
        json_path=json_file,
        plot=not no_plot,
        explain=explain,
    )


@app.command()
@_job
def record(
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
) -> None:
    """Record the slots that have just ended from Home Assistant; run it every 15 minutes."""
    from runners.record import run_record  # noqa: PLC0415

    run_record(config_path=config, home_id=home, json_path=json_file)


@app.command()
@_job
def backfill(
    start_date: StartDateOption,
    end_date: EndDateOption = None,
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
) -> None:
    """Fill days of the past from Home Assistant's statistics; can be stopped and run again."""
    first = _day(start_date, "--start-date")
    last = None if end_date is None else _day(end_date, "--end-date")
    from runners.backfill import run_backfill  # noqa: PLC0415

    run_backfill(
        config_path=config, start_date=first, end_date=last, home_id=home, json_path=json_file
    )


@app.command()
@_job
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path(
        "demo-out"
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which made-up house.")] = 0,
    at: AtOption = None,
    json_file: JsonOption = None,
    *,
    no_plot: NoPlotOption = False,
) -> None:
    """Make a house up and plan it: no data needed."""
    moment = _aware(at)
    from runners.demo import run_demo  # noqa: PLC0415

    run_demo(out_dir=out, seed=seed, at=moment, json_path=json_file, plot=not no_plot)


prices_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
weather_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(prices_app, name="prices")
app.add_typer(weather_app, name="weather")


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
@_job
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
) -> None:
    """Fetch the market's prices of today and tomorrow; or of the past: backfill."""
    if not _is_alone(ctx):
        return
    from runners.prices import run_prices  # noqa: PLC0415

    code = run_prices(
        config_path=config,
        home_id=home,
        provider_name=provider.value,
        wait=wait,
        json_path=json_file,
    )
    if code:
        raise typer.Exit(code)


@prices_app.command("backfill")
@_job
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
    first = _day(start_date, "--start-date")
    last = None if end_date is None else _day(end_date, "--end-date")
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
@_job
def weather(
    ctx: typer.Context,
    config: ConfigOption = Path("config.yaml"),
    home: AnyHomeOption = None,
    json_file: JsonOption = None,
) -> None:
    """Fetch the weather forecast; or the weather of the past: backfill."""
    if not _is_alone(ctx):
        return
    from runners.weather import run_weather  # noqa: PLC0415

    run_weather(config_path=config, home_id=home, json_path=json_file)


@weather_app.command("backfill")
@_job
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
    first = _day(start_date, "--start-date")
    last = None if end_date is None else _day(end_date, "--end-date")
    from runners.weather import run_weather_backfill  # noqa: PLC0415

    code = run_weather_backfill(
        config_path=config, start_date=first, end_date=last, home_id=home, json_path=json_file
    )
    if code:
        raise typer.Exit(code)


FirstDayOption = Annotated[
    str | None,
    typer.Option("--start-date", metavar="DATE", help="First local day; default: two weeks."),
]
LastDayOption = Annotated[
    str | None,
    typer.Option("--end-date", metavar="DATE", help="Last local day; default: yesterday."),
]


def _days(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Parse a pair of dates that may be left out."""
    start = None if first is None else _day(first, "--start-date")
    return start, None if last is None else _day(last, "--end-date")


@app.command()
@_job
def validate(
    config: ConfigOption = Path("config.yaml"),
    start_date: FirstDayOption = None,
    end_date: LastDayOption = None,
    home: HomeOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the picture goes.")
    ] = Path("out"),
    json_file: JsonOption = None,
    *,
    no_plot: NoPlotOption = False,
    no_reference: Annotated[
        bool, typer.Option("--no-reference", help="Do not compare with Home Assistant.")
    ] = False,
) -> None:
    """Judge days: clean, mask_battery or exclude, with the reasons."""
    first, last = _days(start_date, end_date)
    from runners.validate import run_validate  # noqa: PLC0415

    run_validate(
        config_path=config,
        start_date=first,
        end_date=last,
        home_id=home,
        json_path=json_file,
        plot=not no_plot,
        compare=not no_reference,
        out_dir=out,
    )


@app.command()
@_job
def repair(
    config: ConfigOption = Path("config.yaml"),
    start_date: FirstDayOption = None,
    end_date: LastDayOption = None,
    home: HomeOption = None,
    json_file: JsonOption = None,
    *,
    undo: Annotated[
        bool, typer.Option("--undo", help="Bring back what stood there before repairs.")
    ] = False,
) -> None:
    """Repair lumps, spikes and what the energy balance tells; twice is the same as once."""
    first, last = _days(start_date, end_date)
    from runners.repair import run_repair, run_undo  # noqa: PLC0415

    run = run_undo if undo else run_repair
    run(config_path=config, start_date=first, end_date=last, home_id=home, json_path=json_file)


def run_job(name: str) -> None:
    """Run one command with the options of this process: ``python -m runners.NAME``."""
    app([name, *sys.argv[1:]])


def main() -> None:
    """Run the command line; the console entry point."""
    app()


if __name__ == "__main__":
    main()
