"""Which country a time zone belongs to, by the table that comes with the zones themselves.

``zone.tab`` of the IANA time zone database names one country a zone. It is read from the package
``tzdata``, so that every machine gives the same answer.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["country_of"]


def country_of(zone: str | None) -> str | None:
    """Return the ISO 3166 code of a zone's country, e.g. ``SE``; ``None`` where it names none.

    ``UTC`` and old aliases of a zone name no country.
    """
    return None if zone is None else _countries().get(zone)


@cache
def _countries() -> dict[str, str]:
    """Return the country of every zone that has one."""
    text = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {row[2]: row[0] for row in rows if len(row) > 2}  # noqa: PLR2004 - code, place, zone
