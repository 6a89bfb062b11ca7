"""Withdrawing consent from a mail."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from chalicelib.core.address import AddressState
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import ADDRESS
from chalicelib.core.storage import WHATEVER, Conflict, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import SigningKeys, sign
from chalicelib.flows.unsubscribe import Page, act_on, show
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.fakes import SIGNING_KEYS, MemoryStore
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
TOKEN = sign(
    SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={"a": hash_of(EMAIL), "p": "marketing_email"}
)


def post(store: MemoryStore, token: str = TOKEN, *, now: int = NOW) -> Page:
    """What a mail program or a person's browser does."""
    return act_on(token, store=store, keys=SIGNING_KEYS, now=now)


def withdrawn(store: MemoryStore) -> dict[str, int] | None:
    """What stands at the address."""
    state = store.read([KEY], now=NOW).value(KEY)
    return None if state is None else dict(state.withdrawn)


def test_looking_changes_nothing() -> None:
    """A scanner may open the link a thousand times; it gets a page with a button."""
    pages = {show(TOKEN, keys=SIGNING_KEYS).html for _ in range(1000)}

    assert len(pages) == 1
    assert '<form method="post">' in pages.pop()


def test_posting_withdraws() -> None:
    """A POST stores the withdrawal for the address and answers with a page, not a redirect."""
    store = MemoryStore()

    page = post(store)

    assert page.status == 200
    assert "You are unsubscribed" in page.html
    assert withdrawn(store) == {"marketing_email": NOW}


def test_posting_again_changes_nothing() -> None:
    """The first moment stands; a repetition writes nothing and is confirmed all the same."""
    store = MemoryStore()
    post(store)
    store.calls.clear()

    assert post(store, now=NOW + 60).status == 200
    assert withdrawn(store) == {"marketing_email": NOW}
    assert store.count("write") == 0


def test_earlier_withdrawals_stay() -> None:
    """Withdrawing one purpose does not forget another."""
    store = MemoryStore()
    store.write([Put(KEY, AddressState({"profiling": 1}), WHATEVER)], now=NOW)

    post(store)

    assert withdrawn(store) == {"profiling": 1, "marketing_email": NOW}


def test_it_holds_years_later() -> None:
    """A link does not expire, and neither does what it did."""
    store = MemoryStore()

    post(store, now=NOW + 400 * 86_400)

    found = store.read([KEY], now=NOW + 4000 * 86_400)
    assert found.value(KEY) == AddressState({"marketing_email": NOW + 400 * 86_400})


def test_the_very_next_mail_is_suppressed() -> None:
    """Follow the link of a mail that was sent: the next one, to any account, is not sent."""
    world = world_with_a_mail()
    world.act()
    link = parse(world.mailer.sent[0].raw).message["List-Unsubscribe"].strip("<>")
    other = customer("c-2")
    world.meet(contact_of(other))
    world.plan(mail_effect("1" * 32), mail_effect("2" * 32, subject=other))

    token = urlsplit(link).path.rpartition("/")[2]
    assert show(token, keys=SIGNING_KEYS).status == 200
    assert world.act("1" * 32).state == "ACCEPTED"  # looking did nothing
    assert post(world.store, token).status == 200

    world.plan(mail_effect("3" * 32))
    for effect_id in ("2" * 32, "3" * 32):
        outcome = world.act(effect_id)
        assert (outcome.state, outcome.reason) == ("SUPPRESSED", "withdrawn")
    assert len(world.mailer.sent) == 2


def test_a_receipt_still_comes() -> None:
    """Unsubscribing from marketing does not stop mails about an order."""
    world = World()
    world.meet(contact_of())
    world.plan(mail_effect(purpose="transactional"))
    post(world.store)

    assert world.act().state == "ACCEPTED"


def test_a_race_is_looked_at_again() -> None:
    """Somebody else writes the address meanwhile: both withdrawals stand in the end."""
    store = MemoryStore()

    def meanwhile() -> None:
        store.write([Put(KEY, AddressState({"profiling": 1}), WHATEVER)], now=NOW)

    store.before_write = meanwhile

    assert post(store).status == 200
    assert withdrawn(store) == {"profiling": 1, "marketing_email": NOW}


def test_what_is_not_stored_is_not_confirmed() -> None:
    """When storage does not answer, the caller hears so and tries again."""
    store = MemoryStore()
    store.fail_writes(Transient("down"))

    with pytest.raises(Transient):
        post(store)
    assert withdrawn(store) is None


def test_endless_contention_is_not_confirmed_either() -> None:
    """After five lost races the caller hears so."""
    store = MemoryStore()
    store.fail_writes(*[Conflict(())] * 5)

    with pytest.raises(Conflict):
        post(store)


def test_a_rotated_key_still_unsubscribes() -> None:
    """Old mails keep working after the signing key has changed."""
    store = MemoryStore()
    rotated = SigningKeys(
        "k2",
        {**SIGNING_KEYS.keys, "k2": b"2" * 32},
        SIGNING_KEYS.address_secret,
        SIGNING_KEYS.coupon_secret,
    )

    assert act_on(TOKEN, store=store, keys=rotated, now=NOW).status == 200
    assert withdrawn(store) == {"marketing_email": NOW}


@pytest.mark.parametrize(
    "page", [show(TOKEN, keys=SIGNING_KEYS), show("", keys=SIGNING_KEYS), post(MemoryStore())]
)
def test_the_pages_are_accessible_and_load_nothing(page: Page) -> None:
    """Language, title, one heading, a main part; no script, no image, nothing from elsewhere."""
    assert '<html lang="en">' in page.html
    assert len(re.findall("<h1>", page.html)) == 1
    assert "<main>" in page.html
    assert re.search(r"<title>[^<]+</title>", page.html)
    assert not re.search(r"<script|<img|<link|url\(|https?://|@import", page.html)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert len(page.html.encode()) < 4096
