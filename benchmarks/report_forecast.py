"""The lines of forecasts in docs/benchmarks.md: the demo home, a year of quarters with weather.

Training, a year of issues and a month in closed loop are single runs in processes of their own.
"""

import sys
from pathlib import Path

from benchmarks.episodes import demo_folder
from benchmarks.forecast import LOOP_DAYS, PLANNED_AT, measured, probe
from benchmarks.report_line import Line

__all__ = ["forecast_lines"]

_PLAN_RUNS = 5


def forecast_lines(median: dict[str, float], folder: Path) -> list[Line]:
    """Return all lines.

    Args:
        median: seconds of the benchmarks by name.
        folder: to write into.
    """
    home = folder / "forecasts"
    demo_folder(home)
    return [
        *_training_lines(home),
        *_issue_lines(home),
        *_plan_lines(home),
        *_scenario_lines(median),
        _loop_line(home),
    ]


def _training_lines(home: Path) -> list[Line]:
    """Return what training takes."""
    found = probe("train", home)
    return [
        Line(
            what="Aurora trained on a year, load and PV, bands included",
            measured=f"{found['seconds']:.1f} s",
            ratio=f"reading the year from the store: {found['read_seconds']:.1f} s",
            target="at most 20 s",
        ),
        Line(
            what="memory of that process (maximum resident set)",
            measured=f"{found['memory_mb']:.0f} MB",
            target="at most 500 MB",
        ),
    ]


def _issue_lines(home: Path) -> list[Line]:
    """Return what forecasts take, one and very many."""
    one, year = probe("issue", home), probe("year", home)
    issues = round(year["issues"])
    return [
        Line(
            what="one issue, warm: 192 slots x 3 quantiles and mean x load and PV",
            measured=f"{1e3 * one['seconds']:.1f} ms",
            ratio=f"with 14 scenarios {1e3 * one['scenario_seconds']:.1f} ms",
            target="at most 60 ms",
        ),
        Line(
            what=f"a year of issues, one an hour: {issues:,} x 192 slots",
            measured=f"{year['seconds']:.1f} s",
            ratio=f"{1e3 * year['seconds'] / issues:.2f} ms an issue",
            target="at most 60 s",
        ),
    ]


def _plan_lines(home: Path) -> list[Line]:
    """Return time and memory of a plan on scenarios as a whole process."""
    plan = [sys.executable, "-m", "runners.cli", "plan", "--no-plot"]
    plan += ["--config", str(home / "config.yaml"), "--at", PLANNED_AT.isoformat()]
    plan += ["--out", str(home / "out")]
    measured(plan)  # compiles
    seconds, memory = zip(*(measured(plan) for _ in range(_PLAN_RUNS)), strict=True)
    return [
        Line(
            what="`darkstar plan --no-plot` with a trained model, on scenarios, whole process",
            measured=f"{sorted(seconds)[_PLAN_RUNS // 2]:.2f} s",
            target="at most 1.5 s",
        ),
        Line(
            what="its memory (maximum resident set)",
            measured=f"{max(memory):.0f} MB",
            target="at most 200 MB",
        ),
    ]


def _scenario_lines(median: dict[str, float]) -> list[Line]:
    """Return what plans on 14 scenarios take."""
    alone = median["engine_plan"]
    rows = (
        ("engine, re-plan on 14 scenarios: the curve that dispatch needs", "scenario_replan[0.5]"),
        ("engine, Planner.plan on 14 scenarios, whole", "scenario_plan[storage]"),
        ("HiGHS, Planner.plan on 14 scenarios, whole", "scenario_plan[highs]"),
    )
    return [
        Line(
            what=what,
            measured=f"{1e3 * median[name]:.2f} ms",
            ratio=f"{median[name] / alone:.1f} x Planner.plan by the engine without",
        )
        for what, name in rows
    ]


def _loop_line(home: Path) -> Line:
    """Return a month in closed loop, forecasts and scenarios made on the way."""
    found = probe("loop", home)
    slots = round(found["slots"])
    return Line(
        what=f"closed loop of {LOOP_DAYS} days on Aurora's scenarios, engine, "
        "forecasts made from the store as well",
        measured=f"{found['seconds']:.1f} s",
        ratio=f"{slots / found['seconds']:,.0f} slots/s",
    )
