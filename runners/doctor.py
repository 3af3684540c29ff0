"""``darkstar doctor``: is all well? Every line is ok, a warning or a failure with its cure.

It reads, asks and counts, and changes nothing; two at once do no harm. Exit code 0 without a
failure, 78 where the configuration is one, else 65.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from runners.config import Config
from runners.dates import utc_now
from runners.doctor_files import check_configuration, check_disk, check_modes, check_rights
from runners.doctor_house import (
    check_car,
    check_efficiency,
    check_freshness,
    check_models,
    check_peak_fee,
    check_wiring,
)
from runners.doctor_line import Level, Line, warning
from runners.doctor_outside import SERVICES, AskService, check_services
from runners.doctor_services import (
    OpenPeer,
    check_home_assistant,
    check_mirror,
    check_store,
    open_quickly,
)
from runners.doctor_timers import Ask, check_timers, systemctl
from runners.errors import EX_CONFIG, EX_DATAERR
from runners.output import console, json_text, many, write_text
from runners.units import wanted_jobs
from telemetry.errors import TelemetryError
from telemetry.store import Store

__all__ = ["examined", "run_doctor"]

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "red"}


def run_doctor(
    *,
    config_path: Path,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
    open_peer: OpenPeer = open_quickly,
    ask: Ask = systemctl,
    services: Mapping[str, AskService] = SERVICES,
) -> int:
    """Examine an installation, print what was found and return the exit code.

    Args:
        config_path: the configuration.
        home_id: which home; None: all of them.
        json_path: where the lines go as JSON, in one line; ``-`` is stdout.
        now: the moment, aware; None: the clock's.
        open_peer: opens a Home Assistant by url and token.
        ask: asks systemd.
        services: ask who gives prices and weather, by these words.

    Raises:
        ConfigError: there is no such home, or the JSON cannot be written.
    """
    moment = utc_now() if now is None else now.astimezone(UTC)
    config, lines = check_configuration(config_path)
    if config is not None:
        homes = list(config.homes) if home_id is None else [config.pick_home(home_id)]
        lines += examined(config, homes, moment, open_peer=open_peer, ask=ask, services=services)
    _print(console(json_path), lines)
    failures = sum(line.level is Level.FAILURE for line in lines)
    if json_path is not None:
        _write(json_path, lines, failures)
    if config is None:
        return EX_CONFIG
    return EX_DATAERR if failures else 0


def examined(
    config: Config,
    homes: list[str],
    now: datetime,
    *,
    open_peer: OpenPeer,
    ask: Ask,
    services: Mapping[str, AskService],
) -> list[Line]:
    """Return what is to be said of an installation whose configuration can be used."""
    lines = [*check_modes(config), *check_rights(config), *check_disk(config)]
    lines += check_timers([job.name for job in wanted_jobs(config)], ask)
    store, said = check_store(config)
    lines += said
    try:
        lines += check_mirror(config, store)
        for home in homes:
            lines += check_home_assistant(config, home, now, open_peer)
            said = list(_of_home(store, config, home, now))
            lines += [*said, *check_services(config, home, now, said, services)]
    finally:
        if store is not None:
            store.close()
    return lines


def _of_home(store: Store | None, config: Config, home_id: str, now: datetime) -> Iterator[Line]:
    """Yield what is to be said of a home: its tariff, its model, its facts."""
    yield from check_peak_fee(config, home_id)
    yield from check_models(config, home_id, now)
    if store is None:
        return
    try:
        area = config.homes[home_id].area
        yield from check_freshness(config, home_id, store.freshness(home_id, area, as_of=now), now)
        yield from check_wiring(store, config, home_id, now)
        yield from check_car(store, home_id, now)
        yield from check_efficiency(store, config, home_id, now)
    except TelemetryError as err:
        yield warning(f"facts {home_id}", str(err), "darkstar record, or darkstar import FILE")


def _print(out: Console, lines: list[Line]) -> None:
    """Print every line, its cure below it where it has one."""
    for line in lines:
        out.print(f"{line.level.value:<8}", style=_STYLES[line.level], end="")
        out.print(f"{line.name}: {line.text}", soft_wrap=True)
        if line.cure:
            out.print(f"{'':<8}-> {line.cure}", soft_wrap=True)
    counts = [sum(line.level is level for line in lines) for level in Level]
    out.print(f"{counts[0]} ok, {many(counts[1], 'warning')}, {many(counts[2], 'failure')}")


def _write(json_path: str, lines: list[Line], failures: int) -> None:
    """Write the lines as one line of JSON."""
    text = json_text(
        {
            "ok": failures == 0,
            "failures": failures,
            "warnings": sum(line.level is Level.WARNING for line in lines),
            "lines": [asdict(line) for line in lines],
        },
        indent=None,
    )
    if json_path == "-":
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    else:
        write_text(Path(json_path), f"{text}\n")


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("doctor")
