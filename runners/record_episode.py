"""A live plan as a training episode: what was known, what was planned, and nothing afterwards.

Called by ``darkstar plan`` for a live plan alone, in the transaction that keeps the plan. A look
back, a replay, a demo or a what-if never comes here. A plan that is made again within its slot
replaces the episode. What the slot really cost stays unknown.
"""

from __future__ import annotations

from mpc import Plan
from runners.settings import config_hash
from sim.day_context import DayContext, context_of, elapsed, seen_before
from sim.episode_format import EpisodeContext, make_episode
from sim.planning import HomeModel, KnownInputs, zone_of
from telemetry.slots import local_day, slot_range, to_epoch, whole_seconds, zone_info
from telemetry.sql import WriteCounts
from telemetry.store import Store

__all__ = ["LIVE", "record_training_episode"]

LIVE = "live"
"""The scenario of what was planned for control."""


def record_training_episode(
    store: Store,
    model: HomeModel,
    *,
    inputs: KnownInputs,
    plan: Plan,
    soc_source: str,
    forecast: str = "",
) -> WriteCounts:
    """Keep a live plan as an episode; it waits for the mirror from then on.

    Args:
        store: where the plan is kept too; whose system the episode belongs to.
        model: the home.
        inputs: what was known.
        plan: what was planned with it.
        soc_source: where the energy at the start is known from.
        forecast: which trained model foretold, and how it was used; "" for the baseline.

    Raises:
        EpisodeError: a plan that no episode can tell.
        TelemetryError: the store cannot answer, or is not for writing.
    """
    home_id, start, now = model.home.home_id, plan.start, inputs.as_of
    zone = zone_of(model)
    day = start.astimezone(zone_info(zone)).date()
    midnight, _ = local_day(day, zone)
    n = slot_range(midnight, start).size
    before = seen_before(store, model, midnight, n + 1)
    load, pv = elapsed(before.values[:2], before.known_at[:2], n, to_epoch(now))
    episode = make_episode(
        system_id=store.system_id,
        home_id=home_id,
        scenario=LIVE,
        local_day=day,
        created_at=whole_seconds(now),
        plan=plan,
        prices_until=inputs.prices_until,
        observed_load_kwh=load,
        observed_pv_kwh=pv,
        context=_context(context_of(store, model, before, midnight, n + 1), plan, soc_source),
        config_hash=config_hash(model, forecast),
        replay_id=None,
        realised=None,
    )
    return store.put_episodes(home_id, [episode])


def _context(day: DayContext, plan: Plan, soc_source: str) -> EpisodeContext:
    """Return the context of a running day, which nobody has judged yet, as a simulation has it."""
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
