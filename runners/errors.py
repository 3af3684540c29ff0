"""The error of the shell: something the user wrote, or a place that was named, cannot be used.

    ConfigError   one or more problems, each with its key, its value and the fix; a sysexits code

Every problem is one line, ``key: value -> what is wrong; fix``. Values of secrets never get in.
"""

import re
import reprlib
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["EX_CANTCREAT", "EX_CONFIG", "EX_DATAERR", "EX_NOINPUT", "EX_NOPERM", "EX_PROTOCOL"]
__all__ += ["EX_TEMPFAIL", "EX_UNAVAILABLE", "EX_USAGE"]
__all__ += ["ConfigError", "Problem"]

EX_USAGE = 2
EX_DATAERR = 65
EX_NOINPUT = 66
EX_UNAVAILABLE = 69
EX_CANTCREAT = 73
EX_TEMPFAIL = 75
EX_PROTOCOL = 76
EX_NOPERM = 77
EX_CONFIG = 78
_SHOWN_CHARACTERS = 60
_URL_LOGIN = re.compile(r"://.*@")


class Problem(NamedTuple):
    """One thing to mend.

    Attributes:
        key: dotted YAML key, an option, or a line of a file.
        value: what was given, as text; empty where there is nothing to show.
        message: what is wrong and how to mend it.
    """

    key: str
    value: str
    message: str

    def __str__(self) -> str:
        """Return ``key: value -> message``."""
        return f"{self.key}: {self.value} -> {self.message}" if self.value else self._short()

    def _short(self) -> str:
        return f"{self.key} -> {self.message}" if self.key else self.message


class ConfigError(Exception):
    """What the user wrote cannot be used; root of the errors of this package.

    Attributes:
        source: the file (or option) the problems are in.
        problems: each with key, value, fault and fix.
        exit_code: sysexits code of a command that ends with this.
    """

    def __init__(
        self, source: str, problems: Sequence[Problem], *, exit_code: int = EX_CONFIG
    ) -> None:
        self.source, self.problems, self.exit_code = source, tuple(problems), exit_code
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


def shown(value: object) -> str:
    """Return a value as short text for a message, passwords of URLs masked."""
    text = str(value) if isinstance(value, str | int | float) else reprlib.repr(value)
    text = _URL_LOGIN.sub("://***@", " ".join(text.split()))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
