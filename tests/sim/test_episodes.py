"""Reading recorded episodes: filters, streams, stacks; from whatever yields rows."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mpc import Plan
from sim.episode_format import EpisodeArrays
from sim.episodes import read_episodes, stack
from sim.errors import EpisodeError
from telemetry.episode import Episode, EpisodeFilter
from telemetry.home import Home
from telemetry.store import Store
from tests.sim.test_episode_format import CONTEXT, episode_of, plan_of
from tests.sim.test_planning import QUARTER, STOCKHOLM, new_store

MIDNIGHT = datetime(2025, 7, 31, 22, tzinfo=UTC)
"""The 1st of August in Stockholm."""
FIRST = date(2025, 8, 1)
CLASSES = ("clean", "", "mask_battery")


def at(plan: Plan, start: datetime) -> Plan:
    """The same plan from another moment on."""
    return replace(plan, start=start)


def days_of(home_id: str, scenario: str) -> list[Episode]:
    """Three days of three episodes each; every day has a quality class of its own."""
    plan, found = plan_of(), []
    for day, quality in enumerate(CLASSES):
        for slot in range(3):
            start = MIDNIGHT + day * timedelta(days=1) + slot * QUARTER
            found.append(
                episode_of(
                    at(plan, start),
                    home_id=home_id,
                    scenario=scenario,
                    local_day=FIRST + timedelta(days=day),
                    context=replace(CONTEXT, quality_class=quality),
                )
            )
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two homes, one of them in two scenarios: 27 episodes."""
    path = new_store(tmp_path_factory.mktemp("episodes") / "store.sqlite")
    with Store.open(path, system_id="simulation") as store:
        for home_id, scenarios in (("a", ["0-recorded"]), ("b", ["0-recorded", "1-load-noise"])):
            store.put_home(Home(home_id=home_id, zone=STOCKHOLM))
            for scenario in scenarios:
                store.put_episodes(home_id, days_of(home_id, scenario))
        yield store


def test_all_of_them_come_by_home_and_start(store: Store) -> None:
    found = list(read_episodes(store))
    assert len(found) == 27
    keys = [(one.home_id, one.start, one.episode_id) for one in found]
    assert keys == sorted(keys)
    assert len(set(keys)) == 27
    assert all(isinstance(one, EpisodeArrays) for one in found)


def test_filters_by_home_scenario_days_and_quality(store: Store) -> None:
    def count(**wanted: object) -> int:
        return len(list(read_episodes(store, **wanted)))  # type: ignore[arg-type]

    assert count(home_id="a") == 9
    assert count(scenario="0-recorded") == 18
    assert count(home_id="a", scenario="1-load-noise") == 0
    assert count(system_id="simulation") == 27
    assert count(system_id="prod") == 0
    assert count(engine="highs") == 27
    assert count(engine="storage") == 0
    assert count(first_day=date(2025, 8, 2)) == 18
    assert count(first_day=date(2025, 8, 2), last_day=date(2025, 8, 2)) == 9
    assert count(day_classes={"clean"}) == 9
    assert count(day_classes=["", "mask_battery"]) == 18
    assert count(day_classes=()) == 0


def test_what_comes_is_what_was_planned(store: Store) -> None:
    plan = plan_of()
    (found,) = (one for one in read_episodes(store, home_id="a") if one.start == MIDNIGHT + QUARTER)
    assert found.local_day == FIRST
    np.testing.assert_allclose(found.soc_kwh, plan.soc_kwh, atol=1e-4)
    np.testing.assert_allclose(found.charge_kwh, plan.charge_kwh, atol=2e-4)
    again = found.plan()
    assert isinstance(again, Plan)
    assert again.objective == plan.objective
    assert again.explain()[0].split("(")[0] == at(plan, found.start).explain()[0].split("(")[0]


def test_a_stream_reads_no_more_than_it_is_asked_for() -> None:
    taken: list[int] = []

    class Endless:
        def episodes(self, wanted: EpisodeFilter) -> Iterator[Episode]:
            assert wanted == EpisodeFilter(home_id="a")
            for n in range(1_000_000):
                taken.append(n)
                yield episode_of(at(plan_of(), MIDNIGHT + n * QUARTER))

    first = next(iter(read_episodes(Endless(), home_id="a")))
    assert first.start == MIDNIGHT
    assert taken == [0]


def test_days_in_the_wrong_order_are_refused(store: Store) -> None:
    with pytest.raises(EpisodeError, match="2025-08-02 to 2025-08-01: the last day is before"):
        read_episodes(store, first_day=date(2025, 8, 2), last_day=date(2025, 8, 1))


def test_a_stack_has_a_row_for_each(store: Store) -> None:
    found = stack(read_episodes(store, home_id="a"), ["import_price", "observed_load_kwh"])
    assert set(found) == {"import_price", "observed_load_kwh"}
    assert found["import_price"].shape == (9, 96)
    assert np.isnan(found["observed_load_kwh"]).sum() == 9
    np.testing.assert_array_equal(found["import_price"][0, :20], np.full(20, 0.7))


def test_a_stack_of_different_horizons_is_refused() -> None:
    long, short = plan_of(), plan_of(pv_kwh=np.zeros(96))
    part = replace(
        short,
        **{
            name: getattr(short, name)[:48]
            for name in (
                "slot_minutes",
                "import_price",
                "export_price",
                "load_kwh",
                "pv_kwh",
                "charge_kwh",
                "discharge_kwh",
                "import_kwh",
                "export_kwh",
                "curtail_kwh",
                "soc_kwh",
                "min_soc_kwh",
                "max_soc_kwh",
                "energy_value_up",
                "energy_value_down",
            )
        },
    )
    both = _Rows([episode_of(long), episode_of(part)])
    with pytest.raises(EpisodeError, match="import_price has 48 slots, those before it 96"):
        stack(read_episodes(both), ["import_price"])


class _Rows:
    """A source of given rows."""

    def __init__(self, rows: list[Episode]) -> None:
        self.rows = rows

    def episodes(self, wanted: EpisodeFilter) -> Iterator[Episode]:
        assert wanted == EpisodeFilter()
        return iter(self.rows)


def test_a_store_without_episodes_yields_none(tmp_path: Path) -> None:
    with Store.open(new_store(tmp_path / "empty.sqlite"), read_only=True) as store:
        assert list(read_episodes(store)) == []
        assert stack(read_episodes(store), ["soc_kwh"])["soc_kwh"].shape == (0,)
