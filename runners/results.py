"""``python -m runners.results``: rebuild docs/results.md, the tables that the README quotes.

The demo-home table is always made anew. The real-home table is made where the folder of
``DARKSTAR_DATA`` (default ``../shared/data``) exists; elsewhere the one in the file stays, with its
date. Every home is imported as ``darkstar import`` does and planned at evenly spread moments from
what was known then; costs are those of the forecast each plan was made on.
"""

import io
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from mpc import Battery, Grid, Site, Tariff
from runners.demo import fill_store, run_demo
from runners.output import write_text
from runners.plan import PlanRun, StartState, make_plan
from sim.demo import DEMO_HOME, make_demo_year
from sim.pairing import PricePairing, choose_shift_days
from sim.planning import HomeModel, known_inputs
from telemetry.csv_import import import_file
from telemetry.home import Home
from telemetry.slots import SLOT_SECONDS
from telemetry.store import Store

__all__ = ["machine", "run_results"]

MOMENTS = 20
_WARM_UP = timedelta(days=8)
_PRICE_ZONE = "Europe/Stockholm"
_PRICE_AREA = "SE4"
_PRICES = (date(2024, 1, 1), date(2025, 9, 30))
_RATES = {"EUR": 11.0}
_FILES = (
    "prices_se3_se4.csv.gz",
    "home_se4_hourly.csv.gz",
    "home_fr_30min.csv.gz",
    "homes_ca_hourly.csv.gz",
)

BATTERIES = {
    "A, 10 kWh": Battery(
        capacity_kwh=10.0,
        min_soc_kwh=1.0,
        max_soc_kwh=10.0,
        max_charge_kw=5.0,
        max_discharge_kw=5.0,
        charge_efficiency=0.95,
        discharge_efficiency=0.95,
        wear_cost_per_kwh=0.2,
    ),
    "B, 34 kWh": Battery(
        capacity_kwh=34.0,
        min_soc_kwh=0.15 * 34.0,
        max_soc_kwh=0.95 * 34.0,
        max_charge_kw=8.0,
        max_discharge_kw=8.0,
        charge_efficiency=0.95**0.5,
        discharge_efficiency=0.95**0.5,
        wear_cost_per_kwh=0.2,
    ),
}
"""The reference batteries of every table: 10 and 34 kWh, wear 0.2 SEK per kWh discharged."""

_GRID = Grid(max_import_kw=11.0, max_export_kw=10.0)
_HEAD = (
    "| home | prices | battery | no battery | self-consumption | plan "
    "| saved against no battery | of it by planning | optimal | solved in |\n"
    "|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n"
)
_DEMO, _REAL, _README = "demo", "real", "results"
_HOW = """# Results

Made by `make results`. Each row: 20 moments spread evenly over the home's data, at each a plan of
48 h from what was known then (load: 7-day same-slot mean; PV: 3-day; unpublished prices: the day
before's), from a half-full battery. Costs in SEK a day are bill + wear - change in the worth of
stored energy, **on the forecast the plan was made on**, so before forecast errors take their share.
"Of it by planning" is what the plan saves beyond plain self-consumption of the same battery.
Readings are taken as imported, faults of the meters included; no moment is left out.

Import price 1.25 x (spot + 0.2456 + 0.439) SEK/kWh, export price spot, EUR to SEK 11.0, grid 11 kW
in and 10 kW out, wear 0.2 SEK per kWh discharged. Battery A: 10 kWh, 10 to 100 %, 5 kW, efficiency
0.95 each way. Battery B: 34 kWh, 15 to 95 %, 8 kW, sqrt(0.95) each way.

"""
_WHICH = """## Real homes

The home in SE4 is the headline. The others are **synthetic pairings**: homes of another place or
year that meet SE4 prices by their local wall clock and weekday, shifted by whole multiples of 364
days. Hourly and half-hourly data are held flat over the quarters. `au_sydney_amber` is left out: it
has no PV.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of a table: means over the moments, SEK a day."""

    home: str
    prices: str
    battery: str
    runs: Sequence[PlanRun]

    def text(self) -> str:
        """Return the line in Markdown."""
        days = sum(float(r.plan.slot_minutes.sum()) for r in self.runs) / 1440.0
        none, self_use, plan = (
            sum(getattr(r, name) for r in self.runs) / days
            for name in ("no_battery_cost", "self_use_cost", "plan_cost")
        )
        optimal = sum(r.plan.status == "optimal" for r in self.runs)
        median = 1e3 * statistics.median(r.solve_seconds for r in self.runs)
        return (
            f"| {self.home} | {self.prices} | {self.battery} | {none:.2f} | {self_use:.2f} "
            f"| {plan:.2f} | {none - plan:.2f} | {self_use - plan:.2f} "
            f"| {optimal} of {len(self.runs)} | {median:.1f} ms |"
        )


