"""Mixes of experts: on the simplex, right where one expert is, and the prior where nobody knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.blend import mix_of_experts
from telemetry.arrays import F64

PRIOR = np.array([0.5, 0.3, 0.2])


def loss(experts: F64, truth: F64, weight: F64, mix: F64) -> float:
    """Return the weighted absolute error of a mix (A7)."""
    return float(weight @ np.abs(truth - experts @ mix))


def test_without_rows_the_prior_stays() -> None:
    mix = mix_of_experts(np.empty((0, 3)), np.empty(0), np.empty(0), PRIOR)
    assert mix.tolist() == PRIOR.tolist()
    mix[0] = 9.0  # a copy: the prior is a constant of a module
    assert PRIOR[0] == 0.5


@pytest.mark.parametrize(
    ("truth", "weight"),
    [
        pytest.param(np.ones(4), np.ones(4), id="a truth that never changes"),
        pytest.param(np.arange(4.0), np.zeros(4), id="rows without weight"),
    ],
)
def test_rows_that_tell_nothing_leave_the_prior(truth: F64, weight: F64) -> None:
    experts = np.random.default_rng(0).random((4, 3))
    assert mix_of_experts(experts, truth, weight, PRIOR).tolist() == PRIOR.tolist()


def test_experts_of_one_voice_leave_the_prior() -> None:
    """No direction is better than another."""
    said = np.random.default_rng(0).random(50)
    experts = np.repeat(said[:, None], 3, axis=1)
    mix = mix_of_experts(experts, 2.0 * said, np.ones(50), PRIOR)
    np.testing.assert_allclose(mix, PRIOR, rtol=1e-12)


@pytest.mark.parametrize("right", [0, 1, 2])
def test_an_expert_that_is_always_right_takes_nearly_all(right: int) -> None:
    rng = np.random.default_rng(right)
    experts = rng.uniform(0.0, 2.0, (400, 3))
    truth = experts[:, right].copy()
    weight = rng.uniform(0.5, 1.5, 400)
    mix = mix_of_experts(experts, truth, weight, PRIOR)
    assert mix.argmax() == right
    # The mean of all steps remembers the first ones: 3 % of the prior's loss remain at most.
    assert loss(experts, truth, weight, mix) < 0.03 * loss(experts, truth, weight, PRIOR)


def test_two_experts_that_err_in_opposite_ways_share() -> None:
    truth = np.random.default_rng(1).uniform(0.0, 2.0, 500)
    experts = np.stack([truth + 1.0, truth - 1.0], axis=1)
    mix = mix_of_experts(experts, truth, np.ones(500), np.array([0.9, 0.1]))
    np.testing.assert_allclose(mix, [0.5, 0.5], atol=0.02)


def test_rows_of_no_weight_do_not_count() -> None:
    rng = np.random.default_rng(2)
    experts, truth = rng.random((60, 3)), rng.random(60)
    weight = (np.arange(60) < 30).astype(np.float64)
    # The scale of (A7) is the median of all truths, so they are given the same one.
    truth[30:] = truth[:30]
    nonsense = experts.copy()
    nonsense[30:] += 100.0
    one = mix_of_experts(experts, truth, weight, PRIOR)
    other = mix_of_experts(nonsense, truth, weight, PRIOR)
    np.testing.assert_allclose(other, one, rtol=0.0, atol=1e-12)


def test_the_unit_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    experts, truth, weight = rng.random((80, 3)), rng.random(80), rng.random(80)
    one = mix_of_experts(experts, truth, weight, PRIOR)
    other = mix_of_experts(1000.0 * experts, 1000.0 * truth, 7.0 * weight, PRIOR)
    np.testing.assert_allclose(other, one, rtol=0.0, atol=1e-9)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(1, 200),
    experts=st.integers(1, 7),
    bias=st.sampled_from([0.0, 0.5, 5.0]),
)
def test_a_mix_is_on_the_simplex_and_not_worse_than_the_prior(
    seed: int, rows: int, experts: int, bias: float
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.gamma(2.0, 0.5, rows)
    said = np.maximum(truth[:, None] * rng.uniform(0.5, 1.5, (rows, experts)), 0.0)
    said += bias * rng.random(experts)
    weight = rng.uniform(0.1, 1.0, rows)
    prior = rng.dirichlet(np.full(experts, 2.0))
    mix = mix_of_experts(said, truth, weight, prior)
    assert mix.shape == (experts,)
    assert (mix >= 0.0).all()
    assert mix.sum() == pytest.approx(1.0, abs=1e-12)
    scale = float(weight @ np.abs(truth - np.median(truth)))
    assert loss(said, truth, weight, mix) <= loss(said, truth, weight, prior) + 0.02 * scale
