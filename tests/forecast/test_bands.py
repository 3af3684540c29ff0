"""Bands: as many inside as promised, never crossing, and only from what had happened by then."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.aurora import Aurora, score
from forecast.bands import (
    BAND_GROUPS,
    TRAILING_DAYS,
    WIDE,
    Bands,
    Scores,
    band_of_lead,
    calibrated,
    coarse,
)
from forecast.load import naive_load
from telemetry.arrays import F64, I64
from tests.forecast.small_homes import DAY, SLOT, measured, small_home
from tests.forecast.small_homes import START as AT

NAIVE = Aurora(load=naive_load(), pv=None, load_bands=WIDE, pv_bands=WIDE, trained_until=AT)


def scores(
    ratio: F64,
    *,
    lead: int | I64 = 0,
    issue: int | I64 = AT - DAY,
    known: int | I64 = AT,
    error_kwh: float | F64 = 1.0,
    mean_kwh: float | F64 = 1.0,
    deviation_kwh: float | F64 = 1.0,
) -> Scores:
    """Scores of which some fields are the same for all."""
    whole, real = np.zeros(ratio.size, dtype=np.int64), np.zeros(ratio.size)
    return Scores(
        issue=whole + issue,
        known=whole + known,
        lead=whole + lead,
        ratio=ratio,
        error_kwh=real + error_kwh,
        mean_kwh=real + mean_kwh,
        deviation_kwh=real + deviation_kwh,
    )


def test_quantiles_by_hand() -> None:
    """Of 39 scores -19 to 19: ranks floor(0.1 * 40) = 4 and ceil(0.9 * 40) = 36."""
    order = np.random.default_rng(0).permutation(39)
    found = calibrated(scores(order.astype(np.float64) - 19.0), AT)
    assert (found.low[0], found.high[0]) == (-16.0, 16.0)
    assert found.days == 1
    # The other groups have no scores.
    assert found.low[1:] == WIDE.low[1:]
    assert found.high[1:] == WIDE.high[1:]


def test_trust_by_hand() -> None:
    """Errors of 3 and 4 in turn, deviations of 5: rms sqrt(12.5) over 5; at most 1.2."""
    turn = np.tile([3.0, -4.0], 20)
    given_scores = scores(np.zeros(40), error_kwh=turn, deviation_kwh=5.0)
    assert calibrated(given_scores, AT).trust[0] == pytest.approx(np.sqrt(12.5) / 5.0)
    assert calibrated(replace(given_scores, error_kwh=9.0 * turn), AT).trust[0] == 1.2
    flat = replace(given_scores, deviation_kwh=np.zeros(40))
    assert calibrated(flat, AT).trust[0] == 1.0


def test_level_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 scores of 1 kWh said and 1.2 came: 1 + 0.6 * 0.2; of older than 16 days none counts."""
    monkeypatch.setattr("forecast.bands._LEVEL_DAYS", 16)
    monkeypatch.setattr("forecast.bands._LEVEL_SHARE", 0.6)
    new = scores(np.zeros(32), error_kwh=0.2, lead=np.repeat([0, 4], 16))
    assert calibrated(new, AT).level == (1.0,) * 6  # 16 a group are too few
    new = scores(np.zeros(60), error_kwh=0.2, lead=np.repeat([0, 4], 30))
    old = scores(np.zeros(60), error_kwh=-0.9, issue=AT - 17 * DAY)
    level = calibrated(Scores.joined([new, old]), AT).level
    np.testing.assert_allclose(level, [1.12, 1.12, 1.0, 1.0, 1.0, 1.0])
    assert calibrated(scores(np.zeros(60), error_kwh=5.0), AT).level[0] == 1.25
    assert calibrated(scores(np.zeros(60), error_kwh=-1.0), AT).level[0] == 0.8
    # A roof in the dark: nothing said, nothing to correct.
    assert calibrated(scores(np.zeros(60), mean_kwh=0.0, error_kwh=0.1), AT).level[0] == 1.0


def test_trust_and_level_change_without_a_jump() -> None:
    """Group middles: leads 2, 8, 18, 36, 72 and 144; the ends hold beyond them."""
    bands = replace(WIDE, trust=(0.0, 0.6, 0.6, 0.6, 0.6, 1.2), level=(1.0, 0.7) + (1.0,) * 4)
    leads = np.array([0, 2, 5, 8, 50, 108, 144, 287])
    np.testing.assert_allclose(
        bands.trust_at(leads), [0.0, 0.0, 0.3, 0.6, 0.6, 0.9, 1.2, 1.2], atol=1e-12
    )
    np.testing.assert_allclose(bands.level_at(leads[:4]), [1.0, 1.0, 0.85, 0.7])


