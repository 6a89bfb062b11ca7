"""May this mail go out now: asked again in the moment of sending, on what is stored by then."""

from __future__ import annotations

from chalicelib.core.address import AddressState
from chalicelib.core.contact import Contact
from chalicelib.core.control import Switches
from chalicelib.core.situation import permissions_of

# A mail that must not go out yet, as opposed to never: it is put off, not suppressed.
SENDING_OFF = "sending_off"


def forbidden(
    *,
    purpose: str,
    contact: Contact | None,
    address: AddressState | None,
    switches: Switches | None,
    offer_expires_at: int | None,
    now: int,
) -> str | None:
    """The reason code why a mail must not be sent, None when it may.

    What forbids it for good comes first, so that a mail nobody agreed to does not wait for the
    switch. Marketing needs a yes from the customer, and that nobody with the same address has said
    no since; a transactional mail needs only that nobody said no to it.

    Args:
        purpose: what the mail is for, the purpose that consent is given to.
        contact: what the customer said; None when nothing is known.
        address: what the owner of the address said no to, through any account with it.
        switches: the operator's switches; None when they were never touched.
        offer_expires_at: when the mail's offer ends, None without one.
        now: the moment of sending, in epoch seconds.
    """
    if contact is None or contact.text("email") is None:
        return "no_address"
    if address is not None and address.binds(purpose, subject_key=contact.subject.key):
        return "withdrawn"
    if address is not None and address.forbids(
        purpose, subject_key=contact.subject.key, agreed_at=contact.agreed_at(purpose)
    ):
        return "no_consent"
    reason = _unwanted(purpose, contact)
    if reason is not None:
        return reason
    if offer_expires_at is not None and offer_expires_at <= now:
        return "offer_expired"
    if switches is not None and not switches.sending:
        return SENDING_OFF
    return None


def _unwanted(purpose: str, contact: Contact) -> str | None:
    said = permissions_of(contact)
    if purpose == "transactional":
        return "no_consent" if said.objects_to(purpose) else None
    if not said.agrees_to(purpose):
        return "no_consent"
    if said.objects_to("profiling") or said.objects_to("personalised_pricing"):
        return "opted_out"  # nobody is chosen by a profile that they object to
    return None
