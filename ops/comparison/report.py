"""The comparison, told: a table in a terminal, a part of docs/reliability.md, a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from importlib.metadata import version
from operator import add
from pathlib import Path
from typing import Any

from rich.table import Table

from ops.comparison.trial import Comparison, Tally

BEGIN, END = "<!-- begin: python -m ops reliability -->", "<!-- end: python -m ops reliability -->"
TITLE = "# Reliability\n\nWhat was measured about mails that are sent twice, lost, or in doubt.\n"
Attempts = Mapping[str, Mapping[str, int]]
_ABOUT = """## Compared with plain boto3 and with Powertools idempotency

Made by `python -m ops reliability`, which replaces this section; the same run gives the same text.
Each cell is **duplicates / lost / in doubt** and, in brackets, the requests that SES got, for
{mails} marketing mails. A lost mail is one that SES never took; a mail in doubt is one that its
sender says it does not know about, and each of those in this table SES had taken unless it is
counted as lost too.

{table}

A spell of bad luck lasts for three requests of a mail, which is what one `send_email()` of plain
boto3 makes; a message that fails comes back until its fifth delivery. Each scenario
begins with a fresh client, whose retry quota is full. Versions: boto3 {boto3},
Powertools {powertools}. All of them send to the stand-in for SES (`ops/ses`), Powertools and Segue
keep their tables on moto.

What it says: a handler that only retries mails people twice as soon as SES takes a mail and the
answer is lost. Powertools deletes its record when the handler raises and lets a claim run out when
the worker dies, so it protects against repeated messages and not against lost answers, with or
without the SDK's retries. A handler that swallowed every error would send once, and lose what SES
had not taken without a word of it. Segue posts once and writes down the doubt, which an event of
SES settles; here none arrives. The price stands in the row "500, not accepted": a marketing mail
whose answer is lost is never tried again, so it is lost where SES had not taken it. A transactional
mail is posted once more after 15 minutes and never a third time: it may come twice, and is missing
only where both posts failed.

### Requests for one attempt

One delivery of one message, while SES accepts every request and then fails:

{attempts}
"""


def terminal_table(comparison: Comparison) -> Table:
    """The comparison for a terminal."""
    table = Table("", *_names(comparison), title="duplicates / lost / in doubt (POSTs)")
    for title, tallies in comparison.items():
        table.add_row(title, *(cell(tally) for tally in tallies.values()))
    return table


def attempts_table(attempts: Attempts) -> Table:
    """Requests for one attempt, for a terminal."""
    names = list(next(iter(attempts.values())))
    table = Table("SES accepts, then", *names, title="POSTs of one attempt")
    for how, row in attempts.items():
        table.add_row(how, *map(str, row.values()))
    return table


def cell(tally: Tally) -> str:
    """One tally."""
    return f"{tally.duplicates} / {tally.lost} / {tally.in_doubt} ({tally.posts})"


def document(comparison: Comparison, attempts: Attempts, *, mails: int) -> str:
    """The section of docs/reliability.md, between its marks."""
    names = _names(comparison)
    rows = [[title, *(cell(each) for each in row.values())] for title, row in comparison.items()]
    tries = [[how, *map(str, row.values())] for how, row in attempts.items()]
    text = _ABOUT.format(
        mails=mails,
        table=_markdown(["", *names], rows),
        attempts=_markdown(["SES accepts, then", *names], tries),
        boto3=version("boto3"),
        powertools=version("aws-lambda-powertools"),
    )
    return f"{BEGIN}\n\n{text}\n{END}\n"


def write_section(section: str, path: Path) -> None:
    """Put the section into the document, in place of the one that an earlier run wrote."""
    before = path.read_text() if path.exists() else TITLE
    if BEGIN not in before:
        path.write_text(f"{before.rstrip()}\n\n{section}")
        return
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(f"{END}\n")
    path.write_text(head + section + tail)


def closing_line(comparison: Comparison, attempts: Attempts) -> str:
    """The figures as one line of JSON, by contender."""
    told: dict[str, Any] = {}
    for name in _names(comparison):
        total = reduce(add, (row[name] for row in comparison.values()))
        told[name] = {
            "mails": total.mails,
            "posts": total.posts,
            "duplicates": total.duplicates,
            "lost": total.lost,
            "in_doubt": total.in_doubt,
            "posts_for_one_attempt": max(row[name] for row in attempts.values()),
        }
    return json.dumps(told)


def _names(comparison: Comparison) -> list[str]:
    return list(next(iter(comparison.values())))


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
