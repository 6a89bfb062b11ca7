"""Customers and decisions in the console: found without a scan, explained, replayed, forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.api.views import Export
from chalicelib.console.decision_page import LAYERS, MODES, trace
from chalicelib.core.address import AddressState, Suppression, address_hash
from chalicelib.core.contact_policy import Mailed
from chalicelib.core.errors import BadInput
from chalicelib.core.explain import words_of
from chalicelib.core.kinds import ADDRESS, CONTACT, FACTS, MAILED, RECORD
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from chalicelib.flows.look_up import MOST_ACCOUNTS, PURPOSE, earlier_decisions
from chalicelib.flows.read import MOST_DECISIONS
from tests.browser import HOME, Browser, Document
from tests.fakes import SIGNING_KEYS
from tests.makers import identify
from tests.persons import ANN, EMAIL, consent, settle_in
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows Ann, with orders, consent, a decision and a mail."""
    with open_storefront() as storefront:
        settle_in(storefront)
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which an operator has signed in who may do everything."""
    return Browser(shop).sign_in()


def look_up(browser: Browser, asked: str) -> Any:
    """Look somebody up with the form."""
    form = browser.page("/console/customers").form_to("/customers")
    browser.shop.store.calls.clear()
    return browser.submit(form, customer=asked)


def say(shop: Storefront, *messages: Any) -> None:
    """Let the shop tell something."""
    told = shop.call("POST", "/v1/events", body={"batch": list(messages)})
    assert told.json_body["accepted"] == len(messages), told.json_body


def customers_in(page: Document) -> list[str]:
    """The customers that a page links to."""
    links = page.all("a", "href")
    return [each.rpartition("/")[2] for each in links if "/customers/" in each]


def decision_of(shop: Storefront) -> str:
    """The id of Ann's checkout."""
    answer: str = shop.decide(ANN, region="NY", session_id="s-ny")["decision_id"]
    shop.store.calls.clear()
    return answer


def mailed(shop: Storefront, email: str = EMAIL) -> None:
    """Note that Ann's mail went to an address of late."""
    [effect_id] = [
        key.removeprefix("e#")
        for key, each in shop.store.all("effect").items()
        if each.kind == "mail"
    ]
    named = address_hash(email, secret=SIGNING_KEYS.address_secret)
    shop.store.write([Put(MAILED.key(named), Mailed({effect_id: NOW}), WHATEVER)], now=NOW)


# --- looking up ---------------------------------------------------------------------------------


def test_a_customer_is_found_by_id(browser: Browser) -> None:
    """One read, and the address of their page."""
    response = look_up(browser, f" {ANN} ")

    assert (response.status_code, response.headers["Location"]) == (
        303,
        f"{HOME}/customers/{ANN}",
    )
    assert browser.shop.calls() == ["read"]


def test_a_customer_is_found_by_their_address(browser: Browser) -> None:
    """However it is spelled; by its keyed hash, and the address is in no log and no URL."""
    response = look_up(browser, EMAIL.upper())

    assert response.headers["Location"] == f"{HOME}/customers/{ANN}"
    assert browser.shop.calls() == ["read", "read", "members", "read"]
    assert "canary" not in browser.shop.log.getvalue().casefold()


def test_every_account_of_an_address_is_found(browser: Browser) -> None:
    """Who got it last comes first; a guest is no account."""
    shop = browser.shop
    for number, user in enumerate(("c-7", "c-8", "c-9")):
        say(shop, identify(user=user, email=EMAIL, at=NOW - 60 + number))
    say(shop, identify(visitor="g-9", email=EMAIL, at=NOW - 5))

    page = Document(look_up(browser, EMAIL).body.decode())

    assert customers_in(page) == ["c-9", "c-8", "c-7", ANN]
    assert EMAIL not in page.text


def test_who_has_moved_on_or_was_erased_is_not_found_by_the_address(browser: Browser) -> None:
    """A new address leads to them at once, the old one to nobody."""
    shop = browser.shop
    say(shop, identify(user="c-7", email=EMAIL, at=NOW - 60))
    say(shop, identify(user="c-7", email="new@example.com", at=NOW - 50))

    assert look_up(browser, EMAIL).headers["Location"] == f"{HOME}/customers/{ANN}"
    assert look_up(browser, "new@example.com").headers["Location"] == f"{HOME}/customers/c-7"

    shop.call("DELETE", "/v1/customers/c-7")
    page = Document(look_up(browser, "new@example.com").body.decode())
    assert "No account has this address" in page.text


