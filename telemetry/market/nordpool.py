"""Day-ahead prices from Nord Pool's data portal, through ``pynordpool``.

One request per delivery day: ``date`` (the CET day), ``deliveryArea``, ``currency``. The reply has
prices per MWh with UTC bounds, 15 minutes long since delivery day 2025-10-01 and 60 before, the
time of its last update, and per area whether the prices are ``Final``. A day that is not published
answers 204. History older than about two months answers 401: take another provider for it.

``pynordpool`` tries everything again three times, 7 s apart, even what can never succeed. Here the
session looks at each reply before it does (aiohttp's ``raise_for_status``), so that a refusal is
told at once and only what may pass is tried again, after pauses of our own.

Written against documented replies; not run against the live service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from http import HTTPStatus
from time import sleep as wait
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

from telemetry.errors import (
    MissingExtraError,
    PeerAuthError,
    PeerReplyError,
    PeerUnreachableError,
    SeriesError,
)
from telemetry.json_http import CURE_LATER, RETRY_PAUSES_SECONDS, TRIES, can_be_retried, unusable
from telemetry.market.market import DeliveryDay, Row, days_between, number, place
from telemetry.slots import MARKET_ZONE, from_epoch, local_day, to_epoch, zone_info

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession
    from pynordpool import DeliveryPeriodData, NordPoolClient

PEER = "Nord Pool"
API_URL = "https://dataportal-api.nordpoolgroup.com/api"
# Names that other providers have for areas which Nord Pool calls differently.
_ALIASES = {"DE": "GER", "DE-LU": "GER", "RO": "TEL"}
_SERVED_DAYS = 45
_OTHER_PROVIDER = "backfill with --provider energy_charts"


class _RefusedError(Exception):
    """HTTP 401 or 403; what it means depends on the day."""


class _BusyError(Exception):
    """A status that may be another one later."""


@final
class NordPool:
    """Day-ahead prices of the areas in ``pynordpool.AREAS``; a ``DayAhead``."""

    name = "nordpool"
    page_days = 1

    def __init__(
        self,
        *,
        url: str = API_URL,
        sleep: Callable[[float], None] = wait,
        timeout_seconds: int = 20,
        tries: int = TRIES,
    ) -> None:
        """Make a provider.

        Args:
            url: of the data portal's API, or of one that speaks like it.
            sleep: waits for seconds between tries.
            timeout_seconds: how long one answer may take.
            tries: how often it is asked at most.
        """
        self._url, self._sleep, self._timeout = url.rstrip("/"), sleep, timeout_seconds
        self._tries = tries

    def currency_for(self, home_currency: str) -> str:
        """The home's own where Nord Pool quotes it, else EUR."""
        quoted = {str(currency) for currency in _pynordpool().Currency}
        return home_currency if home_currency in quoted else "EUR"

    def fetch(
        self, area: str, first_day: date, last_day: date, currency: str, now: datetime
    ) -> list[DeliveryDay]:
        """Published days from the first to the last; see ``DayAhead``."""
        code = _code(area)
        if self.currency_for(currency) != currency:
            raise SeriesError("currency", currency, "one that Nord Pool quotes, e.g. EUR")
        days = days_between(first_day, last_day)
        replies = asyncio.run(self._ask(code, days, currency, now))
        found = []
        for day, reply in zip(days, replies, strict=True):
            if reply is not None and reply.entries:
                _check_kind(reply, day, currency)
                found.append(_delivery_day(reply, day, area, code, now))
        return found

    async def _ask(
        self, code: str, days: list[date], currency: str, now: datetime
    ) -> list[DeliveryPeriodData | None]:
        pool = _pynordpool()
        async with self._session() as session:
            client = pool.NordPoolClient(session, self._timeout)
            return [await self._one_day(client, code, day, currency, now) for day in days]

    def _session(self) -> ClientSession:
        from aiohttp import ClientSession  # noqa: PLC0415 - comes with pynordpool

        if self._url == API_URL:
            # By the proxy of the environment, if there is one, as the other services are asked.
            return ClientSession(raise_for_status=_look_at, trust_env=True)
        return ClientSession(raise_for_status=_look_at, middlewares=(_sent_to(self._url),))

    async def _one_day(
        self, client: NordPoolClient, code: str, day: date, currency: str, now: datetime
    ) -> DeliveryPeriodData | None:
        """One day, or ``None`` where it is not published; tried again where that can help."""
        for pause in RETRY_PAUSES_SECONDS[: self._tries - 1]:
            try:
                return await _request(client, code, day, currency, now)
            except PeerUnreachableError:
                # Nothing else runs in this event loop, so blocking it holds up nobody.
                self._sleep(pause)
        return await _request(client, code, day, currency, now)


