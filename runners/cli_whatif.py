"""``darkstar whatif day``: the options."""

import re
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runners.cli_options import (
    ConfigOption,
    HomeOption,
    JsonOption,
    NoPlotOption,
    NowOption,
    SocKwhOption,
    SocPercentOption,
    aware,
    day,
    job,
    one_soc,
)

if TYPE_CHECKING:
    from runners.whatif import DailyBlock
    from sim.lab import Relaxed, View

__all__ = ["whatif_day"]

_TIME = r"((?:[01]\d|2[0-3]):[0-5]\d)"
_BLOCK = re.compile(rf"(charge|export|hold)@{_TIME}-{_TIME}(?:=(\d+(?:\.\d+)?))?", re.ASCII)


@job
def whatif_day(
    more: Annotated[
        list[float] | None,
        typer.Argument(metavar="[KWH]...", min=0.0, help="More targets of --export-kwh."),
    ] = None,
    *,
    config: ConfigOption = Path("config.yaml"),
    home: HomeOption = None,
    day_: Annotated[
        str | None,
        typer.Option("--day", metavar="DATE", help="Local day, e.g. 2025-08-01; default: today."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Last of several days, included.")
    ] = None,
    export_kwh: Annotated[
        list[float] | None,
        typer.Option(
            "--export-kwh",
            metavar="KWH...",
            min=0.0,
            help="Export so much more from the battery over the day: 2 4 6 10.",
        ),
    ] = None,
    at_any_cost: Annotated[
        bool,
        typer.Option("--at-any-cost", help="Also where no plan of the home would ever sell."),
    ] = False,
    relax_wear: Annotated[
        float | None,
        typer.Option(
            "--relax-wear",
            metavar="MONEY",
            min=0.0,
            help="Plan with less wear, down to this, where a target needs it.",
        ),
    ] = None,
    relax_margin: Annotated[
        float | None,
        typer.Option(
            "--relax-margin", metavar="MONEY", min=0.0, help="The same for export_margin_per_kwh."
        ),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(
            "--block",
            metavar="KIND@HH:MM-HH:MM[=KWH]",
            help="Charge, export or hold from when to when, to what is stored then; repeat.",
        ),
    ] = None,
    battery_kwh: Annotated[
        float | None, typer.Option("--battery-kwh", min=0.0, help="Another capacity.")
    ] = None,
    battery_kw: Annotated[
        float | None, typer.Option("--battery-kw", min=0.0, help="Another power, in and out.")
    ] = None,
    no_battery_export: Annotated[
        bool, typer.Option("--no-battery-export", help="The battery may not export.")
    ] = False,
    tariff: Annotated[
        Path | None,
        typer.Option("--tariff", metavar="CONFIG", help="The home's tariff in this file."),
    ] = None,
    no_tax_credit: Annotated[
        bool, typer.Option("--no-tax-credit", help="Without tax credit on exported energy.")
    ] = False,
    price_shift: Annotated[
        float, typer.Option("--price-shift", help="Add this to every spot price, per kWh.")
    ] = 0.0,
    price_scale: Annotated[
        float, typer.Option("--price-scale", min=0.0, help="Multiply every spot price before.")
    ] = 1.0,
    load_scale: Annotated[
        float, typer.Option("--load-scale", min=0.0, help="Multiply the load.")
    ] = 1.0,
    pv_scale: Annotated[float, typer.Option("--pv-scale", min=0.0, help="Multiply PV.")] = 1.0,
    both: Annotated[
        bool,
        typer.Option("--both", help="The baseline has the other tariff, prices, load and PV, too."),
    ] = False,
    hindsight: Annotated[
        bool, typer.Option("--hindsight", help="Plan on what happened, not on what was known.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Closed loop: a plan in every slot, on what came.")
    ] = False,
    bridge_hours: Annotated[
        float,
        typer.Option(
            "--bridge-hours",
            min=0.0,
            max=12.0,
            help="What happened: read PV missing for at most so long off its neighbours.",
        ),
    ] = 0.0,
    soc_kwh: SocKwhOption = None,
    soc_percent: SocPercentOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the picture goes.")
    ] = Path("out/whatif"),
    json_file: JsonOption = None,
    no_plot: NoPlotOption = False,
    now: NowOption = None,
) -> None:
    """Plan days otherwise: export targets, blocks, battery, tariff, prices; it changes nothing."""
    one_soc(soc_kwh, soc_percent)
    exports = _exports(export_kwh, more)
    if not exports and (at_any_cost or relax_wear is not None or relax_margin is not None):
        message = "give a target along with --at-any-cost, --relax-wear and --relax-margin"
        raise typer.BadParameter(message, param_hint="--export-kwh")
    first, last = (None if text is None else day(text, "--day") for text in (day_, until))
    moment = aware(now, "--now")
    from runners.whatif import Asked, run_whatif_day  # noqa: PLC0415
    from sim.lab import WhatIf  # noqa: PLC0415

    change = WhatIf(
        battery_kwh=battery_kwh,
        battery_kw=battery_kw,
        battery_export=False if no_battery_export else None,
        price_shift_per_kwh=price_shift,
        price_scale=price_scale,
        load_scale=load_scale,
        pv_scale=pv_scale,
    )
    asked = Asked(
        first=first,
        last=last,
        view=_view(hindsight=hindsight, replay=replay),
        change=change,
        exports_kwh=exports,
        at_any_cost=at_any_cost,
        relaxed=_relaxed(relax_wear, relax_margin),
        blocks=tuple(_block(text) for text in block or ()),
        tariff_file=tariff,
        no_tax_credit=no_tax_credit,
        both=both,
        soc_kwh=soc_kwh,
        soc_percent=soc_percent,
        bridge_hours=bridge_hours,
    )
    run_whatif_day(
        config_path=config,
        home_id=home,
        asked=asked,
        out_dir=out,
        json_path=json_file,
        plot=not no_plot,
        now=moment,
    )


