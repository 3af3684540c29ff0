"""Every command that README and docs show works, typed in the order of its section.

What a new command needs: nothing, where it works after ``make demo`` (its section mentions
``demo-out``) or in a house whose past is known (all others). Else a scene (``scenes.SCENES``), by
page and heading. What cannot be typed here is excused, with the reason (``scenes.EXCUSED``).
"""

from __future__ import annotations

import re
import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from runners.cli import app
from tests.docs.pages import PAGES, REPO, Command, commands, hidden, mentions
from tests.docs.scenes import EXCUSED, SCENES, scene_of

_MOST_COMMANDS = 10
SECTIONS = {
    key: list(group)
    for page in PAGES
    for key, group in groupby(commands(page), key=lambda command: (command.page, command.section))
}


def _sections() -> list[Any]:
    usual = [pytest.mark.integration]
    marks = {True: [*usual, pytest.mark.real_data], False: usual}
    return [
        pytest.param(typed, id="#".join(key), marks=marks[key in SCENES and SCENES[key].real_data])
        for key, typed in SECTIONS.items()
    ]


@pytest.mark.parametrize("typed", _sections())
def test_commands_of_a_section(
    typed: list[Command], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    page, section = typed[0].page, typed[0].section
    asked = [command for command in typed if command.text not in EXCUSED]
    if not asked:
        return
    scene = scene_of(page, section, [command.text for command in asked])
    unknown = (scene.before.keys() | scene.after.keys()) - {command.text for command in asked}
    assert not unknown, f"{page}#{section} has them no more: drop them from scenes.SCENES"
    with scene.make(request, tmp_path) as reader, reader.at_home():
        for command in commands(page):
            if command.line < typed[0].line:
                reader.assigns(command.text)
        for command in asked:
            if act := scene.before.get(command.text):
                act(reader, request)
            said = reader.type(command.text)
            if look := scene.after.get(command.text):
                look(said)


def test_no_scene_and_no_excuse_outlives_its_command() -> None:
    assert SCENES.keys() <= SECTIONS.keys(), "no such sections: drop them from scenes.SCENES"
    texts = {command.text for typed in SECTIONS.values() for command in typed}
    assert EXCUSED.keys() <= texts, "no page shows them: drop them from scenes.EXCUSED"


@pytest.mark.parametrize("target", sorted(t for t in EXCUSED if t.startswith("make ")))
def test_make_knows_what_is_excused(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", *target.split()[1:]], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_quick_start_is_ten_commands() -> None:
    shown = [command.text for command in SECTIONS["README.md", "your-house"]]
    assert shown[0].startswith("git clone ")
    assert not any("&&" in text or ";" in text for text in shown)
    assert len(shown) <= _MOST_COMMANDS


@pytest.mark.parametrize("page", PAGES)
def test_blocks_in_another_language_hide_no_command(page: str) -> None:
    assert hidden(page) == []


@pytest.mark.parametrize("page", [page for page in PAGES if mentions(page)])
def test_commands_in_the_prose_are_there(page: str) -> None:
    """Their names, and every option; whoever mentions one need not give all it takes."""
    for text in mentions(page):
        assert _fault(text.split()) is None, f"{page}: `{text}`: {_fault(text.split())}"


def _fault(words: list[str]) -> str | None:
    """Say what of a command there is not."""
    if words[0] == "make":
        rules = (REPO / "Makefile").read_text("utf-8")
        return None if re.search(rf"^{words[1]}:", rules, re.MULTILINE) else "no such target"
    if words[0] == "python":
        path = REPO.joinpath(*words[2].split(".")).with_suffix(".py")
        return None if path.exists() or words[2] == "runners.NAME" else "no such module"
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            known = getattr(command, "invoke_without_command", False) or rest[0] == "NAME"
            return None if known else f"no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    asked = {word.strip("[]") for word in rest if word.strip("[").startswith("--")}
    return f"no option {sorted(asked - options)}" if asked - options else None


# The reading of pages

PAGE = """# A page
```
darkstar plan   # now
darkstar replay \\
  --start-date D
# nothing
sqlite3 s ".backup '#1'"   # while jobs run
```
## Its `second` part!
```console
$ darkstar status
all is well
```
```text
  $ darkstar hidden
```
"""


def test_what_a_page_shows() -> None:
    assert [(c.section, c.line, c.text) for c in commands("p.md", PAGE)] == [
        ("a-page", 3, "darkstar plan"),
        ("a-page", 4, "darkstar replay --start-date D"),
        ("a-page", 7, "sqlite3 s \".backup '#1'\""),
        ("its-second-part", 11, "darkstar status"),
    ]
    assert hidden("p.md", PAGE) == ["p.md:15: $ darkstar hidden"]


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert _fault(["darkstar", "plan", "--soc-kwh", "5"]) is None
    assert _fault(["darkstar", "plann"]) == "no command plann"
    assert _fault(["darkstar", "plan", "--soc"]) == "no option ['--soc']"
    assert _fault(["make", "tests"]) == "no such target"
