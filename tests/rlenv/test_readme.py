"""The example of README learns what README says: judged over five seeds on held-out days."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.judged import best_constant
from rlenv import ConstantPolicy

README = Path(__file__).parents[2] / "README.md"
SEEDS = range(5)
MOST_LINES = 20


@pytest.mark.integration
def test_the_example_earns_most_of_what_the_planner_earns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At least 70 % of the planner's gain, and more than the best constant value of its days."""
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len([line for line in block.splitlines() if line]) <= MOST_LINES
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own document
    assert re.fullmatch(r"\d\d% of the planner's gain\n", capsys.readouterr().out)
    env, earned, learn, train = (names[name] for name in ("env", "earned", "learn", "train"))
    assert not set(train) & set(names["test"])
    gain = names["planner"] - names["rest"]
    shares = [(earned(learn(seed=seed)) - names["rest"]) / gain for seed in SEEDS]
    constant = ConstantPolicy(env.action_of(best_constant(env, train)))
    by_constant = (earned(constant) - names["rest"]) / gain
    assert gain > 0.0
    assert np.mean(shares) >= 0.70, shares
    assert np.mean(shares) > by_constant, (shares, by_constant)
