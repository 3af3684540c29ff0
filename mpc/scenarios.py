"""Scenarios: several ways the hours ahead may turn out, each with a weight.

    scenarios = Scenarios(load_kwh=load, pv_kwh=pv)                  # (K, T) each, equal weights
    plan = Planner(site).plan(horizon, soc_kwh, scenarios=scenarios)

The first slot of a plan is on the horizon's own series, the same for all; scenarios begin to matter
from the second slot on, so their first column is not read. How much a house fears dear hours is a
tilt of the weights, with the standardised cost z of each scenario's net load (mean 0, standard
deviation 1 under the weights),

    cost[k] = sum_t import_price[k,t] * (load[k,t] - pv[k,t])                                (SR1)
    w'[k]   = w[k] * exp(tilt * z[k]) / sum,   tilt = (3 - risk_appetite) / 2                (SR2)

so appetite 3 keeps the weights, 1 multiplies them by e for every standard deviation above the mean
and 5 divides them by as much. Units: kWh per slot at the AC bus, currency per kWh.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpc.arrays import F64, non_negative, series
from mpc.errors import HorizonError
from mpc.horizon import Horizon

__all__ = ["Scenarios", "net_load_cost", "risk_weights"]

_SUM_TOLERANCE = 1e-6
_NEUTRAL, _BOLDEST = 3, 5
_Table = Sequence[Sequence[float]] | F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenarios:
    """K scenarios of the T slots of a horizon.

    Attributes:
        load_kwh: (K, T) load, >= 0.
        pv_kwh: (K, T) PV, >= 0.
        import_price: (K, T) currency per kWh taken; None: the horizon's in every scenario.
        export_price: (K, T) currency per kWh fed in; None: the horizon's.
        weights: (K,) probabilities, >= 0, of sum 1; None: equal.
    """

    load_kwh: _Table
    pv_kwh: _Table
    import_price: _Table | None = None
    export_price: _Table | None = None
    weights: Sequence[float] | F64 | None = None

    def __post_init__(self) -> None:
        """Refuse what does not describe K scenarios of T slots."""
        shape = None
        for name in ("load_kwh", "pv_kwh", "import_price", "export_price"):
            given = getattr(self, name)
            if given is None:
                continue
            values = table(f"scenarios.{name}", given)
            if name.endswith("kwh"):
                refuse_negative(f"scenarios.{name}", values)
            shape = values.shape if shape is None else shape
            if values.shape != shape:
                raise HorizonError(
                    f"scenarios.{name}",
                    f"an array of shape {values.shape}",
                    f"shape {shape}, that of scenarios.load_kwh",
                )
            object.__setattr__(self, name, values)
        count = len(self.load_kwh)
        given = np.full(count, 1.0 / count) if self.weights is None else self.weights
        object.__setattr__(self, "weights", checked_weights("scenarios.weights", given, count))

    def __len__(self) -> int:
        """Return K, the number of scenarios."""
        return len(self.load_kwh)

    @property
    def slots(self) -> int:
        """T, the number of slots."""
        return int(np.shape(self.load_kwh)[1])

    def tilted(self, horizon: Horizon, risk_appetite: int) -> "Scenarios":
        """Return the same scenarios with weights that fit a risk appetite (SR1, SR2).

        Args:
            horizon: whose prices hold where the scenarios have none.
            risk_appetite: 1 (cautious) to 5 (bold); 3 changes nothing.

        Raises:
            HorizonError: for another appetite, or a horizon of another number of slots.
        """
        weights = risk_weights(net_load_cost(self, horizon), risk_appetite, self.weights)
        return replace(self, weights=weights)


def risk_weights(
    cost: Sequence[float] | F64,
    risk_appetite: int,
    weights: Sequence[float] | F64 | None = None,
) -> F64:
    """Return (K,) weights tilted toward dear or cheap scenarios, of sum 1 (SR2).

    Args:
        cost: (K,) of each scenario, currency; only differences in standard deviations count.
        risk_appetite: 1 (cautious: dear scenarios count more) to 5 (bold); 3 changes nothing.
        weights: (K,) before, equal where None.

    Raises:
        HorizonError: for another appetite, costs that are no numbers, or weights that do not fit.
    """
    whole = isinstance(risk_appetite, int | np.integer) and not isinstance(risk_appetite, bool)
    if not whole or not 1 <= risk_appetite <= _BOLDEST:
        raise HorizonError(
            "risk_appetite", repr(risk_appetite), "a whole number from 1 (cautious) to 5 (bold)"
        )
    costs = series("cost", cost, HorizonError)
    if weights is None:
        weights = np.full(costs.size, 1.0 / costs.size)
    before = checked_weights("weights", weights, costs.size)
    if risk_appetite == _NEUTRAL:
        return before
    scale = max(float(np.abs(costs).max()), 1e-300)  # so that no square overflows
    offset = costs / scale - float(before @ (costs / scale))
    spread = float(np.sqrt(before @ offset**2))
    if spread <= 1e-12:  # noqa: PLR2004 - rounding: all cost the same
        return before
    power = 0.5 * (_NEUTRAL - risk_appetite) * offset / spread
    tilted: F64 = before * np.exp(power - power.max())
    tilted /= tilted.sum()
    return tilted


def net_load_cost(scenarios: Scenarios, horizon: Horizon) -> F64:
    """Return (K,) what each scenario's net load costs at import prices, currency (SR1).

    Raises:
        HorizonError: where the scenarios have another number of slots than the horizon.
    """
    refuse_other_slots(scenarios, len(horizon))
    price = horizon.import_price if scenarios.import_price is None else scenarios.import_price
    net = np.asarray(scenarios.load_kwh) - np.asarray(scenarios.pv_kwh)
    cost: F64 = (np.asarray(price) * net).sum(axis=1)
    return cost


def refuse_other_slots(scenarios: Scenarios, slots: int) -> None:
    """Refuse scenarios of another number of slots than the horizon's.

    Raises:
        HorizonError: with both numbers.
    """
    if scenarios.slots != slots:
        raise HorizonError(
            "scenarios.load_kwh",
            f"an array of shape {np.shape(scenarios.load_kwh)}",
            f"shape ({len(scenarios)}, {slots}): a value for every slot of the horizon",
        )


def table(name: str, values: _Table) -> F64:
    """Return ``values`` as a read-only (K, T) array, or refuse them by name and place."""
    try:
        raw = np.array(values)
        numbers = raw.dtype.kind in "fiu"
    except (TypeError, ValueError):
        numbers = False
    if not numbers or raw.ndim != 2 or raw.size == 0:  # noqa: PLR2004 - scenarios and slots
        got = f"an array of shape {raw.shape}" if numbers else repr(values)[:80]
        raise HorizonError(name, got, "shape (K, T): one row of numbers per scenario")
    array = raw.astype(np.float64, order="C")
    if not np.isfinite(array).all():
        k, t = np.argwhere(~np.isfinite(array))[0].tolist()
        raise HorizonError(
            f"{name}[{k}, {t}]", array[k, t], "a finite number; fill gaps before planning"
        )
    array.flags.writeable = False
    return array


def refuse_negative(name: str, array: F64) -> None:
    """Refuse the first value below zero, by its place."""
    if array.min() < 0.0:
        k, t = np.argwhere(array < 0.0)[0].tolist()
        raise HorizonError(f"{name}[{k}, {t}]", array[k, t], "0 or more; give load and PV apart")


def checked_weights(name: str, values: Sequence[float] | F64, count: int) -> F64:
    """Return (K,) read-only weights of sum 1 exactly as good as floats allow.

    Raises:
        HorizonError: for another number of them, a negative one, or another sum.
    """
    weights = non_negative(name, series(name, values, HorizonError), "a probability", HorizonError)
    if weights.size != count:
        raise HorizonError(
            name, f"an array of {weights.size} values", f"one per scenario ({count})"
        )
    total = float(weights.sum())
    if abs(total - 1.0) > _SUM_TOLERANCE:
        raise HorizonError(name, f"of sum {total:g}", "weights of sum 1; divide them by their sum")
    weights = weights / total
    weights.flags.writeable = False
    return weights
