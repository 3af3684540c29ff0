"""What tests of the mirror share: episodes, a store of them, and both tables whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from telemetry.episode import Episode
from telemetry.mirror_server import MirrorServer
from telemetry.schema import training_episodes
from telemetry.store import Store
from tests.peers.mariadb import RealMariaDB

HOME = "villa"
START = datetime(2025, 10, 25, 22, 0, tzinfo=UTC)
ODD = "å 'single' \"double\" back\\slash\\' new\nline 100 % \U0001f50b \x1a"
"""What escaping could lose."""


def episode(number: int, *, text: str = ODD, planned: float = 0.1 + 0.2) -> Episode:
    """Make the episode of a quarter-hour; its texts are JSON about ``text``."""
    start = START + timedelta(minutes=15 * number)
    known = number % 3 != 0
    return Episode(
        system_id="test",
        home_id=HOME,
        scenario="0-recorded",
        episode_start=start,
        created_at=start + timedelta(seconds=number % 7),
        local_day=(start + timedelta(hours=2)).date(),
        inputs_json=json.dumps({"text": text, "load": [number / 7.0, None, -0.0]}),
        context_json=json.dumps({"quality_class": "clean", "text": text}, ensure_ascii=False),
        schedule_json=json.dumps({"charge": [float(number)]}),
        config_overrides_json="{}",
        config_hash="0123456789abcdef",
        engine="storage",
        planned_cost=planned,
        replay_id="fedcba9876543210" if known else None,
        soc_start_kwh=1e-300 * number,
        realised_bill=-number / 3.0 if known else None,
        realised_wear=0.0 if known else None,
        realised_cost=1.7976931348623157e308 if known else None,
    )


def put(store: Store, episodes: Sequence[Episode]) -> None:
    """Store episodes; the home is made where it is missing."""
    store.ensure_home(HOME)
    store.put_episodes(HOME, episodes)


def server_of(peer: RealMariaDB, database: str) -> MirrorServer:
    """Return how to reach a database of a test peer over loopback."""
    return MirrorServer(
        user=peer.user,
        password=peer.password,
        host=peer.host,
        port=peer.port,
        database=database,
    )


def rows(url: str) -> list[tuple[object, ...]]:
    """Return the whole table of a database, every column, by id."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as conn:
            every = sa.select(training_episodes).order_by(training_episodes.c.episode_id)
            return [tuple(row) for row in conn.execute(every)]
    finally:
        engine.dispose()
