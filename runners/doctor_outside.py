"""The doctor looks at who gives prices and weather, where those in the store are not in order.

Each is asked once, and given little time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from runners.config import Config
from runners.doctor_line import Level, Line, fine, warning
from telemetry.errors import MissingExtraError, PeerError, TelemetryError

__all__ = ["SERVICES", "AskService", "check_services"]

AskService = Callable[[Config, str, datetime], str]
"""Takes a home; asks for its facts of today and returns whose they are.

Raises:
    TelemetryError: they do not come.
"""

_ANSWER_SECONDS = 5


def check_services(
    config: Config,
    home_id: str,
    now: datetime,
    lines: Iterable[Line],
    services: Mapping[str, AskService],
) -> Iterator[Line]:
    """Say whether a service answers, for every one of ``lines`` that is not in order.

    Args:
        config: the configuration.
        home_id: which home.
        now: the moment.
        lines: what was said of the store's facts.
        services: by the first word of a line's name.
    """
    for line in lines:
        ask = services.get(line.name.split()[0])
        if ask is None or line.level is Level.OK:
            continue
        name = f"service of {line.name}"
        try:
            yield fine(name, f"{ask(config, home_id, now)} answers")
        except PeerError as err:
            yield warning(name, f"{err.peer}: {err.reason}", err.cure)
        except MissingExtraError as err:
            yield warning(name, f"{err.package} is not installed", str(err))
        except TelemetryError as err:
            yield warning(name, str(err), "correct the area, the position or the currency")


def _ask_prices(config: Config, home_id: str, now: datetime) -> str:
    """Ask whom ``darkstar prices`` asks."""
    from telemetry.market import NordPool, market_day  # noqa: PLC0415 - numpy
    from telemetry.market.nordpool import PEER  # noqa: PLC0415 - the same

    given, provider = (
        config.home_config(home_id),
        NordPool(timeout_seconds=_ANSWER_SECONDS, tries=1),
    )
    currency = provider.currency_for(given.price_currency or config.home_currency(home_id))
    today = market_day(now)
    provider.fetch(given.area or "", today, today, currency, now)
    return PEER


def _ask_weather(config: Config, home_id: str, now: datetime) -> str:
    """Ask whom ``darkstar weather`` asks."""
    from telemetry.open_meteo import PEER, OpenMeteo  # noqa: PLC0415 - numpy

    try:
        import httpx  # noqa: PLC0415 - of the extra "live"
    except ImportError as err:
        raise MissingExtraError("httpx", "live", "weather of Open-Meteo") from err
    with httpx.Client(timeout=_ANSWER_SECONDS) as client:
        OpenMeteo(client, tries=1).forecast(config.home(home_id), now=now, days=1)
    return PEER


SERVICES: dict[str, AskService] = {"prices": _ask_prices, "weather": _ask_weather}
