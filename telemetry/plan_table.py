"""Rows of plans: the text of a plan and the few facts to find it by.

What a plan says is the planner's business; here it is JSON text that comes back as it was given.
A plan that was made for control has its fitness in a row beside it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from telemetry.blobs import pack_text, unpack_text
from telemetry.schema import plan_fitness
from telemetry.schema import plans as table
from telemetry.slots import whole_seconds
from telemetry.sql import WriteCounts, put_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """What a plan may be used for.

    Attributes:
        valid_until: until when an inverter may follow it, UTC.
        reasons: why it may not at all; none where it may.
        substitutions: what stood in for facts that were missing or old, a sentence each.
    """

    valid_until: datetime
    reasons: tuple[str, ...] = ()
    substitutions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """A plan as it was stored.

    Attributes:
        scenario: ``live``, or the name of a what-if.
        issued_at: when it was made, UTC.
        start: start of its first slot, UTC.
        end: end of its last slot, UTC.
        engine: which engine made it.
        status: its certificate in a word.
        objective: in the home's currency, without what wishes cost; ``None`` where it has none.
        plan_schema: name and version of the JSON text's form.
        plan_json: the plan itself.
        fitness: whether it may control; ``None`` where nobody said so: then it may not.
    """

    scenario: str
    issued_at: datetime
    start: datetime
    end: datetime
    engine: str
    status: str
    objective: float | None
    plan_schema: str
    plan_json: str
    fitness: Fitness | None = None


def put(conn: sa.Connection, *, system_id: str, home_id: str, plan: StoredPlan) -> WriteCounts:
    """Write one plan; see ``Store.put_plan``."""
    objective = plan.objective
    row = {
        "home_id": home_id,
        "system_id": system_id,
        "scenario": plan.scenario,
        "issued_at": whole_seconds(plan.issued_at),
        "start": whole_seconds(plan.start),
        "end": whole_seconds(plan.end),
        "engine": plan.engine,
        "status": plan.status,
        "objective": objective if objective is not None and math.isfinite(objective) else None,
        "plan_schema": plan.plan_schema,
        "data": pack_text(plan.plan_json),
    }
    counts = put_row(conn, table, row)
    if plan.fitness is not None:
        key = {name: row[name] for name in ("home_id", "system_id", "scenario", "issued_at")}
        counts += put_row(conn, plan_fitness, {**key, **_fitness_columns(plan.fitness)})
    return counts


def _fitness_columns(fitness: Fitness) -> dict[str, object]:
    """Columns of a fitness beside its key."""
    return {
        "valid_until": whole_seconds(fitness.valid_until),
        "reasons": json.dumps(fitness.reasons, ensure_ascii=False),
        "substitutions": json.dumps(fitness.substitutions, ensure_ascii=False),
    }


def read(
    conn: sa.Connection, *, home_id: str, system_id: str, scenario: str, as_of: datetime
) -> StoredPlan | None:
    """Read the newest plan; see ``Store.plan``."""
    statement = (
        sa.select(table)
        .where(table.c.home_id == home_id, table.c.system_id == system_id)
        .where(table.c.scenario == scenario, table.c.issued_at <= as_of)
        .order_by(table.c.issued_at.desc(), table.c.start.desc())
        .limit(1)
    )
    row = conn.execute(statement).mappings().first()
    if row is None:
        return None
    return StoredPlan(
        scenario=row["scenario"],
        issued_at=row["issued_at"],
        start=row["start"],
        end=row["end"],
        engine=row["engine"],
        status=row["status"],
        objective=row["objective"],
        plan_schema=row["plan_schema"],
        plan_json=unpack_text(row["data"]),
        fitness=_read_fitness(conn, home_id, system_id, scenario, row["issued_at"]),
    )


def _read_fitness(
    conn: sa.Connection, home_id: str, system_id: str, scenario: str, issued_at: datetime
) -> Fitness | None:
    """Read what the plan of a moment may be used for; ``None`` where nobody said so."""
    c = plan_fitness.c
    statement = sa.select(c.valid_until, c.reasons, c.substitutions).where(
        c.home_id == home_id,
        c.system_id == system_id,
        c.scenario == scenario,
        c.issued_at == issued_at,
    )
    row = conn.execute(statement).first()
    if row is None:
        return None
    return Fitness(
        valid_until=row.valid_until,
        reasons=tuple(json.loads(row.reasons)),
        substitutions=tuple(json.loads(row.substitutions)),
    )
