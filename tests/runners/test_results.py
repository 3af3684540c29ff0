"""``python -m runners.results``: tables between marks; what cannot be made anew stays."""

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import runners.results
from runners.results import MOMENTS, run_results

FIRST, LAST = datetime(2025, 1, 8, 23, tzinfo=UTC), datetime(2025, 12, 31, 22, 45, tzinfo=UTC)
HOMES = ["se4_darkstar", "fr_emhass", *(f"ca_0{k}" for k in range(1, 6))]
HEAD = "| home | and so on |\n|---|---:|"
OLD_ROW = (
    "| se4_darkstar | SE4, its own | A, 10 kWh | 1.00 | 0.50 | 0.25 | 0.75 | 20 of 20 | 9 ms |"
)
OLD = f"""# Something older

<!-- demo: begin -->
1999-01-01, an old demo table.
<!-- demo: end -->

<!-- real: begin -->
2020-02-02, some processor.

{HEAD}
{OLD_ROW}
<!-- real: end -->
"""
README = """# House

Before.

<!-- results: begin -->
some rows of long ago
<!-- results: end -->

After.
"""


def section(page: str, name: str) -> str:
    """Return what stands between the marks of a name, each of which is there once."""
    begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
    assert page.count(begin) == page.count(end) == 1
    return page.partition(begin)[2].partition(end)[0]


def table(text: str) -> list[list[str]]:
    """Return the cells of the rows below a table's head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def check_row(row: list[str], moments: int) -> None:
    """A row adds up, and the plan is the cheapest."""
    assert len(row) == 10
    none, self_use, plan, saved, planned = (float(cell) for cell in row[3:8])
    assert plan <= self_use + 0.005
    assert plan <= none + 0.005
    assert saved == pytest.approx(none - plan, abs=0.011)
    assert planned == pytest.approx(self_use - plan, abs=0.011)
    assert row[8] == f"{moments} of {moments}"
    assert re.fullmatch(r"\d+\.\d ms", row[9])


def test_twenty_moments_spread_over_the_data() -> None:
    moments = runners.results._moments(FIRST, LAST)
    assert len(moments) == MOMENTS == 20
    assert (moments[0], moments[-1]) == (FIRST, LAST)
    assert all((m - FIRST) % timedelta(minutes=15) == timedelta(0) for m in moments)
    # 356 days and 23:45 in 19 equal steps, to the quarter of an hour.
    step = (LAST - FIRST) / 19
    for k, moment in enumerate(moments):
        assert abs(moment - (FIRST + k * step)) <= timedelta(minutes=7.5)
    assert len({moment.time() for moment in moments}) >= 10


def draw_nothing(*, out_dir: Path) -> None:
    """Stand in for ``run_demo``, which has tests of its own."""
    out_dir.mkdir()
    (out_dir / "plan.png").write_bytes(b"a picture")
    sys.stdout.write("a table that nobody asked for")


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a run said and left behind."""

    message: str
    page: str
    readme: str
    picture: bytes


def rebuild(folder: Path, data: Path, patch: pytest.MonkeyPatch) -> Rebuilt:
    """Rebuild old pages with two moments a home."""
    out, readme = folder / "docs" / "results.md", folder / "README.md"
    out.parent.mkdir()
    out.write_text(OLD, encoding="utf-8")
    readme.write_text(README, encoding="utf-8")
    patch.setattr(runners.results, "MOMENTS", 2)
    patch.setattr(runners.results, "run_demo", draw_nothing)
    message = run_results(out, data, readme)
    return Rebuilt(
        message=message,
        page=out.read_text(encoding="utf-8"),
        readme=readme.read_text(encoding="utf-8"),
        picture=(out.parent / "plan.png").read_bytes(),
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    """A run without data."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        return rebuild(folder, folder / "nowhere", patch)


def test_real_homes_stay_with_their_date(kept: Rebuilt) -> None:
    assert section(kept.page, "real") == f"2020-02-02, some processor.\n\n{HEAD}\n{OLD_ROW}"
    assert "real homes kept as they were" in kept.message
    assert "nowhere has no data (set DARKSTAR_DATA)" in kept.message


def test_the_readme_quotes_the_page(kept: Rebuilt) -> None:
    quoted = table(section(kept.readme, "results"))
    own = [row for row in table(section(kept.page, "real")) if row[0] == "se4_darkstar"]
    assert quoted == table(section(kept.page, "demo")) + own
    assert len(quoted) == 3
    assert kept.readme.startswith("# House\n\nBefore.\n\n<!-- results: begin -->\n")
    assert kept.readme.endswith("<!-- results: end -->\n\nAfter.\n")


def test_the_picture_lies_beside_the_page(kept: Rebuilt) -> None:
    assert kept.picture == b"a picture"


def test_the_demo_home_is_made_anew(kept: Rebuilt) -> None:
    demo = section(kept.page, "demo")
    assert "1999" not in demo
    assert re.match(r"20\d\d-\d\d-\d\d, .*\d+ cores, Python 3\.\d+\.\d+\.\n\n\| home", demo)
    rows = table(demo)
    assert [row[:3] for row in rows] == [
        ["demo", "own, SE4-like", "A, 10 kWh"],
        ["demo", "own, SE4-like", "B, 34 kWh"],
    ]
    for row in rows:
        check_row(row, 2)
    assert rows[0][3] == rows[1][3]  # without a battery its size does not matter


def test_a_kept_page_is_kept_again(kept: Rebuilt) -> None:
    """The section is cut out and put back as it was, however often."""
    page = kept.page
    real = runners.results._kept(page, "real")
    assert real == section(page, "real")
    again = runners.results._page(runners.results._kept(page, "demo"), real)
    assert again == page


def test_a_page_without_real_homes_says_so() -> None:
    assert runners.results._kept("# Results\n", "real") == ""
    page = runners.results._page("the demo table", "")
    assert section(page, "real").startswith("Not made yet: run `make results`")
    assert section(page, "demo") == "the demo table"


@pytest.mark.parametrize(
    "page", ["# No marks\n", "<!-- results: begin -->\n<!-- results: end -->\n"]
)
def test_a_readme_without_rows(page: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    runners.results._headline(readme, "| demo | x |\n", "")
    assert not readme.exists()
    readme.write_text(page, encoding="utf-8")
    runners.results._headline(readme, "| demo | x |\n", "")
    found = readme.read_text(encoding="utf-8")
    assert ("| demo | x |\n<!-- results: end -->" in found) == ("results" in page)
    assert page.partition(" begin")[0] in found


@pytest.mark.real_data
def test_every_home_has_its_rows(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = "| home |\n|---|\n| demo | made in another test |\n"
    monkeypatch.setattr(runners.results, "_demo_table", lambda _folder: demo)
    found = rebuild(tmp_path, real_data, monkeypatch)
    assert found.message.endswith("results.md: demo home and real homes")
    rows = table(section(found.page, "real"))
    want = [[home, battery] for home in HOMES for battery in ("A, 10 kWh", "B, 34 kWh")]
    assert [[row[0], row[2]] for row in rows] == want
    for row in rows:
        check_row(row, 2)
        own = row[0] == "se4_darkstar"
        assert row[1] == "SE4, its own" if own else row[1].startswith("SE4, synthetic pairing ")
    assert "2020-02-02" not in found.page
    assert table(section(found.readme, "results"))[1:] == rows[:2]
