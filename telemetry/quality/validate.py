"""Verdicts on days: all checks over every local day, into ``data_quality_daily``.

Only days that have ended are judged. Without a reference the internal checks alone decide, and the
row says ``none``. The same facts give the same rows: ``checked_at`` is when a verdict last changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from telemetry.channels import Channel
from telemetry.home import Home
from telemetry.limits import Limits
from telemetry.quality.balance import check_balance
from telemetry.quality.compare import check_reference
from telemetry.quality.findings import Check, Finding
from telemetry.quality.missing import check_bits, check_missing
from telemetry.quality.reference import HourlyReference
from telemetry.quality.soc import check_soc, midnight_faults
from telemetry.quality.values import (
    check_dark_day,
    check_dark_hours,
    check_night,
    check_spikes,
    check_units,
)
from telemetry.quality.window import Day, read_window, whole_days
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import from_epoch

if TYPE_CHECKING:
    from telemetry.store import Store

NO_REFERENCE, HOURLY_REFERENCE = "none", "statistics_hourly"
CHECKS: tuple[Callable[[Day], Iterator[Finding]], ...] = (
    check_missing,
    check_spikes,
    check_units,
    check_soc,
    check_balance,
    check_night,
    check_dark_day,
    check_dark_hours,
    check_bits,
)
_BATTERY_FAULTS = frozenset({Check.SOC_RANGE, Check.SOC_JUMP, Check.BATTERY, Check.BALANCE})


def validate(
    store: Store,
    home: Home,
    *,
    channels: Sequence[Channel],
    limits: Limits,
    first: date,
    last: date,
    reference: HourlyReference | None,
    now: datetime,
) -> tuple[DayQuality, ...]:
    """Judge the local days from ``first`` to ``last`` that have ended, and write the verdicts.

    Args and errors as those of ``judge``; the store is open for writing.
    """
    verdicts = judge(
        store,
        home,
        channels=channels,
        limits=limits,
        first=first,
        last=last,
        reference=reference,
        now=now,
    )
    store.put_day_quality(home.home_id, verdicts)
    return verdicts


def judge(
    store: Store,
    home: Home,
    *,
    channels: Sequence[Channel],
    limits: Limits,
    first: date,
    last: date,
    reference: HourlyReference | None,
    now: datetime,
) -> tuple[DayQuality, ...]:
    """Judge the local days from ``first`` to ``last`` that have ended; write nothing.

    Args:
        store: it has the home.
        home: with its zone.
        channels: those that are configured; others are not looked at, nor is one on days before
            its first number ever, see ``window``.
        limits: what they can carry.
        first: local day.
        last: local day, included.
        reference: Home Assistant's hours over these days; ``None``: there is none.
        now: the moment.

    Raises:
        HomeError: the zone of the home is unknown.
        MissingExtraError: pvlib is not installed, and PV at night is to be looked for.
        StoreError: the store cannot be read.
    """
    dates = whole_days(home, first, last, now)
    if not dates:
        return ()
    window = read_window(store, home, channels, limits, dates)
    days = [window.day(local_date) for local_date in dates]
    found = [list(_findings(day, reference)) for day in days]
    faults = [_battery_faults(findings) for findings in found]
    for findings, finding in zip(found, midnight_faults(days, faults), strict=True):
        if finding is not None:
            findings.append(finding)
    return tuple(
        _verdict(day, findings, reference, now) for day, findings in zip(days, found, strict=True)
    )


def _findings(day: Day, reference: HourlyReference | None) -> Iterator[Finding]:
    """All that the checks of one day find."""
    for check in CHECKS:
        yield from check(day)
    if reference is not None:
        yield from check_reference(day, reference)


def _battery_faults(findings: Iterable[Finding]) -> int:
    """How many findings put the battery of a day in doubt."""
    return sum(
        found.check in _BATTERY_FAULTS and found.severity is not DayClass.CLEAN
        for found in findings
    )


def _verdict(
    day: Day, findings: Sequence[Finding], reference: HourlyReference | None, now: datetime
) -> DayQuality:
    """Join the findings of a day: the gravest decides, and is told first."""
    counts: Counter[str] = Counter()
    for found in findings:
        counts[found.check.value] += found.count
    told = sorted((f for f in findings if f.sentence), key=lambda f: -f.severity.rank)
    reasons: dict[str, str] = {}
    for found in told:
        reasons.setdefault(found.topic or found.sentence, found.sentence)
    return DayQuality(
        local_date=day.local_date,
        day_start=from_epoch(day.start),
        day_class=max((f.severity for f in findings), key=lambda c: c.rank, default=DayClass.CLEAN),
        reference=NO_REFERENCE if reference is None else HOURLY_REFERENCE,
        slots=day.slots,
        counts=dict(counts),
        reasons=tuple(reasons.values()),
        checked_at=now,
    )
