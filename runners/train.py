"""``darkstar train``: a new model of the house, if it beats the one in use; run it every week.

    store ──facts until the last midnight──> candidate ──days neither has seen──> promoted, or not

Days are local and over. What is promoted stands in the registry (``runners.registry``); nothing in
the store changes. A second run on the same day changes nothing; as every job it keeps
``runners.contract``. Energies in tables are Wh per quarter-hour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from forecast.promotion import Contestant, Trial, promotion_trial
from runners.config import Config, load_config
from runners.contract import JobRun, job_run, job_store
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.output import console, many, summary_table, write_json
from runners.plan import home_model
from runners.registry import ModelMeta, Registry, describe
from sim.aurora import read_history
from sim.planning import HomeModel, zone_of
from telemetry.slots import SLOT_MINUTES, from_epoch, local_day, slot_of, to_epoch, zone_info

if TYPE_CHECKING:
    from rich.console import Console

    from forecast.aurora import Aurora
    from forecast.inputs import HomeHistory
    from telemetry.store import Store

__all__ = ["run_list", "run_rollback", "run_train", "span_of_load"]

_JOB = "train"
_WH = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """A trial and what became of it.

    Attributes:
        trial: what was measured.
        meta: where the new model comes from; None where none takes over.
        new: whether the registry changed.
        in_use: name of the model that was to beat, None: the baseline.
        data_from: first slot with load, UTC.
        seconds: what training and test took.
    """

    trial: Trial
    meta: ModelMeta | None
    new: bool
    in_use: str | None
    data_from: datetime
    seconds: float


def run_train(
    *,
    config_path: Path,
    home_id: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    json_path: str | None = None,
    now: datetime | None = None,
) -> Trial | None:
    """Train, test and perhaps promote a model; None where another training is at work.

    Args:
        config_path: the configuration.
        home_id: which home; None: the only one.
        force: promote whatever the test says, also over a model that cannot be read.
        dry_run: change nothing.
        json_path: where the result goes as JSON; ``-`` is stdout.
        now: the moment, aware; None: the clock's.

    Raises:
        ConfigError: the configuration, the registry, a home without load, or the clock.
        ForecastError, SimError, TelemetryError: facts that teach nothing.
    """
    with job_run(_JOB, home_id=home_id, now=now, dry_run=dry_run) as run:
        config = load_config(config_path)
        home = config.pick_home(home_id)
        if not run.begins(config, [home]):
            return None
        out = console(json_path)
        with out.status("training"):
            done = _train(config, home, run, force=force, out=out)
        _report(home, done, dry_run=dry_run, out=out)
        if json_path is not None:
            write_json(json_path, _result_dict(home, done, dry_run=dry_run))
        run.tell(outcome=done.trial.outcome, days=done.trial.days_of_load, promoted=done.new)
    return done.trial


def run_rollback(
    *,
    config_path: Path,
    home_id: str | None = None,
    dry_run: bool = False,
    json_path: str | None = None,
) -> None:
    """Take the model in use out of use; the one before it serves again, or the baseline.

    Raises:
        ConfigError: the configuration, or there is nothing to go back to.
    """
    with job_run(_JOB, home_id=home_id, dry_run=dry_run) as run:
        config = load_config(config_path)
        home = config.pick_home(home_id)
        if run.begins(config, [home]):
            _roll_back(config, home, console(json_path), dry_run=dry_run, json_path=json_path)
            run.tell(outcome="rolled back")


def _roll_back(
    config: Config, home: str, out: Console, *, dry_run: bool, json_path: str | None
) -> None:
    """Go back to the model before, and tell."""
    left, now = Registry(config.models_folder, home).rollback(dry_run=dry_run)
    serves = "the baseline" if now is None else now.version
    would = "would be " if dry_run else ""
    out.print(f"{home}: {left.version} {would}taken out of use, {serves} serves", soft_wrap=True)
    if json_path is not None:
        in_use = None if now is None else now.version
        facts = {"home_id": home, "rolled_back": left.version, "in_use": in_use}
        write_json(json_path, facts | {"dry_run": dry_run})


def run_list(
    *, config_path: Path, home_id: str | None = None, json_path: str | None = None
) -> None:
    """Print the models that are kept, the one in use first.

    Raises:
        ConfigError: the configuration, or a model's file cannot be used.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    out, registry = console(json_path), Registry(config.models_folder, home)
    metas = [registry.meta(one.version) for one in reversed(registry.history())]
    if not metas:
        out.print(f"{home}: no model was promoted, the baseline forecasts")
    else:
        out.print(_versions(home, metas))
    if json_path is not None:
        write_json(json_path, {"home_id": home, "models": metas})


