"""Prices that are not published yet, as a home forecasts them.

Spot in currency per kWh over N consecutive slots, NaN where not published; ``now`` is the place of
the horizon's first slot, and what comes before it is history.
"""

from datetime import timedelta
from enum import StrEnum

import numpy as np

from forecast.baseline import fill_unpublished_prices
from forecast.price import PRICE_DAYS, forecast_prices, price_scenarios
from telemetry.arrays import F64, I64

__all__ = ["PriceForecast", "filled_spot", "price_history", "spot_scenarios"]

_YESTERDAY_HISTORY = timedelta(days=8)


class PriceForecast(StrEnum):
    """What an unpublished price is made from."""

    YESTERDAY = "yesterday"
    AURORA = "aurora"


def price_history(kind: PriceForecast) -> timedelta:
    """Return how far back the prices reach that unpublished ones are made from."""
    return timedelta(days=PRICE_DAYS) if kind is PriceForecast.AURORA else _YESTERDAY_HISTORY


def filled_spot(kind: PriceForecast, zone: str, spot: F64, slots: I64, now: int) -> F64:
    """Return (T,) spot from place ``now`` on, its unpublished prices forecast.

    Args:
        kind: what they are made from.
        zone: IANA name of the zone whose wall clock pairs the days.
        spot: (N,) currency/kWh, NaN where not published.
        slots: (N,) epoch seconds of consecutive slots.
        now: place of the first slot of the horizon.

    Raises:
        MissingHistoryError: too few prices were published.
    """
    fill = forecast_prices if kind is PriceForecast.AURORA else fill_unpublished_prices
    return fill(
        spot[now:],
        int(slots[now]),
        zone=zone,
        history=spot[:now],
        history_start=int(slots[0]),
    )


def spot_scenarios(
    kind: PriceForecast, zone: str, spot: F64, slots: I64, now: int, count: int
) -> F64:
    """Return (K, T) ways the unpublished prices may turn out, around what ``filled_spot`` gives.

    Yesterday's price has no other way to turn out: K times the same. Arguments as there.

    Raises:
        MissingHistoryError: too few prices were published.
        SeriesError: the count is none.
    """
    if kind is not PriceForecast.AURORA:
        return np.repeat(filled_spot(kind, zone, spot, slots, now)[None], count, axis=0)
    return price_scenarios(
        spot[now:],
        int(slots[now]),
        zone=zone,
        history=spot[:now],
        history_start=int(slots[0]),
        count=count,
    )
