"""The registry: what goes in comes out, one model in use, a way back, and no silent baseline."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import runners.model_file
from forecast.aurora import Aurora, train
from runners.config import load_config
from runners.errors import EX_DATAERR, ConfigError
from runners.registry import ModelMeta, Registry, describe, load_current
from telemetry.slots import from_epoch
from tests.forecast.small_homes import DAY, START, small_home, small_training
from tests.runners.test_plan import template
from tests.test_floors import loaded

UNTIL = START + 64 * DAY
NOW = datetime(2025, 5, 1, 3, tzinfo=UTC)


@cache
def aurora() -> Aurora:
    """A real model with trees for the load and weights for PV."""
    with small_training():
        return train(small_home(64), UNTIL)[0]


def meta_of(model: Aurora, home_id: str = "villa", **test: object) -> ModelMeta:
    return describe(
        model,
        home_id=home_id,
        created_at=NOW,
        data_from=from_epoch(START),
        days_of_load=64.0,
        outcome="promoted",
        reason="its errors are 0.9 of those of the baseline",
        test=test,
    )


def later(model: Aurora, days: int) -> Aurora:
    """Another model, trained so many days later."""
    return replace(model, trained_until=model.trained_until + days * DAY)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models", "villa")


@pytest.fixture
def path(registry: Registry) -> Path:
    """The file of the model in use."""
    meta = meta_of(aurora())
    registry.promote(aurora(), meta)
    return registry.folder / f"{meta.version}.model"


def test_a_model_comes_back_as_it_went_in(registry: Registry) -> None:
    meta = meta_of(aurora(), ratio=0.9, contestants=(1, None))
    assert registry.promote(aurora(), meta)
    found = registry.current()
    assert found is not None
    model, told = found
    home, issues = small_home(64), np.array([START + 50 * DAY], dtype=np.int64)
    for one, other in zip(
        (aurora().issue(home, issues, 192, scenarios=True),),
        (model.issue(home, issues, 192, scenarios=True),),
        strict=True,
    ):
        assert np.array_equal(one.load.mean_kwh, other.load.mean_kwh)
        assert np.array_equal(one.load.low_kwh, other.load.low_kwh)
        assert np.array_equal(one.pv.median_kwh, other.pv.median_kwh)
        assert one.load_scenarios is not None
        assert other.load_scenarios is not None
        assert np.array_equal(one.load_scenarios, other.load_scenarios)
    assert model.trained_until == UNTIL
    assert told.version == meta.version
    assert told.trained_until == from_epoch(UNTIL).isoformat()
    assert told.test == {"ratio": 0.9, "contestants": [1, None]}
    assert set(told.libraries) == {"python", "numpy", "lightgbm", "pvlib", "darkstar-energy"}
    assert len(told.recipe) == 12


def test_numbers_without_end_come_back(registry: Registry) -> None:
    model = aurora()
    assert model.pv is not None
    endless = replace(model, pv=replace(model.pv, roof=replace(model.pv.roof, limit_kwh=np.inf)))
    registry.promote(endless, meta_of(endless))
    found = registry.current()
    assert found is not None
    assert found[0].pv is not None
    assert found[0].pv.roof.limit_kwh == np.inf


def test_without_a_model_the_baseline_serves(registry: Registry) -> None:
    assert registry.current() is None
    assert registry.history() == ()


def test_the_same_model_twice_is_one(registry: Registry) -> None:
    meta = meta_of(aurora())
    assert registry.promote(aurora(), meta)
    before = {p.name: p.read_bytes() for p in registry.folder.iterdir()}
    assert not registry.promote(aurora(), replace(meta, created_at="2026-01-01T00:00:00+00:00"))
    assert {p.name: p.read_bytes() for p in registry.folder.iterdir()} == before


def test_back_to_the_model_before_and_to_the_baseline(registry: Registry) -> None:
    first, second = aurora(), later(aurora(), 7)
    for model in (first, second):
        registry.promote(model, meta_of(model))
    left, now = registry.rollback(dry_run=True)
    assert [one.version for one in registry.history()] == [
        meta_of(model).version for model in (first, second)
    ]
    assert (left, now) == registry.rollback()
    assert now is not None
    found = registry.current()
    assert found is not None
    assert found[0].trained_until == first.trained_until
    assert registry.rollback()[1] is None
    assert registry.current() is None
    assert [p.name for p in registry.folder.iterdir()] == ["current.json"]
    with pytest.raises(ConfigError, match=r"no model was promoted.*darkstar train"):
        registry.rollback()


def test_only_the_newest_versions_are_kept(registry: Registry) -> None:
    for week in range(15):
        model = later(aurora(), 7 * week)
        registry.promote(model, meta_of(model))
    kept = {f"{one.version}.model" for one in registry.history()}
    assert len(kept) == 12
    assert {p.name for p in registry.folder.iterdir()} == kept | {"current.json"}


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write a model's file anew with some parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def manifest(**changes: object) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        raw = json.loads(parts["manifest.json"])
        parts["manifest.json"] = json.dumps(raw | changes).encode()

    return change


def other_number(parts: dict[str, bytes]) -> None:
    parts["state.json"] = parts["state.json"].replace(b'"parts": 1', b'"parts": 2')


def flipped(path: Path) -> None:
    """Change a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("spoil", "want"),
    [
        pytest.param(flipped, "is damaged", id="a byte"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes()[:2000]), "is damaged", id="cut short"),
        pytest.param(lambda p: p.write_bytes(b""), "is damaged", id="empty"),
        pytest.param(lambda p: p.write_text("hello"), "is damaged, or no model", id="a text"),
        pytest.param(lambda p: rewritten(p, other_number), "checksum does not fit", id="a number"),
        pytest.param(
            lambda p: rewritten(p, manifest(schema="darkstar.model/2")),
            "newer Darkstar.*update Darkstar",
            id="newer",
        ),
        pytest.param(
            lambda p: rewritten(p, manifest(schema="something/1")), "something else", id="foreign"
        ),
        pytest.param(lambda p: rewritten(p, manifest(meta={})), "is damaged", id="no metadata"),
        pytest.param(lambda p: rewritten(p, lambda x: x.clear()), "is damaged", id="an empty zip"),
        pytest.param(lambda p: p.unlink(), "is missing", id="missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_cure(
    registry: Registry, path: Path, spoil: Callable[[Path], object], want: str
) -> None:
    spoil(path)
    with pytest.raises(ConfigError, match=want) as caught:
        registry.current()
    assert str(path) in str(caught.value)
    assert "darkstar train --rollback" in str(caught.value)
    assert "darkstar train --force" in str(caught.value)
    assert caught.value.exit_code == EX_DATAERR
    # The way back needs nothing of the file.
    assert registry.rollback()[1] is None


