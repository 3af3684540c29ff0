"""Augmented histories: seeded, the same from every window, and consistent through the forecasts."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.asof import BaselineForecasts
from sim.augment import Kind, Scenario, augmented, scenarios
from sim.errors import KnownInputsError, ScenarioError
from sim.facts import Facts
from sim.history import realised
from sim.planning import known_inputs, read_spot
from telemetry.slots import slot_range
from telemetry.store import Store
from tests.sim.simulation_cases import house, make_store, start_of
from tests.sim.test_planning import QUARTER, VILLA, new_store

FIRST, LAST = start_of(date(2025, 3, 14)), start_of(date(2025, 4, 4))
NOON = start_of(date(2025, 3, 28)) + timedelta(hours=12)
_, LOAD_NOISE, PV_SCALE, PRICE_SHIFT = scenarios(4, 7)
CHANNELS = ("load_kwh", "pv_kwh")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_store(tmp_path_factory.mktemp("augment") / "facts.sqlite")
    with Store.open(path, read_only=True) as found:
        yield found


@pytest.fixture
def gappy(tmp_path: Path) -> Iterator[Store]:
    """Three slots: a number, nothing, zero."""
    with Store.open(new_store(tmp_path / "facts.sqlite"), system_id="test") as found:
        found.put_home(VILLA)
        slots = slot_range(FIRST, FIRST + 3 * QUARTER)
        values = np.array([0.8, np.nan, 0.0])
        for channel in (*CHANNELS, "import_kwh"):
            found.put_observations(
                "villa", channel, slots, values, known_at=slots + 4000, provenance="import"
            )
        found.put_prices(
            "SE4", source="m", currency="SEK", start=FIRST, slot_minutes=15,
            values=values - 0.1, issued_at=FIRST,
        )  # fmt: skip
        yield found


def test_names_kinds_and_parameters() -> None:
    kinds = ["load-noise", "pv-scale", "price-shift", "load-noise", "pv-scale"]
    names = [f"{n}-{kind}" for n, kind in enumerate(kinds, start=1)]
    assert [s.name for s in scenarios(6, 0)] == ["0-recorded", *names]
    found = scenarios(6, 3)
    assert [s.name for s in found] == ["0-recorded", *(f"{name}-seed3" for name in names)]
    assert found[0].changes() == {}
    assert found[1].changes() == {"seed": 3.0, "load_day_spread": 0.25, "load_slot_spread": 0.1}
    assert scenarios(4, 3) == found[:4]
    for scenario in (s for seed in range(50) for s in scenarios(7, seed)):
        changes = scenario.changes()
        assert changes == scenario.changes()
        assert 0.6 <= changes.get("pv_factor", 1.0) <= 1.4
        assert abs(changes.get("price_shift_per_kwh", 0.0)) <= 0.25
        assert all(value == round(value, 4) for value in changes.values())


def test_history_as_recorded_knows_no_seed() -> None:
    assert scenarios(1, 99) == scenarios(1, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scenarios(0, 0), "scenarios is 0, want 1 or more"),
        (lambda: scenarios(2, -1), r"number and seed is \(1, -1\), want 0 or more"),
        (
            lambda: Scenario(number=2, kind=Kind.RECORDED, seed=0),
            "scenario is 2-recorded, want number 0 for the history as recorded",
        ),
        (lambda: Scenario(number=0, kind=Kind.PV_SCALE, seed=0), "scenario is 0-pv-scale, want"),
    ],
)
def test_refuses_scenarios_that_are_none(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ScenarioError, match=message):
        make()


def test_the_first_scenario_is_the_store_itself(store: Store) -> None:
    assert augmented(store, house(), scenarios(1, 0)[0]) is store


@settings(max_examples=40)
@given(
    first=st.integers(0, 1900),
    slots=st.integers(1, 300),
    scenario=st.sampled_from([LOAD_NOISE, PV_SCALE]),
)
def test_a_slot_has_one_value_whatever_is_read(
    store: Store, first: int, slots: int, scenario: Scenario
) -> None:
    whole = augmented(store, house(), scenario).observations("villa", CHANNELS, FIRST, LAST)
    start = FIRST + first * QUARTER
    part = augmented(store, house(), scenario).observations(
        "villa", CHANNELS[::-1], start, min(start + slots * QUARTER, LAST)
    )
    for name in CHANNELS:
        np.testing.assert_array_equal(part.of(name), whole.of(name)[first : first + slots])


def test_a_scenario_changes_its_own_channel_and_nothing_else(store: Store) -> None:
    asked = ("villa", CHANNELS, FIRST, LAST)
    plain = store.observations(*asked)
    changed = {}
    for scenario in (*scenarios(7, 7)[1:], *scenarios(4, 8)[1:]):
        seen = augmented(store, house(), scenario).observations(*asked)
        np.testing.assert_array_equal(seen.known_at, plain.known_at)
        np.testing.assert_array_equal(seen.quality, plain.quality)
        own = {Kind.LOAD_NOISE: ["load_kwh"], Kind.PV_SCALE: ["pv_kwh"]}.get(scenario.kind, [])
        differ = [n for n in CHANNELS if not np.array_equal(seen.of(n), plain.of(n))]
        assert differ == own
        changed[scenario] = seen.values
    for kind in (Kind.LOAD_NOISE, Kind.PV_SCALE):
        values = [v for s, v in changed.items() if s.kind is kind]
        assert len(values) == 3
        assert not any(np.array_equal(one, other) for one, other in pairwise([*values, values[0]]))


def test_load_noise_is_even_handed_and_never_negative(store: Store) -> None:
    asked = ("villa", ["load_kwh"], FIRST, LAST)
    plain = store.observations(*asked).values[0]
    ratios = np.concatenate(
        [
            augmented(store, house(), Scenario(number=1, kind=Kind.LOAD_NOISE, seed=seed))
            .observations(*asked)
            .values[0]
            / plain
            for seed in range(20)
        ]
    )
    assert ratios.min() > 0.0
    # 420 days of spread 0.25: the mean is known to 0.25 / 420 ** 0.5 = 0.012.
    assert ratios.mean() == pytest.approx(1.0, abs=0.05)
    assert np.log(ratios).std() == pytest.approx((0.25**2 + 0.1**2) ** 0.5, rel=0.15)


def test_pv_is_scaled_by_what_the_row_says(store: Store) -> None:
    factor = PV_SCALE.changes()["pv_factor"]
    assert factor != 1.0
    plain = store.observations("villa", ["pv_kwh"], FIRST, LAST).values
    seen = augmented(store, house(), PV_SCALE).observations("villa", ["pv_kwh"], FIRST, LAST)
    np.testing.assert_array_equal(seen.values, factor * plain)


def test_forecasts_of_scaled_pv_are_scaled_forecasts(store: Store) -> None:
    model, factor = house(), PV_SCALE.changes()["pv_factor"]
    window = (NOON, NOON + timedelta(hours=6))
    plain = BaselineForecasts(store, model, *window).known(0, 24)
    seen = BaselineForecasts(augmented(store, model, PV_SCALE), model, *window).known(0, 24)
    np.testing.assert_allclose(seen.pv_kwh, factor * plain.pv_kwh, rtol=1e-12)
    np.testing.assert_array_equal(seen.load_kwh, plain.load_kwh)
    np.testing.assert_array_equal(seen.import_price, plain.import_price)
    happened = [
        realised(facts, model, *window).pv_kwh
        for facts in (store, augmented(store, model, PV_SCALE))
    ]
    np.testing.assert_array_equal(happened[1], factor * happened[0])


@pytest.mark.parametrize("scenario", [LOAD_NOISE, PV_SCALE, PRICE_SHIFT], ids=lambda s: s.name)
def test_forecasts_at_once_are_those_of_a_moment(store: Store, scenario: Scenario) -> None:
    model = house()
    facts = augmented(store, model, scenario)
    known = BaselineForecasts(facts, model, NOON, NOON + QUARTER).known(0, 1)
    want = known_inputs(facts, model, NOON).horizon
    for name in ("load_kwh", "pv_kwh", "import_price", "export_price"):
        np.testing.assert_allclose(
            getattr(known, name)[0, :192], np.asarray(getattr(want, name)), atol=1e-12
        )


def test_prices_are_shifted_in_the_currency_of_the_home(store: Store) -> None:
    model, shift = house(), PRICE_SHIFT.changes()["price_shift_per_kwh"]
    facts = augmented(store, model, PRICE_SHIFT)
    slots = slot_range(NOON, NOON + timedelta(days=2))
    for at in (None, NOON):  # with the day after tomorrow, and without
        plain, seen = (read_spot(source, model, slots, at) for source in (store, facts))
        np.testing.assert_allclose(seen.values, plain.values + shift, rtol=0.0, atol=1e-12)
        assert seen.newest_issue == plain.newest_issue
        assert np.isnan(seen.values).any() == (at is not None)


def test_prices_that_no_plan_uses_need_no_rate(gappy: Store) -> None:
    """Prices in NOK beside those that the home pays; only what is used must have a rate."""
    slots = slot_range(FIRST, FIRST + QUARTER)
    gappy.put_prices(
        "SE4", source="m", currency="NOK", start=FIRST, slot_minutes=15,
        values=np.ones(3), issued_at=FIRST,
    )  # fmt: skip
    shift = PRICE_SHIFT.changes()["price_shift_per_kwh"]
    facts = augmented(gappy, house(), PRICE_SHIFT)
    assert read_spot(facts, house(), slots, None).values == pytest.approx(0.7 + shift)
    with pytest.raises(KnownInputsError, match="are in NOK, the home pays in SEK"):
        read_spot(facts, house(), slots + 900, None)


def test_missing_stays_missing_and_zero_stays_zero(gappy: Store) -> None:
    model = house(price_currency="SEK")
    end = FIRST + 3 * QUARTER
    for scenario in (LOAD_NOISE, PV_SCALE):
        seen = augmented(gappy, model, scenario).observations(
            "villa", [*CHANNELS, "import_kwh"], FIRST, end
        )
        for name in CHANNELS:
            assert np.isnan(seen.of(name)).tolist() == [False, True, False]
            assert seen.of(name)[2] == 0.0
        assert seen.of("import_kwh")[0] == 0.8
    prices = augmented(gappy, model, PRICE_SHIFT).prices("SE4", FIRST, end)
    shift = PRICE_SHIFT.changes()["price_shift_per_kwh"]
    np.testing.assert_allclose(prices.values, [0.7 + shift, np.nan, -0.1 + shift])
    nothing = augmented(gappy, model, PRICE_SHIFT).prices("SE4", end, end + QUARTER)
    assert np.isnan(nothing.values).all()


def test_the_newest_reading_is_changed_alike(gappy: Store) -> None:
    def newest(facts: Facts, at: datetime) -> float:
        found = facts.latest("villa", "load_kwh", as_of=at, not_before=FIRST)
        assert found is not None
        return found.value

    facts = augmented(gappy, house(), LOAD_NOISE)
    want = facts.observations("villa", ["load_kwh"], FIRST, FIRST + QUARTER).values[0, 0]
    assert newest(facts, FIRST + timedelta(seconds=4000)) == want != 0.8
    assert facts.latest("villa", "load_kwh", as_of=FIRST, not_before=FIRST) is None
