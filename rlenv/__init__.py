"""Gymnasium environments on the planner's own physics, with the planner as reference policy.

    import gymnasium, rlenv
    env = gymnasium.make("Darkstar/Home-v0")
    envs = gymnasium.make_vec("Darkstar/Home-v0", num_envs=1024)

Importing this package registers ``Darkstar/Home-v0``. Needs the extra ``rl``.
"""

from gymnasium.envs.registration import register, registry

from rlenv.env import HomeEnv
from rlenv.errors import (
    ActionError,
    DatasetError,
    DayError,
    HistoryError,
    OptionError,
    RlError,
)
from rlenv.history import History, demo_history, read_history
from rlenv.layout import Layout
from rlenv.minari_dataset import write_minari
from rlenv.offline import (
    ReplayTrajectories,
    Trajectory,
    episode_observation,
    trajectories_of_episodes,
    trajectories_of_replay,
    trajectory_of,
)
from rlenv.options import ENV_ID
from rlenv.policies import (
    AgentPolicy,
    ConstantPolicy,
    IdlePolicy,
    MpcPolicy,
    OraclePolicy,
    Policy,
    SelfUsePolicy,
    StoragePolicy,
)
from rlenv.rollout import Rollout, mean_reward, rollout, rollouts
from rlenv.vector import HomeVectorEnv

__all__ = [
    "ENV_ID",
    "ActionError",
    "AgentPolicy",
    "ConstantPolicy",
    "DatasetError",
    "DayError",
    "History",
    "HistoryError",
    "HomeEnv",
    "HomeVectorEnv",
    "IdlePolicy",
    "Layout",
    "MpcPolicy",
    "OptionError",
    "OraclePolicy",
    "Policy",
    "ReplayTrajectories",
    "RlError",
    "Rollout",
    "SelfUsePolicy",
    "StoragePolicy",
    "Trajectory",
    "demo_history",
    "episode_observation",
    "mean_reward",
    "read_history",
    "rollout",
    "rollouts",
    "trajectories_of_episodes",
    "trajectories_of_replay",
    "trajectory_of",
    "write_minari",
]

if ENV_ID not in registry:
    register(
        id=ENV_ID,
        entry_point="rlenv.env:HomeEnv",
        vector_entry_point="rlenv.vector:HomeVectorEnv",
    )