def test_a_model_of_another_home_is_refused(registry: Registry, path: Path) -> None:
    other = Registry(registry.folder.parent, "cabin")
    other.folder.mkdir()
    (other.folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match="belongs to home 'villa', not to 'cabin'"):
        other.load(path.stem)
    (other.folder / "current.json").write_bytes((registry.folder / "current.json").read_bytes())
    with pytest.raises(ConfigError, match="belongs to home 'villa'"):
        other.current()


@pytest.mark.usefixtures("path")
def test_trees_of_other_features_are_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners.model_file, "FEATURES", ("one", "two"))
    with pytest.raises(ConfigError, match="looks at other features"):
        registry.current()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1, "home_id": "villa"}', "null"])
@pytest.mark.usefixtures("path")
def test_a_damaged_pointer_is_refused(registry: Registry, text: str) -> None:
    (registry.folder / "current.json").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"current\.json.*darkstar train --force"):
        registry.current()


@pytest.mark.parametrize("home_id", ["a/b", "..", ".", "Å ö", "a\\b", "x" * 64])
def test_a_home_of_any_name_has_a_folder_of_its_own(tmp_path: Path, home_id: str) -> None:
    registry = Registry(tmp_path / "models", home_id)
    registry.promote(aurora(), meta_of(aurora(), home_id))
    assert registry.folder.parent == tmp_path / "models"
    assert registry.folder.resolve().parent == (tmp_path / "models").resolve()
    assert registry.current() is not None


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ConfigError, match=r"cannot be read \(Not a directory\).*models\.folder"):
        Registry(tmp_path / "models", "villa").promote(aurora(), meta_of(aurora()))


def test_the_folder_is_configured_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(template().replace("folder: models", "folder: kept"))
    config = load_config(tmp_path / "config.yaml")
    assert config.models_folder == tmp_path / "kept"
    assert load_current(config, "demo") is None
    Registry(tmp_path / "kept", "demo").promote(aurora(), meta_of(aurora(), "demo"))
    found = load_current(config, "demo")
    assert found is not None
    assert found[1].home_id == "demo"


@pytest.mark.integration
def test_a_model_in_use_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(template(), "utf-8")
    Registry(tmp_path / "models", "demo").promote(aurora(), meta_of(aurora(), "demo"))
    heavy = ("lightgbm", "pandas", "scipy", "pvlib", "numba", "matplotlib", "holidays")
    code = (
        "from pathlib import Path\n"
        "from runners.config import load_config\n"
        "from runners.registry import load_current\n"
        f"config = load_config(Path({str(tmp_path / 'config.yaml')!r}))\n"
        "model, meta = load_current(config, 'demo')\n"
        "import numpy as np\n"
        "model.load.median.predict(np.zeros((1, len(meta.features))))\n"
    )
    assert loaded(code, *heavy, "numpy") == ["numpy"]
