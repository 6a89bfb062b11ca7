"""Customers and the decisions on them: look up, look at, replay, export, erase."""

from __future__ import annotations

from pydantic_core import to_json

from chalicelib.api import present_privacy
from chalicelib.api.console.operator import Answered, Operator
from chalicelib.console.customer_page import (
    address_page,
    customer_page,
    customers_page,
    erase_page,
    erased_page,
)
from chalicelib.console.decision_page import decision_page
from chalicelib.console.page import Download, Elsewhere, Page
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import BadInput, NotFound
from chalicelib.core.explain import explain
from chalicelib.core.plain_words import explain_to_customer
from chalicelib.core.record import rules_hash_of
from chalicelib.core.seal import is_intact
from chalicelib.core.subject import check_id
from chalicelib.flows import erase, export, look_up, read, review


def ask_for_customer(_: Operator) -> Page:
    """``GET /console/customers``."""
    return customers_page()


def find_customer(operator: Operator) -> Answered:
    """``POST /console/customers``: by id or address; posted, so that no log holds an address."""
    decision_id = operator.form.get("decision", "").strip()
    if decision_id:
        return Elsewhere(operator.site.path("decisions", decision_id))
    asked = operator.form.get("customer", "").strip()
    if not asked:
        return customers_page(problem="Enter a customer id, an e-mail address or a decision id.")
    store, keys, now = operator.store, operator.keys, operator.now
    try:
        check_id(asked, field="customer")
    except BadInput as error:
        return customers_page(problem=f"A customer id {error.errors[0].problem}.")
    # Some shops use addresses as ids, so the id comes first.
    if look_up.is_known(asked, store=store, now=now):
        return Elsewhere(operator.site.path("customers", asked))
    if "@" not in asked:
        return customers_page(
            problem="No event and no file has spoken of a customer with this id, or they were "
            "erased.",
            asked=asked,
        )
    found = look_up.find_by_address(asked, store=store, keys=keys, now=now)
    if len(found.accounts) == 1 and found.erased_at is None:
        return Elsewhere(operator.site.path("customers", found.accounts[0]))
    return address_page(found)


def show_customer(operator: Operator, customer_id: str) -> Page:
    """``GET /console/customers/{customer_id}``; a cursor leads to earlier decisions."""
    store, keys, now = operator.store, operator.keys, operator.now
    rules = operator.edge.rulebook().refresh(store=store, now=now, spread=operator.correlation_id)
    view = read.view_customer(customer_id, store=store, rules=rules, keys=keys, now=now)
    cursor = operator.query("cursor")
    earlier = None
    last_id = view.last_id
    if cursor is not None:
        earlier = look_up.earlier_decisions(
            customer_id, cursor=cursor, store=store, keys=keys, now=now
        )
        last_id = earlier.last_id
    next_cursor = None if last_id is None else look_up.cursor_behind(last_id, customer_id, keys)
    return customer_page(
        view,
        earlier=earlier,
        next_cursor=next_cursor,
        with_contact=operator.may("privacy"),
        currency=rules.scorer.currency,
        now=now,
    )


def export_customer(operator: Operator, customer_id: str) -> Download:
    """``GET /console/customers/{customer_id}/export``: everything that is stored, to save."""
    told = export.export_customer(
        customer_id, store=operator.store, keys=operator.keys, now=operator.now
    )
    text = to_json(present_privacy.export(told, now=operator.now), indent=2).decode()
    return Download(text, "application/json", "customer.json")


def ask_erase(operator: Operator, customer_id: str) -> Page:
    """``GET /console/customers/{customer_id}/erase``: what would happen; changes nothing."""
    check_id(customer_id, field="customer_id")
    if not look_up.is_known(customer_id, store=operator.store, now=operator.now):
        raise NotFound.of("customer_id", "names no customer; they may have been erased already")
    return erase_page(customer_id)


def erase_customer(operator: Operator, customer_id: str) -> Page:
    """``POST /console/customers/{customer_id}/erase``; the id must be typed once more."""
    if operator.form.get("typed", "").strip() != customer_id:
        return erase_page(customer_id, problem="What you typed is not the customer's id.")
    told = erase.erase_customer(
        customer_id,
        store=operator.store,
        keys=operator.keys,
        new_key=operator.edge.new_secret,
        pause=operator.edge.pause,
        now=operator.now,
        key_id=operator.named,
        correlation_id=operator.correlation_id,
    )
    return erased_page(customer_id, told)


def show_decision(operator: Operator, decision_id: str) -> Page:
    """``GET /console/decisions/{decision_id}``: why this price, why this offer."""
    store, keys, now = operator.store, operator.keys, operator.now
    record = read.find_record(decision_id, store=store, keys=keys, now=now)
    if is_erased(record):
        return decision_page(record, intact=None, told=None, reasoning=None, asked=None)
    rules = operator.edge.rulebook().find_or_current(rules_hash_of(record), store=store, now=now)
    intact = is_intact(record, keys)
    return decision_page(
        record,
        intact=intact,
        # What was altered is shown and not reasoned about.
        told=explain_to_customer(record, rules=rules) if intact else None,
        reasoning=explain(record, rules=rules) if intact else None,
        asked=review.find_review(record["decision_id"], store=store, now=now),
    )


def replay_decision(operator: Operator, decision_id: str) -> Page:
    """``POST /console/decisions/{decision_id}/replay``: decide it again, and compare."""
    differences = read.replay(
        decision_id,
        store=operator.store,
        book=operator.edge.rulebook(),
        keys=operator.keys,
        now=operator.now,
    )
    return Page(
        "replay",
        "Decided again",
        {"decision_id": decision_id, "differences": list(differences)},
    )
