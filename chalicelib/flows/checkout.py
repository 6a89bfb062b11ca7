"""The checkout call: one read, one pure decision, one write.

A repeat of what was answered before is answered again, word for word, and writes nothing: by
Idempotency-Key for as long as the record lives, and without one within a session for as long as
the quote holds and nothing changed that the customer, the operator or the law could change.
Otherwise a session keeps its tier and its codes and prices the cart anew.

When storage does not answer in time the checkout is answered all the same: its own prices, no
offer, no quote, ``degraded``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from chalicelib.core.answer import build_answer, degraded_answer
from chalicelib.core.decide import Decision, decide_by
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import ALLOTMENT, CONTACT, FACTS
from chalicelib.core.offers import coupon_code
from chalicelib.core.plan import decision_writes
from chalicelib.core.ports import Store
from chalicelib.core.price_tiers import BASE_TIER
from chalicelib.core.record import (
    build_record,
    decision_from_json,
    situation_from_json,
)
from chalicelib.core.repeats import check_same_request
from chalicelib.core.rules import Rules
from chalicelib.core.seal import sealed
from chalicelib.core.situation import Situation
from chalicelib.core.storage import Conflict, Write
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.checkout_session import (
    held_by,
    keep_session,
    remember_prices,
    shown_again,
)
from chalicelib.flows.exposed import tell_exposed
from chalicelib.flows.gather import CheckoutCall, Gathered, gather
from chalicelib.flows.learned import RememberedLearning
from chalicelib.flows.rulebook import Rulebook

# The first try, and one more for whoever lost a race: by then the winner's answer stands there.
MOST_ROUNDS = 2
# Whoever only lost a shard of a count takes from another one, as often as the deadline allows; so
# does a guest of whom something was told meanwhile.
MOST_CONTENDED_ROUNDS = 8
How = Literal["decided", "repeated", "degraded"]


class Answered(NamedTuple):
    """The answer, and how it came about.

    Attributes:
        body: what the caller is told.
        how: decided now, repeated from before, or degraded.
        rounds: how often everything was gathered.
        cause: the class of the failure that degraded the answer.
    """

    body: Mapping[str, Any]
    how: How
    rounds: int = 1
    cause: str | None = None


def answer_checkout(
    call: CheckoutCall,
    *,
    store: Store,
    rules: Rules,
    keys: Callable[[], SigningKeys],
    now: int,
    correlation_id: str,
    learned: RememberedLearning | None = None,
) -> Answered:
    """Answer a checkout; storage that does not answer degrades it and raises nothing.

    Args:
        call: what is asked.
        store: gives up by itself when the deadline has passed.
        rules: policy, law and model.
        keys: brings the signing keys; may ask storage, so it is called within the flow.
        now: the moment of the call.
        correlation_id: ties record and effects to the request.
        learned: what this process remembers of the learning document; None remembers nothing.

    Raises:
        KeyReused: the Idempotency-Key came before with another request.
        PolicyMoved: another policy decides; nothing was decided yet.
    """
    rounds = 0
    learned = learned or RememberedLearning()
    try:
        while True:
            rounds += 1
            try:
                gathered = gather(
                    call, store=store, rules=rules, now=now, attempt=rounds, learned=learned
                )
                repeated = _repeat(call, gathered, rules=gathered.rules, keys=keys, now=now)
                if repeated is not None:
                    return Answered(repeated, "repeated", rounds)
                decision, answer, writes = _decide(
                    call, gathered, keys=keys(), correlation_id=correlation_id
                )
                store.write(writes, now=now)
            except Conflict as conflict:
                if rounds >= _most_rounds(conflict):
                    raise
            else:
                tell_exposed(
                    decision.exposed_arms,
                    decision_id=call.decision_id,
                    placement=call.placement,
                    correlation_id=correlation_id,
                )
                return Answered(answer, "decided", rounds)
    except Transient as error:
        return Answered(_degraded(call, rules, now), "degraded", rounds, type(error).__name__)


def answer_by(
    book: Rulebook,
    call: CheckoutCall,
    *,
    store: Store,
    keys: Callable[[], SigningKeys],
    now: int,
    correlation_id: str,
    learned: RememberedLearning | None = None,
) -> Answered:
    """Answer a checkout with the policy that decides now; otherwise as ``answer_checkout``."""

    def answer(rules: Rules) -> Answered:
        return answer_checkout(
            call,
            store=store,
            rules=rules,
            keys=keys,
            now=now,
            correlation_id=correlation_id,
            learned=learned,
        )

    try:
        return book.apply(answer, store=store, now=now)
    except Transient as error:  # the policy itself could not be had in time
        return Answered(_degraded(call, book.current, now), "degraded", 1, type(error).__name__)


def _repeat(
    call: CheckoutCall,
    gathered: Gathered,
    *,
    rules: Rules,
    keys: Callable[[], SigningKeys],
    now: int,
) -> Mapping[str, Any] | None:
    """What was answered before, where that still is the answer."""
    record = gathered.record
    if record is not None and is_erased(record):
        # What was answered is forgotten with the person, and is not decided again under its id.
        return _degraded(call, rules, now)
    if record is not None:
        check_same_request(record["request_hash"], call.hash)
        return build_answer(
            situation_from_json(record["situation"]),
            decision_from_json(record["decision"]),
            policy_hash=record["policy"],
            keys=keys(),
        )
    # A new Idempotency-Key needs a record of its own, or its reuse would go unnoticed.
    return None if call.repeat_of is not None else shown_again(gathered, rules, now=now)


def _most_rounds(conflict: Conflict) -> int:
    """How many rounds a lost race is worth.

    More where only the shard of a count was contended, or the profile, which an event of the same
    customer may just be writing.
    """
    contended = {write.key.kind.name for write in conflict.failed}
    passing = {ALLOTMENT.name, FACTS.name, CONTACT.name}
    return MOST_CONTENDED_ROUNDS if contended and contended <= passing else MOST_ROUNDS


def _decide(
    call: CheckoutCall,
    gathered: Gathered,
    *,
    keys: SigningKeys,
    correlation_id: str,
) -> tuple[Decision, Mapping[str, Any], tuple[Write, ...]]:
    """Decide; give the answer and everything that makes it true."""
    rules = gathered.rules
    situation, held = gathered.situation, held_by(gathered, rules)
    if held is not None:
        situation = replace(situation, held=held)
    decision = decide_by(
        rules,
        situation,
        code_for=lambda effect: coupon_code(keys.coupon_secret, effect_id=effect),
    )
    record = build_record(
        situation,
        decision,
        policy=rules.policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id=correlation_id,
        request_hash=call.hash,
        champion_hash=rules.champion_hash,
    )
    record = sealed(record, keys)
    answer = build_answer(situation, decision, policy_hash=rules.policy.hash, keys=keys)
    writes = decision_writes(
        situation,
        decision,
        record,
        policy=rules.policy,
        correlation_id=correlation_id,
        now=situation.as_of,
        limits=gathered.limits,
    )
    writes = (*writes, *remember_prices(gathered, decision, rules))
    checks = gathered.not_erased
    if decision.issued and gathered.still_a_guest is not None:
        # A code that the guest was given a moment too late would be a second one of the customer.
        writes = (*writes, gathered.still_a_guest)
        checks = tuple(each for each in checks if each.key != gathered.still_a_guest.key)
    if decision.tier != BASE_TIER or decision.offers:
        writes = (*writes, keep_session(call, gathered, decision, answer, rules))
    if len(writes) > 1:
        # What is shown or set in motion must not outlive an erasure that came between. A record
        # alone stays one write: the erasure looks again once no checkout can be under way.
        writes = (*writes, *checks)
    return decision, answer, writes


def _degraded(call: CheckoutCall, rules: Rules, now: int) -> Mapping[str, Any]:
    """What is answered without storage; its decision id names no record."""
    situation = Situation(
        decision_id=f"degraded_{call.call_id}",
        subject=call.subject,
        placement=call.placement,
        as_of=now,
        context=call.context,
        lines=call.lines,
    )
    return degraded_answer(
        situation,
        policy_hash=rules.policy.hash,
        model=rules.scorer.name,
        unknown_segment=rules.policy.unknown_segment,
        expires_at=now + rules.policy.quote_valid_seconds,
    )
