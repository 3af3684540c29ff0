"""Verdicts on days that nobody judged, made on the spot and not written."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

from runners.config import Config
from runners.validate import channels_of, limits_of
from sim.planning import HomeModel, zone_of
from telemetry.channels import Channel
from telemetry.quality.validate import judge
from telemetry.quality_table import DayClass
from telemetry.slots import local_day

if TYPE_CHECKING:
    from telemetry.store import Store

__all__ = ["judged_days"]


def judged_days(
    config: Config,
    store: Store,
    model: HomeModel,
    first: date,
    end: date,
    *,
    without: Collection[Channel] = (),
) -> dict[date, DayClass]:
    """Return verdicts on the days that have none, as ``darkstar validate --no-reference`` gives.

    Args:
        config: which channels the home has, and what they can carry.
        store: where the facts are.
        model: the home.
        first: the first day.
        end: the day after the last; a day is judged as of then, whatever the clock says.
        without: channels that are not looked at, though the home has them.

    Raises:
        ConfigError: nothing of the home is measured.
        TelemetryError: the store, or an extra, is missing.
    """
    home_id, asked = model.home.home_id, range(first.toordinal(), end.toordinal())
    last = date.fromordinal(asked[-1])
    known = {verdict.local_date for verdict in store.day_quality(home_id, first, last)}
    open_days = [day for day in map(date.fromordinal, asked) if day not in known]
    if not open_days:
        return {}
    channels = channels_of(config, home_id, store)
    verdicts = judge(
        store,
        model.home,
        channels=[channel for channel in channels if channel not in without],
        limits=limits_of(config, home_id, channels),
        first=open_days[0],
        last=open_days[-1],
        reference=None,
        now=local_day(last, zone_of(model))[1],
    )
    return {v.local_date: v.day_class for v in verdicts if v.local_date not in known}
