"""What the battery would have paid with each forecaster, for ``darkstar evaluate``.

The forecasters run in closed loop over the longest stretch of the period of which load, PV and
prices are known without a gap, and so are the 24 h after it. They start half full.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from sim.asof import BaselineForecasts, Forecasts
from sim.aurora import AuroraForecasts
from sim.errors import SimError
from sim.history import gap_free_stretches, realised
from sim.planning import HomeModel, half_full, zone_of
from sim.score import score_in_money
from sim.window import replay_window
from telemetry.slots import local_day, zone_info

if TYPE_CHECKING:
    from forecast.inputs import HomeHistory
    from forecast.rolling import Chain
    from sim.score import Money
    from telemetry.store import Store

__all__ = ["BRIDGE_HOURS", "Priced", "priced_days"]

BRIDGE_HOURS = 2.0
"""PV missing for at most so long is read off its neighbours."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Forecasters in money.

    Attributes:
        first, last: local days of the longest stretch without gaps, both included.
        money: what each paid; None where it could not be counted.
        reason: why not, "" where it was.
        bridged: slots of PV that were read off their neighbours.
    """

    first: date | None
    last: date | None
    money: Money | None
    reason: str = ""
    bridged: int = 0


def priced_days(
    store: Store,
    model: HomeModel,
    history: HomeHistory,
    chain: Chain,
    period: tuple[date, date],
    *,
    risk_appetite: int,
) -> Priced:
    """Return the forecasters in money, over the longest stretch of a period without gaps.

    Args:
        store: where the facts are.
        model: the home.
        history: of it, from the beginning to the end of the period.
        chain: the models in force.
        period: first and last local day, both included.
        risk_appetite: 1 (cautious) to 5 (bold), of the plans on scenarios.

    Raises:
        TelemetryError: the store cannot answer.
    """
    if model.site.battery.capacity_kwh == 0.0:
        return Priced(first=None, last=None, money=None, reason="the home has no battery")
    try:
        stretch = _longest(store, model, period)
        if stretch is not None:
            return _replayed(store, model, history, chain, stretch, risk_appetite)
    except (SimError, ForecastError) as err:
        return Priced(first=None, last=None, money=None, reason=str(err))
    reason = "no day of the period has load, PV and prices without gaps and a day after it"
    return Priced(first=None, last=None, money=None, reason=reason)


def _replayed(
    store: Store,
    model: HomeModel,
    history: HomeHistory,
    chain: Chain,
    days: tuple[date, date],
    risk_appetite: int,
) -> Priced:
    """Return the forecasters in money, over local days without gaps.

    Raises:
        SimError, ForecastError: the days cannot be replayed so.
    """
    zone = zone_of(model)
    start, end = local_day(days[0], zone)[0], local_day(days[1], zone)[1]
    real = realised(store, model, start, end, bridge_hours=BRIDGE_HOURS)
    window = replay_window(model, real, soc_start_kwh=half_full(model)[0])
    seen = (store, model, history, chain, start, end)
    forecasters: dict[str, Forecasts] = {
        "baseline": BaselineForecasts(store, model, start, end),
        "aurora, means": AuroraForecasts(*seen, scenarios=False, name="aurora, means"),
        "aurora": AuroraForecasts(*seen, risk_appetite=risk_appetite),
    }
    money = score_in_money(window, forecasters)
    return Priced(first=days[0], last=days[1], money=money, bridged=real.bridged)


def _longest(store: Store, model: HomeModel, period: tuple[date, date]) -> tuple[date, date] | None:
    """Return the longest run of days of the period that can be replayed; None without any."""
    zone = zone_info(zone_of(model))
    found = []
    for stretch in gap_free_stretches(store, model, least_days=2, bridge_hours=BRIDGE_HOURS):
        # The 24 h that a window needs after it are more than a day where the clocks go forward.
        end = (stretch.end - _DAY).astimezone(zone).date() - _DAY
        first, last = max(stretch.start.astimezone(zone).date(), period[0]), min(end, period[1])
        if first <= last:
            found.append((first, last))
    return max(found, key=lambda days: days[1] - days[0], default=None)
