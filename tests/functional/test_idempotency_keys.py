"""``Idempotency-Key`` on every route that hears it: the same rules everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.api.operations import REPEATABLE
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.repeats import REPEAT_WINDOW_SECONDS
from tests.coupon_makers import CODE, WINBACK, budget_of, coupon, issue, limited
from tests.makers import order_event
from tests.storefront import MUGS, TEXAS, Storefront, open_storefront
from tests.unit.core.situations import shipped_rules

KEY = {"Idempotency-Key": "k-1"}
USE = {"customer_id": "c-1", "order_id": "o-1", "amount": 200, "currency": "USD"}


@dataclass(frozen=True)
class Call:
    """A call of one route, and another body that the route would take as well."""

    path: str
    body: Any
    other: Any

    @property
    def route(self) -> tuple[str, str]:
        """As the tables name it."""
        return "POST", self.path.replace(CODE, "{code}")


CALLS = [
    Call(
        "/v1/decisions",
        {"customer_id": "c-1", "context": TEXAS, "cart": MUGS},
        {"customer_id": "c-1", "context": TEXAS},
    ),
    Call(
        "/v1/events",
        {"batch": [order_event("Order Completed", "o-7", total=9, user="c-9", message_id="m-1")]},
        {"batch": [order_event("Order Completed", "o-8", total=9, user="c-9", message_id="m-2")]},
    ),
    Call(f"/v1/offers/{CODE}/reserve", USE, {**USE, "amount": 1}),
    Call(f"/v1/offers/{CODE}/redeem", USE, {**USE, "amount": 1}),
    Call(
        f"/v1/offers/{CODE}/release",
        {"customer_id": "c-1", "order_id": "o-1"},
        {"customer_id": "c-1", "order_id": "o-2"},
    ),
    Call(f"/v1/offers/{CODE}/revoke", {"reason": "leaked"}, {"reason": "other"}),
]
every_route = pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(call.route))


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1, who has a code."""
    with open_storefront(rules=shipped_rules(actions=limited(WINBACK, budget_minor=900))) as shop:
        issue(shop.store, coupon())
        shop.store.calls.clear()
        yield shop


def post(shop: Storefront, call: Call, body: Any = None, **more: Any) -> HTTPResponse:
    """Make the call under the key, unless told otherwise."""
    return shop.call("POST", call.path, **{"body": body or call.body, "headers": KEY, **more})


def answer(response: HTTPResponse) -> Any:
    """What a call that is not refused answers."""
    assert response.status_code in (200, 202), response.body
    return response.json_body


def test_every_route_that_hears_a_key_is_tried_here() -> None:
    """And the OpenAPI document names the same ones."""
    assert {call.route for call in CALLS} == REPEATABLE


@every_route
@pytest.mark.parametrize(
    "key",
    ["", " ", "x" * 256, "tab\there", "del\x7f", "new\nline", "ümlaut", "schlüssel", "鍵"],
    ids=["empty", "blank", "256", "tab", "delete", "line", "umlaut", "utf-8", "kanji"],
)
def test_a_malformed_key_is_400(shop: Storefront, call: Call, key: str) -> None:
    """It names the header, and storage is not asked."""
    response = post(shop, call, headers={"Idempotency-Key": key})

    assert response.status_code == 400
    assert response.json_body["errors"][0]["field"] == "Idempotency-Key"
    assert shop.calls() == []


@every_route
def test_the_first_answer_comes_again(shop: Storefront, call: Call) -> None:
    """By the longest key, whatever happened since; nothing is written for it."""
    key = {"Idempotency-Key": "~" * 255}
    first = answer(post(shop, call, headers=key))
    shop.clock.forward(DAY_SECONDS)
    shop.calls()

    assert answer(post(shop, call, headers=key)) == first
    assert "write" not in shop.calls()


