"""The sequential replay of a simulation as rows of ``replays`` and ``replay_slots``.

It holds every day that was carried, also those without episodes: through the days left out the
battery rested, so that energy and money add up. Money in the home's currency, kWh, UTC.
"""

import hashlib
from datetime import timedelta

import numpy as np

from mpc.arrays import F64
from sim.episode_day import HIGHS, STORAGE
from sim.replay import Dispatch
from sim.simulation import CarriedDay, Chain
from sim.slots import BILL, CHARGE, CURTAIL, DISCHARGE, EXPORT, IMPORT, PENALTY, SOC, WEAR
from telemetry.replay_table import ReplayDay, StoredReplay
from telemetry.slots import SLOT_MINUTES

__all__ = ["replay_rows"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
_MIXED = f"{STORAGE}+{HIGHS}"
_HASH_BYTES = 32


def replay_rows(
    chain: Chain, *, currency: str, settings: str
) -> tuple[StoredReplay, tuple[ReplayDay, ...]]:
    """Return the replay of a chain that was iterated to its end, and its days.

    The energy left is worth what the 24 h after the last day make of it, where they are known;
    else what its last plan took it to be worth. ``made_at`` is the end of the last day.

    Args:
        chain: the sequential replay.
        currency: of the home, three letters.
        settings: JSON text of site, tariff and options.

    Raises:
        ReplayError: no day was carried.
    """
    curve, rows = chain.end_curve(), np.concatenate([day.rows for day in chain.carried])
    first, last = chain.carried[0], chain.carried[-1]
    end = last.start + len(last.rows) * _SLOT
    soc_end = float(rows[-1, SOC])
    bill, wear, penalty = (float(rows[:, column].sum()) for column in (BILL, WEAR, PENALTY))
    gained = curve.value(soc_end) - curve.value(first.soc_start_kwh)
    engines = {day.engine for day in chain.carried}
    head = StoredReplay(
        replay_id=chain.replay_id,
        policy=STORAGE,
        dispatch=Dispatch.VALUE.value,
        forecast=chain.forecast,
        engine=engines.pop() if len(engines) == 1 else _MIXED,
        start=first.start,
        end=end,
        slots=len(rows),
        soc_start_kwh=first.soc_start_kwh,
        soc_end_kwh=soc_end,
        bill=bill,
        wear=wear,
        penalty=penalty,
        terminal=gained,
        cost=bill + wear + penalty - gained,
        oracle_cost=None,
        regret=None,
        currency=currency,
        settings=settings,
        inputs_hash=_inputs_hash(chain, (curve.soc_kwh, curve.price)),
        made_at=end,
    )
    return head, tuple(_day(day) for day in chain.carried)


def _day(day: CarriedDay) -> ReplayDay:
    """Return the row of one day."""
    rows, happened = day.rows, day.happened
    sums = rows.sum(axis=0).tolist()
    load, pv = happened[:, :2].sum(axis=0).tolist()
    cost = rows[:, BILL] + rows[:, WEAR] + rows[:, PENALTY]
    done = rows[:, [CHARGE, DISCHARGE, IMPORT, EXPORT, CURTAIL, SOC, len(rows[0]) - 1]]
    unknown = np.full(len(rows), np.nan)
    return ReplayDay(
        day_start=day.start,
        local_date=day.local_day,
        bill=sums[BILL],
        wear=sums[WEAR],
        penalty=sums[PENALTY],
        regret=None,
        load_kwh=load,
        pv_kwh=pv,
        import_kwh=sums[IMPORT],
        export_kwh=sums[EXPORT],
        charge_kwh=sums[CHARGE],
        discharge_kwh=sums[DISCHARGE],
        curtail_kwh=sums[CURTAIL],
        values=np.ascontiguousarray(np.stack([*happened.T, *done.T, cost, unknown])),
    )


def _inputs_hash(chain: Chain, curve: tuple[F64, F64]) -> str:
    """Return a hash of all that was known and happened."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for day in chain.carried:
        digest.update(f"{day.local_day}{day.inputs_hash}".encode())
    for values in curve:
        digest.update(values.tobytes())
    return digest.hexdigest()
