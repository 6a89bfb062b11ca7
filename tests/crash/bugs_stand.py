"""Planted bugs that stand in for a function of the core or of a flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core import coupons, effects, untouched
from chalicelib.core.address import AddressState
from chalicelib.core.allotments import make_room
from chalicelib.core.tombstones import Tombstone
from chalicelib.flows import (
    act,
    big_end,
    big_plan,
    deliver,
    ledger,
    next_step,
    take_apart,
    together,
)
from chalicelib.mail.permission import forbidden
from tests.crash.bugs import Planted, add, replaced


def _stand(name: str, sentence: str, cases: Sequence[str], *places: tuple[Any, str, Any]) -> None:
    add(Planted(name, sentence, cases, stand=lambda: replaced(*places)))


def _always_again(effect: effects.Effect) -> bool:
    return effect.kind == "mail" and effect.posts < effects.MOST_POSTS


def _blind_to_switches(**given: Any) -> str | None:
    return forbidden(**{**given, "switches": None})


def _generous(*given: Any, amount: int, home: int, total: int) -> Any:
    room = make_room(*given, amount=amount, home=home, total=total)
    if room != "exhausted":
        return room
    shard = given[0][home]
    return {home: replace(shard, allotted=shard.used + amount)}


def _impatient(effect: effects.Effect, *, now: int) -> untouched.Untouched:
    if effect.state == "CLAIMED":
        return untouched.TakeUp()
    return untouched.untouched(effect, now=now)


def _claim_without_lease(
    effect: effects.Effect, *, owner: str, now: int, lease_seconds: int
) -> effects.Effect:
    return replace(
        effect, state="CLAIMED", owner=owner, lease_until=now + lease_seconds, changed_at=now
    )


_stand("marketing sent again", "A marketing mail in doubt is posted once more.",
       ["act", "sweep"],
       *((module, "may_post_again", _always_again) for module in (effects, untouched,
                                                                  next_step)))  # fmt: skip
_stand("a third post", "A transactional mail in doubt is posted as often as it takes.", ["act"],
       (effects, "MOST_POSTS", 9))  # fmt: skip
_stand("cap not asked", "Nobody asks how many mails an address has had.",
       ["act, two for one address"],
       (deliver, "is_capped", lambda *_a, **_k: False))  # fmt: skip
_stand("switch not asked", "Nobody asks whether sending is switched off.",
       ["act, switched off meanwhile"], (deliver, "forbidden", _blind_to_switches))  # fmt: skip
_stand("withdrawal not asked", "Nobody asks what the address withdrew.", ["unsubscribe"],
       (deliver, "forbidden", lambda **_given: None))  # fmt: skip
_stand("suppression not asked", "Nobody asks whether an address complained.", ["feedback"],
       (AddressState, "suppression", lambda *_given: None))  # fmt: skip
_stand("claims taken over", "A claim is taken over though its owner lives.",
       ["act, a rival meanwhile"],
       (next_step, "untouched", _impatient), (act, "claim", _claim_without_lease),
       (together, "claim", _claim_without_lease))  # fmt: skip
_stand("tombstone covers nothing", "What is from before an erasure counts after it.", ["erase"],
       (Tombstone, "covers", lambda *_given: False))  # fmt: skip
_stand("pseudonym taken for a person",
       "A mail that an erasure has stripped is taken up as if it still had a plan.",
       ["act, erased meanwhile"],
       (ledger, "is_pseudonym", lambda _subject_key: False))  # fmt: skip
_stand("budget without an end", "A reservation is given money that is not there.", ["redeem"],
       (coupons, "make_room", _generous))  # fmt: skip
_stand("code not revoked", "An erasure does not take codes back.", ["erase, a code in the cart"],
       (take_apart, "revoke_code", lambda *_a, **_k: None))  # fmt: skip
_stand("dead sending planned again", "A dead SENDING is taken for a dead claim.", ["act", "sweep"],
       (next_step, "untouched", lambda effect, *, now: untouched.untouched(
           replace(effect, state="CLAIMED") if effect.state == "SENDING" else effect, now=now)),
       (effects, "TRANSITIONS", {**effects.TRANSITIONS, "SENDING": frozenset(effects.TRANSITIONS)}),
       )  # fmt: skip
_stand("refused and left", "A drop is refused, and what its parts left stays there.",
       ["drop, refused"],
       (big_plan, "clear_results", lambda _task: None),
       (big_end, "clear_results", lambda _task: None))  # fmt: skip
