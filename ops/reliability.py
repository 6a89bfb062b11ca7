"""``make reliability``: the same bad days for plain boto3, for Powertools and for Segue.

Writes what it counted into docs/reliability.md and ends with one line of JSON.
"""

from __future__ import annotations

import io
import logging
import os
from contextlib import redirect_stdout
from pathlib import Path

import click
from rich.console import Console

from ops.comparison.report import (
    attempts_table,
    closing_line,
    document,
    terminal_table,
    write_section,
)
from ops.comparison.trial import FAILURES, MAILS, bench, compare, posts_for_one_attempt
from ops.places import ROOT
from ops.session import LOCAL_ENVIRONMENT, MAIL_ENDPOINT

DOCUMENT = ROOT / "docs" / "reliability.md"


@click.command()
@click.option("--mails", default=MAILS, show_default=True, help="In each scenario.")
@click.option(
    "--document",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DOCUMENT,
    help="What to write the table into.  [default: docs/reliability.md]",
)
def reliability(mails: int, path: Path) -> None:
    """Compare with plain boto3 and with Powertools: duplicates, losses, doubts."""
    console = Console(stderr=True, highlight=False)
    logging.disable(logging.CRITICAL)  # every fault is meant, and counted
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", MAIL_ENDPOINT):
        os.environ.pop(name, None)
    os.environ.update(LOCAL_ENVIRONMENT)
    with redirect_stdout(io.StringIO()), bench() as everybody:  # the worker tells each step
        table = compare(everybody, mails=mails, say=console.print)
        attempts = {
            how: {
                each.name: posts_for_one_attempt(everybody, each, fault)
                for each in everybody.contenders
            }
            for how, fault in FAILURES.items()
        }
    console.print(terminal_table(table))
    console.print(attempts_table(attempts))
    write_section(document(table, attempts, mails=mails), path)
    console.print(f"written to {path}")
    click.echo(closing_line(table, attempts))
