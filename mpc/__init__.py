"""The planner: numbers in, certified plan out. Needs numpy and highspy alone.

Only the storage engine needs numba, imported when it is asked to plan. Knows no database, clock,
file or network. Units: kWh per slot at the AC bus for flows, kWh stored,
kW for ratings, currency per kWh, UTC. The interface is ``Planner(site).plan(horizon, soc_kwh)``.
"""

from mpc.errors import (
    EngineError,
    HorizonError,
    InputError,
    KernelError,
    PlanError,
    RequestError,
    SchemaError,
    SiteError,
    SolverError,
    StateError,
    TariffError,
)
from mpc.flows import Violation
from mpc.horizon import Horizon
from mpc.plan import Plan
from mpc.plan_json import SCHEMA as PLAN_SCHEMA
from mpc.planner import Planner
from mpc.problem import terminal_curve
from mpc.requests import Block, ExportTarget, Requests
from mpc.scenarios import Scenarios, risk_weights
from mpc.site import Battery, Grid, Site
from mpc.storage import ValueFunctions, value_functions
from mpc.tariff import PriceEntry, Tariff
from mpc.terminal import TerminalCurve

__all__ = [
    "PLAN_SCHEMA",
    "Battery",
    "Block",
    "EngineError",
    "ExportTarget",
    "Grid",
    "Horizon",
    "HorizonError",
    "InputError",
    "KernelError",
    "Plan",
    "PlanError",
    "Planner",
    "PriceEntry",
    "RequestError",
    "Requests",
    "Scenarios",
    "SchemaError",
    "Site",
    "SiteError",
    "SolverError",
    "StateError",
    "Tariff",
    "TariffError",
    "TerminalCurve",
    "ValueFunctions",
    "Violation",
    "risk_weights",
    "terminal_curve",
    "value_functions",
]
