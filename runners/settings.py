"""Site, tariff and options of a home as text, and the hash that names them."""

from __future__ import annotations

import hashlib

from runners.output import json_text
from sim.planning import HomeModel

__all__ = ["config_hash", "settings_text"]

_CONFIG_SCHEMA = "darkstar.config/1"
"""Of ``config_hash``: with another one every episode would get another name."""


def config_hash(model: HomeModel, forecast: str = "") -> str:
    """Return 16 hexadecimal digits that name site, tariff and options.

    Args:
        model: the home.
        forecast: what else the forecasts depend on: a trained model, how it is used; "" for the
            baseline.
    """
    text = settings_text(model, schema=_CONFIG_SCHEMA) + forecast
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def settings_text(model: HomeModel, *, schema: str) -> str:
    """Return site, tariff and options as JSON; a limit that is none is null."""
    return json_text(
        {
            "schema": schema,
            "site": model.site,
            "tariff": model.tariff,
            "price_area": model.price_area,
            "price_currency": model.price_currency,
            "exchange_rates": model.exchange_rates,
            "pairing": model.pairing,
            "horizon_hours": model.horizon_hours,
            "load_days": model.load_days,
            "pv_days": model.pv_days,
        },
        indent=None,
    )
