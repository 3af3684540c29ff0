"""``darkstar evaluate``: the forecasts that days of the past would have had, and what they cost.

    store ──models trained on what was known, anew every 30 days──> a forecast every hour
          ──what came──> errors by lead, against the naive rule that did best in hindsight
          ──closed loop──> what the battery would have paid with each forecaster

Days are local and included at both ends. Nothing is written but the picture; the models in the
registry play no part, as they have seen these days. Energies are kWh per slot of 15 min.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from forecast.aurora import Forecast, Issued
from forecast.metrics import Speaker, Sums, backtest, speaker_of
from forecast.rolling import Chain, rolling
from runners.config import load_config
from runners.dates import refuse_reversed
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.evaluate_money import Priced, priced_days
from runners.evaluate_report import report, result_dict
from runners.output import console, write_json
from runners.plan import home_model
from runners.store_access import open_store
from runners.train import span_of_load
from sim.aurora import read_history
from sim.planning import HomeModel, zone_of
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS, local_calendar, local_day, to_epoch, zone_info
from telemetry.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from forecast.inputs import HomeHistory, Measured

__all__ = ["Evaluated", "Example", "Gap", "run_evaluate"]

OUT = Path("out")
_DAY = timedelta(days=1)
_HOUR = 3600
_LEAST_HISTORY_DAYS = 8
_AFTER = timedelta(days=2)
_WEEK_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A local day of the period of which something was not measured.

    Attributes:
        local_date: the day.
        load_slots: slots without load.
        pv_slots: slots without PV, 0 for a house without panels.
    """

    local_date: date
    load_slots: int
    pv_slots: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """A week with the forecasts of each local midnight; (S,) each, kWh per slot.

    Attributes:
        start: its first slot, UTC.
        midnights: places of the local midnights.
        dates: their days.
        load_kwh, pv_kwh: what came.
        load, pv: what was said at midnight.
    """

    start: datetime
    midnights: tuple[int, ...]
    dates: tuple[date, ...]
    load_kwh: F64
    pv_kwh: F64 | None
    load: Forecast
    pv: Forecast | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluated:
    """What ``darkstar evaluate`` found.

    Attributes:
        home_id: the home.
        zone: its time zone.
        currency: of all money.
        first, last: local days, both included.
        chosen: whether the days are the default.
        known_from: first local day with load.
        chain: the models, as they were in force.
        scored_days: days of which some target was scored.
        gaps: days on which something was not measured.
        source_slots: slots per interval of the meter.
        load: sums over the targets of the load.
        pv: of PV, None for a house without panels.
        priced: money; None where it was not asked for.
        example: a week from the middle of the period.
        seconds: what it took.
    """

    home_id: str
    zone: str
    currency: str
    first: date
    last: date
    chosen: bool
    known_from: date
    chain: Chain
    scored_days: int
    gaps: tuple[Gap, ...]
    source_slots: int
    load: Sums
    pv: Sums | None
    priced: Priced | None
    example: Example
    seconds: float

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.last - self.first).days + 1


def run_evaluate(
    *,
    config_path: Path,
    home_id: str | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    retrain_days: int = 30,
    money: bool = True,
    plot: bool = True,
    out_dir: Path = OUT,
    json_path: str | None = None,
) -> Evaluated:
    """Score the forecasts of local days, report, and draw.

    Args:
        config_path: the configuration.
        home_id: which home; None: the only one.
        start_date: first local day; None: where the last third of the home's days begins.
        end_date: last local day, included; None: the last whole one.
        retrain_days: how long a model is in force.
        money: whether to replay the battery too.
        plot: whether to draw evaluate.png.
        out_dir: where the picture goes.
        json_path: where the result goes as JSON; ``-`` is stdout.

    Raises:
        ConfigError: the configuration, days that cannot be, a file that cannot be written.
        ForecastError, SimError, TelemetryError: facts that teach nothing.
    """
    config = load_config(config_path)
    home = config.pick_home(home_id)
    if start_date is not None and end_date is not None:
        refuse_reversed(start_date, end_date)
    model, out = home_model(config, home), console(json_path)
    with open_store(config) as store:
        period = _choose(store, model, start_date, end_date)
        found = _evaluate(
            store,
            model,
            period,
            retrain_days=retrain_days,
            risk_appetite=config.home_config(home).forecast.risk_appetite if money else None,
            out=out,
        )
    report(found, out=out)
    if json_path is not None:
        write_json(json_path, result_dict(found))
    if plot and find_spec("matplotlib") is None:
        out.print("no picture: it needs the extra `plot`")
    elif plot:
        from runners.plot_evaluate import plot_evaluate  # noqa: PLC0415 - matplotlib is heavy

        name = model.home.name or home
        title = f"{name}: forecasts of {found.first} to {found.last}"
        plot_evaluate(found, out_dir / "evaluate.png", title=title)
        out.print(f"picture: {out_dir / 'evaluate.png'}", soft_wrap=True)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Period:
    """Local days, both included, and what is known around them.

    Attributes:
        first, last: the days.
        chosen: whether they are the default.
        start, end: [start, end) of the days, UTC.
        data_from, data_until: [from, until) of the load, UTC.
        known_from: local day of the first load.
    """

    first: date
    last: date
    chosen: bool
    start: datetime
    end: datetime
    data_from: datetime
    data_until: datetime
    known_from: date


