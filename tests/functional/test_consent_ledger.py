"""The consent ledger, whichever way a word of consent came: by call, event, file, or link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.consents import Entry
from chalicelib.core.contact import PURPOSES
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import EFFECT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer, guest
from chalicelib.core.tokens import sign
from chalicelib.flows.consent_ledger import read_ledger
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.drops import DataTeam
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import hash_of, mail_effect
from tests.makers import identify
from tests.persons import consent
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

ANN, EMAIL = "ann", "ann@example.com"
MAIL = "1" * 32
Row = tuple[str, str, bool, int]


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows nobody but the buyer."""
    with open_storefront() as storefront:
        yield storefront


def entries(shop: Storefront, customer_id: str = ANN) -> Sequence[Entry]:
    """The ledger, which always hangs together."""
    ledger = read_ledger(customer(customer_id).key, store=shop.store, now=NOW)
    assert ledger.is_intact
    return ledger.entries


def rows(shop: Storefront) -> list[Row]:
    """What is entered: source, purpose, granted, said at."""
    return [
        (said.source, said.purpose, said.granted, said.said_at)
        for said in (entry.statement for entry in entries(shop))
    ]


def tell(shop: Storefront, *, at: int, email: str = EMAIL, **traits: Any) -> str:
    """Ann's shop sends an "identify"; returns the request's correlation id."""
    message = identify(user=ANN, email=email, at=at, **traits)
    message = {**message, "messageId": f"m-{len(shop.store.all('message'))}"}
    response = shop.call("POST", "/v1/events", body=message)
    assert response.json_body["accepted"] == 1, response.body
    correlation_id: str = response.headers["X-Correlation-Id"]
    return correlation_id


def drop(shop: Storefront, *, at: int, **columns: bool) -> str:
    """Her shop drops a customers file; returns the drop's correlation id."""
    team = DataTeam(store=shop.store)
    names = ",".join(["customer_id", "email", *columns])
    cells = ",".join([ANN, EMAIL, *(str(value).lower() for value in columns.values())])
    key = f"customers/{len(shop.store.all('drop'))}.csv"
    done = team.handle(team.put(key, f"{names}\n{cells}\n", at=at), now=NOW)
    assert done.counts["rejected"] == 0
    return f"drop-{done.drop_id}"


def click(shop: Storefront, choice: str) -> None:
    """She presses a button behind the link of a mail."""
    put = Put(EFFECT.key(MAIL), mail_effect(MAIL, subject=customer(ANN)), WHATEVER)
    shop.store.write([put], now=NOW)
    payload = {"a": hash_of(EMAIL), "p": "marketing_email", "e": MAIL}
    token = sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload=payload)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"choice={choice}".encode()
    assert shop.call("POST", f"/u/{token}", body=body, headers=headers).status_code == 200


def test_an_event_is_entered_with_what_it_came_in(shop: Storefront) -> None:
    """Who told us when, in which request, of which address; and that no proof was told."""
    correlation_id = tell(shop, at=NOW - 60, consent_marketing_email=True, consent_profiling=False)

    first, second = entries(shop)
    assert rows(shop) == [
        ("event", "marketing_email", True, NOW - 60),
        ("event", "profiling", False, NOW - 60),
    ]
    assert (first.recorded_at, first.reference, first.key_id) == (NOW, correlation_id, None)
    assert first.address_hash == second.address_hash == hash_of(EMAIL)
    assert (first.statement.basis, first.statement.wording) == (None, None)


def test_a_file_is_entered_with_its_drop(shop: Storefront) -> None:
    """As of the moment of the file, told now."""
    reference = drop(shop, at=NOW - 900, consent_marketing_email=True)

    [entry] = entries(shop)
    assert rows(shop) == [("file", "marketing_email", True, NOW - 900)]
    assert (entry.recorded_at, entry.reference) == (NOW, reference)


def test_the_same_word_again_is_no_news(shop: Storefront) -> None:
    """An export that says every night what it said the night before adds nothing."""
    for night in range(5):
        drop(shop, at=NOW - 900 + night, consent_marketing_email=True)
        tell(shop, at=NOW - 900 + night, consent_marketing_email=True)
    drop(shop, at=NOW - 100, consent_marketing_email=False)
    drop(shop, at=NOW - 90, consent_marketing_email=True)

    assert rows(shop) == [
        ("file", "marketing_email", True, NOW - 900),
        ("file", "marketing_email", False, NOW - 100),
        ("file", "marketing_email", True, NOW - 90),
    ]


