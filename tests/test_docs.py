"""What the documents show must work."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def _python_blocks(page: Path) -> list[str]:
    """Return the Python blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if _python_blocks(p)], ids=lambda p: p.name)
def test_python_blocks_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a reader runs them: from the top of the page, each shows something."""
    names: dict[str, object] = {}
    for k, block in enumerate(_python_blocks(page)):
        exec(compile(block, f"{page.name}-{k}", "exec"), names)  # noqa: S102 - our own documents
        assert capsys.readouterr().out, f"block {k} of {page.name} shows nothing"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
