"""A chain of models: who serves which issue, and nobody who was trained on what was yet to come.

The chain runs over the twelve days from day 62 of a made-up home on, with a new model every fourth.
"""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from forecast.aurora import Aurora, score, train
from forecast.bands import WIDE, Scores, calibrated
from forecast.errors import TrainingError
from forecast.inputs import HomeHistory, Measured
from forecast.load import naive_load
from forecast.rolling import Chain, rolling
from telemetry.arrays import I64
from tests.forecast.small_homes import DAY, SLOT, START, measured, small_home, small_training

FIRST, LAST = START + 62 * DAY, START + 74 * DAY


@cache
def home() -> HomeHistory:
    return small_home(80)


@cache
def chain() -> Chain:
    with small_training():
        return rolling(home(), FIRST, LAST, retrain_days=4)


def marked(number: int) -> Aurora:
    """A model to be told from others."""
    return Aurora(
        load=naive_load(), pv=None, load_bands=WIDE, pv_bands=WIDE, trained_until=START + number
    )


def served(given: Chain, issues: I64) -> list[tuple[int, int, int]]:
    """Return (model, first, end) of every part."""
    return [(m.trained_until - START, part.start, part.stop) for m, part in given.parts(issues)]


def test_each_issue_is_served_by_the_newest_model_of_its_time() -> None:
    models = Chain(since=(START, START + DAY, START + 2 * DAY), models=tuple(map(marked, range(3))))
    issues = START + SLOT * np.array([-5, 0, 95, 96, 97, 192, 500], dtype=np.int64)
    # The first serves what is before it too; a model begins with its own second.
    assert served(models, issues) == [(0, 0, 3), (1, 3, 5), (2, 5, 7)]
    assert served(models, issues[3:5]) == [(1, 0, 2)]
    assert served(models, issues[[0, 6]]) == [(0, 0, 1), (2, 1, 2)]
    assert served(models, issues[:0]) == []


def test_a_model_alone_serves_all() -> None:
    alone = Chain.of(marked(7))
    assert alone.since == (START + 7,)
    assert served(alone, START + DAY * np.arange(-3, 3, dtype=np.int64)) == [(7, 0, 6)]


def test_models_are_trained_every_fourth_day_and_calibrated_every_day() -> None:
    assert chain().since == tuple(FIRST + DAY * k for k in range(12))
    trained = [model.trained_until for model in chain().models]
    assert trained == [FIRST + 4 * DAY * (k // 4) for k in range(12)]
    # Between trainings the trees stay, the bands move.
    for k in range(12):
        same = chain().models[k // 4 * 4]
        assert chain().models[k].load == same.load
    assert len({model.load for model in chain().models}) == 3
    bands = [model.load_bands for model in chain().models]
    assert all(one != other for one, other in pairwise(bands))
    assert all(0 < one.days <= 43 for one in bands)


def test_no_model_was_trained_after_it_came_into_force() -> None:
    for since, model in zip(chain().since, chain().models, strict=True):
        assert model.trained_until <= since


def test_the_first_model_is_that_of_a_plain_training() -> None:
    with small_training():
        model, held = train(home(), FIRST)
    first = chain().models[0]
    assert first.load == model.load
    assert first.load_bands == model.load_bands == calibrated(held[0], FIRST)
    assert first.pv_bands == model.pv_bands


def test_bands_of_later_days_come_from_forecasts_as_they_were_made() -> None:
    """Day 66, the second model's first: scores held back, then those of the first model."""
    with small_training():
        model, held = train(home(), FIRST)
    issues = np.arange(FIRST, FIRST + 4 * DAY, 3600, dtype=np.int64)
    seen = Scores.joined([held[0], score(model, home(), issues)[0]])
    assert chain().models[3].load_bands == calibrated(seen, FIRST + 3 * DAY)
    assert chain().models[4].load_bands == calibrated(seen, FIRST + 4 * DAY)


def test_what_happens_later_changes_no_model_in_force_before() -> None:
    """All load from day 69 on is another: the models up to it are the same."""
    end = START + 69 * DAY
    load = home().load
    other = np.where(load.usable_from > end, 9.0 + np.arange(load.values.size) % 7, load.values)
    changed = replace(
        home(), load=Measured(start=load.start, values=other, usable_from=load.usable_from)
    )
    with small_training():
        found = rolling(changed, FIRST, LAST, retrain_days=4)
    for since, one, two in zip(chain().since, chain().models, found.models, strict=True):
        same = (one.load, one.load_bands) == (two.load, two.load_bands)
        assert same is (since <= end), since


@pytest.mark.parametrize(
    ("days", "trained"),
    [
        pytest.param(3, [0], id="shorter than a period: one model"),
        # Seven days in periods of three: two of 3.5 days.
        pytest.param(7, [0, 84], id="periods of equal length"),
    ],
)
def test_a_window_is_cut_into_equal_periods(days: int, trained: list[int]) -> None:
    short = small_home(30, pv=False)
    begin = START + 20 * DAY
    found = rolling(short, begin, begin + days * DAY, retrain_days=3)
    hours = [(model.trained_until - begin) // 3600 for model in found.models]
    assert list(dict.fromkeys(hours)) == trained
    assert len(found.since) == len(found.models)
    assert list(found.since) == sorted(found.since)


def test_a_home_that_grows_up_within_the_window() -> None:
    """Plain profiles before 60 days of history, trees from then on."""
    with small_training():
        found = rolling(
            small_home(68, pv=False), START + 56 * DAY, START + 68 * DAY, retrain_days=6
        )
    naive = [model.is_naive for model in found.models]
    assert naive == [True] * 6 + [False] * 6


def test_a_load_that_never_changes_is_refused() -> None:
    flat = replace(small_home(80, pv=False), load=measured(np.full(80 * 96, 0.3)))
    with pytest.raises(TrainingError, match="it never changes"), small_training():
        rolling(flat, FIRST, LAST)
