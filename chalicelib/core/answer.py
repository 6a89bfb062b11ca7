"""What the caller is told: the decision in the words of the interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.core.candidates import Candidate
from chalicelib.core.decide import Decision
from chalicelib.core.instants import format_instant
from chalicelib.core.offers import terms_to_json
from chalicelib.core.price_tiers import BASE_TIER
from chalicelib.core.pricing import BROKEN_REASONS, PricedLine, overruled, total_minor
from chalicelib.core.situation import Line, Situation
from chalicelib.core.tokens import SigningKeys, sign

QUOTE = "quote"
_CART_PRICE = {
    "action": "cart_price",  # no action of a policy has an underscore in its name
    "outcome": "rejected",
    "layer": "catalogue",
    "reason": "catalogue_price_differs",
}


def build_answer(
    situation: Situation, decision: Decision, *, policy_hash: str, keys: SigningKeys
) -> dict[str, Any]:
    """The body of ``POST /v1/decisions``."""
    answer: dict[str, Any] = {
        "decision_id": situation.decision_id,
        f"{situation.subject.kind}_id": situation.subject.id,
        "degraded": False,
        "segment": {
            "name": decision.scores.segment,
            "model": decision.scores.model,
            "fallback": decision.scores.fallback,
        },
        "scores": {
            "churn": decision.scores.churn,
            "expected_orders": decision.scores.expected_orders,
        },
        "price": _price(situation, decision, keys),
        "offers": [
            {
                "action": offer.action,
                "code": offer.code,
                "kind": offer.kind,
                "value": offer.value,
                "expires_at": format_instant(offer.expires_at),
                **terms_to_json(offer),
            }
            for offer in decision.offers
        ],
        "treatments": [
            {"action": action, "content": dict(content)}
            for action, content in decision.treatments.items()
        ],
        "reasons": reasons(decision.candidates, situation.lines, decision.lines),
        "experiment": {
            "holdout": decision.holdout,
            "arms": dict(decision.arms),
            **({"not_running": list(decision.not_running)} if decision.not_running else {}),
        },
        "policy": policy_hash,
        "expires_at": format_instant(decision.quote_expires_at),
    }
    return answer


def reasons(
    candidates: Iterable[Candidate], cart: Iterable[Line], priced: Iterable[PricedLine]
) -> list[dict[str, str]]:
    """What became of every action, and of every price in the cart that is not the catalogue's."""
    told = [
        {"action": c.action, "outcome": c.outcome, "layer": c.layer, "reason": c.reason}
        for c in candidates
    ]
    told += [{**_CART_PRICE, "sku": sku} for sku in overruled(cart, priced)]
    return told


def _price(situation: Situation, decision: Decision, keys: SigningKeys) -> dict[str, Any] | None:
    if not situation.lines:
        return None
    promised = quote_payload(situation, decision)
    return {
        "tier": decision.tier,
        "reason": decision.price_reason,
        "mode": decision.mode,
        "currency": situation.context.currency,
        "disclosures": list(decision.disclosures),
        "lines": [
            {
                "sku": line.sku,
                "quantity": line.quantity,
                "base_unit_price": line.base_unit_price_minor,
                "unit_price": line.unit_price_minor,
                **({} if line.reason is None else {"reason": line.reason}),
                **claims(line),
            }
            for line in decision.lines
        ],
        "total": promised["t"],
        "quote": sign(keys, purpose=QUOTE, payload=promised),
    }


def broken_prices(price: Mapping[str, Any] | None) -> int:
    """How many prices fell back to the published one because a rule or an article is broken."""
    if price is None:
        return 0
    broken = sum(line.get("reason") in BROKEN_REASONS for line in price["lines"])
    return broken + (price["reason"] in BROKEN_REASONS)


def claims(line: PricedLine) -> dict[str, Any]:
    """What may be claimed of a line's price, and which rules have moved its discount."""
    told: dict[str, Any] = {}
    if line.was_minor is not None:
        told = {"was": line.was_minor, "percent_off": line.percent_off}
    if line.adjustments:
        told["adjustments"] = list(line.adjustments)
    return told


def quote_payload(situation: Situation, decision: Decision) -> dict[str, Any]:
    """What a quote promises: these lines at these prices until then."""
    return {
        "d": situation.decision_id,
        "c": situation.context.currency,
        "l": [[line.sku, line.quantity, line.unit_price_minor] for line in decision.lines],
        "t": total_minor(decision.lines),
        "x": decision.quote_expires_at,
    }


def degraded_answer(
    situation: Situation,
    *,
    policy_hash: str,
    model: str,
    unknown_segment: str,
    expires_at: int,
) -> dict[str, Any]:
    """What a checkout is told when storage did not answer: its own prices, no offer, no quote."""
    lines = situation.lines
    price = {
        "tier": BASE_TIER,
        "reason": "degraded",
        "mode": None,
        "currency": situation.context.currency,
        "disclosures": [],
        "lines": [
            {
                "sku": line.sku,
                "quantity": line.quantity,
                "base_unit_price": line.unit_price_minor,
                "unit_price": line.unit_price_minor,
            }
            for line in lines
        ],
        "total": sum(line.quantity * line.unit_price_minor for line in lines),
        "quote": None,
    }
    return {
        "decision_id": situation.decision_id,
        f"{situation.subject.kind}_id": situation.subject.id,
        "degraded": True,
        "segment": {"name": unknown_segment, "model": model, "fallback": True},
        "scores": {"churn": None, "expected_orders": None},
        "price": price if lines else None,
        "offers": [],
        "treatments": [],
        "reasons": [],
        "experiment": {"holdout": False, "arms": {}},
        "policy": policy_hash,
        "expires_at": format_instant(expires_at),
    }
