"""``darkstar status``: the last plan, today's savings, the week's regret, and what ran when.

Everything comes from the store and the folder of models; nothing is asked elsewhere, compiled or
written, so it takes a second or two. What is not known says so. Money by ``sim.so_far``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mpc.errors import PlanError
from runners.config import Config, load_config
from runners.dates import utc_now
from runners.errors import ConfigError
from runners.in_force import InForce, plan_in_force
from runners.output import console, many, summary_table, write_json
from runners.plan import home_model
from runners.registry import Registry
from runners.substitution import age_text, minutes_since
from sim.errors import SimError
from sim.mode_choice import slot_choice, stop_kwh
from sim.modes import MODE_NAMES
from sim.so_far import DayRegret, SoFar, day_regret, so_far
from telemetry.channels import Channel
from telemetry.errors import TelemetryError, UnknownHomeError
from telemetry.freshness import Freshness
from telemetry.store import Store

__all__ = ["HomeStatus", "run_status"]

_REGRET_DAYS = 7
_NOTHING = "nothing of this home is recorded yet"
_FAULTS = (SimError, TelemetryError, PlanError, ConfigError)
_TOLD = {
    Channel.LOAD_KWH: "load",
    Channel.PV_KWH: "PV",
    Channel.IMPORT_KWH: "import",
    Channel.SOC_END: "state of charge",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPlan:
    """The last live plan, judged now.

    Attributes:
        made_at: when, UTC.
        fit: whether an inverter may follow it now.
        reasons: why not.
        valid_until: UTC; None where nobody said so.
        mode: what an inverter would be told in the slot of now; None where no plan reaches it.
        stop_percent: where that mode ends, percent of the capacity.
        energy_value: what a stored kWh is worth at the slot's end, currency.
        substitutions: what stood in for what was missing or old.
    """

    made_at: datetime
    fit: bool
    reasons: tuple[str, ...]
    valid_until: datetime | None
    mode: str | None
    stop_percent: float | None
    energy_value: float | None
    substitutions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeStatus:
    """How a home is doing.

    Attributes:
        at: the moment, UTC.
        currency: of all money.
        plan: the last one; None where there is none.
        today: savings so far; None where they are not known.
        today_missing: why they are not; "" where they are.
        regret: of each of the last days, the newest last; None in a day that is not known.
        freshness: the newest facts; None where the store does not know the home.
        mirrored: whether there is a mirror that episodes wait for.
        model: the trained model in use, a sentence.
    """

    at: datetime
    currency: str
    plan: LastPlan | None
    today: SoFar | None
    today_missing: str
    regret: tuple[DayRegret, ...]
    freshness: Freshness | None
    mirrored: bool
    model: str


def run_status(
    *,
    config_path: Path,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
) -> dict[str, HomeStatus]:
    """Tell how every home is doing, or one.

    Args:
        config_path: the configuration.
        home_id: which home; None: all of them.
        json_path: where the result goes as JSON; ``-`` is stdout.
        now: the moment, aware; None: the clock's.

    Raises:
        ConfigError: the configuration.
        TelemetryError: the store cannot be read.
    """
    config, out = load_config(config_path), console(json_path)
    moment = utc_now() if now is None else now.astimezone(UTC)
    homes = list(config.homes) if home_id is None else [config.pick_home(home_id)]
    with Store.open(config.store_url, system_id=config.system.system_id, read_only=True) as store:
        found = {one: _status(store, config, one, moment) for one in homes}
    for one, status in found.items():
        zone = ZoneInfo(config.homes[one].zone)
        out.print(summary_table(_rows(status, zone), title=f"{one}, {_local(moment, zone)}"))
    if json_path is not None:
        write_json(json_path, found)
    return found


def _status(store: Store, config: Config, home_id: str, now: datetime) -> HomeStatus:
    """Return how a home is doing."""
    try:
        freshness = store.freshness(home_id, config.homes[home_id].area, as_of=now)
    except UnknownHomeError:
        freshness = None
    force = plan_in_force(store, home_id, now)
    last = _last_plan(config, home_id, force)
    value = None if last is None else last.energy_value
    today, missing = None, _NOTHING
    if freshness is not None:
        today, missing = _today(store, config, home_id, now, value)
    return HomeStatus(
        at=now,
        currency=config.home_currency(home_id),
        plan=last,
        today=today,
        today_missing=missing,
        regret=() if freshness is None else _regret(store, config, home_id, now),
        freshness=freshness,
        mirrored=config.mirror is not None,
        model=_model(config, home_id, now),
    )


def _last_plan(config: Config, home_id: str, force: InForce) -> LastPlan | None:
    """Return the last plan as it is told."""
    stored, plan, slot = force.stored, force.plan, force.slot
    if stored is None:
        return None
    site, mode, stop, value = config.site(home_id), None, None, None
    if plan is not None and slot is not None and site.battery.capacity_kwh > 0.0:
        choice = slot_choice(site, plan, slot)
        ends = stop_kwh(choice.command, choice.stored_kwh)
        mode, value = MODE_NAMES[choice.command.mode], choice.energy_value
        stop = 100.0 * min(max(ends / site.battery.capacity_kwh, 0.0), 1.0)
    fitness = stored.fitness
    return LastPlan(
        made_at=stored.issued_at,
        fit=not force.reasons,
        reasons=force.reasons,
        valid_until=None if fitness is None else fitness.valid_until,
        mode=mode,
        stop_percent=stop,
        energy_value=value,
        substitutions=() if fitness is None else fitness.substitutions,
    )


def _today(
    store: Store, config: Config, home_id: str, now: datetime, value: float | None
) -> tuple[SoFar | None, str]:
    """Return (today's savings, "") or (None, why they are not known)."""
    try:
        model = home_model(config, home_id)
        if model.site.battery.capacity_kwh == 0.0:
            return None, "the home has no battery"
        found = so_far(store, model, now, value)
    except _FAULTS as err:
        return None, str(err)
    return found, "" if found is not None else "load, PV, grid or prices of today are not recorded"


def _regret(store: Store, config: Config, home_id: str, now: datetime) -> tuple[DayRegret, ...]:
    """Return the regret of the last days that are over."""
    today = now.astimezone(ZoneInfo(config.homes[home_id].zone)).date()
    days = [today - timedelta(days=back) for back in range(_REGRET_DAYS, 0, -1)]
    return tuple(_of_day(store, config, home_id, day) for day in days)


def _of_day(store: Store, config: Config, home_id: str, day: date) -> DayRegret:
    """Return the regret of a day, or why it is not known."""
    try:
        model = home_model(config, home_id)
        if model.site.battery.capacity_kwh == 0.0:
            return DayRegret(local_date=day, regret=None, missing="a battery")
        return day_regret(store, model, day)
    except _FAULTS as err:
        return DayRegret(local_date=day, regret=None, missing=str(err))


def _model(config: Config, home_id: str, now: datetime) -> str:
    """Return which trained model is in use."""
    try:
        history = Registry(config.models_folder, home_id).history()
    except ConfigError as err:
        return "; ".join(str(err).splitlines())
    if not history:
        return "none: the baseline forecasts"
    newest = history[-1]
    age = age_text(minutes_since(datetime.fromisoformat(newest.at), now))
    return f"{newest.version}, promoted {age} ago"


def _rows(status: HomeStatus, zone: ZoneInfo) -> list[tuple[str, object]]:
    """Return what is told of a home."""
    return [
        *_plan_rows(status, zone),
        ("saved today", _saved(status, zone)),
        (f"regret of {_REGRET_DAYS} days", _regret_told(status.regret, status.currency)),
        *_newest(status, zone),
        ("model", status.model),
    ]


def _plan_rows(status: HomeStatus, zone: ZoneInfo) -> list[tuple[str, object]]:
    """Return what is told of the last plan."""
    plan = status.plan
    if plan is None:
        return [("last plan", "none yet: darkstar plan")]
    age = age_text(minutes_since(plan.made_at, status.at))
    until = "" if plan.valid_until is None else f", valid until {_local(plan.valid_until, zone)}"
    fit = "fit for control" if plan.fit else "not for control"
    rows: list[tuple[str, object]] = [("last plan", f"{age} old, {fit}{until}")]
    rows += [("", reason) for reason in plan.reasons]
    if plan.mode is not None and plan.fit:
        told = f"{plan.mode}, until {plan.stop_percent:.0f} %; a stored kWh is worth "
        rows.append(("plan says", f"{told}{plan.energy_value:.3f} {status.currency}"))
    return rows + [("substituted", text) for text in plan.substitutions]


def _saved(status: HomeStatus, zone: ZoneInfo) -> str:
    """Return what is told of today's savings."""
    today = status.today
    if today is None:
        return f"not known: {status.today_missing}"
    told = f"{today.saved:+.2f} {status.currency} against no battery"
    told += f" until {today.until.astimezone(zone):%H:%M}"
    if today.stored_kwh is None or today.stored_worth is None:
        told += ", stored energy not counted"
    elif today.stored_kwh:
        told += f", {today.stored_worth:+.2f} of it in {today.stored_kwh:+.1f} kWh stored"
    lost = today.slots - today.counted
    return told if not lost else f"{told}; {many(lost, 'slot')} not known"


def _regret_told(days: Sequence[DayRegret], currency: str) -> str:
    """Return what is told of the regret."""
    known = [day.regret for day in days if day.regret is not None]
    gone = [day for day in days if day.regret is None]
    if not days:
        return f"not known: {_NOTHING}"
    if not known:
        return f"not known: {gone[-1].missing} missing on {gone[-1].local_date}"
    told = f"{sum(known):.2f} {currency}, {sum(known) / len(known):.2f} a day"
    if gone:
        told += f"; {many(len(gone), 'day')} not known, {gone[-1].local_date}: {gone[-1].missing}"
    return told


def _newest(status: HomeStatus, zone: ZoneInfo) -> list[tuple[str, object]]:
    """Return how new the newest facts are: what the jobs brought last."""
    found = status.freshness
    if found is None:
        return [("recorded", "nothing yet: darkstar record, or darkstar import FILE")]
    ages = [
        f"{name} {_ago(found.observed_until[channel], status.at)}"
        for channel, name in _TOLD.items()
        if channel in found.observed_until
    ]
    waiting = [("mirror", f"{many(found.waiting, 'episode')} waiting")] if status.mirrored else []
    return [
        ("recorded", ", ".join(ages) or "nothing"),
        ("prices", _brought(found.prices_until, found.prices_issued, status.at, zone)),
        ("weather", _brought(None, found.weather_issued, status.at, zone)),
        ("verdicts", _judged(found, status.at)),
        *waiting,
    ]


def _brought(until: datetime | None, issued: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    """Return until when something reaches, and when it was issued."""
    if issued is None:
        return "none yet"
    reach = "" if until is None else f"until {_local(until, zone)}, "
    return f"{reach}issued {_ago(issued, now)}"


def _judged(found: Freshness, now: datetime) -> str:
    """Return until which day days are judged."""
    if found.judged is None or found.judged_at is None:
        return "none yet"
    return f"until {found.judged}, given {_ago(found.judged_at, now)}"


def _ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    return f"{age_text(minutes_since(moment, now))} ago"


def _local(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment by the home's clock."""
    return f"{moment.astimezone(zone):%a %d %b %H:%M}"


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("status")
