"""``darkstar publish``: what the plan in force says now, as read-only states in Home Assistant.

    sensor.darkstar_mode          what an inverter would be told (``sim.modes``)
    sensor.darkstar_stop_soc      percent at which that mode ends
    sensor.darkstar_energy_value  worth of a kWh stored at the slot's end, currency per kWh
    sensor.darkstar_valid_until   until when all of it holds, UTC

It controls nothing, and is off until ``publish.enabled``. All four are ``unavailable`` where there
is no plan, or none that is fit for control and valid now; ``reasons`` say why. Home Assistant keeps
a state until the next one comes: who acts on them must look at ``valid_until``. It forgets them
when it restarts; the next run tells them again.

Another mode is told only where that is worth ``publish.switch_value`` in its slot, (MC2) of
``sim.mode_choice``; else the command that stands in Home Assistant stays, with its stops. What
stands there is asked for, so nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runners.config import Config, load_config
from runners.contract import JobRun, job_run
from runners.errors import ConfigError, Problem
from runners.failures import raise_first
from runners.in_force import InForce, plan_in_force
from runners.output import console, summary_table, write_json
from sim.mode_choice import SlotChoice, slot_choice, stop_kwh
from sim.modes import MODE_NAMES, ModeCommand
from telemetry.errors import TelemetryError
from telemetry.homeassistant.states import SetState, StateWriter
from telemetry.store import Store

__all__ = ["Published", "command_of", "run_publish", "states_of"]

_NAMES = ("mode", "stop_soc", "energy_value", "valid_until")
_FRIENDLY = ("mode", "stop state of charge", "energy value", "valid until")
_UNAVAILABLE = "unavailable"
_OFF = "nothing to publish: publish.enabled is false"
_EXACT_KWH, _EXACT_MONEY = 6, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was put into Home Assistant for one home.

    Attributes:
        states: by entity.
        held: the mode that the plan tells, where another one that stands is kept.
        gain: what changing over would be worth in the slot, currency; None where nothing stood.
        reasons: why all is unavailable; none where it is not.
    """

    states: Mapping[str, SetState]
    held: str | None = None
    gain: float | None = None
    reasons: tuple[str, ...] = ()


