"""Every refusal of the configuration by its message, and what the floors below get."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from forecast.baseline import MAX_LOOKBACK_DAYS
from runners.config import Config, load_config
from runners.config_models import ForecastConfig
from runners.errors import ConfigError

HOME = """\
homes:
  villa:
    zone: Europe/Stockholm
    latitude: 55.6
    longitude: 13.0
    area: se4
    planes:
      - {tilt_deg: 30, azimuth_deg: 180, peak_kw: 6}
    battery: {capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5}
    grid: {max_import_kw: 11, max_export_kw: 10}
    tariff: {transfer_fee: 0.2, vat: 0.25}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def changed(old: str, new: str) -> str:
    assert old in HOME
    return HOME.replace(old, new)


BATTERY = "{capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5}"
TARIFF = "{transfer_fee: 0.2, vat: 0.25}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            BATTERY,
            BATTERY[:-1] + ", charge_efficiency: 95}",
            "homes.villa.battery.charge_efficiency: 95 -> .* a ratio in (0, 1], .* write 0.95",
        ),
        (BATTERY, BATTERY[:-1] + ", charge_efficiency: 0}", "a ratio in (0, 1]; write e.g. 0.95"),
        ("vat: 0.25", "vat: 25", "homes.villa.tariff.vat: 25 -> VAT is a ratio.*write 0.25"),
        ("vat: 0.25", "vat: -1", "VAT is a ratio in [0, 1); write e.g. 0.25"),
        ("capacity_kwh: 10", "capacity_kwh: -1", "capacity_kwh: -1 -> stored energy is never neg"),
        ("capacity_kwh: 10", "capacity_kwh: 10000", "unit is kWh; did you mean 10.0?"),
        (
            "max_charge_kw: 5",
            "max_charge_kw: 5000",
            "max_charge_kw: 5000 -> .* the unit is kW; did you mean 5.0?",
        ),
        ("max_import_kw: 11", "max_import_kw: -1", "a power limit has no sign"),
        (
            BATTERY,
            BATTERY[:-1] + ", min_soc_kwh: 9, max_soc_kwh: 2}",
            "homes.villa.battery -> the minimum .* (9 kWh) is above the maximum (2 kWh); swap",
        ),
        (BATTERY, BATTERY[:-1] + ", max_soc_kwh: 95}", "above capacity_kwh 10; .*_percent: 95 if"),
        (
            BATTERY,
            BATTERY[:-1] + ", min_soc_kwh: 1, min_soc_percent: 10}",
            "both min_soc_kwh and min_soc_percent; keep one",
        ),
        (BATTERY, BATTERY[:-1] + ", max_soc_percent: 0.95}", "not a ratio; write 95"),
        (BATTERY, BATTERY[:-1] + ", max_soc_percent: 101}", "write a number from 0 to 100"),
        (
            "zone: Europe/Stockholm",
            "zone: Stockholm",
            "zone: Stockholm -> no IANA time zone; write",
        ),
        ("azimuth_deg: 180", "azimuth_deg: -90", "clockwise from north .* would be 90, write that"),
        ("azimuth_deg: 180", "azimuth_deg: 400", "azimuth_deg: 400 -> .* 0 to 360"),
        ("tilt_deg: 30", "tilt_deg: 95", "planes.0.tilt_deg: 95 -> must be at most 90; want"),
        ("peak_kw: 6", "peak_kw: 6000", "peak_kw: 6000 -> .* did you mean 6.0?"),
        ("peak_kw: 6", "peak_kw: 0", "peak_kw: 0 -> must be more than 0"),
        ("latitude: 55.6", "latitude: 155.6", "latitude: 155.6 -> must be at most 90.*swapped?"),
        (
            "latitude: 55.6\n    longitude: 13.0",
            "latitude: 13.0\n    longitude: 55.6",
            "homes.villa.latitude: 13.0 -> .* its zone is Europe/Stockholm; swap latitude and",
        ),
        ("    longitude: 13.0\n", "", "homes.villa.longitude -> missing beside latitude"),
        (
            "transfer_fee: 0.2",
            "transfer_fee: 24.56",
            "tariff.transfer_fee: 24.56 -> prices are in SEK per kWh; did you mean 0.2456",
        ),
        (
            "transfer_fee: 0.2",
            "transfer_fee: [{value: 439.0}]",
            "tariff.transfer_fee.0.value: 439.0 -> .* or 0.439 (from SEK per MWh)?",
        ),
        (
            BATTERY,
            BATTERY[:-1] + ", wear_cost_per_kwh: 20}",
            "wear_cost_per_kwh: 20 -> .* mean 0.2",
        ),
        ("capacity_kwh", "capacity", "battery.capacity -> unknown key; did you mean capacity_kwh?"),
        ("capacity_kwh", "capacity", "unknown key; .* written for a newer Darkstar"),
        ("capacity_kwh", "capacity", "homes.villa.battery.capacity_kwh -> missing; add stored"),
        ("    area: se4", "    xyz: 1", "homes.villa.xyz -> unknown key; known here: name, zone"),
        ("area: se4", "area: NO", "area: False -> YAML reads yes, no, .* put quotes around"),
        ("capacity_kwh: 10", "capacity_kwh: 10 kWh", "10 kWh -> is no number; write 10"),
        ("capacity_kwh: 10", "capacity_kwh: '10,5'", "10,5 -> is no number; write 10.5"),
        (
            "capacity_kwh: 10",
            "capacity_kwh: ten",
            "ten -> is no number; write a number, without unit",
        ),
        (
            "capacity_kwh: 10",
            "capacity_kwh: null",
            "nothing is written here; .*; want stored energy in kWh",
        ),
        ("capacity_kwh: 10", "capacity_kwh: .nan", "capacity_kwh: nan -> .*finite"),
        (TARIFF, "{import_settlement_minutes: 45}", "minutes: 45 -> .*; want 15, 30, 60 or month"),
        (
            TARIFF,
            "{energy_tax: [{value: 1, hours: 6-25}, {value: 0}]}",
            "energy_tax.0.hours: 6-25 -> 6-25 gives no hours 0 to 23",
        ),
        (TARIFF, "{energy_tax: [{value: 1, weekdays: mon-xyz}]}", "mon-xyz gives no weekdays"),
        (TARIFF, "{energy_tax: [{value: 1, months: 13}]}", "13 gives no months; write"),
        (TARIFF, "{energy_tax: [{value: 1, months: []}]}", "an empty list gives no months"),
        (TARIFF, "{energy_tax: [{value: 1, valid_from: soon}]}", "soon -> no date; write year-"),
        (TARIFF, "{energy_tax: []}", "an empty list is no price"),
        (
            TARIFF,
            '{energy_tax: [{value: 1, hours: "6-22"}]}',
            "no entry holds in jan on mon at 00:00; add one without hours",
        ),
        ("  villa:", "  1:", "homes.1: 1 -> a key here is text .* put quotes around it"),
        ("grid: {max_import_kw: 11, max_export_kw: 10}", "grid: 11", "grid: 11 -> is no section"),
        ("    area: se4", "    options: []", "is no section; write `key: value` lines"),
        (
            "    area: se4",
            "    horizon_hours: 145",
            "horizon_hours: 145 -> must be at most 144; want .* from at most 7 days before",
        ),
        ("    area: se4", "    forecast: {load_days: 0}", "load_days: 0 -> must be at least 1"),
        ("    area: se4", "    forecast: {load_days: 29}", "must be at most 28; .* no further"),
        ("    area: se4", "    forecast: {pv_days: 29}", "must be at most 28; .* no further"),
        ("    area: se4", "    price_currency: kr", "want three capital letters"),
        (
            TARIFF,
            "{energy_tax: [{value: 1, valid_from: 2025-13-01}]}",
            "line 11: 2025-13-01 -> month",
        ),
        (
            TARIFF,
            "{energy_tax: [{value: 1, valid_from: 2025-02-30}]}",
            "line 11: 2025-02-30 -> day",
        ),
        (TARIFF, "{energy_tax: " + "4" * 400 + "}", "line 11: 44.*... -> more than any key takes"),
        (TARIFF, "{energy_tax: " + "4" * 5000 + "}", "line 11: 44.*... -> "),
        (TARIFF, "{energy_tax: 0x" + "f" * 5000 + "}", "line 11: 0xff.*... -> more than any key"),
        (TARIFF, "{energy_tax: !!bool maybe}", "line 11: maybe -> is no such value"),
        ("    area: se4", "    area: " + "[" * 5000 + "]" * 5000, "area: [[[.*valid string"),
        (
            "    area: se4",
            "    price_pairing: {zone: UTC, shift_days: 182000000}",
            "shift_days: 182000000 -> more than 200 years",
        ),
        ("    area: se4", "    currency: kr", "currency: kr -> .*; want three capital letters"),
        (
            "    area: se4",
            "    price_pairing: {zone: Europe/Stockholm, shift_days: 365}",
            "shift_days: 365 -> want a multiple of 364 .* the nearest is 364",
        ),
    ],
)
def test_refusal_says_key_value_and_fix(write: Write, old: str, new: str, message: str) -> None:
    pattern = ".*".join(re.escape(part) for part in message.split(".*"))
    with pytest.raises(ConfigError, match=pattern):
        load_config(write(changed(old, new)))


