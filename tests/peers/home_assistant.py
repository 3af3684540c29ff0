"""A real Home Assistant Core as a test peer: it boots in 3 s, is seeded, restarted and killed.

    with RealHomeAssistant(tmp_path) as ha:
        ha.seed_statistics([Seed.from_change("sensor.load", start=start, change=change)])
        ha.set_state("sensor.soc", "55", {"unit_of_measurement": "%"})

It lives in ``.venv-ha`` (``make .venv-ha/.ready``). With ``faketime="@2025-10-25 21:30:00 x600"``
(UTC) it starts at that moment and lives 600 times as fast; ``clock()`` reads its time. With
``now=`` it starts at that moment and lives as fast as we do, and ``set_clock()`` puts it forward.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from websockets.sync.client import ClientConnection, connect

from telemetry.arrays import F64, I64
from tests.peers.ha_folder import write_folder

REPO = Path(__file__).resolve().parents[2]
VENV = REPO / ".venv-ha"
_BOOT_SECONDS = 120.0
_SEED_SECONDS = 180.0
# Home Assistant closes the connection on more than 4 MiB from a client.
_ROWS_PER_MESSAGE = 10_000
# A child that outlives a killed test run would hold its port and folder: SIGTERM with the parent.
_LAUNCH = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.execv(sys.executable, [sys.executable, '-m', 'homeassistant', *sys.argv[1:]])"
)


class HomeAssistantFailedError(RuntimeError):
    """The test peer did not come up, or did not do what seeding asked."""


def missing() -> str | None:
    """Say why no Home Assistant can be started here, and the cure; None where it can."""
    if (VENV / ".ready").exists():
        return None
    return "no Home Assistant to test against: make .venv-ha/.ready (needs Python 3.11)"


def faketime_library() -> Path | None:
    """Return the library that shifts and speeds up a process's clock; None where absent."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Hourly statistics of one entity, to be imported.

    Attributes:
        entity_id: statistic id; the entity need not exist.
        unit: unit of the values.
        start: epoch seconds of full hours, ascending (N,).
        sum: running total at each hour's end (N,), for a meter.
        mean: mean of each hour (N,), for a power or a percentage.
        low: least of each hour (N,), beside the mean.
        high: most of each hour (N,), beside the mean.
    """

    entity_id: str
    start: I64
    unit: str = "kWh"
    sum: F64 | None = None
    mean: F64 | None = None
    low: F64 | None = None
    high: F64 | None = None

    @classmethod
    def from_change(cls, entity_id: str, *, start: I64, change: F64, unit: str = "kWh") -> Self:
        """Make a meter from the energy of each hour, counted from zero."""
        return cls(entity_id=entity_id, start=start, unit=unit, sum=np.cumsum(change))

    def metadata(self) -> dict[str, object]:
        """Return what Home Assistant wants to know of it."""
        return {
            "has_mean": self.mean is not None,
            "has_sum": self.sum is not None,
            "name": None,
            "source": "recorder",
            "statistic_id": self.entity_id,
            "unit_of_measurement": self.unit,
        }

    def rows(self) -> list[dict[str, object]]:
        """Return the rows as ``recorder/import_statistics`` takes them."""
        starts = [datetime.fromtimestamp(int(s), UTC).isoformat() for s in self.start]
        rows: list[dict[str, object]] = [{"start": start} for start in starts]
        for name, values in self.columns().items():
            for row, value in zip(rows, [] if values is None else values.tolist(), strict=False):
                row[name] = value
        return rows

    def columns(self) -> dict[str, F64 | None]:
        """Return the values by the names that Home Assistant gives them."""
        return {"sum": self.sum, "mean": self.mean, "min": self.low, "max": self.high}


class RealHomeAssistant:
    """One instance in one folder; ``start`` again after ``stop`` or ``kill`` keeps everything."""

    def __init__(
        self,
        folder: Path,
        *,
        zone: str = "Europe/Stockholm",
        faketime: str | None = None,
        now: datetime | None = None,
    ) -> None:
        self.folder, self.zone, self.faketime = folder.absolute(), zone, faketime
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shift = None if now is None else self.folder / "shift"
        self._shift_seconds = -math.inf
        if now is not None:
            self.set_clock(now)
        tokens = write_folder(self.folder, self.port, zone)
        self.token, self.token_user = tokens.admin, tokens.user
        self.token_readonly = tokens.readonly
        self.token_expired = tokens.expired
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10.0,
            trust_env=False,
            # An idle connection lives 75 s of its clock: with a fast one, a moment.
            limits=httpx.Limits(max_keepalive_connections=0 if faketime or now else 5),
        )

    def __enter__(self) -> Self:
        """Start it and wait until it is RUNNING."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.close()

    # --- the process ---------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the process and return at once, while it is still booting.

        To be called from the main thread: the kernel ends it with the thread that started it.
        """
        python = str(VENV / "bin" / "python")
        command = [python, "-c", _LAUNCH, "-c", str(self.folder), "--skip-pip"]
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )

    def start(self) -> Self:
        """Start the process and wait until it is RUNNING."""
        self.launch()
        try:
            self.wait_running()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_running(self) -> None:
        """Wait for the state RUNNING; refuse recovery mode."""
        until = time.monotonic() + _BOOT_SECONDS
        while (config := self._config()).get("state") != "RUNNING":
            if self._process is None or self._process.poll() is not None:
                raise HomeAssistantFailedError(f"it ended while booting: {self.tail()}")
            if time.monotonic() > until:
                raise HomeAssistantFailedError(f"not up after {_BOOT_SECONDS:g} s: {self.tail()}")
            time.sleep(0.05)
        if config["recovery_mode"] or "recorder" not in config["components"]:
            raise HomeAssistantFailedError(f"it is in recovery mode: {self.tail()}")

    def stop(self) -> None:
        """End it as an operator would, so that it writes its last states."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it and let go of the connection to it."""
        self.stop()
        self._http.close()

    def tail(self) -> str:
        """Return the last lines that it wrote."""
        log = self.folder / "output.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])

    # --- what it knows -------------------------------------------------------------------------

    def clock(self) -> datetime:
        """Return its own time, UTC, to the second."""
        return parsedate_to_datetime(self._http.get("/api/").headers["Date"])

    def set_clock(self, now: datetime) -> None:
        """Put its time forward to a moment, never back, whether it runs or not."""
        if self._shift is None:
            raise ValueError("its clock cannot be set: make it with now=")
        self._shift_seconds = max(self._shift_seconds, now.timestamp() - time.time())
        fresh = self._shift.with_suffix(".new")  # it is read at every look at the clock
        fresh.write_text(f"{self._shift_seconds:+.3f}", encoding="ascii")
        fresh.replace(self._shift)

    def wait_clock(self, until: datetime, *, timeout_seconds: float = 120.0) -> datetime:
        """Wait until its own time has reached ``until``; return it."""
        give_up = time.monotonic() + timeout_seconds
        while (now := self.clock()) < until:
            if time.monotonic() > give_up:
                raise HomeAssistantFailedError(f"it is {now} there after {timeout_seconds:g} s")
            time.sleep(0.02)
        return now

    def set_state(
        self, entity_id: str, state: str, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Set a state; attributes left out are lost, as Home Assistant does it."""
        body = {"state": state, "attributes": dict(attributes or {})}
        self._http.post(f"/api/states/{entity_id}", json=body).raise_for_status()

    def remove_state(self, entity_id: str) -> None:
        """Remove an entity's state."""
        self._http.delete(f"/api/states/{entity_id}").raise_for_status()

    def seed_statistics(self, seeds: Sequence[Seed]) -> None:
        """Import hourly statistics as a user would and wait until they can be read.

        About 700 rows a second; ``seed_statistics_directly`` is there for years of them.
        """
        with self.websocket() as call:
            for seed in seeds:
                rows = seed.rows()
                for at in range(0, len(rows), _ROWS_PER_MESSAGE):
                    part = rows[at : at + _ROWS_PER_MESSAGE]
                    kind = "recorder/import_statistics"
                    call(kind, metadata=seed.metadata(), stats=part)
            for seed in seeds:
                _wait_for_rows(call, seed)

    def seed_statistics_directly(self, seeds: Sequence[Seed]) -> None:
        """Import the first row as a user would, and put the others into the database."""
        self.seed_statistics([_first_row(seed) for seed in seeds])
        with closing(sqlite3.connect(self.folder / "home-assistant_v2.db", timeout=30.0)) as base:
            for seed in seeds:
                _insert(base, seed)
            base.commit()

    @contextmanager
    def websocket(self) -> Iterator[_Call]:
        """Open an authenticated connection for raw commands of a test."""
        url = self.url.replace("http", "ws", 1) + "/api/websocket"
        with connect(url, max_size=None, proxy=None) as connection:
            connection.recv()
            connection.send(json.dumps({"type": "auth", "access_token": self.token}))
            connection.recv()
            yield _Call(connection)

    # --- inside --------------------------------------------------------------------------------

    def _config(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._http.get("/api/config").json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        # Without byte code every boot takes 17 s instead of 3.
        unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"}
        found = {name: value for name, value in os.environ.items() if name not in unwanted}
        if self.faketime is not None:
            faked = {"FAKETIME": self.faketime}
        elif self._shift is not None:
            faked = {"FAKETIME_TIMESTAMP_FILE": str(self._shift), "FAKETIME_NO_CACHE": "1"}
        else:
            return found
        library = faketime_library()
        if library is None:
            raise HomeAssistantFailedError("no libfaketime: apt-get install libfaketime")
        # Faked file times would make every cached byte code stale.
        return {**found, **faked, "LD_PRELOAD": str(library), "NO_FAKE_STAT": "1", "TZ": "UTC"}


class _Call:
    """A connection as a function: command and fields in, result out."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._id = connection, 0

    def __call__(self, kind: str, **fields: object) -> Any:
        """Send a command and return its result; raise if it was refused."""
        self._id += 1
        self._connection.send(json.dumps({"id": self._id, "type": kind, **fields}))
        reply = json.loads(self._connection.recv())
        if not reply["success"]:
            raise HomeAssistantFailedError(f"{kind}: {reply['error']}")
        return reply["result"]


def _wait_for_rows(call: _Call, seed: Seed) -> None:
    """Wait until an import is through: Home Assistant acknowledges when it is only queued."""
    until = time.monotonic() + _SEED_SECONDS
    last = datetime.fromtimestamp(int(seed.start[-1]), UTC).isoformat()
    kind, wanted = "recorder/statistics_during_period", [seed.entity_id]
    while not call(kind, start_time=last, statistic_ids=wanted, period="hour"):
        if time.monotonic() > until:
            raise HomeAssistantFailedError(f"{seed.entity_id}: not there after {_SEED_SECONDS} s")
        time.sleep(0.05)


def _first_row(seed: Seed) -> Seed:
    def first(values: F64 | None) -> F64 | None:
        return None if values is None else values[:1]

    return replace(
        seed,
        start=seed.start[:1],
        sum=first(seed.sum),
        mean=first(seed.mean),
        low=first(seed.low),
        high=first(seed.high),
    )


def _insert(base: sqlite3.Connection, seed: Seed) -> None:
    """Put all rows but the first into the table of hourly statistics."""
    ask = "SELECT id FROM statistics_meta WHERE statistic_id = ?"
    (meta,) = base.execute(ask, (seed.entity_id,)).fetchone()
    nothing = [None] * seed.start.size
    columns = [nothing if one is None else one.tolist() for one in seed.columns().values()]
    rows = list(zip(seed.start.tolist(), *columns, strict=True))[1:]
    base.executemany(
        "INSERT INTO statistics (metadata_id, created_ts, start_ts, sum, mean, min, max) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(meta, time.time(), *row) for row in rows],
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
