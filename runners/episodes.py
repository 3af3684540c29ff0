"""``darkstar episodes``: what is recorded of planner runs.

    list     a row for each series: home, system, scenario, engine, configuration
    show     one episode: what was known, the plan, what its first slot cost
    export   episodes to a file
    prune    delete old ones that the mirror holds; by default only say what would go

All but ``prune --apply`` open the store for reading alone. Money in the home's currency, energy in
kWh, times in the home's zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import numpy as np
from rich import box
from rich.table import Table

from runners.config import Config, load_config
from runners.dates import refuse_reversed
from runners.episodes_export import write_jsonl, write_parquet
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.manual_text import request_lines
from runners.output import console, many, plan_table, summary_table, write_json
from runners.plan import home_model
from runners.store_access import open_store
from sim.episode_format import EpisodeArrays, read_episode
from telemetry.arrays import F64
from telemetry.episode import Episode, EpisodeFilter, EpisodeSummary
from telemetry.episode_table import PruneCounts
from telemetry.errors import MissingExtraError
from telemetry.slots import slot_of
from telemetry.store import Store

__all__ = ["make_filter", "run_export", "run_list", "run_prune", "run_show"]

_CLASSES = {"unjudged": ""}
_DAY = timedelta(days=1)
_MOST_LISTED = 10
_MEGA = 1e6


def make_filter(
    home_id: str | None,
    system_id: str | None,
    scenario: str | None,
    engine: str | None,
    first_day: date | None = None,
    last_day: date | None = None,
    day_classes: Collection[str] = (),
) -> EpisodeFilter:
    """Return the episodes a user asks for; nothing given is all.

    Raises:
        ConfigError: the last day comes before the first.
    """
    if first_day is not None and last_day is not None:
        refuse_reversed(first_day, last_day)
    classes = frozenset(_CLASSES.get(name, name) for name in day_classes)
    return EpisodeFilter(
        home_id=home_id,
        system_id=system_id,
        scenario=scenario,
        engine=engine,
        first_day=first_day,
        last_day=last_day,
        day_classes=classes or None,
    )


def run_list(*, config_path: Path, wanted: EpisodeFilter, json_path: str | None = None) -> None:
    """Print a row for each series.

    Raises:
        ConfigError, TelemetryError: the configuration; a store that cannot be read.
    """
    config = load_config(config_path)
    with _reading(config) as store:
        found = store.episode_summary(wanted)
    out = console(json_path)
    if not found:
        out.print(_nothing(wanted))
    for home_id in dict.fromkeys(one.home_id for one in found):
        out.print(_list_table(home_id, [one for one in found if one.home_id == home_id]))
    waiting = sum(one.waiting for one in found)
    if waiting and config.mirror is None:
        out.print(f"{waiting} to mirror, but no mirror is configured (`mirror:`)")
    if json_path is not None:
        write_json(json_path, {"series": found})


def _nothing(wanted: EpisodeFilter) -> str:
    """Say why there are none."""
    if wanted != EpisodeFilter():
        return "no episodes fit these filters"
    return "no episodes: darkstar plan records live ones, darkstar simulate those of past days"


def _list_table(home_id: str, found: Sequence[EpisodeSummary]) -> Table:
    """Return the series of one home."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = f"episodes of {home_id}", "left"
    table.add_column("system", overflow="fold")
    table.add_column("scenario", no_wrap=True)
    for name in ("engine\nconfig", "days"):
        table.add_column(name)
    for name in ("episodes", "MB", "waiting"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.system_id,
            one.scenario,
            f"{one.engine}\n{one.config_hash[:8]}",
            f"{one.first_day}\n{one.last_day}"
            if one.first_day != one.last_day
            else str(one.first_day),
            str(one.episodes),
            f"{one.json_bytes / _MEGA:.1f}",
            str(one.waiting),
        )
    return table


def run_show(
    *,
    config_path: Path,
    episode_id: str | None,
    at: datetime | None,
    wanted: EpisodeFilter,
    json_path: str | None = None,
) -> None:
    """Print one episode.

    Args:
        config_path: the configuration.
        episode_id: its id, or how it begins; ``None``: ``at`` tells which.
        at: a moment within its first slot.
        wanted: among which episodes.
        json_path: where it goes as JSON, with every array.

    Raises:
        ConfigError: none, or several.
        TelemetryError, EpisodeError: a store that cannot be read, a damaged row.
    """
    config = load_config(config_path)
    with _reading(config) as store:
        if episode_id is not None:
            episode = _by_id(store, episode_id)
        elif at is not None:
            episode = _by_start(store, at, wanted)
        zone = _zone_of(store, config, episode.home_id)
    found, out = read_episode(episode), console(json_path)
    out.print(plan_table(found.plan(), zone, currency=_currency(config, episode.home_id)))
    out.print(summary_table(_facts(found, zone)))
    if json_path is not None:
        write_json(json_path, found)


