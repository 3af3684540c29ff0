"""``darkstar plan``: what was known at a moment, planned, explained and written down.

    config, store ──> what was known and expected ──> Planner ──> table, schedule.json, plan.png

Without ``--at`` the plan is a live one: it is saved in the store with its forecasts, and recorded
as a training episode. With ``--at`` it is a look back that writes nothing to the store, is never
fit for control, and by default goes to a folder of its own. The same facts give the same files, to
the byte, apart from ``generated_at``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import cast

from mpc import PLAN_SCHEMA, Plan, Planner, TerminalCurve
from runners.config import Config, load_config
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.forecaster import AURORA, Prepared, prepare
from runners.output import console, plan_table, summary_table, write_json
from runners.record_episode import LIVE, record_training_episode
from runners.schedule import Made, schedule_dict, write_schedule
from sim.baselines import cost_of_plan, no_battery, self_use
from sim.pairing import PricePairing
from sim.planning import HomeModel, KnownInputs
from telemetry.plan_table import StoredPlan
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS
from telemetry.store import Store

__all__ = ["OUT", "PlanRun", "StartState", "home_model", "make_plan", "report_plan", "run_plan"]

OUT = Path("out")
"""Where live plans go; look backs go to folders in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartState:
    """Stored energy at the start of a plan, and where it is known from."""

    soc_kwh: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanRun:
    """A plan with what it was made from and what it is compared to.

    Attributes:
        prepared: what was known, and what is expected.
        state: stored energy at the start.
        plan: the plan.
        no_battery_cost: what the house would pay with its battery resting.
        self_use_cost: what it would pay on plain self-consumption.
        plan_cost: what the plan pays, on the same footing.
        solve_seconds: time the planner took.
    """

    prepared: Prepared
    state: StartState
    plan: Plan
    no_battery_cost: float
    self_use_cost: float
    plan_cost: float
    solve_seconds: float

    @property
    def inputs(self) -> KnownInputs:
        """What was known."""
        return self.prepared.inputs


