"""Trees: what LightGBM's own package says, without loading it; refusals; the same every time."""

import pickle
from functools import cache

import numpy as np
import pytest

from forecast.errors import ModelFileError
from forecast.trees import Lesson, Trees, fit_trees
from telemetry.arrays import F64
from tests.test_floors import loaded

lightgbm = pytest.importorskip("lightgbm")
OPTIONS: dict[str, float | int] = {
    "num_leaves": 7,
    "min_data_in_leaf": 10,
    "bagging_fraction": 0.5,
    "feature_fraction": 0.7,
}


def examples(count: int = 400, seed: int = 0) -> tuple[F64, F64, F64]:
    """Rows with gaps, a target they explain, and weights."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 5))
    target = rows[:, 0] + np.abs(rows[:, 1]) + 0.1 * rng.normal(size=count)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, target, rng.uniform(0.5, 1.5, count)


def fitted(seed: int = 0, threads: int = 1) -> Trees:
    rows, target, weight = examples(seed=seed)
    lesson = Lesson(target, weight, "l1", 12)
    return fit_trees(rows, [lesson], options=OPTIONS, threads=threads)[0]


@cache
def trees() -> Trees:
    return fitted()


@pytest.mark.parametrize("objective", ["l1", "l2"])
def test_predictions_are_those_of_the_package(objective: str) -> None:
    rows, target, weight = examples()
    lessons = [Lesson(-target, weight[::-1], "l2", 3), Lesson(target, weight, objective, 12)]
    made = fit_trees(rows, lessons, options=OPTIONS)[1]
    assert made == fit_trees(rows, lessons[1:], options=OPTIONS)[0]  # binned once, learnt apart
    fresh = examples(seed=1)[0]
    want = lightgbm.Booster(model_str=made.text).predict(fresh)
    np.testing.assert_array_equal(made.predict(fresh), want)
    assert np.ptp(want) > 0.5


def test_trees_have_learnt() -> None:
    rows, target, _ = examples(seed=2)
    error = np.abs(trees().predict(rows) - target).mean()
    assert error < 0.75 * np.abs(target - np.median(target)).mean()


def test_rows_in_any_order_of_memory_and_none_at_all() -> None:
    rows = examples(seed=3)[0]
    want = trees().predict(rows)
    np.testing.assert_array_equal(trees().predict(np.asfortranarray(rows)), want)
    np.testing.assert_array_equal(trees().predict(np.repeat(rows, 2, axis=0)[::2]), want)
    np.testing.assert_array_equal(trees().predict(rows[7:8]), want[7:8])
    assert trees().predict(np.empty((0, 5))).shape == (0,)


def test_the_same_rows_give_the_same_trees() -> None:
    assert fitted() == trees()
    assert hash(fitted()) == hash(trees())
    assert fitted(seed=5) != trees()
    assert trees() != trees().text


def test_threads_do_not_matter() -> None:
    """Apart from the parameters that the text repeats."""

    def grown(made: Trees) -> str:
        return made.text.split("\nparameters:")[0]

    assert grown(fitted(threads=2)) == grown(trees())


def test_weights_matter() -> None:
    """Half the rows say 0, half say 1; the median is what weighs more."""
    rows, target = np.zeros((100, 1)), np.repeat([0.0, 1.0], 50)
    for heavy, want in ((0, 0.0), (1, 1.0)):
        weight = np.where(target == heavy, 2.0, 1.0)
        made = fit_trees(rows, [Lesson(target, weight, "l1", 1)], options={})[0]
        assert made.predict(np.zeros((1, 1))).tolist() == [want]


def test_they_can_be_pickled_before_and_after_use() -> None:
    rows = examples(seed=4)[0]
    again: Trees = pickle.loads(pickle.dumps(Trees(trees().text)))  # noqa: S301 - our own
    want = again.predict(rows)
    used: Trees = pickle.loads(pickle.dumps(again))  # noqa: S301
    assert again == used == trees()
    np.testing.assert_array_equal(used.predict(rows), want)


@pytest.mark.parametrize("text", ["", "hello", "tree\nversion=v4\n"], ids=["empty", "word", "cut"])
def test_a_text_that_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError, match=r"trees: .*; train anew: darkstar train") as found:
        Trees(text).predict(np.zeros((1, 5)))
    assert found.value.fault


def test_rows_of_other_features_are_refused() -> None:
    with pytest.raises(ModelFileError, match=r"in data \(4\) .*in training data \(5\).*train$"):
        trees().predict(np.zeros((2, 4)))
    # And the ensemble is not the worse for it.
    assert trees().predict(np.zeros((1, 5))).shape == (1,)


@pytest.mark.integration
def test_a_prediction_needs_the_library_alone() -> None:
    code = (
        "import numpy as np\n"
        "from forecast.trees import Trees\n"
        f"print(Trees({trees().text!r}).predict(np.zeros((2, 5))))\n"
    )
    assert loaded(code, "lightgbm", "pandas", "scipy", "sklearn", "numba", "numpy") == ["numpy"]
