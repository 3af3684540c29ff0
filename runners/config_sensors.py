"""Home Assistant in ``config.yaml``: where it is, and which of its entities measure what.

    home_assistant:
      url: http://homeassistant.local:8123
      token: !secret ha_token
    input_sensors:
      total_load_consumption: sensor.inverter_total_load   # or: derived
      total_grid_import: {entity: sensor.grid_power, part: positive}
      total_pv_production: [sensor.roof_total, -sensor.inverter_losses_total]

Nothing here is a unit: each entity tells its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator as After
from pydantic import BeforeValidator as Before
from pydantic import Field, SecretStr

from runners import config_load as check
from runners.config_base import Strict

__all__ = ["DERIVED", "HomeAssistantConfig", "InputSensorsConfig", "SourceConfig", "Token"]

DERIVED = "derived"
_ENTITY = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_LEAST_TOKEN = 20
_SWITCHES = ("input_boolean", "binary_sensor", "switch", "schedule", "calendar", "group")


def _url(value: str) -> str:
    """Check the address of Home Assistant; return it without a slash at its end."""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
        odd_port = parts.port == 0
    except ValueError:
        fine, odd_port = False, True
    if not fine or odd_port:
        raise check.refuse("is no address; write http://HOST:8123 or https://HOST")
    if parts.username or parts.password:
        raise check.refuse("holds a password; Home Assistant wants a token: `token: !secret ...`")
    return value.rstrip("/").removesuffix("/api")


def _token(value: SecretStr) -> SecretStr:
    """Refuse what is no long-lived access token, without saying it."""
    text = value.get_secret_value()
    if len(text) < _LEAST_TOKEN or text != text.strip() or any(c.isspace() for c in text):
        raise check.refuse(
            "is no access token; make one in Home Assistant: your profile, Security, "
            "Long-lived access tokens"
        )
    return value


def _secret(value: object) -> object:
    """Take plain text as a secret; it is one, however it was written."""
    return SecretStr(value) if isinstance(value, str) else value


def _entity(value: str) -> str:
    """Check an entity id."""
    if value != DERIVED and not _ENTITY.fullmatch(value):
        raise check.refuse(
            "is no entity id; write it as Home Assistant shows it, such as "
            "sensor.inverter_total_load"
        )
    return value


def _of(*domains: str, want: str) -> Callable[[str], str]:
    """Return a check that an entity is of one of the domains."""

    def checked(value: str) -> str:
        if value.partition(".")[0] not in domains:
            raise check.refuse(f"is not {want}; name an entity of {' or '.join(domains)}")
        return value

    return checked


def _no_derived(value: list[SourceConfig]) -> list[SourceConfig]:
    """Keep ``derived`` for the load alone."""
    if any(source.entity == DERIVED for source in value):
        raise check.refuse("only total_load_consumption can be `derived`; name an entity")
    return value


def _derived_alone(value: list[SourceConfig]) -> list[SourceConfig]:
    """Refuse a load that is derived and measured at once."""
    if len(value) > 1 and any(source.entity == DERIVED for source in value):
        raise check.refuse("is both `derived` and measured; keep one of the two")
    return value


def _sources(value: object) -> object:
    """One entity, ``-entity``, a mapping, or a list of them: always a list of mappings."""
    if isinstance(value, list):
        return [one for item in value for one in _as_list(item)]
    return _as_list(value)


def _as_list(item: object) -> list[object]:
    if isinstance(item, str):
        text = item.strip()
        sign = -1 if text.startswith("-") else 1
        return [{"entity": text.lstrip("+-").strip(), "sign": sign}]
    return [item]


EntityId = Annotated[str, After(_entity), Field(description="an entity such as sensor.load_total")]
Token = Annotated[SecretStr, Before(_secret), After(_token)]


class HomeAssistantConfig(Strict):
    """Where Home Assistant is."""

    url: Annotated[str, After(_url)] = Field(description="http://HOST:8123 or https://HOST")
    token: Token = Field(description="`!secret ha_token`, with the token in secrets.yaml")


class SourceConfig(Strict):
    """One entity of a channel."""

    entity: EntityId
    sign: Literal[1, -1] = Field(default=1, description="1 or -1")
    part: Literal["all", "positive", "negative"] = Field(
        default="all", description="all, positive or negative"
    )


_HELP = "an entity, `-entity`, {entity, sign, part}, or a list of them to be summed"
_Parsed = Annotated[list[SourceConfig], Before(_sources), Field(min_length=1, description=_HELP)]
Summed = Annotated[_Parsed, After(_no_derived)]
_PERCENT = After(_of("sensor", "input_number", "number", want="measured in percent"))
_ON_OR_OFF = After(_of(*_SWITCHES, want="on or off"))
# Of other entities no state is called armed: they would count as never armed.
_ARMED = After(_of("alarm_control_panel", want="armed or disarmed"))


class InputSensorsConfig(Strict):
    """Which entities measure what; the names are those of earlier Darkstar configurations."""

    total_load_consumption: Annotated[_Parsed, After(_derived_alone)] | None = None
    total_pv_production: Summed | None = None
    total_grid_import: Summed | None = None
    total_grid_export: Summed | None = None
    total_battery_charge: Summed | None = None
    total_battery_discharge: Summed | None = None
    ev_consumption: Summed | None = None
    water_heater_consumption: Summed | None = None
    battery_soc: Annotated[EntityId, _PERCENT] | None = None
    vacation_mode: Annotated[EntityId, _ON_OR_OFF] | None = None
    alarm_state: Annotated[EntityId, _ARMED] | None = None
