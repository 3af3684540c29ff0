"""``darkstar publish``: what the plan in force says, as states in a real Home Assistant.

The house and its store are those of ``tests.runners.test_plan``. Every test has entities of its
own, since all share one Home Assistant.
"""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from mpc import Plan
from runners.cli_status import publish as publish_command
from runners.config import load_config
from runners.plan import run_plan
from runners.publish import command_of, states_of
from sim.mode_choice import SlotChoice, slot_choice
from sim.modes import EXPORT, HOLD, MODE_NAMES, ModeCommand
from telemetry.homeassistant.states import SetState, StateWriter
from telemetry.store import Store
from tests.peers.fixtures import MakeHomeAssistant
from tests.peers.home_assistant import RealHomeAssistant
from tests.runners.test_plan import NOW, make_folder, put_soc

NAMES = ("mode", "stop_soc", "energy_value", "valid_until")
DEAD = "http://127.0.0.1:9"
TOKEN = "abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - of nobody


def configured(folder: Path, url: str, access: str, /, **publish: Any) -> Path:
    """Write a configuration that publishes, with a state of charge of 11:15."""
    there = {"url": url, "token": access}
    path = make_folder(
        folder, home={"home_assistant": there, "publish": {"enabled": True, **publish}}
    )
    put_soc(folder, datetime(2025, 6, 12, 11, 0, tzinfo=UTC), 0.37)
    return path


def planned(folder: Path, now: datetime = NOW) -> None:
    run_plan(
        config_path=folder / "config.yaml",
        home_id=None,
        at=None,
        out_dir=folder / "out",
        plot=False,
        now=now,
    )


def published(folder: Path, *words: str, now: datetime = NOW) -> Result:
    """Run ``darkstar publish`` at a moment."""
    app = typer.Typer()
    app.command()(publish_command)
    common = ["--config", str(folder / "config.yaml"), "--now", now.isoformat()]
    return CliRunner().invoke(app, [*common, "--json", str(folder / "told.json"), *words])


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "told.json").read_text("utf-8"))["demo"]
    return found