def test_an_account_that_the_index_still_names_and_that_has_moved_on_is_left_out(
    browser: Browser,
) -> None:
    """The index follows its table with a delay; the contact itself decides."""
    shop = browser.shop
    named = address_hash("old@example.com", secret=SIGNING_KEYS.address_secret)
    contact = replace(shop.store.all("contact")[f"c#{ANN}"], address_hash=named)
    shop.store.write([Put(CONTACT.key(f"c#{ANN}"), contact, WHATEVER)], now=NOW)

    assert customers_in(Document(look_up(browser, "old@example.com").body.decode())) == []


def test_more_accounts_than_a_page_shows_are_said_to_be_more(browser: Browser) -> None:
    """A hundred links at most."""
    shop = browser.shop
    people = [identify(user=f"c-{n}", email="all@example.com", at=NOW - 9) for n in range(101)]
    for start in (0, 50, 100):
        say(shop, *people[start : start + 50])

    page = Document(look_up(browser, "all@example.com").body.decode())

    assert len(customers_in(page)) == MOST_ACCOUNTS
    assert "There are more: the 100 that got the address last are shown" in page.text


def test_an_account_from_before_the_index_is_found_by_the_mails_of_late(
    browser: Browser,
) -> None:
    """Its contact has no hash until it is saved again."""
    shop = browser.shop
    mailed(shop)
    contact = replace(shop.store.all("contact")[f"c#{ANN}"], address_hash=None)
    shop.store.write([Put(CONTACT.key(f"c#{ANN}"), contact, WHATEVER)], now=NOW)

    assert look_up(browser, EMAIL).headers["Location"] == f"{HOME}/customers/{ANN}"
    assert consent(shop, purpose="profiling").status_code == 200
    saved = shop.store.all("contact")[f"c#{ANN}"]
    assert saved.address_hash == address_hash(EMAIL, secret=SIGNING_KEYS.address_secret)


def test_an_address_tells_what_binds_it_though_no_account_has_it(browser: Browser) -> None:
    """And the page says how else to find one."""
    page = Document(look_up(browser, "nobody@example.com").body.decode())

    assert "No account has this address" in page.text
    assert "nobody withdrew" in page.text


def test_an_address_tells_what_was_withdrawn_refused_and_suppressed(browser: Browser) -> None:
    """For every account that has it, with the moment."""
    named = address_hash("nobody@example.com", secret=SIGNING_KEYS.address_secret)
    state = AddressState(
        withdrawn={"marketing_email": NOW - 60},
        refused={"profiling": NOW - 120},
        suppressed={"marketing": Suppression("hard_bounce", NOW - 180)},
    )
    browser.shop.store.write([Put(ADDRESS.key(named), state, WHATEVER)], now=NOW)

    page = Document(look_up(browser, "Nobody@Example.com").body.decode())

    for told in (
        "Withdrawn by a link News and offers by mail",
        "Refused by an account Choosing by what they bought",
        "Suppressed: hard bounce marketing mail",
    ):
        assert told in page.text, told


def test_an_address_whose_owner_was_erased_says_when_and_leads_to_nobody(
    browser: Browser,
) -> None:
    """The tombstone of the address is all that is left."""
    mailed(browser.shop)
    browser.shop.call("DELETE", f"/v1/customers/{ANN}")

    page = Document(look_up(browser, EMAIL).body.decode())

    assert "Somebody with this address was erased at" in page.text
    assert ANN not in page.text


def test_an_account_that_has_another_address_by_now_is_not_taken_for_its_owner(
    browser: Browser,
) -> None:
    """The mail went there, the account has moved on."""
    mailed(browser.shop, "old@example.com")

    page = Document(look_up(browser, "old@example.com").body.decode())

    assert ANN not in page.text


@pytest.mark.parametrize(
    ("asked", "says", "status"),
    [
        ("", "Enter a customer id", 422),
        ("nobody", "No event and no file", 404),
        ("x" * 200, "at most", 422),
    ],
)
def test_what_leads_to_nobody_says_so(browser: Browser, asked: str, says: str, status: int) -> None:
    """Beside the form, to try again."""
    response = look_up(browser, asked)

    assert says in Document(response.body.decode()).text
    assert response.status_code == status


def test_a_decision_is_looked_up_as_well(browser: Browser) -> None:
    """By the id that a checkout was answered."""
    form = browser.page("/console/customers").form_to("/customers")

    assert browser.submit(form, decision="d-1").headers["Location"] == f"{HOME}/decisions/d-1"


# --- a customer ---------------------------------------------------------------------------------