@pytest.mark.parametrize(("count", "wide"), [(29, True), (30, False)])
def test_a_group_of_few_scores_is_a_wide_guess(count: int, wide: bool) -> None:  # noqa: FBT001
    found = calibrated(scores(np.full(count, 0.01), lead=96), AT)
    group = len(BAND_GROUPS) - 1
    assert (found.high[group] == WIDE.high[group]) is wide
    assert found.high[group] == (2.0 if wide else 0.01)
    assert found.low[group] == (-1.6 if wide else 0.0)


def test_without_scores_all_is_wide_and_says_so() -> None:
    assert calibrated(Scores.joined([]), AT) == WIDE
    assert WIDE.days == 0


def test_every_lead_has_its_group() -> None:
    leads = np.array([0, 3, 4, 11, 12, 23, 24, 47, 48, 95, 96, 191, 500])
    assert band_of_lead(leads).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]


def test_groups_are_calibrated_apart() -> None:
    parts = [scores(np.full(30, 0.1 * g), lead=first) for g, first in enumerate(BAND_GROUPS, 1)]
    found = calibrated(Scores.joined(parts), AT)
    np.testing.assert_allclose(found.high, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert set(found.low) == {0.0}


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), at=st.integers(0, 60 * DAY))
def test_only_what_was_known_then_counts(seed: int, at: int) -> None:
    """Scores known later, or issued more than 42 days before, may be anything."""
    rng = np.random.default_rng(seed)
    issue = AT + rng.integers(0, 60 * DAY, 400)
    known = issue + rng.integers(0, 5 * DAY, 400)
    now = AT + at
    given_scores = scores(rng.normal(size=400), issue=issue, known=known, lead=50)
    other = (known > now) | (issue < now - TRAILING_DAYS * DAY)
    changed = replace(
        given_scores,
        ratio=np.where(other, 99.0, given_scores.ratio),
        error_kwh=np.where(other, 99.0, given_scores.error_kwh),
    )
    assert calibrated(changed, now) == calibrated(given_scores, now)
    assert calibrated(given_scores.chosen(~other), now) == calibrated(given_scores, now)


def test_a_score_counts_from_the_second_it_is_known() -> None:
    given_scores = scores(np.full(30, 0.5))
    assert calibrated(given_scores, AT).high[0] == 0.5
    assert calibrated(given_scores, AT - 1) == WIDE


def test_as_many_are_inside_as_promised() -> None:
    """Exchangeable scores of a skewed law: at least 80 % inside, and not far above.

    With n = 399 the ranks are 40 and 360, so of a new score 320 / 400 lie inside on average. The
    share of a band itself spreads by sqrt(0.8 * 0.2 / 401) = 0.02; 200 bands of 500 scores each
    spread by 0.02 / sqrt(200) = 0.0015 for that and sqrt(0.16 / 100 000) = 0.0013 for the draw:
    0.008 are four standard deviations.
    """
    rng = np.random.default_rng(42)
    inside = below = above = 0
    for _ in range(200):
        bands = calibrated(scores(rng.gamma(2.0, 1.0, 399) - 1.7), AT)
        fresh = rng.gamma(2.0, 1.0, 500) - 1.7
        low, high = bands.low[0], bands.high[0]
        inside += int(((fresh >= low) & (fresh <= high)).sum())
        below += int((fresh < low).sum())
        above += int((fresh > high).sum())
    assert inside / 100_000 == pytest.approx(0.8, abs=0.008)
    assert below / 100_000 == pytest.approx(0.1, abs=0.008)
    assert above / 100_000 == pytest.approx(0.1, abs=0.008)


