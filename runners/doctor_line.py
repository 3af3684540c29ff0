"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Level", "Line", "failure", "fine", "warning"]


class Level(StrEnum):
    """How well something is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing examined.

    Attributes:
        name: what, with the home where it is one's.
        level: how well it is.
        text: what was found.
        cure: what helps; "" where nothing has to.
    """

    name: str
    level: Level
    text: str
    cure: str = ""


def fine(name: str, text: str) -> Line:
    """Return a line that is in order."""
    return Line(name=name, level=Level.OK, text=text)


def warning(name: str, text: str, cure: str) -> Line:
    """Return a line that costs money or knowledge, but no plan."""
    return Line(name=name, level=Level.WARNING, text=text, cure=cure)


def failure(name: str, text: str, cure: str) -> Line:
    """Return a line that keeps a job from doing its work."""
    return Line(name=name, level=Level.FAILURE, text=text, cure=cure)
