"""One address has one name, however it is spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.address import address_hash
from chalicelib.core.errors import Refused
from chalicelib.mail.mime import deliverable

SECRET = b"s" * 32


def named(email: str) -> str:
    """The name of an address."""
    return address_hash(email, secret=SECRET)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", " Ada@EXAMPLE.com "),
        ("ada@b\u00fccher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ADA@B\u00dcCHER.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@bu\u0308cher.example.com", "ada@b\u00fccher.example.com"),
        ("ada@fa\u00df.example.com", "ada@xn--fa-hia.example.com"),
        ("ada@\u4f8b\u3048\u3002example.com", "ada@xn--r8jz45g.example.com"),
    ],
)
def test_two_spellings_are_one_address(one: str, other: str) -> None:
    """Case, blanks, and an international domain in letters or in the form that mail carries."""
    assert named(one) == named(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "bo@example.com"),
        ("ada@example.com", "ada@example.org"),
        ("ada@fa\u00df.example.com", "ada@fass.example.com"),
        ("ada", "ada@"),
    ],
)
def test_two_addresses_have_two_names(one: str, other: str) -> None:
    """Two domains that only look alike belong to two owners."""
    assert named(one) != named(other)


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_sent_has_the_name_of_what_was_said(local: str, domain: str) -> None:
    """An event of the provider names the address as it was sent: it must be found again."""
    email = f"{local}@{domain}.com"
    try:
        sent = deliverable(email)
    except Refused:
        assert len(named(email)) == 40  # and whatever else is no address has a name all the same
        return
    assert named(email) == named(sent)


@given(
    st.sampled_from("\u00e4\u00f6\u00fc\u00df\u0131\u03c3\u03c2\u00e9\u0142\u4f8b\u0430\u1e9eAZ-9"),
    st.text("a\u00fc\u00df\u00e9\u03c2\u0131\u1e9eB1-", min_size=1, max_size=9),
)
def test_an_international_domain_is_found_again(first: str, rest: str) -> None:
    """Sharp s, final sigma, dotless i, capitals: whatever form mail carries, it names the same."""
    email = f"ada@{first}{rest}.example.com"
    try:
        sent = deliverable(email)
    except Refused:
        return
    assert named(email) == named(sent)
