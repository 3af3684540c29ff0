"""``darkstar whatif battery``: a year with batteries of other sizes, and when each has paid itself.

    store ──clean days of a year, forecasts once──> closed loop of every size ──> bill saved a year
          ──cost, subsidy, fade──> payback ──> table, battery.png, JSON

Same house, prices and forecasts for all; nothing is written to the store. Money in the home's
currency.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from mpc.site import as_limit
from runners.config import load_config
from runners.errors import EX_DATAERR, EX_USAGE, ConfigError, Problem
from runners.judged import judged_days
from runners.output import console, many, write_json
from runners.patience import patience
from runners.plan import home_model
from runners.whatif_battery_report import YEAR_DAYS, BatteryYear, SizeLine, report, result_dict
from sim.battery_days import YearDays, stretches_of, year_days
from sim.battery_sizes import SizeYear, Stretches, payback_years, run_sizes, sized
from sim.planning import HomeModel, zone_of
from sim.tariff_year import later_changes, tariff_of_year
from telemetry.quality_table import DayClass
from telemetry.slots import SLOT_MINUTES, zone_info
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from runners.config import Config

__all__ = ["LEAST_DAYS", "Costs", "run_whatif_battery"]

OUT = Path("out")
LEAST_DAYS = 330
"""Clean days without which a year is not told: seasons would be missing."""
_SLOT = timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What batteries cost, and what becomes of their savings.

    Attributes:
        totals: of each size, before subsidy; None: by the two that follow.
        per_kwh: currency per kWh of capacity; None: no cost is known.
        fixed: of any battery, whatever its size.
        subsidy: ratio of the cost that somebody else pays.
        fade: ratio by which the saving shrinks a year.
    """

    totals: tuple[float, ...] | None = None
    per_kwh: float | None = None
    fixed: float = 0.0
    subsidy: float = 0.0
    fade: float = 0.0

    def after_subsidy(self, sizes_kwh: Sequence[float]) -> list[float | None]:
        """Return what each size costs its owner; None where nothing was said."""
        if self.totals is not None:
            before: list[float | None] = list(self.totals)
        elif self.per_kwh is not None:
            before = [self.fixed + self.per_kwh * kwh if kwh > 0.0 else 0.0 for kwh in sizes_kwh]
        else:
            before = [None] * len(sizes_kwh)
        return [None if cost is None else cost * (1.0 - self.subsidy) for cost in before]


