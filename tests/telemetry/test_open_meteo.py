"""Weather: radiation in the slots it is the mean of, UTC or nothing, no archive as a forecast.

The server replays the documented shape. Its radiation is pvlib's clear sky at the villa, sampled
every minute, each stamp the mean of the interval that ends there; its temperature names the stamp.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import numpy as np
import pytest

from telemetry import Home
from telemetry.arrays import F64
from telemetry.errors import HomeError, PeerReplyError, PeerUnreachableError
from telemetry.open_meteo import (
    VARIABLES,
    OpenMeteo,
    Weather,
    archived_days,
    put_archive,
    put_forecast,
)
from telemetry.slots import to_epoch
from telemetry.store import Store
from telemetry.sun import solar_elevation_deg
from tests.telemetry.web import Answer, Query, Web, serving

JUNE = datetime(2025, 6, 12, tzinfo=UTC)
FIRST_SUN = datetime(2025, 6, 7, tzinfo=UTC)
NOW = JUNE + timedelta(hours=2, minutes=20, seconds=7)
RADIATION = {"shortwave_radiation": 1.0, "direct_normal_irradiance": 1.1, "diffuse_radiation": 0.2}
UNITS = {
    "temperature_2m": "°C",
    "wind_speed_10m": "m/s",
    "cloud_cover": "%",
    **dict.fromkeys(RADIATION, "W/m²"),
}


@cache
def minutes_of_sun() -> F64:
    """Clear-sky GHI at the middle of every minute from 7 June 00:00 UTC on, 15 days, W/m2.

    Haurwitz (1945): 1098 cos(z) exp(-0.057 / cos(z)), a function of the sun's height alone.
    """
    middles = to_epoch(FIRST_SUN) + 60 * np.arange(15 * 1440, dtype=np.int64) + 30
    sine = np.sin(np.radians(solar_elevation_deg(middles, 55.5, 13.1)))
    up = sine > 0.0
    found = np.zeros(sine.size)
    found[up] = 1098.0 * sine[up] * np.exp(-0.057 / sine[up])
    return found


def mean_of_sun(start: datetime, minutes: int) -> float:
    """Mean clear-sky GHI of [start, start + minutes)."""
    at = int((start - FIRST_SUN).total_seconds()) // 60
    return float(minutes_of_sun()[at : at + minutes].mean())


def temperature(stamp: datetime) -> float:
    """A number that names a moment: hours after midnight of the 12th."""
    return (stamp - JUNE) / timedelta(hours=1)


def value_at(name: str, stamp: datetime, minutes: int) -> float:
    if name in RADIATION:
        return RADIATION[name] * mean_of_sun(stamp - timedelta(minutes=minutes), minutes)
    return {"temperature_2m": temperature(stamp), "wind_speed_10m": 3.0}.get(name, stamp.hour)


def section(names: str, first: datetime, end: datetime, minutes: int) -> dict[str, Any]:
    step = timedelta(minutes=minutes)
    stamps = [first + k * step for k in range(int((end - first) / step))]
    found: dict[str, Any] = {"time": [f"{stamp:%Y-%m-%dT%H:%M}" for stamp in stamps]}
    for name in names.split(","):
        found[name] = [value_at(name, stamp, minutes) for stamp in stamps]
    return found


def open_meteo(path: str, query: Query) -> Answer:
    """Answer as Open-Meteo does, for the days asked for; forecasts begin on the 12th."""
    if path == "/v1/forecast":
        first, end = JUNE, JUNE + timedelta(days=int(query["forecast_days"]))
    else:
        first, end = (
            datetime.fromisoformat(query[name]).replace(tzinfo=UTC)
            for name in ("start_date", "end_date")
        )
        end += timedelta(days=1)
    reply: dict[str, Any] = {
        "latitude": 55.5,
        "longitude": 13.1,
        "elevation": 21.0,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
    }
    for name, minutes in (("minutely_15", 15), ("hourly", 60)):
        if name in query:
            reply[name] = section(query[name], first, end, minutes)
            reply[f"{name}_units"] = {"time": "iso8601", **UNITS}
    return 200, reply


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[str, Query], Answer]:
    """Return a service whose reply is changed on its way."""

    def answer(path: str, query: Query) -> Answer:
        _, reply = open_meteo(path, query)
        change(reply)
        return 200, reply

    return answer


def forecast(
    home: Home,
    answer: Callable[[str, Query], Answer] = open_meteo,
    *,
    now: datetime = NOW,
    days: int = 2,
    naps: list[float] | None = None,
) -> tuple[tuple[Weather, Weather], Web]:
    sleeps: list[float] = [] if naps is None else naps
    with serving(answer) as web, httpx.Client() as client:
        service = OpenMeteo(client, forecast_url=f"{web.url}/v1/forecast", sleep=sleeps.append)
        return service.forecast(home, now=now, days=days), web


def archive(
    home: Home,
    first: date,
    last: date,
    answer: Callable[[str, Query], Answer] = open_meteo,
) -> tuple[Weather, Web]:
    with serving(answer) as web, httpx.Client() as client:
        service = OpenMeteo(client, archive_url=f"{web.url}/v1/archive", sleep=lambda _: None)
        return service.archive(home, first, last), web


def starts_of(weather: Weather) -> list[datetime]:
    return [weather.start + k * timedelta(minutes=15) for k in range(weather.values.shape[1])]


def solar_noon(day: datetime) -> float:
    """When the sun stands highest, to the second: hours after midnight UTC."""
    seconds = to_epoch(day) + np.arange(8 * 3600, 14 * 3600, dtype=np.int64)
    return 8.0 + int(np.argmax(solar_elevation_deg(seconds, 55.5, 13.1))) / 3600.0


def centre(radiation: F64) -> float:
    """Centre of mass of a day of slots, hours after its start."""
    middles = (np.arange(96) + 0.5) / 4.0
    return float(radiation @ middles / radiation.sum())


def test_forecast_radiation_lies_in_its_own_slot_around_solar_noon(villa: Home) -> None:
    (quarters, hours), web = forecast(villa, now=JUNE)
    ghi = quarters.values[quarters.variables.index("ghi_w_m2")]
    want = [mean_of_sun(start, 15) for start in starts_of(quarters)[:-1]]
    np.testing.assert_allclose(ghi[:-1], want, rtol=1e-12)
    # The stamp after the last slot was not sent: unknown, not zero.
    assert np.isnan(ghi[-1])
    # 55.5 N, 13.1 E: the sun culminates at 12:00 - 13.1 deg * 4 min, about 11:07 UTC.
    assert solar_noon(JUNE) == pytest.approx(12.0 - 13.1 / 15.0, abs=0.05)
    assert centre(ghi[:96]) == pytest.approx(solar_noon(JUNE), abs=1.0 / 60.0)
    assert web.asked == [
        (
            "/v1/forecast",
            {
                "latitude": "55.5",
                "longitude": "13.1",
                "timezone": "UTC",
                "wind_speed_unit": "ms",
                "minutely_15": "temperature_2m,shortwave_radiation,direct_normal_irradiance,"
                "diffuse_radiation,wind_speed_10m",
                "hourly": "cloud_cover",
                "forecast_days": "2",
                "past_days": "0",
            },
        )
    ]
    assert hours.source_minutes == 60


def test_archive_radiation_lies_in_its_own_hour_around_solar_noon(villa: Home) -> None:
    found, web = archive(villa, JUNE.date(), JUNE.date())
    assert web.asked[0][1]["start_date"] == "2025-06-12"
    assert web.asked[0][1]["end_date"] == "2025-06-13"
    ghi = found.values[VARIABLES.index("ghi_w_m2")]
    want = [mean_of_sun(start.replace(minute=0), 60) for start in starts_of(found)]
    np.testing.assert_allclose(ghi, want, rtol=1e-12)
    assert ghi.size == 96
    assert centre(ghi) == pytest.approx(solar_noon(JUNE), abs=1.0 / 60.0)


def test_a_forecast_begins_now_and_its_stamps_begin_their_slots(store: Store, villa: Home) -> None:
    parts, _ = forecast(villa)
    put_forecast(store, "villa", parts, now=NOW)
    seen = store.weather("villa", JUNE, JUNE + timedelta(days=2), as_of=NOW)
    assert set(seen.variables) == set(VARIABLES)
    # 02:20:07 lies in slot 9; 00:00 to 02:15 are past and no forecast.
    temp = seen.of("temp_c")
    assert np.isnan(temp[:9]).all()
    np.testing.assert_allclose(temp[9:], np.arange(9, 192) / 4.0, rtol=1e-12)
    # Clouds by the hour, held: 02:15 has those of 02:00, 2 %; 03:00 has 3 %.
    assert seen.of("cloud_cover")[[9, 11, 12]].tolist() == [0.02, 0.02, 0.03]
    issued = seen.issued_at[seen.variables.index("temp_c")]
    assert set(issued[9:].tolist()) == {to_epoch(NOW)}
    lead_hours = (seen.slot_start[13] - issued[13]) / 3600.0
    assert lead_hours == pytest.approx(3.25 - (2 + 20 / 60 + 7 / 3600))
    unknown = store.weather(
        "villa", JUNE, JUNE + timedelta(days=2), as_of=NOW - timedelta(seconds=1)
    )
    assert unknown.variables == ()


def test_archive_is_never_served_as_a_forecast(store: Store, villa: Home) -> None:
    last = date(2025, 6, 12)
    found, _ = archive(villa, date(2025, 6, 11), last)
    counts = put_archive(store, "villa", found)
    assert counts.inserted == 2
    window = (JUNE - timedelta(days=1), JUNE + timedelta(days=1))
    late = JUNE + timedelta(days=30)
    assert store.weather("villa", *window, as_of=late).variables == ()
    past = store.weather("villa", *window, as_of=late, kind="archive")
    assert not np.isnan(past.values).any()
    # Each UTC day is known at its own end.
    issued = past.issued_at[0]
    assert set(issued[:96].tolist()) == {to_epoch(JUNE)}
    assert set(issued[96:].tolist()) == {to_epoch(JUNE + timedelta(days=1))}
    assert put_archive(store, "villa", found).changed == 0
    days = [date(2025, 6, 10), date(2025, 6, 11), last]
    assert archived_days(store, "villa", days) == {days[0]: 0.0, days[1]: 1.0, days[2]: 1.0}


def test_null_is_missing_and_may_come_later(store: Store, villa: Home) -> None:
    def nothing_after_noon(reply: dict[str, Any]) -> None:
        for name in UNITS:
            reply["hourly"][name][12:] = [None] * (48 - 12)

    found, _ = archive(villa, JUNE.date(), JUNE.date(), changed(nothing_after_noon))
    put_archive(store, "villa", found)
    # Of radiation the stamp 12:00, and so the hour from 11:00, is missing too: 3 x 11 + 3 x 12 h.
    assert archived_days(store, "villa", [JUNE.date()]) == {JUNE.date(): (33 + 36) / (6 * 24)}
    whole, _ = archive(villa, JUNE.date(), JUNE.date())
    put_archive(store, "villa", whole)
    assert archived_days(store, "villa", [JUNE.date()]) == {JUNE.date(): 1.0}


def test_a_home_without_position(villa: Home) -> None:
    nowhere = Home(home_id="cabin", zone=villa.zone)
    with pytest.raises(HomeError, match="position of home cabin is None, want latitude and longit"):
        forecast(nowhere)


def of_quarters(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda reply: reply["minutely_15"].update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(utc_offset_seconds=7200), "asked for UTC, its times are 7200 s off"),
        (lambda r: r.pop("utc_offset_seconds"), "asked for UTC, its times are None s off"),
        (lambda r: r.pop("minutely_15"), "has no minutely_15"),
        (lambda r: r["hourly_units"].update(cloud_cover="okta"), "cloud_cover is in 'okta'"),
        (
            lambda r: r["minutely_15_units"].update(wind_speed_10m="km/h"),
            "wind_speed_10m is in 'km/h', want m/s",
        ),
        (of_quarters("temperature_2m", [1.0]), "temperature_2m is not a list of 192 values"),
        (of_quarters("temperature_2m", ["1.0"] * 192), "has the value '1.0'"),
        (of_quarters("time", ["2025-06-12T00:00"] * 192), "not 15 min apart"),
        (of_quarters("time", ["2025-06-12T00:00+02:00"] * 192), "one without an offset"),
        (of_quarters("time", ["noon"] * 192), "a time of minutely_15 cannot be read"),
        (of_quarters("time", []), "minutely_15 has no times"),
    ],
)
def test_a_broken_reply_is_told(
    villa: Home, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(PeerReplyError, match=message):
        forecast(villa, changed(change))


def test_the_services_own_reason_is_told(villa: Home) -> None:
    reason = "Parameter 'end_date' is out of allowed range"
    with pytest.raises(PeerReplyError, match=f"Open-Meteo: it answered HTTP 400: {reason}"):
        forecast(villa, lambda *_: (400, {"error": True, "reason": reason}))
    with pytest.raises(PeerReplyError, match="no JSON"):
        forecast(villa, lambda *_: (200, b'{"latitude": 55.5, "hour'))


def test_a_busy_service_is_asked_again(villa: Home) -> None:
    left, naps = [503, 429], list[float]()
    forecast(villa, lambda p, q: (left.pop(), {}) if left else open_meteo(p, q), naps=naps)
    assert naps == [2.0, 10.0]
    with pytest.raises(PeerUnreachableError, match="it answered HTTP 429; try again later"):
        forecast(villa, lambda *_: (429, {}))
