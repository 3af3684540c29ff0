"""The lines of episodes in docs/benchmarks.md: 149 days simulated, recorded and mirrored.

The demo home with the battery of its configuration, 5 April to 31 August 2025: 14,304 episodes.
Whole processes with two workers, kernels compiled before.
"""

import os
from datetime import date, timedelta
from pathlib import Path

from benchmarks.episodes import Batch, demo_folder, mirror, simulate
from benchmarks.report_line import Line
from tests.peers.mariadb import RealMariaDB, missing

__all__ = ["episode_lines"]

_FIRST, _END = date(2025, 4, 5), date(2025, 9, 1)


def episode_lines(median: dict[str, float], folder: Path) -> list[Line]:
    """Return all lines; those of the mirror where MariaDB is installed.

    Args:
        median: seconds of the benchmarks by name.
        folder: to write into.
    """
    config = demo_folder(folder / "episodes")
    simulate(config, _FIRST - timedelta(days=1), _FIRST, engine="highs")  # compiles
    (folder / "episodes" / "darkstar.sqlite").unlink()
    demo_folder(folder / "episodes")
    storage = simulate(config, _FIRST, _END, engine="storage")
    lines = [
        _batch_line("storage", storage, "at most 60 s"),
        Line(
            what="what they add to the store",
            measured=f"{storage.store_mb:.1f} MB",
            ratio=f"{storage.json_kb:.1f} kB of JSON an episode",
            target="at most 180 MB, 12 kB",
        ),
    ]
    if missing() is None:
        with RealMariaDB(folder / "mariadb") as server:
            done = mirror(config, server)
        lines.append(
            Line(
                what=f"{done.episodes:,} episodes mirrored to MariaDB 10.11 on loopback",
                measured=f"{done.seconds:.1f} s",
                ratio=f"{done.episodes / done.seconds:.0f} episodes/s, {done.table_mb:.0f} MB",
                target="at most 20 s",
            )
        )
    highs = simulate(config, _FIRST, _END, engine="highs")
    return [*lines, _batch_line("highs", highs, "at most 180 s"), *_text_lines(median)]


def _text_lines(median: dict[str, float]) -> list[Line]:
    """Return what one episode takes as text, against the standard library."""
    base = median["episode_series_by_json"]
    rows = (
        ("one episode: its series rounded by numpy, written by `json`", "episode_series_by_json"),
        ("one episode written, all its texts", "episode_written"),
        ("one episode read, flows given back", "episode_read"),
    )
    return [
        Line(
            what=what,
            measured=f"{1e3 * median[name]:.2f} ms",
            ratio=f"{median[name] / base:.2f} x json",
        )
        for what, name in rows
    ]


def _batch_line(engine: str, batch: Batch, target: str) -> Line:
    """Return the line of a batch."""
    return Line(
        what=f"`darkstar simulate --engine {engine}`, {batch.days} days, "
        f"{batch.episodes:,} episodes, {os.cpu_count()} workers",
        measured=f"{batch.seconds:.1f} s",
        ratio=f"{batch.episodes / batch.seconds:.0f} episodes/s",
        target=target,
    )
