"""The doctor looks at a house: what measurements say of wiring, car, battery, tariff and models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from runners.config import Config
from runners.doctor_line import Line, failure, fine, warning
from runners.errors import ConfigError
from runners.output import many
from runners.registry import Registry
from runners.substitution import age_text, minutes_since
from telemetry.channels import Channel
from telemetry.errors import MissingExtraError, TelemetryError
from telemetry.freshness import Freshness
from telemetry.quality.balance import lacking
from telemetry.quality.blocks import LEAST_KW, Block, car_blocks
from telemetry.quality.round_trip import RoundTrip, round_trip
from telemetry.quality.validate import judge
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import MARKET_ZONE, SLOT_MINUTES, local_day, slot_of, zone_info
from telemetry.store import Store

__all__ = [
    "check_car",
    "check_efficiency",
    "check_freshness",
    "check_models",
    "check_peak_fee",
    "check_wiring",
]

_WIRING_DAYS, _CAR_DAYS, _BATTERY_DAYS = 7, 28, 28
_FEWEST_BLOCKS = 3
_LEAST_CYCLES = 3.0
_NEAR, _IMPOSSIBLE = 0.05, 1.02
_OLD_MODEL_DAYS = 21
_LATE, _STALE = timedelta(hours=1), timedelta(hours=6)
_PLAN_LATE, _PLAN_STALE = timedelta(minutes=30), timedelta(hours=2)
_WEATHER_LATE = timedelta(hours=12)
_VERDICTS_LATE_DAYS = 3
_TOMORROW_HOUR = 14  # by then the market has published
_TELLTALE = ("are swapped", "looks like")
_SLOT = timedelta(minutes=SLOT_MINUTES)


def check_wiring(store: Store, config: Config, home_id: str, now: datetime) -> Iterator[Line]:
    """Say what the last week's energy balance tells of signs and units."""
    name = f"signs and units {home_id}"
    today = now.astimezone(zone_info(config.homes[home_id].zone)).date()
    channels = [
        channel for channel in Channel if store.coverage(home_id, channel, as_of=now) is not None
    ]
    try:
        days = judge(
            store,
            config.home(home_id),
            channels=channels,
            limits=config.limits(home_id),
            first=today - timedelta(days=_WIRING_DAYS),
            last=today - timedelta(days=1),
            reference=None,
            now=now,
        )
    except (MissingExtraError, TelemetryError) as err:
        yield warning(name, str(err), "then run the doctor again")
        return
    yield from _judged(name, days, lacking(channels, config.limits(home_id)))


def _judged(
    name: str, days: tuple[DayQuality, ...], missing: tuple[Channel, ...]
) -> Iterator[Line]:
    """Say what the verdicts on some days come to; without some channels nothing can balance."""
    told = dict.fromkeys(reason for day in days for reason in day.reasons)
    slips = [reason for reason in told if any(mark in reason for mark in _TELLTALE)]
    for slip in slips:
        what, _, cure = slip.partition("; ")
        yield failure(name, what, cure or "correct its unit, or its entity, then backfill again")
    bad = [day for day in days if day.day_class is not DayClass.CLEAN]
    if bad and not slips:
        newest = bad[-1]
        text = f"{len(bad)} of {many(len(days), 'day')} are doubtful; {newest.local_date}:"
        text += f" {newest.day_class.value}, {newest.reasons[0] if newest.reasons else ''}"
        yield warning(name, text.rstrip(", "), "darkstar validate tells all, darkstar repair mends")
    elif missing and not bad:
        channels = ", ".join(channel.value for channel in missing)
        text = f"cannot be told: nothing balances without {channels}"
        yield warning(name, text, "wire it under `input_sensors:`; then record or backfill")
    elif not bad:
        yield fine(name, f"the last {many(len(days), 'day')} balance")


