"""``darkstar prices``: what is asked for, how long, and what is told; a fake clock, a local server.

Market time in November is CET, UTC + 1: 12:45 is 11:45 UTC, 23:45 is 22:45 UTC.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from runners.cli import app
from runners.errors import ConfigError
from runners.prices import pages, run_prices
from runners.prices_backfill import day_spans, run_prices_backfill
from telemetry.errors import PeerReplyError, PeerUnreachableError, SeriesError
from telemetry.market import EnergyCharts, NordPool
from telemetry.store import Store
from tests.telemetry.market.replies import charts_reply, midnight, nordpool_reply
from tests.telemetry.web import Answer, Query, Web, serving

TODAY, TOMORROW = date(2025, 11, 5), date(2025, 11, 6)
OPENS = datetime(2025, 11, 5, 11, 45, tzinfo=UTC)
HOME = (
    "{zone: Europe/Stockholm, area: %s, currency: %s, "
    "grid: {max_import_kw: 11, max_export_kw: 11}, tariff: {}}"
)


@dataclass(slots=True)
class Clock:
    """A clock that only ``sleep`` moves."""

    now: datetime
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds > 0.0
        self.naps.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, villa=("se4", "SEK"))


def write_config(folder: Path, **homes: tuple[str, str]) -> Path:
    lines = [f"  {name}: {HOME % facts}" for name, facts in homes.items()]
    path = folder / "config.yaml"
    path.write_text("homes:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@dataclass(slots=True)
class Market:
    """A server that publishes each day at a moment, by a clock of its own.

    Attributes:
        final_at: when tomorrow is final.
        early_at: when it is preliminary.
    """

    clock: Clock
    final_at: datetime = OPENS
    early_at: datetime = OPENS
    change: Callable[[dict[str, Any]], object] = lambda reply: reply

    def __call__(self, _path: str, query: Query) -> Answer:
        """Answer a request for a day."""
        day = date.fromisoformat(query["date"])
        now, area = self.clock.now, query["deliveryArea"]
        if day == TOMORROW and now < self.early_at:
            return 204, None
        final = day != TOMORROW or now >= self.final_at
        reply = nordpool_reply(
            day,
            (area,),
            currency=query["currency"],
            state="Final" if final else "Preliminary",
            price=lambda _: 900.0 if final else 100.0,
            updated=None if day != TOMORROW else now.isoformat(),
        )
        self.change(reply)
        return 200, reply


def run(
    config: Path, market: Callable[[str, Query], Answer], clock: Clock, **options: Any
) -> tuple[int, Web]:
    with serving(market) as web:
        provider = NordPool(url=web.url, sleep=lambda _: None)
        options = {"sleep": clock.sleep, **options}
        code = run_prices(config_path=config, provider=provider, clock=clock, **options)
    return code, web


def days_asked(web: Web) -> list[str]:
    return [query["date"][5:] for _, query in web.asked]


@pytest.fixture
def store(config: Path) -> Iterator[Store]:
    with Store.open(config.parent / "darkstar.sqlite") as opened:
        yield opened


def test_today_and_tomorrow_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(OPENS + timedelta(minutes=30))
    code, web = run(config, Market(clock), clock)
    assert code == 0
    assert days_asked(web) == ["11-05", "11-06"]
    assert {query["currency"] for _, query in web.asked} == {"SEK"}
    shown = capsys.readouterr().out
    assert shown.count("complete") == 2
    assert "96/96" in shown
    assert max(map(len, shown.splitlines())) <= 80
    # Both are complete in the store now: nobody is asked again.
    code, web = run(config, Market(clock), clock)
    assert (code, web.asked) == (0, [])


def test_before_the_auction_today_is_enough(config: Path) -> None:
    clock = Clock(OPENS - timedelta(seconds=1))
    code, web = run(config, Market(clock), clock)
    assert (code, days_asked(web)) == (0, ["11-05"])


def test_after_the_auction_without_tomorrow(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(OPENS)
    code, _ = run(config, Market(clock, early_at=OPENS + timedelta(hours=1)), clock)
    assert code == 75
    assert "not published" in capsys.readouterr().out
    # It is asked for the next time, today is not.
    clock.now = OPENS + timedelta(hours=1)
    code, web = run(config, Market(clock, early_at=clock.now), clock)
    assert (code, days_asked(web)) == (0, ["11-06"])


def test_a_partial_day_is_no_day(
    config: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut(reply: dict[str, Any]) -> None:
        if reply["deliveryDateCET"] == "2025-11-06":
            del reply["multiAreaEntries"][95]

    clock = Clock(OPENS)
    assert run(config, Market(clock, change=cut), clock)[0] == 75
    assert "partial" in (shown := capsys.readouterr().out)
    assert "95/96" in shown
    # What is there can be used.
    assert store.prices("SE4", midnight(TOMORROW), midnight(TOMORROW) + timedelta(hours=1)).values[
        0
    ] == pytest.approx(0.9)
    code, web = run(config, Market(clock), clock)
    assert (code, days_asked(web)) == (0, ["11-06"])


def test_wait_until_tomorrow_is_final(config: Path, store: Store) -> None:
    clock = Clock(OPENS - timedelta(minutes=40))
    early, final = OPENS + timedelta(minutes=8), OPENS + timedelta(minutes=18)
    market = Market(clock, early_at=early, final_at=final)
    code, web = run(config, market, clock, wait=True)
    assert code == 0
    # 40 minutes to 12:45 in naps of at most 15; then 12:45, :50 nothing, :55, 13:00 preliminary,
    # 13:05 final.
    assert clock.naps == [900.0, 900.0, 600.0, 300.0, 300.0, 300.0, 300.0]
    assert clock.now == OPENS + timedelta(minutes=20)
    assert days_asked(web) == ["11-05"] + 5 * ["11-06"]
    begin = midnight(TOMORROW)
    seen = [
        store.prices("SE4", begin, begin + timedelta(minutes=15), as_of=moment).values[0]
        for moment in (OPENS + timedelta(minutes=m) for m in (9, 10, 19, 20))
    ]
    assert seen[1:] == [0.1, 0.1, 0.9]
    assert math.isnan(seen[0])


def test_waiting_ends_before_midnight(config: Path) -> None:
    clock = Clock(OPENS)
    never = OPENS + timedelta(days=9)
    code, web = run(config, Market(clock, early_at=never, final_at=never), clock, wait=True)
    assert code == 75
    assert clock.now == datetime(2025, 11, 5, 22, 45, tzinfo=UTC)
    # 11 hours of 12 rounds, and the last one.
    assert days_asked(web).count("11-06") == 11 * 12 + 1


def test_a_machine_that_slept_past_midnight_asks_for_the_new_tomorrow(config: Path) -> None:
    """Asleep from 12:30 to 14:00 of the next day, market time: the 6th is today by then."""
    clock = Clock(OPENS - timedelta(minutes=15))
    code, web = run(
        config, Market(clock), clock, wait=True, sleep=lambda _: clock.sleep(25.5 * 3600)
    )
    assert (code, days_asked(web)) == (0, ["11-05", "11-06", "11-07"])


def test_an_area_that_nord_pool_has_not_holds_up_nobody(tmp_path: Path) -> None:
    """And is not waited for: it is a mistake in the configuration, told at the end."""
    config = write_config(tmp_path, a=("ch", "EUR"), b=("se4", "SEK"))
    clock = Clock(OPENS)
    market = Market(clock, final_at=OPENS + timedelta(minutes=5))
    with pytest.raises(SeriesError, match="area is CH, want one that Nord Pool has"):
        run(config, market, clock, wait=True)
    assert clock.naps == [300.0]
    begin = midnight(TOMORROW)
    with Store.open(tmp_path / "darkstar.sqlite") as store:
        assert store.prices("SE4", begin, begin + timedelta(hours=1)).values[0] == 0.9


def test_waiting_outlives_an_outage(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(OPENS)
    market = Market(clock)

    def down(path: str, query: Query) -> Answer:
        return (503, {}) if clock.now < OPENS + timedelta(minutes=10) else market(path, query)

    assert run(config, down, clock, wait=True)[0] == 0
    assert clock.naps == [300.0, 300.0]
    assert capsys.readouterr().err.count("HTTP 503") == 2
    with pytest.raises(PeerUnreachableError, match="HTTP 503"):
        run(config, lambda *_: (503, {}), Clock(OPENS + timedelta(days=7)))


def test_one_area_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    config = write_config(tmp_path, a=("se3", "SEK"), b=("fi", "EUR"), c=("FI", "EUR"))
    clock = Clock(OPENS)
    market = Market(clock)

    def half(path: str, query: Query) -> Answer:
        return (200, b"{") if query["deliveryArea"] == "SE3" else market(path, query)

    with pytest.raises(PeerReplyError, match="no JSON"):
        run(config, half, clock, json_path=str(tmp_path / "out.json"))
    told = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [(d["area"], d["currency"], d["day"], d["state"]) for d in told["days"]] == [
        ("SE3", "SEK", "2025-11-05", "not reached"),
        ("SE3", "SEK", "2025-11-06", "not reached"),
        ("FI", "EUR", "2025-11-05", "complete"),
        ("FI", "EUR", "2025-11-06", "complete"),
    ]
    assert len(told["errors"]) == 1


def test_only_the_day_that_was_not_reached_is_called_so(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(OPENS)
    market = Market(clock)

    def down_tomorrow(path: str, query: Query) -> Answer:
        return (503, {}) if query["date"] == str(TOMORROW) else market(path, query)

    with pytest.raises(PeerUnreachableError, match="no answer for 2025-11-06"):
        run(config, down_tomorrow, clock)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "SE4" in line]
    assert [row[3:-1] for row in rows[1:]] == [["not", "reached"]]
    assert rows[0][3:5] == ["complete", "96/96"]
    early = Market(clock, early_at=OPENS + timedelta(hours=1))
    assert run(config, early, clock)[0] == 75
    assert "not published" in capsys.readouterr().out


def test_the_market_day_is_brussels_also_in_helsinki(tmp_path: Path) -> None:
    config = write_config(tmp_path, mokki=("fi", "EUR"))
    # 23:30 CET on the 5th is past midnight in Helsinki.
    clock = Clock(datetime(2025, 11, 5, 22, 30, tzinfo=UTC))
    code, web = run(config, Market(clock), clock)
    assert (code, days_asked(web)) == (0, ["11-05", "11-06"])


def test_currencies_asked_for(tmp_path: Path) -> None:
    config = write_config(tmp_path, a=("se4", "USD"), b=("no2", "NOK"))
    text = config.read_text(encoding="utf-8").replace("currency: NOK", "price_currency: DKK")
    config.write_text(text, encoding="utf-8")
    clock = Clock(OPENS - timedelta(hours=1))
    _, web = run(config, Market(clock), clock)
    asked = [(query["deliveryArea"], query["currency"]) for _, query in web.asked]
    assert asked == [("SE4", "EUR"), ("NO2", "DKK")]


def test_no_area_and_an_unknown_one(tmp_path: Path) -> None:
    config = write_config(tmp_path, a=("xx1", "SEK"))
    with pytest.raises(SeriesError, match="area is XX1, want one that Nord Pool has"):
        run(config, lambda *_: (204, None), Clock(OPENS))
    text = config.read_text(encoding="utf-8").replace("area: xx1, ", "")
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"homes.a.area -> missing"):
        run(config, lambda *_: (204, None), Clock(OPENS))


# Backfill


def backfill(
    config: Path,
    first: date,
    last: date | None,
    answer: Callable[[str, Query], Answer],
    *,
    now: datetime = OPENS,
    json_path: str | None = None,
) -> tuple[int, Web]:
    with serving(answer) as web, httpx.Client() as client:
        code = run_prices_backfill(
            config_path=config,
            start_date=first,
            end_date=last,
            provider=EnergyCharts(client, url=f"{web.url}/price", sleep=lambda _: None),
            clock=Clock(now),
            json_path=json_path,
        )
    return code, web


def charts(_path: str, query: Query) -> Answer:
    first, last = (date.fromisoformat(query[name]) for name in ("start", "end"))
    return 200, charts_reply(first, last)


def spans_asked(web: Web) -> list[tuple[str, str]]:
    return [(query["start"], query["end"]) for _, query in web.asked]


def test_backfill_goes_by_pages_and_resumes(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = date(2025, 3, 1), date(2025, 4, 30)

    def cut_off(path: str, query: Query) -> Answer:
        return charts(path, query) if query["end"] == "2025-04-30" else (503, {})

    with pytest.raises(PeerUnreachableError, match="HTTP 503"):
        backfill(config, first, last, cut_off)
    # 61 days: 31 to the end of April were stored and are told.
    assert "energy_charts: 2025-03-01 to 2025-04-30" in (shown := capsys.readouterr().out)
    assert "SE4: missing: 2025-03-01 to 2025-03-30" in shown
    assert "CC BY 4.0" in shown
    out = tmp_path / "out.json"
    code, web = backfill(config, first, last, charts, json_path=str(out))
    assert code == 0
    assert spans_asked(web) == [("2025-03-01", "2025-03-30")]
    (told,) = json.loads(out.read_text(encoding="utf-8"))["markets"]
    assert (told["days"], told["before"], told["complete"]) == (61, 31, 61)
    code, web = backfill(config, first, last, charts)
    assert (code, web.asked) == (0, [])


def test_backfill_tells_what_is_missing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def holed(_path: str, query: Query) -> Answer:
        first, last = (date.fromisoformat(query[name]) for name in ("start", "end"))
        reply = charts_reply(first, last)
        reply["price"][30] = None  # the seventh hour of the second day
        for name in ("price", "unix_seconds"):
            del reply[name][72:]  # from the fourth day on
        return 200, reply

    code, _ = backfill(config, date(2025, 6, 1), date(2025, 6, 5), holed)
    assert code == 65
    shown = capsys.readouterr().out
    assert "SE4: partial: 2025-06-02" in shown
    assert "SE4: missing: 2025-06-04 to 2025-06-05" in shown
    # The whole days stay, the others are asked for again.
    code, web = backfill(config, date(2025, 6, 1), date(2025, 6, 5), charts)
    assert code == 0
    assert spans_asked(web) == [("2025-06-02", "2025-06-05")]


def test_backfill_from_nord_pool_ends_where_it_is_refused(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def two_months(_path: str, query: Query) -> Answer:
        day = date.fromisoformat(query["date"])
        return (200, nordpool_reply(day)) if day >= date(2025, 9, 3) else (401, {})

    with serving(two_months) as web:
        code = run_prices_backfill(
            config_path=config,
            start_date=date(2025, 8, 20),
            end_date=date(2025, 9, 5),
            provider=NordPool(url=web.url, sleep=lambda _: None),
            clock=Clock(OPENS),
        )
    assert code == 65
    # Newest first, and one refusal is enough.
    assert days_asked(web) == ["09-05", "09-04", "09-03", "09-02"]
    shown = capsys.readouterr().out
    assert "missing: 2025-08-20 to 2025-09-02" in shown
    assert "older than it serves" in shown
    assert "--provider energy_charts" in shown


def test_the_two_providers_keep_their_own_days(config: Path, store: Store) -> None:
    """A day complete from one is still fetched from the other, and both can be read."""
    clock = Clock(OPENS)
    run(config, Market(clock), clock)
    code, web = backfill(config, TODAY, None, charts)
    assert (code, spans_asked(web)) == (0, [("2025-11-05", "2025-11-05")])
    begin, end = midnight(TODAY), midnight(TOMORROW)
    assert store.price_currencies("SE4", begin, end) == ("EUR", "SEK")
    euro = store.prices("SE4", begin, end, currency="EUR")
    assert euro.assumed.all()
    assert set(euro.values.tolist()) == {0.05}
    assert not store.prices("SE4", begin, end, currency="SEK").assumed.any()
    # The afternoon before, at 13:14 market time, they were not known yet.
    before = datetime(2025, 11, 4, 12, 14, tzinfo=UTC)
    assert store.price_currencies("SE4", begin, end, as_of=before) == ("SEK",)


def test_days_of_nord_pool_are_not_fetched_again_in_the_same_currency(tmp_path: Path) -> None:
    """Hours with an assumed time, 13:15, would hide its quarters, issued at 12:55."""
    config = write_config(tmp_path, mokki=("fi", "EUR"))
    clock = Clock(OPENS + timedelta(hours=2))
    run(config, Market(clock), clock)
    code, web = backfill(config, TODAY - timedelta(days=1), TOMORROW, charts, now=clock.now)
    assert (code, spans_asked(web)) == (0, [("2025-11-04", "2025-11-04")])
    begin = midnight(TODAY)
    with Store.open(tmp_path / "darkstar.sqlite") as store:
        found = store.prices("FI", begin, begin + timedelta(hours=1))
    assert found.values.tolist() == [0.9] * 4
    assert not found.assumed.any()


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (date(2025, 6, 2), date(2025, 6, 1), "2025-06-02 lies after the last day, 2025-06-01"),
        (date(2025, 6, 1), date(2025, 11, 7), "2025-11-07 is not there yet; give 2025-11-06"),
    ],
)
def test_impossible_dates(config: Path, first: date, last: date, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        backfill(config, first, last, charts)
    assert caught.value.exit_code == 2


def test_pages_and_spans() -> None:
    days = [date(2025, 1, d) for d in (1, 2, 3, 9, 10, 12)]
    assert pages(days, 3) == [[days[4], days[5]], [days[3]], days[:3]]
    assert pages(days, 1) == [[day] for day in reversed(days)]
    assert pages([], 31) == []
    assert day_spans(days) == "2025-01-01 to 2025-01-03, 2025-01-09 to 2025-01-10, 2025-01-12"


# The command line


def test_options_reach_the_job(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    seen: dict[str, Any] = {}

    def daily(**options: Any) -> int:
        seen.update(options)
        return 75

    monkeypatch.setattr("runners.prices.run_prices", daily)
    monkeypatch.setattr("runners.prices_backfill.run_prices_backfill", daily)
    result = CliRunner().invoke(app, ["prices", "--config", str(config), "--wait"])
    assert result.exit_code == 75
    assert (seen["config_path"], seen["wait"], seen["provider_name"]) == (config, True, "nordpool")
    result = CliRunner().invoke(app, ["prices", "backfill", "--start-date", "2025-01-01"])
    assert result.exit_code == 75
    assert (seen["start_date"], seen["end_date"]) == (date(2025, 1, 1), None)
    assert seen["provider_name"] == "energy_charts"


@pytest.mark.parametrize("command", ["prices", "weather"])
def test_options_before_the_sub_command_are_not_lost(command: str) -> None:
    result = CliRunner().invoke(
        app, [command, "--home", "x", "backfill", "--start-date", "2025-01-01"]
    )
    assert result.exit_code == 2
    assert "options go after backfill" in " ".join(result.stderr.split())
