"""States that are set in a real Home Assistant: who may, what they become, when they are lost."""

import pytest

from telemetry.errors import PeerAuthError, PeerReplyError, PeerUnreachableError
from telemetry.homeassistant import HomeAssistant
from telemetry.homeassistant.states import SetState, StateWriter
from tests.peers.fixtures import MakeHomeAssistant
from tests.peers.home_assistant import RealHomeAssistant

pytestmark = pytest.mark.integration

UNITS = {"unit_of_measurement": "%", "device_class": "battery", "friendly_name": "Stop"}


def test_an_administrator_sets_a_state_and_reads_it_back(home_assistant: RealHomeAssistant) -> None:
    entity = "sensor.states_set"
    with StateWriter(home_assistant.url, home_assistant.token) as writer:
        assert writer.get(entity) is None
        writer.put(entity, "80.0", UNITS)
        assert writer.get(entity) == SetState(state="80.0", attributes=UNITS)
        writer.put(entity, "unavailable", {"reasons": ["no plan"]})
        # Attributes are replaced, not joined.
        gone = SetState(state="unavailable", attributes={"reasons": ["no plan"]})
        assert writer.get(entity) == gone
    with HomeAssistant(home_assistant.url, home_assistant.token_readonly) as reader:
        assert reader.states()[entity].state == "unavailable"


@pytest.mark.parametrize("who", ["token_user", "token_readonly"])
def test_only_an_administrator_may(home_assistant: RealHomeAssistant, who: str) -> None:
    """Both may read; neither may set, not even one who may switch on every lamp."""
    entity, token = f"sensor.states_by_{who}", getattr(home_assistant, who)
    with StateWriter(home_assistant.url, token) as writer:
        assert writer.get(entity) is None
        with pytest.raises(PeerAuthError, match=r"may read but not set states.*administrator"):
            writer.put(entity, "1", {})
        assert writer.get(entity) is None


@pytest.mark.parametrize("expired", [True, False])
def test_a_wrong_token_is_told_from_one_that_may_not(
    home_assistant: RealHomeAssistant,
    expired: bool,  # noqa: FBT001
) -> None:
    wrong = home_assistant.token_expired if expired else "a" * 40
    with (
        StateWriter(home_assistant.url, wrong) as writer,
        pytest.raises(PeerAuthError, match="it refused the token"),
    ):
        writer.put("sensor.states_wrong", "1", {})
    assert wrong not in repr(writer)


def test_a_name_that_none_has_is_refused(home_assistant: RealHomeAssistant) -> None:
    with (
        StateWriter(home_assistant.url, home_assistant.token, retries=0) as writer,
        pytest.raises(PeerReplyError, match="Invalid entity ID"),
    ):
        writer.put("sensor.States Set", "1", {})


def test_nobody_there() -> None:
    naps: list[float] = []
    with (
        StateWriter("http://127.0.0.1:9", "a" * 40, sleep=naps.append) as writer,
        pytest.raises(PeerUnreachableError, match=r"no answer .* \(3 tries\)"),
    ):
        writer.put("sensor.states_down", "1", {})
    assert naps == [1.0, 2.0]


def test_a_restart_forgets_what_was_set(make_home_assistant: MakeHomeAssistant) -> None:
    ha = make_home_assistant().start()
    with StateWriter(ha.url, ha.token) as writer:
        writer.put("sensor.states_lost", "80.0", UNITS)
        assert writer.get("sensor.states_lost") is not None
        ha.stop()
        ha.start()
        assert writer.get("sensor.states_lost") is None
