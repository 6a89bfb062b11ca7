"""Opens and clicks of a mail, and which of them no person made.

Scanners open mails and follow links before anybody reads them. What looks like one is marked, not
dropped; neither kind ever moves an effect, withdraws a consent or counts as a success.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from chalicelib.core.feedback import Glance

MOST_MARKS = 64  # of one mail; a scanner that goes on is no news
# Nobody reads a mail within seconds of its acceptance; a gateway has it before the mailbox has.
TOO_SOON_MS = 10_000
# A person follows one link, then reads; a scanner follows all of them at once.
BURST_MS = 1_000
BURST_LINKS = 3


class Mark(NamedTuple):
    """One open or click; ``link`` is a hash, empty for an open."""

    at_ms: int
    kind: Literal["open", "click"]
    link: str
    scanner: bool


@dataclass(frozen=True, slots=True)
class Engagement:
    """What was seen of one mail.

    Attributes:
        sent_ms: when the provider took it, in epoch milliseconds.
        marks: the earliest opens and clicks, each once.
    """

    sent_ms: int
    marks: frozenset[Mark] = frozenset()


def notice(engagement: Engagement | None, glance: Glance) -> Engagement:
    """Add an open or a click; the same again, or in another order, gives the same."""
    known = engagement or Engagement(glance.sent_ms)
    mark = Mark(glance.at_ms, glance.kind, glance.link or "", glance.scanner)
    marks = sorted(known.marks | {mark})[:MOST_MARKS]
    return Engagement(min(known.sent_ms, glance.sent_ms), frozenset(marks))


def suspects(engagement: Engagement) -> frozenset[Mark]:
    """The marks that a scanner probably made: by its name, too soon, or many links at once."""
    clicks = [mark for mark in engagement.marks if mark.kind == "click"]
    return frozenset(
        mark
        for mark in engagement.marks
        if mark.scanner
        or mark.at_ms - engagement.sent_ms < TOO_SOON_MS
        or (mark.kind == "click" and _in_burst(mark, clicks))
    )


def _in_burst(mark: Mark, clicks: list[Mark]) -> bool:
    """Whether any second around this click holds clicks on several links."""
    near = [each for each in clicks if abs(each.at_ms - mark.at_ms) < BURST_MS]
    return any(
        len({e.link for e in near if begin.at_ms <= e.at_ms < begin.at_ms + BURST_MS})
        >= BURST_LINKS
        for begin in near
    )


def engagement_to_json(engagement: Engagement) -> dict[str, Any]:
    """The stored form; which marks are suspect stands beside them, for whoever reads it."""
    suspect = suspects(engagement)
    return {
        "sent_ms": engagement.sent_ms,
        "marks": [[*mark, mark in suspect] for mark in sorted(engagement.marks)],
    }


def engagement_from_json(stored: Mapping[str, Any]) -> Engagement:
    """Undo ``engagement_to_json``."""
    return Engagement(stored["sent_ms"], frozenset(Mark(*mark[:4]) for mark in stored["marks"]))
