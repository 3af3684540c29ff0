"""What a plan is made from: the model in use, one trained by then, or the baseline; it says which.

The house and its store are those of ``tests.runners.test_plan``, the model that of
``tests.runners.test_registry``, trained until 5 April 2025, 23:00 UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runners.forecaster
from forecast.aurora import Aurora
from runners.config import Config, load_config
from runners.forecaster import AURORA, BASELINE, Prepared, by_baseline, prepare
from runners.plan import home_model
from runners.registry import ModelMeta, Registry
from sim.aurora import aurora_inputs
from sim.planning import known_inputs
from telemetry.errors import MissingExtraError
from telemetry.slots import from_epoch, to_epoch
from telemetry.store import Store
from tests.runners.test_plan import (
    AT,
    NOW,
    looked_back,
    make_folder,
    plan,
    schedule,
    stop_clock,
)
from tests.runners.test_registry import UNTIL, aurora, later, meta_of
from tests.test_floors import loaded

PLAIN = "baseline: 7-day mean of load, 3-day mean of PV"
SERIES = ("load_kwh", "pv_kwh", "import_price", "export_price")


def promote(folder: Path, model: Aurora) -> ModelMeta:
    """Put a model in use."""
    meta = meta_of(model, "demo")
    Registry(folder / "models", "demo").promote(model, meta)
    return meta


def until(moment: datetime) -> Aurora:
    """The model as if it had been trained until a moment."""
    return replace(aurora(), trained_until=to_epoch(moment))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        yield store


def config_of(folder: Path, **forecast: Any) -> Config:
    if forecast:
        make_folder(folder, home={"forecast": forecast})
    return load_config(folder / "config.yaml")


def prepared(
    store: Store, folder: Path, at: datetime = NOW, *, look_back: bool = False, **forecast: Any
) -> Prepared:
    config = config_of(folder, **forecast)
    return prepare(store, config, home_model(config, "demo"), at, look_back=look_back)


def assert_baseline(found: Prepared, store: Store, folder: Path) -> None:
    """Nothing but what ``known_inputs`` gives."""
    want = known_inputs(store, home_model(config_of(folder), "demo"), NOW).horizon
    assert (found.model, found.scenarios, found.issued) == (BASELINE, None, None)
    for name in SERIES:
        np.testing.assert_array_equal(getattr(found.inputs.horizon, name), getattr(want, name))


# Which model


def test_without_a_model_the_baseline_forecasts(store: Store, folder: Path) -> None:
    found = prepared(store, folder)
    assert_baseline(found, store, folder)
    assert found.told == f"{PLAIN} (no model is in use: darkstar train)"
    assert [one.what.split(" ")[0] for one in found.substitutions] == ["prices"]


def test_who_asks_for_the_baseline_gets_it_whatever_is_in_use(store: Store, folder: Path) -> None:
    promote(folder, aurora())
    found = prepared(store, folder, model="baseline")
    assert_baseline(found, store, folder)
    assert found.told == PLAIN
    # Nor is the registry looked at.
    (folder / "models" / "demo" / "current.json").write_text("{", "utf-8")
    assert prepared(store, folder, model="baseline").told == PLAIN


def test_days_of_the_baseline_are_told(store: Store, folder: Path) -> None:
    told = prepared(store, folder, model="baseline", load_days=5, pv_days=1).told
    assert told == "baseline: 5-day mean of load, 1-day mean of PV"
    config = config_of(folder)
    assert by_baseline(store, home_model(config, "demo"), NOW).told == BASELINE


def test_the_model_in_use_forecasts(store: Store, folder: Path) -> None:
    meta = promote(folder, aurora())
    found = prepared(store, folder)
    assert found.model == AURORA
    assert from_epoch(UNTIL).isoformat() == "2025-04-05T23:00:00+00:00"
    assert found.told == f"Aurora {meta.version}, trained until 2025-04-05T23:00Z"
    model = home_model(config_of(folder), "demo")
    inputs, scenarios, issued = aurora_inputs(store, model, NOW, aurora())
    for name in SERIES:
        got, want = getattr(found.inputs.horizon, name), getattr(inputs.horizon, name)
        np.testing.assert_array_equal(got, want)
    assert found.scenarios is not None
    assert found.issued is not None
    np.testing.assert_array_equal(found.scenarios.load_kwh, scenarios.load_kwh)
    np.testing.assert_array_equal(found.scenarios.pv_kwh, scenarios.pv_kwh)
    np.testing.assert_array_equal(found.issued.load.high_kwh, issued.load.high_kwh)
    # The horizon and the day after it.
    assert found.issued.load.mean_kwh.shape == (1, 288)


def test_a_risk_appetite_tilts_the_weights_and_is_told(store: Store, folder: Path) -> None:
    promote(folder, aurora())
    neutral, cautious = prepared(store, folder), prepared(store, folder, risk_appetite=1)
    assert neutral.scenarios is not None
    assert cautious.scenarios is not None
    assert cautious.told == f"{neutral.told}, risk appetite 1"
    np.testing.assert_allclose(np.asarray(neutral.scenarios.weights), 1 / 14)
    net = np.asarray(cautious.scenarios.load_kwh) - np.asarray(cautious.scenarios.pv_kwh)
    cost = (net * np.asarray(cautious.inputs.horizon.import_price)).sum(axis=1)
    order = np.argsort(cost)
    assert (np.diff(np.asarray(cautious.scenarios.weights)[order]) >= 0.0).all()


def test_without_scenarios_the_mean_is_planned(store: Store, folder: Path) -> None:
    promote(folder, aurora())
    found = prepared(store, folder, scenarios=False)
    assert (found.model, found.scenarios) == (AURORA, None)
    assert found.told.endswith("trained until 2025-04-05T23:00Z")


def test_without_a_battery_there_is_nothing_to_weigh(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"battery": None})
    promote(tmp_path, aurora())
    with Store.open(tmp_path / "darkstar.sqlite", read_only=True) as store:
        found = prepared(store, tmp_path)
    assert (found.model, found.scenarios) == (AURORA, None)
    assert "scenarios" not in found.told


# Looking back


def test_a_look_back_takes_the_newest_model_trained_by_then(store: Store, folder: Path) -> None:
    spring, may = aurora(), until(datetime(2025, 5, 20, 3, tzinfo=UTC))
    for model in (spring, may, later(aurora(), 75)):
        promote(folder, model)
    assert "trained until 2025-06-19" in prepared(store, folder).told
    assert "trained until 2025-05-20T03:00Z" in prepared(store, folder, look_back=True).told


@pytest.mark.parametrize(("seconds", "model"), [(0, AURORA), (1, BASELINE)])
def test_a_model_trained_that_very_second_has_seen_no_more(
    store: Store, folder: Path, seconds: int, model: str
) -> None:
    promote(folder, until(NOW + timedelta(seconds=seconds)))
    assert prepared(store, folder, look_back=True).model == model


def test_a_look_back_to_before_every_model_is_the_baselines(store: Store, folder: Path) -> None:
    promote(folder, later(aurora(), 75))
    found = prepared(store, folder, look_back=True)
    assert_baseline(found, store, folder)
    assert found.told == f"{PLAIN} (no model was trained by then)"


def test_a_model_that_cannot_be_read_is_no_silent_baseline(store: Store, folder: Path) -> None:
    meta = promote(folder, aurora())
    (folder / "models" / "demo" / f"{meta.version}.model").write_bytes(b"")
    for look_back in (False, True):
        found = prepared(store, folder, look_back=look_back)
        assert_baseline(found, store, folder)
        assert re.match(rf"{PLAIN} \(.*is damaged.*darkstar train", found.told)
        assert found.substitutions[0].what == "a trained model"


def test_a_model_that_cannot_forecast_leaves_it_to_the_baseline(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(folder, aurora())

    def broken(*_: object, **__: object) -> None:
        raise MissingExtraError("lightgbm", "forecast", "a trained forecast")

    monkeypatch.setattr(runners.forecaster, "aurora_inputs", broken)
    found = prepared(store, folder)
    assert_baseline(found, store, folder)
    assert "a trained forecast needs lightgbm" in found.told


# The command


def test_a_plan_tells_its_forecast(folder: Path) -> None:
    meta = promote(folder, aurora())
    result = looked_back(folder)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert f"forecast Aurora {meta.version}, trained until 2025-04-05T23:00Z; planned on 14" in text
    assert "then forecast" in text
    assert "on average over 14 scenarios" in text
    found = schedule(folder)
    told = found["forecast"]
    assert told["model"] == "aurora"
    assert told["told"].startswith(f"Aurora {meta.version}")
    starts = [slot["start"] for slot in found["slots"]]
    for name in ("load_kwh", "pv_kwh"):
        low, median, high = (np.array(told[name][p]) for p in ("p10", "p50", "p90"))
        assert low.size == median.size == high.size == len(starts) == 192
        assert (low >= 0.0).all()
        assert (low <= median).all()
        assert (median <= high).all()
        assert (low < high).any()


def test_a_plan_by_the_baseline_tells_no_quantiles(folder: Path) -> None:
    assert looked_back(folder).exit_code == 0
    told = f"{PLAIN} (no model is in use: darkstar train)"
    assert schedule(folder)["forecast"] == {"model": "baseline", "told": told}


def test_a_plan_without_scenarios(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"forecast": {"scenarios": False}})
    promote(tmp_path, aurora())
    result = looked_back(tmp_path)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "optimal: no plan is cheaper on these inputs" in text
    assert "14 scenarios" not in text
    assert schedule(tmp_path)["forecast"]["model"] == "aurora"


def test_a_live_plan_keeps_its_forecasts_as_auroras(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(folder, aurora())
    stop_clock(monkeypatch, NOW)
    result = plan(folder, "--no-plot", "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    found = schedule(folder)
    assert found["fit_for_control"] is True
    with Store.open(folder / "darkstar.sqlite", system_id="dev", read_only=True) as store:
        for name in ("load_kwh", "pv_kwh"):
            kept = store.forecast("demo", name, "aurora", as_of=NOW)
            assert kept is not None
            assert kept.values.tolist() == [slot[name] for slot in found["slots"]]
            assert store.forecast("demo", name, "baseline", as_of=NOW) is None


def test_the_same_facts_and_model_give_the_same_schedule(folder: Path) -> None:
    promote(folder, aurora())
    looked_back(folder)
    one = schedule(folder)
    looked_back(folder)
    two = schedule(folder)
    assert {key for key in one if one[key] != two[key]} <= {"generated_at"}


@pytest.mark.integration
def test_a_plan_with_a_model_is_light(folder: Path) -> None:
    """Trees are predicted by LightGBM's library; its package and its friends are not loaded."""
    promote(folder, aurora())
    heavy = ("lightgbm", "pandas", "scipy", "sklearn", "pvlib", "numba", "matplotlib", "alembic")
    code = (
        "from runners.cli import app\n"
        f"argv = ['plan', '--config', {str(folder / 'config.yaml')!r}, '--out', "
        f"{str(folder)!r}, '--no-plot', '--at', {AT!r}, '--soc-kwh', '5']\n"
        "app(argv, standalone_mode=False)\n"
    )
    assert loaded(code, *heavy, "highspy", "forecast.trees") == ["highspy", "forecast.trees"]
