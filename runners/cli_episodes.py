"""``darkstar episodes``: what is recorded of planner runs; list, show, export, prune."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import ConfigOption, JsonOption, aware, day, days, job

__all__ = ["episodes_app"]

episodes_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What was recorded of planner runs, live and simulated: list, show, export, prune.",
)


class _Format(StrEnum):
    """What files can be written."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    MINARI = "minari"


class _Class(StrEnum):
    """Verdicts on days."""

    CLEAN = "clean"
    MASK_BATTERY = "mask_battery"
    EXCLUDE = "exclude"
    UNJUDGED = "unjudged"


_Home = Annotated[str | None, typer.Option("--home", metavar="ID", help="Of this home alone.")]
_System = Annotated[
    str | None, typer.Option("--system-id", metavar="ID", help="Written by this system alone.")
]
_Scenario = Annotated[
    str | None, typer.Option("--scenario", metavar="NAME", help="E.g. live or 0-recorded.")
]
_Engine = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Planned by highs or storage.")
]
_First = Annotated[
    str | None, typer.Option("--start-date", metavar="DATE", help="From this local day.")
]
_Last = Annotated[
    str | None, typer.Option("--end-date", metavar="DATE", help="To this local day, included.")
]


@episodes_app.command("list")
@job
def list_(
    config: ConfigOption = Path("config.yaml"),
    home: _Home = None,
    system_id: _System = None,
    scenario: _Scenario = None,
    engine: _Engine = None,
    start_date: _First = None,
    end_date: _Last = None,
    json_file: JsonOption = None,
) -> None:
    """List what is recorded: a row for each series, and what waits for the mirror."""
    first, last = days(start_date, end_date)
    from runners.episodes import make_filter, run_list  # noqa: PLC0415

    wanted = make_filter(home, system_id, scenario, engine, first, last)
    run_list(config_path=config, wanted=wanted, json_path=json_file)


@episodes_app.command("show")
@job
def show(
    episode_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Its id, or the first 4 digits or more.")
    ] = None,
    config: ConfigOption = Path("config.yaml"),
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="ISO", help="Or the episode whose first slot holds this."),
    ] = None,
    home: _Home = None,
    system_id: _System = None,
    scenario: _Scenario = None,
    engine: _Engine = None,
    json_file: JsonOption = None,
) -> None:
    """Show one episode: what was known, the plan, and what the first slot cost."""
    moment = aware(at)
    if (episode_id is None) == (moment is None):
        message = "give the id of an episode, or --at, not both"
        raise typer.BadParameter(message, param_hint="ID")
    from runners.episodes import make_filter, run_show  # noqa: PLC0415

    wanted = make_filter(home, system_id, scenario, engine)
    run_show(
        config_path=config, episode_id=episode_id, at=moment, wanted=wanted, json_path=json_file
    )


@episodes_app.command("export")
@job
def export(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The file (minari: folder) to write.")
    ],
    kind: Annotated[
        _Format,
        typer.Option(
            "--format",
            help="parquet: arrays; jsonl: the rows as stored; minari: a new folder, NAME-v0, to "
            "learn from offline.",
        ),
    ] = _Format.PARQUET,
    *,
    config: ConfigOption = Path("config.yaml"),
    home: _Home = None,
    system_id: _System = None,
    scenario: _Scenario = None,
    engine: _Engine = None,
    start_date: _First = None,
    end_date: _Last = None,
    quality: Annotated[
        list[_Class] | None,
        typer.Option("--quality", help="Of days of this verdict; repeat for more."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Write episodes to a file, one a row, or as a dataset to learn from."""
    first, last = days(start_date, end_date)
    from runners.episodes import make_filter, run_export  # noqa: PLC0415

    classes = [] if quality is None else [one.value for one in quality]
    run_export(
        config_path=config,
        wanted=make_filter(home, system_id, scenario, engine, first, last, classes),
        kind=kind.value,
        out=out,
        json_path=json_file,
    )


@episodes_app.command("prune")
@job
def prune(
    before: Annotated[
        str, typer.Option("--before", metavar="DATE", help="Local days before this one.")
    ],
    config: ConfigOption = Path("config.yaml"),
    home: _Home = None,
    system_id: _System = None,
    scenario: _Scenario = None,
    engine: _Engine = None,
    json_file: JsonOption = None,
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Delete them; without it nothing is deleted.")
    ] = False,
) -> None:
    """Delete old episodes that the mirror holds; without --apply only say what would go."""
    end = day(before, "--before")
    from runners.episodes import make_filter, run_prune  # noqa: PLC0415

    run_prune(
        config_path=config,
        wanted=make_filter(home, system_id, scenario, engine),
        before=end,
        apply=apply,
        json_path=json_file,
    )
