"""What vector environments are asked, checked before anything changes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from rlenv.errors import OptionError
from rlenv.history import History, demo_history
from rlenv.kernel import AUTORESET_NEXT, AUTORESET_SAME
from telemetry.arrays import I64, Bool

__all__ = ["AUTORESET", "MASK", "listed", "mask_places", "one_each", "reset_mode", "seed_list"]

AUTORESET = {
    AutoresetMode.NEXT_STEP: AUTORESET_NEXT,
    AutoresetMode.SAME_STEP: AUTORESET_SAME,
}
MASK = "reset_mask"


def mask_places(mask: object, count: int, *, begun: bool) -> I64:
    """Return the environments that a reset is for.

    Raises:
        OptionError: a mask of another kind, or the first reset leaves some out.
    """
    if mask is None:
        return np.arange(count)
    fits = isinstance(mask, np.ndarray) and mask.dtype == np.bool_
    wanted: Bool = np.asarray(mask, dtype=np.bool_) if fits else np.zeros(0, dtype=np.bool_)
    if wanted.shape != (count,) or not wanted.any():
        want = f"an array of {count} booleans, at least one of them true"
        raise OptionError(f"options[{MASK!r}]", mask, want)
    if not begun and not wanted.all():
        raise OptionError(f"options[{MASK!r}]", mask, "all of them: no day has begun yet")
    return np.flatnonzero(wanted)


def one_each(name: str, given: object, count: int) -> list[Any]:
    """Return an option of each environment; one value stands for all.

    Raises:
        OptionError: values of another number than there are environments.
    """
    if isinstance(given, list | tuple | np.ndarray) and np.ndim(given):
        values = list(given)
        if len(values) != count:
            want = f"one value, or one for each of the {count} environments"
            raise OptionError(f"options[{name!r}]", f"{len(values)} values", want)
        return values
    return [given] * count


def seed_list(seed: object, count: int) -> list[int | None]:
    """Return the seed of each environment.

    Raises:
        OptionError: what is no seed, or seeds of another number than there are environments.
    """
    if seed is None:
        return [None] * count
    if isinstance(seed, int | np.integer):
        return [_seed(int(seed) + i) for i in range(count)]
    seeds = list(seed) if isinstance(seed, list | tuple | np.ndarray) and np.ndim(seed) else []
    if len(seeds) != count:
        raise OptionError("seed", seed, f"a whole number of 0 or more, or one for each of {count}")
    return [_seed(one) for one in seeds]


def _seed(seed: object) -> int | None:
    """Return one seed.

    Raises:
        OptionError: it is none.
    """
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise OptionError("seed", seed, "a whole number of 0 or more, or None")
    return int(seed)


def listed(history: History | Sequence[History] | None) -> tuple[History, ...]:
    """Return the homes.

    Raises:
        OptionError: there is none.
    """
    if history is None:
        return (demo_history(),)
    homes = (history,) if isinstance(history, History) else tuple(history)
    if not homes:
        raise OptionError("history", "no home", "the history of one home or more")
    return homes


def reset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """Return an autoreset mode, also by its value.

    Raises:
        OptionError: one that is not offered.
    """
    wanted = ", ".join(str(one.value) for one in AUTORESET)
    try:
        found = AutoresetMode(mode)
    except ValueError:
        raise OptionError("autoreset_mode", mode, f"one of {wanted}") from None
    if found not in AUTORESET:
        raise OptionError("autoreset_mode", mode, f"one of {wanted}")
    return found
