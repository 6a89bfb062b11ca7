"""Consent with proof: one entry for each statement, and the next decision or mail respects it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.address import AddressState, withdraw
from chalicelib.core.consents import Entry, Statement
from chalicelib.core.contact import Contact
from chalicelib.core.control import Switches
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, format_instant
from chalicelib.core.kinds import ADDRESS, CONSENT, CONTACT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows.consent import MOST_ENTRIES
from chalicelib.flows.consent_ledger import Told, append_to, read_ledger
from chalicelib.mail.permission import forbidden
from tests.mail_makers import hash_of
from tests.persons import consent
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

EMAIL = "ann@example.com"
KEY = ADDRESS.key(hash_of(EMAIL))


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop with two accounts of one address: c-1 and c-2."""
    with open_storefront() as storefront:
        for name in ("c-1", "c-2"):
            body = {
                "type": "identify",
                "userId": name,
                "timestamp": "2020-01-01T00:00:00Z",
                "traits": {"email": EMAIL, "consent_marketing_email": True},
            }
            assert storefront.call("POST", "/v1/events", body=body).status_code == 202
        yield storefront


def unsubscribe(shop: Storefront, *, at: int) -> None:
    """The owner of the address follows the link in a mail."""
    found = shop.store.read([KEY], now=NOW).value(KEY) or AddressState()
    shop.store.write([Put(KEY, withdraw(found, "marketing_email", at=at), WHATEVER)], now=NOW)


def why_not(shop: Storefront, customer_id: str) -> str | None:
    """Why a marketing mail to this account must not be sent now; None when it may."""
    key = CONTACT.key(customer(customer_id).key)
    found = shop.store.read([key, KEY], now=NOW)
    contact: Contact | None = found.value(key)
    return forbidden(
        purpose="marketing_email",
        contact=contact,
        address=found.value(KEY),
        switches=Switches(),
        offer_gone=None,
    )


def entries(shop: Storefront, customer_id: str = "c-1") -> Sequence[Entry]:
    """The customer's ledger."""
    return read_ledger(customer(customer_id).key, store=shop.store, now=NOW).entries


def granted(shop: Storefront, customer_id: str = "c-1", **changes: Any) -> Any:
    """What holds after a statement."""
    response = consent(shop, customer_id, **changes)
    assert response.status_code == 200, response.body
    return response.json_body["granted"]


def test_a_statement_is_kept_with_its_proof(shop: Storefront) -> None:
    """Purpose, basis, wording, source and moment stand in the ledger, and who told us when."""
    entry = consent(shop, "c-1").json_body["entry"]

    assert entry["number"] == 2  # the first is what the shop's "identify" said
    assert (entry["basis"], entry["wording"], entry["source"]) == (
        "consent",
        "newsletter-3",
        "form",
    )
    assert entry["said_at"] == "2026-01-01T00:00:00Z"
    assert entry["key_id"]


def test_the_same_statement_again_is_one_entry(shop: Storefront) -> None:
    """A repetition is told as one, and appends nothing."""
    consent(shop, "c-1")
    again = consent(shop, "c-1").json_body

    assert again["repeated"]
    assert again["entry"]["number"] == 2
    assert len(entries(shop)) == 2


def test_entries_hang_together(shop: Storefront) -> None:
    """Each entry holds the hash of the one before; a byte altered is found, and stops appending."""
    for wording in ("v1", "v2", "v3"):
        consent(shop, "c-1", wording=wording)
    ledger = read_ledger(customer("c-1").key, store=shop.store, now=NOW)
    assert ledger.is_intact
    assert [entry.number for entry in ledger.entries] == [1, 2, 3, 4]

    second = ledger.entries[1]
    forged = replace(second, statement=replace(second.statement, granted=False))
    key = CONSENT.key(customer("c-1").key, "2")
    shop.store.write([Put(key, forged, WHATEVER)], now=NOW)

    assert not read_ledger(customer("c-1").key, store=shop.store, now=NOW).is_intact
    assert consent(shop, "c-1", wording="v4").status_code == 500


def test_the_next_checkout_respects_it(shop: Storefront) -> None:
    """Personal prices end with the statement, though the session was shown one."""
    before = shop.decide("c-1")
    assert before["price"]["tier"] != "base"

    granted(shop, purpose="personalised_pricing", granted=False)

    after = shop.decide("c-1")
    assert (after["price"]["tier"], after["offers"]) == ("base", [])


def test_the_later_statement_holds(shop: Storefront) -> None:
    """What was said earlier is written down, and does not undo what was said later."""
    assert granted(shop, granted=False, said_at="2026-02-01T00:00:00Z") is False
    assert granted(shop, granted=True, said_at="2026-01-15T00:00:00Z") is False

    assert [entry.statement.granted for entry in entries(shop)] == [True, False, True]


def test_a_withdrawal_binds_the_address(shop: Storefront) -> None:
    """Withdrawn in one account, no account with the address is mailed."""
    granted(shop, granted=False)

    assert (why_not(shop, "c-1"), why_not(shop, "c-2")) == ("withdrawn", "withdrawn")