def _train(config: Config, home: str, run: JobRun, *, force: bool, out: Console) -> _Done:
    """Hold the trial and write down what it promotes."""
    registry = Registry(config.models_folder, home)
    current = _in_use(registry, force=force, out=out)
    model = home_model(config, home)
    begin = perf_counter()
    with job_store(config, run) as store:
        run.check_clock(store, [home])
        first, until, history = _facts(store, model, run.moment())
    trial = promotion_trial(
        history, to_epoch(until), None if current is None else current[0], force=force
    )
    meta = _meta(trial, home, first, run.moment())
    new = meta is not None and trial.model is not None and not run.dry_run
    if new and meta is not None and trial.model is not None:
        new = registry.promote(trial.model, meta)
    return _Done(
        trial=trial,
        meta=meta,
        new=new,
        in_use=None if current is None else current[1].version,
        data_from=first,
        seconds=perf_counter() - begin,
    )


def _in_use(registry: Registry, *, force: bool, out: Console) -> tuple[Aurora, ModelMeta] | None:
    """Return the model to beat; forced, one that cannot be read is told and passed over.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return registry.current()
    except ConfigError as err:
        if not force:
            raise
        out.print(f"passed over, because it was forced: {err}", soft_wrap=True)
        return None


def span_of_load(store: Store, model: HomeModel) -> tuple[datetime, datetime]:
    """Return [first slot with load, end of the last one), UTC.

    Raises:
        ConfigError: the home has none.
    """
    home_id = model.home.home_id
    reach = store.coverage(home_id, "load_kwh")
    if reach is None:
        message = "no load_kwh is stored; import it (darkstar import FILE), or record it"
        raise ConfigError(f"home {home_id}", [Problem("", "", message)], exit_code=EX_DATAERR)
    return reach.first, reach.last + timedelta(minutes=SLOT_MINUTES)


def _facts(store: Store, model: HomeModel, now: datetime) -> tuple[datetime, datetime, HomeHistory]:
    """Return the first slot with load, the end of the last whole local day, and all between."""
    first, end = span_of_load(store, model)
    zone = zone_of(model)
    last = min(slot_of(now), end)
    until = local_day(last.astimezone(zone_info(zone)).date(), zone)[0]
    if until <= first:
        message = (
            f"no whole local day is over since load is known ({first.isoformat()}); wait a day"
        )
        source = f"home {model.home.home_id}"
        raise ConfigError(source, [Problem("", "", message)], exit_code=EX_DATAERR)
    return first, until, read_history(store, model, first, until)


def _meta(trial: Trial, home: str, first: datetime, now: datetime) -> ModelMeta | None:
    """Return where the model of a trial comes from; None where none takes over."""
    if trial.model is None:
        return None
    return describe(
        trial.model,
        home_id=home,
        created_at=now,
        data_from=first,
        days_of_load=trial.days_of_load,
        outcome=str(trial.outcome),
        reason=trial.reason,
        test=_test_dict(trial),
    )


def _report(home: str, done: _Done, *, dry_run: bool, out: Console) -> None:
    """Print what was learnt from, who won by how much, and what happens."""
    out.print(summary_table(_rows(home, done)))
    if done.trial.contestants:
        out.print(_contest(done.trial))
    out.print(_sentence(done, dry_run=dry_run), soft_wrap=True)


def _rows(home: str, done: _Done) -> list[tuple[str, object]]:
    """Return what went into a trial."""
    trial = done.trial
    rows: list[tuple[str, object]] = [
        ("home", home),
        ("in use", done.in_use or "the baseline"),
        ("load known", f"{trial.days_of_load:.0f} days, {_span(done.data_from, trial.until)}"),
    ]
    if trial.contestants:
        tested = f"{many(round(trial.test_days), 'day')} that neither has seen, "
        rows.append(("tested on", tested + _span(from_epoch(trial.test_start), trial.until)))
    return [*rows, ("took", f"{done.seconds:.0f} s")]


def _span(first: datetime, until: int) -> str:
    """Return a period, UTC."""
    return f"{first:%Y-%m-%d %H:%M} to {from_epoch(until):%Y-%m-%d %H:%M} UTC"


def _contest(trial: Trial) -> Table:
    """Return the table of a test."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("load MAE", "load RMSE", "PV MAE", "PV RMSE", "candidate/this"):
        table.add_column(name, justify="right", no_wrap=True)
    table.caption = (
        "Wh per quarter-hour up to 48 h ahead: MAE of the medians, RMSE of the means that plans "
        "are fed; last column: mean of the four ratios, below 1 the candidate is better"
    )
    table.caption_justify = "left"
    for one in trial.contestants:
        table.add_row(one.name, *_cells(one))
    return table