def test_the_page_tells_all_that_is_known(browser: Browser) -> None:
    """Segment, facts, consent, decisions, mails and what happened, in a handful of reads."""
    page = browser.page(f"/console/customers/{ANN}")

    for told in ("Orders that count 2", "Timeline", "News and offers by mail yes", "mail"):
        assert told in page.text, told
    assert "Order 30.00 USD" in page.text
    assert "Consent News and offers by mail" in page.text
    assert any("/decisions/" in link for link in page.all("a", "href"))
    assert browser.shop.calls() == ["read", "read", "recent_decisions", "read", "read"]


def test_name_and_address_are_shown_to_whoever_may_export_them(shop: Storefront) -> None:
    """The scope read tells nobody's name, as in the interface."""
    with_privacy = Browser(shop).sign_in().page(f"/console/customers/{ANN}").text
    without = Browser(shop).sign_in("operate", "read").page(f"/console/customers/{ANN}").text

    assert EMAIL in with_privacy
    assert "Canaryann" in with_privacy
    assert EMAIL not in without
    assert "Canaryann" not in without
    assert "An e-mail address is known." in without


def test_somebody_unknown_or_erased_meanwhile_is_a_clear_page(browser: Browser) -> None:
    """Nothing is changed, nothing is made up."""
    browser.page(f"/console/customers/{ANN}")
    browser.shop.call("DELETE", f"/v1/customers/{ANN}")

    for path in (f"/console/customers/{ANN}", f"/console/customers/{ANN}/erase"):
        page = browser.page(path, status=404)
        assert "names no customer" in page.text
        assert "erased" in page.text
        assert "Nothing was changed." in page.text


# --- pages of decisions -------------------------------------------------------------------------


def checkouts(shop: Storefront, count: int) -> list[str]:
    """So many decisions on c-1, a minute apart, oldest first."""
    ids = []
    for number in range(count):
        shop.clock.now = NOW + 60 * number
        ids.append(shop.decide("c-1", session_id=f"s-{number}")["decision_id"])
    shop.store.calls.clear()
    return ids


def linked(page: Document) -> list[str]:
    """The decisions that the table of a page leads to."""
    links = page.all("a", "href")
    return list(dict.fromkeys(link.rpartition("/")[2] for link in links if "/decisions/" in link))


def test_every_decision_stands_on_one_page(browser: Browser) -> None:
    """Newest first, none twice, none left out; each page costs the same few reads."""
    ids = checkouts(browser.shop, 2 * MOST_DECISIONS + 3)
    page = browser.page("/console/customers/c-1")
    found = linked(page)
    browser.shop.calls()
    while following := [each for each in page.all("a", "href") if "cursor=" in each]:
        page = browser.page(following[0])
        found += linked(page)
        assert len(browser.shop.calls()) <= 7

    assert found == ids[::-1]
    assert browser.page("/console/customers/c-1").all("a", "hx-get") != []


@pytest.mark.parametrize("forged", ["x", "k.e30.AAAA", "é", "x" * 2_000])
def test_a_forged_cursor_is_a_clear_page(browser: Browser, forged: str) -> None:
    """It leads nowhere."""
    page = browser.page(f"/console/customers/c-1?cursor={forged}", status=422)

    assert "is not a token that this service signed" in page.text


def test_a_cursor_belongs_to_one_customer(shop: Storefront) -> None:
    """Nobody gets at the decisions on somebody else with it."""
    payload = {"subject": customer("c-1").key, "after": "d-1"}
    cursor = sign(SIGNING_KEYS, purpose=PURPOSE, payload=payload)

    with pytest.raises(BadInput, match="somebody else"):
        earlier_decisions(ANN, cursor=cursor, store=shop.store, keys=SIGNING_KEYS, now=NOW)


# --- a decision ---------------------------------------------------------------------------------


def test_the_page_says_why_this_price_and_why_this_offer(browser: Browser) -> None:
    """Every candidate of the record stands there, with how far it came and the words for why."""
    decision_id = decision_of(browser.shop)
    record = browser.shop.store.one(RECORD.key(decision_id))
    assert record is not None

    page = browser.page(f"/console/decisions/{decision_id}")

    for action, *_ in record["decision"]["candidates"]:
        assert action in page.text
    tier, reason = record["decision"]["tier"], record["decision"]["price_reason"]
    assert f"Tier {tier}" in page.text
    assert f"Rules of the place: {MODES[record['decision']['mode']]}." in page.text
    cells = [text for tag, text in page.texts if tag == "td"]
    assert f"tier {tier}: {words_of(reason)}" in cells  # of the line whose price was lowered
    assert "Shown with the price" in page.text
    assert "In words for the customer" in page.text
    assert "What would have changed it" in page.text
    assert "intact, to the byte" in page.text
    assert browser.shop.calls() == ["read", "read", "read"]


