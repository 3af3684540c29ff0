"""A stretch of slots to learn from offline: what was seen, what was done, what it earned.

    action     charge over the most charge, or -discharge over the most discharge            (OF1)
    reward     minus the cost of the slot, plus what is left is worth at a day's end         (OF2)
    infos      row 0 is what a reset tells, row t + 1 what slot t told; NaN where not known

The action is what the battery did after all limits, so it means the same in every
``Darkstar/Home-v0`` whose action is ``battery_power``, whoever decided; what was wished for stands
in the infos. Units: kWh per slot at the AC bus, kWh stored, currency of the home.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from mpc.rules import Limits, Rules, limits_at
from rlenv.errors import DatasetError
from rlenv.history import History
from rlenv.kernel import ROW
from rlenv.options import day_number
from rlenv.rollout import Rollout
from telemetry.arrays import F64, Bool

__all__ = [
    "INFOS",
    "Trajectory",
    "actions_of",
    "ended",
    "infos_of",
    "power_share",
    "trajectory_of",
    "where_of",
]

F32 = NDArray[np.float32]
_SAME = 1e-6
_WHERE = ("day", "slot", "slots", "soc_kwh")
_TOLD = tuple(name for name in ROW if name not in _WHERE)
_MORE = ("wish_share", "action_given", "energy_value", "perturbed", "perturb_probability")
INFOS = _WHERE + _TOLD + _MORE
"""What every trajectory tells beside observation and reward.

The first are those of ``HomeEnv``'s info. ``wish_share`` is ``wish_kwh`` as an action would say it,
``action_given`` what an agent gave (NaN where it was a command), ``energy_value`` what a stored kWh
was taken to be worth at the slot's end (as reached; of an episode: as planned), ``perturbed`` 1
where the action was drawn instead of chosen, and ``perturb_probability`` how likely that was.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """T slots in a row of one local day of a home; C numbers an observation.

    Attributes:
        name: what messages call it.
        home_id: the home.
        currency: of the rewards.
        day: the local date.
        policy: name of what decided.
        perturb: probability with which an action was drawn instead.
        observations: (T + 1, C) float32, as ``rlenv.layout`` has them.
        actions: (T, 1) float32 in [-1, 1] (OF1).
        rewards: (T,) currency (OF2).
        terminations: (T,) whether the problem ended with the slot: a day's end that was priced.
        truncations: (T,) whether only the record ended with it.
        infos: (T + 1, 1) float64 for each of ``INFOS``.
    """

    name: str
    home_id: str
    currency: str
    day: date
    policy: str
    perturb: float
    observations: F32
    actions: F32
    rewards: F64
    terminations: Bool
    truncations: Bool
    infos: Mapping[str, F64]

    def __len__(self) -> int:
        """Return T, the number of slots."""
        return int(self.rewards.size)


def trajectory_of(history: History, rollout: Rollout) -> Trajectory:
    """Return a day that was lived; it ends as its environment ended it.

    Args:
        history: of the environment.
        rollout: the day.

    Raises:
        DayError: the day is not in the history.
        DatasetError: other facts or another battery: it is the history of another environment.
    """
    place, slots = history.find(rollout.day), rollout.rewards.size
    first, count = history.data.first[place], history.data.slots[place]
    happened, limits = (
        history.data.actual[first : first + count],
        limits_at(history.data.limits, place),
    )
    if count != slots or not _fits(rollout, happened, limits, history.rules(place)):
        want = f"that of the environment in which {rollout.day} was lived"
        raise DatasetError("history", f"another one, of {history.home_id}", want)
    terminations, truncations = ended(slots, terminated=rollout.terminated)
    soc_kwh = np.append(rollout.soc_start_kwh, rollout.of("soc_kwh"))
    return Trajectory(
        name=f"{history.home_id} {rollout.day} lived by {rollout.policy}",
        home_id=history.home_id,
        currency=history.currency,
        day=rollout.day,
        policy=rollout.policy,
        perturb=rollout.perturb,
        observations=rollout.observations,
        actions=actions_of(rollout.of("charge_kwh") - rollout.of("discharge_kwh"), limits),
        rewards=rollout.rewards,
        terminations=terminations,
        truncations=truncations,
        infos=infos_of(
            everywhere={
                **where_of(rollout.day, 0, slots, soc_kwh),
                "perturb_probability": rollout.perturb,
            },
            after={
                **{name: rollout.of(name) for name in _TOLD},
                "wish_share": power_share(rollout.of("wish_kwh"), limits),
                "action_given": rollout.actions,
                "energy_value": rollout.energy_values,
                "perturbed": rollout.perturbed.astype(np.float64),
            },
        ),
    )


