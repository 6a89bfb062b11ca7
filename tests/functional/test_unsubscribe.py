"""Withdrawing consent from a mail."""

from __future__ import annotations

import base64
import json
import re
import string
from random import Random
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.address import AddressState
from chalicelib.core.erasure import erased_effect
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


def forged() -> dict[str, str]:
    """Tokens that we did not sign, or not for this."""
    head, _, signature = TOKEN.rpartition(".")
    stranger = SigningKeys("k1", {"k1": b"x" * 32}, b"a" * 32, b"c" * 32)
    payload = {"a": hash_of(EMAIL), "p": "marketing_email"}
    return {
        "empty": "",
        "cut off": TOKEN[:-1],
        "altered": f"{head}.{signature[::-1]}",
        "another key": sign(stranger, purpose=UNSUBSCRIBE, payload=payload),
        "another purpose": sign(SIGNING_KEYS, purpose="quote", payload=payload),
        "no address": sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={"p": "marketing_email"}),
        "odd address": sign(
            SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={**payload, "a": "../../etc"}
        ),
        "odd purpose": sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload={**payload, "p": "all"}),
        "not ASCII": "k1.ü.é",
    }


@pytest.mark.parametrize("token", forged().values(), ids=forged().keys())
def test_a_forged_link_does_nothing(token: str) -> None:
    """Whatever is wrong with it, the answer is the same page, and storage is not touched."""
    store = MemoryStore()

    shown, acted = show(token, keys=SIGNING_KEYS), post(store, token)

    assert shown.status == acted.status == 404
    assert shown.html == acted.html
    assert "This link does not work" in shown.html
    assert store.calls == []


@given(st.text(max_size=80))
def test_no_guess_is_a_token(guess: str) -> None:
    """For any text: it is not taken for a token, and nothing but a page comes of it."""
    assert show(guess, keys=SIGNING_KEYS).status == 404


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


# --- preferences ----------------------------------------------------------------------------------


def linked(world: World) -> str:
    """The token in the mail that was sent."""
    link: str = parse(world.mailer.sent[0].raw).message["List-Unsubscribe"].strip("<>")
    return urlsplit(link).path.rpartition("/")[2]


def test_the_second_button_stops_everything_but_order_mails() -> None:
    """Mails, profiling and personal prices: for the address, and where the next checkout looks."""
    world = world_with_a_mail()
    world.act()

    page = act_on(
        linked(world), store=world.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all&x=1"
    )

    assert page.status == 200
    assert "Everything is stopped" in page.html
    state = world.store.read([KEY], now=NOW).value(KEY)
    assert state is not None
    assert set(state.withdrawn) == {"marketing_email", "profiling", "personalised_pricing"}
    [contact] = world.store.all("contact").values()
    assert [contact.consent(p) for p in ("profiling", "personalised_pricing")] == [False, False]
    assert contact.consent("transactional") is None


def test_the_second_button_again_changes_nothing() -> None:
    """Neither the address nor the contact is written a second time."""
    world = world_with_a_mail()
    world.act()
    token = linked(world)
    act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all")
    world.store.calls.clear()

    page = act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW + 9, form=b"choice=all")

    assert page.status == 200
    assert world.store.count("write") == 0


@pytest.mark.parametrize(
    "form", [b"", b"List-Unsubscribe=One-Click", b"\xff\xfe", b"choice=all&choice=x", b"a" * 9999]
)
def test_any_other_body_withdraws_the_purpose_of_the_mail(form: bytes) -> None:
    """What a mail program posts, or what nobody can read, still unsubscribes."""
    world = world_with_a_mail()
    world.act()

    act_on(linked(world), store=world.store, keys=SIGNING_KEYS, now=NOW, form=form)

    assert withdrawn(world.store) == {"marketing_email": NOW}


