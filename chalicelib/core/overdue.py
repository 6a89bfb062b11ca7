"""Effects that stand still: whose turn it is with each, and when somebody must look again.

Of every effect that a worker may still have to do something about, exactly one has the next turn:

* a worker, until its lease ends;
* a queue message: the relay's for what was planned, the one that came back for a claim that was
  given up, and for a hold of seconds the one that the worker has sent with the hold;
* the sweep, for every other wait: no message is under way, and it queues one when the wait is over.

Each stands in a sparse index, ordered by the moment at which that turn should be over; a message
has ``GRACE_SECONDS`` from when the effect may be taken up. Whatever is still there after that is
overdue, and the sweep queues it again; each time in vain it waits longer, so that a backlog or a
broken effect does not fill the queue.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, assert_never

from chalicelib.core.canonical import short_hash
from chalicelib.core.effects import Effect
from chalicelib.core.storage import IndexAttributes
from chalicelib.core.untouched import WaitUntil, untouched

# As long as a lease, so that nothing lies still for longer than a lease and one sweep.
GRACE_SECONDS = 120
# After how long an effect that was queued again, and that nobody took, is queued once more.
FIRST_PATIENCE_SECONDS = 900
MOST_PATIENCE_SECONDS = 86_400
SHARDS = 8
# A slot of the rate is free again within seconds. Whoever waited for one by a sweep each minute
# would use a part of the rate only.
_SOON = "rate"

# Taken: a worker had it. Waiting: a message has it. Held: the sweep has it. Apart, so that a
# backlog of the one, which a big file or the end of the quiet hours can make, does not hide the
# others.
Lane = Literal["taken", "waiting", "held"]
LANES: tuple[Lane, ...] = ("taken", "waiting", "held")


def look_at(effect: Effect) -> int | None:
    """When somebody must look again, in epoch seconds; None when nobody must."""
    at = _may_be_taken_at(effect)
    if at is None or effect.queued_at is None:
        return at
    return max(at, effect.queued_at + _patience_seconds(effect.queued_times))


def queued_again(effect: Effect, *, now: int) -> Effect:
    """The effect with the note that a message was queued for it; its state stays what it is."""
    return replace(effect, queued_at=now, queued_times=effect.queued_times + 1)


def open_index(effect: Effect) -> IndexAttributes:
    """Where the index of what is overdue has an effect; nowhere when nobody must look again."""
    at = look_at(effect)
    if at is None:
        return {}
    shard = int(short_hash("open", effect.effect_id, digits=8), 16) % SHARDS
    return {"open_shard": open_shard(_lane(effect), shard), "look_at": at}


def open_shard(lane: Lane, shard: int) -> str:
    """The name of one shard of a lane, 0 ≤ ``shard`` < ``SHARDS``."""
    return f"{lane}#{shard:02}"


def held_until(effect: Effect) -> int | None:
    """Until when an effect that is planned is held; None when it is not."""
    return effect.not_before if effect.state == "PLANNED" else None


def has_its_own_message(effect: Effect) -> bool:
    """Whether a hold is so short that the worker sends the message that ends it."""
    return held_until(effect) is not None and effect.reason == _SOON


def is_superseded(effect: Effect, sent_for: int | None) -> bool:
    """Whether a message has no turn any more, since another one was sent for the present hold.

    ``sent_for`` is the end of the hold that the message was sent for, None when it was sent for
    none. So however often a message is repeated, one is left of it after the next hold.
    """
    return has_its_own_message(effect) and effect.not_before != sent_for


def _may_be_taken_at(effect: Effect) -> int | None:
    """When an effect should have been taken up, finished or found dead."""
    match effect.state:
        case "PLANNED":
            until = held_until(effect)
            if until is None:
                return effect.planned_at + GRACE_SECONDS
            return until + GRACE_SECONDS if has_its_own_message(effect) else until
        case "CLAIMED" | "SENDING":
            if effect.lease_until is not None:
                return effect.lease_until
            # The claim was given up: the message that led to it is still in the queue.
            return (effect.changed_at or effect.planned_at) + GRACE_SECONDS
        case "IN_DOUBT":
            doubted_until = untouched(effect, now=0)
            return doubted_until.at if isinstance(doubted_until, WaitUntil) else 0
        case "ACCEPTED" | "DELIVERED" | "BOUNCED" | "COMPLAINED" | "REJECTED":
            return None  # only the provider has anything left to say
        case "FAILED" | "SUPPRESSED" | "ABANDONED":
            return None
        case _:
            assert_never(effect.state)


def _lane(effect: Effect) -> Lane:
    if effect.state != "PLANNED":
        return "taken"
    return "waiting" if held_until(effect) is None or has_its_own_message(effect) else "held"


def _patience_seconds(times: int) -> int:
    """How long to wait after the nth time in vain: 15 minutes, doubled each time, up to a day."""
    doublings = min(times - 1, 10)  # far more than it takes to reach the most
    return min(FIRST_PATIENCE_SECONDS << max(doublings, 0), MOST_PATIENCE_SECONDS)
