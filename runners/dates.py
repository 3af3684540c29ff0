"""The clock, and days that users give."""

from __future__ import annotations

from datetime import UTC, date, datetime

from runners.errors import EX_USAGE, ConfigError, Problem

__all__ = ["refuse_reversed", "utc_now"]


def utc_now() -> datetime:
    """Return the moment, UTC."""
    return datetime.now(UTC)


def refuse_reversed(first: date, last: date, option: str = "--start-date") -> None:
    """Refuse days that end before they begin; ``option`` names the first one.

    Raises:
        ConfigError: they do.
    """
    if last < first:
        message = f"{first} lies after the last day, {last}; give an earlier one"
        raise ConfigError(option, [Problem("", "", message)], exit_code=EX_USAGE)
