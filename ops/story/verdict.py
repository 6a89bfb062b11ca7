"""Whether the story adds up: each rule by name, with what was found when it is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.core.control import Drop
from ops.story.pressed import Pressed, broken_presses

LEAST_MAILS = 20
LEAST_CODES = 20
MOST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the story came to.

    Attributes:
        drops: the dropped files, as Segue reports them.
        customers: how many customers the orders file holds.
        decisions: decision records.
        mails_accepted: mail effects that the provider took.
        inbox: mails in the inbox.
        reminders: those among them about a checkout left alone.
        codes: coupon codes that are stored.
        unfinished: effects that ended in no final state.
        dead_letters: messages by dead-letter queue.
        seconds: wall time of the whole story.
        pressed: what the buttons came to; None where nobody pressed them all.
    """

    drops: Sequence[Drop]
    customers: int
    decisions: int
    mails_accepted: int
    inbox: int
    reminders: int
    codes: int
    unfinished: int
    dead_letters: Mapping[str, int]
    seconds: float
    pressed: Pressed | None = None

    @property
    def scored(self) -> int:
        """Customers scored by the drop that brought their orders."""
        return max((drop.counts.get("scored", 0) for drop in self.drops), default=0)

    def as_json(self) -> dict[str, float]:
        """The line that ``make demo-check`` ends with."""
        return {
            "scored": self.scored,
            "decisions": self.decisions,
            "emails": self.mails_accepted,
            "offers": self.codes,
            "seconds": round(self.seconds, 1),
        }


def broken_rules(outcome: Outcome) -> list[str]:
    """Every rule that does not hold, as ``name: what was found``; empty when all hold."""
    presses = () if outcome.pressed is None else broken_presses(outcome.pressed)
    return [*_files(outcome), *_effects(outcome), *_pace(outcome), *presses]


def _files(outcome: Outcome) -> Iterator[str]:
    for drop in outcome.drops:
        counts = drop.counts
        if drop.state != "COMPLETE":
            yield f"drop_complete: {drop.key} is {drop.state} ({drop.reason})"
            continue
        parts = {name: counts.get(name, 0) for name in ("folded", "duplicate", "rejected")}
        if counts.get("records") != sum(parts.values()):
            yield f"records_add_up: {drop.key} has {counts.get('records')} records, {parts}"
    if outcome.scored != outcome.customers:
        yield f"customers_scored: {outcome.scored} of {outcome.customers}"


def _effects(outcome: Outcome) -> Iterator[str]:
    if outcome.mails_accepted != outcome.inbox:
        yield f"mails_match: {outcome.mails_accepted} accepted, {outcome.inbox} in the inbox"
    if not outcome.reminders:
        yield "silence_noticed: nobody was reminded of the checkout left alone"
    if outcome.mails_accepted < LEAST_MAILS:
        yield f"enough_mails: {outcome.mails_accepted}, expected {LEAST_MAILS} or more"
    if outcome.codes < LEAST_CODES:
        yield f"enough_codes: {outcome.codes}, expected {LEAST_CODES} or more"
    if outcome.unfinished:
        yield f"effects_finished: {outcome.unfinished} have not ended"
    for name, count in outcome.dead_letters.items():
        if count:
            yield f"no_dead_letters: {count} in {name}"


def _pace(outcome: Outcome) -> Iterator[str]:
    if outcome.seconds > MOST_SECONDS:
        yield f"in_time: {outcome.seconds:.0f} s, at most {MOST_SECONDS}"
