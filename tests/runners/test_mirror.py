"""``darkstar mirror`` as a command, against a real MariaDB, killed and run again."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from runners.cli import app
from runners.config import load_config
from runners.errors import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE, ConfigError
from runners.mirror import run_mirror
from telemetry.store import Store
from tests.peers.fixtures import MakeMariaDB
from tests.peers.mariadb import RealMariaDB
from tests.runners.test_config import HOME
from tests.runners.test_record import hold_lock
from tests.telemetry.mirrors import episode, put, rows

DATABASE = "mirror_command"
LOCK_FILE = ".darkstar.sqlite-mirror.lock"
PASSWORD = "hunter2-and-more"  # noqa: S105 - the secret that must not show
MIRROR = "mirror: {host: nas, user: darkstar, password: !secret mirror_password}\n"
EPISODES, KILLS, MOST_TRIES = 400, 8, 40


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def write_config(folder: Path, text: str, password: str = PASSWORD) -> Path:
    path = folder / "config.yaml"
    path.write_text(HOME + text, encoding="utf-8")
    secrets = folder / "secrets.yaml"
    secrets.write_text(f"mirror_password: '{password}'\nname: darkstar\n", encoding="utf-8")
    secrets.chmod(0o600)
    return path


@dataclass(frozen=True, slots=True)
class House:
    """A configuration with a mirror, and its store.

    Attributes:
        config: the configuration's file.
        store: the SQLite file.
        peer: the server of the mirror.
    """

    config: Path
    store: Path
    peer: RealMariaDB

    def put(self, count: int, text: str = "") -> None:
        """Store episodes, those of before among them."""
        with Store.open(self.store, system_id="test") as store:
            put(store, [episode(number, text=text) for number in range(count)])

    def waiting(self) -> int:
        """Count those that wait."""
        with Store.open(self.store, read_only=True) as store:
            return store.waiting_episodes()

    def is_mirrored(self) -> bool:
        """Whether both tables hold the same rows."""
        here = rows(f"sqlite:///{self.store}")
        assert here
        return rows(self.peer.dsn(DATABASE)) == here


def house_of(folder: Path, peer: RealMariaDB, password: str = "") -> House:
    where = f"host: 127.0.0.1, port: {peer.port}, user: {peer.user}, database: {DATABASE}"
    text = f"mirror: {{{where}, password: !secret mirror_password}}\n"
    config = write_config(folder, text, password or peer.password)
    return House(config, folder / "darkstar.sqlite", peer)


@pytest.fixture
def house(tmp_path: Path, mariadb: RealMariaDB) -> Iterator[House]:
    mariadb.sql(f"DROP DATABASE IF EXISTS {DATABASE}")
    yield house_of(tmp_path, mariadb)
    mariadb.sql(f"DROP DATABASE IF EXISTS {DATABASE}")


@pytest.mark.integration
def test_what_waits_is_pushed(house: House, tmp_path: Path) -> None:
    house.put(3)
    report = tmp_path / "report.json"
    done = run("mirror", "--config", house.config, "--json", report)
    assert done.exit_code == 0, done.output
    assert "3 episodes pushed in" in done.output
    assert "its table made, 0 waiting" in done.output
    assert house.is_mirrored()
    told = json.loads(report.read_text())
    assert told["server"] == f"MariaDB at 127.0.0.1:{house.peer.port}"
    assert (told["pushed"], told["waiting"], told["too_large"]) == (3, 0, [])
    house.put(4)
    assert "1 episode pushed in" in run("mirror", "--config", house.config).output
    assert "0 episodes pushed in" in run("mirror", "--config", house.config).output
    house.peer.sql("UPDATE training_episodes SET engine = 'other' LIMIT 2", DATABASE)
    assert not house.is_mirrored()
    assert "4 episodes pushed in" in run("mirror", "--config", house.config, "--all").output
    assert house.is_mirrored()


@pytest.mark.integration
def test_a_dry_run_only_counts(house: House) -> None:
    house.put(3)
    done = run("mirror", "--config", house.config, "--dry-run", "--json", "-")
    told = json.loads(done.stdout)
    assert (told["to_push"], told["table_exists"], told["has_lost_episodes"]) == (3, False, False)
    assert house.peer.sql(f"SHOW DATABASES LIKE '{DATABASE}'") == ""
    assert house.waiting() == 3
    assert not (house.config.parent / LOCK_FILE).exists()
    told = run("mirror", "--config", house.config, "--dry-run").stdout.splitlines()
    assert told[0] == f"MariaDB at 127.0.0.1:{house.peer.port}: nothing written"
    run("mirror", "--config", house.config)
    house.peer.sql("DROP TABLE training_episodes", DATABASE)
    house.put(4)
    told = json.loads(run("mirror", "--config", house.config, "--dry-run", "--json", "-").stdout)
    assert (told["to_push"], told["table_exists"], told["has_lost_episodes"]) == (4, False, True)
    assert house.waiting() == 1


@pytest.mark.integration
def test_what_the_server_does_not_take_is_named(tmp_path: Path, make_mariadb: MakeMariaDB) -> None:
    house = house_of(tmp_path, make_mariadb(options=["--max-allowed-packet=64K"]).start())
    house.put(2)
    with Store.open(house.store, system_id="test") as store:
        put(store, [large := episode(2, text="y" * 100_000)])
    done = run("mirror", "--config", house.config)
    assert done.exit_code == 0
    assert "2 episodes pushed" in done.output
    assert (
        f"1 episode larger than the server's max_allowed_packet: not pushed ({large.episode_id})"
        in (done.output)
    )


@pytest.mark.integration
def test_a_store_on_mariadb_is_mirrored_too(house: House, tmp_path: Path) -> None:
    url = house.peer.make_database("mirror_primary")
    with Store.open(url, system_id="test") as store:
        put(store, [episode(number) for number in range(5)])
    text = house.config.read_text() + "store: {url: !secret store_url}\n"
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(secrets.read_text() + f"store_url: '{url}'\n", encoding="utf-8")
    house.config.write_text(text, encoding="utf-8")
    done = run("mirror", "--config", house.config)
    assert "5 episodes pushed in" in done.output
    assert rows(house.peer.dsn(DATABASE)) == rows(url)
    assert len(list(tmp_path.glob(".*mirror_primary-mirror.lock"))) == 1  # none of a home alone
    assert not list(tmp_path.glob(".*-mirror-*"))


@pytest.mark.integration
def test_the_second_mirror_leaves_with_a_word(house: House) -> None:
    house.put(1)
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    lock = house.store.parent / LOCK_FILE
    other = context.Process(target=hold_lock, args=(lock, held, done))
    other.start()
    try:
        assert held.wait(30)
        second = run("mirror", "--config", house.config)
    finally:
        done.set()
        other.join(30)
    assert second.exit_code == 0
    assert "another darkstar mirror is at work here" in second.output
    assert house.waiting() == 1


@pytest.mark.integration
def test_killed_at_random_moments_and_run_again(house: House) -> None:
    """From its start to its last batch: at the end no row is lost or doubled."""
    house.put(EPISODES, text="z" * 5000)
    began = time.monotonic()
    assert _ended(_mirror(house)) == 0
    seconds, kills, in_the_middle = time.monotonic() - began, 0, 0
    moments = random.Random(5)  # noqa: S311 - no secret
    for _ in range(MOST_TRIES):
        process = _mirror(house)
        time.sleep(moments.uniform(0.1, 1.0) * seconds)
        process.kill()
        was_killed, waiting = _ended(process) == -signal.SIGKILL, house.waiting()
        kills, in_the_middle = kills + was_killed, in_the_middle + (0 < waiting < EPISODES)
        seconds *= 0.9 if not was_killed else 1.0 if waiting else 1.1  # aim at what it does
        if kills >= KILLS and in_the_middle:
            break
    assert kills >= KILLS
    assert in_the_middle
    assert _ended(_mirror(house)) == 0
    assert house.is_mirrored()
    assert house.waiting() == 0


def _mirror(house: House) -> ForkServerProcess:
    """Start a process that pushes everything; what it imports is loaded once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["runners.mirror", "telemetry.mirror", "telemetry.store"])
    options = {"config_path": house.config, "everything": True}
    process = context.Process(target=run_mirror, kwargs=options)
    process.start()
    return process


