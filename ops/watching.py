"""What becomes of a drop, followed over the public interface until it ends.

For a person a bar moves; where nobody looks at a screen, plain lines say the same now and then.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

POLL_SECONDS = 1.0
# The function's own time limit, and as much again for a queue that has other files before this.
MOST_QUIET_SECONDS = 1_800
MOST_FAILURES = 10
LINE_SECONDS = 5.0

Answer = Mapping[str, Any]
Look = Callable[[], Answer | None]
Show = Callable[[Answer], None]


class DropUnfinished(Exception):
    """Nothing was heard of a file for too long: how far it was."""


class Unreachable(Exception):
    """The interface did not answer; it may in a moment."""


class NotAllowed(click.ClickException):
    """The interface knows no such key, or the key may not read."""


def looking_at(drop_id: str, *, url: str, key: str) -> Look:
    """How to ask what ``GET /v1/drops/{id}`` says: None while nobody has begun.

    What is returned raises Unreachable and NotAllowed. Raises click.UsageError for what is no URL.
    """
    if urlsplit(url).scheme not in ("https", "http"):
        raise click.UsageError("--url must be that of a stage, such as https://…/api")
    request = Request(  # noqa: S310 - the scheme was checked
        f"{url.rstrip('/')}/v1/drops/{quote(drop_id, safe='')}",
        headers={"Authorization": f"Bearer {key}"},
    )

    def look() -> Answer | None:
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                told: Answer = json.load(answer)
        except HTTPError as error:
            with error:
                _check(error.code, url)
            return None
        except (OSError, ValueError) as error:  # refused, cut short, or no JSON
            raise Unreachable(f"{url}: {error}") from None
        return told

    return look


def _check(status: int, url: str) -> None:
    """Raise what a refusal means, unless it is that nobody has begun to work on the drop."""
    if status in (401, 403):
        raise NotAllowed(f"{url} answered {status}: the key must be valid and have the scope read")
    if status != 404:
        raise Unreachable(f"{url} answered {status}")


def follow(
    look: Look,
    *,
    show: Show,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Wait for the end of a drop and return its last answer, showing each on the way.

    Raises DropUnfinished when nothing new was heard for ``MOST_QUIET_SECONDS``, Unreachable when
    the interface did not answer ``MOST_FAILURES`` times in a row, NotAllowed.
    """
    heard_at, heard, failures = clock(), None, 0
    while clock() - heard_at < MOST_QUIET_SECONDS:
        try:
            answer, failures = look(), 0
        except Unreachable:
            failures += 1
            if failures == MOST_FAILURES:
                raise
            sleep(POLL_SECONDS)
            continue
        if answer is not None:
            show(answer)
            if answer["state"] != "RUNNING":
                return answer
            if (moved := (answer["changed_at"], answer["counts"])) != heard:
                heard, heard_at = moved, clock()
        sleep(POLL_SECONDS)
    seen = "nobody has begun to read it" if heard is None else counts_of(heard[1])
    raise DropUnfinished(f"nothing new for {MOST_QUIET_SECONDS} s: {seen}")


def counts_of(counts: Mapping[str, int]) -> str:
    """Counts in a line.

    >>> counts_of({"records": 1200, "folded": 3, "products": 0})
    '1,200 records, 3 folded'
    """
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def pace_of(progress: Mapping[str, Any]) -> str:
    """Records a second, as far as it is known.

    >>> pace_of({"records_per_second": 1234.5}), pace_of({"records_per_second": None})
    ('1,234.5/s', '')
    """
    pace = progress["records_per_second"]
    return "" if pace is None else f"{pace:,}/s"


def left_of(progress: Mapping[str, Any]) -> str:
    """The time left, as far as it is known.

    >>> [left_of({"seconds_left": each}) for each in (None, 59, 61, 3720)]
    ['', '59 s left', '1 min 1 s left', '1 h 2 min left']
    """
    seconds = progress["seconds_left"]
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    if minutes == 0:
        return f"{rest} s left"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min left" if hours else f"{minutes} min {rest} s left"


