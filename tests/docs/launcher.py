"""``darkstar`` for a reader's shell: its prices come from the server that DOCS_NORDPOOL names.

A script and no module, so that it runs whatever checkout PYTHONPATH names.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import runners.prices
from runners.cli import main
from telemetry.market import DayAhead, NordPool


@contextmanager
def local(name: str) -> Iterator[DayAhead]:  # noqa: ARG001 - called as the other one is
    """Nord Pool on this machine."""
    yield NordPool(url=os.environ["DOCS_NORDPOOL"])


if "DOCS_NORDPOOL" in os.environ:
    runners.prices.open_provider = local
main()