def _ended(process: ForkServerProcess) -> int | None:
    process.join(60.0)
    return process.exitcode


@pytest.mark.integration
def test_failures_have_their_exit_codes_and_keep_the_password(
    tmp_path: Path, make_mariadb: MakeMariaDB
) -> None:
    peer = make_mariadb()
    house = house_of(tmp_path, peer)
    house.put(2)
    said = [down := run("mirror", "--config", house.config, "--json", "-")]
    assert down.exit_code == EX_UNAVAILABLE
    assert "gives no answer" in down.stderr
    peer.start()
    house_of(tmp_path, peer, PASSWORD)
    said += [wrong := run("mirror", "--config", house.config)]
    assert wrong.exit_code == EX_NOPERM
    assert "check mirror.user and mirror.password" in wrong.stderr
    assert house.waiting() == 2
    house_of(tmp_path, peer)
    said += [run("mirror", "--config", house.config, *more) for more in ([], ["--json", "-"])]
    assert [one.exit_code for one in said[2:]] == [0, 0]
    assert house.is_mirrored()
    for one in said:
        assert peer.password not in one.output + one.stderr
        assert PASSWORD not in one.output + one.stderr


# --- configuration -----------------------------------------------------------------------------


def test_without_a_mirror_it_says_what_to_write(tmp_path: Path) -> None:
    done = run("mirror", "--config", write_config(tmp_path, ""))
    assert done.exit_code == EX_CONFIG
    assert "mirror -> is missing; add `mirror:` with host, user and `password: !secret" in (
        done.output
    )
    assert not (tmp_path / "darkstar.sqlite").exists()


