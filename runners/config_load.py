"""Checks of what ``config.yaml`` says.

A check returns the value as it is used, or refuses it by ``refuse`` with what to write instead.
``cross_checks`` compares keys with each other on the raw mapping, so that it speaks up even where
another key is wrong.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from runners.errors import Problem, shown

_MAX_HOUSE_KW = 250.0
_MAX_HOUSE_KWH = 1000.0
_MAX_PRICE = 10.0
_BIG_UNIT_CURRENCIES = frozenset({"SEK", "EUR", "NOK", "DKK", "GBP", "USD", "CHF", "AUD", "CAD"})
_PRICE_PARTS = (
    "supplier_markup",
    "transfer_fee",
    "energy_tax",
    "grid_benefit",
    "tax_credit",
    "export_fee",
)
_HOME_PRICES = ("wear_cost_per_kwh", "export_margin_per_kwh", "recovery_price_per_kwh")
_HOST = re.compile(r"[\w.:-]+")
_MAX_PORT = 65_535
_MAX_SHIFT_DAYS = 182 * 400
_URL_FIX = (
    "write mysql+pymysql://USER:${db_password}@HOST:PORT/DATABASE, with the bare password in "
    "secrets.yaml; in a whole URL write : as %3A, @ as %40, / as %2F and % as %25 in it"
)
_EUROPE_LATITUDE = (33.0, 72.0)
_EUROPE_LONGITUDE = (-26.0, 70.0)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPRING = ("jan", "feb", "mar", "apr", "may", "jun")
_MONTHS = (*_SPRING, "jul", "aug", "sep", "oct", "nov", "dec")


class Entry(Protocol):
    """What ``covers_all_times`` needs of a dated entry."""

    hours: list[int] | None
    weekdays: list[int] | None
    months: list[int] | None


def refuse(message: str) -> PydanticCustomError:
    """Return the error to raise; its message is shown as it stands."""
    escaped = message.replace("{", "{{").replace("}", "}}")
    return PydanticCustomError("refused", escaped)  # type: ignore[arg-type,unused-ignore]


def efficiency(value: float) -> float:
    """A ratio in (0, 1]."""
    if 1.0 < value <= 100.0:  # noqa: PLR2004 - percent
        raise refuse(f"an efficiency is a ratio in (0, 1], not a percent; write {value / 100:g}")
    if not 0.0 < value <= 1.0:
        raise refuse("an efficiency is a ratio in (0, 1]; write e.g. 0.95")
    return value


def vat(value: float) -> float:
    """A ratio in [0, 1)."""
    if 1.0 <= value <= 100.0:  # noqa: PLR2004 - percent
        raise refuse(f"VAT is a ratio, not a percent; write {value / 100:g}")
    if not 0.0 <= value < 1.0:
        raise refuse("VAT is a ratio in [0, 1); write e.g. 0.25")
    return value


def power_kw(value: float) -> float:
    """Power of a house, kW."""
    return _of_a_house(value, _MAX_HOUSE_KW, "kW", "a power limit has no sign")


def energy_kwh(value: float) -> float:
    """Energy of a house's battery, kWh."""
    return _of_a_house(value, _MAX_HOUSE_KWH, "kWh", "stored energy is never negative")


def _of_a_house(value: float, most: float, unit: str, negative: str) -> float:
    """Refuse what has the wrong sign, and what is probably written in thousandths of the unit."""
    if value < 0.0:
        raise refuse(f"{negative}; write 0 or more {unit}")
    if value > most:
        raise refuse(f"more than a house has, and the unit is {unit}; did you mean {value / 1000}?")
    return value


def percent(value: float) -> float:
    """0 to 100, and no ratio."""
    if 0.0 < value < 1.0 or value == 1.0:
        raise refuse(f"a percent of the capacity, not a ratio; write {value * 100:g}")
    if not 0.0 <= value <= 100.0:  # noqa: PLR2004 - percent
        raise refuse("a percent of the capacity; write a number from 0 to 100")
    return value


def azimuth_deg(value: float) -> float:
    """Clockwise from north."""
    if -180.0 <= value < 0.0:  # noqa: PLR2004 - degrees
        raise refuse(
            "azimuth counts clockwise from north (90 east, 180 south, 270 west); "
            f"counted from south as some tools do it would be {value + 180:g}, write that"
        )
    if not 0.0 <= value <= 360.0:  # noqa: PLR2004 - degrees
        raise refuse("azimuth counts clockwise from north, 0 to 360: 180 = south; correct it")
    return value


