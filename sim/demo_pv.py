"""PV of the demo home: planes under the sky, warm modules, one inverter.

    E_poa = beam * iam(aoi) + sky (Hay and Davies 1980) + ground                 (G1)
    T_cell = temp + E_poa / (25 + 6.84 * wind)                                   (G2)
    P_dc = peak * E_poa / 1000 * (1 + gamma * (T_cell - 25)) * (1 - losses)      (G3)
    P_ac = PVWatts inverter, at most ``inverter_kw``                             (G4)

(G2) Faiman (2008), Progress in Photovoltaics 16, 307-315; (G3), (G4) Dobos (2014), PVWatts
version 5, NREL/TP-6A20-62641. Energy is kWh per slot at the AC bus, exactly 0 below the
horizon and never above peak * 0.25 h.
"""

import numpy as np

from sim.demo_weather import Sun, Weather, load_pvlib
from telemetry.arrays import F64
from telemetry.home import Plane
from telemetry.slots import SLOT_SECONDS

_SLOT_HOURS = SLOT_SECONDS / 3600.0
_GAMMA_PER_C = -0.0035
# Wiring, mismatch, soiling and snow; PVWatts' own default is 0.14.
_LOSSES = 0.10
_ALBEDO = 0.2


def make_pv(planes: tuple[Plane, ...], sun: Sun, weather: Weather, *, inverter_kw: float) -> F64:
    """Return (N,) PV energy of all planes behind one inverter, kWh per slot."""
    pvlib = load_pvlib()

    dc_kw = sum(plane_dc_kw(plane, sun, weather) for plane in planes)
    # The inverter's limit is given at the AC side: its DC rating is that over its efficiency.
    efficiency = 0.965
    ac_kw = pvlib.inverter.pvwatts(dc_kw, inverter_kw / efficiency, eta_inv_nom=efficiency)
    peak_kw = min(sum(plane.peak_kw for plane in planes), inverter_kw)
    ac_kw = np.where(sun.clear_ghi_w_m2 > 0.0, np.clip(ac_kw, 0.0, peak_kw), 0.0)
    pv_kwh: F64 = ac_kw * _SLOT_HOURS
    return pv_kwh


def plane_dc_kw(plane: Plane, sun: Sun, weather: Weather) -> F64:
    """Return (N,) DC power of one plane, kW (G1) to (G3)."""
    pvlib = load_pvlib()

    tilt, azimuth = plane.tilt_deg, plane.azimuth_deg
    poa = pvlib.irradiance.get_total_irradiance(
        tilt,
        azimuth,
        sun.zenith_deg,
        sun.azimuth_deg,
        weather.dni_w_m2,
        weather.ghi_w_m2,
        weather.dhi_w_m2,
        dni_extra=sun.dni_extra_w_m2,
        albedo=_ALBEDO,
        model="haydavies",
    )
    angle = pvlib.irradiance.aoi(tilt, azimuth, sun.zenith_deg, sun.azimuth_deg)
    effective = poa["poa_direct"] * pvlib.iam.physical(angle) + poa["poa_diffuse"]
    cell_c = pvlib.temperature.faiman(poa["poa_global"], weather.temp_c, weather.wind_m_s)
    dc_kw = pvlib.pvsystem.pvwatts_dc(effective, cell_c, plane.peak_kw, _GAMMA_PER_C)
    net: F64 = np.maximum(np.asarray(dc_kw), 0.0) * (1.0 - _LOSSES)
    return net
