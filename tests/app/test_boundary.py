"""What every request passes through: ids, problem documents, and one log line without a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import app as segue
from chalicelib import wiring
from chalicelib.api.answers import Problem
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.subject import customer
from tests.storefront import MUGS, TEXAS, Storefront, open_storefront
from tests.unit.core.situations import NOW

CHECKOUT = {"customer_id": "c-1", "context": TEXAS, "cart": MUGS}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1."""
    with open_storefront() as storefront:
        yield storefront


def gateway_event(method: str, path: str, **context: Any) -> dict[str, Any]:
    """What API Gateway hands over, for requests that Chalice's local gateway would not let by."""
    return {
        "requestContext": {
            "httpMethod": method,
            "resourcePath": path,
            "authorizer": {"principalId": "0123456789ab", "scopes": "decide"},
            **context,
        },
        "headers": {"Content-Type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": "{}",
        "isBase64Encoded": False,
    }


def problem_of(response: Any) -> dict[str, Any]:
    """The problem document of a refusal, checked against its model."""
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json_body
    Problem.model_validate(body)
    assert body["status"] == response.status_code
    return body


# --- correlation --------------------------------------------------------------------------------


def test_a_sane_correlation_id_comes_back(shop: Storefront) -> None:
    """The caller's id stands in the answer's header and in the log line."""
    response = shop.call("GET", "/v1/health", headers={"X-Correlation-Id": "checkout-4711"})

    assert response.headers["X-Correlation-Id"] == "checkout-4711"
    assert shop.lines()[0]["correlation_id"] == "checkout-4711"


@pytest.mark.parametrize(
    "sent", ["", "short", "x" * 129, "with blank", 'quote"d-id', "zeile\n2-id"]
)
def test_another_correlation_id_is_replaced(shop: Storefront, sent: str) -> None:
    """What could do harm in a log is not taken over."""
    response = shop.call("GET", "/v1/health", headers={"X-Correlation-Id": sent})

    made = response.headers["X-Correlation-Id"]
    assert made != sent
    assert len(made) == 32


def test_the_gateways_request_id_stands_in(shop: Storefront) -> None:
    """Without an id of the caller's, the one of API Gateway's own log is used."""
    request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    answer = segue.app(gateway_event("POST", "/v1/decisions", requestId=request_id), None)

    assert answer["headers"]["X-Correlation-Id"] == request_id


def test_refusals_carry_the_correlation_id(shop: Storefront) -> None:
    """The problem document names the request that support is asked about."""
    headers = {"X-Correlation-Id": "checkout-4711"}

    response = shop.call("GET", "/v1/decisions/none", headers=headers)

    assert problem_of(response)["instance"] == "urn:segue:request:checkout-4711"
    assert response.headers["X-Correlation-Id"] == "checkout-4711"


# --- refusals -----------------------------------------------------------------------------------


def test_an_unknown_route_is_404() -> None:
    """A route that the gateway lets by and the app does not know is a problem document."""
    answer = segue.app(gateway_event("GET", "/v1/nothing"), None)

    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["type"] == "urn:segue:problem:not-found"


def test_an_unknown_method_is_405(shop: Storefront) -> None:
    """The answer names the methods that there are."""
    response = shop.call("DELETE", "/v1/decisions/x")

    assert problem_of(response)["status"] == 405
    assert response.headers["Allow"] == "GET"


def test_another_content_type_is_415(shop: Storefront) -> None:
    """JSON alone is read, and the answer says so."""
    response = shop.call(
        "POST", "/v1/decisions", body=CHECKOUT, headers={"Content-Type": "application/xml"}
    )

    assert problem_of(response)["errors"][0] == {
        "field": "Content-Type",
        "problem": "must be application/json",
    }
    assert shop.calls() == []


def test_json_with_a_charset_is_read(shop: Storefront) -> None:
    """Parameters of the content type do no harm."""
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert shop.call("POST", "/v1/decisions", body=CHECKOUT, headers=headers).status_code == 200


def test_a_body_in_base64_is_read(shop: Storefront) -> None:
    """The gateway may encode a body; what it says it encoded must be base64."""
    event = gateway_event("POST", "/v1/decisions") | {"isBase64Encoded": True}

    decoded = segue.app({**event, "body": "eyJjdXN0b21lcl9pZCI6ICJuIn0="}, None)
    broken = segue.app({**event, "body": "!"}, None)

    assert decoded["statusCode"] == 200
    assert (broken["statusCode"], json.loads(broken["body"])["errors"][0]["field"]) == (400, "body")


def test_storage_that_does_not_answer_is_503_where_nobody_waits_at_a_till(shop: Storefront) -> None:
    """A look-up says when to come back."""
    shop.store.fail_reads(Transient("throttled"))

    response = shop.call("GET", "/v1/decisions/d_1")

    assert problem_of(response)["type"] == "urn:segue:problem:unavailable"
    assert response.headers["Retry-After"] == "1"


def test_what_is_broken_is_500_without_a_word_of_why(shop: Storefront) -> None:
    """The reason goes into the log, with the place in the code; the caller gets an id to name."""
    shop.store.fail_reads(Broken("BatchGetItem: AccessDeniedException (request r)"))

    response = shop.call("GET", "/v1/decisions/d_1")

    assert problem_of(response)["type"] == "urn:segue:problem:broken"
    assert "AccessDenied" not in response.body.decode()
    [line] = shop.lines()
    assert line["reason"].startswith("BatchGetItem: AccessDenied")
    assert any(place.startswith("read.py:") for place in line["traceback"])


def test_a_bug_is_500_and_its_message_is_not_logged(shop: Storefront) -> None:
    """A message that we did not write may quote a customer."""
    shop.store.fail_reads(RuntimeError("no row for ann@example.com"))

    response = shop.call("GET", "/v1/decisions/d_1")

    assert problem_of(response)["type"] == "urn:segue:problem:internal"
    assert shop.lines()[0]["error"] == "RuntimeError"
    assert "ann@example.com" not in shop.log.getvalue() + response.body.decode()


def test_settings_that_cannot_be_read_are_a_problem_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even a function without its environment answers in the interface's own form."""
    monkeypatch.delenv("SEGUE_SENDER", raising=False)
    wiring.install(None)

    answer = segue.app(gateway_event("GET", "/v1/health"), None)

    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["type"] == "urn:segue:problem:broken"


def test_an_event_that_is_no_request_is_answered_all_the_same() -> None:
    """A test event from the console does not crash the function."""
    assert segue.app({"hello": "world"}, None)["statusCode"] == 500


# --- the log ------------------------------------------------------------------------------------


def test_a_request_is_one_line(shop: Storefront) -> None:
    """Route, status, key, decision and latency: enough to find it, in one place."""
    answer = shop.decide()

    [line] = shop.lines()
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/decisions", 200)
    assert line["decision_id"] == answer["decision_id"]
    assert line["LatencyMs"] > 0
    assert "left_out" not in line


def test_bad_input_is_counted_and_its_latency_is_not(shop: Storefront) -> None:
    """A malformed header, a body that is none; a code that nobody issued is told elsewhere."""
    shop.call(
        "POST", "/v1/decisions", body={"customer_id": "c-1"}, headers={"Idempotency-Key": " "}
    )
    shop.call("POST", "/v1/decisions", body=b"{")
    shop.call("POST", "/v1/decisions", body={"customer_id": 7})
    shop.call("GET", "/v1/decisions/none")

    lines = shop.lines()
    assert [line["status"] for line in lines] == [400, 400, 422, 404]
    assert [line.get("Rejects") for line in lines] == [1, 1, 1, None]
    assert not any("LatencyMs" in line for line in lines)
    assert all(line["latency_ms"] > 0 for line in lines)


def test_a_decision_is_counted_by_segment_and_placement(shop: Storefront) -> None:
    """CloudWatch reads the metrics from the line; dimensions are few and never a person."""
    shop.decide()

    [line] = shop.lines()
    directives = line["_aws"]["CloudWatchMetrics"]
    dimensions = {d["Metrics"][0]["Name"]: d["Dimensions"] for d in directives}
    assert dimensions["Decisions"] == [["service", "stage", "placement"]]
    assert dimensions["Segments"] == [["service", "stage", "segment"]]
    assert (line["service"], line["stage"], line["segment"]) == ("segue", "test", "at_risk")
    assert (line["Decisions"], line["Fallbacks"], line["Degraded"]) == (1, 0, 0)


def test_a_repeat_is_no_second_decision(shop: Storefront) -> None:
    """A refresh is logged, and not counted as a decision."""
    shop.decide()
    shop.decide()

    assert [line["Decisions"] for line in shop.lines()] == [1, 0]
    assert [line["repeated"] for line in shop.lines()] == [False, True]


def test_a_stranger_counts_as_fallback(shop: Storefront) -> None:
    """The share of answers that no model gave can be seen."""
    shop.decide("nobody")

    assert shop.lines()[0]["Fallbacks"] == 1


def test_no_line_names_a_person(shop: Storefront) -> None:
    """Neither customer id nor address nor name reaches the log, whatever the request says."""
    fields = {"email": Stamped("ann@example.com", NOW), "first_name": Stamped("Annabel", NOW)}
    shop.knows(Contact(customer("customer-77"), fields=fields))

    shop.decide("customer-77")
    shop.call("GET", "/v1/customers/customer-77")
    shop.call("POST", "/v1/decisions", body={"customer_id": "customer-77", "ann@example.com": 1})

    for secret in ("customer-77", "ann@example.com", "Annabel"):
        assert secret not in shop.log.getvalue()


def test_answers_are_not_cached(shop: Storefront) -> None:
    """A price is one person's."""
    response = shop.call("POST", "/v1/decisions", body=CHECKOUT)

    assert response.headers["Cache-Control"] == "no-store"
