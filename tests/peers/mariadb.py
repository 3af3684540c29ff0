"""A real MariaDB server as a test peer: private, up in 2 s, stopped, killed and restarted.

    with RealMariaDB(tmp_path) as server:
        server.make_database("antares")
        engine = sa.create_engine(server.dsn("antares"))

It has a data folder, a port and a socket of its own; the system's server is never touched. It
runs as whoever runs the tests, root included, and gives up durability for speed: what is committed
survives ``kill``, not a power cut.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from tests.peers.certificates import Certificates, make_certificates

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
# A child that outlives a killed test run would hold its port and folder: SIGTERM with the parent.
_LAUNCH = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"
)
_SERVER = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--performance-schema=OFF",
)


class MariaDBFailedError(RuntimeError):
    """The test peer did not come up, or did not do what was asked."""


def missing() -> str | None:
    """Say why no MariaDB can be started here, and the cure; None where it can."""
    names = ("mariadbd", "mariadb", "mariadb-install-db")
    absent = [name for name in names if _program(name) is None]
    if not absent:
        return None
    cure = "apt-get install --no-install-recommends mariadb-server"
    return f"no MariaDB to test against ({', '.join(absent)} missing): {cure}"


class RealMariaDB:
    """One server in one folder; ``start`` again after ``stop`` or ``kill`` keeps everything.

    Attributes:
        host, port, user, password: how a program gets in; the user may do everything.
        socket: path of its socket.
        certificates: of its TLS; ``None`` without.
    """

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str] = (),
        tls: bool = False,
        tls_names: Sequence[str] = ("127.0.0.1", "localhost"),
    ) -> None:
        """Prepare one; ``options`` are those of ``mariadbd``."""
        self.folder, self.options = folder.absolute(), tuple(options)
        self.host, self.port = "127.0.0.1", _free_port()
        # With what URLs, SQL and shells could trip over.
        self.user, self.password = "darkstar", f"s:3/{secrets.token_urlsafe(9)}@%#"
        self.folder.mkdir(parents=True, exist_ok=True)
        # A socket's path ends at 107 bytes, and those of pytest can be longer.
        # Also its tmpdir: a server that starts removes all temporary tables of a shared one.
        self._short = Path(tempfile.mkdtemp(prefix="mdb", dir="/tmp"))
        self.socket = self._short / "s"
        self.certificates: Certificates | None = None
        if tls:
            self.certificates = make_certificates(self.folder / "tls", tls_names)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
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

    def start(self) -> Self:
        """Start it and wait until it answers; the first time its data folder is made.

        To be called from the main thread: the kernel ends it with the thread that started it.
        """
        fresh = not (self.folder / "data" / "mysql").is_dir()
        if fresh:
            self._install()
        self._launch()
        try:
            self._wait()
            if fresh:
                self._make_user()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop it if it runs, and start it on the same port with the same data."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop it and remove its socket."""
        self.stop()
        shutil.rmtree(self._short, ignore_errors=True)

    def tail(self) -> str:
        """Return the last lines that it wrote."""
        log = self.folder / "output.log"
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    # --- what it holds -------------------------------------------------------------------------

    @property
    def ca(self) -> Path:
        """Certificate of the authority that signed the server's."""
        if self.certificates is None:
            raise MariaDBFailedError("it has no TLS: make it with tls=True")
        return self.certificates.authority

    def dsn(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database over TCP, password and all."""
        url = sa.URL.create(
            "mysql+pymysql",
            username=self.user,
            password=self.password,
            host=self.host,
            port=self.port,
            database=database,
            query={"charset": "utf8mb4"},
        )
        return url.render_as_string(hide_password=False)

    def sql(self, text: str, db: str = "") -> str:
        """Run SQL as root over the socket; return rows as lines, values parted by tabs."""
        command = [_need("mariadb"), "--no-defaults", "-uroot", f"--socket={self.socket}"]
        command += ["--batch", "--skip-column-names", "--default-character-set=utf8mb4"]
        done = subprocess.run(
            [*command, *([db] if db else [])],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MariaDBFailedError(done.stderr.strip())
        return done.stdout

    def make_database(self, name: str) -> str:
        """Make a new, empty database (an older one of the name is dropped); return its URL."""
        self.sql(f"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}`;")
        return self.dsn(name)

    # --- inside --------------------------------------------------------------------------------

    def _install(self) -> None:
        command = [
            _need("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self._short}",
            f"--user={_me()}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
            "--innodb-log-file-size=16M",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MariaDBFailedError(f"no data folder: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _launch(self) -> None:
        command = [
            _need("mariadbd"),
            *_SERVER,
            f"--user={_me()}",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self._short / 'pid'}",
            f"--tmpdir={self._short}",
            *self._tls_options(),
            *self.options,
        ]
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _tls_options(self) -> tuple[str, ...]:
        if self.certificates is None:
            return ()
        files = self.certificates
        return (f"--ssl-cert={files.certificate}", f"--ssl-key={files.key}")

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.sql("SELECT 1")
            except MariaDBFailedError as err:
                if self._process is None or self._process.poll() is not None:
                    raise MariaDBFailedError(f"it ended while starting: {self.tail()}") from err
                if time.monotonic() > until:
                    raise MariaDBFailedError(f"not up: {err}: {self.tail()}") from err
                time.sleep(0.05)
            else:
                return

    def _make_user(self) -> None:
        for host in ("127.0.0.1", "localhost"):
            name = f"'{self.user}'@'{host}'"
            self.sql(
                f"CREATE USER {name} IDENTIFIED BY '{self.password}';"
                f"GRANT ALL ON *.* TO {name} WITH GRANT OPTION;"
            )

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(name: str) -> str | None:
    """Return the path of a program; Debian keeps the server where only root looks."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=os.pathsep.join((path, "/usr/sbin", "/usr/local/sbin")))


def _need(name: str) -> str:
    found = _program(name)
    if found is None:
        raise MariaDBFailedError(f"no {name} here: {missing()}")
    return found


def _me() -> str:
    """Return who runs this: the server does not start as root unless it is told to."""
    return pwd.getpwuid(os.getuid()).pw_name


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
