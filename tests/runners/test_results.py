"""``python -m runners.results``: tables between marks; what cannot be made anew stays."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

import runners.results
from runners.results import How, Made, make_demo, put_headline, quick_look, run_results
from runners.results_homes import Period, ReferenceHome
from runners.results_page import DEMO, EPISODES, HEADLINE, REAL, kept, make_page, with_episodes
from runners.results_plans import MOMENTS, spread
from runners.results_replay import Case

FIRST, LAST = datetime(2025, 1, 8, 23, tzinfo=UTC), datetime(2025, 12, 31, 22, 45, tzinfo=UTC)
QUICK = How(highs=False, moments=2, workers=0)
OLD_ROW = "| se4_darkstar | hourly, held flat | A | 10.00 | 4.00 | 2.00 | 88.9 % | 1.00 |"
HEAD = "| home | and so on |\n|---|---:|"
OLD_REAL = f"2020-02-02, some processor.\n\n{HEAD}\n| se4_darkstar | 1.00 |"
OLD = f"""# Something older

<!-- headline: begin -->
2020-02-02, some processor.

{HEAD}
| demo | 1.00 |
{OLD_ROW}

Said below it.
<!-- headline: end -->

<!-- demo: begin -->
1999-01-01, an old demo table.
<!-- demo: end -->

<!-- real: begin -->
{OLD_REAL}
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


