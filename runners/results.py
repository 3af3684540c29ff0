"""``python -m runners.results``: rebuild docs/results.md and the rows that the README quotes.

The tables of the demo home are always made anew. Those of the real homes are made where the folder
of ``DARKSTAR_DATA`` (default ``../shared/data``) exists; elsewhere those in the file stay, with
their date. HiGHS makes the closed loops last: about a quarter of an hour on two cores.

    python -m runners.results --no-highs      # without the two columns of HiGHS, in minutes
    python -m runners.results --home ca_01    # prints the tables of a home, writes nothing
"""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from runners.demo import run_demo
from runners.output import write_text
from runners.results_homes import (
    ReferenceHome,
    data_found,
    demo_home,
    demo_seasons,
    real_homes,
)
from runners.results_page import (
    EPISODES,
    FORECAST,
    HEADLINE,
    REAL,
    kept,
    make_page,
    marked,
    stamp,
)
from runners.results_plans import MOMENTS, plan_table
from runners.results_replay import Case, Line, find_case, replay_cases
from runners.results_tables import HEADLINE_HEAD, headline_rows, replay_tables
from sim.demo import DEMO_HOME
from telemetry.store import Store

__all__ = ["How", "Made", "quick_look", "run_results"]

_README = "results"
_HEADLINE_HOMES = ("demo", "se4_darkstar")
_HEADLINE_NOTE = (
    "Replayed in closed loop with the baseline forecast, SEK a day; value dispatch by the storage "
    "engine.\nHourly readings are held flat over the quarters, so the error within the hour is "
    "absent from the share."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How tables are made.

    Attributes:
        highs: replay what HiGHS plans too.
        moments: plans a home and battery in the table of plans.
        workers: processes; 0: none but this one; None: one a core.
    """

    highs: bool = True
    moments: int = MOMENTS
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The tables of some homes: the whole section, and the rows of the headline."""

    section: str
    rows: str


def run_results(out: Path, data: Path, readme: Path, how: How | None = None) -> str:
    """Rebuild the tables of ``out``, the picture beside it and the headline in ``readme``.

    Returns:
        What was done, in a line.
    """
    old = out.read_text(encoding="utf-8") if out.exists() else ""
    how, found = how or How(), data_found(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = make_demo(folder, how)
        real = make_real(folder, data, how) if found else _kept_real(old)
        with redirect_stdout(io.StringIO()):
            run_demo(out_dir=folder / "demo")
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "demo" / "plan.png", out.parent / "plan.png")
    date = (real.section or demo.section).partition("\n")[0]
    headline = f"{date}\n\n{HEADLINE_HEAD}{demo.rows}{real.rows}\n{_HEADLINE_NOTE}"
    stay = (kept(old, name) for name in (EPISODES, FORECAST))
    write_text(out, make_page(headline, demo.section, real.section, *stay))
    put_headline(readme, headline)
    if found:
        return f"wrote {out}: demo home and real homes"
    state = "kept as they were" if real.section else "missing"
    return f"wrote {out}: demo home; real homes {state}, {data} has no data (set DARKSTAR_DATA)"


def make_demo(folder: Path, how: How) -> Made:
    """Return the tables of the demo home."""
    path = folder / "demo.sqlite"
    with Store.open(path, system_id="simulation") as store:
        home = demo_home(store)
        cases = [find_case(store, home, demo_seasons(home))]
        plans = plan_table(store, [home], how.moments)
    return _made(path, cases, plans, how)


def make_real(folder: Path, data: Path, how: How) -> Made:
    """Return the tables of every home with load and PV."""
    path = folder / "real.sqlite"
    with Store.open(path, system_id="simulation") as store:
        homes = real_homes(store, data)
        cases = [find_case(store, home) for home in homes]
        plans = plan_table(store, homes, how.moments)
    return _made(path, cases, plans, how)


def quick_look(data: Path, wanted: Sequence[str], how: How) -> str:
    """Return the replay tables of some homes.

    Raises:
        BadParameter: a home that is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "homes.sqlite"
        with Store.open(path, system_id="simulation") as store:
            homes = [demo_home(store)] if DEMO_HOME.home_id in wanted else []
            homes += real_homes(store, data) if data_found(data) else []
            by_id = {home.home_id: home for home in homes}
            for name in wanted:
                if name not in by_id:
                    raise typer.BadParameter(f"home {name}: known are {', '.join(by_id) or 'none'}")
            cases = [_case(store, by_id[name]) for name in wanted]
        return replay_tables(cases, _replayed(path, cases, how))


def _case(store: Store, home: ReferenceHome) -> Case:
    """Return what of a home is replayed."""
    is_demo = home.home_id == DEMO_HOME.home_id
    return find_case(store, home, demo_seasons(home) if is_demo else None)


def _made(path: Path, cases: Sequence[Case], plans: str, how: How) -> Made:
    """Return the tables of some homes."""
    lines = _replayed(path, cases, how)
    section = f"{stamp()}\n\n{replay_tables(cases, lines)}\n### Plans\n\n{plans}"
    return Made(
        section=section,
        rows=headline_rows(line for line in lines if line.home_id in _HEADLINE_HOMES),
    )


def _replayed(path: Path, cases: Sequence[Case], how: How) -> list[Line]:
    """Replay homes and say how far it is."""
    say: Callable[[str], object] = lambda text: sys.stderr.write(f"{text}\n")  # noqa: E731
    return replay_cases(path, cases, highs=how.highs, say=say, workers=how.workers)


def _kept_real(old: str) -> Made:
    """Return the tables of the real homes of an earlier page."""
    rows = [
        row
        for row in kept(old, HEADLINE).splitlines()
        if row.startswith("| ") and not row.startswith((f"| {DEMO_HOME.home_id} |", "| home |"))
    ]
    return Made(section=kept(old, REAL), rows="".join(f"{row}\n" for row in rows))


def put_headline(readme: Path, headline: str) -> None:
    """Put the headline between the marks of the README, where there are any."""
    if not readme.exists():
        return
    page = readme.read_text(encoding="utf-8")
    old = f"<!-- {_README}: begin -->\n{kept(page, _README)}\n<!-- {_README}: end -->"
    if old not in page:
        old = f"<!-- {_README}: begin -->\n<!-- {_README}: end -->"
    write_text(readme, page.replace(old, marked(_README, headline).rstrip("\n")))


def _main(
    out: Path = Path("docs/results.md"),
    readme: Path = Path("README.md"),
    data: Path | None = None,
    *,
    highs: Annotated[bool, typer.Option(help="Replay what HiGHS plans too.")] = True,
    home: Annotated[list[str] | None, typer.Option(help="Print this home, write nothing.")] = None,
) -> None:
    """Rebuild the result tables."""
    folder = data or Path(os.environ.get("DARKSTAR_DATA", "../shared/data"))
    how = How(highs=highs)
    done = quick_look(folder, home, how) if home else run_results(out, folder, readme, how)
    sys.stdout.write(done + "\n")


if __name__ == "__main__":
    typer.run(_main)
