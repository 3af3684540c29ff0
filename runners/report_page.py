"""A month's savings as one HTML page that needs nothing else and fits a phone.

Style stands in the page, the picture is a data URI; there is no script and nothing is fetched: its
content policy forbids both.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from runners.output import many
from runners.report_month import REGRET, SHORT_NAMES, MonthReport, brief, fixed, money, percent
from sim.savings import Course

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 0.8rem; max-width: 40rem; color: #1b2631; background: #fff;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.35rem; margin: 0.2rem 0; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 0.3rem; }
p.lead { font-size: 1.1rem; padding: 0.7rem 0.8rem; background: #eef4f9; border-radius: 0.5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: 0.86rem; }
th, td { padding: 0.22rem 0.15rem; text-align: right; border-bottom: 1px solid #e4e8eb; }
th:first-child, td:first-child { text-align: left; }
thead th { font-weight: 600; border-bottom: 2px solid #aab4bd; vertical-align: bottom; }
tbody th { font-weight: 400; }
th, td { white-space: nowrap; }
table.days { font-size: 0.78rem; }
table.days th, table.days td { padding: 0.22rem 0.05rem; }
tr.sum th, tr.sum td { font-weight: 600; border-top: 2px solid #aab4bd; }
p.small, li, footer { font-size: 0.85rem; color: #4a5663; }
ul { padding-left: 1.1rem; }
img { width: 100%; height: auto; }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_TOLD = {
    Course.NO_BATTERY: "without a battery",
    Course.SELF_USE: "plain self-consumption",
    Course.DARKSTAR: "its own plans, replayed",
}
_HOW = (
    "Every course begins with the energy that the real battery held and meets the same load, PV, "
    "prices and limits.",
    "Cost = bill + wear - stored: by how much the energy in the battery is worth more at the end "
    "than at the start, by one curve made of the 24 h that followed.",
    "Paid is what the meters of the grid recorded, at the prices of each slot, and wear of what "
    "the battery gave.",
    "Darkstar, replayed: plans of 48 h at every quarter, from what was known then.",
    "The oracle knew everything; nobody can be cheaper with this battery.",
)


def page(report: MonthReport, picture_png: bytes | None) -> str:
    """Return the page.

    Args:
        report: the month.
        picture_png: the picture; None: there is none.
    """
    title = f"{report.name}, {report.month:%B %Y}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p class='small'>{escape(_compared(report))}</p>",
        f"<p class='lead'>{escape(report.headline)}</p>",
        *_courses(report),
        *_picture(picture_png, title),
        *_causes(report),
        *_days(report),
        *_list("Left out", (f"{day.local_date}: {day.reason}" for day in report.savings.left_out)),
        *_list("Slots without a reading", report.gap_lines()),
        *_list("To be known", report.notes()),
        *_list("How it is counted", _HOW),
        f"<footer>Darkstar; home {escape(report.home_id)}, prices {escape(_prices(report))}, "
        f"battery {escape(report.battery)}</footer>",
    ]
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _compared(report: MonthReport) -> str:
    """Say which days and readings the page rests on."""
    savings = report.savings
    asked = (savings.last - savings.first).days + 1
    told = f"{savings.days} of {many(asked, 'day')} compared"
    totals = savings.totals
    if totals is None:
        return f"{told}; no readings of the grid meters in this month"
    return (
        f"{told}; the meters read {totals.import_kwh:.1f} kWh in and {totals.export_kwh:.1f} kWh "
        f"out in {totals.counted} of {totals.slots} slots, a bill of {money(totals.bill)} "
        f"{report.currency}"
    )


def _prices(report: MonthReport) -> str:
    """Name the prices."""
    pairing = report.price_pairing
    paired = "" if pairing is None else f" (synthetic pairing, {pairing:+d} days)"
    return report.price_area + paired


def _courses(report: MonthReport) -> Iterator[str]:
    """Yield what every course cost."""
    yield f"<h2>What the same days cost, {escape(report.currency)}</h2>"
    rows = [
        (
            SHORT_NAMES[course],
            brief(account.cost),
            brief(account.total("bill")),
            brief(account.total("wear")),
            brief(account.total("stored_gained")),
            percent(report.share(course)),
        )
        for course, account in report.accounts.items()
    ]
    yield from _table(("", "cost", "bill", "wear", "stored", "gain %"), rows)
    names = "; ".join(f"{SHORT_NAMES[c]}: {told}" for c, told in _TOLD.items())
    yield (
        f"<p class='small'>{escape(names)}. gain: share of what the oracle saves against no "
        "battery.</p>"
    )


def _picture(picture_png: bytes | None, title: str) -> Iterator[str]:
    """Yield the picture, in the page itself."""
    if picture_png is not None:
        data = b64encode(picture_png).decode("ascii")
        alt = f"{title}: cost so far by course, and regret by cause and day"
        yield f"<p><img alt='{escape(alt)}' src='data:image/png;base64,{data}'></p>"


def _causes(report: MonthReport) -> Iterator[str]:
    """Yield the regret of Darkstar's replay by cause."""
    days = report.savings.days
    yield "<h2>Regret of Darkstar's replay against the oracle, and why</h2>"
    rows = [(label, money(total), fixed(total / days, 3)) for label, total in report.causes()]
    place = [label for label, *_ in rows].index(REGRET)
    yield from _table(("", report.currency, f"{report.currency}/day"), rows, sum_at=place)
    yield (
        "<p class='small'>What making each cause ideal saves, in this order; below 0 errors "
        "cancel.</p>"
    )


def _days(report: MonthReport) -> Iterator[str]:
    """Yield what every day cost."""
    accounts = list(report.accounts.values())
    yield f"<h2>Every day, {escape(report.currency)}</h2>"
    rows = [
        (f"{days[0].local_date:%a} {days[0].local_date.day}", *(brief(day.cost) for day in days))
        for days in zip(*(account.days for account in accounts), strict=True)
    ]
    rows.append(("all", *(brief(account.cost) for account in accounts)))
    head = ("", *(SHORT_NAMES[account.course] for account in accounts))
    yield from _table(head, rows, sum_at=len(rows) - 1, kind="days")
    yield (
        "<p class='small'>Stored energy is valued at every midnight, so that the days sum to the "
        "month.</p>"
    )


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, sum_at: int = -1, kind: str = "sums"
) -> Iterator[str]:
    """Yield a table; one row may be the sum of those before it."""
    yield f"<table class='{kind}'>\n<thead><tr>{_cells(head, 'th')}</tr></thead>\n<tbody>"
    for place, (name, *numbers) in enumerate(rows):
        mark = " class='sum'" if place == sum_at else ""
        yield f"<tr{mark}><th scope='row'>{escape(name)}</th>{_cells(numbers, 'td')}</tr>"
    yield "</tbody>\n</table>"


def _cells(texts: Sequence[str], tag: str) -> str:
    """Return cells of a row."""
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a list with its title, nothing where it is empty."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    if items:
        yield f"<h2>{escape(title)}</h2>\n<ul>{items}</ul>"
