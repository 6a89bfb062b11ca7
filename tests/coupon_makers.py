"""Policies with limits, and a look at what stands in an action's counts and budgets."""

from __future__ import annotations

from typing import Any

from chalicelib.aws.store import DynamoStore
from chalicelib.core.actions import Action, OfferLimits
from chalicelib.core.coupons import TRANSITIONS, money_of, state_of
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import COUPON, LIVE_OFFER
from chalicelib.core.offers import Coupon, Offer, OfferKind
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Put
from chalicelib.core.subject import Subject, customer
from tests.fakes import MemoryStore
from tests.unit.core.situations import NOW, default_policy, shipped_rules

BUYER = customer("c-1")


def limited(action_id: str, **limits: Any) -> tuple[Action, ...]:
    """The shipped actions, one of them with these limits."""
    changed = []
    for action in default_policy().actions:
        if action.id == action_id and action.offer is not None:
            offer = action.offer.model_copy(update={"limits": OfferLimits(**limits)})
            changed.append(action.model_copy(update={"offer": offer}))
        else:
            changed.append(action)
    return tuple(changed)


def budget_of(store: MemoryStore, what: str = "money") -> tuple[int, int]:
    """What all shards of a total hold and have spent together."""
    shards = [shard for name, shard in store.all("allotment").items() if name.split("#")[2] == what]
    return sum(s.held for s in shards), sum(s.spent for s in shards)


CODE = "ABC0119XYZ0K"
OTHER_CODE = "ZZZ0119XYZ0K"
WINBACK = "winback-10"


def coupon(
    code: str = CODE, *, subject: Subject = BUYER, kind: OfferKind = "percent_off", **changes: Any
) -> Coupon:
    """A code of the winback action, issued to c-1 and good for a week."""
    offer = Offer(WINBACK, code, kind, 500 if kind == "amount_off" else 10, NOW + 7 * DAY_SECONDS)
    return Coupon(offer, subject.key, "d_1", NOW, **changes)


def issue(store: MemoryStore | DynamoStore, *coupons: Coupon) -> None:
    """Store codes as a decision does, each as its customer's live one."""
    for each in coupons:
        live = LIVE_OFFER.key(each.subject_key, each.offer.action)
        store.write(
            [
                Put(COUPON.key(each.offer.code), each),
                Put(live, each.offer, expires_at=each.offer.expires_at),
            ],
            now=NOW,
        )


def stored_coupon(store: MemoryStore, code: str = CODE) -> Coupon:
    """A code as it stands."""
    found: Coupon = store.all("coupon")[f"k#{code}"]
    return found


def check_books(store: MemoryStore, *, budget_minor: int, now: int) -> None:
    """What must hold at any moment: the budget, every shard, and that codes and shards agree."""
    shards = [s for name, s in store.all("allotment").items() if name.split("#")[2] == "money"]
    coupons = store.all("coupon").values()
    held, spent = budget_of(store)
    assert held + spent <= budget_minor
    assert all(s.held >= 0 and s.spent >= 0 and s.used <= s.allotted for s in shards)
    assert not shards or sum(s.allotted for s in shards) == budget_minor
    assert held == sum(money_of(each).held for each in coupons)
    assert spent == sum(money_of(each).spent for each in coupons)
    for each in coupons:
        assert state_of(each, now=now) in TRANSITIONS
        done = [use for use in each.uses if use.state != "reserved"]
        assert len(done) <= each.redemptions
        assert len(each.uses) - len(done) <= 1


CODES = [f"C0DE{number:08}" for number in range(64)]
AMOUNT, BUDGET = 90, 4000  # 44 redemptions, and 40 that nobody can use


def budget_rules() -> Rules:
    """Rules with a budget for fewer codes than there are."""
    return shipped_rules(actions=limited(WINBACK, budget_minor=BUDGET))


def owner_of(code: str) -> Subject:
    """Whose code it is."""
    return customer(f"owner-{code}")