def check_car(store: Store, home_id: str, now: datetime) -> Iterator[Line]:
    """Say whether the load holds blocks that look like a car, without a meter of its own."""
    name = f"car {home_id}"
    start, end = slot_of(now) - timedelta(days=_CAR_DAYS), slot_of(now)
    seen = store.observations(home_id, ["load_kwh", "ev_kwh", "water_heater_kwh"], start, end)
    car, load = seen.of("ev_kwh"), seen.of("load_kwh")
    if np.isnan(load).all():
        yield warning(name, f"no load in {_CAR_DAYS} days", "darkstar record")
        return
    rest = load - np.nan_to_num(car) - np.nan_to_num(seen.of("water_heater_kwh"))
    blocks = car_blocks(np.maximum(rest, 0.0))
    if len(blocks) < _FEWEST_BLOCKS:
        own = "a car has its own meter" if (~np.isnan(car)).any() else "no car shows"
        yield fine(name, f"{own} in {_CAR_DAYS} days of load")
        return
    yield warning(
        name,
        f"{len(blocks)} blocks above {LEAST_KW:g} kW in {_CAR_DAYS} days look like a car: "
        f"{_typical(blocks, start)}",
        "wire ev_consumption (water_heater_consumption, if that is it), so that forecasts do not "
        "take them for habits; a sauna looks the same",
    )


def _typical(blocks: tuple[Block, ...], start: datetime) -> str:
    """Return the middle one of blocks, and when the newest began."""
    power = float(np.median([block.power_kw for block in blocks]))
    hours = float(np.median([block.hours for block in blocks]))
    newest = start + blocks[-1].first * _SLOT
    return f"{power:.1f} kW for {hours:.1f} h as a rule, the last on {newest:%Y-%m-%d %H:%M}Z"


def check_efficiency(store: Store, config: Config, home_id: str, now: datetime) -> Iterator[Line]:
    """Compare the measured round-trip efficiency with the configured one."""
    battery = config.homes[home_id].battery
    if battery is None or battery.capacity_kwh == 0.0:
        return
    name, capacity = f"battery {home_id}", battery.capacity_kwh
    found = _round_trip(store, home_id, capacity, now)
    if found is None or found.charge_kwh < _LEAST_CYCLES * capacity:
        yield fine(
            name,
            f"less than {_LEAST_CYCLES:g} fillings measured in {_BATTERY_DAYS} days: its "
            "efficiency is not known",
        )
        return
    want = battery.charge_efficiency * battery.discharge_efficiency
    text = f"round trip measured {found.efficiency:.3f} over {found.charge_kwh:.0f} kWh, "
    text += f"configured {want:.3f}"
    each = min(found.efficiency, 1.0) ** 0.5
    if found.efficiency > _IMPOSSIBLE:
        cure = "charge and discharge, or capacity_kwh, are wrong: look at signs and units"
        yield failure(name, f"{text}: more comes out than went in", cure)
    elif abs(found.efficiency - want) > _NEAR:
        cure = f"write charge_efficiency and discharge_efficiency: {each:.3f}, if nothing else is "
        yield warning(name, text, f"{cure}wrong")
    else:
        yield fine(name, text)


def _round_trip(store: Store, home_id: str, capacity_kwh: float, now: datetime) -> RoundTrip | None:
    """Return what the meters of the last weeks say."""
    start, end = slot_of(now) - timedelta(days=_BATTERY_DAYS), slot_of(now)
    names = ["charge_kwh", "discharge_kwh", "soc_start", "soc_end"]
    seen = store.observations(home_id, names, start, end)
    begins, ends = seen.of("soc_start"), seen.of("soc_end")
    edges = np.concatenate([begins[:1], ends])
    edges[:-1] = np.where(np.isnan(edges[:-1]), begins, edges[:-1])
    return round_trip(seen.of("charge_kwh"), seen.of("discharge_kwh"), edges * capacity_kwh)


def check_peak_fee(config: Config, home_id: str) -> Iterator[Line]:
    """Say whether a fee on peaks meets a limit that keeps plans below them."""
    given = config.homes[home_id]
    name, options = f"peak fee {home_id}", given.options
    soft, price = options.planning_import_kw, options.planning_import_price_per_kwh
    if soft is not None and price == 0.0:
        cure = "give options.planning_import_price_per_kwh, e.g. 2.0"
        yield warning(name, f"above planning_import_kw {soft:g} a kWh costs no more", cure)
    elif given.peak_fee_per_kw > 0.0 and soft is None:
        yield warning(
            name,
            f"{given.peak_fee_per_kw:g} per kW and month, and no soft limit: a plan may charge "
            "at full power",
            "give options.planning_import_kw (below your usual peaks) and "
            "planning_import_price_per_kwh",
        )
    elif given.peak_fee_per_kw > 0.0:
        yield fine(name, f"imports above {soft:g} kW cost {price:g} more per kWh in plans")