def _by_id(store: Store, text: str) -> Episode:
    """Return the episode whose id begins with ``text``."""
    ids = store.find_episodes(text)
    if len(ids) > 1:
        _refuse(text, f"{', '.join(ids)} begin so; give more of the id")
    episode = store.episode(ids[0]) if ids else None
    if episode is None:
        _refuse(text, "no episode has an id that begins so; darkstar episodes show --at TIME")
    return episode


def _by_start(store: Store, at: datetime, wanted: EpisodeFilter) -> Episode:
    """Return the episode whose first slot holds ``at``; local days lie around the UTC day."""
    start, day = slot_of(at), at.date()
    near = replace(wanted, first_day=day - _DAY, last_day=day + _DAY)
    found = [one for one in store.episodes(near) if one.episode_start == start]
    when = f"{start:%Y-%m-%dT%H:%MZ}"
    if not found:
        _refuse(when, "no such episode starts then; darkstar episodes list says what there is")
    if len(found) > 1:
        told = [
            f"{one.episode_id} ({one.home_id}, {one.system_id}, {one.scenario}, {one.engine})"
            for one in found[:_MOST_LISTED]
        ]
        _refuse(when, f"{len(found)} start then; give one of {'; '.join(told)}")
    return found[0]


def _refuse(what: str, message: str) -> NoReturn:
    """Raise the error of something that was asked for and is not there."""
    raise ConfigError(what, [Problem("", "", message)], exit_code=EX_DATAERR)


def _zone_of(store: Store, config: Config, home_id: str) -> str:
    """Return the zone of a home, as configured or else as stored; UTC for one nobody knows."""
    if home_id in config.homes:
        return config.homes[home_id].zone
    zones = [home.zone for home in store.homes() if home.home_id == home_id]
    return str(zones[0]) if zones and zones[0] is not None else "UTC"


def _currency(config: Config, home_id: str) -> str:
    """Return the currency of a home; a word for one that is not configured."""
    return config.home_currency(home_id) if home_id in config.homes else "currency"


def _facts(found: EpisodeArrays, zone: str) -> list[tuple[str, object]]:
    """Return what there is beside the plan, in lines."""
    context, real = found.context, found.realised
    cost = f"bill {found.bill:.2f} + wear {found.wear:.2f} + penalty {found.penalty:.2f}"
    return [
        ("episode", found.episode_id),
        ("series", f"{found.home_id}, {found.system_id}, {found.scenario}, {found.config_hash}"),
        ("first slot", f"{found.start:%Y-%m-%d %H:%M}Z of {found.local_day}"),
        ("planned by", f"{found.engine}, {found.status}, gap {found.gap:.4f}"),
        ("planned cost", f"{found.planned_cost:.4f} = {cost} - stored {found.terminal:.2f}"),
        *(("asked for", line) for line in request_lines(found.plan(), zone)),
        ("stored at start", f"{found.soc_start_kwh:.3f} kWh, {context.soc_source}"),
        ("prices until", f"{found.prices_until:%Y-%m-%d %H:%M}Z"),
        ("seen in 24 h", f"load {_sum(found.observed_load_kwh)}, PV {_sum(found.observed_pv_kwh)}"),
        ("day", context.quality_class or "not judged"),
        ("volatility", _volatility(found)),
        ("vacation, alarm", f"{_known(context.vacation)}, {_known(context.alarm)}"),
        ("changed", _told(context.changes.items())),
        ("overrides", _told(found.overrides.items())),
        (
            "first slot cost",
            "not known" if real is None else f"{_money(real.cost)} (bill {_money(real.bill)})",
        ),
        ("replay", "none: the start was measured" if found.replay_id is None else found.replay_id),
    ]


def _volatility(found: EpisodeArrays) -> str:
    """Tell the three of them."""
    context = found.context
    price, cloud = _known(context.price_volatility), _known(context.cloud_volatility)
    return f"price {price}/kWh, clouds {cloud}, temperature {_known(context.temp_volatility)} C"


def _told(items: Collection[tuple[str, object]]) -> str:
    """Tell names and values."""
    return ", ".join(f"{name} {value}" for name, value in items) or "nothing"


def _money(value: float) -> str:
    """Tell money with four digits; what rounds to nothing has no sign."""
    return f"{round(value, 4) + 0.0:.4f}"


