"""A decision record in words for a person, ending with what would have changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.counterfactual import counterfactuals
from chalicelib.core.errors import Refused
from chalicelib.core.facts import facts_from_json
from chalicelib.core.features import Features, describe
from chalicelib.core.instants import format_instant
from chalicelib.core.money import format_amount
from chalicelib.core.pricing import PricedLine, line_from_json
from chalicelib.core.record import situation_from_json
from chalicelib.core.replay import differences, reexecute, rules_of_then
from chalicelib.core.rules import Rules

# What each reason code means, in words that a customer can be given.
REASONS: Mapping[str, str] = {
    "highest_priority": "it was worth most of all that were possible",
    "lower_priority": "another action was worth more",
    "explored": "it was tried, to learn whether it is worth more than it seems",
    "costs_too_much": "it costs more than it is worth",
    "segment_not_allowed": "it is meant for other segments",
    "opted_out": "the customer opted out of personalisation",
    "offers_switched_off": "an operator has switched offers off",
    "no_address": "no e-mail address is known",
    "no_consent": "the customer did not agree to marketing mail",
    "not_triggered": "what happened does not trigger it",
    "cart_below_minimum": "the cart is below the minimum",
    "no_propensity": "no model was there to judge it",
    "churn_below_threshold": "the customer is likely to come back anyway",
    "would_buy_anyway": "the customer is expected to buy anyway",
    "contacted_recently": "the customer was contacted about it recently",
    "global_holdout": "the customer is in the group for whom nothing is personalised",
    "kept": "this session was already shown it",
    "session_shows_another": "this session was already shown another action",
    "nothing_else_survived": "nothing else was possible",
    "no_cart": "no cart was sent",
    "pricing_switched_off": "an operator has switched personal prices off",
    "unknown_jurisdiction": "the rules of the place are not known",
    "banned": "the place forbids personal prices",
    "no_tier_fits": "no price tier is meant for this segment and propensity",
    "tier_fits": "the first price tier for this segment and propensity",
    "session_kept": "this session was already shown this tier",
    "not_in_catalogue": "not in the catalogue, so the shop's own price stands",
    "catalogue_currency_differs": "the catalogue has another currency, so the shop's price stands",
    "catalogue_price_differs": "the catalogue's price stands, the cart said another",
    "no_floor": "the catalogue names no floor, so there is no personal price",
    "floor_reached": "the discount stopped at the floor",
    "ceiling_reached": "a price never lies above its ceiling, by default the published price",
    "step_limited": "prices shown to one customer move by no more than a step within a day",
    "step_leaves_no_price": "no price lies within a day's step of what was shown, so the published "
    "price stands",
    "rounding_leaves_no_price": "no round price lies within the bounds, so the published price "
    "stands",
    "price_rule_failed": "a rule of the policy could not be applied, so the published price stands",
    "catalogue_unusable": "the catalogue's price cannot be one, so the shop's own price stands",
    "best_combination": "together with what else was chosen it was worth most",
    "combined_discount_cap": "all discounts together would have been more than allowed",
    "open_to_all": "by now it is open to everybody",
    "another_currency": "the cart is in another currency than the offer",
    "not_in_scope": "nothing in the cart is what it is about",
    "below_minimum_spend": "the cart holds less of it than the minimum spend",
    "frequency_cap": "the customer has had as many mails as they may have for now",
    "cool_down_after_order": "the customer has ordered a short while ago",
    "cool_down_after_redemption": "the customer has used a code a short while ago",
    "control": "the customer is in the group that is never shown it, to compare with",
    "switched_off": "an experiment shows these customers no such action, to compare with",
}
# The same of reasons that name another action after a colon.
REASONS_WITH_ACTION: Mapping[str, str] = {
    "excluded_by": "it may not stand beside {}, which was chosen",
    "comes_after": "it comes only after {}",
}


def explain(record: Mapping[str, Any], *, rules: Rules) -> str:
    """The whole reasoning of one decision as text; reads nothing but the record and the rules."""
    rules = rules_of_then(record, rules=rules)
    parts = [
        _heading(record),
        _known(record, rules),
        _scores(record),
        _price(record),
        _actions(record),
    ]
    parts.append(_alternatives(record, rules))
    return "\n\n".join(part for part in parts if part)


def _heading(record: Mapping[str, Any]) -> str:
    situation = record["situation"]
    trigger = f", set off by {situation['trigger']}" if situation["trigger"] else ""
    arms = record["decision"].get("arms", {})
    said = "".join(f"\n  experiment {name}: arm {arm}" for name, arm in arms.items())
    return (
        f"Decision {record['decision_id']}\n"
        f"  for {record['subject']} at {format_instant(record['decided_at'])}, "
        f"placement {situation['placement']}{trigger}\n"
        f"  policy {record['policy']}\n"
        f"  model {record['model']['name']} {record['model']['hash']}\n"
        f"  correlation {record['correlation_id']}{said}"
    )


def _known(record: Mapping[str, Any], rules: Rules) -> str:
    stored = record["situation"]["facts"]
    if stored is None:
        return "What was known\n  nothing: no profile"
    facts = facts_from_json(stored)
    features = describe(facts, as_of=record["situation"]["as_of"], currency=rules.scorer.currency)
    lines = [
        f"  {name}: {value}" for name, value in _feature_words(features, rules.scorer.currency)
    ]
    return "What was known\n" + "\n".join(lines)


def _feature_words(features: Features, currency: str) -> list[tuple[str, str]]:
    def days(value: float | None) -> str:
        return "not known" if value is None else f"{value:.1f} days"

    amount = features.monetary_minor
    return [
        ("orders", f"{features.frequency or 0:.0f}"),
        ("since the last order", days(features.recency_days)),
        ("since the first order", days(features.tenure_days)),
        ("mean gap between orders", days(features.mean_gap_days)),
        (
            "mean order value",
            "not known" if amount is None else format_amount(round(amount), currency=currency),
        ),
    ]


def _scores(record: Mapping[str, Any]) -> str:
    decision = record["decision"]
    lines = [f"  segment {decision['segment']}"]
    if decision["scores"]["churn"] is None:
        lines.append("  no propensity: " + _why_no_score(record))
    else:
        lines.append(
            f"  probability of no order in the model's horizon: {decision['scores']['churn']:.3f}"
        )
        lines.append(
            f"  expected orders in the horizon: {decision['scores']['expected_orders']:.3f}"
        )
    if decision["fallback"]:
        lines.append("  this is the fallback, not the model's answer")
    return "What the model made of it\n" + "\n".join(lines)


def _why_no_score(record: Mapping[str, Any]) -> str:
    situation = situation_from_json(record["situation"])
    if situation.opted_out:
        return REASONS["opted_out"]
    if record["decision"]["mode"] == "ban":
        return REASONS["banned"]
    if situation.facts is None or not situation.facts.order_count:
        return "no order is known"
    return "the model document was refused and the rules of the policy served"


def _price(record: Mapping[str, Any]) -> str:
    decision, situation = record["decision"], record["situation"]
    if not situation["lines"]:
        return ""
    currency = situation["context"]["currency"]
    lines = [f"  tier {decision['tier']}: {words_of(decision['price_reason'])}"]
    lines.append(f"  rules of the place: {decision['mode'] or 'unknown'}")
    for line in map(line_from_json, decision["lines"]):
        base = format_amount(line.base_unit_price_minor, currency=currency)
        unit = format_amount(line.unit_price_minor, currency=currency)
        lines.append(f"  {line.quantity} x {line.sku}: {base} -> {unit}{_note(line)}")
    lines += [f"  shown with the price: {text}" for text in decision["disclosures"]]
    return "The price\n" + "\n".join(lines)


def _note(line: PricedLine) -> str:
    """What was special about a line, and which rules of stock and demand moved its discount."""
    said = [] if line.reason is None else [words_of(line.reason)]
    if line.adjustments:
        said.append("moved by " + ", ".join(line.adjustments))
    return f" ({'; '.join(said)})" if said else ""


def _actions(record: Mapping[str, Any]) -> str:
    lines = [
        f"  {outcome:8} {action} ({layer}): {words_of(reason)}"
        for action, outcome, layer, reason in record["decision"]["candidates"]
    ]
    return "Every action considered\n" + "\n".join(lines)


def _alternatives(record: Mapping[str, Any], rules: Rules) -> str:
    title = "What would have changed it\n"
    try:
        decision = reexecute(record, rules=rules)
        altered = differences(record, rules=rules)
    except Refused as refusal:
        return f"{title}  not to be said: {refusal.reason}; load the documents that decided"
    if altered:
        return (
            f"{title}  not to be said: the record does not re-execute ({', '.join(altered)} differ)"
        )
    found = counterfactuals(situation_from_json(record["situation"]), decision, rules=rules)
    if not found:
        return f"{title}  nothing that was tried: neither an order, nor silence, nor consent"
    return title + "\n".join(f"  {each.had}: {each.outcome}" for each in found)


def words_of(reason: str) -> str:
    """What a reason code means; one that has no words of its own is read as it is written."""
    kind, _, action = reason.partition(":")
    if action and kind in REASONS_WITH_ACTION:
        return REASONS_WITH_ACTION[kind].format(action)
    return REASONS.get(reason, reason.replace("_", " "))
