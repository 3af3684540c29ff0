"""Load: boosted trees on what was known, mixed with plain profiles of the last weeks.

Energies kWh per slot, divided by the home's level while a model looks at them. With the rows of
``load_features``, m14 and d14 the mean and the median of the newest 14 values of the quarter,

    f1 = d14 + trees fitted to y - d14 by absolute error                                     (A3)
    f2 = m14 + trees fitted to y - m14 by squared error                                      (A4)
    median = mix of f1, f2, d14, m14 and other profiles, by lead group, on days the trees
             that judged it had not seen (A7)                                                (A5)
    mean   = (f2 + m14) / 2                                                                  (A6)

The median errs least and says too little energy, as loads are skewed; plans are fed the mean. Rows
are drawn more often at short leads and weigh less the older they are. Loads that answer prices
(car, water heater) are kept out where they are measured, and their mean of 14 days is added.
"""

from dataclasses import dataclass

import numpy as np

from forecast.blend import mix_of_experts
from forecast.errors import TrainingError
from forecast.inputs import HomeHistory, Measured
from forecast.load_features import FEATURES, LoadRows, load_rows
from forecast.recent import QUARTERS, recent_cells, target_places
from forecast.trees import F32, Lesson, Trees, fit_trees
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS

__all__ = ["EXPERTS", "LEAD_GROUPS", "LoadForecast", "LoadModel", "fit_load", "naive_load"]

EXPERTS = (
    "trees_median",
    "trees_mean",
    "median14",
    "mean14",
    "near_median14",
    "mean7",
    "median7",
)
LEAD_GROUPS = (0, 4, 12, 48)
"""First lead, in slots, of each group that has a mix of its own."""
_PRIOR = np.array(
    [[0.7, 0.1, 0.08, 0.03, 0.03, 0.03, 0.03]] + 3 * [[0.4, 0.1, 0.2, 0.1, 0.1, 0.05, 0.05]]
)
_DAY = 86_400
_FIRST_DAYS = 15
_LONGEST_LEAD = 192
_ISSUES, _TARGETS_EACH = 3000, 48
_SHORT_LEADS = 2.5
_HALF_LIFE_DAYS = 180.0
_BATCH = 200
_LEAST_CHANGE = 1e-9  # of the level: beyond what rounding makes of a constant
_OPTIONS: dict[str, float | int] = {
    "num_leaves": 15,
    "learning_rate": 0.06,
    "min_data_in_leaf": 150,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.5,
    "lambda_l2": 10.0,
}
_ROUNDS_MEDIAN, _ROUNDS_MEAN = 150, 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadForecast:
    """Load of the targets of N issues, L each, kWh per slot; NaN where nothing was known.

    Attributes:
        mean_kwh: (N, L) what plans are fed.
        median_kwh: (N, L).
        spread_kwh: (N, L) how far the last 14 days lay from their mean, for intervals.
        level_kwh: (N,) mean of the last seven days.
    """

    mean_kwh: F64
    median_kwh: F64
    spread_kwh: F64
    level_kwh: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """A fitted model; without trees the plain profiles, median of 14 days and mean of 7.

    Attributes:
        median: trees of (A3), or None.
        mean: trees of (A4), or None.
        mix: (G, E) weights of the experts by lead group (A5).
    """

    median: Trees | None
    mean: Trees | None
    mix: tuple[tuple[float, ...], ...]

    def forecast(self, history: HomeHistory, issues: I64, leads: I64) -> LoadForecast:
        """Return the load of (N,) issues at (L,) or (N, L) leads, as known at each issue."""
        made = load_rows(history, issues, leads)
        level = made.level_kwh[:, None]
        if self.median is None or self.mean is None:
            median, mean = made.profile("median14"), made.profile("mean7")
        else:
            said = _experts(made.rows, self.median, self.mean)
            mixed = np.einsum("nle,nle->nl", said, np.asarray(self.mix)[_group(made.rows)])
            fallback = made.profile("mean14")
            median = mixed * level
            mean = 0.5 * (said[..., 1] * level + fallback)
        extra = _flexible(history.flexible, history.zone, issues, leads)
        return LoadForecast(
            mean_kwh=np.maximum(mean, 0.0) + extra,
            median_kwh=np.maximum(median, 0.0) + extra,
            spread_kwh=_spread(made),
            level_kwh=made.level_kwh,
        )