def _choose(store: Store, model: HomeModel, first: date | None, last: date | None) -> _Period:
    """Return the days asked for, or the last third of those with load.

    Raises:
        ConfigError: there is no load, too little before the first day, or none on the days.
    """
    zone = zone_of(model)
    data_from, data_until = span_of_load(store, model)
    known_from, end_day = (
        edge.astimezone(zone_info(zone)).date() for edge in (data_from, data_until)
    )
    last_whole = max(end_day - _DAY, known_from)
    earliest = known_from + (_LEAST_HISTORY_DAYS + 1) * _DAY
    begin = max(known_from + (last_whole - known_from) * 2 // 3 + _DAY, earliest)
    start, end = first or min(begin, last or begin), last or last_whole
    if start < earliest or end < start or start > last_whole:
        span = f"load is known from {known_from} to {last_whole}"
        message = (
            f"{start} to {end} cannot be scored: {span}, and {_LEAST_HISTORY_DAYS} whole days must "
            f"come before the first; begin with {earliest} or later, end with {last_whole} or "
            "earlier"
        )
        source = f"home {model.home.home_id}"
        raise ConfigError(source, [Problem("", "", message)], exit_code=EX_DATAERR)
    end = min(end, last_whole)
    return _Period(
        first=start,
        last=end,
        chosen=first is None or last is None,
        start=local_day(start, zone)[0],
        end=local_day(end, zone)[1],
        data_from=data_from,
        data_until=data_until,
        known_from=known_from,
    )


def _evaluate(
    store: Store,
    model: HomeModel,
    period: _Period,
    *,
    retrain_days: int,
    risk_appetite: int | None,
    out: Console,
) -> Evaluated:
    """Forecast every hour of the period and score it; with a risk appetite in money too."""
    begin = perf_counter()
    with out.status("reading the store"):
        until = min(period.end + _AFTER, period.data_until)
        history = read_history(store, model, period.data_from, until)
    start, end = to_epoch(period.start), to_epoch(period.end)
    with out.status("training the models that the period would have had"):
        chain = rolling(history, start, end, retrain_days=retrain_days)
    issues = np.arange(start, end, _HOUR, dtype=np.int64)
    newest = chain.models[-1].pv
    speak = speaker_of(chain)
    with out.status("forecasting every hour"):
        roof = None if newest is None else newest.roof
        load, pv = backtest(history, {"aurora": speak}, issues, roof=roof)["aurora"]
    priced = None
    if risk_appetite is not None:
        with out.status("replaying the battery with each forecaster"):
            priced = priced_days(
                store,
                model,
                history,
                chain,
                (period.first, period.last),
                risk_appetite=risk_appetite,
            )
    scored, gaps = _measured(history, start, end)
    return Evaluated(
        home_id=model.home.home_id,
        zone=history.zone,
        currency=model.home.currency,
        first=period.first,
        last=period.last,
        chosen=period.chosen,
        known_from=period.known_from,
        chain=chain,
        scored_days=scored,
        gaps=gaps,
        source_slots=history.source_slots,
        load=load,
        pv=pv,
        priced=priced,
        example=_example(history, speak, period),
        seconds=perf_counter() - begin,
    )


def _measured(history: HomeHistory, start: int, end: int) -> tuple[int, tuple[Gap, ...]]:
    """Return how many local days of [start, end) have load, and the days with gaps."""
    slots = np.arange(start, end, SLOT_SECONDS, dtype=np.int64)
    day = local_calendar(slots, history.zone).day
    days, place = np.unique(day, return_inverse=True)
    no_load = _missing(history.whole_load, slots, place)
    no_pv = np.zeros_like(no_load)
    if history.pv is not None:
        no_pv = _missing(history.pv, slots, place)
    whole = np.bincount(place)
    gaps = tuple(
        Gap(local_date=date.fromordinal(one), load_slots=load, pv_slots=pv)
        for one, load, pv in zip(days.tolist(), no_load.tolist(), no_pv.tolist(), strict=True)
        if load or pv
    )
    return int((no_load < whole).sum()), gaps


def _missing(measured: Measured, slots: I64, place: I64) -> I64:
    """Return (D,) how many slots of each day are not known."""
    gone: I64 = np.bincount(place, np.isnan(measured.at(slots))).astype(np.int64)
    return gone


def _example(history: HomeHistory, speak: Speaker, period: _Period) -> Example:
    """Return a week from the middle of the period, forecast at its local midnights."""
    days = (period.last - period.first).days + 1
    count = min(days, _WEEK_DAYS)
    first = period.first + (days - count) // 2 * _DAY
    dates = tuple(first + k * _DAY for k in range(count))
    edges = [to_epoch(local_day(day, history.zone)[0]) for day in (*dates, dates[-1] + _DAY)]
    sizes = np.diff(edges) // SLOT_SECONDS
    issued = speak(history, np.array(edges[:-1], dtype=np.int64), int(sizes.max()))
    slots = np.arange(edges[0], edges[-1], SLOT_SECONDS, dtype=np.int64)
    return Example(
        start=local_day(first, history.zone)[0],
        midnights=tuple(np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist()),
        dates=dates,
        load_kwh=history.whole_load.at(slots),
        pv_kwh=None if history.pv is None else history.pv.at(slots),
        load=_laid_end_to_end(issued, sizes)[0],
        pv=None if history.pv is None else _laid_end_to_end(issued, sizes)[1],
    )


def _laid_end_to_end(issued: Issued, sizes: I64) -> tuple[Forecast, Forecast]:
    """Return (load, PV) of consecutive days, (S,) each."""
    load, pv = (
        Forecast(
            **{
                name: np.concatenate(
                    [row[:size] for row, size in zip(getattr(one, name), sizes, strict=True)]
                )
                for name in Forecast.__slots__
            }
        )
        for one in (issued.load, issued.pv)
    )
    return load, pv


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("evaluate")
