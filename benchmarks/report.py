"""``make bench``: run the benchmarks once, print one table of ratios, write docs/benchmarks.md."""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.forecast import measured
from benchmarks.report_episodes import episode_lines
from benchmarks.report_forecast import forecast_lines
from benchmarks.report_line import Line
from benchmarks.report_replay import replay_lines
from benchmarks.report_rlenv import rlenv_lines
from benchmarks.report_whatif import whatif_lines
from runners.results_page import machine

PAGE = Path("docs/benchmarks.md")
_PROCESS_RUNS = 7
_HEAD = "| what | median | ratio | target |\n|---|---:|---:|---:|\n"
_REPLAY = """The storage engine plans the same 192 slots; closed loops plan 48 h at every slot of a
demo year. In arrays: every day's forecasts were made before the clock started (320 MB a year). The
loops whose forecasts come from the store, and first uses, are single runs, no medians.

"""
_FORECASTS = """The demo year: quarter-hourly readings of load and PV, weather forecasts as issued.
Training, the year and the closed loop are single runs; the plan looks back with a model trained
until that midnight.

"""
_EPISODES = """Whole commands on the demo home, whose days are judged on the spot; single runs.

"""
_WHATIF = """The demo home; the year is a single run of the whole command.

"""
_ENVIRONMENTS = """Days of the demo home, one thread, random actions, resets among the steps.

"""


def main() -> int:
    """Run, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        medians = _run_benchmarks(Path(folder))
        lines = _planner_lines(medians) + _process_lines(Path(folder))
        lines += _telemetry_lines(medians)
        replayed = replay_lines(medians, Path(folder))
        forecasts = forecast_lines(medians, Path(folder))
        episodes = episode_lines(medians, Path(folder))
        asked = whatif_lines(medians, Path(folder))
    table = f"{_HEAD}{_text(lines)}\n## Replay\n\n{_REPLAY}{_HEAD}{_text(replayed)}"
    table += f"\n## Forecasts\n\n{_FORECASTS}{_HEAD}{_text(forecasts)}"
    table += f"\n## Episodes\n\n{_EPISODES}{_HEAD}{_text(episodes)}"
    table += f"\n## Environments\n\n{_ENVIRONMENTS}{_HEAD}{_text(rlenv_lines(medians))}"
    table += f"\n## What if\n\n{_WHATIF}{_HEAD}{_text(asked)}"
    stamp = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, highspy {_version('highspy')}."
    sys.stdout.write(f"{stamp}\n\n{table}")
    PAGE.write_text(_page(stamp, table), encoding="utf-8")
    return 0


def _text(lines: Sequence[Line]) -> str:
    """Return lines of a table."""
    return "".join(line.text() for line in lines)


def _run_benchmarks(folder: Path) -> dict[str, float]:
    """Return median seconds by test name."""
    out = folder / "bench.json"
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", f"--benchmark-json={out}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(out.read_text(encoding="utf-8"))["benchmarks"]
    return {b["name"].removeprefix("test_"): float(b["stats"]["median"]) for b in found}


def _planner_lines(median: dict[str, float]) -> list[Line]:
    """Return the lines of the planner: ratios to raw HiGHS and to a cold plan."""
    raw, cold = median["raw_highspy"], median["plan_cold"]
    rows = (
        ("raw highspy, its own options: passModel + run", "raw_highspy", raw, "raw", "1"),
        ("raw highspy, our options", "raw_highspy_with_our_options", raw, "raw", ""),
        ("Planner.plan, cold", "plan_cold", raw, "raw", "at most 1.3 raw"),
        ("Planner.plan, cold", "plan_cold", median["raw_highspy_with_our_options"], "our raw", ""),
        ("re-plan, all moved one slot", "plan_again_one_slot_later", cold, "cold", "at most 0.35"),
        ("cvxpy, built and solved", "reference[cvxpy]", raw, "raw", ""),
        ("Pyomo, built and solved", "reference[pyomo]", raw, "raw", ""),
        ("Planner.plan, 96 slots, cold", "plan_other_horizons[T=96]", cold, "cold", ""),
        ("Planner.plan, 672 slots, cold", "plan_other_horizons[T=672]", cold, "cold", ""),
    )
    return [
        Line(
            what=what,
            measured=f"{1e3 * median[name]:.2f} ms",
            ratio=f"{median[name] / base:.2f} x {unit}",
            target=target,
        )
        for what, name, base, unit, target in rows
    ]


def _telemetry_lines(median: dict[str, float]) -> list[Line]:
    """Return the lines of the ETL, and of five months out of a real Home Assistant."""
    lines = [
        Line(
            what=f"meter to slots, 3 million readings, {kind}",
            measured=f"{1e3 * median[f'etl_counter[{kind}]']:.0f} ms",
            ratio=f"{3.0 / median[f'etl_counter[{kind}]']:.0f} million/s",
            target="at least 2 million/s",
        )
        for kind in ("plain", "noise", "daily")
    ]
    whole, alone = (
        median.get(name) for name in ("five_months_backfilled_and_judged", "five_months_read_alone")
    )
    if whole is None or alone is None:  # no Home Assistant here
        return lines
    return [
        *lines,
        Line(
            what="Home Assistant's hours, 5 months x 3 channels, read alone",
            measured=f"{alone:.2f} s",
            ratio="1.00 x read",
            target="",
        ),
        Line(
            what="the same backfilled and validated (two commands)",
            measured=f"{whole:.2f} s",
            ratio=f"{whole / alone:.0f} x read",
            target="at most 20 s",
        ),
    ]


def _process_lines(folder: Path) -> list[Line]:
    """Return time and memory of ``darkstar plan --no-plot`` as a whole process."""
    darkstar = [sys.executable, "-m", "runners.cli"]
    home = folder / "home"
    demo = [*darkstar, "demo", "--no-plot", "--out", str(home)]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
    plan = [*darkstar, "plan", "--no-plot", "--config", str(home / "config.yaml")]
    plan += ["--at", "2025-10-25T14:00Z", "--out", str(folder / "out")]
    seconds, memory = zip(*(measured(plan) for _ in range(_PROCESS_RUNS)), strict=True)
    middle = _PROCESS_RUNS // 2
    return [
        Line(
            what="`darkstar plan --no-plot`, whole process",
            measured=f"{sorted(seconds)[middle]:.2f} s",
            ratio="",
            target="at most 1.2 s",
        ),
        Line(
            what="its memory (maximum resident set)",
            measured=f"{max(memory):.0f} MB",
            ratio="",
            target="at most 160 MB",
        ),
    ]


def _version(package: str) -> str:
    """Return the installed version of a package."""
    from importlib.metadata import version  # noqa: PLC0415 - only needed here

    return version(package)


def _page(stamp: str, table: str) -> str:
    """Return docs/benchmarks.md."""
    return (
        "# Benchmarks\n\nMade by `make bench`: planning 192 slots of the demo home with one 10 kWh "
        "battery, turning readings into slots, and reading the demo home out of a real Home "
        "Assistant 2024.3.3 on the same machine; ratios measured in one run.\n\n"
        f"{stamp} Platform {platform.system()} {platform.machine()}.\n\n{table}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
