"""What ``darkstar publish`` may put into Home Assistant, in ``config.yaml``.

    publish:
      enabled: true
      token: !secret ha_publish_token
      switch_value: 0.02

Home Assistant lets administrators alone set states; whatever else reads there needs no such token.
"""

from __future__ import annotations

from pydantic import Field

from runners.config_base import Strict
from runners.config_sensors import Token

__all__ = ["PublishConfig"]


class PublishConfig(Strict):
    """Read-only states in Home Assistant; off unless asked for."""

    enabled: bool = Field(default=False, description="true or false")
    token: Token | None = Field(
        default=None,
        description="`!secret ha_publish_token`, of an administrator, with the token in "
        "secrets.yaml; without it that of home_assistant",
    )
    entity_prefix: str = Field(
        default="darkstar",
        pattern="^[a-z0-9]+(_[a-z0-9]+)*$",
        max_length=64,
        description="letters a-z, digits and single _, such as darkstar_cabin",
    )
    switch_value: float = Field(
        default=0.02,
        ge=0.0,
        description="currency that a change of mode must gain in its slot, 0 or more",
    )