def test_a_plain_grant_does_not_lift_an_unsubscribe(shop: Storefront) -> None:
    """Who typed an address into a form has not shown that it is theirs."""
    unsubscribe(shop, at=NOW - 900)

    assert granted(shop, said_at="2026-11-18T00:00:00Z") is False
    assert why_not(shop, "c-1") == "withdrawn"


def test_a_confirmed_later_grant_lifts_it_for_this_account_alone(shop: Storefront) -> None:
    """The owner of the address agreed again by a link sent there: c-1 is mailed, c-2 is not."""
    unsubscribe(shop, at=NOW - 900)

    assert granted(shop, said_at=format_instant(NOW - 60), address_confirmed=True) is True
    assert (why_not(shop, "c-1"), why_not(shop, "c-2")) == (None, "withdrawn")


@pytest.mark.parametrize(
    "changes",
    [{"said_at": "2026-01-01T00:00:00Z"}, {"basis": "legitimate_interest"}, {"granted": False}],
)
def test_anything_less_does_not_lift_it(shop: Storefront, changes: dict[str, Any]) -> None:
    """An earlier grant, another basis than consent, or no grant at all."""
    unsubscribe(shop, at=NOW - 900)

    stated = {"said_at": format_instant(NOW - 60), "address_confirmed": True, **changes}
    assert granted(shop, **stated) is False
    assert why_not(shop, "c-1") == "withdrawn"


def test_the_next_unsubscribe_binds_everybody_again(shop: Storefront) -> None:
    """What was granted again is withdrawn once more, for every account."""
    unsubscribe(shop, at=NOW - 900)
    granted(shop, said_at=format_instant(NOW - 600), address_confirmed=True)

    unsubscribe(shop, at=NOW - 300)

    assert (why_not(shop, "c-1"), why_not(shop, "c-2")) == ("withdrawn", "withdrawn")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purpose": "everything"}, "purpose"),
        ({"basis": "because"}, "basis"),
        ({"wording": ""}, "wording"),
        ({"source": "<script>"}, "source"),
        ({"granted": "yes"}, "granted"),
        ({"said_at": "yesterday"}, "said_at"),
        ({"said_at": "2036-01-01T00:00:00Z"}, "said_at"),
        ({"said_at": format_instant(NOW + CLOCK_SKEW_SECONDS + 1)}, "said_at"),
        ({"email": EMAIL}, "email"),
    ],
)
def test_bad_statements_are_named(shop: Storefront, changes: dict[str, Any], field: str) -> None:
    """Each names its field and is counted, and nothing is written."""
    response = consent(shop, "c-1", **changes)

    assert response.status_code == 422
    assert response.json_body["errors"][0]["field"] == field
    assert shop.lines()[-1]["Rejects"] == 1
    assert len(entries(shop)) == 1


@pytest.mark.parametrize("purpose", ["profiling", "personalised_pricing"])
def test_what_was_withdrawn_by_a_link_can_be_given_again(shop: Storefront, purpose: str) -> None:
    """A confirmed, later grant gives any purpose of the page again, for this account alone."""
    withdrawn = withdraw(AddressState(), purpose, at=NOW - 900)
    shop.store.write([Put(KEY, withdrawn, WHATEVER)], now=NOW)
    assert (why_not(shop, "c-1"), why_not(shop, "c-2")) == ("opted_out", "opted_out")

    said_at = format_instant(NOW - 60)
    assert granted(shop, purpose=purpose, said_at=said_at) is False
    said_at = format_instant(NOW - 50)
    assert granted(shop, purpose=purpose, said_at=said_at, address_confirmed=True) is True

    assert (why_not(shop, "c-1"), why_not(shop, "c-2")) == (None, "opted_out")


def test_a_full_ledger_refuses_grants_and_never_a_withdrawal(shop: Storefront) -> None:
    """A loop in somebody's program fills no table, and stops nobody from saying no."""
    owner = customer("c-1").key
    standing = read_ledger(owner, store=shop.store, now=NOW)
    more = range(MOST_ENTRIES - standing.head.count)
    said = [Statement("profiling", n % 2 == 0, "consent", "v1", "form", n) for n in more]
    _, writes = append_to(owner, standing.head, standing.version, said, Told(NOW, None, "k"))
    for start in range(0, len(writes), 100):
        shop.store.write(writes[start : start + 100], now=NOW)
    assert len(entries(shop)) == MOST_ENTRIES

    refused = consent(shop, "c-1", wording="v2")
    withdrawn = consent(shop, "c-1", wording="v2", granted=False)

    assert (refused.status_code, refused.json_body["reason"]) == (409, "ledger_full")
    assert (withdrawn.status_code, withdrawn.json_body["granted"]) == (200, False)
    assert why_not(shop, "c-1") == "withdrawn"


def test_a_statement_from_before_an_erasure_is_refused(shop: Storefront) -> None:
    """It would bring the person back; a later one begins a new person."""
    shop.call("DELETE", "/v1/customers/c-1")

    response = consent(shop, "c-1")

    assert (response.status_code, response.json_body["reason"]) == (409, "erased")
