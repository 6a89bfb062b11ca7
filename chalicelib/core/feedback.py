"""What the provider says of a mail later, and what follows: for the effect, and for the address.

Feedback comes late, twice and in any order. So an effect keeps every word it heard, once, and
stands where the weightiest of them puts it: the same words in any order give the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from chalicelib.core.address import Audience
from chalicelib.core.effects import TRANSITIONS, Effect, State, move
from chalicelib.core.errors import Refused

SEND, DELIVERY, REJECT = "send", "delivery", "reject"
HARD_BOUNCE = "bounce_permanent"
SOFT_BOUNCE = "bounce_transient"
COMPLAINT = "complaint"
# Why an address gets no more marketing after one.
COMPLAINED = "complained"
EVERYONE: tuple[Audience, ...] = ("marketing", "transactional")
# After these nothing will ever arrive; other permanent ones are the provider's own lists.
_NO_SUCH_MAILBOX = frozenset({f"{HARD_BOUNCE}_general", f"{HARD_BOUNCE}_noemail"})
# What a word says, by how it begins, the lighter first. A soft bounce is lighter than a delivery:
# the provider tried again, or an answering machine spoke.
_WEIGHT: tuple[tuple[str, State], ...] = (
    (SEND, "ACCEPTED"),
    (SOFT_BOUNCE, "BOUNCED"),
    (DELIVERY, "DELIVERED"),
    (HARD_BOUNCE, "BOUNCED"),
    (REJECT, "REJECTED"),
    (COMPLAINT, "COMPLAINED"),
)
Word = str


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing that became of a mail; whom it concerns is named by hash alone.

    Attributes:
        effect_id: the effect whose tag the mail carries.
        word: ``send``, ``delivery``, ``reject``, ``bounce_permanent_…``, ``bounce_transient_…``
            or ``complaint_…``.
        at: when it happened, in epoch seconds.
        sent_at: when the provider took the mail.
        provider_id: the provider's id of the mail.
        address_hashes: the addresses that it is about.
    """

    effect_id: str
    word: Word
    at: int
    sent_at: int
    provider_id: str
    address_hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Glance:
    """An open or a click as it was reported; neither who nor where, and the link by hash.

    Attributes:
        effect_id: the effect whose tag the mail carries.
        kind: whether the mail was opened or a link in it followed.
        at_ms: when, in epoch milliseconds.
        sent_ms: when the provider took the mail.
        link: hash of the link that was followed.
        scanner: whether the program that did it is known to be one.
    """

    effect_id: str
    kind: Literal["open", "click"]
    at_ms: int
    sent_ms: int
    link: str | None = None
    scanner: bool = False


MailEvent = Feedback | Glance


def hear(effect: Effect, feedback: Feedback, *, now: int) -> Effect:
    """The effect after a piece of feedback; itself when it has heard that word before.

    Raises Refused(``never_sent``) when the ledger knows that no such mail left.
    """
    if feedback.word in effect.heard:
        return effect
    heard = tuple(sorted({*effect.heard, feedback.word}))
    state, reason = outcome_of(heard)
    told = replace(effect, heard=heard, provider_id=effect.provider_id or feedback.provider_id)
    if state == effect.state:
        return replace(told, reason=reason)
    if state not in TRANSITIONS[effect.state]:
        raise Refused("never_sent")
    return move(told, state, now=now, reason=reason)


def outcome_of(heard: Iterable[Word]) -> tuple[State, str | None]:
    """Where these words put a mail, and why; at least one word.

    >>> outcome_of(["complaint_abuse", "delivery", "send"])
    ('COMPLAINED', 'complaint_abuse')
    >>> outcome_of(["delivery", "bounce_transient_mailboxfull"])
    ('DELIVERED', None)
    """
    weightiest = max(sorted(heard), key=_weight)  # of two that weigh the same, the first by name
    state = _WEIGHT[_weight(weightiest)][1]
    return state, None if state in ("ACCEPTED", "DELIVERED") else weightiest


def suppressed_by(feedback: Feedback) -> Mapping[Audience, str]:
    """Which mails an address gets no more after this, and the reason code for each.

    A complaint and any permanent bounce stop marketing; that there is no such mailbox stops
    transactional mail as well. A soft bounce stops nothing.
    """
    if feedback.word.startswith(COMPLAINT):
        return {"marketing": COMPLAINED}
    if feedback.word in _NO_SUCH_MAILBOX:
        return dict.fromkeys(EVERYONE, "bounced")
    if feedback.word.startswith(HARD_BOUNCE):
        return {"marketing": "bounced"}
    return {}


def _weight(word: Word) -> int:
    return next(i for i, (begins, _) in enumerate(_WEIGHT) if word.startswith(begins))
