"""How the story is told: live for a person at a terminal, line by line for anybody else."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops.story.books import Books
from ops.story.letters import SentMail
from ops.story.shop import Answer

Counts = Mapping[str, int]


class Telling:
    """Writes to standard error, so that standard output is left to what was asked for."""

    def __init__(self, console: Console | None = None) -> None:
        """Take a console, or make one on standard error."""
        self.heard_by: Callable[[str], object] = lambda _: None  # who else is told each line
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.begin()

    def begin(self) -> None:
        """Set the clock to zero."""
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self._begun

    def say(self, text: str) -> None:
        """One line with the time."""
        self.console.print(f"[dim]{self.seconds:6.1f} s[/dim]  {text}")
        self.heard_by(text)

    @contextmanager
    def progress(self, title: str, *, total: int) -> Iterator[Callable[[Counts], None]]:
        """Show how many records of a file are done; the counts are said when it ends."""
        counts: dict[str, int] = {}
        columns = (TextColumn("          {task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as bar:
            task = bar.add_task(title, total=total)

            def show(now: Counts) -> None:
                counts.update(now)
                bar.update(task, completed=done(now))

            yield show
        said = (f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
        self.say(f"{title}: {', '.join(said)}")

    @contextmanager
    def waiting(self) -> Iterator[Callable[[int], None]]:
        """Show how many effects wait for a worker."""
        with self.console.status("effects are being acted on") as status:

            def show(queued: int) -> None:
                status.update(f"effects are being acted on, {queued:,} in the queue")

            yield show
        self.say("everything is quiet")

    def scene(self, shows: str, answer: Answer) -> None:
        """One batch of events and what became of them."""
        told = {name: answer.body[name] for name in ("accepted", "duplicates")}
        self.say(f"{shows}: {told['accepted']} accepted, {told['duplicates']} duplicate")

    def checkout(self, shows: str, answer: Answer) -> None:
        """One decision in a line."""
        body = answer.body
        offers = ", ".join(offer["action"] for offer in body["offers"]) or "no offer"
        price = body["price"]
        self.say(
            f"{shows}: {body['segment']['name']}, tier {price['tier']},"
            f" {price['total']} {price['currency']} minor units, {offers},"
            f" {answer.seconds * 1000:.0f} ms"
        )

    def ledger(self, segments: Mapping[str, str], books: Books) -> None:
        """Customers by segment, and effects by kind and state."""
        by_segment = Table("segment", "customers", title="Who they are")
        for segment, count in Counter(segments.values()).most_common():
            by_segment.add_row(segment, f"{count:,}")
        effects = Table("effect", "state", "count", title="What was done")
        for (kind, state), count in sorted(books.by_state.items()):
            effects.add_row(kind, state, f"{count:,}")
        self.console.print(by_segment, effects)
        for reason, count in books.reasons("mail").items():
            self.say(f"not mailed, {reason}: {count:,}")

    def letter(self, mail: SentMail) -> None:
        """One mail in full."""
        self.console.rule(f"To {mail.recipient}: {mail.subject}")
        self.console.print(mail.text, markup=False)
        self.console.rule()

    def call(self, curl: str, body: Any) -> None:
        """A call to paste, and its real answer."""
        self.console.print(curl, markup=False, soft_wrap=True)
        self.console.print(json.dumps(body, indent=2), markup=False)

    def places(self, named: Sequence[tuple[str, str]]) -> None:
        """Where everything is."""
        table = Table(box=None, show_header=False, title="Where to look")
        for name, place in named:
            table.add_row(name, place)
        self.console.print(table)


def done(counts: Counts) -> int:
    """Records that have found their place; what is not counted yet is zero."""
    return sum(counts.get(name, 0) for name in ("folded", "duplicate", "rejected"))
