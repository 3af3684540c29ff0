"""``darkstar weather``: forecasts of every home with a position, archives that resume."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from runners.cli import app
from runners.errors import ConfigError
from runners.weather import run_weather, run_weather_backfill
from telemetry.errors import HomeError, PeerUnreachableError
from telemetry.open_meteo import OpenMeteo
from telemetry.store import Store
from tests.telemetry.test_open_meteo import JUNE, NOW, open_meteo
from tests.telemetry.web import Answer, Query, Web, serving

HOME = "zone: Europe/Stockholm, grid: {max_import_kw: 11, max_export_kw: 11}, tariff: {}"
PLACE = "latitude: 55.5, longitude: 13.1, "


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(f"homes:\n  villa: {{{PLACE}{HOME}}}\n  cabin: {{{HOME}}}\n", encoding="utf-8")
    return path


def served(
    job: Callable[..., Any], config: Path, answer: Callable[[str, Query], Answer], **options: Any
) -> tuple[Any, Web]:
    with serving(answer) as web, httpx.Client() as client:
        service = OpenMeteo(
            client,
            forecast_url=f"{web.url}/v1/forecast",
            archive_url=f"{web.url}/v1/archive",
            sleep=lambda _: None,
        )
        options.setdefault("clock", lambda: NOW)
        return job(config_path=config, service=service, **options), web


def test_the_forecast_is_stored_as_issued_now(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, web = served(run_weather, config, open_meteo, json_path=str(tmp_path / "out.json"))
    assert len(web.asked) == 1  # the cabin has no position
    assert web.asked[0][1]["forecast_days"] == "8"
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    (told,) = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["homes"]
    assert told["home_id"] == "villa"
    # 8 days from the 12th; of the last slot the three radiations are not known yet.
    assert told["end"].startswith("2025-06-20T00:00")
    assert told["missing"] == 3
    with Store.open(tmp_path / "darkstar.sqlite", read_only=True) as store:
        seen = store.weather("villa", JUNE, JUNE + timedelta(days=8), as_of=NOW)
    assert int(np.isnan(seen.values[:, 9:]).sum()) == 3


def test_a_home_without_position(config: Path) -> None:
    with pytest.raises(HomeError, match="position of home cabin is None"):
        served(run_weather, config, open_meteo, home_id="cabin")
    config.write_text(f"homes:\n  cabin: {{{HOME}}}\n", encoding="utf-8")
    with pytest.raises(HomeError, match="position of home cabin is None"):
        served(run_weather, config, open_meteo)


def test_backfill_goes_by_pages_and_resumes(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = {"start_date": date(2025, 6, 10), "end_date": date(2025, 6, 11)}
    job = run_weather_backfill
    late = {"clock": lambda: JUNE + timedelta(days=5)}

    def down(*_: object) -> Answer:
        return 503, {}

    code, web = served(job, config, open_meteo, **span, **late)
    assert code == 0
    assert [query["end_date"] for _, query in web.asked] == ["2025-06-12"]
    code, web = served(job, config, open_meteo, **span, **late)
    assert (code, web.asked) == (0, [])
    capsys.readouterr()
    wider = {"start_date": date(2025, 6, 10), "end_date": date(2025, 6, 12)}
    with pytest.raises(PeerUnreachableError, match="HTTP 503"):
        served(job, config, down, **wider, **late)
    assert "villa: missing: 2025-06-12" in capsys.readouterr().out
    code, web = served(job, config, open_meteo, **wider, **late)
    assert code == 0
    assert [query["start_date"] for _, query in web.asked] == ["2025-06-12"]


def test_an_archive_that_lags_behind(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lagging(path: str, query: Query) -> Answer:
        status, reply = open_meteo(path, query)
        for name, cells in reply["hourly"].items():
            if name != "time":
                cells[30:] = [None] * (len(cells) - 30)
        return status, reply

    code, _ = served(
        run_weather_backfill,
        config,
        lagging,
        start_date=date(2025, 6, 10),
        clock=lambda: datetime(2025, 6, 13, 9, tzinfo=UTC),
    )
    assert code == 65
    shown = capsys.readouterr().out
    assert "villa: partial: 2025-06-11" in shown
    assert "villa: missing: 2025-06-12" in shown


def test_today_is_not_over_yet(config: Path) -> None:
    with pytest.raises(ConfigError, match="2025-06-12 is not there yet; give 2025-06-11"):
        served(
            run_weather_backfill,
            config,
            open_meteo,
            start_date=date(2025, 6, 1),
            end_date=date(2025, 6, 12),
        )


def test_options_reach_the_job(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    seen: dict[str, Any] = {}

    def job(**options: Any) -> int:
        seen.update(options)
        return 65

    monkeypatch.setattr("runners.weather.run_weather", job)
    monkeypatch.setattr("runners.weather.run_weather_backfill", job)
    result = CliRunner().invoke(app, ["weather", "--config", str(config), "--home", "villa"])
    assert result.exit_code == 0
    assert (seen["config_path"], seen["home_id"]) == (config, "villa")
    result = CliRunner().invoke(
        app, ["weather", "backfill", "--start-date", "2025-01-01", "--end-date", "2025-01-02"]
    )
    assert result.exit_code == 65
    assert seen["end_date"] == date(2025, 1, 2)