def _known(value: float) -> str:
    """Tell a number that may be missing."""
    return "unknown" if np.isnan(value) else f"{value:.3f}"


def _sum(values: F64) -> str:
    """Tell a day of observations."""
    missing = int(np.isnan(values).sum())
    told = f"{np.nansum(values):.2f} kWh"
    return told if missing == 0 else f"{told} ({missing} slots missing)"


def run_export(
    *, config_path: Path, wanted: EpisodeFilter, kind: str, out: Path, json_path: str | None = None
) -> None:
    """Write episodes to a file that appears whole or not at all.

    Args:
        config_path: the configuration.
        wanted: which episodes.
        kind: ``parquet``, ``jsonl`` or ``minari``.
        out: the file; of ``minari`` a new folder.
        json_path: where the count goes as JSON.

    Raises:
        ConfigError: no episodes, or a file that cannot be written.
        MissingExtraError: parquet without pyarrow.
        TelemetryError, EpisodeError: a store that cannot be read, a damaged row.
    """
    config = load_config(config_path)
    with _reading(config) as store:
        if kind == "minari":
            count = _write_dataset(config, store, wanted, out)
        else:
            write = write_parquet if kind == "parquet" else write_jsonl
            count = write(out, _some(store, wanted, config_path))
    size = sum(part.stat().st_size for part in (out, *out.rglob("*")) if part.is_file())
    console(json_path).print(
        f"{many(count, 'episode')}, {size / _MEGA:.1f} MB: {out}", soft_wrap=True
    )
    if json_path is not None:
        write_json(json_path, {"file": str(out), "format": kind, "episodes": count, "bytes": size})


def _write_dataset(config: Config, store: Store, wanted: EpisodeFilter, out: Path) -> int:
    """Write the episodes of one home as a Minari dataset.

    Raises:
        ConfigError: more than one home, no episodes, or what no dataset can be made of.
        MissingExtraError: without the extra ``rl``.
    """
    try:
        from runners.episodes_minari import write_dataset  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as err:
        raise MissingExtraError(str(err.name), "rl", "a Minari dataset") from None
    home_id = config.pick_home(wanted.home_id)
    one = replace(wanted, home_id=home_id)
    return write_dataset(out, _some(store, one, config.path), store, home_model(config, home_id))


def _some(store: Store, wanted: EpisodeFilter, config_path: Path) -> Iterator[Episode]:
    """Yield episodes; none at all is an error."""
    count = 0
    for count, episode in enumerate(store.episodes(wanted), start=1):  # noqa: B007 - counted
        yield episode
    if count == 0:
        _refuse(
            str(config_path), "no episodes fit these filters; darkstar episodes list says what does"
        )


def run_prune(
    *,
    config_path: Path,
    wanted: EpisodeFilter,
    before: date,
    apply: bool,
    json_path: str | None = None,
) -> None:
    """Delete old episodes that the mirror holds; without ``apply`` count them.

    Raises:
        ConfigError, TelemetryError: the configuration; a store that cannot be written.
    """
    config = load_config(config_path)
    with open_store(config) if apply else _reading(config) as store:
        counts = store.prune_episodes(wanted, before=before, dry_run=not apply)
    out = console(json_path)
    for line in _pruned(counts, before, apply=apply, mirrored=config.mirror is not None):
        out.print(line, soft_wrap=True)
    if json_path is not None:
        facts = {"deleted": counts.deleted if apply else 0, "would_delete": counts.deleted}
        kept = {"kept_unmirrored": counts.kept_unmirrored, "json_bytes": counts.json_bytes}
        write_json(json_path, {"before": before, "applied": apply, **facts, **kept})


def _pruned(counts: PruneCounts, before: date, *, apply: bool, mirrored: bool) -> Iterator[str]:
    """Yield what went, or would go, and what stays and why."""
    verb = "deleted" if apply else "would delete"
    size = f"{counts.json_bytes / _MEGA:.1f} MB"
    yield f"{verb} {many(counts.deleted, 'episode')} before {before}, {size}"
    if counts.kept_unmirrored:
        cure = (
            "run darkstar mirror"
            if mirrored
            else "no mirror is configured (`mirror:`), so none has what is stored here"
        )
        yield f"{counts.kept_unmirrored} stay: the mirror has not got them yet; {cure}"
    if not apply and counts.deleted:
        yield "nothing was deleted; add --apply"
    if apply and counts.deleted:
        yield "the file keeps its size: new rows take the room"


def _reading(config: Config) -> Store:
    """Open the store for reading alone."""
    return Store.open(config.store_url, system_id=config.system.system_id, read_only=True)


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("episodes")
