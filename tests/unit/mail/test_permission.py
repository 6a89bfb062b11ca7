"""Whether a mail may go out, in the moment of sending."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.address import AddressState
from chalicelib.core.control import Switches
from chalicelib.core.offers import Coupon, Use
from chalicelib.mail.permission import SENDING_OFF, forbidden, why_offer_is_gone
from tests.coupon_makers import coupon
from tests.mail_makers import NOW, contact_of

OFF = Switches(sending=False)
WITHDRAWN = AddressState({"marketing_email": NOW - 1})


def ask(**changes: Any) -> str | None:
    """Ask for a marketing mail to somebody who agreed, with some of it changed."""
    asked: dict[str, Any] = {
        "purpose": "marketing_email",
        "contact": contact_of(),
        "address": None,
        "switches": None,
        "offer_gone": None,
        **changes,
    }
    return forbidden(**asked)


def test_who_agreed_may_be_mailed() -> None:
    """An address and a yes are enough."""
    assert ask() is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contact": None}, "no_address"),
        ({"contact": contact_of(email=None)}, "no_address"),
        ({"contact": contact_of(consents={})}, "no_consent"),
        ({"contact": contact_of(consents={"marketing_email": False})}, "no_consent"),
        ({"contact": contact_of(consents={"transactional": True})}, "no_consent"),
        ({"address": WITHDRAWN}, "withdrawn"),
        ({"address": AddressState({"profiling": NOW})}, "opted_out"),
        ({"address": AddressState({"personalised_pricing": NOW})}, "opted_out"),
        ({"address": AddressState({"transactional": NOW})}, None),
        ({"purpose": "transactional", "address": AddressState({"profiling": NOW})}, None),
        ({"address": AddressState(refused={"marketing_email": 1})}, "no_consent"),
        ({"address": AddressState(refused={"marketing_email": 0})}, None),
        ({"address": AddressState(refused={"transactional": NOW})}, None),
        (
            {"purpose": "transactional", "address": AddressState(refused={"transactional": 1})},
            "no_consent",
        ),
        ({"offer_gone": "offer_expired"}, "offer_expired"),
        ({"offer_gone": "offer_used", "switches": OFF}, "offer_used"),
        ({"offer_gone": "offer_used", "contact": contact_of(consents={})}, "no_consent"),
        ({"switches": OFF}, SENDING_OFF),
        ({"switches": Switches(offers=False, pricing=False)}, None),
        ({"switches": OFF, "address": WITHDRAWN}, "withdrawn"),
    ],
)
def test_every_ban_has_its_own_reason(changes: dict[str, Any], reason: str | None) -> None:
    """What forbids a mail is named, and what forbids it for good comes before the switch."""
    assert ask(**changes) == reason


HELD = Use("o-1", "reserved", 5, budgeted=False, until=NOW + 1)
USED = Use("o-1", "redeemed", 5, budgeted=False)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (coupon(), None),
        (coupon(uses=(HELD,)), None),
        (coupon(uses=(USED,)), "offer_used"),
        (coupon(uses=(replace(USED, state="rolled_back"),)), "offer_used"),
        (coupon(uses=(USED,), redemptions=2), None),
        (coupon(revoked_at=NOW), "offer_revoked"),
        (None, None),
    ],
)
def test_an_offer_is_gone_with_its_code(code: Coupon | None, reason: str | None) -> None:
    """A code in somebody's cart may come back; one that was used or revoked is not mailed."""
    assert why_offer_is_gone(coupon().offer, code, now=NOW) == reason


def test_an_offer_is_gone_with_its_date() -> None:
    """From that moment on, whatever became of the code; a mail without one has none to lose."""
    offer = coupon().offer

    assert why_offer_is_gone(offer, coupon(), now=offer.expires_at - 1) is None
    assert why_offer_is_gone(offer, None, now=offer.expires_at) == "offer_expired"
    assert why_offer_is_gone(None, None, now=offer.expires_at) is None


@pytest.mark.parametrize("objection", ["profiling", "personalised_pricing"])
def test_who_objects_to_profiling_gets_no_mail_chosen_by_a_profile(objection: str) -> None:
    """An opt-out between planning and sending holds."""
    consents = {"marketing_email": True, objection: False}

    assert ask(contact=contact_of(consents=consents)) == "opted_out"


def test_a_transactional_mail_needs_no_consent() -> None:
    """Unsubscribing from marketing never stops a mail about an order; a plain no does."""
    assert ask(purpose="transactional", contact=contact_of(consents={})) is None
    assert ask(purpose="transactional", address=WITHDRAWN) is None

    refused = contact_of(consents={"transactional": False})
    assert ask(purpose="transactional", contact=refused) == "no_consent"


@given(
    consents=st.dictionaries(
        st.sampled_from(["transactional", "marketing_email", "profiling", "personalised_pricing"]),
        st.booleans(),
    ),
    withdrawn=st.sets(st.sampled_from(["transactional", "marketing_email", "profiling"])),
    sending=st.booleans(),
)
def test_no_consent_no_mail(consents: dict[str, bool], withdrawn: set[str], sending: bool) -> None:
    """For any statements: a marketing mail goes out only on a yes that nobody took back."""
    reason = ask(
        contact=contact_of(consents=consents),
        address=AddressState(dict.fromkeys(withdrawn, 1)),
        switches=Switches(sending=sending),
    )

    if reason is None:
        assert consents["marketing_email"] is True
        assert "marketing_email" not in withdrawn
        assert sending
