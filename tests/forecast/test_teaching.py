"""What must not teach: each rule by hand."""

import numpy as np
import pytest

from forecast.errors import SeriesError
from forecast.inputs import Measured
from forecast.sky import SkyTable, make_sky
from forecast.teaching import pv_teaches
from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Quality

START = 1_735_689_600  # 2025-01-01 UTC
SLOTS = np.arange(96)
BELL = np.maximum(np.sin((SLOTS - 30) / 36.0 * np.pi), 0.0) * ((SLOTS > 30) & (SLOTS < 66))


def measured(values: F64) -> Measured:
    """Return PV known at once."""
    return Measured.of(START, values, np.zeros(values.size, dtype=np.int64))


@pytest.fixture(scope="module")
def sky() -> SkyTable:
    return make_sky(55.6, 13.0)


def days(count: int, scale: float = 1.0) -> F64:
    """Return so many days alike."""
    return np.tile(BELL, count) * scale


def test_honest_days_all_teach(sky: SkyTable) -> None:
    assert pv_teaches(measured(days(10)), sky=sky).all()
    assert pv_teaches(measured(days(10))).all()


@pytest.mark.parametrize(
    "bit", [Quality.STUCK, Quality.SPIKE, Quality.SUSPECT, Quality.LUMP, Quality.GAP]
)
def test_doubtful_values_do_not_teach(bit: Quality) -> None:
    quality: I64 = np.zeros(960, dtype=np.int64)
    quality[48] = int(bit | Quality.HOURLY)
    quality[49] = int(Quality.NIGHT_ZERO)
    assert np.flatnonzero(~pv_teaches(measured(days(10)), quality=quality)).tolist() == [48]


def test_a_missing_value_does_not_teach() -> None:
    values = days(10)
    values[40] = np.nan
    assert np.flatnonzero(~pv_teaches(measured(values))).tolist() == [40]


@pytest.mark.parametrize(
    ("slots", "value", "want"),
    [
        pytest.param(12, 0.4, 12, id="three hours: stuck"),
        pytest.param(8, 0.4, 0, id="two hours: an overcast noon of hourly data"),
        pytest.param(12, 1.0, 0, id="at the limit of the inverter"),
        pytest.param(12, 0.0, 0, id="zero is no reading that hangs"),
    ],
)
def test_a_value_that_hangs(sky: SkyTable, slots: int, value: float, want: int) -> None:
    values = days(10)
    values[5 * 96 + 36 : 5 * 96 + 36 + slots] = value
    for place in (sky, None):
        teaches = pv_teaches(measured(values), sky=place)
        assert np.count_nonzero(~teaches) == want
        assert want == 0 or not teaches[5 * 96 + 36 : 5 * 96 + 36 + slots].any()


def test_snow_after_frost_is_no_weather(sky: SkyTable) -> None:
    values = days(20)
    values[5 * 96 : 6 * 96] *= 0.02  # covered
    values[9 * 96 : 10 * 96] *= 0.08  # overcast
    temp = np.full(values.size, 5.0)
    temp[4 * 96 + 10] = -3.0
    teaches = pv_teaches(measured(values), sky=sky, temp_c=temp)
    # The solar day at 13 degrees east begins 52 minutes before the UTC day.
    assert np.unique((np.flatnonzero(~teaches) + 3) // 96).tolist() == [5]
    warm = pv_teaches(measured(values), sky=sky, temp_c=np.full(values.size, 5.0))
    assert warm.all()


def test_without_temperature_snow_needs_two_days() -> None:
    values = days(20)
    values[5 * 96 : 6 * 96] = 0.0
    assert pv_teaches(measured(values)).all()
    values[6 * 96 : 7 * 96] = 0.0
    assert np.unique(np.flatnonzero(~pv_teaches(measured(values))) // 96).tolist() == [5, 6]


def test_a_house_whose_panels_never_gave_anything_teaches_that() -> None:
    assert pv_teaches(measured(np.zeros(40 * 96))).all()


def may_be(first: int, end: int, size: int) -> Bool:
    """Return a mask of the slots with a negative price."""
    slots = np.arange(size)
    mask: Bool = (slots >= first) & (slots < end)
    return mask


def test_pv_held_down_at_a_negative_price() -> None:
    values = days(10)
    first, end = 5 * 96 + 44, 5 * 96 + 52
    mask = may_be(first, end, values.size)
    # At full sun nothing was curtailed, whatever the price.
    assert pv_teaches(measured(values), may_be_curtailed=mask).all()
    values[first:end] *= 0.3
    got = ~pv_teaches(measured(values), may_be_curtailed=mask)
    assert np.flatnonzero(got).tolist() == list(range(first, end))
    # The same dip at a positive price is a cloud.
    assert pv_teaches(measured(values)).all()


def test_a_whole_day_held_down_is_compared_with_bright_days() -> None:
    values = days(10)
    values[5 * 96 : 6 * 96] *= 0.3
    got = ~pv_teaches(
        measured(values), may_be_curtailed=may_be(5 * 96 - 20, 6 * 96 + 20, values.size)
    )
    assert got[5 * 96 + 31 : 5 * 96 + 66].all()


def test_ordered_curtailment_does_not_teach() -> None:
    mask = may_be(100, 104, 960)
    assert np.flatnonzero(~pv_teaches(measured(days(10)), curtailed=mask)).tolist() == [
        100,
        101,
        102,
        103,
    ]


def test_arrays_of_another_length_are_refused() -> None:
    with pytest.raises(SeriesError, match=r"temp_c is \(3,\), want \(960,\)"):
        pv_teaches(measured(days(10)), temp_c=np.zeros(3))


def test_an_empty_series_is_none_at_all() -> None:
    assert pv_teaches(measured(np.zeros(0))).size == 0
