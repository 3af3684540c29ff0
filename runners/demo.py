"""``darkstar demo``: a made-up house, a year of its facts in a store, and a plan for one moment.

The demo home of ``sim.demo`` is written to ``DIR/darkstar.sqlite`` beside a ``config.yaml`` that
fits it, so that every other command can be tried on it; a folder with a configuration or a store
that the demo did not make is left alone. Prices are those of the area ``DEMO``. The battery has
lived on self-consumption, by ``mpc.physics``. Provenance of all facts: ``simulated``.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from mpc import Horizon, Site, TerminalCurve
from runners.config import load_config
from runners.errors import EX_CANTCREAT, ConfigError, Problem
from runners.init import template, write_config
from runners.plan import PlanRun, run_plan
from runners.store_access import open_store
from sim.baselines import Outcome, self_use
from sim.demo import DEMO_HOME, DemoYear, make_demo_year
from telemetry.arrays import F64
from telemetry.channels import Provenance
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, from_epoch, local_day
from telemetry.store import Store

__all__ = ["fill_store", "run_demo"]

DEFAULT_AT = datetime(2025, 10, 25, 14, 0, tzinfo=UTC)
"""The Saturday before the clocks go back: a horizon of 48 hours over a day of 25."""

_MARK = "# made by `darkstar demo`, which fills the store of this folder anew; not for a real home"
_CONFIG, _STORE = "config.yaml", "darkstar.sqlite"
_SOURCE = "demo"
_WEATHER = ("temp_c", "ghi_w_m2", "dni_w_m2", "dhi_w_m2", "cloud_cover", "wind_m_s")


def run_demo(
    *,
    out_dir: Path,
    seed: int = 0,
    at: datetime | None = None,
    json_path: str | None = None,
    plot: bool = True,
) -> PlanRun:
    """Make the demo home, store it, and plan it; a look back, whatever the moment.

    Raises:
        ConfigError: files that cannot be written, or that the demo did not make.
    """
    moment = DEFAULT_AT if at is None else at
    config_path = _own_config(out_dir)
    config = load_config(config_path)
    if Path(config.store_url) != out_dir / _STORE:
        raise _refusal(config_path, f"its store is not {_STORE} beside it")
    year = make_demo_year(seed, DEFAULT_AT.year)
    with open_store(config, system_id="simulation") as store:
        fill_store(store, year, config.site(DEMO_HOME.home_id))
    made = run_plan(
        config_path=config_path,
        home_id=DEMO_HOME.home_id,
        at=moment,
        out_dir=out_dir,
        json_path=json_path,
        plot=plot,
    )
    if made is None:
        raise AssertionError("a look back waits for nobody")
    return made


def _own_config(out_dir: Path) -> Path:
    """Return the demo's configuration in ``out_dir``, written where there is none.

    Raises:
        ConfigError: it cannot be written, or the folder is that of a real home.
    """
    path = out_dir / _CONFIG
    if path.exists():
        if not _is_ours(path):
            raise _refusal(path, "the demo did not make this file")
        return path
    if (out_dir / _STORE).exists():
        raise _refusal(out_dir / _STORE, "the demo did not make this file")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise _refusal(out_dir, f"cannot be made ({err.strerror})") from None
    text = template().replace("area: se4 ", f"area: {DEMO_HOME.area}", 1)
    write_config(path, f"{_MARK}\n{text}", force=False)
    return path


def _is_ours(path: Path) -> bool:
    """Say whether a configuration begins with the demo's mark."""
    try:
        with path.open("rb") as file:
            return file.readline().strip() == _MARK.encode()
    except OSError:
        return False


def _refusal(path: Path, fault: str) -> ConfigError:
    """Return the error of a folder that the demo leaves alone."""
    message = f"{fault}, and made-up facts do not belong among real ones; name another --out"
    return ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT)


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
            issued_at=from_epoch(int(year.spot_known_at[begin])),
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
