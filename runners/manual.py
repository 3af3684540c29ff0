"""``darkstar manual``: what people ask the battery to do, for a while.

    add      a block: charge to %, export to %, hold; heating water is kept, not planned yet
    list     the blocks that plans heed, or all that ever were
    clear    take blocks back

Every plan from then on heeds them (``sim.manual``), until they have passed. What it cannot do it
says, slot by slot. Percent are of the battery's capacity, times on the home's wall clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runners.config import load_config
from runners.dates import utc_now
from runners.errors import EX_DATAERR, EX_USAGE, ConfigError, Problem
from runners.manual_text import added, block_json, block_table, in_words
from runners.output import console, many, write_json
from runners.plan import home_model
from runners.store_access import open_store
from runners.wall_clock import moment_of
from sim.planning import HomeModel, battery_window
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.slots import slot_of
from telemetry.store import Store

__all__ = ["Wish", "run_add", "run_clear", "run_list"]

_ROUNDING_PERCENT = 1e-6
_ID_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for, as it was given.

    Attributes:
        kind: what.
        percent: stored energy at the end, of the capacity; None for hold and water.
        start: when, as text; None: now.
        end: until when, as text.
    """

    kind: BlockKind
    percent: float | None
    start: str | None
    end: str


def run_add(
    *,
    config_path: Path,
    wish: Wish,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
) -> ManualBlock:
    """Keep a block; every plan from now on heeds it.

    Args:
        config_path: the configuration.
        wish: what is asked for.
        home_id: which home; None: the only one.
        json_path: where the block goes as JSON; ``-`` is stdout.
        now: the clock; None: that of this machine.

    Raises:
        ConfigError: the configuration; times that cannot be; a percent outside the battery's
            window, or no battery. Nothing is written.
        TelemetryError: a block that has passed or lies over another; a store that fails.
    """
    config, at = load_config(config_path), _moment(now)
    model = home_model(config, config.pick_home(home_id))
    zone = config.home_config(model.home.home_id).zone
    block = _block(wish, model, zone, at)
    with open_store(config) as store, store.transaction():
        store.put_home(model.home)
        store.put_manual_block(model.home.home_id, block)
    out = console(json_path)
    out.print(f"block {block.block_id}: {added(block, zone)}", soft_wrap=True)
    if json_path is not None:
        write_json(json_path, block_json(block, at))
    return block


def run_list(
    *,
    config_path: Path,
    home_id: str | None = None,
    everything: bool = False,
    json_path: str | None = None,
    now: datetime | None = None,
) -> tuple[ManualBlock, ...]:
    """Print the blocks that plans heed; with ``everything`` those too that passed or are cleared.

    Arguments as in ``run_add``.

    Raises:
        ConfigError, TelemetryError: the configuration; a store that cannot be read.
    """
    config, at = load_config(config_path), _moment(now)
    home = config.pick_home(home_id)
    with Store.open(config.store_url, read_only=True) as store:
        known = home in {one.home_id for one in store.homes()}
        blocks = store.manual_blocks(home, as_of=None if everything else at) if known else ()
    out = console(json_path)
    if blocks:
        out.print(block_table(blocks, config.home_config(home).zone, at))
    else:
        out.print("no blocks" if everything else "no blocks; with --all those that were")
    if json_path is not None:
        write_json(json_path, {"home_id": home, "blocks": [block_json(one, at) for one in blocks]})
    return blocks


def run_clear(
    *,
    config_path: Path,
    block_ids: Sequence[str] | None,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
) -> tuple[ManualBlock, ...]:
    """Take blocks back, None: all in force; plans from now on do not heed them.

    Other arguments as in ``run_add``.

    Raises:
        ConfigError: the configuration, or a home that nobody ever asked for anything.
        TelemetryError: a block that is unknown or has passed; a store that fails.
    """
    config, at = load_config(config_path), _moment(now)
    home = config.pick_home(home_id)
    zone = config.home_config(home).zone
    with open_store(config) as store:
        gone = store.clear_manual_blocks(home, block_ids, cleared_at=at)
    out = console(json_path)
    for block in gone:
        out.print(f"cleared {block.block_id}: {in_words(block, zone)}", soft_wrap=True)
    out.print(f"{many(len(gone), 'block')} cleared")
    if json_path is not None:
        write_json(json_path, {"home_id": home, "cleared": [block_json(one, at) for one in gone]})
    return gone


def _moment(now: datetime | None) -> datetime:
    """Return the clock's time, or the one to believe, UTC."""
    return (utc_now() if now is None else now).astimezone(UTC)


def _block(wish: Wish, model: HomeModel, zone: str, now: datetime) -> ManualBlock:
    """Return the block of a wish.

    Raises:
        ConfigError: it names no moment, or asks for what the battery cannot hold.
    """
    _refuse_target(wish, model)
    slot = slot_of(now)
    start = slot if wish.start is None else moment_of(wish.start, zone, "--from", after=slot)
    end = moment_of(wish.end, zone, "--to", after=max(start, now))
    facts = (model.home.home_id, wish.kind, start.isoformat(), end.isoformat(), now.isoformat())
    return ManualBlock(
        block_id=hashlib.blake2b(repr(facts).encode(), digest_size=_ID_BYTES).hexdigest(),
        kind=wish.kind,
        start=start,
        end=end,
        target_soc=None if wish.percent is None else wish.percent / 100.0,
        created_at=now,
    )


def _refuse_target(wish: Wish, model: HomeModel) -> None:
    """Refuse to ask a battery for what it cannot hold.

    Raises:
        ConfigError: there is no battery, or the percent lies outside its window.
    """
    capacity = model.site.battery.capacity_kwh
    if wish.kind is BlockKind.WATER_HEATING:
        return
    if capacity == 0.0:
        message = "the home has no battery to ask; configure `battery:`"
        raise ConfigError(model.home.home_id, [Problem("", "", message)], exit_code=EX_DATAERR)
    low, high = (100.0 * edge / capacity for edge in battery_window(model))
    percent = wish.percent
    if percent is None:
        return
    if not low - _ROUNDING_PERCENT <= percent <= high + _ROUNDING_PERCENT:
        message = (
            f"{percent:g} % is outside the battery's window of {low:g} to {high:g} %; "
            "give one inside it, or widen min_soc and max_soc in the configuration"
        )
        raise ConfigError(f"--{wish.kind}-to", [Problem("", "", message)], exit_code=EX_USAGE)
