"""The country of a zone, by the table that comes with the zones."""

from zoneinfo import available_timezones

import pytest

from telemetry.country import country_of


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("Europe/Stockholm", "SE"),
        ("Europe/Berlin", "DE"),
        # A country of several zones, and one of Germany that its own clock shares with Zurich.
        ("Europe/Busingen", "DE"),
        ("America/Los_Angeles", "US"),
        ("America/Argentina/Buenos_Aires", "AR"),
        ("Asia/Kolkata", "IN"),
        ("Australia/Lord_Howe", "AU"),
    ],
)
def test_a_zone_names_its_country(zone: str, country: str) -> None:
    assert country_of(zone) == country


@pytest.mark.parametrize("zone", [None, "UTC", "Etc/GMT-1", "CET", "Europe/Atlantis", ""])
def test_what_names_no_country(zone: str | None) -> None:
    assert country_of(zone) is None


def test_every_code_has_two_letters_and_most_places_have_one() -> None:
    found = {zone: country_of(zone) for zone in available_timezones()}
    codes = {code for code in found.values() if code is not None}
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in codes)
    # About 250 places have a code of their own; aliases have none.
    assert len(codes) > 200
