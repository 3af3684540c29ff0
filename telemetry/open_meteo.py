"""Weather from Open-Meteo: forecasts by the quarter hour, and what happened by the hour.

Times are asked for in UTC, and the reply must say so. What a stamp means differs by variable:

    radiation (GHI, DNI, DHI)   the mean of the interval that ENDS at the stamp, W/m2
    temperature, wind, clouds   the value AT the stamp; here that of the interval it begins

So radiation moves one interval back, to the slots it is the mean of: sunrise and noon would
otherwise come 15 minutes (archive: an hour) late. Cloud cover exists by the hour alone, and so does
all of the archive: an hour's value is held over its quarters, its source interval kept at 60
minutes. Percent become ratios. ``null`` is missing.

A forecast begins with the slot that holds ``now``: what is past by then is no forecast. Its lead in
a slot is the slot's start less ``issued_at``. Archive weather is kept by UTC day, issued at the
day's end, of its own kind, which the store never serves as a forecast.

Source: open-meteo.com/en/docs and /en/docs/historical-weather-api. Written against documented
replies; not run against the live service.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import sleep as wait
from typing import TYPE_CHECKING, final

import numpy as np

from telemetry.arrays import F64, hold
from telemetry.errors import HomeError, TimeError
from telemetry.home import Home
from telemetry.json_http import TRIES, get_json, unusable
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, from_epoch, slot_of, to_epoch
from telemetry.sql import WriteCounts
from telemetry.store import Store

if TYPE_CHECKING:
    import httpx

SOURCE = "open_meteo"
PEER = "Open-Meteo"
FORECAST_URL = "https://api.open-meteo.com/v1/forecast"
ARCHIVE_URL = "https://archive-api.open-meteo.com/v1/archive"
FORECAST_DAYS = 8  # the longest horizon is 144 h, and the day after it values its end
_DAY_SECONDS = 86_400
_HOUR_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variable:
    """How the service names a variable, its unit there, and what it becomes."""

    theirs: str
    unit: str
    mean_before: bool = False
    per_unit: float = 1.0


_VARIABLES = {
    "temp_c": _Variable(theirs="temperature_2m", unit="°C"),
    "ghi_w_m2": _Variable(theirs="shortwave_radiation", unit="W/m²", mean_before=True),
    "dni_w_m2": _Variable(theirs="direct_normal_irradiance", unit="W/m²", mean_before=True),
    "dhi_w_m2": _Variable(theirs="diffuse_radiation", unit="W/m²", mean_before=True),
    "wind_m_s": _Variable(theirs="wind_speed_10m", unit="m/s"),
    "cloud_cover": _Variable(theirs="cloud_cover", unit="%", per_unit=100.0),
}
VARIABLES = tuple(_VARIABLES)
_BY_QUARTER = tuple(name for name in VARIABLES if name != "cloud_cover")
_BY_HOUR_ALONE = ("cloud_cover",)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weather:
    """Variables on the 15-minute grid.

    Attributes:
        variables: V names with their unit.
        start: UTC start of the first slot.
        values: (V, N), NaN where missing.
        source_minutes: length of the interval each value came from, 15 or 60.
    """

    variables: tuple[str, ...]
    start: datetime
    values: F64
    source_minutes: int

    def within(self, start: datetime, end: datetime) -> Weather:
        """The slots in [start, end), NaN where there is nothing."""
        count = (to_epoch(end) - to_epoch(start)) // SLOT_SECONDS
        values = np.full((len(self.variables), count), np.nan)
        at = (to_epoch(self.start) - to_epoch(start)) // SLOT_SECONDS
        low, high = max(at, 0), min(at + self.values.shape[1], count)
        if low < high:
            values[:, low:high] = self.values[:, low - at : high - at]
        return Weather(
            variables=self.variables,
            start=start,
            values=values,
            source_minutes=self.source_minutes,
        )


def position_of(home: Home) -> tuple[float, float]:
    """(latitude, longitude) of a home, degrees.

    Raises:
        HomeError: it has no position.
    """
    if home.position is None:
        want = "latitude and longitude in its configuration: weather is that of a place"
        raise HomeError(f"position of home {home.home_id}", None, want)
    return home.position


@final
class OpenMeteo:
    """The weather service; every method asks for the position of one home."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        forecast_url: str = FORECAST_URL,
        archive_url: str = ARCHIVE_URL,
        sleep: Callable[[float], None] = wait,
        tries: int = TRIES,
    ) -> None:
        """Make a service.

        Args:
            client: for the requests.
            forecast_url: of the forecast service, or of one that speaks like it.
            archive_url: the same for what happened.
            sleep: waits for seconds between tries.
            tries: how often it is asked at most.
        """
        self._client, self._sleep, self._tries = client, sleep, tries
        self._forecast_url, self._archive_url = forecast_url, archive_url

    def forecast(
        self, home: Home, *, now: datetime, days: int = FORECAST_DAYS
    ) -> tuple[Weather, Weather]:
        """The forecast from the slot that holds ``now``: variables by quarter, and by hour.

        Args:
            home: with its position.
            now: the moment, aware.
            days: UTC days, today included, 1 to 16.

        Raises:
            HomeError: the home has no position.
            PeerUnreachableError: no answer; try again later.
            PeerReplyError: an answer nobody can use.
        """
        reply = self._ask(
            self._forecast_url,
            home,
            minutely_15=_names(_BY_QUARTER),
            hourly=_names(_BY_HOUR_ALONE),
            forecast_days=str(days),
            past_days="0",
        )
        start = slot_of(now)
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
        end = midnight + timedelta(days=days)
        quarters = _weather(reply, "minutely_15", _BY_QUARTER, SLOT_MINUTES)
        hours = _weather(reply, "hourly", _BY_HOUR_ALONE, _HOUR_MINUTES)
        return quarters.within(start, end), hours.within(start, end)

    def archive(self, home: Home, first_day: date, last_day: date) -> Weather:
        """What happened in the UTC days from the first to the last, both included, by the hour.

        Raises:
            HomeError: the home has no position.
            PeerUnreachableError: no answer; try again later.
            PeerReplyError: an answer nobody can use, or a day the service does not have.
        """
        after = last_day + timedelta(days=1)  # its stamp 00:00 ends the last hour's radiation
        reply = self._ask(
            self._archive_url,
            home,
            hourly=_names(VARIABLES),
            start_date=first_day.isoformat(),
            end_date=after.isoformat(),
        )
        found = _weather(reply, "hourly", VARIABLES, _HOUR_MINUTES)
        return found.within(_midnight(first_day), _midnight(after))

    def _ask(self, url: str, home: Home, **query: str) -> Mapping[str, object]:
        latitude, longitude = position_of(home)
        params = {
            "latitude": f"{latitude:.6g}",
            "longitude": f"{longitude:.6g}",
            "timezone": "UTC",
            "wind_speed_unit": "ms",
            **query,
        }
        reply = get_json(self._client, url, params, peer=PEER, sleep=self._sleep, tries=self._tries)
        if not isinstance(reply, Mapping):
            raise unusable(PEER, f"its reply is {type(reply).__name__}, want an object")
        if reply.get("utc_offset_seconds") != 0:
            offset = reply.get("utc_offset_seconds")
            raise unusable(PEER, f"asked for UTC, its times are {offset!r} s off")
        return reply


