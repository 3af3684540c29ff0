"""One scenario of ``darkstar simulate``: its days through the pool and into the store.

Every day is one transaction: its episodes, their places in the outbox, and the mark that it is
done. The sequential replay that the days start from is kept as a row of ``replays`` at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from runners.output import many
from runners.patience import patience
from runners.replay_store import REPLAY_SCHEMA
from runners.settings import settings_text
from runners.simulate_pool import Pool
from runners.simulate_report import ScenarioRun, Skipped
from sim.augment import Scenario
from sim.episode_day import DayResult, DayTask, run_day
from sim.planning import HomeModel
from sim.simulation import Chain, ChosenDay, StartSoc
from sim.simulation_replay import replay_rows
from sim.slots import BILL, PENALTY, WEAR
from telemetry.manual_table import ManualBlock
from telemetry.sql import WriteCounts
from telemetry.store_episodes import SimulatedDay

if TYPE_CHECKING:
    from telemetry.store import Store

__all__ = ["Job", "Progress", "run_scenario"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What is simulated, the same in every scenario.

    Attributes:
        store: open for writing.
        model: the home.
        days: the local days of the period, those that are skipped too.
        start: stored energy at its start.
        engine: as asked for.
        config_hash: of site, tariff and options.
        currency: of the home.
        recompute: whether days are simulated that were done before from the same inputs.
        manual: blocks of the manual plan, those taken back too.
    """

    store: Store
    model: HomeModel
    days: tuple[ChosenDay, ...]
    start: StartSoc
    engine: str
    config_hash: str
    currency: str
    recompute: bool
    manual: tuple[ManualBlock, ...] = ()

    @property
    def home_id(self) -> str:
        """The home."""
        return self.model.home.home_id

    @property
    def asked(self) -> int:
        """How many days are to be simulated."""
        return sum(not day.skipped for day in self.days)


@final
class Progress:
    """Shows how far a batch is: a bar on a terminal, else a line a scenario; on stderr."""

    def __init__(self, out: Console, days: int) -> None:
        """Prepare for a number of days."""
        self._out, self._screen = out, Console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("days"),
            TimeRemainingColumn(),
            console=self._screen,
            transient=True,
            disable=not self._screen.is_terminal,
        )
        self._task = self._bar.add_task("", total=days)
        self.is_warm = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Be patient with kernels that are not compiled yet; the bar comes afterwards."""
        self._bar.stop()
        with patience(self._out):
            yield
        self._bar.start()

    def begin(self, name: str) -> None:
        """Say what is worked on."""
        self._bar.update(self._task, description=name)

    def advance(self) -> None:
        """One day more is done."""
        self._bar.advance(self._task)

    def end(self, run: ScenarioRun) -> None:
        """A scenario is done."""
        if not self._screen.is_terminal:
            typer.echo(
                f"{run.scenario}: {many(run.days, 'day')} simulated, {run.passed_by} done before, "
                f"{len(run.skipped)} skipped, {run.seconds:.1f} s",
                err=True,
            )


def run_scenario(job: Job, scenario: Scenario, pool: Pool, progress: Progress) -> ScenarioRun:
    """Simulate one scenario; every day that is finished stays, whatever comes after it.

    Raises:
        ConfigError: workers died too often, or the cluster is gone.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be simulated.
    """
    begin = perf_counter()
    progress.begin(scenario.name)
    work = _Work(job, scenario, progress)
    if not progress.is_warm:
        work.warm_up()
    for result in pool.finished(run_day, work.tasks()):
        work.keep(result)
    return work.finish(perf_counter() - begin)


@final
class _Work:
    """The days of one scenario on their way, and what came of them."""

    def __init__(self, job: Job, scenario: Scenario, progress: Progress) -> None:
        """Prepare the chain of days and read which of them an earlier run has done."""
        self._job, self._scenario, self._progress = job, scenario, progress
        self._chain = Chain(
            job.store,
            job.model,
            job.days,
            scenario,
            job.start,
            system_id=job.store.system_id,
            config_hash=job.config_hash,
            engine=job.engine,
            manual=job.manual,
        )
        self._carried = iter(self._chain)
        self._marks = job.store.simulated_days(job.home_id, scenario.name, job.config_hash)
        self._hashes: dict[tuple[date, str], str] = {}
        self._engines: Counter[str] = Counter()
        self._counts, self._days, self._planned = WriteCounts(), set[date](), list[float]()

    def tasks(self) -> Iterator[DayTask]:
        """Yield the days that are to be computed, one at a time."""
        for task in self._carried:
            if self._is_open(task):
                yield task

    def warm_up(self) -> None:
        """Compute the first day in this process, so that workers find the kernels compiled."""
        with self._progress.loading():
            first = next(self._carried, None)
        if first is not None and not self._is_open(first):
            first = next(self.tasks(), None)
        if first is not None:
            with self._progress.loading():
                self.keep(run_day(first))
            self._progress.is_warm = True

    def _is_open(self, task: DayTask) -> bool:
        """Count a day; return whether it is to be computed."""
        self._days.add(task.local_day)
        self._engines[task.engine] += 1
        key, task_hash = (task.local_day, task.engine), task.task_hash()
        mark = self._marks.get(key)
        if mark is not None and mark.task_hash == task_hash and not self._job.recompute:
            self._progress.advance()
            return False
        self._hashes[key] = task_hash
        return True

    def keep(self, result: DayResult) -> None:
        """Write a day that is finished, as a whole."""
        job = self._job
        mark = SimulatedDay(
            scenario=self._scenario.name,
            config_hash=job.config_hash,
            engine=result.engine,
            local_day=result.local_day,
            task_hash=self._hashes[result.local_day, result.engine],
            episodes=len(result.episodes),
        )
        with job.store.transaction():
            self._counts += job.store.put_episodes(job.home_id, result.episodes)
            job.store.put_simulated_day(job.home_id, mark)
        self._planned += [episode.planned_cost for episode in result.episodes]
        self._progress.advance()

    def finish(self, seconds: float) -> ScenarioRun:
        """Keep the sequential replay; return what was done."""
        chain, done = self._chain, len(self._hashes)
        if self._days:
            self._keep_replay()
        for _ in chain.skipped:
            self._progress.advance()
        found = ScenarioRun(
            scenario=self._scenario.name,
            changes=self._scenario.changes(),
            replay_id=chain.replay_id if self._days else "",
            days=done,
            passed_by=len(self._days) - done,
            engines=dict(self._engines),
            skipped=self._skipped(),
            episodes=self._counts,
            planned_cost=float(np.mean(self._planned)) if self._planned else np.nan,
            realised_cost=self._realised(),
            seconds=seconds,
        )
        self._progress.end(found)
        return found

    def _keep_replay(self) -> None:
        """Write the sequential replay that the days started from."""
        job = self._job
        settings = settings_text(job.model, schema=REPLAY_SCHEMA)
        head, days = replay_rows(self._chain, currency=job.currency, settings=settings)
        job.store.put_replay(job.home_id, head, days)

    def _skipped(self) -> tuple[Skipped, ...]:
        """Return the days without episodes, in order."""
        days = [day for day in self._job.days if day.skipped] + list(self._chain.skipped)
        found = [Skipped(local_day=day.local_day, reason=day.skipped) for day in days]
        return tuple(sorted(found, key=lambda day: day.local_day))

    def _realised(self) -> float:
        """Return what a day with episodes cost on average."""
        money = [BILL, WEAR, PENALTY]
        days = [day for day in self._chain.carried if day.local_day in self._days]
        return float(np.mean([day.rows[:, money].sum() for day in days])) if days else np.nan
