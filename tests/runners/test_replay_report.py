"""The tables of a replay: as wide as the page, and no percent of next to nothing."""

import io
from datetime import date

import numpy as np
import pytest
from rich.console import Console

from runners.replay_report import Compared, _fitting, _ledger, _table
from sim.regret import Ledger


def fields(text: str, name: str) -> list[str]:
    """Return the cells of the first row of a table that begins with ``name``."""
    line = next(line for line in text.splitlines() if line.startswith(f" {name}  "))
    return line.removeprefix(f" {name}").split()


def test_a_table_that_is_too_wide_moves_its_columns_together() -> None:
    def wide(names: int, width: int) -> list[str]:
        table = _table("wide", ["name"] * names)
        table.add_row(*["12345"] * names)
        out = Console(width=width, record=True, file=io.StringIO())
        out.print(_fitting(table, out))
        return out.export_text().splitlines()

    assert "12345  12345" in wide(5, 80)[-2]
    assert "12345 12345" in wide(12, 80)[-2]  # 12 x 5 + 11 x 2 + 2 = 84, with 11 x 1 it is 73
    assert "…" not in "".join(wide(12, 80))


@pytest.mark.parametrize(("total", "shown"), [(0.5, "-"), (1.0, "200.0")])
def test_parts_of_a_regret_below_1_percent_of_the_gain_have_no_percent(
    total: float, shown: str
) -> None:
    parts = Ledger(
        days=(date(2025, 3, 3),),
        total=np.array([total]),
        dispatch=np.zeros(1),
        load=np.array([2.0 * total]),
        pv=np.array([-total]),
        remainder=np.zeros(1),
        orders=1,
    )
    compared = Compared(
        runs=(),
        main=None,
        ledger=parts,
        no_battery_cost=100.0,
        oracle_cost=0.0,
        ready_seconds=0,
    )
    out = Console(width=80, record=True, file=io.StringIO())
    out.print(_ledger(compared, parts, "SEK", ""))
    assert fields(out.export_text(), "load forecast")[2] == shown
