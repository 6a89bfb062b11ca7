"""One planned mail, composed for one person."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from chalicelib.core.catalogue import Product
from chalicelib.core.errors import Broken, Refused
from chalicelib.core.tokens import SigningKeys, verify
from chalicelib.mail.compose import UNSUBSCRIBE
from chalicelib.mail.words import greeting_name
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import (
    EMAIL,
    NEW_YORK,
    POSTAL_ADDRESS,
    SETTINGS,
    TEN_PERCENT,
    composed,
    contact_of,
    hash_of,
    mail_effect,
    parse,
)

MAILS = [
    {"template": template, "segment": segment, "offer": offer}
    for template in ("winback", "cart-reminder", "welcome", "thanks")
    for segment in ("at_risk", "hibernating", "champions", "new")
    for offer in (None, mail_effect().payload["offer"])
]


@pytest.mark.parametrize("plan", MAILS)
def test_every_mail_has_what_the_law_wants(plan: dict[str, Any]) -> None:
    """Both headers, both parts, the exact disclosure, the postal address and the link in each."""
    mail = parse(composed(mail_effect(**plan)).raw)

    link = mail.message["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://")
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert NEW_YORK in mail.text.splitlines()
    assert NEW_YORK in mail.visible
    assert POSTAL_ADDRESS in mail.text
    assert POSTAL_ADDRESS in mail.visible
    assert link in mail.text.splitlines()
    assert f'href="{link}"' in mail.html
    if plan["offer"] is not None:
        for part in (mail.text, mail.visible):
            assert TEN_PERCENT.code in part
            assert "10% off your next order" in part
            assert "Wednesday, 11 March 2026, 06:13 (UTC)" in part


def test_the_link_names_the_address_by_its_hash_alone() -> None:
    """A forwarded or logged link tells nobody's address; the account is named by the mail."""
    mail = parse(composed(mail_effect()).raw)
    token = mail.message["List-Unsubscribe"].strip("<>").removeprefix(f"{SETTINGS.public_url}/u/")

    payload = verify(SIGNING_KEYS, token, purpose=UNSUBSCRIBE, field="token")

    assert payload == {"a": hash_of(EMAIL), "p": "marketing_email", "e": "e" * 32}


def test_the_link_outlives_a_rotation_of_keys() -> None:
    """A mail from before a rotation still unsubscribes after it."""
    raw = composed(mail_effect()).raw
    token = parse(raw).message["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    rotated = SigningKeys(
        "k2",
        {**SIGNING_KEYS.keys, "k2": b"2" * 32},
        SIGNING_KEYS.address_secret,
        SIGNING_KEYS.coupon_secret,
    )

    assert verify(rotated, token, purpose=UNSUBSCRIBE, field="token")["a"] == hash_of(EMAIL)


def test_the_reader_is_greeted_and_told_the_time_on_their_clock() -> None:
    """Name and zone come from the contact, not from the plan."""
    mail = parse(composed(mail_effect(), contact_of(time_zone="Asia/Tokyo")).raw)

    assert "Hello Ada," in mail.text
    assert "Wednesday, 11 March 2026, 15:13 (JST)" in mail.visible


def test_the_product_is_named_from_the_catalogue() -> None:
    """What the shop calls the product by now is what the mail calls it."""
    planned = mail_effect(template="cart-reminder", offer=None, sku="A1", title="Old title")
    product = Product("A1", "USD", 1999, title="Kind of Blue")

    mail = parse(composed(planned, product=product).raw)

    assert mail.message["Subject"] == "Still thinking about Kind of Blue?"
    assert "Kind of Blue" in mail.visible
    assert "Old title" not in mail.text


def test_an_amount_is_said_in_its_currency() -> None:
    """The plan's currency counts, else the policy's."""
    offer = {**mail_effect().payload["offer"], "kind": "amount_off", "value": 500}

    assert "5.00 USD off" in parse(composed(mail_effect(offer=offer)).raw).text
    assert "500 JPY off" in parse(composed(mail_effect(offer=offer, currency="JPY")).raw).text


def test_a_transactional_mail_cannot_be_unsubscribed_from() -> None:
    """Neither header nor link stands in a mail about an order."""
    mail = parse(composed(mail_effect(purpose="transactional")).raw)

    assert mail.message["List-Unsubscribe"] is None
    assert "/u/" not in mail.text


def test_it_is_addressed_to_the_bare_address() -> None:
    """The name of a customer stands in no header."""
    made = composed(mail_effect())

    assert made.recipient == EMAIL
    assert parse(made.raw).message["To"] == EMAIL


def test_equal_mails_have_equal_bytes() -> None:
    """Composing again, after a crash say, gives the same message."""
    assert composed(mail_effect()).raw == composed(mail_effect()).raw


@given(first_name=st.text(max_size=60), title=st.text(max_size=120))
def test_no_text_breaks_out(first_name: str, title: str) -> None:
    """For any name and title: headers stay single lines, and in HTML both are escaped text."""
    planned = mail_effect(template="cart-reminder", title=title)
    bare = composed(mail_effect(template="cart-reminder"), contact_of(first_name=None)).raw

    raw = composed(planned, contact_of(first_name=first_name)).raw

    assert _header_names(raw) == _header_names(bare)
    mail = parse(raw)
    assert len(mail.message["Subject"].splitlines()) == 1
    assert _tags(mail.html) - _tags(parse(bare).html) <= {"p"}  # the paragraphs of the title
    name = greeting_name(first_name)
    if name is not None:
        assert f"Hello {escape(name)}," in mail.html


def _header_names(raw: bytes) -> list[bytes]:
    return re.findall(rb"^([A-Za-z-]+):", raw.partition(b"\r\n\r\n")[0], flags=re.MULTILINE)


def _tags(html: str) -> set[str]:
    return set(re.findall(r"<([a-z0-9!]+)", html))


@pytest.mark.parametrize("email", [None, "ü@example.com"])
def test_without_a_usable_address_there_is_no_mail(email: str | None) -> None:
    """No address and an impossible one are refused, each by its reason."""
    with pytest.raises(Refused, match="no_address" if email is None else "address_unusable"):
        composed(mail_effect(), contact_of(email=email))


@pytest.mark.parametrize(
    "changes", [{"template": "nothing"}, {"purpose": None}, {"offer": {"code": "X"}}]
)
def test_a_plan_that_cannot_be_rendered_is_our_fault(changes: dict[str, Any]) -> None:
    """A damaged plan or a missing template raises an alarm; nobody gets half a mail."""
    with pytest.raises(Broken):
        composed(mail_effect(**changes))


def test_a_wrong_sender_is_our_fault() -> None:
    """A setting that is no mailbox stops mails instead of mangling them."""
    with pytest.raises(Broken, match="sender"):
        composed(mail_effect(), settings=replace(SETTINGS, sender="Shop"))
