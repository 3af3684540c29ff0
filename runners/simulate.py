"""``darkstar simulate``: a planner run for every quarter of past days, recorded as episodes.

    store ──facts of scenario k──> days to simulate ──> stored energy at each midnight ──> tasks
          ──pool──> episodes of a day ──one transaction a day──> episodes, outbox, mark of the day

A day that is marked with the hash of the same task is passed by: a batch that was stopped, however
it was, goes on where it ended, and a backfill makes anew what it touched. The clock plays no part:
a day without a verdict is judged as of the end of the period, and nothing of that is written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import typer

from runners.config import load_config
from runners.errors import EX_DATAERR, EX_USAGE, ConfigError, Problem
from runners.judged import judged_days
from runners.output import console, write_json
from runners.plan import home_model
from runners.settings import config_hash
from runners.simulate_pool import Pool, cluster_pool, local_pool
from runners.simulate_report import Batch, ScenarioRun, Skipped, report, skipped_lines
from runners.simulate_scenario import Job, Progress, run_scenario
from runners.store_access import open_store
from sim.augment import scenarios
from sim.planning import HomeModel, battery_window
from sim.simulation import AUTO, ChosenDay, choose_days, start_soc
from telemetry.quality_table import DayClass
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["SYSTEM_ID", "run_simulate"]

SYSTEM_ID = "simulation"
_STOPPED = "stopped: finished days are kept, run the same again to go on from there"


def run_simulate(
    *,
    config_path: Path,
    start_date: date,
    end_date: date,
    home_id: str | None = None,
    system_id: str = SYSTEM_ID,
    scenario_count: int = 1,
    seed: int = 0,
    engine: str = AUTO,
    start_soc_kwh: float | None = None,
    include_masked: bool = False,
    all_days: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    recompute: bool = False,
    json_path: str | None = None,
) -> Batch:
    """Simulate the local days of [``start_date``, ``end_date``) and record every planner run.

    Args:
        config_path: the configuration.
        start_date: the first day.
        end_date: the day after the last.
        home_id: which home; None: the only one.
        system_id: who writes the rows.
        scenario_count: how many histories, the recorded one included.
        seed: of those that change it.
        engine: ``storage``, ``highs``, or ``auto``: storage for a day that it plans exactly.
        start_soc_kwh: stored at the start where it was not recorded; None: half the capacity.
        include_masked: also days with the verdict ``mask_battery``.
        all_days: days of every verdict, as long as nothing is missing.
        workers: processes; None: one a core.
        scheduler: address of a Dask scheduler to compute on instead.
        recompute: also days that were done before from the same inputs.
        json_path: where the result goes as JSON; ``-`` is stdout.

    Raises:
        ConfigError: configuration, days or start that cannot be; no day to simulate; workers that
            died, or do not answer.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be simulated.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    model, out = home_model(config, home), console(json_path)
    _refuse(model, start_date, end_date, start_soc_kwh)
    with (
        open_store(config, system_id=system_id) as store,
        _pool(workers, scheduler) as pool,
    ):
        with out.status("choosing days"):
            judged = judged_days(config, store, model, start_date, end_date)
            classes = {DayClass.CLEAN} | ({DayClass.MASK_BATTERY} if include_masked else set())
            days = choose_days(
                store,
                model,
                start_date,
                end_date,
                classes=frozenset(classes),
                every_day=all_days,
                judged=judged,
            )
        _refuse_none(store, home, [_told(day) for day in days])
        job = Job(
            store=store,
            model=model,
            days=days,
            start=start_soc(store, model, start_date, start_soc_kwh),
            engine=engine,
            config_hash=config_hash(model),
            currency=config.home_currency(home),
            recompute=recompute,
            manual=store.manual_blocks(home),
        )
        batch = _run(job, pool, scenario_count, seed, out)
    batch = replace(batch, store_bytes=_size(config.store_url))
    report(batch, out)
    if json_path is not None:
        write_json(json_path, batch)
    return batch


