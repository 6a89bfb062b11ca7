"""Looking customers up, and everything about one of them on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.console.page import Page
from chalicelib.core.contact import TEXT_FIELDS
from chalicelib.core.effects import Effect
from chalicelib.core.explain import words_of
from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.money import format_amount
from chalicelib.flows.erase import Erasure
from chalicelib.flows.look_up import AddressView, Earlier
from chalicelib.flows.read import CustomerView

MOST_HAPPENINGS = 40
PURPOSE_WORDS: Mapping[str, str] = {
    "transactional": "Mails about orders",
    "marketing_email": "News and offers by mail",
    "profiling": "Choosing by what they bought",
    "personalised_pricing": "Personal prices",
}


class Happening(NamedTuple):
    """One thing in the timeline; ``link`` leads to the decision, where there is one."""

    at: int
    what: str
    detail: str
    link: str | None = None


def customers_page(*, problem: str | None = None, asked: str = "") -> Page:
    """The form to look somebody up."""
    return Page(
        "customers",
        "Customers",
        {"problem": problem, "asked": asked},
        status=200 if problem is None else 404 if asked else 422,
    )


def address_page(found: AddressView) -> Page:
    """What is known of an address; the address itself is not repeated."""
    state = found.state
    return Page(
        "address",
        "An address",
        {
            "accounts": list(found.accounts),
            "has_more": found.has_more,
            "erased_at": found.erased_at,
            "withdrawn": [] if state is None else sorted(state.withdrawn.items()),
            "refused": [] if state is None else sorted(state.refused.items()),
            "suppressed": [] if state is None else sorted(state.suppressed.items()),
            "purposes": PURPOSE_WORDS,
        },
    )


def customer_page(
    view: CustomerView,
    *,
    earlier: Earlier | None,
    next_cursor: str | None,
    with_contact: bool,
    currency: str,
    now: int,
) -> Page:
    """Profile, consent, timeline, decisions and mails; ``earlier`` takes the place of the latest.

    Name and address are shown to whoever may export them, and to nobody else.
    """
    records = view.records if earlier is None else earlier.records
    mails = view.mails if earlier is None else earlier.mails
    contact = view.contact
    return Page(
        "customer",
        f"Customer {view.subject.id}",
        {
            "customer_id": view.subject.id,
            "facts": view.facts,
            "scores": view.scores,
            "features": [] if view.facts is None else _features(view.facts, currency, now),
            "consents": [
                (PURPOSE_WORDS[each.purpose], each.granted, each.said_at) for each in view.consents
            ],
            "has_address": view.has_address,
            "contact": [
                (name, said.value, said.at)
                for name in TEXT_FIELDS
                if contact is not None and (said := contact.fields.get(name)) is not None
            ],
            "with_contact": with_contact,
            "supplied": []
            if contact is None
            else [(name, said.value, said.at) for name, said in sorted(contact.supplied.items())],
            "timeline": _timeline(view) if earlier is None else [],
            "decisions": list(map(_decision, records)),
            "mails": list(map(_mail, mails)),
            "is_earlier": earlier is not None,
            "next_cursor": next_cursor,
        },
    )


def erase_page(customer_id: str, *, problem: str | None = None) -> Page:
    """What erasing somebody would do, and the field in which their id is typed."""
    return Page(
        "erase",
        "Erase a customer",
        {"customer_id": customer_id, "problem": problem},
        status=200 if problem is None else 422,
    )


def erased_page(customer_id: str, told: Erasure) -> Page:
    """How far an erasure has come."""
    return Page(
        "erased",
        "Erased" if told.is_complete else "Not everything is erased yet",
        {
            "customer_id": customer_id,
            "is_complete": told.is_complete,
            "at": told.at,
            "counts": sorted(told.counts.items()),
        },
        status=200 if told.is_complete else 202,
    )


def _features(facts: Facts, currency: str, now: int) -> list[tuple[str, str]]:
    """What the model is told of them at this moment, in words."""
    seen = describe(facts, as_of=now, currency=currency)

    def days(value: float | None) -> str:
        return "not known" if value is None else f"{value:,.0f} days"

    worth = seen.monetary_minor
    return [
        ("Orders that count", f"{seen.frequency or 0:.0f}"),
        ("Since the last order", days(seen.recency_days)),
        ("Since the first order", days(seen.tenure_days)),
        ("Between two orders", days(seen.mean_gap_days)),
        (
            "Mean order",
            "not known" if worth is None else format_amount(round(worth), currency=currency),
        ),
    ]


def _timeline(view: CustomerView) -> list[Happening]:
    """What happened, newest first: orders and visits, decisions, and what became of mails."""
    happened = [
        *([] if view.facts is None else _facts(view.facts)),
        *(
            Happening(
                record["decided_at"],
                f"Decision ({record['situation']['placement']})",
                ", ".join(record["decision"]["chosen"]) or "nothing chosen",
                record["decision_id"],
            )
            for record in view.records
        ),
        *(
            Happening(
                mail.changed_at or mail.planned_at,
                f"Mail {mail.state.lower().replace('_', ' ')}",
                f"{mail.action}{'' if mail.reason is None else ': ' + words_of(mail.reason)}",
                mail.decision_id,
            )
            for mail in view.mails
        ),
        *(
            Happening(
                each.said_at,
                "Consent" if each.granted else "Consent refused",
                PURPOSE_WORDS[each.purpose],
            )
            for each in view.consents
            if each.said_at is not None
        ),
    ]
    return sorted(happened, key=lambda each: each.at, reverse=True)[:MOST_HAPPENINGS]


def _facts(facts: Facts) -> Iterator[Happening]:
    for order in facts.recent:
        worth = format_amount(order.amount_minor, currency=order.currency)
        yield Happening(order.at, "Order", worth)
    if facts.last_checkout_at is not None:
        yield Happening(facts.last_checkout_at, "Checkout started", "the latest one")
    if facts.abandoned_checkout_at is not None:
        yield Happening(facts.abandoned_checkout_at, "Checkout abandoned", "this one was announced")
    if facts.last_product is not None:
        at, sku = facts.last_product
        yield Happening(at, "Product viewed", sku)
    if facts.older_count and facts.first_order_at is not None:
        yield Happening(
            facts.first_order_at, "First order", f"{facts.older_count} orders are kept as sums"
        )


def _decision(record: Mapping[str, Any]) -> Mapping[str, Any]:
    decision = record["decision"]
    chosen: Sequence[str] = decision["chosen"]
    return {
        "id": record["decision_id"],
        "at": record["decided_at"],
        "placement": record["situation"]["placement"],
        "trigger": record["situation"]["trigger"],
        "segment": decision["segment"],
        "tier": decision["tier"],
        "chosen": ", ".join(chosen) or "–",
    }


def _mail(mail: Effect) -> Mapping[str, Any]:
    return {
        "id": mail.effect_id,
        "action": mail.action,
        "state": mail.state,
        "reason": mail.reason,
        "planned_at": mail.planned_at,
        "changed_at": mail.changed_at,
        "decision_id": mail.decision_id,
    }
