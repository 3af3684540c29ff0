"""The sequential replay that says how full the battery is at each midnight, and makes the tasks.

    days  = choose_days(store, model, first, end, classes=..., every_day=False, judged=...)
    chain = Chain(store, model, days, scenario, start_soc(store, model, first), ...)
    for task in chain: ...                        # lazily, a day at a time
    head, rows = replay_rows(chain, ...)          # ``sim.simulation_replay``

One battery goes through all days by the storage engine with value dispatch, by HiGHS through a day
that the engine cannot plan exactly, and through one of which some plan heeds a manual block. Days
that are not simulated are carried too, as far as load, PV, prices and a forecast are known; through
the others the battery rests. Each day is a window of its own, so that its episodes do not depend on
how far the simulation goes. Units: kWh, UTC.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import final

import numpy as np

from forecast.errors import ForecastError
from mpc import TerminalCurve
from mpc.arrays import F64
from sim.asof import BaselineForecasts, KnownForecasts
from sim.augment import Scenario, augmented
from sim.day_context import context_of, seen_before
from sim.day_forecasts import TooLittleKnown, days_with_forecasts, reason_of
from sim.dispatch import VALUE
from sim.episode_day import HIGHS, STORAGE, DayTask, HeldForecasts
from sim.errors import KnownInputsError, RefusedError, ReplayError
from sim.facts import Facts
from sim.history import realised
from sim.manual import heeded
from sim.planning import HomeModel, zone_of
from sim.policies import last_curve, refuse_first_slots, run_highs, run_storage
from sim.simulation_days import ChosenDay, StartSoc, choose_days, start_soc
from sim.slots import SOC
from sim.window import ReplayWindow, day_after_curve, replay_window
from telemetry.arrays import I64
from telemetry.manual_table import ManualBlock
from telemetry.slots import SLOT_SECONDS, local_day, to_epoch

__all__ = [
    "AUTO",
    "ENGINES",
    "CarriedDay",
    "Chain",
    "ChosenDay",
    "StartSoc",
    "choose_days",
    "replay_id_of",
    "start_soc",
]

AUTO = "auto"
ENGINES = (AUTO, HIGHS, STORAGE)
_SCHEMA = "darkstar.simulation/1"
_REPLAY = "replay"
_FORECAST = BaselineForecasts.name
_MANUAL = "plans heed manual blocks, which only HiGHS does"
_REFUSED = "the storage engine cannot plan it exactly, HiGHS can"


def replay_id_of(
    home_id: str, scenario: Scenario, config_hash: str, first_day: date, start: StartSoc
) -> str:
    """Return 16 hexadecimal digits that name the sequential replay of a scenario.

    Neither data nor the window's end are part of it: what is simulated later, or again after a
    backfill, leaves the episodes of other days as they are.
    """
    facts = (
        _SCHEMA,
        home_id,
        scenario.name,
        scenario.seed,
        config_hash,
        first_day.isoformat(),
        start.soc_kwh,
    )
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CarriedDay:
    """What the sequential replay did on one local day of n slots.

    Attributes:
        local_day: the day.
        start: its first slot, UTC.
        engine: what planned it.
        soc_start_kwh: stored at its start.
        happened: (n, 4) load, PV, import and export price.
        rows: (n, 10) columns of ``sim.slots`` and the energy value.
        inputs_hash: of all that its plans were made from.
    """

    local_day: date
    start: datetime
    engine: str
    soc_start_kwh: float
    happened: F64
    rows: F64
    inputs_hash: str


@final
class Chain:
    """The sequential replay of one scenario; to be iterated once, for its tasks in order.

    Attributes:
        replay_id: its name.
        carried: the days that were replayed so far, in order.
        skipped: the days that were to be simulated and could not be, so far.
    """

    def __init__(
        self,
        facts: Facts,
        model: HomeModel,
        days: Sequence[ChosenDay],
        scenario: Scenario,
        start: StartSoc,
        *,
        system_id: str,
        config_hash: str,
        engine: str = AUTO,
        manual: Sequence[ManualBlock] = (),
    ) -> None:
        """Prepare a replay; nothing is read yet.

        Args:
            facts: the history as recorded.
            model: the home.
            days: of ``choose_days``, one after the other.
            scenario: what is changed of the history.
            start: stored energy at the start of the first day.
            system_id: which installation writes.
            config_hash: of site, tariff and options.
            engine: ``storage``, ``highs``, or ``auto``: storage for a day that it plans exactly.
            manual: blocks of the home's manual plan, those taken back too; every plan heeds those
                that were in force at its slot, in all scenarios.

        Raises:
            KnownInputsError: the home has no zone.
            ReplayError: no day was given, or an engine that does not exist.
        """
        home_id = model.home.home_id
        if not days:
            raise ReplayError(home_id, "no day was chosen", "choose an end after the first day")
        if engine not in ENGINES:
            want = f"name one of {', '.join(ENGINES)}"
            raise ReplayError(home_id, f"there is no engine {engine!r}", want)
        self._facts, self._model = augmented(facts, model, scenario), model
        self._days, self._scenario = tuple(days), scenario
        self._system_id, self._config_hash, self._engine = system_id, config_hash, engine
        self._stored_kwh, self._source = start.soc_kwh, start.source
        self._zone, self._manual = zone_of(model), tuple(manual)
        self.replay_id = replay_id_of(home_id, scenario, config_hash, days[0].local_day, start)
        self.carried: list[CarriedDay] = []
        self.skipped: list[ChosenDay] = []
        self._last: tuple[ReplayWindow, HeldForecasts] | None = None

    @property
    def forecast(self) -> str:
        """What its plans knew of the future."""
        return _FORECAST

    def __iter__(self) -> Iterator[DayTask]:
        """Carry the battery through the days and yield the task of each that is simulated.

        Raises:
            StateError: the battery cannot hold the energy at the start.
            SimError, ForecastError, TelemetryError: facts that cannot be read.
        """
        wanted = [n for n, day in enumerate(self._days) if not day.skipped]
        days = self._days[: wanted[-1] + 1] if wanted else ()
        for day, forecasts in days_with_forecasts(self._forecasts, days, self._zone):
            task = self._carry(day, forecasts)
            if task is not None:
                yield task

    def end_curve(self) -> TerminalCurve:
        """Return what the energy left is worth: by the 24 h that followed, else as last known.

        Raises:
            ReplayError: no day was carried.
        """
        if self._last is None:
            what = "no day was replayed"
            raise ReplayError(self._model.home.home_id, what, "simulate a day with history")
        bounds = local_day(self.carried[-1].local_day, self._zone)
        try:
            return day_after_curve(self._model.site, realised(self._facts, self._model, *bounds))
        except ReplayError:
            return last_curve(*self._last)

    def _forecasts(self, start: datetime, end: datetime) -> BaselineForecasts:
        """Return what was known at every slot of a period."""
        return BaselineForecasts(self._facts, self._model, start, end)

    def _carry(
        self, day: ChosenDay, forecasts: BaselineForecasts | TooLittleKnown
    ) -> DayTask | None:
        """Carry the battery through a day; return its task, if it has one."""
        try:
            if not isinstance(forecasts, BaselineForecasts):
                raise forecasts
            window = self._window(day.local_day)
            first = (to_epoch(window.realised.start) - to_epoch(forecasts.start)) // SLOT_SECONDS
            known = forecasts.known(first, len(window))
        except (ForecastError, KnownInputsError, ReplayError) as err:
            self._skip(day, reason_of(err))
            return None
        manual = heeded(self._manual, window)
        source, exact = self._source, self._move(day.local_day, window, known, manual)
        if self._engine == STORAGE and not exact:
            self._skip(day, _MANUAL if manual else _REFUSED)
        elif not day.skipped:
            engine = STORAGE if exact and self._engine != HIGHS else HIGHS
            until = forecasts.prices_until(first, len(window))
            return self._task(day, window, known, until, engine, source, manual)
        return None

    def _window(self, day: date) -> ReplayWindow:
        """Return what happened on a day; what is left at its end is worth nothing by itself."""
        bounds = local_day(day, self._zone)
        happened = realised(self._facts, self._model, *bounds, after_hours=0)
        return replay_window(
            self._model,
            happened,
            soc_start_kwh=self._stored_kwh,
            terminal=TerminalCurve.of(0.0),
        )

    def _move(
        self,
        day: date,
        window: ReplayWindow,
        known: KnownForecasts,
        manual: tuple[ManualBlock, ...],
    ) -> bool:
        """Replay a day; return whether the storage engine plans every slot of it exactly."""
        held = HeldForecasts(name=_FORECAST, start=window.realised.start, arrays=known)
        engine, exact, rows = _replayed(window, held, manual)
        self.carried.append(
            CarriedDay(
                local_day=day,
                start=window.realised.start,
                engine=engine,
                soc_start_kwh=window.soc_start_kwh,
                happened=window.actual,
                rows=rows,
                inputs_hash=_inputs_hash(window, known, manual),
            )
        )
        self._last = window, held
        self._stored_kwh, self._source = float(rows[-1, SOC]), _REPLAY
        return exact

    def _task(
        self,
        day: ChosenDay,
        window: ReplayWindow,
        known: KnownForecasts,
        prices_until: I64,
        engine: str,
        soc_source: str,
        manual: tuple[ManualBlock, ...],
    ) -> DayTask:
        """Return what a day's episodes are made from."""
        start, slots = window.realised.start, len(window)
        before = seen_before(self._facts, self._model, start, slots)
        return DayTask(
            system_id=self._system_id,
            scenario=self._scenario.name,
            changes=self._scenario.changes(),
            config_hash=self._config_hash,
            replay_id=self.replay_id,
            local_day=day.local_day,
            quality_class=day.quality_class,
            engine=engine,
            soc_source=soc_source,
            window=window,
            known=known,
            prices_until=prices_until,
            observed=before.values[:2],
            observed_known_at=before.known_at[:2],
            context=context_of(self._facts, self._model, before, start, slots),
            manual=manual,
        )

    def _skip(self, day: ChosenDay, reason: str) -> None:
        """Note a day that was to be simulated."""
        if not day.skipped:
            self.skipped.append(replace(day, skipped=reason))


def _replayed(
    window: ReplayWindow, held: HeldForecasts, manual: tuple[ManualBlock, ...]
) -> tuple[str, bool, F64]:
    """Return what engine replayed a day, whether the storage engine plans it exactly, its rows."""
    if manual:
        return HIGHS, False, run_highs(window, held, VALUE, manual)
    try:
        rows = run_storage(window, held, VALUE)
    except RefusedError:
        return HIGHS, False, run_highs(window, held, VALUE)
    try:
        refuse_first_slots(window, held)
    except RefusedError:
        return STORAGE, False, rows
    return STORAGE, True, rows


def _inputs_hash(
    window: ReplayWindow, known: KnownForecasts, manual: tuple[ManualBlock, ...]
) -> str:
    """Return a hash of what happened on a day and of what was known at each of its slots."""
    digest = hashlib.blake2b(window.actual.tobytes(), digest_size=16)
    for values in (known.load_kwh, known.pv_kwh, known.import_price, known.export_price):
        digest.update(np.ascontiguousarray(values).data)
    for block in manual:
        digest.update(repr(block).encode())
    return digest.hexdigest()