def check_freshness(config: Config, home_id: str, found: Freshness, now: datetime) -> list[Line]:
    """Say how new the newest facts are, and so what ran last."""
    given = config.homes[home_id]
    lines = [_plan(home_id, found, now)]
    if given.home_assistant is not None:
        lines.append(_readings(home_id, found, now))
    if given.area is not None:
        lines.append(_prices(home_id, found, now))
    if given.latitude is not None:
        lines.append(_weather(home_id, found, now))
    return [*lines, _verdicts(home_id, found, now)]


def _readings(home_id: str, found: Freshness, now: datetime) -> Line:
    """Say how old the newest load is."""
    name, newest = f"readings {home_id}", found.observed_until.get(Channel.LOAD_KWH)
    cure = "darkstar record every 15 minutes; of the past: darkstar backfill"
    if newest is None:
        return failure(name, "no load was ever recorded", cure)
    text = f"load is recorded until {_ago(newest, now)} ago"
    if now - newest > _STALE:
        return failure(name, text, cure)
    return fine(name, text) if now - newest <= _LATE else warning(name, text, cure)


def _prices(home_id: str, found: Freshness, now: datetime) -> Line:
    """Say until when prices are known."""
    name, cure = f"prices {home_id}", "darkstar prices every hour"
    if found.prices_until is None or found.prices_issued is None:
        return failure(name, "no prices of its area were ever stored", cure)
    left = (found.prices_until - now) / timedelta(hours=1)
    text = f"known for {max(left, 0.0):.0f} h ahead, issued {_ago(found.prices_issued, now)} ago"
    if left <= 0.0:
        return failure(name, text, cure)
    market = now.astimezone(zone_info(MARKET_ZONE))
    tonight = local_day(market.date(), MARKET_ZONE)[1]
    if market.hour >= _TOMORROW_HOUR and found.prices_until <= tonight:
        return warning(name, f"{text}: those of tomorrow are missing", cure)
    return fine(name, text)


def _weather(home_id: str, found: Freshness, now: datetime) -> Line:
    """Say how old the weather forecast is."""
    name, cure = f"weather {home_id}", "darkstar weather every hour"
    if found.weather_issued is None:
        return warning(name, "no weather forecast was ever stored", cure)
    text = f"issued {_ago(found.weather_issued, now)} ago"
    late = now - found.weather_issued > _WEATHER_LATE
    return warning(name, text, cure) if late else fine(name, text)


def _plan(home_id: str, found: Freshness, now: datetime) -> Line:
    """Say how old the last plan is."""
    name, cure = f"plan {home_id}", "darkstar plan every 15 minutes; darkstar status tells more"
    if found.planned is None:
        return warning(name, "none was ever made", cure)
    text = f"made {_ago(found.planned, now)} ago"
    if now - found.planned > _PLAN_STALE:
        return failure(name, f"{text}: none is in force", cure)
    return warning(name, text, cure) if now - found.planned > _PLAN_LATE else fine(name, text)


def _verdicts(home_id: str, found: Freshness, now: datetime) -> Line:
    """Say until which day days are judged."""
    name, cure = f"verdicts {home_id}", "darkstar validate every night"
    if found.judged is None:
        return warning(name, "no day was ever judged", cure)
    text = f"days are judged until {found.judged}"
    late = (now.astimezone(UTC).date() - found.judged).days > _VERDICTS_LATE_DAYS
    return warning(name, text, cure) if late else fine(name, text)


def check_models(config: Config, home_id: str, now: datetime) -> Iterator[Line]:
    """Say which model is in use, whether it can be read, and how old it is."""
    name = f"model {home_id}"
    if config.homes[home_id].forecast.model == "baseline":
        yield fine(name, "the baseline forecasts, as the configuration asks")
        return
    registry = Registry(config.models_folder, home_id)
    try:
        history = registry.history()
        if not history:
            yield warning(
                name, "none is in use: the baseline forecasts", "darkstar train, once a week"
            )
            return
        meta = registry.load(history[-1].version)[1]
    except ConfigError as err:
        problem = err.problems[0]
        yield failure(name, f"{err.source}: the baseline forecasts instead", problem.message)
        return
    except MissingExtraError as err:
        yield failure(name, f"{err.package} is not installed", str(err))
        return
    until = datetime.fromisoformat(meta.trained_until)
    age = (now - until).days
    text = f"{meta.version}, trained until {age} days ago"
    if age > _OLD_MODEL_DAYS:
        yield warning(name, text, "darkstar train, once a week")
    else:
        yield fine(name, text)


def _ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    return age_text(minutes_since(moment, now))
