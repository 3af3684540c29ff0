"""Units for systemd: which jobs run when, written out for one installation.

A job is one entry of ``JOBS``; it becomes ``darkstar-NAME.service`` and ``darkstar-NAME.timer`` by
the templates in ``runners/systemd``. Those of the system run as a user of their own and get secrets
as credentials; those of a user run as that user and read ``secrets.yaml``. Both see and do nothing
but what they need. A job that no home of the configuration has a use for is left out.

Kernels that numba compiles need memory that is written and then run: ``compiles`` allows it, and
keeps them in the cache folder. No other job may do that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

from runners.config import Config

__all__ = [
    "JOBS",
    "Command",
    "Installation",
    "Job",
    "commands_of",
    "rendered",
    "wanted_jobs",
    "written_folders",
]

_STATE = Path("/var/lib/darkstar")
"""What ``StateDirectory=darkstar`` is for units of the system."""
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY_FOLDERS = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - those that PrivateTmp= hides
_BIND, _BIND_READ_ONLY = "BindPaths", "BindReadOnlyPaths"
_TRY_AGAIN = 75
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./@,=")

Wanted = Callable[[Config, str], bool]


def _has_home_assistant(config: Config, home: str) -> bool:
    return config.home_config(home).home_assistant is not None


def _has_area(config: Config, home: str) -> bool:
    return config.home_config(home).area is not None


def _has_place(config: Config, home: str) -> bool:
    return config.home_config(home).latitude is not None


def _is_published(config: Config, home: str) -> bool:
    return config.home_config(home).publish.enabled


def _has_mirror(config: Config, _home: str) -> bool:
    return config.mirror is not None


def _always(_config: Config, _home: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a job.

    Attributes:
        words: what follows ``darkstar``.
        wanted: whether a home has a use for it.
        per_home: whether it takes one home at a time, by ``--home`` where there are several.
        of_many: what else follows then; ``{folder}`` is the home's name as a folder.
    """

    words: str
    wanted: Wanted = _always
    per_home: bool = False
    of_many: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of the timers.

    Attributes:
        name: the unit is called darkstar-NAME.
        does: in words.
        calendar: when, as ``OnCalendar=``; ``{zone}`` is the zone of the first home.
        commands: in their order; where there are several, ``darkstar run-job`` runs them, for a
            unit tells how its last command ended alone.
        after: jobs that it waits for, where they are at work.
        minutes: the longest it may take.
        delay: by how much it is put off, another time on every machine: public services are asked.
        nice: how far it stands back for others.
        compiles: whether numba compiles kernels for it.
        may_wait: whether "try again later" is no failure.
    """

    name: str
    does: str
    calendar: str
    commands: tuple[Command, ...]
    after: tuple[str, ...] = ()
    minutes: int = 10
    delay: str = ""
    nice: int = 0
    compiles: bool = False
    may_wait: bool = False


JOBS = (
    Job(
        name="record",
        does="record the slots that have just ended",
        calendar="*-*-* *:00/15:10",
        commands=(Command(words="record", wanted=_has_home_assistant),),
    ),
    Job(
        name="plan",
        does="plan the next hours",
        calendar="*-*-* *:00/15:30",
        commands=(
            Command(
                words="plan --no-plot",
                wanted=_has_area,
                per_home=True,
                of_many=("--out", "out/{folder}"),
            ),
        ),
        after=("record",),
    ),
    Job(
        name="publish",
        does="show the plan in force in Home Assistant",
        calendar="*-*-* *:00/15:45",
        commands=(Command(words="publish", wanted=_is_published),),
        after=("plan",),
    ),
    Job(
        name="mirror",
        does="mirror training episodes",
        calendar="*-*-* *:00/15:50",
        commands=(Command(words="mirror", wanted=_has_mirror),),
        after=("record", "plan"),
    ),
    Job(
        name="forecast",
        does="fetch prices and weather",
        calendar="*-*-* *:02:00",
        commands=(
            Command(words="weather", wanted=_has_place),
            Command(words="prices", wanted=_has_area),
        ),
        delay="5min",
        minutes=15,
        may_wait=True,
    ),
    Job(
        name="validate",
        does="judge the days that are over",
        calendar="*-*-* 04:10:00 {zone}",
        commands=(Command(words="validate --no-plot", per_home=True),),
        minutes=30,
        nice=10,
    ),
    Job(
        name="train",
        does="train the forecasts",
        calendar="Sun *-*-* 04:40:00 {zone}",
        commands=(Command(words="train", wanted=_has_area, per_home=True),),
        after=("validate",),
        minutes=180,
        nice=10,
        compiles=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where everything is, by absolute paths.

    Attributes:
        program: the command ``darkstar``.
        needed: folders it is run from: its environment, its Python, its packages.
        config: what the configuration says.
        secrets: ``secrets.yaml``; None: there is none.
        user: who runs the jobs; None: units of a user's own systemd.
        guarded: whether services can have file systems of their own: those of the system always,
            those of a user where the kernel lets users make namespaces.
    """

    program: Path
    needed: tuple[Path, ...]
    config: Config
    secrets: Path | None
    user: str | None
    guarded: bool = True


def wanted_jobs(config: Config) -> tuple[Job, ...]:
    """Return the jobs that some home of a configuration has a use for."""
    return tuple(job for job in JOBS if commands_of(job, config))


def rendered(place: Installation) -> dict[str, str]:
    """Return the units of an installation, texts by file name."""
    jobs = wanted_jobs(place.config)
    names = {job.name for job in jobs}
    found = {}
    for job in jobs:
        found[f"{_unit(job.name)}.service"] = _service(job, place, names)
        found[f"{_unit(job.name)}.timer"] = _timer(job, place)
    return found