def line_of(progress: Mapping[str, Any]) -> str:
    """Everything in one plain line.

    >>> line_of({"phase": "folding", "records": 10, "done": 4, "rejected": 1,
    ...          "records_per_second": 2.0, "seconds_left": 3, "parts": 5, "parts_done": 2})
    'folding: 2 of 5 parts, 4 of 10 records, 2.0/s, 3 s left, 1 rejected'
    """
    records, parts = progress["records"], progress.get("parts")
    divided = "" if parts is None else f"{progress['parts_done']:,} of {parts:,} parts"
    done = "" if records is None else f"{progress['done']:,} of {records:,} records"
    rejected = f"{progress['rejected']:,} rejected" if progress["rejected"] else ""
    told = (divided, done, pace_of(progress), left_of(progress), rejected)
    said = ", ".join(each for each in told if each)
    phase = progress["phase"] or "waiting"
    return f"{phase}: {said}" if said else phase


class Lines:
    """Plain lines: one for each phase, and one now and then."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where lines go."""
        self._say, self._clock = say, clock
        self._phase: str | None = ""
        self._said_at = clock()

    def show(self, answer: Answer) -> None:
        """Say how far a drop is, if that is new and the last line is old enough."""
        progress = answer.get("progress")
        if progress is None:
            return
        if progress["phase"] == self._phase and self._clock() - self._said_at < LINE_SECONDS:
            return
        self._phase, self._said_at = progress["phase"], self._clock()
        self._say(line_of(progress))


@contextmanager
def showing(name: str, console: Console) -> Iterator[Show]:
    """Show a drop's answers for the length of a block: as a bar, or as lines where none is seen."""
    if not console.is_terminal:
        plain = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        yield Lines(plain).show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(escape(name), total=None, told="waiting")

        def show(answer: Answer) -> None:
            progress = answer.get("progress")
            if progress is not None:
                total, done = progress["records"], progress["done"]
                bar.update(task, total=total, completed=done, told=line_of(progress))

        yield show


def watch(
    drop_id: str,
    look: Look,
    *,
    name: str,
    again: str,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Follow a drop for a person; Ctrl-C leaves it alone, and ``again`` takes the watching up.

    Raises click.ClickException where the end was not seen.
    """
    try:
        with showing(name, console) as show:
            return follow(look, show=show, sleep=sleep, clock=clock)
    except KeyboardInterrupt:
        click.echo(f"stopped watching; drop {drop_id} goes on. To watch on: {again}", err=True)
        sys.exit(130)  # as a shell says of a command that Ctrl-C ended
    except (DropUnfinished, Unreachable) as error:
        raise click.ClickException(f"{error}. To watch on: {again}") from None


def failures_in(
    failed_parts: Sequence[str], failures: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    """A line for each part that failed, with the reason where it was worked on.

    >>> [*failures_in(["range 2", "9 more"], [{"part": "range 2", "reason": "Broken: x"}])]
    ['failed: range 2: Broken: x', 'failed: 9 more']
    """
    reasons = {each["part"]: f": {each['reason']}" for each in failures}
    named = [*failed_parts, *(part for part in reasons if part not in failed_parts)]
    return (f"failed: {part}{reasons.get(part, '')}" for part in named)


def end_of(answer: Answer) -> Iterator[str]:
    """How a drop ended, line by line; the last is JSON."""
    reason = f" ({answer['reason']})" if answer["reason"] else ""
    yield f"{answer['key']}: {answer['state']}{reason}"
    named = answer.get("failed_parts") or ()
    failed = [each if isinstance(each, str) else json.dumps(each) for each in named]
    yield from failures_in(failed, answer.get("failures") or ())
    yield json.dumps({"drop_id": answer["drop_id"], "state": answer["state"], **answer["counts"]})
