"""docs/results.md: fixed words, sections between marks that a later run finds, and the stamp."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

__all__ = [
    "DEMO",
    "EPISODES",
    "FORECAST",
    "HEADLINE",
    "REAL",
    "kept",
    "machine",
    "make_page",
    "marked",
    "stamp",
    "with_episodes",
    "with_forecast",
]

HEADLINE, DEMO, REAL, EPISODES = "headline", "demo", "real", "episodes"
FORECAST = "forecast"

_HOW = """# Results

Made by `make results`: every policy replayed, slot by slot, over the history of homes with load and
PV, with reference batteries and the **baseline forecast**, made at every slot from what was known
then (load: 7-day same-slot mean; PV: 3-day; unpublished prices: the day before's).

"""
_REPLAYED = """
## How it was measured

A plan of 48 h in every slot of 15 minutes, from what was known at its start; the battery then moves
on what happened. Costs are bill + wear - change in the worth of stored energy, per 24 h. Every
window starts half full; what is left at its end is worth the same to every policy, by a curve made
of the realised 24 h that follow. Costs of several windows add up. Set-points carried out blindly
can break a grid limit; that costs nothing here, the slots are counted in a table of their own.

| column | what it is |
|---|---|
| no battery | the house as it is |
| self-consumption | stores surplus, serves the load, plans nothing |
| set-points | follows the planned battery power, whatever load and PV turn out to be (engine) |
| windows | the plan's grid-charge and export windows, self-consumption between (engine) |
| value | ideal dispatch on the value of stored energy; plans by HiGHS, or by the storage engine |
| modes | what an inverter can be told before the slot: mode, stop SoC, power cap |
| rolling oracle | plans of 48 h with perfect foresight, value dispatch |
| oracle | the optimum of the whole window with perfect foresight |

A share is (no battery - policy) / (no battery - oracle). The regret of mode dispatch is split by
making one thing after the other ideal: dispatch by value instead of modes, then the actual load,
then the actual PV; the rest is price horizon and terminal value. Parts may be negative. Windows are
all stretches of at least 10 whole local days of which load, PV and prices are known throughout,
from 8 days after the home's first reading on; the last 24 h of a stretch only value what is left.
PV that is missing for at most 2 h is read off its neighbours (inverters sleep at dusk and dawn).
Readings are taken as imported, faults of the meters included.

Import price 1.25 x (spot + 0.2456 + 0.439) SEK/kWh, export price spot, EUR to SEK 11.0, grid 11 kW
in and 10 kW out, wear 0.2 SEK per kWh discharged. Battery A: 10 kWh, 10 to 100 %, 5 kW, efficiency
0.95 each way. Battery B: 34 kWh, 15 to 95 %, 8 kW, sqrt(0.95) each way.

A table of plans has 20 moments spread evenly over a home's data, at each a plan from a half-full
battery; its costs are those **on the forecast the plan was made on**, before forecast errors take
their share. "Of it by planning" is what the plan saves beyond plain self-consumption.

"""
_WHICH_DEMO = """## Demo home

Two weeks of every season of the demo year, from the 15th of January, April, July and October on.

"""
_WHICH_REAL = """## Real homes

The home in SE4 is the headline. The others are **synthetic pairings**: homes of another place or
year that meet SE4 prices by their local wall clock and weekday, shifted by whole multiples of 364
days. Hourly and half-hourly data are held flat over the quarters. `au_sydney_amber` is left out: it
has no PV.

"""
_WHICH_FORECAST = """## Forecasts

Aurora on the last third of every home's whole local days: models trained on what was known by then,
anew every 30 days, bands every midnight, an issue every full hour, targets up to 48 h ahead at the
meter's own resolution. The naive rules are the day before, the week before and the means of the
same slot on the last 3, 7 and 14 days; what a forecast is compared with is the one that turned out
**best in hindsight**, for every home and lead anew. Skill is 1 - error / error of the best rule;
MAE is that of the median, RMSE that of the mean, which plans are fed. Medians, means and targets
are those of the seven real homes. `darkstar evaluate` makes the same figures for any home.

"""
_WHICH_EPISODES = """## Episodes

Planner runs of the SE4 home with battery B, recorded as training episodes (docs/episodes.md) by
`darkstar simulate` and copied to a private MariaDB by `darkstar mirror`; whole processes, timed.

"""
_MISSING = "Not made yet: run `make results` where `DARKSTAR_DATA` has the data.\n"


def make_page(headline: str, demo: str, real: str, episodes: str, forecast: str = "") -> str:
    """Return the whole page."""
    return (
        f"{_HOW}{marked(HEADLINE, headline)}{_REPLAYED}{_WHICH_DEMO}{marked(DEMO, demo)}\n"
        f"{_WHICH_REAL}{marked(REAL, real or _MISSING)}\n"
        f"{_WHICH_FORECAST}{marked(FORECAST, forecast or _MISSING)}\n"
        f"{_WHICH_EPISODES}{marked(EPISODES, episodes or _MISSING)}"
    )


def with_forecast(page: str, forecast: str) -> str:
    """Return a page with another section on forecasts, before that on episodes."""
    rest, found, episodes = page.partition(_WHICH_EPISODES)
    before, already, _ = rest.partition(_WHICH_FORECAST)
    gap = "" if already or found else "\n"
    section = f"{before}{gap}{_WHICH_FORECAST}{marked(FORECAST, forecast)}"
    return f"{section}\n{found}{episodes}" if found else section


def with_episodes(page: str, episodes: str) -> str:
    """Return a page with another section on episodes, the last one of it."""
    before, found, _ = page.partition(_WHICH_EPISODES)
    gap = "" if found else "\n"
    return f"{before}{gap}{_WHICH_EPISODES}{marked(EPISODES, episodes)}"


def marked(name: str, text: str) -> str:
    """Return a section between marks, by which a later run finds it."""
    return f"<!-- {name}: begin -->\n{text.strip()}\n<!-- {name}: end -->\n"


def kept(page: str, name: str) -> str:
    """Return a section of an earlier page, empty if there is none."""
    _, _, rest = page.partition(f"<!-- {name}: begin -->\n")
    return rest.partition(f"\n<!-- {name}: end -->")[0]


def stamp() -> str:
    """Return date and machine of a table."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine()}."


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
