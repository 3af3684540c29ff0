"""``darkstar prices``: day-ahead prices of today and tomorrow, and of the past, into the store.

The store is the cache: a delivery day that is complete there is not asked for again. The delivery
day is the CET day, 12:45 and 23:45 are market time (Europe/Brussels). Tomorrow is asked for from
12:45 on; with ``--wait`` every 5 minutes until it is complete, at the latest 23:45. Prices are
asked for in the home's ``price_currency``, else its currency, else EUR. As every job it keeps
``runners.contract``.

Exit codes: 0 all there; 75 a day is not complete yet. Of a backfill: 65 where days are missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from runners.config import Config, load_config
from runners.contract import JobRun, job_run, job_store
from runners.errors import EX_TEMPFAIL, ConfigError, Problem
from runners.output import console, write_json
from telemetry.errors import MissingExtraError, PeerError, SeriesError, TelemetryError
from telemetry.market import (
    DayAhead,
    EnergyCharts,
    NordPool,
    StoredDay,
    market_day,
    put_day,
    stored_days,
)
from telemetry.slots import MARKET_ZONE, zone_info
from telemetry.store import Store

__all__ = ["Market", "open_provider", "priced_homes", "run_prices"]

POLL_SECONDS = 300.0
_NAP_SECONDS = 900.0
_NOT_PUBLISHED = "not published"
_OPENS, _CLOSES = (12, 45), (23, 45)
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """An area whose prices are wanted, and the currency they are asked for in."""

    area: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """What the store has of one delivery day now.

    Attributes:
        state: ``complete``, ``partial``, ``preliminary``, ``not published`` or ``not reached``.
        known: quarters with a final price.
        slots: quarters of the day.
    """

    area: str
    currency: str
    day: date
    state: str
    known: int
    slots: int
    issued_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What one round of asking came to.

    Attributes:
        at: when.
        asked: days that were asked for.
        refused: areas that the provider does not know: no use to wait for them.
    """

    at: datetime
    days: tuple[DayReport, ...]
    asked: int
    errors: tuple[TelemetryError, ...]
    notes: tuple[str, ...]
    refused: frozenset[str]

    @property
    def done(self) -> bool:
        """Whether every day that can come is complete."""
        return all(day.state == "complete" or day.area in self.refused for day in self.days)


@contextmanager
def open_provider(name: str) -> Iterator[DayAhead]:
    """A provider of prices, ``nordpool`` or ``energy_charts``, as long as the block lasts."""
    if name == NordPool.name:
        yield NordPool()
        return
    try:
        import httpx  # noqa: PLC0415 - of the extra "live"
    except ImportError as err:
        raise MissingExtraError("httpx", "live", "prices of energy-charts") from err
    with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
        yield EnergyCharts(client)


