"""``darkstar mirror``: what waits in the store, into the MariaDB that other tools read.

Run it right after planner and recorder, which only commit locally: an outage of the server delays
rows and loses none, and slows no plan. As every job it keeps ``runners.contract``.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runners.config import Config, load_config
from runners.contract import JobRun, job_run, job_store
from runners.output import console, many, summary_table, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from telemetry.mirror import Mirror, MirrorReport
    from telemetry.mirror_server import MirrorServer
    from telemetry.store import Store

__all__ = ["run_mirror"]

_NAMED = 5


def run_mirror(
    *,
    config_path: Path,
    everything: bool = False,
    dry_run: bool = False,
    json_path: str | None = None,
    now: datetime | None = None,
) -> None:
    """Push and report.

    Args:
        config_path: the configuration file.
        everything: push all that is stored, not only what waits.
        dry_run: ask the server and count; write nothing anywhere.
        json_path: where the report goes as JSON too.
        now: the moment, aware; None: the clock's.

    Raises:
        ConfigError: no mirror is configured, it would be reached without guard, or the clock is
            wrong.
        TelemetryError: server or store failed; what was pushed before stays, the rest waits.
    """
    with job_run("mirror", now=now, dry_run=dry_run) as run:
        config = load_config(config_path)
        server = config.mirror_server()
        if run.begins(config, list(config.homes), whole_store=True):
            found = _mirror(config, server, run, console(json_path), everything=everything)
            if json_path is not None:
                where = {"server": server.place, "database": server.database}
                write_json(json_path, where | found)


def _mirror(
    config: Config, server: MirrorServer, run: JobRun, out: Console, *, everything: bool
) -> dict[str, object]:
    """Push, or look; return what the JSON says."""
    from telemetry.mirror import Mirror  # noqa: PLC0415 - SQLAlchemy takes 0.2 s to import

    with Mirror.open(server) as mirror, job_store(config, run) as store:
        run.check_clock(store, list(config.homes))
        if not run.dry_run:
            found = _push(store, mirror, server.place, out, everything=everything)
            run.tell(pushed=found["pushed"], waiting=found["waiting"])
            return found
        found = _look(store, mirror, everything=everything)
        out.print(f"{server.place}: nothing written", soft_wrap=True)
        out.print(summary_table(found.items()))
        run.tell(waiting=found["to_push"])
        return found


def _look(store: Store, mirror: Mirror, *, everything: bool) -> dict[str, object]:
    """Return what a run would push."""
    from telemetry.episode import EpisodeFilter  # noqa: PLC0415

    waiting, lost = store.waiting_episodes(), mirror.has_lost(store)
    if everything or lost:
        waiting = sum(one.episodes for one in store.episode_summary(EpisodeFilter()))
    return {"to_push": waiting, "table_exists": mirror.exists(), "has_lost_episodes": lost}


def _push(
    store: Store, mirror: Mirror, place: str, out: Console, *, everything: bool
) -> dict[str, object]:
    """Push and print; return what the JSON says."""
    began = time.monotonic()
    if everything:
        store.requeue_episodes()
    with out.status("mirroring") as status:
        report = mirror.push(
            store, on_batch=lambda pushed: status.update(f"mirroring: {pushed} episodes")
        )
    seconds = time.monotonic() - began
    _print(out, place, report, seconds)
    return {**asdict(report), "seconds": seconds}


def _print(out: Console, place: str, report: MirrorReport, seconds: float) -> None:
    """Print one line, and the episodes that the server does not take."""
    made = ", its table made" if report.created else ""
    out.print(
        f"{place}: {many(report.pushed, 'episode')} pushed in {seconds:.1f} s{made}, "
        f"{report.waiting} waiting",
        soft_wrap=True,
    )
    if report.too_large:
        named = ", ".join(report.too_large[:_NAMED])
        more = " and more" if len(report.too_large) > _NAMED else ""
        out.print(
            f"{many(len(report.too_large), 'episode')} larger than the server's "
            f"max_allowed_packet: not pushed ({named}{more}); raise it there",
            style="yellow",
            soft_wrap=True,
        )


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("mirror")
