"""A checkout while storage is slow, throttled or down: 200, the cart's prices, nothing promised."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters import aws_adapters
from chalicelib.api import answers
from chalicelib.aws.clients import Clients
from chalicelib.aws.deadline import CHECKOUT_SECONDS
from chalicelib.core.errors import Broken, DeadlineExceeded, SegueError, Transient
from chalicelib.core.storage import Conflict
from tests.loopback import (
    THROTTLED,
    UNAVAILABLE,
    HangUp,
    Loopback,
    Reaction,
    Reply,
    Request,
    Stall,
)
from tests.storefront import SETTINGS, Storefront, open_storefront

# A loaded machine may be late; what counts is that nobody waits for storage.
SLACK_SECONDS = 2.0


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1, silent for 100 days, and sells a mug."""
    with open_storefront() as storefront:
        yield storefront


def assert_degraded(answer: dict[str, Any]) -> None:
    """The cart's own prices, and nothing that storage would have to keep."""
    answers.Decision.model_validate(answer)
    assert answer["degraded"] is True
    assert answer["decision_id"].startswith("degraded_")
    assert (answer["price"]["tier"], answer["price"]["total"]) == ("base", 4000)
    assert answer["price"]["quote"] is None
    assert answer["offers"] == []
    assert answer["segment"]["fallback"]


@pytest.mark.parametrize(
    "error", [Transient("throttled"), DeadlineExceeded("no time left")], ids=str
)
def test_a_read_that_fails_degrades_the_answer(shop: Storefront, error: SegueError) -> None:
    """Storage that cannot be read costs the discount, not the checkout."""
    shop.store.fail_reads(error)

    assert_degraded(shop.decide())
    assert shop.calls() == ["read"]


def test_a_write_that_fails_degrades_the_answer(shop: Storefront) -> None:
    """A decision that could not be stored is not told: no code without its record."""
    shop.store.fail_writes(Transient("throttled"))

    assert_degraded(shop.decide())
    assert shop.store.all("record") == {}
    assert shop.store.all("coupon") == {}


def test_signing_keys_that_cannot_be_had_degrade_the_answer(shop: Storefront) -> None:
    """Without keys there is no quote and no code, so there is no decision to tell."""
    shop.signing.error = Transient("SSM did not answer")

    assert_degraded(shop.decide())
    assert shop.store.all("record") == {}


def test_contention_without_end_degrades_the_answer(shop: Storefront) -> None:
    """Two lost races in a row, and the answer is given without storage."""
    shop.store.fail_writes(Conflict([]), Conflict([]))

    assert_degraded(shop.decide())
    assert shop.calls() == ["read", "write", "read", "write"]


def test_damage_is_not_slowness(shop: Storefront) -> None:
    """What is broken answers 500 and raises an alarm; it does not hide as a degraded answer."""
    shop.store.fail_reads(Broken("stored facts is unreadable (KeyError)"))

    response = shop.call("POST", "/v1/decisions", body={"customer_id": "c-1"})

    assert response.status_code == 500
    assert response.json_body["type"] == "urn:segue:problem:broken"


def test_a_degraded_answer_is_counted(shop: Storefront) -> None:
    """The metric that the alarm watches counts it, and the decision metrics do not."""
    shop.store.fail_reads(Transient("throttled"))
    shop.decide()

    [line] = shop.lines()
    assert (line["Degraded"], line["Decisions"], line["error"]) == (1, 0, "Transient")
    assert line["degraded"] is True


# --- over real sockets --------------------------------------------------------------------------

NOTHING = Reply({"Responses": {}, "UnprocessedKeys": {}})
UNPROCESSED = Reply(
    {
        "Responses": {},
        "UnprocessedKeys": {
            "profiles": {"Keys": [{"pk": {"S": "c#c-1"}, "sk": {"S": "facts"}}]},
        },
    }
)
PARAMETER = Reply(
    {
        "Parameter": {
            "Value": json.dumps(
                {
                    "current": "k1",
                    "keys": {"k1": base64.b64encode(b"k" * 32).decode()},
                    "address_secret": base64.b64encode(b"a" * 32).decode(),
                    "coupon_secret": base64.b64encode(b"c" * 32).decode(),
                }
            )
        }
    }
)


def checkout_against(
    react: Callable[[Request], Reaction],
) -> tuple[dict[str, Any], float, list[str]]:
    """Decide with real clients against a server; the answer, seconds, operations asked for."""
    with Loopback(react) as server, open_storefront() as shop:
        clients = Clients(endpoint_url=server.url)
        clients.warm()
        hurried = aws_adapters(SETTINGS, clients).hurried
        shop.start(replace(shop.adapters(), hurried=hurried))
        started_at = time.monotonic()
        answer = shop.decide()
        seconds = time.monotonic() - started_at
        return answer, seconds, [request.operation for request in server.requests]


def healthy_but(operation: str, bad: Reaction) -> Callable[[Request], Reaction]:
    """Everything answers, only one operation does not."""
    well = {"BatchGetItem": NOTHING, "GetParameter": PARAMETER}
    return lambda request: bad if request.operation == operation else well[request.operation]


@pytest.mark.parametrize(
    "bad",
    [Stall(), HangUp(), THROTTLED, UNAVAILABLE, UNPROCESSED],
    ids=["stall", "hang-up", "throttle", "fault", "unprocessed keys"],
)
def test_a_bad_read_is_answered_within_the_deadline(bad: Reaction) -> None:
    """Stalls, hang-ups, throttles, faults and unprocessed keys: 200, after two tries at most."""
    answer, seconds, operations = checkout_against(healthy_but("BatchGetItem", bad))

    assert_degraded(answer)
    assert seconds < CHECKOUT_SECONDS + SLACK_SECONDS
    assert operations in (["BatchGetItem"], ["BatchGetItem"] * 2)


@pytest.mark.parametrize(
    "bad",
    [Stall(), HangUp(), THROTTLED, UNAVAILABLE],
    ids=["stall", "hang-up", "throttle", "fault"],
)
def test_a_bad_write_is_answered_within_the_deadline(bad: Reaction) -> None:
    """A decision whose write stays in doubt is not told; the answer comes in time all the same."""
    answer, seconds, operations = checkout_against(healthy_but("PutItem", bad))

    assert_degraded(answer)
    assert seconds < CHECKOUT_SECONDS + SLACK_SECONDS
    assert operations[:2] == ["BatchGetItem", "GetParameter"]
    assert set(operations[2:]) == {"PutItem"}


def test_a_stalled_key_store_is_answered_within_the_deadline() -> None:
    """The signing keys share the checkout's deadline; without them the answer is degraded."""
    answer, seconds, operations = checkout_against(healthy_but("GetParameter", Stall()))

    assert_degraded(answer)
    assert seconds < CHECKOUT_SECONDS + SLACK_SECONDS
    assert "PutItem" not in operations


def test_nobody_listening_is_answered_at_once() -> None:
    """A refused connection degrades the answer without waiting for the deadline."""
    with Loopback(healthy_but("", NOTHING)) as server:
        url = server.url
    with open_storefront() as shop:
        clients = Clients(endpoint_url=url)
        clients.warm()
        hurried = aws_adapters(SETTINGS, clients).hurried
        shop.start(replace(shop.adapters(), hurried=hurried))

        assert_degraded(shop.decide())
