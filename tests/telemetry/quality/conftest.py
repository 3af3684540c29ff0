"""A month of facts and one store for many homes: migrations take longer than the checks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from telemetry.store import Store
from tests.telemetry.quality.houses import Month, as_hours, make_month

_names = count()


@pytest.fixture(scope="session")
def quarters() -> Month:
    return make_month()


@pytest.fixture(scope="session")
def hours(quarters: Month) -> Month:
    return as_hours(quarters)


@pytest.fixture(scope="session")
def shared() -> Iterator[Store]:
    with Store.open(":memory:", system_id="test") as opened:
        yield opened


@pytest.fixture
def name() -> str:
    return f"home{next(_names)}"
