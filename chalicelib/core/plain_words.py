"""A decision in words that the customer can be given: procedure, main factors, the nearest change.

What a court asked for where a score decides (CJEU, C-203/22 of 27 February 2025): the procedure and
the principles actually applied to this very result, so that its person can understand and contest
it. Every sentence follows from the record; what would have changed it was decided again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.counterfactual import counterfactuals
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import Refused
from chalicelib.core.explain import REASONS
from chalicelib.core.features import describe
from chalicelib.core.money import format_amount
from chalicelib.core.pricing import line_from_json
from chalicelib.core.record import situation_from_json
from chalicelib.core.replay import differences, reexecute, rules_of_then
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation

NEAREST = 3


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a customer may be told of one decision, each a sentence.

    Attributes:
        procedure: how it came about, in order.
        factors: what it rested on.
        nearest_change: what would have led to another result; empty when nothing that was tried.
        review: how to have a person look at it.
    """

    procedure: tuple[str, ...]
    factors: tuple[str, ...]
    nearest_change: tuple[str, ...]
    review: str


REVIEW = (
    "You may ask for a person to look at this decision, say what you think of it, and contest it."
)


def explain_to_customer(record: Mapping[str, Any], *, rules: Rules) -> Explanation | None:
    """Explain a decision to whom it was about; None where the person was erased."""
    if is_erased(record):
        return None
    situation = situation_from_json(record["situation"])
    rules = rules_of_then(record, rules=rules)
    return Explanation(
        procedure=tuple(_procedure(record, situation)),
        factors=tuple(_factors(record, situation, rules)),
        nearest_change=tuple(_nearest(record, situation, rules)),
        review=REVIEW,
    )


def _procedure(record: Mapping[str, Any], situation: Situation) -> Iterator[str]:
    decision = record["decision"]
    yield "An automated procedure made this decision; no person took part in it."
    if situation.opted_out:
        yield "You opted out of personalisation, so nothing about you was read."
    elif decision["mode"] == "ban":
        yield "Where you are, prices may not be personal, so nothing about you was read."
    elif situation.facts is None or not situation.facts.order_count:
        yield "No orders of yours were known, so the usual treatment was used."
    else:
        how = "fixed rules" if decision["fallback"] else "a statistical model"
        group = decision["segment"].replace("_", " ")
        yield f"From your past orders, {how} placed you in the group “{group}”."
        if decision["scores"]["churn"] is not None:
            odds = round(decision["scores"]["churn"] * 100)
            yield f"The model estimated a {odds} % chance that you would not order soon."
    if situation.lines:
        yield f"Price: {_price(decision)}."
    yield from _chance(decision)
    yield from _actions(decision)


def _chance(decision: Mapping[str, Any]) -> Iterator[str]:
    """Where chance had a part in it."""
    if decision["holdout"]:
        yield "You are in a small group, chosen by chance, for whom nothing is personalised."
    if decision.get("exposures"):
        yield "By chance you are in one of the groups in which the shop compares ways of deciding."
    choice = decision.get("choice")
    if choice is not None and choice["sample"] is not None and choice["withheld"] is None:
        yield "Of what was possible, chance had a part in the choice, to learn what serves best."


def _price(decision: Mapping[str, Any]) -> str:
    if decision["tier"] == "base":
        return f"the published price, since {_words(decision['price_reason'])}"
    lines = [line_from_json(each) for each in decision["lines"]]
    moved = [each.unit_price_minor - each.base_unit_price_minor for each in lines]
    if not any(moved):
        why = next((each.reason for each in lines if each.reason is not None), None)
        return "the published price" + ("" if why is None else f", since {_words(why)}")
    if max(moved) > 0:
        return "not the published price, but one that the shop makes for this group"
    return "below the published price, by the discount that the shop gives this group"


def _actions(decision: Mapping[str, Any]) -> Iterator[str]:
    chosen = [c for c in decision["candidates"] if c[1] == "chosen" and c[2] != "fallback"]
    for action, _, _, reason in chosen:
        yield f"“{action}” was chosen: {_words(reason)}."
    if not chosen:
        yield "No offer or message was chosen for you."


def _factors(record: Mapping[str, Any], situation: Situation, rules: Rules) -> Iterator[str]:
    facts = situation.facts
    read = not situation.opted_out and record["decision"]["mode"] != "ban"
    if facts is not None and facts.order_count and read:
        currency = rules.scorer.currency
        seen = describe(facts, as_of=situation.as_of, currency=currency)
        if seen.recency_days is not None:
            yield f"Your last order was {seen.recency_days:.0f} days before."
        yield f"You had placed {seen.frequency or 0:.0f} orders that count."
        if seen.monetary_minor is not None:
            usual = format_amount(round(seen.monetary_minor), currency=currency)
            yield f"Your orders came to {usual} on average."
        if seen.tenure_days is not None:
            yield f"Your first order was {seen.tenure_days:.0f} days before."
        for name in sorted(situation.supplied):
            yield f"The shop also used what it notes as “{name}”."
    place = situation.context.country
    yield "The rules of " + (place or "an unknown place") + " for personal prices applied."


def _nearest(record: Mapping[str, Any], situation: Situation, rules: Rules) -> Iterator[str]:
    """True by construction: each alternative was decided by the rules that decided."""
    try:
        decision = reexecute(record, rules=rules)
        if differences(record, rules=rules):
            return
    except Refused:
        return
    for each in counterfactuals(situation, decision, rules=rules)[:NEAREST]:
        said = each.had.replace("had they", "had you").replace(" they ", " you ")
        yield f"{said[0].upper()}{said[1:]}: {each.outcome}."


def _words(reason: str) -> str:
    told = REASONS.get(reason, reason.replace("_", " "))
    return told.replace("the customer is", "you are").replace("the customer", "you")
