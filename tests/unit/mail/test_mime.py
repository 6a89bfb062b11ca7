"""A letter into bytes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import Broken, Refused
from chalicelib.mail.mime import deliverable, parse_mailbox, to_bytes
from chalicelib.mail.render import Letter
from tests.mail_makers import NOW, parse

LETTER = Letter("Ready when you are", "Hello Ada,\n", "<p>Hello Ada,</p>\n")
SENDER = parse_mailbox("Record Exchange <hello@records.example>")
LONG_URL = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/api/u/k1." + "A" * 120 + ".bbb"


def build(letter: Letter = LETTER, **changes: Any) -> bytes:
    """Build a message, with some of it changed."""
    arguments: dict[str, Any] = {
        "effect_id": "e" * 32,
        "sender": SENDER,
        "recipient": "ada@example.com",
        "unsubscribe_url": LONG_URL,
        "now": NOW,
        **changes,
    }
    return to_bytes(letter, **arguments)


def header_lines(raw: bytes) -> list[str]:
    """The header block, as it goes over the wire."""
    return raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def test_the_envelope_says_who_to_whom_and_when() -> None:
    """Every header of the message is set by us and derives from the arguments."""
    message = parse(build()).message

    assert message["From"] == "Record Exchange <hello@records.example>"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Ready when you are"
    assert message["Date"] == "Wed, 25 Feb 2026 06:13:20 +0000"
    assert message["Message-ID"] == f"<{'e' * 32}@records.example>"
    assert message["X-Segue-Effect"] == "e" * 32


def test_one_click_headers_stand_on_the_wire_to_the_letter() -> None:
    """RFC 8058 headers are never folded or encoded, however long the link is."""
    lines = header_lines(build())

    assert f"List-Unsubscribe: <{LONG_URL}>" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_a_transactional_mail_has_no_one_click_headers() -> None:
    """Without a link there is nothing to click."""
    message = parse(build(unsubscribe_url=None)).message

    assert message["List-Unsubscribe"] is None
    assert message["List-Unsubscribe-Post"] is None


def test_equal_arguments_give_equal_bytes() -> None:
    """Nothing in a message is random, the boundary included."""
    assert build() == build()
    assert build() != build(effect_id="f" * 32)


def test_lines_keep_to_smtp() -> None:
    """Every line ends in CR LF and none is longer than 998 characters; the body is 7 bit."""
    raw = build(Letter("Grüße", "ü" * 3000 + "\n", f"<p>{'x' * 3000}</p>\n"))

    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert raw.isascii()


def test_a_subject_beyond_ascii_comes_back_whole() -> None:
    """Encoded words are undone to the same text."""
    subject = "Still thinking about Kölner Konzert, 上原ひろみ and Sigur Rós’ Ágætis byrjun?"

    assert parse(build(Letter(subject, "t\n", "h\n"))).message["Subject"] == subject


@pytest.mark.parametrize(
    "subject",
    [
        "Hi\r\nBcc: all@example.com",
        "Hi\nBcc: x",
        "Hi\rX",
        "Hi\x00",
        "Hi\u202e",
        "\u2066Hi",
        "a\u2028b",
    ],
)
def test_a_header_that_smuggles_is_refused(subject: str) -> None:
    """Line breaks, NUL and bidirectional overrides never reach a header."""
    with pytest.raises(Refused, match="header_unsafe"):
        build(Letter(subject, "t\n", "h\n"))


@given(st.text(max_size=200))
def test_no_subject_adds_a_header(subject: str) -> None:
    """For any subject: it is refused, or the message has exactly the headers that it should."""
    plain = [re.match(r"[A-Za-z-]+:", line) for line in header_lines(build())]
    names = [match.group() for match in plain if match]
    try:
        raw = build(Letter(subject, "t\n", "h\n"))
    except Refused:
        return

    lines = header_lines(raw)
    assert [line.partition(":")[0] + ":" for line in lines if not line.startswith(" ")] == names


@pytest.mark.parametrize(
    ("email", "carried"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.L+x@Example.COM", "Ada.L+x@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_carried_in_ascii(email: str, carried: str) -> None:
    """An international domain is written as SMTP carries it."""
    assert deliverable(email) == carried


@pytest.mark.parametrize("email", ["ü@example.com", "ada@localhost", "a..b@example.com", "ada", ""])
def test_an_address_that_no_mail_reaches_is_refused(email: str) -> None:
    """What SES cannot carry is refused by name, and the address is not repeated."""
    with pytest.raises(Refused, match=r"\Aaddress_unusable\Z"):
        deliverable(email)


@pytest.mark.parametrize("text", ["hello@records.example", "Tïtle <hello@records.example>"])
def test_a_sender_is_a_mailbox(text: str) -> None:
    """With or without a name, a sender has an address and is called something."""
    mailbox = parse_mailbox(text)

    assert mailbox.address == "hello@records.example"
    assert mailbox.brand in ("records.example", "Tïtle")
    assert parse(build(sender=mailbox)).message["From"].addresses[0].addr_spec == mailbox.address


@pytest.mark.parametrize(
    "text", ["", "Shop", "Shop <nobody>", "a@b", "Shop\r\nBcc: x <a@b.example>"]
)
def test_a_sender_that_is_no_mailbox_is_our_fault(text: str) -> None:
    """A wrong setting is told at once and is not a reason to drop mails."""
    with pytest.raises(Broken, match="mailbox"):
        parse_mailbox(text)
