"""``darkstar whatif day``: what days would have cost, or would cost, if something were different.

    config, store (read-only) ──> Lab ──> baseline and what-ifs ──> tables, whatif.png, JSON

Nothing is written but the picture and the JSON that were asked for: the store is opened read-only,
and schedule, configuration and episodes are never touched. Energy in kWh, money in the home's
currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mpc import Tariff
from mpc.requests import Kind
from runners.config import Config, load_config
from runners.dates import refuse_reversed, utc_now
from runners.errors import EX_USAGE, ConfigError, Problem
from runners.output import console, write_json
from runners.patience import patience
from runners.plan import home_model
from runners.wall_clock import on_the_clock
from runners.whatif_forecast import ConfiguredForecast
from runners.whatif_report import WhatIfDays, report, result_dict
from sim.errors import KnownInputsError
from sim.facts import Facts
from sim.facts_by import FactsBy
from sim.lab import Lab, LabResult, Relaxed, TimedBlock, View, WhatIf
from sim.lab_plan import GIVEN
from sim.planning import zone_of
from telemetry.slots import SLOT_MINUTES, local_day, zone_info
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["OUT", "Asked", "DailyBlock", "open_lab", "run_whatif_day"]

OUT = Path("out/whatif")
_DAY = timedelta(days=1)
_SLOT = timedelta(minutes=SLOT_MINUTES)
_LEFT = "as the closed loop of the baseline left it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyBlock:
    """A manual block by the wall clock; on every day that is asked for.

    Attributes:
        kind: charge, export or hold.
        start, end: local times; an end of 00:00 is the end of the day.
        target_soc_kwh: as ``sim.lab.TimedBlock`` has it.
    """

    kind: Kind
    start: time
    end: time
    target_soc_kwh: float | None = None

    def __post_init__(self) -> None:
        """Refuse a block that does not lie within a day.

        Raises:
            ConfigError: it crosses midnight, or ends where it begins.
        """
        if time() < self.end <= self.start:
            message = (
                f"{self.kind}@{self.start:%H:%M}-{self.end:%H:%M} does not lie within a local day; "
                f"give two, one to 00:00 and one from 00:00"
            )
            raise ConfigError("--block", [Problem("", "", message)], exit_code=EX_USAGE)

    def on(self, day: date, zone: str) -> TimedBlock:
        """Return the block of a local day.

        Raises:
            ConfigError: a time that the home's clock does not show exactly once on that day.
        """
        last, here = day if self.end > time() else day + _DAY, zone_info(zone)
        return TimedBlock(
            kind=self.kind,
            start=_shown(datetime.combine(day, self.start), zone).astimezone(here),
            end=_shown(datetime.combine(last, self.end), zone).astimezone(here),
            target_soc_kwh=self.target_soc_kwh,
        )


def _shown(naive: datetime, zone: str) -> datetime:
    """Return when the home's clock shows a time, UTC.

    Raises:
        ConfigError: it does so twice or never.
    """
    try:
        return on_the_clock(naive, zone, "--block")
    except ConfigError:
        message = (
            f"on {naive:%Y-%m-%d} the clock of {zone} does not show {naive:%H:%M} exactly once; "
            "begin and end the block before or after the change of the clocks"
        )
        raise ConfigError("--block", [Problem("", "", message)], exit_code=EX_USAGE) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of the Lab.

    Attributes:
        first, last: local days, both included; None: today, or the first.
        view: what the days are seen with.
        change: what is different in every what-if, tariff and blocks apart.
        exports_kwh: a what-if for each of these targets; none: one without a target.
        at_any_cost, relaxed: as ``sim.lab.WhatIf`` has them, for the targets.
        blocks: manual blocks.
        tariff_file: a configuration whose tariff of the home holds; None: the home's own.
        no_tax_credit: the tariff without its tax credit.
        both: tariff, prices, load and PV are changed for the baseline, too.
        soc_kwh: stored at the start of the first day; later days begin as the closed loop of the
            baseline left them. None: what was recorded at each.
        soc_percent: the same in percent of the capacity.
        bridge_hours: how long PV may be missing to be read off its neighbours.
    """

    first: date | None = None
    last: date | None = None
    view: View = View.KNOWN
    change: WhatIf = field(default_factory=WhatIf)
    exports_kwh: tuple[float, ...] = ()
    at_any_cost: bool = False
    relaxed: Relaxed | None = None
    blocks: tuple[DailyBlock, ...] = ()
    tariff_file: Path | None = None
    no_tax_credit: bool = False
    both: bool = False
    soc_kwh: float | None = None
    soc_percent: float | None = None
    bridge_hours: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is to be computed: the days, and what is different.

    Attributes:
        asked: how.
        first, last: local days, both included.
        now: the present moment, UTC.
        today: its local day.
        both: what is different for baseline and what-if.
        cases: the what-ifs, blocks apart.
    """

    asked: Asked
    first: date
    last: date
    now: datetime
    today: date
    both: WhatIf
    cases: tuple[WhatIf, ...]


def open_lab(store: Facts, config: Config, home_id: str, *, bridge_hours: float = 0.0) -> Lab:
    """Return the Lab of a configured home, planned as ``darkstar plan`` plans it.

    Raises:
        ConfigError: the home has no price area.
    """
    given, forecast = config.home_config(home_id), ConfiguredForecast(config)
    return Lab.of(
        store,
        home_model(config, home_id),
        forecast=forecast,
        loop_forecast=forecast.through,
        max_age_hours=given.soc_refuse_age_minutes / 60.0,
        bridge_hours=bridge_hours,
    )


def run_whatif_day(
    *,
    config_path: Path,
    home_id: str | None,
    asked: Asked,
    out_dir: Path = OUT,
    json_path: str | None = None,
    plot: bool = True,
    now: datetime | None = None,
) -> WhatIfDays:
    """Plan or live days as they were and otherwise, and tell the difference.

    Args:
        config_path: the configuration.
        home_id: which home; None: the only one.
        asked: days and what-ifs.
        out_dir: where the picture goes.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw whatif.png.
        now: the present moment; None: the clock's.

    Raises:
        ConfigError: the configuration, days that cannot be, files that cannot be written.
        SimError, ForecastError, PlanError, TelemetryError: days or what-ifs that cannot be planned.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    out, currency = console(json_path), config.home_currency(home)
    task = _task(config, home, asked, utc_now() if now is None else now)
    name = config.system.system_id
    with Store.open(config.store_url, system_id=name, read_only=True) as store:
        facts = FactsBy(store, task.now) if task.last > task.today else store
        lab = open_lab(facts, config, home, bridge_hours=asked.bridge_hours).under(task.both)
        found = _made(lab, task, out)
    report(found, currency=currency, out=out)
    if json_path is not None:
        write_json(json_path, result_dict(found, currency=currency))
    if plot and find_spec("matplotlib") is None:
        out.print("no picture: it needs the extra `plot`")
    elif plot:
        _draw(found, currency, out_dir / "whatif.png")
        out.print(f"picture: {out_dir / 'whatif.png'}", soft_wrap=True)
    return found