def run_whatif_battery(
    *,
    config_path: Path,
    sizes_kwh: Sequence[float],
    home_id: str | None = None,
    year: int | None = None,
    max_kw: float | None = None,
    costs: Costs | None = None,
    tariff_year: int | None = None,
    include_masked: bool = False,
    all_days: bool = False,
    out_dir: Path = OUT,
    json_path: str | None = None,
    plot: bool = True,
) -> BatteryYear:
    """Go through a year with every battery and report what each saves.

    Args:
        config_path: the configuration.
        sizes_kwh: capacities; 0 is always compared with.
        home_id: which home; None: the only one.
        year: a calendar year; None: the last 365 days that can be gone through.
        max_kw: power of every battery, both ways; None: the C-rate of the configured one.
        costs: what they cost; None: nothing is said.
        tariff_year: whose tariff components hold on all days; None: those in force on each.
        include_masked: also days with the verdict ``mask_battery``.
        all_days: days of every verdict, as long as nothing is missing.
        out_dir: where the picture goes.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw battery.png.

    Raises:
        ConfigError: configuration or options that cannot be; less than 330 clean days.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be gone through.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    sizes, asked = _in_order(sizes_kwh, Costs() if costs is None else costs)
    model, out = home_model(config, home), console(json_path)
    homes = _homes(model, sizes, max_kw)
    classes = None if all_days else _classes(include_masked=include_masked)
    begin = perf_counter()
    with Store.open(config.store_url, read_only=True) as store:
        with out.status("choosing days"):
            days = _days(config, store, model, year, classes)
        _refuse_few(home, days)
        with out.status("reading what was known"):
            homes = [_priced(home, days, tariff_year) for home in homes]
            stretches = stretches_of(store, homes[0], days.runs)
    read_seconds = perf_counter() - begin
    years, loop_seconds = _gone_through(homes, stretches, out)
    found = BatteryYear(
        home_id=home,
        name=config.home_config(home).name or home,
        currency=config.home_currency(home),
        price_area=model.price_area,
        price_pairing=None if model.pairing is None else model.pairing.shift_days,
        forecast=stretches[0][1].name,
        kind=_kind(classes),
        days=days,
        tariff_year=tariff_year,
        later_changes=() if tariff_year else later_changes(model.tariff, days.runs[-1].last),
        max_kw=max_kw,
        configured=model.site.battery,
        subsidy=asked.subsidy,
        fade=asked.fade,
        sizes=_lines(years, asked, days.count),
        read_seconds=read_seconds,
        loop_seconds=loop_seconds,
    )
    _tell(found, out, out_dir=out_dir, json_path=json_path, plot=plot)
    return found


def _in_order(sizes_kwh: Sequence[float], costs: Costs) -> tuple[tuple[float, ...], Costs]:
    """Return sizes and their costs in order of size, no battery first.

    Raises:
        ConfigError: a size that stands twice, or another number of costs than of sizes.
    """
    if len(set(sizes_kwh)) < len(sizes_kwh):
        raise _usage("--kwh", "a size stands twice; name each once")
    if costs.totals is None:
        return tuple(sorted({0.0, *sizes_kwh})), costs
    if len(costs.totals) != len(sizes_kwh):
        message = f"{len(costs.totals)} costs for {many(len(sizes_kwh), 'size')}; give one a size"
        raise _usage("--cost", f"{message}, or --cost-per-kwh and --cost-fixed")
    paid = {0.0: 0.0} | dict(zip(sizes_kwh, costs.totals, strict=True))
    return tuple(sorted(paid)), replace(costs, totals=tuple(paid[kwh] for kwh in sorted(paid)))


def _usage(option: str, message: str) -> ConfigError:
    """Return the error of an option that cannot be used."""
    return ConfigError(option, [Problem("", "", message)], exit_code=EX_USAGE)


def _classes(*, include_masked: bool) -> frozenset[DayClass]:
    """Return the verdicts that count as clean."""
    return frozenset({DayClass.CLEAN} | ({DayClass.MASK_BATTERY} if include_masked else set()))


def _kind(classes: frozenset[DayClass] | None) -> str:
    """Say which days count."""
    if classes is None:
        return "complete (whatever their verdict)"
    return "clean" if DayClass.MASK_BATTERY not in classes else "clean or mask_battery"


def _days(
    config: Config,
    store: Store,
    model: HomeModel,
    year: int | None,
    classes: frozenset[DayClass] | None,
) -> YearDays:
    """Return the days to go through; ``classes`` of ``None`` are all.

    Raises:
        ConfigError: nothing was recorded.
    """
    if year is not None:
        first, last = date(year, 1, 1), date(year, 12, 31)
    else:
        reach = store.coverage(model.home.home_id, "load_kwh")
        if reach is None:
            message = "no load is stored; import it (darkstar import FILE), or record it"
            raise ConfigError(model.home.home_id, [Problem("", "", message)], exit_code=EX_DATAERR)
        # The day that holds the end of the last slot: it has not ended, or only follows.
        end = (reach.last + _SLOT).astimezone(zone_info(zone_of(model))).date()
        first, last = end - timedelta(days=YEAR_DAYS), end - timedelta(days=1)
    judged = {}
    if classes is not None:
        judged = judged_days(config, store, model, first, last + timedelta(days=1))
    return year_days(store, model, first, last, classes=classes, judged=judged)


def _refuse_few(home_id: str, days: YearDays) -> None:
    """Refuse a year of which too little is known.

    Raises:
        ConfigError: there are less than 330 clean days.
    """
    if days.count >= LEAST_DAYS:
        return
    lines = [f"{many(count, 'day')}: {reason}" for reason, count in days.left_out().items()]
    lines.append(
        f"{days.count} clean days from {days.days[0].local_day} to {days.days[-1].local_day}, "
        f"want {LEAST_DAYS}: seasons would be missing; import more, see why days are not clean "
        "(darkstar validate), name another --year, or widen by --include mask_battery or --all-days"
    )
    raise ConfigError(home_id, [Problem("", "", line) for line in lines], exit_code=EX_DATAERR)


def _priced(model: HomeModel, days: YearDays, tariff_year: int | None) -> HomeModel:
    """Return the home with the tariff that holds on the days, and for what plans look at."""
    if tariff_year is None:
        return model
    years = range(days.runs[0].first.year - 1, days.runs[-1].last.year + 2)
    return replace(model, tariff=tariff_of_year(model.tariff, tariff_year, years))


def _homes(model: HomeModel, sizes_kwh: Sequence[float], max_kw: float | None) -> list[HomeModel]:
    """Return the home with every battery.

    Raises:
        ConfigError: the home has no battery whose C-rate could be kept.
    """
    if model.site.battery.capacity_kwh == 0.0 and max_kw is None:
        raise _usage("--kw", "the home has no battery whose C-rate could be kept; give a power")
    return [sized(model, kwh, max_kw) for kwh in sizes_kwh]


def _gone_through(
    homes: Sequence[HomeModel], stretches: Stretches, out: Console
) -> tuple[tuple[SizeYear, ...], float]:
    """Return the year with every battery, and the seconds it took once kernels were there."""
    happened, forecasts = stretches[-1]
    with patience(out):
        run_sizes(homes, [(replace(happened, slots=1), forecasts)], workers=1)
    begin = perf_counter()
    with out.status(f"a year with each of {many(len(homes), 'battery size')}"):
        years = run_sizes(homes, stretches, workers=os.cpu_count() or 1)
    return years, perf_counter() - begin


def _lines(years: Sequence[SizeYear], costs: Costs, days: int) -> tuple[SizeLine, ...]:
    """Return what each size saves in 365 days against the first, which is no battery."""
    scale, none = YEAR_DAYS / days, years[0]
    bill = none.net_bill(none.planned)
    paid = costs.after_subsidy([year.battery.capacity_kwh for year in years])
    lines = []
    for year, cost in zip(years, paid, strict=True):
        saving = scale * (bill - year.net_bill(year.planned))
        size = year.battery
        lines.append(
            SizeLine(
                capacity_kwh=size.capacity_kwh,
                max_charge_kw=float(np.max(as_limit(size.max_charge_kw))),
                max_discharge_kw=float(np.max(as_limit(size.max_discharge_kw))),
                bill=scale * year.net_bill(year.planned),
                bill_saving=saving,
                self_use_saving=scale * (bill - year.net_bill(year.self_use)),
                wear=scale * year.planned.total("wear"),
                full_cycles=scale * year.cycles,
                import_kwh=scale * year.planned.total("import_kwh"),
                export_kwh=scale * year.planned.total("export_kwh"),
                cost=cost,
                payback_years=_payback(size.capacity_kwh, cost, saving, costs.fade),
                broken_slots=year.planned.broken_slots,
                highs_days=year.planned.highs_days,
            )
        )
    return tuple(lines)


def _payback(capacity_kwh: float, cost: float | None, saving: float, fade: float) -> float | None:
    """Return after how many years a battery has paid itself; None without one, or without cost."""
    if cost is None or capacity_kwh == 0.0:
        return None
    return payback_years(cost, saving, fade)


def _tell(
    found: BatteryYear, out: Console, *, out_dir: Path, json_path: str | None, plot: bool
) -> None:
    """Print the table, write JSON, draw the picture."""
    report(found, out)
    if json_path is not None:
        write_json(json_path, result_dict(found))
    if plot and find_spec("matplotlib") is None:
        out.print("no picture: it needs the extra `plot`")
    elif plot:
        from runners.plot_payback import plot_payback  # noqa: PLC0415 - matplotlib is heavy

        plot_payback(found, out_dir / "battery.png")
        out.print(f"picture: {out_dir / 'battery.png'}", soft_wrap=True)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("whatif")
