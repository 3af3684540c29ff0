"""What all commands share: options, and the parsing of times; exit codes: ``runners.contract``."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from runners.contract import job

__all__ = [
    "AnyHomeOption",
    "AtOption",
    "ConfigOption",
    "DryRunOption",
    "EndDateOption",
    "FirstDayOption",
    "HomeOption",
    "JsonOption",
    "LastDayOption",
    "NoPlotOption",
    "NowOption",
    "SocKwhOption",
    "SocPercentOption",
    "StartDateOption",
    "aware",
    "day",
    "days",
    "job",
    "one_soc",
]

_YEARS = (1970, 2200)

# What cannot be read is told as any other fault of the configuration, by its loader.
ConfigOption = Annotated[
    Path, typer.Option("--config", readable=False, help="The configuration file.")
]
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
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Ask, compute and print; write nothing.")
]
NowOption = Annotated[
    str | None,
    typer.Option("--now", metavar="ISO", hidden=True, help="Take this for the present moment."),
]
FirstDayOption = Annotated[
    str | None,
    typer.Option("--start-date", metavar="DATE", help="First local day; default: two weeks."),
]
LastDayOption = Annotated[
    str | None,
    typer.Option("--end-date", metavar="DATE", help="Last local day; default: yesterday."),
]

BridgeHoursOption = Annotated[
    float,
    typer.Option(
        "--bridge-hours",
        min=0.0,
        max=24.0,
        help="Read PV off its neighbours where it is missing for at most so long.",
    ),
]

SocKwhOption = Annotated[
    float | None, typer.Option("--soc-kwh", min=0.0, help="Energy stored at the start, kWh.")
]
SocPercentOption = Annotated[
    float | None,
    typer.Option("--soc-percent", min=0.0, max=100.0, help="Or percent of the capacity."),
]


def aware(text: str | None, option: str = "--at") -> datetime | None:
    """Parse a moment; the same wall clock is another instant in every zone, so it needs one."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no ISO time; write e.g. 2025-11-06T17:00Z"
        raise typer.BadParameter(message, param_hint=option) from None
    if moment.tzinfo is None:
        message = f"{text!r} has no UTC offset; add Z or +02:00"
        raise typer.BadParameter(message, param_hint=option)
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        message = f"{text!r} is no year from {_YEARS[0]} to {_YEARS[1]}; correct it"
        raise typer.BadParameter(message, param_hint=option)
    return moment


def day(text: str, option: str) -> date:
    """Parse a date such as 2025-07-01."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no date; write e.g. 2025-07-01"
        raise typer.BadParameter(message, param_hint=option) from None
    if not _YEARS[0] <= parsed.year <= _YEARS[1]:
        message = f"{text!r} is no year from {_YEARS[0]} to {_YEARS[1]}; correct it"
        raise typer.BadParameter(message, param_hint=option)
    return parsed


def days(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Parse a pair of dates that may be left out."""
    start = None if first is None else day(first, "--start-date")
    return start, None if last is None else day(last, "--end-date")


def one_soc(soc_kwh: float | None, soc_percent: float | None) -> None:
    """Refuse a stored energy that was given twice."""
    if soc_kwh is not None and soc_percent is not None:
        message = "give --soc-kwh or --soc-percent, not both"
        raise typer.BadParameter(message, param_hint="--soc-kwh")