def _unit(job: str) -> str:
    return f"darkstar-{job}"


def _service(job: Job, place: Installation, names: set[str]) -> str:
    """Return the service of a job; ``names``: jobs there are."""
    system = place.user is not None
    folders = _folders(place)
    if job.compiles:
        folders += ["CacheDirectory=darkstar", "Environment=NUMBA_CACHE_DIR=%C/darkstar/numba"]
    return _filled(
        "service.in",
        {
            "name": _unit(job.name),
            "does": job.does,
            "after": "\n".join(_order(job, names, system=system)),
            "start": _start(job, place),
            "minutes": str(job.minutes),
            "nice": str(job.nice),
            "success": f"SuccessExitStatus={_TRY_AGAIN}" if job.may_wait else "",
            "user": f"User={place.user}" if system else "",
            "folders": "\n".join(folders),
            "secrets": _credential(place) if system else "",
            "guard": _guard(place, folders),
            "no_new_code": "no" if job.compiles else "yes",
        },
    )


def _timer(job: Job, place: Installation) -> str:
    """Return the timer of a job."""
    first = next(iter(place.config.homes.values()))
    delay = f"RandomizedDelaySec={job.delay}\nFixedRandomDelay=true" if job.delay else ""
    calendar = job.calendar.format(zone=first.zone)
    return _filled(
        "timer.in",
        {"name": _unit(job.name), "does": job.does, "calendar": calendar, "delay": delay},
    )


def commands_of(job: Job, config: Config) -> list[list[str]]:
    """Return the commands of a job, one for each home that needs its own: words after the program.

    None where no home has a use for it.
    """
    found = []
    for command in job.commands:
        homes = [home for home in config.homes if command.wanted(config, home)]
        for home in homes if command.per_home else homes[:1]:
            words = [*command.words.split(), "--config", str(config.path)]
            if command.per_home and len(config.homes) > 1:
                words += ["--home", home]
                words += [word.format(folder=quote(home, safe="")) for word in command.of_many]
            found.append(words)
    return found


def _start(job: Job, place: Installation) -> str:
    """Return what systemd starts: the command of a job, or the one that runs all of them."""
    words, *more = commands_of(job, place.config)
    if more:
        words = ["run-job", job.name, "--config", str(place.config.path)]
    return " ".join(_word(word.replace("$", "$$")) for word in (str(place.program), *words))


def _order(job: Job, names: set[str], *, system: bool) -> Iterator[str]:
    """Yield what a service waits for; a user's systemd knows nothing of clock and network."""
    if system:
        yield "Wants=network-online.target"
        yield "After=time-sync.target network-online.target"
    others = [f"{_unit(one)}.service" for one in job.after if one in names]
    if others:
        yield f"After={' '.join(others)}"


def _folders(place: Installation) -> list[str]:
    """Return where a service works, and what it may write and see there."""
    store = _store(place.config)
    works_in = "%S/darkstar" if store is None else str(store.parent.resolve()).replace("%", "%%")
    lines = [f"WorkingDirectory={works_in}", "StateDirectory=darkstar"]
    if not place.guarded:
        return lines
    hidden = (_HOMES if place.user else ()) + _TEMPORARY_FOLDERS
    writes = written_folders(place.config)
    for folder in sorted(one for one in writes if not one.is_relative_to(_STATE)):
        setting = _BIND if _is_in(folder, hidden) else "ReadWritePaths"
        lines.append(f"{setting}=-{_word(str(folder))}")
    seen = sorted({one for one in _ways(place.needed) if _is_in(one, hidden)} - writes)
    return lines + [f"{_BIND_READ_ONLY}=-{_word(str(folder))}" for folder in seen]


def written_folders(config: Config) -> set[Path]:
    """Return the folders that jobs write to, by every way to them."""
    store, written = _store(config), [config.path.parent, config.models_folder]
    if store is not None:
        written += [store.parent, store.resolve().parent]
    return _ways(written)


def _store(config: Config) -> Path | None:
    """Return the file of the store; None: a server has it."""
    from telemetry.store_copy import store_file  # noqa: PLC0415 - SQLAlchemy

    return store_file(config.store_url)


def _ways(folders: Iterable[Path]) -> set[Path]:
    """Return folders without links, and by the links that lead to them; never with ``..``."""
    both = (path for folder in folders for path in (folder, folder.resolve()))
    return {path for path in both if ".." not in path.parts}


def _guard(place: Installation, folders: list[str]) -> str:
    """Return what keeps a service from all that it does not need."""
    system = place.user is not None
    bound = any(line.startswith((_BIND, _BIND_READ_ONLY)) for line in folders)
    home = "read-only" if not system else "tmpfs" if bound else "yes"
    values = {"home": home, "umask": "0027" if system else "0077"}
    return _filled("guard.in" if place.guarded else "guard-light.in", values).rstrip("\n")


def _credential(place: Installation) -> str:
    """Return the line that hands secrets to the service."""
    if place.secrets is None:
        return ""
    return f"LoadCredential=secrets.yaml:{str(place.secrets).replace('%', '%%')}"


def _is_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(one) for one in folders)


def _word(text: str) -> str:
    """Return a text as one word of a setting: nothing in it is a specifier or a separator."""
    plain = text.replace("%", "%%")
    if text and _BARE.issuperset(text):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template filled in; a line that is one empty value goes."""
    text = files("runners").joinpath("systemd", template).read_text(encoding="utf-8")
    empty = {f"${name}" for name, value in values.items() if not value}
    kept = "".join(line for line in text.splitlines(keepends=True) if line.strip() not in empty)
    return Template(kept).substitute(values)
