"""Stored things as the interface shows them: moments as ISO 8601, lists as named fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.answer import claims, reasons
from chalicelib.core.candidates import Candidate
from chalicelib.core.control import Drop
from chalicelib.core.effects import Effect
from chalicelib.core.erasure import is_erased
from chalicelib.core.exploration import Finalist
from chalicelib.core.facts import Facts, facts_from_json
from chalicelib.core.instants import format_instant
from chalicelib.core.pricing import line_from_json
from chalicelib.core.progress import Progress, progress_of
from chalicelib.core.situation import Line
from chalicelib.core.subject import Subject
from chalicelib.flows.list_drops import Page as DropPage
from chalicelib.flows.quotes import Verdict
from chalicelib.flows.read import Consent, CustomerView

Json = dict[str, Any]


def decision_record(record: Mapping[str, Any], *, intact: bool | None = None) -> Json:
    """The body of ``GET /v1/decisions/{id}``."""
    situation, decision = record["situation"], record["decision"]
    if is_erased(record):
        return _erased_record(record)
    return {
        "decision_id": record["decision_id"],
        **_who(Subject.from_key(record["subject"])),
        "decided_at": format_instant(record["decided_at"]),
        "placement": situation["placement"],
        "trigger": situation["trigger"],
        "correlation_id": record["correlation_id"],
        "intact": intact,
        "policy": record["policy"],
        **({"champion": record["champion"]} if "champion" in record else {}),
        "jurisdictions": record["jurisdictions"],
        "model": dict(record["model"]),
        "situation": _situation(situation),
        "decision": _decision(decision),
        "reasons": reasons(
            [Candidate(*each) for each in decision["candidates"]],
            [Line(*each) for each in situation["lines"]],
            list(map(line_from_json, decision["lines"])),
        ),
    }


def review(decision_id: str, asked: Mapping[str, Any]) -> Json:
    """That a person shall look at a decision."""
    return {
        "decision_id": decision_id,
        "requested_at": format_instant(asked["requested_at"]),
        "key_id": asked["key_id"],
    }


def _erased_record(record: Mapping[str, Any]) -> Json:
    """A record whose person was erased: how it was decided, not about whom or from what."""
    situation, decision = record["situation"], dict(record["decision"])
    candidates = decision.pop("candidates")
    quote_expires_at = format_instant(decision["quote_expires_at"])
    return {
        "decision_id": record["decision_id"],
        "decided_at": format_instant(record["decided_at"]),
        "placement": situation["placement"],
        "trigger": situation["trigger"],
        "correlation_id": record["correlation_id"],
        "erased_at": format_instant(record["erased_at"]),
        "policy": record["policy"],
        "jurisdictions": record["jurisdictions"],
        "model": dict(record["model"]),
        "situation": {},
        "decision": {**decision, "quote_expires_at": quote_expires_at},
        "reasons": reasons([Candidate(*each) for each in candidates], (), ()),
    }


def customer(view: CustomerView) -> Json:
    """The body of ``GET /v1/customers/{id}``."""
    scores = view.scores
    return {
        **_who(view.subject),
        "segment": {"name": scores.segment, "model": scores.model, "fallback": scores.fallback},
        "scores": {"churn": scores.churn, "expected_orders": scores.expected_orders},
        "facts": None if view.facts is None else _facts(view.facts),
        "consent": {each.purpose: _consent(each) for each in view.consents},
        "has_address": view.has_address,
        "decisions": [_recent(record) for record in view.records],
        "messages": [_mail(effect) for effect in view.mails],
    }


def drop(state: Drop, *, now: int) -> Json:
    """The body of ``GET /v1/drops/{id}``."""
    progress = progress_of(state, now=now)
    return {
        "drop_id": state.drop_id,
        "key": state.key,
        "state": state.state,
        "as_of": format_instant(state.as_of),
        "started_at": format_instant(state.started_at),
        "changed_at": format_instant(state.changed_at),
        "counts": dict(state.counts),
        "reason": state.reason,
        "failed_parts": list(state.failed_parts),
        "failures": [{"part": each.part, "reason": each.reason} for each in state.failures],
        "progress": None if progress is None else _progress(progress),
    }


def drops(page: DropPage, *, now: int) -> Json:
    """The body of ``GET /v1/drops``."""
    return {
        "drops": [drop(each, now=now) for each in page.drops],
        "next_cursor": page.next_cursor,
    }


def _progress(progress: Progress) -> Json:
    pace = progress.per_second
    return {
        "phase": progress.phase,
        "records": progress.records,
        "done": progress.done,
        "rejected": progress.rejected,
        "records_per_second": None if pace is None else round(pace, 1),
        "seconds_left": progress.seconds_left,
        "parts": progress.parts,
        "parts_done": progress.parts_done,
    }


def quote(verdict: Verdict) -> Json:
    """The body of ``POST /v1/quotes/verify``."""
    body: Json = {"valid": verdict.valid, "reason": verdict.reason}
    if verdict.quote is not None:
        body |= {
            "decision_id": verdict.quote.decision_id,
            "currency": verdict.quote.currency,
            "lines": [
                {"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price_minor}
                for line in verdict.quote.lines
            ],
            "total": verdict.quote.total_minor,
            "expires_at": format_instant(verdict.quote.expires_at),
        }
    return body


def _who(subject: Subject) -> Json:
    return {f"{subject.kind}_id": subject.id}


def _situation(stored: Mapping[str, Any]) -> Json:
    facts, held = stored["facts"], stored["held"]
    return {
        "as_of": format_instant(stored["as_of"]),
        "context": dict(stored["context"]),
        "lines": [
            {"sku": sku, "quantity": quantity, "unit_price": unit_price}
            for sku, quantity, unit_price in stored["lines"]
        ],
        "facts": None if facts is None else _facts(facts_from_json(facts)),
        "permissions": dict(stored["permissions"]),
        "switches": dict(stored["switches"]),
        "products": [_product(each) for each in stored["products"]],
        "held": None
        if held is None
        else {
            "tier": held["tier"],
            "offers": [_offer(offer) for offer in held["offers"]],
            **_kept(held.get("prices", {})),
        },
        "live_offers": [_offer(offer) for offer in stored["live_offers"]],
        "contacted": list(stored["contacted"]),
        "redeemed_at": _moment(stored.get("redeemed_at")),
        "mails_left": stored.get("mails_left"),
    }


def _kept(prices: Mapping[str, Any]) -> Json:
    """What a session was quoted, by article; nothing where it kept no price."""
    return {"prices": {sku: unit for sku, (_, unit) in prices.items()}} if prices else {}


def _choice(stored: Mapping[str, Any] | None) -> Json | None:
    if stored is None:
        return None
    return {**stored, "finalists": [Finalist(*each)._asdict() for each in stored["finalists"]]}


def _decision(stored: Mapping[str, Any]) -> Json:
    return {
        "segment": stored["segment"],
        "scores": dict(stored["scores"]),
        "model": stored["model"],
        "fallback": stored["fallback"],
        "tier": stored["tier"],
        "price_reason": stored["price_reason"],
        "mode": stored["mode"],
        "disclosures": list(stored["disclosures"]),
        "lines": [
            {
                "sku": line.sku,
                "quantity": line.quantity,
                "base_unit_price": line.base_unit_price_minor,
                "unit_price": line.unit_price_minor,
                "reason": line.reason,
                **claims(line),
            }
            for line in map(line_from_json, stored["lines"])
        ],
        "offers": [_offer(offer) for offer in stored["offers"]],
        "issued": list(stored["issued"]),
        "chosen": list(stored["chosen"]),
        "holdout": stored["holdout"],
        "arms": dict(stored.get("arms", {})),
        "exposures": list(stored.get("exposures", ())),
        "not_running": list(stored.get("not_running", ())),
        "choice": _choice(stored.get("choice")),
        "quote_expires_at": format_instant(stored["quote_expires_at"]),
    }


def _facts(facts: Facts) -> Json:
    """Facts with every moment in words; the sums of older orders by currency."""
    product = facts.last_product
    return {
        "orders": facts.order_count,
        "first_order_at": _moment(facts.first_order_at),
        "last_order_at": _moment(facts.last_order_at),
        "recent_orders": [
            {"at": format_instant(at), "amount": amount_minor, "currency": currency}
            for at, _, amount_minor, currency in facts.recent
        ],
        "older_amounts": dict(facts.older_amounts_minor),
        "last_seen_at": _moment(facts.last_seen_at),
        "last_checkout_at": _moment(facts.last_checkout_at),
        "last_product": None
        if product is None
        else {"at": format_instant(product[0]), "sku": product[1]},
        "announced_segment": facts.segment,
        "review_at": _moment(facts.review_at),
    }


def _product(stored: Mapping[str, Any]) -> Json:
    names = {"base_price_minor": "base_price", "floor_minor": "floor_price"}
    shown = {names.get(name, name): value for name, value in stored.items()}
    if "said_at" in shown:
        shown["said_at"] = _moment(shown["said_at"])
    if "times" in shown:
        shown["times"] = {name: _moment(at) for name, at in stored["times"].items()}
    if "prices" in shown:
        shown["prices"] = [
            {"since": format_instant(at), "base_price": minor} for at, minor in stored["prices"]
        ]
    if "demand" in shown:
        views, pieces, at = stored["demand"]
        shown["demand"] = {"views": views, "pieces": pieces, "at": format_instant(at)}
    return shown


def _offer(stored: Mapping[str, Any]) -> Json:
    moments = {name: stored[name] for name in ("expires_at", "redeemed_at") if name in stored}
    return {**stored, **{name: format_instant(at) for name, at in moments.items()}}


def _recent(record: Mapping[str, Any]) -> Json:
    decision = record["decision"]
    return {
        "decision_id": record["decision_id"],
        "decided_at": format_instant(record["decided_at"]),
        "placement": record["situation"]["placement"],
        "trigger": record["situation"]["trigger"],
        "segment": decision["segment"],
        "tier": decision["tier"],
        "actions": list(decision["chosen"]),
    }


def _mail(effect: Effect) -> Json:
    return {
        "effect_id": effect.effect_id,
        "decision_id": effect.decision_id,
        "action": effect.action,
        "state": effect.state,
        "reason": effect.reason,
        "planned_at": format_instant(effect.planned_at),
        "changed_at": _moment(effect.changed_at),
    }


def _consent(consent: Consent) -> Json:
    return {"granted": consent.granted, "said_at": _moment(consent.said_at)}


def _moment(at: int | None) -> str | None:
    return None if at is None or at < 0 else format_instant(at)
