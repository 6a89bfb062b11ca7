"""Who was sent a mail and who was not, and why: the list of mails, newest first, in pages.

The list is an index over the ledger: its shards are merged by moment, and each mail is then read
as it stands. One that has moved on since the index was asked stands elsewhere in the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Protocol

from chalicelib.core.effects import Effect
from chalicelib.core.errors import BadInput
from chalicelib.core.kinds import EFFECT
from chalicelib.core.mail_list import (
    SHARDS,
    Standing,
    answers_to,
    effect_id_at,
    listed_under,
    standings_of,
)
from chalicelib.core.tokens import SigningKeys, sign, verify
from chalicelib.flows.read import DecisionIndex

LARGEST_PAGE = 1_000
LONGEST_CURSOR = 1_024
PURPOSE = "mail_list"
# How often a page asks on when what it found has moved on; it may then be a short one.
_MOST_ROUNDS = 5


class MailIndex(DecisionIndex, Protocol):
    """Storage that also lists mails."""

    def listed(self, *, under: str, before: str | None, limit: int) -> list[str]:
        """Positions of mails in one shard of the list, newest first, from before a position."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list.

    Attributes:
        mails: newest first.
        next_cursor: gives the next page; None when this is the last.
    """

    mails: Sequence[Effect]
    next_cursor: str | None


def list_mails(
    asked: str | None,
    *,
    store: MailIndex,
    keys: SigningKeys,
    now: int,
    limit: int,
    cursor: str | None = None,
) -> Page:
    """Mails in a state, or of a group of states, or all of them with None.

    Raises BadInput naming ``state`` or ``cursor`` when one of them is not what it should be.
    """
    standings = standings_of(asked)
    before = None if cursor is None else _position_in(cursor, asked, keys)
    mails: dict[str, Effect] = {}
    for _ in range(_MOST_ROUNDS):
        missing = limit - len(mails)
        places = list(islice(_newest(standings, store, before, missing + 1), missing + 1))
        more = len(places) > missing
        places = places[:missing]
        mails |= {each.effect_id: each for each in _read(places, asked, store, now)}
        if not more or len(mails) >= limit:
            break
        before = places[-1]
    return Page(list(mails.values()), _cursor_at(places[-1], asked, keys) if more else None)


def _newest(
    standings: Sequence[Standing], store: MailIndex, before: str | None, limit: int
) -> Iterator[str]:
    """Positions from all shards of these standings, newest first."""
    shards = [
        store.listed(under=listed_under(name, shard), before=before, limit=limit)
        for name in standings
        for shard in range(SHARDS)
    ]
    return merge(*shards, reverse=True)


def _read(places: Sequence[str], asked: str | None, store: MailIndex, now: int) -> Iterator[Effect]:
    """The mails at these positions that are still what was asked for."""
    mail_keys = [EFFECT.key(effect_id_at(place)) for place in places]
    found = store.read(mail_keys, now=now)
    for key in mail_keys:
        mail = found.value(key)
        if mail is not None and answers_to(mail, asked):
            yield mail


def _cursor_at(place: str, asked: str | None, keys: SigningKeys) -> str:
    return sign(keys, purpose=PURPOSE, payload={"state": asked, "before": place})


def _position_in(cursor: str, asked: str | None, keys: SigningKeys) -> str:
    """Where a page begins; a cursor belongs to the question that it was an answer to."""
    if not cursor.isascii() or len(cursor) > LONGEST_CURSOR:
        raise BadInput.of("cursor", "is not a token that this service signed")
    payload = verify(keys, cursor, purpose=PURPOSE, field="cursor")
    if payload["state"] != asked:
        raise BadInput.of("cursor", "belongs to a list of another state")
    place: str = payload["before"]
    return place