def test_an_account_with_another_address_by_now_is_left_alone() -> None:
    """The link binds the address that the mail went to, not whoever had it once."""
    world = world_with_a_mail()
    world.act()
    token = linked(world)
    world.meet(contact_of(email="new@example.com"))

    act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all")

    [contact] = world.store.all("contact").values()
    assert contact.consent("profiling") is None


def test_a_thousand_scanner_visits_change_nothing() -> None:
    """Every link of a mail is opened a thousand times: storage is neither read nor written."""
    world = world_with_a_mail()
    world.act()
    token = linked(world)
    world.store.calls.clear()

    assert {show(token, keys=SIGNING_KEYS).status for _ in range(1000)} == {200}
    assert world.store.calls == []


def test_the_link_names_nobody() -> None:
    """Whoever reads the token finds no address, no name and no customer id in it."""
    world = world_with_a_mail()
    world.act()
    body = linked(world).split(".")[1]

    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

    assert set(said) == {"a", "p", "e"}
    assert "ada" not in json.dumps(said).lower()
    assert "c-1" not in json.dumps(said)


@pytest.mark.slow
def test_a_hundred_thousand_forged_tokens() -> None:
    """Signatures altered, bodies altered, keys guessed, tokens cut: none is accepted."""
    chance = Random(4711)  # noqa: S311  (a seed, not a secret)
    store = MemoryStore()
    kid, body, signature = TOKEN.split(".")
    letters = string.ascii_letters + string.digits + "-_"
    accepted = 0
    for number in range(100_000):
        at = chance.randrange(len(signature))
        other = chance.choice(letters.replace(signature[at], ""))
        altered = signature[:at] + other + signature[at + 1 :]
        payload = json.dumps({"a": f"{number:040x}", "p": "marketing_email"}).encode()
        forged_body = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
        guess = "".join(chance.choices(letters, k=len(signature)))
        token = (
            f"{kid}.{body}.{altered}",
            f"{kid}.{forged_body}.{signature}",
            f"{kid}.{body}.{guess}",
            f"k{number}.{body}.{signature}",
            f"{kid}.{body}.{signature[: chance.randrange(len(signature))]}",
        )[number % 5]
        accepted += act_on(token, store=store, keys=SIGNING_KEYS, now=NOW).status != 404

    assert accepted == 0
    assert store.calls == []


def test_stopping_everything_is_finished_by_posting_again() -> None:
    """Broken off after the address and before the account: the same click does the rest."""
    world = world_with_a_mail()
    world.act()
    token = linked(world)
    world.store.fail_writes(None, Transient("down"))
    with pytest.raises(Transient):
        act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all")

    act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW + 5, form=b"choice=all")

    [contact] = world.store.all("contact").values()
    assert contact.consent("profiling") is False


def test_a_race_for_the_account_is_looked_at_again() -> None:
    """Somebody writes the contact meanwhile: both stand; endless contention is not confirmed."""
    world = world_with_a_mail()
    world.act()
    token = linked(world)
    world.store.fail_writes(None, Conflict(()))

    page = act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all")

    assert page.status == 200
    [contact] = world.store.all("contact").values()
    assert contact.consent("personalised_pricing") is False

    again = world_with_a_mail()
    again.act()
    again.store.fail_writes(None, *[Conflict(())] * 5)
    with pytest.raises(Conflict):
        act_on(linked(again), store=again.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all")


def test_a_mail_of_somebody_erased_still_unsubscribes_the_address() -> None:
    """Its effect names nobody: the address alone is bound, and no contact comes back."""
    world = world_with_a_mail()
    world.act()
    token = linked(world)
    gone = erased_effect(world.effect(), pseudonym="x#1", now=NOW)
    world.plan(gone)

    act_on(token, store=world.store, keys=SIGNING_KEYS, now=NOW, form=b"choice=all")

    assert withdrawn(world.store) == dict.fromkeys(
        ("marketing_email", "profiling", "personalised_pricing"), NOW
    )
    assert "c#x" not in world.store.dump()
