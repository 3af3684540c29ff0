"""``darkstar manual``: ask the battery for something, for a while; add, list, clear."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runners.cli_options import ConfigOption, HomeOption, JsonOption, NowOption, aware, job

if TYPE_CHECKING:
    from telemetry.manual_table import BlockKind

__all__ = ["manual_app"]

manual_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The manual plan: blocks of charging, exporting or resting that every plan heeds.",
)
_ONE = "give one of --charge-to, --export-to, --hold and --water-heating"
_ONE_OF = "--charge-to"


@manual_app.command("add")
@job
def add(
    charge_to: Annotated[
        float | None,
        typer.Option(
            "--charge-to",
            min=0.0,
            max=100.0,
            metavar="PERCENT",
            help="At least so full at the end.",
        ),
    ] = None,
    export_to: Annotated[
        float | None,
        typer.Option(
            "--export-to", min=0.0, max=100.0, metavar="PERCENT", help="At most so full at the end."
        ),
    ] = None,
    *,
    hold: Annotated[bool, typer.Option("--hold", help="Neither charge nor discharge.")] = False,
    water_heating: Annotated[
        bool, typer.Option("--water-heating", help="Heat water; kept, not planned yet.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="2025-08-01T02:00 or 02:00 on the home's wall clock; default: now.",
        ),
    ] = None,
    end: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Likewise; 05:00 is the next one.")
    ],
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
    now: NowOption = None,
) -> None:
    """Ask for a block; every plan from now on heeds it until it has passed."""
    moment = aware(now, "--now")
    from runners.manual import Wish, run_add  # noqa: PLC0415

    kind, percent = _kind(charge_to, export_to, hold=hold, water_heating=water_heating)
    run_add(
        config_path=config,
        wish=Wish(kind=kind, percent=percent, start=start, end=end),
        home_id=home,
        json_path=json_file,
        now=moment,
    )


@manual_app.command("list")
@job
def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those too that have passed or were cleared.")
    ] = False,
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
    now: NowOption = None,
) -> None:
    """List the blocks that plans heed."""
    moment = aware(now, "--now")
    from runners.manual import run_list  # noqa: PLC0415

    run_list(
        config_path=config, home_id=home, everything=everything, json_path=json_file, now=moment
    )


@manual_app.command("clear")
@job
def clear(
    block_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Their ids, as list tells them.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that are in force.")] = False,
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    json_file: JsonOption = None,
    now: NowOption = None,
) -> None:
    """Take blocks back; plans from now on do not heed them."""
    moment = aware(now, "--now")
    if bool(block_ids) == everything:
        message = "give the ids of blocks (darkstar manual list), or --all for every one"
        raise typer.BadParameter(message, param_hint="ID")
    from runners.manual import run_clear  # noqa: PLC0415

    run_clear(
        config_path=config,
        block_ids=None if everything else block_ids,
        home_id=home,
        json_path=json_file,
        now=moment,
    )


def _kind(
    charge_to: float | None, export_to: float | None, *, hold: bool, water_heating: bool
) -> "tuple[BlockKind, float | None]":
    """Return the one thing that is asked for, and its percent."""
    from telemetry.manual_table import BlockKind  # noqa: PLC0415

    given: list[tuple[BlockKind, float | None]] = []
    if charge_to is not None:
        given.append((BlockKind.CHARGE, charge_to))
    if export_to is not None:
        given.append((BlockKind.EXPORT, export_to))
    if hold:
        given.append((BlockKind.HOLD, None))
    if water_heating:
        given.append((BlockKind.WATER_HEATING, None))
    if len(given) != 1:
        got = "none is given" if not given else "more than one is given"
        raise typer.BadParameter(f"{got}; {_ONE}", param_hint=_ONE_OF)
    return given[0]