def test_every_problem_is_one_line(write: Write) -> None:
    text = changed("vat: 0.25", "vat: 25").replace("transfer_fee: 0.2", "transfer_fee: 43.9")
    text = text.replace("max_charge_kw: 5,", "max_charge_kw: 5000,") + "curency: SEK\n"
    with pytest.raises(ConfigError, match="did you mean currency") as caught:
        load_config(write(text))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1].split(" ->")[0] for line in lines] == [
        "homes.villa.battery.max_charge_kw",
        "homes.villa.tariff.vat",
        "curency",
        "homes.villa.tariff.transfer_fee",
    ]
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; run `darkstar init --force`"),
        ("- a\n- b\n", "holds a list, want `key: value` lines"),
        ("a: 1\nb: [1\nc: 2\n", r"line 3, column 2"),
        ("homes:\n\tvilla: 1\n", "line 2, column 1.*a tab; YAML is indented with spaces"),
        (HOME + "currency: SEK\ncurrency: EUR\n", "line 13: currency -> .* already on line 12"),
        (HOME + "x: *nowhere\n", "line 12, column 4.*undefined alias"),
        ("currency: SEK\n", "homes -> missing; add at least one home"),
        ("homes: {}\n", "homes .*at least 1 item"),
        (HOME + "exchange_rates: {EUR: -11.0}\n", "exchange_rates.EUR: -11.0 -> must be more than"),
        (HOME + "exchange_rates: {SEK: 2}\n", "exchange_rates.SEK: 2 -> .* is 1; remove it"),
        (
            HOME + "currency: EUR\nexchange_rates: {EUR: 11.0}\n",
            "exchange_rates.EUR: 11.0 -> rates are in EUR per unit",
        ),
        (HOME + "store: {url: 'postgresql://x/y'}\n", "store.url -> an unknown kind of database"),
    ],
)
def test_file_that_is_no_configuration(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(text))


