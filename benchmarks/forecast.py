"""``python -m benchmarks.forecast WHAT FOLDER``: time one thing in its own process, print JSON.

FOLDER is a demo home (``benchmarks.episodes.demo_folder``) with 15-minute readings and weather
forecasts. ``train`` comes first: it keeps a model of the whole year for ``issue``, ``year`` and
``loop``, and one of the days before ``PLANNED_AT`` in the home's registry, for a plan that looks
back. Seconds are wall clock, memory is the maximum resident set of the process.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from forecast.aurora import Aurora, train
from forecast.inputs import HomeHistory
from forecast.rolling import Chain
from runners.config import Config, load_config
from runners.dates import utc_now
from runners.plan import home_model
from runners.registry import Registry, describe
from runners.train import span_of_load
from sim.aurora import AuroraForecasts, read_history
from sim.history import realised
from sim.planning import HomeModel
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from telemetry.slots import from_epoch, local_day, to_epoch
from telemetry.store import Store

__all__ = ["HOME", "LOOP_DAYS", "PLANNED_AT", "measured", "probe"]

HOME = "demo"
PLANNED_AT = datetime.fromisoformat("2025-10-25T14:00+00:00")
LOOP_DAYS = 30
_LOOP_FROM = datetime.fromisoformat("2025-09-01T22:00+00:00")
_AHEAD = 192
_ROUNDS, _WARM = 41, 3
_BATCH = 96
_DAY, _HOUR = 86_400, 3600
_KIB_PER_MIB = 1024

Found = dict[str, float]
_T = TypeVar("_T")
_STARTER = """
import resource, subprocess, sys, time
begin = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Return (seconds, maximum resident MiB) of one run of a command.

    A small process starts it: the maximum of a child counts what its parent held at the fork.
    """
    starter = [sys.executable, "-c", _STARTER, *command]
    done = subprocess.run(starter, check=True, capture_output=True, text=True)
    seconds, kib = (float(word) for word in done.stdout.split())
    return seconds, kib / _KIB_PER_MIB


def probe(what: str, folder: Path) -> Found:
    """Return what a process of its own measures."""
    command = [sys.executable, "-m", "benchmarks.forecast", what, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Found = json.loads(done.stdout)
    return found


def main(what: str, folder: Path) -> int:
    """Measure it and print."""
    config = load_config(folder / "config.yaml")
    model = home_model(config, HOME)
    with Store.open(config.store_url, system_id="simulation") as store:
        found = _PROBES[what](store, model, config)
    sys.stdout.write(json.dumps(found))
    return 0


def _train(store: Store, model: HomeModel, config: Config) -> Found:
    """Train on the whole year, then on what was known before a plan."""
    read, history = _timed(lambda: _history(store, model))
    seconds, trained = _timed(lambda: train(history, history.load.end)[0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB
    _keep(_of_year(config), trained, history)
    midnight = to_epoch(local_day(PLANNED_AT.date(), history.zone)[0])
    _keep(Registry(config.models_folder, HOME), train(history, midnight)[0], history)
    return {"read_seconds": read, "seconds": seconds, "memory_mb": memory}


def _issue(store: Store, model: HomeModel, config: Config) -> Found:
    """Issue single forecasts at full hours of different days, once all is warm."""
    history, aurora = _history(store, model), _model(config)
    last = history.load.end - _DAY
    issues = [np.array([last - k * (_DAY + _HOUR)], dtype=np.int64) for k in range(_ROUNDS)]

    def median(*, scenarios: bool) -> float:
        run = partial(aurora.issue, history, ahead=_AHEAD, scenarios=scenarios)
        return statistics.median([_timed(partial(run, at))[0] for at in issues][_WARM:])

    return {"seconds": median(scenarios=False), "scenario_seconds": median(scenarios=True)}


def _year(store: Store, model: HomeModel, config: Config) -> Found:
    """Issue a forecast every hour of the year, a batch at a time."""
    history, aurora = _history(store, model), _model(config)
    first = history.load.end - 365 * _DAY
    issues = np.arange(first, history.load.end, _HOUR, dtype=np.int64)

    def run() -> None:
        for low in range(0, issues.size, _BATCH):
            aurora.issue(history, issues[low : low + _BATCH], _AHEAD)

    return {"seconds": _timed(run)[0], "issues": float(issues.size)}


def _loop(store: Store, model: HomeModel, config: Config) -> Found:
    """Replay a month: forecasts and scenarios from the store, a plan in every slot."""
    history, chain = _history(store, model), Chain.of(_model(config))

    def run(days: int) -> int:
        end = _LOOP_FROM + timedelta(days=days)
        forecasts = AuroraForecasts(store, model, history, chain, _LOOP_FROM, end)
        window = replay_window(model, realised(store, model, _LOOP_FROM, end))
        replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE)
        return len(window)

    run(1)  # compiles
    seconds, slots = _timed(lambda: run(LOOP_DAYS))
    return {"seconds": seconds, "slots": float(slots)}


def _history(store: Store, model: HomeModel) -> HomeHistory:
    """Return everything known of the home."""
    return read_history(store, model, *span_of_load(store, model))


def _of_year(config: Config) -> Registry:
    """Return where the model of the whole year is kept."""
    return Registry(config.models_folder.parent / "models-of-the-year", HOME)


def _model(config: Config) -> Aurora:
    """Return the model of the whole year.

    Raises:
        ValueError: there is none.
    """
    found = _of_year(config).current()
    if found is None:
        raise ValueError(f"no model in {_of_year(config).folder}: run the probe `train` first")
    return found[0]


def _keep(registry: Registry, model: Aurora, history: HomeHistory) -> None:
    """Promote a model without a test."""
    meta = describe(
        model,
        home_id=HOME,
        created_at=utc_now(),
        data_from=from_epoch(history.load.start),
        days_of_load=(model.trained_until - history.load.start) / _DAY,
        outcome="forced",
        reason="to be measured",
        test={},
    )
    registry.promote(model, meta)


def _timed(call: Callable[[], _T]) -> tuple[float, _T]:
    """Return how long a call takes, and what it gives."""
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


_PROBES: dict[str, Callable[[Store, HomeModel, Config], Found]] = {
    "train": _train,
    "issue": _issue,
    "year": _year,
    "loop": _loop,
}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2])))