def run_results(out: Path, data: Path, readme: Path) -> str:
    """Rebuild the tables of ``out``, the picture beside it and the headline in ``readme``.

    Returns:
        What was done, in a line.
    """
    old = out.read_text(encoding="utf-8") if out.exists() else ""
    with tempfile.TemporaryDirectory() as folder:
        demo = _demo_table(Path(folder))
        found = all((data / name).exists() for name in _FILES)
        real = _real_table(Path(folder), data) if found else _kept(old, _REAL)
        with redirect_stdout(io.StringIO()):
            run_demo(out_dir=Path(folder) / "demo")
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(folder) / "demo" / "plan.png", out.parent / "plan.png")
    write_text(out, _page(demo, real))
    _headline(readme, demo, real)
    if found:
        return f"wrote {out}: demo home and real homes"
    state = "kept as they were" if real else "missing"
    return f"wrote {out}: demo home; real homes {state}, {data} has no data (set DARKSTAR_DATA)"


def _demo_table(folder: Path) -> str:
    """Return the demo-home table."""
    year = make_demo_year()
    site = Site(battery=BATTERIES["A, 10 kWh"], grid=_GRID)
    with Store.open(folder / "demo.sqlite", system_id="simulation") as store:
        fill_store(store, year, site)
        rows = _plan_all(store, _model(DEMO_HOME, None), "own, SE4-like")
    return _stamp() + _HEAD + "\n".join(row.text() for row in rows) + "\n"


def _real_table(folder: Path, data: Path) -> str:
    """Return the table of every home with load and PV, and name what was left out."""
    homes = _real_homes()
    rows: list[_Row] = []
    with Store.open(folder / "real.sqlite", system_id="simulation") as store:
        for name in _FILES:
            import_file(store, data / name, homes)
        for home in homes.values():
            pairing = _pairing(store, home)
            label = "SE4, its own" if pairing is None else _pairing_label(pairing)
            rows += _plan_all(store, _model(home, pairing), label)
    return _stamp() + _HEAD + "\n".join(row.text() for row in rows) + "\n"


def _real_homes() -> dict[str, Home]:
    """Return what is known of the homes whose data have load and PV."""
    places = {
        "se4_darkstar": ("Europe/Stockholm", 55.5, 13.1),
        "fr_emhass": ("Europe/Paris", 48.83, 6.86),
        **{f"ca_0{k}": ("America/Los_Angeles", 34.1, -117.4) for k in range(1, 6)},
    }
    return {
        home_id: Home(
            home_id=home_id,
            name=home_id,
            zone=zone,
            latitude=latitude,
            longitude=longitude,
            area=_PRICE_AREA,
            currency="SEK",
        )
        for home_id, (zone, latitude, longitude) in places.items()
    }


def _pairing(store: Store, home: Home) -> PricePairing | None:
    """Return how a home meets the prices; the home that lives in their zone needs no pairing."""
    if home.zone == _PRICE_ZONE:
        return None
    first, last = _period(store, home)
    zone = ZoneInfo(str(home.zone))
    shift = choose_shift_days(
        (first - _WARM_UP).astimezone(zone).date(),
        (last + timedelta(days=1)).astimezone(zone).date(),
        *_PRICES,
        southern=(home.latitude or 0.0) < 0.0,
    )
    return PricePairing(home_zone=str(home.zone), price_zone=_PRICE_ZONE, shift_days=shift)


def _pairing_label(pairing: PricePairing) -> str:
    """Say that a pairing is one."""
    return f"SE4, synthetic pairing {pairing.shift_days:+d} days"


