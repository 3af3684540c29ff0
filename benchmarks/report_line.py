"""One line of the table of docs/benchmarks.md."""

from dataclasses import dataclass

__all__ = ["Line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table."""

    what: str
    measured: str
    ratio: str = ""
    target: str = ""

    def text(self) -> str:
        """Return the line in Markdown."""
        return f"| {self.what} | {self.measured} | {self.ratio} | {self.target} |\n"
