"""``python -m benchmarks.results_episodes``: rebuild the section on episodes in docs/results.md.

The SE4 home of the data folder, 3 scenarios, into SQLite and a private MariaDB. Without the data or
without MariaDB the section stays as it is.
"""

import os
import sys
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.episodes import mirror, real_folder, simulate
from runners.output import write_text
from runners.results_homes import data_found
from runners.results_page import stamp, with_episodes
from tests.peers.mariadb import RealMariaDB, missing

PAGE = Path("docs/results.md")
_FIRST, _END = date(2025, 7, 3), date(2025, 9, 30)
_SCENARIOS = 3
_HEAD = """| engine | scenarios | days | episodes | simulated in | a second | JSON of one | store |
|---|---:|---:|---:|---:|---:|---:|---:|
"""


def main() -> int:
    """Simulate, mirror and write."""
    data = Path(os.environ.get("DARKSTAR_DATA", "../shared/data"))
    reason = missing() if data_found(data) else f"{data} has no data (set DARKSTAR_DATA)"
    if reason is not None:
        sys.stdout.write(f"{PAGE}: episodes kept as they were: {reason}\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        section = _section(Path(folder), data)
    write_text(PAGE, with_episodes(PAGE.read_text(encoding="utf-8"), section))
    sys.stdout.write(f"wrote {PAGE}: episodes\n")
    return 0


def _section(folder: Path, data: Path) -> str:
    """Return stamp and tables."""
    config = real_folder(folder / "se4", data)
    rows = []
    for engine in ("storage", "highs"):
        batch = simulate(config, _FIRST, _END, engine=engine, scenarios=_SCENARIOS)
        rows.append(
            f"| {engine} | {batch.scenarios} | {batch.days} | {batch.episodes:,} "
            f"| {batch.seconds:.0f} s | {batch.episodes / batch.seconds:.0f} "
            f"| {batch.json_kb:.1f} kB | {batch.store_mb:.0f} MB |\n"
        )
    with RealMariaDB(folder / "mariadb") as server:
        done = mirror(config, server)
    asked = (_END - _FIRST).days
    return (
        f"{stamp()}\n\n{_HEAD}{''.join(rows)}\n"
        f"Asked for {asked} days a scenario, {_FIRST} to {_END} (excluded); simulated: "
        f"{batch.first} to {batch.last}, {batch.days} of them. Mirrored: {done.episodes:,} "
        f"episodes in {done.seconds:.0f} s, {done.episodes / done.seconds:.0f} a second, "
        f"{done.table_mb:.0f} MB in MariaDB 10.11.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
