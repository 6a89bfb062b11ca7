"""Preferences by purpose, from the page behind a mail's link: what it withdraws, and the proof."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

import pytest

from chalicelib.core.consents import Entry
from chalicelib.core.contact import CONSENT_PREFIX, Contact, Stamped
from chalicelib.core.erasure import erased_effect
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import ADDRESS, CONTACT
from chalicelib.core.storage import WHATEVER, Conflict, Put
from chalicelib.core.subject import customer, guest
from chalicelib.flows.consent_ledger import of_the_address, read_ledger
from chalicelib.flows.unsubscribe import CHOICES, MARKETING, Page, act_on, show
from chalicelib.mail import pages
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import (
    EMAIL,
    NOW,
    World,
    contact_of,
    hash_of,
    mail_effect,
    parse,
    world_with_a_mail,
)

KEY = ADDRESS.key(hash_of(EMAIL))
ANN = customer("c-1")
ALL = b"choice=all"


def sent() -> World:
    """A world in which a marketing mail has gone out."""
    world = world_with_a_mail()
    assert world.act().state == "ACCEPTED"
    return world


def linked(world: World) -> str:
    """The token in the mail that was sent."""
    link: str = parse(world.mailer.sent[0].raw).message["List-Unsubscribe"].strip("<>")
    return urlsplit(link).path.rpartition("/")[2]


def press(world: World, form: bytes, *, now: int = NOW) -> Page:
    """Post a form to the link of the mail."""
    return act_on(linked(world), store=world.store, keys=SIGNING_KEYS, now=now, form=form)


def withdrawn(world: World) -> dict[str, int]:
    """What stands at the address."""
    state = world.store.one(KEY)
    return {} if state is None else dict(state.withdrawn)


def contact(world: World) -> Contact:
    """What is known of the account."""
    [known] = world.store.all("contact").values()
    assert isinstance(known, Contact)
    return known


def said(world: World, owner: str) -> list[tuple[str, str, str | None, str | None]]:
    """A ledger: purpose, source, wording and what it came in; every entry is a withdrawal."""
    ledger = read_ledger(owner, store=world.store, now=NOW)
    assert ledger.is_intact
    entries: Sequence[Entry] = ledger.entries
    assert not any(entry.statement.granted for entry in entries)
    return [
        (each.statement.purpose, each.statement.source, each.statement.wording, each.reference)
        for each in entries
    ]


def forms() -> dict[str, bytes]:
    """What a browser posts for each button of the page, by the button's value."""
    html = show(linked(sent()), keys=SIGNING_KEYS).html
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', html)
    buttons = re.findall(r'<button type="submit"(?: name="choice" value="([^"]+)")?>', html)
    return {
        choice: urlencode([*hidden, *([("choice", choice)] if choice else [])]).encode()
        for choice in buttons
    }


def test_the_page_has_a_button_for_each_purpose_and_one_for_all() -> None:
    """The mail's own purpose first, without a name, as a mail program posts it."""
    assert list(forms()) == ["", "profiling", "personalised_pricing", "all"]
    assert set(forms()) - {""} < set(CHOICES)


@pytest.mark.parametrize("choice", forms())
def test_each_button_withdraws_what_it_says(choice: str) -> None:
    """At the address, in the account where it is asked, in both ledgers, all in one write."""
    world = sent()
    world.store.calls.clear()

    page = press(world, forms()[choice])

    purposes = CHOICES.get(choice, ("marketing_email",))
    assert page.status == 200
    assert page.html == pages.done(choice, account_found=True)
    assert world.store.count("write") == 1
    assert withdrawn(world) == dict.fromkeys(purposes, NOW)
    entries = [(each, "link", pages.WORDING, world.effect().effect_id) for each in purposes]
    assert said(world, of_the_address(hash_of(EMAIL))) == entries
    assert said(world, ANN.key) == (entries if choice else [])
    refused = {each for each in MARKETING if contact(world).consent(each) is False}
    assert refused == (set(purposes) if choice else set())


