"""Somebody who types commands as a page shows them, in a folder, at a moment.

Where time matters every command is a process of a real shell, ``darkstar`` under libfaketime. Else
``darkstar`` runs in this process, which saves a second each, and the shell gets all others.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runners.cli import app
from tests.docs.pages import REPO
from tests.peers.home_assistant import faketime_library

_ASSIGNED = re.compile(r'(\w+)="([^"$]*)"')
_STOP_SECONDS = 20.0


def link_environment(folder: Path, source: Path) -> None:
    """Put a ``.venv`` into a folder: the running interpreter, with the packages of ``source``.

    Its stamp tells make that the packages are installed, which would take minutes. Its commands
    heed DOCS_CLOCK, settings of ``shifted_clock``, and what ``launcher`` heeds.
    """
    path = folder / ".venv" / "bin"
    path.mkdir(parents=True)
    launcher = shlex.quote(str(REPO / "tests" / "docs" / "launcher.py"))
    python = f"PYTHONPATH={shlex.quote(str(source))} $DOCS_CLOCK {shlex.quote(sys.executable)}"
    for name, what in (("python", python), ("darkstar", f"{python} {launcher}")):
        text = f'#!/bin/sh\nexec env {what} "$@"\n'
        (path / name).write_text(text, encoding="utf-8")
        (path / name).chmod(0o755)
    (path.parent / ".run").touch()


def shifted_clock(moment: datetime) -> str:
    """Return settings that let a process believe that it is ``moment``; time goes on from there."""
    library = faketime_library()
    if library is None:
        pytest.skip("no shifted clock for commands: apt-get install libfaketime")
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return f"LD_PRELOAD={library} FAKETIME={seconds:+.3f} FAKETIME_DONT_FAKE_MONOTONIC=1"


@dataclass(slots=True, kw_only=True)
class Reader:
    """Types commands one after the other; each must succeed.

    Attributes:
        folder: where it stands.
        in_process: run ``darkstar`` here.
        done: commands that were typed when its folder was made.
        instead: words that a page leaves to its reader, and what this one takes.
        variables: of its shell.
        environment: of its shell.
        servers: commands that run on, by how they begin, and a line that they print when ready.
    """

    folder: Path
    in_process: bool = False
    done: frozenset[str] = frozenset()
    instead: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def type(self, text: str) -> str:
        """Type a command and return what it prints; fail if it does."""
        if text in self.done:
            return ""
        for word, own in self.instead.items():
            text = text.replace(word, own)
        if self.assigns(text):
            return ""
        if text.startswith("cd ") and len(text.split()) == 2:
            self.folder = (self.folder / text.split()[1]).resolve(strict=True)
            return ""
        if ready := next((r for start, r in self.servers.items() if text.startswith(start)), None):
            return self._serve(text, ready)
        bare = re.sub(r"\$(\w+)", lambda name: self.variables[name[1]], text)
        if self.in_process and bare.removeprefix(".venv/bin/").startswith("darkstar "):
            return self._invoke(shlex.split(bare)[1:])
        return self._shell(text)

    def assigns(self, text: str) -> bool:
        """Keep a variable, if that is what the command sets; say whether it is."""
        assigned = _ASSIGNED.fullmatch(text)
        if assigned:
            self.variables[assigned[1]] = assigned[2]
        return assigned is not None

    @contextmanager
    def at_home(self) -> Iterator[Reader]:
        """Stop what runs on at the end."""
        try:
            yield self
        finally:
            for process in reversed(self.running):
                process.terminate()
                process.wait(_STOP_SECONDS)
                if process.stdout is not None:
                    process.stdout.close()

    def _invoke(self, words: list[str]) -> str:
        with chdir(self.folder):
            done = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done.output

    def _shell(self, text: str) -> str:
        script = "".join(f"{name}={shlex.quote(v)}\n" for name, v in self.variables.items()) + text
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._surroundings(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def _serve(self, text: str, ready: str) -> str:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.folder,
            env=self._surroundings(),
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        said = []
        for line in process.stdout or ():
            said.append(line)
            if ready in line:
                return "".join(said)
        pytest.fail(f"{text} ended:\n{''.join(said)}")

    def _surroundings(self) -> dict[str, str]:
        here = self.folder / ".venv" / "bin"
        path = os.pathsep.join([str(here), str(Path(sys.executable).parent), os.environ["PATH"]])
        # Whoever runs the tests may not own the project's folder: git refuses to clone it then.
        git = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        home = {"HOME": str(self.folder), "COLUMNS": "80", "PATH": path}
        kept = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
        return {**kept, **git, **home, "PYTHONPATH": str(REPO), **self.environment}
