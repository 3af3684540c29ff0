"""``python -m runners.results_forecast``: rebuild the section on forecasts in docs/results.md.

Every home of the data folder and the demo home, a process each at a time. Without the data folder
(``DARKSTAR_DATA``, default ``../shared/data``) the section stays as it is.

    python -m runners.results_forecast --home ca_01    # prints the tables of a home, writes nothing
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from runners.output import write_text
from runners.results_forecast_home import find_test_days, measure_errors
from runners.results_forecast_money import bills, within
from runners.results_forecast_prices import PriceErrors, price_errors
from runners.results_forecast_tables import Scored, forecast_tables
from runners.results_homes import ReferenceHome, data_found, demo_home, real_homes
from runners.results_page import stamp, with_forecast
from runners.results_pool import run_all
from runners.results_replay import find_case
from sim.demo import DEMO_HOME
from telemetry.store import Store

__all__ = ["forecast_section", "run_results_forecast", "score_home"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A home to score, and the file with its facts."""

    store: Path
    home: ReferenceHome

    def text(self) -> str:
        """Say what is done."""
        return f"{self.home.home_id}: forecast and replayed"


def run_results_forecast(out: Path, data: Path, workers: int | None = None) -> str:
    """Rebuild the section of ``out``; return what was done, in a line."""
    if not data_found(data):
        return f"{out}: forecasts kept as they were: {data} has no data (set DARKSTAR_DATA)"
    section = forecast_section(data, workers=workers)
    page = out.read_text(encoding="utf-8") if out.exists() else ""
    write_text(out, with_forecast(page, section))
    return f"wrote {out}: forecasts"


def forecast_section(
    data: Path, wanted: Sequence[str] | None = None, *, workers: int | None = None
) -> str:
    """Return stamp and tables.

    Args:
        data: folder of the real homes; where it is missing, the demo home alone is there.
        wanted: homes; None: all.
        workers: processes; 0: none but this one; None: one a core.

    Raises:
        BadParameter: a home that is not there.
        SimError, ForecastError: a home that cannot be forecast.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "homes.sqlite"
        with Store.open(path, system_id="simulation") as store:
            homes = _homes(store, data, wanted)
            prices: tuple[PriceErrors, ...] = price_errors(store, data) if data_found(data) else ()
        tasks = [_Task(store=path, home=home) for home in homes]
        # the demo home stands last and takes longest: it has models with and without weather
        longest_first = reversed(range(len(tasks)))
        scored = run_all(tasks, _run, _Task.text, workers=workers, say=_say, order=longest_first)
    return f"{stamp()}\n\n{forecast_tables(scored, prices)}"


def _homes(store: Store, data: Path, wanted: Sequence[str] | None) -> list[ReferenceHome]:
    """Return the homes wanted, in the order of the tables."""
    homes = real_homes(store, data) if data_found(data) else []
    if wanted is None or DEMO_HOME.home_id in wanted:
        homes.append(demo_home(store))
    by_id = {home.home_id: home for home in homes}
    for name in wanted or ():
        if name not in by_id:
            raise typer.BadParameter(f"home {name}: known are {', '.join(by_id) or 'none'}")
    return homes if wanted is None else [by_id[name] for name in wanted]


def _run(task: _Task) -> Scored:
    """Score one home."""
    with Store.open(task.store, system_id="simulation") as store:
        return score_home(store, task.home)


def score_home(store: Store, home: ReferenceHome) -> Scored:
    """Return what forecasts of a home were worth on its test days.

    Raises:
        SimError, ForecastError, TelemetryError: facts that teach nothing.
    """
    days, case = find_test_days(store, home), find_case(store, home)
    errors, history, chain = measure_errors(store, home, days)
    tested = within(case.windows, days.period)
    return Scored(
        home_id=home.home_id,
        real=home.home_id != DEMO_HOME.home_id,
        readings=case.readings,
        first=days.first,
        last=days.last,
        days=(days.last - days.first).days + 1,
        models=len({id(model.load) for model in chain.models}),
        errors=errors,
        bills=bills(store, home, (history, chain), (tested, case.windows)),
    )


def _say(text: str) -> None:
    """Say how far it is."""
    sys.stderr.write(f"{text}\n")


def _main(
    out: Path = Path("docs/results.md"),
    data: Path | None = None,
    *,
    home: Annotated[list[str] | None, typer.Option(help="Print this home, write nothing.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; 0: none but this one.")] = None,
) -> None:
    """Rebuild the tables of forecasts."""
    folder = data or Path(os.environ.get("DARKSTAR_DATA", "../shared/data"))
    if home:
        done = forecast_section(folder, home, workers=workers)
    else:
        done = run_results_forecast(out, folder, workers)
    sys.stdout.write(done + "\n")


if __name__ == "__main__":
    typer.run(_main)
