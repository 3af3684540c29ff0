"""The plan that is in force at a moment, and whether an inverter may follow it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime

from mpc import Plan
from mpc.errors import SchemaError
from runners.substitution import age_text, minutes_since
from telemetry.errors import UnknownHomeError
from telemetry.plan_table import StoredPlan
from telemetry.store import Store

__all__ = ["InForce", "plan_in_force"]

_NONE_YET = "no plan was made yet; run darkstar plan"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InForce:
    """The newest live plan of a home.

    Attributes:
        reasons: why an inverter should not follow it now; none where it may.
        stored: as the store has it; None where there is none.
        plan: read back; None where it cannot be read.
        slot: which of its slots it is now; None where none is.
    """

    reasons: tuple[str, ...]
    stored: StoredPlan | None = None
    plan: Plan | None = None
    slot: int | None = None


def plan_in_force(store: Store, home_id: str, now: datetime) -> InForce:
    """Return the newest live plan of this system, judged at a moment.

    Raises:
        StoreError: the store cannot answer.
    """
    try:
        stored = store.plan(home_id, as_of=now)
    except UnknownHomeError:
        stored = None
    if stored is None:
        return InForce(reasons=(_NONE_YET,))
    try:
        plan = Plan.from_json(stored.plan_json)
    except SchemaError as err:
        return InForce(reasons=(f"{err}; run darkstar plan",), stored=stored)
    slot = bisect_right(plan.starts, now) - 1
    ended = now >= stored.end
    return InForce(
        reasons=_reasons(stored, now),
        stored=stored,
        plan=plan,
        slot=None if slot < 0 or ended else slot,
    )


def _reasons(stored: StoredPlan, now: datetime) -> tuple[str, ...]:
    """Return why an inverter should not follow a plan at a moment."""
    fitness = stored.fitness
    if fitness is None:
        return ("it is not known what the plan is fit for; run darkstar plan",)
    if now < fitness.valid_until:
        return fitness.reasons
    age = age_text(minutes_since(stored.issued_at, now))
    until = f"{fitness.valid_until:%Y-%m-%d %H:%M}Z"
    return (
        *fitness.reasons,
        f"the plan was valid until {until} and is {age} old; run darkstar plan",
    )
