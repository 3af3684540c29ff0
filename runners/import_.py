"""``darkstar import``: files of load, PV, prices or weather into the store; twice is once.

A file that is an SQLite database, whatever its name, is taken for the learning database of an
earlier Darkstar (``telemetry.legacy_import``); anything else for CSV.

A file that cannot be read as a whole is refused and the others are still imported. What was done is
reported also where a later file ends the command. A home that the
configuration does not know is imported too; to plan it, it must be added there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from runners.config import Config, load_config
from runners.errors import EX_DATAERR, EX_NOINPUT, EX_USAGE, ConfigError, Problem
from runners.output import console, write_json
from runners.store_access import open_store
from telemetry.csv_import import import_file
from telemetry.csv_report import ImportReport
from telemetry.errors import ImportFileError, MissingExtraError
from telemetry.legacy_file import is_database
from telemetry.legacy_import import import_legacy

__all__ = ["run_import"]

_ADD_HOME = (
    "home {home} is in no `homes:` of {config}; its data are imported, to plan it add there:\n"
    "  {home}: {{zone: ..., latitude: ..., longitude: ..., area: ..., battery: ..., grid: ..., "
    "tariff: ...}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A file of which nothing was imported."""

    path: str
    reason: str
    exit_code: int


def run_import(
    files: Sequence[Path],
    *,
    config_path: Path,
    json_path: str | None = None,
    weather_home: str | None = None,
    home_id: str | None = None,
) -> int:
    """Import files and report.

    Args:
        files: CSV files and learning databases.
        config_path: the configuration file.
        json_path: where the reports go as JSON; ``-`` is stdout.
        weather_home: home that weather files belong to.
        home_id: home that learning databases belong to; not needed for one.

    Returns:
        0; 65 if a file was refused or all its rows were; 66 if one is not there.

    Raises:
        ConfigError: the configuration, a CSV file with ``home_id``, or a report that cannot be
            written.
        TelemetryError: the store cannot be opened or written.
    """
    config = load_config(config_path)
    for named in (weather_home, home_id):
        if named is not None:
            config.home_config(named)
    if home_id is not None:
        _check_databases(files)
    reports: list[ImportReport] = []
    refused: list[_Refused] = []
    try:
        _import_all(files, config, weather_home, home_id, reports, refused)
    except BaseException:  # also Ctrl-C: files before it are in the store
        if reports or refused:
            _report(reports, refused, config, json_path)
        raise
    _report(reports, refused, config, json_path)
    codes = [one.exit_code for one in refused]
    codes += [EX_DATAERR for report in reports if _nothing_usable(report)]
    return max(codes, default=0)


def _check_databases(files: Sequence[Path]) -> None:
    """Refuse a home for CSV files: they name their own."""
    message = "is no database; a CSV file names its homes itself: import it without --home"
    others = [path for path in files if path.exists() and not is_database(path)]
    if others:
        problems = [Problem(str(path), "", message) for path in others]
        raise ConfigError("--home", problems, exit_code=EX_USAGE)


def _nothing_usable(report: ImportReport) -> bool:
    """Return whether every row of a file was rejected, or there was none."""
    return report.rejected_count >= report.rows


def _report(
    reports: list[ImportReport], refused: list[_Refused], config: Config, json_path: str | None
) -> None:
    """Print, and write as JSON, what was imported and what was refused."""
    out = console(json_path)
    for report in reports:
        out.print(_table(report))
    for line in _remarks(reports, config):
        out.print(line, soft_wrap=True)
    errors = Console(stderr=True, highlight=False, markup=False)
    for one in refused:
        errors.print(f"refused: {one.reason}", style="red", soft_wrap=True)
    if json_path is not None:
        found = {
            "files": reports,
            "refused": refused,
            "homes_not_configured": _unknown_homes(reports, config),
        }
        write_json(json_path, found)


def _import_all(
    files: Sequence[Path],
    config: Config,
    weather_home: str | None,
    home_id: str | None,
    reports: list[ImportReport],
    refused: list[_Refused],
) -> None:
    """Import each file in a transaction of its own; append what became of it."""
    homes = {home_id: config.home(home_id) for home_id in config.homes}
    with open_store(config) as store:
        for path in files:
            code = EX_DATAERR if path.exists() else EX_NOINPUT
            try:
                if is_database(path):
                    reports.append(import_legacy(store, path, homes, home_id=home_id))
                else:
                    reports.append(import_file(store, path, homes, weather_home=weather_home))
            except (ImportFileError, MissingExtraError) as err:
                reason = str(err) if str(path) in str(err) else f"{path}: {err}"
                refused.append(_Refused(path=str(path), reason=reason, exit_code=code))


def _table(report: ImportReport) -> Table:
    """Return one row per series of a file."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title = (
        f"{Path(report.path).name}: {report.kind}, {report.rows} rows, "
        f"{report.rejected_count} rejected{_counted_in(report)}"
    )
    table.title_justify = "left"
    table.add_column("series", overflow="fold")
    table.add_column("period (UTC)", no_wrap=True)
    for name in ("written", "unchanged", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    for series in report.series:
        counts = series.counts
        table.add_row(
            f"{series.subject} {series.name}",
            f"{series.start:%Y-%m-%d}..{series.end:%Y-%m-%d}",
            str(counts.changed),
            str(counts.unchanged + counts.kept),
            str(series.missing),
        )
    if not report.series:
        table.add_row("nothing imported", "", "0", "0", "")
    return table


def _counted_in(report: ImportReport) -> str:
    """Say what the counts of a file count; missing cells are cells of the file."""
    units = sorted({series.unit for series in report.series})
    return f"; written counts {', '.join(units)}" if units else ""


def _remarks(reports: Sequence[ImportReport], config: Config) -> list[str]:
    """Return what the table has no room for: rejected rows, skipped columns, notes, new homes."""
    lines: list[str] = []
    for report in reports:
        name = Path(report.path).name
        lines += [f"{name}: column {c.name} skipped: {c.reason}" for c in report.skipped_columns]
        if report.duplicates:
            lines.append(f"{name}: {report.duplicates} rows repeat another one; the first counts")
        if report.rejected_count:
            lines.append(f"{name}: {report.rejected_count} rows rejected")
        lines += [f"  line {row.line}: {row.reason}" for row in report.rejected]
        if report.rejected_count > len(report.rejected):
            lines.append(f"  ... and {report.rejected_count - len(report.rejected)} more")
        lines += [f"{name}: {note}" for note in report.notes]
    unknown = _unknown_homes(reports, config)
    return lines + [_ADD_HOME.format(home=home, config=config.path) for home in unknown]


def _unknown_homes(reports: Sequence[ImportReport], config: Config) -> list[str]:
    """Return homes of the files that the configuration does not have."""
    met = {s.subject: None for r in reports if r.kind == "home" for s in r.series}
    return [home_id for home_id in met if home_id not in config.homes]


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("import")
