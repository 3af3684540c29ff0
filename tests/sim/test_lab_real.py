"""The figures of docs/lab.md: a villa in Skane in the summer of 2025."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from mpc import Battery, Grid, Site, Tariff
from sim.asof import BaselineForecasts
from sim.lab import Lab, LabResult, View, WhatIf
from sim.lab_replay import make_loop
from sim.oracle import make_oracle
from sim.planning import HomeModel
from sim.regret import ledger
from sim.replay import Dispatch
from telemetry.csv_import import import_file
from telemetry.home import Home
from telemetry.slots import local_day
from telemetry.store import Store
from tests.sim.test_lab import reconciled

pytestmark = pytest.mark.real_data

ZONE = "Europe/Stockholm"
FIRST, LAST = date(2025, 8, 1), date(2025, 8, 31)
DAYS = [FIRST + timedelta(days=n) for n in range(31)]
HOME = Home(
    home_id="se4_darkstar", zone=ZONE, latitude=55.5, longitude=13.1, area="SE4", currency="SEK"
)
TARIFF = Tariff(zone=ZONE, transfer_fee=0.2456, energy_tax=0.439, vat=0.25, tax_credit=0.60)
NO_CREDIT = WhatIf(tariff=replace(TARIFF, tax_credit=0.0))
MODEL = HomeModel(
    home=HOME,
    site=Site(
        battery=Battery(
            capacity_kwh=10.0,
            min_soc_kwh=1.0,
            max_charge_kw=5.0,
            max_discharge_kw=5.0,
            wear_cost_per_kwh=0.2,
        ),
        grid=Grid(max_import_kw=11.0, max_export_kw=10.0),
    ),
    tariff=TARIFF,
    price_area="SE4",
    price_currency="EUR",
    exchange_rates={"EUR": 11.0},
)


@pytest.fixture(scope="module")
def lab(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    path = tmp_path_factory.mktemp("villa") / "s.sqlite"
    with Store.open(path) as store:
        store.put_home(HOME)
        for name in ("prices_se3_se4.csv.gz", "home_se4_hourly.csv.gz"):
            import_file(store, real_data / name, {HOME.home_id: HOME})
    with Store.open(path, read_only=True) as store:
        yield Lab.of(store, MODEL, bridge_hours=2.0)


def test_exporting_at_the_peak(lab: Lab) -> None:
    """What battery export earned in August, in the closed loop."""
    for one, want in ((lab, 84.19), (lab.under(NO_CREDIT), 32.58)):
        result = one.period(FIRST, LAST, WhatIf(battery_export=False), soc_kwh=5.0)
        assert result.delta.total == pytest.approx(want, abs=0.005)
        reconciled(result)


def test_more_export_never_pays(lab: Lab) -> None:
    """Each day in hindsight: the sum of August, and the two days with flat prices."""
    results = month(lab, 10.0)
    assert sum(r.delta.total for r in results) == pytest.approx(116.96, abs=0.005)
    for result in results:
        assert result.target is not None
        flat = result.baseline.first in (date(2025, 8, 5), date(2025, 8, 6))
        assert result.target.limit == ("economics" if flat else "")
        assert result.delta.total >= -1e-6
        reconciled(result)


def month(lab: Lab, kwh: float) -> list[LabResult]:
    """Return a target on every day, each begun as the closed loop left the one before."""
    course = lab.period(FIRST, LAST - timedelta(days=1), WhatIf(), soc_kwh=5.0).baseline.course
    ends = [(local_day(day, ZONE)[0] - course.start) // timedelta(minutes=15) for day in DAYS]
    starts = [5.0, *(float(course.soc_kwh[end - 1]) for end in ends[1:])]
    case = WhatIf(export_kwh=kwh)
    return [
        lab.run(day, case, View.HINDSIGHT, soc_kwh=soc)
        for day, soc in zip(DAYS, starts, strict=True)
    ]


@pytest.mark.parametrize(
    ("case", "want"),
    [
        (WhatIf(battery_kwh=0.0), 631.74),
        (WhatIf(battery_kwh=15.0), -163.98),
        (WhatIf(battery_kwh=20.0), -268.86),
        (WhatIf(battery_kwh=34.0), -432.05),
        (WhatIf(battery_kwh=20.0, battery_kw=10.0), -452.76),
    ],
    ids=str,
)
def test_another_battery(lab: Lab, case: WhatIf, want: float) -> None:
    result = lab.period(date(2025, 7, 8), date(2025, 9, 29), case, soc_kwh=5.0)
    assert result.delta.total == pytest.approx(want, abs=0.005)
    assert len(result.baseline.course) == 84 * 96
    reconciled(result)


def test_forecast_errors(lab: Lab) -> None:
    """The closed loop's regret in August by cause, as ``darkstar replay`` tells it."""
    begin, end = local_day(FIRST, ZONE)[0], local_day(LAST, ZONE)[1]
    facts = lab._world.facts
    loop = make_loop(
        facts,
        MODEL,
        begin,
        end,
        soc_start_kwh=5.0,
        forecast=BaselineForecasts,
        bridge_hours=2.0,
    )
    parts = ledger(loop.window, make_oracle(loop.window), loop.forecasts, Dispatch.VALUE)
    sums = [float(part.sum()) for part in (parts.total, parts.load, parts.pv, parts.remainder)]
    assert sums == pytest.approx([8.21, 3.59, 4.56, 0.05], abs=0.006)
    assert parts.days[int(np.argmax(parts.total))] == date(2025, 8, 16)
