"""The replay tables in Markdown: money, shares of the oracle's gain, regret, what was replayed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import timedelta

from runners.results_homes import Period
from runners.results_replay import Case, Course, Line, Paid, Split
from sim.planning import zone_of
from telemetry.slots import zone_info

__all__ = ["HEADLINE_HEAD", "headline_rows", "replay_tables"]

_COMPARED = tuple(c for c in Course if c not in {Course.NO_BATTERY, Course.ORACLE})
_MINUTE = timedelta(minutes=1)

_FLAT = (
    "Hourly and half-hourly readings are held flat over their quarters, so the error within them "
    "is absent from these shares"
)
HEADLINE_HEAD = (
    "| home | readings | battery | no battery | self-consumption | value dispatch "
    "| its share of the oracle's gain | oracle |\n"
    "|---|---|---|---:|---:|---:|---:|---:|\n"
)


def headline_rows(lines: Iterable[Line]) -> str:
    """Return rows below ``HEADLINE_HEAD``."""
    return "".join(
        f"| {line.home_id} | {_flat(line.readings)} | {line.battery} "
        f"| {_sek(line.per_day(Course.NO_BATTERY))} | {_sek(line.per_day(Course.SELF_USE))} "
        f"| {_sek(line.per_day(Course.VALUE))} "
        f"| {_percent(line.share(Course.VALUE, Course.ORACLE))} "
        f"| {_sek(line.per_day(Course.ORACLE))} |\n"
        for line in lines
    )


def replay_tables(cases: Sequence[Case], lines: Sequence[Line]) -> str:
    """Return every table of a replay, with headings."""
    rolling = [course for course in _COMPARED if course is not Course.ROLLING]
    parts = [
        ("Money, SEK a day", _money(lines)),
        (
            "Share of the gain of the oracle",
            f"{_FLAT}.\n\n{_shares(lines, _COMPARED, Course.ORACLE)}",
        ),
        (
            "Share of the gain of the rolling oracle, which sees 48 h",
            f"{_FLAT}.\n\n{_shares(lines, rolling, Course.ROLLING)}",
        ),
        ("Where mode dispatch (engine) loses against the oracle, SEK a day", _regret(lines)),
        ("Slots in which a grid limit was broken", _broken(lines)),
        ("What was replayed", _windows(cases)),
        ("What is missing", _gaps(cases)),
    ]
    return "\n".join(f"### {title}\n\n{text}" for title, text in parts if text)


def _table(head: Sequence[str], left: int, rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first ``left`` columns are text and whose others are numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _money(lines: Sequence[Line]) -> str:
    """Return what every course cost."""
    rows = [
        [line.home_id, line.battery, *(_sek(line.per_day(course)) for course in Course)]
        for line in lines
    ]
    return _table(["home", "battery", *Course], 2, rows)


def _shares(lines: Sequence[Line], courses: Sequence[Course], best: Course) -> str:
    """Return the gain of courses as a share of that of ``best``."""
    rows = [
        [
            line.home_id,
            _flat(line.readings),
            line.battery,
            *(_percent(line.share(course, best)) for course in courses),
        ]
        for line in lines
    ]
    return _table(["home", "readings", "battery", *courses], 3, rows)


def _regret(lines: Sequence[Line]) -> str:
    """Return the parts of the regret; they add up to the first column."""
    names = [field.name for field in fields(Split)]
    rows = [
        [
            line.home_id,
            line.battery,
            *(_sek(getattr(line.split, name) / line.days) for name in names),
        ]
        for line in lines
    ]
    head = ["regret", "dispatch", "load", "PV", "price horizon and terminal value"]
    return _table(["home", "battery", *head], 2, rows)


def _broken(lines: Sequence[Line]) -> str:
    """Return who broke limits how often; "" where nobody did."""
    courses = [c for c in Course if any(c in o.paid and o.paid[c].broken_slots for o in lines)]
    rows = [
        [line.home_id, line.battery, *(_count(line.paid.get(course)) for course in courses)]
        for line in lines
        if any(paid.broken_slots for paid in line.paid.values())
    ]
    return _table(["home", "battery", *courses], 2, rows) if rows else ""


def _windows(cases: Sequence[Case]) -> str:
    """Return homes, prices and windows in local days, both included."""
    rows = [
        [
            case.home.home_id,
            case.home.prices,
            _flat(case.readings),
            ", ".join(_local_days(case, window) for window in case.windows) or "none",
            f"{sum(window.days for window in case.windows):.0f}",
            f"{sum(case.bridged):.0f}",
        ]
        for case in cases
    ]
    head = ["home", "prices", "readings", "local days", "days", "PV slots bridged"]
    return _table(head, 4, rows)


def _gaps(cases: Sequence[Case]) -> str:
    """Return what is missing, folded away; "" where nothing is."""
    rows = [
        [case.home.home_id, f"{gap.start:%Y-%m-%d %H:%M}", f"{gap.end:%Y-%m-%d %H:%M}", gap.channel]
        for case in cases
        for gap in case.gaps
    ]
    if not rows:
        return ""
    table = _table(["home", "from, UTC", "to, UTC", "missing"], 4, rows)
    return f"<details><summary>{len(rows)} gaps</summary>\n\n{table}\n</details>\n"


def _local_days(case: Case, window: Period) -> str:
    """Return the first and the last local day of a window."""
    zone = zone_info(zone_of(case.home.model))
    first, last = (at.astimezone(zone).date() for at in (window.start, window.end - _MINUTE))
    return f"{first} to {last}"


def _flat(readings: str) -> str:
    """Say that readings are held flat where they are."""
    return readings if readings.endswith("min") else f"{readings}, held flat"


def _count(paid: Paid | None) -> str:
    """Return the broken slots, "-" where nothing was replayed."""
    return "-" if paid is None else str(paid.broken_slots)


def _sek(value: float | None) -> str:
    """Return money with two digits, without a minus before zero."""
    return _number(value, lambda v: f"{round(v, 2) + 0.0:.2f}")


def _percent(ratio: float | None) -> str:
    """Return a ratio as percent."""
    return _number(ratio, lambda r: f"{round(100.0 * r, 1) + 0.0:.1f} %")


def _number(value: float | None, text: Callable[[float], str]) -> str:
    """Return a number as text, "-" where there is none."""
    return "-" if value is None else text(value)
