"""One trained forecast as one file: a zip of metadata, numbers and arrays, with a checksum.

    manifest.json   schema, checksum, metadata
    state.json      ``Aurora.to_state``: numbers and texts; arrays and infinite numbers by reference
    0.npy, 1.npy    its arrays

Nothing is pickled, and the same model gives the same bytes. A file that is damaged, newer, of
something else or for other features is refused with its path and the cure.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import forecast
from forecast.aurora import Aurora
from forecast.load_features import FEATURES
from runners.errors import EX_DATAERR, ConfigError, Problem
from runners.output import json_text
from telemetry.slots import from_epoch

__all__ = [
    "TRAIN",
    "UNREADABLE",
    "ModelMeta",
    "aurora_of",
    "check_schema",
    "describe",
    "model_bytes",
    "read_model",
    "refused",
]

_SCHEMA = "darkstar.model/1"
_LIBRARIES = ("numpy", "lightgbm", "pvlib", "darkstar-energy")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes
UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    TypeError,
    ValueError,
    EOFError,
    NotImplementedError,
)
"""What reading a file that is not what it should be raises."""
TRAIN = "train anew: darkstar train --force"
_BACK_OR_TRAIN = f"go back: darkstar train --rollback, or {TRAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMeta:
    """Where a model comes from.

    Attributes:
        version: its name.
        home_id: whose it is.
        created_at: when it was trained, UTC.
        trained_until: nothing known later was looked at, UTC.
        data_from: the first slot it could learn from, UTC.
        days_of_load: slots of load over 96.
        outcome: of its trial: ``promoted`` or ``forced``.
        reason: why, a sentence.
        test: what the trial measured, as ``darkstar train --json`` tells it.
        libraries: versions of what trained it, by name.
        features: columns its trees look at.
        recipe: hash of the code that trained it.
    """

    version: str
    home_id: str
    created_at: str
    trained_until: str
    data_from: str
    days_of_load: float
    outcome: str
    reason: str
    test: Mapping[str, Any]
    libraries: Mapping[str, str]
    features: tuple[str, ...]
    recipe: str


def describe(
    aurora: Aurora,
    *,
    home_id: str,
    created_at: datetime,
    data_from: datetime,
    days_of_load: float,
    outcome: str,
    reason: str,
    test: Mapping[str, Any],
) -> ModelMeta:
    """Return the metadata of a model that was just trained."""
    digest = hashlib.sha256(b"".join(_packed(aurora.to_state()).values())).hexdigest()
    until = from_epoch(aurora.trained_until)
    return ModelMeta(
        version=f"{until:%Y%m%dT%H%MZ}-{digest[:8]}",
        home_id=home_id,
        created_at=created_at.isoformat(timespec="seconds"),
        trained_until=until.isoformat(),
        data_from=data_from.isoformat(),
        days_of_load=days_of_load,
        outcome=outcome,
        reason=reason,
        test=test,
        libraries={"python": platform.python_version()} | {n: _library(n) for n in _LIBRARIES},
        features=FEATURES,
        recipe=_recipe(),
    )


def model_bytes(aurora: Aurora, meta: ModelMeta) -> bytes:
    """Return a model as the bytes of a file."""
    parts = _packed(aurora.to_state())
    manifest = {"schema": _SCHEMA, "checksum": _checksum(parts, meta), "meta": meta}
    whole = {"manifest.json": json_text(manifest).encode(), **parts}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in whole.items():
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            archive.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def read_model(path: Path) -> tuple[dict[str, bytes], ModelMeta]:
    """Return the parts of a file and its metadata, checked.

    Raises:
        ConfigError: it is missing, damaged, newer, something else, or for other features.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts.pop("manifest.json"))
        schema = str(manifest["schema"])
    except FileNotFoundError:
        raise refused(path, "is missing", _BACK_OR_TRAIN) from None
    except UNREADABLE as err:
        raise refused(path, f"is damaged, or no model ({err})", _BACK_OR_TRAIN) from None
    check_schema(path, schema, _SCHEMA, _BACK_OR_TRAIN)
    try:
        meta, checksum = _meta(manifest["meta"]), str(manifest["checksum"])
    except UNREADABLE as err:
        raise refused(path, f"is damaged ({err})", _BACK_OR_TRAIN) from None
    if checksum != _checksum(parts, meta):
        raise refused(path, "is damaged: its checksum does not fit", _BACK_OR_TRAIN)
    if meta.features != FEATURES:
        fault = f"looks at other features than this Darkstar ({len(meta.features)}, want "
        fault += f"the {len(FEATURES)} of forecast.load_features)"
        raise refused(path, fault, _BACK_OR_TRAIN)
    return parts, meta


def aurora_of(path: Path, parts: Mapping[str, bytes]) -> Aurora:
    """Return the model of the parts of a file.

    Raises:
        ConfigError: they make no model.
    """
    try:
        return Aurora.from_state(_unpacked(parts))
    except UNREADABLE as err:
        raise refused(path, f"is no model ({err})", _BACK_OR_TRAIN) from None


def check_schema(path: Path, got: str, want: str, cure: str) -> None:
    """Refuse another format: a newer one, or something else.

    Raises:
        ConfigError: it is another.
    """
    if got == want:
        return
    name, _, number = got.partition("/")
    if name == want.partition("/")[0] and number.isdecimal():
        raise refused(
            path, f"was written by a newer Darkstar ({got})", "update Darkstar, or " + cure
        )
    raise refused(path, f"is something else ({got}, want {want})", cure)


def refused(path: Path, fault: str, cure: str) -> ConfigError:
    """Return the error of a file of the registry."""
    return ConfigError(str(path), [Problem("", "", f"{fault}; {cure}")], exit_code=EX_DATAERR)


def _checksum(parts: Mapping[str, bytes], meta: ModelMeta) -> str:
    """Return the SHA-256 of the parts, their names and the metadata."""
    found = hashlib.sha256(json_text(meta, indent=None).encode())
    for name in sorted(parts):
        found.update(f"\0{name}\0{len(parts[name])}\0".encode())
        found.update(parts[name])
    return found.hexdigest()


def _packed(state: Mapping[str, Any]) -> dict[str, bytes]:
    """Return a state as files: one of JSON, and one for each array."""
    arrays: dict[str, bytes] = {}
    tree = _without_arrays(dict(state), arrays)
    return {"state.json": json.dumps(tree, allow_nan=False).encode(), **arrays}


def _without_arrays(value: object, arrays: dict[str, bytes]) -> object:
    """Return a value as JSON has it; arrays go to files of their own, infinite numbers to text."""
    if isinstance(value, np.ndarray):
        name, buffer = f"{len(arrays)}.npy", io.BytesIO()
        np.save(buffer, np.ascontiguousarray(value), allow_pickle=False)
        arrays[name] = buffer.getvalue()
        return {"$array": name}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


def _unpacked(parts: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the state of files."""

    def whole(raw: dict[str, Any]) -> object:
        if "$array" in raw:
            return np.load(io.BytesIO(parts[raw["$array"]]), allow_pickle=False)
        return float(raw["$float"]) if "$float" in raw else raw

    state: dict[str, Any] = json.loads(parts["state.json"], object_hook=whole)
    return state


def _meta(raw: dict[str, Any]) -> ModelMeta:
    """Return metadata as they were written."""
    return ModelMeta(**{**raw, "features": tuple(raw["features"])})


def _library(name: str) -> str:
    """Return the version of a package, or that it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _recipe() -> str:
    """Return 12 hexadecimal digits that name the code of the forecast floor."""
    found = hashlib.sha256()
    for path in sorted(Path(str(forecast.__file__)).parent.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]
