"""Errors of the simulator floor.

    SimError
    ├── PairingError (ValueError)   prices of another place or year that do not fit the home
    ├── KnownInputsError            a home of which too little was known to plan
    ├── ReplayError                 a period that cannot be replayed
    │   └── RefusedError            a plan that the storage engine cannot make; HiGHS can
    ├── ScenarioError (ValueError)  a scenario that no simulation has
    ├── EpisodeError (ValueError)   a recorded episode whose texts cannot be read
    └── ModelError                  a replay that beats the optimum: the model contradicts itself

Every message says what, got, wanted and how to mend it; the facts are attributes.
"""

__all__ = [
    "EpisodeError",
    "KnownInputsError",
    "ModelError",
    "PairingError",
    "RefusedError",
    "ReplayError",
    "ScenarioError",
    "SimError",
]


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


class RefusedError(ReplayError):
    """A plan that the storage engine cannot make exactly; HiGHS can."""


class ScenarioError(SimError, ValueError):
    """A scenario that no simulation has.

    Attributes:
        name: of the argument.
        got: what it was.
        want: what it must be.
    """

    def __init__(self, name: str, got: object, want: str) -> None:
        """Name the argument, what was given and what is wanted."""
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got}, want {want}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool."""
        return type(self), (self.name, self.got, self.want)


class ModelError(_HomeError):
    """A replay that costs less than the optimum: one of the two is computed wrongly."""


class EpisodeError(SimError, ValueError):
    """An episode that cannot be written or read.

    Attributes:
        episode: which one.
        what: what is missing or wrong.
        fix: what to do about it.
    """

    def __init__(self, episode: str, what: str, fix: str) -> None:
        """Name the episode, what is wrong and the cure."""
        self.episode, self.what, self.fix = episode, what, fix
        super().__init__(f"episode {episode}: {what}; {fix}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive the way through a process pool."""
        return type(self), (self.episode, self.what, self.fix)
