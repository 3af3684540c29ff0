"""A day of all timers, against a real Home Assistant and a real MariaDB, both killed once.

The day is 2025-10-26 in Stockholm: 25 hours, and a Sunday, so that ``darkstar-train`` runs as well.
Units are those that ``install-units`` writes; a clock of the test's own starts their commands when
systemd would, with ``--now``, and puts Home Assistant's forward. Home Assistant and MariaDB are
killed (-9) in the middle of a random job and come back after a random while; ``DARKSTAR_DAY_SEED``
draws another one.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mpc import Plan
from runners.cli import app
from runners.install_units import installation
from runners.units import rendered
from sim.modes import MODE_NAMES
from telemetry.channels import Channel
from telemetry.homeassistant.client import HomeAssistant
from telemetry.homeassistant.states import StateWriter
from telemetry.slots import from_epoch, local_day
from telemetry.store import Store
from tests.live.houses import DEMO, SOC, hours_of, seeds
from tests.live.lived_day import HA, MARIADB, MEETS, SLOT, Life, Meters, Outage
from tests.live.services import services, spot_mwh
from tests.live.timers import firings, needs_systemd
from tests.peers.fixtures import MakeHomeAssistant, MakeMariaDB
from tests.peers.home_assistant import RealHomeAssistant
from tests.peers.mariadb import RealMariaDB
from tests.sim.test_planning import put_price_day
from tests.telemetry.mirrors import rows
from tests.telemetry.quality.houses import make_month

ZONE = "Europe/Stockholm"
DAY = date(2025, 10, 26)
START, END = local_day(DAY, ZONE)
FIRST = DAY - timedelta(days=30)
HOUR, LEAD = timedelta(hours=1), timedelta(minutes=45)
SHOWN_FOR = timedelta(minutes=6)
"""A state stands five minutes, and is read a moment before Home Assistant has saved the next."""
DATABASE = "darkstar_day"
SEED = int(os.environ.get("DARKSTAR_DAY_SEED", "8"))
UNREACHABLE = 69
CONFIG = """
mirror:
  {{host: 127.0.0.1, port: {port}, user: darkstar, password: !secret mirror_password,
    database: {database}}}
