"""Trained forecasts on disk: one file a version, a pointer to the one in use, a way back.

    models/<home_id>/current.json                    the versions promoted, the one in use last
    models/<home_id>/20251129T2300Z-3f2a9c1e.model   ``runners.model_file``

A version is named by what it was trained until and a hash of its content, so the same training
gives the same file. Files are written whole or not at all. What cannot be used, or belongs to
another home, is refused with its path and the cure: a plan never falls back to the baseline
without a word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from runners.errors import ConfigError
from runners.model_file import (
    TRAIN,
    UNREADABLE,
    ModelMeta,
    aurora_of,
    check_schema,
    describe,
    model_bytes,
    read_model,
    refused,
)
from runners.output import json_text, make_folder, replacing, write_text

if TYPE_CHECKING:
    from forecast.aurora import Aurora
    from runners.config import Config

__all__ = ["ModelMeta", "Promoted", "Registry", "describe", "load_current"]

_MAKE_ROOM = "make room, or name another `models.folder`"
_SCHEMA, _POINTER = "darkstar.models/1", "current.json"
_KEPT = 12
"""Versions kept, the one in use included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A version that was promoted, and when."""

    version: str
    at: str


def load_current(config: Config, home_id: str) -> tuple[Aurora, ModelMeta] | None:
    """Return the model that a home has in use; None where the baseline forecasts.

    Raises:
        ConfigError: the registry or the model's file cannot be used.
    """
    return Registry(config.models_folder, home_id).current()


class Registry:
    """The models of one home."""

    def __init__(self, folder: Path, home_id: str) -> None:
        """Name the folder; it is made when the first model is put."""
        name = quote(home_id, safe="")
        self.folder = folder / (f"%2E{name[1:]}" if name.startswith(".") else name)
        self.home_id = home_id

    def history(self) -> tuple[Promoted, ...]:
        """Return what was promoted and is kept, the one in use last; empty: the baseline.

        Raises:
            ConfigError: the pointer is damaged, or of another home or Darkstar.
        """
        path = self.folder / _POINTER
        cure = "restore it, or remove it and " + TRAIN
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            schema, home_id = str(raw["schema"]), str(raw["home_id"])
            found = tuple(
                Promoted(version=str(x["version"]), at=str(x["at"])) for x in raw["promoted"]
            )
        except FileNotFoundError:
            return ()
        except OSError as err:
            fault = f"cannot be read ({err.strerror})"
            raise refused(path, fault, "mend that, or name another `models.folder`") from None
        except UNREADABLE as err:
            raise refused(path, f"is damaged ({err})", cure) from None
        check_schema(path, schema, _SCHEMA, cure)
        self._check_home(path, home_id)
        return found

    def current(self) -> tuple[Aurora, ModelMeta] | None:
        """Return the model in use; None where it is the baseline.

        Raises:
            ConfigError: the pointer or the file cannot be used.
        """
        history = self.history()
        return self.load(history[-1].version) if history else None

    def load(self, version: str) -> tuple[Aurora, ModelMeta]:
        """Return a version.

        Raises:
            ConfigError: its file is missing, damaged, foreign, newer, or for other features.
        """
        path = self._path(version)
        parts, meta = self._read(path)
        return aurora_of(path, parts), meta

    def meta(self, version: str) -> ModelMeta:
        """Return where a version comes from.

        Raises:
            ConfigError: as ``load``.
        """
        return self._read(self._path(version))[1]

    def promote(self, aurora: Aurora, meta: ModelMeta) -> bool:
        """Put a model in use; return whether it was not before.

        Raises:
            ConfigError: the registry cannot be read or written.
        """
        history = self.history()
        if history and history[-1].version == meta.version and self._is_sound(meta.version):
            return False
        make_folder(self.folder)
        with replacing(self._path(meta.version), _MAKE_ROOM) as file:
            file.write(model_bytes(aurora, meta))
        earlier = [one for one in history if one.version != meta.version]
        kept = [*earlier, Promoted(version=meta.version, at=meta.created_at)]
        self._point(kept[-_KEPT:])
        for one in kept[:-_KEPT]:
            self._path(one.version).unlink(missing_ok=True)
        return True

    def rollback(self, *, dry_run: bool = False) -> tuple[Promoted, Promoted | None]:
        """Return (what was in use, what is now: the version before, or None: the baseline).

        The file of what was in use goes; ``dry_run`` only tells.

        Raises:
            ConfigError: nothing was promoted, or the registry cannot be read or written.
        """
        history = self.history()
        if not history:
            message = (
                "no model was promoted, so the baseline is in use: there is nothing to go back to"
            )
            raise refused(self.folder, message, "train one: darkstar train")
        if not dry_run:
            self._point(history[:-1])
            self._path(history[-1].version).unlink(missing_ok=True)
        return history[-1], history[-2] if len(history) > 1 else None

    def _is_sound(self, version: str) -> bool:
        """Return whether the file of a version can be used."""
        try:
            self._read(self._path(version))
        except ConfigError:
            return False
        return True

    def _path(self, version: str) -> Path:
        return self.folder / f"{version}.model"

    def _point(self, promoted: Sequence[Promoted]) -> None:
        """Write the pointer."""
        versions = [{"version": one.version, "at": one.at} for one in promoted]
        raw = {"schema": _SCHEMA, "home_id": self.home_id, "promoted": versions}
        write_text(self.folder / _POINTER, json_text(raw) + "\n")

    def _read(self, path: Path) -> tuple[dict[str, bytes], ModelMeta]:
        """Return the parts of a file of this home and its metadata.

        Raises:
            ConfigError: it cannot be used.
        """
        parts, meta = read_model(path)
        self._check_home(path, meta.home_id)
        return parts, meta

    def _check_home(self, path: Path, home_id: str) -> None:
        """Refuse what belongs to another home."""
        if home_id != self.home_id:
            fault = f"belongs to home {home_id!r}, not to {self.home_id!r}"
            raise refused(path, fault, "put it back where it came from, or " + TRAIN)