def _exports(given: list[float] | None, more: list[float] | None) -> tuple[float, ...]:
    """Return all targets, those behind the first without an option of their own."""
    if more and not given:
        message = f"{more[0]:g} stands alone; write --export-kwh {more[0]:g}"
        raise typer.BadParameter(message, param_hint="KWH")
    return (*(given or ()), *(more or ()))


def _view(*, hindsight: bool, replay: bool) -> "View":
    """Return what days are seen with."""
    from sim.lab import View  # noqa: PLC0415

    if hindsight and replay:
        message = "give --hindsight or --replay, not both"
        raise typer.BadParameter(message, param_hint="--hindsight")
    return View.HINDSIGHT if hindsight else View.REPLAY if replay else View.KNOWN


def _relaxed(wear: float | None, margin: float | None) -> "Relaxed | None":
    """Return the bounds of the economics, where any was given."""
    from sim.lab import Relaxed  # noqa: PLC0415

    if wear is None and margin is None:
        return None
    return Relaxed(wear_cost_per_kwh=wear, export_margin_per_kwh=margin)


def _block(text: str) -> "DailyBlock":
    """Parse ``charge@02:00-05:00=8``."""
    from mpc.requests import KINDS  # noqa: PLC0415
    from runners.whatif import DailyBlock  # noqa: PLC0415

    found = _BLOCK.fullmatch(text)
    if found is None:
        message = f"{text!r} is no block; write e.g. charge@02:00-05:00=8 or hold@17:00-19:00"
        raise typer.BadParameter(message, param_hint="--block")
    word, start, end, target = found.groups()
    return DailyBlock(
        kind=next(kind for kind in KINDS if kind == word),
        start=time.fromisoformat(start),
        end=time.fromisoformat(end),
        target_soc_kwh=None if target is None else float(target),
    )
