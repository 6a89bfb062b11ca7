"""Consent, export, erasure and the kill switches as the interface shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.api import present
from chalicelib.core.consents import Entry
from chalicelib.core.contact import Stamped
from chalicelib.core.coupons import state_of
from chalicelib.core.effects import Effect
from chalicelib.core.facts import facts_to_json
from chalicelib.core.instants import format_instant
from chalicelib.core.offers import Coupon, offer_to_json
from chalicelib.core.orders import OrderState, order_to_json
from chalicelib.flows.consent import Recorded
from chalicelib.flows.erase import Erasure
from chalicelib.flows.export import CustomerExport
from chalicelib.flows.switches import Control

Json = dict[str, Any]


def control(state: Control) -> Json:
    """The body of ``GET`` and ``PUT /v1/control``."""
    switches = state.switches
    return {
        "sending": switches.sending,
        "pricing": switches.pricing,
        "offers": switches.offers,
        "agreed": state.agreed,
    }


def consent(recorded: Recorded) -> Json:
    """The body of ``PUT /v1/customers/{id}/consent``."""
    stands = recorded.consent
    return {
        "entry": _entry(recorded.entry),
        "repeated": recorded.repeated,
        "purpose": stands.purpose,
        "granted": stands.granted,
        "said_at": None if stands.said_at is None else format_instant(stands.said_at),
    }


def erasure(told: Erasure) -> Json:
    """The body of ``DELETE /v1/customers/{id}``."""
    return {
        "state": "ERASED" if told.is_complete else "ERASING",
        "erased_at": format_instant(told.at),
        "counts": dict(told.counts),
    }


def export(told: CustomerExport, *, now: int) -> Json:
    """The body of ``GET /v1/customers/{id}/export``."""
    return {
        "customer_id": told.subject.id,
        "guests": list(told.guests),
        "facts": None if told.facts is None else facts_to_json(told.facts),
        "contact": {} if told.contact is None else _stamped(told.contact.fields),
        "supplied": {} if told.contact is None else _stamped(told.contact.supplied),
        "withdrawn": _withdrawn(told),
        "consent_ledger": [_entry(entry) for entry in told.ledger.entries],
        "consent_ledger_intact": told.ledger.is_intact,
        **_address_ledger(told),
        "orders": [_order(order) for order in told.orders],
        "decisions": [present.decision_record(record) for record in told.records],
        "effects": [_effect(effect) for effect in told.effects],
        "coupons": [_coupon(coupon, now=now) for coupon in told.coupons],
        "codes_issued": dict(told.issued),
        "left_out": dict(told.left_out),
    }


def _address_ledger(told: CustomerExport) -> Json:
    ledger = told.address_ledger
    return {
        "address_ledger": [] if ledger is None else [_entry(entry) for entry in ledger.entries],
        "address_ledger_intact": ledger is None or ledger.is_intact,
    }


def _withdrawn(told: CustomerExport) -> Json:
    address, contact = told.address, told.contact
    if address is None or contact is None:
        return {}
    purposes = address.withdrawn_for(contact.subject.key)
    return {purpose: format_instant(address.withdrawn[purpose]) for purpose in purposes}


def _stamped(fields: Mapping[str, Stamped]) -> Json:
    return {
        name: {"value": said.value, "said_at": format_instant(said.at)}
        for name, said in sorted(fields.items())
    }


def _entry(entry: Entry) -> Json:
    said = entry.statement
    return {
        "number": entry.number,
        "purpose": said.purpose,
        "granted": said.granted,
        "basis": said.basis,
        "wording": said.wording,
        "source": said.source,
        "said_at": format_instant(said.said_at),
        "address_confirmed": said.address_confirmed,
        "recorded_at": format_instant(entry.recorded_at),
        "key_id": entry.key_id,
        "reference": entry.reference,
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _order(order: OrderState) -> Json:
    return order_to_json(order)


def _effect(effect: Effect) -> Json:
    return {
        "effect_id": effect.effect_id,
        "kind": effect.kind,
        "action": effect.action,
        "decision_id": effect.decision_id,
        "state": effect.state,
        "reason": effect.reason,
        "planned_at": format_instant(effect.planned_at),
        "payload": dict(effect.payload),
    }


def _coupon(coupon: Coupon, *, now: int) -> Json:
    offer = coupon.offer
    return {
        **offer_to_json(offer),
        "expires_at": format_instant(offer.expires_at),
        "issued_at": format_instant(coupon.issued_at),
        "state": state_of(coupon, now=now),
        "uses": [
            {
                "order_id": use.order_id,
                "state": use.state,
                "amount": use.amount_minor,
                "rolled_back": use.rolled_back_minor,
            }
            for use in coupon.uses
        ],
    }