homes:
  villa:
    zone: Europe/Stockholm
    latitude: 55.5
    longitude: 13.1
    planes: [{{tilt_deg: 45, azimuth_deg: 150, peak_kw: 9}}]
    area: se4
    grid: {{max_import_kw: 11, max_export_kw: 11}}
    battery: {{capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5}}
    tariff: {{}}
    home_assistant: {{url: '{url}', token: !secret ha_token}}
    publish: {{enabled: true, token: !secret publish_token}}
    input_sensors:
{sensors}
"""


def no_wait(_seconds: float) -> None:
    """Do not wait for who is down: nobody comes back while a job waits."""


@pytest.fixture
def life(
    make_home_assistant: MakeHomeAssistant,
    make_mariadb: MakeMariaDB,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Life:
    """A house with a month behind it, an hour before its day; nothing of the day has happened."""
    mariadb = make_mariadb().start()
    mariadb.make_database(DATABASE)
    ha = make_home_assistant(now=START - LEAD).start()
    month = make_month(FIRST, DAY + timedelta(days=1))
    start, hours = hours_of(month)
    past = start < START.timestamp() - 7200
    ha.seed_statistics_directly(
        seeds(start[past], {name: values[past] for name, values in hours.items()})
    )
    config = write_config(tmp_path, ha, mariadb)
    monkeypatch.chdir(tmp_path)
    for client in (HomeAssistant, StateWriter):
        defaults = client.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "sleep", no_wait)
    backfilled(config)
    draw = random.Random(SEED)  # noqa: S311 - no secret
    return Life(
        folder=tmp_path,
        ha=ha,
        mariadb=mariadb,
        meters=Meters.of(month),
        outages={
            name: Outage.drawn(draw, peer, MEETS[name], (START + 2 * HOUR, END - 4 * HOUR))
            for name, peer in ((HA, ha), (MARIADB, mariadb))
        },
        now=START - LEAD,
    )


def write_config(folder: Path, ha: RealHomeAssistant, mariadb: RealMariaDB) -> Path:
    sensors = dict(DEMO.values()) | {"battery_soc": SOC}
    lines = "\n".join(f"      {key}: {entity}" for key, entity in sensors.items())
    path = folder / "config.yaml"
    text = CONFIG.format(url=ha.url, port=mariadb.port, database=DATABASE, sensors=lines)
    path.write_text(text, encoding="utf-8")
    secrets = folder / "secrets.yaml"
    words = {
        "ha_token": ha.token_readonly,
        "publish_token": ha.token,
        "mirror_password": mariadb.password,
    }
    secrets.write_text(json.dumps(words), encoding="utf-8")
    secrets.chmod(0o600)
    return path


def backfilled(config: Path) -> None:
    """Fetch and judge the month, and let its prices be known."""
    span = ("--start-date", str(FIRST), "--end-date", str(DAY - timedelta(days=1)))
    done = CliRunner().invoke(app, ["backfill", *span, "--config", str(config)])
    assert done.exit_code == 0, done.output
    with Store.open(config.parent / "darkstar.sqlite", system_id="dev") as store:
        for k in range((DAY - FIRST).days + 1):
            put_price_day(
                store,
                FIRST + timedelta(days=k),
                currency="SEK",
                value=lambda _day, quarter, _fold: spot_mwh(quarter) / 1000.0,
            )
    now = (START - LEAD).isoformat()
    done = CliRunner().invoke(app, ["validate", "--no-plot", "--config", str(config), "--now", now])
    assert done.exit_code == 0, done.output


@pytest.mark.integration
@needs_systemd
def test_a_day_of_all_timers(life: Life) -> None:
    config = life.folder / "config.yaml"
    place = installation(config, user="darkstar", secrets=life.folder / "secrets.yaml")
    with services(lambda: life.now):
        for firing in firings(rendered(place), START - SLOT, END + 2 * SLOT):
            life.until(firing.at)
            life.run(firing)
        night = firings(rendered(place), END + 2 * SLOT, END + timedelta(hours=5))
        life.run(next(one for one in night if one.unit == "darkstar-validate"))
    told = f"DARKSTAR_DAY_SEED={SEED}: {life.outages}"
    check_runs(life, told)
    with Store.open(life.folder / "darkstar.sqlite", read_only=True) as store:
        check_slots(life, store, told)
        check_prices(store)
        check_plans(life, store)
        (verdict,) = store.day_quality("villa", DAY, DAY)
        assert verdict.slots == 100
    check_published(life)
    check_mirror(life)


def check_runs(life: Life, told: str) -> None:
    """Every job ends well, but those that met a service down: they say so, and no more."""
    assert all(one.over for one in life.outages.values()), told
    for run in life.runs:
        down = life.outages[MARIADB if run.unit == "mirror" else HA]
        excused = run.unit in MEETS[HA] + MEETS[MARIADB] and down.touches(run.at)
        assert run.result.exit_code in ({0, UNREACHABLE} if excused else {0}), run.result.output
        lines = run.result.stderr.splitlines()
        names = ("weather", "prices") if run.unit == "forecast" else (run.words[0],)
        assert lines[-1].startswith(f"job={names[-1]} home=villa status="), run.result.output
        assert sum(line.startswith("job=") for line in lines) == len(names), run.result.stderr
        assert "Traceback" not in run.result.output
    failed = Counter(run.unit for run in life.runs if run.result.exit_code)
    assert set(failed) <= {"record", "publish", "mirror"}, told
    assert failed["record"] >= 1, told
    assert failed["mirror"] >= 1, told
    ran = Counter(run.unit for run in life.runs)
    quarters = int((END - START) / SLOT) + 3
    assert ran == {
        **dict.fromkeys(("record", "plan", "publish", "mirror"), quarters),
        "forecast": 26,
        "validate": 2,
        "train": 1,
    }


def check_slots(life: Life, store: Store, told: str) -> None:
    """Every slot is there once with what the meters ran; none is lost, none counted twice."""
    channels = (*DEMO, Channel.SOC_START, Channel.SOC_END)
    seen = store.observations("villa", channels, START, END)
    assert seen.slot_start.size == 100
    out = life.outages[HA]
    starts = [from_epoch(start) for start in seen.slot_start.tolist()]
    lit = np.array([end <= out.at - SLOT or start >= out.back for start, end in _spans(starts)])
    month = make_month(DAY, DAY)
    for channel, values in zip(seen.channels, seen.values, strict=True):
        truth = month.values[channel]
        near = 0.02 if channel.is_energy else 0.005
        assert not np.isnan(values[lit]).any(), told
        assert values[lit] == pytest.approx(truth[lit], abs=near), (channel, told)
        if channel.is_energy:
            dark, known = values[~lit], ~np.isnan(values[~lit])
            missed = truth[~lit].sum() - dark[known].sum()
            assert missed >= -near, (channel, told)
            assert missed == pytest.approx(0.0, abs=near) or not known.all(), (channel, told)


def _spans(starts: list[datetime]) -> list[tuple[datetime, datetime]]:
    return [(start, start + SLOT) for start in starts]


def check_prices(store: Store) -> None:
    """A day of 25 hours has 100 prices, and the next one came in time."""
    days = (START, END + timedelta(days=1))
    values = store.prices("SE4", *days, currency="SEK", as_of=END).values
    wanted = [spot_mwh(k) / 1000.0 for k in (*range(100), *range(96))]
    assert values == pytest.approx(np.array(wanted))


def check_plans(life: Life, store: Store) -> None:
    """A plan a quarter, each sound; fit for control, or marked with the reason."""
    plans = [run for run in life.runs if run.unit == "plan"]
    for run in plans:
        schedule = run.schedule
        stored = store.plan("villa", as_of=run.at)
        assert schedule is not None
        assert stored is not None
        assert stored.issued_at == run.at == datetime.fromisoformat(schedule["inputs_as_of"])
        assert stored.fitness is not None
        assert list(stored.fitness.reasons) == schedule["reasons"]
        assert schedule["fit_for_control"] is (not schedule["reasons"])
        age = schedule["ages_minutes"]["soc"]
        assert schedule["fit_for_control"] is (age <= 30.0), schedule["reasons"]
        if age > 30.0:
            assert any("state of charge" in one["what"] for one in schedule["substitutions"])
        plan = Plan.from_json(stored.plan_json)
        check_sound(plan)
        measured = run.at - timedelta(minutes=age)
        shown = life.meters.percent_shown(measured - SHOWN_FOR, measured) / 100.0
        assert shown.min() - 0.005 <= plan.soc_start_kwh / 10.0 <= shown.max() + 0.005
    unfit = [run.at for run in plans if run.schedule and not run.schedule["fit_for_control"]]
    # What shows again after a slot's edge is known at the next one.
    out = life.outages[HA]
    assert all(out.touches(at) or out.touches(at - SLOT) for at in unfit), (unfit, out)


def check_sound(plan: Plan) -> None:
    """Proven best; energy and money add up."""
    assert plan.status == "optimal"
    assert plan.gap <= 1e-6
    into = plan.import_kwh + plan.pv_kwh + plan.discharge_kwh
    out = plan.export_kwh + plan.load_kwh + plan.charge_kwh + plan.curtail_kwh
    assert into == pytest.approx(out, abs=1e-6)
    change = plan.charge_efficiency * plan.charge_kwh
    change = change - plan.discharge_kwh / plan.discharge_efficiency
    assert np.diff(plan.soc_kwh, prepend=plan.soc_start_kwh) == pytest.approx(change, abs=1e-6)
    assert (plan.soc_kwh >= plan.min_soc_kwh - 1e-6).all()
    assert (plan.soc_kwh <= plan.max_soc_kwh + 1e-6).all()
    bill = plan.import_price @ plan.import_kwh - plan.export_price @ plan.export_kwh
    assert plan.bill == pytest.approx(bill, abs=1e-6)


def check_published(life: Life) -> None:
    """What stands in Home Assistant is the plan in force, or nothing at all."""
    shown = [run for run in life.runs if run.unit == "publish" and run.result.exit_code == 0]
    assert len(shown) > 90
    for run in shown:
        assert run.published is not None
        assert run.schedule is not None
        if run.schedule["fit_for_control"]:
            assert run.published["mode"] in MODE_NAMES
            assert 0.0 <= float(run.published["stop_soc"]) <= 100.0
            until, said = run.published["valid_until"], run.schedule["valid_until"]
            assert datetime.fromisoformat(until) == datetime.fromisoformat(said)
        else:
            assert set(run.published.values()) == {"unavailable"}


def check_mirror(life: Life) -> None:
    """An episode a plan, each once, and MariaDB holds the same rows to the last byte."""
    here = rows(f"sqlite:///{life.folder / 'darkstar.sqlite'}")
    assert len(here) == sum(run.unit == "plan" for run in life.runs)
    assert rows(life.mariadb.dsn(DATABASE)) == here
