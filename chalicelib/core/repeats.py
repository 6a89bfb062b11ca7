"""Calls that are repeated with an Idempotency-Key: one call, one effect, one answer.

A call that is a single write stores its answer in that write; whoever loses the race reads the
winner's answer. A call of several writes first says that it is under way; a second one meanwhile
is refused, until the first must be dead. Then the next takes over, which is safe where each of the
writes may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.canonical import short_hash
from chalicelib.core.errors import KeyReused, Refused
from chalicelib.core.instants import DAY_SECONDS

# Who asks, which route, and the Idempotency-Key.
RepeatOf = tuple[str, str, str]
# As long as a sender may still repeat itself; a decision's record, which is its answer, lives on.
REPEAT_WINDOW_SECONDS = 30 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Repeat:
    """What is known of a call with an Idempotency-Key.

    Attributes:
        request_hash: what a repeat must have in common with it.
        answer: what it was answered; None while it is under way.
        owner: who is at it.
        lease_until: until when; after that it must be dead.
    """

    request_hash: str
    answer: Mapping[str, Any] | None = None
    owner: str = ""
    lease_until: int = 0


def repeat_name(caller: str, route: str, key: str) -> str:
    """The name of a call: keys of different callers, or on different routes, never meet."""
    return short_hash(caller, route, key)


def check_same_request(stored_hash: str | None, request_hash: str | None) -> None:
    """Raise KeyReused when an Idempotency-Key came before with another request."""
    if stored_hash != request_hash:
        raise KeyReused.of(
            "Idempotency-Key", "came before with another request; send a new key with it"
        )


def answered_before(
    known: Repeat | None, *, request_hash: str, now: int
) -> Mapping[str, Any] | None:
    """The answer that a repeat gets; None for a first call, or where a dead one is taken over.

    Raises:
        KeyReused: the key came with another request.
        Refused: ``in_flight``, the first call is still under way.
    """
    if known is None:
        return None
    check_same_request(known.request_hash, request_hash)
    if known.answer is None and known.lease_until > now:
        raise Refused("in_flight")
    return known.answer


def repeat_to_json(repeat: Repeat) -> dict[str, Any]:
    """The stored form."""
    return {
        "request_hash": repeat.request_hash,
        "answer": None if repeat.answer is None else dict(repeat.answer),
        "owner": repeat.owner,
        "lease_until": repeat.lease_until,
    }


def repeat_from_json(stored: Mapping[str, Any]) -> Repeat:
    """Undo ``repeat_to_json``."""
    return Repeat(**stored)