async def _request(
    client: NordPoolClient, code: str, day: date, currency: str, now: datetime
) -> DeliveryPeriodData | None:
    from aiohttp import ClientError  # noqa: PLC0415 - comes with pynordpool

    pool = _pynordpool()
    noon = datetime.combine(day, time(12), UTC)
    try:
        return await client.async_get_delivery_period(noon, pool.Currency(currency), [code])
    except pool.NordPoolEmptyResponseError:
        return None
    except _RefusedError as err:
        raise _refused(day, str(err), now) from err
    except (_BusyError, ClientError, TimeoutError, OSError) as err:
        raise _no_answer(day, err) from err
    except (pool.NordPoolError, KeyError, TypeError, ValueError, AttributeError) as err:
        reason = f"the reply for {day} has another shape ({type(err).__name__}: {err})"
        raise unusable(PEER, reason) from err


def _pynordpool() -> ModuleType:
    """The library, imported on first use: it brings aiohttp, a fifth of a second."""
    try:
        import pynordpool  # noqa: PLC0415
    except ImportError as err:
        raise MissingExtraError("pynordpool", "live", "prices of Nord Pool") from err
    module: ModuleType = pynordpool
    return module


def _code(area: str) -> str:
    """Nord Pool's name of an area.

    Raises:
        SeriesError: it has none.
    """
    known = _pynordpool().AREAS
    code = _ALIASES.get(area.upper(), area.upper())
    if code not in known:
        want = f"one that Nord Pool has ({', '.join(known)}), or try --provider energy_charts"
        raise SeriesError("area", area, want)
    return code


async def _look_at(reply: ClientResponse) -> None:
    """Judge a reply before ``pynordpool`` does."""
    from aiohttp import ContentTypeError  # noqa: PLC0415 - comes with pynordpool

    if reply.status == HTTPStatus.NO_CONTENT:
        return
    if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise _RefusedError(str(reply.status))
    if can_be_retried(reply.status):
        raise _BusyError(f"HTTP {reply.status}")
    if reply.status != HTTPStatus.OK:
        raise PeerReplyError(PEER, f"it answered HTTP {reply.status}", CURE_LATER)
    try:
        found = await reply.json()
    except (ValueError, ContentTypeError) as err:
        raise unusable(PEER, f"its reply is no JSON ({err})") from err
    if not isinstance(found, dict) or "multiAreaEntries" not in found:
        raise unusable(PEER, "its reply has no multiAreaEntries")


def _no_answer(day: date, err: Exception) -> PeerUnreachableError:
    from aiohttp import ClientConnectorDNSError  # noqa: PLC0415 - comes with pynordpool

    if isinstance(err, ClientConnectorDNSError):
        return PeerUnreachableError(PEER, f"no such host: {err.host}", "is this machine online?")
    reason = f"no answer for {day} ({type(err).__name__}: {err})"
    return PeerUnreachableError(PEER, reason, CURE_LATER)


def _refused(day: date, status: str, now: datetime) -> PeerAuthError:
    """Why Nord Pool does not give a day."""
    age = (now.astimezone(zone_info(MARKET_ZONE)).date() - day).days
    if age > _SERVED_DAYS:
        reason = f"delivery day {day} is older than it serves, about two months (HTTP {status})"
        return PeerAuthError(PEER, reason, _OTHER_PROVIDER)
    cure = f"try again later, or {_OTHER_PROVIDER}"
    return PeerAuthError(PEER, f"it refuses delivery day {day} (HTTP {status})", cure)


def _sent_to(
    url: str,
) -> Callable[[ClientRequest, ClientHandlerType], Any]:
    """A middleware that sends requests to another server than the library's."""
    from yarl import URL  # noqa: PLC0415 - comes with aiohttp

    base = URL(url)

    async def send(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        query = request.url.query
        request.url = base.joinpath(request.url.name).with_query(query)
        return await handler(request)

    return send


def _check_kind(reply: DeliveryPeriodData, day: date, currency: str) -> None:
    """Refuse an answer to another question."""
    if reply.requested_date != day.isoformat():
        raise unusable(PEER, f"asked for delivery day {day}, it sent {reply.requested_date}")
    if reply.currency != currency:
        raise unusable(PEER, f"asked for {currency}, it sent {reply.currency}")


def _delivery_day(
    reply: DeliveryPeriodData, day: date, area: str, code: str, now: datetime
) -> DeliveryDay:
    """Prices of one area; it was known when it was updated, at the latest when it was read."""
    try:
        rows = [
            Row(
                start=to_epoch(entry.start),
                end=to_epoch(entry.end),
                per_mwh=number(PEER, entry.entry.get(code)),
            )
            for entry in reply.entries
        ]
        final_state = any(
            state["state"] == "Final" and code in state["areas"] for state in reply.area_states
        )
        issued_at = from_epoch(min(to_epoch(reply.updated_at), to_epoch(now)))
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        reason = f"the reply for {day} has another shape ({type(err).__name__}: {err})"
        raise unusable(PEER, reason) from err
    minutes, values = place(PEER, day, rows)
    return DeliveryDay(
        day=day,
        area=area.upper(),
        currency=reply.currency,
        start=local_day(day, MARKET_ZONE)[0],
        slot_minutes=minutes,
        values=values,
        issued_at=issued_at,
        assumed=False,
        final=final_state,
        source=NordPool.name,
    )