def put_forecast(
    store: Store, home_id: str, parts: Sequence[Weather], *, now: datetime
) -> WriteCounts:
    """Write the parts of one forecast, issued now."""
    counts = WriteCounts()
    with store.transaction():
        for part in parts:
            counts += _put(store, home_id, part, kind="forecast", issued_at=now)
    return counts


def put_archive(store: Store, home_id: str, weather: Weather) -> WriteCounts:
    """Write whole UTC days of what happened; a day without any value is left out."""
    counts = WriteCounts()
    days = weather.values.shape[1] * SLOT_SECONDS // _DAY_SECONDS
    with store.transaction():
        for k in range(days):
            start, end = (weather.start + timedelta(days=j) for j in (k, k + 1))
            part = weather.within(start, end)
            if not np.isnan(part.values).all():
                counts += _put(store, home_id, part, kind="archive", issued_at=end)
    return counts


def _put(
    store: Store, home_id: str, part: Weather, *, kind: str, issued_at: datetime
) -> WriteCounts:
    return store.put_weather(
        home_id,
        source=SOURCE,
        kind=kind,
        variables=part.variables,
        issued_at=issued_at,
        start=part.start,
        slot_minutes=SLOT_MINUTES,
        values=part.values,
        source_minutes=np.full(part.values.shape[1], part.source_minutes, dtype=np.int64),
    )


