"""The clear-sky energy of a roof: its planes under the tables of the sky, or an envelope without.

Units: kWh per slot of 15 min at the AC bus. With planes P, scale f and the inverter's limit L,

    c[t] = min(f * sum over P of plane_kwh under a clear sky at 12 deg C, L)           (PF1)
    f = 0.85 quantile of measured over (PF1) with f = 1, weighted by c                  (PF2)
    L = the largest value ever, if 1 % of the bright values lie within 1 % of it       (PF3)

(PF2) is for configured planes and scales them to their wiring and snow of reality; fitted planes
have f = 1. (PF3) tells an inverter smaller than its panels by its flat top. Without a position
there is no sky: c is then the third highest of the last 28 days at the slot (PF4).
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from forecast.planes import LEAST_DAYS, PlaneFitError, fit_plane, weighted_quantile
from forecast.sky import (
    Panel,
    Radiation,
    SkyTable,
    Sun,
    clear_radiation,
    make_sky,
    plane_kwh,
    sun_at,
)
from telemetry.arrays import F64, I64
from telemetry.home import Plane
from telemetry.slots import SLOT_SECONDS

__all__ = ["Roof", "fit_roof", "roof_from_state", "roof_state", "smear"]

NOMINAL_TEMP_C, NOMINAL_WIND_M_S = 12.0, 3.0
_SCALE_QUANTILE, _SCALES = 0.85, (0.3, 1.3)
_TOP_SHARE, _TOP_BAND, _TOP_LEAST, _TOP_BRIGHT = 0.01, 0.99, 20, 0.2
_UNSURE = 1.1  # of a fitted peak
_ENHANCED = 1.2  # clouds beside the sun reflect: more than a clear sky, for a slot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roof:
    """What turns light into energy.

    Attributes:
        sky: the place, None where unknown.
        panels: planes; empty where neither configured nor fitted.
        scale: of the planes (PF2).
        limit_kwh: no slot gives more.
    """

    sky: SkyTable | None
    panels: tuple[Panel, ...]
    scale: float
    limit_kwh: float

    @property
    def has_sky(self) -> bool:
        """Whether clear sky and planes are known."""
        return self.sky is not None and bool(self.panels)

    def clear_kwh(self, slots: I64) -> F64:
        """Return the clear-sky energy of slots of any shape (PF1)."""
        if self.sky is None:
            return np.zeros(slots.shape)
        light = clear_radiation(self.sky, slots)
        temp, wind = np.full(1, NOMINAL_TEMP_C), np.full(1, NOMINAL_WIND_M_S)
        return self.energy_kwh(sun_at(self.sky, slots), light, temp, wind)

    def energy_kwh(self, sun: Sun, light: Radiation, temp_c: F64, wind_m_s: F64) -> F64:
        """Return the energy under any light, at most the roof's limit."""
        total = np.zeros(sun.cos_zenith.shape)
        for panel in self.panels:
            total += plane_kwh(panel, sun, light, temp_c, wind_m_s)
        return np.minimum(self.scale * total, self.limit_kwh)

    def most_kwh(self, clear_kwh: F64, bright: F64) -> F64:
        """Return the most a slot can give, 0 without sun.

        Args:
            clear_kwh: clear-sky energy.
            bright: clear-sky index of the slot on bright days: where the planes are not quite the
                roof's, it may lie far above 1.
        """
        return np.minimum(_ENHANCED * np.maximum(bright, 1.0) * clear_kwh, self.limit_kwh)


def fit_roof(
    pv_kwh: F64,
    start: int,
    *,
    position: tuple[float, float] | None,
    elevation_m: float | None,
    planes: tuple[Plane, ...],
    parts: int,
) -> Roof:
    """Fit what is not known of a roof.

    Args:
        pv_kwh: (S,) kWh per slot, NaN where missing or not to be learnt from.
        start: epoch second of the first slot, on the grid of the source's intervals.
        position: latitude and longitude, or unknown.
        elevation_m: above the sea, or unknown.
        planes: configured planes, empty where unknown.
        parts: slots per interval of the source.
    """
    seen = float(np.nanmax(pv_kwh, initial=0.0))
    if position is None:
        return Roof(sky=None, panels=(), scale=1.0, limit_kwh=seen)
    sky = make_sky(position[0], position[1], elevation_m)
    if planes:
        peak_kwh = sum(plane.peak_kw for plane in planes) * SLOT_SECONDS / 3600.0
        panels = tuple(Panel.of(plane) for plane in planes)
        roof = Roof(sky=sky, panels=panels, scale=1.0, limit_kwh=min(_top(pv_kwh), peak_kwh))
        return replace(roof, scale=_scale(roof, pv_kwh, start, parts))
    try:
        panel = fit_plane(pv_kwh, start, sky, parts=parts).panel
    except PlaneFitError:
        return Roof(sky=sky, panels=(), scale=1.0, limit_kwh=seen)
    most = max(seen, _UNSURE * panel.peak_kw * SLOT_SECONDS / 3600.0)
    return Roof(sky=sky, panels=(panel,), scale=1.0, limit_kwh=min(_top(pv_kwh), most))


def roof_state(roof: Roof) -> dict[str, Any]:
    """Return a roof as numbers and arrays."""
    sky = None
    if roof.sky is not None:
        sky = {field.name: getattr(roof.sky, field.name) for field in fields(SkyTable)}
    panels = [list(panel) for panel in roof.panels]
    return {"sky": sky, "panels": panels, "scale": roof.scale, "limit_kwh": roof.limit_kwh}


def roof_from_state(state: dict[str, Any]) -> Roof:
    """Return the roof of a state."""
    return Roof(
        sky=None if state["sky"] is None else SkyTable(**state["sky"]),
        panels=tuple(Panel(*panel) for panel in state["panels"]),
        scale=float(state["scale"]),
        limit_kwh=float(state["limit_kwh"]),
    )


def smear(kwh: F64, first: int, parts: int) -> F64:
    """Return the means over the source's intervals, held over their slots; whole at both ends."""
    if parts == 1:
        return kwh
    ahead = first // SLOT_SECONDS % parts
    whole = np.arange(ahead, ahead + kwh.size) // parts
    held: F64 = (np.bincount(whole, kwh) / np.bincount(whole))[whole]
    return held


def _top(pv_kwh: F64) -> float:
    """Return the inverter's limit, infinite where no flat top shows one (PF3)."""
    known = pv_kwh[~np.isnan(pv_kwh)]
    top = float(known.max(initial=0.0))
    near = int(np.count_nonzero(known > _TOP_BAND * top))
    bright = int(np.count_nonzero(known > _TOP_BRIGHT * top))
    return top if near >= max(_TOP_LEAST, _TOP_SHARE * bright) else np.inf


def _scale(roof: Roof, pv_kwh: F64, start: int, parts: int) -> float:
    """Return the scale of configured planes (PF2), 1 where there is too little to tell."""
    slots = start + SLOT_SECONDS * np.arange(pv_kwh.size, dtype=np.int64)
    clear = smear(roof.clear_kwh(slots), start, parts)
    good = ~np.isnan(pv_kwh) & (clear > 0.1 * clear.max(initial=0.0)) & (pv_kwh > 0.0)
    if np.count_nonzero(good) < LEAST_DAYS * 24:
        return 1.0
    found = weighted_quantile(pv_kwh[good] / clear[good], clear[good], _SCALE_QUANTILE)
    return float(np.clip(found, *_SCALES))