def zone(value: str) -> str:
    """An IANA zone this machine knows."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refuse("no IANA time zone; write e.g. Europe/Stockholm, or UTC") from None
    return value


def area(value: str | None) -> str | None:
    """A bidding area, in capitals as prices are stored."""
    if value is not None and not value.strip():
        raise refuse("an empty area; write e.g. se4, or remove the key")
    return value.strip().upper() if value else None


def shift_days(value: int) -> int:
    """Whole half years of 26 weeks, so that weekdays stay."""
    if value % 182:
        raise refuse(
            "want a multiple of 364 (same season), or that plus 182 (the other hemisphere), so "
            f"that weekdays stay; the nearest is {round(value / 182) * 182}"
        )
    if abs(value) > _MAX_SHIFT_DAYS:
        raise refuse(f"more than 200 years; write at most {_MAX_SHIFT_DAYS} days")
    return value


def store_url(value: SecretStr) -> SecretStr:
    """A path, or a URL of a database this program speaks. The value is never quoted."""
    text = value.get_secret_value()
    if not text.strip():
        raise refuse("an empty store; write a path such as darkstar.sqlite")
    fault = _url_fault(text) if "://" in text else ""
    if fault:
        raise refuse(fault)
    return value


def _url_fault(text: str) -> str:
    """Say what is wrong with a URL without quoting any of it, for it may hold a password."""
    from sqlalchemy import make_url  # noqa: PLC0415 - 0.1 s, and most stores are paths
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - the same

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # both quote what they could not read
        return f"no URL that can be read; {_URL_FIX}"
    if url.drivername == "sqlite":
        place = (url.username, url.password, url.host, url.port)
        remote = any(part is not None for part in place)
        return "an SQLite file has no host or login; write sqlite:///PATH" if remote else ""
    if url.drivername != "mysql+pymysql":
        return "an unknown kind of database; write a path, sqlite:///... or mysql+pymysql://..."
    if url.host is not None and not _HOST.fullmatch(url.host):
        return f"its host is no name or address; {_URL_FIX}"
    if url.port is not None and not 0 < url.port <= _MAX_PORT:
        return f"its port is none of 1 to {_MAX_PORT}; {_URL_FIX}"
    return ""


def local_date(value: object) -> object:
    """A date, also where it was quoted."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise refuse("no date; write year-month-day, e.g. 2026-01-01") from None
    if isinstance(value, datetime) or not (value is None or isinstance(value, date)):
        raise refuse("entries begin with a local day; write a date only, e.g. 2026-01-01")
    return value


def hours(value: object) -> object:
    """Hours 0..23; "6-22" is from 06:00 until 22:00, so 6 to 21; "22-6" wraps."""
    if value is None:
        return None
    return _numbers(value, _hour_range, 'hours 0 to 23; write "6-22" (06:00 until 22:00) or [6, 7]')


def weekdays(value: object) -> object:
    """Weekdays 0..6; "mon-fri" has both ends, "fri-mon" wraps."""
    if value is None:
        return None
    want = 'weekdays; write "mon-fri" or [sat, sun]'
    return _numbers(value, lambda text: _named_range(text, _WEEKDAYS, 0), want)


def months(value: object) -> object:
    """Months 1..12; "nov-mar" has both ends and wraps."""
    if value is None:
        return None
    want = 'months; write "nov-mar" or [1, 2]'
    return _numbers(value, lambda text: _named_range(text, _MONTHS, 1), want)


def _numbers(value: object, parse: Callable[[str], Sequence[int]], want: str) -> list[int]:
    """Parse one item or a list of items."""
    items: Sequence[object] = value if isinstance(value, list) else [value]
    found: set[int] = set()
    for item in items:
        try:
            if isinstance(item, bool) or not isinstance(item, str | int):
                raise ValueError  # noqa: TRY004, TRY301 - handled below, like other bad items
            found.update(parse(str(item).strip().lower()))
        except ValueError:
            raise refuse(f"{shown(item)} gives no {want}") from None
    if not found:
        raise refuse(f"an empty list gives no {want}, or remove the key")
    return sorted(found)


def _hour_range(text: str) -> Sequence[int]:
    """Return the hours of ``6-22``, ``06:00-22:00`` or ``6``."""
    first, dash, last = text.partition("-")
    start = int(first.removesuffix(":00"))
    end = int(last.removesuffix(":00")) if dash else start + 1
    if not (0 <= start <= 23 and 0 <= end <= 24) or start == end:  # noqa: PLR2004 - hours
        raise ValueError
    return range(start, end) if start < end else [*range(start, 24), *range(end)]


def _named_range(text: str, names: Sequence[str], base: int) -> Sequence[int]:
    """Return the members of ``nov-mar``, ``11-3`` or ``nov``, both ends included."""
    first, dash, last = text.partition("-")
    start = _named(first, names, base)
    end = _named(last, names, base) if dash else start
    size = len(names)
    return [base + (start + step) % size for step in range((end - start) % size + 1)]


