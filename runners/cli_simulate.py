"""``darkstar simulate``: the options."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import ConfigOption, HomeOption, JsonOption, StartDateOption, day, job

__all__ = ["simulate"]


class _Engine(StrEnum):
    """What makes the plans."""

    AUTO = "auto"
    HIGHS = "highs"
    STORAGE = "storage"


class _Wider(StrEnum):
    """Days that are simulated beside the clean ones."""

    MASK_BATTERY = "mask_battery"


@job
def simulate(
    start_date: StartDateOption,
    end_date: Annotated[
        str, typer.Option("--end-date", metavar="DATE", help="The day after the last one.")
    ],
    config: ConfigOption = Path("config.yaml"),
    *,
    home: HomeOption = None,
    system_id: Annotated[
        str, typer.Option("--system-id", metavar="ID", help="Who writes the rows.")
    ] = "simulation",
    scenarios: Annotated[
        int,
        typer.Option("--scenarios", min=1, help="How many histories, the recorded one included."),
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the other histories.")] = 0,
    engine: Annotated[
        _Engine,
        typer.Option("--engine", help="auto: storage where it plans exactly, else highs."),
    ] = _Engine.AUTO,
    start_soc: Annotated[
        float | None,
        typer.Option(
            "--start-soc",
            metavar="KWH",
            min=0.0,
            help="Stored at the start where it was not recorded; default: half the capacity.",
        ),
    ] = None,
    include: Annotated[
        _Wider | None, typer.Option("--include", help="Also days of this verdict.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Processes; default: one a core."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="tcp://HOST:PORT", help="Compute on a Dask cluster instead."
        ),
    ] = None,
    json_file: JsonOption = None,
    all_days: Annotated[
        bool, typer.Option("--all-days", help="Days of every verdict, if nothing is missing.")
    ] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Also days whose inputs are the same.")
    ] = False,
) -> None:
    """Record a planner run for every quarter of past days; can be stopped and run again."""
    first, end = day(start_date, "--start-date"), day(end_date, "--end-date")
    if workers is not None and scheduler is not None:
        message = "give --workers or --scheduler, not both: a cluster has its own workers"
        raise typer.BadParameter(message, param_hint="--workers")
    from runners.simulate import run_simulate  # noqa: PLC0415

    run_simulate(
        config_path=config,
        start_date=first,
        end_date=end,
        home_id=home,
        system_id=system_id,
        scenario_count=scenarios,
        seed=seed,
        engine=engine.value,
        start_soc_kwh=start_soc,
        include_masked=include is not None,
        all_days=all_days,
        workers=workers,
        scheduler=scheduler,
        recompute=recompute,
        json_path=json_file,
    )