def _fits(rollout: Rollout, happened: F64, limits: Limits, rules: Rules) -> bool:
    """Return whether a day was lived with these facts and this battery.

    Args:
        rollout: the day.
        happened: (T, 4 or more) load, PV, import and export price.
        limits: of its slots.
        rules: of the site.
    """
    charge, discharge = rollout.of("charge_kwh"), rollout.of("discharge_kwh")
    bill = happened[:, 2] * rollout.of("import_kwh") - happened[:, 3] * rollout.of("export_kwh")
    change = rules.charge_efficiency * charge - discharge / rules.discharge_efficiency
    stored = np.diff(rollout.of("soc_kwh"), prepend=rollout.soc_start_kwh)
    most = np.abs(power_share(charge - discharge, limits))
    return (
        np.array_equal(happened[:, 0], rollout.of("load_kwh"))
        and np.array_equal(happened[:, 1], rollout.of("pv_kwh"))
        and bool(np.abs(bill - rollout.of("bill")).max() <= _SAME)
        and bool(np.abs(stored - change).max() <= _SAME)
        and bool(np.nanmax(most, initial=0.0) <= 1.0 + _SAME)
        and bool(np.abs(rules.wear * discharge - rollout.of("wear")).max() <= _SAME)
    )


def where_of(day: date, first: int, slots: int, soc_kwh: F64) -> dict[str, F64 | float]:
    """Return what is known at a reset and after every slot alike, nothing of it perturbed.

    Args:
        day: the local date.
        first: slot of the day that the stretch begins with.
        slots: of the whole day.
        soc_kwh: (T + 1,) stored at the start and at the end of each slot.
    """
    return {
        "day": float(day_number(day)),
        "slot": first + np.arange(float(soc_kwh.size)),
        "slots": float(slots),
        "soc_kwh": soc_kwh,
        "perturb_probability": 0.0,
    }


def infos_of(
    *, everywhere: Mapping[str, F64 | float], after: Mapping[str, F64 | float]
) -> dict[str, F64]:
    """Return ``INFOS`` as (T + 1, 1) arrays, NaN where nothing is given.

    Args:
        everywhere: (T + 1,) or one number, with ``soc_kwh``: known at a reset too.
        after: (T,) or one number: known when the slot is over.
    """
    infos = {name: np.full((np.size(everywhere["soc_kwh"]), 1), np.nan) for name in INFOS}
    for name, values in everywhere.items():
        infos[name][:, 0] = values
    for name, values in after.items():
        infos[name][1:, 0] = values
    return infos


def actions_of(moved_kwh: F64, limits: Limits) -> F32:
    """Return net battery energy that was moved as actions, (T, 1); see ``power_share``."""
    return power_share(moved_kwh, limits).astype(np.float32)[:, None]


def power_share(moved_kwh: F64, limits: Limits) -> F64:
    """Return net battery energy as shares of the most charge or discharge, (T,) (OF1).

    Nothing moved is 0; a share of nothing is NaN.

    Args:
        moved_kwh: (T,) at the AC bus, > 0 charges.
        limits: of the slots.
    """
    most = np.where(moved_kwh >= 0.0, limits.charge, limits.discharge)
    share: F64 = np.where(moved_kwh == 0.0, 0.0, np.nan)
    np.divide(moved_kwh, most, out=share, where=most > 0.0)
    return share


def ended(slots: int, *, terminated: bool) -> tuple[Bool, Bool]:
    """Return (T,) terminations and truncations of a stretch that ends with its last slot."""
    never, last = np.zeros(slots, dtype=np.bool_), np.zeros(slots, dtype=np.bool_)
    last[-1] = True
    return (last, never) if terminated else (never, last)
