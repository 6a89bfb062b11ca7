"""Opens and clicks, and those that no person made."""

from __future__ import annotations

import itertools

import pytest

from chalicelib.core.engagement import (
    MOST_MARKS,
    engagement_from_json,
    engagement_to_json,
    notice,
    suspects,
)
from chalicelib.core.feedback import Glance

SENT_MS = 1_772_000_000_000
LATER_MS = SENT_MS + 600_000


def click(at_ms: int, link: str = "a", *, scanner: bool = False) -> Glance:
    """A link was followed."""
    return Glance("e", "click", at_ms, SENT_MS, link, scanner)


def opened(at_ms: int) -> Glance:
    """The mail was opened."""
    return Glance("e", "open", at_ms, SENT_MS)


@pytest.mark.parametrize(
    ("glances", "suspicious"),
    [
        ([opened(LATER_MS)], 0),
        ([click(LATER_MS)], 0),
        ([opened(SENT_MS + 9_999)], 1),
        ([click(SENT_MS + 10_000)], 0),
        ([click(LATER_MS, scanner=True)], 1),
        # many links in a second
        ([click(LATER_MS + n * 300, f"{n}") for n in range(3)], 3),
        ([click(LATER_MS + n * 500, f"{n}") for n in range(3)], 0),
        ([click(LATER_MS + n, "same") for n in range(9)], 0),
        # a person comes after the scanner
        ([*(click(LATER_MS + n, f"{n}") for n in range(4)), click(LATER_MS + 60_000)], 4),
    ],
)
def test_who_looks_like_a_scanner(glances: list[Glance], suspicious: int) -> None:
    """Too soon after the send, by its name, or many links in a second."""
    engagement = None
    for glance in glances:
        engagement = notice(engagement, glance)

    assert engagement is not None
    assert len(suspects(engagement)) == suspicious


def test_any_order_gives_the_same() -> None:
    """The first click of a burst becomes suspect when the others are known, in any order."""
    glances = [click(LATER_MS, "a"), click(LATER_MS + 1, "b"), click(LATER_MS + 2, "c")]
    outcomes = set()
    for order in itertools.permutations([*glances, glances[0]]):
        engagement = None
        for glance in order:
            engagement = notice(engagement, glance)
        assert engagement is not None
        outcomes.add((engagement, len(suspects(engagement))))

    assert [number for _, number in outcomes] == [3]


def test_a_scanner_that_goes_on_fills_no_table() -> None:
    """The earliest marks of a mail are kept, so many and no more."""
    engagement = None
    for n in range(2 * MOST_MARKS, 0, -1):
        engagement = notice(engagement, click(LATER_MS + n, str(n)))

    assert engagement is not None
    assert len(engagement.marks) == MOST_MARKS
    assert min(mark.at_ms for mark in engagement.marks) == LATER_MS + 1
    assert engagement_from_json(engagement_to_json(engagement)) == engagement
