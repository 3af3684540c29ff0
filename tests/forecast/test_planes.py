"""Planes from what they made: under clouds, at both sides of the equator, and refusals."""

import numpy as np
import pytest

from forecast.planes import PlaneFitError, fit_plane, weighted_quantile
from forecast.sky import Panel, SkyTable, clear_radiation, make_sky, plane_kwh, sun_at
from telemetry.arrays import F64

START = 1_738_368_000  # 2025-02-01 UTC
NORTH, SOUTH = (55.6, 13.0), (-33.9, 151.2)


def roof(sky: SkyTable, panel: Panel, days: int, seed: int = 0) -> F64:
    """Return PV under clouds: every third day clear, the others by chance."""
    slots = START + 900 * np.arange(days * 96, dtype=np.int64)
    clear = plane_kwh(
        panel, sun_at(sky, slots), clear_radiation(sky, slots), np.full(1, 12.0), np.full(1, 3.0)
    )
    rng = np.random.default_rng(seed)
    hours = np.repeat(rng.uniform(0.1, 1.0, days * 24), 4)
    solar_day = (slots + int(240 * sky.longitude)) // 86_400
    clouds = np.where(solar_day % 3 == 0, 1.0, hours)
    return clear * clouds


@pytest.mark.parametrize(
    ("place", "panel"),
    [
        pytest.param(NORTH, Panel(38.0, 175.0, 6.0), id="south roof in Sweden"),
        pytest.param(NORTH, Panel(25.0, 265.0, 3.0), id="west roof in Sweden"),
        pytest.param(SOUTH, Panel(25.0, 10.0, 5.0), id="north roof in Australia"),
    ],
)
@pytest.mark.parametrize("parts", [1, 4])
def test_a_roof_is_found_under_clouds(place: tuple[float, float], panel: Panel, parts: int) -> None:
    sky = make_sky(*place)
    kwh = roof(sky, panel, 90)
    held = np.repeat(kwh.reshape(-1, parts).mean(axis=1), parts)
    fit = fit_plane(held, START, sky, parts=parts)
    turned = (fit.panel.azimuth_deg - panel.azimuth_deg + 180.0) % 360.0 - 180.0
    assert abs(turned) < 6.0
    assert fit.panel.tilt_deg == pytest.approx(panel.tilt_deg, abs=5.0)
    assert fit.panel.peak_kw == pytest.approx(panel.peak_kw, rel=0.05)
    assert fit.error_ratio < 0.05
    assert fit.clear_days >= 10


def test_missing_values_do_not_matter() -> None:
    sky = make_sky(*NORTH)
    kwh = roof(sky, Panel(38.0, 175.0, 6.0), 60)
    kwh[np.random.default_rng(1).random(kwh.size) < 0.05] = np.nan
    assert fit_plane(kwh, START, sky).panel.azimuth_deg == pytest.approx(175.0, abs=6.0)


@pytest.mark.parametrize(
    ("kwh", "fault"),
    [
        pytest.param(np.zeros(96 * 40), "0 days with PV", id="all zero"),
        pytest.param(np.full(96 * 40, np.nan), "0 days with PV", id="nothing known"),
        pytest.param(np.full(96 * 40, 0.3), "a constant 0.3 kWh", id="constant"),
        pytest.param(np.full(96 * 3, 0.3), "3 days with PV", id="three days"),
        pytest.param(np.zeros(0), "0 days with PV", id="empty"),
    ],
)
def test_what_tells_no_plane_is_refused(kwh: F64, fault: str) -> None:
    with pytest.raises(PlaneFitError, match=rf"{fault}.*configure the planes"):
        fit_plane(kwh, START, make_sky(*NORTH))


def test_a_weighted_quantile_by_hand() -> None:
    # Weights 1, 2, 5 of 1, 2, 3: half of 8 is reached within the 3.
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 2.0])
    assert weighted_quantile(values, weights, 0.5) == 3.0
    assert weighted_quantile(values, weights, 0.3) == 2.0
    assert weighted_quantile(values, weights, 0.0) == 1.0