@pytest.mark.parametrize("count", [30, 31, 35, 44, 99])
def test_few_scores_move_quantiles_outward(count: int) -> None:
    """The chance that a new score lies below the low one, rank / (n + 1), is at most 10 %."""
    found = calibrated(scores(np.arange(count) - 1000.0 * (np.arange(count) < count / 2)), AT)
    ranks = np.sort(np.arange(count) - 1000.0 * (np.arange(count) < count / 2))
    low, high = np.searchsorted(ranks, [found.low[0], found.high[0]]) + 1
    assert low / (count + 1) <= 0.1
    assert (low + 1) / (count + 1) > 0.1
    assert high / (count + 1) >= 0.9
    assert (high - 1) / (count + 1) < 0.9


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31), shift=st.floats(-3.0, 3.0), count=st.integers(0, 300))
def test_bands_never_cross_and_never_go_below_zero(seed: int, shift: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    lead = rng.integers(0, 192, count)
    bands = calibrated(scores(rng.normal(shift, 1.0, count), lead=lead), AT)
    median, scale = rng.uniform(0.0, 2.0, (3, 192)), rng.uniform(0.0, 1.0, (3, 192))
    low, high = bands.around(median, scale, np.arange(192))
    assert (low >= 0.0).all()
    assert (low <= median).all()
    assert (median <= high).all()
    assert all(0.0 <= one <= 1.2 for one in bands.trust)


def test_around_takes_the_group_of_the_lead() -> None:
    bands = Bands(
        low=tuple(-0.1 * g for g in range(6)),
        high=tuple(float(g) for g in range(6)),
        trust=(1.0,) * 6,
        level=(1.0,) * 6,
        days=3,
    )
    low, high = bands.around(np.full((1, 3), 5.0), np.full((1, 3), 2.0), np.array([0, 5, 100]))
    np.testing.assert_allclose(low, [[5.0, 4.8, 4.0]])
    np.testing.assert_allclose(high, [[5.0, 7.0, 15.0]])


def test_means_over_the_meters_interval() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, np.nan, 1.0]])
    np.testing.assert_array_equal(coarse(values, 2), [[1.5, 3.5], [0.0, np.nan]])
    np.testing.assert_array_equal(coarse(values, 1), values)


def test_joined_and_chosen_keep_every_field() -> None:
    rng = np.random.default_rng(1)
    one = Scores(
        issue=np.array([1, 2]),
        known=np.array([3, 4]),
        lead=np.array([5, 6]),
        ratio=rng.random(2),
        error_kwh=rng.random(2),
        mean_kwh=rng.random(2),
        deviation_kwh=rng.random(2),
    )
    both = Scores.joined([one, one.chosen(np.array([False, True]))])
    for name in ("issue", "known", "lead", "ratio", "error_kwh", "mean_kwh", "deviation_kwh"):
        values = getattr(one, name).tolist()
        assert getattr(both, name).tolist() == [*values, values[1]], name


# Scores of forecasts


def test_scores_by_hand() -> None:
    """A naive model of a home that uses k kWh on day k, at 00:00 of day 20 (days from 1)."""
    days = 22
    load = measured(np.repeat(np.arange(1.0, days + 1.0), 96))
    plain = replace(small_home(days, pv=False), load=load)
    at = np.array([AT + 19 * DAY], dtype=np.int64)
    found, none = score(NAIVE, plain, at)
    assert none.ratio.size == 0
    assert found.lead.tolist() == list(range(192))
    assert set(found.issue) == {int(at[0])}
    assert found.known.tolist() == (at[0] + SLOT * np.arange(1, 193)).tolist()
    # Mean of the last 7 of 19 days: 16; median and mean of 14: 12.5, variance (14 * 14 - 1) / 12.
    np.testing.assert_allclose(found.mean_kwh, 16.0)
    np.testing.assert_allclose(found.error_kwh, np.repeat([4.0, 5.0], 96))
    np.testing.assert_allclose(found.deviation_kwh, np.sqrt(195 / 12))
    # The level is 16 too: 0.2 of it is the least spread.
    spread = np.sqrt(195 / 12 + 3.2**2)
    np.testing.assert_allclose(found.ratio, np.repeat([7.5, 8.5], 96) / spread)


def test_scores_of_a_meter_of_hours_are_of_hours_known_when_whole() -> None:
    """One quarter of the second hour comes a day late: the hour is known when it has come."""
    plain = small_home(22, pv=False, source_slots=4)
    usable = plain.load.usable_from.copy()
    place = 19 * 96 + 5
    usable[place] += DAY
    late = replace(plain, load=replace(plain.load, usable_from=usable))
    at = np.array([AT + 19 * DAY], dtype=np.int64)
    found, _ = score(NAIVE, late, at)
    assert found.lead.tolist() == list(range(0, 192, 4))
    assert found.known[0] == at[0] + 3600
    assert found.known[1] == usable[place] == at[0] + 6 * SLOT + DAY
