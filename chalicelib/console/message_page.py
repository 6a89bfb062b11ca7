"""Mails by state: who was sent one, who was not, and why."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.console.page import Page
from chalicelib.core.effects import Effect
from chalicelib.core.subject import Subject
from chalicelib.flows.list_mails import Page as MailPage

# What can be asked for here, in the words of the choice.
OFFERED: Mapping[str, str] = {
    "not_sent": "Not sent, for whatever reason",
    "SUPPRESSED": "Suppressed by a rule",
    "held": "Held for later",
    "IN_DOUBT": "In doubt: nobody knows whether it left",
    "ABANDONED": "Given up after a doubt",
    "FAILED": "Failed",
    "REJECTED": "Rejected by the provider",
    "BOUNCED": "Bounced",
    "COMPLAINED": "Complained about",
    "PLANNED": "Planned",
    "ACCEPTED": "Accepted by the provider",
    "DELIVERED": "Delivered",
}

# What becomes of a mail that stands there, where the word alone does not tell.
MEANINGS: Mapping[str, str] = {
    "IN_DOUBT": "A worker or the provider broke off after the point of no return. The provider's "
    "own event settles it, mostly within minutes. Without one a marketing mail is given up after "
    "a day and never sent again; a mail about an order goes out once more.",
    "ABANDONED": "No event came within a day, so nobody knows whether it left. It is not sent "
    "again; an event that comes yet settles it.",
}


def messages_page(page: MailPage, *, state: str, cursor: str | None) -> Page:
    """One page of the list."""
    return Page(
        "messages",
        "Messages",
        {
            "offered": OFFERED,
            "state": state,
            "meaning": MEANINGS.get(state),
            "cursor": cursor,
            "mails": list(map(_mail, page.mails)),
            "next_cursor": page.next_cursor,
        },
    )


def _mail(mail: Effect) -> Mapping[str, object]:
    subject = Subject.from_key(mail.subject_key)
    return {
        "action": mail.action,
        "purpose": mail.payload.get("purpose", "–"),
        "customer_id": subject.id if subject.kind == "customer" else None,
        "decision_id": mail.decision_id,
        "at": mail.changed_at or mail.planned_at,
        "state": mail.state,
        "reason": mail.reason,
        "not_before": mail.not_before,
    }