def run_prices(
    *,
    config_path: Path,
    home_id: str | None = None,
    provider_name: str = NordPool.name,
    wait: bool = False,
    json_path: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
    provider: DayAhead | None = None,
    clock: Callable[[], datetime] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Fetch today's and tomorrow's prices of every home's area, and report.

    Returns:
        0; 75 if a day that should be there is not complete.

    Raises:
        ConfigError: no home has an area, or the clock is wrong.
        TelemetryError: the provider or the store failed; what was fetched before is stored.
    """
    with job_run("prices", home_id=home_id, now=now, clock=clock, dry_run=dry_run) as run:
        config = load_config(config_path)
        homes = priced_homes(config, home_id)
        if not run.begins(config, homes):
            return 0
        with nullcontext(provider) if provider else open_provider(provider_name) as opened:
            markets = markets_of(config, home_id, opened)
            watch = _Watch(config=config, run=run, provider=opened, markets=markets)
            found = watch.until_complete(sleep) if wait else watch.once()
        run.exit_code = 0 if found.done else EX_TEMPFAIL
        _report(found, run, json_path)
        return run.exit_code


def _report(found: _Round, run: JobRun, json_path: str | None) -> None:
    """Print and write what is there now; raise the first failure."""
    out = console(json_path)
    out.print(_table(found.days))
    for note in found.notes:
        out.print(note, soft_wrap=True)
    if run.dry_run:
        out.print("a dry run: nothing was written")
    if json_path is not None:
        write_json(json_path, {"days": found.days, "errors": [str(e) for e in found.errors]})
    complete = sum(day.state == "complete" for day in found.days)
    run.tell(days=len(found.days), complete=complete, asked=found.asked)
    if found.errors:
        raise found.errors[0]


def priced_homes(config: Config, home_id: str | None) -> list[str]:
    """Homes with an area, or the one that is named.

    Raises:
        ConfigError: the home, or every home, has no area.
    """
    homes = [config.pick_home(home_id)] if home_id is not None else list(config.homes)
    found = [one for one in homes if config.home_config(one).area is not None]
    if not found:
        message = "missing; the area of its prices, e.g. se4"
        raise ConfigError(str(config.path), [Problem(f"homes.{homes[0]}.area", "", message)])
    return found


def markets_of(config: Config, home_id: str | None, provider: DayAhead) -> list[Market]:
    """Areas of the homes (or of one), each once; homes without an area are left out unless named.

    Raises:
        ConfigError: the home, or every home, has no area.
    """
    found: dict[Market, None] = {}
    for one in priced_homes(config, home_id):
        given = config.home_config(one)
        own = given.price_currency or config.home_currency(one)
        found[Market(area=given.area or "", currency=provider.currency_for(own))] = None
    return list(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """Asking a provider for what the store lacks, once or until it is there."""

    config: Config
    run: JobRun
    provider: DayAhead
    markets: list[Market]

    def once(self) -> _Round:
        """Ask for today, and from 12:45 on for tomorrow."""
        now = self.run.moment()
        today = market_day(now)  # another one if the machine slept past midnight
        is_open = now >= _market_time(today, _OPENS)
        days = (today, today + timedelta(days=1)) if is_open else (today,)
        return self._round(days, now)

    def until_complete(self, sleep: Callable[[float], None]) -> _Round:
        """Ask again and again until tomorrow is complete; return the last round."""
        closes = _market_time(market_day(self.run.moment()), _CLOSES)
        errors = Console(stderr=True, highlight=False, markup=False)
        while True:
            found = self.once()
            now = found.at
            opens = _market_time(market_day(now), _OPENS)
            if now >= closes or (now >= opens and found.done):
                return found
            for error in found.errors:
                errors.print(f"{now:%Y-%m-%d %H:%M} UTC: {error}", style="yellow", soft_wrap=True)
            # A machine that slept must not sleep on: short naps, and the clock is asked again.
            left = (opens - now).total_seconds()
            sleep(POLL_SECONDS if now >= opens else min(left, _NAP_SECONDS))

    def _round(self, days: Sequence[date], now: datetime) -> _Round:
        """Fetch what is not complete; an area that fails does not stop the others."""
        with job_store(self.config, self.run) as store:
            self.run.check_clock(store, self.run.homes)
            found = [self._market(store, market, days, now) for market in self.markets]
        return _Round(
            at=now,
            days=tuple(day for one in found for day in one.days),
            asked=sum(one.asked for one in found),
            errors=tuple(error for one in found for error in one.errors),
            notes=tuple(dict.fromkeys(note for one in found for note in one.notes)),
            refused=frozenset[str]().union(*(one.refused for one in found)),
        )

    def _market(self, store: Store, market: Market, days: Sequence[date], now: datetime) -> _Round:
        """Fetch what is not complete of one market."""
        provider, notes = self.provider, dict[str, None]()
        error: PeerError | SeriesError | None = None
        wanted = [d.day for d in stored(store, provider, market, days) if not d.complete]
        answered = set(days) - set(wanted)
        try:
            for page in reversed(pages(wanted, provider.page_days)):  # today is urgent
                notes |= dict.fromkeys(fetch_page(store, provider, market, page, now))
                answered.update(page)
        except (PeerError, SeriesError) as err:
            error = err
        there = stored(store, provider, market, days)
        return _Round(
            at=now,
            days=tuple(_day_report(market, d, answered=d.day in answered) for d in there),
            asked=len(wanted),
            errors=() if error is None else (error,),
            notes=tuple(notes),
            refused=frozenset([market.area] if isinstance(error, SeriesError) else []),
        )


def _market_time(day: date, at: tuple[int, int]) -> datetime:
    """An hour and minute of a day on the market's wall clock, UTC."""
    local = datetime(day.year, day.month, day.day, *at, tzinfo=zone_info(MARKET_ZONE))
    return local.astimezone(UTC)


def stored(
    store: Store, provider: DayAhead, market: Market, days: Sequence[date]
) -> list[StoredDay]:
    """What the store has of consecutive days of a market from this provider.

    Days complete from Nord Pool count for the others too: their assumed times of issue are later
    than the recorded ones, and would win.
    """
    names = dict.fromkeys((NordPool.name, provider.name))
    found = [stored_days(store, name, market.area, market.currency, days) for name in names]
    return [
        next((day for day in same if day.complete), same[-1]) for same in zip(*found, strict=True)
    ]


def pages(days: Sequence[date], size: int) -> list[list[date]]:
    """Ascending days in groups, the newest first, none of which spans more than ``size`` days."""
    found: list[list[date]] = []
    for day in reversed(days):
        if found and (found[-1][0] - day).days < size:
            found[-1].append(day)
        else:
            found.append([day])
    return [page[::-1] for page in found]


def fetch_page(
    store: Store, provider: DayAhead, market: Market, page: Sequence[date], now: datetime
) -> list[str]:
    """Fetch and store the days of a page in one transaction; return what the provider notes."""
    found = provider.fetch(market.area, page[0], page[-1], market.currency, now)
    wanted = set(page)
    with store.transaction():
        for day in found:
            if day.day in wanted:
                put_day(store, day)
    return list(dict.fromkeys(day.note for day in found if day.note))


def _day_report(market: Market, day: StoredDay, *, answered: bool) -> DayReport:
    state = state_of(day)
    return DayReport(
        area=market.area,
        currency=market.currency,
        day=day.day,
        state=state if answered or state != _NOT_PUBLISHED else "not reached",
        known=day.known,
        slots=day.slots,
        issued_at=day.issued_at,
    )


def state_of(day: StoredDay) -> str:
    """A word for what is there of a day."""
    if day.complete:
        return "complete"
    if day.early:
        return "preliminary"
    return "partial" if day.known else _NOT_PUBLISHED


def _table(days: Sequence[DayReport]) -> Table:
    """Return one row per area and day."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = "day-ahead prices", "left"
    for name in ("area", "currency", "delivery day", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("quarters", justify="right", no_wrap=True)
    table.add_column("issued (UTC)", no_wrap=True)
    for day in days:
        issued = f"{day.issued_at:%Y-%m-%d %H:%M}" if day.issued_at else ""
        counts = f"{day.known}/{day.slots}"
        table.add_row(day.area, day.currency, str(day.day), day.state, counts, issued)
    return table


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("prices")