def naive_load() -> LoadModel:
    """Return the model of a home with too little history for trees."""
    return LoadModel(median=None, mean=None, mix=())


def fit_load(
    history: HomeHistory, until: int, mix: F64 | None = None, *, seed: int = 0
) -> LoadModel:
    """Fit the trees on what was usable at ``until``; pure, the same inputs give the same model.

    Args:
        history: of the home.
        until: epoch second; nothing usable later is looked at.
        mix: (G, E) weights of the experts; None: the prior.
        seed: of the draw of issues and leads.

    Raises:
        TrainingError: the history holds nothing to learn.
        MissingExtraError: LightGBM is not installed.
    """
    rows, target, weight = _examples(history, until, seed)
    median14, mean14 = (rows[:, FEATURES.index(name)] for name in ("median14", "mean14"))
    lessons = (
        Lesson(target - median14, weight, "l1", _ROUNDS_MEDIAN),
        Lesson(target - mean14, weight, "l2", _ROUNDS_MEAN),
    )
    trees = fit_trees(rows, lessons, options=_OPTIONS)
    chosen = _PRIOR if mix is None else mix
    return LoadModel(median=trees[0], mean=trees[1], mix=tuple(map(tuple, chosen.tolist())))


def fit_mix(model: LoadModel, history: HomeHistory, since: int, until: int) -> F64:
    """Return the (G, E) mix that errs least on targets in [since, until), which no tree has seen.

    Args:
        model: whose trees were fitted on what was usable at ``since``.
        history: of the home.
        since: first issue, epoch second.
        until: epoch second at which the targets must have been usable.
    """
    mix = _PRIOR.copy()
    if model.median is None or model.mean is None:
        return mix
    issues = np.arange(-(-since // SLOT_SECONDS) * SLOT_SECONDS, until, 5 * 3600, dtype=np.int64)
    leads = np.arange(_LONGEST_LEAD, dtype=np.int64)
    said, truth, weight, group = [], [], [], []
    for first in range(0, issues.size, _BATCH):
        some = issues[first : first + _BATCH]
        made = load_rows(history, some, leads)
        actual = known_by(history.load, some[:, None] + SLOT_SECONDS * leads, until)
        said.append(_experts(made.rows, model.median, model.mean).reshape(-1, len(EXPERTS)))
        truth.append((actual / made.level_kwh[:, None]).ravel())
        weight.append(np.repeat(made.level_kwh, leads.size))
        group.append(_group(made.rows).ravel())
    if not said:
        return mix
    all_said, all_truth = np.concatenate(said), np.concatenate(truth)
    ok = ~(np.isnan(all_truth) | np.isnan(all_said).any(axis=1))
    all_weight, all_group = np.concatenate(weight), np.concatenate(group)
    for number in range(len(LEAD_GROUPS)):
        here = ok & (all_group == number)
        mix[number] = mix_of_experts(
            all_said[here], all_truth[here], all_weight[here], _PRIOR[number]
        )
    return mix


def known_by(measured: Measured, targets: I64, until: int) -> F64:
    """Return what happened at the targets as far as it was usable at ``until``, else NaN."""
    return Measured(
        start=measured.start, values=measured.as_of(until), usable_from=measured.usable_from
    ).at(targets)


def _examples(history: HomeHistory, until: int, seed: int) -> tuple[F32, F64, F64]:
    """Return (R, F) rows, (R,) loads divided by the level and (R,) weights."""
    draw = np.random.default_rng([seed, 6])
    first = history.load.start + _FIRST_DAYS * _DAY
    first = -(-first // SLOT_SECONDS) * SLOT_SECONDS
    possible = np.arange(first, until - 4 * SLOT_SECONDS, SLOT_SECONDS, dtype=np.int64)
    if possible.size < 7 * QUARTERS:
        raise TrainingError(
            "load_kwh",
            f"{max(possible.size, 0) / QUARTERS:.0f} days beyond the first {_FIRST_DAYS}",
            "wait for more history, or import it",
        )
    issues = np.sort(draw.choice(possible, size=min(_ISSUES, possible.size), replace=False))
    share = draw.random((issues.size, _TARGETS_EACH)) ** _SHORT_LEADS
    leads = np.sort((_LONGEST_LEAD * share).astype(np.int64), axis=1)
    said = []
    for begin in range(0, issues.size, _BATCH):
        part = slice(begin, begin + _BATCH)
        made = load_rows(history, issues[part], leads[part])
        actual = known_by(history.load, issues[part, None] + SLOT_SECONDS * leads[part], until)
        age_days = (until - issues[part]) / _DAY
        worth = made.level_kwh * 0.5 ** (age_days / _HALF_LIFE_DAYS)
        said.append(
            _known(
                made.rows.reshape(-1, len(FEATURES)),
                (actual / made.level_kwh[:, None]).ravel(),
                np.repeat(worth, _TARGETS_EACH),
            )
        )
    rows, target, weight = zip(*said, strict=True)
    return _usable(np.concatenate(rows), np.concatenate(target), np.concatenate(weight))


def _known(rows: F64, target: F64, weight: F64) -> tuple[F32, F64, F64]:
    """Return the examples of which load and profiles are known; rows in half the memory."""
    profiles = rows[:, FEATURES.index("median14")] + rows[:, FEATURES.index("mean14")]
    ok = ~np.isnan(target + weight + profiles)
    return rows[ok].astype(np.float32), target[ok], weight[ok]


def _usable(rows: F32, target: F64, weight: F64) -> tuple[F32, F64, F64]:
    """Return the examples with weights of mean 1."""
    if not target.size or float(np.ptp(target)) < _LEAST_CHANGE:
        raise TrainingError(
            "load_kwh",
            "it never changes, or is never known",
            "look at the sensor: darkstar validate",
        )
    return rows, target, weight / weight.mean()


def _experts(rows: F64, median: Trees, mean: Trees) -> F64:
    """Return (..., E) what the experts say of (..., F) rows, divided by the level."""
    flat = rows.reshape(-1, rows.shape[-1])
    column = {name: flat[:, FEATURES.index(name)] for name in EXPERTS[2:]}
    said = np.stack(
        [
            median.predict(flat) + column["median14"],
            mean.predict(flat) + column["mean14"],
            *column.values(),
        ],
        axis=1,
    )
    return np.maximum(said, 0.0).reshape(*rows.shape[:-1], len(EXPERTS))


def _group(rows: F64) -> I64:
    """Return the lead group of each row."""
    lead = rows[..., FEATURES.index("lead")]
    group: I64 = np.searchsorted(np.array(LEAD_GROUPS), lead, side="right") - 1
    return group


def _spread(made: LoadRows) -> F64:
    """Return the (N, L) spread of the last days at each target, kWh per slot, above 0."""
    near = made.profile("spread14")
    level: F64 = made.level_kwh[:, None]
    return np.sqrt(near**2 + (0.2 * level) ** 2)


def _flexible(flexible: Measured | None, zone: str, issues: I64, leads: I64) -> F64:
    """Return the (N, L) mean of 14 days of the loads that are kept out of the model, kWh."""
    shape = (issues.size, leads.shape[-1])
    if flexible is None:
        return np.zeros(shape)
    cells = recent_cells(flexible, zone, issues, 15)
    known = ~np.isnan(cells)
    mean = np.where(known, cells, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    _, clock = target_places(issues, np.broadcast_to(leads, shape), zone)
    found: F64 = mean[np.arange(issues.size)[:, None], clock.quarter]
    return found
