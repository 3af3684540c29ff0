"""The test peer itself: it keeps what was committed, and goes with its parent."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.peers.fixtures import MakeMariaDB
from tests.peers.home_assistant import REPO
from tests.peers.mariadb import MariaDBFailedError, RealMariaDB

pytestmark = pytest.mark.integration

_PARENT = """
import sys, time
from pathlib import Path
from tests.peers.mariadb import RealMariaDB
server = RealMariaDB(Path(sys.argv[1])).start()
print(server.port, server.socket, flush=True)
time.sleep(60.0)
"""


def test_what_is_committed_survives_a_kill(make_mariadb: MakeMariaDB) -> None:
    server = make_mariadb().start()
    engine = sa.create_engine(server.make_database("peer"), pool_pre_ping=True)
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE kept (text VARCHAR(10))")
        conn.exec_driver_sql("INSERT INTO kept VALUES ('åäö')")
    server.kill()
    with pytest.raises(MariaDBFailedError, match="connect"):
        server.sql("SELECT 1")
    server.start()
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT text FROM kept").scalar() == "åäö"
    engine.dispose()
    assert server.sql("SELECT text FROM kept", "peer") == "åäö\n"


def test_it_ends_with_a_parent_that_is_killed(mariadb: RealMariaDB, tmp_path: Path) -> None:
    assert _answers(mariadb.port)
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told, path = parent.stdout.readline().split()
        port = int(told)
        assert _answers(port)
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 20.0
    while _answers(port) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _answers(port)
    shutil.rmtree(Path(path).parent)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0):
            return True
    except OSError:
        return False
