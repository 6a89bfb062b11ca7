"""Words into a letter."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError
from markupsafe import escape

from chalicelib.core.errors import Broken
from chalicelib.core.policy import policy_from_toml
from chalicelib.mail.render import Content, choose, environment, render, templates
from chalicelib.mail.words import OfferWords

CONTENT = Content(
    template="winback",
    segment="at_risk",
    brand="Record Exchange",
    postal_address="12 High Street, Springfield",
    purpose="marketing_email",
    unsubscribe_url="https://api.example/u/token",
)
OFFER = OfferWords(
    "10% off", "10% off your next order", "7Q4MZX9KTB2H", "Saturday, 14 March 2026, 17:30 (UTC)"
)
SPLIT = [name.partition(".")[::2] for name in sorted(templates())]


def test_every_mail_of_the_policy_has_a_template() -> None:
    """The default policy plans no mail that cannot be rendered."""
    policy = policy_from_toml(Path("policies/default.toml").read_text())

    planned = {action.mail.template for action in policy.actions if action.mail is not None}

    assert planned
    assert planned <= templates()


def test_the_mails_that_exist() -> None:
    """Every mail stands for everyone, and some speak to a segment in particular."""
    assert templates() == {
        "cart-reminder",
        "thanks",
        "thanks.champions",
        "welcome",
        "winback",
        "winback.at_risk",
        "winback.hibernating",
    }


def test_a_segment_gets_its_own_words_else_those_for_everyone() -> None:
    """The template is chosen by name and segment, and falls back to the name."""
    assert choose("winback", segment="at_risk") == "winback.at_risk"
    assert choose("winback", segment="loyal") == "winback"
    assert choose("cart-reminder", segment="at_risk") == "cart-reminder"


@pytest.mark.parametrize("name", ["../mime", "_layout.html", "winback.j2", "", "nothing"])
def test_only_listed_templates_can_be_named(name: str) -> None:
    """The directory listing is the allowlist: no path, no layout, no guess."""
    with pytest.raises(Broken, match="no mail template"):
        choose(name, segment="at_risk")


def test_the_tailored_mails_differ() -> None:
    """A customer at risk and one long gone are not told the same."""
    said = {
        segment: render(replace(CONTENT, segment=segment, offer=OFFER))
        for segment in ("at_risk", "hibernating", "promising")
    }

    assert len({letter.subject for letter in said.values()}) == 3
    assert len({letter.text for letter in said.values()}) == 3


@pytest.mark.parametrize(
    ("name", "offer", "title", "shop_url"),
    [
        (name, offer, title, shop_url)
        for name, offer, title, shop_url in itertools.product(
            SPLIT, [None, OFFER], [None, "Kind of Blue"], [None, "https://records.example/"]
        )
    ],
)
def test_every_mail_is_whole_in_both_parts(
    name: tuple[str, str], offer: OfferWords | None, title: str | None, shop_url: str | None
) -> None:
    """With or without offer, product and shop, text and HTML say everything, and no more."""
    template, segment = name
    letter = render(
        replace(
            CONTENT,
            template=template,
            segment=segment or "loyal",
            name="Ada",
            offer=offer,
            title=title,
            shop_url=shop_url,
        )
    )

    assert 0 < len(letter.subject) <= 78
    assert "\n" not in letter.subject
    expected = {"Hello Ada,", "Record Exchange", "12 High Street, Springfield"}
    expected |= {"https://api.example/u/token", "because you agreed"}
    if offer is not None:
        expected |= {offer.line, offer.code, offer.until}
    for optional in (title, shop_url):
        if optional is not None:
            expected.add(optional)
    for part in (letter.text, letter.html):
        assert {said for said in expected if said not in part} == set()
        assert ("Your code" in part) == (offer is not None)
        assert "None" not in part
        assert "{" not in letter.text
    assert max(map(len, letter.text.splitlines())) <= 78


def test_without_a_name_the_greeting_has_none() -> None:
    """Nobody is called by an empty name."""
    letter = render(CONTENT)

    assert "Hello," in letter.text
    assert "Hello," in letter.html


def test_a_transactional_mail_has_no_unsubscribe_link() -> None:
    """What is about an order cannot be unsubscribed from, and says why it came."""
    letter = render(replace(CONTENT, purpose="transactional", unsubscribe_url=None))

    for part in (letter.text, letter.html):
        assert "nsubscribe" not in part
        assert "because of your order" in part


def test_disclosures_stand_in_both_parts_to_the_letter() -> None:
    """What the law wants shown is shown whole, unwrapped and unaltered, with or without offer."""
    said = (
        "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA",
        "A long one: " * 20 + "§",
    )

    for offer in (None, OFFER):
        letter = render(replace(CONTENT, offer=offer, disclosures=said))
        for disclosure in said:
            assert disclosure in letter.text.splitlines()
            assert disclosure in letter.html.splitlines()


def test_a_template_that_asks_for_the_unknown_fails() -> None:
    """A misspelt name is an error, never an empty place in somebody's mail."""
    for html in (False, True):
        with pytest.raises(UndefinedError):
            environment(html=html).from_string("Hello {{ nmae }}").render(name="Ada")


def test_templates_run_in_a_sandbox() -> None:
    """Even a template that we wrote ourselves cannot reach Python or change a value."""
    for hostile in ("{{ ''.__class__.__mro__ }}", "{% set _ = disclosures.append('x') %}"):
        with pytest.raises(SecurityError):
            environment(html=True).from_string(hostile).render(disclosures=["a"])


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "\"'><img src=x>"])
def test_data_is_never_markup_or_template(evil: str) -> None:
    """Whatever comes in as data is shown as it is, escaped in HTML and never evaluated."""
    letter = render(replace(CONTENT, name=evil, title=evil, brand=evil, disclosures=(evil,)))

    assert evil in letter.text
    assert str(escape(evil)) in letter.html
    if "<" in evil:
        assert evil not in letter.html
    assert "49" not in letter.text + letter.subject


def test_the_html_asks_nobody_for_anything() -> None:
    """Opening a mail loads nothing: no image, font, style sheet or script from anywhere."""
    letter = render(replace(CONTENT, offer=OFFER))

    for loader in ("<img", "<link", "<script", "<iframe", "url(", "@import", "src=", "background="):
        assert loader not in letter.html
    assert letter.html.count("https://") == 1  # the unsubscribe link


def test_the_html_adapts_to_phone_and_dark_mode() -> None:
    """The mail has a narrow form and a dark one."""
    html = render(CONTENT).html

    assert "@media (max-width: 620px)" in html
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="viewport"' in html
    assert 'lang="en"' in html
    assert len(html) < 102_400  # beyond which Gmail cuts a mail off
