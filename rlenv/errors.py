"""Errors of the environment floor.

    RlError
    ├── HistoryError (ValueError)   a history that no environment can be made of
    ├── DayError (ValueError)       a day that the environment has not, or may not use
    ├── OptionError (ValueError)    an option of an environment, or of its reset, that cannot be
    ├── ActionError (ValueError)    an action that is none
    └── DatasetError (ValueError)   episodes that no dataset can be made of

Every message says what, got, wanted and how to mend it; nothing has changed when one is raised.
"""

__all__ = ["ActionError", "DatasetError", "DayError", "HistoryError", "OptionError", "RlError"]


class RlError(Exception):
    """Root of everything ``rlenv`` raises."""


class HistoryError(RlError, ValueError):
    """A history that no environment can be made of.

    Attributes:
        home_id: the home.
        what: what is missing or wrong.
        fix: what to do about it.
    """

    def __init__(self, home_id: str, what: str, fix: str) -> None:
        """Name the home, what is missing and the cure."""
        self.home_id, self.what, self.fix = home_id, what, fix
        super().__init__(f"home {home_id}: {what}; {fix}")


class _ValueError(RlError, ValueError):
    """Something that was given.

    Attributes:
        name: what it is.
        got: its value.
        want: what it has to be.
    """

    def __init__(self, name: str, got: object, want: str) -> None:
        """Name the value, what was given, and the cure."""
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got!r}, want {want}")


class DayError(_ValueError):
    """A day that the environment has not, or may not use."""


class OptionError(_ValueError):
    """An option that cannot be."""


class ActionError(_ValueError):
    """An action that is none."""


class DatasetError(_ValueError):
    """Episodes that no dataset can be made of."""