def one_day(home: ReferenceHome, year: int = 2025) -> tuple[Period, ...]:
    """Stand in for ``demo_seasons``: a day in May."""
    assert home.home_id == "demo"
    start = datetime(year, 5, 5, 22, tzinfo=UTC)
    return (Period(start=start, end=start + timedelta(days=1)),)


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
    """Rebuild old pages with a day of the demo home and two plans."""
    out, readme = folder / "docs" / "results.md", folder / "README.md"
    out.parent.mkdir()
    out.write_text(OLD, encoding="utf-8")
    readme.write_text(README, encoding="utf-8")
    patch.setattr(runners.results, "demo_seasons", one_day)
    patch.setattr(runners.results, "run_demo", draw_nothing)
    message = run_results(out, data, readme, QUICK)
    return Rebuilt(
        message=message,
        page=out.read_text(encoding="utf-8"),
        readme=readme.read_text(encoding="utf-8"),
        picture=(out.parent / "plan.png").read_bytes(),
    )


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    """A run without data."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        return rebuild(folder, folder / "nowhere", patch)


def test_twenty_moments_spread_over_the_data() -> None:
    moments = spread(FIRST, LAST, MOMENTS)
    assert len(moments) == MOMENTS == 20
    assert (moments[0], moments[-1]) == (FIRST, LAST)
    assert all((m - FIRST) % timedelta(minutes=15) == timedelta(0) for m in moments)
    # 356 days and 23:45 in 19 equal steps, to the quarter of an hour.
    step = (LAST - FIRST) / 19
    for k, moment in enumerate(moments):
        assert abs(moment - (FIRST + k * step)) <= timedelta(minutes=7.5)
    assert len({moment.time() for moment in moments}) >= 10


def test_real_homes_stay_with_their_date(without: Rebuilt) -> None:
    assert section(without.page, REAL) == OLD_REAL
    assert "real homes kept as they were" in without.message
    assert "nowhere has no data (set DARKSTAR_DATA)" in without.message


def test_the_readme_quotes_the_page(without: Rebuilt) -> None:
    quoted = section(without.readme, "results")
    assert quoted == section(without.page, HEADLINE)
    rows = table(quoted)
    # The demo home anew, the real one as it was, and its date.
    assert [row[:3] for row in rows[:2]] == [["demo", "15 min", "A"], ["demo", "15 min", "B"]]
    assert rows[2:] == table(f"{HEAD}\n{OLD_ROW}")
    assert quoted.startswith("2020-02-02, some processor.\n\n")
    assert "Said below it." not in quoted
    assert "held flat" in quoted.rpartition("\n\n")[2]
    assert without.readme.startswith("# House\n\nBefore.\n\n<!-- results: begin -->\n")
    assert without.readme.endswith("<!-- results: end -->\n\nAfter.\n")


def test_the_headline_is_that_of_the_tables(without: Rebuilt) -> None:
    money = table(section(without.page, DEMO).partition("### Share")[0])
    for quoted, row in zip(table(section(without.page, HEADLINE)), money, strict=False):
        assert (quoted[0], quoted[2]) == (row[0], row[1])
        none, self_use, value, oracle = (float(row[k]) for k in (2, 3, 7, 11))
        assert [float(quoted[k]) for k in (3, 4, 5, 7)] == [none, self_use, value, oracle]
        share = 100.0 * (none - value) / (none - oracle)
        assert float(quoted[6].rstrip(" %")) == pytest.approx(share, abs=0.2)


def test_the_picture_lies_beside_the_page(without: Rebuilt) -> None:
    assert without.picture == b"a picture"


def test_the_demo_home_is_made_anew(without: Rebuilt) -> None:
    demo = section(without.page, DEMO)
    assert "1999" not in demo
    assert re.match(r"20\d\d-\d\d-\d\d, .*\d+ cores, Python 3\.\d+\.\d+\.\n\n### Money", demo)
    money = table(demo.partition("### Share")[0])
    assert money[0][2] == money[1][2]  # without a battery its size does not matter
    for row in money:
        assert (row[6], row[8]) == ("-", "-")  # HiGHS was left out
        assert float(row[11]) == min(float(cell) for cell in row[2:] if cell != "-")
    assert "| demo | own, SE4-like | 15 min | 2025-05-06 to 2025-05-06 | 1 | 0 |" in demo


def test_plans_have_a_table_too(without: Rebuilt) -> None:
    rows = table(section(without.page, DEMO).partition("### Plans")[2])
    assert [row[:3] for row in rows] == [
        ["demo", "own, SE4-like", "A"],
        ["demo", "own, SE4-like", "B"],
    ]
    for row in rows:
        none, self_use, plan, saved, planned = (float(cell) for cell in row[3:8])
        assert plan <= min(self_use, none) + 0.005
        assert saved == pytest.approx(none - plan, abs=0.011)
        assert planned == pytest.approx(self_use - plan, abs=0.011)
        assert row[8] == "2 of 2"
        assert re.fullmatch(r"\d+\.\d ms", row[9])


def test_a_kept_page_is_kept_again(without: Rebuilt) -> None:
    """A section is cut out and put back as it was, however often."""
    page = without.page
    real = kept(page, REAL)
    assert real == section(page, REAL)
    want = make_page(kept(page, HEADLINE), kept(page, DEMO), real, kept(page, EPISODES))
    assert page == want


def test_a_page_without_real_homes_says_so() -> None:
    assert kept("# Results\n", REAL) == ""
    page = make_page("a headline", "the demo table", "", "")
    assert section(page, REAL).startswith("Not made yet: run `make results`")
    assert section(page, DEMO) == "the demo table"
    assert section(page, HEADLINE) == "a headline"


def test_episodes_are_put_into_any_page_and_kept(without: Rebuilt) -> None:
    """Also into one of an earlier version, which has no such section; the rest stays."""
    page = with_episodes(without.page, "| the rows |")
    assert section(page, EPISODES) == "| the rows |"
    assert with_episodes(page, "| others |") == page.replace("| the rows |", "| others |")
    assert with_episodes(page.partition("\n## Episodes")[0], "| the rows |") == page
    real = kept(page, REAL)
    assert make_page(kept(page, HEADLINE), kept(page, DEMO), real, kept(page, EPISODES)) == page


@pytest.mark.parametrize(
    "page", ["# No marks\n", "<!-- results: begin -->\n<!-- results: end -->\n"]
)
def test_a_readme_without_rows(page: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    put_headline(readme, "| demo | x |")
    assert not readme.exists()
    readme.write_text(page, encoding="utf-8")
    put_headline(readme, "| demo | x |")
    found = readme.read_text(encoding="utf-8")
    assert ("| demo | x |\n<!-- results: end -->" in found) == ("results" in page)
    assert page.partition(" begin")[0] in found


def test_a_quick_look_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runners.results, "demo_seasons", one_day)
    text = quick_look(tmp_path, ["demo"], QUICK)
    assert [row[:2] for row in table(text.partition("### Share")[0])] == [
        ["demo", "A"],
        ["demo", "B"],
    ]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(typer.BadParameter, match="home nobody: known are none"):
        quick_look(tmp_path, ["nobody"], QUICK)


@pytest.mark.real_data
def test_every_home_has_its_rows(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows and plans of every real home; replays have tests of their own."""
    homes: list[str] = []

    def replay_nothing(_path: Path, cases: Sequence[Case], _how: How) -> list[None]:
        for case in cases:
            homes.append(case.home.home_id)
            assert case.windows
            assert sum(window.days for window in case.windows) >= 81.0
            assert case.gaps
            flat = "half-hourly" if case.home.home_id == "fr_emhass" else "hourly"
            assert case.readings == flat
            own = case.home.home_id == "se4_darkstar"
            assert case.home.prices.startswith("SE4, its own" if own else "SE4, synthetic pairing ")
        return []

    monkeypatch.setattr(runners.results, "_replayed", replay_nothing)
    monkeypatch.setattr(runners.results, "make_demo", lambda *_: Made(section="demo", rows=""))
    found = rebuild(tmp_path, real_data, monkeypatch)
    assert found.message.endswith("results.md: demo home and real homes")
    assert homes == ["se4_darkstar", "fr_emhass", *(f"ca_0{k}" for k in range(1, 6))]
    plans = table(section(found.page, REAL).partition("### Plans")[2])
    assert [[row[0], row[2]] for row in plans] == [[home, b] for home in homes for b in "AB"]
    assert "2020-02-02" not in found.page


def test_the_same_facts_give_the_same_tables(
    without: Rebuilt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the date and the time that solving took."""
    monkeypatch.setattr(runners.results, "demo_seasons", one_day)
    again = make_demo(tmp_path, QUICK)
    tables = section(without.page, DEMO).partition("### ")[2].partition("### Plans")[0]
    assert tables in again.section
    assert again.rows in section(without.page, HEADLINE)