def test_the_trace_shows_each_layer_once_and_in_order() -> None:
    """What was passed, where it stopped, and that nothing was asked behind that."""
    traced = trace(
        [
            ["a", "rejected", "eligibility", "segment_not_allowed"],
            ["b", "rejected", "limits", "code_used"],
            ["c", "chosen", "arbitration", "highest_priority"],
            ["d", "chosen", "session", "kept"],
        ]
    )
    steps = {each.action: each.steps for each in traced}

    assert [each.action for each in traced] == ["c", "d", "b", "a"]
    assert steps["a"] == ("stopped", *["unasked"] * 6)
    assert steps["b"] == (*["passed"] * 4, "stopped", "unasked", "unasked")
    assert steps["c"] == (*["passed"] * 6, "won")
    assert steps["d"] == ("unasked",) * len(LAYERS)


def test_deciding_again_gives_the_same_and_says_so(browser: Browser) -> None:
    """From the record alone, with the button of the page."""
    decision_id = decision_of(browser.shop)
    form = browser.page(f"/console/decisions/{decision_id}").form_to("/replay")

    assert "The same, to the byte." in Document(browser.submit(form).body.decode()).text


def test_a_record_that_was_altered_is_shown_and_not_explained(browser: Browser) -> None:
    """The seal tells; deciding again names what differs."""
    decision_id = decision_of(browser.shop)
    key = RECORD.key(decision_id)
    record = browser.shop.store.one(key)
    assert record is not None
    altered = {**record, "decision": {**record["decision"], "tier": "<b>generous</b>"}}
    browser.shop.store.write([Put(key, altered, WHATEVER)], now=NOW)

    page = browser.page(f"/console/decisions/{decision_id}")
    again = Document(browser.submit(page.form_to("/replay")).body.decode())

    assert "is not what was written down" in page.text
    assert "In words for the customer" not in page.text
    assert "It comes out otherwise in witness, tier." in again.text


def test_a_decision_on_somebody_erased_is_shown_without_them(browser: Browser) -> None:
    """How it was decided stays; deciding it again is refused with the reason."""
    decision_id = decision_of(browser.shop)
    form = browser.page(f"/console/decisions/{decision_id}").form_to("/replay")
    browser.shop.call("DELETE", f"/v1/customers/{ANN}")

    page = browser.page(f"/console/decisions/{decision_id}")
    refused = browser.submit(form)

    assert "The person was erased" in page.text
    assert ANN not in page.text
    assert refused.status_code == 409
    assert "cannot be made again" in Document(refused.body.decode()).text


def test_a_decision_that_does_not_exist_is_a_clear_page(browser: Browser) -> None:
    """As for a checkout that was answered in degraded mode."""
    assert "names no decision" in browser.page("/console/decisions/none", status=404).text


# --- rights -------------------------------------------------------------------------------------


def test_the_export_is_a_file_to_save(browser: Browser) -> None:
    """The same that the interface gives."""
    response = browser.get(f"/console/customers/{ANN}/export")

    assert response.headers["Content-Disposition"] == 'attachment; filename="customer.json"'
    assert response.headers["Content-Type"] == "application/json"
    told = Export.model_validate(json.loads(response.body))
    assert told.contact["email"].value == EMAIL


def test_erasing_asks_and_wants_the_id_typed(browser: Browser) -> None:
    """Looking changes nothing, nor does a wrong id; the right one erases for good."""
    facts = FACTS.key(customer(ANN).key)
    form = browser.page(f"/console/customers/{ANN}/erase").form_to("/erase")

    wrong = browser.submit(form, typed=ANN.upper())
    assert wrong.status_code == 422
    assert "Nothing was erased." in Document(wrong.body.decode()).text
    assert browser.shop.store.one(facts) is not None

    done = browser.submit(form, typed=ANN)
    assert f"{ANN} is erased" in Document(done.body.decode()).text
    assert browser.shop.store.one(facts) is None
    assert "canary" not in browser.shop.store.dump().casefold()


def test_erasing_twice_changes_nothing_more(browser: Browser) -> None:
    """A form that is pressed again, or by two operators."""
    form = browser.page(f"/console/customers/{ANN}/erase").form_to("/erase")
    browser.submit(form, typed=ANN)

    again = Document(browser.submit(form, typed=ANN).body.decode())

    assert "There was nothing left to delete." in again.text
