"""Importing the learning database of an earlier Darkstar: faults flagged, not inherited.

The file is an SQLite database with one row per slot (``telemetry.legacy_file``); it is opened
read-only and never written, imported in one transaction, twice the same as once. What that system
got wrong, and what is done with it:

    fault                                    what we do
    ---------------------------------------  --------------------------------------------------
    text keys in local time                  UTC by the written offset; without one: rejected
    one instant under two keys               equal: counted once; unequal: the later is rejected
    row written before its slot had ended    energies and ``soc_end`` NULL, SUSPECT
      (``created_at`` < ``slot_end``)
    0.0 in every row (a column's default)    the channel is not imported, listed
    all energies of a row 0.0 or empty       never recorded: NULL, SUSPECT
    energy after such rows, written with     it belongs to the run: up to an hour it is spread,
      them (a counter's whole advance)       SPREAD | SUSPECT, provenance ``spread``
    the same over more than an hour, or of   NULL, LUMP | SUSPECT: whose it is cannot be told
      several writes
    energy after an hour without rows        kept, LUMP: it may hold that time's too
    load 0.0 beside other energies           a default: NULL, SUSPECT
    rows off the 15-minute grid              moved by overlap, RESAMPLED | SUSPECT; a slot that
                                             rows cover only in part is NULL
    percent                                  ratio
    one state of charge at both ends         one reading of ``created_at``, for the edge within
                                             5 min of it (SUSPECT); farther off: NULL
    ``soc_start`` held over rows of one      NULL, SUSPECT
      write until it jumps at the end
    exactly 50 % more than 10 points from    a default: NULL, SUSPECT (a battery may pass
      its neighbours, on one side of both,   through 50 % from 65 to 35, or stay near it)
      or without one within the hour
    negative, infinite, text, over 100 %     NULL, listed
    prices 0.0 that were never read          prices are not imported, listed

Energy that is in no slot of the store is told per channel: stored + left out = recorded. A value is
known at the end of the source's own interval: a spread one at the end of its run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Provenance, Quality
from telemetry.csv_report import LISTED_ROWS, ImportReport, SeriesReport, SkippedColumn
from telemetry.errors import ImportFileError, SeriesError, TimeError
from telemetry.home import Home
from telemetry.legacy_energy import LegacyEnergy, energy_by_slot
from telemetry.legacy_file import COLUMN_OF, Findings, LegacyFile, read_legacy_file
from telemetry.legacy_soc import soc_by_slot
from telemetry.slots import SLOT_SECONDS, from_epoch
from telemetry.sql import WriteCounts
from telemetry.store import Store

_TOLD_KWH = 1e-9


def import_legacy(
    store: Store, path: str | Path, homes: Mapping[str, Home], *, home_id: str | None = None
) -> ImportReport:
    """Import a learning database in one transaction.

    Args:
        store: open for writing.
        path: an SQLite file (``telemetry.legacy_file.is_database``).
        homes: what the configuration knows, by home_id.
        home_id: whose data they are, for the file names no home; not needed if there is one home.

    Raises:
        ImportFileError: it is another database, unreadable, or of a home that cannot be told;
            nothing of it was written.
    """
    findings = Findings()
    file = read_legacy_file(path, findings)
    home = _home_id(file.path, homes, home_id)
    bare = ImportReport(
        path=file.path,
        kind="home",
        rows=file.rows,
        rejected=file.rejected[:LISTED_ROWS],
        rejected_count=len(file.rejected),
        duplicates=file.duplicates,
        skipped_columns=file.skipped_columns,
        series=(),
        notes=(),
    )
    if not file.start_us.size:
        return replace(bare, notes=("no row could be imported",))
    try:
        with store.transaction():
            if home in homes:
                store.put_home(homes[home])
            else:
                store.ensure_home(home)
            return _import(store, home, file, findings, bare)
    except (SeriesError, TimeError) as err:
        raise ImportFileError(file.path, f"cannot be stored: {err}") from err


def _home_id(path: str, homes: Mapping[str, Home], home_id: str | None) -> str:
    if home_id is not None:
        return home_id
    if len(homes) == 1:
        return next(iter(homes))
    known = ", ".join(homes) or "none"
    raise ImportFileError(path, f"names no home; say whose it is with --home ID, known: {known}")


def _import(
    store: Store, home_id: str, file: LegacyFile, findings: Findings, bare: ImportReport
) -> ImportReport:
    energy = energy_by_slot(file, findings)
    series = list(_put_energies(store, home_id, file, energy))
    for soc in soc_by_slot(file, findings):
        if soc.slot_start.size:
            counts = store.put_observations(
                home_id,
                soc.channel,
                soc.slot_start,
                soc.values,
                known_at=soc.known_at,
                provenance=Provenance.IMPORT,
                quality=soc.quality,
            )
            series.append(_report(home_id, soc.channel, soc.slot_start, soc.values, counts))
    return replace(
        bare,
        skipped_columns=(*bare.skipped_columns, *_never_measured(file, energy)),
        series=tuple(series),
        notes=(*findings.notes(), *_left_out(file, energy), *_other_tables(file)),
    )


def _put_energies(
    store: Store, home_id: str, file: LegacyFile, energy: LegacyEnergy
) -> Iterator[SeriesReport]:
    for row in np.flatnonzero(energy.measured).tolist():
        channel, values, quality = file.channels[row], energy.energy_kwh[row], energy.quality[row]
        spread: Bool = quality & int(Quality.SPREAD) != 0
        counts = WriteCounts()
        for provenance, which in ((Provenance.IMPORT, ~spread), (Provenance.SPREAD, spread)):
            counts += store.put_observations(
                home_id,
                channel,
                energy.slot_start[which],
                values[which],
                known_at=energy.known_at[which],
                provenance=provenance,
                quality=quality[which],
            )
        yield _report(home_id, channel, energy.slot_start, values, counts)


def _report(
    home_id: str, channel: Channel, slot_start: I64, values: F64, counts: WriteCounts
) -> SeriesReport:
    return SeriesReport(
        subject=home_id,
        name=channel,
        unit="slots",
        start=from_epoch(int(slot_start[0])),
        end=from_epoch(int(slot_start[-1]) + SLOT_SECONDS),
        missing=int(np.isnan(values).sum()),
        night=0,
        counts=counts,
    )


def _never_measured(file: LegacyFile, energy: LegacyEnergy) -> Iterator[SkippedColumn]:
    reason = "0.0 or empty in every row whose slot had ended: never measured"
    for channel, measured in zip(file.channels, energy.measured.tolist(), strict=True):
        if not measured:
            yield SkippedColumn(name=COLUMN_OF[channel], reason=reason)


def _left_out(file: LegacyFile, energy: LegacyEnergy) -> Iterator[str]:
    for channel, left_kwh in zip(file.channels, energy.left_out_kwh.tolist(), strict=True):
        if left_kwh > _TOLD_KWH:
            yield (
                f"{channel}: {left_kwh:.3f} kWh recorded are in no slot of the store, because the "
                "slot they belong to cannot be told or was only partly recorded"
            )


def _other_tables(file: LegacyFile) -> Iterator[str]:
    if file.others:
        listed = ", ".join(f"{name} ({count} rows)" for name, count in file.others)
        yield f"other tables are not imported: {listed}"
