"""A schedule says when it may control, and why not."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mpc import Plan
from runners.schedule import Made, schedule_dict, write_schedule
from tests.runners.test_output import make_plan

START = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(START, 6)


def schedule(
    plan: Plan,
    *,
    generated_at: datetime = START,
    prices_until: datetime | None = START + timedelta(hours=4),
    price_pairing: str | None = None,
    made: Made | None = None,
) -> dict[str, object]:
    return schedule_dict(
        plan,
        home_id="villa",
        system_id="dev",
        made=made or Made(generated_at=generated_at, inputs_as_of=generated_at),
        soc_source="--soc-kwh",
        currency="SEK",
        zone="Europe/Stockholm",
        price_pairing=price_pairing,
        prices_until=prices_until,
    )


def test_fit_schedule_reads_back(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    write_schedule(path, schedule(plan))
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["schema"] == "darkstar.schedule/1"
    assert (found["fit_for_control"], found["reasons"]) == (True, [])
    assert found["look_back"] is False
    assert found["safe_action"] == "self_use"
    assert found["costs"]["objective"] == plan.objective
    assert found["certificate"]["status"] == "optimal"
    assert len(found["slots"]) == 24
    first, last = found["slots"][0], found["slots"][-1]
    assert (first["start"], first["end"]) == ("2025-06-01T12:00:00Z", "2025-06-01T12:15:00Z")
    assert last["end"] == "2025-06-01T18:00:00Z"
    assert first["charge_kwh"] == plan.charge_kwh[0]
    assert first["reason"].startswith("Sun 14:00+0200 ")
    assert sum(slot["price_published"] for slot in found["slots"]) == 16
    assert {slot["action"] for slot in found["slots"]} <= {
        "charge",
        "discharge",
        "hold",
        "export",
        "self_use",
    }


@pytest.mark.parametrize(
    ("generated_at", "prices_until", "want"),
    [
        pytest.param(START, START + timedelta(hours=4), "14:00", id="two hours on"),
        pytest.param(START, START + timedelta(hours=1), "13:00", id="end of published prices"),
        pytest.param(
            START + timedelta(hours=5), START + timedelta(hours=9), "18:00", id="end of the plan"
        ),
    ],
)
def test_valid_until_is_the_first_limit(
    plan: Plan, generated_at: datetime, prices_until: datetime, want: str
) -> None:
    found = schedule(plan, generated_at=generated_at, prices_until=prices_until)
    assert found["valid_until"] == f"2025-06-01T{want}:00Z"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_pairing": "synthetic pairing"}, "a synthetic pairing, not the home's own"),
        ({"generated_at": START - timedelta(minutes=1)}, "outside the plan from 2025-06-01T12:00"),
        ({"generated_at": START + timedelta(hours=6)}, "outside the plan"),
        ({"prices_until": None}, "not known until when prices are published"),
        ({"prices_until": START}, "published until 2025-06-01T12:00:00Z only"),
    ],
)
def test_unfit_says_why(plan: Plan, changes: dict[str, object], reason: str) -> None:
    found = schedule(plan, **changes)  # type: ignore[arg-type]
    assert found["fit_for_control"] is False
    assert reason in str(found["reasons"])


def test_a_look_back_is_never_fit_and_counts_from_its_moment(plan: Plan) -> None:
    now = START + timedelta(days=900)
    found = schedule(plan, made=Made(generated_at=now, inputs_as_of=START, look_back=True))
    assert (found["look_back"], found["fit_for_control"]) == (True, False)
    assert found["reasons"] == ["a look back at 2025-06-01T12:00:00Z, not made live"]
    assert found["generated_at"] == "2027-11-18T12:00:00Z"
    assert found["inputs_as_of"] == "2025-06-01T12:00:00Z"
    assert found["valid_until"] == "2025-06-01T14:00:00Z"


@pytest.mark.parametrize(("gap", "fit"), [(0.009, True), (1e6, False)])
def test_a_small_gap_may_control(plan: Plan, gap: float, fit: bool) -> None:  # noqa: FBT001
    feasible = dataclasses.replace(plan, status="feasible", gap=gap)
    assert schedule(feasible)["fit_for_control"] is fit
