"""Energies of an earlier Darkstar's rows: what can be believed, moved onto the slot grid.

Units: kWh, epoch microseconds. A piece is a stretch of time with one energy per channel: a row, or
a run of rows over which a lump is spread. A slot gets of each piece

    energy[slot] = sum over pieces of energy * overlap(piece, slot) / length(piece)       (L1)

and is a number only where pieces with a number cover it (to a second); otherwise it is missing, and
its share is left out. So ``sum of slots + left out = sum recorded``, per channel. The faults and
what becomes of them are in the table of ``telemetry.legacy_import``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Quality
from telemetry.legacy_file import HOUR_US, MINUTE_US, SECOND_US, Findings, LegacyFile
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS

_SLOT_US = SLOT_MINUTES * MINUTE_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyEnergy:
    """Energies on the grid; C channels of the file, S slots.

    Attributes:
        slot_start: epoch seconds (S,).
        energy_kwh: (C, S), NaN where missing.
        quality: bits of ``Quality`` (C, S).
        known_at: epoch seconds (S,): the end of the latest piece that tells of the slot.
        measured: whether a channel was anything but 0.0 or empty (C,).
        left_out_kwh: recorded, but in no slot (C,).
    """

    slot_start: I64
    energy_kwh: F64
    quality: I64
    known_at: I64
    measured: Bool
    left_out_kwh: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runs:
    """Runs of rows that end in the energy of all of them; each (N,).

    Attributes:
        first: the row with which the run of a row begins; itself for a row of its own.
        spread: whether the row's energy is spread over its run.
        lump: whether it may hold energy of earlier rows, and cannot be spread.
        silent: rows without any energy that are part of no spread run.
        covered: rows without any energy that a spread run covers.
    """

    first: I64
    spread: Bool
    lump: Bool
    silent: Bool
    covered: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """P stretches of time, C channels; times in epoch microseconds."""

    start_us: I64
    end_us: I64
    energy_kwh: F64
    quality: I64


def energy_by_slot(file: LegacyFile, findings: Findings) -> LegacyEnergy:
    """Judge the energies of a file and move them onto the grid.

    Args:
        file: N rows.
        findings: where faults are added.
    """
    positive = file.energy_kwh > 0.0
    runs = _runs(file, file.ended & ~positive.any(axis=0))
    values, bits = _believed(file, runs)
    _tell(file, runs, findings)
    own = ~runs.covered
    start = np.where(runs.spread, file.start_us[runs.first], file.start_us)
    pieces = _Pieces(
        start_us=start[own],
        end_us=file.end_us[own],
        energy_kwh=values[:, own],
        quality=(bits | _interval_bits(start, file.end_us))[:, own],
    )
    dropped = np.where(np.isnan(values) & positive, file.energy_kwh, 0.0).sum(axis=1)
    measured: Bool = np.any(positive & file.ended, axis=1)
    return _on_grid(pieces, dropped, measured)


def _runs(file: LegacyFile, silent: Bool) -> _Runs:
    """Find lumps: rows with energy right after rows without any.

    No house draws nothing, so such rows were never recorded and the counters' whole advance is in
    the row after them.
    """
    first = np.arange(silent.size)
    one_write = np.ones(silent.size, dtype=np.bool_)
    joined = file.follows & np.r_[False, silent[:-1]] if silent.size else file.follows
    for row in np.flatnonzero(joined).tolist():
        first[row] = first[row - 1]
        same = file.written_us[row] == file.written_us[row - 1]
        one_write[row] = one_write[row - 1] and same
    jump = file.ended & ~silent & (first < np.arange(silent.size))
    short = file.end_us - file.start_us[first] <= HOUR_US + SECOND_US
    spread = jump & one_write & short
    covered = np.zeros(silent.size, dtype=np.bool_)
    for row in np.flatnonzero(spread).tolist():
        covered[first[row] : row] = True
    return _Runs(
        first=first, spread=spread, lump=jump & ~spread, silent=silent & ~covered, covered=covered
    )


def _zero_load(file: LegacyFile, runs: _Runs) -> Bool:
    """Rows whose load is the table's default beside energies that were recorded (N,)."""
    if Channel.LOAD_KWH not in file.channels:
        return np.zeros(file.ended.size, dtype=np.bool_)
    zero = file.energy_kwh[file.channels.index(Channel.LOAD_KWH)] == 0.0
    found: Bool = zero & file.ended & ~runs.silent & ~runs.covered
    return found


