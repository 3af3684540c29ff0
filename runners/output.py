"""What commands print and write: tables that fit 80 columns, and JSON.

Energy in kWh, prices and energy values in currency per kWh, times in the home's zone.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from runners.errors import EX_CANTCREAT, ConfigError, Problem

if TYPE_CHECKING:
    from mpc import Plan

__all__ = [
    "action",
    "console",
    "json_text",
    "make_folder",
    "many",
    "plan_table",
    "replacing",
    "summary_table",
    "write_json",
    "write_text",
]

_SHOWN_KWH = 5e-4


def console(json_path: str | None = None) -> Console:
    """Return where tables go: stdout, or stderr while ``--json -`` takes stdout."""
    return Console(stderr=json_path == "-", highlight=False, markup=False, emoji=False)


def action(plan: "Plan", slot: int) -> str:
    """Say in one word what the battery does in a slot.

    ``charge`` takes from the grid, ``export`` sells stored energy, ``discharge`` serves a part of
    the load while the rest is bought, ``self-use`` follows the house, ``hold`` rests.
    """
    buys, sells = plan.import_kwh[slot] > _SHOWN_KWH, plan.export_kwh[slot] > _SHOWN_KWH
    if plan.charge_kwh[slot] > _SHOWN_KWH:
        return "charge" if buys else "self-use"
    if plan.discharge_kwh[slot] > _SHOWN_KWH:
        if sells:
            return "export"
        return "discharge" if buys else "self-use"
    return "hold" if buys or sells else "self-use"


def plan_table(plan: "Plan", zone: str, *, currency: str = "SEK") -> Table:
    """Return a table with one row per local hour.

    Flows are sums of the hour, prices means over its time, the state of charge and the energy
    value those at its end, the word what moves most energy.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.caption = f"{currency}/kWh for prices and value, kWh for the rest; {zone}"
    table.add_column("time", no_wrap=True)
    names = ("import", "export", "load", "PV", "battery", "stored", "value")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("does", no_wrap=True)
    clock = ZoneInfo(zone)
    local = [start.astimezone(clock) for start in plan.starts]
    hours = groupby(range(len(plan)), key=lambda t: (local[t].date(), local[t].hour, local[t].fold))
    for _, group in hours:
        table.add_row(*_hour_row(plan, list(group), local))
    return table


def _hour_row(plan: "Plan", slots: list[int], local: list[datetime]) -> list[str]:
    """Return the cells of one hour."""
    first, last = slots[0], slots[-1]
    weight = plan.slot_minutes[slots]
    return [
        local[first].strftime("%a %H:%M"),
        f"{np.average(plan.import_price[slots], weights=weight):.3f}",
        f"{np.average(plan.export_price[slots], weights=weight):.3f}",
        f"{plan.load_kwh[slots].sum():.2f}",
        f"{plan.pv_kwh[slots].sum():.2f}",
        f"{round(float(plan.net_battery_kwh[slots].sum()), 2) + 0.0:+.2f}",
        f"{plan.soc_kwh[last]:.2f}",
        f"{plan.energy_value[last]:.3f}",
        _main_action(plan, slots),
    ]


def _main_action(plan: "Plan", slots: list[int]) -> str:
    """Return the word that moves most battery energy, or holds longest where none moves."""
    moved: dict[str, float] = {}
    for t in slots:
        word = action(plan, t)
        energy = float(plan.charge_kwh[t] + plan.discharge_kwh[t])
        moved[word] = moved.get(word, 0.0) + energy + 1e-6 * float(plan.slot_minutes[t])
    return max(moved, key=lambda word: moved[word])


def many(count: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def summary_table(rows: Iterable[tuple[str, object]], *, title: str = "") -> Table:
    """Return a table of names and values; floats get three decimals."""
    table = Table(box=None, show_header=False, pad_edge=False, title=title or None)
    table.title_justify = "left"
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    return table


def json_text(obj: object, *, indent: int | None = 2) -> str:
    """Return ``obj`` as JSON.

    Dataclasses become objects, arrays lists, times ISO 8601, NaN null: unknown is no number.
    """
    return json.dumps(_plain(obj), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: str | Path, obj: object) -> None:
    """Write ``obj`` as JSON (``json_text``) to a file, or to stdout for ``-``.

    Raises:
        ConfigError: the file cannot be written.
    """
    text = json_text(obj) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(Path(path), text)


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, whole.

    A device or a pipe is written to as it is. Folders are not made: a mistyped path is an error.

    Raises:
        ConfigError: the file cannot be written.
    """
    if path.exists() and not path.is_file():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as err:
            raise _unwritten(path, err, "name another place") from None
        return
    with replacing(path) as file:
        file.write(text.encode())


@contextmanager
def replacing(path: Path, cure: str = "name another place") -> Iterator[BinaryIO]:
    """Write a file so that a reader sees the old one or the new one, whole, also after a crash.

    Args:
        path: the file; its folder is there.
        cure: what to do where it cannot be written.

    Raises:
        ConfigError: the file cannot be written; nothing of it is left.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as err:
        raise _unwritten(path, err, cure) from None
    finally:
        with suppress(OSError):  # there is none where it took its name, or no such folder
            part.unlink()


def _unwritten(path: Path, err: OSError, cure: str) -> ConfigError:
    message = f"cannot be written ({err.strerror}); {cure}"
    return ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT)


def make_folder(path: Path, cure: str = "name another place") -> None:
    """Make a folder for results, parents included.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        message = f"cannot be made a folder ({err.strerror}); {cure}"
        raise ConfigError(str(path), [Problem("", "", message)], exit_code=EX_CANTCREAT) from None


def _plain(value: object) -> object:
    """Return ``value`` as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    elif is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)