def test_missing_file_names_init(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; run `darkstar init`"):
        load_config(tmp_path / "config.yaml")


def test_unreadable_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"name: \xe5\n")
    with pytest.raises(ConfigError, match="byte 6 is no UTF-8"):
        load_config(path)


def loaded(write: Write, text: str = HOME) -> Config:
    return load_config(write(text))


def test_home_is_what_the_file_says(write: Write) -> None:
    home = loaded(write).home("villa")
    assert (home.home_id, home.name, home.zone, home.area) == (
        "villa",
        "villa",
        "Europe/Stockholm",
        "SE4",
    )
    assert home.position == (55.6, 13.0)
    assert home.currency == "SEK"
    assert home.planes[0].peak_kw == 6.0


def test_site_takes_percent_or_kwh(write: Write) -> None:
    percent = BATTERY[:-1] + ", min_soc_percent: 15, max_soc_percent: 95}"
    battery = loaded(write, changed(BATTERY, percent)).site("villa").battery
    assert (battery.min_soc_kwh, battery.max_soc_kwh) == (10 * 0.15, 10 * 0.95)


def test_home_without_battery_plans_with_none(write: Write) -> None:
    site = loaded(write, changed(f"    battery: {BATTERY}\n", "")).site("villa")
    assert site.battery.capacity_kwh == 0.0


def test_options_reach_the_site(write: Write) -> None:
    options = "    options: {allow_grid_charge: false, fuse_headroom_kw: 2}\n    area"
    site = loaded(write, changed("    area", options)).site("villa")
    assert (site.allow_grid_charge, site.fuse_headroom_kw) == (False, 2.0)


