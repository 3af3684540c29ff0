"""Markdown of the forecast tables: tables, percent, and targets with a plain yes or no."""

import math
from collections.abc import Iterable, Sequence

__all__ = ["at_least", "between", "number", "percent", "table", "targets"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table whose first ``left`` columns are text and whose others are numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def percent(ratio: float) -> str:
    """Return a ratio as percent, "-" where there is none."""
    return "-" if math.isnan(ratio) else f"{round(100.0 * ratio, 1) + 0.0:.1f} %"


def number(value: float) -> str:
    """Return a number with two digits, "-" where there is none."""
    return "-" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"


def targets(*lines: str) -> str:
    """Return targets as a list below a table."""
    return "\nTargets:\n\n" + "".join(f"- {line}\n" for line in lines)


def at_least(what: str, found: float, least: float, aim: float | None = None) -> str:
    """Say whether a ratio is at least as large as it should be."""
    wanted = f"at least {percent(least)}" + ("" if aim is None else f" (aim {percent(aim)})")
    return f"{what}, {wanted}: {percent(found)}. Reached: {_yes(reached=found >= least)}"


def between(what: str, found: Sequence[float], low: float, high: float) -> str:
    """Say whether all of some ratios lie where they should."""
    reached = all(low <= one <= high for one in found)
    wanted = f"{percent(low)} to {percent(high)}"
    span = f"{percent(min(found))} to {percent(max(found))}"
    return f"{what}, {wanted}: {span}. Reached: {_yes(reached=reached)}"


def _yes(*, reached: bool) -> str:
    """Say yes or no."""
    return "**yes**" if reached else "**no**"
