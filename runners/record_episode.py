"""A live plan as a training episode: what was known, what was planned, and nothing afterwards.

Called by ``darkstar plan`` for a live plan alone, in the transaction that keeps the plan. A look
back, a replay, a demo or a what-if never comes here. A plan that is made again within its slot
replaces the episode. What the slot really cost stays unknown.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from mpc import Plan
from runners.settings import config_hash
from sim.day_context import context_of, seen_before
from sim.episode_format import OBSERVED_SLOTS, EpisodeContext, make_episode
from sim.planning import HomeModel, KnownInputs, zone_of
from telemetry.channels import Channel
from telemetry.slots import SLOT_MINUTES, local_day, slot_range, whole_seconds
from telemetry.sql import WriteCounts
from telemetry.store import Store

__all__ = ["LIVE", "record_training_episode"]

LIVE = "live"
"""The scenario of what was planned for control."""


def record_training_episode(
    store: Store, model: HomeModel, *, inputs: KnownInputs, plan: Plan, soc_source: str
) -> WriteCounts:
    """Keep a live plan as an episode; it waits for the mirror from then on.

    Args:
        store: where the plan is kept too; whose system the episode belongs to.
        model: the home.
        inputs: what was known.
        plan: what was planned with it.
        soc_source: where the energy at the start is known from.

    Raises:
        EpisodeError: a plan that no episode can tell.
        TelemetryError: the store cannot answer, or is not for writing.
    """
    home_id, start, now = model.home.home_id, plan.start, inputs.as_of
    first = start - timedelta(minutes=OBSERVED_SLOTS * SLOT_MINUTES)
    seen = store.observations(home_id, [Channel.LOAD_KWH, Channel.PV_KWH], first, start, as_of=now)
    episode = make_episode(
        system_id=store.system_id,
        home_id=home_id,
        scenario=LIVE,
        local_day=start.astimezone(ZoneInfo(zone_of(model))).date(),
        created_at=whole_seconds(now),
        plan=plan,
        prices_until=inputs.prices_until,
        observed_load_kwh=seen.of(Channel.LOAD_KWH),
        observed_pv_kwh=seen.of(Channel.PV_KWH),
        context=_context(store, model, plan, soc_source),
        config_hash=config_hash(model),
        replay_id=None,
        realised=None,
    )
    return store.put_episodes(home_id, [episode])


def _context(store: Store, model: HomeModel, plan: Plan, soc_source: str) -> EpisodeContext:
    """Return the context of a running day, which nobody has judged yet, as a simulation has it."""
    zone = zone_of(model)
    midnight, _ = local_day(plan.start.astimezone(ZoneInfo(zone)).date(), zone)
    slots = slot_range(midnight, plan.start).size + 1
    before = seen_before(store, model, midnight, slots)
    day = context_of(store, model, before, midnight, slots)
    return EpisodeContext(
        vacation=float(day.vacation[-1]),
        alarm=float(day.alarm[-1]),
        price_volatility=float(plan.import_price.std()),
        cloud_volatility=float(day.cloud_volatility[-1]),
        temp_volatility=float(day.temp_volatility[-1]),
        quality_class="",
        soc_source=soc_source,
        changes={},
    )
