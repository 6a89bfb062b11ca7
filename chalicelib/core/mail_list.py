"""The list of mails: which were sent, which were not, and by what name one asks for them.

Each mail stands under its standing in an index, newest first. A standing is a state, save that
all mails that a worker will still take care of stand as OPEN, so that their way through the
ledger costs the index nothing, and a mail that is held for a later moment stands as HELD.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, assert_never, get_args

from chalicelib.core.canonical import short_hash
from chalicelib.core.effects import Effect, State
from chalicelib.core.errors import BadInput
from chalicelib.core.overdue import held_until
from chalicelib.core.storage import IndexAttributes

# Writes to one standing spread over so many partitions of the index, 1,000 a second each.
SHARDS = 4
Standing = Literal[
    "OPEN",
    "HELD",
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
STANDINGS: tuple[Standing, ...] = get_args(Standing)
# Who was not sent anything, for good or for now, and for a reason that stands in the mail.
NOT_SENT: tuple[Standing, ...] = (
    "SUPPRESSED",
    "FAILED",
    "REJECTED",
    "ABANDONED",
    "IN_DOUBT",
    "HELD",
)


def standing(effect: Effect) -> Standing:
    """Under what name the list has a mail."""
    match effect.state:
        case "PLANNED":
            return "OPEN" if held_until(effect) is None else "HELD"
        case "CLAIMED" | "SENDING":
            return "OPEN"
        case "ACCEPTED" | "DELIVERED" | "BOUNCED" | "COMPLAINED" | "REJECTED":
            return effect.state
        case "FAILED" | "SUPPRESSED" | "ABANDONED" | "IN_DOUBT":
            return effect.state
        case _:
            assert_never(effect.state)


# What one may ask for, and the standings among which it is found.
ASKABLE: Mapping[str, tuple[Standing, ...]] = {
    **{
        state: ("OPEN", "HELD") if state == "PLANNED" else ("OPEN",)
        for state in ("PLANNED", "CLAIMED", "SENDING")
    },
    **{name: (name,) for name in STANDINGS if name not in ("OPEN", "HELD")},
    "held": ("HELD",),
    "not_sent": NOT_SENT,
}


def standings_of(asked: str | None) -> tuple[Standing, ...]:
    """Where to look for what was asked, None being everything; raises BadInput."""
    if asked is None:
        return STANDINGS
    if asked not in ASKABLE:
        raise BadInput.of("state", f"must be one of {', '.join(ASKABLE)}")
    return ASKABLE[asked]


def answers_to(effect: Effect, asked: str | None) -> bool:
    """Whether a mail, as it stands by now, is among what was asked for."""
    if asked is None:
        return True
    if asked in get_args(State):
        return effect.state == asked
    return standing(effect) in standings_of(asked)


def mail_index(effect: Effect) -> IndexAttributes:
    """Where the list has an effect; nowhere when it is no mail."""
    if effect.kind != "mail":
        return {}
    name = standing(effect)
    shard = int(short_hash("listed", effect.effect_id, digits=8), 16) % SHARDS
    return {"listed_under": listed_under(name, shard), "listed_at": position(effect)}


def listed_under(name: Standing, shard: int) -> str:
    """The name of one shard of a standing, 0 ≤ ``shard`` < ``SHARDS``."""
    return f"{name}#{shard}"


def position(effect: Effect) -> str:
    """Where a mail stands within its standing: by moment, and by its id among equals."""
    at = effect.planned_at
    if effect.changed_at is not None and standing(effect) != "OPEN":
        at = effect.changed_at
    return f"{at:012}#{effect.effect_id}"


def effect_id_at(place: str) -> str:
    """The id of the mail at a position."""
    return place.partition("#")[2]
