"""``GET /v1/messages``: who was not sent, and why, without a single address."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args
from urllib.parse import quote, urlencode

import pytest
from chalice.test import HTTPResponse

from chalicelib.api import views
from chalicelib.api.mail_table import COLUMNS, NEXT_CURSOR_HEADER
from chalicelib.core.effects import Effect, State, effect_id
from chalicelib.core.kinds import EFFECT
from chalicelib.core.mail_list import ASKABLE, NOT_SENT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer, guest
from chalicelib.core.tokens import SigningKeys, sign
from chalicelib.flows.list_mails import LARGEST_PAGE, PURPOSE
from tests.fakes import SIGNING_KEYS
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

MAIL = Effect(
    effect_id("mail"),
    "mail",
    "winback-10",
    customer("c-1").key,
    "d-1",
    "checkout-4711",
    planned_at=NOW,
    payload={"template": "winback", "purpose": "marketing_email"},
)
STATES: tuple[State, ...] = get_args(State)


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that has planned a mail for each state, a minute apart, and an event."""
    with open_storefront() as storefront:
        for number, state in enumerate(STATES):
            changed_at = None if state == "PLANNED" else NOW + 60 * number
            reason = "no_consent" if state == "SUPPRESSED" else None
            stored(storefront, state, state=state, changed_at=changed_at, reason=reason)
        stored(storefront, "event", kind="event", state="SUPPRESSED")
        yield storefront


def stored(shop: Storefront, name: str, **changes: Any) -> Effect:
    """Store an effect like the one above."""
    effect = replace(MAIL, effect_id=effect_id(name), **changes)
    shop.store.write([Put(EFFECT.key(effect.effect_id), effect, WHATEVER)], now=NOW)
    return effect


def ask(shop: Storefront, *, status: int = 200, **query: Any) -> HTTPResponse:
    """Ask for the list."""
    address = f"/v1/messages?{urlencode(query)}" if query else "/v1/messages"
    response = shop.call("GET", address, scopes=["read"])
    assert response.status_code == status, response.body
    return response


def listed(shop: Storefront, **query: Any) -> list[str]:
    """The states of the mails that are answered, in their order."""
    body = ask(shop, **query).json_body
    views.MessageList.model_validate(body)
    return [each["state"] for each in body["messages"]]


def everything(shop: Storefront, **query: Any) -> list[str]:
    """The ids of the mails of all pages."""
    ids: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        body = ask(shop, **query, **cursor).json_body
        ids += [each["effect_id"] for each in body["messages"]]
        if body["next_cursor"] is None:
            return ids
        cursor = {"cursor": body["next_cursor"]}


def table(response: HTTPResponse) -> list[dict[str, str]]:
    """A table as a spreadsheet reads it."""
    assert response.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.body.decode(), newline="")))


def test_a_mail_is_shown_with_its_reason_and_without_an_address(shop: Storefront) -> None:
    """What was planned for whom, where it stands, why, and what ties it to its cause."""
    [mail] = ask(shop, state="SUPPRESSED").json_body["messages"]

    assert mail == {
        "effect_id": effect_id("SUPPRESSED"),
        "action": "winback-10",
        "template": "winback",
        "purpose": "marketing_email",
        "customer_id": "c-1",
        "planned_at": "2026-11-18T11:06:40Z",
        "changed_at": "2026-11-18T11:15:40Z",
        "state": "SUPPRESSED",
        "reason": "no_consent",
        "provider_id": None,
        "correlation_id": "checkout-4711",
    }


@pytest.mark.parametrize("state", STATES)
def test_each_state_can_be_asked_for(shop: Storefront, state: State) -> None:
    """And nothing of another state is answered."""
    assert listed(shop, state=state) == [state]


def test_not_sent_is_every_mail_that_did_not_go_out_for_a_reason(shop: Storefront) -> None:
    """Suppressed, failed, given up, in doubt and held, newest first; open ones are on their way."""
    states = listed(shop, state="not_sent")

    assert set(states) == {*NOT_SENT} - {"HELD"}
    assert states == sorted(states, key=STATES.index, reverse=True)


def test_without_a_state_all_mails_are_listed_newest_first(shop: Storefront) -> None:
    """Open mails by when they were planned, others by when they came to stand where they do."""
    states = listed(shop)

    assert sorted(states) == sorted(STATES)
    assert states[:5] == [*reversed(STATES)][:5]


