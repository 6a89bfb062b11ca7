"""Effects: what a decision sets in motion outside, and the states each passes through.

A worker that has begun to send and vanished leaves IN_DOUBT behind. A marketing mail is posted at
most once: nobody tries again. A transactional mail is posted once more, and never a third time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chalicelib.core.canonical import short_hash
from chalicelib.core.errors import Refused

EffectKind = Literal["mail", "offer", "price_tier", "event"]
State = Literal[
    "PLANNED",
    "CLAIMED",
    "SENDING",
    "ACCEPTED",
    "DELIVERED",
    "BOUNCED",
    "COMPLAINED",
    "REJECTED",
    "FAILED",
    "SUPPRESSED",
    "ABANDONED",
    "IN_DOUBT",
]
# The provider took it; which of these it is, feedback says.
SENT: frozenset[State] = frozenset({"ACCEPTED", "DELIVERED", "BOUNCED", "COMPLAINED", "REJECTED"})
# No worker has anything left to do; only what the provider says later still moves some of them.
TERMINAL: frozenset[State] = SENT | {"FAILED", "SUPPRESSED", "ABANDONED"}
TRANSITIONS: Mapping[State, frozenset[State]] = {
    # PLANNED → PLANNED: held until a later moment.
    "PLANNED": frozenset({"PLANNED", "CLAIMED", "SUPPRESSED"}),
    # CLAIMED → CLAIMED: another worker takes over a dead lease; nothing was sent yet.
    # CLAIMED → SENT: the provider says that it has it after all, whatever its answer was.
    "CLAIMED": SENT | {"CLAIMED", "PLANNED", "SENDING", "SUPPRESSED", "FAILED"},
    # SENDING → CLAIMED only when the provider definitely did not take it.
    "SENDING": SENT | {"CLAIMED", "FAILED", "IN_DOUBT"},
    # IN_DOUBT → SENDING: the one resend of a transactional mail.
    "IN_DOUBT": SENT | {"SENDING", "ABANDONED"},
    # Feedback comes in any order; core.feedback says which of it stands.
    "ACCEPTED": SENT - {"ACCEPTED"},
    "DELIVERED": frozenset({"BOUNCED", "COMPLAINED", "REJECTED"}),
    # BOUNCED → DELIVERED: for now the mailbox was full, later it was not.
    "BOUNCED": frozenset({"DELIVERED", "COMPLAINED", "REJECTED"}),
    "REJECTED": frozenset({"COMPLAINED"}),
    "COMPLAINED": frozenset(),
    "FAILED": frozenset(),
    "SUPPRESSED": frozenset(),
    "ABANDONED": SENT,  # given up because nobody knew; now somebody does
}
TRANSACTIONAL = "transactional"
SEGMENT_CHANGED = "Segment Changed"  # the event that a fold finds once for each stored transition
MOST_POSTS = 2  # of a transactional mail; of any other one
EFFECT_ID_PATTERN = r"^[0-9a-f]{32}$"  # what ``effect_id`` makes


@dataclass(frozen=True, slots=True)
class Effect:
    """One planned side effect.

    Attributes:
        effect_id: hash of what makes it unique; creating it twice is one effect.
        kind: what performs it.
        action: the policy's action, or the event's name for kind ``event``.
        subject_key: whom it is for.
        decision_id: the decision that planned it; None for events planned by a fold.
        correlation_id: ties it to the request, message or file that began it.
        planned_at: when it was planned.
        payload: what performing it needs; never an address or a name.
        state: where it stands.
        owner: the worker that holds it.
        lease_until: until when that worker may act.
        attempts: how often a worker claimed it.
        changed_at: when it last changed state.
        reason: why it ended where it stands.
        provider_id: the provider's id of what it accepted.
        not_before: until when it is held, None when it is not.
        posts: how often it may have been handed to the provider.
        heard: what the provider said of it, each word once, sorted.
        queued_at: when the sweep last queued it again, None when it did not since the last move.
        queued_times: how often it did so since then.
    """

    effect_id: str
    kind: EffectKind
    action: str
    subject_key: str
    decision_id: str | None
    correlation_id: str
    planned_at: int
    payload: Mapping[str, Any] = field(default_factory=dict)
    state: State = "PLANNED"
    owner: str | None = None
    lease_until: int | None = None
    attempts: int = 0
    changed_at: int | None = None
    reason: str | None = None
    provider_id: str | None = None
    not_before: int | None = None
    posts: int = 0
    heard: tuple[str, ...] = ()
    queued_at: int | None = None
    queued_times: int = 0

    @property
    def is_transactional(self) -> bool:
        """Whether it is a mail that the customer waits for, as opposed to marketing."""
        return self.kind == "mail" and self.payload.get("purpose") == TRANSACTIONAL


def effect_id(*parts: str) -> str:
    """The id of the effect that these parts make unique."""
    return short_hash("effect", *parts)


def move(effect: Effect, to: State, *, now: int, **changes: Any) -> Effect:
    """Move an effect along the table; raises Refused(``transition_refused``) off it.

    A move ends the patience of the sweep, whose note is about the state that was left.
    """
    if to not in TRANSITIONS[effect.state]:
        raise Refused("transition_refused")
    return replace(effect, state=to, changed_at=now, queued_at=None, queued_times=0, **changes)


def claim(effect: Effect, *, owner: str, now: int, lease_seconds: int) -> Effect:
    """Take an effect to work on it; raises Refused when it is done, held or in doubt."""
    if effect.state in TERMINAL:
        raise Refused("already_done")
    if effect.state in ("SENDING", "IN_DOUBT"):
        raise Refused("in_doubt")
    if effect.state == "CLAIMED" and effect.lease_until is not None and effect.lease_until > now:
        raise Refused("held_by_another")
    return move(
        effect,
        "CLAIMED",
        now=now,
        owner=owner,
        lease_until=now + lease_seconds,
        attempts=effect.attempts + 1,
        not_before=None,
        reason=None,
    )


def hold(effect: Effect, *, until: int, reason: str, now: int) -> Effect:
    """Put an effect off: planned as before, and not before a moment; nobody's claim any more.

    A doubt stays one, for the reason and from the moment that it had: it only waits.
    """
    if effect.state == "IN_DOUBT":
        return replace(effect, not_before=until, queued_at=None, queued_times=0)
    return move(
        effect,
        "PLANNED",
        now=now,
        owner=None,
        lease_until=None,
        not_before=until,
        reason=reason,
    )


def enter_sending(effect: Effect, *, now: int) -> Effect:
    """Pass the point of no return: from here on it may have been posted."""
    return move(effect, "SENDING", now=now, posts=effect.posts + 1, not_before=None)


def send_again(effect: Effect, *, owner: str, now: int, lease_seconds: int) -> Effect:
    """Enter SENDING a second time; raises Refused unless it is a transactional mail in doubt."""
    if effect.state != "IN_DOUBT" or not may_post_again(effect):
        raise Refused("in_doubt")
    again = replace(
        effect, owner=owner, lease_until=now + lease_seconds, attempts=effect.attempts + 1
    )
    return enter_sending(again, now=now)


def may_post_again(effect: Effect) -> bool:
    """Whether a doubt about this effect may be answered with another post."""
    return effect.is_transactional and effect.posts < MOST_POSTS


def take_back(effect: Effect, *, now: int) -> Effect:
    """Undo a post that definitely did not happen; any worker may try again.

    When an earlier post is in doubt, that doubt is what remains.
    """
    posts = effect.posts - 1
    if posts > 0:
        return move(effect, "IN_DOUBT", now=now, posts=posts, reason="no_answer")
    return move(effect, "CLAIMED", now=now, posts=posts, owner=None, lease_until=None)


_OPTIONAL = (
    "owner",
    "lease_until",
    "changed_at",
    "reason",
    "provider_id",
    "decision_id",
    "not_before",
    "queued_at",
)


def effect_to_json(effect: Effect) -> dict[str, Any]:
    """The stored form."""
    stored: dict[str, Any] = {
        "effect_id": effect.effect_id,
        "kind": effect.kind,
        "action": effect.action,
        "subject": effect.subject_key,
        "correlation_id": effect.correlation_id,
        "planned_at": effect.planned_at,
        "payload": dict(effect.payload),
        "state": effect.state,
        "attempts": effect.attempts,
        "posts": effect.posts,
        "heard": list(effect.heard),
    }
    for name in _OPTIONAL:
        if (value := getattr(effect, name)) is not None:
            stored[name] = value
    if effect.queued_times:
        stored["queued_times"] = effect.queued_times
    return stored


def effect_from_json(stored: Mapping[str, Any]) -> Effect:
    """Undo ``effect_to_json``."""
    return Effect(
        effect_id=stored["effect_id"],
        kind=stored["kind"],
        action=stored["action"],
        subject_key=stored["subject"],
        correlation_id=stored["correlation_id"],
        planned_at=stored["planned_at"],
        payload=stored["payload"],
        state=stored["state"],
        attempts=stored["attempts"],
        posts=stored.get("posts", 0),
        heard=tuple(stored.get("heard", ())),
        queued_times=stored.get("queued_times", 0),
        **{name: stored.get(name) for name in _OPTIONAL},
    )
