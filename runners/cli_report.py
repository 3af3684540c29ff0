"""``darkstar report`` and ``darkstar whatif battery``: the options.

Options that take several values, as in ``--kwh 0 5 10``, are lists here; click by itself knows
only the same option again and again.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from runners.cli_options import (
    BridgeHoursOption,
    ConfigOption,
    HomeOption,
    JsonOption,
    NoPlotOption,
    job,
)

__all__ = ["report", "spread", "whatif_app"]

_YEARS = (1970, 2199)
_LISTS = ("--kwh", "--cost")
_LAST = "last"

whatif_app = typer.Typer(
    name="whatif",
    help="What another house would have cost: nothing is written to the store.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def spread(args: Sequence[str]) -> list[str]:
    """Return arguments as click reads them: ``--kwh 0 5`` as ``--kwh 0 --kwh 5``.

    A ``--year`` without a year behind it is the last one.

    >>> spread(["--kwh", "0", "5", "--year"])
    ['--kwh', '0', '--kwh', '5', '--year', 'last']
    """
    found: list[str] = []
    option = ""
    for place, arg in enumerate(args):
        if arg.startswith("-") and not _is_number(arg):
            option = arg if arg in _LISTS else ""
            found += [] if option else [arg]
            if arg == "--year" and (place + 1 == len(args) or args[place + 1].startswith("-")):
                found.append(_LAST)
        else:
            found += [option, arg] if option else [arg]
    return found


def _is_number(text: str) -> bool:
    """Return whether an argument is a number, which may have a sign."""
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Lists(TyperCommand):
    """A command whose lists may be written behind one option."""

    def parse_args(self, ctx: object, args: list[str]) -> list[str]:
        """Parse arguments."""
        return super().parse_args(ctx, spread(args))  # type: ignore[arg-type]


@job
def report(
    month: Annotated[
        str, typer.Option("--month", metavar="YYYY-MM", help="Which month, e.g. 2025-08.")
    ],
    config: ConfigOption = Path("config.yaml"),
    *,
    home: HomeOption = None,
    bridge_hours: BridgeHoursOption = 0.0,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where page and picture go.")
    ] = Path("out"),
    json_file: JsonOption = None,
    no_plot: NoPlotOption = False,
) -> None:
    """Tell what a month cost, and what it would have cost otherwise; writes a page to read."""
    first = _month(month)
    from runners.report import run_report  # noqa: PLC0415

    run_report(
        config_path=config,
        home_id=home,
        month=first,
        bridge_hours=bridge_hours,
        out_dir=out,
        json_path=json_file,
        plot=not no_plot,
    )


def _month(text: str) -> date:
    """Parse ``--month`` into its first day."""
    try:
        parsed = date.fromisoformat(f"{text}-01")
    except ValueError:
        message = f"{text!r} is no month; write e.g. 2025-08"
        raise typer.BadParameter(message, param_hint="--month") from None
    if not _YEARS[0] <= parsed.year <= _YEARS[1]:
        message = f"{text!r} is no year from {_YEARS[0]} to {_YEARS[1]}; correct it"
        raise typer.BadParameter(message, param_hint="--month")
    return parsed


class _Wider(StrEnum):
    """Days that count beside the clean ones."""

    MASK_BATTERY = "mask_battery"


@whatif_app.command(cls=_Lists)
@job
def battery(
    kwh: Annotated[
        list[float],
        typer.Option("--kwh", metavar="KWH...", min=0.0, help="Capacities, e.g. 0 5 10 15."),
    ],
    config: ConfigOption = Path("config.yaml"),
    *,
    home: HomeOption = None,
    year: Annotated[
        str,
        typer.Option(
            "--year", metavar="[YYYY]", help="A calendar year; default: the last 365 days."
        ),
    ] = _LAST,
    kw: Annotated[
        float | None,
        typer.Option(
            "--kw", min=0.0, help="Power of every size; default: in proportion to capacity."
        ),
    ] = None,
    cost: Annotated[
        list[float] | None,
        typer.Option("--cost", metavar="MONEY...", min=0.0, help="What each size costs."),
    ] = None,
    cost_per_kwh: Annotated[
        float | None, typer.Option("--cost-per-kwh", min=0.0, help="Or so much per kWh ...")
    ] = None,
    cost_fixed: Annotated[
        float | None, typer.Option("--cost-fixed", min=0.0, help="... and so much for any.")
    ] = None,
    subsidy: Annotated[
        float, typer.Option("--subsidy", min=0.0, max=1.0, help="Share that others pay: 0.5.")
    ] = 0.0,
    fade: Annotated[
        float,
        typer.Option("--fade", min=0.0, max=0.5, help="Share by which savings shrink a year."),
    ] = 0.0,
    tariff_year: Annotated[
        int | None,
        typer.Option(
            "--tariff-year",
            min=_YEARS[0],
            max=_YEARS[1],
            help="Whose fees and taxes hold on all days; default: as dated.",
        ),
    ] = None,
    include: Annotated[
        _Wider | None, typer.Option("--include", help="Also days of this verdict.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the picture goes.")
    ] = Path("out"),
    json_file: JsonOption = None,
    all_days: Annotated[
        bool, typer.Option("--all-days", help="Days of every verdict, if nothing is missing.")
    ] = False,
    no_plot: NoPlotOption = False,
) -> None:
    """Go through a year with other batteries: what each saves, and when it has paid itself."""
    which = _year(year)
    per_kwh = _per_kwh(cost, cost_per_kwh, cost_fixed)
    from runners.whatif_battery import Costs, run_whatif_battery  # noqa: PLC0415

    run_whatif_battery(
        config_path=config,
        home_id=home,
        sizes_kwh=kwh,
        year=which,
        max_kw=kw,
        costs=Costs(
            totals=None if cost is None else tuple(cost),
            per_kwh=per_kwh,
            fixed=cost_fixed or 0.0,
            subsidy=subsidy,
            fade=fade,
        ),
        tariff_year=tariff_year,
        include_masked=include is not None,
        all_days=all_days,
        out_dir=out,
        json_path=json_file,
        plot=not no_plot,
    )


def _year(text: str) -> int | None:
    """Parse ``--year``; None: the last 365 days."""
    if text == _LAST:
        return None
    if not text.isdecimal() or not _YEARS[0] <= int(text) <= _YEARS[1]:
        message = f"{text!r} is no year from {_YEARS[0]} to {_YEARS[1]}; write e.g. 2025"
        raise typer.BadParameter(message, param_hint="--year")
    return int(text)


def _per_kwh(cost: list[float] | None, per_kwh: float | None, fixed: float | None) -> float | None:
    """Return the cost per kWh, 0 where only a fixed one is given."""
    if cost is not None and (per_kwh is not None or fixed is not None):
        message = "give --cost, or --cost-per-kwh and --cost-fixed, not both"
        raise typer.BadParameter(message, param_hint="--cost")
    return 0.0 if per_kwh is None and fixed is not None else per_kwh
