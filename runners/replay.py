"""``darkstar replay``: what policies would have done and paid over days of history, and why.

    store ──what happened, what was known at each slot──> policies x dispatches ──> costs
          ──oracle──> regret by day, split by cause ──> tables, replay.png, rows of ``replays``

Every policy starts with the same energy, meets the same slots, and is credited for what it leaves
by one curve. The ledger is that of the first policy that plans. Money in the home's currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from runners.config import load_config
from runners.dates import refuse_reversed, utc_now
from runners.output import console, write_json
from runners.patience import patience
from runners.plan import home_model
from runners.replay_inputs import ReplayInputs, read_inputs, start_energy
from runners.replay_names import DEFAULT_POLICIES, PLANNING, DispatchName, PolicyName
from runners.replay_report import Compared, Run, report, result_dict
from runners.replay_store import Kept, forecast_hash, stored, window_hash
from runners.store_access import open_store
from sim.asof import Forecasts, perfect
from sim.oracle import Oracle, make_oracle
from sim.regret import Ledger, ledger, regret
from sim.replay import Dispatch, Policy, Replay, replay
from sim.window import ReplayWindow, replay_window
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["OUT", "run_replay"]

OUT = Path("out")
_ENGINES = {
    PolicyName.PLAN: "highs",
    PolicyName.STORAGE: "storage",
    PolicyName.ROLLING_ORACLE: "storage",
    PolicyName.ORACLE: "storage",
}
_NO_ENGINE = "none"
_Asked = tuple[PolicyName, DispatchName | None]


def run_replay(
    *,
    config_path: Path,
    home_id: str | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    policies: Sequence[PolicyName] = DEFAULT_POLICIES,
    dispatches: Sequence[DispatchName] = (DispatchName.VALUE,),
    bridge_hours: float = 0.0,
    shapley: bool = False,
    soc_kwh: float | None = None,
    soc_percent: float | None = None,
    out_dir: Path = OUT,
    json_path: str | None = None,
    plot: bool = True,
    keep: bool = True,
) -> Compared:
    """Replay local days of a home with every policy, report, and keep the replays.

    Args:
        config_path: the configuration.
        home_id: which home; None: the only one.
        start_date: first local day; None: as the longest stretch without gaps begins.
        end_date: last local day, included; None: as that stretch ends.
        policies: what decides; those that plan run with every dispatch.
        dispatches: what moves the battery.
        bridge_hours: how long PV may be missing to be read off its neighbours.
        shapley: average the ledger's parts over the orders of the causes.
        soc_kwh: stored energy at the start; None: half the capacity.
        soc_percent: the same in percent of the capacity.
        out_dir: where the picture goes.
        json_path: where the result goes as JSON; ``-`` is stdout.
        plot: whether to draw replay.png.
        keep: whether to write the replays to the store.

    Raises:
        ConfigError: the configuration, days or start that cannot be, files that cannot be written.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be replayed.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    if start_date is not None and end_date is not None:
        refuse_reversed(start_date, end_date)
    model, out = home_model(config, home), console(json_path)
    start = start_energy(model, soc_kwh, soc_percent)
    asked = _asked(policies, dispatches)
    with open_store(config) as store:
        with out.status("reading the store"):
            inputs = read_inputs(
                store, model, start, start_date, end_date, bridge_hours=bridge_hours
            )
        compared = _compare(inputs, asked, shapley=shapley, out=out)
        if keep:
            compared = _keep(store, inputs, compared, config.home_currency(home))
    currency = config.home_currency(home)
    if compared.main is None and set(dispatches) != {DispatchName.VALUE}:
        out.print(f"--dispatch changed nothing: it is for --policy {' and '.join(PLANNING)}")
    report(compared, inputs, currency=currency, out=out)
    if json_path is not None:
        write_json(json_path, result_dict(compared, inputs, currency=currency))
    if plot and find_spec("matplotlib") is None:
        out.print("no picture: it needs the extra `plot`")
    elif plot:
        _draw(compared, inputs, currency, out_dir / "replay.png")
        out.print(f"picture: {out_dir / 'replay.png'}", soft_wrap=True)
    return compared


def _asked(policies: Iterable[PolicyName], dispatches: Sequence[DispatchName]) -> list[_Asked]:
    """Return what runs, each once: policies that plan with every dispatch."""
    found: dict[_Asked, None] = {}
    for policy in policies:
        ways: Sequence[DispatchName | None] = dispatches if policy in PLANNING else (None,)
        found |= dict.fromkeys((policy, way) for way in ways)
    return list(found)