def test_pages_hold_every_mail_once(shop: Storefront) -> None:
    """Also of mails of one second; whatever the size of a page, none is missing or repeated."""
    for number in range(50):
        stored(shop, f"many-{number}", state="FAILED", changed_at=NOW + number // 10)

    for limit in (1, 7, 51, 100):
        ids = everything(shop, state="FAILED", limit=limit)
        assert len(ids) == len(set(ids)) == 51


def test_a_mail_that_comes_in_between_shifts_no_page(shop: Storefront) -> None:
    """A cursor names a place and not a number of mails."""
    for number in range(10):
        stored(shop, f"many-{number}", state="ABANDONED", changed_at=NOW - number)
    first = ask(shop, state="ABANDONED", limit=5).json_body
    stored(shop, "late", state="ABANDONED", changed_at=NOW + 10_000)

    rest = ask(shop, state="ABANDONED", limit=50, cursor=first["next_cursor"]).json_body

    ids = [each["effect_id"] for each in [*first["messages"], *rest["messages"]]]
    assert len(ids) == len(set(ids)) == 11
    assert effect_id("late") not in ids


def test_what_is_asked_of_a_long_list_is_found_behind_others(shop: Storefront) -> None:
    """Open mails share one part of the list; a page asks on for those in the wanted state."""
    for number in range(20):
        stored(shop, f"many-{number}", planned_at=NOW + 1 + number)

    assert everything(shop, state="SENDING", limit=3) == [effect_id("SENDING")]
    assert len(everything(shop, state="PLANNED", limit=3)) == 21


def test_a_table_holds_the_same(shop: Storefront) -> None:
    """One row for each mail, empty where there is nothing, and the cursor as a header."""
    shown = ask(shop, state="not_sent", limit=3).json_body
    response = ask(shop, state="not_sent", limit=3, format="csv")
    rows = table(response)

    assert [list(row) for row in rows] == [list(COLUMNS)] * 3
    assert rows == [
        {name: value or "" for name, value in each.items()} for each in shown["messages"]
    ]
    assert response.headers[NEXT_CURSOR_HEADER] == shown["next_cursor"]
    assert NEXT_CURSOR_HEADER not in ask(shop, state="FAILED", format="csv").headers


@pytest.mark.parametrize("first", "=+-@\t\uff1d\uff0b\uff0d\uff20")
def test_no_cell_of_a_table_is_a_formula(shop: Storefront, first: str) -> None:
    """Ids come from outside; a spreadsheet must not execute what one of them says (CWE-1236)."""
    bad = f"{first}HYPERLINK(1)"
    stored(shop, "bad", subject_key=customer(bad).key, state="FAILED", changed_at=NOW * 2)

    row = table(ask(shop, state="FAILED", format="csv"))[0]

    assert row["customer_id"] == f"'{bad}"


def test_a_guest_has_no_customer_id(shop: Storefront) -> None:
    """The id of a browser is not that of a customer."""
    stored(shop, "guest", subject_key=guest("g-1").key, state="FAILED", changed_at=NOW * 2)

    assert ask(shop, state="FAILED").json_body["messages"][0]["customer_id"] is None


def test_an_empty_list_is_an_empty_list() -> None:
    """A table of nothing still says its columns."""
    with open_storefront() as shop:
        assert ask(shop).json_body == {"messages": [], "next_cursor": None}
        assert ask(shop, format="csv").body.decode().strip() == ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=LOST", "state"),
        ("state=", "state"),
        ("state=suppressed", "state"),
        ("state=OPEN", "state"),
        ("format=xml", "format"),
        ("limit=0", "limit"),
        (f"limit={LARGEST_PAGE + 1}", "limit"),
        ("limit=-1", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1e3", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=", "cursor"),
        ("cursor=forged", "cursor"),
        (f"cursor=k1.{quote('é')}.x", "cursor"),
        (f"cursor={'x' * 5000}", "cursor"),
        ("page=2", "page"),
        ("state=FAILED&state=SENDING", "state"),
    ],
)
def test_bad_questions_name_the_field(shop: Storefront, query: str, field: str) -> None:
    """400 for whatever cannot be answered, and storage is not asked."""
    shop.calls()

    response = shop.call("GET", f"/v1/messages?{query}", scopes=["read"])

    assert response.status_code == 400, response.body
    assert [each["field"] for each in response.json_body["errors"]] == [field]
    assert shop.calls() == []


def test_every_wrong_parameter_is_named_at_once(shop: Storefront) -> None:
    """Whoever asks mends all of it in one go."""
    body = ask(shop, status=400, limit="x", format="x", page="x").json_body

    assert {each["field"] for each in body["errors"]} == {"limit", "format", "page"}


def test_an_unknown_state_says_which_there_are(shop: Storefront) -> None:
    """The refusal is the documentation."""
    [error] = ask(shop, status=400, state="LOST").json_body["errors"]

    assert all(name in error["problem"] for name in ASKABLE)


def test_a_cursor_belongs_to_its_question(shop: Storefront) -> None:
    """That of another state, of another purpose or of a key that is gone is refused."""
    cursor = ask(shop, state="not_sent", limit=1).json_body["next_cursor"]
    payload = {"state": None, "before": "x"}
    strange = SigningKeys("k9", {"k9": b"9" * 32}, b"a" * 32, b"c" * 32)
    others = [
        cursor,
        sign(SIGNING_KEYS, purpose="quote", payload=payload),
        sign(strange, purpose=PURPOSE, payload=payload),
    ]

    for each in others:
        body = ask(shop, status=400, cursor=each).json_body
        assert [error["field"] for error in body["errors"]] == ["cursor"]


def test_nobody_without_the_scope_reads_it(shop: Storefront) -> None:
    """A checkout's key does not list mails."""
    assert shop.call("GET", "/v1/messages", scopes=["decide", "events"]).status_code == 403
