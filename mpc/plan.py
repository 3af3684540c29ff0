"""A plan: what to do in every slot, what stored energy is worth, what it costs, and the proof.

Arrays are (T,), flows in kWh per slot at the AC bus, ``soc_kwh`` at the END of each slot, prices
and energy values in currency per kWh. Times are UTC.

    objective = bill + wear + penalty - terminal
"""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from mpc.arrays import F64
from mpc.flows import Costs, Flows, Violation
from mpc.horizon import slot_starts
from mpc.plan_json import dump_plan, load_plan
from mpc.problem import Problem
from mpc.requests import Requests

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Plan", "make_plan"]

SERIES = (
    "import_price",
    "export_price",
    "load_kwh",
    "pv_kwh",
    "charge_kwh",
    "discharge_kwh",
    "import_kwh",
    "export_kwh",
    "curtail_kwh",
    "soc_kwh",
    "min_soc_kwh",
    "max_soc_kwh",
    "energy_value_up",
    "energy_value_down",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A certified plan over one horizon.

    Attributes:
        start: UTC start of the first slot.
        slot_minutes: (T,) length of the slots.
        soc_start_kwh: stored energy at the start.
        import_price, export_price, load_kwh, pv_kwh: (T,) the inputs planned with.
        charge_kwh, discharge_kwh, import_kwh, export_kwh, curtail_kwh: (T,) planned flows.
        soc_kwh: (T,) stored energy at the end of each slot.
        min_soc_kwh, max_soc_kwh: (T,) the battery's window it was planned in.
        energy_value_up: (T,) what the next kWh stored at the slot's end is worth.
        energy_value_down: (T,) what the last one is worth; at least ``energy_value_up``.
        bill: cost of import minus revenue of export.
        wear: cost of discharging.
        penalty: cost of broken soft limits and of steering options.
        terminal: worth of the energy left at the end.
        objective: ``bill + wear + penalty - terminal``, what was minimised (without scenarios).
        status: "optimal", or "feasible" with a proven ``gap``.
        gap: money by which a better plan could at most be cheaper; 0 where optimal.
        violations: soft limits broken and requests not met, slot by slot, with amount and cost.
        wear_cost_per_kwh, charge_efficiency, discharge_efficiency: the battery planned for.
        terminal_curve: (soc_kwh, marginal price) pairs the end was valued with.
        engine: which engine made the plan.
        scenarios: how many scenarios it was made for; 0 where only the series above counted.
        expected_objective: the least cost to be expected over the scenarios, which was minimised
            instead of ``objective``; then ``status`` and ``gap`` speak of it. None without any.
        requests: blocks and export target that it was made with, None without any; what of them it
            does not do stands in ``violations``.
        warm: where the next plan of the same planner can start; never saved, no part of the plan.
    """

    start: datetime
    slot_minutes: F64
    soc_start_kwh: float
    import_price: F64
    export_price: F64
    load_kwh: F64
    pv_kwh: F64
    charge_kwh: F64
    discharge_kwh: F64
    import_kwh: F64
    export_kwh: F64
    curtail_kwh: F64
    soc_kwh: F64
    min_soc_kwh: F64
    max_soc_kwh: F64
    energy_value_up: F64
    energy_value_down: F64
    bill: float
    wear: float
    penalty: float
    terminal: float
    objective: float
    status: str
    gap: float
    violations: tuple[Violation, ...]
    wear_cost_per_kwh: float
    charge_efficiency: float
    discharge_efficiency: float
    terminal_curve: tuple[tuple[float, float], ...]
    engine: str = "highs"
    scenarios: int = 0
    expected_objective: float | None = None
    requests: Requests | None = None
    warm: object | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return T, the number of slots."""
        return int(self.charge_kwh.size)

    @property
    def energy_value(self) -> F64:
        """Worth of one more kWh stored at each slot's end: mean of up and down, (T,)."""
        return 0.5 * (self.energy_value_up + self.energy_value_down)

    @property
    def net_battery_kwh(self) -> F64:
        """Charge minus discharge, (T,) kWh, > 0 when charging."""
        return self.charge_kwh - self.discharge_kwh

    @property
    def wish_cost(self) -> float:
        """Return what ``penalty`` holds for requests that are not met; nobody pays it, currency."""
        return float(sum(v.cost for v in self.violations if v.is_wish))

    @property
    def cost(self) -> float:
        """Return the objective without what wishes cost: what is expected to be paid, currency."""
        return self.objective - self.wish_cost

    @property
    def starts(self) -> list[datetime]:
        """UTC start of every slot."""
        return slot_starts(self.start, self.slot_minutes)

    def to_frame(self) -> "pd.DataFrame":
        """Return the plan as a DataFrame, one row per slot, indexed by UTC slot start.

        Raises:
            ModuleNotFoundError: where pandas is not installed (extra ``plot``).
        """
        import pandas as pd  # noqa: PLC0415 - heavy, and only needed here

        columns = {"slot_minutes": self.slot_minutes}
        columns |= {name: getattr(self, name) for name in SERIES}
        columns["energy_value"] = self.energy_value
        index = pd.DatetimeIndex(self.starts, name="slot_start", tz="UTC")
        return pd.DataFrame(columns, index=index)

    def to_json(self) -> str:
        """Return the plan as JSON of schema ``darkstar.plan/1``, floats in full precision."""
        return dump_plan(self._facts())

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read a plan back, equal to the last bit.

        Raises:
            SchemaError: for another schema, missing or unknown fields, or text that is no JSON.
        """
        return cls(**load_plan(text, series=SERIES))

    def explain(self, zone: str = "UTC") -> list[str]:
        """Return one plain sentence per slot: what, at which price, against which energy value.

        Args:
            zone: time zone the times are written in, e.g. "Europe/Stockholm".
        """
        from mpc.explain import explain_plan  # noqa: PLC0415 - explain reads plans

        return explain_plan(self, zone)

    def _facts(self) -> dict[str, Any]:
        """Return every field but the warm start."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "warm"}

    def __getstate__(self) -> dict[str, Any]:
        """Pickle facts alone: a warm start belongs to one planner in one process."""
        return self._facts()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore facts without a warm start."""
        for name, value in state.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "warm", None)


def make_plan(
    problem: Problem,
    flows: Flows,
    costs: Costs,
    violations: tuple[Violation, ...],
    values: tuple[F64, F64],
    *,
    engine: str,
    gap: float = 0.0,
    warm: object | None = None,
) -> Plan:
    """Put a plan together, whatever engine found its flows.

    Args:
        problem: what was planned.
        flows: of the plan.
        costs: of the flows.
        violations: of the flows.
        values: (T,) energy values up and down.
        engine: what made the plan.
        gap: money by which a better plan could at most be cheaper.
        warm: where the next plan can start.
    """
    horizon, battery = problem.horizon, problem.site.battery
    return Plan(
        start=horizon.start,
        slot_minutes=np.asarray(horizon.slot_minutes),
        soc_start_kwh=problem.soc_start_kwh,
        import_price=problem.import_price,
        export_price=problem.export_price,
        load_kwh=problem.load,
        pv_kwh=problem.pv,
        charge_kwh=read_only(flows.charge),
        discharge_kwh=read_only(flows.discharge),
        import_kwh=read_only(flows.imports),
        export_kwh=read_only(flows.exports),
        curtail_kwh=read_only(flows.curtail),
        soc_kwh=read_only(flows.soc),
        min_soc_kwh=read_only(problem.soc_min),
        max_soc_kwh=read_only(problem.soc_max),
        energy_value_up=read_only(values[0]),
        energy_value_down=read_only(values[1]),
        bill=costs.bill,
        wear=costs.wear,
        penalty=costs.penalty,
        terminal=costs.terminal,
        objective=costs.objective,
        status="feasible" if gap > 0.0 else "optimal",
        gap=gap,
        violations=violations,
        wear_cost_per_kwh=battery.wear_cost_per_kwh,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
        terminal_curve=problem.terminal.pairs(),
        engine=engine,
        requests=None if problem.wanted is None else problem.wanted.requests,
        warm=warm,
    )


def read_only(array: F64) -> F64:
    """Return ``array`` locked against writing: a plan does not change."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