def run_plan(
    *,
    config_path: Path,
    home_id: str | None,
    at: datetime | None,
    out_dir: Path | None,
    soc_kwh: float | None = None,
    soc_percent: float | None = None,
    json_path: str | None = None,
    plot: bool = True,
    explain: bool = False,
) -> PlanRun:
    """Plan one home and write the results to ``out_dir``.

    Args:
        config_path: the configuration.
        home_id: which home; None: the only one.
        at: the moment to look back at, aware; None: now, which is a live plan.
        out_dir: None: ``out`` for a live plan, ``out/at-<UTC time>`` for a look back.
        soc_kwh: stored energy at the start; None: the recorded one.
        soc_percent: the same in percent of the capacity.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw plan.png.
        explain: whether to print a sentence for every slot.

    Raises:
        ConfigError: the configuration, a missing state of charge, or files that cannot be written.
        SimError, ForecastError, PlanError, TelemetryError: data that cannot be planned with.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    now = datetime.now(UTC)
    moment = now if at is None else at.astimezone(UTC)
    made = Made(generated_at=now, inputs_as_of=moment, look_back=at is not None)
    model = home_model(config, home)
    with Store.open(config.store_url, system_id=config.system.system_id) as store:
        state = _start_state(store, config, home, moment, soc_kwh, soc_percent)
        prepared = prepare(store, config, model, moment, look_back=at is not None)
        run = make_plan(model, prepared, state)
        if at is None:
            store.put_home(model.home)
            _save(store, model, run)
    place = _out_dir(made) if out_dir is None else out_dir
    report_plan(config, home, run, made, place, json_path=json_path, plot=plot, explain=explain)
    return run


def _out_dir(made: Made) -> Path:
    """Return where results go by default: never over a live schedule by a look back."""
    return OUT / f"at-{made.inputs_as_of:%Y%m%dT%H%M%SZ}" if made.look_back else OUT


def home_model(config: Config, home_id: str) -> HomeModel:
    """Return a configured home as the planner needs it.

    Raises:
        ConfigError: the home has no price area.
    """
    given = config.home_config(home_id)
    if given.area is None:
        problem = Problem(f"homes.{home_id}.area", "", "missing; the area of its prices, e.g. se4")
        raise ConfigError(str(config.path), [problem])
    pairing = given.price_pairing
    return HomeModel(
        home=config.home(home_id),
        site=config.site(home_id),
        tariff=config.tariff(home_id),
        price_area=given.area,
        price_currency=given.price_currency,
        exchange_rates=config.exchange_rates_of(home_id),
        pairing=None
        if pairing is None
        else PricePairing(
            home_zone=given.zone, price_zone=pairing.zone, shift_days=pairing.shift_days
        ),
        horizon_hours=given.horizon_hours,
        load_days=given.forecast.load_days,
        pv_days=given.forecast.pv_days,
    )


def make_plan(model: HomeModel, prepared: Prepared, state: StartState) -> PlanRun:
    """Plan cold, and cost the two policies that need no plan on the same inputs."""
    site, horizon, soc = model.site, prepared.inputs.horizon, state.soc_kwh
    planner = Planner(site)
    begin = perf_counter()
    plan = planner.plan(horizon, soc, scenarios=prepared.scenarios)
    seconds = perf_counter() - begin
    curve = TerminalCurve.of(plan.terminal_curve)
    return PlanRun(
        prepared=prepared,
        state=state,
        plan=plan,
        no_battery_cost=no_battery(site, horizon, soc, curve).cost,
        self_use_cost=self_use(site, horizon, soc, curve).cost,
        plan_cost=cost_of_plan(plan, curve),
        solve_seconds=seconds,
    )


def _start_state(
    store: Store,
    config: Config,
    home_id: str,
    moment: datetime,
    soc_kwh: float | None,
    soc_percent: float | None,
) -> StartState:
    """Return the stored energy given, else the newest recorded one if it is fresh."""
    capacity = config.site(home_id).battery.capacity_kwh
    if soc_kwh is not None:
        return StartState(soc_kwh=soc_kwh, source="--soc-kwh")
    if soc_percent is not None:
        return StartState(soc_kwh=capacity * soc_percent / 100.0, source="--soc-percent")
    if capacity == 0.0:
        return StartState(soc_kwh=0.0, source="no battery")
    oldest = timedelta(minutes=config.home_config(home_id).soc_max_age_minutes + SLOT_MINUTES)
    found = store.latest(home_id, "soc_end", as_of=moment, not_before=moment - oldest)
    if found is None:
        minutes = config.home_config(home_id).soc_max_age_minutes
        message = (
            f"no state of charge was recorded in the {minutes:g} minutes before "
            f"{moment:%Y-%m-%d %H:%M}Z; give --soc-kwh or --soc-percent"
        )
        if config.home_config(home_id).home_assistant is not None:
            message += ", or run darkstar record (of the past: darkstar backfill)"
        raise ConfigError(home_id, [Problem("", "", message)], exit_code=EX_DATAERR)
    end = found.slot_start + timedelta(seconds=SLOT_SECONDS)
    return StartState(
        soc_kwh=found.value * capacity,
        source=f"recorded at {end:%Y-%m-%d %H:%M}Z ({found.provenance})",
    )


def _save(store: Store, model: HomeModel, run: PlanRun) -> None:
    """Keep a live plan, the forecasts it was made from, and its training episode."""
    home_id, plan, issued = model.home.home_id, run.plan, run.inputs.as_of
    with store.transaction():
        for target, values in (("load_kwh", plan.load_kwh), ("pv_kwh", plan.pv_kwh)):
            store.put_forecast(
                home_id,
                target=target,
                model=run.prepared.model,
                issued_at=issued,
                start=plan.start,
                values=values,
            )
        stored = StoredPlan(
            scenario=LIVE,
            issued_at=issued,
            start=plan.start,
            end=run.inputs.horizon.end,
            engine=plan.engine,
            status=plan.status,
            objective=plan.objective,
            plan_schema=PLAN_SCHEMA,
            plan_json=plan.to_json(),
        )
        store.put_plan(home_id, stored)
        record_training_episode(
            store,
            model,
            inputs=run.inputs,
            plan=plan,
            soc_source=run.state.source,
            forecast="" if run.prepared.issued is None else _told(run),
        )


def report_plan(
    config: Config,
    home_id: str,
    run: PlanRun,
    made: Made,
    out_dir: Path,
    *,
    json_path: str | None,
    plot: bool,
    explain: bool,
) -> None:
    """Print the plan and its summary; write schedule.json and plan.png."""
    zone, currency = config.home_config(home_id).zone, config.home_currency(home_id)
    plan, out = run.plan, console(json_path)
    out.print(plan_table(plan, zone, currency=currency))
    if explain:
        for sentence in plan.explain(zone):
            out.print(sentence, soft_wrap=True)
    schedule = schedule_dict(
        plan,
        home_id=home_id,
        system_id=config.system.system_id,
        made=made,
        soc_source=run.state.source,
        currency=currency,
        zone=zone,
        prices_until=run.inputs.prices_until,
        observed_until=run.inputs.observed_until,
        price_pairing=_pairing(config, home_id),
        forecast=_forecast(run),
    )
    files = [str(out_dir / "schedule.json")]
    write_schedule(out_dir / "schedule.json", schedule)
    if plot and find_spec("matplotlib") is None:
        files.append("no picture: it needs the extra `plot`")
    elif plot:
        files.append(str(out_dir / "plan.png"))
        _draw(config, home_id, run, out_dir / "plan.png")
    rows = _summary(run, home_id, currency, _pairing(config, home_id))
    rows += [("not for control", reason) for reason in cast("list[str]", schedule["reasons"])]
    out.print(summary_table([*rows, ("written", ", ".join(files))]))
    if json_path is not None:
        write_json(json_path, _result(run, schedule))


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
        ("forecast", _told(run)),
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


def _told(run: PlanRun) -> str:
    """Say where the forecast comes from, and whether its scenarios were planned on."""
    scenarios = run.prepared.scenarios
    if scenarios is None:
        return run.prepared.told
    if run.plan.scenarios == 0:
        return f"{run.prepared.told}; start outside the battery's window: planned on its means"
    return f"{run.prepared.told}; planned on {run.plan.scenarios} scenarios"


def _forecast(run: PlanRun) -> dict[str, object]:
    """Return what is expected, as the schedule tells it: quantiles by slot where there are any."""
    told: dict[str, object] = {"model": run.prepared.model, "told": _told(run)}
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
    """Sum up broken soft limits, one line each."""
    lines = []
    for limit in dict.fromkeys(v.limit for v in plan.violations):
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


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("plan")
