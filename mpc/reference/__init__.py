"""The planner's program in readable algebra: an independent referee, never used to plan.

Both models read ``Site`` and ``Horizon`` themselves and share no code with the production matrix.
They need the extra ``reference``. Scalar limits only; SoC bounds that change per slot are refused.
"""

from mpc.reference.cvxpy_model import solve_cvxpy
from mpc.reference.pyomo_model import solve_pyomo

__all__ = ["solve_cvxpy", "solve_pyomo"]
