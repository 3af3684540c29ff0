"""``darkstar plan``: what was known at a moment, planned, explained and written down.

    config, store ──> what was known and expected ──> Planner ──> table, schedule.json, plan.png

Without ``--at`` the plan is a live one: it is saved in the store with its forecasts, and recorded
as a training episode. With ``--at`` it is a look back that writes nothing to the store, is never
fit for control, and by default goes to a folder of its own. The same facts give the same files, to
the byte, apart from ``generated_at``.

It asks nobody but the store: a Home Assistant, a price service or a mirror that is down leaves the
facts as old as they are. What is missing is replaced by what was known last, told, and beyond the
limits of the configuration marked not fit for control (``runners.substitution``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import cast

from mpc import PLAN_SCHEMA, Plan, Planner, TerminalCurve
from runners.config import Config, load_config
from runners.contract import job_run, job_store
from runners.errors import ConfigError, Problem
from runners.forecaster import Prepared, prepare
from runners.plan_report import forecast_told, report_plan, schedule_of
from runners.record_episode import LIVE, record_training_episode
from runners.schedule import Made
from runners.start_state import StartState, start_state
from runners.substitution import Ages, Substitution, minutes_since
from sim.baselines import cost_of_plan, no_battery, self_use
from sim.manual import BlockOutcome, outcomes, requests_for
from sim.pairing import PricePairing
from sim.planning import HomeModel, KnownInputs
from telemetry.manual_table import ManualBlock
from telemetry.plan_table import Fitness, StoredPlan
from telemetry.store import Store

__all__ = ["OUT", "PlanRun", "StartState", "home_model", "make_plan", "run_plan"]

OUT = Path("out")
"""Where live plans go; look backs go to folders in it."""
_READINGS_FRESH = timedelta(hours=2)  # an hourly meter is known at the hour's end


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
        manual: blocks in force at the plan's moment, heeded or not.
    """

    prepared: Prepared
    state: StartState
    plan: Plan
    no_battery_cost: float
    self_use_cost: float
    plan_cost: float
    solve_seconds: float
    manual: tuple[ManualBlock, ...] = ()

    @property
    def inputs(self) -> KnownInputs:
        """What was known."""
        return self.prepared.inputs

    @property
    def asked(self) -> tuple[BlockOutcome, ...]:
        """What the plan makes of each block of ``manual``."""
        return outcomes(self.manual, self.plan)

    @property
    def ages(self) -> Ages:
        """How old what was known is."""
        return Ages(
            soc=self.state.age_minutes,
            readings=minutes_since(self.inputs.observed_until, self.inputs.as_of),
            prices=self.prepared.prices_minutes,
            weather=self.prepared.weather_minutes,
        )

    @property
    def substitutions(self) -> tuple[Substitution, ...]:
        """What stood in for what was missing or old."""
        soc = () if self.state.instead is None else (self.state.instead,)
        until, now = self.inputs.observed_until, self.inputs.as_of
        if now - until <= _READINGS_FRESH:
            return (*soc, *self.prepared.substitutions)
        old = Substitution(
            what="readings of load and PV of the last 2 hours",
            instead=f"those until {until:%Y-%m-%d %H:%M}Z",
            age_minutes=minutes_since(until, now),
        )
        return (*soc, old, *self.prepared.substitutions)


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
    now: datetime | None = None,
    dry_run: bool = False,
) -> PlanRun | None:
    """Plan one home and write the results to ``out_dir``.

    Of two live plans at once the second leaves, with a word, and returns None.

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
        now: the clock, aware; None: that of this machine.
        dry_run: plan and report, but write neither files nor to the store; ``json_path`` is still
            written.

    Raises:
        ConfigError: the configuration, a missing state of charge, or files that cannot be written.
        SimError, ForecastError, PlanError, TelemetryError: data that cannot be planned with.
    """
    with job_run(
        "plan", home_id=home_id, now=now, clock=_clock, dry_run=dry_run, look_back=at is not None
    ) as job:
        config = load_config(config_path)
        home = config.pick_home(home_id)
        if not job.begins(config, [home]):
            return None
        clock = job.moment()
        moment = clock if at is None else at.astimezone(UTC)
        made = Made(generated_at=clock, inputs_as_of=moment, look_back=at is not None)
        model = home_model(config, home)
        with job_store(config, job) as store:
            job.check_clock(store, [home])
            state = start_state(
                store, config, home, moment, soc_kwh=soc_kwh, soc_percent=soc_percent
            )
            prepared = prepare(store, config, model, moment, look_back=at is not None)
            manual = store.manual_blocks(home, as_of=moment)
            run = make_plan(model, prepared, state, manual)
            schedule = schedule_of(config, home, run, made)
            if at is None:
                store.put_home(model.home)
                _save(store, model, run, _fitness(run, schedule))
        place = None if dry_run else out_dir or _out_dir(made)
        report_plan(
            config, home, run, schedule, place, json_path=json_path, plot=plot, explain=explain
        )
        job.tell(fit=schedule["fit_for_control"], cost=run.plan_cost, **_told(run))
        return run


def _clock() -> datetime:
    """Return the moment, UTC."""
    return datetime.now(UTC)


def _told(run: PlanRun) -> dict[str, object]:
    """Return what the summary line says of ages and substitutions."""
    ages = {f"{name}_minutes": age for name, age in asdict(run.ages).items()}
    return {"forecast": run.prepared.model, "substituted": len(run.substitutions), **ages}


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


def make_plan(
    model: HomeModel,
    prepared: Prepared,
    state: StartState,
    manual: Sequence[ManualBlock] = (),
) -> PlanRun:
    """Plan cold, and cost the two policies that need no plan on the same inputs."""
    site, horizon, soc = model.site, prepared.inputs.horizon, state.soc_kwh
    planner = Planner(site)
    begin = perf_counter()
    requests = requests_for(manual, horizon, site)
    plan = planner.plan(horizon, soc, scenarios=prepared.scenarios, requests=requests)
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
        manual=tuple(manual),
    )


def _fitness(run: PlanRun, schedule: dict[str, object]) -> Fitness:
    """Return what a plan may be used for, as its schedule says it."""
    return Fitness(
        valid_until=datetime.fromisoformat(str(schedule["valid_until"])),
        reasons=tuple(cast("list[str]", schedule["reasons"])),
        substitutions=tuple(map(str, run.substitutions)),
    )


def _save(store: Store, model: HomeModel, run: PlanRun, fitness: Fitness) -> None:
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
        store.put_plan(home_id, _stored(run, fitness))
        record_training_episode(
            store,
            model,
            inputs=run.inputs,
            plan=plan,
            soc_source=run.state.source,
            forecast="" if run.prepared.issued is None else forecast_told(run),
        )


def _stored(run: PlanRun, fitness: Fitness) -> StoredPlan:
    """Return a live plan as the store keeps it."""
    plan = run.plan
    return StoredPlan(
        scenario=LIVE,
        issued_at=run.inputs.as_of,
        start=plan.start,
        end=run.inputs.horizon.end,
        engine=plan.engine,
        status=plan.status,
        objective=plan.cost,
        plan_schema=PLAN_SCHEMA,
        plan_json=plan.to_json(),
        fitness=fitness,
    )


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("plan")
