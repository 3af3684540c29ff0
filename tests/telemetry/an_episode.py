"""Episodes of tests: one of a quarter-hour, changed as a test needs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry.episode import Episode
from telemetry.sql import WriteCounts
from telemetry.store import Store

START = datetime(2025, 10, 24, 22, tzinfo=UTC)
"""00:00 of 2025-10-25 in Stockholm."""
ODD = "å 'single' \"double\" back\\slash\\' new\nline 100 % %s :x \U0001f50b \x1a"
"""What quoting could lose."""


def an_episode(number: int = 0, **changes: Any) -> Episode:
    """Make the episode of the quarter-hour ``number``, of system ``test`` and home ``villa``."""
    start = START + timedelta(minutes=15 * number)
    facts: dict[str, Any] = {
        "system_id": "test",
        "home_id": "villa",
        "scenario": "0-recorded",
        "episode_start": start,
        "created_at": start,
        "local_day": (start + timedelta(hours=2)).date(),
        "inputs_json": f'{{"load_kwh":[{number}.25,null]}}',
        "context_json": '{"quality_class":"clean"}',
        "schedule_json": '{"charge_kwh":[0.5]}',
        "config_overrides_json": "{}",
        "config_hash": "0123456789abcdef",
        "engine": "storage",
        "planned_cost": 0.1 + 0.2,
        "replay_id": "fedcba9876543210",
        "soc_start_kwh": 5.0,
        "realised_bill": -0.25,
        "realised_wear": 0.0,
        "realised_cost": -0.25,
    }
    return Episode(**(facts | changes))


def put_all(store: Store, *episodes: Episode) -> WriteCounts:
    """Write episodes of any homes, home by home."""
    counts = WriteCounts()
    for home_id in sorted({episode.home_id for episode in episodes}):
        counts += store.put_episodes(home_id, [one for one in episodes if one.home_id == home_id])
    return counts