def run_publish(
    *,
    config_path: Path,
    home_id: str | None = None,
    json_path: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> None:
    """Publish the plan in force of every home that wants it, or of one.

    A home that fails does not keep the others from being published; the first failure is raised at
    the end.

    Args:
        config_path: the configuration.
        home_id: which home; None: all with ``publish.enabled``.
        json_path: where the report goes as JSON; ``-`` is stdout.
        now: the moment, aware; None: the clock's.
        dry_run: ask Home Assistant what stands, tell what would come, set nothing.

    Raises:
        ConfigError: the configuration; two homes with the same entities.
        TelemetryError: Home Assistant or the store failed.
    """
    with job_run("publish", home_id=home_id, now=now, dry_run=dry_run) as run:
        config, out = load_config(config_path), console(json_path)
        homes = [one for one in _asked(config, home_id) if config.homes[one].publish.enabled]
        _refuse_clash(config, homes)
        if not homes:
            out.print(_OFF)
        elif run.begins(config, homes):
            _report({one: _tried(config, one, run) for one in homes}, run, json_path)


def states_of(
    choice: SlotChoice, command: ModeCommand, facts: Mapping[str, Any], *, capacity_kwh: float
) -> dict[str, SetState]:
    """Return the four states by the end of their names.

    Args:
        choice: the slot.
        command: what is told in it.
        facts: attributes of all four, with ``currency`` and ``valid_until``.
        capacity_kwh: of the battery, above 0.
    """
    high = min(max(command.stop_high_kwh, 0.0), capacity_kwh)
    low = min(max(command.stop_low_kwh, 0.0), capacity_kwh)
    stop = min(max(stop_kwh(command, choice.stored_kwh), 0.0), capacity_kwh)
    unit, until = f"{facts['currency']}/kWh", str(facts["valid_until"])
    order = {
        "stop_low_kwh": round(low, _EXACT_KWH),
        "stop_high_kwh": round(high, _EXACT_KWH),
        "cap_kw": round(command.cap_kwh / choice.hours, _EXACT_KWH),
        "pv_export": command.pv_export,
    }
    percent = {"unit_of_measurement": "%", "device_class": "battery", "state_class": "measurement"}
    money = {"unit_of_measurement": unit, "state_class": "measurement"}
    modes = {"device_class": "enum", "options": list(MODE_NAMES)}
    value = f"{choice.energy_value:.{_EXACT_MONEY}f}"
    return {
        "mode": SetState(state=MODE_NAMES[command.mode], attributes={**modes, **facts, **order}),
        "stop_soc": SetState(
            state=f"{100.0 * stop / capacity_kwh:.1f}", attributes={**percent, **facts}
        ),
        "energy_value": SetState(state=value, attributes={**money, **facts}),
        "valid_until": SetState(state=until, attributes={"device_class": "timestamp", **facts}),
    }


def command_of(found: SetState | None, slot_hours: float) -> ModeCommand | None:
    """Return the command that a published mode stands for; None where it stands for none."""
    if found is None or found.state not in MODE_NAMES:
        return None
    told = found.attributes
    try:
        return ModeCommand(
            mode=MODE_NAMES.index(found.state),
            stop_low_kwh=float(told["stop_low_kwh"]),
            stop_high_kwh=float(told["stop_high_kwh"]),
            cap_kwh=float(told["cap_kw"]) * slot_hours,
            pv_export=bool(told["pv_export"]),
        )
    except (KeyError, TypeError, ValueError):
        return None  # somebody else's sensor of that name


def _asked(config: Config, home_id: str | None) -> list[str]:
    """Return the homes asked for; one that is named must have a Home Assistant."""
    if home_id is None:
        return list(config.homes)
    config.home_assistant(home_id)
    return [home_id]


def _refuse_clash(config: Config, homes: list[str]) -> None:
    """Refuse two homes that would set the same entities.

    Raises:
        ConfigError: they would.
    """
    taken: dict[tuple[str, str], str] = {}
    for one in homes:
        place = config.home_assistant(one).url, config.homes[one].publish.entity_prefix
        if place in taken:
            message = f"{taken[place]} sets the same entities; give each home its own"
            problem = Problem(f"homes.{one}.publish.entity_prefix", place[1], message)
            raise ConfigError(str(config.path), [problem])
        taken[place] = one


def _tried(config: Config, home_id: str, run: JobRun) -> Published | ConfigError | TelemetryError:
    """Publish one home; return what became of it."""
    given, there = config.homes[home_id].publish, config.home_assistant(home_id)
    token = (given.token or there.token).get_secret_value()
    try:
        with Store.open(
            config.store_url, system_id=config.system.system_id, read_only=True
        ) as store:
            run.check_clock(store, [home_id])
            found = plan_in_force(store, home_id, run.moment())
        with StateWriter(there.url, token) as writer:
            made = _published(config, home_id, found, writer)
            if not run.dry_run:
                for entity, told in made.states.items():
                    writer.put(entity, told.state, told.attributes)
    except (ConfigError, TelemetryError) as err:
        return err
    return made


def _published(config: Config, home_id: str, found: InForce, writer: StateWriter) -> Published:
    """Return what is to be published of the plan in force."""
    prefix = f"sensor.{config.homes[home_id].publish.entity_prefix}_"
    site = config.site(home_id)
    reasons = found.reasons
    if site.battery.capacity_kwh == 0.0:
        reasons = ("the home has no battery",)
    stored, plan = found.stored, found.plan
    if reasons or stored is None or stored.fitness is None or plan is None or found.slot is None:
        return _nothing(config, home_id, reasons or ("the plan has not begun",))
    choice = slot_choice(site, plan, found.slot)
    told = _held(choice, command_of(writer.get(f"{prefix}mode"), choice.hours), config, home_id)
    facts = {
        **_facts(config, home_id),
        "valid_until": _utc(stored.fitness.valid_until),
        "planned_at": _utc(stored.issued_at),
        "slot_start": _utc(plan.starts[found.slot]),
        "reason": _reason(plan.explain(config.homes[home_id].zone)[found.slot], told),
        "substitutions": list(stored.fitness.substitutions),
    }
    states = states_of(choice, told.command, facts, capacity_kwh=site.battery.capacity_kwh)
    named = _named(states, prefix, config, home_id)
    return Published(states=named, held=told.held, gain=told.gain)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """The command to publish, and which mode it keeps out for what gain, if it does."""

    command: ModeCommand
    held: str | None = None
    gain: float | None = None


def _held(choice: SlotChoice, standing: ModeCommand | None, config: Config, home_id: str) -> _Told:
    """Return the command of the plan, or the one that stands where changing gains too little."""
    if standing is None or standing.mode == choice.command.mode:
        return _Told(command=choice.command)
    gain = choice.gain_over(standing)
    if gain >= config.homes[home_id].publish.switch_value:
        return _Told(command=choice.command, gain=gain)
    return _Told(command=standing, held=MODE_NAMES[choice.command.mode], gain=gain)


def _reason(planned: str, told: _Told) -> str:
    """Say why the mode is told: what the plan says of the slot, and what keeps it out."""
    if told.held is None or told.gain is None:
        return planned
    mode, less = MODE_NAMES[told.command.mode], "less than publish.switch_value"
    return f"{mode} stays: {told.held} would gain {told.gain:.4f} in this slot, {less}. {planned}"


def _nothing(config: Config, home_id: str, reasons: tuple[str, ...]) -> Published:
    """Return four states that are unavailable."""
    prefix = f"sensor.{config.homes[home_id].publish.entity_prefix}_"
    facts = {**_facts(config, home_id), "reasons": list(reasons)}
    states = dict.fromkeys(_NAMES, SetState(state=_UNAVAILABLE, attributes=facts))
    return Published(states=_named(states, prefix, config, home_id), reasons=reasons)


def _named(
    states: Mapping[str, SetState], prefix: str, config: Config, home_id: str
) -> dict[str, SetState]:
    """Return states by entity, with names that people read."""
    home = config.homes[home_id].name or home_id
    friendly = dict(zip(_NAMES, _FRIENDLY, strict=True))
    return {
        f"{prefix}{name}": SetState(
            state=told.state,
            attributes={"friendly_name": f"Darkstar {home} {friendly[name]}", **told.attributes},
        )
        for name, told in states.items()
    }


def _facts(config: Config, home_id: str) -> dict[str, object]:
    """Return what all states say."""
    return {
        "attribution": "Darkstar plans, and controls nothing here",
        "home_id": home_id,
        "currency": config.home_currency(home_id),
    }


def _report(
    found: Mapping[str, Published | ConfigError | TelemetryError],
    run: JobRun,
    json_path: str | None,
) -> None:
    """Print and write what became of every home; raise the first failure."""
    out = console(json_path)
    done = {one: it for one, it in found.items() if isinstance(it, Published)}
    failures = {one: it for one, it in found.items() if not isinstance(it, Published)}
    for home_id, it in done.items():
        rows: list[tuple[str, object]] = [(name, told.state) for name, told in it.states.items()]
        rows += [("not published", reason) for reason in it.reasons]
        if it.held is not None and it.gain is not None:
            rows.append(("held", f"{it.held} would gain {it.gain:.4f} in this slot: too little"))
        out.print(summary_table(rows, title=home_id))
    if run.dry_run:
        out.print("a dry run: nothing was set")
    if json_path is not None:
        errors = {one: {"error": str(err)} for one, err in failures.items()}
        write_json(json_path, {**done, **errors})
    run.tell(
        published=sum(not it.reasons for it in done.values()),
        unavailable=sum(bool(it.reasons) for it in done.values()),
        failed=",".join(failures) or None,
    )
    raise_first(failures, "not published", alone=len(found) == 1)


def _utc(moment: datetime) -> str:
    """Return ISO 8601 with an offset, as Home Assistant's timestamps are."""
    return moment.astimezone(UTC).isoformat()


if __name__ == "__main__":
    from runners.cli import run_job

    run_job("publish")
