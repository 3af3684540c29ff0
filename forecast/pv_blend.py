"""How much each expert counts, by lead.

Units: kWh per slot; lead in hours. K experts with clear-sky indices E_k, c the clear-sky energy,
and s(lead) = 0.95 exp(-lead / 3) the share of what the sky is doing now. Without weather, in the
order of ``EXPERTS``:

    median: s * (0.3 P1_K14 + 0.35 P1_H + 0.35 P3_H)
            + (1 - s) * (0.35 M14 + 0.35 M28 + 0.3 P72_K14)                       (PB1)
    mean:   s * (0.5 P1_K14 + 0.5 P3_H) + (1 - s) * (0.8 P72_K14 + 0.2 K14)       (PB2)

They are the same for every home: a home's own history does not improve on them far ahead (trees on
the same experts lost up to 20 %). Within six hours, and at every lead where there is weather, they
are fitted:

    min sum |y - c sum_k w_k E_k| + ridge * sum_k n_k (w_k - fixed_k)**2         (PB3)

for the median, by weighted least squares repeated (Schlossmacher 1973, JASA 68, 857-859), and with
squares for the mean; n_k is the mean square of expert k.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecast.pv_recent import EXPERTS, RING
from forecast.pv_weather import Outlook
from telemetry.arrays import F64, I64, Bool

__all__ = ["LEADS", "Blends", "Rows", "fit_blends", "fixed_blends", "lead_rows"]

LEADS = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0])
WEATHER_EXPERTS = 2
_FITTED_HOURS = 6.0
_NOW_SHARE, _NOW_HOURS = 0.95, 3.0
_RIDGE, _ROUNDS, _LEAST_MISS, _LEAST_ROWS = 0.1, 12, 0.02, 200
_MOST_ROWS = 60_000
_LEAST_CLEAR = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blends:
    """Weights of the experts by lead, (11, K) each: one row per range of leads.

    Attributes:
        mean, median: for the two forecasts.
    """

    mean: F64
    median: F64


class Rows(NamedTuple):
    """What is known at N issues about the A slots after them.

    Attributes:
        experts: (K, N, 96) clear-sky indices.
        clear_kwh: (N, A) clear-sky energy.
        bright: (N, 96) clear-sky index of bright days.
        weather: what the weather makes of the roof, or None.
    """

    experts: F64
    clear_kwh: F64
    bright: F64
    weather: Outlook | None

    def told(self) -> Bool:
        """Return (N, A) whether a weather forecast says something of a slot."""
        if self.weather is None:
            return np.zeros(self.clear_kwh.shape, dtype=np.bool_)
        told: Bool = ~np.isnan(self.weather.newest_kwh + self.weather.pooled_kwh)
        return told

    def energy(self, weights: F64) -> F64:
        """Return the (N, A) sum of the experts, weights (A, K or more)."""
        column = np.arange(self.clear_kwh.shape[1]) % RING
        total = np.zeros(self.clear_kwh.shape)
        for k, index in enumerate(self.experts):
            if weights[:, k].any():
                total += weights[:, k] * index[:, column]
        return total * self.clear_kwh

    def energy_with_weather(self, weights: F64) -> F64:
        """Return the sum of all experts, weather first of the last columns."""
        total = self.energy(weights)
        if self.weather is not None:
            for k, kwh in enumerate((self.weather.newest_kwh, self.weather.pooled_kwh)):
                total += weights[:, len(EXPERTS) + k] * kwh
        return total


def lead_rows(ahead: int) -> I64:
    """Return the row of the weights for every lead, (ahead,)."""
    hours = np.arange(ahead) / 4.0
    rows: I64 = np.searchsorted(LEADS, hours, side="right") - 1
    return rows


def fixed_blends(*, weather: bool) -> Blends:
    """Return the weights that need no history (PB1, PB2)."""
    now = (_NOW_SHARE * np.exp(-LEADS / _NOW_HOURS))[:, None]
    extra = (0.0,) * (WEATHER_EXPERTS if weather else 0)
    median_now = np.array((0.3, 0.35, 0.35, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, *extra))
    mean_now = np.array((0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, *extra))
    median_later = np.array((0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.35, 0.35, *extra))
    mean_later = np.array((0.0, 0.0, 0.0, 0.8, 0.0, 0.2, 0.0, 0.0, 0.0, *extra))
    if weather:
        by_weather = np.zeros(len(EXPERTS) + WEATHER_EXPERTS)
        by_weather[-WEATHER_EXPERTS:] = 0.3, 0.7
        median_later = 0.2 * median_later + 0.8 * by_weather
        mean_later = 0.2 * mean_later + 0.8 * by_weather
        now = 0.6 * now
    return Blends(
        mean=now * mean_now + (1.0 - now) * mean_later,
        median=now * median_now + (1.0 - now) * median_later,
    )


def fit_blends(rows: list[Rows], truth: list[F64], parts: int, *, weather: bool) -> Blends:
    """Return weights fitted to what came (PB3), fixed ones where there is too little of it.

    Args:
        rows: what was known, by chunks of issues.
        truth: what came, (N, A) each, NaN where missing.
        parts: slots per interval of the source; issues start one.
        weather: whether weather is among the experts.
    """
    fixed = fixed_blends(weather=weather)
    mean, median = fixed.mean.copy(), fixed.median.copy()
    if not rows:
        return fixed
    lead = lead_rows(truth[0].shape[1])
    for row in np.unique(lead).tolist():
        if not weather and LEADS[row] >= _FITTED_HOURS:
            continue
        x, y = _table(rows, truth, np.flatnonzero(lead == row), parts)
        if y.size >= _LEAST_ROWS:
            mean[row] = _fit(x, y, fixed.mean[row], 1)
            median[row] = _fit(x, y, fixed.median[row], _ROUNDS)
    return Blends(mean=mean, median=median)


def _table(rows: list[Rows], truth: list[F64], leads: I64, parts: int) -> tuple[F64, F64]:
    """Return (R, K) energies by the experts and (R,) what came, per interval of the source."""
    xs, ys = [], []
    stride = max(1, sum(t.shape[0] for t in truth) * leads.size // parts // _MOST_ROWS)
    for known, came in zip(rows, truth, strict=True):
        clear = known.clear_kwh[:, leads]
        by = list(known.experts[:, :, leads % RING] * clear)
        if known.weather is not None:
            by += [known.weather.newest_kwh[:, leads], known.weather.pooled_kwh[:, leads]]
        x = np.stack([_means(part, parts) for part in by], axis=-1)
        y, c = _means(came[:, leads], parts), _means(clear, parts)
        good = ~np.isnan(y) & ~np.isnan(x).any(axis=-1) & (c > _LEAST_CLEAR * c.max(initial=0.0))
        xs.append(x[good][::stride])
        ys.append(y[good][::stride])
    return np.concatenate(xs), np.concatenate(ys)


def _means(values: F64, parts: int) -> F64:
    """Return (N, A / parts) means of (N, A)."""
    mean: F64 = values.reshape(values.shape[0], -1, parts).mean(axis=-1)
    return mean


def _fit(x: F64, y: F64, fixed: F64, rounds: int) -> F64:
    """Return the (K,) weights (PB3): one round gives least squares."""
    weights, scale = fixed.copy(), float(np.abs(y).mean())
    ridge = _RIDGE * (x**2).mean(axis=0) + 1e-12
    count = np.ones(y.size)
    for _ in range(rounds):
        if rounds > 1:
            count = scale / np.maximum(np.abs(y - x @ weights), _LEAST_MISS * scale + 1e-12)
        left = (x.T @ (x * count[:, None])) / y.size + np.diag(ridge)
        right = (x.T @ (count * y)) / y.size + ridge * fixed
        weights = np.linalg.solve(left, right)
    return weights
