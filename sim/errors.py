"""Errors of the simulator floor.

    SimError
    ├── PairingError (ValueError)   prices of another place or year that do not fit the home
    └── KnownInputsError            a home of which too little was known to plan

Every message says what, got, wanted and how to mend it; the facts are attributes.
"""

__all__ = ["KnownInputsError", "PairingError", "SimError"]


class SimError(Exception):
    """Root of everything ``sim`` raises."""


class PairingError(SimError, ValueError):
    """Prices and home cannot be paired."""


class KnownInputsError(SimError):
    """A home of which too little was known to plan at a moment.

    Attributes:
        home_id: the home.
        what: what is missing.
        fix: what to do about it.
    """

    def __init__(self, home_id: str, what: str, fix: str) -> None:
        """Name the home, what is missing and the cure."""
        self.home_id, self.what, self.fix = home_id, what, fix
        super().__init__(f"home {home_id}: {what}; {fix}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool."""
        return type(self), (self.home_id, self.what, self.fix)
