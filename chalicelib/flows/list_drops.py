"""The files that were dropped of late and where they stand: newest first, in pages.

The list is an index over the drops by when work on them began; each is then read as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.core.control import Drop, drop_id_at
from chalicelib.core.errors import BadInput
from chalicelib.core.kinds import DROP
from chalicelib.core.ports import Store
from chalicelib.core.tokens import SigningKeys, sign, verify

LARGEST_PAGE = 100
LONGEST_CURSOR = 1_024
PURPOSE = "drop_list"


class DropIndex(Store, Protocol):
    """Storage that also lists drops."""

    def recent_drops(self, *, before: str | None, limit: int) -> list[str]:
        """Positions of drops in their list, newest first, from before a position."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list.

    Attributes:
        drops: newest first.
        next_cursor: gives the next page; None when this is the last.
    """

    drops: Sequence[Drop]
    next_cursor: str | None


def list_drops(
    *, store: DropIndex, keys: SigningKeys, now: int, limit: int, cursor: str | None = None
) -> Page:
    """Drops by when they were begun, the latest first: one query and one read.

    The index follows the table with a delay of usually less than a second.

    Args:
        store: where drops stand.
        keys: sign cursors.
        now: the moment.
        limit: drops of a page, at most ``LARGEST_PAGE``.
        cursor: ``next_cursor`` of the page before; None for the first.

    Raises BadInput naming ``cursor`` when it is none of ours.
    """
    before = None if cursor is None else _position_in(cursor, keys)
    places = store.recent_drops(before=before, limit=limit + 1)
    wanted = [DROP.key(drop_id_at(place)) for place in places[:limit]]
    found = store.read(wanted, now=now)
    drops = [drop for key in wanted if (drop := found.value(key)) is not None]
    more = len(places) > limit
    return Page(drops, _cursor_at(places[limit - 1], keys) if more else None)


def _cursor_at(place: str, keys: SigningKeys) -> str:
    return sign(keys, purpose=PURPOSE, payload={"before": place})


def _position_in(cursor: str, keys: SigningKeys) -> str:
    if not cursor.isascii() or len(cursor) > LONGEST_CURSOR:
        raise BadInput.of("cursor", "is not a token that this service signed")
    place: str = verify(keys, cursor, purpose=PURPOSE, field="cursor")["before"]
    return place
