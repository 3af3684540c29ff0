"""``darkstar demo``: a made-up house, a year of its facts in a store, and a plan for one moment.

The demo home of ``sim.demo`` is written to ``DIR/darkstar.sqlite`` beside a ``config.yaml`` that
fits it, so that every other command can be tried on it. Its battery has lived on self-consumption,
by ``mpc.physics``. Provenance of all facts: ``simulated``.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mpc import Horizon, Site, TerminalCurve
from runners.config import load_config
from runners.init import run_init
from runners.plan import PlanRun, run_plan
from sim.baselines import Outcome, self_use
from sim.demo import DEMO_HOME, DemoYear, make_demo_year
from telemetry.channels import Provenance
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, assumed_issue_time, from_epoch, local_day
from telemetry.store import Store

__all__ = ["fill_store", "run_demo"]

DEFAULT_AT = datetime(2025, 10, 25, 14, 0, tzinfo=UTC)
"""The Saturday before the clocks go back: a horizon of 48 hours over a day of 25."""

_SOURCE = "demo"
_WEATHER = ("temp_c", "ghi_w_m2", "dni_w_m2", "dhi_w_m2", "cloud_cover", "wind_m_s")

F64 = NDArray[np.float64]


def run_demo(
    *,
    out_dir: Path,
    seed: int = 0,
    at: datetime | None = None,
    json_path: str | None = None,
    plot: bool = True,
) -> PlanRun:
    """Make the demo home, store it, and plan it.

    Raises:
        ConfigError: files that cannot be written.
    """
    moment = DEFAULT_AT if at is None else at
    config_path = out_dir / "config.yaml"
    if not config_path.exists():
        out_dir.mkdir(parents=True, exist_ok=True)
        run_init(config_path, force=False)
    config = load_config(config_path)
    year = make_demo_year(seed, DEFAULT_AT.year)
    with Store.open(config.store_url, system_id="simulation") as store:
        fill_store(store, year, config.site(DEMO_HOME.home_id))
    return run_plan(
        config_path=config_path,
        home_id=DEMO_HOME.home_id,
        at=moment,
        out_dir=out_dir,
        json_path=json_path,
        plot=plot,
    )


def fill_store(store: Store, year: DemoYear, site: Site) -> None:
    """Write a demo year: load, PV, water heater, battery and grid, prices, weather."""
    with store.transaction():
        store.put_home(year.home)
        _put_observations(store, year, _lived(year, site), site)
        _put_prices(store, year)
        _put_weather(store, year)


def _lived(year: DemoYear, site: Site) -> Outcome:
    """Return what the battery did all year on plain self-consumption, from half full."""
    nothing = np.zeros(year.slot_start.size)
    horizon = Horizon(
        start=from_epoch(int(year.slot_start[0])),
        slot_minutes=SLOT_MINUTES,
        import_price=nothing,
        export_price=nothing,
        load_kwh=year.load_kwh,
        pv_kwh=year.pv_kwh,
    )
    half = 0.5 * site.battery.capacity_kwh
    return self_use(site, horizon, half, TerminalCurve.of(0.0))


def _put_observations(store: Store, year: DemoYear, lived: Outcome, site: Site) -> None:
    """Write every channel; a slot is known at its end."""
    capacity = site.battery.capacity_kwh
    channels: dict[str, F64] = {
        "load_kwh": year.load_kwh,
        "pv_kwh": year.pv_kwh,
        "water_heater_kwh": year.water_heater_kwh,
        "import_kwh": lived.import_kwh,
        "export_kwh": lived.export_kwh,
        "charge_kwh": lived.charge_kwh,
        "discharge_kwh": lived.discharge_kwh,
    }
    if capacity > 0.0:
        channels["soc_end"] = lived.soc_kwh / capacity
        channels["soc_start"] = np.concatenate([[0.5], channels["soc_end"][:-1]])
    for channel, values in channels.items():
        store.put_observations(
            year.home.home_id,
            channel,
            year.slot_start,
            values,
            known_at=year.slot_start + SLOT_SECONDS,
            provenance=Provenance.SIMULATED,
        )


def _put_prices(store: Store, year: DemoYear) -> None:
    """Write one day-ahead issue per local day, which is the market's day too."""
    zone, area = str(year.home.zone), str(year.home.area)
    first = from_epoch(int(year.slot_start[0])).astimezone(UTC)
    day = date.fromordinal(first.date().toordinal() + 1)
    end = int(year.slot_start[-1])
    while (start := local_day(day, zone))[0].timestamp() <= end:
        begin, stop = (
            int((moment.timestamp() - year.slot_start[0]) // SLOT_SECONDS) for moment in start
        )
        store.put_prices(
            area,
            source=_SOURCE,
            currency="EUR",
            start=start[0],
            slot_minutes=SLOT_MINUTES,
            values=year.spot_eur_per_kwh[begin:stop],
            issued_at=assumed_issue_time(day),
        )
        day = date.fromordinal(day.toordinal() + 1)


def _put_weather(store: Store, year: DemoYear) -> None:
    """Write the weather as it was, known at the year's end, and every forecast as issued."""
    home_id = year.home.home_id
    for issue in year.weather_forecasts:
        store.put_weather(
            home_id,
            source=_SOURCE,
            kind="forecast",
            variables=issue.variables,
            issued_at=issue.issued_at,
            start=issue.start,
            slot_minutes=issue.slot_minutes,
            values=issue.values,
        )
    store.put_weather(
        home_id,
        source=_SOURCE,
        kind="archive",
        variables=_WEATHER,
        issued_at=from_epoch(int(year.slot_start[-1]) + SLOT_SECONDS),
        start=from_epoch(int(year.slot_start[0])),
        slot_minutes=SLOT_MINUTES,
        values=np.stack([getattr(year, name) for name in _WEATHER]),
    )


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("demo")