def test_a_mirror_of_the_configuration(tmp_path: Path) -> None:
    text = MIRROR.replace("host: nas", "host: nas, tls_ca: certificates/nas.pem")
    server = load_config(write_config(tmp_path, text)).mirror_server()
    assert (server.host, server.port, server.database) == ("nas", 3306, "antares_learning")
    assert (server.user, server.password) == ("darkstar", PASSWORD)
    assert server.tls_ca == tmp_path / "certificates" / "nas.pem"
    assert server.uses_tls


def test_its_user_may_be_a_secret(tmp_path: Path) -> None:
    text = MIRROR.replace("user: darkstar", "user: !secret name")
    assert load_config(write_config(tmp_path, text)).mirror_server().user == "darkstar"


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        ("!secret mirror_password", PASSWORD, r"mirror.password -> a password has no place in"),
        ("!secret mirror_password", "''", r"mirror.password -> a password has no place in"),
        (", password: !secret mirror_password", "", r"mirror.password -> missing; add `!secret"),
        ("!secret mirror_password", "!secret none", r"!secret none -> this secret is missing"),
        ("user: darkstar", "user: ''", r"mirror.user -> is empty; the mirror is not opened"),
        ("user: darkstar, ", "", r"mirror.user -> missing; add the user"),
        ("host: nas", "host: !secret name", r"mirror.host: \(secret\) -> a secret is allowed in"),
        ("host: nas", "host: nas, port: 70000", r"mirror.port: 70000 -> must be at most 65535"),
        ("host: nas", "host: nas, tls: true", r"mirror.tls -> unknown key; did you mean tls_ca"),
        ("host: nas", "host: nas, database: a-b", r"mirror.database: a-b -> .*letters, digits"),
    ],
)
def test_what_the_section_refuses(tmp_path: Path, old: str, new: str, want: str) -> None:
    assert old in MIRROR
    with pytest.raises(ConfigError, match=want) as caught:
        load_config(write_config(tmp_path, MIRROR.replace(old, new)))
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        ("host: nas", "socket: /run/s, host: nas", r"mirror.host: given beside socket -> want"),
        ("host: nas, ", "", r"mirror.host: missing -> want a host, or the path of a socket"),
        ("host: nas", "host: 'nas/'", r"mirror.host: no name or address -> want a bare one"),
    ],
)
def test_what_no_server_is_made_of(tmp_path: Path, old: str, new: str, want: str) -> None:
    config = load_config(write_config(tmp_path, MIRROR.replace(old, new)))
    with pytest.raises(ConfigError, match=want):
        config.mirror_server()


def test_a_ca_that_is_absent_is_a_matter_of_the_configuration(tmp_path: Path) -> None:
    text = MIRROR.replace("host: nas", "host: nas, tls_ca: absent.pem")
    done = run("mirror", "--config", write_config(tmp_path, text))
    assert done.exit_code == EX_CONFIG
    assert "absent.pem" in done.output
