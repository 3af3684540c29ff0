"""The tables of what forecasts are worth in money, and whether their targets were reached."""

import math
from collections.abc import Collection, Mapping, Sequence

from runners.results_forecast_money import Bill, Knows, Prices
from runners.results_forecast_text import at_least, number, percent, table, targets

__all__ = ["money_tables", "won_back"]

_SHARES = tuple(k for k in Knows if k not in {Knows.NO_BATTERY, Knows.ORACLE})
_PAID = (Knows.NO_BATTERY, Knows.SELF_USE, Knows.BASELINE, Knows.AURORA, Knows.ORACLE)
_SHARE_A, _WON_BACK = 0.92, 0.5
_MEAN, _ALL = "mean of homes", "all homes"
_LEAST_LOSS = 1e-6
_FORETOLD = (Prices.AURORA,)

Rows = Sequence[tuple[str, Bill]]


def money_tables(
    homes: Sequence[tuple[str, Sequence[Bill]]], judged: Collection[str]
) -> list[tuple[str, str]]:
    """Return (heading, table) of everything in money.

    Args:
        homes: names and what each paid by battery.
        judged: names of the homes that targets are about.
    """
    rows = [(name, bill) for name, bills in homes for bill in bills]
    if not rows:
        return []
    parts = []
    for battery in sorted({bill.battery for _, bill in rows}):
        own = [row for row in rows if row[1].battery == battery]
        counted = [row for row in own if row[0] in judged]
        parts.append((f"Share of the oracle's gain, battery {battery}", _shares(own, counted)))
    counted = [row for row in rows if row[0] in judged]
    return [
        *parts,
        ("Money, SEK a day", _money(rows)),
        ("Price horizon, SEK a day above known prices", _horizon(rows, counted)),
    ]


def _shares(rows: Rows, judged: Rows) -> str:
    """Return the gains with one battery as shares of the oracle's."""
    found = [[name, *(percent(bill.share(k)) for k in _SHARES)] for name, bill in rows]
    if not judged:
        return table(["home", *_SHARES], found)
    means = {k: sum(bill.share(k) for _, bill in judged) / len(judged) for k in _SHARES}
    found.append([_MEAN, *(percent(means[k]) for k in _SHARES)])
    text = table(["home", *_SHARES], found)
    if judged[0][1].battery != "A":
        return text
    ahead = [bill.share(Knows.AURORA) - bill.share(Knows.BASELINE) for _, bill in judged]
    return text + targets(
        at_least("Aurora ahead of the 7-day mean, lowest home", min(ahead), 0.0),
        at_least("Aurora, mean of homes", means[Knows.AURORA], _SHARE_A),
    )


def _money(rows: Rows) -> str:
    """Return what was paid a day."""
    found = [[name, bill.battery, *(number(bill.per_day(k)) for k in _PAID)] for name, bill in rows]
    return table(["home", "battery", *_PAID], found, left=2)


def _horizon(rows: Rows, judged: Rows) -> str:
    """Return what not knowing prices costs, and how much of it the price forecast wins back."""
    found = [[name, bill.battery, *_horizon_cells([bill])] for name, bill in rows]
    lines: list[str] = []
    for battery in sorted({bill.battery for _, bill in judged}):
        own = [bill for _, bill in judged if bill.battery == battery]
        found.append([_ALL, battery, *_horizon_cells(own)])
        if battery == "B":
            paid = [bill.horizon for bill in own]
            lines = [
                at_least(f"won back, battery B, all homes, {one}", won_back(paid, one), _WON_BACK)
                for one in _FORETOLD
            ]
    head = [
        *("home", "battery", "days", f"lost by {Prices.YESTERDAY} prices"),
        *(f"won back: {one}" for one in _FORETOLD),
        *("all windows: days", "lost"),
        *(f"won back: {one}" for one in _FORETOLD),
    ]
    note = (
        "\nActual load and PV for all; the test days, and all windows of a home. A share of next "
        "to nothing says nothing.\n"
    )
    return table(head, found, left=2) + note + (targets(*lines) if lines else "")


def _horizon_cells(bills: Sequence[Bill]) -> list[str]:
    """Return days, loss and shares of it won back, on the test days and on all."""
    days, whole = sum(b.days for b in bills), sum(b.whole_days for b in bills)
    tested, everywhere = [b.horizon for b in bills], [b.whole_horizon for b in bills]
    return [
        cell
        for span, paid in ((days, tested), (whole, everywhere))
        for cell in (
            f"{span:.0f}",
            f"{_lost(paid) / span:.3f}",
            *(percent(won_back(paid, one)) for one in _FORETOLD),
        )
    ]


def _lost(paid: Sequence[Mapping[Prices, float]]) -> float:
    """Return what yesterday's prices cost above known ones, SEK."""
    return sum(one[Prices.YESTERDAY] - one[Prices.KNOWN] for one in paid)


def won_back(paid: Sequence[Mapping[Prices, float]], prices: Prices) -> float:
    """Return the share of the loss by yesterday's prices that others win back (G2), or NaN."""
    lost = _lost(paid)
    won = sum(one[Prices.YESTERDAY] - one[prices] for one in paid)
    return won / lost if lost > _LEAST_LOSS else math.nan
