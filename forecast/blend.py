"""Which mix of experts would have erred least: weights on a simplex, by exponentiated gradients.

With experts P (R, E), truth y (R,) and weights a of the rows, over mixes w >= 0, sum w = 1,

    minimise  sum_r a[r] |y[r] - P[r] w|                                                     (A7)
    w <- w * exp(-step * gradient), normalised; the mean of all iterates is returned         (A8)

Starting from a prior and averaging keeps the mix near the prior where the rows say little: a few
weeks of a house. Source: J. Kivinen and M. K. Warmuth, Exponentiated Gradient versus Gradient
Descent for Linear Predictors, Information and Computation 132, 1997.
"""

import numpy as np

from telemetry.arrays import F64

__all__ = ["mix_of_experts"]

_STEPS = 300
_RATE = 0.5


def mix_of_experts(experts: F64, truth: F64, weight: F64, prior: F64) -> F64:
    """Return the (E,) mix of (R, E) experts nearest to the (R,) truth (A7); the prior without rows.

    Args:
        experts: what each said, no NaN.
        truth: what happened, in the same unit.
        weight: (R,) of each row.
        prior: (E,) where the search starts, above 0, sum 1.
    """
    total = float(weight.sum())
    scale = float(np.abs(truth - np.median(truth)) @ weight) if truth.size else 0.0
    if total == 0.0 or scale == 0.0:
        return prior.copy()
    mix, mean = prior.copy(), np.zeros_like(prior)
    for step in range(_STEPS):
        side = np.sign(experts @ mix - truth) * weight
        gradient = side @ experts / scale
        mix = mix * np.exp(-_RATE / np.sqrt(1.0 + step / 10.0) * (gradient - gradient.min()))
        mix /= mix.sum()
        mean += mix
    return mean / _STEPS
