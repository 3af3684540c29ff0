"""The stored energy that a plan starts from: given by hand, or the newest that was recorded.

age <= soc_max_age_minutes       planned, fit for control
age <= soc_refuse_age_minutes    planned, told, not fit for control
older, or never recorded         no plan: nobody invents a state of charge
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runners.config import Config
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.substitution import Substitution, age_text, minutes_since
from telemetry.observations import Reading
from telemetry.slots import SLOT_SECONDS, from_epoch
from telemetry.store import Store

__all__ = ["StartState", "start_state"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartState:
    """Stored energy at the start of a plan, and where it is known from.

    Attributes:
        soc_kwh: stored energy.
        source: where it is known from, in words.
        age_minutes: of the reading; None where there was none to be made.
        instead: what it stands in for; None where it is what was wanted.
    """

    soc_kwh: float
    source: str
    age_minutes: float | None = None
    instead: Substitution | None = None


def start_state(
    store: Store,
    config: Config,
    home_id: str,
    moment: datetime,
    *,
    soc_kwh: float | None = None,
    soc_percent: float | None = None,
) -> StartState:
    """Return the stored energy given, else the newest recorded one that is not too old.

    Args:
        store: what was recorded.
        config: capacity, and how old is too old.
        home_id: the home.
        moment: only what was known then counts.
        soc_kwh: given by hand.
        soc_percent: given by hand, in percent of the capacity.

    Raises:
        ConfigError: none was recorded by then, or the newest is older than
            ``soc_refuse_age_minutes``.
        TelemetryError: the store cannot answer.
    """
    capacity = config.site(home_id).battery.capacity_kwh
    if soc_kwh is not None:
        return StartState(soc_kwh=soc_kwh, source="--soc-kwh")
    if soc_percent is not None:
        return StartState(soc_kwh=capacity * soc_percent / 100.0, source="--soc-percent")
    if capacity == 0.0:
        return StartState(soc_kwh=0.0, source="no battery")
    found = store.latest(home_id, "soc_end", as_of=moment, not_before=from_epoch(0))
    age = None if found is None else minutes_since(_end(found), moment)
    if found is None or age is None or age > config.home_config(home_id).soc_refuse_age_minutes:
        raise _unknown(config, home_id, moment, age)
    return _recorded(found, capacity, age, config.home_config(home_id).soc_max_age_minutes)


def _recorded(found: Reading, capacity_kwh: float, age_minutes: float, fresh: float) -> StartState:
    """Return the state that was recorded; one older than ``fresh`` minutes is a substitute."""
    source = f"recorded at {_end(found):%Y-%m-%d %H:%M}Z ({found.provenance})"
    if age_minutes <= fresh:
        return StartState(
            soc_kwh=found.value * capacity_kwh, source=source, age_minutes=age_minutes
        )
    return StartState(
        soc_kwh=found.value * capacity_kwh,
        source=f"{source}, {age_text(age_minutes)} old",
        age_minutes=age_minutes,
        instead=Substitution(
            what=f"a state of charge of the last {fresh:g} minutes",
            instead=f"{found.value:.0%}, the newest one, {source}",
            age_minutes=age_minutes,
        ),
    )


def _unknown(
    config: Config, home_id: str, moment: datetime, age_minutes: float | None
) -> ConfigError:
    """Return the error of a home whose stored energy nobody knows."""
    given = config.home_config(home_id)
    hours = given.soc_refuse_age_minutes / 60.0
    message = f"no state of charge was recorded in the {hours:g} hours before"
    message += f" {moment:%Y-%m-%d %H:%M}Z"
    if age_minutes is not None:
        message += f" (the newest is {age_text(age_minutes)} old)"
    message += "; give --soc-kwh or --soc-percent"
    if given.home_assistant is not None:
        message += ", or run darkstar record (of the past: darkstar backfill)"
    return ConfigError(home_id, [Problem("", "", message)], exit_code=EX_DATAERR)


def _end(reading: Reading) -> datetime:
    """Return the moment a reading holds for: its slot's end."""
    return reading.slot_start + timedelta(seconds=SLOT_SECONDS)
