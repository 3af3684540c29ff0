"""``schedule.json``: a plan as an inverter's controller reads it.

Schema ``darkstar.schedule/1``. A schedule may control from ``generated_at`` until ``valid_until``:
the end of the plan, of the published prices, or two hours on, whichever comes first. Two hours are
enough for a missed re-plan and too few for stale weather to matter. After it, or
where ``fit_for_control`` is false (``reasons`` say why), do ``safe_action``: self-use, which needs
no forecast and no price. A look back is never fit, and its ``valid_until`` counts from the moment
it looks back at. ``substitutions`` tell what stood in for what was missing or old, ``ages_minutes``
how old the rest is. ``manual`` tells of each block of the manual plan whether the plan was made
with it, and slot by slot what of it is not done, which costs no money. Every slot says whether its
price was published or forecast.

Units: kWh per slot at the AC bus, kWh stored, currency per kWh, UTC.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runners.output import action, make_folder, write_json
from runners.substitution import Ages, FitLimits, Substitution, age_text

if TYPE_CHECKING:
    from mpc import Plan

__all__ = ["SCHEMA", "Made", "schedule_dict", "write_schedule"]

SCHEMA = "darkstar.schedule/1"
SAFE_ACTION = "self_use"
_VALID_FOR = timedelta(hours=2)
_SMALL_GAP_RATIO = 0.01
_SMALL_GAP_MONEY = 0.01
_SERIES = (
    "load_kwh",
    "pv_kwh",
    "charge_kwh",
    "discharge_kwh",
    "import_kwh",
    "export_kwh",
    "curtail_kwh",
    "soc_kwh",
    "import_price",
    "export_price",
    "energy_value_up",
    "energy_value_down",
)
_UNITS = {
    "flows": "kWh per slot at the AC bus",
    "soc_kwh": "kWh stored at the end of the slot",
    "prices": "currency per kWh",
    "energy_values": "currency per stored kWh at the end of the slot",
    "times": "UTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """When a plan was made, and for which moment.

    Attributes:
        generated_at: the wall clock when it was made, aware.
        inputs_as_of: what was known then went into it, aware; the schedule is valid from then on.
        look_back: whether it was made for another moment than its own.
    """

    generated_at: datetime
    inputs_as_of: datetime
    look_back: bool = False


def schedule_dict(
    plan: "Plan",
    *,
    made: Made,
    home_id: str,
    system_id: str,
    soc_source: str,
    currency: str,
    zone: str,
    prices_until: datetime | None = None,
    observed_until: datetime | None = None,
    price_pairing: str | None = None,
    forecast: dict[str, object] | None = None,
    ages: Ages | None = None,
    limits: FitLimits | None = None,
    substitutions: Sequence[Substitution] = (),
    manual: Sequence[dict[str, object]] = (),
) -> dict[str, object]:
    """Return the schedule of a plan.

    Args:
        plan: what to do.
        made: when it was made, and for which moment.
        home_id: the house.
        system_id: the installation that planned.
        soc_source: where the stored energy at the start came from, in words.
        currency: of all prices and costs.
        zone: zone the sentences are written in.
        prices_until: end of the published prices, aware; None: not known, so not fit for control.
        observed_until: end of the newest reading of load and PV, aware; None: not told.
        price_pairing: in words, how prices of another place or year were paired with the home; such
            a plan is an experiment, not fit for control.
        forecast: which forecast it is made from, with its quantiles; None: not told.
        ages: how old the inputs are; None: not told.
        limits: how old they may be; None: as the template has it.
        substitutions: what stood in for what was missing or old.
        manual: what it makes of each block of the manual plan, as ``manual_text`` tells it.
    """
    ages, limits = ages or Ages(), limits or FitLimits()
    begin, end = made.inputs_as_of.astimezone(UTC), _end(plan)
    reasons = _stale(made, ages, limits, observed_until)
    reasons += _unfit(plan, begin, price_pairing) + _unpublished(begin, limits, prices_until)
    return {
        "schema": SCHEMA,
        "home_id": home_id,
        "system_id": system_id,
        "generated_at": _utc(made.generated_at),
        "inputs_as_of": _utc(begin),
        "look_back": made.look_back,
        "valid_until": _utc(max(begin, min(end, begin + _VALID_FOR, prices_until or end))),
        "fit_for_control": not reasons,
        "reasons": reasons,
        "substitutions": [_rounded(asdict(one)) for one in substitutions],
        "ages_minutes": _rounded(asdict(ages)),
        "manual": list(manual),
        "safe_action": SAFE_ACTION,
        "currency": currency,
        "zone": zone,
        "units": _UNITS,
        "soc_start_kwh": plan.soc_start_kwh,
        "soc_source": soc_source,
        "price_pairing": price_pairing,
        "prices_until": None if prices_until is None else _utc(prices_until),
        "observed_until": None if observed_until is None else _utc(observed_until),
        "costs": _costs(plan),
        "certificate": _certificate(plan),
        "forecast": forecast,
        "slots": _slots(plan, zone, prices_until),
    }


def _costs(plan: "Plan") -> dict[str, float]:
    """Return the cost of a plan and its parts, in money: without what wishes cost."""
    return {
        "bill": plan.bill,
        "wear": plan.wear,
        "penalty": plan.penalty - plan.wish_cost,
        "terminal": plan.terminal,
        "objective": plan.cost,
    }


def _certificate(plan: "Plan") -> dict[str, object]:
    """Return how good the plan provably is, and what it breaks; what is a wish has no cost."""
    return {
        "status": plan.status,
        "gap": plan.gap,
        "engine": plan.engine,
        **_of_scenarios(plan),
        "violations": [
            v._asdict() | ({"cost": None} if v.is_wish else {}) for v in plan.violations
        ],
    }


def _of_scenarios(plan: "Plan") -> dict[str, object]:
    """Return what status and gap speak of where a plan was made on scenarios: their mean cost."""
    if plan.expected_objective is None:
        return {}
    return {"scenarios": plan.scenarios, "expected_objective": plan.expected_objective}


def write_schedule(path: Path, schedule: dict[str, object]) -> None:
    """Write ``schedule.json`` and its folder; a reader sees the old file or the new one, whole.

    Raises:
        ConfigError: the file cannot be written.
    """
    make_folder(path.parent)
    write_json(path, schedule)


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    """Return fields with their ages to the tenth of a minute."""
    return {k: round(v, 1) if isinstance(v, float) else v for k, v in fields.items()}


def _stale(made: Made, ages: Ages, limits: FitLimits, observed_until: datetime | None) -> list[str]:
    """Return what is too old to plan the next hours from, or to follow; empty where nothing is."""
    now = made.inputs_as_of.astimezone(UTC)
    reasons = [f"a look back at {_utc(now)}, not made live"] if made.look_back else []
    if ages.soc is not None and ages.soc > limits.soc_minutes:
        reasons.append(
            f"the state of charge is {age_text(ages.soc)} old, want at most "
            f"{limits.soc_minutes:g} min; record a newer one, or give --soc-kwh"
        )
    if observed_until is not None and now - observed_until > timedelta(hours=limits.readings_hours):
        age = (now - observed_until) / timedelta(hours=1)
        reasons.append(
            f"the newest readings of load and PV are {age:.0f} h old; record or import newer ones"
        )
    return reasons


def _unfit(plan: "Plan", now: datetime, price_pairing: str | None) -> list[str]:
    """Return what of the plan itself keeps an inverter from following it; empty where nothing."""
    end, reasons = _end(plan), list[str]()
    small = max(_SMALL_GAP_MONEY, _SMALL_GAP_RATIO * abs(plan.cost))
    if plan.status != "optimal" and not (plan.status == "feasible" and plan.gap <= small):
        reasons.append(
            f"the plan is {plan.status} with a gap of {plan.gap:.3f}, want at most {small:.3f}"
        )
    if price_pairing is not None:
        reasons.append(f"its prices are a {price_pairing}, not the home's own")
    if not plan.start <= now < end:
        reasons.append(
            f"it was made at {_utc(now)}, outside the plan from {_utc(plan.start)} to {_utc(end)}"
        )
    return reasons


def _unpublished(now: datetime, limits: FitLimits, prices_until: datetime | None) -> list[str]:
    """Return why too few prices are published to follow the plan; empty where enough are."""
    if prices_until is None:
        return ["it is not known until when prices are published"]
    ahead = prices_until - now
    if ahead > timedelta(0) and ahead >= timedelta(hours=limits.published_hours):
        return []
    told = f"prices are published until {_utc(prices_until)} only"
    if ahead > timedelta(0):
        told += f", want {limits.published_hours:g} h ahead"
    return [f"{told}; fetch or import newer ones"]


def _end(plan: "Plan") -> datetime:
    """Return the end of the last slot."""
    return plan.starts[-1] + timedelta(minutes=float(plan.slot_minutes[-1]))


def _slots(plan: "Plan", zone: str, prices_until: datetime | None) -> list[dict[str, object]]:
    """Return one object per slot."""
    starts = plan.starts
    ends = [*starts[1:], _end(plan)]
    series = {name: getattr(plan, name).tolist() for name in _SERIES}
    sentences = plan.explain(zone)
    return [
        {
            "start": _utc(starts[t]),
            "end": _utc(ends[t]),
            "action": action(plan, t).replace("-", "_"),
            **{name: values[t] for name, values in series.items()},
            "price_published": prices_until is not None and ends[t] <= prices_until,
            "reason": sentences[t],
        }
        for t in range(len(plan))
    ]


def _utc(moment: datetime) -> str:
    """Return ISO 8601 with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
