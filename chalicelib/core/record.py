"""The decision record: inputs by value, the documents that decided by hash, and the outcome.

A record re-executes: ``situation_from_json`` gives back exactly what ``decide`` was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from chalicelib.core.candidates import Candidate
from chalicelib.core.canonical import short_hash
from chalicelib.core.catalogue import product_from_json, product_to_json
from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision
from chalicelib.core.exploration import choice_from_json, choice_to_json
from chalicelib.core.facts import Facts, facts_from_json, facts_to_json
from chalicelib.core.learning import used_from_json, used_to_json
from chalicelib.core.offers import offer_from_json, offer_to_json
from chalicelib.core.policy import Policy
from chalicelib.core.pricing import line_from_json, line_to_json
from chalicelib.core.scores import Scorer, Scores
from chalicelib.core.shown_prices import shown_from_json, shown_to_json
from chalicelib.core.situation import Context, Held, KeptPrice, Line, Permissions, Situation
from chalicelib.core.subject import Subject

RECORD_SCHEMA = 1
_CONTEXT = (
    "country",
    "region",
    "currency",
    "session_id",
    "time_zone",
    "pricing_opt_out",
    "gpc",
)
_context_values = attrgetter(*_CONTEXT)


def build_record(
    situation: Situation,
    decision: Decision,
    *,
    policy: Policy,
    jurisdictions_hash: str,
    scorer: Scorer,
    correlation_id: str,
    request_hash: str | None = None,
    champion_hash: str | None = None,
) -> dict[str, Any]:
    """Write down one decision as JSON.

    ``policy`` and ``model`` are what really decided; ``champion`` is the policy whose arms named
    them, where there was a choice.
    """
    return {
        "schema": RECORD_SCHEMA,
        "decision_id": situation.decision_id,
        "subject": situation.subject.key,
        "decided_at": situation.as_of,
        "correlation_id": correlation_id,
        "request_hash": request_hash,
        "policy": policy.hash,
        "jurisdictions": jurisdictions_hash,
        "model": {"name": scorer.name, "hash": scorer.hash},
        "situation": situation_to_json(_as_used(situation, decision)),
        "decision": decision_to_json(decision),
        **_where_known(champion=champion_hash),
    }


def rules_hash_of(record: Mapping[str, Any]) -> str:
    """The policy from which everything about a record follows: the champion, where it has arms."""
    named: str = record.get("champion") or record["policy"]
    return named


def _as_used(situation: Situation, decision: Decision) -> Situation:
    """The situation with no more of the learning document than the decision needs to be repeated.

    Means of what competed, since they name the finalists, and samples of those.
    """
    if situation.learned is None:
        return situation
    competed = [c.action for c in decision.candidates if c.layer in ("arbitration", "experiment")]
    choice = decision.choice
    finalists = () if choice is None else tuple(each.action for each in choice.finalists)
    segment = decision.scores.segment
    used = situation.learned.narrowed(segment, actions=competed, finalists=finalists)
    return replace(situation, learned=used)


def _facts(facts: Facts) -> dict[str, Any]:
    """What a decision knows of a profile: since when a segment holds, no rule may ask."""
    stored = facts_to_json(facts)
    stored.pop("segment_at", None)
    return stored


def situation_to_json(situation: Situation) -> dict[str, Any]:
    """Every input of the decision, by value."""
    held = situation.held
    return {
        "decision_id": situation.decision_id,
        "subject": situation.subject.key,
        "placement": situation.placement,
        "as_of": situation.as_of,
        "trigger": situation.trigger,
        "context": dict(zip(_CONTEXT, _context_values(situation.context), strict=True)),
        "lines": list(map(list, situation.lines)),
        "facts": None if situation.facts is None else _facts(situation.facts),
        "permissions": {
            "has_address": situation.permissions.has_address,
            "consents": dict(situation.permissions.consents),
        },
        "switches": {
            "sending": situation.switches.sending,
            "pricing": situation.switches.pricing,
            "offers": situation.switches.offers,
        },
        "products": [product_to_json(product) for product in situation.products.values()],
        "held": None
        if held is None
        else {
            "tier": held.tier,
            "offers": [offer_to_json(offer) for offer in held.offers],
            "prices": {sku: list(kept) for sku, kept in held.prices.items()},
        },
        "live_offers": [offer_to_json(offer) for offer in situation.live_offers.values()],
        "contacted": sorted(situation.contacted),
        "limited": dict(situation.limited),
        "supplied": dict(situation.supplied),
        "shown": shown_to_json(situation.shown),
        "learned": used_to_json(situation.learned),
        **_where_known(redeemed_at=situation.redeemed_at, mails_left=situation.mails_left),
    }


def _where_known(**values: Any) -> dict[str, Any]:
    """These values without those that say nothing."""
    return {name: value for name, value in values.items() if value is not None}


def situation_from_json(stored: Mapping[str, Any]) -> Situation:
    """Undo ``situation_to_json``."""
    held = stored["held"]
    live = [offer_from_json(offer) for offer in stored["live_offers"]]
    products = [product_from_json(product) for product in stored["products"]]
    return Situation(
        decision_id=stored["decision_id"],
        subject=Subject.from_key(stored["subject"]),
        placement=stored["placement"],
        as_of=stored["as_of"],
        trigger=stored["trigger"],
        context=Context(**stored["context"]),
        lines=tuple(Line(*line) for line in stored["lines"]),
        facts=None if stored["facts"] is None else facts_from_json(stored["facts"]),
        permissions=Permissions(**stored["permissions"]),
        switches=Switches(**stored["switches"]),
        products={product.sku: product for product in products},
        held=None
        if held is None
        else Held(
            held["tier"],
            tuple(offer_from_json(offer) for offer in held["offers"]),
            {sku: KeptPrice(*kept) for sku, kept in held.get("prices", {}).items()},
        ),
        live_offers={offer.action: offer for offer in live},
        contacted=frozenset(stored["contacted"]),
        limited=stored.get("limited", {}),
        supplied=stored.get("supplied", {}),
        shown=shown_from_json(stored.get("shown", {})),
        learned=used_from_json(stored.get("learned")),
        redeemed_at=stored.get("redeemed_at"),
        mails_left=stored.get("mails_left"),
    )


def situation_hash(situation: Situation) -> str:
    """Hash of all that the customer or the operator could have changed since the last answer."""
    switches = situation.switches
    seen = (
        _context_values(situation.context),
        situation.lines,
        situation.opted_out,
        (switches.sending, switches.pricing, switches.offers),
    )
    # Compared within one session only, so any text that differs where the values do will do.
    return short_hash(repr(seen))


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """The outcome as the record keeps it."""
    return {
        "segment": decision.scores.segment,
        "scores": {
            "churn": decision.scores.churn,
            "expected_orders": decision.scores.expected_orders,
        },
        "model": decision.scores.model,
        "fallback": decision.scores.fallback,
        "tier": decision.tier,
        "price_reason": decision.price_reason,
        "mode": decision.mode,
        "disclosures": list(decision.disclosures),
        "lines": list(map(line_to_json, decision.lines)),
        "offers": [offer_to_json(offer) for offer in decision.offers],
        "issued": list(decision.issued),
        "chosen": list(decision.chosen),
        "treatments": {name: dict(each) for name, each in decision.treatments.items()},
        "candidates": list(map(list, decision.candidates)),
        "holdout": decision.holdout,
        "quote_expires_at": decision.quote_expires_at,
        "choice": choice_to_json(decision.choice),
        **_where_known(
            arms=dict(decision.arms) or None,
            exposures=list(decision.exposures) or None,
            not_running=list(decision.not_running) or None,
        ),
    }


def decision_from_json(stored: Mapping[str, Any]) -> Decision:
    """Undo ``decision_to_json``."""
    return Decision(
        scores=Scores(
            stored["segment"],
            stored["scores"]["churn"],
            stored["scores"]["expected_orders"],
            stored["model"],
            stored["fallback"],
        ),
        tier=stored["tier"],
        price_reason=stored["price_reason"],
        mode=stored["mode"],
        disclosures=tuple(stored["disclosures"]),
        lines=tuple(map(line_from_json, stored["lines"])),
        offers=tuple(offer_from_json(offer) for offer in stored["offers"]),
        issued=tuple(stored["issued"]),
        chosen=tuple(stored["chosen"]),
        treatments=stored.get("treatments", {}),
        candidates=tuple(Candidate(*candidate) for candidate in stored["candidates"]),
        holdout=stored["holdout"],
        quote_expires_at=stored["quote_expires_at"],
        choice=choice_from_json(stored.get("choice")),
        arms=stored.get("arms", {}),
        exposures=tuple(stored.get("exposures", ())),
        not_running=tuple(stored.get("not_running", ())),
    )


def recorded_codes(record: Mapping[str, Any]) -> Mapping[str, str]:
    """The codes that this decision issued, by action, for its re-execution."""
    issued = set(record["decision"]["issued"])
    return {
        offer["action"]: offer["code"]
        for offer in record["decision"]["offers"]
        if offer["action"] in issued
    }
