"""A chain of models as a house would have had them: trained on its past, calibrated every day.

    chain = rolling(history, start, end)
    for model, some in chain.parts(issues): model.issue(history, some, 192)

A new model every ``retrain_days`` from what was usable then; bands anew every day from the
forecasts of the trailing 42 days. So a year of history can be forecast as it would have been.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from forecast.aurora import Aurora, score, train
from forecast.bands import Scores, calibrated
from forecast.inputs import HomeHistory
from telemetry.arrays import I64

__all__ = ["Chain", "rolling"]

_DAY = 86_400
_HOUR = 3600
_STEP_HOURS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Models in force one after the other.

    Attributes:
        since: epoch second from which each holds, ascending; the first holds before that too.
        models: the models.
    """

    since: tuple[int, ...]
    models: tuple[Aurora, ...]

    @classmethod
    def of(cls, model: Aurora) -> "Chain":
        """Return a chain of one model."""
        return cls(since=(model.trained_until,), models=(model,))

    def parts(self, issues: I64) -> Iterator[tuple[Aurora, slice]]:
        """Yield runs of (N,) ascending issues that one model serves."""
        which = np.maximum(np.searchsorted(self.since, issues, side="right") - 1, 0)
        edges = np.flatnonzero(np.diff(which)) + 1
        for low, high in zip([0, *edges.tolist()], [*edges.tolist(), issues.size], strict=True):
            if high > low:
                yield self.models[int(which[low])], slice(low, high)


def rolling(
    history: HomeHistory, start: int, end: int, *, retrain_days: int = 30, seed: int = 0
) -> Chain:
    """Return the models that a house would have had in [start, end), epoch seconds.

    Raises:
        TrainingError: the load never changes.
        MissingExtraError: LightGBM or pvlib is not installed.
    """
    since: list[int] = []
    models: list[Aurora] = []
    seen: tuple[Scores, Scores] | None = None
    blocks = max(-(-(end - start - _DAY) // (retrain_days * _DAY)), 1)  # a day over is no model
    edges = [start + (end - start) * k // blocks // _HOUR * _HOUR for k in range(blocks)] + [end]
    for begin, stop in pairwise(edges):
        model, held = train(history, begin, seed=seed)
        seen = held if seen is None else seen
        first = -(-begin // _HOUR) * _HOUR
        own = score(model, history, np.arange(first, stop, _STEP_HOURS * _HOUR, dtype=np.int64))
        seen = (Scores.joined([seen[0], own[0]]), Scores.joined([seen[1], own[1]]))
        for day in range(begin, stop, _DAY):
            since.append(day)
            models.append(
                replace(
                    model, load_bands=calibrated(seen[0], day), pv_bands=calibrated(seen[1], day)
                )
            )
    return Chain(since=tuple(since), models=tuple(models))
