"""Why this price, why this offer: every candidate's way through the layers of one decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.console.page import Page
from chalicelib.core.erasure import is_erased
from chalicelib.core.explain import words_of
from chalicelib.core.money import format_amount
from chalicelib.core.plain_words import Explanation
from chalicelib.core.pricing import PricedLine, line_from_json
from chalicelib.core.subject import Subject

# The layers in the order in which they are asked, each with the question that it asks.
LAYERS: Sequence[tuple[str, str, str]] = (
    ("eligibility", "Eligibility", "may they ever have it"),
    ("applicability", "Applicability", "is it relevant now"),
    ("suitability", "Suitability", "is it right for them"),
    ("contact_policy", "Contact policy", "was it said too often"),
    ("limits", "Limits", "is any left"),
    ("experiment", "Experiment", "is it kept back to compare"),
    ("arbitration", "Arbitration", "is it worth most"),
)
_ORDER = [name for name, _, _ in LAYERS]
# What the law of the place and the policy leave of personal prices, the stricter of both.
MODES: Mapping[str | None, str] = {
    "allow": "a personal price may be any",
    "disclose": "a personal price may be any, and is said to be one",
    "discount_only": "a personal price is never above the published one",
    "ban": "nobody has a personal price",
    None: "not known",
}


class Traced(NamedTuple):
    """One candidate: what became of it, why, and how each layer answered.

    ``steps`` has one word for each of ``LAYERS``: ``passed``, ``stopped``, ``won``, or ``unasked``
    where it did not come to that.
    """

    action: str
    is_chosen: bool
    layer: str
    reason: str
    words: str
    steps: tuple[str, ...]


def trace(candidates: Sequence[Sequence[str]]) -> list[Traced]:
    """The way of each candidate, as the record tells it: what won first.

    >>> trace([["offer", "rejected", "suitability", "would_buy_anyway"]])[0].steps[:4]
    ('passed', 'passed', 'stopped', 'unasked')
    """
    traced = [
        Traced(action, outcome == "chosen", layer, reason, words_of(reason), _steps(outcome, layer))
        for action, outcome, layer, reason in candidates
    ]
    return sorted(traced, key=lambda each: (not each.is_chosen, -_reached(each.layer)))


def _steps(outcome: str, layer: str) -> tuple[str, ...]:
    if layer not in _ORDER:  # the session kept what it was shown, or nothing else was left
        return ("unasked",) * len(_ORDER)
    place = _ORDER.index(layer)
    last = "won" if outcome == "chosen" else "stopped"
    return ("passed",) * place + (last,) + ("unasked",) * (len(_ORDER) - place - 1)


def _reached(layer: str) -> int:
    return _ORDER.index(layer) if layer in _ORDER else -1


def decision_page(
    record: Mapping[str, Any],
    *,
    intact: bool | None,
    told: Explanation | None,
    reasoning: str | None,
    asked: Mapping[str, Any] | None,
) -> Page:
    """The page of one decision.

    Args:
        record: as it may be shown; without its person where they were erased.
        intact: whether it is to the byte what was written down; None where nobody looked.
        told: the same in words for the customer.
        reasoning: the whole reasoning for an operator, with what would have changed it.
        asked: that a person shall look at it, where somebody asked.
    """
    decision, situation = record["decision"], record["situation"]
    gone = is_erased(record)
    subject = None if gone else Subject.from_key(record["subject"])
    return Page(
        "decision",
        f"Decision {record['decision_id']}",
        {
            "decision_id": record["decision_id"],
            "at": record["decided_at"],
            "customer_id": subject.id if subject and subject.kind == "customer" else None,
            "guest_id": subject.id if subject and subject.kind == "anonymous" else None,
            "erased_at": record.get("erased_at"),
            "placement": situation["placement"],
            "trigger": situation["trigger"],
            "context": {} if gone else situation["context"],
            "correlation_id": record["correlation_id"],
            "policy": record["policy"],
            "model": record["model"],
            "intact": intact,
            "segment": decision["segment"],
            "scores": decision.get("scores", {"churn": None, "expected_orders": None}),
            "fallback": decision["fallback"],
            "tier": decision["tier"],
            "price_words": words_of(decision["price_reason"]),
            "mode": MODES.get(decision["mode"], decision["mode"]),
            "disclosures": decision["disclosures"],
            "lines": [] if gone else _lines(record),
            "holdout": decision["holdout"],
            "arms": sorted(decision.get("arms", {}).items()),
            "choice": decision.get("choice"),
            "layers": LAYERS,
            "candidates": trace(decision["candidates"]),
            "told": told,
            "reasoning": reasoning,
            "asked": asked,
        },
    )


def _lines(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    currency = record["situation"]["context"]["currency"]
    decision = record["decision"]
    return [
        {
            "sku": line.sku,
            "quantity": line.quantity,
            "base": format_amount(line.base_unit_price_minor, currency=currency),
            "unit": format_amount(line.unit_price_minor, currency=currency),
            "is_lower": line.unit_price_minor < line.base_unit_price_minor,
            "words": _why(line, decision["tier"], decision["price_reason"]),
        }
        for line in map(line_from_json, decision["lines"])
    ]


def _why(line: PricedLine, tier: str, price_reason: str) -> str:
    """Why a line has its price: the tier, what moved its discount, what was special."""
    said = []
    if line.unit_price_minor != line.base_unit_price_minor:
        said.append(f"tier {tier}: {words_of(price_reason)}")
    if line.adjustments:
        said.append("moved by " + ", ".join(line.adjustments))
    if line.reason is not None:
        said.append(words_of(line.reason))
    return "; ".join(said) or "the published price, as for everybody"
