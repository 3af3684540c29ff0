"""The lines of the Lab and the annual what-if in docs/benchmarks.md."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.forecast import measured
from benchmarks.report_line import Line

__all__ = ["whatif_lines"]

_SIZES = ("0", "5", "10", "15", "20", "25", "30")


def whatif_lines(median: dict[str, float], folder: Path) -> list[Line]:
    """Return all lines.

    Args:
        median: seconds of the benchmarks by name.
        folder: to write into.
    """
    seven, one = median["seven_batteries"], median["one_battery_by_replay"]
    targets = median["lab_targets"]
    return [
        Line(
            what="the Lab: 10 days x 4 export targets, normal and relaxed, baselines among them",
            measured=f"{targets:.2f} s",
            ratio=f"{1e3 * targets / 80:.0f} ms a target",
            target="at most 2 s",
        ),
        Line(
            what="four weeks of seven batteries, forecasts made once, all cores",
            measured=f"{1e3 * seven:.0f} ms",
            ratio=f"{seven / one:.1f} x one replay of them with forecasts of its own",
            target="",
        ),
        *_year_lines(folder),
    ]


def _year_lines(folder: Path) -> list[Line]:
    """Return what a year of seven batteries takes, and the whole command with it."""
    darkstar = [sys.executable, "-m", "runners.cli"]
    home, out = folder / "whatif", folder / "whatif.json"
    demo = [*darkstar, "demo", "--no-plot", "--out", str(home)]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
    config = ["--config", str(home / "config.yaml")]
    command = [*darkstar, "whatif", "battery", *config, "--no-plot", "--json", str(out)]
    command += ["--year", "2025", "--kwh", *_SIZES]
    measured(command)  # compiles
    unjudged, _ = measured(command)
    judge = [*darkstar, "validate", *config, "--no-plot", "--no-reference"]
    judge += ["--start-date", "2025-01-01", "--end-date", "2025-12-31"]
    subprocess.run(judge, check=True, stdout=subprocess.DEVNULL)
    seconds, memory = measured(command)
    found = json.loads(out.read_text(encoding="utf-8"))
    inside = found["read_seconds"] + found["loop_seconds"]
    return [
        Line(
            what=f"`darkstar whatif battery`, {len(_SIZES)} sizes, {found['days']} days",
            measured=f"{inside:.1f} s",
            ratio=f"{found['read_seconds']:.1f} s of it reading",
            target="at most 10 s",
        ),
        Line(
            what="the same, whole process",
            measured=f"{seconds:.1f} s",
            ratio=f"{memory:.0f} MB",
        ),
        Line(
            what="the same, whole process, no day judged before",
            measured=f"{unjudged:.1f} s",
            ratio=f"{unjudged / seconds:.1f} x with stored verdicts",
            target="at most 10 s",
        ),
    ]
