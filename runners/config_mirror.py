"""The mirror in ``config.yaml``: where its MariaDB is, and who gets in.

    mirror:
      host: nas.local
      user: darkstar
      password: !secret mirror_password
      tls_ca: nas-ca.pem

User and password may be secrets, and the password must be one. What makes a server that nothing
gives away is checked by ``telemetry.MirrorServer``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator as After
from pydantic import BeforeValidator as Before
from pydantic import Field, SecretStr

from runners import config_load as check
from runners.config_base import Strict

__all__ = ["MirrorConfig"]


def _name(value: object) -> object:
    """Take a plain name as a secret too."""
    return SecretStr(value) if isinstance(value, str) else value


def _secret(value: object) -> object:
    """Refuse a password that stands in the configuration, without saying it."""
    if not isinstance(value, SecretStr):
        raise check.refuse(
            "a password has no place in this file; write `password: !secret mirror_password`, "
            "and `mirror_password: ...` into secrets.yaml"
        )
    return value


def _given(value: SecretStr) -> SecretStr:
    """Refuse an empty one."""
    if not value.get_secret_value():
        raise check.refuse("is empty; the mirror is not opened without user and password")
    return value


class MirrorConfig(Strict):
    """One MariaDB server; over TCP (``host``), or over a ``socket`` of this machine."""

    host: str = Field("", description="a host name or address such as nas.local")
    port: int = Field(3306, ge=1, le=65_535, description="a port, 1 to 65535")
    socket: str = Field("", description="the path of a socket, such as /run/mysqld/mysqld.sock")
    user: Annotated[SecretStr, Before(_name), After(_given)] = Field(
        description="the user the mirror writes as"
    )
    password: Annotated[SecretStr, Before(_secret), After(_given)] = Field(
        description="`!secret mirror_password`, with the password in secrets.yaml"
    )
    database: str = Field(
        "antares_learning",
        pattern="^[A-Za-z0-9_]{1,64}$",
        description="a name of letters, digits and _",
    )
    tls_ca: str | None = Field(
        None, min_length=1, description="the PEM file of the authority of the server's certificate"
    )
    allow_plaintext: bool = Field(
        default=False, description="true or false: whether TLS is given up to another machine"
    )