@pytest.mark.parametrize("choice", forms())
def test_each_button_stops_the_very_next_marketing_mail(choice: str) -> None:
    """Of this account and of another with the address; mails about orders still come."""
    world = sent()
    other = customer("c-2")
    world.meet(contact_of(other))
    world.plan(
        mail_effect("1" * 32),
        mail_effect("2" * 32, subject=other),
        mail_effect("3" * 32, purpose="transactional"),
    )

    press(world, forms()[choice])

    reasons = {world.act(effect_id).reason for effect_id in ("1" * 32, "2" * 32)}
    assert reasons <= {"withdrawn", "opted_out"}
    assert world.act("3" * 32).state == "ACCEPTED"
    assert len(world.mailer.sent) == 2


@pytest.mark.parametrize("choice", forms())
def test_pressing_again_changes_nothing(choice: str) -> None:
    """Nothing is written a second time, and no ledger grows."""
    world = sent()
    first = press(world, forms()[choice])
    world.store.calls.clear()

    assert press(world, forms()[choice], now=NOW + 9) == first
    assert world.store.count("write") == 0


def test_one_choice_after_the_other_adds_up() -> None:
    """The second says only what is new; the first moment of each purpose stands."""
    world = sent()
    press(world, b"")
    press(world, forms()["profiling"], now=NOW + 5)
    press(world, forms()["all"], now=NOW + 9)

    assert withdrawn(world) == {
        "marketing_email": NOW,
        "profiling": NOW + 5,
        "personalised_pricing": NOW + 9,
    }
    ledger = said(world, of_the_address(hash_of(EMAIL)))
    assert [entry[0] for entry in ledger] == [
        "marketing_email",
        "profiling",
        "personalised_pricing",
    ]


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"List-Unsubscribe=One-Click",
        b"\xff\xfe",
        b"choice=all&choice=x",
        b"choice=transactional",
        b"choice=everything",
        b"a" * 9999,
        b"wording=unsubscribe-1",
        b"wording=%3Cscript%3E",
    ],
)
def test_any_other_body_withdraws_the_purpose_of_the_mail(form: bytes) -> None:
    """What a mail program posts, or what nobody can read, still unsubscribes.

    No page was shown as far as we can tell, so no wording is entered.
    """
    world = sent()

    press(world, form)

    assert withdrawn(world) == {"marketing_email": NOW}
    [entry] = said(world, of_the_address(hash_of(EMAIL)))
    assert entry == ("marketing_email", "link", None, world.effect().effect_id)


def test_a_withdrawal_after_a_new_grant_is_entered_again() -> None:
    """The state keeps the moment since which it holds, the ledger every one."""
    world = sent()
    press(world, b"")
    state = world.store.one(KEY)
    assert state is not None
    regranted = {"marketing_email": {"mark": NOW + 5}}
    again = type(state)(state.withdrawn, regranted=regranted)
    world.store.write([Put(KEY, again, WHATEVER)], now=NOW)

    press(world, b"", now=NOW + 9)

    assert withdrawn(world) == {"marketing_email": NOW + 9}
    ledger = read_ledger(of_the_address(hash_of(EMAIL)), store=world.store, now=NOW)
    assert [entry.statement.said_at for entry in ledger.entries] == [NOW, NOW + 9]


# --- the account that cannot be found -------------------------------------------------------------


def test_an_account_with_another_address_by_now_is_left_alone() -> None:
    """The link binds the address that the mail went to, not whoever had it once; and it says so."""
    world = sent()
    token = linked(world)
    world.meet(contact_of(email="new@example.com"))

    page = act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=ALL)

    assert contact(world).consent("profiling") is None
    assert "could not find the shop account" in page.html


