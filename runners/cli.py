"""The command ``darkstar``: options in, one exit code out (``runners.contract`` lists them).

Expected errors are one red line each on stderr. Commands import what they need when they run, so
that ``darkstar --help`` is quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from runners.cli_episodes import episodes_app
from runners.cli_forecast import evaluate, train
from runners.cli_manual import manual_app
from runners.cli_mirror import mirror
from runners.cli_options import (
    AtOption,
    ConfigOption,
    DryRunOption,
    EndDateOption,
    FirstDayOption,
    HomeOption,
    JsonOption,
    LastDayOption,
    NoPlotOption,
    NowOption,
    SocKwhOption,
    SocPercentOption,
    StartDateOption,
    aware,
    day,
    days,
    job,
    one_soc,
)
from runners.cli_replay import replay
from runners.cli_report import report, whatif_app
from runners.cli_services import prices_app, weather_app
from runners.cli_simulate import simulate
from runners.cli_status import doctor, publish, status
from runners.cli_store import backup, upgrade
from runners.cli_units import install_units, run_job_commands
from runners.cli_whatif import whatif_day

__all__ = ["app", "main", "run_job"]

# The order in which a house is set up; typer by itself puts groups last.
_ORDER = (
    "init",
    "import",
    "record",
    "backfill",
    "prices",
    "weather",
    "validate",
    "repair",
    "train",
    "evaluate",
    "plan",
    "manual",
    "publish",
    "status",
    "doctor",
    "install-units",
    "run-job",
    "backup",
    "upgrade",
    "report",
    "whatif",
    "replay",
    "simulate",
    "mirror",
    "episodes",
    "demo",
)


class _Commands(TyperGroup):
    """The commands, listed in their order."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - as typer calls it
        """Return their names."""
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    name="darkstar",
    cls=_Commands,
    help="A home energy engine: plans for solar, battery and a grid price that changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
@job
def init(
    config: ConfigOption = Path("config.yaml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented config.yaml that works as it stands."""
    from runners.init import run_init  # noqa: PLC0415

    typer.echo(run_init(config, force=force))


@app.command("import")
@job
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
@job
def record(
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
    *,
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Record the slots that have just ended from Home Assistant; run it every 15 minutes."""
    moment = aware(now, "--now")
    from runners.record import run_record  # noqa: PLC0415

    run_record(config_path=config, home_id=home, json_path=json_file, now=moment, dry_run=dry_run)


@app.command()
@job
def backfill(
    start_date: StartDateOption,
    end_date: EndDateOption = None,
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
) -> None:
    """Fill days of the past from Home Assistant's statistics; can be stopped and run again."""
    first = day(start_date, "--start-date")
    last = None if end_date is None else day(end_date, "--end-date")
    from runners.backfill import run_backfill  # noqa: PLC0415

    run_backfill(
        config_path=config, start_date=first, end_date=last, home_id=home, json_path=json_file
    )


app.add_typer(prices_app, name="prices")
app.add_typer(weather_app, name="weather")


@app.command()
@job
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
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Judge days: clean, mask_battery or exclude, with the reasons."""
    first, last = days(start_date, end_date)
    moment = aware(now, "--now")
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
        now=moment,
        dry_run=dry_run,
    )


@app.command()
@job
def repair(
    config: ConfigOption = Path("config.yaml"),
    start_date: FirstDayOption = None,
    end_date: LastDayOption = None,
    home: HomeOption = None,
    json_file: JsonOption = None,
    *,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo", help="Bring back what stood there before; without dates, all of it."
        ),
    ] = False,
) -> None:
    """Repair lumps, spikes and what the energy balance tells; twice is the same as once."""
    first, last = days(start_date, end_date)
    from runners.repair import run_repair, run_undo  # noqa: PLC0415

    run = run_undo if undo else run_repair
    run(config_path=config, start_date=first, end_date=last, home_id=home, json_path=json_file)


@app.command()
@job
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
    soc_kwh: SocKwhOption = None,
    soc_percent: SocPercentOption = None,
    json_file: JsonOption = None,
    *,
    no_plot: NoPlotOption = False,
    explain: Annotated[
        bool, typer.Option("--explain/--no-explain", help="Print a sentence for every slot.")
    ] = False,
    dry_run: DryRunOption = False,
    now: NowOption = None,
) -> None:
    """Plan the next hours and say what stored energy is worth."""
    moment, clock = aware(at), aware(now, "--now")
    one_soc(soc_kwh, soc_percent)
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
        now=clock,
        dry_run=dry_run,
    )


for command in (train, evaluate, mirror, replay, simulate, report, publish, doctor, status):
    app.command()(command)
app.command()(backup)
app.command()(upgrade)
app.command("install-units")(install_units)
app.command("run-job")(run_job_commands)
whatif_app.command("day")(whatif_day)
for group, name in ((episodes_app, "episodes"), (manual_app, "manual"), (whatif_app, "whatif")):
    app.add_typer(group, name=name)


@app.command()
@job
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
    moment = aware(at)
    from runners.demo import run_demo  # noqa: PLC0415

    run_demo(out_dir=out, seed=seed, at=moment, json_path=json_file, plot=not no_plot)


def run_job(name: str) -> None:
    """Run one command with the options of this process: ``python -m runners.NAME``."""
    app([name, *sys.argv[1:]])


def main() -> None:
    """Run the command line; the console entry point."""
    app()


if __name__ == "__main__":
    main()
