"""``darkstar mirror``: what waits in the store, into the MariaDB that other tools read.

Run it right after planner and recorder, which only commit locally: an outage of the server delays
rows and loses none, and slows no plan. Of two runs at once the second leaves, with a word and exit
code 0.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from runners.config import Config, load_config
from runners.lock import only_one
from runners.output import console, many, summary_table, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from telemetry.mirror import Mirror, MirrorReport
    from telemetry.store import Store

__all__ = ["LOCK_FILE", "run_mirror"]

LOCK_FILE = ".darkstar-mirror.lock"
_NAMED = 5


def run_mirror(
    *,
    config_path: Path,
    everything: bool = False,
    dry_run: bool = False,
    json_path: str | None = None,
) -> None:
    """Push and report.

    Args:
        config_path: the configuration file.
        everything: push all that is stored, not only what waits.
        dry_run: ask the server and count; write nothing anywhere.
        json_path: where the report goes as JSON too.

    Raises:
        ConfigError: no mirror is configured, or it would be reached without guard.
        TelemetryError: server or store failed; what was pushed before stays, the rest waits.
    """
    config = load_config(config_path)
    server = config.mirror_server()
    from telemetry.mirror import Mirror  # noqa: PLC0415 - SQLAlchemy takes 0.2 s to import
    from telemetry.store import Store  # noqa: PLC0415 - numpy

    out = console(json_path)
    with (
        nullcontext(enter_result=True) if dry_run else only_one(_lock(config)) as alone,
        Mirror.open(server) as mirror,
    ):
        if not alone:
            out.print("another mirror is at work here: left it to that one")
            return
        system_id = config.system.system_id
        with Store.open(config.store_url, system_id=system_id, read_only=dry_run) as store:
            if dry_run:
                found = _look(store, mirror, everything=everything)
                out.print(f"{server.place}: nothing written", soft_wrap=True)
                out.print(summary_table(found.items()))
            else:
                found = _push(store, mirror, server.place, out, everything=everything)
    if json_path is not None:
        write_json(json_path, {"server": server.place, "database": server.database, **found})


def _lock(config: Config) -> Path:
    """Return the lock's file: beside a store that is a file, else beside the configuration."""
    url = config.store_url
    beside = config.path if "://" in url else Path(url)
    return beside.parent / LOCK_FILE


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
