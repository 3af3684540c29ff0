"""Whether a newly trained model takes over: it must win on days that neither has seen.

    days of the test = the last 28; where the model in use is younger than 56 days, half of
                       those that came since, at least 7                             (FP1)
    candidate        = trained on what was usable when the test days began           (FP2)
    ratio            = mean of candidate / opponent over the MAE of the medians and
                       the RMSE of the means, of load and of PV where there is any   (FP3)

with an issue every hour and targets up to 48 h ahead, the same for all. The MAE says how well the
house is known, the RMSE of the mean what plans are fed. Below 1 the candidate has won; what is
promoted is its recipe, trained anew on everything usable at ``until``. The opponent is the model in
use, without one the baseline: the 14-day median and 7-day mean of load, the 3-day mean of PV. Fewer
than 7 measured days that neither has seen are no test. Seconds are epoch seconds, energies kWh per
slot of 15 min.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from forecast.asof import bridge
from forecast.aurora import LEAST_DAYS, Aurora, Forecast, Issued, known_days, train
from forecast.bands import WIDE
from forecast.baseline import MAX_LOOKBACK_DAYS, PV_BRIDGE_QUARTERS, PV_DAYS
from forecast.inputs import NEVER, HomeHistory, Measured
from forecast.load import naive_load
from forecast.metrics import Speaker, Verdict, backtest, verdicts
from forecast.recent import newest_mean, recent_cells, target_places
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS

__all__ = [
    "LEAST_TEST_DAYS",
    "TEST_DAYS",
    "Contestant",
    "Outcome",
    "Trial",
    "baseline",
    "promotion_trial",
]

TEST_DAYS = 28
"""How far back a test reaches at most."""
LEAST_TEST_DAYS = 7
"""Measured days that neither model has seen, at least."""
_DAY, _HOUR = 86_400, 3600
_SLOTS_A_DAY = _DAY // SLOT_SECONDS
CANDIDATE, IN_USE, BASELINE = "candidate", "in use", "baseline"
_SAID = {IN_USE: "model in use", BASELINE: "baseline"}
_Both = tuple[Verdict, Verdict | None]


class Outcome(StrEnum):
    """What a trial ended with."""

    PROMOTED = "promoted"
    FORCED = "forced"
    KEPT = "kept"
    NO_TEST = "no test"
    TOO_LITTLE_HISTORY = "too little history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """How one forecaster did on the days of the test, over all leads.

    Attributes:
        name: ``candidate``, ``in use`` or ``baseline``.
        load: of the house.
        pv: of the roof, None without one.
        ratio: candidate against this one (FP3); NaN for the candidate itself.
    """

    name: str
    load: Verdict
    pv: Verdict | None
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of training.

    Attributes:
        outcome: what happens.
        reason: why, a sentence.
        model: what takes over, trained on everything; None where nothing does.
        until: nothing usable later was looked at.
        days_of_load: known until then, slots over 96.
        test_start: start of the test days; equal to ``until`` where there was no test.
        test_days: measured days of the test, slots over 96.
        opponent: who had to be beaten.
        contestants: how each did; empty without a test.
    """

    outcome: Outcome
    reason: str
    model: Aurora | None
    until: int
    days_of_load: float
    test_start: int
    test_days: float
    opponent: str
    contestants: tuple[Contestant, ...]

    @property
    def ratio(self) -> float:
        """Candidate against its opponent (FP3); NaN without a test."""
        return next((one.ratio for one in self.contestants if one.name == self.opponent), np.nan)


def promotion_trial(
    history: HomeHistory,
    until: int,
    in_use: Aurora | None,
    *,
    force: bool = False,
    seed: int = 0,
) -> Trial:
    """Train a candidate, test it, and say whether it takes over.

    Args:
        history: of the home.
        until: epoch second; nothing usable later is looked at.
        in_use: the model to beat; None: the baseline.
        force: promote whatever the test says, or without one.
        seed: of the training.

    Raises:
        TrainingError: the load never changes.
        MissingExtraError: LightGBM or pvlib is not installed.
    """
    known = _known_until(history, until)
    start = _test_start(known.load, until, in_use)
    days = known_days(known.load, until)
    trial = Trial(
        outcome=Outcome.TOO_LITTLE_HISTORY,
        reason="",
        model=None,
        until=until,
        days_of_load=days,
        test_start=start,
        test_days=days - known_days(known.load, start),
        opponent=BASELINE if in_use is None else IN_USE,
        contestants=(),
    )
    if days < LEAST_DAYS + (0 if force else LEAST_TEST_DAYS):
        return replace(trial, reason=_too_little(days, force=force))
    same = in_use is not None and trial.test_start <= in_use.trained_until
    if same or round(trial.test_days) < LEAST_TEST_DAYS:
        return _untested(trial, known, force=force, seed=seed)
    return _tested(trial, known, in_use, force=force, seed=seed)


def _too_little(days: float, *, force: bool) -> str:
    """Say that a house has too little history for a model of its own."""
    parts = f"{LEAST_DAYS} to learn from"
    parts += "" if force else f" and {LEAST_TEST_DAYS} to be tested on"
    return f"{days:.0f} days of load are known, a model needs {parts}: the baseline forecasts"


