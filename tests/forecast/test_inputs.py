"""What a forecast is made from: when a value may be used, and the newest word on the weather."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import SeriesError
from forecast.inputs import NEVER, Measured, WeatherIssues
from telemetry.arrays import F64

START, SLOT = 1_738_364_400, 900


def issues_of(*told: tuple[int, int, Sequence[float]]) -> WeatherIssues:
    """Issues of the temperature: (issued at, first slot, values), slots counted from START."""
    size = max(len(values) for _, _, values in told)
    values = np.full((len(told), 1, size), np.nan)
    for n, (_, _, given_values) in enumerate(told):
        values[n, 0, : len(given_values)] = given_values
    return WeatherIssues(
        variables=("temp_c",),
        issued_at=np.array([START + SLOT * at for at, _, _ in told], dtype=np.int64),
        start=np.array([START + SLOT * first for _, first, _ in told], dtype=np.int64),
        values=values,
    )


def foretold(weather: WeatherIssues, issue: int, ahead: int) -> list[float | None]:
    """What is known at one issue, slots counted from START; None where nothing is."""
    at = np.array([START + SLOT * issue], dtype=np.int64)
    found = weather.as_of("temp_c", at, ahead)[0].tolist()
    return [None if np.isnan(x) else x for x in found]


@pytest.mark.parametrize(
    ("start", "values", "known", "message"),
    [
        (START + 1, np.ones(2), np.zeros(2), "start is 1738364401, want a multiple of 900 s"),
        (START, np.ones((1, 2)), np.zeros((1, 2)), r"values is \(1, 2\), want \(S,\)"),
        (START, np.ones(2), np.zeros(3), r"values is \(2,\), want \(S,\), as known_at \(3,\)"),
        (START, np.array([0.0, -np.inf]), np.zeros(2), r"values\[1\] is infinite, want a number"),
    ],
    ids=["off the grid", "a table", "shapes", "infinite"],
)
def test_what_is_no_series_is_refused(start: int, values: F64, known: F64, message: str) -> None:
    with pytest.raises(SeriesError, match=message):
        Measured.of(start, values, known.astype(np.int64))


def test_a_value_is_usable_when_known_and_its_slot_is_over() -> None:
    known_at = START + np.array([0, 5000, 1800, -START - 1], dtype=np.int64)
    measured = Measured.of(START, np.array([1.0, 2.0, np.nan, 4.0]), known_at)
    # Known during its slot: from its end. Known later: from then. Missing: never. No row: the end.
    assert measured.usable_from.tolist() == [START + 900, START + 5000, NEVER, START + 3600]
    assert measured.slots.tolist() == [START + 900 * k for k in range(4)]
    assert measured.end == START + 3600
    for issue, want in [
        (899, [np.nan] * 4),
        (900, [1.0, np.nan, np.nan, np.nan]),
        (3600, [1.0, np.nan, np.nan, 4.0]),
        (5000, [1.0, 2.0, np.nan, 4.0]),
    ]:
        np.testing.assert_array_equal(measured.as_of(START + issue), want)


def test_a_missing_value_is_never_usable_however_late() -> None:
    measured = Measured.of(START, np.array([np.nan]), np.array([START], dtype=np.int64))
    assert (measured.usable_from > START + 10**12).all()


def test_the_truth_of_targets_of_any_shape() -> None:
    measured = Measured.of(START, np.array([1.0, 2.0]), np.full(2, START + 10**9))
    targets = START + SLOT * np.array([[-1, 0], [1, 2]], dtype=np.int64)
    np.testing.assert_array_equal(measured.at(targets), [[np.nan, 1.0], [2.0, np.nan]])


def test_marked_values_go_missing_and_stay_so() -> None:
    measured = Measured.of(START, np.array([1.0, 2.0]), np.full(2, START, dtype=np.int64))
    left = measured.without(np.array([True, False]))
    np.testing.assert_array_equal(left.as_of(START + 10**9), [np.nan, 2.0])
    assert left.usable_from.tolist() == [NEVER, START + 1800]
    assert measured.values.tolist() == [1.0, 2.0]


def test_the_newest_issue_wins_and_older_ones_fill() -> None:
    # Issue 0 speaks of slots 0 to 5, issue 4 of slots 4 and 5 but says nothing of the latter.
    weather = issues_of((0, 0, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), (4, 4, [40.0, np.nan]))
    assert foretold(weather, 4, 3) == [40.0, 5.0, None]
    # A quarter before, the second issue is not known.
    assert foretold(weather, 3, 3) == [3.0, 4.0, 5.0]
    assert foretold(weather, -1, 2) == [None, None]


def test_an_issue_is_seen_from_its_second_on() -> None:
    weather = issues_of((0, 0, [1.0, 1.0, 1.0]), (1, 0, [2.0, 2.0, 2.0]))
    at = START + SLOT - 1 + np.array([0, 1], dtype=np.int64)
    # One second apart: slot 0 by the first, slot 1 by the second.
    assert weather.as_of("temp_c", at, 1)[:, 0].tolist() == [1.0, 2.0]


def test_a_newer_issue_of_other_hours_hides_no_older_one() -> None:
    """The newest speaks of tomorrow alone; today comes from the one before."""
    weather = issues_of((0, 0, [1.0, 1.0, 1.0, 1.0]), (1, 96, [9.0]))
    assert foretold(weather, 1, 2) == [1.0, 1.0]


def test_two_newer_issues_of_other_hours_hide_no_older_one() -> None:
    weather = issues_of((0, 0, [1.0] * 4), (1, 96, [9.0]), (1, 97, [9.0]))
    assert foretold(weather, 2, 3) == [1.0, 1.0, None]


def test_many_issues_are_each_by_itself() -> None:
    rng = np.random.default_rng(3)
    told = [(int(n), int(n), rng.uniform(-9, 9, 40).tolist()) for n in np.arange(0, 60, 6)]
    weather = issues_of(*told)
    issues = START + SLOT * np.arange(-2, 70, dtype=np.int64)
    together = weather.as_of("temp_c", issues, 30)
    for n in range(issues.size):
        np.testing.assert_array_equal(
            weather.as_of("temp_c", issues[n : n + 1], 30)[0], together[n]
        )


@given(seed=st.integers(0, 2**31), issue=st.integers(0, 30))
def test_an_issue_is_the_newest_number_of_a_loop(seed: int, issue: int) -> None:
    rng = np.random.default_rng(seed)
    told = []
    for at in sorted(rng.integers(0, 30, 6).tolist()):
        values = rng.uniform(0.0, 1.0, 45)  # long enough to reach beyond every window
        values[rng.random(45) < 0.3] = np.nan
        told.append((at, at + int(rng.integers(-3, 1)), values.tolist()))
    want: list[float | None] = [None] * 12
    for at, first, values in told:
        for k, value in enumerate(values):
            place = first + k - issue
            if at <= issue and 0 <= place < 12 and not np.isnan(value):
                want[place] = value
    assert foretold(issues_of(*told), issue, 12) == want


def test_what_nobody_foretells_is_unknown() -> None:
    weather = issues_of((0, 0, [1.0]))
    at = np.array([START], dtype=np.int64)
    assert np.isnan(weather.as_of("ghi_w_m2", at, 3)).all()
    none = WeatherIssues(
        variables=("temp_c",),
        issued_at=np.empty(0, dtype=np.int64),
        start=np.empty(0, dtype=np.int64),
        values=np.empty((0, 1, 4)),
    )
    assert none.as_of("temp_c", at, 3).shape == (1, 3)
    assert np.isnan(none.as_of("temp_c", at, 3)).all()