def _after_hole(file: LegacyFile) -> Bool:
    """Rows with energy before which nothing was recorded for an hour or more (N,)."""
    found = file.ended & (file.energy_kwh > 0.0).any(axis=0)
    hole: Bool = file.start_us[1:] - file.end_us[:-1] >= HOUR_US
    found[1:] &= hole
    found[:1] = False
    return found


def _believed(file: LegacyFile, runs: _Runs) -> tuple[F64, I64]:
    """Energies with NaN where they cannot be believed, and bits that say why; each (C, N)."""
    values = file.energy_kwh.copy()
    bits = np.zeros(values.shape, dtype=np.int64)
    doubt = ~file.ended | runs.silent
    values[:, doubt | runs.lump] = np.nan
    bits[:, doubt] = Quality.SUSPECT
    bits[:, runs.lump] = Quality.LUMP | Quality.SUSPECT
    bits[:, runs.spread] = Quality.SPREAD | Quality.SUSPECT
    bits[:, _after_hole(file)] |= Quality.LUMP
    if Channel.LOAD_KWH in file.channels:
        load, zero = file.channels.index(Channel.LOAD_KWH), _zero_load(file, runs)
        values[load, zero] = np.nan
        bits[load, zero] |= Quality.SUSPECT
    return values, bits


def _tell(file: LegacyFile, runs: _Runs, findings: Findings) -> None:
    at = file.start_us
    for reason, rows in (
        ("row written before its slot had ended: its energies are left missing", ~file.ended),
        ("row without any energy, which no house is: never recorded, left missing", runs.silent),
        (
            "energy after rows without any, written with them: a counter's whole advance, "
            "spread over the run and flagged",
            runs.spread,
        ),
        (
            "energy after rows without any, over more than an hour or of several writes: "
            "left missing and flagged as a lump",
            runs.lump,
        ),
        ("load of 0.0 beside other energies: a default, left missing", _zero_load(file, runs)),
        (
            "energy after an hour or more without rows: flagged, it may hold that hour's too",
            _after_hole(file),
        ),
        (
            "row off the 15-minute grid: its energies are moved by overlap and flagged",
            file.ended & ((at % _SLOT_US != 0) | (file.end_us % _SLOT_US != 0)),
        ),
    ):
        findings.add(reason, at[rows])


def _interval_bits(start_us: I64, end_us: I64) -> I64:
    """Bits that follow from where an interval lies, and how long it is (N,)."""
    off_grid = (start_us % _SLOT_US != 0) | (end_us % _SLOT_US != 0)
    length = end_us - start_us
    resampled = off_grid | (length != _SLOT_US)
    bits = np.where(resampled, int(Quality.RESAMPLED), 0)
    bits |= np.where(off_grid, int(Quality.SUSPECT), 0)
    bits |= np.where(length >= HOUR_US - SECOND_US, int(Quality.HOURLY), 0)
    return bits


def _on_grid(pieces: _Pieces, dropped_kwh: F64, measured: Bool) -> LegacyEnergy:
    """Divide pieces over slots by (L1)."""
    begin = pieces.start_us // _SLOT_US
    count = -(-pieces.end_us // _SLOT_US) - begin
    piece = np.repeat(np.arange(count.size), count)
    within = np.arange(piece.size) - np.repeat(np.cumsum(count) - count, count)
    quarter = begin[piece] + within
    start, end = pieces.start_us[piece], pieces.end_us[piece]
    overlap = np.minimum(end, (quarter + 1) * _SLOT_US) - np.maximum(start, quarter * _SLOT_US)
    slots, place = np.unique(quarter, return_inverse=True)
    known = (slots + 1) * SLOT_SECONDS
    np.maximum.at(known, place, -(-end // SECOND_US))
    shape = (pieces.energy_kwh.shape[0], slots.size)
    energy, quality = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    left_out = dropped_kwh.copy()
    for row, values in enumerate(pieces.energy_kwh):
        is_number = np.isfinite(values[piece])
        share = np.where(is_number, values[piece] * (overlap / (end - start)), 0.0)
        covered = np.bincount(place, weights=overlap * is_number, minlength=slots.size)
        sums = np.bincount(place, weights=share, minlength=slots.size)
        whole = covered >= _SLOT_US - SECOND_US
        energy[row, whole] = sums[whole]
        left_out[row] += sums[~whole].sum()
        np.bitwise_or.at(quality[row], place, pieces.quality[row, piece])
    return LegacyEnergy(
        slot_start=slots * SLOT_SECONDS,
        energy_kwh=energy,
        quality=quality,
        known_at=known,
        measured=measured,
        left_out_kwh=left_out,
    )
