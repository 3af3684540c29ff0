"""``darkstar init`` writes a file that loads, and never over another one unasked."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runners.config import load_config
from runners.errors import ConfigError
from runners.init import run_init
from sim.demo import DEMO_HOME


def test_round_trip_is_the_demo_home(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    said = run_init(path, force=False)
    assert "connect Home Assistant (docs/telemetry.md), then darkstar record" in said
    assert "darkstar import" in said
    config = load_config(path)
    assert config.pick_home() == "demo"
    home, battery = config.home("demo"), config.site("demo").battery
    assert home == replace(DEMO_HOME, area="SE4")
    assert (battery.capacity_kwh, battery.min_soc_kwh, battery.max_soc_kwh) == (10.0, 1.0, 10.0)
    assert battery.wear_cost_per_kwh == 0.2
    assert config.exchange_rate("demo", "EUR") == 11.0


@pytest.mark.parametrize(("year", "credit"), [(2025, 0.60), (2026, 0.0)])
def test_tariff_is_the_reference_tariff(tmp_path: Path, year: int, credit: float) -> None:
    run_init(tmp_path / "config.yaml", force=False)
    tariff = load_config(tmp_path / "config.yaml").tariff("demo")
    imports, exports = tariff.prices(datetime(year, 3, 1, tzinfo=UTC), 15, [0.5])
    assert imports[0] == pytest.approx((0.5 + 0.2456 + 0.439) * 1.25)
    assert exports[0] == pytest.approx(0.5 + credit)


def test_refuses_to_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists and was not touched; add --force"):
        run_init(path, force=False)
    assert path.read_text(encoding="utf-8") == "mine"
    run_init(path, force=True)
    assert load_config(path).pick_home() == "demo"


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written .*choose another --config"):
        run_init(tmp_path / "nowhere" / "config.yaml", force=False)


def test_a_place_for_secrets_that_nobody_else_reads(tmp_path: Path) -> None:
    path, secrets = tmp_path / "config.yaml", tmp_path / "secrets.yaml"
    said = run_init(path, force=False)
    assert f"in {secrets}" in said
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert load_config(path).pick_home() == "demo"  # it holds nothing yet
    secrets.write_text("ha_token: mine\n", encoding="utf-8")
    run_init(path, force=True)
    assert secrets.read_text(encoding="utf-8") == "ha_token: mine\n"


def test_no_secrets_where_no_configuration_was_written(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists and was not touched"):
        run_init(tmp_path / "config.yaml", force=False)
    assert not (tmp_path / "secrets.yaml").exists()
