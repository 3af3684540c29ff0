"""The lines of the environments in docs/benchmarks.md: steps a second, beside CartPole-v1."""

from benchmarks.report_line import Line
from benchmarks.test_rlenv import HOMES, STEPS, VECTOR_STEPS

__all__ = ["rlenv_lines"]

_MILLION = 1e6
_SINGLE = (
    ("HomeEnv, a day's window (396 numbers)", "window", "at least 50,000/s"),
    ("HomeEnv, compact (12 numbers)", "compact", ""),
    ("HomeEnv, compact, an action is an energy value", "energy_value", ""),
)
_VECTOR = (
    (f"HomeVectorEnv, {HOMES} homes, a day's window", "window-NextStep", "at least 1 million/s"),
    ("the same, compact", "compact-NextStep", "at least 10 million/s"),
    ("the same, compact, SAME_STEP", "compact-SameStep", ""),
    ("the same, compact, energy value", "energy_value-NextStep", ""),
)


def rlenv_lines(median: dict[str, float]) -> list[Line]:
    """Return all lines.

    Args:
        median: seconds of the benchmarks by name.
    """
    pole, poles = median["rl_cartpole"], median["rl_cartpoles"]
    vector = VECTOR_STEPS * HOMES / _MILLION
    return [
        _line("Gymnasium's CartPole-v1", f"{STEPS / pole:,.0f} steps/s", 1.0, ""),
        *(
            _line(what, f"{STEPS / median[f'rl_home[{name}]']:,.0f} steps/s",
                  pole / median[f"rl_home[{name}]"], target)
            for what, name, target in _SINGLE
        ),
        _line(f"its numpy vector, {HOMES} poles", f"{vector / poles:.1f} million steps/s", 1.0, ""),
        *(
            _line(what, f"{vector / median[f'rl_homes[{name}]']:.1f} million steps/s",
                  poles / median[f"rl_homes[{name}]"], target)
            for what, name, target in _VECTOR
        ),
        Line(
            what="HomeEnv.reset, after the first",
            measured=f"{_MILLION * median['rl_reset']:.0f} us",
            target="at most 1 ms",
        ),
    ]  # fmt: skip


def _line(what: str, measured: str, times: float, target: str) -> Line:
    """Return a line whose ratio is against the CartPole of its kind."""
    return Line(what=what, measured=measured, ratio=f"{times:.2f} x CartPole", target=target)
