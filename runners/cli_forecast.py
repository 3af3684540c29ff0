"""``darkstar train`` and ``darkstar evaluate``: the options."""

from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import (
    ConfigOption,
    HomeOption,
    JsonOption,
    NoPlotOption,
    NowOption,
    aware,
    days,
    job,
)

__all__ = ["evaluate", "train"]


@job
def train(
    config: ConfigOption = Path("config.yaml"),
    *,
    home: HomeOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote the new model whatever the test says.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the model before, or the baseline.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train and test, or look back; change nothing.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the models; train nothing.")] = False,
    json_file: JsonOption = None,
    now: NowOption = None,
) -> None:
    """Train a forecast; it takes over if it beats the one in use. Run it weekly."""
    moment = aware(now, "--now")
    if force + rollback + list_ > 1:
        message = "give one of --force, --rollback and --list"
        raise typer.BadParameter(message, param_hint="--rollback")
    from runners.train import run_list, run_rollback, run_train  # noqa: PLC0415

    if list_:
        run_list(config_path=config, home_id=home, json_path=json_file)
    elif rollback:
        run_rollback(config_path=config, home_id=home, dry_run=dry_run, json_path=json_file)
    else:
        run_train(
            config_path=config,
            home_id=home,
            force=force,
            dry_run=dry_run,
            json_path=json_file,
            now=moment,
        )


@job
def evaluate(
    config: ConfigOption = Path("config.yaml"),
    *,
    home: HomeOption = None,
    start_date: Annotated[
        str | None,
        typer.Option(
            "--start-date",
            metavar="DATE",
            help="First local day; default: the last third of the home's days.",
        ),
    ] = None,
    end_date: Annotated[
        str | None,
        typer.Option("--end-date", metavar="DATE", help="Last local day, included; likewise."),
    ] = None,
    retrain_days: Annotated[
        int,
        typer.Option("--retrain-days", min=1, max=365, metavar="N", help="A new model so often."),
    ] = 30,
    no_money: Annotated[
        bool, typer.Option("--no-money", help="Score errors alone, replay nothing.")
    ] = False,
    no_plot: NoPlotOption = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the picture goes.")
    ] = Path("out"),
    json_file: JsonOption = None,
) -> None:
    """Score forecasts of the past: errors by lead, bands, and money."""
    first, last = days(start_date, end_date)
    from runners.evaluate import run_evaluate  # noqa: PLC0415

    run_evaluate(
        config_path=config,
        home_id=home,
        start_date=first,
        end_date=last,
        retrain_days=retrain_days,
        money=not no_money,
        plot=not no_plot,
        out_dir=out,
        json_path=json_file,
    )
