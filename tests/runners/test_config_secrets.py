"""Secrets are found in their two places and printed nowhere."""

from pathlib import Path

import pytest

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
        ("!secret store_url", f"mysql://u:{PASSWORD}@nas/d"),
        ("mysql://u:${password}@nas/d", f"mysql://u:{PASSWORD}@nas/d"),
    ],
)
def test_from_secrets_yaml(tmp_path: Path, url: str, want: str) -> None:
    secrets = f"store_url: mysql://u:{PASSWORD}@nas/d\npassword: {PASSWORD}\n"
    assert load_config(config_with(tmp_path, url, secrets)).store_url == want


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKSTAR_STORE_URL", f"mysql://u:{PASSWORD}@nas/d")
    monkeypatch.setenv("NAS_PASSWORD", PASSWORD)
    for url in ("!secret store_url", "mysql://u:${NAS_PASSWORD}@nas/d"):
        config = load_config(config_with(tmp_path, url))
        assert config.store_url == f"mysql://u:{PASSWORD}@nas/d"


def test_file_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKSTAR_PLACE", "from-environment.sqlite")
    config = load_config(config_with(tmp_path, "!secret place", "place: from-file.sqlite\n"))
    assert config.store_url == str(tmp_path / "from-file.sqlite")


def test_missing_names_both_places(tmp_path: Path) -> None:
    want = r"line 13: !secret db -> .* add `db: \.\.\.` to secrets.yaml .* DARKSTAR_DB$"
    with pytest.raises(ConfigError, match=want):
        load_config(config_with(tmp_path, "!secret db", "other: 1\n"))
    with pytest.raises(
        ConfigError, match=r"\$\{db\} -> .*secrets.yaml .* variable db or DARKSTAR_D"
    ):
        load_config(config_with(tmp_path, "mysql://${db}@nas/d"))


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
    secrets = f"store_url: mysql://u:{PASSWORD}@nas/d\n"
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
        f"store: mysql://u:{PASSWORD}@nas/darkstar\n",
        f"store: [mysql://u:{PASSWORD}@nas/darkstar\n",
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