def _cells(one: Contestant) -> list[str]:
    """Return the numbers of a row."""
    errors = [one.load.mae_kwh, one.load.rmse_kwh]
    errors += [math.nan, math.nan] if one.pv is None else [one.pv.mae_kwh, one.pv.rmse_kwh]
    shown = ["-" if math.isnan(error) else f"{_WH * error:.1f}" for error in errors]
    return [*shown, "" if math.isnan(one.ratio) else f"{one.ratio:.3f}"]


def _sentence(done: _Done, *, dry_run: bool) -> str:
    """Say what happens and why."""
    trial = done.trial
    if done.meta is None:
        stays = "the baseline forecasts" if done.in_use is None else f"{done.in_use} stays in use"
        return f"{trial.outcome}: {trial.reason}; {stays}"
    if dry_run:
        return f"{done.meta.version} would be {trial.outcome}: {trial.reason}; nothing was changed"
    if not done.new:
        return f"{done.meta.version} is in use already: nothing was changed"
    return f"{trial.outcome}: {trial.reason}; {done.meta.version} is in use from now on"


def _versions(home: str, metas: list[ModelMeta]) -> Table:
    """Return the table of kept models."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = f"models of {home}, the one in use first", "left"
    for name in ("version", "trained until", "days", "outcome"):
        table.add_column(name, justify="right" if name == "days" else "left", no_wrap=True)
    table.add_column("why", overflow="fold")
    for meta in metas:
        until = meta.trained_until[:16].replace("T", " ")
        table.add_row(meta.version, until, f"{meta.days_of_load:.0f}", meta.outcome, meta.reason)
    return table


def _test_dict(trial: Trial) -> dict[str, Any]:
    """Return what a test measured."""
    return {
        "start": from_epoch(trial.test_start).isoformat(),
        "end": from_epoch(trial.until).isoformat(),
        "days": trial.test_days,
        "opponent": trial.opponent,
        "ratio": trial.ratio,
        "contestants": trial.contestants,
    }


def _result_dict(home: str, done: _Done, *, dry_run: bool) -> dict[str, object]:
    """Return what ``--json`` writes."""
    trial = done.trial
    return {
        "home_id": home,
        "outcome": str(trial.outcome),
        "reason": trial.reason,
        "promoted": done.new,
        "dry_run": dry_run,
        "version": None if done.meta is None else done.meta.version,
        "was_in_use": done.in_use,
        "data_from": done.data_from,
        "trained_until": from_epoch(trial.until),
        "days_of_load": trial.days_of_load,
        "test": _test_dict(trial) if trial.contestants else None,
        "seconds": done.seconds,
    }


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("train")
