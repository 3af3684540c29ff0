"""What a trajectory must be before an agent learns from it, or a dataset is made of it.

Minari writes malformed episodes without a word; they show when they are read, or when an agent has
learnt from them. Each check names the trajectory, the field, the slot and the cure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, final

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from rlenv.errors import DatasetError
from rlenv.layout import Layout
from rlenv.trajectory import Trajectory

__all__ = ["fault", "refuse_malformed"]

Numbers = NDArray[np.floating[Any]]


def refuse_malformed(trajectories: Sequence[Trajectory], layout: Layout) -> None:
    """Refuse trajectories that an agent cannot learn from, or that do not go together.

    Args:
        trajectories: all of one dataset.
        layout: of their observations.

    Raises:
        DatasetError: wrong shapes or types, observations or actions outside their space, numbers
            that are not finite, an end elsewhere than in the last slot, other infos or another
            currency than the first.
    """
    for n, trajectory in enumerate(trajectories):
        _Check(n, trajectory).all(layout, trajectories[0])


def fault(n: int, trajectory: Trajectory, field: str, got: object, want: str) -> DatasetError:
    """Return the error of one field of one trajectory, the ``n``-th of a dataset."""
    return DatasetError(f"{field} of trajectory {n} ({trajectory.name})", got, want)


@final
class _Check:
    """The checks of one trajectory."""

    def __init__(self, n: int, trajectory: Trajectory) -> None:
        """Keep it.

        Args:
            n: its place.
            trajectory: to be checked.
        """
        self._n, self._told = n, trajectory

    def all(self, layout: Layout, first: Trajectory) -> None:
        """Refuse what an agent cannot learn from, or Minari not read back.

        Args:
            layout: of the observations.
            first: the first trajectory of the dataset.

        Raises:
            DatasetError: names the trajectory, the field and the cure.
        """
        self._together(first)
        slots = self._slots()
        self._array("observations", self._told.observations, np.float32, (slots + 1, layout.size))
        self._array("actions", self._told.actions, np.float32, (slots, 1))
        self._array("terminations", self._told.terminations, np.bool_, (slots,))
        self._array("truncations", self._told.truncations, np.bool_, (slots,))
        for name, values in self._told.infos.items():
            self._array(f"infos[{name!r}]", values, np.float64, (slots + 1, 1))
            self._numbers(f"infos[{name!r}]", ~np.isinf(values), values, "a number, NaN if unknown")
        self._seen(layout)
        within = np.abs(self._told.actions) <= 1.0
        self._numbers("actions", within, self._told.actions, "a number in [-1, 1]")
        finite = np.isfinite(self._told.rewards)
        self._numbers("rewards", finite, self._told.rewards, "a finite number: leave the slot out")
        self._end()

    def _together(self, first: Trajectory) -> None:
        """Refuse another currency or other infos than the first trajectory has."""
        told = self._told
        if told.currency != first.currency:
            want = f"{first.currency} as in the first: write a dataset of each currency"
            raise self._fault("currency", told.currency, want)
        if not 0.0 <= told.perturb <= 1.0:
            raise self._fault("perturb", told.perturb, "a probability in [0, 1]")
        names, wanted = list(told.infos), list(first.infos)
        if sorted(names) != sorted(wanted):
            raise self._fault("infos", names, f"those of the first trajectory, {wanted}")
        for name in names:
            if not name.isidentifier():
                raise self._fault("infos", name, "a plain name: others are not read back")

    def _slots(self) -> int:
        """Return T."""
        rewards = self._told.rewards
        slots = rewards.size if isinstance(rewards, np.ndarray) else 0
        self._array("rewards", rewards, np.float64, (slots,))
        if not slots:
            raise self._fault("rewards", "empty", "at least one slot: leave the trajectory out")
        return slots

    def _array(
        self, field: str, values: object, kind: type[np.generic], shape: tuple[int, ...]
    ) -> None:
        """Refuse what is no array of a kind and shape."""
        if not isinstance(values, np.ndarray):
            got = type(values).__name__
        elif values.dtype == kind and values.shape == shape:
            return
        else:
            got = f"{values.dtype} {values.shape}"
        raise self._fault(field, got, f"an array of {np.dtype(kind)} {shape}")

    def _numbers(self, field: str, fine: NDArray[np.bool_], values: Numbers, want: str) -> None:
        """Refuse numbers that are not fine; the first is named."""
        if not fine.all():
            place = tuple(int(k) for k in np.argwhere(~fine)[0])
            at = ", ".join(map(str, place))
            raise self._fault(f"{field}[{at}]", float(values[place]), want)

    def _seen(self, layout: Layout) -> None:
        """Refuse observations outside the observation space."""
        seen, space = self._told.observations, cast(Box, layout.space())
        fine = (seen >= space.low) & (seen <= space.high)
        if not fine.all():
            row, column = np.argwhere(~fine)[0]
            low, high = space.low[column], space.high[column]
            want = f"{low:g} to {high:g}: observe it by rlenv.layout"
            name = f"observations[{row}, {layout.names[column]}]"
            raise self._fault(name, float(seen[row, column]), want)

    def _end(self) -> None:
        """Refuse an end elsewhere than in the last slot, or none, or two at once."""
        told = self._told
        ends = told.terminations.astype(np.int64) + told.truncations
        if ends[:-1].any() or ends[-1] != 1:
            both = np.flatnonzero(told.terminations & told.truncations).tolist()
            got = f"{np.flatnonzero(ends).tolist()}, both at once in {both}, of {ends.size}"
            want = "the last slot alone, by one of the two: cut the trajectory at its end"
            raise self._fault("ends (terminations, truncations)", got, want)

    def _fault(self, field: str, got: object, want: str) -> DatasetError:
        """Return the error of a field."""
        return fault(self._n, self._told, field, got, want)
