"""``darkstar report``: what a month cost, and what it would have cost otherwise, as a page to read.

    store ──meters──> paid            ┐
          ──facts──> no battery, ...  ├──> costs by day, regret by cause ──> tables, HTML, PNG, JSON
          ──what was known──> replay  ┘

Nothing is written to the store. Money in the home's currency.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runners.config import load_config
from runners.errors import ConfigError, Problem
from runners.judged import judged_days
from runners.output import console, make_folder, write_json, write_text
from runners.patience import patience
from runners.plan import home_model
from runners.report_month import MonthReport
from runners.report_page import page
from runners.report_text import report_dict, report_text
from sim.day_runs import run_of
from sim.metered import read_meters
from sim.planning import HomeModel, battery_window, zone_of
from sim.savings_month import savings_of
from telemetry.channels import Channel
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run_report"]

OUT = Path("out")


def run_report(
    *,
    config_path: Path,
    month: date,
    home_id: str | None = None,
    bridge_hours: float = 0.0,
    out_dir: Path = OUT,
    json_path: str | None = None,
    plot: bool = True,
) -> MonthReport:
    """Report a month of a home to ``out_dir``: report-YYYY-MM.html, and .png beside it.

    Args:
        config_path: the configuration.
        month: its first day.
        home_id: which home; None: the only one.
        bridge_hours: how long PV may be missing to be read off its neighbours.
        out_dir: where page and picture go.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw the picture.

    Raises:
        ConfigError: the configuration, a home without battery, files that cannot be written.
        SimError, ForecastError, PlanError, TelemetryError: not one day can be compared.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    model, out = home_model(config, home), console(json_path)
    if model.site.battery.capacity_kwh == 0.0:
        message = (
            "the home has no battery, so there is nothing to compare; configure `battery:`, or "
            "try one: darkstar whatif battery"
        )
        raise ConfigError(home, [Problem("", "", message)])
    last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    with (
        Store.open(config.store_url, read_only=True) as store,
        patience(out),
    ):
        silent = _silent(store, model, month, last)
        end = last + timedelta(days=1)
        judged = judged_days(config, store, model, month, end, without=silent)
        savings = savings_of(store, model, month, last, judged=judged, bridge_hours=bridge_hours)
    pairing = model.pairing
    report = MonthReport(
        home_id=home,
        name=config.home_config(home).name or home,
        zone=str(model.home.zone),
        currency=config.home_currency(home),
        price_area=model.price_area,
        price_pairing=None if pairing is None else pairing.shift_days,
        battery=_battery(model),
        month=month,
        savings=savings,
        bridge_hours=bridge_hours,
    )
    report_text(report, out)
    _write(report, out, out_dir / f"report-{month:%Y-%m}", plot=plot)
    if json_path is not None:
        write_json(json_path, report_dict(report))
    return report


def _silent(store: Store, model: HomeModel, first: date, last: date) -> tuple[Channel, ...]:
    """Return the grid meters, where they have no readings: what was paid is then told as unknown.

    A day is not in doubt for them; the plans of Darkstar need none.
    """
    whole = run_of(first, last, zone_of(model))
    known = read_meters(store, model, whole.start, whole.end) is not None
    return () if known else (Channel.IMPORT_KWH, Channel.EXPORT_KWH)


def _battery(model: HomeModel) -> str:
    """Return the nameplate in a line."""
    battery = model.site.battery
    low, high = battery_window(model)
    return (
        f"{battery.capacity_kwh:g} kWh, used from {low:g} to {high:g}; efficiency "
        f"{battery.charge_efficiency:g} in, {battery.discharge_efficiency:g} out"
    )


def _write(report: MonthReport, out: Console, stem: Path, *, plot: bool) -> None:
    """Write the page, and the picture in it and beside it."""
    html, png = stem.with_suffix(".html"), stem.with_suffix(".png")
    picture = None
    make_folder(stem.parent)
    if plot and find_spec("matplotlib") is None:
        out.print("no picture: it needs the extra `plot`")
    elif plot:
        from runners.plot_report import plot_report  # noqa: PLC0415 - matplotlib is heavy

        plot_report(report, png)
        picture = png.read_bytes()
        out.print(f"picture: {png}", soft_wrap=True)
    write_text(html, page(report, picture))
    out.print(f"page: {html}", soft_wrap=True)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("report")
