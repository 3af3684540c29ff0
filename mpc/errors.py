"""Errors of the planner.

    PlanError
    ├── InputError (ValueError)     a value no house, price or plan can have
    │   ├── SiteError               battery, grid or options of the site
    │   ├── HorizonError            the series do not describe one horizon
    │   ├── TariffError             a price component or settlement period
    │   ├── StateError              the stored energy at the start
    │   ├── RequestError            a block or an export target that no plan can hold
    │   ├── SchemaError             a saved plan that cannot be read back
    │   └── EngineError             a problem that an engine cannot solve exactly
    ├── KernelError (RuntimeError)  a kernel that cannot be compiled
    └── SolverError (RuntimeError)  HiGHS gave no answer; the last plan stays in force

Every message says what, got, wanted and how to mend it; the facts are attributes.
"""

__all__ = [
    "EngineError",
    "HorizonError",
    "InputError",
    "KernelError",
    "PlanError",
    "RequestError",
    "SchemaError",
    "SiteError",
    "SolverError",
    "StateError",
    "TariffError",
]


class PlanError(Exception):
    """Root of everything ``mpc`` raises."""


class InputError(PlanError, ValueError):
    """A value that cannot be planned with.

    Attributes:
        name: dotted name of the value, as the user wrote it.
        got: what was given.
        want: what is wanted instead, with the hint.
    """

    def __init__(self, name: str, got: object, want: str) -> None:
        """Keep the facts as attributes, so that a runner can log them as fields."""
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got}, want {want}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool with all three facts."""
        return type(self), (self.name, self.got, self.want)


class SiteError(InputError):
    """A nameplate, limit or option that no site has."""


class HorizonError(InputError):
    """The input series do not describe one horizon."""


class TariffError(InputError):
    """A price component or settlement period that gives no price."""


class StateError(InputError):
    """A stored energy the battery cannot hold."""


class RequestError(InputError):
    """A block or export target that does not fit the horizon, the battery or another one."""


class SchemaError(InputError):
    """A saved plan of another schema, or one that was damaged."""


class EngineError(InputError):
    """A problem that the storage engine cannot solve exactly.

    Attributes:
        slot: the first slot that it cannot, or None where the reason is no slot's.
    """

    def __init__(self, got: str, want: str, slot: int | None = None) -> None:
        """Name the slot and the reason; HiGHS can always plan it."""
        self.slot = slot
        name = "the problem" if slot is None else f"slot {slot}"
        super().__init__(name, got, want)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool."""
        return type(self), (self.got, self.want, self.slot)


class KernelError(PlanError, RuntimeError):
    """A kernel that cannot be compiled; planning with HiGHS needs none."""


class SolverError(PlanError, RuntimeError):
    """HiGHS ended without a solution.

    Attributes:
        status: the model status HiGHS reported.
        slots: length of the horizon.
    """

    def __init__(self, status: str, slots: int) -> None:
        """Say what HiGHS said; the program is feasible and bounded by construction."""
        self.status, self.slots = status, slots
        super().__init__(
            f"HiGHS ended with status {status!r} on a horizon of {slots} slots, want 'Optimal'; "
            "check prices and limits for magnitudes that no house has (1e7 and more)"
        )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool."""
        return type(self), (self.status, self.slots)
