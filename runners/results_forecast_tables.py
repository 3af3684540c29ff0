"""The tables of forecasts in Markdown, and below each whether its targets were reached.

Targets are those of the real homes; where none is among the homes, of all.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from forecast.metrics import GROUPS, Sums, Verdict, pooled, verdicts
from runners.results_forecast_home import Errors
from runners.results_forecast_money import Bill
from runners.results_forecast_money_tables import money_tables
from runners.results_forecast_prices import RULES, PriceErrors
from runners.results_forecast_text import at_least, between, number, percent, table, targets

__all__ = ["Scored", "forecast_tables"]

_PICKS: tuple[tuple[str, Callable[[Sequence[float]], float]], ...] = (
    ("median home", statistics.median),
    ("lowest home", min),
)
_LOAD_SKILL, _LOAD_AIM, _LOAD_HOUR, _LOAD_HOUR_AIM = 0.07, 0.11, 0.10, 0.18
_BIAS, _PV_HOUR, _PV_BY_WEATHER = 0.05, 0.20, 0.25
_COVERED = (0.77, 0.83)
_BIASES = ("bias of the mean", "bias of the median")
_PV_HEAD = ("home", "MAE skill", "MAE skill, 0-1 h", "best rule", *_BIASES)
_NAIVE_BAND = (
    "\nThe naive band is the empirical 10, 50 and 90 % of the same slot on the last 14 days. PV "
    "where the sun is up,\nwithout weather forecasts. Pooled over homes, each target weighs the "
    "same.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """A home and what its forecasts were worth.

    Attributes:
        home_id: the home.
        real: whether its facts were measured.
        readings: what its slots were made from.
        first, last: test days, both included.
        days: how many.
        models: how many were trained.
        errors: how far forecasts lay from what came.
        bills: what was paid, by battery; empty without a window that is long enough.
    """

    home_id: str
    real: bool
    readings: str
    first: date
    last: date
    days: int
    models: int
    errors: Errors
    bills: tuple[Bill, ...]


def forecast_tables(homes: Sequence[Scored], prices: Sequence[PriceErrors]) -> str:
    """Return every table, with headings and targets."""
    judged = [home for home in homes if home.real] or list(homes)
    paid = [(home.home_id, home.bills) for home in homes]
    parts = [
        ("Load", _load(homes, judged)),
        ("PV without weather forecasts", _pv(homes, judged)),
        ("PV with weather forecasts", _pv_by_weather(homes)),
        ("Coverage of the 10 to 90 % band", _coverage(judged)),
        ("Price forecast, EUR/MWh", _prices(prices)),
        *money_tables(paid, {home.home_id for home in judged}),
        ("What was forecast", _test_days(homes)),
    ]
    return "\n".join(f"#### {title}\n\n{text}" for title, text in parts if text)


def _load(homes: Sequence[Scored], judged: Sequence[Scored]) -> str:
    """Return skill and bias of the load."""
    rows = [_load_row(home) for home in homes]
    found = [verdicts(home.errors.load) for home in judged]
    skills, hours = [one[-1].skill for one in found], [one[0].skill for one in found]
    squares = [_rmse_skill(home.errors) for home in judged]
    for name, pick in _PICKS:
        all_of = [percent(pick(values)) for values in (skills, hours, squares)]
        rows.append([name, all_of[0], all_of[1], "", all_of[2], "", ""])
    head = ["home", "MAE skill", "MAE skill, 0-1 h", "best rule", "RMSE skill", *_BIASES]
    middle = statistics.median
    return table(head, rows) + targets(
        at_least("MAE skill of the median home", middle(skills), _LOAD_SKILL, _LOAD_AIM),
        at_least("MAE skill of the lowest home", min(skills), 0.0),
        at_least("one hour ahead, median home", middle(hours), _LOAD_HOUR, _LOAD_HOUR_AIM),
        _unbiased(found),
    )


def _load_row(home: Scored) -> list[str]:
    """Return the row of a home's load."""
    name, skill, hour, best, *biases = _row(home.home_id, verdicts(home.errors.load))
    return [name, skill, hour, best, percent(_rmse_skill(home.errors)), *biases]


def _rmse_skill(errors: Errors) -> float:
    """Return the skill of the mean of load by RMSE, against the best rule by RMSE."""
    best = float(errors.naive_square.sum(axis=1).min())
    return 1.0 - float(np.sqrt(errors.load.square.sum() / best)) if best > 0.0 else np.nan