@every_route
def test_the_same_said_in_another_way_is_the_same(shop: Storefront, call: Call) -> None:
    """Order of fields, blanks and the way letters are escaped do not make another body."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(value[name]) for name in reversed(value)}
        return [turned(each) for each in value] if isinstance(value, list) else value

    first = answer(post(shop, call))
    said = json.dumps(turned(call.body), indent=3).replace("c-", "\\u0063-").encode()
    assert said != json.dumps(call.body).encode()

    assert answer(post(shop, call, said)) == first


@every_route
def test_another_body_is_422_and_changes_nothing(shop: Storefront, call: Call) -> None:
    """The key stays with its first body."""
    first = answer(post(shop, call))
    shop.calls()

    refused = post(shop, call, call.other)

    assert refused.status_code == 422
    assert refused.json_body["type"] == "urn:segue:problem:idempotency-key-reused"
    assert "write" not in shop.calls()
    assert answer(post(shop, call)) == first


@every_route
def test_a_key_belongs_to_whoever_sent_it(shop: Storefront, call: Call) -> None:
    """The same key of another API key may say something else."""
    scopes = ("decide", "events", "operate")
    answer(post(shop, call, scopes=scopes))

    other = post(shop, call, call.other, scopes=(*scopes, "read"))

    assert other.json_body.get("type") != "urn:segue:problem:idempotency-key-reused"


def test_one_key_on_every_route_is_a_call_of_each(shop: Storefront) -> None:
    """A shop may use its order's id as the key of every call about the order."""
    told = [answer(post(shop, call)) for call in CALLS[:4]]

    assert [each.get("state") for each in told[2:4]] == ["reserved", "redeemed"]
    assert budget_of(shop.store) == (0, 200)


@pytest.mark.parametrize("call", CALLS[2:5], ids=lambda call: call.path[-7:])
def test_a_refusal_is_not_remembered(shop: Storefront, call: Call) -> None:
    """It changed nothing, so the same key may succeed, and with another body too."""
    elsewhere = {**USE, "order_id": "o-9"}
    answer(shop.call("POST", f"/v1/offers/{CODE}/reserve", body=elsewhere))
    assert post(shop, call).status_code == 409
    freed = {"customer_id": "c-1", "order_id": "o-9"}
    answer(shop.call("POST", f"/v1/offers/{CODE}/release", body=freed))

    answer(post(shop, call, call.other))


@every_route
def test_a_reply_that_was_lost_is_given_by_the_repeat(shop: Storefront, call: Call) -> None:
    """What was stored is answered, whatever the first caller was told: never done twice."""
    shop.store.lose_replies(None if call.path == "/v1/events" else Transient("reply lost"))
    first = post(shop, call)

    again = [answer(post(shop, call)) for _ in range(2)]

    assert again[0] == again[1]
    assert not again[0].get("degraded", False)
    assert first.status_code in (200, 202, 503)
    assert len(shop.store.all("record")) == (call.path == "/v1/decisions")


def test_a_degraded_answer_is_not_remembered(shop: Storefront) -> None:
    """Storage was away: the same key is decided as soon as it is back, and that answer stays."""
    shop.store.fail_reads(Transient("gone"))
    assert answer(post(shop, CALLS[0]))["degraded"]

    told = [answer(post(shop, CALLS[0])) for _ in range(2)]

    assert [each["degraded"] for each in told] == [False, False]
    assert told[0] == told[1]


@pytest.mark.parametrize("call", CALLS[1:], ids=lambda call: call.path[-7:])
def test_an_old_key_is_forgotten_by_the_clock(shop: Storefront, call: Call) -> None:
    """After 30 days it is another call, though storage has not removed what it was answered."""
    answer(post(shop, call))
    kept = dict(shop.store.all("repeat"))
    assert len(kept) == 1

    shop.clock.forward(REPEAT_WINDOW_SECONDS)
    other = post(shop, call, call.other)

    assert dict(shop.store.all("repeat")).keys() == kept.keys()
    assert other.json_body.get("type") != "urn:segue:problem:idempotency-key-reused"
