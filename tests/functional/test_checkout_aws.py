"""A checkout on DynamoDB and SSM (moto): the calls that go out, and what stands there then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import Client

import app as segue
from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.api import answers, views
from chalicelib.aws.clients import Clients
from chalicelib.core.kinds import FACTS, PRODUCT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.settings import read_settings
from ops.key import create_key
from tests.stack import Stack
from tests.storefront import MUGS, TEXAS
from tests.unit.core.situations import MUG, NOW, buyer, shipped_rules


class Till:
    """The app on moto, with a key, counting what its clients ask of AWS."""

    def __init__(self, parts: wiring.Parts, clients: Clients) -> None:
        self.operations: list[str] = []
        self._client = Client(segue.app)
        key = create_key(parts.adapters.store, scopes=("decide", "read"), now=NOW)
        self._headers = {
            "Authorization": f"Bearer {key.text}",
            "Content-Type": "application/json",
        }
        for client in (clients.dynamodb_fast(), clients.dynamodb_patient(), clients.ssm()):
            client.meta.events.register("before-call", self._count, unique_id="till")

    def close(self, clients: Clients) -> None:
        """Stop counting."""
        for client in (clients.dynamodb_fast(), clients.dynamodb_patient(), clients.ssm()):
            client.meta.events.unregister("before-call", unique_id="till")

    def _count(self, model: Any, **_: Any) -> None:
        self.operations.append(model.name)

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """Call the API; the decoded answer."""
        response = self._client.http.request(method, path, headers=self._headers, body=body)
        assert response.status_code == 200, response.body
        return response.json_body

    def decide(self, **who: Any) -> tuple[dict[str, Any], list[str]]:
        """A checkout, and the operations that it took besides the authorizer's."""
        self.operations.clear()
        request = {"context": TEXAS, "cart": MUGS, **who}
        answer = self.call("POST", "/v1/decisions", json.dumps(request).encode())
        assert self.operations[0] == "BatchGetItem"  # the authorizer looks the key up
        return answer, self.operations[1:]


@pytest.fixture
def till(stack: Stack, clients: Clients) -> Iterator[Till]:
    """The app on moto, which knows one buyer and sells a mug."""
    settings = read_settings(stack.environment)
    parts = wiring.Parts(settings, aws_adapters(settings, clients), clock=lambda: NOW)
    parts.__dict__["rules"] = shipped_rules()
    facts = buyer(silent_days=100)
    parts.adapters.store.write(
        [
            Put(FACTS.key(facts.subject.key), facts, WHATEVER),
            Put(PRODUCT.key(MUG.sku), MUG, WHATEVER),
        ],
        now=NOW,
    )
    wiring.install(parts)
    till = Till(parts, clients)
    till.decide(customer_id="warm-up")  # the signing keys are read once in five minutes
    try:
        yield till
    finally:
        till.close(clients)
        wiring.install(None)
        telemetry.configure(stage="unset")


def test_a_decision_with_effects_is_one_batch_get_and_one_transaction(till: Till) -> None:
    """Profile, session, switches, catalogue and live codes are one call; all writes are another."""
    answer, operations = till.decide(customer_id="c-1")

    answers.Decision.model_validate(answer)
    assert answer["price"]["tier"] == "winback"
    assert len(answer["offers"]) == 1
    assert operations == ["BatchGetItem", "TransactWriteItems"]


@pytest.mark.parametrize("who", [{"customer_id": "nobody"}, {"anonymous_id": "g-1"}])
def test_a_decision_without_effects_is_one_batch_get_and_one_put(
    till: Till, who: dict[str, Any]
) -> None:
    """Who gets the published price costs a single conditional put."""
    answer, operations = till.decide(**who)

    assert answer["price"]["tier"] == "base"
    assert operations == ["BatchGetItem", "PutItem"]


def test_a_refresh_is_one_batch_get(till: Till) -> None:
    """The same checkout in the same session writes nothing."""
    first, _ = till.decide(customer_id="c-1")

    again, operations = till.decide(customer_id="c-1")

    assert again == first
    assert operations == ["BatchGetItem"]


def test_the_signing_keys_are_read_once(till: Till) -> None:
    """A warm process asks SSM for nothing."""
    till.decide(customer_id="c-1")

    assert "GetParameter" not in till.operations


def test_the_record_is_found_and_decides_again_to_the_same(till: Till) -> None:
    """What DynamoDB gives back of a decision re-executes without a difference."""
    answer, _ = till.decide(customer_id="c-1")
    path = f"/v1/decisions/{answer['decision_id']}"

    record = till.call("GET", path)
    replayed = till.call("POST", f"{path}/replay")

    views.DecisionRecord.model_validate(record)
    assert record["decision"]["tier"] == "winback"
    assert record["reasons"] == answer["reasons"]
    assert replayed == {"same": True, "differences": []}