def _refuse(model: HomeModel, first: date, end: date, start_soc_kwh: float | None) -> None:
    """Refuse what no simulation can be made of, before the store is opened.

    Raises:
        ConfigError: no day, no battery, or a start outside the battery's window.
    """
    if end <= first:
        message = f"{end} is not after {first}; it is the day after the last one"
        raise ConfigError("--end-date", [Problem("", "", message)], exit_code=EX_USAGE)
    if model.site.battery.capacity_kwh == 0.0:
        message = "the home has no battery, so there is nothing to plan; configure `battery:`"
        raise ConfigError(model.home.home_id, [Problem("", "", message)])
    low, high = battery_window(model)
    if start_soc_kwh is not None and not low <= start_soc_kwh <= high:
        message = (
            f"{start_soc_kwh:g} kWh lies outside the battery's window of {low:g} to {high:g} kWh; "
            "start inside it"
        )
        raise ConfigError("--start-soc", [Problem("", "", message)], exit_code=EX_USAGE)


def _pool(workers: int | None, scheduler: str | None) -> AbstractContextManager[Pool]:
    """Return the pool asked for; by default a process for each core."""
    if scheduler is not None:
        return cluster_pool(scheduler)
    cores = os.cpu_count()
    found = 1 if cores is None else cores
    return local_pool(found if workers is None else workers)


def _told(day: ChosenDay) -> Skipped:
    """Return a day and why it is skipped, "" where it is not."""
    return Skipped(local_day=day.local_day, reason=day.skipped)


def _refuse_none(store: Store, home_id: str, days: Sequence[Skipped]) -> None:
    """Refuse a period of which every day is skipped; the reasons are told.

    Raises:
        ConfigError: there is none to simulate.
    """
    if any(not day.reason for day in days):
        return
    problems = [Problem("", "", line) for line in skipped_lines(days)]
    reach = store.coverage(home_id, "load_kwh")
    known = "" if reach is None else f" (load is known from {reach.first:%F} to {reach.last:%F})"
    cure = f"choose other days{known}, or widen by --include mask_battery or --all-days"
    problems.append(Problem("", "", f"no day to simulate; {cure}"))
    raise ConfigError(home_id, problems, exit_code=EX_DATAERR)


def _run(job: Job, pool: Pool, count: int, seed: int, out: Console) -> Batch:
    """Simulate one scenario after the other."""
    begin, runs = perf_counter(), list[ScenarioRun]()
    try:
        with Progress(out, days=job.asked * count) as progress:
            for scenario in scenarios(count, seed):
                runs.append(run_scenario(job, scenario, pool, progress))
                _refuse_undone(job, runs[-1])
    except KeyboardInterrupt:
        typer.echo(_STOPPED, err=True)
        raise
    return Batch(
        home_id=job.home_id,
        system_id=job.store.system_id,
        config_hash=job.config_hash,
        start_date=job.days[0].local_day,
        end_date=date.fromordinal(job.days[-1].local_day.toordinal() + 1),
        engine=job.engine,
        seed=seed,
        currency=job.currency,
        soc_start_kwh=job.start.soc_kwh,
        soc_source=job.start.source,
        where=pool.where,
        seconds=perf_counter() - begin,
        store_bytes=None,
        scenarios=tuple(runs),
    )


def _refuse_undone(job: Job, run: ScenarioRun) -> None:
    """Refuse to go on where not one day could be simulated, nor had been.

    Raises:
        ConfigError: that is so.
    """
    if run.days + run.passed_by == 0:
        _refuse_none(job.store, job.home_id, run.skipped)


def _size(url: str) -> int | None:
    """Return the bytes of a store that is a file, its log included."""
    path = Path(url)
    if "://" in url or not path.is_file():
        return None
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.is_file() else 0)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("simulate")
