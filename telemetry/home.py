"""The house as a fact: where it stands, where its panels look, which market it buys from.

Units: degrees, metres above the sea, kW of installed peak power. Azimuth counts clockwise from
north: 90 = east, 180 = south, 270 = west. ``None`` means unknown, never a default place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from telemetry.errors import HomeError, TimeError
from telemetry.slots import zone_info

HOME_ID_LENGTH = 64


def _check_range(name: str, got: float, low: float, high: float) -> None:
    if not (math.isfinite(got) and low <= got <= high):
        raise HomeError(name, got, f"a number in [{low:g}, {high:g}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One plane of panels.

    Attributes:
        tilt_deg: 0 = flat, 90 = a wall.
        azimuth_deg: clockwise from north, 180 = south.
        peak_kw: installed peak power, > 0.
    """

    tilt_deg: float
    azimuth_deg: float
    peak_kw: float

    def __post_init__(self) -> None:
        """Refuse a plane that no roof has."""
        _check_range("plane.tilt_deg", self.tilt_deg, 0.0, 90.0)
        _check_range("plane.azimuth_deg", self.azimuth_deg, 0.0, 360.0)
        if not (math.isfinite(self.peak_kw) and self.peak_kw > 0.0):
            raise HomeError("plane.peak_kw", self.peak_kw, "installed kW above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One house.

    Attributes:
        home_id: key of all its facts, 1 to 64 characters.
        name: what people call it.
        zone: IANA zone; ``None`` only where an import met a home that no configuration knows.
        latitude: degrees north, or unknown.
        longitude: degrees east, or unknown.
        elevation_m: above the sea, or unknown.
        planes: its panels; empty without PV or where unknown.
        area: bidding area of its prices, e.g. ``SE4``, or unknown.
        currency: ISO 4217 code its bills are in.
    """

    home_id: str
    name: str = ""
    zone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    elevation_m: float | None = None
    planes: tuple[Plane, ...] = ()
    area: str | None = None
    currency: str = "SEK"

    def __post_init__(self) -> None:
        """Refuse a home that no house on earth has."""
        if not 0 < len(self.home_id) <= HOME_ID_LENGTH or self.home_id.strip() != self.home_id:
            want = f"1 to {HOME_ID_LENGTH} characters without outer blanks"
            raise HomeError("home_id", self.home_id, want)
        self._check_zone()
        if self.latitude is not None:
            _check_range("latitude", self.latitude, -90.0, 90.0)
        if self.longitude is not None:
            _check_range("longitude", self.longitude, -180.0, 180.0)
        if self.elevation_m is not None:
            _check_range("elevation_m", self.elevation_m, -500.0, 9000.0)
        if not (len(self.currency) == 3 and self.currency.isalpha() and self.currency.isupper()):  # noqa: PLR2004 - ISO 4217
            raise HomeError("currency", self.currency, "an ISO 4217 code such as SEK or EUR")

    def _check_zone(self) -> None:
        if self.zone is None:
            return
        try:
            zone_info(self.zone)
        except TimeError as err:
            raise HomeError("zone", self.zone, err.want) from err

    @property
    def position(self) -> tuple[float, float] | None:
        """(latitude, longitude) in degrees, or ``None`` where either is unknown."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude
