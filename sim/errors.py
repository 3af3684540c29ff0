"""Errors of the simulator floor.

    SimError
    ├── PairingError (ValueError)   prices of another place or year that do not fit the home
    ├── KnownInputsError            a home of which too little was known to plan
    ├── ReplayError                 a period that cannot be replayed
    └── ModelError                  a replay that beats the optimum: the model contradicts itself

Every message says what, got, wanted and how to mend it; the facts are attributes.
"""

__all__ = ["KnownInputsError", "ModelError", "PairingError", "ReplayError", "SimError"]


class SimError(Exception):
    """Root of everything ``sim`` raises."""


class PairingError(SimError, ValueError):
    """Prices and home cannot be paired."""


class _HomeError(SimError):
    """Something about one home.

    Attributes:
        home_id: the home.
        what: what is missing or wrong.
        fix: what to do about it.
    """

    def __init__(self, home_id: str, what: str, fix: str) -> None:
        """Name the home, what is missing and the cure."""
        self.home_id, self.what, self.fix = home_id, what, fix
        super().__init__(f"home {home_id}: {what}; {fix}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool."""
        return type(self), (self.home_id, self.what, self.fix)


class KnownInputsError(_HomeError):
    """A home of which too little was known to plan at a moment."""


class ReplayError(_HomeError):
    """A period that cannot be replayed as it was asked for."""


class ModelError(_HomeError):
    """A replay that costs less than the optimum: one of the two is computed wrongly."""
