"""A house over the two days on which the clocks change, in a store, for the tests of simulations.

Load, PV, prices and weather are those of the demo year. Load and PV come by the hour: every quarter
of an hour is known at the hour's end. Prices are published at 13:15 the day before. The house has
a name, a place and panels, none of which belongs into an episode.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from mpc import Tariff
from sim.augment import Scenario, scenarios
from sim.facts import Facts
from sim.planning import HomeModel
from sim.simulation import Chain, ChosenDay, StartSoc, choose_days
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.quality_table import DayClass, DayQuality
from telemetry.schema import prices, slot_observations
from telemetry.slots import local_day, to_epoch
from telemetry.store import Store
from tests.sim.test_asof import demo_year
from tests.sim.test_planning import RATE, STOCKHOLM, VILLA, make_model, midnight, new_store

SPRING = date(2025, 3, 30)
"""92 slots."""
AUTUMN = date(2025, 10, 26)
"""100 slots."""
STORED = {
    "spring": (date(2025, 3, 14), date(2025, 4, 4)),
    "autumn": (date(2025, 10, 12), date(2025, 10, 31)),
}
HOME = replace(VILLA, name="Villa Solbacken", latitude=55.605, longitude=13.0038)
TARIFF = Tariff(zone=STOCKHOLM, transfer_fee=0.2456, energy_tax=0.439, vat=0.25)
RECORDED = scenarios(1, 0)[0]
HASH = "0123456789abcdef"
EVERY = frozenset(DayClass)


def house(**changes: object) -> HomeModel:
    """The house as it is planned."""
    return make_model(**({"home": HOME, "tariff": TARIFF} | changes))  # type: ignore[arg-type]


def make_store(path: Path) -> Path:
    """Write the days around both clock changes."""
    with Store.open(new_store(path), system_id="test") as store, store.transaction():
        store.put_home(HOME)
        for first, last in STORED.values():
            put_house(store, first, last)
    return path


def put_house(store: Store, first: date, last: date) -> None:
    """Write the local days in [first, last)."""
    year, begin, end = demo_year(), to_epoch(midnight(first)), to_epoch(midnight(last))
    inside = (year.slot_start >= begin) & (year.slot_start < end)
    slots = year.slot_start[inside]
    known_at = (slots // 3600 + 1) * 3600
    for channel, values in (("load_kwh", year.load_kwh), ("pv_kwh", year.pv_kwh)):
        store.put_observations(
            "villa", channel, slots, values[inside], known_at=known_at, provenance="import"
        )
    for issue in year.weather_forecasts:
        if begin <= to_epoch(issue.issued_at) < end:
            store.put_weather(
                "villa",
                source="demo",
                kind="forecast",
                variables=issue.variables,
                issued_at=issue.issued_at,
                start=issue.start,
                slot_minutes=issue.slot_minutes,
                values=issue.values,
            )
    for k in range((last - first).days):
        put_spot(store, first + timedelta(days=k))


def put_spot(store: Store, day: date, *, least: float | None = None) -> None:
    """Publish the prices of a day on its eve; with ``least`` one slot at noon costs so much."""
    year, (begin, end) = demo_year(), local_day(day, STOCKHOLM)
    first = int(np.searchsorted(year.slot_start, to_epoch(begin)))
    values = year.spot_eur_per_kwh[first : first + (end - begin) // timedelta(minutes=15)].copy()
    if least is not None:
        values[48] = least / RATE
    store.put_prices(
        "SE4",
        source="market",
        currency="EUR",
        start=begin,
        slot_minutes=15,
        values=values,
        issued_at=begin - timedelta(hours=10, minutes=45),
    )


def unpublish(store: Store, day: date) -> None:
    """Delete the prices of a day."""
    with store._write() as conn:
        conn.execute(sa.delete(prices).where(prices.c.start == start_of(day)))


def forget(store: Store, channel: str, moment: datetime) -> None:
    """Leave a slot of a channel without a number, as a repair does."""
    table = slot_observations
    here = (table.c.channel == channel) & (table.c.slot_start == moment)
    with store._write() as conn:
        assert conn.execute(sa.update(table).where(here).values(value=None)).rowcount == 1


def judge(store: Store, day: date, day_class: DayClass) -> None:
    """Store a verdict on a day."""
    begin, end = local_day(day, STOCKHOLM)
    verdict = DayQuality(
        local_date=day,
        day_start=begin,
        day_class=day_class,
        reference="none",
        slots=(end - begin) // timedelta(minutes=15),
        counts={},
        reasons=(),
        checked_at=end,
    )
    store.put_day_quality("villa", [verdict])


def days_of(
    facts: Facts, first: date, end: date, model: HomeModel | None = None
) -> tuple[ChosenDay, ...]:
    """Choose every day of a window of which the facts are complete."""
    return choose_days(
        facts, model or house(), first, end, classes=EVERY, every_day=True, judged={}
    )


def make_chain(
    facts: Facts,
    first: date,
    end: date,
    *,
    model: HomeModel | None = None,
    scenario: Scenario = RECORDED,
    days: tuple[ChosenDay, ...] | None = None,
    soc_kwh: float = 5.0,
    engine: str = "auto",
    manual: tuple[ManualBlock, ...] = (),
) -> Chain:
    """A chain over [first, end), from 5 kWh."""
    model = model or house()
    return Chain(
        facts,
        model,
        days or days_of(facts, first, end, model),
        scenario,
        StartSoc(soc_kwh=soc_kwh, source="recorded"),
        system_id="simulation",
        config_hash=HASH,
        engine=engine,
        manual=manual,
    )


def a_block(start: datetime, hours: float, **changes: object) -> ManualBlock:
    """A hold, asked for a day before it begins."""
    facts: dict[str, Any] = {
        "block_id": "one",
        "kind": BlockKind.HOLD,
        "start": start,
        "end": start + timedelta(hours=hours),
        "target_soc": None,
        "created_at": start - timedelta(days=1),
    }
    return ManualBlock(**(facts | changes))


def start_of(day: date) -> datetime:
    """Return the start of a day in Stockholm, UTC."""
    return local_day(day, STOCKHOLM)[0]