def test_a_word_of_consent_costs_no_further_read(shop: Storefront) -> None:
    """The ledger's end is read with the profile: one read, and one write with its entries."""
    shop.store.calls.clear()

    tell(shop, at=NOW - 60, consent_marketing_email=True)

    assert shop.calls() == ["read", "write"]


def test_a_guests_word_is_entered_once_it_is_a_customers(shop: Storefront) -> None:
    """A guest has no ledger; what they said is entered with its own moment when they are known."""
    message = identify(visitor="v-1", email=EMAIL, consent_marketing_email=True, at=NOW - 900)
    shop.call("POST", "/v1/events", body=message)
    assert read_ledger(guest("v-1").key, store=shop.store, now=NOW).entries == ()

    shop.call("POST", "/v1/events", body=identify(user=ANN, visitor="v-1", at=NOW - 60))

    assert rows(shop) == [("event", "marketing_email", True, NOW - 900)]


def test_what_outweighs_a_statement_is_entered_before_it(shop: Storefront) -> None:
    """A later word that was no news when it came is found by whoever reads why the no is none."""
    tell(shop, at=NOW - 900, consent_profiling=True)
    tell(shop, at=NOW - 100, consent_profiling=True)

    said_at = format_instant(NOW - 500)
    told = consent(shop, ANN, purpose="profiling", granted=False, said_at=said_at)

    assert told.json_body["granted"] is True
    assert told.json_body["entry"]["number"] == 3
    assert rows(shop) == [
        ("event", "profiling", True, NOW - 900),
        ("contact", "profiling", True, NOW - 100),
        ("form", "profiling", False, NOW - 500),
    ]


def test_a_link_is_heard_though_the_shops_clock_is_ahead(shop: Storefront) -> None:
    """What was "said" in the next minutes does not outweigh a button pressed now."""
    tell(shop, at=NOW + 200, consent_profiling=True)

    click(shop, "profiling")

    consents = shop.call("GET", f"/v1/customers/{ANN}").json_body["consent"]
    assert consents["profiling"]["granted"] is False
    assert rows(shop)[-1] == ("link", "profiling", False, NOW + 200)


def test_the_export_shows_both_ledgers(shop: Storefront) -> None:
    """The customer's, and what the owner of the address said by links."""
    correlation_id = tell(shop, at=NOW - 60, consent_marketing_email=True)
    click(shop, "all")

    told = shop.call("GET", f"/v1/customers/{ANN}/export").json_body

    said = [(each["source"], each["granted"], each["reference"]) for each in told["consent_ledger"]]
    assert said == [("event", True, correlation_id), *[("link", False, MAIL)] * 3]
    assert [each["purpose"] for each in told["address_ledger"]] == [
        "marketing_email",
        "profiling",
        "personalised_pricing",
    ]
    assert told["consent_ledger_intact"]
    assert told["address_ledger_intact"]


def test_a_batch_that_no_write_can_hold_enters_each_word(shop: Storefront) -> None:
    """Messages stored in several writes add to one chain."""
    batch = [
        identify(user=ANN, email=EMAIL, consent_profiling=n % 2 == 0, at=NOW - 900 + n)
        for n in range(100)
    ]

    told = shop.call("POST", "/v1/events", body={"batch": batch})

    assert told.json_body["accepted"] == 100
    assert 1 <= len(entries(shop)) <= 100
    assert rows(shop)[-1][2] is False


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["event", "file", "form", "link"]),
        st.sampled_from(["marketing_email", "profiling"]),
        st.booleans(),
        st.integers(NOW - 4, NOW),
    ),
    max_size=7,
)


@given(STEPS)
def test_the_ledger_says_what_holds(steps: list[tuple[str, str, bool, int]]) -> None:
    """By whichever ways, in any order: a contact says of a purpose what its latest entry says.

    Of two at one moment the no counts; and the chain holds.
    """
    with open_storefront() as shop:
        tell(shop, at=NOW - 99)
        for way, purpose, granted, at in steps:
            match way:
                case "event":
                    traits: dict[str, Any] = {f"consent_{purpose}": granted}
                    tell(shop, at=at, **traits)
                case "file":
                    drop(shop, at=at, **{f"consent_{purpose}": granted})
                case "form":
                    said_at = format_instant(at)
                    consent(shop, ANN, purpose=purpose, granted=granted, said_at=said_at)
                case _:
                    click(shop, purpose)

        [contact] = [each for each in shop.store.all("contact").values() if each.subject.id == ANN]
        for purpose in PURPOSES:
            words = [(at, not yes) for _, about, yes, at in rows(shop) if about == purpose]
            assert contact.consent(purpose) is (not max(words)[1] if words else None)