def _task(config: Config, home_id: str, asked: Asked, now: datetime) -> _Task:
    """Return what is to be computed.

    Raises:
        ConfigError: days in the wrong order, a tariff that cannot be read, or nothing to ask.
        ScenarioError: changes that do not go together.
    """
    today = now.astimezone(zone_info(config.home_config(home_id).zone)).date()
    first = today if asked.first is None else asked.first
    last = first if asked.last is None else asked.last
    refuse_reversed(first, last, "--day")
    change = asked.change & WhatIf(tariff=_tariff(config, home_id, asked))
    both = change.conditions if asked.both else WhatIf()
    own = change.choices if asked.both else change
    wishes = [
        WhatIf(export_kwh=kwh, at_any_cost=asked.at_any_cost, relaxed=asked.relaxed)
        for kwh in asked.exports_kwh
    ]
    cases = tuple(own & wish for wish in wishes) or (own,)
    if cases == (WhatIf(),) and not asked.blocks:
        message = "nothing is different from the baseline; give a target, a block or a change"
        raise ConfigError("whatif day", [Problem("", "", message)], exit_code=EX_USAGE)
    return _Task(asked=asked, first=first, last=last, now=now, today=today, both=both, cases=cases)


def _tariff(config: Config, home_id: str, asked: Asked) -> Tariff | None:
    """Return the tariff of the what-ifs; None where it is the home's own."""
    tariff = None
    if asked.tariff_file is not None:
        tariff = load_config(asked.tariff_file).tariff(home_id)
    if asked.no_tax_credit:
        tariff = replace(tariff or config.tariff(home_id), tax_credit=0.0)
    return tariff


