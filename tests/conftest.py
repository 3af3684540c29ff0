"""What all tests share: the real data, and no silent skips where CI demands none.

With ``DARKSTAR_STRICT=1`` (set by ``.ci/run``) a skipped test fails the run, except one that needs
real data that are not at hand: those cannot be installed.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.peers.fixtures"]

NO_DATA = "real data not found"

# Prints what reproduces a failure; time limits would only measure the machine.
settings.register_profile(
    "darkstar", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("darkstar")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real data; skip loudly where there is none."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DARKSTAR_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"{NO_DATA} at {folder}: set DARKSTAR_DATA")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which skips a strict run does not accept."""
    for reason in _unwanted(terminalreporter):
        terminalreporter.write_line(f"strict: skipped, but could run here: {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a strict run that skipped what it could have installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter) and _unwanted(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unwanted(reporter: pytest.TerminalReporter) -> list[str]:
    """Return the reasons of skips that a strict run does not accept."""
    if os.environ.get("DARKSTAR_STRICT") != "1":
        return []
    skipped = reporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[-1]) for report in skipped if report.longrepr]
    return [reason for reason in reasons if NO_DATA not in reason]
