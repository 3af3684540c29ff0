"""What meters recorded: missing slots counted and named, prices as a replay has them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mpc import Battery, Tariff
from sim.history import Gap, realised
from sim.metered import meter_totals, read_meters, slot_prices
from telemetry.home import Home
from telemetry.slots import slot_range
from telemetry.store import Store
from tests.mpc.instances import make_site
from tests.sim.test_planning import (
    QUARTER,
    STOCKHOLM,
    VILLA,
    fill,
    make_model,
    midnight,
    new_store,
    put_days,
    put_prices,
)

FIRST, END = date(2025, 10, 24), date(2025, 10, 28)
"""Four days, the third of 25 hours."""
START, STOP = midnight(FIRST), midnight(END)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as opened:
        with opened.transaction():
            fill(opened, VILLA, date(2025, 10, 20), date(2025, 10, 30))
        yield opened


def put(
    store: Store, channel: str, start: datetime, end: datetime, value: float, home: str = "villa"
) -> None:
    """Write one number into all slots of a window."""
    slots = slot_range(start, end)
    store.put_observations(
        home,
        channel,
        slots,
        np.full(slots.size, value),
        known_at=slots + 900,
        provenance="import",
    )


def test_a_month_without_a_reading_of_the_grid_has_no_meters(store: Store) -> None:
    assert read_meters(store, make_model(), START, STOP) is None
    put(store, "import_kwh", START, STOP, 0.5)
    assert read_meters(store, make_model(), START, STOP) is None, "what is fed in is not known"
    put(store, "export_kwh", START, START + QUARTER, 0.1)
    assert read_meters(store, make_model(), START, STOP) is not None


def test_slots_without_a_reading_are_named(store: Store) -> None:
    noon = START + timedelta(hours=12)
    put(store, "import_kwh", START, noon, 0.5)
    put(store, "import_kwh", noon + 3 * QUARTER, STOP, 0.5)
    put(store, "export_kwh", START, STOP - 2 * QUARTER, 0.25)
    meters = read_meters(store, make_model(), START, STOP)
    assert meters is not None
    assert len(meters) == 4 * 96 + 4
    assert (meters.wear_known, meters.stored_known) == (False, False)
    assert meters.gaps() == (
        Gap(start=noon, end=noon + 3 * QUARTER, channel="import_kwh"),
        Gap(start=STOP - 2 * QUARTER, end=STOP, channel="export_kwh"),
    )
    days = [midnight(FIRST + timedelta(days=n)) for n in range(5)]
    assert [meters.fault(*day) for day in pairwise(days)] == [
        "import_kwh has no reading in 3 of 96 slots",
        "",
        "",
        "export_kwh has no reading in 2 of 96 slots",
    ]


def test_the_battery_is_asked_for_where_it_was_ever_recorded(store: Store) -> None:
    for channel in ("import_kwh", "export_kwh"):
        put(store, channel, START, STOP, 0.5)
    second = midnight(date(2025, 10, 25))
    put(store, "discharge_kwh", second, STOP, 0.1)
    put(store, "soc_end", START - QUARTER, START, 0.3)
    put(store, "soc_start", second, second + QUARTER, 0.5)
    third = midnight(date(2025, 10, 26))
    put(store, "soc_end", third - QUARTER, third, 0.8)
    put(store, "soc_start", third, third + QUARTER, 0.9)
    meters = read_meters(store, make_model(), START, STOP)
    assert meters is not None
    # The slot that ends at a midnight counts before the one that begins there; 10 kWh in all.
    stored = meters.stored_kwh[[0, 96, 192]]
    np.testing.assert_allclose(stored, [3.0, 5.0, 8.0])
    assert meters.fault(START, second) == "discharge_kwh has no reading in 96 of 96 slots"
    assert meters.fault(second, third) == ""
    fourth = midnight(date(2025, 10, 27))
    told = "the state of charge at its midnights was not recorded"
    assert meters.fault(third, fourth) == told


def test_a_house_that_has_nothing_to_feed_in_needs_no_meter_for_it(tmp_path: Path) -> None:
    flat = Home(home_id="flat", zone=STOCKHOLM, area="SE4")
    model = make_model(
        flat, site=make_site(Battery(capacity_kwh=0.0, max_charge_kw=0.0, max_discharge_kw=0.0))
    )
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        store.put_home(flat)
        put(store, "import_kwh", START, STOP, 0.5, "flat")
        meters = read_meters(store, model, START, STOP)
    assert meters is not None
    assert not meters.export_kwh.any()
    assert meters.gaps() == ()


@pytest.mark.parametrize("settlement", [15, 60, "month"])
def test_prices_are_those_of_a_replay(store: Store, settlement: int | str) -> None:
    tariff = Tariff(
        zone=STOCKHOLM,
        transfer_fee=0.25,
        vat=0.25,
        import_settlement_minutes=settlement,
        export_settlement_minutes=settlement,
    )
    model = make_model(tariff=tariff)
    real = realised(store, model, START, STOP, after_hours=0)
    imports, exports = slot_prices(store, model, START, STOP)
    np.testing.assert_allclose(imports, real.import_price, rtol=1e-12)
    np.testing.assert_allclose(exports, real.export_price, rtol=1e-12)


def test_totals_count_what_was_read_and_priced(tmp_path: Path) -> None:
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as store:
        store.put_home(VILLA)
        put_days(store, VILLA, "pv_kwh", lambda _: 0.0, (FIRST, END))
        put_prices(store, FIRST, date(2025, 10, 25))
        put(store, "import_kwh", START + QUARTER, STOP, 0.5)
        put(store, "export_kwh", START, STOP, 0.2)
        model = make_model()
        meters = read_meters(store, model, START, STOP)
        assert meters is not None
        prices = slot_prices(store, model, START, STOP)
    totals = meter_totals(meters, *prices)
    # Prices of the first day alone are known, and its first slot has no reading.
    assert (totals.slots, totals.counted) == (388, 95)
    assert totals.import_kwh == pytest.approx(95 * 0.5)
    spot = 11.0 * (0.24 + np.arange(1, 96) / 10_000)
    assert totals.bill == pytest.approx(float((0.3 * spot).sum()), abs=1e-9)
    assert datetime(2025, 10, 23, 22, tzinfo=UTC) == START
