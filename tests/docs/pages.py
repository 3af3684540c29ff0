"""The commands that README and docs show: what stands in blocks to be typed, section by section.

A block without a language, or with ``bash``, holds commands, one a line; of a ``console`` block
those lines do that begin with ``$``. A backslash at its end continues a line, a comment ends it.
Blocks in any other language hold none, and ``hidden`` finds those that do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((REPO / "docs").glob("*.md"))))
_FENCE = re.compile(r"\s*```(\w*)\s*$")
_TITLE = re.compile(r"#+ (.*)")
# Quoted text, or what is not blank, or blanks that no comment follows; then the comment.
_COMMENT = re.compile(r"""^((?:"[^"]*"|'[^']*'|[^\s"']|\s+(?!\s|\#))*)\s+\#.*$""")
_LOOKS_TYPED = re.compile(r"(\$ |(\.venv/bin/)?darkstar |\.venv/bin/|make |git |sudo |systemctl )")
_INLINE = re.compile(r"`((?:darkstar|make|python -m) [^`]*)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as a page shows it.

    Attributes:
        page: file, relative to the project.
        section: the heading above it as links name it, ``your-house``.
        text: the command, without its comment.
    """

    page: str
    section: str
    line: int
    text: str

    def __str__(self) -> str:
        """Where it stands, and the command."""
        return f"{self.page}:{self.line}: `{self.text}`"


def commands(page: str, text: str | None = None) -> list[Command]:
    """Return the commands of a page in order; of ``text`` in its stead, if given."""
    found, kept, at = [], "", 0
    for line, section, language, content in _blocks(page, text):
        if language not in ("", "bash", "console"):
            continue
        typed = content.removeprefix("$ ")
        if language == "console" and typed == content and not kept:
            continue
        at = at if kept else line
        kept += typed
        if kept.endswith("\\"):
            kept = kept[:-1]
            continue
        bare, kept = _COMMENT.sub(r"\1", kept).strip(), ""
        if bare and not bare.startswith("#"):
            found.append(Command(page=page, section=section, line=at, text=bare))
    return found


def hidden(page: str, text: str | None = None) -> list[str]:
    """Return lines that look like commands, in blocks that hold none."""
    return [
        f"{page}:{line}: {content}"
        for line, _, language, content in _blocks(page, text)
        if language not in ("", "bash", "console") and _LOOKS_TYPED.match(content)
    ]


def outputs(page: str) -> list[str]:
    """Return the blocks of a page that show what a command prints (``text``)."""
    given = (REPO / page).read_text(encoding="utf-8")
    return re.findall(r"^```text\n(.*?)^```", given, re.DOTALL | re.MULTILINE)


def mentions(page: str) -> list[str]:
    """Return the commands that the prose of a page mentions."""
    prose = "\n".join(content for _, _, content in _prose(page))
    return [" ".join(found.split()) for found in _INLINE.findall(prose)]


def _lines(page: str, text: str | None) -> Iterator[tuple[int, str, str | None, str]]:
    """Yield number, section, language (None outside of blocks) and content of every line."""
    section, language = "", None
    given = (REPO / page).read_text(encoding="utf-8") if text is None else text
    for number, line in enumerate(given.splitlines(), 1):
        fence, title = _FENCE.match(line), _TITLE.match(line)
        if fence:
            language = fence[1] if language is None else None
            continue
        if title and language is None:
            section = re.sub(r"[^\w -]", "", title[1].lower()).replace(" ", "-")
        yield number, section, language, line.strip()


def _blocks(page: str, text: str | None) -> Iterator[tuple[int, str, str, str]]:
    """Yield number, section, language and content of every line in a block."""
    for number, section, language, content in _lines(page, text):
        if language is not None:
            yield number, section, language, content


def _prose(page: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, section and content of every line outside of blocks."""
    for number, section, language, content in _lines(page, None):
        if language is None:
            yield number, section, content