def _untested(trial: Trial, history: HomeHistory, *, force: bool, seed: int) -> Trial:
    """Return a trial without enough days that neither model has seen."""
    found = f"{trial.test_days:.1f} measured days that neither model has seen"
    if force:
        model, _ = train(history, trial.until, seed=seed)
        reason = f"promoted because it was forced, untested: {found}"
        return replace(trial, outcome=Outcome.FORCED, reason=reason, model=model)
    reason = f"too few unseen days: {found}, a test needs {LEAST_TEST_DAYS} and a candidate some"
    return replace(trial, outcome=Outcome.NO_TEST, reason=reason)


def _tested(
    trial: Trial, history: HomeHistory, in_use: Aurora | None, *, force: bool, seed: int
) -> Trial:
    """Return a trial after its test (FP2), (FP3)."""
    candidate, _ = train(history, trial.test_start, seed=seed)
    speakers: dict[str, Speaker] = {CANDIDATE: candidate.issue, BASELINE: baseline}
    if in_use is not None:
        speakers[IN_USE] = in_use.issue
    issues = np.arange(trial.test_start, trial.until, _HOUR, dtype=np.int64)
    trial = replace(trial, contestants=_contest(history, speakers, issues, candidate))
    won = trial.ratio < 1.0
    told = f"its errors are {trial.ratio:.3f} of those of the {_SAID[trial.opponent]}"
    if np.isnan(trial.ratio):
        told = f"no target of the test could be compared with the {_SAID[trial.opponent]}"
    if not won and not force:
        return replace(trial, outcome=Outcome.KEPT, reason=f"{told}: it did not win")
    model, _ = train(history, trial.until, seed=seed)
    outcome = Outcome.PROMOTED if won else Outcome.FORCED
    reason = told if won else f"promoted because it was forced: {told}"
    return replace(trial, outcome=outcome, reason=reason, model=model)


def _contest(
    history: HomeHistory, speakers: Mapping[str, Speaker], issues: I64, candidate: Aurora
) -> tuple[Contestant, ...]:
    """Return how each did on the same targets, the candidate first."""
    roof = None if candidate.pv is None else candidate.pv.roof
    sums = backtest(history, speakers, issues, roof=roof)
    found = {
        name: (verdicts(load)[-1], None if pv is None else verdicts(pv)[-1])
        for name, (load, pv) in sums.items()
    }
    return tuple(
        Contestant(
            name=name,
            load=load,
            pv=pv,
            ratio=np.nan if name == CANDIDATE else _ratio(found[CANDIDATE], (load, pv)),
        )
        for name, (load, pv) in found.items()
    )


def _ratio(one: _Both, other: _Both) -> float:
    """Return the mean ratio of the errors of one forecaster to those of another (FP3)."""
    ratios = [
        mine / theirs
        for a, b in zip(one, other, strict=True)
        if a is not None and b is not None
        for mine, theirs in ((a.mae_kwh, b.mae_kwh), (a.rmse_kwh, b.rmse_kwh))
        if theirs > 0.0
    ]
    return float(np.mean(ratios)) if ratios else np.nan


def _test_start(load: Measured, until: int, in_use: Aurora | None) -> int:
    """Return where the test days begin, a full hour (FP1); ``until`` where there are none."""
    usable = np.sort(load.usable_from[load.usable_from <= until])
    needed = LEAST_DAYS * _SLOTS_A_DAY
    if usable.size < needed:
        return until
    days = TEST_DAYS * _DAY
    if in_use is not None:
        # What came since is shared: half to learn from, half to test on. A candidate that learnt
        # nothing new would be the model in use once more, which no test tells from it.
        since = max(until - in_use.trained_until, 0)
        days = min(days, since, max(since // 2, LEAST_TEST_DAYS * _DAY))
    start = max(until - days, int(usable[needed - 1]))
    return min(-(-start // _HOUR) * _HOUR, until)


def _known_until(history: HomeHistory, until: int) -> HomeHistory:
    """Return the history without what was not usable at a moment, also as truth."""

    def cut(measured: Measured) -> Measured:
        return measured.without(measured.usable_from > until)

    return replace(
        history,
        load=cut(history.load),
        flexible=None if history.flexible is None else cut(history.flexible),
        pv=None if history.pv is None else cut(history.pv),
    )


def baseline(history: HomeHistory, issues: I64, ahead: int) -> Issued:
    """Return what the baseline says; its bands are a guess."""
    load = Aurora(
        load=naive_load(), pv=None, load_bands=WIDE, pv_bands=WIDE, trained_until=NEVER
    ).issue(history, issues, ahead)
    pv = np.zeros((issues.size, ahead))
    if history.pv is not None:
        pv = _baseline_pv(history.pv, history.zone, issues, ahead)
    flat = Forecast(mean_kwh=pv, low_kwh=pv, median_kwh=pv, high_kwh=pv)
    return Issued(load=load.load, pv=flat, load_scenarios=None, pv_scenarios=None)


def _baseline_pv(pv: Measured, zone: str, issues: I64, ahead: int) -> F64:
    """Return the (N, A) means of the same slot on 3 days, short gaps bridged (N1), (N3)."""
    cells = recent_cells(pv, zone, issues, MAX_LOOKBACK_DAYS + 1)
    profile = newest_mean(cells, PV_DAYS)
    for n in np.flatnonzero(np.isnan(profile).any(axis=1)).tolist():
        bridge(profile[n], PV_BRIDGE_QUARTERS)
    _, clock = target_places(issues, np.arange(ahead, dtype=np.int64), zone)
    found: F64 = profile[np.arange(issues.size)[:, None], clock.quarter]
    return np.maximum(found, 0.0)
