"""The configuration folder of a Home Assistant for tests: no onboarding, tokens known before boot.

Home Assistant without a frontend comes up in recovery mode; ``development_repo`` pointed at an
empty skeleton stands in for the real one. Access tokens are JWTs (HS256): issuer is the id of a
refresh token in ``.storage/auth``, the key is that token's ``jwt_key``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = "2024.3.3"
# 2020-01-01 to 2040-01-01: valid under any shifted clock in between.
_ISSUED_AT, _EXPIRES = 1_577_836_800, 2_208_988_800
_CONFIG = """\
homeassistant:
  name: Testhome
  latitude: 59.33
  longitude: 18.07
  elevation: 20
  unit_system: metric
  currency: SEK
  country: SE
  time_zone: {zone}
http:
  server_host: 127.0.0.1
  server_port: {port}
frontend:
  development_repo: {folder}/frontend
api:
websocket_api:
sensor:
history:
energy:
recorder:
  commit_interval: 1
  auto_purge: false
  auto_repack: false
logger:
  default: info
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of a test instance: an administrator's, a user's, a reader's, and one out of date."""

    admin: str
    user: str
    readonly: str
    expired: str


def write_folder(folder: Path, port: int, zone: str) -> Tokens:
    """Write the configuration and, on the first call, users and tokens; return the tokens."""
    storage = folder / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    text = _CONFIG.format(zone=zone, port=port, folder=folder)
    (folder / "configuration.yaml").write_text(text, encoding="utf-8")
    _write_frontend(folder / "frontend" / "hass_frontend")
    known = folder / "tokens.json"
    if known.exists():
        return Tokens(**json.loads(known.read_text(encoding="utf-8")))
    tokens = _write_users(storage)
    known.write_text(json.dumps(asdict(tokens)), encoding="utf-8")
    return tokens


def _write_frontend(skeleton: Path) -> None:
    for name in ("static/translations", "frontend_latest", "frontend_es5"):
        (skeleton / name).mkdir(parents=True, exist_ok=True)
    for name in ("index", "authorize", "onboarding"):
        (skeleton / f"{name}.html").write_text("test instance\n", encoding="utf-8")
    for name in ("robots.txt", "service_worker.js"):
        (skeleton / name).write_text("\n", encoding="utf-8")


def _write_users(storage: Path) -> Tokens:
    """Write an administrator, a plain user and a read-only one, onboarded."""
    admin, admin_key = _user("admin", "system-admin")
    user, user_key = _user("user", "system-users")
    reader, reader_key = _user("readonly", "system-read-only")
    groups = [{"id": g, "name": g} for g in ("system-admin", "system-users", "system-read-only")]
    auth = {
        "users": [admin["user"], user["user"], reader["user"]],
        "groups": groups,
        "credentials": [],
        "refresh_tokens": [admin["token"], user["token"], reader["token"]],
    }
    steps = ["user", "core_config", "analytics", "integration"]
    _store(storage, "auth", 1, auth)
    _store(storage, "onboarding", 4, {"done": steps})
    admin_id, reader_id = str(admin["token"]["id"]), str(reader["token"]["id"])
    return Tokens(
        admin=_jwt(admin_id, admin_key, _EXPIRES),
        user=_jwt(str(user["token"]["id"]), user_key, _EXPIRES),
        readonly=_jwt(reader_id, reader_key, _EXPIRES),
        expired=_jwt(admin_id, admin_key, _ISSUED_AT + 3600),
    )


def _store(storage: Path, key: str, version: int, data: object) -> None:
    document = {"version": version, "minor_version": 1, "key": key, "data": data}
    (storage / key).write_text(json.dumps(document), encoding="utf-8")


def _user(name: str, group: str) -> tuple[dict[str, dict[str, object]], str]:
    """Return a user with a long-lived refresh token, and the key that signs its access tokens."""
    user_id, key = uuid.uuid4().hex, secrets.token_hex(64)
    user: dict[str, object] = {
        "id": user_id,
        "group_ids": [group],
        "is_owner": group == "system-admin",
        "is_active": True,
        "name": name,
        "system_generated": False,
        "local_only": False,
    }
    token: dict[str, object] = {
        "id": uuid.uuid4().hex,
        "user_id": user_id,
        "client_id": None,
        "client_name": name,
        "client_icon": None,
        "token_type": "long_lived_access_token",
        "created_at": "2020-01-01T00:00:00+00:00",
        "access_token_expiration": float(_EXPIRES - _ISSUED_AT),
        "token": secrets.token_hex(64),
        "jwt_key": key,
        "last_used_at": None,
        "last_used_ip": None,
        "expire_at": None,
        "credential_id": None,
        "version": VERSION,
    }
    return {"user": user, "token": token}, key


def _jwt(issuer: str, key: str, expires: int) -> str:
    """Return a signed access token (RFC 7519, HS256)."""
    header = _part({"alg": "HS256", "typ": "JWT"})
    claims = _part({"iss": issuer, "iat": _ISSUED_AT, "exp": expires})
    signed = hmac.new(key.encode(), f"{header}.{claims}".encode(), hashlib.sha256).digest()
    return f"{header}.{claims}.{_base64(signed)}"


def _part(document: dict[str, object]) -> str:
    return _base64(json.dumps(document, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
