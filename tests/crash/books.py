"""The part of the reference model about codes, money, consent, and whatever is under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.core.allotments import Allotment
from chalicelib.core.offers import Coupon
from chalicelib.core.storage import Key

# How long ago everything that had stood still by then was swept, at the latest.
SWEPT_SECONDS = 3_600
Rows = Mapping[Key[Any], Any]


def under_way(rows: Rows, *, now: int) -> Iterator[str]:
    """What is neither terminal nor held, effects aside."""
    for key, value in rows.items():
        match key.kind.name:
            case "coupon" if any(_is_stale(use, now) for use in value.uses):
                yield "a lock outlived its end and a sweep"
            case "drop" if value.state == "RUNNING":
                yield "a file was never worked through"
            case "tombstone" if not value.is_complete:
                yield "an erasure was begun and never completed"


def _is_stale(use: Any, now: int) -> bool:
    return bool(use.state == "reserved" and use.until <= now - SWEPT_SECONDS)


def ledgers(rows: Rows) -> Iterator[str]:
    """Where a consent ledger does not hang together, or says one thing twice."""
    entries: dict[str, dict[int, Any]] = {}
    heads: dict[str, Any] = {}
    for key, value in rows.items():
        if key.kind.name == "consent":
            owner, _, number = key.partition.removeprefix("n#").rpartition("#")
            entries.setdefault(owner, {})[int(number)] = value
        elif key.kind.name == "ledger_head":
            heads[key.partition] = value
    for owner in entries.keys() | heads.keys():
        told = [entry for _, entry in sorted(entries.get(owner, {}).items())]
        hashes = [entry.hash for entry in told]
        head = heads.get(owner)
        if head is None or (head.count, head.hash) != (len(told), hashes[-1] if told else None):
            yield "a consent ledger and its end disagree"
        if [entry.previous for entry in told[1:]] != hashes[:-1]:
            yield "a consent ledger does not hang together"
        if len({entry.statement for entry in told}) < len(told):
            yield "a statement stands twice in a consent ledger"


def books(rows: Rows, budget_minor: int | None, *, now: int) -> Iterator[str]:
    """What does not add up among codes and between them and their budget."""
    coupons = [value for key, value in rows.items() if key.kind.name == "coupon"]
    live: Counter[tuple[str, str]] = Counter()
    for coupon in coupons:
        yield from _uses(coupon)
        states = _states(coupon, now)
        if len(states) > 1:
            yield f"a code is in two states: {states}"
        if states[0] in ("live", "reserved"):
            live[coupon.subject_key, coupon.offer.action] += 1
    if any(count > 1 for count in live.values()):
        yield "a customer has two live codes for one action"
    shards = [
        value
        for key, value in rows.items()
        if key.kind.name == "allotment" and "#money#" in key.partition
    ]
    yield from _money(coupons, shards, budget_minor)


def _states(coupon: Coupon, now: int) -> list[str]:
    """The states of a code, of which there should be one."""
    used = [use for use in coupon.uses if use.state != "reserved"]
    holding = [use for use in coupon.uses if use.state == "reserved"]
    full = len(used) >= coupon.redemptions
    states = [
        name
        for name, holds in (
            ("revoked", coupon.revoked_at is not None),
            ("used", full and coupon.revoked_at is None),
            ("reserved", bool(holding) and holding[0].until > now),
        )
        if holds
    ]
    return states or ["live" if now < coupon.offer.expires_at else "expired"]


def _uses(coupon: Coupon) -> Iterator[str]:
    holding = sum(use.state == "reserved" for use in coupon.uses)
    if len(coupon.uses) - holding > coupon.redemptions:
        yield "a code was redeemed more often than it may be"
    if holding > 1:
        yield "two carts hold one code"
    if len({use.order_id for use in coupon.uses}) != len(coupon.uses):
        yield "an order uses a code twice"
    if any(use.rolled_back_minor > use.amount_minor for use in coupon.uses):
        yield "more was given back than was redeemed"


def _money(
    coupons: Sequence[Coupon], shards: Sequence[Allotment], budget_minor: int | None
) -> Iterator[str]:
    uses = [use for coupon in coupons for use in coupon.uses if use.budgeted]
    held = sum(use.amount_minor for use in uses if use.state == "reserved")
    spent = sum(u.amount_minor - u.rolled_back_minor for u in uses if u.state != "reserved")
    if (held, spent) != (sum(s.held for s in shards), sum(s.spent for s in shards)):
        yield "codes and budget disagree about the money"
    if budget_minor is not None and held + spent > budget_minor:
        yield "more money is held and spent than there is"
    if budget_minor is not None and sum(s.allotted for s in shards) > budget_minor:
        yield "more money was dealt out than there is"
    if any(min(s.held, s.spent) < 0 or s.held + s.spent > s.allotted for s in shards):
        yield "a shard of the budget is overdrawn"
