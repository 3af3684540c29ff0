"""``publish:`` and the limits of staleness in ``config.yaml``: defaults, slips and secrets."""

from pathlib import Path
from typing import Any

import pytest

from runners.config import Config, load_config
from runners.errors import ConfigError
from tests.runners.test_plan import make_folder


def loaded(folder: Path, **home: Any) -> Config:
    return load_config(make_folder(folder, home=home))


def refused(folder: Path, **home: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, **home)
    return str(caught.value)


def test_it_is_off_and_limits_are_those_of_the_template(tmp_path: Path) -> None:
    for given in ({}, {"publish": None, "soc_max_age_minutes": None, "peak_fee_per_kw": None}):
        home = loaded(tmp_path, **given).homes["demo"]
        assert home.publish.enabled is False
        assert (home.publish.entity_prefix, home.publish.switch_value) == ("darkstar", 0.02)
        assert home.publish.token is None
        limits = (home.soc_max_age_minutes, home.soc_refuse_age_minutes)
        assert (*limits, home.readings_max_age_hours, home.min_published_hours) == (
            30.0,
            1440.0,
            24.0,
            2.0,
        )
        assert home.peak_fee_per_kw == 0.0


@pytest.mark.parametrize(
    ("home", "told"),
    [
        ({"publish": {"entity_prefix": "Dark star"}}, "want letters a-z, digits and single _"),
        ({"publish": {"switch_value": -0.1}}, "must be at least 0"),
        ({"publish": {"enable": True}}, "did you mean enabled?"),
        ({"publish": {"token": "short"}}, "is no access token"),
        ({"min_published_hours": 24}, "must be at most 12"),
        ({"readings_max_age_hours": 0}, "must be more than 0"),
        ({"peak_fee_per_kw": -1}, "must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, home: dict[str, Any], told: str) -> None:
    assert told in refused(tmp_path, **home)


def test_its_token_is_a_secret_and_never_told(tmp_path: Path) -> None:
    secret = "hush-7391 with blanks and more than twenty"  # noqa: S105
    assert "hush" not in refused(tmp_path, publish={"token": secret})
    config = loaded(tmp_path, publish={"token": "hush-7391-and-more-than-twenty"})
    assert "hush" not in repr(config)
    assert config.homes["demo"].publish.token is not None
