"""Secrets are found in their two places and printed nowhere."""

import re
import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from typer.testing import CliRunner

from runners.cli import app
from runners.config import load_config
from runners.errors import ConfigError
from runners.output import write_json
from tests.runners.test_config import HOME

PASSWORD = "hunter2-and-more"  # noqa: S105 - the secret that must not show


def config_with(folder: Path, url: str, secrets: str | None = None) -> Path:
    path = folder / "config.yaml"
    path.write_text(HOME + f"store:\n  url: {url}\n", encoding="utf-8")
    if secrets is not None:
        (folder / "secrets.yaml").write_text(secrets, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("!secret store_url", f"mysql+pymysql://u:{PASSWORD}@nas/d"),
        ("mysql+pymysql://u:${password}@nas/d", f"mysql+pymysql://u:{PASSWORD}@nas/d"),
    ],
)
def test_from_secrets_yaml(tmp_path: Path, url: str, want: str) -> None:
    secrets = f"store_url: mysql+pymysql://u:{PASSWORD}@nas/d\npassword: {PASSWORD}\n"
    assert load_config(config_with(tmp_path, url, secrets)).store_url == want


@pytest.mark.parametrize(("rights", "warned"), [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_secrets_that_others_can_read(
    tmp_path: Path, rights: int, warned: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_with(tmp_path, "!secret place", "place: x.sqlite\n")
    secrets = tmp_path / "secrets.yaml"
    secrets.chmod(rights)
    assert load_config(path).store_url.endswith("x.sqlite")
    out, err = capsys.readouterr()
    line = f"{secrets} can be read by others; run: chmod 600 {secrets}\n"
    assert (out, err) == ("", line * warned)


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKSTAR_STORE_URL", f"mysql+pymysql://u:{PASSWORD}@nas/d")
    monkeypatch.setenv("NAS_PASSWORD", PASSWORD)
    for url in ("!secret store_url", "mysql+pymysql://u:${NAS_PASSWORD}@nas/d"):
        config = load_config(config_with(tmp_path, url))
        assert config.store_url == f"mysql+pymysql://u:{PASSWORD}@nas/d"


def test_file_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKSTAR_PLACE", "from-environment.sqlite")
    config = load_config(config_with(tmp_path, "!secret place", "place: from-file.sqlite\n"))
    assert config.store_url == str(tmp_path / "from-file.sqlite")


def test_credentials_of_a_service_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd gives them: a file a secret, or the whole of secrets.yaml."""
    given = tmp_path / "credentials"
    given.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    path = config_with(tmp_path, "!secret place", "place: beside.sqlite\n")
    assert load_config(path).store_url.endswith("beside.sqlite")
    # In its place secrets.yaml may be one that only root can read.
    (given / "secrets.yaml").write_text("place: credential.sqlite\nother: x\n", encoding="utf-8")
    (tmp_path / "secrets.yaml").write_bytes(b"\xff")
    assert load_config(path).store_url.endswith("credential.sqlite")
    (given / "place").write_text("alone.sqlite\n", encoding="utf-8")
    assert load_config(path).store_url == str(tmp_path / "alone.sqlite")
    (given / "place").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"place: byte 0 is no UTF-8"):
        load_config(path)


def test_missing_names_both_places(tmp_path: Path) -> None:
    want = r"line 13: !secret db -> .* add `db: \.\.\.` to secrets.yaml .* DARKSTAR_DB$"
    with pytest.raises(ConfigError, match=want):
        load_config(config_with(tmp_path, "!secret db", "other: 1\n"))
    with pytest.raises(
        ConfigError, match=r"\$\{db\} -> .*secrets.yaml .* variable db or DARKSTAR_D"
    ):
        load_config(config_with(tmp_path, "mysql+pymysql://${db}@nas/d"))


def test_odd_names_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a secret is named by letters, digits and _"):
        load_config(config_with(tmp_path, "a${b c}"))
    with pytest.raises(ConfigError, match="!secret takes one name"):
        load_config(config_with(tmp_path, "!secret [a]"))
    with pytest.raises(
        ConfigError, match=r"!secret takes one name, and has no place in secrets.yaml"
    ):
        load_config(config_with(tmp_path, "x.sqlite", "a: !secret b\n"))


def test_never_printed(tmp_path: Path) -> None:
    secrets = f"store_url: mysql+pymysql://u:{PASSWORD}@nas/d\n"
    config = load_config(config_with(tmp_path, "!secret store_url", secrets))
    dump = tmp_path / "dump.json"
    write_json(dump, config.model_dump())
    shown = [repr(config), str(config), config.model_dump_json(), dump.read_text(encoding="utf-8")]
    shown += [repr(config.store), f"{config.store.url}", str(config.model_dump())]
    assert not any(PASSWORD in text for text in shown)


@pytest.mark.parametrize(
    "broken",
    [
        "store: {url: !secret password}\nsystem: !secret password\n",
        "store: {url: 'postgres://u:${password}@x'}\n",
        "store: !secret password\n",
        "currency: !secret password\n",
        "currency: a${password}\n",
        "curency: ${password}\n",
        "exchange_rates: {EUR: !secret password}\n",
        "homes2: {a: {b: !secret password}}\n",
    ],
)
def test_errors_never_quote_them(tmp_path: Path, broken: str) -> None:
    path = config_with(tmp_path, "x.sqlite", f"password: {PASSWORD}\n")
    path.write_text(HOME + broken, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.yaml: ") as caught:
        load_config(path)
    assert PASSWORD not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    "store",
    [
        f"store: {{url: 'postgres://u:{PASSWORD}@x/y'}}\n",
        f"store: mysql+pymysql://u:{PASSWORD}@nas/darkstar\n",
        f"store: [mysql+pymysql://u:{PASSWORD}@nas/darkstar\n",
    ],
)
def test_a_plain_password_in_a_url_is_not_quoted(tmp_path: Path, store: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(store + HOME, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.yaml: ") as caught:
        load_config(path)
    assert PASSWORD not in str(caught.value)


def test_broken_secrets_file_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"secrets.yaml: line \d") as caught:
        load_config(config_with(tmp_path, "x.sqlite", f"a: '{PASSWORD}\nb: 1\n"))
    assert PASSWORD not in str(caught.value)


# A password in a URL, to the letter

NASTY = [
    "k3y@1:hunter2",
    "k3y@hunter2",
    "p%41hunter2",
    "hunter2/k3y?a=b#c",
    "hunter2 with blanks + plus & more",
    "hunter2'\"\\{}$[]!",
    "://hunter2@:",
    "hünter2-åäö-☃",
]
LOGIN_URL = "mysql+pymysql://darkstar:${db_password}@nas:3307/darkstar"


def quoted(text: str) -> str:
    """Write a text as YAML has it in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def leaks(secret: str, text: str) -> list[str]:
    """Return the parts of a secret, four characters or more, that a text shows."""
    parts = [secret, *(part for part in re.split(r"[^\w]+", secret) if len(part) >= 4)]
    return [part for part in parts if part in text]


@pytest.mark.parametrize("password", NASTY)
def test_the_engine_gets_exactly_the_password(tmp_path: Path, password: str) -> None:
    path = config_with(tmp_path, LOGIN_URL, f"db_password: {quoted(password)}\n")
    url = sa.make_url(load_config(path).store_url)
    assert (url.username, url.password, url.host, url.port) == ("darkstar", password, "nas", 3307)
    assert url.database == "darkstar"
    _, given = MySQLDialect_pymysql().create_connect_args(url)
    assert (given["password"], given["host"], given["user"]) == (password, "nas", "darkstar")


@pytest.mark.parametrize("password", NASTY)
def test_a_plan_on_a_store_out_of_reach_shows_no_part_of_it(tmp_path: Path, password: str) -> None:
    url = LOGIN_URL.replace("nas:3307", "127.0.0.1:9")
    path = config_with(tmp_path, url, f"db_password: {quoted(password)}\n")
    result = CliRunner().invoke(app, ["plan", "--config", str(path), "--soc-kwh", "5"])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in (65, 69)  # 65: the driver takes no such password
    assert leaks(password, result.output + repr(result.exception)) == []


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("mysql+pymysql://darkstar:k3y@1:hunter2@nas/d", "no URL that can be read"),
        ("mysql+pymysql://darkstar:hunter2/d", "no URL that can be read"),
        ("mysql+pymysql://darkstar:k3y@hunter2@nas/d", "its host is no name or address"),
        ("mysql+pymysql://nas:99999/hunter2", "its port is none of 1 to 65535"),
        ("mysql+pymysql://nas:0/hunter2", "its port is none of 1 to 65535"),
        ("mysql://u:hunter2@nas/d", "an unknown kind of database"),
        ("mariadb+pymysql://u:hunter2@nas/d", "an unknown kind of database"),
        ("sqlite+pysqlite:///hunter2", "an unknown kind of database"),
        ("sqlite://u:hunter2@nas/d", "an SQLite file has no host or login"),
        ("://hunter2", "no URL that can be read"),
    ],
)
def test_an_unusable_url_is_refused_unquoted(tmp_path: Path, url: str, fault: str) -> None:
    secret = f"whole: '{url}'\n"
    places = ((f"'{url}'", None), ("!secret whole", secret), ("${whole}", secret))
    for given, secrets in places:
        path = config_with(tmp_path, given, secrets)
        with pytest.raises(ConfigError, match=f"config.yaml: store.url -> {fault}") as caught:
            load_config(path)
        text = "".join(traceback.format_exception(caught.value))
        assert not any(part in text for part in ("hunter2", "k3y", "99999"))
        assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_only_what_is_decoded_again_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FOLDER", "/a b/%41"), ("HOST", "nas:33"), ("KEY", "a&b%")):
        monkeypatch.setenv(name, value)
    path = config_with(tmp_path, "sqlite:///${FOLDER}/x@y.sqlite")
    assert sa.make_url(load_config(path).store_url).database == "/a b/%41/x@y.sqlite"
    path = config_with(tmp_path, "mysql+pymysql://u@${HOST}/d?ssl_key=${KEY}")
    url = sa.make_url(load_config(path).store_url)
    assert (url.host, url.port, url.query["ssl_key"]) == ("nas", 33, "a&b%")
    assert load_config(config_with(tmp_path, "${FOLDER}/x.sqlite")).store_url == "/a b/%41/x.sqlite"


# Secrets are text


@pytest.mark.parametrize(
    "text",
    ["0123456", "6:22", "no", "1_000", "0x1F", "null", "~", "2025-01-01", "1e3", ".inf", "<<", "="],
)
def test_an_unquoted_secret_is_text(tmp_path: Path, text: str) -> None:
    path = config_with(tmp_path, LOGIN_URL, f"other: 1\ndb_password: {text}\n")
    assert sa.make_url(load_config(path).store_url).password == text


def test_a_name_without_a_value_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this secret is missing"):
        load_config(config_with(tmp_path, LOGIN_URL, "db_password:\n"))
    assert load_config(config_with(tmp_path, "x.sqlite", "# nothing yet\n")).homes


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ("a: 1\ndb_password: hunter2\na: 2\n", r"line 3: a -> the key is already on line 1"),
        ("a: 1\nb: [hunter2]\n", r"line 2 -> a secret is one text"),
        ("a: 1\nb:\n  c: hunter2\n", r"line 2 -> a secret is one text"),
        ("- hunter2\n", r"holds no mapping, want `name: value` lines"),
        ("hunter2\n", r"holds no mapping, want `name: value` lines"),
        ("b: !hunter2\n", r"line 1 -> .*put single quotes around the value"),
        ("b: *hunter2\n", r"line 1 -> .*put single quotes around the value"),
        ("b: &hunter2 x\n", r"line 1 -> .*put single quotes around the value"),
        ("b: @hunter2\n", r"line 1 -> .*put single quotes around the value"),
        ("b: hunter2\a\n", r"secrets.yaml: is no `name: value` line"),
    ],
)
def test_secrets_that_are_no_text_are_refused_unquoted(
    tmp_path: Path, secrets: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(config_with(tmp_path, "x.sqlite", secrets))
    assert "hunter2" not in str(caught.value)


def test_a_password_with_blanks_in_a_broken_line_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(HOME + "store: [mysql+pymysql://u:a hunter2@nas/d\nx: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 1[23]") as caught:
        load_config(path)
    assert "hunter2" not in str(caught.value)
