"""Day-ahead prices from energy-charts.info (Fraunhofer ISE): years of history, in EUR.

    GET /price?bzn=SE4&start=YYYY-MM-DD&end=YYYY-MM-DD  (both days included)
    {"license_info": ..., "unix_seconds": [...], "price": [...], "unit": "EUR / MWh", ...}

The reply names the start of each interval alone; its length is the smallest distance between two of
a delivery day. Rows are placed by timestamp, rows of other days than those asked for are left out.
When prices were published is not told: 13:15 market time of the day before is assumed, or the
moment of the request where that is earlier. The licence (CC BY 4.0 where the service says so) goes
with the data, as ``DeliveryDay.note``.

Written against documented replies; not run against the live service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from itertools import pairwise
from time import sleep as wait
from typing import TYPE_CHECKING, final

from telemetry.errors import TimeError
from telemetry.json_http import get_json, unusable
from telemetry.market.market import DeliveryDay, Row, days_between, market_day, number, place
from telemetry.slots import MARKET_ZONE, assumed_issue_time, from_epoch, local_day

if TYPE_CHECKING:
    import httpx

PEER = "energy-charts"
API_URL = "https://api.energy-charts.info/price"
# Names that other providers have for areas which energy-charts calls differently.
_ALIASES = {"DE": "DE-LU", "GER": "DE-LU", "TEL": "RO"}
_UNIT = "EUR/MWh"


@final
class EnergyCharts:
    """Day-ahead prices of most European areas, in EUR; a ``DayAhead``."""

    name = "energy_charts"
    page_days = 31

    def __init__(
        self,
        client: httpx.Client,
        *,
        url: str = API_URL,
        sleep: Callable[[float], None] = wait,
    ) -> None:
        """Make a provider.

        Args:
            client: for the requests.
            url: of the price service, or of one that speaks like it.
            sleep: waits for seconds between tries.
        """
        self._client, self._url, self._sleep = client, url, sleep

    def currency_for(self, home_currency: str) -> str:  # noqa: ARG002 - it quotes one alone
        """EUR, whatever the home pays in."""
        return "EUR"

    def fetch(
        self,
        area: str,
        first_day: date,
        last_day: date,
        currency: str,  # noqa: ARG002 - it quotes one alone
        now: datetime,
    ) -> list[DeliveryDay]:
        """Published days from the first to the last; see ``DayAhead``."""
        code = _ALIASES.get(area.upper(), area.upper())
        params = {"bzn": code, "start": first_day.isoformat(), "end": last_day.isoformat()}
        reply = get_json(self._client, self._url, params, peer=PEER, sleep=self._sleep)
        if reply is None:
            return []
        prices, note = _prices(reply), _note(reply)
        by_day: dict[date, dict[int, float]] = {}
        for stamp, price in prices.items():
            by_day.setdefault(market_day(from_epoch(stamp)), {})[stamp] = price
        wanted = [day for day in days_between(first_day, last_day) if day in by_day]
        found = [_delivery_day(day, area, by_day[day], now, note) for day in wanted]
        return [one for one in found if one is not None]


def _prices(reply: object) -> dict[int, float]:
    """Prices per MWh by the start of their interval, ascending."""
    if not isinstance(reply, Mapping):
        raise unusable(PEER, f"its reply is a {type(reply).__name__}, want an object")
    stamps, prices, unit = (reply.get(name) for name in ("unix_seconds", "price", "unit"))
    if str(unit).replace(" ", "") != _UNIT:
        raise unusable(PEER, f"prices are in {unit!r}, want EUR / MWh")
    if not isinstance(stamps, list) or not isinstance(prices, list) or len(stamps) != len(prices):
        raise unusable(PEER, "unix_seconds and price are not two lists of one length")
    found: dict[int, float] = {}
    for stamp, price in zip(stamps, prices, strict=True):
        start = _stamp(stamp)
        if start in found:
            raise unusable(PEER, f"the interval at {from_epoch(start).isoformat()} comes twice")
        found[start] = number(PEER, price)
    return dict(sorted(found.items()))


def _stamp(stamp: object) -> int:
    """A time of the reply, epoch seconds."""
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        raise unusable(PEER, f"a time is {stamp!r}, want whole seconds after 1970")
    try:
        from_epoch(stamp)
    except TimeError as err:
        raise unusable(PEER, f"a time is {err}") from err
    return stamp


def _note(reply: object) -> str:
    """Licence and whether the service is about to go."""
    if not isinstance(reply, Mapping):
        return ""
    licence = str(reply.get("license_info") or "").strip()
    gone = "the service calls this interface deprecated" if reply.get("deprecated") is True else ""
    return "; ".join(text for text in (licence, gone) if text)


def _delivery_day(
    day: date, area: str, prices: Mapping[int, float], now: datetime, note: str
) -> DeliveryDay | None:
    """One day; ``None`` where a single stamp does not tell how long its interval is."""
    steps = [after - before for before, after in pairwise(prices)]
    if not steps:
        return None
    length = min(steps)
    rows = [Row(start=at, end=at + length, per_mwh=price) for at, price in prices.items()]
    minutes, values = place(PEER, day, rows)
    return DeliveryDay(
        day=day,
        area=area.upper(),
        currency="EUR",
        start=local_day(day, MARKET_ZONE)[0],
        slot_minutes=minutes,
        values=values,
        issued_at=min(assumed_issue_time(day), now),
        assumed=True,
        final=True,
        source=EnergyCharts.name,
        note=note,
    )