def _named(text: str, names: Sequence[str], base: int) -> int:
    """Return the position of a name (its first three letters) or a number."""
    text = text.strip()
    place = int(text) - base if text.isdecimal() else names.index(text[:3])
    if not 0 <= place < len(names):
        raise ValueError
    return place


def entries(value: object) -> object:
    """One number stands for one entry that always holds."""
    if isinstance(value, list) and not value:
        raise refuse("an empty list is no price; write 0 or an entry")
    return value if value is None or isinstance(value, list) else [{"value": value}]


T = TypeVar("T", bound=Entry)


def covers_all_times(value: list[T]) -> list[T]:
    """Refuse entries that leave an hour of the week or a month without any value."""
    for month in range(1, 13):
        left = {(day, hour) for day in range(7) for hour in range(24)}
        for entry in value:
            if entry.months is None or month in entry.months:
                days, hour_list = entry.weekdays or range(7), entry.hours or range(24)
                left -= {(day, hour) for day in days for hour in hour_list}
        if left:
            day, hour = min(left)
            raise refuse(
                f"no entry holds in {_MONTHS[month - 1]} on {_WEEKDAYS[day]} at {hour:02d}:00; "
                "add one without hours, weekdays and months at the top of the list for the rest"
            )
    return value


def cross_checks(raw: dict[str, Any]) -> list[Problem]:
    """Compare keys of each home with each other, as far as they are there and are numbers."""
    homes = raw.get("homes")
    problems = list(_top_rate(raw))
    for name, home in (homes if isinstance(homes, dict) else {}).items():
        if isinstance(home, dict):
            where = f"homes.{name}"
            problems += _swapped_position(where, home)
            unit = home.get("currency") or raw.get("currency", "SEK")
            if unit in _BIG_UNIT_CURRENCIES:
                problems += _huge_prices(where, home, str(unit))
    return problems


def _top_rate(raw: dict[str, Any]) -> Iterator[Problem]:
    """Notice a rate of the currency that all rates are given in."""
    rates, top = raw.get("exchange_rates"), raw.get("currency", "SEK")
    rate = rates.get(top) if isinstance(rates, dict) and isinstance(top, str) else None
    if _is_number(rate) and rate != 1:
        message = f"rates are in {top} per unit, so that of {top} is 1; remove it"
        yield Problem(f"exchange_rates.{top}", shown(rate), message)


def _swapped_position(where: str, home: dict[str, Any]) -> Iterator[Problem]:
    """Notice a European zone at a place that is European only the other way round."""
    north, east = home.get("latitude"), home.get("longitude")
    if (north is None) != (east is None):
        missing, other = ("latitude", "longitude") if north is None else ("longitude", "latitude")
        yield Problem(f"{where}.{missing}", "", f"missing beside {other}; give both or neither")
    if not isinstance(north, int | float) or not isinstance(east, int | float):
        return
    in_europe = str(home.get("zone", "")).startswith("Europe/")
    fits = _inside(north, _EUROPE_LATITUDE) and _inside(east, _EUROPE_LONGITUDE)
    swapped = _inside(east, _EUROPE_LATITUDE) and _inside(north, _EUROPE_LONGITUDE)
    if in_europe and swapped and not fits:
        message = f"outside Europe, but its zone is {home['zone']}; swap latitude and longitude"
        yield Problem(f"{where}.latitude", shown(north), message)


def _huge_prices(where: str, home: dict[str, Any], unit: str) -> Iterator[Problem]:
    """Notice öre and prices per MWh."""
    tariff = home.get("tariff")
    tariff = tariff if isinstance(tariff, dict) else {}
    for part in _PRICE_PARTS:
        given = tariff.get(part)
        for place, entry in enumerate(given if isinstance(given, list) else [given]):
            in_list = isinstance(entry, dict)
            value = entry.get("value") if in_list else entry
            if _is_number(value) and abs(value) > _MAX_PRICE:
                key = f"{where}.tariff.{part}" + (f".{place}.value" if in_list else "")
                yield Problem(key, shown(value), _price_fix(value, unit))
    battery, options = home.get("battery"), home.get("options")
    for name, section in (("battery", battery), ("options", options)):
        for key, value in (section if isinstance(section, dict) else {}).items():
            if key in _HOME_PRICES and _is_number(value) and value > _MAX_PRICE:
                yield Problem(f"{where}.{name}.{key}", shown(value), _price_fix(value, unit))


def _price_fix(value: float, unit: str) -> str:
    """Say what was probably meant."""
    return (
        f"prices are in {unit} per kWh; did you mean {value / 100:g} (from hundredths of {unit}) "
        f"or {value / 1000:g} (from {unit} per MWh)?"
    )


def _inside(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
