"""What the mean of a signed power says of its two sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.signed_power import WITHIN_KW, side_is_known

NAN = float("nan")


@pytest.mark.parametrize(
    ("mean", "low", "high", "hours", "want"),
    [
        pytest.param(1.5, 0.0, 3.0, 1.0, True, id="only taken"),
        pytest.param(-1.5, -3.0, 0.0, 1.0, True, id="only given"),
        pytest.param(0.0, -2.0, 2.0, 1.0, False, id="half and half: 1 kWh each way, mean 0"),
        # All time at either end: 5 % of it at -2 kW are 0.1 kW, 10 % are 0.2 kW.
        pytest.param(1.8, -2.0, 2.0, 1.0, True, id="5 % the other way"),
        pytest.param(1.6, -2.0, 2.0, 1.0, False, id="10 % the other way"),
        pytest.param(0.0, -0.2, 0.2, 1 / 12, True, id="hunting around zero: 0.1 kW each way"),
        pytest.param(0.5, NAN, NAN, 1.0, False, id="an hour without its least and most"),
        pytest.param(0.5, NAN, NAN, 1 / 12, True, id="five minutes without them"),
    ],
)
def test_hand_cases(mean: float, low: float, high: float, hours: float, *, want: bool) -> None:
    one = [np.array([value]) for value in (mean, low, high)]
    assert side_is_known(one[0], one[1], one[2], hours=hours).tolist() == [want]


@given(st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=12))
def test_where_it_is_known_the_means_side_is_right(powers_kw: list[float]) -> None:
    series = np.array(powers_kw)
    one = [np.array([value]) for value in (series.mean(), series.min(), series.max())]
    if side_is_known(one[0], one[1], one[2], hours=1.0)[0]:
        taken = np.maximum(series, 0.0).mean()
        assert max(series.mean(), 0.0) == pytest.approx(taken, abs=WITHIN_KW + 1e-9)
