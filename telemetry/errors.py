"""What can go wrong with facts, as one tree.

    TelemetryError
    ├── TimeError             a naive or off-grid time, an unknown zone
    ├── HomeError             a home that no house on earth has
    ├── SeriesError           arrays of the wrong shape, unit or content
    ├── MissingExtraError     an optional package is needed for this and absent
    ├── ImportFileError       a file of which nothing can be imported
    ├── ManualBlockError      a block of the manual plan that nobody can carry out
    ├── SensorError           an entity that cannot measure what it should
    ├── MirrorError           a setting with which no mirror shall be opened
    ├── ClockError            two clocks disagree
    ├── PeerError             a service outside (Home Assistant, prices, weather) failed
    │   ├── PeerAuthError       it refused the token
    │   ├── PeerUnreachableError  no connection, cut off, or too slow
    │   ├── PeerNotReadyError   it is there, but still starting or already stopping
    │   └── PeerReplyError      it answered what nobody can use
    └── StoreError            the database is absent, full, broken or not a store
        ├── StoreBusyError      another process holds it; the same call may succeed later
        ├── StoreUnreachableError  its server does not answer
        ├── SchemaVersionError  the store was written by another version
        ├── MigrationError      it could not be brought to the schema of this one
        ├── CopyError           no copy of it could be written
        ├── ReadOnlyError       a write through a store opened for reading
        ├── UnknownHomeError    no home of that name in the store
        └── CurrencyError       prices of one area in more than one currency

A message says what, got, wanted and a hint; the facts are attributes too.
"""

from __future__ import annotations

from datetime import datetime


class TelemetryError(Exception):
    """Root of every error of this package."""


class TimeError(TelemetryError, ValueError):
    """A time that cannot be a key: naive, off the slot grid, or in no known zone."""

    def __init__(self, name: str, got: object, want: str) -> None:
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got}, want {want}")


class HomeError(TelemetryError, ValueError):
    """A field of a home that cannot be true."""

    def __init__(self, name: str, got: object, want: str) -> None:
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got!r}, want {want}")


class SeriesError(TelemetryError, ValueError):
    """A series whose shape, key or content the store cannot keep."""

    def __init__(self, name: str, got: object, want: str) -> None:
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got}, want {want}")


class MissingExtraError(TelemetryError, ImportError):
    """An optional package is needed for this and is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(
            f"{purpose} needs {package}, which is not installed; "
            f"install the extra: pip install 'darkstar-energy[{extra}]'"
        )


class ImportFileError(TelemetryError):
    """A file of which nothing can be imported; nothing of it was written."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class ManualBlockError(TelemetryError, ValueError):
    """A block of the manual plan that nobody can carry out, or that is not there to take back."""

    def __init__(self, name: str, got: object, want: str) -> None:
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got}, want {want}")


class SensorError(TelemetryError, ValueError):
    """An entity, or the wiring of a channel, that cannot measure what it should."""

    def __init__(self, entity: str, got: str, want: str) -> None:
        self.entity, self.got, self.want = entity, got, want
        self.name = entity
        super().__init__(f"{entity} {got}, want {want}")


class MirrorError(TelemetryError, ValueError):
    """A setting with which no connection to the mirror shall be made."""

    def __init__(self, name: str, got: object, want: str) -> None:
        self.name, self.got, self.want = name, got, want
        super().__init__(f"mirror.{name} is {got}, want {want}")


class ClockError(TelemetryError):
    """This machine and a source of facts disagree about the time: slots would be misfiled."""

    def __init__(self, peer: str, theirs: datetime, ours: datetime) -> None:
        self.peer, self.theirs, self.ours = peer, theirs, ours
        super().__init__(
            f"the clock of {peer} shows {theirs:%Y-%m-%d %H:%M:%S} UTC, this machine's "
            f"{ours:%Y-%m-%d %H:%M:%S} UTC, want at most two minutes between them; nothing was "
            "recorded: let both take their time from the network (timedatectl set-ntp true)"
        )


class PeerError(TelemetryError):
    """A service outside did not do what was asked; nothing was written."""

    def __init__(self, peer: str, reason: str, cure: str) -> None:
        self.peer, self.reason, self.cure = peer, reason, cure
        super().__init__(f"{peer}: {reason}; {cure}")


class PeerAuthError(PeerError):
    """It refused the token: trying again does not help."""


class PeerUnreachableError(PeerError):
    """No connection, a cut one, or no answer in time: try again later."""


class PeerNotReadyError(PeerError):
    """It is starting or stopping: try again in a minute."""


class PeerReplyError(PeerError):
    """Its answer is broken, or of a shape that this version does not know."""


class StoreError(TelemetryError):
    """The database cannot be opened or is not a store."""

    def __init__(self, store: str, reason: str) -> None:
        self.store, self.reason = store, reason
        super().__init__(f"store {store}: {reason}")


class StoreBusyError(StoreError):
    """A lock or a time limit stood in the way: try again later."""


class StoreUnreachableError(StoreError):
    """The server of the store does not answer: try again later."""


class SchemaVersionError(StoreError):
    """The store has another schema revision than this program."""

    def __init__(self, store: str, got: str, want: str, hint: str) -> None:
        self.got, self.want = got, want
        super().__init__(store, f"schema revision is {got}, want {want}; {hint}")

    @property
    def older(self) -> bool:
        """Whether an older Darkstar wrote it, so that this one can migrate it."""
        return self.got < self.want  # four digits; "none" of an empty store is no older one


class MigrationError(StoreError):
    """A store of an older Darkstar could not be brought to the schema of this one."""

    def __init__(self, store: str, got: str, want: str, reason: str) -> None:
        self.got, self.want = got, want
        super().__init__(store, f"cannot be brought from schema {got} to {want}: {reason}")


class CopyError(StoreError):
    """No copy of the store could be written; nothing of one is left."""

    def __init__(self, store: str, place: str, reason: str) -> None:
        self.place = place
        super().__init__(store, f"no copy of it was made at {place}: {reason}")


class ReadOnlyError(StoreError):
    """A write through a store that was opened for reading."""

    def __init__(self, store: str) -> None:
        super().__init__(store, "opened read-only, so nothing can be written; open it for writing")


class UnknownHomeError(StoreError, LookupError):
    """No home of that name in the store."""

    def __init__(self, home_id: str, known: tuple[str, ...]) -> None:
        self.home_id, self.known = home_id, known
        # Not through StoreError.__init__: the message is about the home, whatever the file.
        self.store, self.reason = "", f"no home {home_id!r}"
        listed = ", ".join(known) if known else "none yet"
        Exception.__init__(
            self,
            f"no home {home_id!r} in the store, want one of: {listed}; "
            "bring its data first (darkstar record or backfill, or darkstar import FILE)",
        )


class CurrencyError(StoreError, ValueError):
    """Prices of one area in more than one currency, or not in the one wanted."""

    def __init__(self, area: str, got: tuple[str, ...]) -> None:
        self.area, self.got = area, got
        self.store, self.reason = "", f"prices of {area} in {got}"
        Exception.__init__(
            self,
            f"prices of {area} are stored in {', '.join(got)}, want one currency; "
            "pick one: pass currency",
        )
