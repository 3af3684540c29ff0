"""``darkstar replay`` as a command."""

from pathlib import Path
from typing import Annotated

import typer

from runners.cli_options import (
    BridgeHoursOption,
    ConfigOption,
    HomeOption,
    JsonOption,
    NoPlotOption,
    SocKwhOption,
    SocPercentOption,
    days,
    job,
    one_soc,
)
from runners.replay_names import DEFAULT_POLICIES, DispatchName, PolicyName

__all__ = ["replay"]


@job
def replay(
    config: ConfigOption = Path("config.yaml"),
    *,
    home: HomeOption = None,
    start_date: Annotated[
        str | None,
        typer.Option(
            "--start-date",
            metavar="DATE",
            help="First local day; default: as far as there are no gaps.",
        ),
    ] = None,
    end_date: Annotated[
        str | None,
        typer.Option(
            "--end-date", metavar="DATE", help="Last local day, included; default: likewise."
        ),
    ] = None,
    policy: Annotated[
        list[PolicyName],
        typer.Option(
            "--policy",
            metavar="NAME",
            help=f"What decides: {', '.join(PolicyName)}; repeat for more.",
            show_default=", ".join(DEFAULT_POLICIES),
        ),
    ] = list(DEFAULT_POLICIES),  # noqa: B006 - read only
    dispatch: Annotated[
        list[DispatchName],
        typer.Option(
            "--dispatch",
            metavar="NAME",
            help=f"What plan and storage move it by: {', '.join(DispatchName)}; repeat for more.",
            show_default=DispatchName.VALUE,
        ),
    ] = [DispatchName.VALUE],  # noqa: B006 - read only
    bridge_hours: BridgeHoursOption = 0.0,
    soc_kwh: SocKwhOption = None,
    soc_percent: SocPercentOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the picture goes.")
    ] = Path("out"),
    json_file: JsonOption = None,
    shapley: Annotated[
        bool, typer.Option("--shapley", help="Average the parts of regret over all orders: 8 runs.")
    ] = False,
    no_plot: NoPlotOption = False,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Keep no replays in the store.")
    ] = False,
) -> None:
    """Replay days of the past: what policies would have paid, and what errors cost."""
    first, last = days(start_date, end_date)
    one_soc(soc_kwh, soc_percent)
    from runners.replay import run_replay  # noqa: PLC0415

    run_replay(
        config_path=config,
        home_id=home,
        start_date=first,
        end_date=last,
        policies=policy,
        dispatches=dispatch,
        bridge_hours=bridge_hours,
        shapley=shapley,
        soc_kwh=soc_kwh,
        soc_percent=soc_percent,
        out_dir=out,
        json_path=json_file,
        plot=not no_plot,
        keep=not no_store,
    )