def _made(lab: Lab, task: _Task, out: Console) -> WhatIfDays:
    """Return every what-if of every day; in the closed loop without wishes, of all at once."""
    asked, loops = task.asked, task.asked.view is View.REPLAY
    wishes = bool(asked.blocks) or any(case.has_wishes for case in task.cases)
    given = _given(lab, asked)
    if loops or (given is not None and task.last > task.first):
        with patience(out):
            lab.baseline(task.first, replay=True, soc_kwh=given)
    with out.status("planning"):
        if loops and not wishes:
            period = partial(lab.period, task.first, task.last, soc_kwh=given)
            rows = [tuple(period(case) for case in task.cases)]
        else:
            rows = _day_by_day(lab, task)
    return WhatIfDays(
        model=lab.model,
        first=task.first,
        last=task.last,
        view=asked.view,
        both=task.both,
        results=tuple(rows),
        known_at=task.now if task.last > task.today else None,
    )


def _day_by_day(lab: Lab, task: _Task) -> list[tuple[LabResult, ...]]:
    """Return every what-if of each day by itself."""
    rows, zone = [], zone_of(lab.model)
    for n, (soc, source) in enumerate(_starts(lab, task)):
        day = task.first + n * _DAY
        blocks = WhatIf(blocks=tuple(block.on(day, zone) for block in task.asked.blocks))
        run = partial(lab.run, day, view=task.asked.view, soc_kwh=soc, soc_source=source)
        rows.append(tuple(run(case & blocks) for case in task.cases))
    return rows


def _given(lab: Lab, asked: Asked) -> float | None:
    """Return the stored energy that was given for the first day."""
    if asked.soc_percent is not None:
        return lab.model.site.battery.capacity_kwh * asked.soc_percent / 100.0
    return asked.soc_kwh


def _starts(lab: Lab, task: _Task) -> Sequence[tuple[float | None, str]]:
    """Return what is stored at the start of each day, and where from; None: what was recorded.

    Raises:
        ConfigError: a day in the future that is not tomorrow, by itself.
    """
    given, first, last = _given(lab, task.asked), task.first, task.last
    if given is not None and last > first:
        course = lab.period(first, last - _DAY, WhatIf(), soc_kwh=given).baseline.course
        zone = zone_of(lab.model)
        ends = [local_day(first + n * _DAY, zone)[1] for n in range((last - first).days)]
        slots = [(end - course.start) // _SLOT - 1 for end in ends]
        return [(given, GIVEN), *((float(course.soc_kwh[slot]), _LEFT) for slot in slots)]
    if last <= task.today or given is not None:
        return [(given, GIVEN)] * ((last - first).days + 1)
    tomorrow = task.today + _DAY
    if (first, last) != (tomorrow, tomorrow):
        message = f"{last} is in the future; tomorrow, {tomorrow}, can be planned by itself"
        raise ConfigError("--day", [Problem("", "", message)], exit_code=EX_USAGE)
    try:
        return [lab.tonight(task.now)]
    except KnownInputsError:  # no fresh state of charge: the plan of this day's midnight had one
        plan = lab.baseline(task.today)
    soc = float(plan.course.soc_kwh[plan.day_slots - 1])
    return [(soc, f"as planned at 00:00 of {task.today} for its end: nothing newer was recorded")]


def _draw(found: WhatIfDays, currency: str, path: Path) -> None:
    """Write the picture."""
    from runners.plot_lab import plot_lab  # noqa: PLC0415 - matplotlib is heavy

    plot_lab(found, path, currency=currency)
