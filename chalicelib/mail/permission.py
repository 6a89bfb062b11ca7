"""May this mail go out now: asked again in the moment of sending, on what is stored by then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib.core.address import AddressState
from chalicelib.core.breaker import Tally, opened_by
from chalicelib.core.contact import Contact
from chalicelib.core.contact_policy import ContactPolicy, quiet_until
from chalicelib.core.control import Switches
from chalicelib.core.coupons import CouponState, state_of
from chalicelib.core.offers import Coupon, Offer
from chalicelib.core.situation import permissions_of

# A mail that must not go out yet, as opposed to never: it is put off, not suppressed.
SENDING_OFF = "sending_off"
CAPPED = "frequency_cap"
# Nobody is chosen for marketing by a profile, or offered a price, that they object to.
MADE_FROM = ("profiling", "personalised_pricing")
# How long a mail waits for an operator or the breaker: the longest that SQS delays a message.
LOOK_AGAIN_SECONDS = 900
# A promise that nobody could use is worse than no mail.
_GONE: Mapping[CouponState, str] = {
    "redeemed": "offer_used",
    "rolled_back": "offer_used",
    "revoked": "offer_revoked",
}


@dataclass(frozen=True, slots=True)
class Hold:
    """A mail may not go out before ``until``, in epoch seconds; then it is asked about again."""

    reason: str
    until: int


def forbidden(
    *,
    purpose: str,
    contact: Contact | None,
    address: AddressState | None,
    switches: Switches | None,
    offer_gone: str | None,
) -> str | None:
    """The reason code why a mail must not be sent, None when it may.

    What forbids it for good comes first, so that a mail nobody agreed to does not wait for the
    switch. Marketing needs a yes from the customer, and that nobody with the same address has said
    no since; a transactional mail needs only that nobody said no to it.

    Args:
        purpose: what the mail is for, the purpose that consent is given to.
        contact: what the customer said; None when nothing is known.
        address: what the owner of the address said no to, through any account with it, and
            what its provider said.
        switches: the operator's switches; None when they were never touched.
        offer_gone: why what the mail offers is not to be had any more (``why_offer_is_gone``).
    """
    if contact is None or contact.text("email") is None:
        return "no_address"
    if address is not None:
        reason = _forbidden_by_owner(purpose, contact, address)
        if reason is not None:
            return reason
    reason = _unwanted(purpose, contact)
    if reason is not None:
        return reason
    if offer_gone is not None:
        return offer_gone
    if switches is not None and not switches.sending:
        return SENDING_OFF
    return None


def why_offer_is_gone(offer: Offer | None, coupon: Coupon | None, *, now: int) -> str | None:
    """Why a mail's offer is not to be had any more; None when it is, or when there is none.

    ``coupon`` is the code as it stands by now: a cart may have used it since the mail was planned.
    """
    if offer is None:
        return None
    if offer.expires_at <= now:
        return "offer_expired"
    return None if coupon is None else _GONE.get(state_of(coupon, now=now))


def held_back(
    *,
    purpose: str,
    contact: Contact,
    tallies: Iterable[Tally],
    policy: ContactPolicy,
    now: int,
) -> Hold | None:
    """Until when a mail that nothing forbids has to wait, None when it need not.

    Marketing waits while the breaker is open and in the recipient's quiet hours; a transactional
    mail waits for neither.
    """
    if purpose == "transactional":
        return None
    opened = opened_by(tallies, now=now)
    if opened is not None:
        return Hold(opened, now + LOOK_AGAIN_SECONDS)
    until = quiet_until(contact.text("time_zone"), policy=policy, now=now)
    return None if until is None else Hold("quiet_hours", until)


def _forbidden_by_owner(purpose: str, contact: Contact, address: AddressState) -> str | None:
    """What the owner of the address withdrew or said no to, or their provider did."""
    subject_key = contact.subject.key
    if address.binds(purpose, subject_key=subject_key):
        return "withdrawn"
    if address.forbids(purpose, subject_key=subject_key, agreed_at=contact.agreed_at(purpose)):
        return "no_consent"
    if purpose != "transactional" and any(
        address.binds(each, subject_key=subject_key) for each in MADE_FROM
    ):
        return "opted_out"
    suppression = address.suppression(purpose)
    return None if suppression is None else suppression.reason


def _unwanted(purpose: str, contact: Contact) -> str | None:
    said = permissions_of(contact)
    if purpose == "transactional":
        return "no_consent" if said.objects_to(purpose) else None
    if not said.agrees_to(purpose):
        return "no_consent"
    if any(said.objects_to(each) for each in MADE_FROM):
        return "opted_out"
    return None
