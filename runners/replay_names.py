"""Names of policies and dispatches as users write them; light, so that ``--help`` stays quick."""

from enum import StrEnum

__all__ = ["DEFAULT_POLICIES", "PLANNING", "DispatchName", "PolicyName"]


class PolicyName(StrEnum):
    """What decides; ``rolling_oracle`` is ``storage`` on perfect forecasts."""

    NO_BATTERY = "no_battery"
    SELF_USE = "self_use"
    PLAN = "plan"
    STORAGE = "storage"
    ROLLING_ORACLE = "rolling_oracle"
    ORACLE = "oracle"


class DispatchName(StrEnum):
    """What turns a plan into battery power; as ``sim.replay.Dispatch``."""

    VALUE = "value"
    MODES = "modes"
    SETPOINT = "setpoint"
    WINDOWS = "windows"


PLANNING = (PolicyName.PLAN, PolicyName.STORAGE)
"""Policies that run once with every dispatch, and whose regret has parts."""

DEFAULT_POLICIES = (
    PolicyName.NO_BATTERY,
    PolicyName.SELF_USE,
    PolicyName.STORAGE,
    PolicyName.ROLLING_ORACLE,
    PolicyName.ORACLE,
)