def _pv(homes: Sequence[Scored], judged: Sequence[Scored]) -> str:
    """Return skill and bias of PV without weather forecasts."""
    rows = [_row(home.home_id, verdicts(home.errors.pv)) for home in homes]
    found = [verdicts(home.errors.pv) for home in judged]
    skills, hours = [one[-1].skill for one in found], [one[0].skill for one in found]
    for name, pick in _PICKS:
        rows.append([name, percent(pick(skills)), percent(pick(hours)), "", "", ""])
    return table(_PV_HEAD, rows) + targets(
        at_least("MAE skill of the lowest home", min(skills), 0.0),
        at_least("one hour ahead, lowest home", min(hours), _PV_HOUR),
        _unbiased(found),
    )


def _pv_by_weather(homes: Sequence[Scored]) -> str:
    """Return skill and bias of PV where weather forecasts were known; "" where none were."""
    found = {
        home.home_id: verdicts(home.errors.pv_by_weather)
        for home in homes
        if home.errors.pv_by_weather is not None
    }
    if not found:
        return ""
    worst = min(one[-1].skill for one in found.values())
    rows = [_row(name, one) for name, one in found.items()]
    return table(_PV_HEAD, rows) + targets(at_least("MAE skill", worst, _PV_BY_WEATHER))


def _row(name: str, found: Sequence[Verdict]) -> list[str]:
    """Return name, skill, skill one hour ahead, best rule and both biases."""
    whole = found[-1]
    skills = [percent(whole.skill), percent(found[0].skill)]
    return [name, *skills, whole.best_naive, percent(whole.bias), percent(whole.median_bias)]


def _unbiased(found: Sequence[Sequence[Verdict]]) -> str:
    """Say whether the mean of every home is free of bias."""
    return between("bias of the mean, every home", [one[-1].bias for one in found], -_BIAS, _BIAS)


def _coverage(judged: Sequence[Scored]) -> str:
    """Return how often the truth lay in the band, and what the band is worth, by lead."""
    errors = [home.errors for home in judged]
    rows, lines = [], []
    for name, own, naive in (
        ("load", [e.load for e in errors], [e.load_band for e in errors]),
        ("PV", [e.pv for e in errors], [e.pv_band for e in errors]),
    ):
        whole, plain = verdicts(pooled(own)), verdicts(pooled(naive))
        ratios = [a.pinball_kwh / b.pinball_kwh for a, b in zip(whole, plain, strict=True)]
        rows += [
            [f"{name}, pooled", *(percent(one.coverage) for one in whole)],
            *_extremes(name, own),
            [f"{name}, pinball loss / naive band's", *map(number, ratios)],
            [f"{name}, coverage of the naive band", *(percent(one.coverage) for one in plain)],
        ]
        covered = [one.coverage for one in whole[:-1]]
        lines.append(between(f"{name}, every lead group, pooled", covered, *_COVERED))
    return table(["", *GROUPS, "all"], rows) + _NAIVE_BAND + targets(*lines)


def _extremes(name: str, sums: Sequence[Sums]) -> list[list[str]]:
    """Return the lowest and the highest coverage of a home by lead."""
    each = list(zip(*(verdicts(one) for one in sums), strict=True))
    lowest, highest = (
        [percent(pick(one.coverage for one in group)) for group in each] for pick in (min, max)
    )
    return [[f"{name}, lowest home", *lowest], [f"{name}, highest home", *highest]]


def _prices(prices: Sequence[PriceErrors]) -> str:
    """Return the errors of price forecasts; "" where no prices are."""
    if not prices:
        return ""
    ahead = {1: "next unpublished", 2: "the one after"}
    rows = [
        [
            one.area,
            ahead[one.day],
            f"{one.first} to {one.last}",
            *(number(value) for value in (*one.mae, *one.rmse)),
        ]
        for one in prices
    ]
    head = [f"{what}, {rule}" for what in ("MAE", "RMSE") for rule in RULES]
    note = (
        "\nSpot, known to the end of a day. The few numbers of the rule (`forecast.price`) were "
        "chosen on these years.\n"
    )
    return table(["area", "day", "days foretold", *head], rows, left=3) + note


def _test_days(homes: Sequence[Scored]) -> str:
    """Return which days were forecast and replayed."""
    rows = [
        [
            home.home_id,
            home.readings,
            f"{home.first} to {home.last}",
            str(home.days),
            str(home.models),
            f"{home.bills[0].days:.0f} in {home.bills[0].windows}" if home.bills else "none",
        ]
        for home in homes
    ]
    head = ["home", "readings", "test days", "days", "models trained", "days replayed, in windows"]
    return table(head, rows, left=3)
