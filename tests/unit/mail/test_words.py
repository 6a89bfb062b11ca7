"""Names, titles, offers and moments in words."""

from __future__ import annotations

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import Broken
from chalicelib.core.offers import Offer, OfferKind, Scope
from chalicelib.mail import words
from chalicelib.mail.words import (
    LONGEST_NAME,
    LONGEST_TITLE,
    greeting_name,
    moment_in_words,
    offer_words,
    product_title,
)

EXPIRES_AT = 1_773_509_400  # 2026-03-14T17:30:00Z


def test_examples() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize("name", ["Ada", "Anne-Marie", "O'Neil", "José", "李雷", "Nuñez ’t Hooft"])
def test_real_names_are_greeted(name: str) -> None:
    """Letters of any script, blanks, apostrophes and hyphens make a name."""
    assert greeting_name(f"  {name}\t") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "  ",
        "-",
        "click http://evil.example",
        "evil.example",
        "a@b",
        "../../etc",
        "Ada\x00",
        "\u202eadA",
        "A" * (LONGEST_NAME + 1),
        "{{ 7 * 7 }}",
        "<b>Ada</b>",
        "Ada 2000",
    ],
)
def test_what_is_no_name_is_not_greeted(name: str | None) -> None:
    """A "name" that could link, reorder, mark up or flood is left out altogether."""
    assert greeting_name(name) is None


@given(st.text())
def test_no_text_makes_a_dangerous_name(text: str) -> None:
    """Whatever somebody calls themselves, a greeting is short letters without link or control."""
    name = greeting_name(text)

    assert name is None or (
        len(name) <= LONGEST_NAME
        and not set('<>&"{}%:/.@\\\r\n\t') & set(name)
        and all(unicodedata.category(char)[0] in "LMPZ" for char in name)
    )


@given(st.text())
def test_a_title_is_one_visible_line(text: str) -> None:
    """Whatever a product is called, its title is one bounded line without invisible characters."""
    title = product_title(text)

    assert title is None or (
        0 < len(title) <= LONGEST_TITLE
        and len(title.splitlines()) == 1
        and not any(unicodedata.category(char)[0] == "C" for char in title)
    )


@pytest.mark.parametrize("title", ["see https://evil.example", "www.evil", "evil.example", "a@b.c"])
def test_a_title_that_would_become_a_link_is_left_out(title: str) -> None:
    """Mail programs link what looks like an address, so no title may look like one."""
    assert product_title(title) is None


def test_a_long_title_is_cut_with_an_ellipsis() -> None:
    """A title keeps its beginning when it is too long."""
    title = product_title("Kind of Blue " * 20)

    assert title is not None
    assert title.startswith("Kind of Blue Kind")
    assert title.endswith("…")


@pytest.mark.parametrize(
    ("kind", "value", "short", "line"),
    [
        ("percent_off", 10, "10% off", "10% off your next order"),
        ("amount_off", 550, "5.50 USD off", "5.50 USD off your next order"),
        ("free_shipping", 0, "Free shipping", "Free shipping on your next order"),
    ],
)
def test_each_kind_of_offer_has_words(kind: OfferKind, value: int, short: str, line: str) -> None:
    """An offer says what it gives, its code to the letter, and its end."""
    said = offer_words(Offer("a", "CODE", kind, value, EXPIRES_AT), currency="USD", time_zone=None)

    assert (said.short, said.line, said.code) == (short, line, "CODE")
    assert said.until == "Saturday, 14 March 2026, 17:30 (UTC)"


def test_an_offer_without_words_is_refused() -> None:
    """A kind that this version does not know is our fault, not an empty mail."""
    offer = Offer("a", "CODE", "half_price", 0, EXPIRES_AT)  # type: ignore[arg-type]

    with pytest.raises(Broken, match="half_price"):
        offer_words(offer, currency="USD", time_zone=None)


@pytest.mark.parametrize(
    ("time_zone", "said"),
    [
        ("America/New_York", "Saturday, 14 March 2026, 13:30 (EDT)"),
        ("America/Sao_Paulo", "Saturday, 14 March 2026, 14:30 (UTC-03)"),
        ("Asia/Tokyo", "Sunday, 15 March 2026, 02:30 (JST)"),
        ("Nowhere/At_All", "Saturday, 14 March 2026, 17:30 (UTC)"),
        ("Europe", "Saturday, 14 March 2026, 17:30 (UTC)"),
        ("../../etc/passwd", "Saturday, 14 March 2026, 17:30 (UTC)"),
    ],
)
def test_a_moment_is_said_in_the_readers_zone(time_zone: str, said: str) -> None:
    """An end is told on the reader's clock; a zone that does not exist falls back to UTC."""
    assert moment_in_words(EXPIRES_AT, time_zone=time_zone) == said


@pytest.mark.parametrize(
    ("kind", "scope", "line"),
    [
        ("percent_off", Scope(), "10% off your next order"),
        ("percent_off", Scope(5000), "10% off your next order of 50.00 USD or more"),
        ("percent_off", Scope(0, ("MUG",)), "10% off selected items in your next order"),
        (
            "amount_off",
            Scope(5000, (), ("mugs",)),
            "0.10 USD off selected items in your next order, from 50.00 USD of them",
        ),
        ("free_shipping", Scope(5000), "Free shipping on your next order of 50.00 USD or more"),
        (
            "free_shipping",
            Scope(0, ("MUG",)),
            "Free shipping on your next order of selected items",
        ),
        ("gift", Scope(), "A free gift with your next order"),
        (
            "gift",
            Scope(5000, ("MUG",)),
            "A free gift with your next order of selected items, from 50.00 USD of them",
        ),
        ("early_access", Scope(5000, ("MUG",)), "Early access"),
    ],
)
def test_an_offer_is_told_with_its_conditions(kind: OfferKind, scope: Scope, line: str) -> None:
    """A minimum and a selection are part of the promise; names of articles are not for mails."""
    offer = Offer("a", "CODE", kind, 10, EXPIRES_AT, scope=scope, gift_sku="MUG", access="drop-7")

    told = offer_words(offer, currency="USD", time_zone=None)

    assert told.line == line
    assert not {"MUG", "mugs", "drop-7"} & set(told.line.split())
