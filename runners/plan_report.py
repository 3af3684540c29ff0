"""What a plan tells: the table, the summary, ``schedule.json`` and the picture.

schedule_of(config, home, run, made)   the schedule, whose fitness the store keeps too
report_plan(config, home, run, ...)    table and summary on the terminal, files in a folder
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mpc import Plan
from runners.config import Config
from runners.forecaster import AURORA
from runners.manual_text import outcome_json, outcome_line
from runners.output import console, plan_table, summary_table, write_json
from runners.schedule import Made, schedule_dict, write_schedule
from runners.substitution import FitLimits

if TYPE_CHECKING:
    from runners.plan import PlanRun

__all__ = ["forecast_told", "report_plan", "schedule_of"]


def schedule_of(config: Config, home_id: str, run: PlanRun, made: Made) -> dict[str, object]:
    """Return the schedule of a plan, with what it may be used for and what stood in for what."""
    given = config.home_config(home_id)
    return schedule_dict(
        run.plan,
        home_id=home_id,
        system_id=config.system.system_id,
        made=made,
        soc_source=run.state.source,
        currency=config.home_currency(home_id),
        zone=given.zone,
        prices_until=run.inputs.prices_until,
        observed_until=run.inputs.observed_until,
        price_pairing=_pairing(config, home_id),
        forecast=_forecast(run),
        ages=run.ages,
        limits=FitLimits(
            soc_minutes=given.soc_max_age_minutes,
            readings_hours=given.readings_max_age_hours,
            published_hours=given.min_published_hours,
        ),
        substitutions=run.substitutions,
        manual=[outcome_json(one, run.plan) for one in run.asked],
    )


def report_plan(
    config: Config,
    home_id: str,
    run: PlanRun,
    schedule: dict[str, object],
    out_dir: Path | None,
    *,
    json_path: str | None,
    plot: bool,
    explain: bool,
) -> None:
    """Write schedule.json and plan.png, then print the plan and its summary.

    Files go first: whoever does not read to the end keeps no schedule from being written.

    Args:
        config: names, zone and currency.
        home_id: the home.
        run: the plan and what it was made from.
        schedule: of ``schedule_of``.
        out_dir: where the files go; None: nowhere.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw plan.png.
        explain: whether to print a sentence for every slot.

    Raises:
        ConfigError: a file cannot be written.
    """
    zone, currency = config.home_config(home_id).zone, config.home_currency(home_id)
    files = "nothing: a dry run"
    if out_dir is not None:
        files = ", ".join(_written(config, home_id, run, schedule, out_dir, plot=plot))
    out = console(json_path)
    out.print(plan_table(run.plan, zone, currency=currency))
    if explain:
        for sentence in run.plan.explain(zone):
            out.print(sentence, soft_wrap=True)
    rows = _summary(run, home_id, currency, _pairing(config, home_id))
    rows += [("asked for", outcome_line(one, run.plan, zone)) for one in run.asked]
    rows += [("substituted", str(one)) for one in run.substitutions]
    rows += [("not for control", reason) for reason in cast("list[str]", schedule["reasons"])]
    out.print(summary_table([*rows, ("written", files)]))
    if json_path is not None:
        write_json(json_path, _result(run, schedule))


def _written(
    config: Config,
    home_id: str,
    run: PlanRun,
    schedule: dict[str, object],
    out_dir: Path,
    *,
    plot: bool,
) -> list[str]:
    """Write the files, and return what was written."""
    files = [str(out_dir / "schedule.json")]
    write_schedule(out_dir / "schedule.json", schedule)
    if plot and find_spec("matplotlib") is None:
        files.append("no picture: it needs the extra `plot`")
    elif plot:
        files.append(str(out_dir / "plan.png"))
        _draw(config, home_id, run, out_dir / "plan.png")
    return files


def _draw(config: Config, home_id: str, run: PlanRun, path: Path) -> None:
    """Write the picture."""
    from runners.plot_plan import plot_plan  # noqa: PLC0415 - matplotlib is heavy

    given = config.home_config(home_id)
    low, high = (None, None) if given.battery is None else given.battery.soc_window_kwh
    plot_plan(
        run.plan,
        path,
        zone=given.zone,
        title=f"{given.name or home_id}, planned at {run.inputs.as_of:%Y-%m-%d %H:%M}Z",
        currency=config.home_currency(home_id),
        min_soc_kwh=low,
        max_soc_kwh=high,
    )


def _summary(
    run: PlanRun, home_id: str, currency: str, pairing: str | None
) -> list[tuple[str, object]]:
    """Return what a user wants to know first."""
    plan = run.plan
    hours = float(plan.slot_minutes.sum()) / 60.0
    saving = run.no_battery_cost - run.plan_cost
    rows: list[tuple[str, object]] = [
        ("home", home_id),
        ("planned at", f"{run.inputs.as_of:%Y-%m-%d %H:%M}Z, {hours:g} h"),
        ("stored at start", f"{plan.soc_start_kwh:.3f} kWh, {run.state.source}"),
        ("prices", _price_source(run, pairing)),
        ("forecast", forecast_told(run)),
        ("ages", str(run.ages)),
        ("no battery", f"{run.no_battery_cost:.2f} {currency}"),
        ("self-consumption", f"{run.self_use_cost:.2f} {currency}"),
        ("this plan", f"{run.plan_cost:.2f} {currency} ({saving:+.2f} saved against no battery)"),
        ("", "bill + wear - change in the worth of stored energy, on the forecast"),
        ("certificate", _certificate(plan, currency)),
        ("solved in", f"{1e3 * run.solve_seconds:.1f} ms"),
    ]
    return rows + [("broken limit", text) for text in _broken(plan, currency)]


def _pairing(config: Config, home_id: str) -> str | None:
    """Name a synthetic pairing of prices; None where the home has its own."""
    pairing = config.home_config(home_id).price_pairing
    if pairing is None:
        return None
    return f"synthetic pairing ({pairing.zone}, {pairing.shift_days:+d} days)"


def _price_source(run: PlanRun, pairing: str | None) -> str:
    """Say how far prices were published, and what stands for the rest."""
    inputs = run.inputs
    then = "forecast" if run.prepared.model == AURORA else "the day before's"
    if inputs.published.all():
        text = "published for the whole horizon"
    elif inputs.prices_until <= inputs.horizon.start:
        text = f"none published, {then} instead"
    else:
        text = f"published until {inputs.prices_until:%Y-%m-%d %H:%M}Z, then {then}"
    text += "; issue time assumed" if inputs.price_issued_assumed else ""
    return text if pairing is None else f"{pairing}; {text}"


def forecast_told(run: PlanRun) -> str:
    """Say where the forecast comes from, and whether its scenarios were planned on."""
    scenarios = run.prepared.scenarios
    if scenarios is None:
        return run.prepared.told
    if run.plan.scenarios == 0:
        return f"{run.prepared.told}; start outside the battery's window: planned on its means"
    return f"{run.prepared.told}; planned on {run.plan.scenarios} scenarios"


def _forecast(run: PlanRun) -> dict[str, object]:
    """Return what is expected, as the schedule tells it: quantiles by slot where there are any."""
    told: dict[str, object] = {"model": run.prepared.model, "told": forecast_told(run)}
    issued, slots = run.prepared.issued, len(run.plan)
    if issued is not None:
        for name, said in (("load_kwh", issued.load), ("pv_kwh", issued.pv)):
            told[name] = {
                "p10": said.low_kwh[0, :slots].tolist(),
                "p50": said.median_kwh[0, :slots].tolist(),
                "p90": said.high_kwh[0, :slots].tolist(),
            }
    return told


def _certificate(plan: Plan, currency: str) -> str:
    """Say how good the plan provably is."""
    if plan.expected_objective is not None:
        best = "optimal" if plan.status == "optimal" else f"at most {plan.gap:.4f} {currency} above"
        return f"{best} on average over {plan.scenarios} scenarios"
    if plan.status == "optimal":
        return "optimal: no plan is cheaper on these inputs"
    return f"{plan.status}: at most {plan.gap:.4f} {currency} above the optimum"


def _broken(plan: Plan, currency: str) -> list[str]:
    """Sum up broken soft limits, one line each; what was asked for is told block by block."""
    lines = []
    for limit in dict.fromkeys(v.limit for v in plan.violations if not v.is_wish):
        items = [v for v in plan.violations if v.limit == limit]
        worst = max(v.amount_kwh for v in items)
        cost = sum(v.cost for v in items)
        lines.append(
            f"{limit} in {len(items)} slots, by {worst:.3f} kWh at most ({cost:.2f} {currency})"
        )
    return lines


def _result(run: PlanRun, schedule: dict[str, object]) -> dict[str, object]:
    """Return what ``--json`` writes: the schedule and how it compares."""
    return {
        **schedule,
        "comparison": {
            "no_battery": run.no_battery_cost,
            "self_consumption": run.self_use_cost,
            "plan": run.plan_cost,
        },
        "solve_seconds": run.solve_seconds,
    }