def archived_days(store: Store, home_id: str, days: Sequence[date]) -> dict[date, float]:
    """Share of the archive values that the store has, by UTC day; ``days`` are consecutive."""
    start, end = _midnight(days[0]), _midnight(days[-1] + timedelta(days=1))
    found = store.weather(home_id, start, end, as_of=None, kind="archive")
    known = np.zeros((len(VARIABLES), found.slot_start.size), dtype=np.bool_)
    for row, name in enumerate(VARIABLES):
        if name in found.variables:
            known[row] = ~np.isnan(found.of(name))
    share = known.reshape(len(VARIABLES), len(days), -1).mean(axis=(0, 2))
    return dict(zip(days, share.tolist(), strict=True))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _names(variables: Sequence[str]) -> str:
    return ",".join(_VARIABLES[name].theirs for name in variables)


def _weather(
    reply: Mapping[str, object], section: str, variables: tuple[str, ...], minutes: int
) -> Weather:
    """A section of a reply on the 15-minute grid, radiation moved to the slots it is the mean of.

    The grid begins one interval before the first stamp, where the first radiation belongs.
    """
    table, units = reply.get(section), reply.get(f"{section}_units")
    if not isinstance(table, Mapping) or not isinstance(units, Mapping):
        raise unusable(PEER, f"its reply has no {section} with {section}_units")
    first, count = _grid(table.get("time"), section, minutes)
    values = np.full((len(variables), count + 1), np.nan)
    for row, name in enumerate(variables):
        what = _VARIABLES[name]
        if units.get(what.theirs) != what.unit:
            got = units.get(what.theirs)
            raise unusable(PEER, f"{what.theirs} is in {got!r}, want {what.unit}")
        at = 0 if what.mean_before else 1
        numbers = _numbers(table.get(what.theirs), what.theirs, count)
        values[row, at : at + count] = numbers / what.per_unit
    return Weather(
        variables=variables,
        start=from_epoch(first - 60 * minutes),
        values=hold(values, minutes // SLOT_MINUTES),
        source_minutes=minutes,
    )


def _grid(times: object, section: str, minutes: int) -> tuple[int, int]:
    """(first stamp in epoch seconds, how many) of stamps that must follow each other evenly."""
    if not isinstance(times, list) or not times:
        raise unusable(PEER, f"{section} has no times")
    try:
        stamps = np.array([_stamp(text) for text in times], dtype=np.int64)
    except (TypeError, ValueError) as err:
        raise unusable(PEER, f"a time of {section} cannot be read ({err})") from err
    if (np.diff(stamps) != 60 * minutes).any() or stamps[0] % (60 * minutes):
        raise unusable(PEER, f"times of {section} are not {minutes} min apart, on the clock")
    return int(stamps[0]), stamps.size


def _stamp(text: str) -> int:
    """Epoch seconds of a time without offset, in UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise TimeError("time", text, "one without an offset")
    return to_epoch(moment.replace(tzinfo=UTC))


def _numbers(cells: object, name: str, count: int) -> F64:
    """Values (N,) as JSON has them, NaN for ``null``."""
    if not isinstance(cells, list) or len(cells) != count:
        raise unusable(PEER, f"{name} is not a list of {count} values, one for each time")
    return np.array([_number(cell, name) for cell in cells])


def _number(cell: object, name: str) -> float:
    if cell is None:
        return math.nan
    if not isinstance(cell, int | float) or isinstance(cell, bool) or not math.isfinite(cell):
        raise unusable(PEER, f"{name} has the value {cell!r}, want a number or null")
    return float(cell)