def test_a_mail_that_is_forgotten_binds_the_address_alone() -> None:
    """After 400 days the ledger of effects has no such mail: nothing is confirmed of an account."""
    world = sent()
    gone = {key for key in world.store.keys() if key.kind.name == "effect"}
    rows = {key: row for key, row in world.store.backup().items() if key not in gone}
    token = linked(world)
    world.store.restore(rows, tables=("effects",))

    later = NOW + 401 * 86_400
    plain = act_on(token, store=world.store, keys=SIGNING_KEYS, now=later)
    page = act_on(token, store=world.store, keys=SIGNING_KEYS, now=later, form=ALL)

    assert plain.html == pages.done("", account_found=True)
    assert page.html == pages.done("all", account_found=False)
    assert set(withdrawn(world)) == set(MARKETING)


def test_a_mail_of_somebody_erased_still_unsubscribes_the_address() -> None:
    """Its effect names nobody: the address alone is bound, and no contact comes back."""
    world = sent()
    token = linked(world)
    world.plan(erased_effect(world.effect(), pseudonym="x#1", now=NOW))

    page = act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=ALL)

    assert withdrawn(world) == dict.fromkeys(MARKETING, NOW)
    assert "c#x" not in world.store.dump()
    assert page.html == pages.done("all", account_found=True)  # nothing is known that could be used


def test_a_guest_still_expires() -> None:
    """Saying no does not keep a guest's contact for longer, and a guest has no ledger to keep."""
    world = World()
    visitor = guest("v-1")
    fields = {
        "email": Stamped(EMAIL, 1),
        f"{CONSENT_PREFIX}marketing_email": Stamped(True, 1),
    }
    put = Put(CONTACT.key(visitor.key), Contact(visitor, fields), WHATEVER, expires_at=NOW + 99)
    world.store.write([put], now=NOW)
    world.plan(mail_effect(subject=visitor))
    assert world.act().state == "ACCEPTED"

    press(world, ALL)

    found = world.store.read([CONTACT.key(visitor.key)], now=NOW)
    stored = found.stored(CONTACT.key(visitor.key))
    assert stored is not None
    assert (stored.value.consent("profiling"), stored.expires_at) == (False, NOW + 99)
    assert said(world, visitor.key) == []


# --- when something breaks ------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True], ids=["not applied", "reply lost"])
def test_stopping_everything_is_one_write(lost: bool) -> None:
    """Broken at its write all of it stands or nothing; the same click does the rest, once."""
    world = sent()
    down = Transient("down")
    (world.store.lose_replies if lost else world.store.fail_writes)(down)
    with pytest.raises(Transient):
        press(world, ALL)
    assert bool(withdrawn(world)) is lost
    assert (contact(world).consent("profiling") is False) is lost

    assert press(world, ALL, now=NOW + 5).status == 200

    assert withdrawn(world) == dict.fromkeys(MARKETING, NOW if lost else NOW + 5)
    assert contact(world).consent("profiling") is False
    assert len(said(world, of_the_address(hash_of(EMAIL)))) == 3


def test_a_race_for_the_account_is_looked_at_again() -> None:
    """Somebody writes the contact meanwhile: both stand; endless contention is not confirmed."""
    world = sent()

    def meanwhile() -> None:
        world.meet(contact_of(time_zone="Asia/Tokyo"))

    world.store.before_write = meanwhile

    assert press(world, ALL).status == 200
    assert contact(world).consent("personalised_pricing") is False
    assert contact(world).text("time_zone") == "Asia/Tokyo"

    again = sent()
    again.store.fail_writes(*[Conflict(())] * 5)
    with pytest.raises(Conflict):
        press(again, ALL)


@pytest.mark.parametrize("choice", forms())
def test_the_pages_afterwards_are_accessible_and_load_nothing(choice: str) -> None:
    """Language, title, one heading, a main part; no script, no image, nothing from elsewhere."""
    for found in (True, False):
        html = pages.done(choice, account_found=found)
        assert '<html lang="en">' in html
        assert len(re.findall("<h1>", html)) == 1
        assert not re.search(r"<script|<img|<link|url\(|https?://|@import", html)
        assert len(html.encode()) < 4096
