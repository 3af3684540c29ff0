"""``darkstar prices backfill``: day-ahead prices of days past, page by page, newest first.

It can be stopped and run again: a day that is complete in the store from this provider is not asked
for again. Newest first, because that is what plans and forecasts need, and because a provider that
refuses a day for its age refuses all before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from runners.config import Config, load_config
from runners.dates import refuse_reversed, utc_now
from runners.errors import EX_DATAERR, EX_USAGE, ConfigError, Problem
from runners.output import console, write_json
from runners.prices import Market, fetch_page, markets_of, open_provider, pages, stored
from runners.store_access import open_store
from telemetry.errors import PeerAuthError
from telemetry.market import DayAhead, EnergyCharts, StoredDay, days_between, market_day
from telemetry.store import Store

__all__ = ["checked_days", "day_spans", "progress_bar", "run_prices_backfill"]

_MOST_SPANS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketReport:
    """What the store has of one market's days now.

    Attributes:
        days: how many were wanted.
        before: of these, complete before this run.
        complete: complete now.
        partial: days with some prices, or with preliminary ones.
        missing: days without any.
        refused: why the provider does not give the oldest days, if it said so.
    """

    area: str
    currency: str
    days: int
    before: int
    complete: int
    partial: tuple[date, ...]
    missing: tuple[date, ...]
    refused: str | None


def run_prices_backfill(
    *,
    config_path: Path,
    start_date: date,
    end_date: date | None = None,
    home_id: str | None = None,
    provider_name: str = EnergyCharts.name,
    json_path: str | None = None,
    provider: DayAhead | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Fetch the delivery days from ``start_date`` to ``end_date`` (included; default: today).

    Returns:
        0; 65 if a day is not complete after all.

    Raises:
        ConfigError: the dates cannot be, or no home has an area.
        TelemetryError: the provider or the store failed; what was fetched before is stored, and
            reported.
    """
    config = load_config(config_path)
    now = clock()
    today = market_day(now)
    days = checked_days(start_date, end_date or today, today + timedelta(days=1))
    job = _Job(config=config, days=days, now=now, json_path=json_path)
    if provider is not None:
        return job.run(provider, home_id)
    with open_provider(provider_name) as opened:
        return job.run(opened, home_id)


def checked_days(first: date, last: date, newest: date) -> list[date]:
    """The days from the first to the last.

    Raises:
        ConfigError: the last lies before the first, or after the newest there can be.
    """
    if last > newest:
        message = f"{last} is not there yet; give {newest} or earlier"
        raise ConfigError("--end-date", [Problem("", "", message)], exit_code=EX_USAGE)
    refuse_reversed(first, last)
    return days_between(first, last)


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; what it yields is called with how many days more are done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} days"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda days: bar.advance(task, days)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One run over all markets."""

    config: Config
    days: list[date]
    now: datetime
    json_path: str | None

    def run(self, provider: DayAhead, home_id: str | None) -> int:
        """Fill every market and report; the report comes also where something ends it early."""
        markets = markets_of(self.config, home_id, provider)
        notes: dict[str, None] = {}
        refused: dict[Market, str] = {}
        with open_store(self.config) as store:
            before = {one: stored(store, provider, one, self.days) for one in markets}
            try:
                self._fill(store, provider, before, notes, refused)
            finally:  # also Ctrl-C: pages before it are in the store
                reports = [
                    _report(one, days, stored(store, provider, one, self.days), refused.get(one))
                    for one, days in before.items()
                ]
                self._tell(provider, reports, list(notes))
        return EX_DATAERR if any(one.complete < one.days for one in reports) else 0

    def _fill(
        self,
        store: Store,
        provider: DayAhead,
        before: dict[Market, list[StoredDay]],
        notes: dict[str, None],
        refused: dict[Market, str],
    ) -> None:
        """Fetch what is not complete, page by page."""
        total = sum(not day.complete for days in before.values() for day in days)
        with progress_bar(f"prices from {provider.name}", total) as advance:
            for market, days in before.items():
                wanted = [day.day for day in days if not day.complete]
                for page in pages(wanted, provider.page_days):
                    try:
                        notes |= dict.fromkeys(fetch_page(store, provider, market, page, self.now))
                    except PeerAuthError as err:
                        refused[market] = str(err)
                        break
                    advance(len(page))

    def _tell(
        self, provider: DayAhead, reports: Sequence[MarketReport], notes: Sequence[str]
    ) -> None:
        out = console(self.json_path)
        out.print(_table(f"{provider.name}: {self.days[0]} to {self.days[-1]}", reports))
        for one in reports:
            for word, days in (("partial", one.partial), ("missing", one.missing)):
                if days:
                    out.print(f"{one.area}: {word}: {day_spans(days)}", soft_wrap=True)
            if one.refused:
                out.print(one.refused, style="yellow", soft_wrap=True)
        for note in notes:
            out.print(note, soft_wrap=True)
        if self.json_path is not None:
            write_json(self.json_path, {"markets": reports, "notes": notes})


def _report(
    market: Market, before: Sequence[StoredDay], now: Sequence[StoredDay], refused: str | None
) -> MarketReport:
    return MarketReport(
        area=market.area,
        currency=market.currency,
        days=len(now),
        before=sum(day.complete for day in before),
        complete=sum(day.complete for day in now),
        partial=tuple(d.day for d in now if not d.complete and (d.known or d.early)),
        missing=tuple(d.day for d in now if not d.known and not d.early),
        refused=refused,
    )


def _table(title: str, reports: Sequence[MarketReport]) -> Table:
    """Return one row per market, in delivery days."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = title, "left"
    for name in ("area", "currency"):
        table.add_column(name, no_wrap=True)
    for name in ("days", "there before", "complete", "partial", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in reports:
        counts = (one.days, one.before, one.complete, len(one.partial), len(one.missing))
        table.add_row(one.area, one.currency, *(str(n) for n in counts))
    return table


def day_spans(days: Sequence[date]) -> str:
    """Ascending days as text, those that follow each other as a span."""
    spans: list[list[date]] = []
    for day in days:
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1] = [spans[-1][0], day]
        else:
            spans.append([day])
    texts = [" to ".join(str(day) for day in span) for span in spans]
    more = [f"and {len(texts) - _MOST_SPANS} more spans"] if len(texts) > _MOST_SPANS else []
    return ", ".join([*texts[:_MOST_SPANS], *more])
