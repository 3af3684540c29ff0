"""The price and the weather service of a made-up day, by a clock of the test's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

import runners.prices
import runners.weather
from telemetry.market import NordPool
from telemetry.open_meteo import OpenMeteo
from tests.telemetry.market.replies import BRUSSELS, nordpool_reply
from tests.telemetry.web import Answer, Query, serving

_PUBLISHED = time(12, 57)
_UNITS = {
    "temperature_2m": "°C",
    "wind_speed_10m": "m/s",
    "cloud_cover": "%",
    **dict.fromkeys(
        ("shortwave_radiation", "direct_normal_irradiance", "diffuse_radiation"), "W/m²"
    ),
}


@contextmanager
def services(clock: Callable[[], datetime]) -> Iterator[None]:
    """Let ``darkstar prices`` and ``weather`` ask servers of this machine."""

    def market(_path: str, query: Query) -> Answer:
        day = date.fromisoformat(query["date"])
        eve = datetime.combine(day - timedelta(days=1), _PUBLISHED, tzinfo=BRUSSELS)
        if clock() < eve:
            return 204, None
        area, currency = query["deliveryArea"], query["currency"]
        return 200, nordpool_reply(day, (area,), currency=currency, price=spot_mwh)

    def weather(_path: str, query: Query) -> Answer:
        first = datetime.combine(clock().date(), time(), tzinfo=UTC)
        return 200, _forecast(query, first)

    @contextmanager
    def nord_pool(_name: str) -> Iterator[NordPool]:
        yield NordPool(url=prices.url, sleep=lambda _: None)

    @contextmanager
    def open_meteo() -> Iterator[OpenMeteo]:
        url = f"{sky.url}/v1/forecast"
        with httpx.Client() as client:
            yield OpenMeteo(client, forecast_url=url, sleep=lambda _: None)

    with serving(market) as prices, serving(weather) as sky, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runners.prices, "open_provider", nord_pool)
        patch.setattr(runners.weather, "open_service", open_meteo)
        yield


def spot_mwh(quarter: int) -> float:
    """Price of a quarter of the day, SEK/MWh: cheap nights, dear evenings, none twice."""
    return 600.0 - 350.0 * math.cos((quarter - 10.0) / 48.0 * math.pi) + 0.5 * quarter


def _forecast(query: Query, first: datetime) -> dict[str, Any]:
    """Return what Open-Meteo would: a cool, half clouded week."""
    reply: dict[str, Any] = {
        "latitude": 55.5,
        "longitude": 13.1,
        "elevation": 21.0,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
    }
    days = int(query["forecast_days"])
    for name, minutes in (("minutely_15", 15), ("hourly", 60)):
        if name in query:
            step = timedelta(minutes=minutes)
            stamps = [first + k * step for k in range(days * 24 * 60 // minutes)]
            reply[name] = {"time": [f"{stamp:%Y-%m-%dT%H:%M}" for stamp in stamps]} | {
                one: [_value(one, stamp) for stamp in stamps] for one in query[name].split(",")
            }
            reply[f"{name}_units"] = {"time": "iso8601", **_UNITS}
    return reply


def _value(name: str, stamp: datetime) -> float:
    """Return a variable at a stamp; radiation from 6 to 16 UTC, highest at 11."""
    sun = max(0.0, math.cos((stamp.hour + stamp.minute / 60.0 - 11.0) / 10.0 * math.pi))
    known = {"temperature_2m": 8.0, "wind_speed_10m": 4.0, "cloud_cover": 50.0}
    return known.get(name, 300.0 * sun)
