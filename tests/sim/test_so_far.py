"""Today's savings and the regret of days, by a house's own meters.

The house is that of ``tests.sim.test_planning`` with the prices and meters that each test gives it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mpc import Battery
from mpc.rules import rules_of, slot_limits
from sim.dispatch import HOLD, SELF_USE
from sim.planning import HomeModel
from sim.slots import CHARGE, COLUMNS, DISCHARGE, EXPORT, IMPORT, SOC, run_policy
from sim.so_far import day_regret, so_far
from telemetry.arrays import F64
from telemetry.slots import slot_range, to_epoch
from telemetry.store import Store
from tests.mpc.instances import make_site
from tests.sim.test_planning import VILLA, fill, make_model, new_store

DAY = date(2025, 6, 12)
MIDNIGHT = datetime(2025, 6, 11, 22, 0, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12)
NEXT = MIDNIGHT + timedelta(days=1)
BATTERY = Battery(
    capacity_kwh=10.0,
    max_charge_kw=5.0,
    max_discharge_kw=5.0,
    charge_efficiency=0.9,
    discharge_efficiency=0.9,
    wear_cost_per_kwh=0.1,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as opened:
        fill(opened, VILLA, date(2025, 6, 1), date(2025, 6, 15))
        yield opened


@pytest.fixture
def model() -> HomeModel:
    return make_model(site=make_site(battery=BATTERY))


def put(store: Store, channel: str, start: datetime, values: F64) -> None:
    slots = to_epoch(start) + 900 * np.arange(values.size, dtype=np.int64)
    store.put_observations("villa", channel, slots, values, known_at=slots + 900, provenance="live")


def live(
    store: Store, model: HomeModel, code: int, start: datetime, end: datetime, stored: float = 5.0
) -> F64:
    """Let the battery do as a policy says, and its meters record it; return (N, 9) rows."""
    slots = slot_range(start, end)
    seen = store.observations("villa", ["load_kwh", "pv_kwh"], start, end)
    series = np.column_stack([seen.of("load_kwh"), seen.of("pv_kwh"), np.zeros((slots.size, 2))])
    rows = np.empty((slots.size, len(COLUMNS)))
    table = slot_limits(model.site, np.full(slots.size, 0.25))
    run_policy(code, stored, series, table, rules_of(model.site, 0.0), rows)
    soc = np.concatenate([[stored], rows[:, SOC]]) / BATTERY.capacity_kwh
    for name, values in (
        ("import_kwh", rows[:, IMPORT]),
        ("export_kwh", rows[:, EXPORT]),
        ("charge_kwh", rows[:, CHARGE]),
        ("discharge_kwh", rows[:, DISCHARGE]),
        ("soc_start", soc[:-1]),
        ("soc_end", soc[1:]),
    ):
        put(store, name, start, values)
    return rows


# So far


def test_a_battery_at_rest_saves_nothing(store: Store, model: HomeModel) -> None:
    live(store, model, HOLD, MIDNIGHT, NOON)
    found = so_far(store, model, NOON, 2.0)
    assert found is not None
    assert (found.slots, found.counted, found.until) == (48, 48, NOON)
    assert found.saved == pytest.approx(0.0, abs=1e-9)
    assert found.paid == pytest.approx(found.no_battery)


def test_what_it_stores_counts_at_the_energy_value(store: Store, model: HomeModel) -> None:
    rows = live(store, model, SELF_USE, MIDNIGHT, NOON)
    found = so_far(store, model, NOON, 2.0)
    assert found is not None
    gained = rows[-1, SOC] - 5.0
    assert found.stored_kwh == pytest.approx(gained)
    assert found.stored_worth == pytest.approx(2.0 * gained)
    # The tariff of the house adds nothing to spot, so it buys and sells at one price.
    spot = store.prices("SE4", MIDNIGHT, NOON).values * 11.0
    moved = rows[:, DISCHARGE] - rows[:, CHARGE]
    want = float(spot @ moved) - 0.1 * float(rows[:, DISCHARGE].sum()) + 2.0 * gained
    assert found.saved == pytest.approx(want)


def test_without_a_value_what_is_stored_does_not_count(store: Store, model: HomeModel) -> None:
    live(store, model, SELF_USE, MIDNIGHT, NOON)
    found = so_far(store, model, NOON, None)
    assert found is not None
    assert found.stored_worth is None
    assert found.saved == found.no_battery - found.paid


def test_slots_without_a_reading_are_left_out_and_told(store: Store, model: HomeModel) -> None:
    live(store, model, SELF_USE, MIDNIGHT, NOON)
    whole = so_far(store, model, NOON, 2.0)
    live(store, model, SELF_USE, MIDNIGHT, NOON - timedelta(hours=1))
    later = so_far(store, model, NOON + timedelta(hours=1), 2.0)
    assert whole is not None
    assert later is not None
    # The newest slots have no readings of the grid yet: it tells until when it counts.
    assert (later.until, later.slots, later.counted) == (NOON, 48, 48)
    assert later == whole


def test_without_meters_of_the_grid_nothing_is_said(store: Store, model: HomeModel) -> None:
    assert so_far(store, model, NOON, 2.0) is None
    assert so_far(store, model, MIDNIGHT + timedelta(minutes=1), 2.0) is None


# Regret


def test_a_day_as_the_optimum_would_have_it_has_no_regret(store: Store, model: HomeModel) -> None:
    """Constant prices: storing costs losses and wear, so a battery at rest is the best one."""
    for place in range(3):
        store.put_prices(
            "SE4",
            source="zz",
            currency="SEK",
            start=MIDNIGHT + timedelta(days=place - 1),
            slot_minutes=15,
            values=np.full(96, 1.0),
            issued_at=MIDNIGHT - timedelta(days=2),
        )
    live(store, model, HOLD, MIDNIGHT, NEXT, stored=0.0)
    found = day_regret(store, model, DAY)
    assert found.regret == pytest.approx(0.0, abs=1e-6)


def test_what_another_course_would_have_saved_is_regretted(store: Store, model: HomeModel) -> None:
    rows = live(store, model, SELF_USE, MIDNIGHT, NEXT)
    found = day_regret(store, model, DAY)
    assert found.missing == ""
    assert found.regret is not None
    assert found.regret > 0.01
    # It is bounded by what all of the day's shifting can be worth: energy times the price range.
    spot = store.prices("SE4", MIDNIGHT, NEXT).values * 11.0
    moved = float((rows[:, CHARGE] + rows[:, DISCHARGE]).sum()) + 20.0
    assert found.regret < moved * float(spot.max())


@pytest.mark.parametrize(
    ("channel", "missing"),
    [
        ("load_kwh", "load of 1 slots"),
        ("import_kwh", "import_kwh of 1 slots"),
        ("soc", "the state of charge at its midnights"),
    ],
)
def test_a_day_with_a_gap_is_not_judged(
    store: Store, model: HomeModel, channel: str, missing: str
) -> None:
    live(store, model, SELF_USE, MIDNIGHT, NEXT)
    with store._write() as conn:
        where = f"channel LIKE '{channel}%' AND slot_start = {to_epoch(MIDNIGHT)}"
        conn.exec_driver_sql(f"DELETE FROM slot_observations WHERE {where}")  # noqa: S608
    found = day_regret(store, model, DAY)
    assert (found.regret, found.missing) == (None, missing)


def test_a_day_without_meters_is_not_judged(store: Store, model: HomeModel) -> None:
    assert day_regret(store, model, DAY).missing == "readings of the grid"