def _model(home: Home, pairing: PricePairing | None) -> HomeModel:
    """Return a home with the reference tariff; the battery is put in later."""
    return HomeModel(
        home=home,
        site=Site(battery=BATTERIES["A, 10 kWh"], grid=_GRID),
        tariff=Tariff(zone=str(home.zone), transfer_fee=0.2456, energy_tax=0.439, vat=0.25),
        price_area=str(home.area),
        price_currency="EUR",
        exchange_rates=_RATES,
        pairing=pairing,
    )


def _plan_all(store: Store, model: HomeModel, prices: str) -> list[_Row]:
    """Plan a home at every moment with every reference battery, from half its capacity."""
    moments = _moments(*_period(store, model.home))
    inputs: dict[str, list[PlanRun]] = {}
    for name, battery in BATTERIES.items():
        sized = replace(model, site=Site(battery=battery, grid=_GRID))
        state = StartState(soc_kwh=0.5 * battery.capacity_kwh, source="half full")
        inputs[name] = [make_plan(sized, known_inputs(store, sized, at), state) for at in moments]
    return [
        _Row(home=model.home.home_id, prices=prices, battery=name, runs=runs)
        for name, runs in inputs.items()
    ]


def _period(store: Store, home: Home) -> tuple[datetime, datetime]:
    """Return (first moment with enough history, last slot) of a home with load and PV."""
    load = store.coverage(home.home_id, "load_kwh")
    pv = store.coverage(home.home_id, "pv_kwh")
    if load is None or pv is None:
        raise typer.BadParameter(f"home {home.home_id} has no load or no PV in the data")
    return max(load.first, pv.first) + _WARM_UP, min(load.last, pv.last)


def _moments(first: datetime, last: datetime) -> list[datetime]:
    """Return moments spread evenly, so that they fall on all times of day."""
    slots = int((last - first).total_seconds()) // SLOT_SECONDS
    steps = [round(k * slots / (MOMENTS - 1)) for k in range(MOMENTS)]
    return [first + timedelta(seconds=SLOT_SECONDS * step) for step in steps]


def _page(demo: str, real: str) -> str:
    """Return the whole page."""
    missing = "Not made yet: run `make results` where `DARKSTAR_DATA` has the data.\n"
    return (
        f"{_HOW}## Demo home\n\n{_marked(_DEMO, demo)}\n{_WHICH}{_marked(_REAL, real or missing)}"
    )


def _marked(name: str, text: str) -> str:
    """Return a section between marks, by which a later run finds it."""
    return f"<!-- {name}: begin -->\n{text.strip()}\n<!-- {name}: end -->\n"


def _headline(readme: Path, demo: str, real: str) -> None:
    """Put the rows of the demo home and of the home in SE4 into the README."""
    if not readme.exists():
        return
    page = readme.read_text(encoding="utf-8")
    rows = [r for r in (demo + real).splitlines() if r.startswith(("| demo |", "| se4_darkstar |"))]
    new = _marked(_README, real.partition("\n")[0] + "\n\n" + _HEAD + "\n".join(rows)).rstrip("\n")
    old = f"<!-- {_README}: begin -->\n{_kept(page, _README)}\n<!-- {_README}: end -->"
    if old not in page:
        old = f"<!-- {_README}: begin -->\n<!-- {_README}: end -->"
    write_text(readme, page.replace(old, new))


def _kept(page: str, name: str) -> str:
    """Return a section of an earlier page, empty if there is none."""
    _, _, rest = page.partition(f"<!-- {name}: begin -->\n")
    return rest.partition(f"\n<!-- {name}: end -->")[0]


def _stamp() -> str:
    """Return date and machine of a table."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n"


def machine() -> str:
    """Return processor, cores and Python, as every measured table states them."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _main(
    out: Path = Path("docs/results.md"),
    readme: Path = Path("README.md"),
    data: Path | None = None,
) -> None:
    """Rebuild the result tables."""
    folder = data or Path(os.environ.get("DARKSTAR_DATA", "../shared/data"))
    sys.stdout.write(run_results(out, folder, readme) + "\n")


if __name__ == "__main__":
    typer.run(_main)