def _compare(
    inputs: ReplayInputs, asked: Sequence[_Asked], *, shapley: bool, out: Console
) -> Compared:
    """Run everything that was asked for, the two ends of the scale, and the ledger."""
    window = inputs.window
    begin = perf_counter()
    with patience(out):
        _warm_up(inputs, asked)
    ready_seconds = perf_counter() - begin
    with out.status("making the oracle"):
        oracle = make_oracle(window)
    runs = []
    for policy, way in asked:
        with out.status(f"replaying {policy} {way or ''}"):
            runs.append(_run(inputs, window, oracle, policy, way))
    planning = next(((p, way) for p, way in asked if p in PLANNING and way is not None), None)
    parts = None
    if planning is not None:
        with out.status("splitting the regret"):
            made = runs[asked.index(planning)].result
            parts = _ledger(inputs, oracle, planning, made, shapley=shapley)
    return Compared(
        runs=tuple(runs),
        main=None if planning is None else asked.index(planning),
        ledger=parts,
        no_battery_cost=replay(window, Policy.NO_BATTERY).cost,
        oracle_cost=oracle.cost,
        ready_seconds=ready_seconds,
    )


def _warm_up(inputs: ReplayInputs, asked: Iterable[_Asked]) -> None:
    """Run everything for one slot, so that compiling is in nobody's seconds."""
    window = inputs.window
    short = replay_window(
        inputs.model,
        replace(window.realised, slots=1),
        soc_start_kwh=window.soc_start_kwh,
        terminal=window.terminal,
    )
    oracle = make_oracle(short)
    for policy, way in asked:
        _run(inputs, short, oracle, policy, way)


def _run(
    inputs: ReplayInputs,
    window: ReplayWindow,
    oracle: Oracle,
    policy: PolicyName,
    way: DispatchName | None,
) -> Run:
    """Replay one policy with one dispatch."""
    begin = perf_counter()
    result = _replay(inputs, window, policy, way)
    seconds = perf_counter() - begin
    return Run(policy=policy, result=result, regret=regret(result, oracle), seconds=seconds)


def _replay(
    inputs: ReplayInputs, window: ReplayWindow, policy: PolicyName, way: DispatchName | None
) -> Replay:
    """Carry a policy, by the name that users give it, through a window."""
    if policy is PolicyName.ROLLING_ORACLE:
        return replay(window, Policy.STORAGE, _perfect(inputs), Dispatch.VALUE)
    if way is None:
        return replay(window, Policy(policy))
    return replay(window, Policy(policy), inputs.forecasts, Dispatch(way))


def _perfect(inputs: ReplayInputs) -> Forecasts:
    """Return perfect foresight of the window and the 24 h after it."""
    return perfect(inputs.forecasts, inputs.window.realised)


def _ledger(
    inputs: ReplayInputs,
    oracle: Oracle,
    planning: tuple[PolicyName, DispatchName],
    made: Replay,
    *,
    shapley: bool,
) -> Ledger:
    """Split the regret of the first policy that plans."""
    policy, way = planning
    return ledger(
        inputs.window,
        oracle,
        inputs.forecasts,
        Dispatch(way),
        policy=Policy(policy),
        shapley=shapley,
        made=made,
    )


def _keep(store: Store, inputs: ReplayInputs, compared: Compared, currency: str) -> Compared:
    """Write every replay to the store; return the comparison with their names."""
    window, now = inputs.window, utc_now()
    happened = window_hash(window)
    known = ""
    if any(run.result.forecast for run in compared.runs):
        known = forecast_hash(happened, inputs.forecasts, len(window))
    runs, new = [], 0
    with store.transaction():
        for run in compared.runs:
            kept = Kept(
                result=run.result,
                policy=run.policy,
                engine=_ENGINES.get(run.policy, _NO_ENGINE),
                regret=run.regret,
                oracle_cost=compared.oracle_cost,
                inputs_hash=known if run.result.forecast else happened,
            )
            head, days = stored(kept, inputs.model, currency=currency, made_at=now)
            counts = store.put_replay(run.result.home_id, head, days)
            new += counts.inserted + counts.updated > 0
            runs.append(replace(run, replay_id=head.replay_id))
    return replace(compared, runs=tuple(runs), new_replays=new)


def _draw(compared: Compared, inputs: ReplayInputs, currency: str, path: Path) -> None:
    """Write the picture."""
    from runners.plot_replay import plot_replay  # noqa: PLC0415 - matplotlib is heavy

    name = inputs.model.home.name or inputs.model.home.home_id
    days = inputs.days
    span = f"{days.first}" if days.count == 1 else f"{days.first} to {days.last}"
    plot_replay(
        compared,
        path,
        title=f"{name}, replayed {span}",
        currency=currency,
    )


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("replay")