def test_planner_refusal_names_the_yaml_key(write: Write) -> None:
    config = loaded(write, changed("    area", "    options: {planning_import_kw: 7}\n    area"))
    want = r"homes\.villa\.options\.planning_import_price_per_kwh: 0\.0 -> want above 0"
    with pytest.raises(ConfigError, match=want):
        config.site("villa")


def test_tariff_entries_become_local_times(write: Write) -> None:
    entries = (
        "{transfer_fee: [{value: 0.2}, {value: 0.6, valid_from: 2025-11-01, hours: '22-6', "
        "weekdays: sat-mon, months: nov-jan}]}"
    )
    tariff = loaded(write, changed(TARIFF, entries)).tariff("villa")
    assert not isinstance(tariff.transfer_fee, float)
    entry = tariff.transfer_fee[1]
    assert entry.valid_from == date(2025, 11, 1)
    assert entry.hours == (0, 1, 2, 3, 4, 5, 22, 23)
    assert entry.weekdays == (0, 5, 6)
    assert entry.months == (1, 11, 12)
    assert tariff.supplier_markup == 0.0


@pytest.mark.parametrize(
    ("hours", "want"),
    [("'6-22'", 1.0), ("[21, 6]", 1.0), ("'06:00-22:00'", 1.0), ("21", 1.0), ("'22-24'", 0.5)],
)
def test_hours_end_before_their_end(write: Write, hours: str, want: float) -> None:
    text = changed(TARIFF, f"{{energy_tax: [{{value: 0.5}}, {{value: 1.0, hours: {hours}}}]}}")
    tariff = loaded(write, text).tariff("villa")
    start = datetime(2025, 1, 7, 20, 45, tzinfo=UTC)  # 21:45 in Stockholm
    imports, _ = tariff.prices(start, 15, [0.0])
    assert imports[0] == want


def test_unknown_home_lists_the_known(write: Write) -> None:
    with pytest.raises(
        ConfigError, match="homes: vila -> no such home, known: villa; did you mean"
    ):
        loaded(write).site("vila")


def test_pick_home(write: Write) -> None:
    assert loaded(write).pick_home() == "villa"
    two = HOME + HOME.partition("homes:\n")[2].replace("villa", "cabin")
    with pytest.raises(ConfigError, match="name one with --home: villa, cabin"):
        loaded(write, two).pick_home()
    assert loaded(write, two).pick_home("cabin") == "cabin"


def test_exchange_rate_goes_through_the_top_currency(write: Write) -> None:
    text = HOME.replace("    area", "    currency: USD\n    area")
    config = loaded(write, text + "exchange_rates: {EUR: 11.0, USD: 10.0}\n")
    assert config.exchange_rate("villa", "USD") == 1.0
    assert config.exchange_rate("villa", "EUR") == 11.0 / 10.0
    with pytest.raises(
        ConfigError, match="exchange_rates: NOK -> no rate; add `NOK: <SEK per NOK>"
    ):
        config.exchange_rate("villa", "NOK")


def test_rates_reach_a_home_in_another_currency(write: Write) -> None:
    euro = HOME.replace("    area", "    currency: EUR\n    area")
    rates = "exchange_rates: {SEK: 1, EUR: 11.0, USD: 10.0}\n"
    found = loaded(write, euro + rates).exchange_rates_of("villa")
    assert found == {"SEK": 1.0 / 11.0, "USD": 10.0 / 11.0}
    assert loaded(write, euro + "exchange_rates: {USD: 10.0}\n").exchange_rates_of("villa") == {}
    assert loaded(write, HOME + rates).exchange_rates_of("villa") == {"EUR": 11.0, "USD": 10.0}


def test_days_are_those_the_forecast_looks_back() -> None:
    field = ForecastConfig.model_fields["load_days"]
    assert f"1 to {MAX_LOOKBACK_DAYS}" in str(field)


def test_store_stands_beside_the_configuration(write: Write, tmp_path: Path) -> None:
    assert loaded(write).store_url == str(tmp_path / "darkstar.sqlite")
    url = "mysql+pymysql://nas/darkstar"
    assert loaded(write, HOME + f"store: {{url: '{url}'}}\n").store_url == url