@pytest.fixture
def writer(home_assistant: RealHomeAssistant) -> Iterator[StateWriter]:
    with StateWriter(home_assistant.url, home_assistant.token) as one:
        yield one


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A name of entities that no other test has."""
    return f"t{zlib.crc32(request.node.nodeid.encode())}"


@pytest.fixture
def folder(home_assistant: RealHomeAssistant, tmp_path: Path, prefix: str) -> Path:
    """A house with a plan in force that publishes into the Home Assistant."""
    configured(tmp_path, home_assistant.url, home_assistant.token, entity_prefix=prefix)
    planned(tmp_path)
    return tmp_path


def states(writer: StateWriter, prefix: str) -> dict[str, SetState | None]:
    return {name: writer.get(f"sensor.{prefix}_{name}") for name in NAMES}


def saved(folder: Path) -> Plan:
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        stored = store.plan("demo", as_of=NOW + timedelta(days=1))
    assert stored is not None
    return Plan.from_json(stored.plan_json)


def choice(folder: Path, slot: int = 0) -> SlotChoice:
    return slot_choice(load_config(folder / "config.yaml").site("demo"), saved(folder), slot)


# What is told


@pytest.mark.integration
def test_the_plan_in_force_appears_as_four_states(
    folder: Path, writer: StateWriter, prefix: str
) -> None:
    result = published(folder)
    assert result.exit_code == 0, result.output
    found = states(writer, prefix)
    mode, stop, value, until = (found[name] for name in NAMES)
    assert mode is not None
    assert stop is not None
    assert value is not None
    assert until is not None
    # 13:15: 0.27 kWh of load under 0.8 kWh of sun, and the battery at 37 %: surplus is stored.
    plan = saved(folder)
    assert plan.charge_kwh[0] > 0.0
    assert mode.state in {"self_use", "store_surplus"}
    assert mode.attributes["options"] == list(MODE_NAMES)
    assert mode.attributes["device_class"] == "enum"
    assert mode.attributes["friendly_name"] == "Darkstar Demo home mode"
    assert mode.attributes["slot_start"] == "2025-06-12T11:15:00+00:00"
    assert 3.7 < mode.attributes["stop_high_kwh"] <= 10.0
    assert stop.attributes["unit_of_measurement"] == "%"
    assert stop.attributes["device_class"] == "battery"
    assert 0.0 <= float(stop.state) <= 100.0
    assert value.attributes["unit_of_measurement"] == "SEK/kWh"
    assert float(value.state) == pytest.approx(plan.energy_value[0], abs=5e-5)
    assert until.state == "2025-06-12T13:20:00+00:00"
    assert until.attributes["device_class"] == "timestamp"
    assert [name for name in NAMES if name in result.output] == list(NAMES)
    assert "job=publish home=demo status=ok" in result.stderr


@pytest.mark.integration
def test_the_same_again_is_no_event(folder: Path, writer: StateWriter, prefix: str) -> None:
    published(folder)
    before = states(writer, prefix)
    assert published(folder).exit_code == 0
    assert states(writer, prefix) == before


@pytest.mark.integration
def test_the_slot_goes_with_the_clock(folder: Path, writer: StateWriter, prefix: str) -> None:
    assert published(folder, now=NOW + timedelta(minutes=60)).exit_code == 0
    found = states(writer, prefix)["mode"]
    assert found is not None
    assert found.attributes["slot_start"] == "2025-06-12T12:15:00+00:00"


@pytest.mark.integration
def test_a_dry_run_sets_nothing(folder: Path, writer: StateWriter, prefix: str) -> None:
    result = published(folder, "--dry-run")
    assert result.exit_code == 0
    assert set(states(writer, prefix).values()) == {None}
    assert told(folder)["states"][f"sensor.{prefix}_mode"]["state"] in MODE_NAMES
    assert "a dry run: nothing was set" in result.output


# Unavailable


@pytest.mark.integration
@pytest.mark.parametrize(
    ("minutes", "reason"),
    [
        pytest.param(119, None, id="last minute"),
        pytest.param(120, "the plan was valid until 2025-06-12 13:20Z", id="expired"),
        pytest.param(60 * 72, "valid until 2025-06-12 13:20Z and is 3 days old", id="days later"),
    ],
)
def test_an_expired_plan_is_unavailable(
    folder: Path, writer: StateWriter, prefix: str, minutes: int, reason: str | None
) -> None:
    assert published(folder).exit_code == 0
    result = published(folder, now=NOW + timedelta(minutes=minutes))
    assert result.exit_code == 0, result.output
    found = states(writer, prefix)
    for one in found.values():
        assert one is not None
        assert (one.state == "unavailable") is (reason is not None)
        assert (reason or "") in str(one.attributes.get("reasons", ""))
    if reason is not None:
        assert "published=0 unavailable=1" in result.stderr


@pytest.mark.integration
def test_an_unfit_plan_is_unavailable(folder: Path, writer: StateWriter, prefix: str) -> None:
    planned(folder, now=NOW + timedelta(minutes=40))  # 45 minutes after the state of charge
    assert published(folder, now=NOW + timedelta(minutes=41)).exit_code == 0
    found = states(writer, prefix)["mode"]
    assert found is not None
    assert found.state == "unavailable"
    assert found.attributes["reasons"][0].startswith("the state of charge is 45 min old")


@pytest.mark.integration
def test_without_a_plan_all_is_unavailable(
    home_assistant: RealHomeAssistant, tmp_path: Path, writer: StateWriter, prefix: str
) -> None:
    configured(tmp_path, home_assistant.url, home_assistant.token, entity_prefix=prefix)
    result = published(tmp_path)
    assert result.exit_code == 0, result.output
    assert {one.state for one in states(writer, prefix).values() if one} == {"unavailable"}
    assert told(tmp_path)["reasons"] == ["no plan was made yet; run darkstar plan"]


@pytest.mark.integration
def test_a_home_without_battery_has_no_mode(
    home_assistant: RealHomeAssistant, tmp_path: Path, prefix: str
) -> None:
    there = {"url": home_assistant.url, "token": home_assistant.token}
    publish = {"enabled": True, "entity_prefix": prefix}
    make_folder(tmp_path, home={"home_assistant": there, "publish": publish, "battery": None})
    planned(tmp_path)
    assert published(tmp_path).exit_code == 0
    assert told(tmp_path)["reasons"] == ["the home has no battery"]


@pytest.mark.integration
def test_after_a_restart_the_next_run_tells_it_again(
    make_home_assistant: MakeHomeAssistant, tmp_path: Path
) -> None:
    ha = make_home_assistant().start()
    configured(tmp_path, ha.url, ha.token)
    planned(tmp_path)
    with StateWriter(ha.url, ha.token) as writer:
        assert published(tmp_path).exit_code == 0
        before = states(writer, "darkstar")
        assert None not in before.values()
        ha.stop()
        ha.start()
        assert set(states(writer, "darkstar").values()) == {None}
        assert published(tmp_path).exit_code == 0
        assert states(writer, "darkstar") == before


# What a change of mode must be worth


def stand(writer: StateWriter, prefix: str, mode: int) -> ModeCommand:
    """Let another mode stand in Home Assistant."""
    command = ModeCommand(mode, 1.0, 10.0, 1.25, pv_export=True)
    attributes = {"stop_low_kwh": 1.0, "stop_high_kwh": 10.0, "cap_kw": 5.0, "pv_export": True}
    writer.put(f"sensor.{prefix}_mode", MODE_NAMES[mode], attributes)
    return command


@pytest.mark.integration
@pytest.mark.parametrize(
    "above", [pytest.param(False, id="worth it"), pytest.param(True, id="not worth it")]
)
def test_a_change_of_mode_must_be_worth_it(
    home_assistant: RealHomeAssistant,
    tmp_path: Path,
    writer: StateWriter,
    prefix: str,
    above: bool,  # noqa: FBT001
) -> None:
    """Resting instead of storing exports 0.5 kWh now: what that loses is on either side."""
    there = (home_assistant.url, home_assistant.token)
    configured(tmp_path, *there, entity_prefix=prefix)
    planned(tmp_path)
    wanted, standing = choice(tmp_path), stand(writer, prefix, HOLD)
    assert wanted.command.mode != HOLD
    gain = wanted.gain_over(standing)
    # By hand: the surplus that is not stored is exported, what it would be worth stored is lost.
    plan = saved(tmp_path)
    surplus = plan.pv_kwh[0] - plan.load_kwh[0]
    stored = min(surplus, 1.25) * 0.95
    assert gain == pytest.approx(
        stored * plan.energy_value_up[0] - min(surplus, 1.25) * plan.export_price[0], abs=1e-6
    )
    assert gain > 0.01
    configured(
        tmp_path, *there, entity_prefix=prefix, switch_value=gain + (1e-6 if above else -1e-6)
    )
    planned(tmp_path)
    result = published(tmp_path)
    assert result.exit_code == 0, result.output
    found = states(writer, prefix)["mode"]
    assert found is not None
    assert (found.state == "hold") is above
    assert told(tmp_path)["gain"] == pytest.approx(gain)
    if above:
        assert found.attributes["stop_high_kwh"] == 10.0  # what stood, to the letter
        asked = MODE_NAMES[wanted.command.mode]
        assert found.attributes["reason"].startswith(f"hold stays: {asked} would gain {gain:.4f}")
        assert f"{MODE_NAMES[wanted.command.mode]} would gain {gain:.4f} in this slot" in " ".join(
            result.output.split()
        )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("state", "attributes"),
    [
        ("unavailable", {"reasons": ["no plan"]}),
        ("hold", {}),
        ("hold", {"stop_low_kwh": "x", "stop_high_kwh": 1, "cap_kw": 1, "pv_export": True}),
        ("a sensor of somebody else", {}),
    ],
    ids=str,
)
def test_what_is_no_command_is_not_kept(
    home_assistant: RealHomeAssistant,
    tmp_path: Path,
    writer: StateWriter,
    prefix: str,
    state: str,
    attributes: dict[str, Any],
) -> None:
    there = (home_assistant.url, home_assistant.token)
    configured(tmp_path, *there, entity_prefix=prefix, switch_value=1000.0)
    planned(tmp_path)
    writer.put(f"sensor.{prefix}_mode", state, attributes)
    assert published(tmp_path).exit_code == 0
    found = states(writer, prefix)["mode"]
    assert found is not None
    assert found.state == MODE_NAMES[choice(tmp_path).command.mode]
    assert told(tmp_path)["gain"] is None


# Who may not, and what is not there


def test_it_is_off_by_default(tmp_path: Path) -> None:
    make_folder(tmp_path)
    result = published(tmp_path)
    assert result.exit_code == 0, result.output
    assert "nothing to publish: publish.enabled is false" in result.output


def test_without_a_home_assistant_it_cannot_be_on(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"publish": {"enabled": True}})
    result = published(tmp_path)
    assert result.exit_code == 78
    assert "add `home_assistant:`" in " ".join(result.output.split())


@pytest.mark.integration
@pytest.mark.parametrize(
    ("token", "told_as"),
    [
        ("token_readonly", "may read but not set states"),
        ("token_user", "may read but not set states"),
        ("token_expired", "it refused the token"),
    ],
)
def test_a_token_that_may_not_is_77(
    home_assistant: RealHomeAssistant, tmp_path: Path, prefix: str, token: str, told_as: str
) -> None:
    secret = getattr(home_assistant, token)
    configured(tmp_path, home_assistant.url, secret, entity_prefix=prefix)
    planned(tmp_path)
    result = published(tmp_path)
    assert result.exit_code == 77, result.output
    assert told_as in " ".join(result.output.split())
    assert secret not in result.output
    assert secret not in (tmp_path / "told.json").read_text("utf-8")


@pytest.mark.integration
def test_a_token_of_its_own_leaves_reading_to_the_other(
    home_assistant: RealHomeAssistant, tmp_path: Path, writer: StateWriter, prefix: str
) -> None:
    configured(
        tmp_path,
        home_assistant.url,
        home_assistant.token_readonly,
        entity_prefix=prefix,
        token="${publish_token}",  # noqa: S106 - the name of one
    )
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(f"publish_token: {home_assistant.token}\n", "utf-8")
    secrets.chmod(0o600)
    planned(tmp_path)
    assert published(tmp_path).exit_code == 0
    assert None not in states(writer, prefix).values()


def test_nobody_there_is_69(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, DEAD, TOKEN)
    planned(tmp_path)
    defaults = {**(StateWriter.__init__.__kwdefaults__ or {}), "sleep": lambda _: None}
    monkeypatch.setattr(StateWriter.__init__, "__kwdefaults__", defaults)
    result = published(tmp_path)
    assert result.exit_code == 69, result.output
    assert "is it running, and is the url right?" in " ".join(result.output.split())


def test_two_homes_of_one_name_are_refused(tmp_path: Path) -> None:
    path = configured(tmp_path, DEAD, TOKEN)
    text = path.read_text("utf-8")
    house = text[text.index("  demo:\n") :]
    house = house[: house.find("\nm", 1) + 1] if "\nm" in house else house
    path.write_text(text.replace(house, house + house.replace("  demo:\n", "  cabin:\n")), "utf-8")
    result = published(tmp_path)
    assert result.exit_code == 78, result.output
    assert "demo sets the same entities" in " ".join(result.output.split())


# The command behind it


def command(mode: int) -> ModeCommand:
    return ModeCommand(mode, 2.0, 8.0, 0.5, pv_export=False)


def test_a_published_command_reads_back(folder_offline: Path) -> None:
    one = choice(folder_offline)
    facts = {"currency": "SEK", "valid_until": "x"}
    found = states_of(one, command(EXPORT), facts, capacity_kwh=10.0)
    assert found["stop_soc"].state == "80.0"
    assert command_of(found["mode"], one.hours) == command(EXPORT)
    assert found["mode"].attributes["cap_kw"] == 2.0  # 0.5 kWh in a quarter of an hour


@pytest.fixture
def folder_offline(tmp_path: Path) -> Path:
    configured(tmp_path, DEAD, TOKEN)
    planned(tmp_path)
    return tmp_path
