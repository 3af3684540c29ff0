"""No observation, horizon or command holds what was not known then.

Histories are made twice, the second time of facts that differ in all that became known after a
moment: load and PV of later slots, readings that came late, prices that were published later.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlenv import History, HomeEnv, MpcPolicy, StoragePolicy, read_history
from rlenv.rollout import rollout
from sim.array_facts import ArrayFacts
from sim.demo import DEMO_HOME, DemoYear
from sim.demo_house import DEMO_CURRENCY, demo_model
from telemetry.arrays import F64, I64
from telemetry.slots import from_epoch, local_day, to_epoch
from tests.sim.test_asof import demo_year

FIRST, END = date(2025, 3, 28), date(2025, 4, 1)
"""Four days, a change of the clock among them."""
BEGIN = to_epoch(local_day(date(2025, 3, 14), "Europe/Stockholm")[0])
STOP = to_epoch(local_day(date(2025, 4, 3), "Europe/Stockholm")[0])


def facts(known_at: I64, changed_after: int | None = None) -> ArrayFacts:
    """Twenty days of the demo year; what became known after a moment is another."""
    year: DemoYear = demo_year()
    inside = (year.slot_start >= BEGIN) & (year.slot_start < STOP)
    load, pv = year.load_kwh[inside].copy(), year.pv_kwh[inside].copy()
    spot, published = year.spot_eur_per_kwh[inside].copy(), year.spot_known_at[inside]
    if changed_after is not None:
        late = known_at > changed_after
        load[late], pv[late] = load[late] + 0.7, 0.5 * pv[late] + 0.1
        spot[published > changed_after] += 0.05
    return ArrayFacts(
        DEMO_HOME,
        start=from_epoch(BEGIN),
        load_kwh=load,
        pv_kwh=pv,
        spot=spot,
        spot_known_at=published,
        area="DEMO",
        currency=DEMO_CURRENCY,
        known_at=known_at,
    )


def ends() -> I64:
    """When readings are known by the quarter: at their end."""
    return np.arange(BEGIN + 900, STOP + 900, 900, dtype=np.int64)


def hours() -> I64:
    """When readings are known by the hour: all four quarters at its end."""
    return (ends() + 2700) // 3600 * 3600


def history(known_at: I64, changed_after: int | None = None) -> History:
    return read_history(facts(known_at, changed_after), demo_model(), FIRST, END)


def seen(env: HomeEnv, day: date, slots: int) -> list[F64]:
    """What an agent sees in the first slots of a day by fixed actions, and planners beside it."""
    observation, info = env.reset(options={"day": day, "soc_kwh": 5.0})
    found: list[F64] = []
    for n in range(slots):
        horizon = info["horizon"]
        found += [observation.astype(np.float64), horizon.load_kwh, horizon.pv_kwh]
        found += [np.array(horizon.import_price), np.array(horizon.export_price)]
        found.append(np.array(horizon.terminal_value.pairs()))
        if n < slots - 1:
            observation, _, _, _, info = env.step(np.array([0.05 * (-1) ** n]))
    return found


@pytest.mark.parametrize("known_at", [ends(), hours()], ids=["quarters", "hours"])
@settings(max_examples=12)
@given(
    day=st.sampled_from([date(2025, 3, 29), date(2025, 3, 30)]),
    slot=st.integers(min_value=0, max_value=91),
)
def test_nothing_of_later_is_seen(known_at: I64, day: date, slot: int) -> None:
    moment = to_epoch(local_day(day, "Europe/Stockholm")[0]) + 900 * slot
    real, other = history(known_at), history(known_at, moment)
    before = seen(HomeEnv(real, lookahead=200), day, slot + 1)
    again = seen(HomeEnv(other, lookahead=200), day, slot + 1)
    for one, two in zip(before, again, strict=True):
        assert np.array_equal(one, two)
    later = HomeEnv(other).history, HomeEnv(real).history
    assert not np.array_equal(later[0].data.values, later[1].data.values)


def test_planners_decide_on_what_was_known() -> None:
    """The same commands until the moment from which on facts differ, whatever comes then."""
    day, slot = date(2025, 3, 29), 40
    moment = to_epoch(local_day(day, "Europe/Stockholm")[0]) + 900 * slot
    for make in (MpcPolicy, StoragePolicy):
        values = []
        for changed_after in (None, moment):
            env = HomeEnv(history(ends(), changed_after))
            lived = rollout(env, make(env.site), day=day, soc_kwh=5.0)
            values.append((lived.energy_values[:slot], lived.of("soc_kwh")[:slot]))
        assert np.array_equal(values[0][0], values[1][0])
        assert np.array_equal(values[0][1], values[1][1])


def test_the_last_net_load_is_the_newest_that_was_known() -> None:
    """By the hour the agent still sees the hour before; by the quarter the slot before."""
    day, year = date(2025, 3, 29), demo_year()
    start: datetime = local_day(day, "Europe/Stockholm")[0]
    first = int(np.searchsorted(year.slot_start, to_epoch(start)))
    net = year.load_kwh - year.pv_kwh
    for known_at, back in ((ends(), [1, 1, 1, 1, 1]), (hours(), [1, 2, 3, 4, 1])):
        found = history(known_at)
        rows = found.data.now[found.data.first[found.find(day)] :]
        column = HomeEnv(found).layout.columns("last_net_kwh").start - 1
        want = [net[first + n - back[n]] for n in range(5)]
        assert rows[:5, column].tolist() == pytest.approx(want, abs=1e-6)


def test_prices_are_published_so_far_ahead() -> None:
    """The demo market publishes at 13:15 of the day before, until the end of the next day."""
    found, day = history(ends()), date(2025, 3, 29)
    rows = found.data.now[found.data.first[found.find(day)] :]
    column = HomeEnv(found).layout.columns("published_hours").start - 1
    midnight = found.start(found.find(day))
    end = local_day(date(2025, 3, 30), "Europe/Stockholm")[1]
    assert rows[0, column] == 24.0
    assert rows[52, column] == 11.0  # 13:00
    assert rows[53, column] == (end - midnight) / timedelta(hours=1) - 13.25
